"""What the answers to wandb and trackio share: runs that log, configs, media, tables, artifacts. They land in the run of trainconf.

Runs in a job: standard library only, Python 3.8 grammar. Nothing here ends a training: what cannot be kept is told once, on standard error.
"""
