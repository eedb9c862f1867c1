#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""stop_reason tells a stop string (str) from the end (null); text is cut or kept, ids are not cut; at most 4 stops"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import VLLM, CHAT, ask, v1  # noqa: E402

stops = ["e", "a", "o", "i"]
cut, kept = (v1(stop=stops, include_stop_str_in_output=keep, return_token_ids=True)["choices"][0] for keep in (False, True))
assert cut["finish_reason"] == "stop" and cut["stop_reason"] in stops, cut
assert kept["text"] == cut["text"] + cut["stop_reason"] and kept["token_ids"] == cut["token_ids"]
assert ask(VLLM, "/v1/completions", {"model": "gen", "prompt": CHAT, "stop": stops + ["u"]})[0] == 400
assert v1(max_tokens=1, ignore_eos=True)["choices"][0]["finish_reason"] == "length"
