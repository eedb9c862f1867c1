# SPDX-License-Identifier: Apache-2.0
# mutate_server.py - mutants over JSON lines; engine_mutate.c runs it by python3 -I -c, behind mutate_code.py, mutate_blocks.py and mutate_steps.py
#
#     argv  pid of the parent, MiB of memory, {"language": "auto" | "python" | "reasoning", "controls": share, "operators": [name, ..], "cut": bool}
#     out   {"ready": true}, or {"ready": false, "error": "..."} and the end
#     in    {"id": 7, "row": {..}, "ordinal": 3, "seed": 12345}      seed: the same for all ordinals of a problem
#     out   {"id": 7, "text": "..", "operator": "boundary", "whole": true}, or {"id": 7, "none": "no-more-mutants"}
#
# Ordinal 0 is the solution as it is, the first control; so many of the first n that `controls` of n are (at least one).  Others are
# controls with a changed text and the same meaning.  What a line is answered depends on the line and argv alone: order comes from SHA-256, not
# from random numbers, and nothing is counted across lines.
import ctypes
import hashlib
import json
import os
import resource
import signal
import sys

try:
    edits  # one script: the others stand in front of this
except NameError:
    import mutate_steps as steps
    from mutate_blocks import apply, code_of, edits
    from mutate_code import Program, Refused
else:
    steps = sys.modules[__name__]

CODE = tuple("""compare-inverted boundary compare-mirrored boolean-operator condition-dropped binary-operator operands-swapped operand-dropped
    update-became-assignment negation sign constant off-by-one slice-bound slice-step index wrong-function arguments-swapped keyword-argument call-dropped
    range-bound branches-swapped branch-dropped default-value wrong-variable return-value condition-inverted else-removed missing-case conditional-removed
    condition-removed jump-removed loop-removed statement-removed assignment-removed statements-swapped return-too-early out-of-loop""".split())
STEPS = ("wrong-number", "swapped-quantity", "sign", "operator", "dropped-case", "wrong-result")
KEPT, MOST_EDITS = 16, 20000  # problems whose mutants are remembered; edits of one


def share_of(*words):
    """A number in [0, 1) that is a function of these words."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, words)).encode("utf-8", "replace")).digest()[:6], "big") / (1 << 48)


def mixed(seed, candidates):
    """[(operator, ..), ..] in an order where operators with few candidates are not drowned: the first of each, the second of each, .."""
    groups = {}
    for i, c in enumerate(candidates):
        groups.setdefault(c[0], []).append((share_of(seed, c[0], i), i, c))
    keyed = [(rank + share, c[0], i, c) for group in groups.values() for rank, (share, i, c) in enumerate(sorted(group)[:MOST_EDITS])]
    return [c for _, _, _, c in sorted(keyed, key=lambda k: k[:3])]


class Mutants:
    """Of one problem: mutants and controls, made as far as somebody asked."""

    def __init__(self, row, seed, options):
        self.made, self.waiting, self.seen = {True: [], False: []}, {}, set()
        language = options["language"] if options["language"] != "auto" else language_of(row)
        every = self.code(row) if language == "python" else self.steps(row, options["cut"])
        wanted = set(options["operators"])
        for control in (True, False):
            mine = [c for c in every if c[0].startswith("same-") == control and (control or not wanted or c[0] in wanted)]
            self.waiting[control] = iter(mixed(seed, mine))

    def code(self, row):
        before, self.original, only = code_of(row)
        program = Program(before + self.original, len(before.encode()), None)
        self.seen.add(apply_key(self.original))
        every = []
        for e in edits(program):
            if e[1] >= program.first:
                every.append(e)
            if len(every) >= MOST_EDITS:
                break
        self.write = lambda e: (lambda text: text and (text[len(before):], True))(apply(program, e))
        return every

    def steps(self, row, cut):
        question, self.original = steps.steps_of(row)
        found = steps.equations(self.original)
        if not found:
            raise Refused("no-equations")
        every = [(c.operator, number, c) for number in range(len(found)) for c in steps.changes(self.original, question, found, number)]
        every += list(steps.same_meaning(self.original, found))

        def write(c):
            if c[0].startswith("same-"):
                return c[1], True
            got = steps.mutated(self.original, question, found, c[1], c[2])
            return (got[0], not got[1]) if got and (cut or not got[1]) else None

        self.write = write
        return every[:MOST_EDITS]

    def at(self, control, index):
        """(operator, text, is it whole?), or None: there are fewer."""
        if control and index == 0:
            return "same", self.original, True
        index -= control
        made = self.made[control]
        while len(made) <= index:
            candidate = next(self.waiting[control], None)
            if candidate is None:
                return None
            got = self.write(candidate)
            if got and got[0] != self.original and apply_key(got[0]) not in self.seen:
                self.seen.add(apply_key(got[0]))
                made.append((candidate[0], *got))
        return made[index]


def apply_key(text):
    return hashlib.sha256(text.encode()).digest()


def language_of(row):
    return "python" if any(row.get(k) for k in ("entry_point", "test", "test_list", "tests", "input_output")) else "reasoning"


def controls_before(n, share):
    return 0 if n == 0 else max(1, int(n * share + 1e-9))


def answer(job, kept, options):
    ordinal, share = job["ordinal"], options["controls"]
    key = hashlib.sha256(json.dumps([job["row"], job["seed"]]).encode()).digest()
    if key not in kept:
        if len(kept) >= KEPT:
            kept.pop(next(iter(kept)))
        try:
            kept[key] = Mutants(job["row"], job["seed"], options)
        except Refused as e:
            kept[key] = e.args[0]
    mine = kept[key]
    if isinstance(mine, str):
        return {"none": mine}
    controls = controls_before(ordinal, share)
    control = controls_before(ordinal + 1, share) > controls
    got = mine.at(control, controls if control else ordinal - controls)
    if got is None:
        return {"none": "no-more-controls" if control else "no-more-mutants"}
    return {"operator": got[0], "text": got[1], "whole": got[2]}


def main():
    parent, memory_mb, options = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    except (AttributeError, OSError):
        pass  # the end of the input says it too
    if os.getppid() != parent:
        sys.exit(1)
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    unknown = [name for name in options["operators"] if name not in CODE + STEPS]
    if unknown:
        print(json.dumps({"ready": False, "error": f"there is no operator '{unknown[0]}'; there are {', '.join(CODE + STEPS)}"}), flush=True)
        sys.exit(1)
    print(json.dumps({"ready": True}), flush=True)
    kept = {}
    for line in sys.stdin.buffer:
        job = json.loads(line)
        try:
            reply = answer(job, kept, options)
        except RecursionError:
            reply = {"none": "too-deep"}
        except MemoryError:
            reply = {"none": "too-big"}
        print(json.dumps({"id": job["id"], **reply}), flush=True)


if __name__ == "__main__":
    main()
