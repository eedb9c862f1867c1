# SPDX-License-Identifier: Apache-2.0
"""test_mutate.py - what worker/engine/mutate/ promises: every operator, order, exhaustion, hostile sources, what follows from a wrong step"""
import ast
import json
import os
import subprocess
import sys
import textwrap
import time
import unittest

from kit import ROOT, FolderTest, espalier

FOLDER = ROOT / "worker" / "engine" / "mutate"
sys.path.insert(0, str(FOLDER))
import mutate_blocks as blocks
import mutate_code as code
import mutate_server as server
import mutate_steps as steps


def source(text):
    return textwrap.dedent(text).lstrip("\n")


def mutants(text, operator, first=0):
    p = code.Program(text, first)
    return [new for e in blocks.edits(p) if e[0] == operator and e[1] >= first for new in [blocks.apply(p, e)] if new]


# operator, a program, programs that it must give among others
CODE = [
    ("compare-inverted", "def f(a):\n    return a not  in (1,)  # keep\n", ["def f(a):\n    return a in (1,)  # keep\n"]),
    ("compare-inverted", "def f(a, b):\n    return a is b\n", ["def f(a, b):\n    return a is not b\n"]),
    ("boundary", "def f(a):\n    return (a)<(3)\n", ["def f(a):\n    return (a)<=(3)\n"]),
    ("boundary", "def f(a):\n    return 0 < a <= 9\n", ["def f(a):\n    return 0 <= a <= 9\n", "def f(a):\n    return 0 < a < 9\n"]),
    ("compare-mirrored", "def f(a):\n    return a < 3\n", ["def f(a):\n    return a > 3\n"]),
    ("boolean-operator", "def f(a, b):\n    return a and b or a\n", ["def f(a, b):\n    return a or b or a\n", "def f(a, b):\n    return a and b and a\n"]),
    ("condition-dropped", "def f(a, b):\n    return a and (b)\n", ["def f(a, b):\n    return a\n", "def f(a, b):\n    return b\n"]),
    ("binary-operator", "def f(a, b):\n    return a + b\n", ["def f(a, b):\n    return a - b\n", "def f(a, b):\n    return a * b\n"]),
    ("binary-operator", "def f(a):\n    a //= 2\n    return a\n", ["def f(a):\n    a /= 2\n    return a\n", "def f(a):\n    a %= 2\n    return a\n"]),
    ("operands-swapped", "def f(a, b):\n    return (a + b)  -  f(b)\n", ["def f(a, b):\n    return f(b)  -  (a + b)\n"]),
    ("operand-dropped", "def f(a, b):\n    return a * b\n", ["def f(a, b):\n    return a\n"]),
    ("update-became-assignment", "def f(a):\n    s = 0\n    s += a\n    return s\n", ["def f(a):\n    s = 0\n    s = a\n    return s\n"]),
    ("negation", "def f(a):\n    return not a\n", ["def f(a):\n    return a\n"]),
    ("sign", "def f(a):\n    return -a\n", ["def f(a):\n    return a\n"]),
    ("constant", "def f():\n    return True\n", ["def f():\n    return False\n"]),
    ("constant", "def f():\n    return 2.5\n", ["def f():\n    return 3.5\n"]),
    ("constant", "def f():\n    return \"y\"\n", ["def f():\n    return \"z\"\n"]),
    ("off-by-one", "def f(a):\n    return a == 3\n", ["def f(a):\n    return a == 4\n", "def f(a):\n    return a == 2\n"]),
    ("slice-bound", "def f(a):\n    return a[1:-2]\n", ["def f(a):\n    return a[2:-2]\n", "def f(a):\n    return a[1:-1]\n", "def f(a):\n    return a[1:]\n"]),
    ("slice-bound", "def f(a, n):\n    return a[:n]\n", ["def f(a, n):\n    return a[:n - 1]\n", "def f(a, n):\n    return a[:]\n"]),
    ("slice-step", "def f(a):\n    return a[::-1]\n", ["def f(a):\n    return a[::1]\n"]),
    ("index", "def f(a, i):\n    return a[i + 1] + a[0]\n", ["def f(a, i):\n    return a[i] + a[0]\n", "def f(a, i):\n    return a[i + 1] + a[-1]\n"]),
    ("wrong-function", "def f(a):\n    return max(a)\n", ["def f(a):\n    return min(a)\n"]),
    ("arguments-swapped", "def f(a, b):\n    return f(a,  b)\n", ["def f(a, b):\n    return f(b,  a)\n"]),
    ("keyword-argument", "def f(a):\n    return sorted(a, reverse=True)\n", ["def f(a):\n    return sorted(a, reverse=False)\n"]),
    ("call-dropped", "def f(a):\n    return a.strip().lower()\n", ["def f(a):\n    return a.strip()\n", "def f(a):\n    return a.lower()\n"]),
    ("range-bound", "def f(n):\n    return list(range(1, n))\n", ["def f(n):\n    return list(range(n))\n", "def f(n):\n    return list(range(1, n - 1))\n"]),
    ("range-bound", "def f(n):\n    return list(range(n + 1))\n", ["def f(n):\n    return list(range(n))\n", "def f(n):\n    return list(range(1, n + 1))\n"]),
    ("branches-swapped", "def f(a):\n    return 1 if a else 2\n", ["def f(a):\n    return 2 if a else 1\n"]),
    ("branch-dropped", "def f(a):\n    return 1 if a else 2\n", ["def f(a):\n    return 1\n"]),
    ("default-value", "def f(a, n=3, *, up=True):\n    return a\n", ["def f(a, n=4, *, up=True):\n    return a\n", "def f(a, n=3, *, up=False):\n    return a\n"]),
    ("wrong-variable", "def f(a, b):\n    c = a\n    d = b\n    return [c, d]\n", ["def f(a, b):\n    c = b\n    d = b\n    return [c, d]\n"]),
    ("return-value", "def f(a, b):\n    return a\n", ["def f(a, b):\n    return b\n"]),
    ("return-value", "def f(a, b):\n    return f(a) / b\n", ["def f(a, b):\n    return f(a)\n"]),
    ("condition-inverted", "def f(a, b):\n    if a and b:\n        a = 1\n    return a\n", ["def f(a, b):\n    if not (a and b):\n        a = 1\n    return a\n"]),
    ("else-removed", "def f(a):\n    if a:\n        a = 1\n    # no\n    else:\n        a = 2\n    return a\n", ["def f(a):\n    if a:\n        a = 1\n    return a\n"]),
    ("missing-case", "def f(a):\n    if not a:\n        return 0\n    return 1 / a\n", ["def f(a):\n    return 1 / a\n"]),
    ("conditional-removed", "def f(a):\n    if a < 0:\n        a = -a\n    return a\n", ["def f(a):\n    return a\n"]),
    ("condition-removed", "def f(a):\n    if a < 0:\n        a = -a\n\n        a += 1\n    return a\n", ["def f(a):\n    a = -a\n\n    a += 1\n    return a\n"]),
    ("jump-removed", "def f(a):\n    for b in a:\n        if b:\n            break\n    return b\n", ["def f(a):\n    for b in a:\n        if b:\n            pass\n    return b\n"]),
    ("loop-removed", "def f(a):\n    s = 0\n    for b in a:\n        s += b\n    return s\n", ["def f(a):\n    s = 0\n    return s\n"]),
    ("statement-removed", "def f(a):\n    a.sort()\n    return a\n", ["def f(a):\n    return a\n"]),
    ("assignment-removed", "def f(a):\n    a = abs(a)\n    return a\n", ["def f(a):\n    return a\n"]),
    ("statements-swapped", "def f(a):\n    a += 1\n\n    a *= 2\n    return a\n", ["def f(a):\n    a *= 2\n\n    a += 1\n    return a\n"]),
    ("return-too-early", "def f(a):\n    s = 0\n    for b in a:\n        s += b\n    return s\n", ["def f(a):\n    s = 0\n    for b in a:\n        s += b\n        return s\n"]),
    ("out-of-loop", "def f(a):\n    s = 0\n    while a:\n        s += a\n        a -= 1\n    return s\n",
     ["def f(a):\n    s = 0\n    while a:\n        s += a\n    a -= 1\n    return s\n"]),
    ("same-renamed", "def f(a):\n    s = [c for c in a]\n    return s\n", ["def f(a):\n    value = [c for c in a]\n    return value\n"]),
    ("same-mirrored", "def f(a, b):\n    return a < b\n", ["def f(a, b):\n    return b > a\n"]),
    ("same-expanded", "def f(a, b):\n    a -= b + 1\n    return a\n", ["def f(a, b):\n    a = a - (b + 1)\n    return a\n"]),
    ("same-commuted", "def f(a, b):\n    return a * b\n", ["def f(a, b):\n    return b * a\n"]),
]

