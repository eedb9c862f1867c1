#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_model_server.py - the model server's texts, scores, streams and faults

    tests/support/test_model_server.py build/tests/support/model_server
"""

import http.client
import json
import os
import pathlib
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.dont_write_bytecode = True
from server_kit import Server, events  # noqa: E402  (a file beside this one)

PROGRAM = sys.argv[1]
REAL = pathlib.Path(__file__).resolve().parent.parent / "real"
CHAT = "<|im_start|>user\nWhat is 12 + 7 - 4 + 30?<|im_end|>\n<|im_start|>assistant\n"
ASK = {"model": "test-model", "prompt": CHAT, "max_tokens": 200, "seed": 7, "temperature": 1.0}
QWEN = "<|im_start|>user\nWhat is 1 + 2?<|im_end|>\n<|im_start|>assistant\n"


def texts(reply):
    return [choice["text"] for choice in reply["choices"]]


def answers_end_in_a_box_and_some_are_wrong():
    with Server(PROGRAM) as server:
        all_texts = texts(server.post("/v1/completions", {**ASK, "n": 64})[1])
    boxed = [re.fullmatch(r"(?s)Step 1: .*\n\nThe answer is \\boxed\{(-?\d+)\}\.", text).group(1) for text in all_texts]
    right = boxed.count("45")
    assert 10 < right < 50, right
    assert all(text.count("\n\n") == 3 for text in all_texts)


def child_i_of_a_request_is_seed_plus_i_at_any_time():
    with Server(PROGRAM) as server:
        four = texts(server.post("/v1/completions", {**ASK, "n": 4})[1])
        alone = [texts(server.post("/v1/completions", {**ASK, "seed": 7 + i})[1])[0] for i in (3, 0, 2, 1)]
    assert four == [alone[1], alone[3], alone[2], alone[0]]
    with Server(PROGRAM) as server:
        assert texts(server.post("/v1/completions", {**ASK, "n": 4})[1]) == four


def steps_one_by_one_reach_the_answer():
    text = CHAT
    with Server(PROGRAM, "--wrong", "0") as server:
        for _ in range(4):
            choice = server.post("/v1/completions", {**ASK, "prompt": text, "stop": ["\n\n"], "include_stop_str_in_output": True})[1]["choices"][0]
            text += choice["text"]
    assert text.endswith("15 + 30 = 45.\n\nThe answer is \\boxed{45}."), text
    assert choice["finish_reason"] == "stop" and choice["stop_reason"] is None


def stop_text_is_kept_or_cut_and_ids_go_on():
    with Server(PROGRAM) as server:
        ask = {**ASK, "stop": ["7 ="], "return_token_ids": True}
        cut = server.post("/v1/completions", ask)[1]["choices"][0]
        kept = server.post("/v1/completions", {**ask, "include_stop_str_in_output": True})[1]["choices"][0]
        ids = server.post("/detokenize", {"tokens": kept["token_ids"]})[1]["prompt"]
    assert cut["text"].endswith("12 + ") and kept["text"] == cut["text"] + "7 =" and cut["stop_reason"] == "7 ="
    assert ids.startswith(kept["text"]) and cut["token_ids"] == kept["token_ids"]


def streams_say_the_same_as_plain_replies():
    for kind, path, ask, text_of in (
            ("vllm", "/v1/completions", ASK, lambda reply: texts(reply)[0]),
            ("llamacpp", "/completion", {"prompt": CHAT, "n_predict": 90, "seed": 7, "stop": ["Step 3"]}, lambda reply: reply["content"]),
            ("sglang", "/generate", {"text": CHAT, "sampling_params": {"max_new_tokens": 90, "sampling_seed": 7}}, lambda reply: reply["text"])):
        with Server(PROGRAM, "--kind", kind) as server:
            whole = text_of(server.post(path, ask)[1])
            parts = events(server.post(path, {**ask, "stream": True})[1])
        if kind == "sglang":
            assert parts[-1] == "[DONE]" and parts[-2]["text"] == whole  # each repeats all before it
        else:
            assert (parts[-1] == "[DONE]") == (kind == "vllm")
            got = "".join(text_of(part) for part in parts if part != "[DONE]")
            assert got == whole and "→" in whole, (got, whole)


def sglang_takes_a_list_of_sampling_parameters():
    with Server(PROGRAM, "--kind", "sglang") as server:
        each = [{"max_new_tokens": 40, "sampling_seed": seed, "stop": ["\n\n"]} for seed in (3, 9, 27)]
        alone = [server.post("/generate", {"text": CHAT, "sampling_params": one})[1]["text"] for one in each]
        together = server.post("/generate", {"text": [CHAT] * 3, "sampling_params": each})[1]
        parts = events(server.post("/generate", {"text": [CHAT] * 3, "sampling_params": each, "stream": True})[1])
    assert [one["text"] for one in together] == alone and len(set(alone)) > 1
    assert {part["index"]: part["text"] for part in parts[:-1]} == dict(enumerate(alone))


def llama_streams_each_tokens_probabilities():
    with Server(PROGRAM, "--kind", "llamacpp") as server:
        ask = {"prompt": CHAT, "n_predict": 90, "seed": 7, "n_probs": 2}
        whole = server.post("/completion", ask)[1]["completion_probabilities"]
        parts = events(server.post("/completion", {**ask, "stream": True})[1])
    assert all(len(part["completion_probabilities"]) == 1 for part in parts[:-1])
    assert [part["completion_probabilities"][0] for part in parts[:-1]] == whole and len(whole) > 10


def llama_says_which_stop_and_keeps_its_tokens():
    with Server(PROGRAM, "--kind", "llamacpp", "--slots", "4") as server:
        ask = {"prompt": CHAT, "n_predict": 90, "seed": 7, "stop": ["\n\n", "zzz"], "return_tokens": True, "n_cmpl": 3}
        replies = server.post("/completion", ask)[1]
        assert [reply["index"] for reply in replies] == [0, 1, 2]
        assert all(reply["stop_type"] == "word" and reply["stopping_word"] == "\n\n" for reply in replies)
        assert not replies[0]["content"].endswith("\n") and replies[0]["tokens"][-1] == server.post("/tokenize", {"content": "\n\n"})[1]["tokens"][0]
        assert server.post("/completion", {**ask, "n_cmpl": 5})[0] == 400
        assert server.post("/completion", {**ask, "n_predict": 0, "n_cmpl": 1})[1]["tokens_predicted"] == 1


def right_steps_score_higher_on_the_whole():
    good = [f"Step 1: {i} + {i} = {2 * i}.<extra_0>" for i in range(1, 60)]
    bad = [f"Step 1: {i} + {i} = {2 * i + 1}.<extra_0>" for i in range(1, 60)]
    with Server(PROGRAM, "--serves", "prm", "--model", "prm") as server:
        status, reply = server.post("/pooling", {"model": "prm", "input": [QWEN + text for text in good + bad]})
        assert status == 200
        scores = [row["data"][0][1] for row in reply["data"]]
        twice = server.post("/pooling", {"input": QWEN + "1 + 1 = 3.<extra_0>So 3 + 1 = 4.<extra_0>"})[1]["data"][0]["data"]
        none = server.post("/pooling", {"input": QWEN + "no tag"})[1]["data"][0]["data"]
        logits = server.post("/pooling", {"input": QWEN + good[0], "use_activation": False})[1]["data"][0]["data"][0]
    wins = sum(a > b for a in scores[:59] for b in scores[59:]) / 59 / 59
    assert 0.95 < wins < 1, wins
    assert len(twice) == 2 and twice[1][1] < 0.5 and none == []
    assert abs(sum(map(lambda x: 2.718281828 ** x, logits)) - 1) < 1e-6


def judges_answer_through_logprobs():
    turn = "<|im_start|>user\nWhat is 1 + 2? Step 1: 1 + 2 = {}.<|im_end|>\n<|im_start|>assistant\n"
    with Server(PROGRAM) as server:
        plus, minus = (server.post("/tokenize", {"prompt": sign})[1]["tokens"][0] for sign in "+-")
        tops = []
        for result in (3, 4):
            ask = {**ASK, "prompt": turn.format(result), "max_tokens": 1, "temperature": 0, "logprobs": 1, "logprob_token_ids": [plus, minus],
                   "return_tokens_as_token_ids": True}
            tops.append(server.post("/v1/completions", ask)[1]["choices"][0]["logprobs"]["top_logprobs"][0][f"token_id:{plus}"])
        scoring = server.post("/generative_scoring", {"query": "1 + 2 = ", "items": ["3", "4"], "label_token_ids": [plus, minus]})[1]["data"]
    assert tops[0] > tops[1] and scoring[0]["score"] > scoring[1]["score"], (tops, scoring)
    with Server(PROGRAM, "--kind", "sglang") as server:
        row = server.post("/v1/score", {"query": "1 + 2 = ", "items": ["3"], "label_token_ids": [plus, minus], "apply_softmax": True})[1]["scores"][0]
        one = server.post("/generate", {"text": turn.format(3), "sampling_params": {"max_new_tokens": 1, "temperature": 0}, "return_logprob": True,
                                        "token_ids_logprob": [plus, minus]})[1]["meta_info"]["output_token_ids_logprobs"][0]
    assert abs(sum(row) - 1) < 1e-9 and row[0] > row[1] and one[0][0] > one[1][0] and one[0][1] == plus


def a_generic_prm_takes_texts_and_lists_of_steps():
    with Server(PROGRAM, "--kind", "generic", "--step-tag", "ки", "--fault", "nan n=2") as server:
        ask = {"inputs": ["1 + 1 = 2 ки 2 + 1 = 4 ки", {"prompt": "?", "steps": ["1 + 1 = 2", " 2 + 1 = 4", " so 4"]}, "no tag"]}
        scores = server.post("/score", ask)[1]["scores"]
        assert [len(row) for row in scores] == [2, 3, 0] and scores[0] == scores[1][:2] and scores[1][2] == scores[1][1]
        assert b"[[NaN,NaN]" in server.ask("POST", "/score", json.dumps(ask).encode())[2]
        assert server.post("/score", {"inputs": []}) == (400, {"error": "inputs: a list is needed"})


def thinking_comes_first():
    with Server(PROGRAM, "--think") as server:
        text = texts(server.post("/v1/completions", ASK)[1])[0]
        closed = texts(server.post("/v1/completions", {**ASK, "prompt": CHAT + "<think>\nhm\n</think>\n\n"})[1])[0]
    assert text.startswith("<think>\nLet me see") and "</think>\n\nStep 1:" in text and closed.startswith("Step 1:")


def keys_guard_what_the_real_servers_guard():
    for kind, path, open_path in (("vllm", "/v1/models", "/metrics"), ("llamacpp", "/props", "/health"), ("sglang", "/get_model_info", "/health"),
                                  ("openai", "/v1/models", None)):
        with Server(PROGRAM, "--kind", kind, "--api-key", "K") as server:
            assert server.get(path)[0] == 401, kind
            assert server.ask("GET", path, headers={"Authorization": "Bearer K"})[0] == 200, kind
            assert open_path is None or server.get(open_path)[0] == 200, kind


def statuses_come_at_the_request_they_name():
    with Server(PROGRAM, "--fault", "429=3 n=2", "--fault", "500 n=3", "--fault", "503 n=4", "--fault", "401 n=5", "--fault", "html=502 n=6",
                "--fault", "redirect=/there n=7", "--fault", "html path=/version") as server:
        got = [server.ask("POST", "/v1/completions", json.dumps(ASK).encode()) for _ in range(8)]
        page = server.ask("GET", "/version")
    assert [status for status, _, _ in got] == [200, 429, 500, 503, 401, 502, 307, 200]
    assert got[1][1]["Retry-After"] == "3" and got[6][1]["Location"] == "/there" and json.loads(got[4][2]) == {"error": "Unauthorized"}
    assert page[2].startswith(b"<!DOCTYPE") and page[1]["Content-Type"] == "text/html"


def replies_break_on_the_wire():
    kinds = ["stall", "close", "stall-body", "half-body", "wrong-length", "slow-headers=1", "broken-json", "huge=2"]
    faults = [word for number, kind in enumerate(kinds) for word in ("--fault", f"{kind} n={number + 1}")]
    with Server(PROGRAM, *faults) as server:
        whole = None
        seen = {kind: server.raw("/v1/completions", ASK) for kind in kinds}
        whole = server.raw("/v1/completions", ASK)[0].partition(b"\r\n\r\n")[2]
        stats = server.get("/stats")[1]
    body = {kind: got.partition(b"\r\n\r\n")[2] for kind, (got, _) in seen.items()}
    assert seen["stall"] == (b"", False) and seen["close"] == (b"", True)
    assert len(body["stall-body"]) == len(whole) // 2 and not seen["stall-body"][1]
    assert len(body["half-body"]) == len(whole) // 2 and seen["half-body"][1]
    length = int(re.search(rb"Content-Length: (\d+)", seen["wrong-length"][0]).group(1))
    assert length == len(body["wrong-length"]) - 10
    assert len(body["slow-headers=1"]) == len(whole)
    assert len(body["broken-json"]) == len(whole) // 2 and b"Content-Length" in seen["broken-json"][0] and not seen["broken-json"][1]
    assert len(body["huge=2"]) == 2 << 20
    assert stats["faults"] == len(kinds) and stats["gone"] >= 2


def contents_are_damaged():
    kinds = ["too-few", "too-many", "order", "twice", "nan", "no-logprobs", "cut-utf8", "cut-character", "too-many-tokens"]
    faults = [word for number, kind in enumerate(kinds) for word in ("--fault", f"{kind} n={number + 1}")]
    ask = {**ASK, "n": 3, "max_tokens": 8, "logprobs": 1}
    with Server(PROGRAM, *faults) as server:
        got = {kind: server.ask("POST", "/v1/completions", json.dumps(ask).encode())[2] for kind in kinds}
    choices = {kind: json.loads(body)["choices"] for kind, body in got.items() if kind != "cut-utf8"}
    assert len(choices["too-few"]) == 2 and len(choices["too-many"]) == 4
    assert [choice["index"] for choice in choices["order"]] == [2, 1, 0] and [choice["index"] for choice in choices["twice"]] == [0, 0, 0]
    assert b":[NaN" in got["nan"] and choices["no-logprobs"][0]["logprobs"] is None
    assert b"\xe2\x86\"" in got["cut-utf8"] and choices["cut-character"][0]["text"].endswith("\ufffd")
    assert json.loads(got["too-many-tokens"])["usage"]["completion_tokens"] > 3 * 8
    with Server(PROGRAM, "--serves", "prm", "--fault", "rows-missing n=1", "--fault", "out-of-range n=2", "--fault", "too-few n=3") as server:
        rows = [server.post("/pooling", {"input": [QWEN + "1 + 1 = 2.<extra_0>"] * 2})[1]["data"] for _ in range(4)]
    assert rows[0][0]["data"] == [] and rows[1][0]["data"][0] == [1.5, 1.5] and len(rows[2]) == 1 and len(rows[3]) == 2


def streams_break_too():
    ask = {**ASK, "stream": True, "logprobs": 1}
    with Server(PROGRAM, "--fault", "half-body n=1", "--fault", "no-logprobs n=2") as server:
        half, closed = server.raw("/v1/completions", ask)
        part = events(server.post("/v1/completions", ask)[1])[0]
    assert closed and b"[DONE]" not in half and b"data: {" in half
    assert part["choices"][0]["logprobs"] is None


def a_restart_brings_another_model():
    with Server(PROGRAM, "--fault", "restart=other n=2") as server:
        assert server.post("/v1/completions", ASK)[0] == 200
        assert server.raw("/v1/completions", ASK) == (b"", True)
        status, reply = server.post("/v1/completions", ASK)
        assert status == 404 and "other" in reply["error"]["message"]
        assert server.get("/v1/models")[1]["data"][0]["id"] == "other"


def health_says_200_while_generation_stalls():
    with Server(PROGRAM, "--fault", "stall path=/v1/") as server:
        assert server.raw("/v1/completions", ASK) == (b"", False)
        assert server.get("/health")[0] == 200


def a_kept_connection_dies_when_it_is_used_again():
    with Server(PROGRAM, "--fault", "close-reused path=/version") as server:
        line = http.client.HTTPConnection(server.url.partition("//")[2])
        line.request("GET", "/version")
        assert line.getresponse().read() == b'{"version":"0.32.0"}'
        line.request("GET", "/version")
        try:
            line.getresponse()
            raise AssertionError("it answered")
        except http.client.RemoteDisconnected:
            pass
        assert server.get("/version")[0] == 200


def a_client_that_goes_is_noticed():
    with Server(PROGRAM, "--token-ms", "50") as server:
        for more in ({"stream": True}, {}):
            with server.send("/v1/completions", {**ASK, "ignore_eos": True, **more}) as line:
                assert not more or line.recv(10)
                time.sleep(0.1)
        for _ in range(100):
            gone = server.get("/stats")[1]["gone"]
            if gone == 2:
                break
            time.sleep(0.1)
    assert gone == 2, gone


def metrics_count_what_runs_and_waits():
    with Server(PROGRAM, "--slots", "2", "--fault", "stall") as server:
        lines = [server.send("/v1/completions", ASK) for _ in range(3)]
        for _ in range(100):
            text = server.get("/metrics")[1]
            if 'num_requests_waiting{engine="0",model_name="test-model"} 1.0' in text:
                break
            time.sleep(0.1)
        assert 'vllm:num_requests_running{engine="0",model_name="test-model"} 2.0' in text, text
        for line in lines:
            line.close()


def run_real_checks(server_kind, **urls):
    # of the server alone: those that start our own program need another one than this
    ours = ("ESP_PROGRAM", "engine_kit")
    checks = sorted(str(path) for path in (REAL / server_kind).glob("*.py") if not any(word in path.read_text() for word in ours))
    done = subprocess.run([sys.executable, REAL / "run.py", "--inside", PROGRAM, *checks], capture_output=True, text=True, check=False,
                          env={**os.environ, **urls})
    assert done.returncode == 0 and f"{len(checks)} passed" in done.stdout, done.stdout


def what_holds_of_real_servers_holds_here():
    with Server(PROGRAM, "--kind", "llamacpp", "--model", "llm", "--max-model-len", "2048", "--token-ms", "2") as server:
        run_real_checks("llamacpp", ESP_LLM_URL=server.url)
    with Server(PROGRAM, "--model", "gen", "--max-model-len", "1024") as gen, Server(PROGRAM, "--serves", "prm", "--model", "prm",
                                                                                      "--max-model-len", "1024") as prm:
        run_real_checks("vllm", ESP_VLLM_URL=gen.url, ESP_VLLM_PRM_URL=prm.url)


def shares_and_every_are_functions_of_the_number():
    def run(spec):
        with Server(PROGRAM, "--fault", spec) as server:
            return [server.post("/v1/completions", ASK)[0] for _ in range(12)]
    assert run("500 every=3") == [200, 200, 500] * 4
    some = run("500 p=0.4 seed=9")
    assert some == run("500 p=0.4 seed=9") and 0 < some.count(500) < 12


def tls_is_spoken_and_broken():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{folder}/key", "-out", f"{folder}/cert"],
                       check=True, capture_output=True)
        context = ssl.create_default_context(cafile=f"{folder}/cert")
        with Server(PROGRAM, "--tls", f"{folder}/cert,{folder}/key", "--fault", "tls-plain n=2") as server:
            assert server.url.startswith("https://")
            assert urllib.request.urlopen(server.url + "/version", context=context).status == 200
            try:
                urllib.request.urlopen(server.url + "/version", context=context)
                raise AssertionError("plain bytes were taken for TLS")
            except OSError as error:
                assert "SSL" in str(error), error
            assert urllib.request.urlopen(server.url + "/version", context=context).status == 200


def unix_sockets_and_wrong_options():
    with tempfile.TemporaryDirectory() as folder, Server(PROGRAM, "--unix", f"{folder}/s") as server:
        assert server.url == f"unix:{folder}/s" and os.path.exists(f"{folder}/s")
    for options in (["--kind", "x"], ["--fault", "nothing"], ["--fault", "500 n=0"], ["--serves", "tea"]):
        done = subprocess.run([PROGRAM, *options], capture_output=True, text=True, check=False)
        assert done.returncode not in (0, -11) and options[1].split()[-1] in done.stderr, done.stderr


def main():
    cases = [case for name, case in list(globals().items()) if callable(case) and getattr(case, "__module__", "") == "__main__"
             and case.__code__.co_argcount == 0 and name not in ("main",)]
    failed = 0
    for case in cases:
        try:
            case()
        except AssertionError as wrong:
            failed += 1
            print(f"{case.__name__.replace('_', ' ')}: line {wrong.__traceback__.tb_next.tb_lineno}: {wrong}")
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
