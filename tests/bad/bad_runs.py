# SPDX-License-Identifier: Apache-2.0
"""bad_runs.py - cases: other keys on resume, ranks, signals, kills"""
import json
import os
import shutil
import signal
import threading
import time

from bad_kit import (ESPALIER, MPIRUN, RUN, SLOW, Skip, Wrong, answers, call, case, end, folder, lines, problems, same,
                     start, stopped_run, undisturbed, wait_until_begun, want, write)


# ---- resume with other keys ----

@case
def resume_with_free_keys():
    folder(n=8)
    undisturbed()
    write("slow.yaml", RUN % SLOW)
    stopped_run("out")
    want(call("resume", "out", "generator.slots=9", "log.level=info", "problems.open=3"), 0)
    same("calm", "out")


@case
def resume_with_fixed_keys_is_refused():
    folder(n=8)
    undisturbed()
    write("slow.yaml", RUN % SLOW)
    stopped_run("out")
    for key, value in (("search.keep", "3"), ("run.seed", "7"), ("search.strategy", "dvts"), ("generator.temperature", "0.1")):
        want(call("resume", "out", f"{key}={value}"), 2, key)
    want(call("resume", "out"), 0)
    same("calm", "out")


@case
def files_of_the_prompt_stay_as_they_are():
    turns = 'turns: {user: "U: {user}%s", assistant: "A: {assistant}"}\n'
    for key, extra, text, other in (("examples", "", '{"problem": "1 + 1?", "solution": "2"}\n', '{"problem": "1 + 2?", "solution": "3"}\n'),
                                    ("chat_file", ", chat: file", turns % "", turns % "!")):
        folder(run=RUN % "" + f"prompt: {{{key}: t.txt{extra}}}\n", n=8)
        write("t.txt", text)
        want(call("run", "run.yaml", f"run.output={key}", "problems.limit=3"), 0)
        write("t.txt", other)
        want(call("resume", key, "problems.limit=5"), 2, f"prompt.{key}: t.txt is another file than the run was started with")
        want(call("run", "run.yaml", f"run.output={key}", "problems.limit=5", "--resume"), 2, f"prompt.{key}_hash: the run was started with")
        want(call("replay", key), 0, "3 finished")
        write("t.txt", text)
        want(call("resume", key, "problems.limit=5"), 0)
        want(call("run", "run.yaml", f"run.output={key}", "problems.limit=8", "--resume"), 0)


@case
def problems_limit_grows():
    folder(n=8)
    undisturbed()
    want(call("run", "run.yaml", "problems.limit=3"), 0)
    want(call("resume", "out", "problems.limit=2"), 2, "problems.limit")
    want(call("resume", "out", "problems.limit=5"), 0)
    if len(answers()[0]) != 5:
        raise Wrong(f"{len(answers()[0])} rows instead of 5")
    want(call("resume", "out", "problems.limit=0"), 0)
    same("calm", "out")
    want(call("replay", "out"), 0, "8 finished")


@case
def the_problems_file_grows_and_may_not_change():
    folder(n=8)
    undisturbed()
    problems(n=5)
    want(call("run", "run.yaml"), 0)
    problems(n=8)
    want(call("resume", "out"), 0)
    same("calm", "out")
    want(call("resume", "out", "problems.file=none.jsonl"), 2, "none.jsonl")
    write("p.jsonl", b"".join(lines(8)).replace(b"8, 10, 13", b"8, 11, 13"))
    want(call("resume", "out"), (2, 4), "p.jsonl")


@case
def repeats_grow():
    folder(n=4)
    undisturbed("run.repeats=3")
    want(call("run", "run.yaml", "run.repeats=2"), 0)
    want(call("resume", "out", "run.repeats=1"), 2, "run.repeats")
    want(call("resume", "out", "run.repeats=3"), 0)
    same("calm", "out")


@case
def what_earlier_starts_solved_and_could_not_do_still_counts():
    folder(n=8)
    want(call("run", "run.yaml"), 0)
    solved = answers()[0]
    solved = sum(row["correct"] is True for row in map(json.loads, solved))
    want(call("resume", "out"), 0, f"done: 8 problems, {solved} solved")
    failing = ("generator.overrun=1", "dispatch.retries=2", "run.output=failing")
    want(call("run", "run.yaml", *failing), 1)
    want(call("resume", "failing"), 1)