JANET = {"question": "Janet has 16 eggs. She eats 3 and bakes with 4. She sells the rest for $2 each.",
         "answer": "She sells 16 - 3 - 4 = <<16-3-4=9>>9 eggs.\nShe makes 9 * 2 = $<<9*2=18>>18.\n#### 18"}


def changed(row, cut=False):
    """{operator: [(step that was changed, text, whole)]}"""
    question, text = steps.steps_of(row)
    found, out = steps.equations(text), {}
    for number, e in enumerate(found):
        for c in steps.changes(text, question, found, number):
            got = steps.mutated(text, question, found, number, c)
            if got and (cut or not got[1]):
                out.setdefault(c.operator, []).append((e.step, got[0], not got[1]))
    return out


class CodeTest(unittest.TestCase):
    def test_every_operator_gives_what_it_says_and_leaves_the_rest_as_it_stood(self):
        for operator, before, wanted in CODE:
            got = mutants(before, operator)
            for after in wanted:
                self.assertIn(after, got, f"{operator}: {before}")

    def test_no_operator_is_without_a_case(self):
        self.assertEqual({c[0] for c in CODE if not c[0].startswith("same-")}, set(server.CODE))
        self.assertEqual(set(changed(JANET)) | {"dropped-case"}, set(server.STEPS))

    def test_a_mutant_is_a_program_and_never_the_same_one(self):
        for _, before, _ in CODE:
            p = code.Program(before)
            for e in blocks.edits(p):
                new = blocks.apply(p, e)
                self.assertTrue(new is None or ast.dump(ast.parse(new)) != ast.dump(p.tree), (before, e))

    def test_bytes_and_lines_are_right_behind_letters_of_several_bytes(self):
        self.assertEqual(mutants("def f(a):\n    s = 'äöü€'; b = a < 3\n    return b, s\n", "boundary"),
                         ["def f(a):\n    s = 'äöü€'; b = a <= 3\n    return b, s\n"])
        self.assertEqual(mutants("def f(a):\r\n\treturn a < 3\r\n", "boundary"), ["def f(a):\r\n\treturn a <= 3\r\n"])

    def test_the_prompt_docstrings_annotations_and_f_strings_stay_as_they_are(self):
        prompt = "def g(a=1):\n    return a + 1\n\ndef f(a: 'int' = 3, b: int = 5) -> 7:\n    \"\"\"a < b + 1\"\"\"\n"
        body = "    c: 'x < y' = f'{a + 1}'\n    return c\n"
        p = code.Program(prompt + body, len(prompt))
        places = {(e[0], p.slice(e[1], e[2])) for e in blocks.edits(p) if e[1] >= p.first}
        self.assertEqual({name for name, _ in places}, {"return-value", "same-renamed"})

    def test_a_wrong_variable_is_one_that_has_a_value_there(self):
        text = "def f(a, b):\n    c = a\n    for i in [b for q in a]:\n        d = i\n    return c\n"
        for new in mutants(text, "wrong-variable"):
            line = new.splitlines()[1]
            self.assertIn(line, ("    c = a", "    c = b"))
            self.assertNotIn("q", new.replace("for q in", ""))

    def test_hostile_sources_are_named(self):
        deep = "def f():\n    return " + "(" * 5000 + "1" + ")" * 5000 + "\n"
        minus = "def f():\n    return " + "-" * 3000 + "1\n"
        for text, why in ((deep, ("bad-source", "too-deep")), (minus, ("too-deep",)), ("def f(:\n", ("bad-source",)), ("def f():\n    return '\0'\n", ("bad-source",)),
                          ("x = '" + "a" * (1 << 20) + "'\n", ("too-big",)), ("def f():\n    return '\ud800'\n", ("bad-source", "too-big")),
                          ("[" + "1," * 30000 + "]\n", ("too-big",)), ("def f():\n\treturn 1\n        return 2\n", ("bad-source",))):
            with self.assertRaises(code.Refused) as caught:
                code.Program(text)
            self.assertIn(caught.exception.args[0], why)


