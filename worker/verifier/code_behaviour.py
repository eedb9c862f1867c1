# SPDX-License-Identifier: Apache-2.0
# code_behaviour.py - what a program does on a problem's inputs, as one short word; part of the judge (code_judge.py)
#
#     in   {"job": {"text": branch, "row": the problem, "inputs": how many, "most_visible": m}}
#     out  {"verdict": "unknown", "reason": "behaviour", "answer": "behaviour:kdbe..", "passed": inputs without an error, "total": inputs, ..}
#
# Inputs: the row's own field `inputs`, else those of its visible tests, then ones made of them, the same for every program of a problem: a value keeps its
# type, and what it holds is changed.  Programs that do the same on all of them have the same word.
import hashlib

GROW_MOST = 2000  # parts of a made input


def pick(rng, n):
    return int(rng.random() * n)


def size_of(value):
    if isinstance(value, dict):
        return 1 + sum(size_of(v) for v in value.values())
    return 1 + sum(map(size_of, value)) if isinstance(value, (list, tuple)) else len(value) // 8 if isinstance(value, str) else 1


def change_number(rng, n):
    made = [n + 1, n - 1, -n, n * 2, -1 - pick(rng, 10), 0, pick(rng, 100), pick(rng, 1000)][pick(rng, 8)]
    return float(made) if isinstance(n, float) else made


def change_text(rng, s):
    digits = list(re.finditer(r"-?\d+", s))
    if digits and rng.random() < 0.7:
        found = digits[pick(rng, len(digits))]
        return s[:found.start()] + str(change_number(rng, int(found.group()[:300]))) + s[found.end():]
    at = pick(rng, len(s) + 1)
    return [s[:at] + s[at + 1:], s[:at] + s[max(at - 1, 0):], s[::-1], s + s, s[:at], s.swapcase()][pick(rng, 6)]


def change_list(rng, items):
    items, at = list(items), pick(rng, max(len(items), 1))
    how = pick(rng, 6)
    if not items or how == 0:
        return items + items[:1]
    if how == 1:
        return items[:at] + items[at + 1:]
    if how == 2:
        return items[::-1]
    if how == 3:
        return items + [items[at]]
    items[at] = change(rng, items[at])
    return items


def change(rng, value):
    """A value of the same type that holds something else, or by chance the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int) or isinstance(value, float) and value == value and abs(value) < 1e300:
        return change_number(rng, value)
    if isinstance(value, str):
        return change_text(rng, value)
    if isinstance(value, (list, tuple)):
        return type(value)(change_list(rng, value))
    if isinstance(value, dict) and value:
        key = sorted(value, key=repr)[pick(rng, len(value))]
        return {**value, key: change(rng, value[key])}
    return value


# ---- inputs


def literal_call(node):
    """f (1, [2])  ->  ("f", [1, [2]], {}): only what is written out."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    try:
        return node.func.id, [ast.literal_eval(a) for a in node.args], {k.arg: ast.literal_eval(k.value) for k in node.keywords if k.arg}
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


def calls_in(source, names):
    nodes = [n for n in ast.walk(parses(source) or ast.Module([], [])) if isinstance(n, ast.Call)]
    found = map(literal_call, sorted(nodes, key=lambda n: (n.lineno, n.col_offset)))
    return [{"args": c[1], "kwargs": c[2]} for c in found if c and c[0] in names]


def calls_said(row, entry):
    """In any words: "f(2) -> 4", "for f([1]) it returns ..."."""
    tree, found = parses((row.get("prompt") or "") + "\n    pass\n") or parses(row.get("prompt") or ""), []
    texts = [ast.get_docstring(n) or "" for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)] if tree else []
    for text in texts:
        for at in re.finditer(rf"\b{re.escape(entry)}\(", text):
            piece = text[at.start():at.start() + 300]
            ends = [i + 1 for i, c in enumerate(piece) if c == ")"][:20]
            found += next(filter(None, (calls_in(piece[:end], [entry]) for end in ends)), [])
    return found


def input_of(own):
    """A text is an input of a script, a list are the arguments of a call."""
    if isinstance(own, str):
        return {"stdin": own}
    if isinstance(own, list):
        return {"args": own, "kwargs": {}}
    return {"stdin": str(own["stdin"])} if "stdin" in own else {"args": list(own["args"]), "kwargs": dict(own.get("kwargs") or {})}


def given_inputs(row, entry, most_visible):
    own = row.get("inputs")
    if isinstance(own, str):
        own = json.loads(own)
    if own:
        return list(map(input_of, own))
    listed, rows = row.get("test_list") or [], own_rows(row)
    found = [c for source in listed[:most_visible] for c in calls_in(source, [entry])]
    if entry and not listed and not rows:
        found = calls_said(row, entry) or calls_in(row.get("test") or "", [entry, "candidate"])[:most_visible]
    return found + [input_of({"stdin": t.get("stdin", "")} if "stdout" in t else {"args": [], **t}) for t in rows[:most_visible]]


