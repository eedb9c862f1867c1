# SPDX-License-Identifier: Apache-2.0
# mutate_code.py - one small bug in a Python program: edits of its text, found on Python's own ast
#
# A program is only parsed, never run.  An edit (operator, begin, end, new) replaces bytes of the text, so that all else stays as it was written.
# Names of operators that begin with "same-" change the text and not the meaning: they are controls.
import ast
import re

LONGEST, DEEPEST, MOST_NODES = 1 << 16, 60, 20000  # bytes, nesting, nodes of a tree

OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**", ast.BitAnd: "&",
             ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
             ast.Eq: "==", ast.NotEq: "!=", ast.In: "in", ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not", ast.And: "and", ast.Or: "or"}
INVERTED = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "==", "in": "not in", "not in": "in", "is": "is not", "is not": "is"}
MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
BOUNDARY = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
ARITHMETIC = {"+": "-*", "-": "+", "*": "+", "/": ("//", "*"), "//": "/%", "%": ("//",), "**": "*", "&": "|", "|": "&", "^": "|", "<<": (">>",),
              ">>": ("<<",)}
RELATED = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor", "sum": "max", "upper": "lower", "lower": "upper",
           "isupper": "islower", "islower": "isupper", "startswith": "endswith", "endswith": "startswith", "lstrip": "rstrip", "rstrip": "lstrip",
           "find": "rfind", "index": "rindex", "append": "extend", "add": "discard", "isdigit": "isalpha", "isalpha": "isalnum", "ceiling": "floor",
           "union": "intersection", "intersection": "union", "sorted": "list", "keys": "values", "values": "keys", "insort": "append"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
SCOPES = FUNCTIONS + (ast.ClassDef,)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
ATOMS = (ast.Name, ast.Constant, ast.Call, ast.Attribute, ast.Subscript, ast.List, ast.Dict, ast.Set, ast.ListComp)
FRESH = ("value", "current", "out", "acc", "entry", "temp", "res", "cur", "elem", "val")


class Refused(Exception):
    """args[0] says why: a stable name."""


def parse(source):
    """The tree of a text, or Refused."""
    if len(source.encode("utf-8", "surrogatepass")) > LONGEST:
        raise Refused("too-big")
    try:
        source.encode("utf-8")
        tree = ast.parse(source)
    except (RecursionError, MemoryError):
        raise Refused("too-deep")
    except (SyntaxError, ValueError):
        raise Refused("bad-source")
    measure(tree)
    return tree


def measure(tree):
    level, depth, nodes = [tree], 0, 0
    while level:
        nodes, depth = nodes + len(level), depth + 1
        if depth > DEEPEST or nodes > MOST_NODES:
            raise Refused("too-deep" if depth > DEEPEST else "too-big")
        level = [child for n in level for child in ast.iter_child_nodes(n)]


class Program:
    """A text, its tree, and where the nodes stand.  Edits begin at byte `first` or later."""

    def __init__(self, source, first=0, only=None):
        self.tree = parse(source)
        self.bytes = source.encode()
        self.first = first
        self.lines = [0]
        for line in self.bytes.split(b"\n"):
            self.lines.append(self.lines[-1] + len(line) + 1)
        self.parent = {child: n for n in walk(self.tree) for child in ast.iter_child_nodes(n)}
        self.functions = [n for n in walk(self.tree) if isinstance(n, FUNCTIONS[:2]) and (not only or n.name == only)]

    def begin(self, n):
        return self.lines[n.lineno - 1] + n.col_offset

    def end(self, n):
        return self.lines[n.end_lineno - 1] + n.end_col_offset

    def text(self, n):
        return self.bytes[self.begin(n):self.end(n)].decode()

    def slice(self, begin, end):
        return self.bytes[begin:end].decode()

    def own_lines(self, first, last):
        """Bytes of the whole lines of these statements, or None: something else stands there too."""
        begin, end = self.lines[first.lineno - 1], self.lines[last.end_lineno]
        if self.bytes[begin:self.begin(first)].strip() or not re.fullmatch(rb"\s*(#.*)?\s*", self.bytes[self.end(last):end]):
            return None
        return begin, min(end, len(self.bytes))

    def indent(self, n):
        return self.slice(self.lines[n.lineno - 1], self.begin(n))

    def inside(self):
        """Every node of the functions that counts: no annotations, no decorators, no text inside f-strings (their places are not known)."""
        seen = set()
        for f in self.functions:
            todo = list(f.args.defaults + f.args.kw_defaults) + f.body[::-1]
            while todo:
                n = todo.pop()
                if n is None or id(n) in seen or isinstance(n, (ast.JoinedStr, ast.ClassDef)) or is_docstring(n, self.parent):
                    continue
                seen.add(id(n))
                if hasattr(n, "lineno"):
                    yield n, f
                if isinstance(n, FUNCTIONS[:2]):
                    continue  # an inner function is one of self.functions, or not wanted
                todo += [c for c in ast.iter_child_nodes(n) if not (isinstance(n, ast.AnnAssign) and c is n.annotation)][::-1]