class StepsTest(unittest.TestCase):
    def test_what_follows_from_a_wrong_step_is_computed_anew(self):
        got = changed(JANET)
        self.assertIn((0, "She sells 16 - 3 + 4 = <<16-3+4=17>>17 eggs.\nShe makes 17 * 2 = $<<17*2=34>>34.\n#### 34", True), got["sign"])
        self.assertIn((1, "She sells 16 - 3 - 4 = <<16-3-4=9>>9 eggs.\nShe makes 9 + 2 = $<<9+2=11>>11.\n#### 11", True), got["operator"])
        self.assertIn((0, "She sells 16 - 3 - 4 = <<16-3-4=10>>10 eggs.\nShe makes 10 * 2 = $<<10*2=20>>20.\n#### 20", True), got["wrong-result"])
        self.assertIn((0, "She sells 16 - 2 - 4 = <<16-2-4=10>>10 eggs.\nShe makes 10 * 2 = $<<10*2=20>>20.\n#### 20", True), got["swapped-quantity"])
        self.assertIn((1, "She sells 16 - 3 - 4 = <<16-3-4=9>>9 eggs.\nShe makes 9 * 3 = $<<9*3=27>>27.\n#### 27", True), got["wrong-number"])

    def test_a_case_is_dropped_from_three(self):
        row = {"question": "1 and 2 and 30", "solution": "All: 1 + 2 + 30 = 33\nTwice: 33 * 2 = 66\n\\boxed{66}"}
        self.assertIn((0, "All: 1 + 30 = 31\nTwice: 31 * 2 = 62\n\\boxed{62}", True), changed(row)["dropped-case"])
        self.assertIn((0, "All: 2 + 30 = 32\nTwice: 32 * 2 = 64\n\\boxed{64}", True), changed(row)["dropped-case"])

    def test_steps_before_the_changed_one_stay_byte_for_byte(self):
        for options in changed(JANET).values():
            for step, text, _ in options:
                before, after = JANET["answer"].split("\n"), text.split("\n")
                self.assertEqual(before[:step], after[:step])
                self.assertNotEqual(before[step], after[step])

    def test_a_number_that_may_be_another_quantity_is_not_guessed(self):
        row = {"question": "Ann has 9 pens.", "answer": "She buys 4+5=<<4+5=9>>9 more.\nOf her 9 pens 2 are red: 9-2=<<9-2=7>>7.\n#### 7"}
        got = [one for options in changed(row, cut=True).values() for one in options if one[0] == 0]
        self.assertTrue(got)
        for _, text, whole in got:
            self.assertFalse(whole)
            self.assertEqual(text.count("\n"), 1)
            self.assertTrue(text.endswith("more.\n"))
        self.assertFalse([one for options in changed(row).values() for one in options if one[0] == 0])

    def test_results_stay_natural(self):
        row = {"question": "7 pens, 2 boys", "answer": "7-2=<<7-2=5>>5\n5*2=<<5*2=10>>10\n#### 10"}
        for options in changed(row).values():
            for _, text, _ in options:
                self.assertNotRegex(text, r"=-\d|\d\.\d")

    def test_units_thousands_and_cents_are_kept(self):
        row = {"question": "$1,500 and $2.50", "answer": "It is $1,500 + 20 dollars = $<<1500+20=1520>>1,520.\nWith $2.50 - $1.00 = $<<2.50-1.00=1.50>>1.50 it is $1,520 + "
               "$1.50 = $<<1520+1.50=1521.50>>1521.50\n#### 1521.50"}
        self.assertIn((0, "It is $1,500 - 20 dollars = $<<1500-20=1480>>1,480.\nWith $2.50 - $1.00 = $<<2.50-1.00=1.50>>1.50 it is $1,480 + $1.50 = "
                       "$<<1480+1.50=1481.50>>1481.50\n#### 1481.50", True), changed(row)["sign"])

    def test_sides_are_computed_exactly_and_nothing_else_is(self):
        for text, value in (("1+2*3", 7), ("(1+2)*3", 9), ("-2-3", -5), ("1/3*3", 1), (".5*4", 2), ("2*-3", -6), ("1,000/8", 125)):
            self.assertEqual(steps.compute([k for k, _, _ in steps.tokens_of(text)]), value)
        for text in ("1/0", "1+", "(1", "1)", "", "1 2", "()", "*3", "9" * 15 + "*9" * 150):
            tokens = steps.tokens_of(text)
            self.assertIsNone(steps.compute([k for k, _, _ in tokens]), text)
        self.assertIsNone(steps.tokens_of("__import__('os')"))
        self.assertIsNone(steps.compute([k for k, _, _ in steps.tokens_of("(" * 5000 + "1")]))

    def test_hostile_solutions_take_no_time(self):
        begin = time.monotonic()
        for text in ("1" * 60000, "1+" * 30000, "(" * 60000, " " * 60000 + "=", "1=" * 30000, "<<" * 30000, "1 + 1 = 2 " * 190, "a " * 30000 + "<<1+1=2>>2", "$" * 60000 + "<<1+1=2>>",
                     "x" * 60000 + "<<2*3=6>>6", "a" + " " * 60000 + "a<<1+1=2>>2", "1" + " " * 60000, ("1 +" + " " * 200) * 300, ("$a " * 60 + "<<1+1=2>>2\n") * 200, "1,111" * 12000, "-" * 60000 + "1 = 1"):
            try:
                steps.equations(text)
            except code.Refused:
                pass
        self.assertLess(time.monotonic() - begin, 60)


