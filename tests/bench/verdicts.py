#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""verdicts.py - verdicts of `code` a second, beside the bare start rate of bubblewrap + python3

    tests/bench/verdicts.py [--espalier build/espalier] [--programs 400] [--at-once 2] [--repeat 5]

In turn: a run that judges so many one-line programs with one test each, and as many bare `bwrap ... python3 -I -S -c 'print(1)'`, so many at once.
Prints `name value unit` lines and `ratio code_over_bare VALUE 0.6 ok|MISSED` (medians; the run's start and end are in its time).
"""
import argparse
import concurrent.futures
import json
import os
import statistics
import subprocess
import tempfile
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BARE = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib",
        "--symlink", "usr/lib64", "/lib64", "--symlink", "usr/bin", "/bin", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
        "/usr/bin/python3", "-I", "-S", "-c", "print(1)"]
RUN = """run: {name: bench, output: %s}
problems: {file: %s}
search: {strategy: best_of_n, n: 1}
generator: {engine: file}
verifier: {kind: code, processes: %d, cache_mb: 0}
observe: {enabled: false}
"""


def bare(args):
    with concurrent.futures.ThreadPoolExecutor(args.at_once) as pool:
        begun = time.monotonic()
        list(pool.map(lambda _: subprocess.run(BARE, check=True, stdout=subprocess.DEVNULL), range(args.programs)))
        return time.monotonic() - begun


def judged(args, folder, i):
    output = os.path.join(folder, f"out{i}")
    with open(os.path.join(folder, "run.yaml"), "w") as f:
        f.write(RUN % (output, os.path.join(folder, "p.jsonl"), args.at_once))
    begun = time.monotonic()
    subprocess.run([args.espalier, "run", os.path.join(folder, "run.yaml")], check=True, stderr=subprocess.DEVNULL)
    took = time.monotonic() - begun
    with open(os.path.join(output, "answers.jsonl")) as f:
        if sum(json.loads(line)["correct"] is True for line in f) != args.programs:
            raise SystemExit("not every program passed")
    return took


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--espalier", default=os.path.join(ROOT, "build", "espalier"))
    p.add_argument("--programs", type=int, default=400)
    p.add_argument("--at-once", type=int, default=2)
    p.add_argument("--repeat", type=int, default=5)
    args = p.parse_args()
    args.espalier = os.path.abspath(args.espalier)
    print("load", os.getloadavg()[0])
    ours, theirs = [], []
    with tempfile.TemporaryDirectory(prefix="esp-bench-") as folder:
        with open(os.path.join(folder, "p.jsonl"), "w") as f:
            for i in range(args.programs):
                f.write(json.dumps({"id": f"p{i}", "problem": f"add {i}", "tests": [{"call": "f", "args": [1], "result": 1 + i}],
                                    "completions": [f"def f(x): return x + {i}"]}) + "\n")
        for i in range(args.repeat):
            ours.append(judged(args, folder, i))
            theirs.append(bare(args))
            print(f"run {i}: {ours[-1]:.2f} s with verdicts, {theirs[-1]:.2f} s bare")
    rate, plain = args.programs / statistics.median(ours), args.programs / statistics.median(theirs)
    print(f"verdicts_per_s {rate:.1f} 1/s")
    print(f"bare_starts_per_s {plain:.1f} 1/s")
    print(f"ratio code_over_bare {rate / plain:.2f} 0.6 {'ok' if rate / plain >= 0.6 else 'MISSED'}")


if __name__ == "__main__":
    main()
