"""`python -m wandb login` and its like in a script: there is nothing to do."""

import sys

from trainconf.compat.tracking.notes import say

say("wandb %s does nothing here: no account, no server; `trainconf ls` has the runs (docs/tracking.md)" % " ".join(sys.argv[1:]))
