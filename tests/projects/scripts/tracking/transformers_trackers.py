"""transformers' Trainer with its own callbacks for wandb and trackio: `report_to` is the script's argument."""

import sys

import torch
from torch.utils.data import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments


class Numbers(Dataset):
    def __len__(self):
        return 16

    def __getitem__(self, place):
        return {"input_ids": torch.tensor([place % 7, 1, 2]), "attention_mask": torch.ones(3, dtype=torch.long), "labels": torch.tensor(place % 2)}


config = BertConfig(vocab_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, max_position_embeddings=8)
arguments = TrainingArguments(
    output_dir="out", max_steps=4, logging_steps=1, per_device_train_batch_size=4, report_to=sys.argv[1], run_name="tiny", use_cpu=True,
    eval_strategy="steps", eval_steps=2, save_strategy="no", disable_tqdm=True,
)  # fmt: skip
trainer = Trainer(model=BertForSequenceClassification(config), args=arguments, train_dataset=Numbers(), eval_dataset=Numbers())
trainer.train()
