#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`espalier check`: what the server is, what it can do, whether seeds repeat, an example of known order, what the run costs at most"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from engine_kit import LLM, check, run  # noqa: E402

judge = {"prm": {"engine": "llamacpp-logprobs", "layout": "judge", "url": LLM}, "problems": {"limit": 3}}
priced = {"generator": {"price": {"prompt": 0.1, "generated": 0.4}, "parameters": "500M"}}
said = check(judge, priced)
print(said[said.index("generator:"):].strip())
rows = re.findall(rf"^  {re.escape(LLM)}: llama\.cpp \S+, model \S+, context (\d+) tokens", said, re.M)
assert len(rows) == 2 and int(rows[0]) > 100, said
assert re.search(r"\d+ slots$", said, re.M) and re.search(r'siblings in one request; tells the end of a text from a stop; says ".+"', said), said
assert re.search(r"one seed, one text: [0-3] of 3 times alone, [0-3] of 3 among 9 at once", said), said
assert re.search(r"good [\d,]+, bad [\d,]+; (WARNING: )?example: right step [01]\S*, wrong step [01]\S*", said), said
longest = int(re.search(r"longest prompt: (\d+) tokens", said)[1])
most = re.search(r"^cost at most: 3 searches, 12 generations, (\d+) generated tokens\n  prompts without any cache: (\d+) tokens$", said, re.M)
assert most and (int(most[1]), int(most[2])) == (12 * 96, 12 * longest), said
assert "money, generators alone: " in said and "FLOPs, generators alone: " in said, said

costs = run(judge, priced).rows("costs.jsonl")
used = [sum(row[key] for row in costs) for key in ("generations", "generated_tokens", "prompt_tokens")]
print(f"used {used}")
assert used[0] == 12 and used[1] <= int(most[1]) and used[2] <= int(most[2]) and used[1] > 0 < used[2], (used, said)
