"""Leases: exclusive, first come first served, freed by death, cheap."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainconf import files
from trainconf.agent.leases import queue, shared_folder
from trainconf.agent.leases.claim import Claim
from trainconf.agent.plan import Gpus, Slots
from trainconf.agent.signals import FREED_SIGNAL

ROOT = Path(__file__).parents[4]


pytestmark = pytest.mark.usefixtures("agents_signals")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "lease dir's")


def claim(folder: str, name: str, count: int = 1, take: int = 1, devices: tuple[str, ...] = (), gpus: int = 0) -> Claim:
    return Claim(name, Slots(folder, count, take), Gpus(devices, gpus))


def queue_of(folder: str) -> list[str]:
    return sorted(os.listdir(os.path.join(folder, "queue")))


def test_a_free_slot_is_taken_at_once_and_the_queue_is_empty_again(folder: str) -> None:
    first = claim(folder, "a")
    assert first.advance()
    assert queue_of(folder) == []
    assert files.is_locked(os.path.join(folder, "slot-0"))
    first.release()
    assert not files.is_locked(os.path.join(folder, "slot-0"))


def test_where_nobody_waits_nothing_is_made_on_the_way_in_or_out(folder: str) -> None:
    first = claim(folder, "a")
    assert first.advance()  # which makes the folder
    first.release()
    for path in (folder, os.path.join(folder, "queue")):
        os.utime(path, ns=(0, 0))
    second = claim(folder, "b")
    assert second.advance()
    second.release()
    assert [os.stat(path).st_mtime_ns for path in (folder, os.path.join(folder, "queue"))] == [0, 0], "neither a ticket nor a bell"


def test_whoever_finds_a_ticket_or_too_little_draws_one(folder: str) -> None:
    holder, waiting, last = (claim(folder, name) for name in "abc")
    assert holder.advance()
    assert not waiting.advance()
    holder.release()
    assert not last.advance(), "the slot is free, but not for whoever came last"
    assert queue_of(folder) == ["000000000001-b", "000000000002-c"]
    assert waiting.advance()
    waiting.release()
    assert last.advance()
    last.release()
    assert queue_of(folder) == []


def test_a_folder_that_was_removed_is_made_again(folder: str) -> None:
    first = claim(folder, "a")
    assert first.advance()
    shutil.rmtree(folder)
    second = claim(folder, "b")
    assert second.advance()
    assert files.is_locked(os.path.join(folder, "slot-0"))
    for each in (first, second):
        each.release()


def test_the_folder_is_marked_as_used_for_as_long_as_the_agent_lives(folder: str) -> None:
    for name in "ab":
        one = claim(folder, name)
        assert one.advance()
        one.release()
    fd = os.open(folder, os.O_RDONLY)
    assert not shared_folder.try_lock(fd, fcntl.LOCK_EX), "systemd-tmpfiles looks for that"
    os.close(fd)


def test_whoever_has_let_go_is_told_nothing_more(folder: str) -> None:
    """A process that is no agent, such as this one, would be ended by that signal."""
    holder, waiting = claim(folder, "a"), claim(folder, "b")
    assert holder.advance()
    assert not waiting.advance()
    waiting.release()
    Path(folder, "x").touch()
    Path(folder, "x").unlink()
    holder.release()
    assert FREED_SIGNAL not in signal.sigpending()


def test_all_is_taken_or_nothing(folder: str) -> None:
    first = claim(folder, "a", count=3, take=2, devices=("0",), gpus=0)
    assert first.advance()
    second = claim(folder, "b", count=3, take=2)
    assert not second.advance()
    assert second.waiting_for == "slot"
    assert not files.is_locked(os.path.join(folder, "slot-2"))
    first.release()
    assert second.advance()
    second.release()


def test_what_is_missing_is_named(folder: str) -> None:
    first = claim(folder, "a", count=2, devices=("GPU-1",), gpus=1)
    assert first.advance()
    assert first.gpus == ["GPU-1"]
    second = claim(folder, "b", count=2, devices=("GPU-1",), gpus=1)
    assert not second.advance()
    assert second.waiting_for == "gpu"
    first.release()
    second.release()


def test_nobody_overtakes_a_waiting_run_even_if_his_slot_is_free(folder: str) -> None:
    holder = claim(folder, "a", count=2, take=1)
    assert holder.advance()
    wide = claim(folder, "wide", count=2, take=2)
    assert not wide.advance()
    narrow = claim(folder, "narrow", count=2, take=1)
    assert not narrow.advance()
    assert (queue.place(folder, "wide"), queue.place(folder, "narrow"), queue.place(folder, "a")) == (1, 2, None)
    holder.release()
    assert not narrow.advance()
    assert wide.advance()
    for each in (narrow, wide):
        each.release()


def test_dead_tickets_are_cleared_away(folder: str) -> None:
    holder = claim(folder, "a")
    assert holder.advance()
    dead = Path(folder, "queue", "000000000001-dead")
    dead.touch()
    waiting = claim(folder, "b")
    assert not waiting.advance()
    assert not dead.exists()
    assert queue.place(folder, "b") == 1
    holder.release()
    waiting.release()
    assert queue_of(folder) == []


def test_device_ids_with_slashes_are_kept_apart(folder: str) -> None:
    first = claim(folder, "a", 4, devices=("MIG-GPU-x/1/0",), gpus=1)
    second = claim(folder, "b", 4, devices=("MIG-GPU-x/1/1",), gpus=1)
    assert first.advance()
    assert second.advance()
    assert first.gpus + second.gpus == ["MIG-GPU-x/1/0", "MIG-GPU-x/1/1"]
    first.release()
    second.release()


def test_the_folder_serves_every_user_whatever_the_umask(folder: str) -> None:
    old = os.umask(0o077)
    try:
        one = claim(folder, "a")
        assert one.advance()
        one.release()
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o1777
    assert stat.S_IMODE(os.stat(os.path.join(folder, "queue")).st_mode) == 0o1777
    assert stat.S_IMODE(os.stat(os.path.join(folder, "slot-0")).st_mode) == 0o666
    assert stat.S_IMODE(os.stat(os.path.join(folder, "door")).st_mode) == 0o666


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_two_users_share_one_folder() -> None:
    code = textwrap.dedent("""
        import os, sys
        from trainconf.agent.plan import Gpus, Slots
        from trainconf.agent.leases.claim import Claim  # as root, who can read this folder
        os.setuid(int(sys.argv[2]))
        claim = Claim("run-" + sys.argv[2], Slots(sys.argv[1], 1, 1), Gpus())
        print(claim.advance(), claim.waiting_for)
    """)
    folder = f"/tmp/trainconf-test-leases-{os.getpid()}"
    try:
        mine = claim(folder, "mine")
        assert mine.advance()
        denied = subprocess.run([sys.executable, "-S", "-c", code, folder, "65534"], cwd=ROOT, capture_output=True, text=True)
        assert (denied.stdout, denied.stderr) == ("False slot\n", "")
        mine.release()
        granted = subprocess.run([sys.executable, "-S", "-c", code, folder, "65533"], cwd=ROOT, capture_output=True, text=True)
        assert (granted.stdout, granted.stderr) == ("True \n", "")
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)


@pytest.fixture
def shared() -> Iterator[str]:
    """A folder of leases that root has made, where pytest's own, which are closed to others, do not stand above it."""
    if os.getuid() != 0:
        pytest.skip("needs root to become another user")
    folder = f"/tmp/trainconf-test-leases-{os.getpid()}-{os.urandom(4).hex()}"
    shared_folder.prepare(folder)
    yield folder
    subprocess.run(["rm", "-rf", folder], check=True)


