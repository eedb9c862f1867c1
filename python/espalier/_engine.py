# SPDX-License-Identifier: Apache-2.0
"""Functions as engines: the other end of `engine: external` (docs/external.md says what travels)."""
from __future__ import annotations

import asyncio
import collections
import inspect
import json
import math
import os
import random
import sys
import threading
import time
import traceback
from typing import Any, Callable, Deque, Dict, List, Mapping, Optional, Sequence, Tuple

VERSION = 1
ROLES = ("generator", "prm", "verifier")
_ROLE_OF_KIND = {"generate": "generator", "score": "prm", "verify": "verifier"}
_QUESTIONS = ("question", "problem", "prompt", "text")
_VERDICTS = ("pass", "fail", "unknown")
_ALONE_S = 5.0  # a program that was started by a worker leaves when that one is gone for so long
_SEND_MS = 60_000


class Failed(Exception):
    """Raise it in an engine when a task can never be done: its problem ends in an error at once.

    Any other exception is taken for an accident: the task is tried again, here or on another worker, a few times."""


class Task:
    """What an engine is asked.

    problem      the row of the problems file, a dict
    steps        texts so far; joined they are the text.  A PRM gets them cut into steps
    text         the steps, joined
    question     the problem's question (or problem, prompt, text), else ""
    id, kind     number; "generate", "score" or "verify"

    generate:  mode ("step": to the end of one step; "to_end"; "draft": a whole new text that replaces `text`), n, seed, seeds
               (one a sample), max_tokens, max_steps, max_step_tokens, temperature, top_p (1: off), top_k (0: off), action,
               observation (what the verifier said of the text that a draft replaces; "": nothing)
    score:     start (number of the first step whose score is new), reading
    """

    def __init__(self, fields: Mapping[str, Any]):
        self.fields = fields
        self.id: int = fields["id"]
        self.kind: str = fields["kind"]
        self.problem: Dict[str, Any] = fields.get("problem") or {}
        self.steps: List[str] = list(fields.get("steps") or [])
        self.mode: str = fields.get("mode", "step")
        self.n: int = fields.get("n", 1)
        self.seed: int = fields.get("seed", 0)
        self.seeds: List[int] = list(fields.get("seeds") or [self.seed])
        self.max_tokens: int = fields.get("max_tokens", 0)
        self.max_steps: int = fields.get("max_steps", 0)
        self.max_step_tokens: int = fields.get("max_step_tokens", 0)
        self.temperature: float = fields.get("temperature", 0.0)
        self.top_p: float = fields.get("top_p", 1.0)
        self.top_k: int = fields.get("top_k", 0)
        self.action: int = fields.get("action", 0)
        self.observation: str = fields.get("observation", "")
        self.start: int = fields.get("from", 0)
        self.reading: int = fields.get("reading", 0)

    @property
    def text(self) -> str:
        return "".join(self.steps)

    @property
    def question(self) -> str:
        for key in _QUESTIONS:
            if isinstance(self.problem.get(key), str):
                return self.problem[key]
        return ""

    def rng(self, sample: int = 0) -> random.Random:
        """Random numbers that depend on the task alone, so that the same run gives the same answers."""
        return random.Random(self.seeds[sample])

    def __repr__(self) -> str:
        return f"<Task {self.id} {self.kind} of {self.problem.get('id')!r}: {self.text[-60:]!r}>"


class _Engine:
    """A function and how it is called."""

    def __init__(self, function: Callable[..., Any], role: str, batch: int, n: int, threads: int, credits: int, name: str):
        self.function, self.role, self.batch, self.n, self.threads = function, role, batch, n, threads
        self.asynchronous = inspect.iscoroutinefunction(function)
        self.name = name or getattr(function, "__name__", role)
        self.credits = credits or (64 if self.asynchronous else 2 * max(1, batch) * threads * max(1, n))


_engines: Dict[str, _Engine] = {}


def engine(
    function: Optional[Callable[..., Any]] = None,
    *,
    role: str,
    batch: Any = False,
    n: int = 1,
    threads: int = 1,
    credits: int = 0,
    name: str = "",
) -> Any:
    """Make a function the generator, PRM or verifier that serve() runs.

        @espalier.engine(role="prm")
        def score(task):
            return [1.0 if "=" in step else 0.5 for step in task.steps]

    A generator returns a text, or a dict with text and, where known, finish ("stop": the step ended; "eos": the answer is complete;
    "length"), tokens, logprob, steps, prompt_tokens, cached_tokens.  A PRM returns a number for each step, or a dict with scores and
    tokens (really read).  A verifier returns "pass", "fail" or "unknown" (True,
    False and None mean the same), or a dict with verdict and reason, answer, share, observation.

    batch:    True or a number (64): the function gets a list of tasks and returns a list of as many results
    n:        the most samples asked for at once; with n > 1 the function returns a list of task.n results
    threads:  so many calls at the same time; an `async def` function is called for all at once instead
    credits:  how many samples a worker may send ahead (by default so many that the function never waits)
    """
    if role not in ROLES:
        raise ValueError(f"role is one of {', '.join(ROLES)}, not {role!r}")
    size = 64 if batch is True else int(batch)

    def register(given: Callable[..., Any]) -> Callable[..., Any]:
        _engines[role] = _Engine(given, role, size, n, threads, credits, name)
        return given

    return register(function) if function is not None else register


