"""Curves for a screen: every point of a series counts, and no more values are made than there are pixels."""
