#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_branches.py - as make.py, for dvts, rebase, particles, mcts (PUCT, UCT) and rmaxts

    python3 make_branches.py                  writes own_dvts.json, own_rebase.json, ...
    python3 make_branches.py --check FOLDER   compares these rules with the reference traces
"""
import hashlib
import json
import math
import os
import random
import sys

import make
from make import Model, aggregate, argmax, boxed, tokens, unit, SEP


def voc(vocab, **more):
    return dict(make.LM, vocab=vocab, **more)


def public(r):
    return {k: v for k, v in r.items() if k != "scores"}


# ---- [3.2] diverse verifier tree search ----

def dvts(case):
    p, model = case["params"], Model(case["question"], case["lm"])
    texts, ended, leaves, trace = [""] * p["subtrees"], [False] * p["subtrees"], [None] * p["subtrees"], []
    greedy, uses = 0, {}
    for it in range(p["num_iterations"]):
        last, entry, rounds = it == p["num_iterations"] - 1, [], []
        live = [s for s in range(p["subtrees"]) if not ended[s]]
        if not live:
            break
        asked = {s: [model.ask(texts[s], last) for _ in range(p["expand"])] for s in live}
        for s in live:
            if it > 0:
                uses.setdefault(texts[s], set()).add(s)
            for r in asked[s]:
                r["look"], r["over"] = "", r["eos"]
        for _ in range(0 if last else p["lookahead"]):
            rounds.append([])
            for s in live:
                for r in asked[s]:
                    if not r["over"]:
                        so_far = texts[s] + r["text"] + r["look"]
                        made, r["over"] = make.lm_step(case["lm"], case["question"], so_far, "g")
                        prompt = case["question"] + "|A|" + so_far
                        rounds[-1].append({"p": hashlib.sha256(prompt.encode()).hexdigest(), "k": "g", "prefix": prompt,
                                           "text": made, "eos": r["over"]})
                        r["look"] += made
                        greedy += 1
                        model.tokens += tokens(made)
        for s in live:
            for r in asked[s]:
                r["scores"] = make.prm(case["question"], texts[s] + r["text"] + r["look"])
                r["agg"] = aggregate(p["agg"], r["scores"])
            best = argmax([r["agg"] for r in asked[s]])
            chosen = asked[s][best]
            leaves[s] = [(texts[s] + r["text"], r) for r in asked[s]]
            texts[s] += chosen["text"]
            ended[s] = chosen["eos"] or not chosen["text"] or "boxed{" in texts[s]
            shown = []
            for r in asked[s]:
                one = {k: r[k] for k in ("p", "k", "prefix", "text", "eos", "agg")}
                if r["look"]:
                    one["scored_text"] = r["text"] + r["look"]
                shown.append(one)
            entry.append({"subtree": s, "ask": shown, "chosen": best, "ended": ended[s]})
        trace.append({"iter": it, "mode": "to_eos" if last else "step", "subtrees": entry})
        if rounds:
            trace[-1]["lookahead_ask"] = rounds
    flat = [(s, t, r) for s in range(p["subtrees"]) for t, r in leaves[s]]
    at = argmax([r["agg"] for _, _, r in flat])
    case["trace"] = trace
    case["results"] = {"leaves": [{"subtree": s, "text": t, "finished": "boxed{" in t, "agg": r["agg"],
                                   "scores": r["scores"]} for s, t, r in flat],
                       "pred": flat[at][1], "pred_index": at}
    case["counts"] = {"generations": model.generations + greedy, "generated_tokens": model.tokens}
    if any(len(s) > 1 for s in uses.values()):
        case["peer_quirk"] = {"prompt_shared_by_two_subtrees": True}


# ---- [3.4] REBASE ----

def allocate(weights, places, temperature):
    order = sorted(range(len(weights)), key=lambda i: weights[i])[::-1]
    e = [math.exp(w / temperature) for w in weights]
    total, counts = sum(e), [0] * len(weights)
    for i in order:
        counts[i] = max(0, math.ceil(places * e[i] / total - 1e-9)) if places > 0 else 0
        places -= counts[i]
        total -= e[i]
    return order, counts


def rebase(case):
    p, model = case["params"], Model(case["question"], case["lm"])
    nodes, trace, answers = [{"text": "", "scores": []}], [], []
    level, left, ties = [0], p["width"], []
    for depth in range(p["max_depth"]):
        open_ = []
        for n in level:
            if depth and "boxed{" in nodes[n]["text"]:
                left -= 1
            else:
                open_.append(n)
        if left <= 0 or not open_:
            break
        weights = [nodes[n]["scores"][-1] if depth else 1.0 for n in open_]
        order, counts = allocate(weights, left, p["softmax_temperature"])
        if len(set(weights)) < len(weights):
            ties.append(depth)
        level, asked = [], []
        for i in order:
            for _ in range(counts[i]):
                r = model.ask(nodes[open_[i]]["text"])
                r.update(node=len(nodes), parent=open_[i], score=r["scores"][-1])
                level.append(len(nodes))
                nodes.append({"text": nodes[open_[i]]["text"] + r["text"], "scores": r["scores"]})
                asked.append(public(r))
        trace.append({"depth": depth, "remaining_width": left,
                      "candidates": [{"node": n, "weight": w} for n, w in zip(open_, weights)],
                      "allocation": [{"node": open_[i], "count": counts[i]} for i in order], "ask": asked})
    done = [n for n in nodes if "boxed{" in n["text"]]
    case["trace"], case["counts"] = trace, model.counts()
    case["results"] = {"answers": [{"text": n["text"], "step_scores": n["scores"], "answer": int(boxed(n["text"]))}
                                   for n in done], "n_answers": len(done)}
    if done:
        case["results"]["best_last"] = argmax([n["scores"][-1] for n in done])
    if ties:
        case["peer_quirk"] = {"tied_weights_depths": ties}


def allocation(case):
    order, counts = allocate(case["weights"], case["R"], case["T"])
    case.update(order=order, counts=counts, sum=sum(counts))


# ---- [3.6] particles ----

def bare(text):
    return text[:-len(SEP)] if text.endswith(SEP) else text


def softmax(values):
    e = [math.exp(v - max(values)) for v in values]
    return [x / sum(e) for x in e]


def particles(case):
    p, model, used = case["params"], Model(case["question"], case["lm"]), [0]
    n, refs, trace, picks = p["particles"], p["num_ref_particles"], [], []

    def draw(weights, count):
        us, out = [], []
        for _ in range(count):
            u = unit("u", p["uniforms_key"], used[0])
            used[0] += 1
            us.append(u)
            total, so_far, pick = sum(weights), 0.0, len(weights) - 1
            for i, w in enumerate(weights):
                so_far += w
                if so_far > u * total:
                    pick = i
                    break
            out.append(pick)
        return us, out

    def weight(score):
        x = min(max(score, p["clip"]), 1 - p["clip"])
        return math.log(x / (1 - x))

    held = []  # references
    for gibbs in range(p["num_iterations"]):
        pool = [{"steps": [], "logs": [], "stopped": False} for _ in range(n - len(held))] + held
        step = 0
        while not all(q["stopped"] for q in pool):
            asked = []
            for q in pool:
                if not q["stopped"]:
                    before = len(q["steps"])
                    r = model.ask("".join(q["steps"]))
                    q["steps"].append(r["text"])
                    q["logs"].append(weight(r["scores"][-1]))
                    q["stopped"] = "boxed{" in r["text"] or before >= p["max_steps"]
                    asked.append(dict(public(r), score=r["scores"][-1]))
            step += 1
            weights = softmax([q["logs"][-1] for q in pool])
            entry = {"iter": len(trace), "gibbs_iteration": gibbs, "ask": asked, "weights": weights,
                     "particles": [{"text": bare("".join(q["steps"])), "stopped": q["stopped"],
                                    "log_weight": q["logs"][-1]} for q in pool]}
            entry["uniforms"], entry["ancestors"] = draw(weights, n - len(held))
            moved = []
            for a in entry["ancestors"]:
                q = {k: list(v) if isinstance(v, list) else v for k, v in pool[a].items()}
                if a >= n - len(held) and len(q["steps"]) > step:
                    q = {"steps": q["steps"][:step], "logs": q["logs"][:step], "stopped": False}
                moved.append(q)
            pool = moved + held
            trace.append(entry)
        weights = softmax([q["logs"][-1] for q in pool])
        if refs:
            us, picked = draw(weights, refs)
            trace[-1]["reference_draw"] = {"uniforms": us, "picked": picked}
            held = [pool[i] for i in picked]
            picks.append(picked)
    weights, final = softmax([q["logs"][-1] for q in pool]), None
    at = argmax([q["logs"][-1] for q in pool])
    if p["selection"] == "sample":
        us, picked = draw(weights, 1)
        final, at = {"uniforms": us, "picked": picked}, picked[0]
    texts = [bare("".join(q["steps"])) for q in pool]
    case["trace"], case["counts"] = trace, model.counts()
    case["uniforms"] = [unit("u", p["uniforms_key"], i) for i in range(used[0])]
    case["results"] = {"responses": texts, "log_weights": [q["logs"][-1] for q in pool],
                       "steps_used": [len(q["steps"]) for q in pool], "final_draw": final, "selected_index": at,
                       "pred": texts[at]}


# ---- [3.8] PUCT ----

def puct(case):
    p, model, trace = case["params"], Model(case["question"], case["lm"]), []
    root = {"text": "", "action": "", "prior": 1.0, "first": 0.0, "n": 0, "sum": 0.0, "over": False, "down": None}
    spent = [0]

    def grow(node):
        asked = []
        for _ in range(p["width"]):
            r = model.ask(node["text"])
            r.update(score=r["scores"][-1], avg_logprob=-2.0 * unit("lp", r["prefix"], r["k"]))
            spent[0] += tokens(r["text"])
            asked.append(r)
        distinct = {}
        for r in asked:
            distinct.setdefault(r["text"], r)
        total = sum(math.exp(r["avg_logprob"]) for r in distinct.values())
        node["down"] = [{"text": node["text"] + t, "action": t, "prior": math.exp(r["avg_logprob"]) / total,
                         "first": r["score"], "n": 0, "sum": 0.0, "over": not t.endswith(SEP), "down": None, "up": node}
                        for t, r in distinct.items()]
        trace.append({"call": len(trace), "ask": [public(r) for r in asked], "distinct": len(distinct)})

    def worth(parent, c):
        value = c["sum"] / c["n"] if c["n"] else c["first"]
        weight = math.log((parent["n"] + p["pb_c_base"] + 1) / p["pb_c_base"]) + p["pb_c_init"]
        return value + weight * math.sqrt(parent["n"]) / (c["n"] + 1) * c["prior"]

    grow(root)
    paths = []
    for i in range(p["num_path"]):
        node, before = root, 0 if i == 0 else spent[0]
        while not node["over"]:
            if node["down"] is None:
                grow(node)
            values = [worth(node, c) for c in node["down"]]
            node = node["down"][argmax(values)]
        value = node["sum"] / node["n"] if node["n"] else node["first"]
        paths.append({"path": i, "text": node["text"], "value": value, "tokens": spent[0] - before})
        while node:
            node["n"] += 1
            node["sum"] += value
            node = node.get("up")
    nodes = []

    def show(node, parent):
        mine = len(nodes)
        nodes.append({"node": mine, "parent": parent, "action": node["action"], "prior": node["prior"],
                      "initial_value": node["first"], "visits": node["n"], "value_sum": node["sum"],
                      "terminated": node["over"], "expanded": node["down"] is not None})
        for c in node["down"] or []:
            show(c, mine)
    show(root, -1)
    case["trace"], case["counts"], case["results"] = trace, model.counts(), {"paths": paths, "nodes": nodes}


# ---- [3.10] UCT with priors ----

def uct(case):
    p, nodes, queue, trace = case["params"], [], [], []
    root = {"n": 0, "sum": 0.0, "prior": 1.0, "down": [], "state": "", "number": -1}
    if "steps" not in p:
        return  # the asynchronous case
    for _ in range(p["steps"]):
        if not queue:
            at = root
            while at["down"]:
                values = [c["sum"] / c["n"] + p["exploration_weight"] * c["prior"]
                          * math.sqrt(math.log(at["n"]) / c["n"]) for c in at["down"]]
                at = at["down"][argmax(values)]
            queue = [(at, a) for a in p["actions"] for _ in range(p["samples_per_action"])]
        parent, action = queue.pop(0)
        made = sum(1 for c in parent["down"] if c["action"] == action)
        state = parent["state"] + "/" + action + str(made)
        node = {"n": 0, "sum": 0.0, "prior": 1.0, "down": [], "state": state, "action": action, "up": parent,
                "number": len(nodes), "score": unit("tq", case["question"], state)}
        parent["down"].append(node)
        nodes.append(node)
        trace.append({"parent": parent["number"], "action": action, "state": state, "score": node["score"],
                      "node": node["number"]})
        up = node
        while up:
            up["n"] += 1
            up["sum"] += node["score"]
            up = up.get("up")
        if len(parent["down"]) > 1:
            for c, prior in zip(parent["down"], softmax([c["score"] for c in parent["down"]])):
                c["prior"] = prior
    best = argmax([n["score"] for n in nodes])
    case["trace"] = trace
    case["results"] = {"nodes": len(nodes), "best_node": best, "best_state": nodes[best]["state"],
                       "best_score": nodes[best]["score"],
                       "stats": [{"node": n["number"], "visits": n["n"], "value_sum": n["sum"],
                                  "prior": None if n is root or n["prior"] == 1.0 else n["prior"]}
                                 for n in [root] + nodes]}


# ---- [3.12] RMaxTS ----

def rmaxts(case):
    p = case["params"]
    g, rnd = p["gamma"], random.Random(p.pop("seed", 0))
    nodes, jobs, trace, ties = [], [], [], []

    def add(parent):
        nodes.append({"own": [0.0, 0.0, 0], "sub": [0.0, 0.0, 0], "parent": parent, "down": []})
        if parent >= 0:
            nodes[parent]["down"].append(len(nodes) - 1)

    def visits(t):
        return t[1] * g ** t[2] + (1 - g ** t[2]) / (1 - g)

    def value(t):
        return t[0] * g ** t[2] / max(visits(t), 0.01)

    def up(i):
        while i >= 0:
            yield nodes[i]["sub"]
            i = nodes[i]["parent"]

    add(-1)
    for _ in range(p.pop("events", 0)):
        if len(jobs) < p["slots"] and (not jobs or rnd.random() < 0.6):
            at, margin = 0, 1.0
            while nodes[at]["down"]:
                arms = [(at, nodes[at]["own"])] + [(c, nodes[c]["sub"]) for c in nodes[at]["down"]]
                ln = math.log(max(sum(visits(t) for _, t in arms), 2))
                bounds = [value(t) + math.sqrt(2 * ln / max(visits(t), 0.01)) for _, t in arms]
                best = argmax(bounds)
                margin = min(margin, bounds[best] - max(bounds[:best] + bounds[best + 1:]))
                if best == 0:
                    break
                at = arms[best][0]
            if margin < 1e-12:
                ties.append(len(trace))
            trace.append({"event": "start", "node": at, "margin": margin})
            jobs.append(at)
            nodes[at]["own"][2] += 1
            for t in up(at):
                t[2] += 1
        else:
            at, fresh = jobs.pop(rnd.randrange(len(jobs))), rnd.random() < 0.4
            trace.append({"event": "finish", "node": at, "reward": int(fresh)})
            if fresh:
                trace[-1]["new_node"] = len(nodes)
                add(at)
            for t in [nodes[at]["own"]] + list(up(at)):
                t[0], t[1], t[2] = t[0] * g + fresh, t[1] * g + 1, t[2] - 1
    case["trace"] = trace
    case["results"] = {"nodes": [{
        "node": i, "parent": n["parent"], "value": value(n["own"]), "visitation": visits(n["own"]),
        "subtree_value": value(n["sub"]), "subtree_visitation": visits(n["sub"]), "discounted_reward": n["own"][0],
        "discounted_visits": n["own"][1], "running": n["own"][2], "subtree_running": n["sub"][2]}
        for i, n in enumerate(nodes)]}
    if ties:
        case["peer_quirk"] = {"tied_selection_events": ties}


# ---- the cases ----

def one(name, question, params, lm=None):
    return {"id": "own-" + name, "question": question, "params": params, "lm": lm or make.LM}


def dvts_case(name, question, n, expand, agg="last", its=10, look=0, lm=None):
    return one("dvts-" + name, question, {"n": n, "expand": expand, "subtrees": n // expand, "num_iterations": its,
                                          "agg": agg, "lookahead": look}, lm)


def particle_case(name, question, n, its, refs, selection, lm=None, max_steps=10):
    return one("particle-" + name, question,
               {"budget": n * its, "num_iterations": its, "particles": n, "num_ref_particles": refs,
                "selection": selection, "clip": 1e-7, "max_steps": max_steps, "uniforms_key": "own-" + name}, lm)


FILES = {
    "own_dvts": ("dvts", dvts, [
        dvts_case("8-2", "Own 1", 8, 2), dvts_case("6-3-min-la2", "Own 2", 6, 3, "min", look=2),
        dvts_case("9-3-prod-it3", "Own 3", 9, 3, "prod", its=3), dvts_case("1-1", "Own 4", 1, 1),
        dvts_case("12-2-voc5", "Own 5", 12, 2, lm=voc(5)), dvts_case("12-3-voc3-la1", "Own 6", 12, 3, look=1, lm=voc(3))]),
    "own_rebase": ("rebase", rebase, [
        one("rebase-8", "Own 1", {"width": 8, "softmax_temperature": 0.2, "weight": "last", "max_depth": 25}),
        one("rebase-1", "Own 2", {"width": 1, "softmax_temperature": 0.2, "weight": "last", "max_depth": 25}),
        one("rebase-7-cut", "Own 3", {"width": 7, "softmax_temperature": 1.0, "weight": "last", "max_depth": 3}),
        one("rebase-12-voc4", "Own 4", {"width": 12, "softmax_temperature": 0.5, "weight": "last", "max_depth": 25},
            voc(4))]),
    "own_rebase_allocation": ("rebase_allocation", allocation, [
        {"id": "own-alloc-ties", "weights": [0.5, 0.5, 0.5, 0.25], "R": 10, "T": 0.2},
        {"id": "own-alloc-none", "weights": [], "R": 4, "T": 0.2},
        {"id": "own-alloc-one", "weights": [0.1], "R": 5, "T": 1.0},
        {"id": "own-alloc-cold", "weights": [0.1, 0.9, 0.8], "R": 9, "T": 0.01}]),
    "own_particle": ("particle_filtering", particles, [
        particle_case("5", "Own 1", 5, 1, 0, "argmax"), particle_case("6-sample", "Own 2", 6, 1, 0, "sample"),
        particle_case("gibbs-5-2", "Own 3", 5, 4, 2, "sample"),
        particle_case("gibbs-4-3-voc5", "Own 4", 4, 3, 3, "argmax", voc(5)),
        particle_case("5-cut", "Own 5", 5, 1, 0, "argmax", voc(10000, min_depth=3), max_steps=2),
        particle_case("4-cut-sample", "Own 6", 4, 1, 0, "sample", voc(10000, p_eos=0.4), max_steps=2)]),
    "own_mcts_puct": ("mcts_puct", puct, [
        one("puct-3", "Own 1", {"width": 3, "num_path": 9, "pb_c_base": 19652, "pb_c_init": 1.25, "max_length": 50}),
        one("puct-4-voc3", "Own 2",
            {"width": 4, "num_path": 20, "pb_c_base": 50, "pb_c_init": 0.5, "max_length": 50}, voc(3))]),
    "own_mcts_uct": ("mcts_uct_prior", uct, [
        {"id": "own-uct-2", "question": "Own 1",
         "params": {"actions": ["A", "B"], "samples_per_action": 1, "exploration_weight": 2.0, "steps": 25}},
        {"id": "own-uct-3", "question": "Own 2",
         "params": {"actions": ["A"], "samples_per_action": 3, "exploration_weight": 0.1, "steps": 22}}]),
    "own_rmaxts": ("rmaxts", rmaxts, [
        {"id": "own-rmaxts-3", "params": {"gamma": 0.97, "slots": 3, "seed": 5, "events": 90}},
        {"id": "own-rmaxts-1", "params": {"gamma": 0.5, "slots": 1, "seed": 6, "events": 60}}]),
}


def write_all(folder):
    for name, (algorithm, run, cases) in FILES.items():
        cases = make.round_trip(cases)
        for case in cases:
            run(case)
        with open(os.path.join(folder, name + ".json"), "w") as out:
            json.dump({"schema": "search-golden/1", "set": "own", "algorithm": algorithm, "cases": cases}, out,
                      separators=(",", ":"))
            out.write("\n")


def close(a, b):
    return isinstance(a, float) and isinstance(b, float) and abs(a - b) <= 1e-12 * max(abs(a), abs(b))


def differs(want, got, path=""):
    """As make.differs, but formulas to 1e-12 and nothing said about what one side leaves out."""
    if isinstance(want, dict) and isinstance(got, dict):
        return next((d for k in want if want[k] is not None and got.get(k) is not None
                     for d in [differs(want[k], got[k], path + "/" + k)] if d), None)
    if isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        return next((d for i, w in enumerate(want) for d in [differs(w, got[i], "%s/%d" % (path, i))] if d), None)
    return None if want == got or close(want, got) else "%s: %.60r, not %.60r" % (path, got, want)


def check(folder):
    runs = {algorithm: run for algorithm, run, _ in FILES.values() if algorithm != "rmaxts"}  # there jobs are recorded
    bad = total = 0
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".json"):
            continue
        with open(os.path.join(folder, name)) as source:
            file = json.load(source)
        for case in file.get("cases", []) if file["algorithm"] in runs else []:
            mine = make.round_trip({k: v for k, v in case.items() if k not in ("trace", "results", "counts")})
            exact = (case.get("peer_quirk") or {}).get("exact_counts")
            runs[file["algorithm"]](mine)
            if exact:
                case.update(counts=exact, sum=sum(exact))
            for hidden in ("peer_quirk", "notes"):
                case.pop(hidden, None)
            total += 1
            why = differs(case, mine)
            if why:
                bad += 1
                print(name, case["id"], why)
    print("%d cases, %d differ" % (total, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        sys.exit(check(sys.argv[2]))
    write_all(os.path.dirname(os.path.abspath(__file__)))
