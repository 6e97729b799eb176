"""Where ranks meet: addresses and ports."""
