"""What can be done from the page: the operations of the verbs, no others. Each tells the command that does the same.

With `do: false` nothing is done: the answer is the command. What composes a config may take long: it goes on beside, and is asked after.
"""

from __future__ import annotations

import os
import secrets
import shlex
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet

from trainconf.control import labels, runs
from trainconf.errors import Mistake, RunNotFoundError, StorageError, TrainconfError, UserError
from trainconf.page.answers.chosen import find, find_sweep
from trainconf.page.answers.parts import steering
from trainconf.page.answers.parts.config import composing
from trainconf.page.wire import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from trainconf.page.request import Request
    from trainconf.paths import RunPaths, WorkspacePaths

    Result = dict[str, Any]

MOST_RUNS = 1000  # of one request
PATIENCE_S = 5.0  # for what goes on beside, before the page is told to ask again
KEPT = 100  # of what has gone on beside, how much is remembered
FROZEN_ENDING = ".yaml"


class Deed:
    """An action that was understood: the words of its command, or its line, and what does it."""

    def __init__(self, words: Sequence[str] | str, do: Callable[[], list[Result]], *, is_long: bool = False) -> None:
        self.command = words if isinstance(words, str) else shlex.join(["trainconf", *words])
        self.do = do
        self.is_long = is_long


def act(request: Request) -> dict[str, Any]:
    """POST /api/actions/{verb}. Without `do` only the command. A result for each run: whether it was done, and in words what became of it.

    `pending`: the name under which `pending` tells what became of an action that goes on.
    Raises UserError, before anything is done, and what the operation raises; Refusal with --read-only.
    """
    verb = request.params["verb"]
    if verb not in VERBS:
        raise UserError(f"there is no action {verb!r}", ("allowed", ", ".join(VERBS)))
    deed = VERBS[verb](request)
    if request.body.get("do") is not True:
        return {"command": deed.command}
    if request.read_only:
        raise Refusal(403, "nothing is changed from this page: it was started with --read-only", hint=f"in a terminal: {deed.command}")
    if not deed.is_long:
        return {"command": deed.command, "results": deed.do()}
    name = _begin(deed)
    return {"command": deed.command, **_told(name)}


# ------------------------------------------------------------ what goes on beside

_beside = ThreadPoolExecutor(2, "action")
_begun: dict[str, Future[list[dict[str, Any]]]] = {}


def pending(request: Request) -> dict[str, Any]:
    """GET /api/actions/pending/{name}: the results of an action that goes on, or again its name. Raises what it has raised."""
    name = request.params["name"]
    if name not in _begun:
        raise RunNotFoundError("this action is not known any more", hint="the table of runs shows what became of it")
    return _told(name)


def _begin(deed: Deed) -> str:
    for old in [name for name, future in _begun.items() if future.done()][: max(0, len(_begun) - KEPT)]:
        del _begun[old]
    name = secrets.token_urlsafe(8)
    _begun[name] = _beside.submit(deed.do)
    return name


def _told(name: str) -> dict[str, Any]:
    try:
        return {"results": _begun[name].result(PATIENCE_S)}
    except NotYet:
        if _begun[name].done():
            raise  # it was the action itself that ran out of time
        return {"results": [], "pending": name}


# ------------------------------------------------------------ the verbs


def _cancel(request: Request) -> Deed:
    chosen = _chosen(request, "runs", "sweep")
    is_forced = _flag(request, "force")

    def do() -> list[Result]:
        return [_each(paths, lambda paths=paths: _canceled(paths, is_forced=is_forced)) for paths in chosen]  # type: ignore[misc]

    return Deed(["cancel", *(["--force"] if is_forced else []), *_ids(chosen)], do)


def _canceled(paths: RunPaths, *, is_forced: bool) -> str:
    before = runs.state(paths)
    if runs.is_over(paths, before):
        return f"had already ended: {before.status}"
    runs.cancel(paths, force=is_forced)
    now = runs.state(paths)
    return f"{now.status}: {now.reason}" if now.reason else now.status


def _tag(request: Request) -> Deed:
    chosen, tags = _chosen(request, "runs", "sweep"), request.body.get("tags")
    if not isinstance(tags, dict) or not tags or not all(isinstance(value, str) for value in tags.values()):
        raise UserError("a tag has a name and a value", ("allowed", '{"tags": {"paper": "yes"}}'))
    wrong = [Mistake(f"{name!r} is no name of a tag", ("allowed", "a text without = and /")) for name in tags if not _is_tag_name(name)]
    if wrong:
        raise UserError(wrong)
    words = [f"{name}={value}" for name, value in tags.items()]
    return Deed(["tag", *_plain([*_ids(chosen), *words])], lambda: _all(chosen, lambda: labels.tag(chosen, tags)))


