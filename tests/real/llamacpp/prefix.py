#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A prompt that continues another finds its tokens in the cache: prompt_n is about the new part only"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import completion  # noqa: E402

prefix = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. " * 8
first = completion(prompt=prefix, n_predict=4, id_slot=0)
second = completion(prompt=prefix + first["content"] + " And then she sold nine more.", n_predict=4, id_slot=0)
print(f"prompt_n {first['timings']['prompt_n']}, then {second['timings']['prompt_n']} of {second['tokens_evaluated']}")
assert second["timings"]["prompt_n"] < second["tokens_evaluated"] / 2
assert second["timings"]["cache_n"] + second["timings"]["prompt_n"] == second["tokens_evaluated"]
