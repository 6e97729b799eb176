"""Multinomial logistic regression on handwritten digits: mini-batch gradient descent in numpy.

    python train.py --lr 0.5 --epochs 30 --batch_size 32 --seed 0

Every fifth image is held out; the split is the same for every seed. The same arguments give the same weights.
"""

import argparse
from pathlib import Path

import numpy as np

from trainconf import Run

HERE = Path(__file__).parent
CLASSES = 10


def load(path):
    """Images as rows of 64 grey levels in [0, 1], and their digits."""
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    return table[:, :-1] / 16.0, table[:, -1].astype(int)


def log_probabilities(weights, bias, images):
    """Log-softmax of the linear scores, one row per image; finite however far the weights have run away."""
    scores = images @ weights + bias
    scores -= scores.max(axis=1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def classify(weights, bias, images):
    """The most probable digit of each image."""
    return (images @ weights + bias).argmax(axis=1)


def train_epoch(weights, bias, images, digits, lr, batch_size, rng):
    """One pass over the images in random order, updating in place. Returns the mean cross-entropy seen on the way."""
    total = 0.0
    order = rng.permutation(len(images))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        rows = np.arange(len(batch))
        log_predicted = log_probabilities(weights, bias, images[batch])
        total -= log_predicted[rows, digits[batch]].sum()
        slope = np.exp(log_predicted)
        slope[rows, digits[batch]] -= 1.0  # the derivative of cross-entropy by the scores
        weights -= lr / len(batch) * (images[batch].T @ slope)
        bias -= lr / len(batch) * slope.sum(axis=0)
    return total / len(images)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lr", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    images, digits = load(HERE / "digits.csv.gz")
    held_out = np.arange(len(images)) % 5 == 0
    rng = np.random.default_rng(args.seed)
    weights = rng.normal(scale=0.01, size=(images.shape[1], CLASSES))
    bias = np.zeros(CLASSES)

    run = Run.get_context()
    for epoch in range(1, args.epochs + 1):
        loss = train_epoch(weights, bias, images[~held_out], digits[~held_out], args.lr, args.batch_size, rng)
        accuracy = (classify(weights, bias, images[held_out]) == digits[held_out]).mean()
        run.log("loss", float(loss), step=epoch)
        run.log("val_accuracy", float(accuracy), step=epoch)
        print(f"epoch {epoch:3d}  loss {loss:.4f}  val_accuracy {accuracy:.4f}")

    outputs = Path("outputs")
    outputs.mkdir(exist_ok=True)
    np.savez(outputs / "model.npz", weights=weights, bias=bias)
    confusion = np.zeros((CLASSES, CLASSES), dtype=int)
    np.add.at(confusion, (digits[held_out], classify(weights, bias, images[held_out])), 1)
    header = "actual \\ predicted," + ",".join(map(str, range(CLASSES)))
    np.savetxt(outputs / "confusion.csv", np.c_[range(CLASSES), confusion], fmt="%d", delimiter=",", header=header, comments="")


if __name__ == "__main__":
    main()
