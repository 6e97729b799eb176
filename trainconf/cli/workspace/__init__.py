"""Verbs about a workspace: init, env, snapshot, gc, doctor."""
