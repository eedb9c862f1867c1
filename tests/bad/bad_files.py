# SPDX-License-Identifier: Apache-2.0
"""bad_files.py - cases: output folders, full disks, damaged journals and row files"""
import os
import resource
import shutil
import signal
import subprocess

from bad_kit import (ESPALIER, RUN, SAMPLES, SLOW, Skip, Wrong, answers, call, case, folder, nothing_started, problems,
                     same, start, stopped_run, undisturbed, wait_until_begun, want, write)


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
    most = os.path.getsize("calm/candidates.jsonl")
    for size in (500, 3000, most // 10, most // 3, most - 100):
        shutil.rmtree("out", ignore_errors=True)
        want(call("run", "run.yaml", before=limited(size)), (2, 3), "out")
        if os.path.isdir("out/journal/00") and os.listdir("out/journal/00"):
            want(call("resume", "out"), 0)
        else:
            shutil.rmtree("out", ignore_errors=True)  # a start that came to nothing takes it away
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
    want(call("resume", "third"), 2, "run.seed") # third is now a copy of out: its seed is not that of third/run.yaml


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


@case
def a_journal_of_a_newer_program():
    folder(n=8)
    write("slow.yaml", RUN % SLOW)
    stopped_run("out")
    segment = "out/journal/00/000001.log"
    whole = open(segment, "rb").read()
    size = int.from_bytes(whole[:4], "little")
    body = whole[8:8 + size]
    if crc32c(body) != int.from_bytes(whole[4:8], "little") or body.count(b"\x08\x02\x11") != 1:
        raise Wrong("the header is not where docs/journal.md says")
    body = body.replace(b"\x08\x02\x11", b"\x08\x03\x11")  # Header.format, then the tag of run_id
    body = body.replace(b"\x0eespalier 0.1.0", b"\x0eespalier 9.1.0")  # Header.program behind its length
    write(segment, whole[:4] + crc32c(body).to_bytes(4, "little") + body + whole[8 + size:])
    want(call("resume", "out"), 2, "000001.log: written by espalier 9.1.0 (journal format 3); this is espalier 0.1.0 (format 2): "
         "use that version or newer to resume")
    write(segment, whole)
    want(call("resume", "out"), 0)


@case
def a_damaged_index_of_the_problems():
    folder(n=8)
    undisturbed()
    write("slow.yaml", RUN % SLOW)
    stopped_run("whole")
    index = open("whole/journal/problems.idx", "rb").read()
    for data in (None, b"", index[:len(index) // 2], index[:40] + b"\xff" * 8 + index[48:], os.urandom(200)):
        shutil.rmtree("out", ignore_errors=True)
        shutil.copytree("whole", "out")
        os.unlink("out/journal/problems.idx")
        if data is not None:
            write("out/journal/problems.idx", data)
        got = call("resume", "out")
        if want(got, (0, 4), *(["problems.idx"] if got[0] else [])) and got[0] == 0:
            same("calm", "out")


@case
def a_run_yaml_that_was_changed_by_hand():
    folder(n=8)
    undisturbed()
    write("slow.yaml", RUN % SLOW)
    stopped_run("out")
    text = open("out/run.yaml").read()
    write("out/run.yaml", text.replace("keep: 2", "keep: 1"))
    want(call("resume", "out"), 2, "search.keep")
    write("out/run.yaml", text[:60])
    want(call("resume", "out"), 2, "run.yaml")
    os.unlink("out/run.yaml")  # the journal has a copy
    want(call("resume", "out"), 0)
    same("calm", "out")


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
def a_damaged_closed_segment_stops_replay_but_not_resume():
    folder(n=200)
    want(call("run", "run.yaml", "journal.segment_bytes=65536", "problems.open=4"), 0)
    closed = sorted(os.listdir("out/journal/00/closed"))
    if not closed:
        raise Wrong("no segment was closed")
    path = "out/journal/00/closed/" + closed[0]
    data = bytearray(open(path, "rb").read())
    data[len(data) // 2] ^= 4
    write(path, bytes(data))
    want(call("replay", "out"), 4, closed[0])
    want(call("journal", "dump", "out"), (2, 4), closed[0])
    want(call("resume", "out"), 0)


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
