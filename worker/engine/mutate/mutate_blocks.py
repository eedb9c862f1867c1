# SPDX-License-Identifier: Apache-2.0
# mutate_blocks.py - the same by names and statements, and all edits of a program together; mutate_code.py says what an edit is
try:
    Program  # one script: mutate_code.py stands in front of this
except NameError:
    from mutate_code import *


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
