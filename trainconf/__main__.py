"""`python -m trainconf` and the console script `trainconf` are one program."""

import sys

from trainconf.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
