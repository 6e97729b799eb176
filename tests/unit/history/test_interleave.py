"""The output of many ranks in one stream."""

from __future__ import annotations

import os
import re
import threading
import time
import tracemalloc

from trainconf import files
from trainconf.history import events, follow, liveness
from trainconf.history.interleave import BLOCK_BYTES, Interleaved, ranks_of
from trainconf.paths import RunPaths, WorkspacePaths

from .build import make_run, write_json

QUEUED = ("NotStarted", "Queued")


def run_of(workspace: WorkspacePaths, rank_count: int, **wishes: object) -> RunPaths:
    """A run of so many ranks, none of which has a log yet."""
    paths = make_run(workspace, states=QUEUED)
    os.unlink(paths.log(0))
    write_json(paths.plan, {"ranks": [{"rank": rank, "argv": ["x"], "env": {}} for rank in range(rank_count)], **wishes})
    return paths


def append(paths: RunPaths, rank: int, data: bytes) -> None:
    with open(paths.log(rank), "ab") as stream:
        stream.write(data)


class Screen:
    """What was handed on."""

    def __init__(self, paths: RunPaths) -> None:
        self.output = Interleaved(ranks_of(paths))

    def copied(self) -> bytes:
        """What is new."""
        return b"".join(self.output.read())

    def finished(self) -> bytes:
        """What is new, also without the end of its line."""
        return b"".join(self.output.finish())


def test_what_is_there_comes_rank_after_rank_and_every_line_says_whose_it_is(workspace: WorkspacePaths) -> None:
    paths = run_of(workspace, 11)
    append(paths, 10, b"ten\n")
    append(paths, 2, b"two\n\n\xff\x00 two\r\nlast")
    append(paths, 0, b"zero\n")
    assert Screen(paths).finished() == (
        b"[rank 0]  zero\n[rank 2]  two\n[rank 2]  \n[rank 2]  \xff\x00 two\r\n[rank 2]  last\n[rank 10] ten\n"
    )


def test_what_comes_later_comes_in_the_order_of_the_files_changes(workspace: WorkspacePaths) -> None:
    paths = run_of(workspace, 3)
    screen = Screen(paths)
    assert screen.copied() == b""
    for moment, rank in enumerate((2, 0, 1)):  # the times are set, for two writes in a row may get the same from the kernel
        append(paths, rank, b"a\nb\n")
        os.utime(paths.log(rank), ns=(moment, moment))
    lines = [b"[rank 2] a", b"[rank 2] b", b"[rank 0] a", b"[rank 0] b", b"[rank 1] a", b"[rank 1] b", b""]
    assert screen.copied() == b"\n".join(lines)
    assert screen.copied() == b""


def test_a_line_waits_until_it_has_ended_or_nothing_more_will_come(workspace: WorkspacePaths) -> None:
    paths = run_of(workspace, 2)
    screen = Screen(paths)
    append(paths, 0, b"half ")
    append(paths, 1, b"whole\nhal")
    assert screen.copied() == b"[rank 1] whole\n"
    append(paths, 1, b"f\n")
    append(paths, 0, b"of it")
    assert screen.copied() == b"[rank 1] half\n"
    assert screen.finished() == b"[rank 0] half of it\n"
    assert screen.finished() == b""


def test_a_progress_bar_keeps_its_rank_each_time_it_goes_back(workspace: WorkspacePaths) -> None:
    paths = run_of(workspace, 2)
    append(paths, 1, b"10%\r20%\r\nnext\r")
    assert Screen(paths).finished() == b"[rank 1] 10%\r[rank 1] 20%\r\n[rank 1] next\r\n"


def test_a_line_without_end_goes_on_in_lines_of_its_own(workspace: WorkspacePaths) -> None:
    paths = run_of(workspace, 1)
    screen = Screen(paths)
    append(paths, 0, b"x" * (BLOCK_BYTES - 1))
    assert screen.copied() == b""
    append(paths, 0, b"xyz\n")
    assert screen.copied() == b"[rank 0] " + b"x" * BLOCK_BYTES + b"\n[rank 0] yz\n"
    append(paths, 0, b"bar\r" * BLOCK_BYTES + b"\n")
    shown = screen.copied()
    assert max(map(len, shown.split(b"\n"))) < 5 * BLOCK_BYTES
    assert shown.replace(b"[rank 0] ", b"").replace(b"\n", b"") == b"bar\r" * BLOCK_BYTES


