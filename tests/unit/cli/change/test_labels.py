"""The verbs that label runs, as they are typed."""

from __future__ import annotations

import json

from trainconf import files
from trainconf.paths import WorkspacePaths

from ...history.build import make_run, write_json
from ..conftest import Verb


def shown(verb: Verb, name: str) -> dict[str, object]:
    row = json.loads(verb("show", name, "--json").out)
    return {key: row[key] for key in ("tags", "display_name", "note", "archived")}


def test_words_with_an_equals_sign_are_tags_and_the_others_runs(workspace: WorkspacePaths, verb: Verb) -> None:
    runs = [make_run(workspace, name, tags={}) for name in ("a", "b")]
    said = verb("tag", "a", "owner=ada", runs[1].run_dir, "why=x=y\x1b[31m")
    assert (said.code, said.out) == (0, "")
    assert said.err == "".join(f"{name}  owner=ada, why=x=y\\x1b[31m\n" for name in "ab")
    assert shown(verb, "b")["tags"] == {"owner": "ada", "why": "x=y\x1b[31m"}
    assert verb("untag", "b", "owner", "why").code == 0
    assert shown(verb, "b")["tags"] == {}


def test_note_rename_archive_and_back(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, "a", tags={}, display_name="first")
    make_run(workspace, "b", tags={})
    assert verb("note", "a", "b", "two\nlines").code == 0
    assert verb("rename", "a", "best one").code == 0
    assert verb("archive", "a").code == 0
    assert shown(verb, "a") == {"tags": {}, "display_name": "best one", "note": "two\nlines", "archived": True}
    assert shown(verb, "b")["note"] == "two\nlines"
    assert "archived" in verb("show", "a").out
    assert verb("unarchive", "a").code == verb("rename", "a", "").code == verb("note", "a", "").code == 0
    assert shown(verb, "a") == {"tags": {}, "display_name": "first", "note": None, "archived": False}


def test_all_names_that_are_no_run_are_told_at_once(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, "digits")
    said = verb("archive", "digitz", "digits", "nothing")
    assert said.code == 2
    assert all(name in said.err for name in ("digitz", "nothing"))
    assert shown(verb, "digits")["archived"] is False


def test_a_tag_without_a_run_and_a_run_without_a_tag_are_mistakes(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, "a")
    assert "name runs, or say which with --where" in verb("tag", "x=1").err
    assert "needs name=value" in verb("tag", "a").err


def test_an_expression_says_which_runs(workspace: WorkspacePaths, verb: Verb) -> None:
    for number in range(3):
        make_run(workspace, f"r{number}", params={"lr": number}, tags={"old": "x"}, at=number)
    assert verb("tag", "--where", "params.lr > 0", "good=yes").code == 0
    assert verb("untag", "--where", "params.lr == 0", "old").code == 0
    assert verb("note", "--where", "tags.good == 'yes'", "both").code == 0
    assert [shown(verb, f"r{number}")["tags"] for number in range(3)] == [{}, {"old": "x", "good": "yes"}, {"old": "x", "good": "yes"}]
    assert [shown(verb, f"r{number}")["note"] for number in range(3)] == [None, "both", "both"]
    assert verb("archive", "--where", "params.lr == 1").code == 0
    assert verb("archive", "--where", "params.lr == 1").code == 2  # it is archived already
    assert verb("unarchive", "--where", "params.lr < 9").code == 0
    assert not any(shown(verb, f"r{number}")["archived"] for number in range(3))


def test_names_and_an_expression_together_and_a_wrong_expression_are_mistakes(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, "a")
    assert "not both" in verb("archive", "a", "--where", "params.lr > 0").err
    said = verb("tag", "--where", "params.lrr > 0", "x=1")
    assert (said.code, "lrr" in said.err) == (2, True)
    assert shown(verb, "a")["archived"] is False


def test_what_was_said_of_a_sweep_is_shown_and_an_archived_one_is_not_listed(workspace: WorkspacePaths, verb: Verb) -> None:
    home = make_run(workspace, "s", states=("Running", "Completed"))
    write_json(home.sweep, {"sweep_id": "s", "kind": "grid"})
    for words in (["note", "s", "the good one"], ["rename", "s", "lr"], ["tag", "s", "a=b"]):
        assert verb(*words).code == 0
    said = json.loads(verb("show", "s", "--json").out)
    assert [said[key] for key in ("tags", "display_name", "note", "archived")] == [{"a": "b"}, "lr", "the good one", False]
    text = verb("show", "s").out
    assert all(part in text for part in ("the good one", "a=b", "lr"))
    assert "s " in verb("sweep", "ls").out
    verb("archive", "s")
    assert "s " not in verb("sweep", "ls").out.partition("\n")[2]
    assert "s " in verb("sweep", "ls", "--archived").out.partition("\n")[2]


def test_a_trial_of_a_grid_that_was_removed_is_told_so(workspace: WorkspacePaths, verb: Verb) -> None:
    home = make_run(workspace, "s", states=("Running", "Completed"))
    write_json(home.sweep, {"sweep_id": "s", "kind": "grid"})
    for number in range(2):
        make_run(workspace, f"s_{number}", parent="s", lock=home.lock)
        line = {"deed": "ask", "number": number, "values": {}, "overrides": [], "run": ["digits", f"s_{number}"]}
        files.append_line(home.journal, line)
    assert verb("rm", "s:1", "--yes").code == 0
    assert [each["status"] for each in json.loads(verb("show", "s", "--json").out)["trials"]] == ["Completed", "Removed"]