def walk(tree):
    todo = [tree]
    while todo:
        n = todo.pop()
        yield n
        todo.extend(reversed(list(ast.iter_child_nodes(n))))


def is_docstring(n, parent):
    return isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant) and isinstance(n.value.value, str)


def operator_between(p, begin, end, token):
    """Where the operator stands between two operands; None with a comment in between."""
    gap = p.slice(begin, end)
    if "#" in gap:
        return None
    word = r"\s+".join(re.escape(part) for part in token.split())
    found = re.search(rf"\b{word}\b" if token[0].isalpha() else word, gap)
    return (begin + len(gap[:found.start()].encode()), begin + len(gap[:found.end()].encode())) if found else None


# ---- expressions


def compare(p, n):
    sides = [n.left] + n.comparators
    for left, op, right in zip(sides, n.ops, n.comparators):
        token = OPERATORS[type(op)]
        at = operator_between(p, p.end(left), p.begin(right), token)
        if not at:
            continue
        yield "compare-inverted", *at, INVERTED[token]
        if token in BOUNDARY:
            yield "boundary", *at, BOUNDARY[token]
            yield "compare-mirrored", *at, MIRRORED[token]
        if token in MIRRORED or token in ("==", "!="):
            if len(n.ops) == 1 and isinstance(n.left, ATOMS) and isinstance(right, ATOMS):
                yield "same-mirrored", p.begin(n), p.end(n), f"{p.text(right)} {MIRRORED.get(token, token)} {p.text(n.left)}"


def boolean(p, n):
    token = OPERATORS[type(n.op)]
    for left, right in zip(n.values, n.values[1:]):
        at = operator_between(p, p.end(left), p.begin(right), token)
        if at:
            yield "boolean-operator", *at, "or" if token == "and" else "and"
    if len(n.values) == 2:
        yield "condition-dropped", p.begin(n), p.end(n), p.text(n.values[0])
        yield "condition-dropped", p.begin(n), p.end(n), p.text(n.values[1])


def is_text(n):
    return isinstance(n, (ast.JoinedStr, ast.List, ast.ListComp)) or isinstance(n, ast.Constant) and isinstance(n.value, (str, bytes))


def binary(p, n):
    token = OPERATORS.get(type(n.op))
    at = token and operator_between(p, p.end(n.left), p.begin(n.right), token)
    if not at:
        return
    for new in () if is_text(n.left) or is_text(n.right) else ARITHMETIC[token]:
        yield "binary-operator", *at, new
    left, right = p.slice(p.begin(n), at[0]).rstrip(), p.slice(at[1], p.end(n)).lstrip()
    swapped = p.slice(p.begin(n) + len(left.encode()), at[0]) + token + p.slice(at[1], p.end(n) - len(right.encode()))
    if token in ("-", "/", "//", "%", "**", "<<", ">>") or is_text(n.left) or is_text(n.right):
        yield "operands-swapped", p.begin(n), p.end(n), right + swapped + left
    elif token == "*" and isinstance(n.left, ATOMS) and isinstance(n.right, ATOMS):
        yield "same-commuted", p.begin(n), p.end(n), right + swapped + left
    if token in ("+", "-", "*", "%"):
        yield "operand-dropped", p.begin(n), p.end(n), left


