# SPDX-License-Identifier: Apache-2.0
"""bugs.py - harvested `defect` samples -> a small detector of bugs -> its AUC on functions that it never saw

    cluster/local/train-prm --bugs FILE... [--real FILE...]         .jsonl or .jsonl.zst
    --bugs: samples of the format defect; fields: problem_id (or prompt), mutated, is_control
    --real: samples of the format rollouts, programs that a model wrote, with the verdict of their tests; fields: group_id, completion, reward

A program is judged alone: by its tokens and by what stands under what in its syntax tree, hashed, into a logistic regression.
Five folds of functions, never of rows: a function and all that was written for it are trained on or judged, not both; programs of a model
are never trained on.  Intervals: 95 % bootstrap over functions.  Beside it two baselines that know nothing of bugs: how long the program
is, how deep it is.
"""
import ast
import json
import re
import warnings

import numpy as np
from labels import lines

FOLDS, ROUNDS, WIDTH = 5, 1000, 2 ** 14
TOKENS = re.compile(r"[A-Za-z_]\w*|\d+\.?\d*|[<>=!]=|\*\*|//|\S")
FENCED = re.compile(r"```[Pp]y\w*[^\n]*\n(.*?)```", re.S)         # a block of Python in a completion
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
NODES_MOST = 20000                      # of a syntax tree; what is behind is not looked at


class Row:
    """a program that was tried; layout, comments, docstrings and what stands around its functions are gone: they tell who wrote it"""

    def __init__(self, function, bad, text, prompt):
        self.function, self.bad = function, bad
        self.tree = bare(parsed(text) or parsed(prompt + text))         # HumanEval's solutions are bodies alone
        self.program = plain(self.tree) or text


def defect(given, place):
    control, text, prompt = given.get("is_control"), given.get("mutated"), given.get("prompt")
    if not isinstance(control, bool) or not isinstance(text, str) or not text.strip():
        raise SystemExit(f"train-prm: {place}: no defect sample: it needs `is_control` (true or false), and `mutated` with a program")
    prompt = prompt if isinstance(prompt, str) else ""
    return Row(str(given.get("problem_id") or prompt), not control, text, prompt)


def rollout(given, place):
    """None where its tests decided nothing, or no program is in it"""
    group, text, reward, prompt = given.get("group_id"), given.get("completion"), given.get("reward"), given.get("prompt")
    if not isinstance(group, str) or not isinstance(text, str) or reward not in (0, 1, None):
        raise SystemExit(f"train-prm: {place}: no rollouts sample: it needs `group_id`, `completion`, and `reward` (0, 1 or null)")
    blocks = FENCED.findall(text)
    row = Row(group.rpartition("/")[0], reward == 0, blocks[-1] if blocks else text, prompt if isinstance(prompt, str) else "")
    return row if reward is not None and row.tree else None


def parsed(text):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def bare(tree):
    """its functions and classes without docstrings; None where there are none"""
    kept = [n for n in tree.body if isinstance(n, DEFINITIONS)] if tree else []
    waiting = list(kept)
    while waiting:
        n = waiting.pop()
        if isinstance(n, DEFINITIONS) and n.body and isinstance(n.body[0], ast.Expr) and isinstance(n.body[0].value, ast.Constant):
            n.body = n.body[1:] or [ast.Pass()]
        waiting += ast.iter_child_nodes(n)
    return ast.Module(kept, []) if kept else None


def plain(tree):
    try:
        return ast.unparse(tree) if tree else ""
    except (ValueError, RecursionError):
        return ""


def read(paths, of):
    """(rows, how many gave none)"""
    rows, left_out = [], 0
    for path in paths:
        for number, line in enumerate(lines(path), start=1):
            if line.strip():
                place = f"{path}:{number}"
                try:
                    given = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise SystemExit(f"train-prm: {place}: no JSON: {error}") from None
                if not isinstance(given, dict):
                    raise SystemExit(f"train-prm: {place}: no sample: it is no object")
                row = of(given, place)
                rows += [row] if row else []
                left_out += not row
    return rows, left_out


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


def auc_within(bad, score, groups):
    """the same over pairs of one function only: how hard a function is does not help; NaN where no function has both kinds"""
    won = pairs = 0.0
    for g in np.unique(groups[bad]):
        here = groups == g
        n = float(bad[here].sum()) * float((~bad[here]).sum())
        if n:
            won, pairs = won + n * auc(bad[here], score[here]), pairs + n
    return won / pairs if pairs else float("nan")


