"""The command line in a notebook: `%trainconf`, and `%%trainconf`, which runs a cell as a script."""
