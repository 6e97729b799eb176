"""A small convolutional network on handwritten digits, in one process or in many by DistributedDataParallel.

    python train.py --lr 0.05 --epochs 6 --batch_size 48 --seed 0
    torchrun --nproc-per-node 2 train.py

--batch_size counts the images of one step over all processes. Each step takes the same images whatever the number of processes, who
divide them; DDP averages their gradients; nothing in the network looks at a batch as a whole. So n processes walk the path of one, to
the rounding of sums, with the same learning rate.

outputs/checkpoint.pt is written after each epoch. Run again in the same directory, the training goes on from there.
"""

import argparse
import gc
import os
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.distributed.nn.functional  # before a group is there, see main()
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from trainconf import Run

HERE = Path(__file__).parent
CHECKPOINT = Path("outputs") / "checkpoint.pt"
CLASSES = 10


def join():
    """Meet the other processes, if a launcher started this one beside others. The device to train on."""
    local_rank = int(os.environ.get("LOCAL_RANK", 0))
    if torch.cuda.is_available():
        device = torch.device("cuda", local_rank % torch.cuda.device_count())  # all GPUs of the node are visible, or this process's alone
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
        torch.set_num_threads(1)  # for images as small as these, threads wait for each other longer than they compute
    backend = os.environ.get("TRAINCONF_COMMUNICATION_BACKEND") or ("nccl" if device.type == "cuda" else "gloo")
    if "MASTER_ADDR" in os.environ:
        dist.init_process_group(backend)
    else:  # a process alone is a group of one: the rest of the script need not know
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    return device


def load(path):
    """Images of one channel with grey levels in [0, 1], and their digits: those to train on, and every fifth, held out."""
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    images = torch.from_numpy(table[:, :-1] / 16.0).float().reshape(-1, 1, 8, 8)
    digits = torch.from_numpy(table[:, -1].astype(np.int64))
    held_out = torch.arange(len(digits)) % 5 == 0
    return TensorDataset(images[~held_out], digits[~held_out]), TensorDataset(images[held_out], digits[held_out])


def network():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 2 * 2, CLASSES),
    )


def over_all(*numbers, device):
    """The sum of each number over all processes."""
    total = torch.tensor(numbers, dtype=torch.float64, device=device)
    dist.all_reduce(total)
    return total.tolist()


def train_epoch(model, optimizer, batches, device):
    """One pass over this process's share of the images. Returns the mean cross-entropy that all processes saw on the way."""
    total, count = 0.0, 0
    for images, digits in batches:
        loss = nn.functional.cross_entropy(model(images.to(device)), digits.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(digits)
        count += len(digits)
    total, count = over_all(total, count, device=device)
    return total / count


@torch.no_grad()
def accuracy(model, held_out, device):
    """The share of the held-out images that are recognised; each process looks at its own part of them."""
    images, digits = (tensor[dist.get_rank() :: dist.get_world_size()].to(device) for tensor in held_out.tensors)
    right, count = over_all((model(images).argmax(dim=1) == digits).sum().item(), len(digits), device=device)
    return right / count


def save(training, epoch, model, optimizer):
    """Replace the checkpoint: whenever this is interrupted, the old one or the new one is there, whole."""
    CHECKPOINT.parent.mkdir(exist_ok=True)
    new = CHECKPOINT.with_suffix(".new")
    with open(new, "wb") as stream:
        torch.save({"training": training, "epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(new, CHECKPOINT)


def resume(training, model, optimizer, device):
    """Go on from the checkpoint, if there is one. Returns the epochs that are done."""
    found = [None]
    if dist.get_rank() == 0 and CHECKPOINT.exists():
        found = [torch.load(CHECKPOINT, map_location="cpu", weights_only=True)]
    dist.broadcast_object_list(found, device=device)  # on another node the disk may still show an older file
    if found[0] is None:
        return 0
    if found[0]["training"] != training:
        raise SystemExit(f"{CHECKPOINT} is of another training, {found[0]['training']}, and this is {training}: move it away")
    model.load_state_dict(found[0]["model"])
    optimizer.load_state_dict(found[0]["optimizer"])
    return found[0]["epoch"]


def tensorboard():
    """What writes to ./logs for TensorBoard, on rank 0 and where TensorBoard is installed."""
    if dist.get_rank() != 0:
        return None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter("logs")


def train(args, device):
    if args.batch_size % dist.get_world_size():
        raise SystemExit(f"--batch_size {args.batch_size} cannot be divided among {dist.get_world_size()} processes")
    torch.manual_seed(args.seed)
    training_set, held_out = load(HERE / "digits.csv.gz")
    # both drop_last: the few images that would make a smaller last step are left out, other ones in each epoch
    sampler = DistributedSampler(training_set, seed=args.seed, drop_last=True)
    batches = DataLoader(training_set, batch_size=args.batch_size // dist.get_world_size(), sampler=sampler, drop_last=True)
    model = network().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)
    training = {"lr": args.lr, "batch_size": args.batch_size, "seed": args.seed}
    done = resume(training, model, optimizer, device)
    ddp = DistributedDataParallel(model)

    run, board = Run.get_context(), tensorboard()
    if dist.get_rank() == 0:
        run.log("world_size", dist.get_world_size())
        run.log("backend", dist.get_backend())
        print(f"{dist.get_world_size()} processes by {dist.get_backend()} on {device.type}, from epoch {done + 1}")
    for epoch in range(done + 1, args.epochs + 1):
        sampler.set_epoch(epoch)
        metrics = {"loss": train_epoch(ddp, optimizer, batches, device), "val_accuracy": accuracy(model, held_out, device)}
        if dist.get_rank() == 0:
            for name, value in metrics.items():
                run.log(name, value, step=epoch)
                if board:
                    board.add_scalar(name, value, epoch)
            print(f"epoch {epoch:3d}  loss {metrics['loss']:.6f}  val_accuracy {metrics['val_accuracy']:.4f}", flush=True)
            save(training, epoch, model, optimizer)
    if board:
        board.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch_size", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    device = join()
    try:
        train(args, device)
        dist.barrier()  # nobody leaves while another one still needs it
    finally:
        # gloo's threads hold tensors of Python's, and one that lets go of them while the interpreter ends aborts the process. They end with
        # the group, once nothing holds it: torch.distributed.nn.functional does for good, if it is imported (as DistributedDataParallel
        # does) after the group was made. DistributedDataParallel lies in cycles, and goes first: as the last to hold the group it would
        # keep Python's lock while the threads end, and one of them may be waiting for that.
        gc.collect()
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
