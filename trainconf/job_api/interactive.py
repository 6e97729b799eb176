"""A run that a process is: no agent starts it, the process itself writes its record and its events, and holds its lock.

    record    run.json, with "type": "child" or "interactive"
    events    Running, with this process as the agent; Completed, Failed or Canceled
    lock      agent.lock, held until the end; a process that dies lets go, and readers find the run NotResponding

A job's child run lies beside the run above it. In a container, whose job sees no other run, it lies in the job's working directory until
the run has ended; its agent puts it in place then, and writes its record and its events anew. The run's agent also ends what the script has
left open.
"""

from __future__ import annotations

import os
import time

from trainconf.job_api import files, in_run, life, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional


LONGEST_ID = 200
MINUTE = slice(-18, -5)  # of an id such as digits-20261123-0532-x7k2
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # as in trainconf.submission.run_id


def child_of(parent: Any, name: Optional[str], run_id: Optional[str], outputs: Any, tags: Mapping[str, str]) -> Any:
    """A new run below `parent`, which this process is."""
    if name is not None:
        values.check_name(name, "child run")
    if outputs is not None and not os.path.isdir(outputs):
        raise NotADirectoryError("outputs must be a folder, and there is none at %r" % (outputs,))
    if parent._store.is_offline:
        return _offline_child(parent, name, run_id, tags)
    above = parent._store.facts()
    record = {"parent": parent.id, "type": "child", "display_name": name, "tags": dict(tags)}
    record.update({key: above.get(key) for key in ("env", "compute", "distributed", "metric", "trainconf")})
    experiment = str(parent.experiment)
    folder = os.path.dirname(parent.run_dir)
    inside = os.path.join(parent.run_dir, "code", in_run.CHILDREN)
    if os.path.ismount(parent.run_dir):
        os.makedirs(inside, exist_ok=True)
        folder = inside
    run = begin(parent._at, folder, experiment, record, run_id, ends_at_exit=parent._life is not None)
    run._parent = parent
    run._life._outputs = outputs
    parent._store.record("child", {"id": run.id})
    parent._store.flush()
    _children(parent)[run.id] = run
    return run


def begin(
    make: Any, folder: str, experiment: str, record: Mapping[str, Any], run_id: Optional[str] = None, *, ends_at_exit: bool = True
) -> Any:
    """A run of this process in a folder of runs, which is there. `make` makes a run from variables, as `Run` does.

    Raises FileExistsError, ValueError for a bad id, OSError.
    """
    if run_id is not None:
        check_id(run_id)
    while True:
        name = run_id or new_id(experiment)
        run_dir = os.path.join(folder, name)
        try:
            os.mkdir(run_dir)
            break
        except FileExistsError:
            if run_id is not None:
                raise FileExistsError("there is a run %r already: %s" % (run_id, run_dir)) from None
    try:
        fd = _filled(run_dir, experiment, record)
    except BaseException:
        import shutil

        shutil.rmtree(run_dir, ignore_errors=True)
        raise
    run = handle(make, run_dir, experiment)
    run._life = life.Life(run, fd, ends_at_exit=ends_at_exit)
    return run


def _filled(run_dir: str, experiment: str, record: Mapping[str, Any]) -> int:
    """Write what makes a folder a run, its first event last; the descriptor of its lock. Raises OSError."""
    lock = os.path.join(run_dir, "agent.lock")
    fd = life.locked(lock)
    for top in ("outputs", "logs"):
        os.mkdir(os.path.join(run_dir, top))
    known: Dict[str, Any] = {
        "run_id": os.path.basename(run_dir), "experiment_name": experiment, "display_name": None, "tags": {}, "created": values.now(),
        "spec_hash": None,
        "hashes": {}, "env": None, "compute": None, "distributed": None, "params": {}, "metric": None, "parent": None, "overrides": [],
        "retries": 0, "lock": lock,
    }  # fmt: skip
    _write(os.path.join(run_dir, "run.json"), {**known, **record})
    life.append_event(run_dir, "Running", {"agent": life.identity()})
    return fd


def handle(make: Any, run_dir: str, experiment: str) -> Any:
    """A run by its directory."""
    return make({"TRAINCONF_RUN_DIR": run_dir, "TRAINCONF_RUN_ID": os.path.basename(run_dir), "TRAINCONF_EXPERIMENT": experiment})


def children_of(run: Any) -> List[Any]:
    """The runs below a run that its processes have made or submitted, oldest first."""
    known = _children(run)
    if run._store.is_offline:
        return list(known.values())
    for kind, facts in run._store.records():
        name = facts.get("id")
        if kind != "child" or not isinstance(name, str) or name in known or name != os.path.basename(name):
            continue
        for folder in (os.path.dirname(run.run_dir), os.path.join(run.run_dir, "code", in_run.CHILDREN)):
            if os.path.exists(os.path.join(folder, name, "events.jsonl")):
                known[name] = handle(run._at, os.path.join(folder, name), str(run.experiment))
                known[name]._parent = run
    return sorted(known.values(), key=lambda child: str(child._store.facts().get("created")))


def parent_of(run: Any) -> Any:
    """The run or sweep above a run. In a container of a submitted run it can only be named: nothing of it is seen."""
    name = run._store.facts().get("parent")
    if run._parent is None and isinstance(name, str) and name and name == os.path.basename(name):
        run._parent = handle(run._at, os.path.join(os.path.dirname(run.run_dir), name), str(run.experiment))
    return run._parent


