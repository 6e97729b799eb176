"""Snapshots: the source tree as it was at submission, stored by its content, whole, and cheap to take again.

    take         walk (rules, stat cache) -> guards -> read what is new -> pack -> manifest
    materialize  manifest -> a folder, copied from the packs
    gc           removes manifests that nobody needs, then what only they needed

`layout` knows the files of a store; `store` calls the other modules in order. Standard library only.
"""

from __future__ import annotations

from trainconf.snapshot.store import Snapshot, SnapshotInfo, SnapshotStore, hash_tree, tree_manifest

__all__ = ["Snapshot", "SnapshotInfo", "SnapshotStore", "hash_tree", "tree_manifest"]
