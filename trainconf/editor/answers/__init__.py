"""What is answered at a place of a file: completion, hover, definition, rename, lenses."""
