#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The stop word is never in content; stopping_word names it; tokens hold its tokens; stop_type tells word, limit and eos apart"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import LLM, ask, completion  # noqa: E402

one = completion(n_predict=64, stop=["7", "zzz"], return_tokens=True, temperature=0)
assert one["stop_type"] == "word" and one["stopping_word"] == "7" and "7" not in one["content"], one
text = ask(LLM, "/detokenize", {"tokens": one["tokens"]})[1]["content"]
assert text.startswith(one["content"] + "7"), text
assert len(one["tokens"]) == one["tokens_predicted"]
short = completion(n_predict=3)
assert short["stop_type"] == "limit" and short["tokens_predicted"] == 3 and short["stopping_word"] == "", short
end = completion(n_predict=8, prompt="<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nHello.", logit_bias=[[151645, 100]])
assert end["stop_type"] in ("eos", "limit"), end  # 151645 ends Qwen's turns; a model of the user's own may have another
