#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""count.py - what became of the mutants of a run, by operator

    count.py OUTPUT [--show N]     N samples of each kind, to be looked at

The item of `samples` must say `dropped: true`.  Reads the shards of OUTPUT/samples, or its raw rows while the run goes on (zstd must be
installed for .zst files).
"""
import argparse
import collections
import json
import pathlib
import signal
import subprocess


def lines(path):
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", str(path)], stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    return path.read_text().splitlines()


def samples(output):
    folder = pathlib.Path(output) / "samples"
    files = sorted(p for p in folder.rglob("*.jsonl*") if p.parent.name != "raw") or sorted(folder.glob("raw/*.jsonl*"))
    for path in files:
        for line in lines(path):
            row = json.loads(line)
            row = row.get("sample", row)
            if "is_control" in row:
                yield row


def show(row):
    print(f"---- {row['id']}  {row['operator']}  {row['unit']} {row['first_error']}")
    print("".join("  - " + line + "\n" for line in row["before"].splitlines()) + "".join("  + " + line + "\n" for line in row["after"].splitlines()), end="")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output")
    parser.add_argument("--show", type=int, default=0, metavar="N")
    args = parser.parse_args()
    table, problems, shown = collections.defaultdict(collections.Counter), set(), collections.Counter()
    for row in samples(args.output):
        problems.add(row["problem_id"])
        name = row["operator"] or "(none)"
        table[name][row["dropped"] or "kept"] += 1
        if not row["dropped"] and shown[name] < args.show:
            shown[name] += 1
            show(row)
    columns = sorted({c for counts in table.values() for c in counts}, key=lambda c: (c != "kept", c))
    controls = [n for n in table if n.startswith("same")]
    print(f"{len(problems)} problems\n{'operator':26}{'tried':>8}" + "".join(f"{c:>{max(10, len(c) + 2)}}" for c in columns))
    for name in sorted(table, key=lambda n: (n in controls, -sum(table[n].values()), n)):
        print_row(name, table[name], columns)
    for title, names in (("mutants", [n for n in table if n not in controls]), ("controls", controls)):
        print_row(title, sum((table[n] for n in names), collections.Counter()), columns)


def print_row(name, counts, columns):
    print(f"{name:26}{sum(counts.values()):8}" + "".join(f"{counts[c]:{max(10, len(c) + 2)}}" for c in columns))


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # count.py OUTPUT | head
    main()
