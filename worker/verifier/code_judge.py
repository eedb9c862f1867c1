# SPDX-License-Identifier: Apache-2.0
# code_judge.py - the trusted side of a code check: runs a problem's tests against values that the candidate's process returns
#
#     in   p{"job": {"text": branch, "row": the problem, "visible": only the visible tests?, "most_visible": m}}
#     out  {"program": text, "run": bool}     for the candidate; its answer comes in: c{"ready": true} or c{"raised": ..}; or, from
#                                             whoever started us, p{"ended": how} or p{"undecided": why}
#     out  {"name": f, "args": [..]} or {"stdin": text}             likewise
#     in   p{"job": {.., "inputs": n}}: what the program does is asked, not whether it is right (code_behaviour.py)
#     out  {"verdict": "pass" | "fail" | "unknown", "reason": .., "passed": n, "total": n, "failed": [test, ..], "observation": text}
#
# The visible tests are the examples of the prompt's docstrings that can be compared; where there are none, the first m tests.
#
# Tests that are programs run in a fork, so that they cannot change the next job's judge.  A test is an assert, a doctest example, a call with its
# result, or a text in with a text out.  Comparison happens here, on exact built-in types.
import ast
import doctest
import gc
import importlib.util
import json
import marshal
import math
import os
import random
import re
import sys

MOST_TESTS, MOST_SHOWN, MOST_AHEAD = 10000, 2000, 500
FENCE = re.compile(r"```[ \t]*([A-Za-z0-9_+.-]*)[^\n]*\n(.*?)(?:```|\Z)", re.S)


class Undecided(BaseException):
    """No verdict: args[0] is the reason."""


class Ended(BaseException):
    """The candidate's process is gone: args[0] says how."""


class Other:
    """A value that could not be sent: whoever looks at it cannot decide."""

    def __init__(self, name):
        object.__setattr__(self, "name", name)

    def __getattribute__(self, name):
        if name == "__class__":
            return Other
        raise Undecided("cannot-compare")

    def _refuse(self, *_):
        raise Undecided("cannot-compare")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __iter__ = __len__ = __getitem__ = __contains__ = __hash__ = _refuse
    __call__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __abs__ = __float__ = __int__ = __str__ = __repr__ = _refuse


class CandidateError(Exception):
    """What the candidate raised, when its type is none of Python's own."""


# ---- the candidate


class Candidate:
    def __init__(self, channel):
        self.channel = channel

    def ask(self, message):
        self.channel.say(message)
        line = self.channel.line()
        if line is None:
            os._exit(0)
        try:
            answer = json.loads(line[1:])
        except (ValueError, RecursionError):
            raise Ended("bad-answer")
        if line[:1] == b"p":
            raise Ended(answer["ended"]) if "ended" in answer else Undecided(answer["undecided"])
        if not isinstance(answer, dict):
            raise Ended("bad-answer")
        return answer

    def start(self, program, run):
        answer = self.ask({"program": program, "run": run})
        if "raised" in answer:
            raise Ended("program-raised", f"{answer['raised']}: {answer.get('text', '')} (line {answer.get('line')})")

    def call(self, name, args, kwargs):
        try:
            answer = self.ask(question(name, args, kwargs))
        except Unsendable:
            raise Undecided("cannot-compare")
        if "raised" in answer:
            raise error_like(str(answer["raised"]), str(answer.get("text", "")))
        try:
            if "args" in answer:
                for mine, after in zip(args, decode(answer["args"], Other)):
                    put_back(mine, after)
            return decode(answer["value"], Other)
        except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError):
            raise Ended("bad-answer")

    def run(self, text):
        answer = self.ask({"stdin": text})
        if "raised" in answer or not isinstance(answer.get("stdout"), str):
            raise error_like(str(answer.get("raised")), str(answer.get("text", "")))
        return answer["stdout"], answer.get("status")


