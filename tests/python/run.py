#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py - the tests of this folder

    run.py ESPALIER [WORD ...]      the program; only tests whose name holds a word
"""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "python")]


class Result(unittest.TextTestResult):
    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"skipped: {test.id()}: {reason}")


def chosen(suite, words):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from chosen(test, words)
        elif not words or any(word in test.id() for word in words):
            yield test


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    os.environ["ESPALIER"] = os.path.abspath(sys.argv[1])
    tests = unittest.TestSuite(chosen(unittest.TestLoader().discover(HERE, "test_*.py"), sys.argv[2:]))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Result).run(tests)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    print(f"{result.passed} passed, {failed} failed, {len(result.skipped)} skipped", flush=True)
    sys.exit(1 if failed or not result.testsRun else 0)


if __name__ == "__main__":
    main()
