"""Every file name trainconf uses, once: `RunPaths` for a run, `WorkspacePaths` for a workspace.

Pure string arithmetic over `str` paths (undecodable bytes as surrogate escapes); only `find_workspace` looks at the disk.
"""

from __future__ import annotations

import os

STATE_DIR = ".trainconf"
RUNS_DIR = "runs"
CONF_DIR = "conf"
OWN_CONF = (CONF_DIR, "trainconf")
REMOVING = ".removing"  # ends the name of a run's folder while that is removed; no run id ends so
SAFE_WORKSPACES = "TRAINCONF_SAFE_WORKSPACES"  # names workspaces of other users that this one trusts


class RunPaths:
    """The files of one run (or of one sweep, which has the agent's files only)."""

    __slots__ = ("run_dir",)

    def __init__(self, run_dir: str) -> None:
        self.run_dir = run_dir

    def _at(self, *names: str) -> str:
        return "/".join((self.run_dir, *names))  # what `os.path.join` does with these, in a third of its time

    @property
    def run_id(self) -> str:
        return os.path.basename(self.run_dir)

    @property
    def workspace(self) -> WorkspacePaths:
        """The workspace it belongs to, at whose root runs/<experiment>/<run_id> lies."""
        return WorkspacePaths(os.path.dirname(os.path.dirname(os.path.dirname(self.run_dir))))

    @property
    def spec(self) -> str:
        """The frozen RunSpec, canonical JSON."""
        return self._at("spec.json")

    @property
    def record(self) -> str:
        """What is known about the run besides its spec: names, tags, parent, times of submission."""
        return self._at("run.json")

    @property
    def labels(self) -> str:
        """What people have said of the run since: a line each time."""
        return self._at("labels.jsonl")

    @property
    def plan(self) -> str:
        """The LaunchPlan the agent carries out."""
        return self._at("plan.json")

    @property
    def params(self) -> str:
        return self._at("params.json")

    @property
    def config(self) -> str:
        """The composed config, the overrides, and the origin of every value."""
        return self._at("config.yaml")

    @property
    def git(self) -> str:
        return self._at("git.json")

    @property
    def patch(self) -> str:
        return self._at("uncommitted.patch")

    @property
    def environment_lock(self) -> str:
        return self._at("environment.lock")

    @property
    def events(self) -> str:
        """Append-only state history; the last line is the state."""
        return self._at("events.jsonl")

    def cancel_request(self, *, force: bool = False) -> str:
        """Somebody wants the run to end; with `force` at once, which comes besides. Only one machine writes to `events`: not this one."""
        return self._at("cancel_force.json" if force else "cancel.json")

    @property
    def metrics(self) -> str:
        """Metrics that the processes of one machine write. `history.metrics` lists all files that hold metrics."""
        return self._at("metrics.jsonl")

    @property
    def records(self) -> str:
        """What the processes of one machine record besides metrics. `history.logged.records` lists all files of that kind."""
        return self._at("records.jsonl")

    @property
    def children(self) -> str:
        """In a container: the runs below this one that its job makes, until the agent puts them in place."""
        return self._at("code", ".trainconf_children")

    @property
    def metrics_folder(self) -> str:
        """Metrics of a run whose disk several machines write to: `<host name>.jsonl`, one writing machine each."""
        return self._at("metrics")

    @property
    def code(self) -> str:
        """The job's working directory: the snapshot, and what the job makes of it."""
        return self._at("code")

    @property
    def job_outputs(self) -> str:
        """The job's own ./outputs, until the run has ended."""
        return self._at("code", "outputs")

    @property
    def job_logs(self) -> str:
        """The job's own ./logs, until the run has ended."""
        return self._at("code", "logs")

    @property
    def outputs(self) -> str:
        """What the script wrote to ./outputs: until the run has ended a link to `job_outputs`, then the folder itself."""
        return self._at("outputs")

    @property
    def logs(self) -> str:
        """The captured output and agent.log; when the run has ended also what the script wrote to ./logs."""
        return self._at("logs")

    @property
    def agent_log(self) -> str:
        return self._at("logs", "agent.log")

    @property
    def lock(self) -> str:
        """Held by the submitter, then by the agent, for as long as either lives."""
        return self._at("agent.lock")

    @property
    def trials(self) -> str:
        """A sweep's list of trials, one JSON line each, in the order in which they shall start."""
        return self._at("trials.jsonl")

    @property
    def held(self) -> str:
        """Of a sweep: while this file is there, its agent takes no further trial."""
        return self._at("held")

    def pool_job(self, number: int) -> RunPaths:
        """Of a sweep whose trials are given to jobs that each take several: what one of these jobs has, with the agent's files only."""
        return RunPaths(self._at("pool_jobs", f"{self.run_id}_pool{number}"))

    @property
    def journal(self) -> str:
        """Of a sweep: what it has asked for, see trainconf.sweeps.journal."""
        return self._at("journal.jsonl")

    @property
    def sweep(self) -> str:
        """What a sweep is."""
        return self._at("sweep.json")

    @property
    def is_sweep(self) -> bool:
        """Whether the folder is a sweep's: it has what only those have. One without its sweep.json is a damaged sweep, and no run."""
        return os.path.lexists(self.sweep) or os.path.lexists(self.journal)

    @property
    def controller_lock(self) -> str:
        """Held by the controller of a sweep for as long as it lives."""
        return self._at("controller.lock")

    @property
    def controller_log(self) -> str:
        """What a controller says that no terminal shows."""
        return self._at("logs", "controller.log")

    @property
    def controller_job(self) -> str:
        """Of a sweep whose controller is a scheduler's job: what was sent last, and its id."""
        return self._at("controller_job.json")

    @property
    def requests(self) -> str:
        """What others ask of a sweep's controller, a file each."""
        return self._at("requests")

    def log(self, rank: int) -> str:
        """What rank `rank` writes to its standard output and error."""
        return self._at("logs", "std_log.txt" if rank == 0 else f"std_log_rank_{rank}.txt")

    def usage(self, rank: int) -> str:
        """What the container of rank `rank` used, for the agent to read once."""
        return self._at(f"usage_rank_{rank}.txt")

    def system(self, node: int = 0) -> str:
        """What the agent has measured of the machine of the run; of a run on several, of the first one. A further node has its own."""
        return self._at(f"system_node_{node}.jsonl" if node else "system.jsonl")

    def ends(self, rank: int) -> str:
        """How the ranks of the container that begins with rank `rank` have ended, for the agent to read while they do."""
        return self._at(f"ends_rank_{rank}.txt")