class RemoteCandidate(Candidate):
    """A server runs program and questions, and nothing stays there.  Questions that can be seen in the tests are asked together.

    out  {"program": text, "run": bool, "questions": [..]}     in  p{"stdout": lines, "ended": how} or p{"stdout": .., "undecided": why}
    """

    def __init__(self, channel, ahead):
        super().__init__(channel)
        self.known, self.ahead = {}, ahead

    def run_all(self, questions):
        self.channel.say({"program": self.program, "run": self.as_script, "questions": questions})
        line = self.channel.line()
        if line is None:
            os._exit(0)
        said = json.loads(line[1:])
        if "stdout" not in said:
            raise Undecided(said["undecided"])
        end = Undecided(said["undecided"]) if "undecided" in said else Ended(said["ended"])
        return [self.answer_in(text) for text in said["stdout"].split("\n")[:-1][:len(questions) + 1]], end

    @staticmethod
    def answer_in(text):
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            return Ended("bad-answer")
        return answer if isinstance(answer, dict) else Ended("bad-answer")

    def start(self, program, run):
        self.program, self.as_script = program, run
        answers, end = self.run_all(self.ahead)
        first = answers[0] if answers else end
        if isinstance(first, BaseException):
            raise first
        if "raised" in first:
            raise Ended("program-raised", f"{first['raised']}: {first.get('text', '')} (line {first.get('line')})")
        self.note(self.ahead, answers[1:], end)

    def note(self, questions, answers, end):
        """The first that was not answered is the one at which it ended."""
        for question, answer in zip(questions, answers + [end]):
            self.known[to_json(question)] = answer

    def ask(self, message):
        key = to_json(message)
        if key not in self.known:
            answers, end = self.run_all([message])
            self.note([message], answers[1:], end)
        answer = self.known[key]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def questions_ahead(row, entry, visible):
    """What the tests will ask, as far as it is written out in them."""
    if visible:
        return []
    found = [{"stdin": str(t.get("stdin", ""))} if "stdout" in t else question(t["call"], t.get("args", []), t.get("kwargs", {})) for t in own_rows(row)]
    for source in (row.get("test_list") or []) + [row.get("test") or ""]:
        calls = map(literal_call, ast.walk(parses(source) or ast.Module([], [])))
        found += [question(entry if name == "candidate" else name, args, kwargs) for name, args, kwargs in filter(None, calls)
                  if entry and name in ("candidate", entry)]
    return found[:MOST_AHEAD]


def question(name, args, kwargs):
    return {"name": name, "args": encode(list(args)), "kwargs": {k: encode(v) for k, v in kwargs.items()}}


def put_back(mine, after):
    """What a call did to a list, dict or set that it was given."""
    if type(mine) is not type(after):
        return
    if isinstance(mine, list):
        mine[:] = after
    elif isinstance(mine, (dict, set)):
        mine.clear()
        mine.update(after)


def error_like(name, text):
    own = getattr(__import__("builtins"), name, None)
    if isinstance(own, type) and issubclass(own, Exception):
        try:
            return own(text)
        except TypeError:
            pass
    return CandidateError(f"{name}: {text}")


# ---- the program in a branch's text


def parses(source):
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def defines(source, name):
    tree = parses(source)
    return tree is not None and (not name or any(
        isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.name == name or
        isinstance(n, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in n.targets) for n in tree.body))


def head_of(row, entry):
    """The prompt, where a program may be what follows it: HumanEval's, and any other that begins the function."""
    prompt = row.get("prompt")
    if not isinstance(prompt, str):
        return ""
    return prompt if row.get("test") or entry and defines(prompt + "\n    pass\n", entry) else ""


def program_of(text, row, entry):
    """The last block of code that defines the entry point; else the text itself, alone or as the prompt's continuation."""
    if "\0" in text:
        raise Ended("bad-source")
    given = head_of(row, entry)
    blocks = [body for language, body in FENCE.findall(text) if language.lower() in ("", "python", "python3", "py")]
    for body in reversed(blocks):
        for source in (body, given + body):
            if defines(source, entry):
                return source
    if given and defines(given + text, entry) and not defines(text, entry):
        return given + text
    return blocks[-1] if blocks else text if defines(text, entry) or not given else given + text


# ---- tests


class Enough(BaseException):
    """The visible tests are through."""


class Tally:
    def __init__(self, most=None):
        self.total, self.failed, self.shown, self.most = 0, [], "", most

    def note(self, ok, what, text=""):
        if self.most is not None and self.total >= self.most:
            raise Enough
        if self.total >= MOST_TESTS:
            raise Undecided("too-many-tests")
        if not ok:
            self.failed.append(self.total)
            self.shown = self.shown or f"{what}{': ' + text if text else ''}"[:MOST_SHOWN]
        self.total += 1


