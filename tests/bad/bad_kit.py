# SPDX-License-Identifier: Apache-2.0
"""bad_kit.py - how a case calls the program, looks at what it says and compares rows"""
import json
import os
import signal
import subprocess
import sys
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
ESPALIER = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build", "espalier"))
MPIRUN = os.path.join(ROOT, "cluster", "local", "mpirun")
SAMPLES = int(os.environ.get("ESP_BAD_SAMPLES", "150"))  # cuts and flips tried
CRASH = ("Assertion", "AddressSanitizer", "LeakSanitizer", "runtime error:", "ThreadSanitizer", "core dumped")

RUN = """run: {name: bad, output: out}
problems: {file: p.jsonl}
search: {strategy: beam, keep: 2, expand: 2}
generator: {engine: fake, slots: 4%s}
prm: {engine: fake, slots: 4}
verifier: {kind: fake}
observe: {enabled: false}
"""
SLOW = ", delay_us: 30000"
PUZZLES = ((8, 10, 13, 13), (1, 4, 8, 11), (1, 3, 5, 12), (2, 6, 6, 9), (4, 4, 6, 8), (3, 3, 8, 8), (1, 2, 3, 4), (2, 3, 5, 12))


class Wrong(Exception):
    pass


class Skip(Exception):
    pass


CASES = []


def case(f):
    CASES.append(f)
    return f


def rows(n=6, repeat=1):
    return [{"id": f"p{i}", "problem": f"Make 24 of {' '.join(map(str, PUZZLES[i % 8]))} ({i})",
             "numbers": list(PUZZLES[i % 8]), "target": 24} for i in range(n)]


def write(path, data):
    with open(path, "wb" if isinstance(data, bytes) else "w") as f:
        f.write(data)


def problems(path="p.jsonl", n=6):
    write(path, "".join(json.dumps(r) + "\n" for r in rows(n)))


def folder(run=RUN % "", n=6):
    """A run file and problems in the current (fresh) folder."""
    write("run.yaml", run)
    problems(n=n)


def call(*words, before=None, env=None, timeout=120, command=None):
    r = subprocess.run([*(command or [ESPALIER]), *words], capture_output=True, timeout=timeout, preexec_fn=before,
                       env={**os.environ, **(env or {})})
    return checked(r.returncode, r.stdout.decode("utf-8", "replace"), r.stderr.decode("utf-8", "replace"), words)


def checked(code, out, err, words):
    if code < 0 and code not in (-signal.SIGKILL,):
        raise Wrong(f"{' '.join(words)}: died of signal {-code}: {err[-400:]}")
    for word in CRASH:
        if word in err or word in out:
            raise Wrong(f"{' '.join(words)}: {word}: {err[-1500:]}")
    return code, out, err


def want(got, code, *words):
    """Exit status (or one of several), and every word in what was said (a tuple: one of them)."""
    status, out, err = got
    if status not in (code if isinstance(code, tuple) else (code,)):
        raise Wrong(f"exit {status} instead of {code}: {err[-500:]}")
    for word in words:
        choice = word if isinstance(word, tuple) else (word,)
        if not any(w in err or w in out for w in choice):
            raise Wrong(f"nothing about {word!r} in: {err[-500:]}")
    return err


def answers(output="out", sort=True):
    all_rows = []
    for name in ("answers.jsonl", "candidates.jsonl"):
        with open(os.path.join(output, name), "rb") as f:
            lines = f.read().split(b"\n")
        if lines.pop() != b"":
            raise Wrong(f"{output}/{name} ends in the middle of a row")
        all_rows.append(sorted(lines) if sort else lines)
    return all_rows


def whose(output, name):
    with open(os.path.join(output, name)) as f:
        return [(row["id"], row["repeat"]) for row in map(json.loads, f)]


def same(a, b):
    if whose(b, "costs.jsonl") != whose(b, "answers.jsonl"):  # what stands in them may differ between runs
        raise Wrong(f"{b}: costs.jsonl has not one row for each of answers.jsonl")
    if answers(a) != answers(b):
        raise Wrong(f"rows of {a} ({[len(x) for x in answers(a)]}) and {b} ({[len(x) for x in answers(b)]}) differ")


def undisturbed(*overrides, output="calm"):
    want(call("run", "run.yaml", f"run.output={output}", *overrides), 0)


def nothing_started(got, *words):
    err = want(got, 2, *words)
    if os.path.isdir("out") and os.listdir("out") and os.path.exists("out/answers.jsonl"):
        raise Wrong("something was started")
    return err


def bad_run(text, *words, also_check=True):
    write("run.yaml", text)
    problems()
    nothing_started(call("run", "run.yaml"), *words)
    if also_check:
        want(call("check", "run.yaml"), 2, *words)


def start(*words, env=None, command=None):
    return subprocess.Popen([*(command or [ESPALIER]), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**os.environ, **(env or {})})


def end(p, words=("run",), timeout=90):
    out, err = p.communicate(timeout=timeout)
    return checked(p.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), words)


def wait_until_begun(output="out", timeout=20, rows_least=0):
    until = time.monotonic() + timeout
    segment = os.path.join(output, "journal", "00", "000001.log")
    while time.monotonic() < until:
        if os.path.exists(segment) and os.path.getsize(segment) > 4000:
            if open(os.path.join(output, "answers.jsonl")).read().count("\n") >= rows_least:
                return
        time.sleep(0.02)
    raise Wrong("the run did not begin")


def lines(n=6):
    return [json.dumps(r).encode() + b"\n" for r in rows(n)]


def stopped_run(output, *overrides, run="slow.yaml"):
    p = start("run", run, f"run.output={output}", *overrides)
    try:
        wait_until_begun(output, rows_least=1)
    finally:
        p.kill()
        p.communicate()
