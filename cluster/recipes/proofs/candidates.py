#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""candidates.py - theorems with a list of one-line tactics as their completions, for `generator: {engine: file}`

    candidates.py THEOREMS.jsonl [--tactics FILE] > candidates.jsonl

A row of THEOREMS has formal_statement and perhaps header (docs/verifiers.md, coq).  FILE: one proof a line, instead of those below.
"""

import argparse
import json

TACTICS = [
    "intros; lia.",
    "intros; lra.",
    "intros; nra.",
    "intros; nia.",
    "intros; first [ring | field; lra | subst; ring].",
    "intros; subst; first [reflexivity | vm_compute; reflexivity | auto with arith].",
    "intros; simpl in *; intuition (try lia; try lra; try nra).",
    "intros; repeat split; intros; first [lia | lra | nra | nia].",
]
REQUIRE = "Require Import Lia Lra Psatz. "  # the headers of many theorems do not


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("theorems")
    parser.add_argument("--tactics", help="a file with one proof a line")
    chosen = parser.parse_args()
    tactics = TACTICS
    if chosen.tactics:
        with open(chosen.tactics, encoding="utf-8") as lines:
            tactics = [line.strip() for line in lines if line.strip()]
    with open(chosen.theorems, encoding="utf-8") as rows:
        for row in map(json.loads, filter(str.strip, rows)):
            row["completions"] = [REQUIRE + tactic for tactic in tactics]
            print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()
