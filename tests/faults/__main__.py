"""`make faults`: many faults. A seed and a number repeat one of them."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from tests.faults import disk
from tests.faults.cases import Case
from tests.faults.place import Place

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--cases", type=int, default=200)
parser.add_argument("--disk-cases", type=int, default=20, help="as root only")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--only", type=int, help="this case alone")
asked = parser.parse_args()
work = tempfile.mkdtemp(prefix="trainconf-faults-")
place = Place(os.path.join(work, "workspace"))
wrong = 0
for number in range(asked.cases) if asked.only is None else [asked.only]:
    case = Case(place, asked.seed, number)
    try:
        case.run()
    except AssertionError as error:
        case.wrong.append(str(error))
    print(case, "" if case.wrong else "ok", *case.wrong, sep="\n   " if case.wrong else "  ", flush=True)
    wrong += bool(case.wrong)
for number in range(asked.disk_cases) if asked.only is None and os.getuid() == 0 else ():
    found = disk.run(os.path.join(work, "disk"), os.path.join(work, "disk.leases"), asked.seed, number)
    print(f"disk {number}", *(found or ["ok"]), sep="  ", flush=True)
    wrong += bool(found)
print(f"{wrong} cases went wrong; seed {asked.seed}, {work}")
sys.exit(wrong > 0)
