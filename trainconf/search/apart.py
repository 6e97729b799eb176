"""A proposer in a process of its own: to import Optuna takes longer than many a trial, and would hold up whoever starts the trials.

    python -I -S .../trainconf/search/apart.py        requests on descriptor 0, answers on descriptor 1

The process ends with the one that has started it. Both sides are this module, so messages are pickled.
"""

from __future__ import annotations

import gc
import os
import select
import sys
from collections.abc import Sequence

if __name__ == "__main__":
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from trainconf.fast.stdlib import prctl, signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.search.space import Point, Space

SIZE_BYTES = 8
PATIENCE_MS = 50  # with an answer; whoever asks has trials to look after
PR_SET_PDEATHSIG = 1  # prctl(2)
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # their start is half of numpy's import


class ApartError(Exception):
    """The process is gone, or could not do what it was asked for."""


class Apart:
    """Starts the process, which begins to import what this kind of search needs. Raises OSError."""

    def __init__(self, space: Space, seed: int, kind: str) -> None:
        from trainconf.fast.spawn import let_go, own_command, spawn

        self._told_count = 0  # of what is known, how much it was told
        self._is_asked = False
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            command = own_command("search/apart.py")
            let_go(spawn(command[0], command, {**ONE_THREAD, **os.environ}, [requests, answers, null]))
            _send(self._requests, (sys.path, sys.dont_write_bytecode))
            _send(self._requests, (space, seed, kind))
        except BaseException:
            self.close()
            raise
        finally:
            for fd in (requests, answers, null):
                os.close(fd)

    def propose(self, number: int, known: Sequence[tuple[int, Any]]) -> Point | None:
        """The point to try next, by what is known so far, in order: what was known at the last call, and more. None: not yet.

        Until there is an answer it must be asked again for the same number. Raises ApartError; nothing more is to be had from it then.
        """
        if self._answers < 0:
            raise ApartError("it was closed")
        try:
            if not self._is_asked:
                _send(self._requests, (number, known[self._told_count :]))
                self._told_count, self._is_asked = len(known), True
            poll = select.poll()
            poll.register(self._answers, select.POLLIN)
            if not poll.poll(PATIENCE_MS):
                return None
            point: Point | str = _receive(self._answers)
        except (OSError, EOFError) as error:
            self.close()
            raise ApartError(str(error)) from error
        except BaseException:  # an interruption: the answer is for nobody
            self.close()
            raise
        if isinstance(point, str):
            self.close()
            raise ApartError(point)
        self._is_asked = False
        return point

    def close(self) -> None:
        """Let the process end. May be called twice."""
        for fd in (self._requests, self._answers):
            if fd >= 0:
                os.close(fd)
        self._requests = self._answers = -1

    def __del__(self) -> None:
        if "_answers" in self.__dict__:
            self.close()


def _serve(requests: int, answers: int) -> None:
    """Propose until nobody asks any more."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    sys.path[:], sys.dont_write_bytecode = _receive(requests)
    gc.disable()  # nothing of what is imported is garbage
    from trainconf.search.proposers import pass_on, proposer

    made = proposer(*_receive(requests))
    gc.enable()
    while True:
        number, known = _receive(requests)
        try:
            for each in known:
                pass_on(made, *each)
            answer: Point | str = made.propose(number)
        except Exception as error:
            answer = repr(error)
        _send(answers, answer)


def _send(fd: int, message: Any) -> None:
    from _pickle import dumps

    data = dumps(message, -1)
    left = memoryview(len(data).to_bytes(SIZE_BYTES, "little") + data)
    while left:
        left = left[os.write(fd, left) :]


def _receive(fd: int) -> Any:
    """Raises EOFError where the other side is gone."""
    from _pickle import loads

    return loads(_read(fd, int.from_bytes(_read(fd, SIZE_BYTES), "little")))


def _read(fd: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        more = os.read(fd, size - len(data))
        if not more:
            raise EOFError("the process that proposes points has ended")
        data += more
    return bytes(data)


if __name__ == "__main__":
    try:
        _serve(0, 1)
    except (EOFError, BrokenPipeError):
        os._exit(0)  # nothing is left to tidy