@case
def the_progress_line_counts_what_earlier_starts_solved():
    folder()
    write("p.jsonl", "".join(json.dumps({"id": f"p{i}", "question": f"Question {i}", "answer": str(i % 5)}) + "\n" for i in range(60)))
    want(call("run", "run.yaml", "problems.limit=30"), 0)
    before = sum(row["correct"] is True for row in map(json.loads, answers()[0]))
    if not before:
        raise Wrong("nothing was solved: this says nothing")
    want(call("resume", "out", "problems.limit=40"), 0, f"\n30/40 problems, {before} solved, ")
    before = sum(row["correct"] is True for row in map(json.loads, answers()[0]))
    write("out/summary.json", "{}")  # as after a kill: an older one, or none
    want(call("resume", "out", "problems.limit=60"), 0, f"\n40/60 problems, {before} solved, ")
    after = sum(row["correct"] is True for row in map(json.loads, answers()[0]))
    want(call("resume", "out"), 0, f"done: 60 problems, {after} solved")


BEST = (RUN % SLOW).replace("strategy: beam, keep: 2, expand: 2", "strategy: best_of_n, n: 3")


def grown(key, small, large, run):
    """Problems that were finished keep their rows; the others are searched as a run with the large value does."""
    folder(run, n=8)
    undisturbed(f"{key}={large}", "generator.delay_us=0", output="large")
    undisturbed(f"{key}={small}", "generator.delay_us=0", output="small")
    stopped_run("out", f"{key}={small}", "problems.open=3", run="run.yaml")
    want(call("resume", "out", f"{key}={int(small) - 1}"), 2, key)
    if int(small) > 2:  # a start in between that is killed too
        p = start("resume", "out", f"{key}={large}")
        time.sleep(0.5)
        p.kill()
        p.communicate()
    want(call("resume", "out", f"{key}={large}"), 0)
    table = {name: {json.loads(r)["id"]: r for r in answers(name)[0]} for name in ("small", "large", "out")}
    which = [("small" if table["out"][i] == table["small"][i] else "large" if table["out"][i] == table["large"][i] else "none")
             for i in sorted(table["large"])]
    if len(table["out"]) != 8 or "none" in which or "large" not in which:
        raise Wrong(f"rows are those of {which}")
    want(call("replay", "out"), 0, "8 finished")
    want(call("show", "out", "p0"), 0)
    want(call("show", "out", "p7"), 0)


@case
def best_of_n_grows():
    grown("search.n", 3, 6, BEST)


@case
def a_budget_grows():
    grown("search.budget.generations", 7, 30, RUN % SLOW)


@case
def a_run_file_that_extends_others_is_resolved_for_good():
    folder(n=8)
    undisturbed()
    os.mkdir("base")
    write("base/first.yaml", RUN % SLOW + "run.seed: 41\n")
    write("base/second.yaml", "extends: first.yaml\nrun: {seed: 42}\nsearch: {keep: 3}\n")
    write("slow.yaml", "extends: base/second.yaml\nsearch: {keep: 2}\n")
    stopped_run("out")
    shutil.rmtree("base")  # OUTPUT/run.yaml needs it no more
    os.remove("slow.yaml")
    want(call("resume", "out", "generator.delay_us=0"), 0)
    same("calm", "out")
    write("circle.yaml", "extends: ring.yaml\n")
    write("ring.yaml", "extends: circle.yaml\n")
    want(call("check", "circle.yaml"), 2, "ring.yaml:1:1: extends: the file would extend itself")


# ---- ranks ----

def mpi(n, *words):
    if not shutil.which("mpirun"):
        raise Skip("no mpirun")
    return call("-n", str(n), ESPALIER, *words, command=[MPIRUN], env={"ASAN_OPTIONS": "detect_leaks=0"})  # MPI leaks


@case
def engines_that_cannot_be_opened_end_the_run_at_once():
    folder()
    wrong = "generator.rule=fakethought-1", "generator.value_levels=[high]"
    want(call("run", "run.yaml", *wrong, timeout=30), 2, "no worker can start", "rank 1: value_levels", "run again: nothing is left in out")
    want(call("resume", "out", timeout=30), 2, "out holds no run; start one")
    want(mpi(3, "run", "run.yaml", "run.output=out3", *wrong), (0, 2), "no worker can start")  # mpirun's own status may be 0


