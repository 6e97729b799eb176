"""The one door to a container engine: `client` speaks its HTTP interface, `address` says which engine that is."""
