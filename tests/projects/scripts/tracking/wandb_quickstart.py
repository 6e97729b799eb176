"""A training loop in the shape of wandb's quick start: unmodified, with a sweep's params read from the config."""

import argparse
import random

import wandb

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=10)
args = parser.parse_args()

wandb.login()
random.seed(0)
with wandb.init(
    project="my-awesome-project",
    name="quick-start",
    tags=["baseline", "cnn"],
    notes="the first one",
    group="starts",
    job_type="train",
    config={"learning_rate": 0.02, "architecture": "CNN", "dataset": "CIFAR-100", **vars(args)},
) as run:
    run.define_metric("val/accuracy", summary="max")
    offset = random.random() / 5
    for epoch in range(2, run.config.epochs):
        accuracy = 1 - 2**-epoch - random.random() / epoch - offset
        loss = 2**-epoch + random.random() / epoch + offset
        print(f"epoch={epoch}, accuracy={accuracy}, loss={loss}")
        wandb.log({"val/accuracy": accuracy, "train": {"loss": loss}}, commit=False)
        wandb.log({"epoch": epoch})
    wandb.run.summary["best_accuracy"] = run.summary["val/accuracy"]["max"]
    with open("model.txt", "w") as stream:
        stream.write("weights")
    artifact = wandb.Artifact("my-model", type="model", metadata={"loss": loss})
    artifact.add_file("model.txt")
    run.log_artifact(artifact, aliases=["best"])
    table = wandb.Table(columns=["epoch", "guess"])
    table.add_data(1, "cat")
    wandb.log({"predictions": table, "page": wandb.Html("<p>hello</p>")})
