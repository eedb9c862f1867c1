# SPDX-License-Identifier: Apache-2.0
"""Runs: a run file and a problems file are written, the espalier program is called, its words are passed on."""
from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple, Union

from ._results import Run

_SECTIONS = ("run", "problems", "search", "generator", "prm", "verifier", "actions", "step", "prompt", "vote", "samples", "workers",
             "dispatch", "journal", "observe", "log")
_ROLES = ("generator", "prm", "verifier")
_TAIL = 200  # lines of the program's output that are kept for the sentence of an error


class EspalierError(RuntimeError):
    """The program did not do what was asked; str() is what it said.

    status: its exit status: 2 wrong usage, run file or input; 3 stopped, resumable; 4 cannot go on; negative: a signal.
    output: the folder of the run, where there is one."""

    def __init__(self, status: int, said: str, command: Iterable[str] = (), output: Optional[Path] = None):
        self.status = status
        self.said = said
        self.command = list(command)
        self.output = output
        super().__init__(_sentence(said) or f"espalier ended with status {status} and said nothing: {shlex.join(self.command)}")


def _sentence(said: str) -> str:
    """The last line of what the program said, or the mistakes of a run file, of which each is a line."""
    lines = [line for line in said.splitlines() if line.strip()]
    own = [line for line in lines if line.startswith("espalier: ")]
    mistakes = [line for line in lines if re.match(r"\S+:\d+: ", line)]
    if mistakes and not own:
        return "\n".join(mistakes)
    said = [line[len("espalier: "):] for line in own[-2:]]  # the reason, and what to do about it
    return "; ".join(said) if said else (lines[-1] if lines else "")


def program() -> str:
    """The espalier program: $ESPALIER, else on PATH, else build/espalier of the checkout around this package or this folder."""
    named = os.environ.get("ESPALIER")
    if named:
        return named
    found = shutil.which("espalier")
    if found:
        return found
    for start in (Path(__file__).resolve(), Path.cwd().resolve() / "x"):
        for folder in start.parents:
            if os.access(folder / "build" / "espalier", os.X_OK) and (folder / "coordinator").is_dir():
                return str(folder / "build" / "espalier")
    raise FileNotFoundError("no espalier program: build it, and name it by the variable ESPALIER or put it on PATH")


_program = program  # run() has an argument of that name


# ---- what is written ----


def _yaml(config: Mapping[str, Any]) -> str:
    """JSON is YAML but for a few characters that YAML wants escaped."""
    text = json.dumps(config, ensure_ascii=False, indent=1, allow_nan=False)
    return re.sub("[\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]", lambda m: f"\\u{ord(m.group()):04x}", text)


def _is_missing(cell: Any) -> bool:
    """What a data frame puts where a row has no value: None, NaN, NaT, pandas.NA."""
    try:
        return cell is None or bool(cell != cell)
    except (TypeError, ValueError):  # NA is neither; of an array each item is one
        return type(cell).__name__ == "NAType"


def _frame_rows(frame: Any) -> List[Dict[str, Any]]:
    rows = frame.to_dicts() if hasattr(frame, "to_dicts") else frame.to_dict("records")  # polars, pandas
    return [{str(key): cell for key, cell in row.items() if not _is_missing(cell)} for row in rows]


