# SPDX-License-Identifier: Apache-2.0
# mutate_steps.py - one wrong step in a solution with equations ("48/2 = <<48/2=24>>24", "3 * 4 = 12"), and what follows from it
#
# An equation of one step is changed; every later equation that uses its result is computed anew, and so is the final answer.  Where a
# number of a later step could be another quantity than the changed one, nothing is guessed: the solution is cut behind the changed step.
# Values are exact (fractions); nothing is evaluated but + - * / on numbers.
import re
from fractions import Fraction

try:
    Refused  # one script: mutate_code.py stands in front of this
except NameError:
    from mutate_code import Refused

LONGEST_TEXT, MOST_EQUATIONS, LONGEST_SIDE = 1 << 16, 200, 200  # bytes, equations, characters of one side
NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,4}(?:\.\d{1,9})?|\d{1,15}(?:\.\d{1,9})?|\.\d{1,9})"
TIMES, OVER = r"(?:\*|\xd7|\\times|\\cdot|(?<=[\d\s)])x(?=[\s\d$(]))", r"(?:/|\xf7|\\div)"
UNIT = r"(?:[A-Za-z$%'\\]{1,40}(?![A-Za-z$%'\\])\s*){0,10}?"  # "21 points - 3 points"
ONE = rf"(?:\$|\\\$)?\s*(?:(?P<number>{NUMBER})|(?P<times>{TIMES})|(?P<over>{OVER})|(?P<sign>[-+\u2212\u2013()]))"
TOKEN, WORDY = re.compile(rf"\s*{ONE}"), re.compile(rf"\s*{UNIT}{ONE}")
MARK = re.compile(r"<<([^<>=\n]{1,200})=([^<>=\n]{1,40})>>")
FOUND = re.compile(rf"(?<![\w.]){NUMBER}(?![\w]|[.,]\d)")
WORDS = dict(zip("one two three four five six seven eight nine ten eleven twelve half twice double triple twenty thirty forty fifty hundred".split(),
                 [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 2, 2, 2, 3, 20, 30, 40, 50, 100]))


def value_of(number):
    return Fraction(number.replace(",", ""))


def tokens_of(text, one=TOKEN):
    """[(kind, begin, end)] with kind a Fraction or one of + - * / ( ); None: something else is in it."""
    out, at = [], 0
    while at < len(text):
        found = one.match(text, at)
        if not found:
            return out if not text[at:].strip() or one is WORDY and re.fullmatch(rf"\s*{UNIT}\s*", text[at:]) else None
        kind = found.lastgroup
        name = found.group(kind)
        out.append((value_of(name) if kind == "number" else "*" if kind == "times" else "/" if kind == "over" else name.replace("\u2212", "-").replace("\u2013", "-"),
                    found.start(kind), found.end(kind)))
        at = found.end()
    return out


def compute(kinds):
    """The value of a side, or None.  Shunting-yard: no recursion."""
    values, stack, rank, unary = [], [], {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3}, True
    for kind in kinds:
        if isinstance(kind, Fraction):
            if not unary:
                return None
            values.append(kind)
            unary = False
        elif kind == "(":
            if not unary:
                return None
            stack.append(kind)
        elif kind == ")":
            if unary or not unwind(values, stack, 0, rank) or not stack:
                return None
            stack.pop()
        elif unary:
            if kind != "-":
                return None
            stack.append("neg")
        else:
            if not unwind(values, stack, rank[kind], rank):
                return None
            stack.append(kind)
            unary = True
    return values[0] if not unary and unwind(values, stack, 0, rank) and not stack and len(values) == 1 else None


def unwind(values, stack, least, rank):
    while stack and stack[-1] != "(" and rank[stack[-1]] >= max(least, 1):
        kind = stack.pop()
        if kind == "neg":
            values.append(-values.pop())
            continue
        b, a = values.pop(), values.pop()
        if kind == "/" and b == 0:
            return False
        values.append(a + b if kind == "+" else a - b if kind == "-" else a * b if kind == "*" else a / b)
        if values[-1].numerator.bit_length() > 256:
            return False
    return True


