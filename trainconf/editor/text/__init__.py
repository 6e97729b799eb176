"""The text of a file: positions as editors count them, the keys that it has, and where a cursor stands."""
