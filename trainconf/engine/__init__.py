"""Everything that calls a container engine: `client` has its HTTP interface, `address` says which engine that is."""
