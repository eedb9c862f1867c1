#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""n_probs gives, for each token, its own logprob and the best candidates, with ids, best first; a judge reads them"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import completion  # noqa: E402

for place in completion(n_predict=4, n_probs=5)["completion_probabilities"]:
    top = [one["logprob"] for one in place["top_logprobs"]]
    assert len(top) == 5 and top == sorted(top, reverse=True) and all(value <= 0 for value in top)
    assert {"id", "token", "bytes", "logprob"} <= set(place)
judge = "<|im_start|>user\nIs 1 + 1 = 2? Answer Yes or No.<|im_end|>\n<|im_start|>assistant\n"
top = completion(prompt=judge, n_predict=1, temperature=0, n_probs=20)["completion_probabilities"][0]["top_logprobs"]
assert {"Yes", "No"} <= {one["token"].strip() for one in top}, top
