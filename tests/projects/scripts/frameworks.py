"""Trains a tiny model by one library, as its documentation does, and writes the rank and world size that the library sees."""

import gc
import json
import os
import sys

import torch
import torch.distributed.nn.functional  # noqa: F401  (before the group is there: see digits_torch)
from torch import distributed, nn
from torch.utils.data import DataLoader, TensorDataset

IMAGES = TensorDataset(torch.randn(16, 4), torch.randint(0, 2, (16,)))
NODES = int(os.environ.get("NODES", "1"))
PROCESSES = int(os.environ.get("PROCESSES", "1"))  # on each node


def by_lightning():
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def training_step(self, batch, _):
            return nn.functional.cross_entropy(self.layer(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    trainer = lightning.Trainer(
        accelerator="cpu", devices=PROCESSES, num_nodes=NODES, max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(Module(), DataLoader(IMAGES, batch_size=2))
    return trainer.global_rank, trainer.world_size


def by_fabric():
    from lightning.fabric import Fabric

    fabric = Fabric(accelerator="cpu", devices=PROCESSES, num_nodes=NODES)
    fabric.launch()
    model, optimizer = fabric.setup(*_model())
    for images, labels in fabric.setup_dataloaders(DataLoader(IMAGES, batch_size=2)):
        fabric.backward(nn.functional.cross_entropy(model(images), labels))
        optimizer.step()
    return fabric.global_rank, fabric.world_size


def by_accelerate():
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model, optimizer, batches = accelerator.prepare(*_model(), DataLoader(IMAGES, batch_size=2))
    for images, labels in batches:
        accelerator.backward(nn.functional.cross_entropy(model(images), labels))
        optimizer.step()
    return accelerator.process_index, accelerator.num_processes


def by_transformers():
    from transformers import Trainer, TrainingArguments

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, x, labels):
            return {"loss": nn.functional.cross_entropy(self.layer(x), labels)}

    data = [{"x": image, "labels": label} for image, label in IMAGES]
    args = TrainingArguments("outputs", max_steps=2, per_device_train_batch_size=2, use_cpu=True, report_to=[], save_strategy="no")
    Trainer(Model(), args, train_dataset=data).train()
    return args.process_index, args.world_size


def by_environment():
    """How DeepSpeed and many scripts find out whether a launcher has started them."""
    if not all(name in os.environ for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")):
        assert not any(name in os.environ for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE")), "either all of them or none"
        return 0, 1
    distributed.init_process_group("gloo")
    total = torch.ones(1)
    distributed.all_reduce(total)
    assert int(total) == int(os.environ["WORLD_SIZE"])
    return distributed.get_rank(), distributed.get_world_size()


def _model():
    model = nn.Linear(4, 2)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def main():
    for library in sys.argv[1:]:
        rank, world = globals()[f"by_{library}"]()
        with open(f"outputs/{library}_{rank}.json", "w") as stream:
            json.dump([rank, world], stream)


if __name__ == "__main__":
    main()
    gc.collect()
    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
