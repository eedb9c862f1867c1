# SPDX-License-Identifier: Apache-2.0
"""bugs.py - harvested `defect` samples -> a small detector of bugs -> its AUC on functions that it never saw

    cluster/local/train-prm --bugs FILE...          .jsonl or .jsonl.zst; fields: problem_id (or prompt), mutated, is_control

A program is judged alone: by its tokens and by what stands under what in its syntax tree, hashed, into a logistic regression.
Five folds of functions, never of rows: a function and all of its mutants are trained on or judged, not both.  Intervals: 95 %
bootstrap over functions.  Beside it two baselines that know nothing of bugs: how long the program is, how deep it is.
"""
import ast
import json
import re
import warnings

import numpy as np
from labels import lines

FOLDS, ROUNDS, WIDTH = 5, 1000, 2 ** 14
TOKENS = re.compile(r"[A-Za-z_]\w*|\d+\.?\d*|[<>=!]=|\*\*|//|\S")
NODES_MOST = 20000                      # of a syntax tree; what is behind is not looked at


class Row:
    """a text that was tried: with a bug, or a control without; layout and comments are gone, they tell who wrote it"""

    def __init__(self, given, place):
        if not isinstance(given, dict):
            raise ValueError(f"{place}: no defect sample: it is no object")
        control, text = given.get("is_control"), given.get("mutated")
        if not isinstance(control, bool) or not isinstance(text, str) or not text.strip():
            raise ValueError(f"{place}: no defect sample: it needs `is_control` (true or false), and `mutated` with a program")
        prompt = given.get("prompt") if isinstance(given.get("prompt"), str) else ""
        self.function = str(given.get("problem_id") or prompt)
        self.bad = not control
        self.tree = parsed(text) or parsed(prompt + text)       # HumanEval's solutions are bodies alone
        self.program = plain(self.tree) or text


def parsed(text):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def plain(tree):
    try:
        return ast.unparse(tree) if tree else ""
    except (ValueError, RecursionError):
        return ""


def read(paths):
    rows = []
    for path in paths:
        for number, line in enumerate(lines(path), start=1):
            if line.strip():
                place = f"{path}:{number}"
                try:
                    given = json.loads(line)
                except ValueError as error:
                    raise SystemExit(f"train-prm: {place}: no JSON: {error}") from None
                try:
                    rows.append(Row(given, place))
                except ValueError as error:
                    raise SystemExit(f"train-prm: {error}") from None
    return rows


# ---- what a detector sees

def label(node):
    """a node's kind, and the small things that bugs are made of"""
    name = type(node).__name__
    if isinstance(node, ast.Constant):
        small = isinstance(node.value, (int, float)) and abs(node.value) <= 10
        return f"{name}:{node.value}" if small else f"{name}:{type(node.value).__name__}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return f"{name}:{node.func.id}"
    if isinstance(node, ast.Compare):
        return name + ":" + ",".join(type(op).__name__ for op in node.ops)
    if isinstance(node, (ast.BinOp, ast.BoolOp, ast.UnaryOp, ast.AugAssign)):
        return f"{name}:{type(node.op).__name__}"
    return name


def tree_words(tree):
    """(words, depth): each node under its parent, and under both"""
    words, deepest, waiting = [], 0, [(tree, "", "", 1)]
    while waiting and len(words) < 3 * NODES_MOST:
        node, parent, above, depth = waiting.pop()
        here, deepest = label(node), max(deepest, depth)
        words += [here, f"{parent}>{here}", f"{above}>{parent}>{here}"]
        for field, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not isinstance(child, ast.expr_context):
                    waiting.append((child, f"{here}.{field}", parent, depth + 1))
    return words, deepest


def words_of(row):
    tokens = TOKENS.findall(row.program)
    words = [f"t {a} {b}" for a, b in zip(tokens, tokens[1:])] + [f"t {a} {b} {c}" for a, b, c in zip(tokens, tokens[1:], tokens[2:])]
    more, depth = tree_words(row.tree) if row.tree else (["does not parse"], 0)
    return words + more, depth


# ---- how well it does

def auc(bad, score):
    """chance that a bad one scores above a good one, ties half; NaN where one kind is not there"""
    order = np.argsort(score, kind="stable")
    ranks, ordered = np.empty(len(score)), np.asarray(score)[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.r_[starts[1:], len(ordered)]
    ranks[order] = np.repeat((starts + ends - 1) / 2, ends - starts)
    n = bad.sum()
    return (ranks[bad].sum() - n * (n - 1) / 2) / (n * (len(bad) - n)) if 0 < n < len(bad) else float("nan")


def interval(bad, score, groups, seed):
    draw, members = np.random.default_rng(seed), [np.flatnonzero(groups == g) for g in np.unique(groups)]
    found = []
    for _ in range(ROUNDS):
        chosen = np.concatenate([members[i] for i in draw.integers(0, len(members), len(members))])
        found.append(auc(bad[chosen], score[chosen]))
    return np.nanpercentile(found, [2.5, 97.5])


def judged(rows, words, bad, groups, seed):
    """each row's score by a detector that saw no row of its function"""
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import normalize
    counts = FeatureHasher(WIDTH, input_type="string").transform(words)
    counts.data = np.sign(counts.data) * np.log1p(np.abs(counts.data))
    x = normalize(counts)
    names = np.random.default_rng(seed).permutation(np.unique(groups))
    score = np.zeros(len(rows))
    for fold in range(FOLDS):
        test = np.isin(groups, names[fold::FOLDS])
        model = LogisticRegression(C=10, class_weight="balanced", max_iter=1000).fit(x[~test], bad[~test])
        score[test] = model.decision_function(x[test])
    return score


def train(paths, seed):
    rows = read(paths)
    bad = np.array([row.bad for row in rows], bool)
    groups = np.array([row.function for row in rows])
    functions = len(np.unique(groups)) if rows else 0
    if functions < 2 * FOLDS or not 0 < bad.sum() < len(bad):
        raise SystemExit(f"train-prm: {len(rows)} rows of {functions} functions, {bad.sum()} with a bug: at least {2 * FOLDS} functions, and both "
                         "bugs and controls, are needed")
    print(f"train-prm: {len(rows)} programs of {functions} functions, {bad.sum()} with a bug that was put in, {len(bad) - bad.sum()} controls; "
          f"{FOLDS} folds of functions")
    seen = [words_of(row) for row in rows]
    scores = {"detector": judged(rows, [w for w, _ in seen], bad, groups, seed),
              "program length": np.array([len(row.program) for row in rows], float),
              "depth of its tree": np.array([depth for _, depth in seen], float)}
    for name, score in scores.items():
        low, high = interval(bad, score, groups, seed)
        print(f"  {name:<18} AUC {auc(bad, score):.3f} [{low:.3f}, {high:.3f}]")
    print("[low, high]: 95 % bootstrap interval over functions; 0.5 is chance")