def number_of(run: Any) -> Optional[int]:
    """Which one it is in its experiment's folder, from 1: by the minute in the ids, and within a minute by the records."""
    if run._store.is_offline or os.path.ismount(run.run_dir):
        return None
    folder, created = os.path.dirname(run.run_dir), str(run._store.facts().get("created"))
    names = os.listdir(folder)
    minute = run.id[MINUTE]
    alike = [name for name in names if name[MINUTE] == minute and name != run.id]
    earlier = [name for name in alike if str(in_run.read_json(os.path.join(folder, name, "run.json")).get("created")) < created]
    return 1 + len(earlier) + sum(1 for name in names if name[MINUTE] < minute)


def status_of(run: Any) -> str:
    """What is recorded, or what this process knows better. Whether a process has died is history's question."""
    if run._store.is_offline or (run._life is not None and run._life.has_ended):
        return str(run._life.state)
    state = next((line["state"] for line in reversed(_events(run.run_dir)) if isinstance(line.get("state"), str)), "NotStarted")
    if state not in life.FINAL and os.path.exists(os.path.join(run.run_dir, "cancel.json")):
        return "CancelRequested"
    return "Running" if run.run_dir == os.environ.get("TRAINCONF_RUN_DIR") and state not in life.FINAL else state


def cancel(run: Any) -> None:
    """End a run of this process, or ask for the end of a submitted one."""
    if run._life is not None:
        run._life.end("Canceled", "its script canceled it")
    elif run._store.is_offline:
        run._store.state = "Canceled"
    else:
        _request_cancel(run)


def _request_cancel(run: Any) -> None:
    """Write the request where the run's agent looks, and wake it. Where that cannot be, this process ends itself: its agent then asks."""
    import signal

    agent: Dict[str, Any] = next((line["agent"] for line in reversed(_events(run.run_dir)) if isinstance(line.get("agent"), dict)), {})
    facts = {"time": values.now(), "state": "CancelRequested", "attempt": run.attempt, "by": "its script"}
    is_here = agent.get("host") == os.uname().nodename and not os.path.ismount(run.run_dir)
    try:
        if not os.path.exists(os.path.join(run.run_dir, "cancel.json")):
            _write(os.path.join(run.run_dir, "cancel.json"), facts)
        if is_here and agent.get("pid"):
            os.kill(agent["pid"], signal.SIGUSR1)
            return
    except OSError:
        pass  # read-only, as in a container, or the agent has gone
    run._store.record("cancel", facts)
    run._store.flush()
    if run.run_dir == os.environ.get("TRAINCONF_RUN_DIR"):
        os.kill(os.getpid(), signal.SIGTERM)


def new_id(experiment: str) -> str:
    """Such as digits-20261123-0532-x7k2."""
    bits = int.from_bytes(os.urandom(4), "big")
    letters = "".join(ALPHABET[(bits >> shift) & 31] for shift in (0, 5, 10, 15))
    return "%s-%s-%s" % (experiment, time.strftime("%Y%m%d-%H%M", time.gmtime()), letters)


def check_id(run_id: Any) -> None:
    """Raises ValueError for what is no id of a run."""
    text = run_id if isinstance(run_id, str) else ""
    is_plain = text.isascii() and text[:1].isalnum() and all(c.isalnum() or c in "_-." for c in text)
    if not is_plain or len(text) > LONGEST_ID or text in ("last", "best"):
        raise ValueError("the id of a run has letters, digits, `_`, `-` and `.`, the first one no sign; not %r" % (run_id,))


def _offline_child(parent: Any, name: Optional[str], run_id: Optional[str], tags: Mapping[str, str]) -> Any:
    from trainconf.job_api.offline import Offline

    if run_id is not None:
        check_id(run_id)
    siblings = _children(parent)
    given = run_id or "%s_%d" % (parent.id or "offline", len(siblings))
    if given in siblings:
        raise FileExistsError("there is a run %r already" % given)
    child = parent._at({})
    child.id, child._parent, child._store = given, parent, Offline(name or given, given)
    child._life = life.OfflineLife(child._store, child)
    parent._store.children.append(given)
    child._store.facts_told = {"type": "child", "run_id": given, "created": values.now()}
    if name is not None or tags:
        child._store.record("label", {"tags": dict(tags), **({"display_name": name} if name else {})})
    siblings[given] = child
    return child


def _children(run: Any) -> Dict[str, Any]:
    found: Dict[str, Any] = run.__dict__.setdefault("_made", {})
    return found


def _events(run_dir: str) -> List[Dict[str, Any]]:
    return in_run.read_lines(os.path.join(run_dir, "events.jsonl"))


def _write(path: str, value: Mapping[str, Any]) -> None:
    """Put a JSON file in place. Raises OSError."""
    files.write(path, iter([values.dumps(value).encode("ascii")]))


def matches(run: Any, tags: Any, properties: Any, kind: Optional[str], status: Optional[str]) -> bool:
    """Whether a run is one of those that are asked for."""
    return (
        _has(tags, run.get_tags) and _has(properties, run.get_properties)
        and (kind is None or run.type == kind) and (status is None or run.status == status)
    )  # fmt: skip


def _has(wanted: Any, read: Any) -> bool:
    if not wanted:
        return True
    there: Dict[str, str] = read()
    if isinstance(wanted, str):
        return wanted in there
    if isinstance(wanted, (list, tuple)):
        return all(name in there for name in wanted)
    return all(there.get(key) == value if value is not None else key in there for key, value in wanted.items())
