"""The cost of an environment that is there, and of one that must be built, beside uv doing the same by hand.

    python -m benchmarks.environment [--check] [--rounds 9]

numpy is downloaded once, into uv's cache.

Hit: milliseconds in the process for importing `trainconf.environments`, `read_recipe` and `ensure`, measured in fresh processes that have
already paid for the lower floors (`trainconf.spec`, `files`, `paths`) and `hashlib`, as every submission has; child processes and
connections are counted by an audit hook.
Miss: whole processes, interleaved; the ratio is the median of the ratios of each round. Byte-compiling: what it would cost and save.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.rounds import Limit, Report, environment, median_ratio, parser
from trainconf.environments.venv.installers import Uv, find_installer

LIMITS = [
    Limit("hit, managed", 2), Limit("hit, current", 2), Limit("hit, child processes or connections", 0), Limit("miss, to uv by hand", 1.2),
]  # fmt: skip
ENV = environment()
RECIPE = {"name": "bench", "requirements": ['numpy==2.2.6; python_version < "3.11"', 'numpy==2.3.5; python_version >= "3.11"']}
IN_PROCESS = f"""
import hashlib, sys, time
import trainconf.spec, trainconf.files, trainconf.paths
children = []
COUNTED = ("subprocess.Popen", "os.fork", "os.posix_spawn", "socket.connect")
sys.addaudithook(lambda event, _: children.append(event) if event in COUNTED else None)
begin = time.perf_counter()
from trainconf.environments import EnvironmentRequest, ensure, read_recipe
from trainconf.paths import WorkspacePaths
imported = time.perf_counter()
root, env = sys.argv[1], {RECIPE!r}
if sys.argv[2] == "current":
    env = {{"python": {{"user_managed_dependencies": True}}}}
spec = read_recipe(env, root, [])
prepared = ensure(EnvironmentRequest(spec, WorkspacePaths(root), "bench"))
done = time.perf_counter()
print((imported - begin) * 1e3, (done - imported) * 1e3, len(children), int(prepared.built))
"""


def in_process(root: str, kind: str) -> list[float]:
    """Import and call milliseconds, child processes and connections, and whether it was built; in a fresh process."""
    said = subprocess.run([sys.executable, "-c", IN_PROCESS, root, kind], env=ENV, check=True, capture_output=True, text=True).stdout
    return [float(word) for word in said.split()]


def timed(*argv: str, env: dict[str, str] = ENV) -> float:
    begin = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True, env=env)
    return time.perf_counter() - begin


def by_hand(uv: Uv, folder: str, *options: str) -> float:
    """Seconds of `uv venv` and `uv pip install` with the same index settings."""
    env = uv.environ(ENV, folder)
    python = os.path.join(folder, "bin", "python")
    made = timed(uv.path, "venv", "--quiet", "--no-project", "--python", sys.executable, folder, env=env)
    return made + timed(uv.path, "pip", "install", "--quiet", *options, "--python", python, *RECIPE["requirements"], env=env)


def main() -> int:
    asked = parser(__doc__, rounds=9).parse_args()
    report = Report(*LIMITS)
    measure(asked.rounds, report)
    return report.code(check=asked.check)


def measure(rounds: int, report: Report) -> None:
    uv = find_installer()
    if not isinstance(uv, Uv):
        sys.exit("this benchmark compares with uv, and there is none")
    base = tempfile.mkdtemp(prefix="trainconf-bench-")
    try:
        root = os.path.join(base, "hit")
        in_process(root, "managed")
        for kind in ("managed", "current"):
            rows = [in_process(root, kind) for _ in range(3 * rounds)]
            total, imports, calls = (statistics.median(column) for column in zip(*((r[0] + r[1], r[0], r[1]) for r in rows), strict=True))
            report.figure(f"hit, {kind}", total, "ms", f"in the process: import {imports:.2f}, read_recipe + ensure {calls:.2f}")
            report.figure("hit, child processes or connections", max(row[2] for row in rows), "")
        ours, theirs, empty, compiled, first, second = ([] for _ in range(6))
        for number in range(rounds):
            theirs.append(by_hand(uv, os.path.join(base, f"uv{number}")))
            workspace = os.path.join(base, f"ours{number}")
            ours.append(timed(sys.executable, "-c", IN_PROCESS, workspace, "managed"))
            empty.append(timed(sys.executable, "-c", "import trainconf.spec, hashlib"))
            compiled.append(by_hand(uv, os.path.join(base, f"compiled{number}"), "--compile-bytecode"))
            python = os.path.join(base, f"uv{number}", "bin", "python")
            first.append(timed(python, "-c", "import numpy"))
            second.append(timed(python, "-c", "import numpy"))
            for made in (workspace, os.path.join(base, f"uv{number}"), os.path.join(base, f"compiled{number}")):
                shutil.rmtree(made)
        ratio = statistics.median((a - c) / b for a, b, c in zip(ours, theirs, empty, strict=True))
        by_uv = f"{statistics.median(theirs) * 1e3:.0f} ms by hand"
        more = f"{by_uv}; {median_ratio(ours, theirs):.2f}x with the start-up of the Python that asks"
        report.figure("miss, to uv by hand", ratio, "x", more)
        print(
            f"numpy by uv {statistics.median(theirs):.2f} s, with --compile-bytecode {statistics.median(compiled):.2f} s; "
            f"first import {statistics.median(first):.2f} s, second {statistics.median(second):.2f} s"
        )
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    sys.exit(main())
