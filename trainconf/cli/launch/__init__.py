"""Verbs that compose a run: submit, sweep, plan, freeze, run, rerun, config."""
