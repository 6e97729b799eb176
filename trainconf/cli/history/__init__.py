"""Verbs about runs that exist: ls, show, logs, wait, cancel."""
