"""What the app imports from its own package."""


def loss_of(width: int, lr: float) -> float:
    return lr / width
