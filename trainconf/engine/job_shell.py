"""The shell scripts that run first in every container of a run: their arguments, what they do, and what they leave for the agent to read.

    one process       sh -c SHIM sh <log> <usage> <cgroup> <program> <arguments...>
    several           sh -c RANKS_SHIM sh <log> <usage> <cgroup> <ends> <ranks, such as "0 1 2"> <program> <arguments...>
    those of MPI      sh -c MPI_SHIM sh <log> <usage> <cgroup> <ends> <ranks> <mpirun> <arguments...>

Such a shell reads the job's variables from standard input, so that no value is in `docker inspect` or in a file. It writes the job's output
into its log itself, so that nothing is lost when the engine restarts. It stays behind the job to record what that used. POSIX only: dash,
busybox and bash are all called `sh`.

    log       must exist and be writable; of several that of the first. So must <usage> and <ends>, and be empty.
    ends      gets a line `<rank> <exit code>` as each process ends, in that order; CANNOT_START after it where no program ran. With MPI
              there are further lines: `<rank> BEGAN <pid>`, and one with SIGNALED when all were told to stop.
    exit code the program's own, of several the first that is not 0; 127 no such program, 126 not executable, 128 + n ended by signal n.
              NOT_STARTED without a usage file: nothing was started, for the log cannot be written or the variables did not arrive whole;
              with one: a process has ended and nobody could write down how.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COMPAT_PATH = "TRAINCONF_COMPAT_PATH"  # a variable: folders with other tools' names, for the job's PYTHONPATH
PACKAGE_PATH = "/mnt/trainconf"  # on the job's PYTHONPATH; holds the folder `trainconf` and nothing else
EXPORT_PYTHONPATH = f"""\
export PYTHONPATH="{PACKAGE_PATH}${{{COMPAT_PATH}:+:${COMPAT_PATH}}}${{PYTHONPATH:+:$PYTHONPATH}}"
"""
NODE_HOST = "node-{}"  # what the container of each of several nodes is called, on the run's own network
NOT_STARTED = 125
UMASK = "022"
GOT_SIGTERM, CANNOT_START, NO_MPIRUN, MPIRUN = "got_sigterm", "cannot_start", "no_mpirun", "mpirun"  # the engine cannot tell
BEGAN, SIGNALED = "began", "signaled"  # of ranks that mpirun starts

# The last line of the variables says that they are whole: the sender may die meanwhile. The shell handles signals and does not ignore them,
# because an ignored signal stays ignored in the job. `exec` in a subshell never takes a builtin for the program. What the shell itself says
# about the job's end ("Terminated") is not the job's output.
_WHOLE = "# whole"
_BEGIN = f"""\
[ -w "$1" ] || exit {NOT_STARTED}
exec >>"$1" 2>&1
trap 'exit 143' TERM
set -- "$(cat)" "$@"
case $1 in *"{_WHOLE}") ;; *) exit {NOT_STARTED} ;; esac
exec </dev/null
eval "$1"
shift
unset TINI_KILL_PROCESS_GROUP
{EXPORT_PYTHONPATH}trap TRAINCONF_SIGNALED=1 TERM
trap : INT HUP QUIT USR1 USR2
"""
_HAS_PROGRAM = 'line=$(command -v -- "${}") && [ -x "$line" ] && [ ! -d "$line" ]'
_USAGE = """\
for file in cpuacct/cpuacct.usage memory/memory.max_usage_in_bytes cpu.stat memory.peak; do
  [ -r "$3/$file" ] && IFS= read -r line <"$3/$file" && echo "${file##*/} $line"
done
for file in memory/memory.oom_control memory.events; do
  [ -r "$3/$file" ] && while IFS= read -r line; do
    case $line in "oom_kill "*) echo "$line" ;; esac
  done <"$3/$file"
done
} >"$2"
exit "$code"\
"""

SHIM = f"""\
{_BEGIN}exec 3>&2 2>/dev/null
(exec 2>&3 3>&-; shift 3; exec "$@")
code=$?
{{
[ -z "$TRAINCONF_SIGNALED" ] || echo {GOT_SIGTERM}
case $code in 126|127) {_HAS_PROGRAM.format(4)} || echo {CANNOT_START} ;; esac
{_USAGE}"""

# One of several ranks: <rank> <log> <usage> <cgroup> <ends> <ranks> <program> <arguments...>. It gets the signals of its process group, as
# the program does, and survives them to record the end. It exports no name of ours, and until the end it uses none that the job may have.
_RANK = f"""\
trap : TERM INT HUP QUIT USR1 USR2
(eval "$TRAINCONF_RANKS"; unset TRAINCONF_RANKS; exec >>"$TRAINCONF_LOG" 2>&1 </dev/null; shift 6; exec "$@")
code=$?
case $code in 126|127) {_HAS_PROGRAM.format(7)} || code="$code {CANNOT_START}" ;; esac
echo "$1 $code" >>"$5"
"""

# `code` becomes that of the first that failed; where a line is missing, it stays what it was, or NOT_STARTED.
_COUNT = f"""\
IFS=' ' count=0 first=0
for rank in $5; do count=$((count + 1)); done
while read -r rank ended line; do
  case $ended in {BEGAN}|{SIGNALED}) continue ;; esac
  count=$((count - 1))
  [ "$first" != 0 ] || first=$ended
