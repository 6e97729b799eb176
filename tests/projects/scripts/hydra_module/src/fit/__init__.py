"""A package whose module `fit.train` is a Hydra app. It knows nothing of trainconf."""
