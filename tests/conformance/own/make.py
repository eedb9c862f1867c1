#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make.py - small golden cases, derived from the rules of the golden README and nothing else

    python3 make.py          writes the *.json of this folder
    python3 make.py --check FOLDER
                             runs these rules on the params of every case of FOLDER that they cover and compares requests
                             and results: shows that this file says the same as the reference traces

Sections in brackets are those of the golden README.
"""
import hashlib
import json
import math
import os
import struct
import sys

SEP = "\n\n"
LM = {"rule": "fakelm-1", "min_depth": 2, "max_depth": 6, "p_eos": 0.25, "vocab": 10000, "answers": 5}


# ---- [1.1] to [1.3]: the fake models ----

def h(*parts):
    return hashlib.sha256("\x1f".join(str(p) for p in parts).encode())


def unit(*parts):
    return float(struct.unpack(">Q", h(*parts).digest()[:8])[0]) / 18446744073709551616.0


def lm_step(lm, question, text, k):
    """(text of the step, eos)"""
    prompt, depth = question + "|A|" + text, text.count(SEP)
    if "\\boxed{" in text:
        return "", True
    if depth >= lm["max_depth"] or depth >= lm["min_depth"] and unit("eos", prompt, k) < lm["p_eos"]:
        return "ans \\boxed{%d}" % int(unit("ans", prompt, k) * lm["answers"]), True
    return "s%04d" % int(unit("tok", prompt, k) * lm["vocab"]) + SEP, False


def lm_to_eos(lm, question, text, k):
    made, eos = lm_step(lm, question, text, k)
    while not eos:
        more, eos = lm_step(lm, question, text + made, 0)
        made += more
    return made


def prm(question, text):
    pieces = [p for p in text.split(SEP) if p]
    return [unit("prm", question, "".join(p + SEP for p in pieces[:j + 1])) for j in range(len(pieces))]


def aggregate(how, scores):
    return {"last": lambda: scores[-1], "min": lambda: min(scores), "prod": lambda: math.prod(scores)}[how]()


def tokens(text):
    return len(text.replace("\n", " ").split())


def boxed(text):
    at = text.rfind("\\boxed{")
    return text[at + 7:text.index("}", at)] if at >= 0 else ""


class Model:
    """One run: sample numbers, counts, requests."""

    def __init__(self, question, lm):
        self.question, self.lm, self.seen, self.generations, self.tokens = question, lm, {}, 0, 0

    def ask(self, text, to_eos=False):
        prompt = self.question + "|A|" + text
        k = self.seen.get(prompt, 0)
        self.seen[prompt] = k + 1
        made, eos = (lm_to_eos(self.lm, self.question, text, k), True) if to_eos else \
            lm_step(self.lm, self.question, text, k)
        self.generations += 1
        self.tokens += tokens(made)
        return {"p": hashlib.sha256(prompt.encode()).hexdigest(), "k": k, "prefix": prompt, "text": made, "eos": eos,
                "scores": prm(self.question, text + made)}

    def counts(self):
        return {"generations": self.generations, "generated_tokens": self.tokens}


def argmax(values):
    return values.index(max(values))


# ---- [3.1] beam search, tiled ----

def sal_beam(case):
    p, model = case["params"], Model(case["question"], case["lm"])
    n, keep = p["n"], p["keep"] or p["n"]
    frontier, done, trace = [""] * n, [], []
    for it in range(p["num_iterations"]):
        last = it == p["num_iterations"] - 1
        if it > 0:
            frontier = [frontier[i % len(frontier)] for i in range(n)]
        asked = [dict(model.ask(text, last)) for text in frontier]
        texts = [text + r["text"] for text, r in zip(frontier, asked)]
        for r in asked:
            r["agg"] = aggregate(p["agg"], r["scores"])
        over = [i for i, r in enumerate(asked) if r["eos"] or not r["text"]]
        done += [(texts[i], asked[i]) for i in over]
        live, seen = [], set()
        for i in range(n):
            if i not in over and not (p["filter_duplicates"] and texts[i] in seen):
                live.append(i)
                seen.add(texts[i])
        best = sorted(live, key=lambda i: asked[i]["agg"])[-keep:]  # stable, the end is kept: later equals survive
        kept = sorted(best)
        entry = {"iter": it, "mode": "to_eos" if last else "step", "ask": asked, "completed": over, "kept": []}
        trace.append(entry)
        if not kept:
            break
        frontier = [texts[i] for i in kept]
        first = {}
        for i in kept:
            first.setdefault(texts[i], i)
        entry["kept"] = sorted(first.values())
    results = []
    for sort in (False, True):
        order = sorted(done, key=lambda d: -d[1]["agg"]) if sort else done
        order = order[:n]
        final = [order[i % len(order)] for i in range(n)]
        at = argmax([d[1]["agg"] for d in final])
        results.append({"sort_completed": sort, "completions": [d[0] for d in final],
                        "agg_scores": [d[1]["agg"] for d in final], "step_scores": [d[1]["scores"] for d in final],
                        "pred": final[at][0], "pred_index": at, "tiled": len(done) < n})
    case["trace"] = trace
    case["completed_all"] = [{"text": t, "agg": r["agg"], "scores": r["scores"]} for t, r in done]
    case["results"], case["counts"] = results, model.counts()


# ---- [3.5] beam search with a fixed number of kept beams ----

def its_beam(case):
    p, model, trace = case["params"], Model(case["question"], case["lm"]), []
    copies = p["budget"] // p["keep"]
    beams = [{"text": "", "stopped": False, "score": None, "steps": 0} for _ in range(copies)]
    while any(not b["stopped"] for b in beams):
        asked, after = [], []
        for b in beams:
            if not b["stopped"]:
                r = model.ask(b["text"])
                r["score"] = r.pop("scores")[-1]
                asked.append(r)
                b = {"text": b["text"] + r["text"], "stopped": r["eos"] or b["steps"] >= p["max_steps"],
                     "score": r["score"], "steps": b["steps"] + 1}
            after.append(b)
        order = sorted(range(len(after)), key=lambda i: -after[i]["score"])[:p["keep"]]
        shown = [{"text": strip(b["text"]), "text_sha256": hashlib.sha256(strip(b["text"]).encode()).hexdigest(),
                  "stopped": b["stopped"], "score": b["score"]} for b in after]
        trace.append({"iter": len(trace), "ask": asked, "candidates": shown, "kept": order})
        beams = [after[i] for _ in range(copies) for i in order]
    at = argmax([b["score"] for b in beams])
    case["trace"], case["counts"] = trace, model.counts()
    case["results"] = {"responses": [strip(b["text"]) for b in beams], "response_sha256": None,
                       "scores": [b["score"] for b in beams], "steps_used": [b["steps"] for b in beams],
                       "selected_index": at, "pred": strip(beams[at]["text"])}


def strip(text):
    return text[:-2] if text.endswith(SEP) else text


# ---- [3.8] beam search with a heap ----

def openr_beam(case):
    p, model, trace = case["params"], Model(case["question"], case["lm"]), []

    def expand(node):
        asked, children = [], []
        for _ in range(p["width"]):
            r = model.ask(node["text"])
            r["score"] = r.pop("scores")[-1]
            r["avg_logprob"] = -2.0 * unit("lp", r["prefix"], r["k"])
            asked.append(r)
            if r["text"] not in [c["step"] for c in children]:
                children.append({"step": r["text"], "text": node["text"] + r["text"], "value": r["score"],
                                 "end": not r["text"].endswith(SEP)})
        node["children"] = children
        trace.append({"call": len(trace), "ask": asked, "distinct": len(children)})

    root = {"text": "", "end": False}
    expand(root)
    frontier, ended, k = [root], [], p["beam_size"]
    for _ in range(p["max_step"] + 1):
        heap = []
        for node in frontier:
            if node["end"]:
                ended.append(node)
                k -= 1
            elif k > 0:
                heap += sorted(node["children"], key=lambda c: -c["value"])[:k]
        frontier = sorted(heap, key=lambda c: -c["value"])[:max(k, 0)]
        for node in frontier:
            if not node["end"]:
                expand(node)
        if len(ended) == p["beam_size"]:
            break
    case["trace"], case["counts"] = trace, model.counts()
    case["results"] = {"answers": [{"rank": i, "text": e["text"], "value": e["value"]} for i, e in enumerate(ended)],
                       "best": argmax([e["value"] for e in ended]) if ended else None,
                       "completion_tokens_generated": model.tokens}


# ---- [3.3], [3.7] best-of-N, votes, self-consistency ----

def groups(answers, weights):
    sums = {}
    for answer, weight in zip(answers, weights):
        sums[answer] = sums.get(answer, 0) + weight
    return sums


def first_best(sums):
    return max(sums, key=lambda a: sums[a])  # dicts keep the order of appearance; max takes the first


def completions(case, n, agg):
    model = Model(case["question"], case["lm"])
    asked = [model.ask("", True) for _ in range(n)]
    for r in asked:
        r["answer"], r["agg"], r["last"] = boxed(r["text"]), aggregate(agg, r["scores"]), r["scores"][-1]
    case["counts"] = model.counts()
    case["trace"] = [{"iter": 0, "mode": "to_eos", "ask": asked}]
    return asked


def sal_best_of_n(case):
    n = case["params"]["n"]
    asked = completions(case, n, case["params"]["agg"])
    answers, last = [r["answer"] for r in asked], [r["last"] for r in asked]
    votes, m = [], 1
    while m <= n:
        weighted, majority = groups(answers[:m], last[:m]), groups(answers[:m], [1] * m)
        most = max(majority.values())
        votes.append({"subset": m, "naive": answers[argmax(last[:m])], "weighted": first_best(weighted),
                      "majority": first_best(majority), "weighted_sums": weighted, "majority_counts": majority,
                      "majority_tie": list(majority.values()).count(most) > 1})
        m *= 2
    at = argmax([r["agg"] for r in asked])
    case["results"] = {"pred": asked[at]["text"], "pred_index": at, "votes": votes}


def its_best_of_n(case):
    asked = completions(case, case["params"]["budget"], "last")
    answers = [r["answer"] for r in asked]
    counts = groups(answers, [1] * len(answers))
    most = max(counts.values())
    at = argmax([r["last"] for r in asked])
    case["results"] = {
        "best_of_n": {"selected_index": at, "pred": asked[at]["text"]},
        "self_consistency": {"counts": counts, "max_count": most,
                             "acceptable_indices": [i for i, a in enumerate(answers) if counts[a] == most],
                             "acceptable_answers": [a for a in counts if counts[a] == most]}}


# ---- [3.9] OpenR's votes ----

def openr_votes(case):
    answers = case["answers"]
    least = [min(s) if s else -1 for s in case["step_scores"]]
    last = [s[-1] if s else -1 for s in case["step_scores"]]
    case["expect"] = {"majority_vote": first_best(groups(answers, [1] * len(answers))),
                      "prm_min_max": answers[argmax(least)], "prm_last_max": answers[argmax(last)],
                      "prm_min_vote": first_best(groups(answers, least)),
                      "prm_last_vote": first_best(groups(answers, last))}


# ---- the cases of this folder ----

def bare(case):
    """Leave out every field that may be missing."""
    for entry in case["trace"]:
        for r in entry["ask"]:
            for key in ("prefix", "text", "scores", "agg"):
                r.pop(key, None)
    case.pop("completed_all", None)
    case.pop("counts", None)
    return case


def beam(id, question, n, M, agg, lm=LM, its=10, dedupe=True):
    return {"id": id, "question": question, "lm": lm,
            "params": {"n": n, "expand": M, "keep": n // M, "num_iterations": its, "agg": agg,
                       "filter_duplicates": dedupe, "lookahead": 0}}


DEEP, SMALL = dict(LM, min_depth=5, max_depth=12, p_eos=0.1), dict(LM, vocab=3)
FILES = {
    "own_beam": ("beam_search", sal_beam, [
        beam("own-beam-6-3-last", "own 1", 6, 3, "last"),
        beam("own-beam-7-2-uneven", "own 2", 7, 2, "prod"),
        beam("own-beam-8-2-utf8", "zwölf ⁄ drei?", 8, 2, "min"),
        beam("own-beam-9-3-few-words", "own 4", 9, 3, "last", SMALL),
        beam("own-beam-4-2-deep-cut", "own 5", 4, 2, "prod", DEEP, 4, False),
        beam("own-beam-1-1", "own 6", 1, 1, "last"),
        beam("own-beam-2-4-keeps-all", "own 7", 2, 4, "last"),
        beam("own-beam-5-5-one-level", "own 8", 5, 5, "last", its=1)]),
    "own_beam_fixed": ("beam_search_fixed_keep", its_beam, [
        {"id": "own-fixed-%d-%d" % (b, w), "question": "own %d" % b, "lm": lm,
         "params": {"budget": b, "keep": w, "expand": b // w, "max_steps": steps}}
        for b, w, lm, steps in ((6, 3, LM, 10), (9, 2, LM, 10), (5, 1, SMALL, 10), (4, 4, DEEP, 20), (6, 2, DEEP, 3))]),
    "own_beam_heap": ("beam_search_heap", openr_beam, [
        {"id": "own-heap-%d-%d" % (w, b), "question": "own %d" % w, "lm": lm,
         "params": {"width": w, "beam_size": b, "max_step": steps}}
        for w, b, lm, steps in ((3, 2, LM, 50), (5, 5, LM, 50), (6, 3, SMALL, 50), (2, 6, DEEP, 50), (4, 2, DEEP, 3))]),
    "own_best_of_n": ("best_of_n_and_votes", sal_best_of_n, [
        {"id": "own-bon-%d-%s" % (n, agg), "question": "own %d" % n, "lm": lm,
         "params": {"n": n, "agg": agg, "vote_agg": "last"}}
        for n, agg, lm in ((1, "last", LM), (7, "min", LM), (12, "prod", dict(LM, answers=2)), (33, "last", DEEP))]),
    "own_consistency": ("best_of_n_and_self_consistency", its_best_of_n, [
        {"id": "own-sc-%d" % n, "question": "own %d" % n, "lm": LM, "params": {"budget": n, "outcome_score": "last"}}
        for n in (1, 3, 10)]),
    "own_votes": ("prm_votes", openr_votes, [
        {"id": "own-votes-%d" % i, "answers": a, "step_scores": s} for i, (a, s) in enumerate((
            (["7"], [[]]), (["a", "b"], [[], []]), (["a", "b", "b"], [[0.5], [0.25, 0.25], [0.25]]),
            (["x", "y", "x", "y"], [[0.9, 0.1], [0.4, 0.6], [0.3], []]),
            (["1", "2", "3"], [[0.7, 0.2], [0.2, 0.7], [0.7]])))]),
}


def round_trip(value):
    return json.loads(json.dumps(value))


def write_all(folder):
    for name, (algorithm, run, cases) in FILES.items():
        cases = round_trip(cases)
        for case in cases:
            run(case)
        if algorithm == "beam_search":
            cases.append(bare(dict(round_trip(cases[0]), id="own-beam-bare")))
        with open(os.path.join(folder, name + ".json"), "w") as out:
            json.dump({"schema": "search-golden/1", "set": "own", "algorithm": algorithm, "cases": cases}, out,
                      separators=(",", ":"))
            out.write("\n")


# ---- --check: do these rules say what the reference traces say? ----

def differs(want, got, path=""):
    """Path of the first field of `want` that `got` has and that is not equal."""
    if isinstance(want, dict) and isinstance(got, dict):
        return next((d for k in want if k in got and want[k] is not None and got[k] is not None
                     for d in [differs(want[k], got[k], path + "/" + k)] if d), None)
    if isinstance(want, list) and isinstance(got, list):
        if len(want) != len(got):
            return path + ": length"
        return next((d for i in range(len(want)) for d in [differs(want[i], got[i], "%s/%d" % (path, i))] if d), None)
    return None if want == got else "%s: %r, not %r" % (path, got, want)


def check(folder):
    runs = {algorithm: run for algorithm, run, _ in FILES.values()}
    bad = total = 0
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".json"):
            continue
        with open(os.path.join(folder, name)) as source:
            file = json.load(source)
        for case in file.get("cases", []) if file["algorithm"] in runs else []:
            mine = round_trip({k: v for k, v in case.items() if k not in ("trace", "results", "expect")})
            runs[file["algorithm"]](mine)
            case.pop("counts", None)
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
