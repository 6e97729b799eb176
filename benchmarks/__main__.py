"""`python -m benchmarks [--check]`: every benchmark, one after the other, each as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.rounds import ROOT, environment, parser

HERE = Path(__file__).parent
NO_BENCHMARKS = {"__init__", "__main__", "bare_runs", "rounds", "served", "soak"}
NAMES = [
    ".".join(path.relative_to(HERE).with_suffix("").parts) for path in sorted(HERE.rglob("*.py")) if path.stem not in NO_BENCHMARKS
]  # fmt: skip


def main() -> int:
    """Run them all; 1 when any failed."""
    check = ["--check"] if parser(__doc__).parse_args().check else []
    failed = []
    for name in NAMES:
        print(f"\n# {name}", flush=True)
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *check], cwd=ROOT, env=environment(), check=False)
        failed += [name] if done.returncode else []
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
