"""The verbs, in the order in which `--help` shows them: where each one is, and one line of help.

A folder has the module of the verb's name, with `run(argv) -> exit code`. A module, with a dot, has a function of the verb's name.
"""

from __future__ import annotations

VERBS = {
    "init": ("workspace", "make a folder a workspace, with examples to run; or an experiment of a script: init --script train.py"),
    "config": ("launch", "print the composed config with the meaning of each setting, or with --origin what set each value"),
    "plan": ("launch", "show what a submission would run, and where; nothing is started"),
    "run": ("launch", "run a frozen file: exactly that run again, also in a fresh clone; or a script as it stands: run train.py --lr 0.1"),
    "rerun": ("launch", "run a recorded run again from its own code and config, with other values: rerun RUN params.lr=0.2"),
    "resume": ("launch", "go on with a run that failed, was cancelled or was lost: its next attempt, in its own directory"),
    "azureml": ("azureml", "run what was written for Azure ML as it stands: azureml submit.py|job.yml; convert makes an experiment of it"),
    "freeze": ("launch", "write a new or a recorded run to a file that can be reviewed (-o FILE); compare one with today (--check)"),
    "check": ("launch", "check that every experiment composes and every frozen file is still what would run"),
    "ls": ("history", "list runs, newest first"),
    "show": ("history", "print everything about one run, or the trials of a sweep"),
    "compare": ("compare", "print what differs between runs: params, metrics, env, code, compute, status"),
    "diff": ("compare", "print what changed from one run to another: params, config, software, commits, code line by line"),
    "metrics": ("compare", "print what runs have logged; with names of metrics, draw their curves"),
    "tensorboard": ("compare", "show runs in TensorBoard, live, with hyperparameters; or write a log directory for it"),
    "ui": ("compare", "show runs, curves, logs and sweeps in a browser, live, from this machine alone"),
    "logs": ("history", "print or follow (-f) the output of runs and sweeps, or the last lines of what --failed"),
    "download": ("history", "copy files of a run to a place of your own: download RUN outputs/model.bin DEST"),
    "open": ("history", "print the folder of a run or sweep, and show it on the desktop"),
    "watch": ("compare", "show what runs and waits on this machine now: slots, GPUs, who holds them, the queue"),
    "wait": ("history", "wait for runs to end, and end with their exit code"),
    "cancel": ("history", "end runs and sweeps, with everything they started"),
    "sweep": ("history", "list sweeps, show one, its best trial; pause, resume, extend, stop, cancel, run trials again"),
    "tag": ("change.labels", "give runs tags: tag RUN name=value"),
    "untag": ("change.labels", "take tags away from a run: untag RUN name"),
    "note": ("change.labels", "say something of a run: note RUN \"text\""),
    "rename": ("change.labels", "give a run another display name"),
    "archive": ("change.labels", "leave runs out of lists"),
    "unarchive": ("change.labels", "take archived runs into lists again"),
    "rm": ("change", "remove runs and sweeps for good"),
    "env": ("workspace", "list, show, build, lock or remove software environments"),
    "snapshot": ("workspace", "create, list, show, compare or verify snapshots of a source tree"),
    "gc": ("workspace", "remove what no run needs: snapshots, half-made runs, leftovers of builds and containers"),
    "completion": ("workspace", "print what makes bash, zsh or fish complete verbs, ids, overrides and names: completion bash"),
    "schema": ("workspace", "write JSON Schemas of the config files, with which an editor completes, explains and checks them"),
    "lsp": ("workspace", "serve an editor: what is wrong with a config file while you type, completion, values with their origin"),
    "doctor": ("workspace", "check what works on this machine: Python, uv, git, Docker, Slurm, disk, locks"),
}

# What `--help` says above a verb, and of those that follow it.
HEADINGS = {
    "init": "Declare and start",
    "ls": "Find, look and compare",
    "wait": "Steer",
    "tag": "Keep and tidy",
    "env": "The workspace and the machine",
}