class Process:
    def __init__(self, **options):
        script = "\n".join((FOLDER / f"mutate_{part}.py").read_text() for part in ("code", "blocks", "steps", "server"))
        told = {"language": "auto", "controls": 0.2, "operators": [], "cut": False, **options}
        self.child = subprocess.Popen([sys.executable, "-I", "-c", script, str(os.getpid()), "1024", json.dumps(told)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = json.loads(self.child.stdout.readline())

    def ask(self, row, ordinal, seed=1):
        self.child.stdin.write(json.dumps({"id": ordinal, "row": row, "ordinal": ordinal, "seed": seed}) + "\n")
        self.child.stdin.flush()
        reply = json.loads(self.child.stdout.readline())
        assert reply.pop("id") == ordinal
        return reply

    def close(self):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()


PROGRAM = {"prompt": "def f(a, b):\n    \"\"\"Adds.\"\"\"\n", "entry_point": "f", "canonical_solution": "    c = a + b\n    if c > 9:\n        c = 9\n    return c\n"}


class ProcessTest(unittest.TestCase):
    def process(self, **options):
        p = Process(**options)
        self.addCleanup(p.close)
        return p

    def test_names_stand_once_in_the_one_script(self):
        names = [n.name for part in ("code", "blocks", "steps", "server") for n in ast.parse((FOLDER / f"mutate_{part}.py").read_text()).body
                 if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
        self.assertEqual(len(names), len(set(names)))
        for part in ("code", "blocks", "steps", "server"):
            self.assertTrue((FOLDER / f"mutate_{part}.py").read_text().isascii())  # it becomes a string of C

    def test_ordinal_0_is_the_solution_and_a_fixed_part_are_controls(self):
        for share in (0, 0.2, 0.5, 1):
            p = self.process(controls=share)
            kinds = [p.ask(PROGRAM, i).get("operator", "none") for i in range(6)]
            self.assertEqual(kinds[0], "same")
            controls = [server.controls_before(n + 1, share) > server.controls_before(n, share) for n in range(6)]
            self.assertEqual(sum(controls), max(1, int(6 * share)))
            for control, kind in zip(controls, kinds):
                self.assertIn(kind.startswith("same"), (control,) if kind != "none" else (True, False))

    def test_answers_depend_on_the_line_alone(self):
        one, two = self.process(), self.process()
        forward = [one.ask(PROGRAM, i) for i in range(40)]
        backward = [two.ask(PROGRAM, i) for i in reversed(range(40))][::-1]
        self.assertEqual(forward, backward)
        other = [one.ask(PROGRAM, i, seed=2) for i in range(40)]
        self.assertNotEqual(forward, other)
        self.assertEqual(forward[0], other[0])
        for i in range(40):  # remembered problems are few
            one.ask({**PROGRAM, "prompt": f"def f(a, b):\n    \"\"\"{i}\"\"\"\n"}, 3)
        self.assertEqual(one.ask(PROGRAM, 17), forward[17])

    def test_ordinals_differ_and_then_there_are_no_more(self):
        p = self.process()
        got = [p.ask(PROGRAM, i) for i in range(400)]
        texts = [g["text"] for g in got if "text" in g]
        self.assertGreater(len(texts), 20)
        self.assertEqual(len(texts), len(set(texts)))
        self.assertEqual({g["none"] for g in got if "none" in g}, {"no-more-mutants", "no-more-controls"})
        self.assertEqual(p.ask(PROGRAM, 100000), {"none": "no-more-mutants"})
        for text in texts:
            ast.parse(PROGRAM["prompt"] + text)

    def test_operators_can_be_chosen_and_unknown_ones_are_named(self):
        p = self.process(operators=["boundary"])
        self.assertEqual({p.ask(PROGRAM, i).get("operator") for i in range(6)} - {None, "same"}, {"boundary"})
        bad = Process(operators=["sings"])
        self.assertEqual(bad.child.wait(), 1)
        self.assertIs(bad.ready["ready"], False)
        self.assertIn("'sings'", bad.ready["error"])
        bad.close()

    def test_rows_that_cannot_be_used_are_named_and_the_next_one_is_answered(self):
        p = self.process()
        for row, why in (({}, "no-solution"), ({"canonical_solution": 5, "test": "x"}, "no-solution"), ({"answer": "18"}, "no-solution"),
                         ({"solution": "no numbers here"}, "no-equations"), ({"code": "def f(:", "test_list": ["x"]}, "bad-source"),
                         ({"code": "x = '\0'", "test_list": ["x"]}, "bad-source"), ({"code": "x=1\n" * 30000, "test_list": ["x"]}, "too-big"),
                         ({"solution": "1" * (1 << 20)}, "too-big"), ({"solution": "1+1=2 \0"}, "bad-source"), ({"solution": "1+1=2 \ud800"}, "bad-source")):
            self.assertEqual(p.ask(row, 1), {"none": why}, str(row)[:100])
        self.assertEqual(p.ask(JANET, 0), {"operator": "same", "text": JANET["answer"], "whole": True})

    def test_cut_solutions_come_only_when_asked_for(self):
        row = {"question": "Ann has 9 pens.", "answer": "She buys 4+5=<<4+5=9>>9 more.\nOf her 9 pens 2 are red: 9-2=<<9-2=7>>7.\n#### 7"}
        for cut in (False, True):
            p = self.process(cut=cut)
            whole = [g["whole"] for g in (p.ask(row, i) for i in range(60)) if "text" in g]
            self.assertEqual(False in whole, cut)


class RunTest(FolderTest):
    """The recipe for reasoning, from rows to samples."""

    def rows(self, output, problems, generator="{engine: mutate, controls: 0.2}"):
        (self.folder / "problems.jsonl").write_text("".join(json.dumps({"id": str(i), **p}) + "\n" for i, p in enumerate(problems)))
        recipe = (ROOT / "cluster/recipes/defects/reasoning.yaml").read_text().replace("{engine: mutate, controls: 0.2}", generator)
        (self.folder / "run.yaml").write_text(recipe)
        subprocess.run([espalier(), "run", str(self.folder / "run.yaml"), f"problems.file={self.folder}/problems.jsonl",
                        f"run.output={self.folder}/{output}", "samples[0].compress=false"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        out = []
        for path in sorted((self.folder / output / "samples").rglob("*.jsonl")):
            out += [json.loads(line) for line in path.read_text().splitlines()]
        return out

    def test_a_run_gives_wrong_solutions_with_their_place_and_repair(self):
        wrong = {"question": "3 and 5?", "answer": "3+5=8\n8*2=16\n#### 17"}  # its own answer is not that of its equations
        got = self.rows("out", [JANET, {**JANET, "question": "Nobody has 16 eggs.", "solution": JANET["answer"], "answer": "19"}, wrong])
        kept = [r for r in got if not r["dropped"]]
        self.assertEqual({r["problem_id"] for r in kept if not r["is_control"]}, {"0"})
        self.assertEqual({r["dropped"] for r in got if r["problem_id"] == "1"}, {"solution-not-right"})
        self.assertGreater(len(kept), 8)
        for r in kept:
            lines, fix = r["mutated"].splitlines(True), r["fix"]
            self.assertEqual("".join(lines[:fix["begin"]]) + fix["text"] + "".join(lines[fix["end"]:]), r["original"])
            self.assertEqual(r["first_error"], -1 if r["is_control"] else fix["begin"])
            self.assertEqual(r["verdict_mutated"], "pass" if r["is_control"] else "fail")
            self.assertIn(r["operator"], server.STEPS + ("same", "same-commuted"))
        again = self.rows("again", [JANET])
        self.assertEqual([r["mutated"] for r in again], [r["mutated"] for r in got if r["problem_id"] == "0"])

    def test_bugs_that_somebody_else_wrote_pass_the_same_filter(self):
        texts = [JANET["answer"], JANET["answer"].replace("9*2=18>>18", "9*2=19>>19").replace("#### 18", "#### 19"), JANET["answer"].replace("eggs.", "eggs in all.")]
        got = self.rows("out", [{**JANET, "samples": texts}], "{engine: file}")
        self.assertEqual([(r["operator"], r["is_control"], r["first_error"], r["dropped"]) for r in sorted(got, key=lambda r: r["id"])],
                         [(None, True, -1, None), (None, False, 1, None), (None, False, 0, "equivalent")])


if __name__ == "__main__":
    unittest.main()
