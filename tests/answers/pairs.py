# SPDX-License-Identifier: Apache-2.0
"""pairs.py - reference answers, mutants of them that are wrong, other spellings that are right

The mutants are made by rules that change the value whatever the answer is; where a rule could leave it equal (-0, 0/3), it is not
applied.  They are drawn without a seed: all of them, always.
"""

import fractions
import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
SHARED = HERE.parent.parent.parent / "shared" / "data"


def own_golds():
    return [line for line in (HERE / "golds.txt").read_text().splitlines() if line]


def shared_golds(name):
    """Answers of a data file, or None when it is not there."""
    path = SHARED / name
    if not path.is_file():
        return None
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [row["answer"].split("####")[-1].strip() for row in rows]


# ---- wrong answers ----


def is_plain_number(gold):
    return re.fullmatch(r"-?\d+(\.\d+)?", gold) is not None


def digits_changed(gold):
    for at, char in enumerate(gold):
        if char.isdigit():
            for step in (1, 5):
                yield gold[:at] + str((int(char) + step) % 10) + gold[at + 1:]


def digits_dropped_or_added(gold):
    for run in re.finditer(r"(?<![\d.,!])[1-9]\d*(?![\d.,])", gold):
        yield gold[:run.end()] + "0" + gold[run.end():]
        if run.end() - run.start() > 1:
            yield gold[:run.end() - 1] + gold[run.end():]
    if "," in gold and re.fullmatch(r"[\d,]+", gold):
        yield gold.replace(",", ".", 1)


def signs_changed(gold):
    if not re.search(r"[1-9a-z]", gold) or "=" in gold:
        return
    yield gold[1:] if gold.startswith("-") else "-" + gold
    for sign in re.finditer(r"(?<=[\w}) ])[+-](?=[\w\\ ])", gold):
        yield gold[:sign.start()] + ("-" if sign.group() == "+" else "+") + gold[sign.end():]
    for sign in re.finditer(r"(?<=[({,])( *)-", gold):
        yield gold[:sign.start()] + gold[sign.end():]
    for item in re.finditer(r"(?<=[({,])( *)(?=[1-9])", gold):
        if "frac" not in gold and "sqrt" not in gold and "^" not in gold and "\\!" not in gold and not is_grouped(gold):
            yield gold[:item.end()] + "-" + gold[item.end():]


def is_grouped(gold):
    return re.search(r"\d,\d{3}(?!\d)", gold) is not None and "(" not in gold


def fractions_changed(gold):
    for part in re.finditer(r"\\d?frac\{([^{}]+)\}\{([^{}]+)\}", gold):
        above, below = part.groups()
        yield gold[:part.start()] + f"\\frac{{{below}}}{{{above}}}" + gold[part.end():]
        yield gold[:part.start()] + above + gold[part.end():]
        if part.start() == 0 and (above + below).isdigit():  # a mixed number, however it is written
            for fraction in (f"{{{above}}}{{{below}}}", f"{{{above}}}{below[0]}", f"{above[0]}{{{below}}}", f"{{{{{above}}}}}{{{below}}}"):
                yield rf"1\frac{fraction}" + gold[part.end():]


def lists_changed(gold):
    """Order, an item more or less, the kind of bracket."""
    body = re.fullmatch(r"(\\left)?([(\[])(.*?)(\\right)?([)\]])", gold)
    if not body or "," not in gold or "cup" in gold:
        return
    left, opening, inside, right, closing = body.groups(default="")
    items = inside.split(",")
    for at in range(len(items) - 1):
        swapped = items[:at] + [items[at + 1], items[at]] + items[at + 2:]
        if items[at].strip() != items[at + 1].strip():
            yield left + opening + ",".join(swapped) + right + closing
    yield left + opening + ",".join(items + ["1"]) + right + closing
    yield left + opening + ",".join(items[1:]) + right + closing
    yield left + ("[" if opening == "(" else "(") + inside + right + closing
    yield left + opening + inside + right + ("]" if closing == ")" else ")")