class Asserts(ast.NodeTransformer):
    """assert x  ->  try: note (bool (x))  except Exception: note (False).  All of them count, not only those before the first failure."""

    def visit_Assert(self, node):
        what = ast.unparse(node)
        new = ast.parse("try:\n    __note(bool(0), '')\nexcept Exception as __e:\n    __note(False, '', type(__e).__name__ + ': ' + str(__e))").body[0]
        new.body[0].value.args = [ast.Call(ast.Name("bool", ast.Load()), [node.test], []), ast.Constant(what)]
        new.handlers[0].body[0].value.args[1] = ast.Constant(what)
        return ast.fix_missing_locations(ast.copy_location(new, node))

    def visit_Try(self, node):
        return node  # "try: candidate (..); assert False; except ValueError": as it stands


def run_asserts(source, space, tally):
    tree = parses(source)
    if tree is None:
        raise Undecided("tests-do-not-parse")
    space["__note"] = tally.note
    try:
        exec(compile(Asserts().visit(tree), "<tests>", "exec"), space)
        return space
    except Exception as e:
        tally.note(False, "the tests", f"{type(e).__name__}: {e}")
    return space


def helpers(row):
    """What the prompt itself defines beside the entry point."""
    space = {"__name__": "__tests__"}
    for source in (row.get("test_setup_code"), "\n".join(row.get("test_imports") or []), row.get("prompt") if row.get("test") else None):
        for tail in ("", "\n    pass\n"):
            if source and parses(source + tail) is not None:
                exec(compile(source + tail, "<prompt>", "exec"), space)
                break
    return space


def names_called(sources):
    found = []
    for source in sources:
        for n in ast.walk(parses(source) or ast.Module([], [])):
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id not in found:
                found.append(n.func.id)
    return [name for name in found if not hasattr(__import__("builtins"), name)]


def proxy(candidate, name):
    def called(*args, **kwargs):
        return candidate.call(name, args, kwargs)
    called.__name__ = name
    return called


def examples(row):
    source = row.get("prompt") or ""
    tree = parses(source + "\n    pass\n") or parses(source)
    texts = [ast.get_docstring(n) or "" for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)] if tree else []
    found = []
    for text in texts:
        try:
            found += [e for e in doctest.DocTestParser().get_examples(text) if e.want]
        except ValueError:  # it only looks like examples
            pass
    return found


def run_example(example, space, tally):
    try:
        wanted, code = ast.literal_eval(example.want.strip()), compile(example.source.strip(), "<example>", "eval")
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return  # not a value that can be compared
    try:
        value = eval(code, space)
        tally.note(same(value, wanted), example.source.strip(), f"gives {value!r}, not {wanted!r}")
    except Exception as e:
        tally.note(False, example.source.strip(), f"{type(e).__name__}: {e}")


def same(a, b):
    if isinstance(a, float) and isinstance(b, (int, float)) or isinstance(b, float) and isinstance(a, (int, float)):
        return a == b or math.isclose(a, b, rel_tol=1e-7, abs_tol=1e-6) or (a != a and b != b)
    if isinstance(a, (list, tuple)) and type(a) is type(b) and len(a) == len(b):
        return all(same(x, y) for x, y in zip(a, b))
    return type(a) is type(b) and a == b or isinstance(a, (bool, int)) and isinstance(b, (bool, int)) and a == b


def plain_lines(text):
    return [line.rstrip() for line in text.rstrip().split("\n")]


def run_rows(candidate, rows, tally):
    """Our own format: {"call": f, "args": [..], "result": v}, {"stdin": .., "stdout": ..}."""
    for t in rows:
        if "stdout" in t:
            out, status = candidate.run(str(t.get("stdin", "")))
            tally.note(status == 0 and plain_lines(out) == plain_lines(str(t["stdout"])), f"input {str(t.get('stdin', ''))[:200]!r}",
                       f"gives {out[:500]!r}, status {status}")
            continue
        what = f"{t['call']}({', '.join(map(repr, t.get('args', [])))})"[:300]
        try:
            value = candidate.call(t["call"], t.get("args", []), t.get("kwargs", {}))
            tally.note(same(as_json(value), t.get("result")), what, f"gives {value!r}, not {t.get('result')!r}")
        except Exception as e:
            tally.note(False, what, f"{type(e).__name__}: {e}")


