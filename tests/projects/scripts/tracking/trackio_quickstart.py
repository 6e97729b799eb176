"""A training loop in the shape of trackio's quick start."""

import random

import trackio as wandb

wandb.init(project="my-project", name="first", config={"epochs": 3, "learning_rate": 0.001, "batch_size": 64})
for epoch in range(wandb.config["epochs"]):
    wandb.log({"epoch": epoch, "train_loss": 0.5 / (epoch + 1), "val_accuracy": random.random()})
wandb.log({"table": wandb.Table(columns=["a"], data=[[1], [2]])})
wandb.log_system({"gpu": 0.5})
wandb.alert(title="low", text="it is low", level=wandb.AlertLevel.WARN)
wandb.finish()