def made_of(rng, given):
    if "stdin" in given:
        return {"stdin": change_text(rng, given["stdin"])}
    args, kwargs = list(given["args"]), dict(given.get("kwargs") or {})
    at = pick(rng, max(len(args) + len(kwargs), 1))
    if at < len(args):
        args[at] = change(rng, args[at])
    elif kwargs:
        key = sorted(kwargs)[at - len(args)]
        kwargs[key] = change(rng, kwargs[key])
    return {"args": args, "kwargs": kwargs}


def all_inputs(row, entry, wanted, most_visible):
    given = given_inputs(row, entry, most_visible)
    text = next((row[k] for k in ("question", "problem", "prompt", "text") if isinstance(row.get(k), str)), "")
    rng = random.Random(int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big"))
    found = []
    for i in range(20 * wanted):
        if not given or len(found) >= wanted:
            break
        made = given[i] if i < len(given) else made_of(rng, found[pick(rng, len(found))])
        if made not in found and (i < len(given) or size_of(list(made.values())) < GROW_MOST):
            found.append(made)
    return found


# ---- what it does


def plain(value):
    """One text for equal values: 1.0 is 1, floats to 9 digits, sets and dicts sorted.  value: as the candidate's process sends it."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, float):
        return str(int(value)) if value == value and abs(value) < 1e15 and value == int(value) else "%.9g" % value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(plain, value)) + "]"
    (mark, body), = value.items()
    if mark in "sf":
        return "{" + ",".join(sorted(map(plain, body))) + "}"
    if mark == "d":
        return "{" + ",".join(sorted(plain(k) + ":" + plain(v) for k, v in body)) + "}"
    return mark + (plain(body) if isinstance(body, list) else str(body)[:10000])


def outcome(candidate, entry, given):
    """(did it end without an error, what it did)"""
    if "stdin" in given:
        answer = candidate.ask({"stdin": given["stdin"]})
        if "raised" in answer or not isinstance(answer.get("stdout"), str):
            return False, "raised"
        return answer.get("status") == 0, f"{answer.get('status') == 0}: " + "\n".join(plain_lines(answer["stdout"]))
    kwargs = {k: encode(v) for k, v in (given.get("kwargs") or {}).items()}
    answer = candidate.ask({"name": entry, "args": encode(list(given["args"])), "kwargs": kwargs})
    if "raised" in answer:
        return False, f"raised {str(answer['raised'])[:100]}"
    return True, plain(answer["value"]) + (" " + plain(answer["args"]) if "args" in answer else "")


def run_inputs(candidate, entry, inputs):
    done = []
    for given in inputs:
        try:
            done.append(outcome(candidate, entry, given))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError):
            raise Ended("bad-answer")
        except Ended as e:  # it is gone: nothing more can be asked
            return done + [(False, e.args[0])]
    return done


def word_of(done):
    """Letters only: nobody takes it for a number."""
    digest = hashlib.sha256("\0".join(text for _, text in done).encode("utf-8", "surrogatepass")).digest()
    return "behaviour:" + "".join(chr(97 + b % 16) + chr(97 + b // 16) for b in digest[:8])


def shown(entry, inputs, done):
    lines = [f"{given['stdin']!r}" if "stdin" in given else f"{entry}({', '.join(map(repr, given['args']))})" for given in inputs[:8]]
    return "\n".join(f"{line[:200]}: {text[:200]}" for line, (_, text) in zip(lines, done))[:MOST_SHOWN]


def behave(channel, job):
    row, said = job["row"], {"verdict": "unknown", "passed": 0, "total": 0, "observation": ""}
    try:
        entry = entry_of(row)
        entry = entry or next((name for name in names_called([e.source for e in examples(row)])), None)
        inputs = all_inputs(row, entry, job["inputs"], job.get("most_visible", 1))
        runs = any("stdin" in i for i in inputs)
        if len({"stdin" in i for i in inputs}) > 1:
            raise ValueError("inputs of both kinds")
        if not inputs or not runs and not entry:
            raise Undecided("no-inputs")
        candidate = Candidate(channel)
        candidate.start(program_of(job["text"], row, None if runs else entry), runs)
        done = run_inputs(candidate, entry, inputs)
        said.update(passed=sum(good for good, _ in done), total=len(inputs), observation=shown(entry, inputs, done))
        if said["passed"] == 0:
            raise Ended("crashed-everywhere")
        if all(text.startswith("o") for good, text in done if good):  # values that are no data
            raise Undecided("cannot-compare")
        said.update(reason="behaviour", answer=word_of(done))
    except Undecided as e:
        said.update(reason=e.args[0])
    except Ended as e:
        said.update(verdict="fail", reason=e.args[0], observation=e.args[1] if len(e.args) > 1 else said["observation"])
    except Exception:
        said.update(reason="bad-problem")
    said["observation"] = said["observation"].encode("utf-8", "replace").decode()
    channel.say(said)