done <"$4"
if [ "$first" != 0 ]; then code=$first; elif [ "$count" = 0 ]; then code=0; elif [ "$code" = 0 ]; then code={NOT_STARTED}; fi
"""

# A pipeline without data instead of `&`: in the background SIGINT and SIGQUIT would be ignored for good.
RANKS_SHIM = f"""\
for TRAINCONF_RANK in $5; do
  TRAINCONF_ALL="${{TRAINCONF_ALL-}}${{TRAINCONF_ALL:+ | }}trainconf_rank $TRAINCONF_RANK \\"\\$@\\""
done
trainconf_rank() {{
{_RANK}}}
{_BEGIN}true >>"$4" || exit {NOT_STARTED}
exec >/dev/null 2>&1
eval "$TRAINCONF_ALL"
code=0
{_COUNT}{{
[ -z "$TRAINCONF_SIGNALED" ] || echo {GOT_SIGTERM}
{_USAGE}"""

# mpirun starts this for each rank, as a process group of its own. mpirun ends all others at once when one fails, or leaves without
# MPI_Finalize. Here the agent decides who ends them, and when: a rank that failed or was told to stop waits for the others.
_MPI_RANK = f"""\
set -- "${{OMPI_COMM_WORLD_RANK-${{PMI_RANK-$PMIX_RANK}}}}" "$@"
echo "$1 {BEGAN} $$" >>"$5"
while read -r TRAINCONF_RANK TRAINCONF_WORD TRAINCONF_REST; do
  [ "$TRAINCONF_WORD" != {SIGNALED} ] || {{ echo "$1 143" >>"$5"; exit 0; }}
done <"$5"
{_RANK}while :; do
  count=0
  for rank in $6; do count=$((count + 1)); done
  while read -r rank ended line; do
    case $ended in {SIGNALED}) code={SIGNALED} ;; {BEGAN}) ;; *) count=$((count - 1)) ;; esac
  done <"$5"
  [ "$code" != 0 ] && [ "$count" != 0 ] || exit 0
  sleep 0.1 2>/dev/null || sleep 1
