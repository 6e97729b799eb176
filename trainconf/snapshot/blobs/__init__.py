"""The store side: packs, manifests, and folders made of them."""
