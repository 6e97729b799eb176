"""The console following a run's output, against the same child piped through `tee` into a file.

    python -m benchmarks.console [--rounds 5] [--check]

Both outputs end in a pipe that `cat` empties. Ours is a whole command; its start-up, measured in the same rounds with a job that
does nothing, is taken off, for `tee` has none.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
import time
from functools import partial

from benchmarks.capture import AWK, GIB
from benchmarks.rounds import Limit, Report, interleaved, parser, timed

LIMITS = [Limit("trainconf", 1.5, "tee")]
RUN = [sys.executable, "-m", "trainconf", "experiment=adhoc", "env=current"]


def command(argv: list[str]) -> str:
    """An override that runs `argv` as it stands."""
    return "command=[" + ",".join("'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'" for word in argv) + "]"


def main() -> int:
    asked = parser(__doc__, rounds=5).parse_args()
    report = Report(*LIMITS)
    for name, child in {"1 GiB": GIB, "1,000,000 short lines (awk)": AWK}.items():
        with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as folder:
            with open(f"{folder}/.amlignore", "w") as stream:
                stream.write("*\n")  # the outputs of this benchmark are no code
            time.sleep(0.1)
            nothing = shlex.join([*RUN, "command=[true]"])
            ours = shlex.join([*RUN, command(child)])
            piped = f"PYTHONUNBUFFERED=1 {shlex.join(child)} | tee out.txt | cat > /dev/null"
            seen = interleaved({
                "tee": partial(timed, ["sh", "-c", piped], folder),
                "trainconf, nothing to print": partial(timed, ["sh", "-c", f"{nothing} | cat > /dev/null"], folder),
                "trainconf": partial(timed, ["sh", "-c", f"{ours} | cat > /dev/null"], folder),
            }, asked.rounds)
            start = seen.pop("trainconf, nothing to print")
            seen["trainconf"] = [whole - idle for whole, idle in zip(seen["trainconf"], start, strict=True)]
            print(f"\n{name}")
            report.rows(seen, "tee")
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
