"""A small network that tells two kinds of points apart, in a training loop of one's own by accelerate, with nothing of trainconf in it.

    python train.py --lr 0.05 --num_epochs 4
    accelerate launch --num_processes 2 train.py --resume_from_checkpoint latest

A checkpoint is written after each epoch. `--resume_from_checkpoint latest` goes on with the last one, or begins where there is none.
"""

import argparse
from pathlib import Path

import torch
import torch.distributed.nn.functional  # before there is a group of processes: imported later, it would hold the group for good
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def points(count, seed):
    """Points in a plane; their kind says whether they lie inside a circle."""
    points = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(points, (points.norm(dim=1) > 1.2).long())


def latest(folder):
    """The checkpoint of the last epoch, or None."""
    found = sorted(folder.glob("epoch_*"), key=lambda path: int(path.name.removeprefix("epoch_")))
    return found[-1] if found else None


def save(accelerator, folder, epoch):
    """Under another name until it is whole."""
    unfinished = folder / "unfinished"
    accelerator.save_state(str(unfinished))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        unfinished.rename(folder / f"epoch_{epoch}")
    accelerator.wait_for_everyone()


def train(args):
    accelerator = Accelerator(mixed_precision=args.mixed_precision, log_with=args.report_to, project_dir=args.logging_dir)
    if args.report_to:
        accelerator.init_trackers("tiny_accelerate", config=vars(args))
    set_seed(args.seed)
    model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    batches = DataLoader(points(384, seed=1), batch_size=args.batch_size, shuffle=True)
    held_out = DataLoader(points(128, seed=2), batch_size=args.batch_size)
    model, optimizer, batches, held_out = accelerator.prepare(model, optimizer, batches, held_out)

    folder = Path(args.output_dir)
    checkpoint = latest(folder) if args.resume_from_checkpoint == "latest" else args.resume_from_checkpoint
    done = 0
    if checkpoint:
        accelerator.load_state(str(checkpoint))
        done = int(Path(checkpoint).name.removeprefix("epoch_"))
    accelerator.print(f"{accelerator.num_processes} processes on {accelerator.device.type}, from epoch {done + 1}")

    for epoch in range(done + 1, args.num_epochs + 1):
        model.train()
        total = 0.0
        for inputs, kinds in batches:
            loss = nn.functional.cross_entropy(model(inputs), kinds)
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            total += loss.item() / len(batches)
        model.eval()
        right = []
        for inputs, kinds in held_out:
            with torch.no_grad():
                told = model(inputs).argmax(dim=1)
            told, kinds = accelerator.gather_for_metrics((told, kinds))
            right.append((told == kinds).float())
        accuracy = torch.cat(right).mean().item()
        accelerator.log({"train_loss": total, "val_accuracy": accuracy}, step=epoch)
        accelerator.print(f"epoch {epoch}: loss {total:.4f}, val_accuracy {accuracy:.4f}", flush=True)
        save(accelerator, folder, epoch)
    # The model goes before the group: it keeps Python's lock while the group's threads end, and one of them may be waiting for that.
    model = optimizer = batches = held_out = None
    accelerator.free_memory()
    accelerator.end_training()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--batch_size", type=int, default=16, help="of each process")
    parser.add_argument("--num_epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mixed_precision", choices=["no", "fp16", "bf16"])
    parser.add_argument("--output_dir", default="outputs")
    parser.add_argument("--logging_dir", default="logs")
    parser.add_argument("--report_to", help="a tracker: tensorboard, wandb, ...")
    parser.add_argument("--resume_from_checkpoint", help="a checkpoint's folder, or latest")
    train(parser.parse_args())
