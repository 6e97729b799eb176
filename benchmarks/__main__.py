"""`python -m benchmarks`: every benchmark, one after the other, each as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.rounds import ROOT, environment

WORDS = {"listing": ["100000"]}  # what a benchmark is asked for beside its defaults


def main() -> int:
    """Run them all; 1 when any failed."""
    names = sorted(name.removesuffix(".py") for name in os.listdir(os.path.dirname(__file__)) if name.endswith(".py"))
    failed = []
    for name in names:
        if name in ("__init__", "__main__", "rounds"):
            continue
        print(f"\n# {name}", flush=True)
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *WORDS.get(name, [])], cwd=ROOT, env=environment(), check=False)
        failed += [name] if done.returncode else []
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
