"""Starts the agent of one run or sweep: `python -I -S .../trainconf/agent/__main__.py FOLDER`, or a part of it (see `main`).

Kept tiny because a script is compiled anew at every start. The package's parent goes last on the path: beside an installed
trainconf lie other people's packages, which must not stand in for the standard library.
"""

from __future__ import annotations

import gc
import os
import sys

if __name__ == "__main__":
    gc.disable()  # what is imported stays: looking for garbage in it is in vain
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

    from trainconf.agent.loop import main

    gc.freeze()
    gc.enable()
    main(*sys.argv[1:])
