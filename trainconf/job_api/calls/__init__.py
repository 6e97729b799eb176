"""The calls of `Run`, by what they are about."""
