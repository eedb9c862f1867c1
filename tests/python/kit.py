# SPDX-License-Identifier: Apache-2.0
"""kit.py - where things are, temporary folders, rows to compare"""
import importlib.util
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXAMPLES = ROOT / "cluster" / "recipes" / "external"
HAS_PYNNG = importlib.util.find_spec("pynng") is not None
HAS_MPIRUN = shutil.which("mpirun") is not None
needs_pynng = unittest.skipUnless(HAS_PYNNG, "the package pynng is not there")


def espalier():
    return os.environ["ESPALIER"]


def c_peer():
    return str(Path(espalier()).parent / "cluster" / "external_prm_c")


def python(script, *words):
    """A command of a run file that starts this interpreter."""
    return " ".join([sys.executable, str(script), *map(str, words)])


class FolderTest(unittest.TestCase):
    """With a folder of its own, and the package on the path of what it starts."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="espalier-test-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.kept = dict(os.environ)
        os.environ["PYTHONPATH"] = str(ROOT / "python")
        os.environ["TMPDIR"] = str(self.folder)
        self.addCleanup(self.restore)
        self.before = os.getcwd()

    def restore(self):
        os.environ.clear()
        os.environ.update(self.kept)
        os.chdir(self.before)


def rows(folder):
    """What must be equal between two runs: sorted, byte for byte."""
    return [sorted((Path(folder) / name).read_text().splitlines()) for name in ("answers.jsonl", "candidates.jsonl")]
