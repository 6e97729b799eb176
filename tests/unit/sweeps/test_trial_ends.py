"""The wait between two looks at a search ends when a trial ends, and for nothing else that a run writes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from trainconf.history import events
from trainconf.paths import RunPaths
from trainconf.sweeps.watching import TrialEnds

LONG_S = 60.0


def run(tmp_path: Path, name: str) -> RunPaths:
    paths = RunPaths(str(tmp_path / name))
    os.makedirs(paths.run_dir)
    events.append(paths, "NotStarted")
    return paths


def later(deed: Callable[[], object]) -> None:
    threading.Timer(0.05, deed).start()


def test_it_ends_with_the_first_trial_that_ends(tmp_path: Path) -> None:
    running = [run(tmp_path, "a"), run(tmp_path, "b")]
    pause = TrialEnds(lambda: running)
    assert pause.works

    def go_on() -> None:
        for state in ("Queued", "Running", "Finalizing"):
            events.append(running[0], state)
        time.sleep(0.05)
        events.append(running[1], "Failed")

    later(go_on)
    begin = time.monotonic()
    pause(LONG_S)
    assert time.monotonic() < begin + LONG_S
    assert (events.last(running[1]) or {})["state"] == "Failed"
    pause.close()


def test_a_trial_that_ended_before_it_was_watched_is_seen_once(tmp_path: Path) -> None:
    running = [run(tmp_path, "a")]
    events.append(running[0], "Completed")
    pause = TrialEnds(lambda: running)
    pause(LONG_S)
    begin = time.monotonic()
    pause(0.05)
    assert time.monotonic() >= begin + 0.05
    pause.close()


def test_trials_that_begin_later_are_watched_and_those_that_are_gone_are_not(tmp_path: Path) -> None:
    first, second = run(tmp_path, "a"), run(tmp_path, "b")
    running = [first]
    pause = TrialEnds(lambda: running)
    pause(0.01)
    running[:] = [second]
    pause(0.01)
    events.append(first, "Canceled")
    begin = time.monotonic()
    pause(0.05)
    assert time.monotonic() >= begin + 0.05
    later(lambda: events.append(second, "Completed"))
    pause(LONG_S)
    assert time.monotonic() < begin + LONG_S
    pause.close()


def test_a_trial_whose_folder_is_not_made_yet_does_no_harm(tmp_path: Path) -> None:
    pause = TrialEnds(lambda: [RunPaths(str(tmp_path / "missing"))])
    begin = time.monotonic()
    pause(0.05)
    assert time.monotonic() >= begin + 0.05
    pause.close()
