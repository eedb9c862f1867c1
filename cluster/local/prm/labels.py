# SPDX-License-Identifier: Apache-2.0
"""labels.py - the lines of `stepwise` samples of puzzles as states, good or bad

A state is what is left after a step, and the target.  The same state comes from many branches and puzzles: it is good if
some rollout from it passed anywhere, bad if none did where enough were tried.  A state's fold is that of the first puzzle that had it, so what is held back is held back by puzzle.
"""
import glob
import io
import json
import os
import re
import subprocess
import zlib
from fractions import Fraction

import numpy as np

LEFT = re.compile(r"\(left: ([-0-9/ ]+)\)\s*$")


class States:
    def __init__(self, rows):
        self.numbers = np.array([r[0] for r in rows], float)
        self.target = np.array([r[1] for r in rows], float)
        self.good = np.array([r[2] for r in rows], bool)
        self.rollouts = sum(r[3] for r in rows)
        self.met = np.array([r[5] for r in rows], float)        # how often: what a search meets often counts more
        self.fold = np.array([r[4] for r in rows], float)

    def __len__(self):
        return len(self.target)


def lines(path):
    """plain or zstd, by zstd's own program where Python has no module for it"""
    if not os.path.isfile(path):
        raise SystemExit(f"train-prm: {path}: there is no such file")
    if not path.endswith(".zst"):
        with open(path, encoding="utf-8", errors="replace") as file:
            yield from file
        return
    with subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE) as child:
        yield from io.TextIOWrapper(child.stdout, encoding="utf-8")
    if child.returncode:
        raise SystemExit(f"train-prm: {path}: zstd cannot read it")


def sample_files(folder):
    found = [p for ending in ("jsonl", "jsonl.zst") for p in glob.glob(os.path.join(folder, "samples", f"stepwise-*.{ending}"))]
    return sorted(p for p in found if "unverified" not in os.path.basename(p))


def state_of(step):
    """ascending values of what is left after a step, or None"""
    found = LEFT.search(step)
    return tuple(float(Fraction(word)) for word in found.group(1).split()) if found else None


def read(folders):
    """numbers left -> States, of all stepwise samples in these output folders"""
    seen = {}
    for folder in folders:
        for path in sample_files(folder):
            for line in lines(path):
                add(seen, json.loads(line))
    by_left = {}
    for (numbers, target), (good, rollouts, fold, met) in seen.items():
        by_left.setdefault(len(numbers), []).append((numbers, target, good, rollouts, fold, met))
    return {left: States(rows) for left, rows in by_left.items()}


def add(seen, row):
    target = json.loads(row["prompt"])["target"]        # these puzzles have no text: the prompt is the problem itself
    for step, label, rollouts in zip(row["completions"], row["labels"], row["rollouts"]):
        numbers = state_of(step)
        if numbers is None or len(numbers) < 2 or label is None:
            continue
        entry = seen.setdefault((numbers, target), [False, 0, zlib.crc32(row["problem_id"].encode()) / 2 ** 32, 0])
        entry[0] = entry[0] or label
        entry[1] += rollouts or 0
        entry[3] += 1
