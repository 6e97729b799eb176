"""What changes while somebody looks: read from the files as they grow, once for all who look, and pushed."""
