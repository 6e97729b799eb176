"""mlflow's client over trainconf's runs: a tracking store for the URI `trainconf:`. mlflow is the user's, and loads this by entry point.

`path/` holds the entry points for a job, whose Python may not have trainconf installed.
"""
