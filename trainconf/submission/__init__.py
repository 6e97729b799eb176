"""The one road from a resolved config to a run: snapshot, environment, run directory, launch."""