def as_other(script: str, *words: str, uid: int = 65534) -> None:
    """Have another user of the machine do something."""
    subprocess.run(["sh", "-ec", script, "sh", *words], user=uid, group=uid, extra_groups=[], check=True)


ATTACKS = {
    "a link for the door's temporary file": 'for pid in $(seq 1 400) $3; do ln -s "$2" "$1/door.$pid.tmp"; done',
    "a name in the queue that is no ticket": 'touch "$1/queue/1x" "$1/queue/x" "$1/queue/000000000007" "$1/queue/²"',
    "a number that leaves no room": 'touch "$1/queue/$(printf 9%.0s $(seq 200))-x" "$1/queue/999999999999-x"',
    "a FIFO as a ticket": 'mkfifo "$1/queue/000000000001-x"',
    "a FIFO as a slot": 'mkfifo "$1/slot-0"',
    "a folder as a slot": 'mkdir "$1/slot-0"; mkdir "$1/queue/000000000002-x"',
    "a link as a slot": 'ln -s "$2" "$1/slot-0"',
    "a link as a ticket": 'ln -s "$2" "$1/queue/000000000001-x"',
    "a slot that nobody may open": 'touch "$1/slot-0" "$1/queue/000000000003-x"; chmod 0 "$1/slot-0" "$1"/queue/*-x',
    "a FIFO as a bell": 'mkfifo "$1/.bell.$3"',
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_another_user_plants_harms_nobody(shared: str, tmp_path: Path, attack: str) -> None:
    private = tmp_path / "private"
    private.touch(0o600)
    os.unlink(os.path.join(shared, "door"))
    as_other(ATTACKS[attack], shared, str(private), str(os.getpid()))
    first, second = claim(shared, "first", count=2), claim(shared, "second", count=2)
    assert first.advance()
    slot = os.path.join(shared, "slot-0")
    if stat.S_ISREG(os.lstat(slot).st_mode):  # a plain file is one to root, whatever its mode
        assert second.advance()
    else:
        assert not second.advance()
        assert f"slot-0: no lock, but something of {shared_folder.user_name(65534)}'s" in queue.holders(shared)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    first.release()
    second.release()
    assert queue.place(shared, "first") is None


def test_who_keeps_the_way_into_the_queue_shut_stops_nobody_and_is_named(shared: str) -> None:
    holder = subprocess.Popen(["flock", os.path.join(shared, "door"), "sleep", "600"], user=65534, group=65534, extra_groups=[])
    try:
        while not files.is_locked(os.path.join(shared, "door")):
            assert holder.poll() is None
        waiting = claim(shared, "mine")
        assert not waiting.advance()  # and the agent hears what it is told meanwhile
        assert waiting.deadline is not None
        assert queue.holders(shared) == [f"door: flock (pid {holder.pid} of {shared_folder.user_name(65534)})"]
    finally:
        subprocess.run(["pkill", "-P", str(holder.pid)], check=False)
        holder.wait()
    assert waiting.advance()
    waiting.release()


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ('mkdir -m 1777 "$1"', "belongs to .*, and neither to you nor to root"), ('ln -s /var/tmp "$1"', "is a link of|belongs to"),
        ('mkfifo "$1"', "is no folder"), ('touch "$1"', "is no folder"),
    ],
)  # fmt: skip
def test_a_folder_of_another_user_is_not_used_and_one_of_ones_own_is(how: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to become another user")
    folder = f"/tmp/trainconf-test-leases-{os.urandom(4).hex()}"
    monkeypatch.setattr(shared_folder, "SHARED_DIR", folder)
    assert shared_folder.default_dir() == folder
    as_other(how, folder)
    try:
        with pytest.raises(OSError, match=told):
            claim(folder, "mine").advance()
        assert shared_folder.default_dir() == f"{folder}-0"
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)


