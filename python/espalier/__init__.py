# SPDX-License-Identifier: Apache-2.0
"""Espalier from Python: engines, runs, results (docs/python.md).

    @espalier.engine(role="prm")      a function as a generator, PRM or verifier; espalier.serve() runs it
    espalier.run(problems, ...)       a search from here
    espalier.load(folder)             what a run wrote, also while it goes on

Only engines need a package besides Python's own library: pynng.
"""
from ._engine import Failed, Server, Task, engine, serve
from ._launch import EspalierError, program, run
from ._results import Run, load

__all__ = ["EspalierError", "Failed", "Run", "Server", "Task", "engine", "load", "program", "run", "serve"]
__version__ = "0.1.0"
