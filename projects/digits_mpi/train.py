"""A network with one hidden layer on handwritten digits, in numpy, in one process or in many that add up their gradients by MPI.

    python train.py --lr 0.5 --epochs 20 --batch_size 48 --hidden 48 --seed 0
    mpirun -n 3 python -m mpi4py train.py

--batch_size counts the images of one step over all processes, who divide them, evenly or not. The step is made by the sum of all
gradients (Allreduce), so n processes walk the path of one, to the rounding of sums, with the same learning rate.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from mpi4py import MPI

from trainconf import Run

HERE = Path(__file__).parent
CLASSES = 10
WORLD = MPI.COMM_WORLD
RANK, SIZE = WORLD.Get_rank(), WORLD.Get_size()


def load(path):
    """Images as rows of 64 grey levels in [0, 1], and their digits."""
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    return table[:, :-1] / 16.0, table[:, -1].astype(int)


def parts(flat, shapes):
    """The arrays of these shapes that lie one after another in a flat one, as views into it."""
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes)]


def scores_of(weights, images):
    """The activations of the hidden layer, and the score of each digit."""
    inner, inner_bias, outer, outer_bias = weights
    hidden = np.tanh(images @ inner + inner_bias)
    return hidden, hidden @ outer + outer_bias


def gradient(weights, images, digits, into):
    """Write the slope of these images' summed cross-entropy into `into`, arrays like the weights. Returns that sum."""
    hidden, scores = scores_of(weights, images)
    scores = scores - scores.max(axis=1, keepdims=True)
    log_predicted = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    rows = np.arange(len(digits))
    slope = np.exp(log_predicted)
    slope[rows, digits] -= 1.0  # the derivative of cross-entropy by the scores
    hidden_slope = slope @ weights[2].T * (1.0 - hidden**2)
    into[0][:], into[1][:] = images.T @ hidden_slope, hidden_slope.sum(axis=0)
    into[2][:], into[3][:] = hidden.T @ slope, slope.sum(axis=0)
    return -log_predicted[rows, digits].sum()


def train_epoch(flat, shapes, images, digits, lr, batch_size, rng):
    """One pass over the images in an order that is the same in all processes. Returns the mean cross-entropy that all saw on the way."""
    weights = parts(flat, shapes)
    mine = np.empty(flat.size + 1)  # this process's gradient, and behind it its cross-entropy: one Allreduce for both
    total = 0.0
    order = rng.permutation(len(images))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        share = batch[RANK::SIZE]
        mine[-1] = gradient(weights, images[share], digits[share], parts(mine[:-1], shapes))
        WORLD.Allreduce(MPI.IN_PLACE, mine, op=MPI.SUM)
        flat -= lr / len(batch) * mine[:-1]
        total += mine[-1]
    return total / len(images)


def accuracy(flat, shapes, images, digits):
    """The share of the images that are recognised; each process looks at its own part of them."""
    _, scores = scores_of(parts(flat, shapes), images[RANK::SIZE])
    right = np.array([(scores.argmax(axis=1) == digits[RANK::SIZE]).sum()])
    WORLD.Allreduce(MPI.IN_PLACE, right, op=MPI.SUM)
    return right[0] / len(images)


def save(path, **arrays):
    """Replace a file: the old one or the new one is there, whole."""
    path.parent.mkdir(exist_ok=True)
    new = path.with_suffix(".new.npz")
    np.savez(new, **arrays)
    os.replace(new, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lr", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch_size", type=int, default=48)
    parser.add_argument("--hidden", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    images, digits = load(HERE / "digits.csv.gz")
    held_out = np.arange(len(images)) % 5 == 0
    shapes = [(images.shape[1], args.hidden), (args.hidden,), (args.hidden, CLASSES), (CLASSES,)]
    rng = np.random.default_rng(args.seed)  # the same numbers in all processes: they start alike, and the order is one
    flat = rng.normal(scale=0.1, size=sum(int(np.prod(shape)) for shape in shapes))

    run = Run.get_context()
    if RANK == 0:
        run.log("world_size", SIZE)
        name, version = MPI.get_vendor()
        print(f"{SIZE} processes by {name} {'.'.join(map(str, version))}")
    for epoch in range(1, args.epochs + 1):
        loss = train_epoch(flat, shapes, images[~held_out], digits[~held_out], args.lr, args.batch_size, rng)
        reached = accuracy(flat, shapes, images[held_out], digits[held_out])
        if RANK == 0:
            run.log("loss", float(loss), step=epoch)
            run.log("val_accuracy", float(reached), step=epoch)
            print(f"epoch {epoch:3d}  loss {loss:.6f}  val_accuracy {reached:.4f}", flush=True)
    if RANK == 0:
        inner, inner_bias, outer, outer_bias = parts(flat, shapes)
        save(Path("outputs") / "model.npz", inner=inner, inner_bias=inner_bias, outer=outer, outer_bias=outer_bias)


if __name__ == "__main__":
    main()
