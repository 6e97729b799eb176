"""Datastores, datasets and what a run reads and writes: folders and files of this workspace and this machine."""
