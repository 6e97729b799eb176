"""`python -m benchmarks`: every benchmark, one after the other, each as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.rounds import ROOT, environment

HERE = Path(__file__).parent
WORDS = {"listing": ["100000"]}  # what a benchmark is asked for beside its defaults


def main() -> int:
    """Run them all; 1 when any failed."""
    files = sorted(path.relative_to(HERE).with_suffix("") for path in HERE.rglob("*.py"))
    names = [".".join(file.parts) for file in files if file.name not in ("__init__", "__main__")]
    failed = []
    for name in names:
        if name in ("bare_runs", "rounds"):
            continue
        print(f"\n# {name}", flush=True)
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *WORDS.get(name, [])], cwd=ROOT, env=environment(), check=False)
        failed += [name] if done.returncode else []
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
