"""Snapshots: the source tree as it was at submission, content-addressed, whole, and cheap to take again.

    take         walk (rules, stat cache) -> guards -> read what is new -> pack -> manifest
    materialize  manifest -> a folder, copied from the packs
    gc           manifests that nobody needs, then what only they needed

`layout` knows where a store keeps what; `store` is the road through the parts. Standard library only.
"""

from __future__ import annotations

from trainconf.snapshot.store import Snapshot, SnapshotInfo, SnapshotStore, hash_tree, tree_entries

__all__ = ["Snapshot", "SnapshotInfo", "SnapshotStore", "hash_tree", "tree_entries"]
