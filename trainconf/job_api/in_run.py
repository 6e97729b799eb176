"""What a process records of a run, in the run's directory; and what it can read of it there.

    metrics.jsonl    one line per value; `metrics/<host>.jsonl` where several machines write to the disk
    records.jsonl    one line per row, table, image, chart, label, error and child run; `metrics/<host>.records` there

Any number of processes append. Each line is whole, for each file has one kernel that appends to it. Readers are `trainconf.history`'s.
"""

from __future__ import annotations

import errno
import os
import stat

from trainconf.job_api import values, writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Mapping, Tuple

CHILDREN = ".trainconf_children"  # in a container's working directory: child runs, until the agent puts them in place


class RunFolder:
    """The store of a run that has a directory. `variables` are those of a job's environment."""

    is_offline = False
    children = ()  # they have directories of their own

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.run_dir = variables.get("TRAINCONF_RUN_DIR", "")
        folder = variables.get("TRAINCONF_METRICS", "")
        # The folder of another run was inherited, and is none of this one's.
        self._is_by_host = bool(folder) and folder == os.path.join(self.run_dir, "metrics")
        self._is_of_job = variables is os.environ
        self._files: List[Any] = [None, None]  # opened when there is something to write

    def metric(self, name: str, value: Any, step: Any) -> None:
        """Append one value."""
        line = '{"time":"%s","name":%s,"value":%s,"step":%s}\n' % (
            values.now(), values.quoted(name), values.text(value), "null" if step is None else step,
        )  # fmt: skip
        (self._files[0] or self._opened(0)).add(line.encode("ascii"))

    def column(self, name: str, value: Any) -> None:
        """One value of a table's column."""
        self.metric(name, value, None)

    def record(self, kind: str, facts: Dict[str, Any]) -> None:
        """Append what is no single value."""
        (self._files[1] or self._opened(1)).add(('{"%s":%s,"time":"%s"}\n' % (kind, values.dumps(facts), values.now())).encode("ascii"))

    def _opened(self, which: int) -> Any:
        self._files[which] = writer.opened(self._path(which))
        return self._files[which]

    def _path(self, which: int) -> str:
        own = os.path.join(self.run_dir, ("metrics.jsonl", "records.jsonl")[which])
        if not self._is_by_host and (self._is_of_job or not self._is_shared()):
            return own
        folder = os.path.join(self.run_dir, "metrics")
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError:
            return own  # which cannot be written either: the writer tells it
        return os.path.join(folder, host_name() + (".jsonl", ".records")[which])

    def _is_shared(self) -> bool:
        """Whether another machine appends to the files of this run, which is not the run of this process' job."""
        if os.path.isdir(os.path.join(self.run_dir, "metrics")):
            return True
        agents = [line["agent"] for line in read_lines(os.path.join(self.run_dir, "events.jsonl")) if isinstance(line.get("agent"), dict)]
        return any(agent.get("host") not in (None, os.uname().nodename) for agent in agents)

    def flush(self) -> None:
        """Write what is gathered."""
        for file in filter(None, self._files):
            file.flush()

    def close(self) -> None:
        """Write what is gathered and close the files; a later line opens them again."""
        for file in filter(None, self._files):
            file.close()

    def entries(self) -> List[Dict[str, Any]]:
        """Every value that any process of the run has logged, in order."""
        found = [line for path in self._all_files("metrics.jsonl", ".jsonl") for line in read_lines(path)]
        return in_order([line for line in found if isinstance(line.get("name"), str) and "value" in line])

    def records(self) -> List[Tuple[str, Dict[str, Any]]]:
        """Every record of any process of the run, in order."""
        lines = in_order([line for path in self._all_files("records.jsonl", ".records") for line in read_lines(path)])
        return [(kind, line[kind]) for line in lines for kind in line if isinstance(line[kind], dict)]

    def labels(self) -> List[Dict[str, Any]]:
        """What was said of the run, oldest first: at its submission, by people, by its own processes."""
        record = read_json(os.path.join(self.run_dir, "run.json"))
        lines = read_lines(os.path.join(self.run_dir, "labels.jsonl"))
        for path in self._all_files("records.jsonl", ".records"):
            lines += [{**line["label"], "time": line.get("time")} for line in read_lines(path) if isinstance(line.get("label"), dict)]
        return [{"tags": record.get("tags"), "display_name": record.get("display_name")}, *in_order(lines)]

    def facts(self) -> Dict[str, Any]:
        """run.json: what was recorded at the submission."""
        return read_json(os.path.join(self.run_dir, "run.json"))

    def folders(self) -> List[Tuple[str, str]]:
        """Where the files of ./outputs and ./logs lie: what names begin with, and a folder. The first of each is written to."""
        found = []
        for top in ("outputs", "logs"):
            inside = os.path.join(self.run_dir, "code", top)
            own = os.path.join(self.run_dir, top)
            if os.path.isdir(os.path.join(self.run_dir, "code")) and (os.path.islink(own) or top == "logs" or not os.path.exists(own)):
                found.append((top, inside))
            if not os.path.islink(own):
                found.append((top, own))
        return found

    def _all_files(self, name: str, suffix: str) -> Iterator[str]:
        self.flush()
        folder = os.path.join(self.run_dir, "metrics")
        yield os.path.join(self.run_dir, name)
        if os.path.isdir(folder):
            yield from (os.path.join(folder, each) for each in sorted(os.listdir(folder)) if each.endswith(suffix))


def host_name() -> str:
    """This machine's name, as far as the name of a file takes it."""
    return "".join(c if (c.isascii() and c.isalnum()) or c in "_-." else "_" for c in os.uname().nodename)


def in_order(lines: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """By their times; those of one file are so already."""
    return sorted(lines, key=lambda line: str(line.get("time") or ""))


def opened(path: str) -> Any:
    """A regular file to read, never through a link and without waiting for anybody: another job may have put anything there.

    Raises OSError.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is no regular file", path)
    return os.fdopen(fd, "rb")


def read_lines(path: str) -> List[Dict[str, Any]]:
    """Every JSON object of a file of lines; none of a missing file. Torn and foreign lines are passed over."""
    import json

    found = []
    try:
        with opened(path) as stream:
            for line in stream:
                try:
                    value = json.loads(line.decode("utf-8"))
                except (ValueError, RecursionError):
                    continue
                if isinstance(value, dict):
                    found.append(value)
    except OSError:
        return found
    return found


def read_json(path: str) -> Dict[str, Any]:
    """The JSON object in a file; empty when it is missing or holds something else."""
    import json

    try:
        with opened(path) as stream:
            value = json.loads(stream.read().decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
