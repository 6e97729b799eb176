"""What is shown of runs, sweeps and comparisons, as HTML and as text."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from trainconf import files
from trainconf.errors import RunNotFoundError, UserError
from trainconf.notebook.subject import Seen, subject_of
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.sweeps import journal

from ..history.build import make_run, write_json
from .conftest import log

SCRIPT = "<script>alert('x')</script><img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """The tags of a page, each with its attributes, and its text without the style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._in_style = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._in_style else data + " "


def seen(*names: str) -> Seen:
    return subject_of(list(names) if len(names) > 1 else names[0]).now()


def sweep_of(workspace: WorkspacePaths) -> RunPaths:
    """Three trials: the first one best, one that failed, and one that runs."""
    home = make_run(workspace, "s", states=("Running",))
    write_json(home.sweep, {
        "sweep_id": "s", "experiment_name": "digits", "created": "2026-11-23T05:32:07.123456Z", "trial_count": 4,
        "metric": {"name": "score", "goal": "maximize"}, "overrides": ["params.lr=0.1,0.2"],
    })  # fmt: skip
    for number, (end, reached) in enumerate([("Completed", 0.9), ("Failed", 0.1), ("Completed", 0.5)]):
        trial = make_run(workspace, f"s_{number}", at=number, states=("NotStarted", "Running", end), parent="s")
        log(trial, "score", 0.0, reached / 2, reached)
        journal.ask(home, [journal.Entry(number, {"params.lr": number}, [f"params.lr={number}"], trial)])
    return home


def test_a_run_is_shown_with_its_state_params_metrics_curves_and_last_lines(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, log=b"epoch 1\nepoch 2\n", metrics={"val_accuracy": 0.5})
    log(paths, "loss", 1.0, 0.5, 0.25)
    found = seen(paths.run_id)
    page = Page(found.html)
    for text in (found.text, page.text):
        for word in (paths.run_id, "Completed", "optim.name", "sgd", "loss", "0.25", "epoch 2", "val_accuracy", "█"):
            assert word in text
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [picture["alt"] for picture in pictures] == ["loss: from 0.25 to 1 over steps 0 to 2"]
    assert found.view.is_over
    assert "as of" not in page.text


def test_the_metric_that_counts_comes_first(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    for name in ("a", "b", "val_accuracy"):
        log(paths, name, 1.0, 2.0)
    assert [chart.title for chart in seen(paths.run_id).view.charts] == ["val_accuracy", "a", "b"]


def test_bytes_have_their_unit_in_tables_and_beside_the_curve(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, params={}, metric={"name": "memory_bytes", "goal": "maximize"})
    log(paths, "memory_bytes", 2**20, 3 * 2**20)
    seen = subject_of(paths.run_dir).now()
    assert "from 1 MiB to 3 MiB" in seen.bundle["text/html"]
    assert "3 MiB" in seen.text
    assert str(3 * 2**20) not in seen.text + seen.bundle["text/html"]


def test_what_is_too_much_is_counted_and_the_command_that_shows_it_is_named(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, params={f"p{number}": number for number in range(40)})
    for number in range(50):
        log(paths, f"m{number:02d}", 1.0, 2.0)
    view = seen(paths.run_id).view
    assert len(view.charts) == 6
    assert any(f"44 more curves: `trainconf metrics {paths.run_id}`" in note for note in view.notes)
    assert [table.rows[-1][:2] for table in view.tables] == [("and", "10 more"), ("and", "20 more")]


def test_names_and_texts_of_anybody_are_text(workspace: WorkspacePaths) -> None:
    paths = make_run(
        workspace, params={SCRIPT: SCRIPT}, tags={SCRIPT: SCRIPT}, display_name=SCRIPT, log=SCRIPT.encode() + b"\n", env=SCRIPT,
    )  # fmt: skip
    log(paths, SCRIPT, 1.0, 2.0)
    log(paths, "text", SCRIPT)
    make_run(workspace, "other", params={SCRIPT: "other"}, log=b"")
    for found in (seen(paths.run_id), seen(paths.run_id, "other")):
        page = Page(found.html)
        assert {tag for tag, _ in page.tags} <= {
            "style", "div", "span", "p", "table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "img", "pre",
        }  # fmt: skip
        assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]
        pictures = [attributes["src"] or "" for tag, attributes in page.tags if tag == "img"]
        assert all(address.startswith("data:image/svg+xml;base64,") for address in pictures)
        assert SCRIPT in page.text


def test_a_text_of_any_length_is_shown_by_its_beginning(workspace: WorkspacePaths) -> None:
    make_run(workspace, "r", params={"long": "x" * 100_000}, log=b"y" * 100_000)
    assert len(seen("r").html) < 10_000