def sets_changed(gold):
    body = re.fullmatch(r"(\\\{)?([^()\[\]]*,[^()\[\]]*?)(\\\})?", gold)
    if not body or is_grouped(gold):
        return
    items = body.group(2).split(",")
    yield ",".join(items[1:])
    yield ",".join(items + ["17"])
    yield "(" + ",".join(reversed(items)) + ")"


def marks_dropped(gold):
    for mark, instead in ((r"\%", ""), ("%", ""), (r"\sqrt", ""), (r"\pi", ""), ("i", ""), (r"\infty", "0"), (r"\pm", "+"),
                          (r"^\circ", r"\text{ cm}"), (r"\text{ cm}", r"\text{ m}"), (r"\text{ degrees}", r"\text{ cm}"),
                          ("square inches", "cubic inches"), (r"\cup", r"\cap")):
        # "i" only where it is the imaginary unit
        if mark in gold and (mark != "i" or re.fullmatch(r"[-+ \d]*i", gold)):
            yield gold.replace(mark, instead, 1)
    based = re.fullmatch(r"(\d+)_(\d)", gold)
    if based:
        yield based.group(1)
        yield str(int(based.group(1), int(based.group(2))))
    if is_plain_number(gold) and float(gold) != 0:
        yield gold + r"\%"
        yield gold + "^2" if abs(float(gold)) != 1 else "0"
        yield gold + r"\pi"
        yield rf"\sqrt{{{gold}}}" if abs(float(gold)) != 1 else "17"
        yield gold + "_8"


def letters_changed(gold):
    word = re.fullmatch(r"\\text\{\(?(\w+)\)?\}", gold)
    if word:
        text = word.group(1)
        yield gold.replace(text, chr(ord(text[0]) + 1) + text[1:])
        yield gold.replace(text, text + "s")
    if re.search(r"(?<![a-zA-Z\\])[xyabk](?![a-zA-Z])", gold) and "text" not in gold:
        yield re.sub(r"(?<![a-zA-Z\\])[xyabk](?![a-zA-Z])", "w", gold, count=1)
        yield gold + "+1"


RULES = (digits_changed, digits_dropped_or_added, signs_changed, fractions_changed, lists_changed, sets_changed, marks_dropped,
         letters_changed)


def wrong(gold):
    """(rule, mutant), each mutant once."""
    seen = {gold}
    for rule in RULES:
        for mutant in rule(gold):
            if mutant not in seen and not same_number(gold, mutant):
                seen.add(mutant)
                yield rule.__name__, mutant


def same_number(gold, mutant):
    """The rules must not make +0 of 0 or 07 of 7; said by Python, not by what is tested."""
    try:
        return fractions.Fraction(gold) == fractions.Fraction(mutant)
    except (ValueError, ZeroDivisionError):
        return False


# ---- right answers, spelled otherwise ----


def decorated(gold):
    yield f"${gold}$"
    yield f" {gold} "
    yield rf"\({gold}\)"
    yield rf"\displaystyle {gold}"
    if not gold.endswith("."):
        yield gold + "."
    yield gold.replace(r"\frac{", r"\dfrac{").replace(r"\ddfrac", r"\dfrac")
    yield gold.replace(r"\left", "").replace(r"\right", "").replace(r"\!", "")
    if "(" in gold and "text" not in gold:
        yield gold.replace("(", r"\left(").replace(")", r"\right)").replace(r"\left\left", r"\left").replace(r"\right\right", r"\right")


def numbers_spelled(gold):
    if re.fullmatch(r"-?\d+", gold):
        value = int(gold)
        yield f"{value:,}"
        yield f"{value:,}".replace(",", r",\!")
        yield f"{value}.00"
        yield f"{2 * value}/2"
        yield rf"\frac{{{3 * value}}}{{3}}"
        yield f"x = {gold}"
        yield rf"\text{{{gold}}}"
        yield rf"{gold}\text{{ dollars}}"
        yield f"{value * 100}" + r"\%"
        yield f"{value}e0"
    if re.fullmatch(r"-?\d*\.\d+", gold):
        value = fractions.Fraction(gold)
        yield rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
        yield gold + "0"
        yield f"{value.numerator}/{value.denominator}"
    if re.fullmatch(r"\d{1,3}(,\d{3})+", gold):
        yield gold.replace(",", "")
        yield gold.replace(",", "{,}")
        yield gold.replace(",", r"\,")