def augmented(p, n):
    token = OPERATORS.get(type(n.op))
    at = token and operator_between(p, p.end(n.target), p.begin(n.value), token + "=")
    if not at:
        return
    for new in () if is_text(n.value) else ARITHMETIC[token]:
        yield "binary-operator", *at, new + "="
    yield "update-became-assignment", *at, "="
    if isinstance(n.target, ast.Name) and not is_text(n.value):
        value = p.text(n.value)
        value = value if isinstance(n.value, ATOMS) else f"({value})"
        yield "same-expanded", p.begin(n), p.end(n), f"{n.target.id} = {n.target.id} {token} {value}"


def unary(p, n):
    if isinstance(n.op, ast.Not):
        yield "negation", p.begin(n), p.begin(n.operand), ""
    elif isinstance(n.op, ast.USub):
        yield "sign", p.begin(n), p.begin(n.operand), ""


def plain_number(n):
    return isinstance(n, ast.Constant) and type(n.value) in (int, float)


def constant(p, n):
    above = p.parent.get(n)
    if isinstance(above, ast.Slice) or isinstance(above, ast.Subscript) and n is above.slice:
        return  # slice_bounds, index
    if type(n.value) is bool:
        yield "constant", p.begin(n), p.end(n), str(not n.value)
    elif type(n.value) is int and re.fullmatch(r"\d+", p.text(n)) and n.value < 1 << 62:
        yield "off-by-one", p.begin(n), p.end(n), str(n.value + 1)
        if n.value > 0:
            yield "off-by-one", p.begin(n), p.end(n), str(n.value - 1)
    elif type(n.value) is float and re.fullmatch(r"\d+\.\d+", p.text(n)):
        yield "constant", p.begin(n), p.end(n), repr(n.value + 1)
    elif n.value is None and isinstance(above, ast.Return):
        yield "constant", p.begin(n), p.end(n), "0"
    elif isinstance(n.value, str) and re.fullmatch(r"(['\"])[A-Za-z0-9]\1", p.text(n)):
        yield "constant", p.begin(n), p.end(n), p.text(n)[0] + chr(ord(n.value) + (-1 if n.value in "zZ9" else 1)) + p.text(n)[0]


def shifted(p, n):
    """n + 1 and n - 1, as one would write them."""
    if re.fullmatch(r"-?\d{1,18}", p.text(n)):
        return [str(int(p.text(n)) + 1), str(int(p.text(n)) - 1)]
    if isinstance(n, ast.BinOp) and isinstance(n.op, (ast.Add, ast.Sub)) and plain_number(n.right) and n.right.value == 1:
        return [p.text(n.left)]
    text = p.text(n)
    text = text if isinstance(n, ATOMS + (ast.BinOp,)) and not isinstance(getattr(n, "op", None), (ast.BitAnd, ast.BitOr)) else f"({text})"
    return [f"{text} + 1", f"{text} - 1"]


def slice_bounds(p, n):
    for bound in (n.lower, n.upper):
        if bound is None:
            continue
        for new in shifted(p, bound):
            yield "slice-bound", p.begin(bound), p.end(bound), new
        yield "slice-bound", p.begin(bound), p.end(bound), ""
    if n.step is not None and re.fullmatch(r"-?\d+", p.text(n.step)):
        yield "slice-step", p.begin(n.step), p.end(n.step), "1" if p.text(n.step) != "1" else "2"


def subscript(p, n):
    where = n.slice
    if isinstance(where, (ast.Slice, ast.Tuple)) or isinstance(where, ast.Constant) and not isinstance(where.value, int) or not isinstance(n.ctx, ast.Load):
        return
    if isinstance(where, (ast.Constant, ast.UnaryOp, ast.BinOp, ast.Name)):
        for new in shifted(p, where):
            yield "index", p.begin(where), p.end(where), new


