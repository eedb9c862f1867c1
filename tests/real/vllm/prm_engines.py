#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our PRM engines: what they print is what the server says, two ways to one model agree, a server of another kind is refused"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import PRM, VLLM, ask  # noqa: E402

PROGRAM = os.environ["ESP_PROGRAM"]
SHEPHERD = 'layout: math-shepherd, tag: "<extra_0>"'  # this vocabulary has no other tag of one token


def attempt(prm):
    """espalier try with these keys of section prm: (exit status, scores, PRM inputs, all it said)."""
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / "p.jsonl").write_text(json.dumps({"id": "1", "question": "What is 1 + 2?"}) + "\n")
        (place / "run.yaml").write_text(f'run: {{output: {place}/out}}\nproblems: {{file: {place}/p.jsonl}}\n'
                                        f'generator: {{engine: "null"}}\nprm: {{{prm}, proxy: none}}\n')
        done = subprocess.run([PROGRAM, "try", place / "run.yaml"], capture_output=True, text=True, check=False, timeout=300)
    said = done.stdout + done.stderr
    scores = [float(word) for line in re.findall(r"^score of step 1: ([-0-9.e ]+?) +\(", said, re.M) for word in line.split()]
    inputs = [text.rstrip("\n⏎") for text in re.findall(r"^-+ PRM input -+\n(.*?)(?=^score|^----)", said, re.M | re.S)]
    return done.returncode, scores, inputs, said


def refused(prm, sentence):
    status, scores, _, said = attempt(prm)
    assert status == 2 and not scores and sentence in said, said


status, scores, inputs, said = attempt(f'engine: vllm-pooling, url: "{PRM}"')
assert status == 0 and len(scores) == 1 and len(inputs) == 1, said
rows = ask(PRM, "/pooling", {"model": "prm", "input": inputs}, 120)[1]["data"][0]["data"]
assert len(rows) == 1 and abs(rows[0][1] - scores[0]) < 1e-4, (rows, scores)

_, single, _, said = attempt(f'engine: vllm-logprobs, url: "{VLLM}", {SHEPHERD}')
_, many, _, more = attempt(f'engine: vllm-generative-scoring, url: "{VLLM}", {SHEPHERD}')
assert len(single) > 1 and len(single) == len(many), said + more
assert all(abs(one - other) < 1e-3 for one, other in zip(single, many)), (single, many)
_, path, _, said = attempt(f'engine: vllm-prompt-logprobs, url: "{VLLM}", {SHEPHERD}')
assert len(path) == len(single) and all(0 <= one <= 1 for one in path), said
_, words, _, said = attempt(f'engine: openai-critique, url: "{VLLM}", samples: 2, max_tokens: 16')
assert len(words) == 1 and 0 <= words[0] <= 1, said

refused(f'engine: vllm-pooling, url: "{VLLM}"', "it needs: --runner pooling")
refused(f'engine: vllm-logprobs, url: "{PRM}", {SHEPHERD}', "it needs: a model that generates")
refused(f'engine: vllm-pooling, url: "{PRM}", tag: "ки"', "tokens of its vocabulary, it must be one")
refused(f'engine: vllm-logprobs, url: "{VLLM}"', 'the label "Yes" is no single token')
refused(f'engine: llamacpp-logprobs, url: "{VLLM}"', "is a server of kind vllm, but prm.engine says llamacpp")
refused(f'engine: vllm-prompt-logprobs, url: "{VLLM}", layout: rlhflow-deepseek', "do not belong together")