def test_a_name_that_turns_the_order_of_a_line_is_escaped(workspace: WorkspacePaths) -> None:
    make_run(workspace, "r", params={"a\u202eb": "c\nd"})
    found = seen("r")
    for text in (found.html, found.text):
        assert "\u202e" not in text
        assert r"a\u202eb" in text
        assert r"c\nd" in text


def test_a_run_that_goes_on_says_as_of_when_that_is(going_on: RunPaths) -> None:
    with_lock = files.FileLock(going_on.lock)
    assert with_lock.acquire(blocking=False)
    found = seen(going_on.run_id)
    with_lock.release()
    assert found.view.status == "Running"
    assert not found.view.is_over
    assert f"as of {found.time}" in found.html
    assert "as of" not in found.body.replace("as of seen-", "")


def test_a_damaged_run_is_shown_as_far_as_it_can_be_read(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    for path in (paths.record, paths.spec, paths.plan):
        with open(path, "w") as stream:
            stream.write("{")
    found = seen(paths.run_id)
    assert found.view.status == "Completed"
    assert "damaged: " in found.text


def test_a_run_that_was_removed_is_shown_as_removed(workspace: WorkspacePaths) -> None:
    import shutil

    paths = make_run(workspace)
    subject = subject_of(paths.run_id)
    shutil.rmtree(paths.run_dir)
    assert subject.now().view.status == "Removed"
    assert subject.now().view.is_over


def test_a_sweep_is_shown_with_its_trials_and_the_best_one(workspace: WorkspacePaths) -> None:
    sweep_of(workspace)
    view = seen("s").view
    (table,) = view.tables
    assert list(table.headers) == ["trial", "lr", "status", "duration", "score", "course"]
    assert [[*row[:3], row[4]] for row in table.rows] == [
        ["0", "0", "Completed", "0.9"], ["1", "1", "Failed", "0.1"], ["2", "2", "Completed", "0.5"],
    ]  # fmt: skip
    assert table.best_row == 0
    assert [line.name for line in view.charts[0].lines] == ["trial 0", "trial 1", "trial 2"]
    assert ("best", "0.9, trial 0") in view.facts
    assert any("1 failed: `trainconf logs s --failed`" in note for note in view.notes)
    assert "<tr class=best>" in seen("s").html


def test_several_runs_are_shown_by_what_differs_with_their_curves_over_each_other(workspace: WorkspacePaths) -> None:
    for name, lr in (("one", 0.1), ("two", 0.2)):
        log(make_run(workspace, name, params={"lr": lr}), "val_accuracy", 0.0, lr, lr * 2)
    found = seen("one", "two")
    (table,) = found.view.tables
    told = [[*row] for row in table.rows] if table.headers[0] == "" else [list(column) for column in zip(table.headers, *table.rows)]  # noqa: B905
    assert ["params.lr", "0.1", "0.2"] in told
    assert [[line.name for line in chart.lines] for chart in found.view.charts] == [["one", "two"]]
    assert "one" in found.text


def test_runs_in_which_nothing_differs_say_so(workspace: WorkspacePaths) -> None:
    make_run(workspace, "one")
    make_run(workspace, "two")
    found = seen("one", "two").view
    assert found.tables == []
    assert found.notes == ["nothing differs between these 2 runs"]


def test_a_sweep_among_several_stands_for_its_trials(workspace: WorkspacePaths) -> None:
    sweep_of(workspace)
    make_run(workspace, "one", params={"lr": 0.1})
    assert seen("s", "one").view.name == "4 runs"


@pytest.mark.parametrize(("given", "words"), [
    ([], "there is no run to show"), (3, "RunDetails takes a run"), (None, "RunDetails takes a run"), ({"a": 1}, "RunDetails takes a run"),
])  # fmt: skip
def test_what_is_no_run_is_refused(given: object, words: str) -> None:
    with pytest.raises(UserError, match=words):
        subject_of(given)


def test_all_names_that_nothing_answers_to_are_told_at_once(workspace: WorkspacePaths) -> None:
    make_run(workspace)
    with pytest.raises(RunNotFoundError) as raised:
        subject_of(["nosuch", "neither"])
    assert len(raised.value.mistakes) == 2


def test_a_run_outside_of_a_job_is_told_to_be_unrecorded(monkeypatch: pytest.MonkeyPatch) -> None:
    import trainconf

    monkeypatch.delenv("TRAINCONF_RUN_DIR", raising=False)
    with pytest.raises(UserError, match="outside of a job"):
        subject_of(trainconf.Run.get_context())
