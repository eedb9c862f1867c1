# SPDX-License-Identifier: Apache-2.0
"""What a run wrote: rows, summary, trees.  Everything is read anew at each call, so a run that goes on can be followed."""
from __future__ import annotations

import contextlib
import gzip
import importlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, Optional, Union

Rows = List[Dict[str, Any]]


_PACKED = (".jsonl", ".jsonl.gz", ".jsonl.zst")
_UNVERIFIED = "-unverified"
_BLOCK_BYTES = 1 << 30  # more than a file of rows: its memory is that of the file


def _unpacker(path: Path) -> Any:
    """A Python module with open(), or None: the program zstd is there."""
    for name in ("compression.zstd", "backports.zstd", "zstandard"):
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    if shutil.which("zstd"):
        return None
    raise ImportError(f"{path}: to read it, install zstandard (pip install zstandard) or the program zstd")


@contextlib.contextmanager
def _zstd(path: Path) -> Iterator[IO[str]]:
    open(path, "rb").close()  # a missing file is no matter of zstd
    module = _unpacker(path)
    if module is not None:
        with module.open(path, "rt", encoding="utf-8", newline="\n") as file:
            yield file
        return
    with subprocess.Popen(["zstd", "-dcq", str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield io.TextIOWrapper(process.stdout, encoding="utf-8", newline="\n")
    if process.returncode > 0:
        raise OSError(f"{path}: zstd cannot read it")


def _opened(path: Path) -> Any:
    if path.suffix == ".zst":
        return _zstd(path)
    opener = gzip.open if path.suffix == ".gz" else open
    return opener(path, "rt", encoding="utf-8", newline="\n")


def _lines(path: Path) -> Iterator[str]:
    """Whole lines: the last one may be half written while the run goes on."""
    try:
        with _opened(path) as file:
            for line in file:
                if line.endswith("\n"):
                    yield line
    except FileNotFoundError:
        return
    except EOFError:  # a .gz that is still being written
        return


def _rows(path: Path) -> Rows:
    return [json.loads(line) for line in _lines(path) if line.strip()]


def _framed(rows: Rows, frame: Optional[bool]) -> Any:
    if frame is False:
        return rows
    try:
        import pandas
    except ImportError:
        if frame:
            raise
        return rows
    return pandas.DataFrame(rows)


def _deep(text: str) -> Any:
    """json.loads for trees: a branch may be deeper than Python's limit."""
    limit = sys.getrecursionlimit()
    try:
        return json.loads(text)
    except RecursionError:
        sys.setrecursionlimit(max(limit, 50_000))
        try:
            return json.loads(text)
        finally:
            sys.setrecursionlimit(limit)


class Run:
    """The output folder of a run.

    Tables come as pandas data frames where pandas is installed, else as lists of dicts; ``frame=False`` always gives lists,
    ``frame=True`` always frames.
    """

    def __init__(self, folder: Union[str, os.PathLike], program: Optional[str] = None):
        self.path = Path(folder)
        self._program = program
        if not self.path.is_dir():
            raise FileNotFoundError(f"{self.path}: no such folder")
        if not (self.path / "run.yaml").exists() and not (self.path / "journal").exists():
            raise FileNotFoundError(f"{self.path}: holds no run (no run.yaml, no journal)")

    def __repr__(self) -> str:
        return f"espalier.load({str(self.path)!r})"

    @property
    def done(self) -> bool:
        """Has the run finished?  (False: it goes on, or was stopped.)"""
        return (self.path / "done").exists()

    def _file(self, name: str) -> Path:
        """NAME.jsonl, or what its owner made of it: .gz, .zst."""
        files = [self.path / f"{name}{ending}" for ending in _PACKED]
        return next((path for path in files if path.exists()), files[0])

    def answers(self, frame: Optional[bool] = None) -> Any:
        """One row a problem and repeat that has ended (docs/outputs.md)."""
        return _framed(_rows(self._file("answers")), frame)

    def candidates(self, frame: Optional[bool] = None) -> Any:
        """One row a finished branch."""
        return _framed(_rows(self._file("candidates")), frame)

    def costs(self, frame: Optional[bool] = None) -> Any:
        """What servers did for each row of answers: tokens read, cached, generated."""
        return _framed(_rows(self._file("costs")), frame)

    def sample_files(self) -> List[Path]:
        """The files of training samples (not refused-00000.jsonl, which lists what is none)."""
        files = (self.path / "samples").glob("*")  # the raw rows of a run that goes on lie deeper
        return sorted(p for p in files if p.name.endswith(_PACKED) and not p.name.startswith("refused-"))

    def _samples_of(self, name: Optional[str]) -> List[Path]:
        """Verified ones, unless the name says "-unverified"."""
        wanted = name is not None and name.endswith(_UNVERIFIED)
        files = [p for p in self.sample_files() if (f"{_UNVERIFIED}-" in p.name) == wanted]
        return [p for p in files if name is None or p.name.startswith(name)]

    def samples(self, name: Optional[str] = None, frame: Optional[bool] = None) -> Any:
        """Verified training samples: of all files, or of those whose name begins with `name` ("stepwise"); "stepwise-unverified" are those
        that no verifier decided.

        Shards are .jsonl.zst unless the run says samples: {compress: false}; they need the package zstandard, or the program zstd."""
        return _framed([row for path in self._samples_of(name) for row in _rows(path)], frame)

    def dataset(self, name: str = "answers") -> Any:
        """A Hugging Face dataset of answers, candidates or costs, or of the samples whose files begin with `name`.

        A file is read as one block: `datasets` fixes the type of a column by the first block, where it may be null everywhere."""
        import datasets

        rows = self._file(name)
        files = [rows] if rows.exists() else self._samples_of(name)
        if not files:
            raise FileNotFoundError(f"{self.path}: holds no {name}.jsonl and no samples/{name}*")
        return datasets.load_dataset("json", data_files=[str(p) for p in files], split="train", chunksize=_BLOCK_BYTES)

    def summary(self) -> Dict[str, Any]:
        """summary.json; {} before the run has written it."""
        try:
            return json.loads((self.path / "summary.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}

    def tree(self, id: str, repeat: int = 0) -> Dict[str, Any]:
        """The search of one problem as nested dicts: id, finish_reason, ..., tree (path, score, text, ..., children).

        Rebuilt from the journal by the espalier program; works while the run goes on."""
        from ._launch import EspalierError, program

        command = [self._program or program(), "show", str(self.path), str(id), "--repeat", str(repeat), "--json"]
        got = subprocess.run(command, capture_output=True)
        if got.returncode != 0:
            raise EspalierError(got.returncode, got.stderr.decode(errors="replace"), command)
        return _deep(got.stdout.decode("utf-8", errors="replace"))

    def nodes(self, id: str, repeat: int = 0, frame: Optional[bool] = None) -> Any:
        """The nodes of that tree as a table, parents before children; the root is left out.

        Columns: path, parent, depth, and what tree() has."""
        rows: Rows = []
        waiting = [(child, "", 1) for child in reversed(self.tree(id, repeat)["tree"]["children"])]
        while waiting:
            node, parent, depth = waiting.pop()
            children = node.pop("children", [])
            rows.append({"path": node.pop("path"), "parent": parent, "depth": depth, **node})
            waiting += [(child, rows[-1]["path"], depth + 1) for child in reversed(children)]
        return _framed(rows, frame)


def load(folder: Union[str, os.PathLike], program: Optional[str] = None) -> Run:
    """The results of a run, finished or not.  program: the espalier program, for trees (else it is looked for)."""
    return Run(folder, program)