def call(p, n):
    name = n.func.id if isinstance(n.func, ast.Name) else n.func.attr if isinstance(n.func, ast.Attribute) else ""
    if name in RELATED and not (name in ("sorted", "sum") and (n.keywords or len(n.args) != 1)):
        end = p.end(n.func)
        yield "wrong-function", end - len(name.encode()), end, RELATED[name]
    plain = [a for a in n.args if not isinstance(a, ast.Starred)]
    for a, b in zip(plain, plain[1:]):
        if p.text(a) != p.text(b):
            yield "arguments-swapped", p.begin(a), p.end(b), p.text(b) + p.slice(p.end(a), p.begin(b)) + p.text(a)
    if name == "range" and isinstance(n.func, ast.Name) and not n.keywords and plain == n.args:
        yield from range_bounds(p, n)
    for k in n.keywords:
        if isinstance(k.value, ast.Constant) and type(k.value.value) is bool:
            yield "keyword-argument", p.begin(k.value), p.end(k.value), str(not k.value.value)
        elif k.arg in ("key", "default", "reverse") and len(n.keywords) == 1 and n.args:
            yield "keyword-argument", p.end(n.args[-1]), p.end(k.value), ""
    if isinstance(n.func, ast.Attribute) and not n.args and not n.keywords and isinstance(n.func.value, (ast.Call, ast.Name, ast.Subscript)):
        yield "call-dropped", p.begin(n), p.end(n), p.text(n.func.value)
    elif isinstance(n.func, ast.Name) and name in ("abs", "int", "round", "sorted", "set", "str", "list") and len(n.args) == 1 and not n.keywords:
        yield "call-dropped", p.begin(n), p.end(n), f"({p.text(n.args[0])})" if not isinstance(n.args[0], ATOMS) else p.text(n.args[0])


def range_bounds(p, n):
    for a in n.args[:2]:
        for new in shifted(p, a):
            yield "range-bound", p.begin(a), p.end(a), new
    if len(n.args) == 1:
        yield "range-bound", p.begin(n.args[0]), p.begin(n.args[0]), "1, "
    elif len(n.args) == 2:
        yield "range-bound", p.begin(n.args[0]), p.begin(n.args[1]), ""


def choice(p, n):
    yield "branches-swapped", p.begin(n), p.end(n), f"{p.text(n.orelse)} if {p.text(n.test)} else {p.text(n.body)}"
    yield "branch-dropped", p.begin(n), p.end(n), p.text(n.body)


def default_values(p, f):
    for d in f.args.defaults + [d for d in f.args.kw_defaults if d]:
        if isinstance(d, ast.Constant) and type(d.value) is int:
            yield "default-value", p.begin(d), p.end(d), str(d.value + 1)
        elif isinstance(d, ast.Constant) and type(d.value) is bool:
            yield "default-value", p.begin(d), p.end(d), str(not d.value)


# ---- names


class Names:
    """What a function binds itself, and where first."""

    def __init__(self, p, f):
        self.first, self.loads, self.stores, self.foreign = {}, [], [], set()
        for a in f.args.posonlyargs + f.args.args + f.args.kwonlyargs:
            self.first[a.arg] = (f.lineno, 0)
        self.parameters = set(self.first)
        todo = list(f.body)
        while todo:
            n = todo.pop()
            if isinstance(n, (ast.Global, ast.Nonlocal)):
                self.foreign.update(n.names)
            if isinstance(n, SCOPES + (ast.JoinedStr,)):
                self.foreign.update(m.id for m in walk(n) if isinstance(m, ast.Name))
                self.foreign.update(m.arg for m in walk(n) if isinstance(m, ast.arg))
                continue
            if isinstance(n, COMPREHENSIONS):
                self.comprehension(n)
                continue
            if isinstance(n, ast.Name):
                self.note(n)
            todo.extend(ast.iter_child_nodes(n))

    def note(self, n):
        if isinstance(n.ctx, ast.Load):
            self.loads.append(n)
        else:
            self.stores.append(n)
            here = (n.lineno, n.col_offset)
            self.first[n.id] = min(self.first.get(n.id, here), here)

    def comprehension(self, n):
        """Its own names are nobody else's; what it reads from outside is read here."""
        names = [m for m in walk(n) if isinstance(m, ast.Name)]
        own = {m.id for m in names if isinstance(m.ctx, ast.Store)}
        self.foreign.update(own)
        self.loads += [m for m in names if isinstance(m.ctx, ast.Load) and m.id not in own]

    def at(self, n):
        """Others that are bound before this place."""
        return [name for name in sorted(self.first) if name != n.id and name not in self.foreign and self.first[name] < (n.lineno, 0)]