class WorkspacePaths:
    """The files of one workspace: the folder that holds `conf/`, `runs/` and `.trainconf/`."""

    __slots__ = ("root",)

    def __init__(self, root: str) -> None:
        self.root = root

    @property
    def conf(self) -> str:
        """The config files: `conf/`, or `conf/trainconf/` where that is there, as in a project whose `conf/` is the tree of a Hydra app."""
        own = os.path.join(self.root, *OWN_CONF)
        return own if os.path.isdir(own) else os.path.join(self.root, CONF_DIR)

    @property
    def runs(self) -> str:
        return os.path.join(self.root, RUNS_DIR)

    @property
    def state(self) -> str:
        return os.path.join(self.root, STATE_DIR)

    @property
    def snapshots(self) -> str:
        return os.path.join(self.root, STATE_DIR, "snapshots")

    @property
    def envs(self) -> str:
        return os.path.join(self.root, STATE_DIR, "envs")

    @property
    def cache(self) -> str:
        return os.path.join(self.root, STATE_DIR, "cache")

    @property
    def home(self) -> str:
        """HOME of the jobs that run in containers: what they download is kept from run to run."""
        return os.path.join(self.root, STATE_DIR, "home")

    @property
    def index(self) -> str:
        return os.path.join(self.root, STATE_DIR, "index.sqlite")

    def run(self, experiment_name: str, run_id: str) -> RunPaths:
        return RunPaths(os.path.join(self.root, RUNS_DIR, experiment_name, run_id))


def find_workspace(start: str) -> WorkspacePaths:
    """The nearest folder from `start` upwards with a `.trainconf/`, or a `conf/` that is ours; else `start` itself.

    Raises UserError when another user owns it: its config decides what runs, so anybody who can write into a folder above could plant one.
    """
    for folder in folders_above(start):
        if is_workspace(folder):
            _refuse_foreign(folder)
            return WorkspacePaths(folder)
    return WorkspacePaths(os.path.abspath(start))


def folders_above(start: str) -> list[str]:
    """A folder and those above it: where a workspace is looked for."""
    found = [os.path.abspath(start)]
    while os.path.dirname(found[-1]) != found[-1]:
        found.append(os.path.dirname(found[-1]))
    return found


def is_workspace(folder: str) -> bool:
    """Whether a folder is one: it has a `.trainconf/`, or a `conf/` that is ours."""
    return os.path.isdir(os.path.join(folder, STATE_DIR)) or _is_conf(os.path.join(folder, CONF_DIR))


def _is_conf(folder: str) -> bool:
    return any(os.path.exists(os.path.join(folder, name)) for name in ("experiment", "config.yaml", "local.yaml", OWN_CONF[-1]))


def _refuse_foreign(folder: str) -> None:
    """Raise UserError when the workspace, or what is found in it by name, belongs to somebody who is neither this user nor root."""
    trusted = {0, os.geteuid()}
    if os.geteuid() == 0:
        trusted.add(int(os.environ.get("SUDO_UID") or 0))
    for path in (folder, *(os.path.join(folder, name) for name in (CONF_DIR, STATE_DIR, RUNS_DIR))):
        try:
            owners = {os.lstat(path).st_uid, os.stat(path).st_uid}
        except OSError:
            continue  # not there
        if not owners <= trusted and not _is_allowed(folder):
            from trainconf.errors import UserError

            raise UserError(
                "the workspace belongs to another user, whose config would decide what runs", ("workspace", folder),
                ("owner", f"user id {next(iter(owners - trusted))} owns {path}; you are {os.geteuid()}"),
                ("allowed", f"a workspace of your own: `mkdir {STATE_DIR}` makes the current folder one"),
                hint=f"where you trust them: {SAFE_WORKSPACES}={folder} (several are separated by `:`, `*` is all)",
            )


def _is_allowed(folder: str) -> bool:
    allowed = os.environ.get(SAFE_WORKSPACES, "").split(os.pathsep)
    return "*" in allowed or any(name and os.path.realpath(name) == os.path.realpath(folder) for name in allowed)


def is_inside(path: str, folder: str) -> bool:
    """Whether an absolute path lies in a folder, or is it, by its text alone."""
    return os.path.commonpath([folder, path]) == folder


def packaged(*names: str) -> str:
    """A file that ships with trainconf: beside the package in a checkout, inside it in an installed wheel.

    A job has the package by a link.
    """
    package = os.path.dirname(os.path.realpath(__file__))
    inside = os.path.join(package, "_shipped")
    return os.path.join(inside if os.path.isdir(inside) else os.path.dirname(package), *names)
