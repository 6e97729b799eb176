"""Starts the agent of one run or sweep: `python -I -S .../trainconf/agent/__main__.py FOLDER`, or a part of it (see `main`).

Kept tiny because a script is compiled anew at every start. The package's parent goes last on the path: beside an installed
trainconf lie other people's packages, which must not stand in for the standard library.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

    from trainconf.agent.loop import main

    main(*sys.argv[1:])