@case
def one_rank_under_mpirun_is_both_ends():
    folder()
    undisturbed()
    got = mpi(1, "run", "run.yaml")
    want((0, got[1], got[2]), 0, "one process")
    same("calm", "out")


@case
def a_wrong_run_file_under_mpirun_ends_all_ranks():
    folder()
    before = time.monotonic()
    got = mpi(3, "run", "run.yaml", "search.kepe=3")
    want((0, got[1], got[2]), 0, "kepe", "keep")
    if time.monotonic() - before > 30:
        raise Wrong("the ranks did not leave")


@case
def a_rank_that_never_starts_ends_the_others():
    if not shutil.which("mpirun"):
        raise Skip("no mpirun")
    folder()
    write("rank", f"""#!/bin/sh
echo $$ > pid.$OMPI_COMM_WORLD_RANK
[ "$OMPI_COMM_WORLD_RANK" = 2 ] && exec sleep 600
exec {ESPALIER} run run.yaml
""")
    os.chmod("rank", 0o755)
    p = start("-n", "3", "./rank", command=[MPIRUN], env={"ESP_RANK_START_S": "4"})
    waited = time.monotonic() + 60
    while not os.path.exists("pid.0") or os.path.exists("/proc/" + open("pid.0").read().strip()):
        time.sleep(0.1)
        if time.monotonic() > waited:
            raise Wrong("rank 0 still waits")
    p.terminate()
    if "all ranks" not in end(p)[2]:
        raise Wrong("nothing was said")


@case
def more_ranks_than_tasks():
    folder(n=1)
    undisturbed()
    mpi(6, "run", "run.yaml")
    if not os.path.exists("out/done"):
        raise Wrong("not done")
    same("calm", "out")


# ---- signals ----

def signalled(signals, pause=0.3):
    folder(n=8)
    undisturbed()
    write("slow.yaml", RUN % SLOW)
    p = start("run", "slow.yaml")
    wait_until_begun()
    begun = time.monotonic()
    for s in signals:
        p.send_signal(s)
        time.sleep(pause if s != signals[-1] else 0)
    got = end(p)
    return got, time.monotonic() - begun


def resumes_equal(*overrides):
    want(call("resume", "out", *overrides), 0)
    same("calm", "out")


@case
def ctrl_c_once_ends_cleanly_and_resumably():
    got, took = signalled([signal.SIGINT])
    want(got, 3, "resume out")
    if "espalier resume out" not in got[2].strip().split("\n")[-1]:
        raise Wrong(f"the last line does not say how to go on: {got[2][-300:]}")
    if took > 30:
        raise Wrong(f"took {took:.1f} s")
    resumes_equal()


@case
def ctrl_c_twice_leaves_at_once():
    folder(n=8)
    undisturbed()
    write("slow.yaml", RUN % ", delay_us: 30000000")
    p = start("run", "slow.yaml")
    time.sleep(1.0)
    begun = time.monotonic()
    p.send_signal(signal.SIGINT)
    time.sleep(0.3)
    p.send_signal(signal.SIGINT)
    got = end(p)
    took = time.monotonic() - begun
    want(got, 3, "resume out", "at once")
    if took > 15:  # what is out takes 30
        raise Wrong(f"took {took:.1f} s")
    resumes_equal("generator.delay_us=0")


@case
def sigterm_and_sighup_end_cleanly():
    for s in (signal.SIGTERM, signal.SIGHUP):
        shutil.rmtree("out", ignore_errors=True)
        shutil.rmtree("calm", ignore_errors=True)
        got, took = signalled([s])
        want(got, 3, "resume out")
        resumes_equal()


@case
def sigusr1_ends_cleanly():
    got, took = signalled([signal.SIGUSR1])
    want(got, 3, "resume out", "SIGUSR1")
    resumes_equal()