def test_a_folder_that_others_can_rearrange_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "leases"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(PermissionError, match="not sticky"):
        claim(str(folder), "mine").advance()


def test_who_holds_is_told_by_run_and_user(folder: str) -> None:
    mine = claim(folder, "mine")
    assert mine.advance()
    (told,) = queue.holders(folder)
    assert told.startswith("slot-0: ")
    assert f"(pid {os.getpid()} of {shared_folder.user_name(os.getuid())})" in told
    mine.release()
    assert queue.holders(folder) == []


WORKER = textwrap.dedent("""
    import os, signal, sys, time
    from trainconf.agent.leases.claim import Claim
    from trainconf.agent.plan import Gpus, Slots
    from trainconf.agent.signals import FREED_SIGNAL, WAKE_SIGNAL
    folder, name, journal, work_s, die = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), sys.argv[5] == "die"
    signals = {WAKE_SIGNAL, FREED_SIGNAL}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    def note(what, gpus):
        fd = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, f"{name} {what} {','.join(gpus)}\\n".encode())
        os.close(fd)
    class Noted(Claim):
        def _leave_queue(self):
            if self.gpus:  # noted while nobody else may take anything: one who is slow after it is not overtaken in the journal
                note("got", self.gpus)
            super()._leave_queue()
    claim = Noted(name, Slots(folder, 2, 1), Gpus(["x", "y", "z"], 1))
    got = claim.advance()
    print("queued", flush=True)
    while not got:
        timeout = 30.0 if claim.deadline is None else max(0.0, claim.deadline - time.monotonic())
        signal.sigtimedwait(signals, timeout)
        got = claim.advance()
    time.sleep(work_s)
    if die:
        os.kill(os.getpid(), signal.SIGKILL)
    note("freed", claim.gpus)
    claim.release()
""")


