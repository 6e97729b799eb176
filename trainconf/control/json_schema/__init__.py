"""JSON Schemas of a workspace's config files, for editors."""
