#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the server refuses, and how: n over the slots, a prompt over the context, wrong types, no prompt, broken JSON"""
import json
import urllib.error
import urllib.request
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from real_kit import LLM, ask, completion  # noqa: E402


def refused(body):
    status, reply = ask(LLM, "/completion", body)
    assert set(reply["error"]) >= {"code", "message", "type"}, reply
    return status, reply["error"]["type"]


slots = ask(LLM, "/props", None)[1]["total_slots"]
assert refused({"prompt": "a", "n_cmpl": slots + 1, "n_predict": 1}) == (400, "invalid_request_error")
assert refused({"prompt": "one two three " * 4000, "n_predict": 1}) == (400, "exceed_context_size_error")
assert refused({"prompt": "a", "n_predict": "two"})[0] == 400
assert refused({"n_predict": 1})[0] == 400
assert ask(LLM, "/nothing", {})[0] == 404
assert completion(n_predict=0)["tokens_predicted"] == 1  # not 0
request = urllib.request.Request(LLM + "/completion", b'{"prompt": ', {"Content-Type": "application/json"})
try:
    urllib.request.urlopen(request, timeout=60)
    raise AssertionError("broken JSON was taken")
except urllib.error.HTTPError as error:
    assert error.code in (400, 500), error.code  # 500 up to b11434: not worth another try
    assert "parse_error" in json.loads(error.read())["error"]["message"]