def rank_zero_of(mpirun):
    """Its process id: the child of mpirun that Open MPI calls rank 0."""
    with open(f"/proc/{mpirun}/task/{mpirun}/children") as f:
        for child in f.read().split():
            with open(f"/proc/{child}/environ", "rb") as env:
                if b"OMPI_COMM_WORLD_RANK=0" in env.read().split(b"\0"):
                    return int(child)
    raise Wrong("there is no rank 0")


@case
def signals_under_mpirun_end_cleanly():
    """Threads of MPI must not take them: their default action is the end of the rank."""
    if not shutil.which("mpirun"):
        raise Skip("no mpirun")
    folder(n=8)
    undisturbed()
    write("slow.yaml", RUN % ", delay_us: 400000")
    for s, to_rank in ((signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGUSR1, False), (signal.SIGTERM, True)):
        shutil.rmtree("out", ignore_errors=True)
        p = start("-n", "3", ESPALIER, "run", "slow.yaml", command=[MPIRUN], env={"ESP_STATUS_FILE": "status"})
        wait_until_begun()
        os.kill(rank_zero_of(p.pid) if to_rank else p.pid, s)
        err = end(p)[2]
        with open("status") as f:
            status = f.read()
        if "RUN-STOPPING" not in err or status != "3\n" or not os.path.exists("out/summary.json"):
            raise Wrong(f"{s.name}: {err[-500:]}")
        resumes_equal("generator.delay_us=0")


@case
def kill_and_resume_five_times():
    folder(n=8)
    undisturbed()
    write("slow.yaml", RUN % SLOW)
    p = start("run", "slow.yaml")
    wait_until_begun()
    p.kill()
    p.communicate()
    for i in range(4):
        p = start("resume", "out")
        time.sleep(0.15 + 0.1 * i)
        p.kill()
        p.communicate()
    resumes_equal()


@case
def an_output_with_spaces_and_quotes_whose_run_file_was_lost():
    folder()
    undisturbed()
    want(call("run", "run.yaml", "run.output=\"it's a \\\"run\\\"\""), 0)
    output = "it's a \"run\""
    want(call("resume", output), 0)
    os.unlink(os.path.join(output, "run.yaml"))
    want(call("resume", output), 0)
    same("calm", output)


@case
def closed_standard_streams_hurt_no_file():
    folder()
    undisturbed()
    want(call("run", "run.yaml", before=lambda: os.closerange(0, 3)), 0)
    same("calm", "out")
    with open("out/log.txt") as log:
        if "espalier:" in log.read():
            raise Wrong("what was meant for people stands in log.txt")


@case
def two_programs_on_one_output():
    folder(n=8)
    write("slow.yaml", RUN % SLOW)
    p = start("run", "slow.yaml")
    wait_until_begun()
    p.send_signal(signal.SIGSTOP)  # it holds the folder for as long as the others try
    got = call("resume", "out")
    again = call("run", "slow.yaml", "--resume")
    p.send_signal(signal.SIGCONT)
    want(end(p), 0)
    want(got, 2, "out", str(p.pid))
    want(again, 2, "out", str(p.pid))
    want(call("replay", "out"), 0, "8 finished")


# ---- run files that extend others ----

@case
def a_base_whose_prm_is_taken_away():
    folder(RUN % "")
    with open("run.yaml") as f:
        base = f.read().replace("prm: {engine: fake, slots: 4}",
                                'prm: {engine: vllm-pooling, layout: qwen-extra0, url: "http://127.0.0.1:1"}')
    write("base.yaml", base.replace("strategy: beam, keep: 2, expand: 2", "strategy: best_of_n, n: 2"))
    write("run.yaml", "extends: base.yaml\nprm: {engine: none}\n")
    want(call("run", "run.yaml"), 0)
    want(call("run", "base.yaml", "prm.engine=none", "run.output=other"), 0)
    same("out", "other")
    want(call("resume", "out"), 0)


@case
def check_says_what_it_waits_for():
    folder()
    os.mkdir("servers")
    p = start("check", "run.yaml", "generator.engine=vllm", "generator.slots=0", "generator.urls='@servers'")
    timer = threading.Timer(60, p.kill)
    timer.start()
    try:
        said = any(b"WORKER-WAITS" in line and b"no file *.url yet in servers" in line for line in p.stderr)
    finally:
        timer.cancel()
        p.kill()
        p.communicate()
    if not said:
        raise Wrong("it waits and does not say for what")
