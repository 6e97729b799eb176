"""Models that `_target_` names."""

from __future__ import annotations


class Resnet:
    def __init__(self, layers: int, width: int) -> None:
        self.size = layers * width

    def step(self, loss: float, lr: float) -> float:
        return loss * (1 - min(lr, 0.5)) + 1 / self.size


class Vit(Resnet):
    def __init__(self, heads: int, width: int) -> None:
        super().__init__(heads, width)
