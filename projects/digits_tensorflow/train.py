"""A small convolutional network on handwritten digits, in one process or in many by MultiWorkerMirroredStrategy.

    python train.py --lr 0.1 --epochs 12 --batch_size 48 --seed 0

Where TF_CONFIG names a cluster, each process is one worker of it. --batch_size counts the images of one step over all workers. Each
step takes the same images whatever the number of workers, who divide them and apply the sum of all their gradients. So n workers walk
the path of one, to the rounding of sums, with the same learning rate: in double precision, for single is enlarged by each step.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from trainconf import Run

HERE = Path(__file__).parent
CLASSES = 10
SHAPES = [(3, 3, 1, 16), (16,), (3, 3, 16, 32), (32,), (2 * 2 * 32, CLASSES), (CLASSES,)]


def load(path):
    """Images of one channel with grey levels in [0, 1], and their digits."""
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    return (table[:, :-1] / 16.0).reshape(-1, 8, 8, 1), table[:, -1].astype(np.int32)


def first_weights(seed):
    """The same in all workers. What one of them adds to a variable is added in all: the sum over workers."""
    rng = np.random.default_rng(seed)
    for shape in SHAPES:
        scale = (2.0 / np.prod(shape[:-1])) ** 0.5 if len(shape) > 1 else 0.0
        yield tf.Variable(rng.normal(scale=scale, size=shape), aggregation=tf.VariableAggregation.SUM)


def scores_of(weights, images):
    """The score of each digit, one row per image."""
    first, first_bias, second, second_bias, outer, outer_bias = weights
    hidden = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(images, first, 1, "SAME") + first_bias), 2, 2, "VALID")
    hidden = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(hidden, second, 1, "SAME") + second_bias), 2, 2, "VALID")
    return tf.reshape(hidden, (-1, SHAPES[4][0])) @ outer + outer_bias


def batches(strategy, images, digits, order, batch_size):
    """The images in this order, `batch_size` at a time, each worker with its share of every batch. A rest is left out."""

    def share(context):
        steps = order[: len(order) // batch_size * batch_size].reshape(-1, batch_size)
        mine = steps[:, context.input_pipeline_id :: context.num_input_pipelines].ravel()
        dataset = tf.data.Dataset.from_tensor_slices((images[mine], digits[mine]))
        return dataset.batch(context.get_per_replica_batch_size(batch_size), drop_remainder=True)

    return strategy.distribute_datasets_from_function(share)


def trainer(strategy, weights, lr, batch_size):
    """A function that takes one step on a batch that is divided among workers. It returns the summed cross-entropy."""

    def on_share(images, digits):
        with tf.GradientTape() as tape:
            scores = scores_of(weights, images)
            loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(digits, scores))
        for weight, slope in zip(weights, tape.gradient(loss, weights)):
            weight.assign_sub(lr / batch_size * slope)
        return loss

    @tf.function
    def step(batch):
        return strategy.reduce("SUM", strategy.run(on_share, args=batch), axis=None)

    return step


def save(path, **arrays):
    """Replace a file: the old one or the new one is there, whole."""
    path.parent.mkdir(exist_ok=True)
    new = path.with_suffix(".new.npz")
    np.savez(new, **arrays)
    os.replace(new, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch_size", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    strategy = tf.distribute.MultiWorkerMirroredStrategy() if "TF_CONFIG" in os.environ else tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    if args.batch_size % replicas:
        raise SystemExit(f"--batch_size {args.batch_size} cannot be divided among {replicas} replicas")
    is_chief = strategy.extended.should_checkpoint  # one worker logs and saves for all

    images, digits = load(HERE / "digits.csv.gz")
    held_out = np.arange(len(images)) % 5 == 0
    with strategy.scope():
        weights = list(first_weights(args.seed))
    step = trainer(strategy, weights, args.lr, args.batch_size)

    run = Run.get_context()
    if is_chief:
        run.log("num_replicas_in_sync", replicas)
        print(f"{replicas} replicas by {type(strategy).__name__}")
    for epoch in range(1, args.epochs + 1):
        order = np.random.default_rng((args.seed, epoch)).permutation(np.flatnonzero(~held_out))
        losses = [step(batch) for batch in batches(strategy, images, digits, order, args.batch_size)]
        loss = sum(float(loss) for loss in losses) / (len(losses) * args.batch_size)
        if is_chief:
            accuracy = (np.argmax(scores_of(weights, images[held_out]), axis=1) == digits[held_out]).mean()
            run.log("loss", loss, step=epoch)
            run.log("val_accuracy", float(accuracy), step=epoch)
            print(f"epoch {epoch:3d}  loss {loss:.6f}  val_accuracy {accuracy:.4f}", flush=True)
    if is_chief:
        save(Path("outputs") / "model.npz", **{f"weight_{place}": weight.numpy() for place, weight in enumerate(weights)})


if __name__ == "__main__":
    main()
