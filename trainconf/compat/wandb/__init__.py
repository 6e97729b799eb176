"""The names of wandb over trainconf's run. `path/` holds a package `wandb`, for scripts that run as they are: no account, no network.

All of it may run in a job: standard library only, Python 3.8 grammar.
"""
