#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""agree.py - proto/answer beside math-verify, over the pairs of test_answers.py

    pip install math-verify; tests/answers/agree.py build/tests/answers/answer_pairs [--pairs N] [--show]

Gold first (math-verify is not symmetric), both in \\boxed{}.  Prints a table of what the two say of references as they are, of
other spellings, of mutants, and of answers to other problems; with --show the pairs on which they differ, a line each.
"""

import argparse
import collections
import itertools
import random
import sys

import pairs
import test_answers

try:
    import math_verify
except ImportError:
    sys.exit("agree.py: math_verify is not installed: pip install math-verify==0.9.0")


def parsed(text, known={}):
    """The values of one answer; parsing is slow, and answers come again."""
    if text not in known:
        known[text] = math_verify.parse("\\boxed{" + text + "}")
    return known[text]


def rows_of(golds):
    rows = [("as it is", "itself", gold, gold) for gold in golds]
    rows += [("spelled otherwise", rule, gold, answer) for gold in golds for rule, answer in pairs.right(gold)]
    rows += [("mutant", rule, gold, answer) for gold in golds for rule, answer in pairs.wrong(gold)]
    others = list(itertools.permutations(golds, 2))
    random.Random(1).shuffle(others)
    return rows + [("of another problem", "other gold", *pair) for pair in others[:1000]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="answer_pairs")
    parser.add_argument("--pairs", type=int, default=5000, help="at most so many, drawn with a fixed seed")
    parser.add_argument("--show", action="store_true", help="print the pairs on which the two differ")
    args = parser.parse_args()
    golds = set(pairs.own_golds())
    for name in ("math500-dev.jsonl", "gsm8k-dev.jsonl"):
        golds |= set(pairs.shared_golds(name) or [])
    rows = rows_of(sorted(golds))
    random.Random(0).shuffle(rows)
    rows = rows[:args.pairs]
    ours = test_answers.ask(args.program, [(gold, answer) for _, _, gold, answer in rows])
    table = collections.Counter()
    for (group, rule, gold, answer), said in zip(rows, ours):
        theirs = math_verify.verify(parsed(gold), parsed(answer))
        table[group, said["match"], theirs] += 1
        if args.show and ((said["match"] == "same") != theirs):
            print(f"{group}\t{rule}\tours {said['match']}\tmath-verify {theirs}\t{gold!r}\t{answer!r}")
    print("| pairs | number | both pass | only ours passes | only math-verify passes: ours fails | ... ours is unknown | neither: ours fails "
          "| ... ours is unknown |")
    print("|---|---|---|---|---|---|---|---|")
    for group in ("as it is", "spelled otherwise", "mutant", "of another problem"):
        cells = [table[group, match, theirs] for match, theirs in
                 (("same", True), ("same", False), ("other", True), ("unknown", True), ("other", False), ("unknown", False))]
        print("| " + " | ".join(map(str, [group, sum(cells), *cells])) + " |")


if __name__ == "__main__":
    main()
