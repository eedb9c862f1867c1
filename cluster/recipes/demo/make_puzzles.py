#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_puzzles.py - solvable arithmetic target puzzles, the same ones for the same arguments

    make_puzzles.py [--count 100] [--size 4] [--target 24] [--seed 1] > puzzles.jsonl

Each puzzle is a different set of `size` numbers from 1 to 13 that + - * / can turn into the target,
each number used once.  Draws come from SHA-256 of seed and counter, so any Python gives the same file.
"""

import argparse
import functools
import hashlib
import itertools
import json
from fractions import Fraction


@functools.lru_cache(maxsize=None)
def reachable(numbers):
    """Every value that uses each of the numbers (a sorted tuple) once."""
    if len(numbers) == 1:
        return frozenset([Fraction(numbers[0])])
    values = set()
    indices = range(len(numbers))
    for left_size in range(1, len(numbers) // 2 + 1):
        for chosen in itertools.combinations(indices, left_size):
            left = tuple(numbers[i] for i in chosen)
            right = tuple(numbers[i] for i in indices if i not in chosen)
            for a, b in itertools.product(reachable(left), reachable(right)):
                values.update((a + b, a - b, b - a, a * b))
                if b:
                    values.add(a / b)
                if a:
                    values.add(b / a)
    return frozenset(values)


def draws(seed):
    """An endless stream of numbers from 1 to 13."""
    for counter in itertools.count():
        digest = hashlib.sha256(f"{seed}:{counter}".encode()).digest()
        yield int.from_bytes(digest[:8], "big") % 13 + 1


def puzzles(count, size, target, seed):
    seen = set()
    stream = draws(seed)
    for _ in range(1000 * count):
        numbers = tuple(sorted(itertools.islice(stream, size)))
        if numbers in seen:
            continue
        seen.add(numbers)
        if Fraction(target) in reachable(numbers):
            yield numbers
            count -= 1
            if not count:
                return
    raise SystemExit(f"make_puzzles.py: there are not enough puzzles of {size} numbers with target {target}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--size", type=int, default=4, choices=range(3, 7))
    parser.add_argument("--target", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for number, numbers in enumerate(puzzles(args.count, args.size, args.target, args.seed), start=1):
        text = " ".join(map(str, numbers))
        print(json.dumps({
            "id": f"demo/{number:04d}",
            "problem": f"Use the numbers {text} and the operations + - * / to obtain {args.target}. "
                       "Use each number exactly once.",
            "numbers": numbers,
            "target": args.target,
        }))


if __name__ == "__main__":
    main()
