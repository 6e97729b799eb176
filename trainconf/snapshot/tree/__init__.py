"""The source side: which files travel, and what is in them."""
