"""The disk of a workspace fills up at a random moment, and has room again."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.place import FINAL, Place, events, until

SETTLE_SECONDS = 60.0
VERBS = (["ls"], ["show", "last"], ["ls", "--reindex"], ["gc"], ["logs", "last"])


@contextmanager
def small_disk(folder: str) -> Iterator[str]:
    """Mount a disk of 24 MiB. Needs root."""
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,nr_inodes=20000", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        until(lambda: subprocess.run(["umount", folder], capture_output=True).returncode == 0, 10)


def run(folder: str, leases: str, seed: int, number: int) -> list[str]:
    """Run one case on a fresh disk; return what went wrong."""
    draw, wrong = random.Random(f"disk/{seed}/{number}"), []
    with small_disk(folder) as root:
        place = Place(root, leases=leases)
        assert place.call(*place.base).returncode == 0
        place.before = set(place.folders())
        scene = draw.choice((["params.do=work"], ["params.do=fail", "retries=1"], ["-m", "params.x=1,2"], ["submit.detach=true"]))
        words = [*scene[:1], *place.base, *scene[1:]] if scene[0] == "-m" else [*place.base, *scene]
        event, left = draw.randint(0, 5), draw.choice((0, 4096, 65536))
        submitter = place.start(*words)
        until(lambda: submitter.poll() is not None or sum(len(events(d)) for d in place.folders() if d not in place.before) >= event, 5)
        filler = _fill(root, left)
        time.sleep(draw.random())
        for verb in draw.sample(VERBS, 2):
            place.call(*verb)
        os.unlink(filler)
        _, err = submitter.communicate(timeout=SETTLE_SECONDS)
        if "Traceback" in err:
            wrong.append(f"a traceback of the submitter: {err}")
        until(lambda: all(row["status"] in (*FINAL, "NotResponding") for row in place.rows().values()), SETTLE_SECONDS)
        open_runs = [os.path.basename(run_dir) for run_dir, row in place.rows().items() if row["status"] not in FINAL]
        if open_runs:
            place.call("cancel", *open_runs)
        if not until(lambda: all(row["status"] in FINAL for row in place.rows().values()), SETTLE_SECONDS):
            wrong.append(f"not over: {place.rows()}")
        if not until(lambda: not (place.agents() or place.living() or place.leases_held()), 5):
            wrong.append(f"left behind: agents {place.agents()}, jobs {place.living()}, leases {place.leases_held()}")
        if place.rows() != place.rows("--reindex") or set(place.rows()) != set(place.new_runs()) | place.before:
            wrong.append("ls says something else than what is there")
        if place.call(*place.base).returncode:
            wrong.append("the next run does not complete")
    return [f"disk case {number}, {scene}, full after event {event} but for {left} bytes: {each}" for each in wrong]


def _fill(root: str, left: int) -> str:
    """Fill the disk but for `left` bytes; return the file that does it."""
    path = os.path.join(root, ".filler")
    with open(path, "wb", buffering=0) as stream:
        try:
            while (free := os.statvfs(root).f_bavail * os.statvfs(root).f_bsize - left) > 0:
                stream.write(b"x" * min(free, 1 << 20))
        except OSError:
            pass
    return path
