#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_answers.py - no wrong answer passes, every right spelling does

    test_answers.py ANSWER_PAIRS

Runs over the answers of golds.txt, and over those of ../shared/data where it is there.  Prints a line per file, then
"N passed, N failed, N skipped"; exit status 1 when something failed.
"""

import collections
import json
import subprocess
import sys

import pairs


def ask(program, rows):
    """[(gold, answer)] -> what answer_pairs says of each."""
    text = "".join(json.dumps({"gold": gold, "answer": answer}) + "\n" for gold, answer in rows)
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=True, timeout=600)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(said) == len(rows), f"{len(rows)} pairs, {len(said)} lines"
    return said


def check(program, golds, make, good):
    """Ask about every (rule, answer) of make(gold); returns (matches, [(rule, gold, answer, said)] that are not good)."""
    rows = [(rule, gold, answer) for gold in golds for rule, answer in make(gold)]
    said = ask(program, [(gold, answer) for _, gold, answer in rows])
    bad = [(*row, one["match"]) for row, one in zip(rows, said) if not good(one["match"])]
    return collections.Counter(one["match"] for one in said), bad


def main():
    program = sys.argv[1]
    passed = failed = skipped = 0
    for name in ("golds.txt", "math500-dev.jsonl", "gsm8k-dev.jsonl"):
        golds = pairs.own_golds() if name == "golds.txt" else pairs.shared_golds(name)
        if golds is None:
            print(f"{name}: skipped, there is no {pairs.SHARED / name}")
            skipped += 1
            continue
        golds = sorted(set(golds))
        itself, bad = check(program, golds, lambda gold: [("itself", gold)], lambda match: match == "same")
        mutants, bad_mutants = check(program, golds, pairs.wrong, lambda match: match != "same")
        spellings, bad_spellings = check(program, golds, pairs.right, lambda match: match == "same")
        for rule, gold, answer, match in bad + bad_mutants + bad_spellings:
            print(f"{name}: {rule}: {gold!r} and {answer!r}: {match}")
        print(f"{name}: {len(golds)} answers; {sum(mutants.values())} mutants: {mutants['same']} pass, {mutants['other']} fail, "
              f"{mutants['unknown'] + mutants['none']} unknown; {sum(spellings.values())} spellings: {spellings['same']} pass")
        faults = len(bad) + len(bad_mutants) + len(bad_spellings)
        failed += faults
        passed += sum(itself.values()) + sum(mutants.values()) + sum(spellings.values()) - faults
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
