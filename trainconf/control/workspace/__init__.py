"""What can be done with a workspace: its environments, snapshots, leftovers, and the machine it is on."""
