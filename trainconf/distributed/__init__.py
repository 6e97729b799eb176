"""The layout of a run's processes, and where they meet. Pure; agents import it, so nothing is imported here."""
