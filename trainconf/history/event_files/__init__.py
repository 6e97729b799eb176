"""TensorBoard's event files: found in a run, read, and written, with the standard library alone."""
