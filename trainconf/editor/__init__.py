"""The language server: what an editor is told of config files while somebody types. Nothing of a workspace is run."""
