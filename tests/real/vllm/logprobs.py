#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""logprobs k: the sampled token first, then k; logprob_token_ids: exactly those ids; both are raw (temperature changes nothing)"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import v1  # noqa: E402

lists = v1(logprobs=3, max_tokens=5, ignore_eos=True, return_tokens_as_token_ids=True)["choices"][0]["logprobs"]
assert len(lists["tokens"]) == len(lists["token_logprobs"]) == 5 and all(3 <= len(top) <= 4 for top in lists["top_logprobs"])
values = [v1(logprobs=0, max_tokens=1, temperature=heat, logprob_token_ids=[100, 200], return_tokens_as_token_ids=True)["choices"][0]["logprobs"]
          ["top_logprobs"][0] for heat in (1.0, 0.5)]
assert {"token_id:100", "token_id:200"} <= set(values[0]) and abs(values[0]["token_id:100"] - values[1]["token_id:100"]) < 1e-4