def test_a_rank_that_never_stops_keeps_no_other_one_waiting(workspace: WorkspacePaths) -> None:
    paths = run_of(workspace, 2)
    append(paths, 0, b"0\n")
    append(paths, 1, b"1\n")
    output = Interleaved(ranks_of(paths))
    seen: list[bytes] = []
    for chunk in output.read():
        seen.append(chunk)
        if len(seen) < 100:
            append(paths, 0, b"again\n")  # it writes faster than we read
    assert seen == [b"[rank 0] 0\n", b"[rank 1] 1\n"]


def test_ranks_are_found_that_appear_later_also_before_there_is_a_plan(workspace: WorkspacePaths) -> None:
    paths = run_of(workspace, 0)
    screen = Screen(paths)
    os.unlink(paths.plan)
    assert screen.copied() == b""
    append(paths, 1, b"early\n")
    assert screen.copied() == b"[rank 1] early\n"
    write_json(paths.plan, {"ranks": [{"rank": rank} for rank in range(3)]})
    append(paths, 2, b"late\n")
    assert screen.copied() == b"[rank 2] late\n"
    screen.output.close()


def test_large_logs_take_no_memory_and_many_ranks_no_descriptors(workspace: WorkspacePaths) -> None:
    paths = run_of(workspace, 300)
    for rank in range(300):
        append(paths, rank, b"line %d\n" % rank)
    with open(paths.log(7), "ab") as stream:
        for _ in range(320):
            stream.write(b"0123456789abcde\n" * 6400)
    output = Interleaved(ranks_of(paths))
    before = os.listdir("/proc/self/fd")
    tracemalloc.start()
    count = sum(chunk.count(b"\n") for chunk in output.finish())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 300 + 320 * 6400
    assert peak < 4_000_000
    assert set(os.listdir("/proc/self/fd")) <= set(before), "others may have gone meanwhile"


def test_following_all_ranks_mixes_no_lines_and_loses_none(workspace: WorkspacePaths) -> None:
    paths = run_of(workspace, 4)
    lock = files.FileLock(paths.lock)
    lock.acquire()

    def rank(number: int) -> None:
        with open(paths.log(number), "ab", buffering=0) as stream:
            for line in range(200):
                for part in (b"%d " % number * 20, b"line %d" % line, b"\n"):
                    stream.write(part)
                if line % 50 == 0:
                    time.sleep(0.02)
            stream.write(b"the end")

    def job() -> None:
        workers = [threading.Thread(target=rank, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        events.append(paths, "Completed", exit_code=0)
        lock.release()

    worker = threading.Thread(target=job)
    worker.start()
    output = Interleaved(ranks_of(paths))
    seen: list[bytes] = []
    while not follow.has_ended(liveness.state_of(paths)):
        seen += output.read()
        time.sleep(0.01)
    seen += output.finish()
    worker.join()
    found = [re.fullmatch(rb"\[rank (\d)\] (?:(?:\1 ){20}line (\d+)|the end)", line) for line in b"".join(seen).splitlines()]
    for number in range(4):
        lines = [match[2] for match in found if match is not None and int(match[1]) == number]
        assert lines == [*(str(line).encode() for line in range(200)), None]
    assert None not in found


def test_a_run_that_is_removed_while_it_is_followed_ends_it(workspace: WorkspacePaths) -> None:
    paths = run_of(workspace, 2)
    append(paths, 0, b"zero\n")
    append(paths, 1, b"one\n")
    output = Interleaved(ranks_of(paths))
    seen: list[bytes] = []
    for chunk in output.read():
        seen.append(chunk)
        os.unlink(paths.log(1))
    assert seen == [b"[rank 0] zero\n"]
