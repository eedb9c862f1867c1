# SPDX-License-Identifier: Apache-2.0
"""puzzles.py - puzzles to harvest labels from, and others to search with what was learned

Training puzzles are made by composing: numbers are drawn and combined at random, and what comes out is the target.
Nothing is solved.  Their targets are 6 to 100, but none with T % 7 == 3: 24 and the other targets of evaluation are
never seen.  Evaluation puzzles are solvable ones, chosen by cluster/recipes/demo/make_puzzles.py.
"""
import json
import os
import random
import sys
from fractions import Fraction

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "cluster", "recipes", "demo"))
import make_puzzles  # noqa: E402

OMEGAPRM = 16   # its puzzles take ten times as many rollouts as those of math_shepherd: one for so many of the others
OTHER_TARGETS = (10, 17, 31, 38, 45, 52, 59, 66, 73, 80, 87, 94)    # all T % 7 == 3


def combined(numbers, draw):
    """what a random way of combining all numbers gives, or None after a division by zero"""
    left = [Fraction(v) for v in numbers]
    while len(left) > 1:
        a, b = (left.pop(draw.randrange(len(left))) for _ in range(2))
        sign = draw.choice("++-**/")
        if sign == "/" and b == 0:
            return None
        left.append(a + b if sign == "+" else a - b if sign == "-" else a * b if sign == "*" else a / b)
    return left[0]


def training(count, size, seed):
    draw, seen = random.Random(f"train-prm {seed} {size}"), set()
    while len(seen) < count:
        numbers = tuple(sorted(draw.randint(1, 13) for _ in range(size)))
        target = combined(numbers, draw)
        if target is not None and target.denominator == 1 and 6 <= target <= 100 and target % 7 != 3 \
                and (numbers, target) not in seen:
            seen.add((numbers, target))
            yield numbers, int(target)


def evaluation(count, targets, seed):
    for i, target in enumerate(targets):
        share = (count * (i + 1)) // len(targets) - (count * i) // len(targets)
        if share:
            yield from ((numbers, target) for numbers in make_puzzles.puzzles(share, 4, target, seed))


def write(path, prefix, puzzles):
    with open(path + ".tmp", "w", encoding="ascii") as out:
        for i, (numbers, target) in enumerate(puzzles, start=1):
            print(json.dumps({"id": f"{prefix}/{i:06d}", "numbers": numbers, "target": target}), file=out)
    os.replace(path + ".tmp", path)


def read(path):
    with open(path, encoding="ascii") as file:
        return {(tuple(row["numbers"]), row["target"]) for row in map(json.loads, file)}


def make(folder, count, evaluate, seed):
    """all the files; those that are there stay.  Ends the program if a puzzle of evaluation is among those trained on."""
    os.makedirs(folder, exist_ok=True)
    plans = {"omegaprm": lambda: training(count // OMEGAPRM, 4, f"{seed}a"), "shepherd": lambda: training(count, 4, f"{seed}b"),
             "game24": lambda: evaluation(evaluate, [24], seed + 1), "other": lambda: evaluation(evaluate, OTHER_TARGETS, seed + 1)}
    files = {name: os.path.join(folder, name + ".jsonl") for name in plans}
    for name, plan in plans.items():
        if not os.path.exists(files[name]):
            write(files[name], name, plan())
    learned = read(files["omegaprm"]) | read(files["shepherd"])
    for name in ("game24", "other"):
        common = learned & read(files[name])
        if common:
            raise SystemExit(f"train-prm: {files[name]}: {len(common)} of its puzzles are among those trained on, such as {sorted(common)[0]}")
    return files
