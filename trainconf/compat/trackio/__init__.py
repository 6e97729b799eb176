"""The names of trackio over trainconf's run. `path/` holds a package `trackio`, for scripts that run as they are: no server, no network.

All of it may run in a job: standard library only, Python 3.8 grammar.
"""
