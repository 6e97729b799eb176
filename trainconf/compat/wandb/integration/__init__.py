"""Callbacks of training frameworks that come with wandb. Each module needs its framework, which the job has when it asks for it."""
