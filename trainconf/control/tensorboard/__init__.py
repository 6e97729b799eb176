"""TensorBoard on runs: the log directory that it reads, and the server."""
