"""Verbs that change what is kept and known of runs: tag, untag, note, rename, archive, unarchive, rm."""
