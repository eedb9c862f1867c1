# SPDX-License-Identifier: Apache-2.0
"""test_sandboxfusion.py - programs judged on a stand-in for a SandboxFusion server, which works, refuses, fails, hangs and talks nonsense"""
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import unittest

import kit

TEST = "def check(candidate):\n    assert candidate(3) == 9\n    assert candidate(11113) == 123498769\n"
PROGRAMS = {"def f(x): return x * x": True, "def f(x): return 9": False, "def f(x) return": False, "import os\nos._exit(0)": False,
            "import os\ndef f(x): os._exit(0)": False, "print('noise')\ndef f(x):\n    print(x)\n    return x ** 2": True,
            "class Yes:\n    def __eq__(self, other): return True\ndef f(x): return Yes()": None}


class Fusion(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.reply(404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/run_code":
            return self.reply(404, {})
        with self.server.lock:
            self.server.asked.append(body.decode())
            fault = self.server.faults.pop(0) if self.server.faults and len(self.server.asked) > 1 else None  # the first is the probe
        if fault == "garbage":
            return self.reply(200, ["what"])
        if isinstance(fault, int):
            return self.reply(fault, {"detail": "not now"})
        if fault == "SandboxError":
            return self.reply(200, {"status": "SandboxError", "message": "no room", "compile_result": None, "run_result": None, "files": {}})
        if fault == "TimeLimitExceeded":
            return self.result(fault, None, "")
        asked = json.loads(body)
        done = subprocess.run([sys.executable, "-c", asked["code"]], input=asked["stdin"], capture_output=True, text=True, timeout=60)
        self.result("Finished" if done.returncode == 0 else "Error", done.returncode, done.stdout)

    def result(self, status, code, out):
        self.reply(200, {"status": "Success" if code == 0 else "Failed", "message": "", "compile_result": None, "files": {},
                         "run_result": {"status": status, "execution_time": 0.1, "return_code": code, "stdout": out, "stderr": ""}})

    def reply(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@unittest.skipUnless(os.path.exists("/usr/bin/python3"), "no /usr/bin/python3")
class SandboxFusion(kit.FolderTest):
    def judge(self, rows, *more, faults=()):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fusion)
        server.lock, server.asked, server.faults = threading.Lock(), [], list(faults)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        (self.folder / "problems.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        (self.folder / "run.yaml").write_text(
            f"run: {{output: out}}\nproblems: {{file: problems.jsonl}}\nsearch: {{strategy: best_of_n, n: {max(len(r['completions']) for r in rows)}}}\n"
            f"generator: {{engine: file}}\nverifier: {{kind: sandboxfusion, url: 'http://127.0.0.1:{server.server_port}', sandbox: none, tries: 3}}\n")
        done = subprocess.run([kit.espalier(), "run", "run.yaml", *more], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.asked = server.asked
        found = map(json.loads, (self.folder / "out" / "candidates.jsonl").read_text().splitlines())
        return {r["text"]: r["correct"] for r in found}

    def reason(self, problem):
        return subprocess.run([kit.espalier(), "show", "out", problem], cwd=self.folder, capture_output=True, text=True).stdout

    def row(self, *programs):
        return {"id": "a", "problem": "f", "prompt": "", "entry_point": "f", "test": TEST, "completions": list(programs)}

    def test_verdicts_are_those_of_code_and_no_expected_value_leaves_us(self):
        self.assertEqual(self.judge([self.row(*PROGRAMS)]), PROGRAMS)
        self.assertFalse([body for body in self.asked if "123498769" in body])
        asked = [json.loads(body) for body in self.asked[1:]]
        self.assertTrue(all(a["language"] == "python" and a["run_timeout"] == 20 and a["memory_limit_MB"] == 1024 for a in asked))
        self.assertLessEqual(len(asked), len(PROGRAMS) + 1)  # all calls of a test are asked together; one died at the first

    def test_scripts_and_calls_of_our_own_format(self):
        rows = [{"id": "a", "problem": "add", "tests": [{"stdin": f"{i} 1", "stdout": str(i + 1)} for i in range(5)],
                 "completions": ["print(sum(map(int, input().split())))", "print(1)"]},
                {"id": "b", "problem": "g", "tests": [{"call": "g", "args": [[2, 1]], "result": [1, 2]}],
                 "completions": ["def g(l): return sorted(l)", "def g(l): return l"]}]
        self.assertEqual(self.judge(rows), {"print(sum(map(int, input().split())))": True, "print(1)": False, "def g(l): return sorted(l)": True,
                                            "def g(l): return l": False})
        self.assertEqual(len(self.asked), 5)

    def test_calls_that_are_not_written_out_are_asked_one_by_one(self):
        row = {**self.row("def f(x): return x * x", "def f(x): return x * 3"), "test": "def check(f):\n    for i in range(4):\n        assert f(i) == i * i\n"}
        self.assertEqual(self.judge([row]), {"def f(x): return x * x": True, "def f(x): return x * 3": False})

    def test_a_server_that_is_busy_or_fails_is_asked_again(self):
        for fault in (429, 503, "SandboxError", "garbage"):
            shutil.rmtree(self.folder / "out", True)
            self.assertEqual(self.judge([self.row("def f(x): return x * x")], faults=[fault]), {"def f(x): return x * x": True}, fault)

    def test_what_no_server_can_run_is_unknown_and_says_so(self):
        self.assertEqual(self.judge([self.row("def f(x): return x * x")], faults=["SandboxError"] * 99), {"def f(x): return x * x": None})
        self.assertIn("verdict unknown (sandbox-error)", self.reason("a"))

    def test_a_time_limit_is_unknown(self):
        self.assertEqual(self.judge([self.row("def f(x): return x * x")], faults=["TimeLimitExceeded"] * 99), {"def f(x): return x * x": None})
        self.assertIn("verdict unknown (timeout)", self.reason("a"))

    def test_a_server_that_is_something_else_is_named(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
        server.RequestHandlerClass.log_message = lambda *_: None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        (self.folder / "problems.jsonl").write_text(json.dumps(self.row("x")) + "\n")
        (self.folder / "run.yaml").write_text(
            "run: {output: out}\nproblems: {file: problems.jsonl}\nsearch: {strategy: best_of_n, n: 1}\ngenerator: {engine: file}\n"
            f"verifier: {{kind: sandboxfusion, url: 'http://127.0.0.1:{server.server_port}', sandbox: none, wait_s: 2}}\n")
        done = subprocess.run([kit.espalier(), "check", "run.yaml"], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("is this a SandboxFusion server?", done.stderr)


if __name__ == "__main__":
    unittest.main()
