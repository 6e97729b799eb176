"""How the processes of a run are laid out, and where they meet. Pure; agents import it, so nothing is imported here."""
