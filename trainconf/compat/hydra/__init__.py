"""`hydra/launcher=trainconf`: the jobs of anybody's Hydra app as runs of trainconf, with Hydra's own contract."""
