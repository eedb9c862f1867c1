# SPDX-License-Identifier: Apache-2.0
# code_runner.py - the candidate's process: runs one program and returns values; what it says is believed by nobody
#
#                                               out {"up": true}
#     in  {"program": text, "run": bool}            out {"ready": true} or {"raised": type, "text": ..}
#     in  {"name": f, "args": [..], "kwargs": {..}} out {"value": v, "args": [..]} or {"raised": type, "text": ..}
#     in  {"stdin": text}                           out {"stdout": text, "status": n}
#
# Arguments: memory in MiB, CPU seconds, processes (0: as it is), MiB of one file, bytes of output; "once": all questions come with the program, on a server:
#     in  {"program": text, "run": bool, "questions": [..]}     out {"ready": true}, then an answer for each.  The expected values are never here.
import posix
import resource
import sys

memory, cpu, processes, file_mb, most_output = (int(a) for a in sys.argv[1:6])


def limit():
    for what, value in ((resource.RLIMIT_AS, memory << 20), (resource.RLIMIT_CPU, cpu), (resource.RLIMIT_NPROC, processes),
                        (resource.RLIMIT_FSIZE, file_mb << 20), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 64)):
        hard = resource.getrlimit(what)[1]
        if what != resource.RLIMIT_NPROC or value:
            resource.setrlimit(what, (value, value + (what == resource.RLIMIT_CPU)) if hard < 0 or value < hard else (hard, hard))


def own_channel():
    """The channel moves away from 0 and 1, which become nothing."""
    channel, out = posix.dup(0), posix.dup(1)
    nothing = posix.open("/dev/null", posix.O_RDWR)
    for fd in (0, 1, 2):
        posix.dup2(nothing, fd)
    return Lines(channel, out)


def raised(e):
    return {"raised": type(e).__name__[:100], "text": str(e)[:2000], "line": line_of(e)}


def line_of(e):
    at, found = e.__traceback__, None
    while at:
        found = at.tb_lineno if at.tb_frame.f_code.co_filename == "<program>" else found
        at = at.tb_next
    return found


def call(space, m):
    args, kwargs = decode(m["args"], str), {k: decode(v, str) for k, v in m.get("kwargs", {}).items()}
    value = encode(space[m["name"]](*args, **kwargs))
    after = encode(args)
    return {"value": value} if after == m["args"] else {"value": value, "args": after}


def run_main(code, text):
    """The program as a script of its own, in a child."""
    reader, writer = posix.pipe()
    given = posix.open("/tmp", posix.O_TMPFILE | posix.O_RDWR)
    posix.write(given, text.encode())
    posix.lseek(given, 0, 0)
    child = posix.fork()
    if child == 0:
        posix.dup2(given, 0)
        posix.dup2(writer, 1)
        posix.closerange(3, 64)
        status = 0
        sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)
        try:
            exec(code, {"__name__": "__main__"})
        except SystemExit as e:
            status = e.code if isinstance(e.code, int) else int(e.code is not None)
        except BaseException:
            status = 1
        try:
            sys.stdout.flush()
        finally:
            posix._exit(status & 255)
    posix.close(writer)
    posix.close(given)
    out = b""
    while len(out) <= most_output and (chunk := posix.read(reader, 1 << 16)):
        out += chunk
    posix.close(reader)
    status = posix.waitpid(child, 0)[1] if len(out) <= most_output else posix.kill(child, 9) or posix.waitpid(child, 0)[1]
    return {"stdout": out[:most_output + 1].decode("utf-8", "replace"), "status": posix.waitstatus_to_exitcode(status)}


def main():
    limit()
    channel, space = own_channel(), {"__name__": "__program__"}
    if sys.argv[6:] != ["once"]:
        channel.say({"up": True})
    first = channel.hear()
    try:
        code = compile(first["program"], "<program>", "exec", dont_inherit=True)
        if not first.get("run"):
            exec(code, space)
        channel.say({"ready": True})
    except BaseException as e:
        channel.say(raised(e))
        return
    questions = iter(first["questions"]) if "questions" in first else iter(channel.hear, None)
    for m in questions:
        try:
            channel.say(run_main(code, m["stdin"]) if "stdin" in m else call(space, m))
        except BaseException as e:
            channel.say(raised(e))


main()