# ---- from what a function returns to what travels ----


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise Failed(f"{what} is a {type(value).__name__}, not a str")
    return value.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair is no JSON


def _number(value: Any, what: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise Failed(f"{what} is {number}")
    return number


def _sample(value: Any) -> Dict[str, Any]:
    if isinstance(value, str):
        return {"text": _text(value, "the text")}
    if not isinstance(value, Mapping):
        raise Failed(f"a generator returned a {type(value).__name__}: a str or a dict with text is needed")
    made: Dict[str, Any] = {"text": _text(value.get("text"), "text")}
    if value.get("finish") is not None:
        if value["finish"] not in ("stop", "eos", "length"):
            raise Failed(f"finish is {value['finish']!r}, not stop, eos or length")
        made["finish"] = value["finish"]
    for key in ("tokens", "steps", "prompt_tokens", "cached_tokens"):
        if value.get(key) is not None:
            made[key] = int(value[key])
    if value.get("logprob") is not None:
        made["logprob"] = _number(value["logprob"], "logprob")
    return made


def _generated(task: Task, value: Any) -> Dict[str, Any]:
    if not isinstance(value, list):
        value = [value]
    if len(value) != task.n:
        raise Failed(f"{len(value)} samples where {task.n} were asked for")
    return {"samples": [_sample(one) for one in value]}


def _scored(task: Task, value: Any) -> Dict[str, Any]:
    made: Dict[str, Any] = {}
    if isinstance(value, Mapping):
        made = {"tokens": int(value["tokens"])} if value.get("tokens") is not None else {}
        value = value.get("scores")
    if hasattr(value, "tolist"):  # numpy, torch
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        value = [value]
    if len(value) not in (len(task.steps), len(task.steps) - task.start):
        raise Failed(f"{len(value)} scores for {len(task.steps)} steps")
    return {"scores": [_number(one, "a score") for one in value], **made}


def _verdict(task: Task, value: Any) -> Dict[str, Any]:
    if value is None or isinstance(value, bool):
        value = "unknown" if value is None else "pass" if value else "fail"
    if isinstance(value, str):
        value = {"verdict": value}
    if not isinstance(value, Mapping) or value.get("verdict") not in _VERDICTS:
        raise Failed(f"a verifier returned {value!r}: pass, fail, unknown, or a dict with such a verdict is needed")
    made: Dict[str, Any] = {"verdict": value["verdict"]}
    for key in ("reason", "answer", "observation"):
        if value.get(key) is not None:
            made[key] = _text(value[key], key)
    if value.get("share") is not None:
        made["share"] = _number(value["share"], "share")
    return made


_TRAVELS = {"generate": _generated, "score": _scored, "verify": _verdict}


def _result(task: Task, value: Any) -> Dict[str, Any]:
    """A bad value is a mistake in the function: trying again would not help."""
    try:
        return {"id": task.id, **_TRAVELS[task.kind](task, value)}
    except Exception as error:
        return _error(task, error if isinstance(error, Failed) else Failed(f"{type(error).__name__}: {error}"))


def _error(task: Task, error: BaseException) -> Dict[str, Any]:
    words = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
    return {"id": task.id, "error": {"message": words.encode("utf-8", "replace").decode("utf-8"),
                                     "retryable": not isinstance(error, Failed)}}


def _dumps(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


# ---- calling ----


class _Caller:
    """The tasks of one engine, over all connections: a queue, and threads or an event loop that call the function."""

    def __init__(self, kind: _Engine):
        self.kind = kind
        self.waiting: Deque[Tuple["_Line", int, Task]] = collections.deque()
        self.changed = threading.Condition()
        self.loop: Optional[asyncio.AbstractEventLoop] = None
        self.stopped = False

    def start(self) -> None:
        if self.kind.asynchronous:
            self.loop = asyncio.new_event_loop()
            threading.Thread(target=self.loop.run_forever, daemon=True).start()
            return
        for _ in range(self.kind.threads):
            threading.Thread(target=self._work, daemon=True).start()

    def stop(self) -> None:
        with self.changed:
            self.stopped = True
            self.changed.notify_all()
        if self.loop:
            self.loop.call_soon_threadsafe(self.loop.stop)

    def put(self, line: "_Line", session: int, tasks: Sequence[Task]) -> None:
        if self.loop:
            for part in self._parts(list(tasks)):
                asyncio.run_coroutine_threadsafe(self._await(line, session, part), self.loop)
            return
        with self.changed:
            self.waiting.extend((line, session, task) for task in tasks)
            self.changed.notify_all()

    def _parts(self, tasks: List[Task]) -> List[List[Task]]:
        size = max(1, self.kind.batch)
        return [tasks[i : i + size] for i in range(0, len(tasks), size)]

    def take_out(self, line: "_Line", ids: Optional[Sequence[int]]) -> List[Task]:
        """Tasks of a connection that have not been begun (ids None: all of them) are dropped and returned."""
        with self.changed:
            out = [entry for entry in self.waiting if entry[0] is line and (ids is None or entry[2].id in ids)]
            for entry in out:
                self.waiting.remove(entry)
        return [task for _, _, task in out]

    def _work(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting or self.stopped)
                if self.stopped:
                    return
                taken = [self.waiting.popleft()]
                while self.waiting and len(taken) < self.kind.batch:
                    taken.append(self.waiting.popleft())
            values = self._call([task for _, _, task in taken])
            by_line: Dict[Tuple["_Line", int], List[Dict[str, Any]]] = {}
            for (line, session, _), value in zip(taken, values):
                by_line.setdefault((line, session), []).append(value)
            for (line, session), results in by_line.items():
                line.give(session, results)

    def _call(self, tasks: List[Task]) -> List[Dict[str, Any]]:
        try:
            return self._results(tasks, self.kind.function(tasks if self.kind.batch else tasks[0]))
        except Exception as error:
            return self._failed(tasks, error)

    async def _await(self, line: "_Line", session: int, tasks: List[Task]) -> None:
        try:
            results = self._results(tasks, await self.kind.function(tasks if self.kind.batch else tasks[0]))
        except Exception as error:
            results = self._failed(tasks, error)
        line.give(session, results)

    def _results(self, tasks: List[Task], value: Any) -> List[Dict[str, Any]]:
        values = list(value) if self.kind.batch else [value]
        if len(values) != len(tasks):
            raise Failed(f"{len(values)} results for a batch of {len(tasks)}")
        return [_result(task, one) for task, one in zip(tasks, values)]

    def _failed(self, tasks: List[Task], error: Exception) -> List[Dict[str, Any]]:
        if not isinstance(error, Failed):
            traceback.print_exc()
        return [_error(task, error) for task in tasks]


# ---- one worker at the other end ----


class _Line:
    """A pair socket to one worker: listens at an address, or dials the one that a worker gave."""

    def __init__(self, address: str, dial: bool, callers: Mapping[str, _Caller]):
        self.address, self.dial, self.callers = address, dial, callers
        self.session = 0
        self.caller: Optional[_Caller] = None
        self.silence_s = 30.0
        self.heard = time.monotonic()
        self.ended = threading.Event()
        self.socket: Any = None

    def open(self) -> None:
        pynng = _pynng()
        self.socket = pynng.Pair1(recv_timeout=500, send_timeout=_SEND_MS, recv_max_size=0, reconnect_time_min=50,
                                  reconnect_time_max=1000)
        try:
            if self.dial:
                self.socket.dial(self.address, block=False)
            else:
                self.socket.listen(self.address)
        except pynng.exceptions.NNGException as error:
            raise OSError(f"{self.address}: {error}") from None

    def run(self) -> None:
        """Read until bye (of the worker that started this program), until it is gone, or until close()."""
        pynng = _pynng()
        while not self.ended.is_set():
            try:
                data = self.socket.recv()
            except pynng.exceptions.Timeout:
                self._look()
                continue
            except pynng.exceptions.NNGException:
                break
            except RuntimeError:  # pynng 0.9 of a message without bytes
                data = b""
            self.heard = time.monotonic()
            self._take(data)
        self.ended.set()

    def close(self) -> None:
        self.ended.set()
        if self.socket:
            self.socket.close()

    def give(self, session: int, results: List[Dict[str, Any]]) -> None:
        """From any thread.  What belongs to an earlier connection, or cannot be sent, is wanted by nobody any more."""
        if session == self.session:
            self._say({"type": "results", "session": session, "results": results})

    def _say(self, message: Mapping[str, Any]) -> None:
        pynng = _pynng()
        try:
            self.socket.send(_dumps(message))
        except pynng.exceptions.NNGException as error:
            if not self.ended.is_set():
                print(f"espalier: {self.address}: a {message['type']} could not be sent: {error}", file=sys.stderr, flush=True)

    def _look(self) -> None:
        silent = time.monotonic() - self.heard
        if self.dial and not self.socket.pipes and silent > _ALONE_S:
            self.ended.set()  # the worker is gone
        elif self.session and silent > self.silence_s:  # another worker may want to connect
            self._forget()
            for pipe in list(self.socket.pipes):
                pipe.close()

    def _forget(self) -> None:
        self.session = 0
        if self.caller:
            self.caller.take_out(self, None)

    def _take(self, data: bytes) -> None:
        try:
            message = json.loads(data)
            kind, session = message["type"], message.get("session", 0)
        except (ValueError, TypeError, KeyError) as error:
            print(f"espalier: {self.address}: a message that cannot be read: {error}", file=sys.stderr, flush=True)
            return
        if kind == "hello":
            self._hello(message, session)
        elif session != self.session:
            return
        elif kind == "tasks" and self.caller:
            self.caller.put(self, session, [Task(fields) for fields in message["tasks"]])
        elif kind == "cancel" and self.caller:
            dropped = self.caller.take_out(self, message["ids"])
            if dropped:
                self.give(session, [_error(task, Exception("cancelled")) for task in dropped])
        elif kind == "heartbeat":
            self._say({"type": "heartbeat", "session": session})
        elif kind == "bye":
            self._forget()
            if self.dial:
                self.ended.set()

    def _hello(self, message: Mapping[str, Any], session: int) -> None:
        if session != self.session:
            self._forget()
        self.session = session
        self.silence_s = float(message.get("silence_s", 30.0))
        self.caller = self.callers.get(message.get("role", ""))
        kind = self.caller.kind if self.caller else None
        hello: Dict[str, Any] = {"type": "hello", "version": VERSION, "session": session, "roles": sorted(self.callers)}
        if kind:
            hello.update(name=kind.name, credits=kind.credits, n=kind.n)
        else:
            hello.update(name=os.path.basename(sys.argv[0] or "python"))
        self._say(hello)


def _pynng() -> Any:
    try:
        import pynng
    except ImportError:
        raise ImportError("espalier engines need the package pynng: pip install pynng") from None
    return pynng


class Server:
    """Engines that serve workers in threads of this process, until stop()."""

    def __init__(self, *addresses: str, functions: Optional[Mapping[str, Callable[..., Any]]] = None, dial: bool = False):
        """functions: role -> function; by default those of @engine.  One address for each worker."""
        kinds = dict(_engines) if functions is None else {
            role: next((e for e in _engines.values() if e.function is function and e.role == role), None)
            or _Engine(function, role, 0, 1, 1, 0, "")
            for role, function in functions.items()
        }
        if not kinds:
            raise ValueError("no engine: decorate a function with @espalier.engine(role=...) first")
        self.callers = {role: _Caller(kind) for role, kind in kinds.items()}
        self.lines = [_Line(address, dial, self.callers) for address in addresses]
        self.threads: List[threading.Thread] = []

    def start(self) -> "Server":
        for line in self.lines:
            line.open()
        for caller in self.callers.values():
            caller.start()
        self.threads = [threading.Thread(target=line.run, daemon=True) for line in self.lines]
        for thread in self.threads:
            thread.start()
        return self

    def wait(self) -> None:
        """Until every worker that started this program said bye or is gone; for ever at addresses of one's own."""
        for thread in self.threads:
            while thread.is_alive():
                thread.join(0.5)

    def stop(self) -> None:
        for line in self.lines:
            line.ended.set()
        for thread in self.threads:
            thread.join(2)
        for caller in self.callers.values():
            caller.stop()
        for line in self.lines:
            line.close()


def serve(*addresses: str) -> None:
    """Run the engines of this file.

    Without an address: for the worker that started this program (`command: "python3 models.py"`); returns when it is done.
    With addresses (ipc:///PATH, tcp://HOST:PORT): listen there, one address for each worker (`url:`); never returns."""
    dial = not addresses
    url = os.environ.get("ESPALIER_URL", "")
    if dial and not url:
        raise SystemExit(
            "espalier.serve() is for a program that a worker starts (run file: engine: external, command: ...); "
            "give it an address to be found at: serve(\"ipc:///tmp/my-model\")"
        )
    server = Server(*(addresses or (url,)), dial=dial)
    server.start()
    try:
        server.wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
