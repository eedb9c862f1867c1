#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`espalier check` on vLLM: the generator, its seeds, the PRM on /pooling with its tag and its example, the cost; and a budget that holds"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from engine_kit import PRM, QWEN_PRM, VLLM, check, run, vllm  # noqa: E402

two = {"problems": {"limit": 2}, "search": {"n": 4}}
said = check(two, vllm(), QWEN_PRM)
print(said[said.index("generator:"):].strip())
for url in (VLLM, PRM):
    assert re.search(rf"^  {re.escape(url)}: vLLM \S+, model \S+, context \d+ tokens", said, re.M), said
assert re.search(r"one seed, one text: 3 of 3 times alone, [0-3] of 3 among 9 at once", said), said
assert re.search(r"tag <extra_0> = \d+; (WARNING: )?example: right step [01]\S*, wrong step [01]\S*", said), said
most = re.search(r"^cost at most: 2 searches, 8 generations, (\d+) generated tokens\n  prompts without any cache: (\d+) tokens$", said, re.M)
assert most, said
done = run(two, vllm(), QWEN_PRM)
costs = done.rows("costs.jsonl")
print(costs)
assert sum(row["generated_tokens"] for row in costs) <= int(most[1]) and 0 < sum(row["prompt_tokens"] for row in costs) <= int(most[2])
done = run({"problems": {"limit": 2}, "search": {"n": 4, "budget": {"generated_tokens": 50}}}, vllm())
print([row["generated_tokens"] for row in done.answers])
assert all(0 < row["generated_tokens"] <= 50 for row in done.answers)
