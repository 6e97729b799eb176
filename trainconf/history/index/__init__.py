"""An index over the runs of a workspace: found, narrowed and sorted in milliseconds, and rebuilt from their folders at any time."""
