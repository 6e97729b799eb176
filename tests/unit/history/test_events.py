from __future__ import annotations

import os
import re
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainconf.history import events
from trainconf.paths import RunPaths, WorkspacePaths

from .build import make_run


@pytest.fixture
def run(workspace: WorkspacePaths) -> RunPaths:
    return make_run(workspace, states=("NotStarted", "Running"))


def add(paths: RunPaths, data: bytes) -> None:
    with open(paths.events, "ab") as stream:
        stream.write(data)


def test_what_is_appended_is_read_back_with_its_facts(run: RunPaths) -> None:
    events.append(run, "Failed", attempt=2, exit_code=3, reason="torn")
    last = events.last(run)
    assert last is not None
    assert (last["state"], last["attempt"], last["exit_code"], last["reason"]) == ("Failed", 2, 3, "torn")
    assert events.read(run)[-1] == last


def test_times_are_utc_with_microseconds() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", events.now())
    assert events.seconds("1970-01-01T00:01:00.500000Z") == 60.5


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31)))
def test_a_recorded_time_is_read_back(moment: datetime) -> None:
    text = f"{moment.isoformat(timespec='microseconds')}Z"
    assert events.seconds(text) == pytest.approx(moment.replace(tzinfo=timezone.utc).timestamp(), abs=1e-5)


@pytest.mark.parametrize("text", [
    "", "yesterday", None, 5, "2026-13-01T00:00:00.000000Z", "2026-02-30T00:00:00.000000Z", "2026-02-03T25:00:00.000000Z",
    "2026-02-03T04:05:06.000000", "2026-02-03 04:05:06.000000Z", "2026-02-03T04:05:06.0000000Z", "2026-02-03T04:05:06.0_0000Z",
    "2026-02-03T04:05:06.-00001Z", "99999-02-03T04:05:06.000000Z", "2026-02-03T04:05:06.12e456Z",
])
def test_a_time_that_is_none_is_unknown(text: object) -> None:
    assert events.seconds(text) is None


def test_an_unknown_state_is_a_bug_of_the_caller(run: RunPaths) -> None:
    for state in ("Finished", "NotResponding"):
        with pytest.raises(AssertionError):
            events.append(run, state)


TORN = [b'{"time":"2026', b'{"time":"x","state":"Comple', b"\x00\xff\xfe", b"[" * 100_000, b'{"state":"Dancing"}\n', b"null\n"]


@pytest.mark.parametrize("torn", TORN)
def test_a_torn_or_foreign_last_line_is_passed_over(run: RunPaths, torn: bytes) -> None:
    add(run, torn)
    last = events.last(run)
    assert last is not None
    assert last["state"] == "Running"


def test_a_line_after_a_torn_one_is_read(run: RunPaths) -> None:
    add(run, b'{"time":"2026')
    events.append(run, "Completed", exit_code=0)
    last = events.last(run)
    assert last is not None
    assert last["state"] == "Completed"


def test_rubbish_longer_than_the_tail_does_not_hide_the_state(run: RunPaths) -> None:
    add(run, b"\xff rubbish\n" * 50_000)
    last = events.last(run)
    assert last is not None
    assert last["state"] == "Running"


