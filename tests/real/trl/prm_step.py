#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TRL's PRMTrainer takes a step of a tiny random model on the stepwise samples of a real run"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

PUZZLES = ((1, 1, 4, 6), (1, 1, 11, 11), (1, 1, 3, 8), (6, 6, 6, 6), (1, 1, 2, 12), (2, 3, 5, 12))
RUN = """run: {name: trl, seed: 1, output: out}
problems: {file: p.jsonl}
search: {strategy: omegaprm, k: 8, max_searches: 6}
generator: {engine: embedded}
step: {separator: "\\n"}
verifier: {kind: puzzle}
"""
STEP = """
import math, sys
import datasets, torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForTokenClassification
try:
    from trl.experimental.prm import PRMConfig, PRMTrainer
except ImportError:
    from trl import PRMConfig, PRMTrainer

data = datasets.load_dataset("json", data_files=sys.argv[1], split="train").select_columns(["prompt", "completions", "labels"])
tokenizer = Tokenizer(models.BPE({**{c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, "<end>": 256}, []))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<end>", eos_token="<end>")
torch.manual_seed(0)
model = Qwen2ForTokenClassification(Qwen2Config(vocab_size=257, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                                                num_attention_heads=2, num_key_value_heads=2, num_labels=2, pad_token_id=256))
before = model.score.weight.detach().clone()
trainer = PRMTrainer(model=model, processing_class=tokenizer, train_dataset=data,
                     args=PRMConfig(output_dir=sys.argv[2], max_steps=1, per_device_train_batch_size=4, report_to=[], save_strategy="no",
                                    use_cpu=True, disable_tqdm=True, bf16=False, learning_rate=1e-3))
done = trainer.train()
marked = [[label for label in row if label != -100] for row in trainer.train_dataset["labels"]]
assert math.isfinite(done.training_loss) and done.global_step == 1, done
assert not torch.equal(before, model.score.weight), "the step changed nothing"
assert sorted(map(tuple, marked)) == sorted(tuple(map(int, row)) for row in data["labels"]), "a label a step"
print(len(data), "rows, loss", round(done.training_loss, 4))
"""


def main():
    program, python = os.environ["ESP_PROGRAM"], os.environ["ESP_TRL_PYTHON"]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        pathlib.Path("p.jsonl").write_text("".join(json.dumps({"id": f"p{i}", "problem": f"Make 24 of {n}.", "numbers": n, "target": 24})
                                                   + "\n" for i, n in enumerate(PUZZLES)))
        pathlib.Path("run.yaml").write_text(RUN)
        subprocess.run([program, "run", "run.yaml"], check=True, stderr=subprocess.DEVNULL)
        subprocess.run([program, "export", "out", "stepwise", "-o", "stepwise.jsonl.zst"], check=True)
        env = {**os.environ, "HF_HOME": folder, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TRL_EXPERIMENTAL_SILENCE": "1"}
        status = subprocess.run([python, "-c", STEP, "stepwise.jsonl.zst", "trained"], env=env, check=False).returncode
        os.chdir("/")
    return status


if __name__ == "__main__":
    sys.exit(main())
