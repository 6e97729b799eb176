"""A small network that tells two kinds of points apart: a LightningCLI project as its documentation has it, with nothing of trainconf in it.

    python main.py fit --trainer.max_epochs 4 --model.lr 0.05 --data.batch_size 32
    python main.py fit --config config.yaml
"""

import gc

import torch
import torch.distributed.nn.functional  # before there is a group of processes: imported later, it would hold the group for good
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.cli import LightningCLI
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Points(LightningDataModule):
    """Points in a plane; their kind says whether they lie inside a circle."""

    def __init__(self, count: int = 512, batch_size: int = 32, seed: int = 0):
        super().__init__()
        self.save_hyperparameters()

    def setup(self, stage: str):
        generator = torch.Generator().manual_seed(self.hparams.seed)
        points = torch.randn(self.hparams.count, 2, generator=generator)
        kinds = (points.norm(dim=1) > 1.2).long()
        held_out = self.hparams.count // 4
        self.train_set = TensorDataset(points[held_out:], kinds[held_out:])
        self.held_out = TensorDataset(points[:held_out], kinds[:held_out])

    def train_dataloader(self):
        return DataLoader(self.train_set, self.hparams.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.held_out, self.hparams.batch_size)


class Classifier(LightningModule):
    def __init__(self, lr: float = 0.05, hidden: int = 32):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, 2))

    def training_step(self, batch, _):
        points, kinds = batch
        loss = nn.functional.cross_entropy(self.net(points), kinds)
        self.log("train_loss", loss, on_step=False, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch, _):
        points, kinds = batch
        right = (self.net(points).argmax(dim=1) == kinds).float().mean()
        self.log("val_accuracy", right, prog_bar=True, sync_dist=True)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


if __name__ == "__main__":
    LightningCLI(Classifier, Points, seed_everything_default=0)
    gc.collect()  # the model goes; else the threads of the group, which Lightning ends at the very end, can abort the process
