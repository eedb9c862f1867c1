#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_bad.py - bad input, broken files and signals, on the real program

    test_bad.py [ESPALIER] [WORD ...]      only the cases whose name holds one of the words

Each case runs the program in a folder of its own and looks at the exit status (0 done, 1 with errors, 2 nothing started,
3 resumable, 4 cannot go on), at the sentence, and that nothing was lost.  Standard library only.
"""
import gzip
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
ESPALIER = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build", "espalier"))
MPIRUN = os.path.join(ROOT, "cluster", "local", "mpirun")
ONLY = sys.argv[2:]
SAMPLES = int(os.environ.get("ESP_BAD_SAMPLES", "150"))  # cuts and flips tried
CRASH = ("Assertion", "AddressSanitizer", "LeakSanitizer", "runtime error:", "ThreadSanitizer", "core dumped")

RUN = """run: {name: bad, output: out}
problems: {file: p.jsonl}
search: {strategy: beam, keep: 2, expand: 2}
generator: {engine: fake, slots: 4%s}
prm: {engine: fake, slots: 4}
verifier: {kind: fake}
observe: {enabled: false}
"""
SLOW = ", delay_us: 30000"
PUZZLES = ((8, 10, 13, 13), (1, 4, 8, 11), (1, 3, 5, 12), (2, 6, 6, 9), (4, 4, 6, 8), (3, 3, 8, 8), (1, 2, 3, 4), (2, 3, 5, 12))


class Wrong(Exception):
    pass


class Skip(Exception):
    pass


CASES = []


def case(f):
    CASES.append(f)
    return f


def rows(n=6, repeat=1):
    return [{"id": f"p{i}", "problem": f"Make 24 of {' '.join(map(str, PUZZLES[i % 8]))} ({i})",
             "numbers": list(PUZZLES[i % 8]), "target": 24} for i in range(n)]


def write(path, data):
    with open(path, "wb" if isinstance(data, bytes) else "w") as f:
        f.write(data)


def problems(path="p.jsonl", n=6):
    write(path, "".join(json.dumps(r) + "\n" for r in rows(n)))


def folder(run=RUN % "", n=6):
    """A run file and problems in the current (fresh) folder."""
    write("run.yaml", run)
    problems(n=n)


def call(*words, before=None, env=None, timeout=120, command=None):
    r = subprocess.run([*(command or [ESPALIER]), *words], capture_output=True, timeout=timeout, preexec_fn=before,
                       env={**os.environ, **(env or {})})
    return checked(r.returncode, r.stdout.decode("utf-8", "replace"), r.stderr.decode("utf-8", "replace"), words)


def checked(code, out, err, words):
    if code < 0 and code not in (-signal.SIGKILL,):
        raise Wrong(f"{' '.join(words)}: died of signal {-code}: {err[-400:]}")
    for word in CRASH:
        if word in err or word in out:
            raise Wrong(f"{' '.join(words)}: {word}: {err[-1500:]}")
    return code, out, err


def want(got, code, *words):
    """Exit status (or one of several), and every word in what was said (a tuple: one of them)."""
    status, out, err = got
    if status not in (code if isinstance(code, tuple) else (code,)):
        raise Wrong(f"exit {status} instead of {code}: {err[-500:]}")
    for word in words:
        choice = word if isinstance(word, tuple) else (word,)
        if not any(w in err or w in out for w in choice):
            raise Wrong(f"nothing about {word!r} in: {err[-500:]}")
    return err


def answers(output="out", sort=True):
    all_rows = []
    for name in ("answers.jsonl", "candidates.jsonl"):
        with open(os.path.join(output, name), "rb") as f:
            lines = f.read().split(b"\n")
        if lines.pop() != b"":
            raise Wrong(f"{output}/{name} ends in the middle of a row")
        all_rows.append(sorted(lines) if sort else lines)
    return all_rows


def same(a, b):
    if answers(a) != answers(b):
        raise Wrong(f"rows of {a} ({[len(x) for x in answers(a)]}) and {b} ({[len(x) for x in answers(b)]}) differ")


def undisturbed(*overrides, output="calm"):
    want(call("run", "run.yaml", f"run.output={output}", *overrides), 0)


def nothing_started(got, *words):
    err = want(got, 2, *words)
    if os.path.isdir("out") and os.listdir("out") and os.path.exists("out/answers.jsonl"):
        raise Wrong("something was started")
    return err


def bad_run(text, *words, also_check=True):
    write("run.yaml", text)
    problems()
    nothing_started(call("run", "run.yaml"), *words)
    if also_check:
        want(call("check", "run.yaml"), 2, *words)


def start(*words, env=None, command=None):
    return subprocess.Popen([*(command or [ESPALIER]), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**os.environ, **(env or {})})


def end(p, words=("run",), timeout=90):
    out, err = p.communicate(timeout=timeout)
    return checked(p.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), words)


def wait_until_begun(output="out", timeout=20, rows_least=0):
    until = time.monotonic() + timeout
    segment = os.path.join(output, "journal", "00", "000001.log")
    while time.monotonic() < until:
        if os.path.exists(segment) and os.path.getsize(segment) > 4000:
            if open(os.path.join(output, "answers.jsonl")).read().count("\n") >= rows_least:
                return
        time.sleep(0.02)
    raise Wrong("the run did not begin")


# ---- commands ----

@case
def no_command_shows_the_usage():
    want(call(), 2, "usage: espalier")


@case
def an_unknown_command_is_named_with_the_nearest():
    want(call("rnu"), 2, "rnu", "run")


@case
def every_command_has_help():
    for name in ("run", "resume", "check", "options", "report", "show", "watch", "steer", "replay", "journal"):
        want(call(name, "--help"), 0, "usage")
    want(call("--help"), 0, "usage")
    want(call("--version"), 0, "espalier")


@case
def a_command_without_its_arguments_says_which():
    for name in ("run", "resume", "check", "report", "show", "watch", "steer", "replay", "journal"):
        want(call(name), 2, ("usage", "which"))


@case
def an_unknown_option_is_named():
    folder()
    nothing_started(call("run", "run.yaml", "--resum"), "--resum")
    want(call("check", "run.yaml", "--prnt"), 2, "--prnt")


@case
def options_of_an_unknown_section_are_refused():
    want(call("options"), 0, "search.keep")
    want(call("options", "serach"), 2, "serach", "search")


# ---- the run file ----

@case
def a_run_file_that_is_missing():
    nothing_started(call("run", "none.yaml"), "none.yaml")
    want(call("check", "none.yaml"), 2, "none.yaml")


@case
def a_run_file_that_is_empty():
    bad_run("", "run.yaml", "empty")


@case
def a_run_file_that_is_not_yaml():
    bad_run("run: {name: [\n", "run.yaml:")
    bad_run("\x00\x01\x02", "run.yaml")
    bad_run("- a\n- b\n", "run.yaml")


@case
def a_run_file_that_is_a_folder():
    os.mkdir("run.yaml")
    nothing_started(call("run", "run.yaml"), "run.yaml", ("folder", "directory"))


@case
def a_run_file_of_2_megabytes():
    bad_run((RUN % "") + "#" * (2 << 20), "run.yaml", ("large", "big", "long", "most", "over", "more than"))


@case
def an_unknown_key_is_named_with_line_and_nearest():
    bad_run((RUN % "").replace("keep: 2", "kepe: 2"), "run.yaml:3", "kepe", "keep")


@case
def an_unknown_section_is_named():
    bad_run((RUN % "") + "serach: {keep: 2}\n", "run.yaml:8", "serach", "search")


@case
def a_value_of_the_wrong_type():
    bad_run((RUN % "").replace("keep: 2", "keep: many"), "run.yaml:3", "search.keep", "many")


@case
def values_out_of_range():
    bad_run((RUN % "").replace("keep: 2", "keep: -3"), "run.yaml:3", "search.keep", "-3")
    bad_run((RUN % "").replace("keep: 2", "keep: 99999999999999999999999"), "run.yaml:3", "search.keep")


@case
def a_budget_of_0_is_no_cap_and_n_of_0_is_refused():
    folder((RUN % "").replace("expand: 2", "expand: 2, budget: {generations: 0}"))
    want(call("run", "run.yaml"), 0)
    want(call("options", "search"), 0, "0 = none")
    shutil.rmtree("out")
    bad_run((RUN % "").replace("strategy: beam, keep: 2, expand: 2", "strategy: best_of_n, n: 0"), "run.yaml:3", "search.n")
    bad_run((RUN % "").replace("expand: 2", "expand: 2, budget: {generations: -1}"), "run.yaml:3", "budget.generations")


@case
def an_unknown_strategy_or_engine():
    bad_run((RUN % "").replace("strategy: beam, keep: 2, expand: 2", "strategy: baem"), "run.yaml:3", "baem", "beam")
    bad_run((RUN % "").replace("{engine: fake, slots: 4}\nprm", "{engine: fkae}\nprm"), "run.yaml:4", "fkae", "fake")
    bad_run((RUN % "").replace("kind: fake", "kind: puzle"), "run.yaml:6", "puzle", "puzzle")


@case
def keep_and_expand_that_do_not_fit():
    bad_run((RUN % "").replace("strategy: beam, keep: 2, expand: 2", "strategy: beam, keep: 8, width: 4"), "run.yaml:3")
    bad_run((RUN % "").replace("strategy: beam, keep: 2, expand: 2", "strategy: dvts, keep: 3, expand: 0"), "run.yaml:3", "expand")


@case
def without_an_output_or_problems_file():
    bad_run((RUN % "").replace(", output: out", ""), "run.output")
    bad_run((RUN % "").replace("{file: p.jsonl}", "{limit: 3}"), "problems.file")


# ---- overrides ----

@case
def overrides_that_are_wrong():
    folder()
    for word, about in (("search.kepe=3", ("kepe", "keep")), ("search.keep", ("search.keep", "=")), ("", ("override",)),
                        ("=3", ("override",)), ("keep=3", ("keep",)), ("search.keep=x", ("search.keep",)),
                        ("search.keep=[", ("search.keep",))):
        nothing_started(call("run", "run.yaml", word), *about)
        want(call("check", "run.yaml", word), 2, *about)


# ---- problems ----

def bad_problems(data, *words, name="p.jsonl", run=RUN % ""):
    write("run.yaml", run.replace("p.jsonl", name))
    write(name, data)
    nothing_started(call("run", "run.yaml"), name, *words)
    want(call("check", "run.yaml"), 2, name, *words)


def lines(n=6):
    return [json.dumps(r).encode() + b"\n" for r in rows(n)]


@case
def problems_that_are_missing():
    write("run.yaml", RUN % "")
    nothing_started(call("run", "run.yaml"), "p.jsonl")


@case
def problems_that_are_empty():
    bad_problems(b"", ("empty", "no problem"))
    bad_problems(b"\n\n\n", ("empty", "no problem"))


@case
def problems_that_are_a_folder():
    write("run.yaml", RUN % "")
    os.mkdir("p.jsonl")
    nothing_started(call("run", "run.yaml"), "p.jsonl")


def broken_line(bad, *words, key="out"):
    all_lines = lines()
    all_lines[3] = bad
    bad_problems(b"".join(all_lines), "p.jsonl:4", *words)
    got = call("run", "run.yaml", "problems.on_error=skip", f"run.output={key}")
    want(got, 0, "p.jsonl")
    if len(answers(key)[0]) != 5:
        raise Wrong(f"{len(answers(key)[0])} rows instead of 5")
    if "p.jsonl:4" not in open(f"{key}/log.txt").read() and "p.jsonl:4" not in got[2]:
        raise Wrong("the skipped line is not named in the log")
    shutil.rmtree(key)


@case
def a_broken_line_in_the_middle():
    broken_line(b'{"id": "p3", "problem": "unfin\n')
    broken_line(b'[1, 2]\n')
    broken_line(b'{"id": "p3"}\n')


@case
def invalid_utf8():
    broken_line(b'{"id": "p3", "problem": "\xff\xfe\xc0\x80"}\n')


@case
def nul_bytes():
    broken_line(b'{"id": "p3", "problem": "a\x00b"}\n')


@case
def a_line_of_100_megabytes():
    broken_line(b'{"id": "p3", "problem": "' + b"x" * (100 << 20) + b'"}\n', "max_line_bytes")


@case
def equal_ids_name_both_lines():
    all_lines = lines()
    all_lines[4] = all_lines[1]
    bad_problems(b"".join(all_lines), "p.jsonl:5", "2", "p1")


@case
def no_puzzle_numbers():
    all_lines = lines()
    all_lines[2] = b'{"id": "p2", "problem": "What is it?"}\n'
    run = (RUN % "").replace("kind: fake", "kind: puzzle")
    bad_problems(b"".join(all_lines), "p.jsonl:3", "numbers", run=run)
    run = (RUN % "").replace("generator: {engine: fake, slots: 4}", "generator: {engine: embedded}")
    bad_problems(b"".join(all_lines), "p.jsonl:3", "numbers", run=run)


@case
def gzip_that_ends_early():
    whole = gzip.compress(b"".join(json.dumps({"id": str(i), "problem": os.urandom(40).hex()}).encode() + b"\n" for i in range(400)))
    for keep in (len(whole) - 4, len(whole) // 2, 12, 1):
        bad_problems(whole[:keep], name="p.jsonl.gz")
    bad_problems(whole[:200] + b"\x55" * 20 + whole[220:], name="p.jsonl.gz")


@case
def zstd_that_ends_early():
    if not shutil.which("zstd"):
        raise Skip("no zstd program")
    text = b"".join(json.dumps({"id": str(i), "problem": os.urandom(40).hex()}).encode() + b"\n" for i in range(400))
    whole = subprocess.run(["zstd", "-c"], input=text, capture_output=True, check=True).stdout
    for keep in (len(whole) - 4, len(whole) // 2, 12, 1):
        bad_problems(whole[:keep], name="p.jsonl.zst")


# ---- output ----

@case
def an_output_that_holds_a_run():
    folder()
    want(call("run", "run.yaml"), 0)
    before = answers()
    want(call("run", "run.yaml"), 2, "out", "resume")
    want(call("run", "run.yaml", "search.keep=1"), 2, "out")
    if answers() != before or not os.path.exists("out/done"):
        raise Wrong("the first run was touched")
    want(call("run", "run.yaml", "--resume"), 0)
    want(call("resume", "out"), 0)
    if answers() != before or not os.path.exists("out/done"):
        raise Wrong("resuming a finished run changed it")


@case
def an_output_that_holds_another_run():
    folder()
    want(call("run", "run.yaml"), 0)
    before = answers()
    want(call("run", "run.yaml", "--resume", "search.strategy=best_of_n", "search.n=3"), 2, "search")
    want(call("run", "run.yaml", "--resume", "run.seed=7"), 2, "run.seed", "42", "7")
    if answers() != before:
        raise Wrong("the first run was touched")


@case
def an_output_that_is_a_file():
    folder()
    write("out", "not a folder")
    want(call("run", "run.yaml"), 2, "out")
    if open("out").read() != "not a folder":
        raise Wrong("the file was touched")


@case
def nothing_to_resume():
    folder()
    want(call("resume", "nowhere"), 2, "nowhere")
    os.mkdir("empty")
    want(call("resume", "empty"), 2, "empty")


@case
def a_read_only_output():
    folder()
    os.mkdir("out")
    os.chmod("out", 0o555)
    words = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            raise Skip("root, and no setpriv")
        words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        top = os.getcwd()
        while top != "/":
            if not os.stat(top).st_mode & 1:
                os.chmod(top, os.stat(top).st_mode | 0o055)
            top = os.path.dirname(top)
        if subprocess.run([*words, ESPALIER, "--version"], capture_output=True).returncode != 0:
            raise Skip("the program cannot be run by nobody")
    nothing_started(call("run", "run.yaml", command=[*words, ESPALIER]), "out", ("permission", "Permission", "written"))


def limited(size):
    def before():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return before


@case
def a_file_size_limit_during_the_run():
    folder(n=40)
    undisturbed()
    for size in (3000, 20000, 60000, 150000):
        shutil.rmtree("out", ignore_errors=True)
        want(call("run", "run.yaml", before=limited(size)), (2, 3), "out")
        if os.path.isdir("out/journal/00") and os.listdir("out/journal/00"):
            want(call("resume", "out"), 0)
        else:
            shutil.rmtree("out")
            want(call("run", "run.yaml"), 0)
        same("calm", "out")


@case
def a_full_disk_during_the_run():
    if os.geteuid() != 0:
        raise Skip("not root: no tmpfs")
    folder(n=60)
    undisturbed()
    os.mkdir("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", "disk"], capture_output=True).returncode != 0:
        raise Skip("a tmpfs cannot be mounted here")
    try:
        write("disk/ballast", b"x" * 100000)
        want(call("run", "run.yaml", "run.output=disk/out"), 3, "disk/out", "resume")
        want(call("resume", "disk/out"), 3, "disk/out")
        subprocess.run(["mount", "-o", "remount,size=64m", "disk"], check=True)
        want(call("resume", "disk/out"), 0)
        same("calm", "disk/out")
    finally:
        subprocess.run(["umount", "-l", "disk"], capture_output=True)


# ---- the journal ----

def small_run(n=3):
    """A run stopped by kill -9 in the middle: out, and calm, which was not disturbed."""
    folder(n=n)
    undisturbed()
    p = start("run", "run.yaml", "generator.delay_us=20000", "problems.open=2", "search.max_steps=12")
    try:
        wait_until_begun(rows_least=1)
    finally:
        p.kill()
        p.communicate()


def journal_case(change, positions):
    """change (whole, position) -> bytes for the newest segment; what resume may do then."""
    write("run.yaml", RUN % "")
    problems(n=3)
    ends = {"equal": 0, "damage": 0}
    want(call("run", "run.yaml", "run.output=calm"), 0)
    p = start("run", "run.yaml", "run.output=whole", "problems.open=1", "log.level=error")
    p.communicate(timeout=60)
    segment = "whole/journal/00/000001.log"
    if not os.path.exists(segment):  # all closed: take one that was killed
        shutil.rmtree("whole")
        write("slow.yaml", RUN % SLOW)
        p = start("run", "slow.yaml", "run.output=whole")
        wait_until_begun("whole", rows_least=1)
        p.kill()
        p.communicate()
    whole = open(segment, "rb").read()
    complete = os.path.exists("whole/done")
    overrides = [] if complete else ["generator.delay_us=0"]
    for at in positions(len(whole)):
        shutil.rmtree("out", ignore_errors=True)
        shutil.copytree("whole", "out")
        write("out/journal/00/000001.log", change(whole, at))
        got = call("resume", "out")
        if got[0] == 0:
            same("calm", "out")
            ends["equal"] += 1
        elif got[0] == 2 and at < 64 and "newer" in got[2]:
            ends["damage"] += 1
        else:
            want(got, 4, "000001.log")
            ends["damage"] += 1
    return ends, len(whole)


def spread(size):
    n = min(size, SAMPLES)
    return [i * size // n for i in range(n)]


@case
def a_journal_cut_anywhere():
    ends, size = journal_case(lambda whole, at: whole[:at], spread)
    print(f"        {size} bytes: {ends}")
    if ends["equal"] < SAMPLES // 4:
        raise Wrong(f"too few cuts were resumed: {ends}")


@case
def a_flipped_bit_anywhere():
    ends, size = journal_case(lambda whole, at: whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1:], spread)
    print(f"        {size} bytes: {ends}")
    if ends["damage"] < SAMPLES // 4:
        raise Wrong(f"too little damage was seen: {ends}")


def stopped_run(output, *overrides, run="slow.yaml"):
    p = start("run", run, f"run.output={output}", *overrides)
    try:
        wait_until_begun(output, rows_least=1)
    finally:
        p.kill()
        p.communicate()


@case
def another_runs_segment_in_the_folder():
    folder(n=8)
    write("slow.yaml", RUN % SLOW)
    stopped_run("out")
    stopped_run("other", "run.seed=7")
    shutil.copy("other/journal/00/000001.log", "out/journal/00/000002.log")
    want(call("resume", "out"), 4, "000002.log")
    shutil.copytree("other", "third")
    shutil.copy("out/journal/00/000001.log", "third/journal/00/000001.log")
    want(call("resume", "third"), (2, 4), "third")


@case
def a_row_file_that_was_shortened():
    folder()
    want(call("run", "run.yaml"), 0)
    size = os.path.getsize("out/answers.jsonl")
    os.truncate("out/answers.jsonl", size - 5)
    want(call("resume", "out"), 4, "answers.jsonl")


@case
def replay_notices_a_damaged_row_file():
    folder()
    want(call("run", "run.yaml"), 0)
    want(call("replay", "out"), 0, "6 finished")
    data = bytearray(open("out/answers.jsonl", "rb").read())
    data[20] ^= 1
    write("out/answers.jsonl", bytes(data))
    want(call("replay", "out"), 4, "answers.jsonl")


@case
def tools_on_folders_without_a_run():
    for words in (("journal", "dump"), ("replay",), ("report",), ("watch",)):
        want(call(*words, "nowhere"), (2, 4), "nowhere")
    want(call("show", "nowhere", "p1"), (2, 4), "nowhere")
    want(call("steer", "nowhere", "stop"), (2, 4), "nowhere")


@case
def show_of_an_unknown_id_names_the_nearest():
    folder()
    want(call("run", "run.yaml"), 0)
    want(call("show", "out", "p33"), 2, "p33", "p3")
    want(call("show", "out", "p3"), 0)


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


# ---- ranks ----

def mpi(n, *words):
    if not shutil.which("mpirun"):
        raise Skip("no mpirun")
    return call("-n", str(n), ESPALIER, *words, command=[MPIRUN])


@case
def one_rank_under_mpirun_is_refused():
    folder()
    got = mpi(1, "run", "run.yaml")
    want((0, got[1], got[2]), 0, "one rank", "2")
    if os.path.exists("out"):
        raise Wrong("something was started")


@case
def a_wrong_run_file_under_mpirun_ends_all_ranks():
    folder()
    before = time.monotonic()
    got = mpi(3, "run", "run.yaml", "search.kepe=3")
    want((0, got[1], got[2]), 0, "kepe", "keep")
    if time.monotonic() - before > 30:
        raise Wrong("the ranks did not leave")


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


def resumes_equal():
    want(call("resume", "out"), 0)
    same("calm", "out")


@case
def ctrl_c_once_ends_cleanly_and_resumably():
    got, took = signalled([signal.SIGINT])
    want(got, 3, "resume out")
    if "espalier resume out" not in got[2].strip().split("\n")[-1]:
        raise Wrong(f"the last line does not say how to go on: {got[2][-300:]}")
    if took > 6:
        raise Wrong(f"took {took:.1f} s")
    resumes_equal()


@case
def ctrl_c_twice_leaves_at_once():
    folder(n=8)
    undisturbed()
    write("slow.yaml", RUN % ", delay_us: 4000000")
    p = start("run", "slow.yaml")
    time.sleep(1.0)
    begun = time.monotonic()
    p.send_signal(signal.SIGINT)
    time.sleep(0.3)
    p.send_signal(signal.SIGINT)
    got = end(p)
    took = time.monotonic() - begun
    want(got, 3, "resume out", "at once")
    if took > 1.5:
        raise Wrong(f"took {took:.1f} s")
    want(call("resume", "out", "generator.delay_us=0"), (0, 2))


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
def two_programs_on_one_output():
    folder(n=8)
    write("slow.yaml", RUN % SLOW)
    p = start("run", "slow.yaml")
    wait_until_begun()
    got = call("resume", "out")
    again = call("run", "slow.yaml", "--resume")
    want(end(p), 0)
    want(got, 2, "out", str(p.pid))
    want(again, 2, "out", str(p.pid))
    want(call("replay", "out"), 0, "8 finished")


def main():
    count = {"ok": 0, "FAILED": 0, "skipped": 0}
    for f in CASES:
        name = f.__name__.replace("_", " ")
        if ONLY and not any(w in name for w in ONLY):
            continue
        with tempfile.TemporaryDirectory(prefix="esp-bad-") as work:
            os.chdir(work)
            begun, said = time.monotonic(), ""
            try:
                f()
                how = "ok"
            except Skip as s:
                how, said = "skipped", str(s)
            except (Wrong, OSError, subprocess.SubprocessError, KeyError, ValueError) as w:
                how, said = "FAILED", f"{type(w).__name__}: {w}"
            os.chdir("/")
            if os.environ.get("ESP_BAD_KEEP") and how == "FAILED":
                shutil.copytree(work, os.path.join(os.environ["ESP_BAD_KEEP"], f.__name__), dirs_exist_ok=True)
        count[how] += 1
        print(f"{how:7} {time.monotonic() - begun:6.1f} s  {name}{': ' + said if said else ''}", flush=True)
    print(f"{count['ok']} passed, {count['FAILED']} failed, {count['skipped']} skipped")
    return 1 if count["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
