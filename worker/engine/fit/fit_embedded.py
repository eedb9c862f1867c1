#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fit the two small models of engine_embedded.c and write embedded_weights.c.

    python3 fit_embedded.py ../embedded_weights.c       (numpy only; about 10 minutes on 2 cores)

Only here, offline, are puzzles solved by trying everything: that makes the labels.  The models see the
fixed features below, which are the same as in embedded.c.  Targets T with T % 7 == 3 (24 is one of them)
are never trained on, so every figure on such targets is a figure on targets that the models never saw.
"""
import sys
import textwrap
import numpy as np

EPS = 1e-7
HIDDEN = {2: 24, 3: 24, 4: 16, 5: 8}                # units of the value model by count of numbers left
STATES = {2: 2_000_000, 3: 1_500_000, 4: 300_000, 5: 50_000}
STARTS = {2: ((4, .6), (3, .2), (5, .2)), 3: ((4, .7), (5, .3)), 4: ((5, .7), (6, .3)), 5: ((6, 1.),)}
EPOCHS = {2: 30, 3: 30, 4: 30, 5: 20}
POLICY = ("add", "subtract", "multiply", "divide", "divide_small_by_large", "result_negative", "result_zero",
          "result_fraction", "log_over_target", "times_one", "result_divides_target")
rng = np.random.default_rng(20240607)


def is_int(v):
    return np.abs(v - np.round(v)) < EPS


def divides(a, b):
    """b / a is an integer (false for a = 0)"""
    zero = np.abs(a) < EPS
    return ~zero & is_int(b / np.where(zero, 1, a))


def scale(target):
    return np.where(np.abs(target) < EPS, 1, np.abs(target))


# ---- puzzles and their labels (brute force, offline only)

def targets(n):
    """log-uniform in 6..100, never T % 7 == 3"""
    t = np.round(np.exp(rng.uniform(np.log(5.5), np.log(100.4), n)))
    return t + (t % 7 == 3) * rng.choice([-1, 1], n)


def draw(n, count):
    return np.sort(rng.integers(1, 14, (n, count)).astype(float), 1), targets(n)


def results(lo, hi):
    with np.errstate(all="ignore"):
        return [hi + lo, hi - lo, lo - hi, hi * lo, hi / lo, lo / hi]


def solvable(x, t):
    n, k = x.shape
    if k == 1:
        return np.abs(x[:, 0] - t) < EPS * np.maximum(1, np.abs(t))
    found = np.zeros(n, bool)
    for i in range(k):
        for j in range(i + 1, k):
            rest = [x[:, m] for m in range(k) if m not in (i, j)]
            for r in results(x[:, i], x[:, j]):
                todo = ~found & np.isfinite(r)
                if todo.any():
                    found[todo] = solvable(np.stack([r] + rest, 1)[todo], t[todo])
    return found


# ---- the policy: a linear score per operation

def candidates(x):
    """columns lo, hi, op, result, legal, each [states, operations]; and the pair of each operation"""
    n, k = x.shape
    columns, pairs = [], []
    for i in range(k):
        for j in range(i + 1, k):
            lo, hi = x[:, i], x[:, j]
            seen = np.zeros(n, bool)
            for a, b in set(pairs):
                seen |= (np.abs(x[:, a] - lo) < EPS) & (np.abs(x[:, b] - hi) < EPS)
            for op, r in enumerate(results(lo, hi)):
                legal = np.isfinite(r) & ~seen
                if op in (2, 5):
                    legal &= hi - lo > EPS
                columns.append((lo, hi, np.full(n, op), np.where(np.isfinite(r), r, 0.0), legal))
                pairs.append((i, j))
    return [np.stack(c, 1) for c in zip(*columns)], pairs


def policy_features(lo, hi, op, r, t, k):
    s, size = scale(t)[:, None], np.abs(r)
    over = np.clip(np.log(np.maximum(size, 1e-9) / s), 0, 4)
    proper = is_int(r) & (size > 1 + EPS) & (size < s - EPS) & divides(r, t[:, None] + 0 * r)
    f = [op == 0, op == 1, op == 3, op == 4, op == 5, r < -EPS, size < EPS, ~is_int(r), over,
         ((op == 3) | (op == 4)) & (np.abs(lo - 1) < EPS), (k > 2) & proper]
    return np.stack([np.asarray(c, float) for c in f], 2)


def step(w, x, t, temperature):
    (lo, hi, op, r, legal), pairs = candidates(x)
    n, k = x.shape
    z = np.where(legal, policy_features(lo, hi, op, r, t, k) @ w, -np.inf)
    chosen = np.argmax(z / temperature + rng.gumbel(size=z.shape), 1)
    pair = np.array(pairs)[chosen]
    keep = np.ones((n, k), bool)
    keep[np.arange(n), pair[:, 0]] = False
    keep[np.arange(n), pair[:, 1]] = False
    left = np.concatenate([x[keep].reshape(n, k - 2), r[np.arange(n), chosen][:, None]], 1)
    return np.sort(left, 1)


def roll(w, x, t, k, temperature=1.0):
    while x.shape[1] > k:
        x = step(w, x, t, temperature)
    return x


def policy_set(w, k, tries, limit):
    """solvable states with k left and, for each legal operation, whether the rest stays solvable"""
    x, t = draw(tries, 4)
    x = roll(w, x, t, k)
    s = solvable(x, t)
    x, t = x[s][:limit], t[s][:limit]
    (lo, hi, op, r, legal), pairs = candidates(x)
    good = np.zeros(legal.shape, bool)
    for c, (i, j) in enumerate(pairs):
        rest = [x[:, m] for m in range(k) if m not in (i, j)]
        good[:, c] = solvable(np.stack([r[:, c]] + rest, 1), t) & legal[:, c]
    return policy_features(lo, hi, op, r, t, k), legal, good


def fit_policy(sets, w):
    """maximise log P(a good operation), one weight vector for all counts"""
    m, v = np.zeros_like(w), np.zeros_like(w)
    for it in range(1, 401):
        g = 2e-3 * w
        for f, legal, good in sets:
            z = np.where(legal, f @ w, -1e9)
            p = np.exp(z - z.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            pg = np.where(good, p, 0)
            g = g + ((p - pg / pg.sum(1, keepdims=True))[:, :, None] * f).sum(1).mean(0)
        m, v = .9 * m + .1 * g, .999 * v + .001 * g * g
        w = w - 0.1 * (m / (1 - .9 ** it)) / (np.sqrt(v / (1 - .999 ** it)) + 1e-8)
    return w


# ---- the value model: one hidden layer over features of the numbers left

def denominator(v):
    d = np.full_like(v, 64.0)
    for c in range(63, 0, -1):
        d = np.where(np.abs(v * c - np.round(v * c)) < 1e-6, c, d)
    return d


def value_features(x, t):
    """ten of each number (ascending), then eight of the target; no operation on two numbers left"""
    x, s, f = np.sort(x, 1), scale(t), []
    for i in range(x.shape[1]):
        v = x[:, i]
        a = np.abs(v)
        f += [np.clip(v / s, -3, 3), np.clip(np.log(np.maximum(a, 1e-9) / s), -4, 2), np.log(1 + np.minimum(a, 255)),
              is_int(v), divides(v, t), divides(t, v), is_int(v / 2), np.abs(v - 1) < EPS, a < EPS,
              np.log(denominator(v))]
    f += [np.log(1 + np.minimum(s, 255))] + [is_int(t / p) for p in (2, 3, 4, 5, 7, 8, 9)]
    return np.stack([np.asarray(c, float) for c in f], 1)


def train(f, y, hidden, epochs, rate=5e-3, batch=2048):
    """Adam on the log loss; returns W1 [features, hidden], b1, W2, b2 for raw features"""
    mean, sd = f.mean(0), np.maximum(f.std(0), 0.15)
    f, y, (n, d) = ((f - mean) / sd).astype(np.float32), y.astype(np.float32), f.shape
    p = [rng.normal(size=(d, hidden)) * np.sqrt(2 / d), np.zeros(hidden), rng.normal(size=hidden) / np.sqrt(hidden),
         np.array([np.log(y.mean() / (1 - y.mean()))])]
    p = [a.astype(np.float32) for a in p]
    m, v = [np.zeros_like(a) for a in p], [np.zeros_like(a) for a in p]
    steps, it = epochs * (n // batch), 0
    for _ in range(epochs):
        order = rng.permutation(n)
        for b in range(n // batch):
            ix, it = order[b * batch:(b + 1) * batch], it + 1
            h = f[ix] @ p[0] + p[1]
            act = np.maximum(h, 0)
            e = (1 / (1 + np.exp(-np.clip(act @ p[2] + p[3], -50, 50))) - y[ix]) / batch
            gh = np.outer(e, p[2]) * (h > 0)
            lr = rate * 0.5 * (1 + np.cos(np.pi * it / steps))
            for i, g in enumerate((f[ix].T @ gh, gh.sum(0), act.T @ e, e.sum(keepdims=True))):
                m[i], v[i] = .9 * m[i] + .1 * g, .999 * v[i] + .001 * g * g
                p[i] = p[i] - (lr * (m[i] / (1 - .9 ** it)) / (np.sqrt(v[i] / (1 - .999 ** it)) + 1e-8)).astype(np.float32)
    w1 = p[0].astype(float) / sd[:, None]
    return w1, p[1] - mean @ w1, p[2].astype(float), p[3].astype(float)


def fit_value(w, k):
    parts = []
    for start, share in STARTS[k]:
        x, t = draw(int(STATES[k] * share), start)
        parts.append((roll(w, x, t, k, 1.3), t))
    x, t = np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts])
    y = solvable(x, t)
    print(f"value model for {k} left: {len(y)} states, {y.mean():.3f} solvable", flush=True)
    return train(value_features(x, t), y, HIDDEN[k], EPOCHS[k])


# ---- the C table

def lines(*parts):
    """numbers of one unit, three decimals, wrapped"""
    numbers = [v for part in parts for v in np.atleast_1d(part)]
    text = ", ".join(f"{v:.3f}".rstrip("0").rstrip(".") if abs(v) >= 5e-4 else "0" for v in numbers)
    return textwrap.fill(text + ",", 100, initial_indent="    ", subsequent_indent="        ")


def emit(path, w, models):
    with open(path, "w", encoding="ascii") as out:
        out.write('/* SPDX-License-Identifier: Apache-2.0 */\n'
                  '/* embedded_weights.c - written by fit/fit_embedded.py; do not edit */\n\n'
                  '/* clang-format off */\n#include "worker/engine/embedded_weights.h"\n\n'
                  'const double embedded_policy[EMBEDDED_POLICY_FEATURES] = {\n')
        for name, value in zip(POLICY, w):
            out.write(f"    {value:.3f}, /* {name} */\n")
        out.write("};\n")
        for k, (w1, b1, w2, b2) in models.items():
            out.write(f"\n/* {k} left: for each unit: weights of the features, bias, weight of the unit */\n"
                      f"static const double left_{k}[] = {{\n")
            for u in range(len(b1)):
                out.write(lines(w1[:, u], b1[u], w2[u]) + "\n")
            out.write(lines(b2) + " /* bias of the value */\n};\n")
        out.write("\nconst struct embedded_value embedded_values[EMBEDDED_MOST_LEFT + 1] = {\n")
        for k in models:
            out.write(f"    [{k}] = {{{HIDDEN[k]}, left_{k}}},\n")
        out.write("};\n")


def main():
    zero = np.zeros(len(POLICY))
    first = policy_set(zero, 4, 20_000, 4_000)
    w = fit_policy([first], zero)
    sets = [first, policy_set(w, 3, 200_000, 10_000), policy_set(w, 2, 600_000, 10_000)]
    w = fit_policy(sets, w)
    print("policy", dict(zip(POLICY, w.round(3).tolist())), flush=True)
    emit(sys.argv[1], w, {k: fit_value(w, k) for k in HIDDEN})


main()