def wrong_names(p, f, names):
    for n in names.loads:
        if n.id not in names.first or isinstance(p.parent.get(n), ast.Call) and p.parent[n].func is n:
            continue
        for other in names.at(n):
            operator = "return-value" if isinstance(p.parent.get(n), ast.Return) else "wrong-variable"
            yield operator, p.begin(n), p.end(n), other


def renamed(p, f, names):
    used = {m.id for m in walk(p.tree) if isinstance(m, ast.Name)} | {m.arg for m in walk(p.tree) if isinstance(m, ast.arg)}
    for name in sorted(names.first):
        if name in names.parameters or name in names.foreign:
            continue
        new = next((word for word in FRESH if word not in used), None)
        places = sorted((p.begin(m), p.end(m)) for m in names.loads + names.stores if m.id == name)
        if not new or any(p.slice(*place) != name for place in places):
            continue
        begin, end = places[0][0], places[-1][1]
        text, at = "", begin
        for a, b in places:
            text, at = text + p.slice(at, a) + new, b
        yield "same-renamed", begin, end, text


# ---- statements


def condition(p, n):
    if isinstance(n.test, ast.UnaryOp) and isinstance(n.test.op, ast.Not) or isinstance(n.test, ast.Compare) and len(n.test.ops) == 1:
        return  # negation, compare-inverted
    text = p.text(n.test)
    yield "condition-inverted", p.begin(n.test), p.end(n.test), f"not {text}" if isinstance(n.test, ATOMS) else f"not ({text})"


def dedented(p, block, indent):
    """The text of a block with another indent, or None: a text of several lines is in it."""
    place = p.own_lines(block[0], block[-1])
    if not place or any(isinstance(m, (ast.Constant, ast.JoinedStr)) and m.end_lineno > m.lineno for s in block for m in walk(s) if hasattr(m, "lineno")):
        return None
    old, lines = p.indent(block[0]), p.slice(*place).splitlines(True)
    if any(line.strip() and not line.startswith(old) for line in lines):
        return None
    return "".join(indent + line[len(old):] if line.strip() else line for line in lines)


def is_elif(p, n):
    above = p.parent.get(n)
    return isinstance(above, ast.If) and n in above.orelse and p.text(n).startswith("elif")


def conditional(p, n):
    yield from condition(p, n)
    place = p.own_lines(n, n)
    if not place:
        return
    if n.orelse:
        first = n.orelse[0]
        last_of_body = n.body[-1]
        if not is_elif(p, first) or not first.orelse:
            yield "else-removed", p.lines[last_of_body.end_lineno], place[1], ""
        return
    if is_elif(p, n):
        return
    if alone(p, n):
        return
    leaves = isinstance(n.body[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break))
    yield "missing-case" if leaves else "conditional-removed", *place, ""
    body = None if leaves else dedented(p, n.body, p.indent(n))
    if body:
        yield "condition-removed", *place, body


def block_of(p, n):
    above = p.parent.get(n)
    for field in ("body", "orelse", "finalbody"):
        block = getattr(above, field, None)
        if isinstance(block, list) and n in block:
            return block
    return []


def alone(p, n):
    """Nothing would be left of its block."""
    return len([s for s in block_of(p, n) if not is_docstring(s, p.parent)]) < 2


def removed(p, n, names):
    place = p.own_lines(n, n)
    if not place:
        return
    if isinstance(n, (ast.Continue, ast.Break)) and alone(p, n):
        yield "jump-removed", p.begin(n), p.end(n), "pass"
    if alone(p, n):
        return
    if isinstance(n, (ast.For, ast.While)):
        yield "loop-removed", *place, ""
    elif isinstance(n, (ast.Continue, ast.Break)):
        yield "jump-removed", *place, ""
    elif isinstance(n, ast.AugAssign) or isinstance(n, ast.Expr) and isinstance(n.value, ast.Call):
        yield "statement-removed", *place, ""
    elif isinstance(n, ast.Assign) and all(isinstance(m, ast.Subscript) for m in n.targets):
        yield "statement-removed", *place, ""
    elif isinstance(n, ast.Assign) and all(bound_before(n, m, names) for t in n.targets for m in walk(t) if isinstance(m, ast.Name)):
        yield "assignment-removed", *place, ""


