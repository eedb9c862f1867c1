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
