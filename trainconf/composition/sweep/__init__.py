"""The overrides of a sweep: how each key varies, and all combinations of them."""