done
"""

# SIGTERM comes to this shell alone, which passes it on to the ranks and not to mpirun. A rank that begins at that moment is either on the
# list or finds it closed. mpirun restores SIGINT and SIGQUIT, which the background ignores; Open MPI only the first.
MPI_SHIM = f"""\
trainconf_signal() {{
echo "- {SIGNALED} -" >>"$1"
while IFS=' ' read -r TRAINCONF_RANK TRAINCONF_WORD TRAINCONF_PID; do
  [ "$TRAINCONF_WORD" != {BEGAN} ] || kill -TERM "-$TRAINCONF_PID"
done <"$1"
}}
{_BEGIN}true >>"$4" || exit {NOT_STARTED}
TRAINCONF_MPIRUN=$(command -v -- "$6") || {{ [ "$6" = mpirun ] && TRAINCONF_MPIRUN=$(command -v mpiexec); }} || {{
echo {NO_MPIRUN} >"$2"
exit 127
}}
export TRAINCONF_RANKS
exec 3>&2 2>/dev/null
trap 'TRAINCONF_SIGNALED=1; trainconf_signal "$4"' TERM
[ -z "$TRAINCONF_SIGNALED" ] || trainconf_signal "$4"
(exec 2>&3 3>&-; shift 6; exec "$TRAINCONF_MPIRUN" "$@") &
while wait "$!"; code=$?; kill -0 "$!"; do :; done
TRAINCONF_MPI=$code
{_COUNT}{{
echo "{MPIRUN} $TRAINCONF_MPI"
[ -z "$TRAINCONF_SIGNALED" ] || echo {GOT_SIGTERM}
{_USAGE}"""

# The init process of the engine (tini 0.19) then signals the whole process group of the job and not only its shell; not for MPI_SHIM.
GROUP_ENV = "TINI_KILL_PROCESS_GROUP=1"


def command(log: str, usage: str, argv: Sequence[str], *, has_cgroup: bool = True) -> list[str]:
    """`Cmd` of a container that runs `argv`. Without a cgroup of its own the container sees the whole machine's, which is not recorded."""
    return ["sh", "-c", SHIM, "sh", log, usage, _cgroup(has_cgroup), *argv]


def ranks_command(
    log: str, usage: str, ends: str, ranks: Sequence[int], argv: Sequence[str], *, has_cgroup: bool = True
) -> list[str]:
    """`Cmd` of a container that runs `argv` once for each of several ranks."""
    return ["sh", "-c", RANKS_SHIM, "sh", log, usage, _cgroup(has_cgroup), ends, " ".join(map(str, ranks)), *argv]


def mpi_command(
    log: str, usage: str, ends: str, ranks: Sequence[int], mpirun: Sequence[str], argv: Sequence[str], *, has_cgroup: bool = True
) -> list[str]:
    """`Cmd` of a container whose `mpirun`, given with its further arguments, runs `argv` as all ranks of the run."""
    arguments = [log, usage, _cgroup(has_cgroup), ends, " ".join(map(str, ranks))]
    started = [*mpirun, "-n", str(len(ranks)), "sh", "-c", _MPI_RANK, "sh", *arguments, *argv]
    return ["sh", "-c", MPI_SHIM, "sh", *arguments, *started]


def _cgroup(has_cgroup: bool) -> str:
    return "/sys/fs/cgroup" if has_cgroup else "/nowhere"


def variables_text(variables: Mapping[str, str], umask: str = UMASK, ranks: Iterable[tuple[int, str, Mapping[str, str]]] = ()) -> bytes:
    """The text for the container's standard input: the job's variables and its umask.

    `ranks` are those of a container that has several: number, log, and the variables that only this rank has. `can_export` must hold for
    every name.
    """
    lines = [f"umask {umask}\n", *_exports(variables)]
    places = "".join(f"{rank}) TRAINCONF_LOG={_quoted(log)}\n{''.join(_exports(own))};;\n" for rank, log, own in ranks)
    if places:
        lines.append(f"TRAINCONF_RANKS={_quoted(f'case $1 in {places}esac')}\n")
    return "".join([*lines, f"{_WHOLE}\n"]).encode("utf-8", "surrogateescape")


# Names that bash, dash or busybox keeps for itself: read-only, an array, a number, or another value at each read. By trial, with bash 5.2.
SHELLS_OWN = frozenset((
    "_", "BASHOPTS", "BASHPID", "BASH_ALIASES", "BASH_ARGC", "BASH_ARGV", "BASH_CMDS", "BASH_COMMAND", "BASH_LINENO", "BASH_SOURCE",
    "BASH_SUBSHELL", "BASH_VERSINFO", "DIRSTACK", "EPOCHREALTIME", "EPOCHSECONDS", "EUID", "FUNCNAME", "GROUPS", "HISTCMD", "LINENO",
    "OPTIND", "PPID", "RANDOM", "SECONDS", "SHELLOPTS", "SRANDOM", "UID",
))


def can_export(name: str) -> bool:
    """Whether every shell can hand on a variable of that name, with whatever value."""
    return name.isascii() and name.isidentifier() and name not in SHELLS_OWN


def _exports(variables: Mapping[str, str]) -> list[str]:
    return [f"export {name}={_quoted(value)}\n" for name, value in variables.items()]


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def read_usage(text: str) -> tuple[float | None, int | None]:
    """CPU seconds and peak memory in bytes (page cache included) of a container, from its usage file; None where it did not say."""
    values = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    cpu_s = peak_bytes = None
    nanoseconds = _count(values.get("cpuacct.usage"))  # cgroup v1
    microseconds = _count(values.get("cpu.stat", "").removeprefix("usage_usec "))  # cgroup v2
    if nanoseconds is not None:
        cpu_s = nanoseconds / 1e9
    elif microseconds is not None:
        cpu_s = microseconds / 1e6
    for name in ("memory.max_usage_in_bytes", "memory.peak"):
        peak_bytes = _count(values.get(name)) if name in values else peak_bytes
    return cpu_s, peak_bytes


def read_oom_kills(text: str) -> int:
    """How many processes of the container the kernel ended for memory, from its usage file; 0 where it did not say."""
    return max((_count(line.partition(" ")[2]) or 0 for line in text.splitlines() if line.startswith("oom_kill ")), default=0)


def _count(text: str | None) -> int | None:
    """A number as a kernel writes it; None for anything else that the job may have put there."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None


def says(text: str, what: str) -> bool:
    """Whether a usage file says GOT_SIGTERM: somebody told the container to stop; or CANNOT_START: no program ran."""
    return what in text.splitlines()


def read_ends(text: str) -> list[tuple[int, int, bool]]:
    """The ends in an ends file, in order: rank, exit code, whether a program ran. A line that is not whole, or not ours, is not read."""
    ends = []
    for line in text[: text.rfind("\n") + 1].splitlines():
        rank, code, *more = [*line.split(), "", ""]
        number, ended = _count(rank), _count(code)
        if number is not None and ended is not None and ended < 256:
            ends.append((number, ended, CANNOT_START not in more))
    return ends


def read_mpirun(text: str) -> int | None:
    """mpirun's own exit code, from a usage file; None where there was none."""
    return next((_count(line.split(" ")[1]) for line in text.splitlines() if line.startswith(f"{MPIRUN} ")), None)
