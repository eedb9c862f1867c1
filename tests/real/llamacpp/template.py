#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""/apply-template keeps a prefill raw, with its blank line; /tokenize and /detokenize are inverse; no doubled BOS"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import LLM, ask  # noqa: E402

question = {"role": "user", "content": "What is 12 + 7?"}
fresh = ask(LLM, "/apply-template", {"messages": [question]})[1]["prompt"]
begun = ask(LLM, "/apply-template", {"messages": [question, {"role": "assistant", "content": "Step 1.\n\n"}]})[1]["prompt"]
assert begun == fresh + "Step 1.\n\n" and question["content"] in fresh
tokens = ask(LLM, "/tokenize", {"content": fresh, "add_special": False, "parse_special": True})[1]["tokens"]
assert ask(LLM, "/detokenize", {"tokens": tokens})[1]["content"] == fresh
with_special = ask(LLM, "/tokenize", {"content": fresh, "add_special": True, "parse_special": True})[1]["tokens"]
assert with_special[-len(tokens):] == tokens and len(with_special) <= len(tokens) + 1
