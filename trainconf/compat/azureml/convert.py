"""The way off: what a job file or a submit script asks for, as an experiment file of ours."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from trainconf.compat.azureml import experiment_file
from trainconf.compat.azureml.recording import Asked, NothingRan, recording
from trainconf.compat.azureml.v2 import job as v2
from trainconf.composition.hydra.expressions import read_zip
from trainconf.composition.hydra.loader import ConfigLoader
from trainconf.composition.layers import Layer
from trainconf.composition.sweep.request import read_words
from trainconf.errors import UserError
from trainconf.files import write_atomic
from trainconf.resolve.resolver import is_run_name
from trainconf.resolve.search import config_dirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from trainconf.paths import WorkspacePaths
    from trainconf.reporter import Reporter


class Converted:
    """One experiment: a name for its file, and all that is in it."""

    def __init__(
        self, name: str, title: str, choices: Mapping[str, tuple[str, str]], layers: Sequence[Layer], remarks: Sequence[str], *,
        is_sweep: bool,
    ) -> None:
        self.name = name
        self.title = title
        self.choices = choices
        self.layers = layers
        self.remarks = remarks
        self.is_sweep = is_sweep

    def text(self, name: str) -> str:
        """The experiment file of this name."""
        return experiment_file.render(self.title, name, self.choices, self.layers, remarks=self.remarks, is_sweep=self.is_sweep)


def from_job(path: str, workspace: WorkspacePaths) -> Converted:
    """The experiment of a job file of v2. Raises ConfigError."""
    found = v2.read(path, (), workspace)
    name = os.path.splitext(os.path.basename(path))[0]
    remarks = [found.description, *(f"note: {note}" for note in found.notes)]
    return Converted(name, found.title, found.choices, found.layers(), [line for line in remarks if line], is_sweep=found.is_sweep)


def write(found: Sequence[Converted], output: str) -> list[tuple[str, str, str]]:
    """Write the experiments: one to `output`, of several `NAME_2.yaml` and so on beside it. Path, name and command of each.

    Raises UserError for a file that is there, and for a name that cannot be one; then none is written.
    """
    stem, ending = os.path.splitext(output)
    written = []
    for number, one in enumerate(found, start=1):
        path = output if number == 1 else f"{stem}_{number}{ending}"
        name = os.path.splitext(os.path.basename(path))[0]
        if ending != ".yaml" or not is_run_name(name):
            raise UserError(f"an experiment file cannot be {path}", ("from", "command line"), ("allowed", "conf/experiment/NAME.yaml"))
        if os.path.lexists(path):
            raise UserError(f"{path} is there already", ("from", "command line"), hint="give another name, or remove it")
        written.append((path, one.text(name), f"trainconf {'-m ' if one.is_sweep else ''}experiment={name}"))
    for path, text, _ in written:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        write_atomic(path, text)
    return written


def from_script(run: Callable[[], int], script: str, workspace: WorkspacePaths, reporter: Reporter) -> list[Converted]:
    """The experiments that a submit script asks for. `run` runs it, with nothing submitted. Raises UserError: it submits nothing."""
    ended = ""
    with recording() as asked, redirect_stdout(sys.stderr):  # what is written out is the experiment alone
        try:
            code = run()
            ended = "with an error of its own" if code else ""
        except NothingRan as stop:
            ended = f"where it asks a run for `{stop.name}` ({stop.place}), for nothing ran"
        except SystemExit as stop:
            ended = f"with sys.exit({stop.code!r})" if stop.code else ""
    if not asked:
        raise UserError(f"{script} submits nothing" + (f"; it ended {ended}" if ended else ""), ("from", script))
    if ended:
        reporter.info(f"note: {script} ended {ended}; what it would have submitted later is not here")
    return [_from_request(one, script, workspace) for one in asked]


def _from_request(asked: Asked, script: str, workspace: WorkspacePaths) -> Converted:
    """One submission of a script: its words are choices, parts of the space, or values behind the layers."""
    choices: dict[str, tuple[str, str]] = {}
    layers = list(asked.request.layers)
    words, place = asked.request.overrides, asked.request.typed_in
    varying = read_words(words, ConfigLoader(config_dirs(workspace), "config")) if asked.is_sweep else None
    for word in words:
        key, _, value = word.partition("=")
        if varying is not None and (key.lstrip("+") in varying.specs or read_zip(word)[0]):
            continue
        if key in ("experiment", *v2.GROUPS):
            choices[key] = (value, "")
        else:
            layers.append(_layer_of(word, place))
    search = {} if varying is None else {"space": varying.specs, "zip": varying.zips}
    if any(search.values()):
        layers.append(Layer(place, {"sweep": {key: found for key, found in search.items() if found}}))
    name = next((str(layer.values["experiment_name"]) for layer in reversed(layers) if "experiment_name" in layer.values), "")
    title = f"What {asked.place} submitted to Azure ML"
    return Converted(name or os.path.splitext(os.path.basename(script))[0], title, choices, layers, [], is_sweep=asked.is_sweep)


def _layer_of(word: str, place: str) -> Layer:
    """A word that sets a value, as a layer."""
    override = OverridesParser.create().parse_override(word)
    value: Any = override.value()
    for part in reversed(override.key_or_group.split(".")):
        value = {part: value}
    return Layer(place, value, is_config=True)
