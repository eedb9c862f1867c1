#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py - one-line faults in our own source, each of which a test must catch

    run.py BUILD_FOLDER [NAME ...]

The sources are copied into BUILD_FOLDER/src; each fault is put in there in turn, the tests that should notice are built and run, and
the first one that fails is named.  A fault that nothing catches fails this ring; so does one whose line is not there any more.
"""
import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
SIM = ("tests/sim/test_sim", "12")
GOLDEN = ("tests/conformance/conformance", "GOLDEN")


def unit(path):
    """The unit test tests/unit/FOLDER/test_NAME.c, as "FOLDER/NAME"."""
    folder, name = path.rsplit("/", 1)
    return ("tests/unit/unit_" + folder.replace("/", "_") + "_test_" + name,)


# name, file, line there, line instead, tests that should notice (in this order)
FAULTS = [
    ("joins delivered as they complete", "coordinator/search/search_join.c",
     "join *j = take_join (&s->lanes[l], s->setup->options.deterministic);", "join *j = take_join (&s->lanes[l], false);",
     [unit("coordinator/search/search"), SIM]),
    ("a problem that resume brought back is admitted again", "coordinator/loop_resume.c",
     "(key_range){c->open[i].p->key, 1}", "(key_range){UINT64_MAX - at, 1}", [unit("coordinator/loop")]),
    ("cancelled asks are given back", "coordinator/search/search_take.c",
     "if (a->got.dropped)", "if (false)", [unit("coordinator/search/search_budget"), unit("coordinator/search/search"), SIM]),
    ("a hold that is not noted", "coordinator/search/budget.c",
     "a->held = budget_sum (&a->held, amount);", "(void)amount;", [unit("coordinator/search/budget"), SIM]),
    ("seeds without the path", "coordinator/search/search_plan.c",
     "esp_hash_mix (from->path_hash, stage)", "esp_hash_mix (0, stage)", [unit("coordinator/search/search_ask")]),
    ("lookahead scores leak into children", "coordinator/search/tree.c",
     "total += r == ref ? n->score_count : n->score_own;", "total += n->score_count;", [unit("coordinator/search/tree"), GOLDEN]),
    ("of equal scores the later one leads", "coordinator/search/strategy_help.c",
     "return descending ? a > b : a < b;", "return descending ? a >= b : a < b;", [unit("coordinator/search/strategy_help"), GOLDEN, SIM]),
    ("rebase rounds down", "coordinator/search/rebase_allocate.c", "ceil ((double)", "floor ((double)",
     [unit("coordinator/search/strategy_rebase"), GOLDEN]),
    ("a draw that is used twice", "coordinator/search/search_look.c",
     "s->lanes[lane_index].draws++;", "(void)lane_index;", [GOLDEN, SIM]),
    ("the last of equal votes wins", "coordinator/merge/vote.c",
     "value_of_group (rule, &groups[g]) > value_of_group (rule, &groups[win])", "value_of_group (rule, &groups[g]) >= value_of_group (rule, &groups[win])",
     [unit("coordinator/merge/vote"), GOLDEN]),
    ("half a pass: 50 for 50%", "proto/answer/answer_match.c",
     "if (a->unit.percent != b->unit.percent) {", "if (false) {", [unit("proto/answer/answer_form")]),
    ("brackets of an interval do not count", "proto/answer/answer_match.c",
     "a->open == b->open && a->close == b->close", "a->open != 0", [unit("proto/answer/answer_lists")]),
    ("one and a half is half of one", "proto/answer/answer_expr.c",
     "mixed = mixed && answer_poly_is_rational (factor);", "mixed = false;", [unit("proto/answer/answer_form")]),
    ("equal values are two answers", "coordinator/merge/answer_key.c",
     "if (equality == ANSWER_BY_VALUE)", "if (equality > ANSWER_BY_TEXT)", [unit("coordinator/merge/answer_key")]),
    ("every death counts as a death alone", "coordinator/dispatch/dispatch_faults.c",
     "f->alone += alone;", "f->alone += 1;", [unit("coordinator/dispatch/dispatch_faults")]),
    ("after one death a task runs alone", "coordinator/dispatch/dispatch_faults.c",
     "return f->deaths >= DEATHS_SUSPECT;", "return f->deaths > 0;", [unit("coordinator/dispatch/dispatch_faults")]),
    ("no death makes a suspect", "coordinator/dispatch/dispatch_faults.c",
     "return f->deaths >= DEATHS_SUSPECT;", "return f->deaths > 99;", [unit("coordinator/dispatch/dispatch_faults")]),
    ("the last worker runs suspects before all else", "coordinator/dispatch/dispatch_faults.c",
     "(enum task_kind)k) <= 1;", "(enum task_kind)k) < 1;", [unit("coordinator/dispatch/dispatch_deaths")]),
    ("a new start knows no deaths", "coordinator/loop_resume.c",
     "err = dispatch_recall (c->dispatch, t, (uint32_t)(end - i), alone);", "(void) alone;", [unit("coordinator/loop")]),
    ("who ends a run accuses its tasks", "coordinator/loop.c",
     "if (!c->stopping && c->pass_error == ESP_OK)\n        keep_error (c, journal_death", "if (c->pass_error == ESP_OK)\n        keep_error (c, journal_death",
     [unit("coordinator/loop")]),
    ("a segment forgets whose deaths it holds", "coordinator/journal/journal.c",
     "note_problem (b, r->u.death.tasks[i].problem);", "(void) i;", [unit("coordinator/journal/journal_segments")]),
    ("credit is not given back", "coordinator/dispatch/dispatch.c",
     "w->in_flight[f->task.kind]--;", "w->in_flight[f->task.kind] += 0;", [unit("coordinator/dispatch/dispatch")]),
    ("a lost text is not sent again whole", "coordinator/dispatch/dispatch_receive.c",
     "lease_flight_at (d->leases, handle)->whole = true;", "lease_flight_at (d->leases, handle)->whole = false;",
     [unit("coordinator/dispatch/dispatch")]),
    ("rows are not cut back on resume", "coordinator/journal/journal_rows.c",
     "f->bytes = f->committed;", "f->bytes = f->committed = bytes;", [unit("coordinator/loop")]),
    ("a flipped bit is taken for a torn tail", "coordinator/journal/journal_replay.c",
     "if (mark != UINT64_MAX)", "if (mark == 0)", [unit("coordinator/journal/journal_cut"), unit("coordinator/journal/journal"), unit("coordinator/journal/journal_faults")]),
    ("a suspect runs in company", "coordinator/dispatch/dispatch.c",
     "w->reserved = w->reserved || alone;", "(void) alone;", [unit("coordinator/dispatch/dispatch_faults")]),
    ("a late result is thrown away", "coordinator/dispatch/dispatch_receive.c",
     "return lease_find_flight (d->leases, r->result.id);", "return 0;", [unit("coordinator/dispatch/dispatch_faults")]),
    ("messages of another run are taken", "coordinator/dispatch/dispatch_receive.c",
     "m.run_id != d->run_id", "false", [unit("coordinator/dispatch/dispatch")]),
    ("an ended lease is sent all the same", "coordinator/dispatch/dispatch_send.c",
     "lease_find (d->leases, sending->lease) != 0;", "true;", [unit("coordinator/dispatch/dispatch_outbox")]),
    ("an old lease number finds a new lease", "coordinator/dispatch/lease.c",
     "uses = c->uses + 1;", "uses = 1;", [unit("coordinator/dispatch/lease")]),
    ("a score moves the home of a prefix", "coordinator/dispatch/roster.c",
     "if (r->homes[h % HOMES].key != h)", "if (true)", [unit("coordinator/dispatch/roster")]),
    ("every nth rank is every rank", "cluster/cli/run_workers.c", "(rank - r.first) % r.every == 0", "true", [unit("cluster/cli/run_workers")]),
    ("a worker opens what others serve", "cluster/cli/run_config.c",
     "(ctx && !run_workers_serves (c, k, base->rank))", "(false)", [unit("cluster/cli/run_workers")]),
    ("a prefix's home is not asked", "coordinator/dispatch/roster.c",
     "home->key == h", "false", [unit("coordinator/dispatch/roster"), unit("coordinator/dispatch/dispatch")]),
    ("a boost lifts other problems too", "coordinator/frontier/frontier.c",
     "t->id.problem == key && match", "key != UINT64_MAX && match", [unit("coordinator/frontier/frontier")]),
    ("a pinned problem is dropped", "worker/store.c", "h->pins == 0 && h != keep", "h != keep", [unit("worker/store")]),
    ("the older lease is answered", "worker/jobs.c",
     "(*at)->lease = t->lease;", "(void) t;", [unit("worker/worker_loop")]),
    ("results are lost while the link is full", "worker/jobs.c",
     "j->ready_count -= sent;", "j->ready_count = 0;", [unit("worker/worker_loop")]),
    ("the frontier ignores arrival", "coordinator/frontier/frontier.c",
     "return a->arrival < b->arrival;", "return a->arrival > b->arrival;", [unit("coordinator/frontier/frontier")]),
    ("a survivor that may still fall goes on", "coordinator/search/strategy_beam_sure.c",
     "r + missing < keep", "r + missing < keep + 1", [unit("coordinator/search/search_early")]),
    ("a branch that a missing one may equal goes on", "coordinator/search/strategy_beam_sure.c",
     "= filter && unknown", "= filter && false", [unit("coordinator/search/search_early")]),
    ("virtual loss is kept", "coordinator/search/strategy_mcts.c",
     "add_flying (s, me, parent, -1);", "add_flying (s, me, parent, 0);", [unit("coordinator/search/strategy_mcts"), SIM]),
    ("hidden units are not rectified", "worker/engine/embedded_trained.c",
     "here[u] = fmax (here[u], 0);", "here[u] = fmax (here[u], -1e9);", [unit("worker/engine/embedded_trained")]),
    ("a PRM sees all that is left", "worker/engine/embedded_features.c",
     "return left > 2 ?", "return left > 1 ?", [unit("worker/engine/embedded_features")]),
    ("a wrong chain passes", "worker/verifier/verifier_puzzle.c",
     "VERDICT_FAIL", "VERDICT_PASS", [unit("worker/verifier/verifier_puzzle")]),
    ("an axiom of the candidate is its statement's own", "worker/verifier/coq_reply.c",
     "if (a->blocks == 1 &&", "if (a->blocks >= 1 &&", [unit("worker/verifier/coq_reply")]),
    ("a proof that said nothing of its axioms passes", "worker/verifier/lean_reply.c",
     "if (answers == 0)", "if (answers > 9)", [unit("worker/verifier/lean_reply")]),
    ("what stands behind a quote is not looked at", "worker/verifier/lean_text.c",
     "size_t end = s.ptr[at] == '\\'' ? char_end (s, at) : 0;", "size_t end = 0;", [unit("worker/verifier/lean_text")]),
    ("a peer gets one more than it asked for", "worker/engine/engine_external_asks.c",
     "return credits - e->out;", "return credits - e->out + 1;", [unit("worker/engine/engine_external")]),
    ("a peer that is not there any more is answered", "worker/engine/external_peer.c",
     "if (m->session != p->session)", "if (m->session > p->session)", [unit("worker/engine/engine_external")]),
    ("no task of a peer is ever poisonous", "worker/engine/engine_external_asks.c",
     "(counts && a->alone)", "(counts && false)", [unit("worker/engine/engine_external_lost")]),
    ("scores are counted from the first step", "worker/engine/external_message.c",
     "count == asked->steps ? asked->from : 0", "count == asked->steps ? 0 : asked->from", [unit("worker/engine/engine_external")]),
    ("a program outlives its worker", "worker/engine/external_process.c",
     "prctl (PR_SET_PDEATHSIG, SIGKILL);", "prctl (PR_SET_PDEATHSIG, 0);", [unit("worker/engine/external_process")]),
]


def copy_sources(to):
    files = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], check=True, capture_output=True,
                           text=True).stdout.split("\n")
    for name in filter(None, files):
        source, target = os.path.join(ROOT, name), os.path.join(to, name)
        if not os.path.isfile(source):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target) or open(source, "rb").read() != open(target, "rb").read():
            shutil.copy2(source, target)


def build(folder, targets):
    return subprocess.run(["ninja", "-C", folder, *targets], capture_output=True, text=True)


def known_targets(folder):
    out = subprocess.run(["ninja", "-C", folder, "-t", "targets", "all"], capture_output=True, text=True).stdout
    return {line.split(":")[0] for line in out.split("\n")}


def run_test(folder, test):
    golden = os.path.join(ROOT, "..", "shared", "golden")
    words = [golden if w == "GOLDEN" else w for w in test[1:]]
    if "GOLDEN" in test[1:] and not os.path.isdir(golden):
        words = [os.path.join(ROOT, "tests/conformance/own")]
    work = os.path.join(folder, "work")
    os.makedirs(work, exist_ok=True)
    try:
        return subprocess.run([os.path.join(folder, test[0]), *words], capture_output=True, cwd=work, timeout=240).returncode
    except subprocess.TimeoutExpired:
        return "too long"


def whole_tests(folder, tests):
    """The tests that pass while no fault is in; the others would catch anything."""
    good = set()
    made = build(folder, [test[0] for test in tests])
    if made.returncode != 0:
        print(f"FAILED  does not build without any fault: {made.stdout[-300:]}", flush=True)
        return good
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        codes = list(pool.map(lambda test: run_test(folder, test), tests))
    for test, code in zip(tests, codes):
        if code == 0:
            good.add(test)
        else:
            print(f"FAILED  without any fault: {test[0]} ({code})", flush=True)
    return good


def main():
    words = argparse.ArgumentParser(description="one-line faults in our own source, each of which a test must catch")
    words.add_argument("folder", help="where a copy of the source is patched and built")
    words.add_argument("names", nargs="*", help="only these faults")
    given = words.parse_args()
    base, only = os.path.abspath(given.folder), given.names
    source, folder = os.path.join(base, "src"), os.path.join(base, "build")
    copy_sources(source)
    subprocess.run(["cmake", "-S", source, "-B", folder, "-G", "Ninja", "-DESP_WERROR=OFF", "-DESP_CHECK=ON"], check=True,
                   capture_output=True)
    known = known_targets(folder)
    faults = [f for f in FAULTS if not only or f[0] in only]
    wanted = dict.fromkeys(t for f in faults for t in f[4])
    good = whole_tests(folder, [t for t in wanted if t[0] in known])
    caught, missed = 0, len(wanted) - len(good)
    for t in wanted:
        if t[0] not in known:
            print(f"FAILED  no such test: {t[0]}", flush=True)
    for name, path, old, new, tests in faults:
        tests = [t for t in tests if t in good]
        target = os.path.join(source, path)
        whole = open(target).read()
        if whole.count(old) < 1:
            print(f"FAILED  {name}: the line is not in {path} any more", flush=True)
            missed += 1
            continue
        open(target, "w").write(whole.replace(old, new))
        by = None
        for test in tests:
            made = build(folder, [test[0]])
            if made.returncode != 0:
                print(f"FAILED  {name}: does not build: {made.stdout[-300:]}", flush=True)
                break
            code = run_test(folder, test)
            if code != 0:
                by = f"{test[0]} ({code})"
                break
        open(target, "w").write(whole)
        print(f"caught  {name}: {by}" if by else f"FAILED  {name}: nothing caught it ({[t[0] for t in tests]})", flush=True)
        caught += by is not None
        missed += by is None
    print(f"{caught} passed, {missed} failed, 0 skipped")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