def _untag(request: Request) -> Deed:
    chosen, names = _chosen(request, "runs", "sweep"), request.body.get("names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise UserError("untag needs the name of a tag", ("allowed", '{"names": ["paper"]}'))
    commands = [shlex.join(["trainconf", "untag", *_plain([each, *names])]) for each in _ids(chosen)]
    return Deed(" && ".join(commands), lambda: _all(chosen, lambda: labels.untag(chosen, names)))


def _note(request: Request) -> Deed:
    chosen, text = _chosen(request, "runs", "sweep"), _text(request, "text")
    return Deed(["note", *_plain([*_ids(chosen), text])], lambda: _all(chosen, lambda: labels.note(chosen, text)))


def _rename(request: Request) -> Deed:
    chosen, text = _chosen(request, "runs", "sweep"), _text(request, "name")
    if len(chosen) != 1:
        raise UserError("rename takes one run", ("given", str(len(chosen))))
    return Deed(["rename", *_plain([*_ids(chosen), text])], lambda: _all(chosen, lambda: labels.rename(chosen, text)))


def _archive(request: Request) -> Deed:
    chosen = _chosen(request, "runs", "sweep")
    return Deed(["archive", *_ids(chosen)], lambda: _all(chosen, lambda: labels.archive(chosen, archived=True)))


def _unarchive(request: Request) -> Deed:
    chosen = _chosen(request, "runs", "sweep")
    return Deed(["unarchive", *_ids(chosen)], lambda: _all(chosen, lambda: labels.archive(chosen, archived=False)))


def _rerun(request: Request) -> Deed:
    """Recorded runs again, in the background, with words as they are typed after `trainconf rerun`."""
    chosen, words = _chosen(request, "runs"), request.body.get("overrides", [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UserError("overrides are a list of words", ("allowed", '{"overrides": ["params.lr=0.5"]}'))
    wrong = [word for word in words if ("=" not in word[1:] and word[:1] != "~") or word[:1] == "-" or "\0" in word]
    if wrong:
        allowed = ("allowed", "key=value, +key=value, ++key=value, ~key")
        raise UserError([Mistake(f"{word!r} is not an override", allowed) for word in wrong])
    if sweeps := [paths.run_id for paths in chosen if runs.is_sweep(paths)]:
        raise UserError(f"a sweep is run again in a terminal: {', '.join(sweeps)}", hint=f"`trainconf rerun {sweeps[0]}`")
    overrides = [*words, "submit.detach=true"]

    def do() -> list[Result]:
        return [_each(paths, lambda paths=paths: _run_again(paths, overrides, request.workspace)) for paths in chosen]  # type: ignore[misc]

    return Deed(["rerun", *_ids(chosen), *overrides], do, is_long=True)


def _run_again(paths: RunPaths, overrides: list[str], workspace: WorkspacePaths) -> dict[str, Any]:
    from trainconf.control.submit import rerun
    from trainconf.fast.spawn import reap

    reap()
    with composing:
        submitted = rerun(paths, overrides, workspace)
    if submitted.plan is None:
        return {"words": f"completed before as {submitted.paths.run_id}; nothing was started", "new": submitted.paths.run_id}
    return {"words": f"runs again as {submitted.paths.run_id}", "new": submitted.paths.run_id}


def _freeze(request: Request) -> Deed:
    """A run as a file of this workspace."""
    chosen, output = _chosen(request, "runs"), _text(request, "output")
    if len(chosen) != 1 or runs.is_sweep(chosen[0]):
        raise UserError("freeze takes one run", ("given", ", ".join(_ids(chosen))))
    path = _place(request.workspace, output)

    def do() -> list[Result]:
        return [_each(chosen[0], lambda: _frozen(chosen[0], request.workspace, path, output))]

    return Deed(["freeze", *_ids(chosen), "-o", output], do, is_long=True)


def _frozen(paths: RunPaths, workspace: WorkspacePaths, path: str, output: str) -> str:
    from trainconf.control.freeze import freeze_run

    with composing:
        made = freeze_run(paths, workspace, path, lambda _: None)
    only = f"; {made.only_here}: only this snapshot store can run it" if made.only_here else ""
    return f"frozen in {output}, spec {made.spec_hash[:12]}{only}"


def _place(workspace: WorkspacePaths, output: str) -> str:
    """Where a frozen file may be written from the page. Raises UserError: outside of the workspace, hidden, or of another kind."""
    parts = output.split("/")
    path = os.path.join(workspace.root, *parts)
    is_plain = all(part and part[:1] not in (".", "-") and "\0" not in part for part in parts) and output.endswith(FROZEN_ENDING)
    root = os.path.realpath(workspace.root)
    if not is_plain or os.path.commonpath([os.path.realpath(path), root]) != root or parts[0] in ("runs", "conf"):
        raise UserError(f"no frozen file can be written to {output!r} from here",
                        ("allowed", f"a path in the workspace that ends with {FROZEN_ENDING}, not in runs/, conf/ or a hidden folder"),
                        hint="`trainconf freeze RUN -o FILE` in a terminal writes it anywhere")
    return path


def _pause(request: Request) -> Deed:
    sweep = _sweep(request)
    return Deed(["sweep", "pause", sweep.run_id], lambda: [_each(sweep, lambda: steering.pause(sweep))])


def _stop(request: Request) -> Deed:
    sweep = _sweep(request)
    return Deed(["sweep", "stop", sweep.run_id], lambda: [_each(sweep, lambda: steering.stop(sweep))])


def _resume(request: Request) -> Deed:
    return _going_on(request, "resume", [])


def _extend(request: Request) -> Deed:
    """With other limits, as words that are typed after `trainconf sweep extend SWEEP`."""
    words = request.body.get("changes")
    if not isinstance(words, list) or not words or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise UserError("extend needs a new limit", ("allowed", '{"changes": ["sweep.max_total_runs=60"]}'))
    return _going_on(request, "extend", words)


def _going_on(request: Request, verb: str, words: list[str]) -> Deed:
    sweep = _sweep(request)
    steering.check(sweep, request.workspace, verb, words)

    def do() -> list[Result]:
        return [_each(sweep, lambda: steering.go_on(sweep, request.workspace, verb, words))]

    return Deed(["sweep", verb, *steering.place(sweep), sweep.run_id, *words], do, is_long=True)


VERBS: dict[str, Callable[[Request], Deed]] = {
    "cancel": _cancel, "tag": _tag, "untag": _untag, "note": _note, "rename": _rename, "archive": _archive, "unarchive": _unarchive,
    "rerun": _rerun, "freeze": _freeze, "pause": _pause, "stop": _stop, "resume": _resume, "extend": _extend,
}  # fmt: skip


# ------------------------------------------------------------ words


def _chosen(request: Request, *keys: str) -> list[RunPaths]:
    """The runs and sweeps of a request, each once. Raises UserError, RunNotFoundError with all mistakes."""
    names: list[Any] = []
    for key in keys:
        given = request.body.get(key, [])
        names += given if isinstance(given, list) else [given]
    if not names or len(names) > MOST_RUNS or not all(isinstance(name, str) for name in names):
        raise UserError("say which runs are meant", ("allowed", f"1 to {MOST_RUNS} ids: {{\"{keys[0]}\": [\"ID\"]}}"))
    found: dict[str, RunPaths] = {}
    mistakes: list[Mistake] = []
    for name in names:
        try:
            paths = find(request.workspace, name)
            found[paths.run_dir] = paths
        except RunNotFoundError as error:
            mistakes.extend(error.mistakes)
    if mistakes:
        raise RunNotFoundError(mistakes)
    return list(found.values())


def _sweep(request: Request) -> RunPaths:
    name = request.body.get("sweep")
    if not isinstance(name, str):
        raise UserError("say which sweep is meant", ("allowed", '{"sweep": "ID"}'))
    return find_sweep(request.workspace, name)


def _text(request: Request, key: str) -> str:
    found = request.body.get(key)
    if not isinstance(found, str) or "\0" in found:
        raise UserError(f"{key} is missing", ("allowed", f'{{"{key}": "a text"}}'))
    return found


def _flag(request: Request, key: str) -> bool:
    return request.body.get(key) is True


def _is_tag_name(name: str) -> bool:
    """Whether the command line could take it, too."""
    return bool(name) and "=" not in name and os.sep not in name and "\0" not in name


def _ids(chosen: Sequence[RunPaths]) -> list[str]:
    return [paths.run_id for paths in chosen]


def _plain(words: Sequence[str]) -> list[str]:
    """Words that a parser takes for no options."""
    return ["--", *words] if any(word[:1] == "-" for word in words) else list(words)


def _each(paths: RunPaths, do: Callable[[], str | dict[str, Any]]) -> Result:
    """What became of one run: a mistake is told, and the others go on."""
    try:
        done = do()
    except (TrainconfError, OSError) as error:
        known = error if isinstance(error, TrainconfError) else StorageError.from_os_error(error, f"{paths.run_id} cannot be changed")
        return {"id": paths.run_id, "ok": False, "words": known.render()}
    return {"id": paths.run_id, "ok": True, **(done if isinstance(done, dict) else {"words": done})}


def _all(chosen: Sequence[RunPaths], do: Callable[[], None]) -> list[Result]:
    """What becomes of all of them or of none. Raises what the operation raises."""
    do()
    return [{"id": paths.run_id, "ok": True, "words": labels.words(paths)} for paths in chosen]