def _plain(value: Any) -> Any:
    """For json: numbers and arrays of numpy, tensors."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def _problem_rows(problems: Any) -> List[Dict[str, Any]]:
    if isinstance(problems, Mapping):
        raise TypeError("problems is a dict: a list of them is needed, also for one")
    if hasattr(problems, "columns") and (hasattr(problems, "to_dict") or hasattr(problems, "to_dicts")):
        problems = _frame_rows(problems)
    rows: List[Dict[str, Any]] = []
    for number, problem in enumerate(problems):
        if isinstance(problem, str):
            problem = {"problem": problem}
        if not isinstance(problem, Mapping):
            raise TypeError(f"problem {number} is a {type(problem).__name__}: a dict or a str is needed")
        rows.append(dict(problem))
    return rows


def _write_problems(problems: Any, path: Path) -> None:
    lines = []
    for number, row in enumerate(_problem_rows(problems)):
        try:
            lines.append(json.dumps(row, ensure_ascii=False, allow_nan=False, default=_plain) + "\n")
        except (TypeError, ValueError) as error:
            raise type(error)(f"problem {number}: {error}") from None
    path.write_text("".join(lines), encoding="utf-8")


def _nested(config: Mapping[str, Any]) -> Dict[str, Any]:
    """Sections; search__budget__steps=9, "search.budget.steps": 9 and search={"budget": {"steps": 9}} mean the same."""
    made: Dict[str, Any] = {}
    for key, value in config.items():
        *folders, last = key.replace("__", ".").split(".")
        section = folders[0] if folders else last
        if section not in _SECTIONS:
            raise TypeError(f"there is no section {section!r} in a run file; there are: {', '.join(_SECTIONS)}")
        place = made
        for name in folders:
            place = place.setdefault(name, {})
        if isinstance(value, Mapping):
            place.setdefault(last, {}).update(value)
        else:
            place[last] = value
    return made


# ---- engines of this process ----


def _host_functions(config: Dict[str, Any], workers: int) -> Tuple[List[Any], Optional[tempfile.TemporaryDirectory]]:
    """Functions given as generator, prm or verifier are served from here: one address a worker."""
    functions = {role: config[role] for role in _ROLES if callable(config.get(role))}
    servers: List[Any] = []
    if not functions:
        return servers, None
    from ._engine import Server

    folder = tempfile.TemporaryDirectory(prefix="espalier-")
    for role, function in functions.items():
        kind = "kind" if role == "verifier" else "engine"
        addresses = [f"ipc://{folder.name}/{role}-{rank}" for rank in range(1, workers + 1)]
        config[role] = {kind: "external", "url": f"ipc://{folder.name}/{role}-{{rank}}"}
        servers.append(Server(*addresses, functions={role: function}))
    for server in servers:
        server.start()
    return servers, folder


# ---- the call ----


def _launcher(command: str, ranks: int, mpirun: Optional[str]) -> List[str]:
    if ranks <= 1:
        return []
    if mpirun is None:
        beside = Path(command).resolve().parent.parent / "cluster" / "local" / "mpirun"
        mpirun = str(beside) if os.access(beside, os.X_OK) else "mpirun"
    return shlex.split(mpirun) + ["-n", str(ranks)]


def _follow(command: List[str], say: Optional[Callable[[str], None]]) -> Tuple[int, str]:
    """Its lines as they come; the last of them and the status at the end."""
    tail: List[str] = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        try:
            for raw in process.stderr:
                line = raw.decode("utf-8", errors="replace").rstrip("\n")
                tail = tail[-_TAIL:] + [line]
                if say:
                    say(line)
        except BaseException:  # Ctrl-C reaches the program too; it stops cleanly and can be resumed
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    return process.returncode, "\n".join(tail)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def run(
    problems: Any,
    output: Union[str, os.PathLike, None] = None,
    ranks: int = 1,
    mpirun: Optional[str] = None,
    progress: Union[bool, Callable[[str], None]] = True,
    resume: bool = False,
    program: Optional[str] = None,
    **config: Any,
) -> Run:
    """Search problems and return the results.

    problems: dicts or strings, a data frame, or the path of a problems file.
    output:   the folder (new; by default one under runs/); the run file and the problems are written beside the results.
    ranks:    1 = in one process; more: under mpirun, one coordinator and ranks - 1 workers.
    progress: True: the program's lines go to stderr; a function gets each line; False: nothing.
    resume:   go on if the folder holds this run already.
    config:   the sections of a run file: search={"strategy": "beam", "keep": 4}, generator={...}, or search__keep=4.
              generator, prm and verifier may be functions of this process (see espalier.engine).

    Raises EspalierError with the program's own sentence; problems that ended in an error are a warning."""
    command = program or _program()
    sections = _nested(config)
    folder = Path(output) if output is not None else Path(_fresh_folder(sections))
    folder.mkdir(parents=True, exist_ok=True)
    servers, place = _host_functions(sections, max(1, ranks - 1))
    try:
        words = _prepare(folder, problems, sections, resume)
        say = _to_stderr if progress is True else progress or None
        status, said = _follow(_launcher(command, ranks, mpirun) + [command] + words, say)
    finally:
        for server in servers:
            server.stop()
        if place:
            place.cleanup()
    if status not in (0, 1) or not (folder / "done").exists():  # mpirun's own status proves nothing
        raise EspalierError(status, said, [command] + words, folder)
    if status == 1:
        warnings.warn(f"{folder}: some problems ended in an error; see the column error of answers()", stacklevel=2)
    return Run(folder, command)


def _fresh_folder(sections: Mapping[str, Any]) -> str:
    named = sections.get("run", {})
    if "output" in named:
        return named["output"]
    Path("runs").mkdir(exist_ok=True)
    return tempfile.mkdtemp(prefix=f"{named.get('name', 'python')}-", dir="runs")


def _prepare(folder: Path, problems: Any, sections: Dict[str, Any], resume: bool) -> List[str]:
    """Write the two files; the words of the command."""
    sections.setdefault("run", {})["output"] = str(folder)
    if isinstance(problems, (str, os.PathLike)):
        sections.setdefault("problems", {})["file"] = str(problems)
    else:
        path = folder / "problems.jsonl"
        if not (resume and path.exists()):
            _write_problems(problems, path)
        sections.setdefault("problems", {})["file"] = str(path)
    run_file = folder / "given.yaml"
    run_file.write_text(_yaml(sections) + "\n", encoding="utf-8")
    return ["run", str(run_file)] + (["--resume"] if resume else [])
