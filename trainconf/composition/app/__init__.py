"""The config of somebody's own Hydra app, composed by Hydra itself when a run of it is submitted."""

from trainconf.composition.hydra.light import import_lightly

import_lightly()  # before the modules here import Hydra: the half of it that apps need takes a fifth of a second
