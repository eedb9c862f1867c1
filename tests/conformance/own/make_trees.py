#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_trees.py - small golden cases of the tree searches: best-first, ToT, AB-MCTS-A, OmegaPRM

    python3 make_trees.py [--check FOLDER]          as make.py

Sections in brackets are those of the golden README.
"""
import math
import os
import sys

import make
from make import LM, Model, SEP, h, unit


# ---- [3.10]: trees of fakegen-1; node -1 is the root ----

class Tree:
    def __init__(self, case):
        self.question, self.actions = case["question"], case["params"]["actions"]
        self.state, self.score, self.children, self.made, self.depth = {-1: ""}, {}, {-1: []}, {}, {-1: 0}
        self.rows = []

    def add(self, parent, action, **more):
        node, c = len(self.rows), self.made.get((parent, action), 0)
        self.made[parent, action] = c + 1
        self.state[node] = "%s/%s%d" % (self.state[parent], action, c)
        self.score[node] = unit("tq", self.question, self.state[node])
        self.depth[node] = self.depth[parent] + 1
        self.children[parent].append((node, action))
        self.children[node] = []
        self.rows.append(dict(parent=parent, action=action, state=self.state[node], score=self.score[node],
                              node=node, **more))
        return node

    def finish(self, case):
        best = max(self.score, key=lambda n: (self.score[n], -n))
        case["trace"] = self.rows
        case["results"] = {"nodes": len(self.rows), "best_node": best, "best_state": self.state[best],
                           "best_score": self.score[best]}


def best_first(case):
    t, p, waiting = Tree(case), case["params"], [-1]
    while len(t.rows) < p["steps"]:
        top = min(waiting, key=lambda n: (-t.score.get(n, 0.0), t.depth[n], n))
        waiting.remove(top)
        for action in t.actions:
            for _ in range(p["num_samples"]):
                if len(t.rows) < p["steps"]:
                    waiting.append(t.add(top, action))
    t.finish(case)


def tot_or_bandit(case):
    t, p = Tree(case), case["params"]
    if "exploration_weight" in p:
        won = {a: [] for a in t.actions}
        for i in range(p["steps"]):
            action = max(t.actions, key=lambda a: (math.inf if not won[a] else sum(won[a]) / len(won[a]) +
                                                   p["exploration_weight"] * math.sqrt(math.log(i) / len(won[a])),
                                                   -t.actions.index(a)))
            won[action].append(t.score[t.add(-1, action)])
    else:
        t.add(-1, t.actions[0])
        while len(t.rows) < p["steps"]:
            deepest = max(t.depth.values())
            level = sorted((n for n in t.score if t.depth[n] == deepest), key=lambda n: -t.score[n])[:p["breadth"]]
            for action in t.actions:
                for n in level:
                    for _ in range(max(1, p["size"] // len(t.actions))):
                        if len(t.rows) < p["steps"]:
                            t.add(n, action)
    t.finish(case)


# ---- [3.10]: beliefs ----

def believed(dist, prior, seen):
    n = len(seen)
    if dist == "beta":
        return {"a": prior["a"] + sum(seen), "b": prior["b"] + sum(1 - x for x in seen)}
    if n == 0:
        return dict(prior)
    a = sum(seen) / n
    v = sum((x - a) ** 2 for x in seen)
    kappa, nu = prior["kappa"] + n, prior["nu"] + n
    return {"m": (prior["kappa"] * prior["m"] + n * a) / kappa, "kappa": kappa, "nu": nu,
            "tau_square": (prior["nu"] * prior["tau_square"] + v +
                           n * prior["kappa"] * (prior["m"] - a) ** 2 / kappa) / nu}


def posteriors(case):
    case["gaussian"] = believed("gaussian", case["prior"], case["observations"])
    case["beta"] = believed("beta", case["beta_prior"], case["observations"])


class Bandits(Tree):
    def __init__(self, case):
        super().__init__(case)
        self.p, self.draws, self.asked = case["params"], 0, []
        self.gen, self.cont, self.child, self.act = {}, {}, {}, {}
        self.earned = {a: [] for a in self.actions}

    def draw(self, seen):
        b = believed(self.p["dist"], self.p["prior"], seen)
        u, self.draws = unit("draw", self.p["draws_key"], self.draws), self.draws + 1
        if self.p["dist"] == "beta":
            a, s = b["a"], b["a"] + b["b"]
            mean, sd = a / s, math.sqrt(a * b["b"] / (s * s * (s + 1)))
        else:
            mean, sd = b["m"], math.sqrt(b["tau_square"] / b["kappa"])
        return mean + self.p["spread"] * (2 * u - 1) * sd

    def first_largest(self, names, value):
        values = [value(n) for n in names]
        return names[values.index(max(values))]

    def global_action(self):
        if len(self.actions) == 1:
            return self.actions[0]
        if self.p["strategy"].endswith("thompson"):
            return self.first_largest(self.actions, lambda a: self.draw(self.earned[a]))
        total = sum(len(e) for e in self.earned.values())
        return self.first_largest(self.actions, lambda a: math.inf if not self.earned[a] else
                                  sum(self.earned[a]) / len(self.earned[a]) +
                                  math.sqrt(2) * math.sqrt(math.log(total) / len(self.earned[a])))

    def descend(self):
        at, stack = -1, self.p["strategy"] == "stack"
        while True:
            if at not in self.asked:
                self.asked.append(at)
            key = "all"
            if stack:
                key = self.first_largest(self.actions, lambda a: self.draw(self.act.get((at, a), [])))
            gen, cont = self.draw(self.gen.get((at, key), [])), self.draw(self.cont.get((at, key), []))
            ways = [n for n, a in self.children[at] if not stack or a == key]
            if gen >= cont or not ways:
                return at, key if stack else self.global_action()
            at = self.first_largest(ways, lambda n: self.draw(self.child[n]))

    def tell(self, node, parent, action):
        score, up, last, made_by = self.score[node], parent, node, action
        parents = {n: r["parent"] for n, r in enumerate(self.rows)}
        acted = {n: r["action"] for n, r in enumerate(self.rows)}
        self.child[node] = [score]
        self.earned[action].append(score)
        while True:
            side = self.gen if up == parent else self.cont
            for key in ("all", made_by):
                side.setdefault((up, key), []).append(score)
            self.act.setdefault((up, made_by), []).append(score)
            if last != node:
                self.child[last].append(score)
            if up == -1:
                return
            last, made_by, up = up, acted[up], parents[up]


def abmcts(case):
    t, p = Bandits(case), case["params"]
    for _ in range(p["steps"]):
        parent, action = t.descend()
        t.tell(t.add(parent, action, draws_so_far=t.draws), parent, action)
    t.finish(case)
    case["results"]["posteriors"] = [entry(t, p, n) for n in sorted(t.asked)]


def entry(t, p, n):
    def of(seen):
        return believed(p["dist"], p["prior"], seen)
    places = {c: str(i) for i, (c, _) in enumerate(t.children[n])}
    out = {"node": n, "actions": {a: of(t.act.get((n, a), [])) for a in t.actions}}
    if p["strategy"] == "stack":
        out["gen_cont"] = {a: {"GEN": of(t.gen.get((n, a), [])), "CONT": of(t.cont.get((n, a), []))} for a in t.actions}
        out["children"] = {a: {places[c]: of(t.child[c]) for c, by in t.children[n] if by == a} for a in t.actions}
    else:
        out["gen"], out["cont"] = of(t.gen.get((n, "all"), [])), of(t.cont.get((n, "all"), []))
        out["children"] = {places[c]: of(t.child[c]) for c, _ in t.children[n]}
    return out


# ---- [3.11]: Tree of Thoughts ----

def tot(case):
    p, q = case["params"], case["question"]
    source = "P|" if p["method_generate"] == "propose" else "S|"
    frontier, asked, calls, seen, case["trace"] = [""], {}, 0, {}, []

    def value(z, j):
        v = unit("value", "V|" + q + "|" + z, j)
        return p["value_levels"][int(v * 3)] if p["value_levels"] else v
    for step in range(p["steps"]):
        candidates, values = [], []
        for y in frontier:
            start = 0 if source == "P|" else asked.get(y, 0)
            asked[y] = start + p["candidates_per_state"]
            calls += 1
            for i in range(start, start + p["candidates_per_state"]):
                candidates.append(y + "t%02d\n" % int(unit("thought", source + q + "|" + y, i) * p["vocab"]))
        for i, z in enumerate(candidates):
            if z in candidates[:i]:
                values.append(0.0)
                continue
            if z not in seen:
                seen[z] = sum(value(z, j) for j in range(p["n_evaluate"]))
            values.append(seen[z])
        chosen = sorted(range(len(values)), key=lambda i: -values[i])[:p["keep"]]
        case["trace"].append({"step": step, "frontier": frontier, "candidates": candidates, "values": values,
                              "selected": chosen})
        frontier = [candidates[i] for i in chosen]
    case["results"] = {"final": frontier, "generate_calls": calls, "value_calls": len(seen)}


# ---- [3.9]: OmegaPRM ----

class Omega:
    def __init__(self, case):
        self.p, self.model, self.events = case["params"], Model(case["question"], case["lm"]), []
        self.states, self.pool, self.arrivals, self.rollouts = [], {}, 0, 0

    def new_state(self, text, parent):
        self.states.append({"state": len(self.states), "text": text, "parent": parent, "mc": None, "visits": 0,
                            "wrong": [], "rollouts": 0})
        return self.states[-1]

    def put(self, s, rollout):
        p = self.p
        n = sum(x["visits"] for x in self.states)
        priority = p["alpha"] ** (1 - s["mc"]) * p["beta"] ** (len(rollout.split()) / p["L"]) + \
            p["c_puct"] * math.sqrt(max(1, n)) / (1 + s["visits"])
        self.pool[s["state"], rollout] = (-priority, self.arrivals)
        self.arrivals += 1
        self.events.append({"event": "candidate", "state": s["state"], "rollout": rollout, "priority": priority})

    def estimate(self, s):
        prefix = s["text"] + SEP if s["text"] else ""
        prompt = self.model.question + "|A|" + prefix
        first = self.model.seen.get(prompt, 0)
        made = [self.model.ask(prefix, True) for _ in range(self.p["k"])]
        made = [m if isinstance(m, str) else m["text"] for m in made]
        right = [m for m in made if "\\boxed{%s}" % self.p["gold"] in prefix + m]
        wrong = [m for m in made if m not in right]
        s["visits"], s["rollouts"], s["mc"] = 1, len(made), len(right) / len(made)
        s["wrong"] = list(dict.fromkeys(wrong))
        self.rollouts += len(made)
        self.events.append({"event": "estimate", "state": s["state"], "p": h(prompt).hexdigest(), "prefix": prompt,
                            "first_k": first, "rollouts": made, "correct": len(right), "mc": s["mc"]})
        for m in right:
            self.new_state(prefix + m, s["state"])["mc"] = 1.0
        for m in wrong if 0 < s["mc"] < 1 else []:
            self.put(s, m)

    def search(self, s, rollout):
        steps, left, a = rollout.split(SEP), 0, s
        right = len(steps) - 1
        while left <= right:
            mid = (left + right) // 2
            text = SEP.join(([a["text"]] if a["text"] else []) + steps[left:mid + 1])
            new = self.new_state(text, a["state"])
            self.estimate(new)
            if new["mc"] == 0:
                right = mid - 1
            else:
                a, left = new, mid + 1
        for m in s["wrong"]:
            self.put(s, m)


def omegaprm(case):
    o, p, searches = Omega(case), case["params"], 0
    o.estimate(o.new_state("", -1))
    while searches < p["max_searches"] and o.rollouts < p["rollout_budget"] and o.pool:
        key = min(o.pool, key=o.pool.get)
        del o.pool[key]
        o.events.append({"event": "select", "state": key[0], "rollout": key[1]})
        o.search(o.states[key[0]], key[1])
        searches += 1
    case["trace"] = o.events
    case["results"] = {"states": [{k: v for k, v in s.items() if k != "wrong"} for s in o.states],
                       "searches": searches, "total_rollouts": o.rollouts}
    case["counts"] = {"generations": o.rollouts}


# ---- the cases ----

NIX = {"m": 0.0, "kappa": 1.0, "nu": 1.0, "tau_square": 0.1}
HALF = {"a": 0.5, "b": 0.5}


def ab(id, dist, strategy, actions, steps, prior):
    return {"id": id, "question": "own " + id, "params": {
        "actions": actions, "dist": dist, "strategy": strategy, "steps": steps, "draw_rule": "affine", "spread": 4.0,
        "draws_key": id, "prior": prior}}


def thoughts(id, method, c, b, n, steps, vocab=100, levels=None):
    return {"id": id, "question": "own " + id, "params": {
        "steps": steps, "method_generate": method, "candidates_per_state": c, "n_evaluate": n, "keep": b,
        "vocab": vocab, "value_levels": levels, "select": "greedy"}}


def omega(id, gold, k, n, budget=200, lm=LM):
    return {"id": id, "question": "own " + id, "lm": lm, "params": {
        "gold": gold, "k": k, "max_searches": n, "rollout_budget": budget, "c_puct": 0.125, "alpha": 0.5, "beta": 0.9,
        "L": 500}}


TREES = {
    "own_best_first": ("best_first", best_first, [
        {"id": "own-best-first-%d" % s, "question": "own %d" % s,
         "params": {"actions": a, "num_samples": s, "steps": n}}
        for a, s, n in ((["A"], 1, 5), (["A", "B"], 3, 40), (["A", "B", "C"], 2, 31))]),
    "own_tree_bfs": ("tot_bfs_and_bandit_ucb", tot_or_bandit, [
        {"id": "own-tree-bfs-%d-%d" % (b, k), "question": "own %d" % b,
         "params": {"actions": a, "breadth": b, "size": k, "steps": n}}
        for a, b, k, n in ((["A"], 2, 3, 20), (["A", "B", "C"], 3, 2, 33))] + [
        {"id": "own-ucb", "question": "own ucb",
         "params": {"actions": ["A", "B"], "exploration_weight": 0.5, "steps": 30}}]),
    "own_abmcts": ("ab_mcts_a", abmcts, [
        ab("own-ab-gaussian", "gaussian", "multiarm_bandit_thompson", ["A", "B"], 30, NIX),
        ab("own-ab-beta", "beta", "multiarm_bandit_thompson", ["A"], 25, HALF),
        ab("own-ab-ucb", "gaussian", "multiarm_bandit_ucb", ["A", "B"], 30, dict(NIX, m=0.4, kappa=2.0)),
        ab("own-ab-stack", "beta", "stack", ["A", "B", "C"], 35, HALF)]),
    "own_posteriors": ("ab_mcts_a_posteriors", posteriors, [
        {"id": "own-posterior-%d" % n, "prior": dict(NIX, m=0.3), "beta_prior": HALF,
         "observations": [unit("own", n, i) for i in range(n)]} for n in (0, 1, 2, 17)]),
    "own_tot": ("tot_bfs", tot, [
        thoughts("own-tot-propose", "propose", 5, 3, 2, 3),
        thoughts("own-tot-sample", "sample", 4, 2, 1, 4),
        thoughts("own-tot-twins", "sample", 6, 3, 3, 2, 3),
        thoughts("own-tot-levels", "propose", 6, 4, 1, 3, 100, [0.5, 1.0, 2.0])]),
    "own_omegaprm": ("omegaprm", omegaprm, [
        omega("own-omega-3", "1", 3, 2), omega("own-omega-6", "0", 6, 8),
        omega("own-omega-twins", "0", 8, 9, 200, dict(LM, vocab=2, answers=2, max_depth=3)),
        omega("own-omega-budget", "2", 5, 50, 40), omega("own-omega-deep", "3", 4, 3, 200, make.DEEP)]),
}


def near(want, got, path=""):
    """As make.differs; numbers may differ in their last digits: sums are made in another order."""
    if isinstance(want, float) and isinstance(got, (int, float)):
        return None if abs(want - got) <= 1e-12 * max(1.0, abs(want)) else "%s: %r, not %r" % (path, got, want)
    if isinstance(want, dict) and isinstance(got, dict):
        return next((d for k in want if k in got and want[k] is not None
                     for d in [near(want[k], got[k], path + "/" + k)] if d), None)
    if isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        return next((d for i in range(len(want)) for d in [near(want[i], got[i], "%s/%d" % (path, i))] if d), None)
    return None if want == got else "%s: %r, not %r" % (path, got, want)


if __name__ == "__main__":
    make.FILES, make.differs = TREES, near
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        sys.exit(make.check(sys.argv[2]))
    make.write_all(os.path.dirname(os.path.abspath(__file__)))
