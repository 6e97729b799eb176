"""The config of a Hydra app once more with other words, from the code that was recorded."""

from __future__ import annotations

import os
from collections.abc import Sequence

from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed
from trainconf.resolve.hydra_app import joined, split
from trainconf.snapshot import SnapshotStore

MAX_BYTES = 1 << 20  # of a file that a config could be
READ = (".yaml", ".yml", ".py")


def recomposed(
    then: Composed, words: Sequence[str], of_params: Sequence[str], snapshot_id: str, source: str, workspace: WorkspacePaths
) -> Composed:
    """A recorded config whose app gets more words, and overrides of params without `params.`.

    Raises ConfigError, SnapshotError, StorageError.
    """
    import tempfile

    from trainconf.composition.app.apply import AppOf

    own, before = split(then.overrides)
    base = Composed(
        {**then.config, "params": {}}, then.origins, then.choices, own, derived=then.derived, notes=then.notes,
        compute_options=then.compute_options, config_name=then.config_name, folder=then.folder, layers=then.layers,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="trainconf-app-") as code:
        _write_configs(snapshot_id, code, workspace)
        found = AppOf(base, workspace, code=code, source=source).with_words(words, of_params=of_params)
    found.overrides = joined(own, [*before, *split(found.overrides)[1]])
    return found


def _write_configs(snapshot_id: str, folder: str, workspace: WorkspacePaths) -> None:
    """Write what composing reads of a snapshot: its configs, and the code that tells where they are."""
    store = SnapshotStore(workspace.snapshots)
    entries = store.show(snapshot_id)
    with store.reader(snapshot_id) as reader:
        for entry in entries:
            path = os.path.join(folder, entry.path)
            if entry.kind == "file" and entry.path.endswith(READ) and entry.size_bytes <= MAX_BYTES:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as stream:
                    stream.write(reader.read(entry))
            elif entry.kind == "link" and not os.path.isabs(entry.content):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.symlink(entry.content, path)
            elif entry.kind == "folder":
                os.makedirs(path, exist_ok=True)
