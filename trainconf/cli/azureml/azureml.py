"""`trainconf azureml`: what was written for Azure ML, run as it stands. The first word decides which kind of thing it is."""

from __future__ import annotations

import argparse

from trainconf.cli.arguments.parser import Arguments
from trainconf.compat.azureml.v2 import is_job

ABOUT = """\
`import azureml` gets trainconf's own classes, in the script and in the jobs that it submits: the script needs no change and no account.
docs/azureml.md lists every name. compat=[azureml] gives a job that is submitted in another way the same names.

`trainconf azureml job.yml [key=value ...] [--plan]` runs a job file of v2.
`trainconf azureml convert submit.py|job.yml [-o FILE]` writes the experiment file of trainconf's own that runs the same.
"""


def run(argv: list[str]) -> int:
    """Find what the first word is, and run it. Raises UserError."""
    first = next((word for word in argv if not word.startswith("-")), "")
    if argv[:1] == ["convert"] or is_job(first):
        from trainconf.cli.azureml import job

        return job.run_convert(argv[1:]) if argv[0] == "convert" else job.run(argv)
    parser = Arguments("azureml", epilog=ABOUT)
    parser.add_argument("script", metavar="SCRIPT", help="a Python file; it runs in this Python")
    parser.add_argument("arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER, help="what the script gets")
    args = parser.parse_args(argv)
    from trainconf.cli.azureml import script

    return script.run([args.script, *args.arguments])
