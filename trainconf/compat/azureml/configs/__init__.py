"""What is submitted, by the original's names: scripts, run configurations, estimators, sweeps, environments. Stands on `trainconf.sdk`."""
