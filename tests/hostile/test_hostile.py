#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_hostile.py - programs that want to pass without solving, or to do harm, through the real program and its real sandbox

    tests/hostile/test_hostile.py build/espalier

Prints each program that was not judged as programs.py says, and what harm was done; `N passed, N failed, N skipped`.
"""
import json
import os
import socket
import subprocess
import sys
import tempfile

from programs import PROGRAMS

TEST = "def check(candidate):\n    assert candidate(3) == 9\n    assert candidate(4) == 16\n"
RIGHT = [("an honest program", "def f(x):\n    return x * x\n"), ("an honest program that prints", "print('hello')\ndef f(x):\n    print(x)\n    return x * x\n"),
         ("an honest program in a block", "Here it is:\n```python\ndef f(x):\n    return x * x\n```\nDone.")]
WORDS = {True: "pass", False: "fail", None: "unknown"}


def fill(source, folder, port):
    return (source.replace("@CANARY@", folder + "/canary").replace("@SECRET@", folder + "/secret").replace("@PORT@", str(port))
            .replace("@PID@", str(os.getpid())))


def run(program, folder, rows):
    with open(folder + "/problems.jsonl", "w") as f:
        for i, (name, _, source) in enumerate(rows):
            f.write(json.dumps({"id": f"h{i}", "problem": name, "entry_point": "f", "prompt": "", "test": TEST, "completions": [source]}) + "\n")
    with open(folder + "/run.yaml", "w") as f:
        f.write("run: {output: out}\nproblems: {file: problems.jsonl}\nsearch: {strategy: best_of_n, n: 1}\ngenerator: {engine: file}\n"
                "verifier: {kind: code, cpu_s: 2, timeout_s: 30, memory_mb: 256, processes: 4}\nvote: {rule: majority}\n")
    done = subprocess.run([program, "run", "run.yaml"], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the run failed: {done.stderr[-2000:]}")
    return {r["id"]: r["correct"] for r in map(json.loads, open(folder + "/out/candidates.jsonl"))}


def is_orphan(pid):
    """Nobody but nobody stands above it: a run that is still going on has a parent with another user."""
    while pid > 1:
        try:
            if os.stat(f"/proc/{pid}").st_uid != 65534:
                return False
            pid = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False  # it is gone
    return True


def harm(folder, listener):
    """What must not have happened."""
    found = []
    if open(folder + "/canary").read() != "alive":
        found.append("a file outside was written")
    listener.setblocking(False)
    try:
        listener.accept()
        found.append("the network was reached")
    except BlockingIOError:
        pass
    left = subprocess.run(["pgrep", "-u", "65534", "-f", "python3 -I"], capture_output=True, text=True).stdout.split()
    if os.path.exists("/usr/bin/espalier-was-here"):
        found.append("/usr was written")
    return found + [f"process {p} lives on" for p in left if is_orphan(int(p))]


def main():
    program = os.path.abspath(sys.argv[1])
    if subprocess.run(["sh", "-c", "bwrap --unshare-all --ro-bind / / true"], capture_output=True).returncode != 0:
        print("skipped: bubblewrap does not work here\n0 passed, 0 failed, 1 skipped")
        return
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        os.chmod(folder, 0o777)
        open(folder + "/canary", "w").write("alive")
        os.chmod(folder + "/canary", 0o666)
        open(folder + "/secret", "w").write("9")
        os.chmod(folder + "/secret", 0o600)
        rows = [(n, "pass", s) for n, s in RIGHT] + [(n, v, fill(s, folder, listener.getsockname()[1])) for n, v, s in PROGRAMS]
        said = run(program, folder, rows)
        for i, (name, verdict, _) in enumerate(rows):
            word = WORDS[said[f"h{i}"]] if f"h{i}" in said else "nothing"
            right = word == verdict or verdict is None and word in ("fail", "unknown")
            passed, failed = passed + right, failed + (not right)
            if not right:
                print(f"{name}: {word}, must be {verdict or 'fail or unknown'}")
        for what in harm(folder, listener) or []:
            print(f"harm: {what}")
            failed += 1
    print(f"{len(PROGRAMS)} hostile programs, {len(RIGHT)} honest ones")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