def worker(folder: str, name: str, journal: Path, work_s: float, die: bool) -> subprocess.Popen[str]:
    argv = [sys.executable, "-S", "-c", WORKER, folder, name, str(journal), str(work_s), "die" if die else ""]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_twenty_processes_are_served_in_order_two_at_a_time_though_some_are_killed(folder: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    workers = []
    for n in range(20):
        workers.append(worker(folder, f"w{n:02d}", journal, 0.005, die=n in (4, 9)))
        assert workers[-1].stdout is not None
        assert workers[-1].stdout.readline() == "queued\n"
        if n == 0:
            blockers = [claim(folder, "blocker-1", 2), claim(folder, "blocker-2", 2)]
            workers[0].wait(30)
            assert all(blocker.advance() for blocker in blockers)  # so that all others queue up behind them
    for blocker in blockers:
        blocker.release()
    for process in workers:
        process.wait(300)
        assert process.stdout is not None
        process.stdout.close()
    lines = [line.split(" ") for line in journal.read_text().splitlines()]
    got = [name for name, what, _ in lines if what == "got"]
    assert got == sorted(got)
    assert len(got) == 20
    held: dict[str, str] = {}
    for name, what, gpu in lines:
        if what == "got":
            held = {who: device for who, device in held.items() if who not in ("w04", "w09")}  # killed ones say no goodbye
            assert gpu not in held.values()
            held[name] = gpu
            assert len(held) <= 2
        elif what == "freed":
            del held[name]


def test_simultaneous_arrivals_never_share_and_all_are_served(folder: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    workers = [worker(folder, f"w{n:02d}", journal, 0.002, die=False) for n in range(20)]
    for process in workers:
        process.communicate(timeout=300)
        assert process.returncode == 0
    held: set[str] = set()
    for line in journal.read_text().splitlines():
        _, what, gpu = line.split(" ")
        if what == "got":
            assert gpu not in held
            held.add(gpu)
            assert len(held) <= 2
        elif what == "freed":
            held.remove(gpu)
    assert queue_of(folder) == []


def test_a_release_wakes_the_next_one_without_waiting_for_the_fallback(folder: str, agents_signals: set[int]) -> None:
    """In a process of one thread, as an agent is: another thread, such as that of pytest-xdist, would take the signal away."""
    alone = multiprocessing.get_context("fork").Process(target=_wait_for_a_release, args=(folder, agents_signals))
    alone.start()
    alone.join()
    assert alone.exitcode == 0


def _wait_for_a_release(folder: str, agents_signals: set[int]) -> None:
    holder = claim(folder, "a")
    assert holder.advance()
    waiting = claim(folder, "b")
    assert not waiting.advance()
    process = multiprocessing.get_context("fork").Process(target=_let_go, args=(holder,))
    process.start()
    os.close(holder.held.pop())  # the child holds the lock on now
    process.join()
    info = signal.sigtimedwait(agents_signals, 30)
    assert info is not None
    assert info.si_signo == FREED_SIGNAL
    assert waiting.advance()
    waiting.release()


def _let_go(holder: Claim) -> None:
    holder.release()
    os._exit(0)
