# SPDX-License-Identifier: Apache-2.0
"""test_docs.py - the examples of docs/python.md, run in their order in an empty folder"""
import os
import re
import sys
import unittest

import kit
from espalier import _engine

BLOCK = re.compile(r"^```python(?: file=(\S+))?\n(.*?)^```$", re.M | re.S)


@kit.needs_pynng
class Examples(kit.FolderTest):
    def test_the_examples_of_docs_python_md_work(self):
        blocks = BLOCK.findall((kit.ROOT / "docs" / "python.md").read_text())
        self.assertGreaterEqual(len(blocks), 6)
        os.chdir(self.folder)
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))
        self.addCleanup(_engine._engines.clear)
        names = {"__name__": "docs_python_md"}
        for name, text in blocks:
            if name:
                (self.folder / name).write_text(text)
            else:
                exec(compile(text, "docs/python.md", "exec"), names)


if __name__ == "__main__":
    unittest.main()