def written(value, like):
    """A value as text, thousands and cents as in `like`; None: not a short decimal."""
    if (value * 100).denominator != 1 or abs(value) >= 10**12:
        return None
    digits = 2 if re.search(r"\.\d\d$", like) or (value * 10).denominator != 1 else 1 if value.denominator != 1 else 0
    hundredths = abs(int(value * 100))
    whole = f"{hundredths // 100:,}" if "," in like else str(hundredths // 100)
    return ("-" if value < 0 else "") + whole + (f".{hundredths % 100:02d}"[:digits + 1] if digits else "")


class Equation:
    """begin, end: its sides (left tokens are places in the whole text); results: places that say its value."""

    def __init__(self, left, shown, results, value, step):
        self.left, self.shown, self.results, self.value, self.step = left, shown, results, value, step

    def kinds(self):
        return [kind for kind, _, _ in self.left]


def placed(tokens, by):
    return [(kind, begin + by, end + by) for kind, begin, end in tokens]


def shown_before(text, begin, kinds):
    """The same side once more in front of a mark: "16 - 3 - 4 = $<<...".  Its tokens, or None."""
    line = text.rfind("\n", 0, begin) + 1
    ends = line + len(text[line:begin].rstrip(" \t$="))
    for start in range(max(line, ends - LONGEST_SIDE), ends):
        if start > line and (text[start - 1].isalnum() or text[start - 1] in ".,") or not (text[start].isdigit() or text[start] in "(.$-"):
            continue
        got = tokens_of(text[start:ends], WORDY)
        if got and [k for k, _, _ in got] == kinds:
            return placed(got, start)
    return None


def equations(text):
    """All of them, in order; those whose sides differ are left out."""
    found, taken = [], []
    for mark in MARK.finditer(text):
        left, right = tokens_of(mark[1]), tokens_of(mark[2])
        taken.append((mark.start(), mark.end()))
        if not left or not right or len(right) != 1 or not isinstance(right[0][0], Fraction) or compute([k for k, _, _ in left]) != right[0][0]:
            continue
        shown = shown_before(text, mark.start(), [k for k, _, _ in left])
        results = placed(right, mark.start(2))
        after = FOUND.match(text, mark.end())
        if after and value_of(after[0]) == right[0][0]:
            results = results + [(right[0][0], after.start(), after.end())]
        found.append(Equation(placed(left, mark.start(1)), shown, results, right[0][0], text.count("\n", 0, mark.start())))
        if len(found) > MOST_EQUATIONS:
            raise Refused("too-big")
    return found or plain_equations(text)


PLAIN = re.compile(rf"(?P<left>(?:\\?\$|\()?{NUMBER}(?:\s{{0,3}}(?:{TIMES}|{OVER}|[-+\u2212\u2013])\s{{0,3}}\(?\\?\$?{NUMBER}\)?){{1,12}})\s{{0,3}}=\s{{0,3}}\\?\$?(?P<right>{NUMBER})(?![\w]|[.,]\d|\s{{0,3}}[-+*/^\xd7\xf7=])")


def plain_equations(text):
    found = []
    for each in PLAIN.finditer(text):
        left = tokens_of(each["left"])
        value = value_of(each["right"])
        if left and compute([k for k, _, _ in left]) == value and not re.search(r"[\w)}^*/+\u2212\u2013-]\s*$", text[max(0, each.start() - 4):each.start()]):
            found.append(Equation(placed(left, each.start("left")), None, [(value, each.start("right"), each.end("right"))], value,
                                  text.count("\n", 0, each.start())))
        if len(found) > MOST_EQUATIONS:
            raise Refused("too-big")
    return found


# ---- one change


def in_words(text):
    return {Fraction(WORDS[w]) for w in re.findall(r"[a-z]+", text.lower()) if w in WORDS}


def numbers_in(text):
    return [value_of(m[0]) for m in FOUND.finditer(text)]


class Change:
    """operator; tokens: [(index of a token of the left side, new text)] or dropped: (first, last) tokens; result: the slip."""

    def __init__(self, operator, tokens=(), dropped=None, result=None):
        self.operator, self.tokens, self.dropped, self.result = operator, tuple(tokens), dropped, result

    def kinds(self, e):
        kinds = e.kinds()
        for index, new in self.tokens:
            kinds[index] = new if new in ("+", "-", "*", "/") else value_of(new)
        if self.dropped:
            del kinds[self.dropped[0]:self.dropped[1] + 1]
        return kinds


OTHERS = {"+": "-*", "-": "+", "*": "+/", "/": "*"}


def changes(text, question, equation_list, number):
    """What can be wrong about this equation."""
    e = equation_list[number]
    if e.shown or not says_it_otherwise(text, e):
        yield from other_sides(text, question, [f.value for f in equation_list[:number]], e)
    if e.value.denominator == 1:
        for by in (1, -1, 10, -10):
            if e.value + by > 0:
                yield Change("wrong-result", result=e.value + by)


def says_it_otherwise(text, e):
    """Numbers of the side stand before it in words of their own, which would not change with it: "20 cards she had +100 collected <<20+100=120>>"."""
    line = text[text.rfind("\n", 0, e.left[0][1]) + 1:e.left[0][1]]
    return bool({kind for kind in e.kinds() if isinstance(kind, Fraction)} & set(numbers_in(line)))


def other_sides(text, question, earlier, e):
    for i, (kind, begin, end) in enumerate(e.left):
        if isinstance(kind, Fraction):
            yield from wrong_quantities(text[begin:end], i, kind, question, earlier)
        elif kind in OTHERS and i > 0:
            for new in OTHERS[kind]:
                yield Change("sign" if kind in "+-" and new in "+-" else "operator", [(i, new)])
    yield from dropped_cases(e)
    if len(e.left) == 3 and e.left[1][0] in ("-", "/") and e.left[0][0] != e.left[2][0]:
        yield Change("swapped-quantity", [(0, text[e.left[2][1]:e.left[2][2]]), (2, text[e.left[0][1]:e.left[0][2]])])


def wrong_quantities(text, i, kind, question, earlier):
    """Another quantity that is there; or one that is nearly the right one."""
    for other in dict.fromkeys(numbers_in(question) + earlier):
        new = written(other, text)
        if other not in (kind, 0) and new:
            yield Change("swapped-quantity", [(i, new)])
    if kind.denominator == 1 and kind not in earlier:
        for other in (kind + 1, kind - 1):
            if other > 1:
                yield Change("wrong-number", [(i, written(other, text))])


def dropped_cases(e):
    """One of three or more that are added or multiplied."""
    kinds = e.kinds()
    if len(kinds) < 5 or any(k not in ("+", "*") for k in kinds[1::2]) or len(set(kinds[1::2])) != 1 or not all(isinstance(k, Fraction) for k in kinds[::2]):
        return
    for i in range(0, len(kinds), 2):
        yield Change("dropped-case", dropped=(i - 1, i) if i else (0, 1))


# ---- and what follows


class Unsure(Exception):
    """A later number may be another quantity."""


class Rewrite:
    """The text, written anew from left to right; moved: old value -> new value of what was computed so far."""

    def __init__(self, text, question, equation_list):
        self.text, self.equations = text, equation_list
        self.known = set(numbers_in(question)) | in_words(question)
        self.edits = []

    def put(self, begin, end, new):
        if self.text[begin:end] != new:
            self.edits.append((begin, end, new))

    def side(self, tokens, new_texts, dropped):
        for i, (_, begin, end) in enumerate(tokens):
            if i in new_texts:
                self.put(begin, end, new_texts[i])
        if dropped:
            first, last = dropped
            begin = tokens[first][1] if first == 0 else tokens[first - 1][2]
            self.put(begin, tokens[last + 1][1] if first == 0 else tokens[last][2], "")

    def results(self, e, value):
        for _, begin, end in e.results:
            new = written(value, self.text[begin:end])
            if new is None or value < 0 <= e.value or e.value.denominator == 1 != value.denominator:
                raise ValueError
            self.put(begin, end, new)

    def changed(self, number, change):
        e = self.equations[number]
        value = change.result if change.result is not None else compute(change.kinds(e))
        if value is None or value == e.value:
            raise ValueError
        for tokens in (e.left, e.shown):
            if tokens:
                self.side(tokens, dict(change.tokens), change.dropped)
        self.results(e, value)
        return {e.value: value}

    def follow(self, number, moved):
        """Everything behind the changed equation."""
        first, places = self.equations[number], set()
        begin = max(end for _, _, end in first.results)
        for e in self.equations[number + 1:]:
            self.consistent(e, moved)
            kinds = [moved.get(k, k) for k in e.kinds()]
            value = compute(kinds)
            if value is None:
                raise ValueError
            for tokens in filter(None, (e.left, e.shown)):
                self.side(tokens, {i: self.like(k, tokens[i]) for i, k in enumerate(kinds) if tokens[i][0] != k}, None)
                places.update(t[1] for t in tokens)
            self.results(e, value)
            places.update(t[1] for t in e.results)
            if value != e.value:
                moved[e.value] = value
        for found in FOUND.finditer(self.text, begin):
            old = value_of(found[0])
            if found.start() not in places and old in moved:
                self.sure(old)
                self.put(found.start(), found.end(), self.like(moved[old], (0, found.start(), found.end())))
        if in_words(self.text[begin:]) & set(moved):
            raise Unsure

    def like(self, value, token):
        new = written(value, self.text[token[1]:token[2]])
        if new is None:
            raise ValueError
        return new

    def sure(self, value):
        """A number that the question names, or that two equations give, is not known to be the changed one."""
        if value in self.known or sum(e.value == value for e in self.equations) > 1:
            raise Unsure

    def consistent(self, e, moved):
        for kind in e.kinds():
            if isinstance(kind, Fraction) and kind in moved:
                self.sure(kind)

    def whole(self, end=None):
        out, at = "", 0
        for begin, stop, new in sorted(set(self.edits)):
            if end is not None and begin >= end:
                break
            out, at = out + self.text[at:begin] + new, stop
        return out + self.text[at:end]


def mutated(text, question, equation_list, number, change):
    """(text, was it cut?), or None: it cannot be written, or makes no difference."""
    r = Rewrite(text, question, equation_list)
    cut = False
    try:
        moved = r.changed(number, change)
        here = len(r.edits)
        try:
            r.follow(number, moved)
        except Unsure:
            cut, r.edits = True, r.edits[:here]
    except ValueError:
        return None
    end = text.find("\n", r.equations[number].left[0][1])
    new = r.whole(end + 1 if cut and end >= 0 else None)
    if cut and end < 0 or new == text or final_in(new) == final_in(text) and not cut:
        return None
    return new, cut


def final_in(text):
    boxed = re.findall(r"\\boxed\{([^{}]*)\}", text)
    marked = re.findall(r"####\s*(.*)", text)
    return boxed[-1] if boxed else marked[-1] if marked else text.rstrip().rsplit("\n", 1)[-1]


def steps_of(row):
    """(question, solution with its answer)."""
    question = next((row[k] for k in ("question", "problem", "prompt", "text") if isinstance(row.get(k), str)), "")
    text = next((row[k] for k in ("canonical_solution", "solution") if isinstance(row.get(k), str)), None)
    if text is None and isinstance(row.get("answer"), str) and "####" in row["answer"]:
        text = row["answer"]
    if text is None:
        raise Refused("no-solution")
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST_TEXT or len(question) > LONGEST_TEXT:
        raise Refused("too-big")
    if re.search("[\0\ud800-\udfff]", text):
        raise Refused("bad-source")
    return question, text


def same_meaning(text, equation_list):
    """Controls: the terms of a sum or a product in another order."""
    for e in equation_list:
        if len(e.left) == 3 and e.left[1][0] in ("+", "*") and e.left[0][0] != e.left[2][0]:
            r = Rewrite(text, "", equation_list)
            for tokens in (e.left, e.shown):
                if tokens:
                    a, b = (text[tokens[i][1]:tokens[i][2]] for i in (0, 2))
                    r.put(tokens[0][1], tokens[0][2], b)
                    r.put(tokens[2][1], tokens[2][2], a)
            yield "same-commuted", r.whole()
