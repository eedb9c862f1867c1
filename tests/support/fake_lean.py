# SPDX-License-Identifier: Apache-2.0
"""fake_lean.py - answers as Lean 4's REPL does, for proofs that are one word each

    python3 fake_lean.py [LOG]

As a program: the REPL on its standard input and output; LOG gets a line for each start and each header.  As a module: answer(cmd, ..).
What the word in the proof makes of it:
  rfl (1 + 1 = 2 only), fine: proved    use_axiom: rests on one that is not allowed    classical: on all three of Lean's, over two lines
  lies: is said to be proved, and to rest on no axiom before the truth comes    silent: nobody answers #print axioms
  admit_it: sorries    warned: only a warning says so    sleep, die, garbage, half, flood: the process    else an error
"""
import json
import re
import sys
import time


def message(severity, data, line=1):
    return {"severity": severity, "pos": {"line": line, "column": 2}, "endPos": None, "data": data}


def axioms(name, listed):
    return message("info", f"'{name}' depends on axioms: [{listed}]" if listed else f"'{name}' does not depend on any axioms", 9)


def answer(cmd, number):
    """The REPL's object."""
    name = re.search(r"#print axioms (\S+)", cmd)
    if not name:
        return {"env": number, "messages": [message("error", "unknown package")]} if "bad_header" in cmd else {"env": number}
    name, by = name[1], cmd[:cmd.index("  := by")].count("\n") + 1
    word = cmd[cmd.index(":= by") + 5:].split()[0]
    said = {"env": number}
    if "no_such_thing" in cmd:
        said["messages"] = [message("error", "unknown identifier", by - 1)]
    elif word in ("fine", "busy_once") or word == "rfl" and "1 + 1 = 2" in cmd:
        said["messages"] = [message("warning", "unused variable"), axioms(name, "")]
    elif word == "classical":
        said["messages"] = [axioms(name, "propext,\n Classical.choice,\n Quot.sound")]
    elif word == "use_axiom":
        said["messages"] = [axioms(name, "propext, cheat")]
    elif word == "lies":
        said["messages"] = [axioms(name, ""), axioms(name, "sorryAx")]
    elif word == "admit_it":
        said["sorries"] = [{"goal": "⊢ False", "proofState": 0}]
        said["messages"] = [message("warning", "declaration uses 'sorry'", by - 1), axioms(name, "sorryAx")]
    elif word == "warned":
        said["messages"] = [message("warning", "declaration uses 'sorry'", by - 1)]
    elif word != "silent":
        said["messages"] = [message("error", f"unknown tactic {word}", by + 1)]
    return said


def fault(cmd):
    if "sleep" in cmd:
        time.sleep(1000)
    if "die" in cmd:
        sys.exit(1)
    if "half" in cmd:
        print('{"env": 1,\n "messages": [', flush=True)
        time.sleep(1000)
    for word, text in (("garbage", "PANIC at Lean.Elab\n"), ("flood", "x" * (2 << 20)), ("list", "[1]\n")):
        if f"  {word}\n" in cmd:
            print(text, flush=True)


def log(text):
    if len(sys.argv) > 1:
        with open(sys.argv[1], "a", encoding="utf-8") as f:
            f.write(text + "\n")


def main():
    log("start")
    number = 0
    for line in sys.stdin:
        if not line.strip():
            continue
        asked = json.loads(line)
        if "env" not in asked and asked["cmd"].startswith("import"):
            log("header")
        fault(asked["cmd"])
        print(json.dumps(answer(asked["cmd"], number), indent=1, ensure_ascii=False) + "\n", flush=True)
        number += 1


if __name__ == "__main__":
    main()
