"""A GPT-2 of a few thousand weights learns to count modulo a number: transformers' Trainer and HfArgumentParser, in the form of the
library's own run_clm.py, with nothing of trainconf in it. The model is made from a config, and the data by the script: nothing is downloaded.

    python run_tiny.py --output_dir outputs --learning_rate 0.01 --num_train_epochs 3 --do_eval False
    python run_tiny.py arguments.json

Run again with the same output_dir, it goes on with the last checkpoint there.
"""

import gc
import os
import sys
from dataclasses import dataclass, field

import torch
import torch.distributed.nn.functional  # before there is a group of processes: imported later, it would hold the group for good
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, HfArgumentParser, Trainer, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint


@dataclass
class ModelArguments:
    n_embd: int = field(default=32, metadata={"help": "width of the model"})
    n_layer: int = field(default=2, metadata={"help": "layers of the model"})


@dataclass
class DataArguments:
    modulus: int = field(default=7, metadata={"help": "the numbers are 0 to modulus - 1"})
    sequence_length: int = field(default=16)
    train_count: int = field(default=256, metadata={"help": "sequences to train on"})


class Counting(Dataset):
    """Each sequence counts on from a number, by a step: 2 5 1 4 0 ... is step 3 modulo 7."""

    def __init__(self, count, arguments):
        self.count, self.length, self.modulus = count, arguments.sequence_length, arguments.modulus

    def __len__(self):
        return self.count

    def __getitem__(self, place):
        step = 1 + place % (self.modulus - 1)
        ids = (torch.arange(self.length) * step + place // (self.modulus - 1)) % self.modulus
        return {"input_ids": ids, "labels": ids}


def main():
    parser = HfArgumentParser((ModelArguments, DataArguments, TrainingArguments))
    if len(sys.argv) == 2 and sys.argv[1].endswith(".json"):
        model_arguments, data_arguments, training_arguments = parser.parse_json_file(os.path.abspath(sys.argv[1]))
    else:
        model_arguments, data_arguments, training_arguments = parser.parse_args_into_dataclasses()

    last_checkpoint = None
    if os.path.isdir(training_arguments.output_dir):
        last_checkpoint = get_last_checkpoint(training_arguments.output_dir)
    set_seed(training_arguments.seed)
    config = GPT2Config(
        vocab_size=data_arguments.modulus, n_positions=data_arguments.sequence_length, n_embd=model_arguments.n_embd,
        n_layer=model_arguments.n_layer, n_head=2, bos_token_id=None, eos_token_id=None,
    )
    trainer = Trainer(
        model=GPT2LMHeadModel(config), args=training_arguments,
        train_dataset=Counting(data_arguments.train_count, data_arguments), eval_dataset=Counting(42, data_arguments),
    )
    print(f"{training_arguments.world_size} processes, from checkpoint {last_checkpoint}", flush=True)
    trainer.train(resume_from_checkpoint=last_checkpoint)
    trainer.save_model()
    if training_arguments.do_eval:
        trainer.save_metrics("eval", trainer.evaluate())


if __name__ == "__main__":
    main()
    if torch.distributed.is_initialized():
        gc.collect()  # the model goes before the group: it keeps Python's lock while the group's threads end, and one may be waiting for that
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