def as_json(value):
    """JSON has no tuples and only texts as keys."""
    if isinstance(value, (list, tuple)):
        return [as_json(v) for v in value]
    if isinstance(value, dict):
        return {k if isinstance(k, str) else str(k): as_json(v) for k, v in value.items()}
    return value


def own_rows(row):
    """Rows of our format from the field `tests`, also as APPS and LiveCodeBench write it."""
    tests = row.get("tests", row.get("input_output"))
    if isinstance(tests, str):
        tests = json.loads(tests)
    if isinstance(tests, dict):
        name, pairs = tests.get("fn_name"), list(zip(tests["inputs"], tests["outputs"]))
        tests = [{"call": name, "args": i, "result": o} if name else {"stdin": i, "stdout": o} for i, o in pairs]
    return tests or []


def entry_of(row):
    if isinstance(row.get("entry_point"), str):
        return row["entry_point"]
    called = [t["call"] for t in own_rows(row) if "call" in t] or names_called(row.get("test_list") or [])
    space = helpers(row) if called else {}
    return next((name for name in called if name not in space), None)


def run_tests(candidate, row, entry, visible, tally):
    space = helpers(row)
    listed, rows = row.get("test_list") or [], own_rows(row)
    for name in ([entry] if entry else []) + [n for n in names_called(listed) if n not in space]:
        space[name] = proxy(candidate, name)
    if visible:
        most, tally.most = tally.most, None
        for e in [] if listed or rows else examples(row):
            run_example(e, space, tally)
        if tally.total > 0:
            return
        tally.most, listed, rows = most, listed[:most], rows[:most]
    for source in listed:
        run_asserts(source, space, tally)
    run_rows(candidate, rows, tally)
    if isinstance(row.get("test"), str):
        run_asserts(row["test"], space, tally)
        if callable(space.get("check")):
            run_asserts("check(__entry)", {**space, "__entry": space[entry]} if entry else space, tally)


def has_tests(row):
    return bool(row.get("test") or row.get("test_list") or own_rows(row))


def judge(channel, job):
    row, visible = job["row"], job.get("visible", False)
    tally = Tally(job.get("most_visible", 1) if visible else None)
    random.seed(0)
    verdict = reason = None
    try:
        if not has_tests(row):
            raise Undecided("no-tests")
        entry = entry_of(row)
        candidate = RemoteCandidate(channel, questions_ahead(row, entry, visible)) if job.get("remote") else Candidate(channel)
        candidate.start(program_of(job["text"], row, entry), entry is None)
        try:
            run_tests(candidate, row, entry, visible, tally)
        except Enough:
            pass
        if tally.total == 0:
            raise Undecided("no-tests")
        verdict, reason = ("fail", "tests-failed") if tally.failed else ("pass", "tests-passed")
    except Undecided as e:
        verdict, reason = "unknown", e.args[0]
    except Ended as e:
        verdict, reason = "fail", e.args[0]
        tally.shown = e.args[1] if len(e.args) > 1 else tally.shown
    except Exception:
        verdict, reason = "unknown", "bad-problem"
    channel.say({"verdict": verdict, "reason": reason, "passed": tally.total - len(tally.failed), "total": tally.total,
                 "failed": tally.failed[:200], "observation": tally.shown.encode("utf-8", "replace").decode()})


def compiled(source):
    """A .pyc file, as hex digits."""
    return (importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(compile(source, "<runner>", "exec"))).hex()


def runs_code(row):
    """Only such tests can harm the judge: they get one of their own."""
    return any(row.get(key) for key in ("test", "test_list", "test_setup_code", "test_imports")) or not own_rows_are_plain(row)


def own_rows_are_plain(row):
    try:
        return bool(own_rows(row))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False


def main():
    channel = Lines(os.dup(0))
    nothing = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    channel.say({"ready": True, "version": sys.version.split()[0], "runner": compiled(sys.argv[1])})
    gc.freeze()  # forks share what is there
    while (line := channel.line()) is not None:
        job = json.loads(line[1:])["job"]
        work = behave if "inputs" in job else judge
        if work is judge and not runs_code(job["row"]):
            judge(channel, job)
            continue
        child = os.fork()
        if child == 0:
            try:
                work(channel, job)
            finally:
                os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            channel.say({"verdict": "unknown", "reason": "tests-crashed", "passed": 0, "total": 0, "failed": [], "observation": ""})


main()