def fractions_spelled(gold):
    part = re.fullmatch(r"(-?)\\d?frac(\d)(\d)|(-?)\\d?frac\{(\d+)\}\{(\d+)\}", gold)
    if not part:
        return
    sign = part.group(1) or part.group(4) or ""
    above, below = int(part.group(2) or part.group(5)), int(part.group(3) or part.group(6))
    yield f"{sign}{above}/{below}"
    yield rf"\frac{{{sign}{above}}}{{{below}}}"
    yield rf"{sign}\tfrac{{{2 * above}}}{{{2 * below}}}"
    yield rf"{sign}{above}\cdot\frac{{1}}{{{below}}}"
    value = fractions.Fraction(above, below)
    if 10 ** 6 % value.denominator == 0:
        yield f"{sign}{above * 10 ** 6 // below / 10 ** 6:.6f}"
    if above > below and below > 1:
        yield rf"{sign}{above // below}\frac{{{above % below}}}{{{below}}}"
        yield f"{sign}{above // below} {above % below}/{below}"
        if max(above % below, below) < 10:
            yield rf"{sign}{above // below}\frac{{{above % below}}}{below}"
            yield rf"{sign}{above // below}\frac{above % below}{{{below}}}"


def lists_spelled(gold):
    items = gold.split(",")
    if len(items) > 1 and re.fullmatch(r"[-\d, ]+", gold) and not is_grouped(gold):
        yield ", ".join(reversed(items))
        yield r"\{" + ",".join(items) + r"\}"
        yield " and ".join(items)
        yield "x = " + " or x = ".join(items)
    if re.fullmatch(r"\([^()]*\) \\cup \([^()]*\)", gold):
        yield r" \cup ".join(reversed(gold.split(r" \cup ")))
    if "pmatrix" in gold:
        yield gold.replace("pmatrix", "bmatrix")
        yield re.sub(" +", "", gold)


def marks_spelled(gold):
    root = re.fullmatch(r"(\d+)\\sqrt\{(\d+)\}", gold)
    if root:
        yield rf"\sqrt{{{int(root.group(1)) ** 2 * int(root.group(2))}}}"
        yield rf"{root.group(1)}\cdot\sqrt{{{root.group(2)}}}"
    if gold.endswith(r"^\circ"):
        yield gold.replace(r"^\circ", "")
        yield gold.replace(r"^\circ", r"^{\circ}")
        yield gold.replace(r"^\circ", r"\text{ degrees}")
    if gold.startswith(r"\$"):
        yield gold[2:]
        yield gold[1:]
        yield gold[2:] + " dollars"
    if gold.endswith(r"\%"):
        yield gold[:-2] + "%"
        yield gold[:-2] + " percent"
    terms = re.fullmatch(r"([\w\\]+(?:\{\w+\})?) ?\+ ?([\w\\]+(?:\{\w+\})?)", gold)
    if terms:
        yield f"{terms.group(2)} + {terms.group(1)}"
    named = re.fullmatch(r"([a-z]) = (.*)", gold)
    if named:
        yield named.group(2)
    word = re.fullmatch(r"\\text\{(.*)\}", gold)
    if word:
        yield word.group(1)
        yield rf"\textbf{{{word.group(1)}}}"
    based = re.fullmatch(r"(\d+)_(\d)", gold)
    if based:
        yield f"{based.group(1)}_{{{based.group(2)}}}"


SPELLINGS = (decorated, numbers_spelled, fractions_spelled, lists_spelled, marks_spelled)


def right(gold):
    seen = set()
    for rule in SPELLINGS:
        for spelling in rule(gold):
            if spelling not in seen:
                seen.add(spelling)
                yield rule.__name__, spelling
