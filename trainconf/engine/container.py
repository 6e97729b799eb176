"""What the launcher that asks for a container and the agent that minds it agree on: its command, its variables, its labels, its GPUs.

The command is `sh -c SHIM sh <log> <usage> <cgroup> <program> <arguments...>`. Standard library only; nothing here speaks to an engine.

    SHIM      takes the job's variables from standard input, so that no value is in `docker inspect` or in a file; writes the job's output
              into its log itself, so that nothing is lost when the engine restarts; stays behind the job to record what it used.
    log       must exist and be writable; <usage> must not exist.
    exit code the program's own; 127 no such program, 126 not executable, 128 + n ended by signal n. NOT_STARTED without a usage file: the
              program was not started, because the log cannot be written or the variables did not arrive whole.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

PACKAGE_PATH = "/mnt/trainconf"  # on the job's PYTHONPATH; holds the folder `trainconf` and nothing else
NOT_STARTED = 125
UMASK = "022"
GOT_SIGTERM, CANNOT_START = "got_sigterm", "cannot_start"  # lines of the usage file: the engine cannot tell

# The last line of the variables says that they are whole: whoever sends them may die meanwhile. The shell has a handler for signals
# and does not ignore them, for what is ignored stays ignored in the job. `exec` in a subshell never takes a builtin for the program.
# What the shell itself says of the job's end ("Terminated") is not the job's output.
_WHOLE = "# whole"
SHIM = f"""\
[ -w "$1" ] || exit {NOT_STARTED}
exec >>"$1" 2>&1
trap 'exit 143' TERM
set -- "$(cat)" "$@"
case $1 in *"{_WHOLE}") ;; *) exit {NOT_STARTED} ;; esac
exec </dev/null
eval "$1"
shift
unset TINI_KILL_PROCESS_GROUP
export PYTHONPATH="{PACKAGE_PATH}${{PYTHONPATH:+:$PYTHONPATH}}"
trap TRAINCONF_TOLD=1 TERM
trap : INT HUP QUIT USR1 USR2
exec 3>&2 2>/dev/null
(exec 2>&3 3>&-; shift 3; exec "$@")
code=$?
{{
[ -z "$TRAINCONF_TOLD" ] || echo {GOT_SIGTERM}
case $code in 126|127) line=$(command -v -- "$4") && [ -x "$line" ] && [ ! -d "$line" ] || echo {CANNOT_START} ;; esac
for file in cpuacct/cpuacct.usage memory/memory.max_usage_in_bytes cpu.stat memory.peak; do
  [ -r "$3/$file" ] && IFS= read -r line <"$3/$file" && echo "${{file##*/}} $line"
done
}} >"$2"
exit "$code\""""

# The init process of the engine (tini 0.19) then signals the whole process group of the job and not only its shell.
ENGINE_ENV = ("TINI_KILL_PROCESS_GROUP=1",)

LABEL_RUN_ID = "trainconf.run_id"
LABEL_RUN_DIR = "trainconf.run_dir"
LABEL_RANK = "trainconf.rank"
LABEL_ATTEMPT = "trainconf.attempt"
LABEL_UID = "trainconf.uid"

_CDI_DRIVER = "cdi"
_CDI_KIND = "nvidia.com/gpu"


def command(log: str, usage: str, argv: Sequence[str], *, has_cgroup: bool = True) -> list[str]:
    """`Cmd` of a container that runs `argv`. Without a cgroup of its own what it sees there is the whole machine's, and is not recorded."""
    return ["sh", "-c", SHIM, "sh", log, usage, "/sys/fs/cgroup" if has_cgroup else "/nowhere", *argv]


def variables_text(variables: Mapping[str, str], umask: str = UMASK) -> bytes:
    """What is sent to the container's standard input: the job's variables, and who may read what it writes.

    Every name must be one that `can_export` takes.
    """
    lines = [f"export {name}={_quoted(value)}\n" for name, value in variables.items()]
    return "".join([f"umask {umask}\n", *lines, f"{_WHOLE}\n"]).encode("utf-8", "surrogateescape")


def can_export(name: str) -> bool:
    """Whether a shell can hand on a variable of that name."""
    return name.isascii() and name.isidentifier()


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def read_usage(text: str) -> tuple[float | None, int | None]:
    """CPU seconds and peak memory in bytes (page cache included) of a container, from its usage file; None where it did not say."""
    values = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    cpu_s = peak_bytes = None
    if values.get("cpuacct.usage", "").isdigit():  # cgroup v1, nanoseconds
        cpu_s = int(values["cpuacct.usage"]) / 1e9
    elif values.get("cpu.stat", "").startswith("usage_usec "):  # cgroup v2, microseconds
        cpu_s = int(values["cpu.stat"].split()[1]) / 1e6
    for name in ("memory.max_usage_in_bytes", "memory.peak"):
        if values.get(name, "").isdigit():
            peak_bytes = int(values[name])
    return cpu_s, peak_bytes


def says(text: str, what: str) -> bool:
    """Whether a usage file says GOT_SIGTERM: whoever it was, the container was told to stop; or CANNOT_START: no program ran."""
    return what in text.splitlines()


def with_gpus(body: dict[str, Any], ids: Iterable[str]) -> dict[str, Any]:
    """A copy of a container's request whose one GPU request names the leased ids; a body without one comes back as it is."""
    host = body.get("HostConfig", {})
    requests = host.get("DeviceRequests")
    if not requests:
        return body
    first, *others = requests
    named = [f"{_CDI_KIND}={id_}" if first["Driver"] == _CDI_DRIVER else id_ for id_ in ids]
    return {**body, "HostConfig": {**host, "DeviceRequests": [{**first, "DeviceIDs": named}, *others]}}


def gpu_request(kind: str) -> dict[str, Any]:
    """The request for GPUs whose ids `with_gpus` fills in; `kind` is `device_requests` or `cdi`."""
    if kind == "cdi":
        return {"Driver": _CDI_DRIVER, "DeviceIDs": []}
    return {"Driver": "", "DeviceIDs": [], "Capabilities": [["gpu"]]}
