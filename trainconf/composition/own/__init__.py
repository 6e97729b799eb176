"""Config groups of a workspace's own: their schemas, and the nodes that these type."""
