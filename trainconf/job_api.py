"""What a training script may import: `Run`, its own run as seen from inside the job.

Standard library only and Python 3.8 grammar, for it runs in whatever Python the job has. Nothing of trainconf is imported.

    from trainconf import Run
    run = Run.get_context()
    run.log("loss", 0.25, step=3)
"""

from __future__ import annotations

import os
import sys
import time

try:  # `json` takes a third of a short script's start, for it brings `re` and `enum`
    from _json import encode_basestring_ascii as _quoted
except ImportError:  # not CPython
    from json.encoder import encode_basestring_ascii as _quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, Optional


class Run:
    """A run: `id`, `run_dir`, `experiment`, `attempt`, `params`, and `log`.

    Outside of a run (no TRAINCONF_RUN_DIR in the environment) `id` and `run_dir` are empty, `params` too, and `log` prints to the
    console, so that one script serves both. May be used from threads and after a fork.
    """

    def __init__(self, environ: Optional[Mapping[str, str]] = None) -> None:
        variables = os.environ if environ is None else environ
        self.run_dir = variables.get("TRAINCONF_RUN_DIR", "")
        self.id = variables.get("TRAINCONF_RUN_ID", "")
        self.experiment = variables.get("TRAINCONF_EXPERIMENT", "")
        self.attempt = int(variables.get("TRAINCONF_ATTEMPT", "1"))
        self._metrics_file = _metrics_file(self.run_dir, variables.get("TRAINCONF_METRICS", ""))
        self._params_file = variables.get("TRAINCONF_PARAMS", "")
        self._params: Optional[Dict[str, Any]] = None
        self._warned = False
        self._may_be_torn = True  # a writer before us, or our own last write, may have left half a line

    @classmethod
    def get_context(cls) -> Run:
        """The run this process belongs to, or one that logs to the console."""
        return cls()

    @property
    def params(self) -> Dict[str, Any]:
        """The run's params as a tree, read once from the file TRAINCONF_PARAMS. Raises OSError when that cannot be read."""
        if self._params is None:
            self._params = {}
            if self._params_file:
                import json

                with open(self._params_file, "rb") as stream:
                    self._params = json.loads(stream.read().decode("utf-8"))
        return self._params

    def log(self, name: str, value: Any, step: Optional[int] = None) -> None:
        """Record one value of a metric, such as a loss at a step.

        `value` is a number, a truth value, a text or None; a numpy scalar or a tensor of one element counts as its number. NaN and
        infinities are kept (written as `NaN` and `Infinity`, which Python's json reads). A list raises TypeError.
        A disk that refuses is told once on standard error, and never ends the training.
        """
        if not isinstance(name, str) or not name:
            raise TypeError("the name of a metric must be a text that is not empty, not " + repr(name))
        value = _plain(name, value)
        step = None if step is None else _step(name, step)
        if not self.run_dir:
            print(name, "=", value, *(() if step is None else ("(step %d)" % step,)), flush=True)
            return
        line = '{"time":"%s","name":%s,"value":%s,"step":%s}' % (_now(), _quoted(name), _json(value), _json(step))
        try:
            _append(self._metrics_file, line.encode("utf-8") + b"\n", close_torn=self._may_be_torn)
            self._may_be_torn = False
        except OSError as error:
            self._may_be_torn = True
            if not self._warned:
                self._warned = True
                print("trainconf: metrics cannot be recorded, the script goes on without: %s" % error, file=sys.stderr, flush=True)


def _metrics_file(run_dir: str, folder: str) -> str:
    """`folder` is given on a disk that several machines write to: each has a file of its own there, for only one may append to a file.

    That of another run was inherited by this one, and is none of its business.
    """
    if not folder or folder != os.path.join(run_dir, "metrics"):
        return os.path.join(run_dir, "metrics.jsonl")
    host = "".join(c if (c.isascii() and c.isalnum()) or c in "_-." else "_" for c in os.uname().nodename)
    return os.path.join(folder, host + ".jsonl")


def _plain(name: str, value: Any) -> Any:
    """The value as JSON knows it: numpy scalars and tensors of one element have `item`."""
    if not isinstance(value, (bool, int, float, str)) and value is not None and hasattr(value, "item"):
        try:
            value = value.item()
        except (ValueError, RuntimeError, TypeError):
            raise TypeError("metric %r must be one value; log those of this %s one by one" % (name, type(value).__name__)) from None
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    raise TypeError("metric %r must be a number, a text or None, not a %s; log several values one by one" % (name, type(value).__name__))


def _json(value: Any) -> str:
    """A plain value as the standard library's json writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return _quoted(value)
    text = repr(value)
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text, text)


def _step(name: str, step: Any) -> int:
    value = _plain(name, step)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("the step of metric %r must be a whole number, not %r" % (name, step))
    return value


def _now() -> str:
    seconds, nanoseconds = divmod(time.time_ns(), 1000000000)
    return "%s.%06dZ" % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)), nanoseconds // 1000)


def _append(path: str, data: bytes, *, close_torn: bool) -> None:
    """One write per line, so that threads and processes never mix within one.

    With `close_torn` half a line at the end is closed first. Another's line that is just being written may look like one: then an
    empty line results, which readers pass over.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)
    try:
        if close_torn:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                data = b"\n" + data
        if os.write(fd, data) < len(data):
            raise OSError(28, "the disk is full", path)
    finally:
        os.close(fd)
