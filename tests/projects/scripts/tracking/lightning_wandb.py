"""Lightning with its own WandbLogger, as its documentation shows it."""

import lightning as L
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import WandbLogger
from torch.utils.data import DataLoader, TensorDataset


class LitModel(L.LightningModule):
    def __init__(self, lr=0.01, hidden=8):
        super().__init__()
        self.save_hyperparameters()
        self.net = torch.nn.Sequential(torch.nn.Linear(4, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 2))

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self.net(x), y)
        self.log("train/loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        out = self.net(x)
        self.log("val/loss", F.cross_entropy(out, y))
        self.log("val/acc", (out.argmax(1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


L.seed_everything(0)
x = torch.randn(64, 4)
y = (x.sum(1) > 0).long()
data = DataLoader(TensorDataset(x, y), batch_size=16)
logger = WandbLogger(project="lightning", name="fit", log_model=True)
logger.experiment.config["dataset"] = "sums"
checkpoint = ModelCheckpoint(dirpath="checkpoints", monitor="val/loss")
trainer = L.Trainer(
    max_epochs=2, logger=logger, callbacks=[checkpoint], log_every_n_steps=1, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False
)
model = LitModel()
logger.watch(model)
trainer.fit(model, data, data)
logger.log_image(key="samples", images=[torch.rand(3, 4, 4), torch.rand(3, 4, 4)], caption=["one", "two"])
logger.log_table(key="table", columns=["a", "b"], data=[[1, 2], [3, 4]])
