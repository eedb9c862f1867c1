#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""samples.py - samples offered by engines that answer at once: does the coordinator wait for them, is anything lost?

    tests/bench/samples.py [--espalier build/espalier] [--problems 10000] [--ranks 3] [--repeat 3]

Two runs in pairs, the same search with `samples` (sft, zstd) and without: generator and verifier `null`, 16 completions of 1,000 bytes a
problem.  Prints `name value unit` lines, then `ratio NAME VALUE TARGET ok|MISSED`: samples/s that came through the coordinator while the run
went on (target 5,000), the wall time against the run without, and rows lost (must be 0): raw rows are counted, and those that the harvest kept.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
N = 16
RUN = """run: {name: bench, output: %s, seed: 1}
problems: {file: %s}
search: {strategy: best_of_n, n: %d}
generator: {engine: "null"}
verifier: {kind: "null"}
observe: {enabled: false}
"""


def once(args, folder, name, samples):
    output = os.path.join(folder, name)
    run_file = output + ".yaml"
    with open(run_file, "w") as f:
        f.write(RUN % (output, os.path.join(folder, "p.jsonl"), N) + samples)
    launch = [os.path.join(ROOT, "cluster", "local", "mpirun"), "-n", str(args.ranks)] if args.ranks > 1 else []
    subprocess.run([*launch, args.espalier, "run", run_file], check=True, stderr=subprocess.DEVNULL)
    with open(os.path.join(output, "summary.json")) as f:
        start = json.load(f)["this_start"]
    return start, start["coordinator"]["cpu_us_per_result"], output


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--espalier", default=os.path.join(ROOT, "build", "espalier"))
    p.add_argument("--problems", type=int, default=10000)
    p.add_argument("--ranks", type=int, default=3)
    p.add_argument("--repeat", type=int, default=3)
    args = p.parse_args()
    args.espalier = os.path.abspath(args.espalier)
    print("load", os.getloadavg()[0])
    with tempfile.TemporaryDirectory(prefix="esp-bench-") as folder:
        with open(os.path.join(folder, "p.jsonl"), "w") as f:
            for i in range(args.problems):
                f.write(json.dumps({"id": f"p{i}", "question": f"Question number {i}?"}) + "\n")
        ratios, rates, lost, harvests = [], [], [], []
        for i in range(args.repeat):
            plain, plain_us, _ = once(args, folder, f"plain{i}", "")
            start, with_us, output = once(args, folder, f"with{i}", "samples: {format: sft, dedupe: false}\n")
            with open(os.path.join(output, "samples", "manifest.json")) as f:
                manifest = json.load(f)
            offered = args.problems * N
            kept = sum(one["rows"] for one in manifest["files"])
            lost.append(offered - min(kept, manifest["samples"][0]["raw_rows"]))
            rates.append(offered / start["seconds"])
            ratios.append(start["seconds"] / plain["seconds"])
            harvests.append(start["harvest_seconds"])
            print(f"run {i}: {plain['seconds']:.2f} s without, {start['seconds']:.2f} s with; coordinator {plain_us:.1f} and {with_us:.1f} us a "
                  f"result; harvest {start['harvest_seconds']:.2f} s")
    rate = statistics.median(rates)
    print(f"samples_per_s {rate:.0f} 1/s")
    print(f"harvest_s {statistics.median(harvests):.2f} s")
    print(f"ratio samples_per_s {rate:.0f} 5000 {'ok' if rate >= 5000 else 'MISSED'}")
    print(f"ratio wall_with_over_without {statistics.median(ratios):.3f} - -")
    print(f"ratio rows_lost {max(lost)} 0 {'ok' if max(lost) == 0 else 'MISSED'}")


if __name__ == "__main__":
    main()
