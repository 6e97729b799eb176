"""Tables that fit the terminal, tables that change, and how far something has come."""
