#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_proofs.py - wrong and right Coq proofs through the real program, its real sandbox and the real coqc

    tests/hostile/test_proofs.py build/espalier [--print]

Prints each proof that was not judged as proofs.py says, with --print all of them; `N passed, N failed, N skipped`.  Without coqc or bubblewrap
it says skipped.
"""
import json
import os
import subprocess
import sys
import tempfile

from proofs import FALSE_HEADER, FALSE_THEOREM, RIGHT, WRONG

COQC = "/usr/bin/coqc"
HUNGRY = ("cpu-limit", "output-limit", None)  # reasons; None: whichever limit it meets first


def rows_of(folder):
    """(name, verdict, reason, problem's row)"""
    for name, verdict, reason, text, *own in WRONG:
        header, statement = own or (FALSE_HEADER, FALSE_THEOREM)
        text = text.replace("@CANARY@", folder + "/canary").replace("@SECRET@", folder + "/secret")
        yield name, verdict, reason, {"header": header, "formal_statement": statement, "completions": [text]}
    for name, header, statement, text in RIGHT:
        yield name, "pass", "proof-checked", {"header": header, "formal_statement": statement, "completions": [text]}


def run(program, folder, rows, cpu_s):
    """What was said of each problem: (verdict, reason)."""
    with open(folder + "/problems.jsonl", "w") as f:
        for i, (name, _, _, row) in enumerate(rows):
            f.write(json.dumps({"id": f"p{i}", "problem": name, **row}) + "\n")
    with open(folder + "/run.yaml", "w") as f:
        f.write("run: {output: out}\nproblems: {file: problems.jsonl}\nsearch: {strategy: best_of_n, n: 1}\ngenerator: {engine: file, max_tokens: 100k}\n"
                f"step: {{whole: true}}\nverifier: {{kind: coq, cpu_s: {cpu_s}, timeout_s: 600, memory_mb: 1024}}\nvote: {{rule: majority}}\n")
    done = subprocess.run([program, "run", "run.yaml"], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the run failed: {done.stderr[-2000:]}")
    dump = subprocess.run([program, "journal", "dump", "out"], cwd=folder, capture_output=True, text=True, check=True).stdout
    said = {r["problem"]: (r["verdict"], r["reason"]) for r in map(json.loads, filter(None, dump.split("\n"))) if "verdict" in r}
    return [said.get(i, ("nothing", "")) for i in range(len(rows))]


def judge(program, top, rows):
    """Those that never end by themselves get little time, the others plenty: no machine is too slow for them."""
    hungry = [row for row in rows if row[2] in HUNGRY]
    others = [row for row in rows if row[2] not in HUNGRY]
    for name, some, cpu_s in (("hungry", hungry, 2), ("others", others, 300)):
        os.mkdir(f"{top}/{name}")
        yield from zip(some, run(program, f"{top}/{name}", some, cpu_s))


def main():
    program = os.path.abspath(sys.argv[1])
    if not os.access(COQC, os.X_OK) or subprocess.run(["sh", "-c", "bwrap --unshare-all --ro-bind / / true"], capture_output=True).returncode != 0:
        print(f"skipped: there is no {COQC}, or bubblewrap does not work here\n0 passed, 0 failed, 1 skipped")
        return
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        for name, text, mode in (("canary", "alive", 0o666), ("secret", "Definition secret := 1.", 0o600)):
            with open(f"{folder}/{name}", "w") as f:
                f.write(text)
            os.chmod(f"{folder}/{name}", mode)
        for (name, verdict, reason, _), got in judge(program, folder, list(rows_of(folder))):
            right = got[0] == verdict and reason in (None, got[1])
            passed, failed = passed + right, failed + (not right)
            if not right or "--print" in sys.argv:
                print(f"{name}: {got[0]} ({got[1]})" + ("" if right else f", must be {verdict} ({reason})"))
        if open(folder + "/canary").read() != "alive" or len(os.listdir(folder)) != 4:
            print(f"harm: files outside: {os.listdir(folder)}")
            failed += 1
    print(f"{len(WRONG)} wrong proofs, {len(RIGHT)} right ones")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
