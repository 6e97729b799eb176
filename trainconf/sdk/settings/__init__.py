"""Values of small objects, checked when they are set; flags as values."""
