#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our judge by logprobs: spellings of Yes and No are tokens of its vocabulary; a score in (0, 1), about the same with a warm cache"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import LLM  # noqa: E402


def attempt():
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / "p.jsonl").write_text(json.dumps({"id": "1", "question": "What is 1 + 2?"}) + "\n")
        (place / "run.yaml").write_text(f'run: {{output: {place}/out}}\nproblems: {{file: {place}/p.jsonl}}\ngenerator: {{engine: "null"}}\n'
                                        f'prm: {{engine: llamacpp-logprobs, layout: judge, url: "{LLM}", proxy: none, wait_s: 300}}\n')
        done = subprocess.run([os.environ["ESP_PROGRAM"], "try", place / "run.yaml"], capture_output=True, text=True, check=False, timeout=500)
    found = re.search(r"^score of step 1: ([0-9.e-]+) +\(", done.stdout, re.M)
    assert done.returncode == 0 and found, done.stdout + done.stderr
    return float(found.group(1))


first, second = attempt(), attempt()
assert 0 < first < 1 and abs(first - second) < 0.1, (first, second)  # 0.441 cold, 0.418 with a warm prefix cache
