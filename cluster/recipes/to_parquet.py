#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""to_parquet.py - sample files as Parquet, as verl reads it

    to_parquet.py rl  FILE ... -o train.parquet [--source NAME] [--ability math] [--split train]
    to_parquet.py sft FILE ... -o train.parquet

rl   from `passrate` or `rollouts`: a row per problem: data_source, prompt (messages), ability, reward_model {style: rule, ground_truth},
     extra_info {split, index, id, and n, c, rate where known}.  A problem without a reference answer is left out, and counted.
sft  from `sft` (or `distill`): messages, extra_info {id}.

FILE: .jsonl or .jsonl.zst, such as OUTPUT/samples/*.jsonl.zst.  Needs pyarrow; for .zst also zstandard or the program zstd.
"""
import argparse
import io
import json
import subprocess
import sys


def lines(path):
    if not path.endswith(".zst"):
        with open(path, encoding="utf-8") as file:
            yield from file
        return
    try:
        import zstandard
        with open(path, "rb") as file:
            yield from io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True), encoding="utf-8")
    except ImportError:
        try:
            done = subprocess.Popen(["zstd", "-dc", path], stdout=subprocess.PIPE)
        except FileNotFoundError:
            sys.exit(f"to_parquet: {path}: needs the package zstandard or the program zstd")
        yield from io.TextIOWrapper(done.stdout, encoding="utf-8")
        if done.wait() != 0:
            sys.exit(f"to_parquet: {path}: zstd could not read it")


def rows(paths):
    for path in paths:
        for number, line in enumerate(lines(path), 1):
            try:
                row = json.loads(line)
                row["id"]
            except (ValueError, TypeError, KeyError):
                sys.exit(f"to_parquet: {path}:{number}: no sample (a JSON object with an id)")
            yield path, number, row


def messages(prompt):
    return prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]


def rl(args):
    seen, out, without = set(), [], set()
    for path, number, row in rows(args.files):
        if "prompt" not in row or not ("rate" in row or "reward" in row or "rewards" in row):
            sys.exit(f"to_parquet: {path}:{number}: rl needs format passrate or rollouts")
        problem, gold = row["problem_id"], row.get("answer") if "rate" in row else row.get("ground_truth")
        if problem in seen:
            continue
        if gold is None:
            without.add(problem)
            continue
        seen.add(problem)
        out.append({"data_source": args.source, "prompt": messages(row["prompt"]), "ability": args.ability,
                    "reward_model": {"style": "rule", "ground_truth": gold},
                    "extra_info": {"split": args.split, "index": len(out), "id": problem, "n": row.get("n"), "c": row.get("c"),
                                   "rate": row.get("rate")}})
    return out, f"; {len(without)} problems have no reference answer" if without else ""


def sft(args):
    out = []
    for path, number, row in rows(args.files):
        if "messages" in row:
            said = row["messages"]
        elif "completion" in row and "reward" not in row:
            last = row["completion"]
            said = messages(row["prompt"]) + (last if isinstance(last, list) else [{"role": "assistant", "content": last}])
        else:
            sys.exit(f"to_parquet: {path}:{number}: sft needs format sft or distill")
        out.append({"messages": [{"role": m["role"], "content": m["content"]} for m in said], "extra_info": {"id": row["id"]}})
    return out, ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=["rl", "sft"])
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("-o", dest="to", required=True, metavar="OUT.parquet")
    parser.add_argument("--source", default="espalier", help="rl: data_source, which chooses the reward function in verl")
    parser.add_argument("--ability", default="math")
    parser.add_argument("--split", default="train")
    args = parser.parse_args()
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        sys.exit("to_parquet: needs pyarrow (pip install pyarrow)")
    try:
        out, more = (rl if args.shape == "rl" else sft)(args)
        if not out:
            sys.exit(f"to_parquet: no rows{more}")
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(out), args.to)
    except OSError as wrong:
        sys.exit(f"to_parquet: {wrong}")
    print(f"{args.to}: {len(out)} rows{more}")


if __name__ == "__main__":
    main()
