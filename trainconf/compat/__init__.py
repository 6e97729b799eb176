"""Other people's names: what lets scripts written for another tool run unmodified. Each is on a path only when asked for."""
