"""`trainconf ui`: a page over the history, for this machine alone. It reads by `control` and `history`, and changes what verbs change."""