def bound_before(n, name, names):
    return names.first.get(name.id, (n.lineno, 0)) < (n.lineno, 0)


SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr, ast.Return, ast.If, ast.For, ast.While)


def shuffled(p, n):
    """Two neighbours of one block change places."""
    block = block_of(p, n)
    after = block[block.index(n) + 1] if n in block[:-1] else None
    if after is None or not isinstance(n, SIMPLE[:3]) or not isinstance(after, SIMPLE) or is_docstring(n, p.parent):
        return
    one, two = p.own_lines(n, n), p.own_lines(after, after)
    if one and two and p.bytes[two[1] - 1:two[1]] == b"\n" and isinstance(after, SIMPLE[:3]):
        yield "statements-swapped", one[0], two[1], p.slice(*two) + p.slice(one[1], two[0]) + p.slice(*one)


def indented(p, n):
    """Into the loop before it, or out of the loop that it ends."""
    block, place, above = block_of(p, n), p.own_lines(n, n), p.parent.get(n)
    if not place or n.lineno != n.end_lineno or not block:
        return
    before = block[block.index(n) - 1] if block.index(n) > 0 else None
    if isinstance(n, ast.Return) and isinstance(before, (ast.For, ast.While)) and not before.orelse and p.own_lines(before, before):
        yield "return-too-early", *place, p.indent(before.body[0]) + p.slice(p.begin(n), place[1])
    if isinstance(above, (ast.For, ast.While)) and block is above.body and n is block[-1] and len(block) > 1 and not above.orelse and p.own_lines(above, above):
        if not isinstance(n, (ast.Continue, ast.Break)):
            yield "out-of-loop", *place, p.indent(above) + p.slice(p.begin(n), place[1])


def returned(p, n):
    if isinstance(n.value, ast.BinOp):
        yield "return-value", p.begin(n.value), p.end(n.value), p.text(n.value.left)
    elif isinstance(n.value, ast.Tuple) and len(n.value.elts) == 2 and p.text(n.value.elts[0]) != p.text(n.value.elts[1]):
        a, b = n.value.elts
        yield "arguments-swapped", p.begin(a), p.end(b), p.text(b) + p.slice(p.end(a), p.begin(b)) + p.text(a)


EXPRESSIONS = {ast.Compare: compare, ast.BoolOp: boolean, ast.BinOp: binary, ast.AugAssign: augmented, ast.UnaryOp: unary, ast.Constant: constant,
               ast.Slice: slice_bounds, ast.Subscript: subscript, ast.Call: call, ast.IfExp: choice, ast.If: conditional, ast.While: condition,
               ast.Return: returned}


def edits(p):
    """All edits, in the order of the text; the same one may come twice."""
    names = {f: Names(p, f) for f in p.functions}
    for n, f in p.inside():
        if type(n) in EXPRESSIONS:
            yield from EXPRESSIONS[type(n)](p, n)
        if isinstance(n, ast.stmt) and not isinstance(n, SCOPES):
            yield from removed(p, n, names[f])
            yield from shuffled(p, n)
            yield from indented(p, n)
    for f in p.functions:
        yield from default_values(p, f)
        yield from wrong_names(p, f, names[f])
        yield from renamed(p, f, names[f])


def apply(p, edit):
    """The whole text with the edit, or None: it is no program any more, or the same one."""
    _, begin, end, new = edit
    text = (p.bytes[:begin] + new.encode() + p.bytes[end:]).decode()
    try:
        changed = parse(text)
    except Refused:
        return None
    return None if ast.dump(changed) == ast.dump(p.tree) else text


def code_of(row):
    """(what stands before the solution, the solution, the only function or None)."""
    text = next((row[key] for key in ("canonical_solution", "solution", "code") if isinstance(row.get(key), str)), None)
    if text is None:
        raise Refused("no-solution")
    before = row.get("prompt") if isinstance(row.get("prompt"), str) and isinstance(row.get("entry_point"), str) else ""
    name = row.get("entry_point")
    if before and f"def {name}" in text:
        before = ""  # whole by itself
    return before, text, name