def interval(of, bad, score, groups, seed):
    """95 % of of (bad, score, groups) over functions drawn anew; one that is drawn twice counts as two"""
    draw, members = np.random.default_rng(seed), [np.flatnonzero(groups == g) for g in np.unique(groups)]
    found = []
    for _ in range(ROUNDS):
        drawn = [members[i] for i in draw.integers(0, len(members), len(members))]
        chosen = np.concatenate(drawn)
        found.append(of(bad[chosen], score[chosen], np.repeat(np.arange(len(drawn)), [len(m) for m in drawn])))
    return np.nanpercentile(found, [2.5, 97.5]) if not np.all(np.isnan(found)) else (float("nan"), float("nan"))


def features(words):
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.preprocessing import normalize
    counts = FeatureHasher(WIDTH, input_type="string").transform(words)
    counts.data = np.sign(counts.data) * np.log1p(np.abs(counts.data))
    return normalize(counts)


class Programs:
    """rows as a detector sees them"""

    def __init__(self, rows):
        seen = [words_of(row) for row in rows]
        self.bad = np.array([row.bad for row in rows], bool)
        self.groups = np.array([row.function for row in rows])
        self.x = features([words for words, _ in seen])
        self.length = np.array([len(row.program) for row in rows], float)
        self.depth = np.array([depth for _, depth in seen], float)

    def __len__(self):
        return len(self.bad)


def judged(train, test, seed):
    """each program's score by a detector that saw nothing of its function; what no fold holds is judged by the first fold's"""
    from sklearn.linear_model import LogisticRegression
    names = np.random.default_rng(seed).permutation(np.unique(train.groups))
    score = np.zeros(len(test))
    for fold in range(FOLDS):
        held = names[fold::FOLDS]
        here = np.isin(test.groups, held) if fold else ~np.isin(test.groups, np.setdiff1d(names, held))
        if here.any():
            out = np.isin(train.groups, held)
            model = LogisticRegression(C=10, class_weight="balanced", max_iter=1000).fit(train.x[~out], train.bad[~out])
            score[here] = model.decision_function(test.x[here])
    return score


def show(programs, score, seed):
    named = (("all pairs", lambda bad, s, groups: auc(bad, s)), ("pairs of one function", auc_within))
    for name, s in (("detector", score), ("program length", programs.length), ("depth of its tree", programs.depth)):
        found = []
        for what, of in named:
            low, high = interval(of, programs.bad, s, programs.groups, seed)
            found.append(f"{of(programs.bad, s, programs.groups):.3f} [{low:.3f}, {high:.3f}] {what}")
        print(f"  {name:<18} AUC " + ", ".join(found))


def train(paths, real_paths, seed):
    rows, _ = read(paths, defect)
    bad = sum(row.bad for row in rows)
    functions = len({row.function for row in rows})
    if functions < 2 * FOLDS or not 0 < bad < len(rows):
        raise SystemExit(f"train-prm: {len(rows)} rows of {functions} functions, {bad} with a bug: at least {2 * FOLDS} functions, and both "
                         "bugs and controls, are needed")
    real, left_out = read(real_paths, rollout)
    if real_paths and not 0 < sum(row.bad for row in real) < len(real):
        raise SystemExit(f"train-prm: of {len(real)} programs in {', '.join(real_paths)}, {sum(row.bad for row in real)} failed: some that pass and some "
                         "that fail are needed")
    injected = Programs(rows)
    print(f"train-prm: {len(rows)} programs of {functions} functions, {bad} with a bug that was put in, {len(rows) - bad} controls; {FOLDS} folds of functions")
    show(injected, judged(injected, injected, seed), seed)
    if real:
        written = Programs(real)
        print(f"train-prm: {len(real)} programs that a model wrote for {len(np.unique(written.groups))} functions, {written.bad.sum()} fail their tests; "
              f"{left_out} more are no Python, or undecided; {np.isin(written.groups, injected.groups).sum()} are of functions above, judged by the fold without them")
        show(written, judged(injected, written, seed), seed)
    print("[low, high]: 95 % bootstrap interval over functions; 0.5 is chance")
