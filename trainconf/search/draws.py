"""Numbers between 0 and 1 that depend on nothing but the seed, the point's number, the key and the count of retries."""

from __future__ import annotations

from trainconf.fast.sha256 import sha256

MAX_SEED = 2**63 - 1


def unit(seed: int, number: int, key: str, retry: int = 0) -> float:
    """The first 8 bytes of SHA-256("seed/number/key/retry") as a number in [0, 1)."""
    digest = sha256(f"{seed}/{number}/{key}/{retry}".encode()).digest()
    return min(int.from_bytes(digest[:8], "big") / 2.0**64, 1 - 2.0**-53)


def seed_of(seed: int, number: int) -> int:
    """A seed of 32 bits for what a library draws for the point of this number."""
    return int.from_bytes(sha256(f"{seed}/{number}".encode()).digest()[:4], "big")