def test_only_the_tail_of_a_long_history_is_read(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    add(run, (b'{"state":"Queued","time":"' + b"x" * 900 + b'"}\n') * 2000)
    read: list[int] = []
    pread = os.pread

    def counting(fd: int, size: int, offset: int) -> bytes:
        read.append(size)
        return pread(fd, size, offset)

    monkeypatch.setattr(os, "pread", counting)
    last = events.last(run)
    assert last is not None
    assert last["state"] == "Queued"
    assert sum(read) <= 65536


def test_a_cancel_request_after_the_end_changes_nothing(run: RunPaths) -> None:
    events.append(run, "Completed", exit_code=0)
    events.append(run, "CancelRequested")
    events.append(run, "CancelRequested")
    last = events.last(run)
    assert last is not None
    assert last["state"] == "Completed"


def test_a_cancel_request_before_the_end_is_the_state(run: RunPaths) -> None:
    events.append(run, "CancelRequested")
    last = events.last(run)
    assert last is not None
    assert last["state"] == "CancelRequested"


def test_a_folder_without_a_first_line_is_no_run(run: RunPaths) -> None:
    assert events.exists(run)
    with open(run.events, "w"):
        pass
    assert not events.exists(run)
    assert events.last(run) is None
    os.unlink(run.events)
    assert not events.exists(run)
    assert events.last(run) is None
    assert events.read(run) == []


def test_a_request_to_cancel_is_an_event_that_nobody_appends_to_the_agents_file(run: RunPaths) -> None:
    events.append(run, "Running", 2)
    with open(run.events, "rb") as stream:
        before = stream.read()
    assert events.cancel_request(run) is None
    events.request_cancel(run)
    first = events.cancel_request(run)
    events.request_cancel(run)
    assert events.cancel_request(run) == first  # the first one stands
    events.request_cancel(run, force=True)
    with open(run.events, "rb") as stream:
        assert stream.read() == before
    request = events.cancel_request(run)
    assert request is not None
    assert (request["state"], request["attempt"], request["force"]) == ("CancelRequested", 2, True)
    assert [event["state"] for event in events.read(run)][-2:] == ["Running", "CancelRequested"]
    assert (events.last(run) or {})["state"] == "CancelRequested"


def test_a_request_that_the_agent_has_recorded_is_told_once_and_the_end_stays_the_end(run: RunPaths) -> None:
    events.request_cancel(run)
    events.append(run, "CancelRequested")
    events.append(run, "Finalizing", exit_code=143)
    assert (events.last(run) or {})["state"] == "Finalizing"
    events.append(run, "Canceled", exit_code=143)
    assert [event["state"] for event in events.read(run)][-3:] == ["CancelRequested", "Finalizing", "Canceled"]
    assert (events.last(run) or {})["state"] == "Canceled"


def test_a_request_that_nobody_has_heard_comes_before_the_end(run: RunPaths) -> None:
    events.request_cancel(run)
    events.append(run, "Canceled", exit_code=None)
    assert [event["state"] for event in events.read(run)][-2:] == ["CancelRequested", "Canceled"]


def test_a_request_of_before_there_were_files_of_their_own_counts(run: RunPaths) -> None:
    events.append(run, "CancelRequested")
    events.append(run, "CancelRequested", force=True)
    events.append(run, "CancelRequested")
    assert (events.cancel_request(run) or {})["force"] is True


def test_a_damaged_request_is_a_request_all_the_same(run: RunPaths) -> None:
    events.append(run, "Running")
    with open(run.cancel_request(), "w") as stream:
        stream.write("{")
    assert (events.cancel_request(run) or {})["state"] == "CancelRequested"


def test_a_request_to_cancel_says_who_asked_and_one_of_before_need_not(workspace: WorkspacePaths) -> None:
    asked, before = (make_run(workspace, name, states=("NotStarted", "Queued")) for name in ("asked", "before"))
    events.request_cancel(asked)
    assert re.fullmatch(r"cancellation was requested by \S+@\S+", events.why_canceled(asked))
    events.append(before, "CancelRequested")
    assert events.why_canceled(before) == "cancellation was requested"


def test_a_request_that_no_person_made_says_why_and_whoever_asks_later_changes_that_only_by_force(run: RunPaths) -> None:
    events.append(run, "Running")
    events.request_cancel(run, reason="its sweep was stopped: its time is over")
    events.request_cancel(run)
    assert events.why_canceled(run) == "its sweep was stopped: its time is over"
    events.request_cancel(run, force=True)
    assert events.why_canceled(run).startswith("cancellation was requested by ")


def test_a_run_that_has_ended_is_not_asked_to_end(run: RunPaths) -> None:
    events.append(run, "Completed", exit_code=0)
    assert events.request_cancel(run) is None
    assert not events.is_cancel_requested(run)
