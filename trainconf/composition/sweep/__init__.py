"""The overrides of a sweep: how each key varies, and all combinations of them."""

from trainconf.composition.hydra.light import import_lightly

import_lightly()  # before the modules here import Hydra: the half of it that apps need takes a fifth of a second
