#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""arrows.py - who may include whom (design.md, section 6), and what else a C file must keep to

    tests/arrows.py [--build build] [--no-compile]

Checks every .c and .h under proto, coordinator, worker and cluster:
  arrows     "folder/file.h" includes follow LAYERS; paths start at the root; tests are included by tests only
  libraries  each outside library is seen by the files of LIBRARIES only
  guards     a header's guard is its path; its first include-able line is the SPDX line
  alone      every header compiles by itself (gcc -fsyntax-only, our warnings as errors)
  own first  a .c file includes its own header (or that module's _private.h) before anything else
  mutable    no mutable file-scope variable in the libraries of the build folder, outside alloc and log

Prints one line per fault, then "N passed, N failed, N skipped"; exit status 1 when something failed.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Folder -> folders whose headers it may include besides its own.  "coordinator" and "worker" alone are
# the files directly in them (the loops).
LOW = ["proto/base", "proto/model"]
PROTO = LOW + ["proto/wire", "proto/link", "proto/config", "proto/client"]
LAYERS = {
    "proto/base": [],
    "proto/answer": ["proto/base"],
    "proto/model": ["proto/base"],
    "proto/schema": [],
    "proto/wire": LOW,
    "proto/link": LOW,
    "proto/config": LOW,
    "proto/client": LOW + ["proto/wire"],
    "coordinator/search": LOW,
    "coordinator/merge": LOW + ["proto/answer"],
    "coordinator/frontier": LOW,
    "coordinator/problem": PROTO,
    "coordinator/sink": PROTO + ["proto/answer", "coordinator/search", "coordinator/merge"],  # rows are recomputed from the search (D9)
    "coordinator/harvest": PROTO + ["proto/answer", "coordinator/sink", "coordinator/search", "coordinator/merge", "coordinator/problem"],
"coordinator/journal": PROTO,
    "coordinator/observe": PROTO,
    "coordinator/dispatch": PROTO + ["coordinator/frontier"],
    "coordinator": PROTO + ["coordinator/*"],
    "worker/prompt": PROTO,
    "worker/http": ["proto/base"],
    "worker/server": ["proto/base", "worker/http", "worker/prompt"],
    "worker/engine": PROTO + ["worker/prompt", "worker/http", "worker/server"],
    "worker/sandbox": ["proto/base"],
    "worker/verifier": PROTO + ["proto/answer", "worker/prompt", "worker/engine", "worker/sandbox"],
    "worker": PROTO + ["worker/*"],
    "cluster": PROTO + ["coordinator", "coordinator/*", "worker", "worker/*", "cluster/*"],
}

EXCEPTIONS = {
    "worker/engine/engine_table.c": ["worker/verifier"],  # the one table that names them all
}

# Pattern of an outside header -> the places (folder or file stem) that may include it.
LIBRARIES = {
    r"mpi(-ext)?\.h": ["proto/link/link_mpi", "cluster/cli/"],
    r"nng/.*": ["coordinator/observe/", "proto/client/", "worker/engine/engine_external", "cluster/recipes/external/"],
    r".*\.pb-c\.h|protobuf-c/.*": ["proto/wire/"],
    r"curl/.*": ["worker/http/"],
    r"seccomp\.h": ["worker/sandbox/sandbox_filter"],
    r"pcre2\.h": ["worker/prompt/step_regex"],
    r"gmp\.h": ["proto/answer/", "worker/engine/puzzle", "worker/engine/equation"],
    r"yaml\.h": ["proto/config/"],
    r"n?curses.*\.h": ["cluster/console/"],
}
MUTABLE_ALLOWED = {"alloc.c.o", "log.c.o"}
MUTABLE_SECTIONS = re.compile(r"^(\.data|\.bss|\.tdata|\.tbss|\*COM\*|COMMON)(?!\.rel\.ro)")
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, good, sentence):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"arrows: {sentence}")


def sources():
    for top in ("proto", "coordinator", "worker", "cluster"):
        for path in sorted((ROOT / top).rglob("*.[ch]")):
            yield path.relative_to(ROOT)


def layer_of(path):
    """The longest folder of LAYERS that holds the path (a string), or None."""
    folder = os.path.dirname(path)
    while folder and folder not in LAYERS:
        folder = os.path.dirname(folder)
    return folder or None


def may_include(path, layer, target):
    folder = layer_of(target)
    if folder == layer:
        return True
    for allowed in LAYERS[layer] + EXCEPTIONS.get(path, []):
        if folder == allowed or allowed.endswith("/*") and folder and folder.startswith(allowed[:-1]):
            return True
    return False


def check_arrows(path, text, tally):
    layer = layer_of(str(path))
    tally.check(layer is not None, f"{path}: its folder is not in the table of layers (tests/arrows.py)")
    for kind, target in INCLUDE.findall(text):
        for pattern, places in LIBRARIES.items():
            if re.fullmatch(pattern, target):
                tally.check(any(str(path).startswith(place) for place in places),
                            f"{path}: includes {target}; only {', '.join(places)} may")
                break
        else:
            if kind == '"':
                tally.check((ROOT / target).is_file() and layer is not None and may_include(str(path), layer, target),
                            f"{path}: includes \"{target}\"; {layer} may not (or it is not a path from the root)")


def check_own_header_first(path, text, tally):
    own = path.with_suffix(".h")
    if path.suffix == ".c" and (ROOT / own).is_file():
        includes = INCLUDE.findall(text)
        private = path.with_name(f"{path.stem}_private.h")
        tally.check(bool(includes) and includes[0][1] in (str(own), str(private)), f"{path}: its first include must be \"{own}\"")


def check_guard(path, text, tally):
    tally.check(text.startswith("/* SPDX-License-Identifier: Apache-2.0 */\n"), f"{path}: no SPDX line at the top")
    if path.suffix == ".h":
        guard = "ESP_" + re.sub(r"[^A-Z0-9]", "_", str(path).upper())
        tally.check(f"#ifndef {guard}\n#define {guard}\n" in text, f"{path}: the guard must be {guard}")


def compile_flags(build):
    """Include folders of the libraries, and of the generated messages."""
    flags = ["-std=c11", "-D_GNU_SOURCE", f"-I{ROOT}", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion",
             "-Wstrict-prototypes", "-Wundef", "-Werror", "-fsyntax-only", "-x", "c"]
    modules = ["libprotobuf-c", "jansson", "yaml-0.1", "ncursesw", "libcurl"]
    found = subprocess.run(["pkg-config", "--cflags", *modules], capture_output=True, text=True, check=False)
    flags += found.stdout.split()
    mpi = re.findall(r"^MPI_C_(?:COMPILER_INCLUDE_DIRS|HEADER_DIR):\w+=(.+)$", (build / "CMakeCache.txt").read_text(), re.M)
    folders = [folder for line in mpi for folder in line.split(";") if not folder.endswith("NOTFOUND")]
    for folder in folders + sorted({str(header.parent) for header in build.glob("proto/**/*.pb-c.h")}):
        flags += ["-isystem", folder]
    return flags


def check_alone(headers, build, tally):
    flags = compile_flags(build)

    def compile_one(header):
        return header, subprocess.run(["gcc", *flags, str(ROOT / header)], capture_output=True, text=True, check=False)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, result in pool.map(compile_one, headers):
            first = next((line for line in result.stderr.splitlines() if "error" in line), result.stderr[:200])
            tally.check(result.returncode == 0, f"{header}: does not compile alone: {first}")


def mutable_symbols(archive):
    """(member, symbol) of each variable of the archive that can be written after the program started."""
    listing = subprocess.run(["nm", "-A", "--format=sysv", str(archive)], capture_output=True, text=True, check=True)
    for line in listing.stdout.splitlines():
        columns = [column.strip() for column in line.split("|")]
        if len(columns) != 7 or columns[3] not in ("OBJECT", "TLS", "COMMON"):
            continue
        member, _, symbol = columns[0].rpartition(":")
        if MUTABLE_SECTIONS.match(columns[6]):
            yield member.rpartition(":")[2], symbol


def check_mutable(build, tally):
    archives = sorted(archive for archive in build.rglob("libesp_*.a")
                      if "CMakeFiles" not in archive.parts and archive.relative_to(build).parts[0] in
                      ("proto", "coordinator", "worker", "cluster"))
    if not archives:
        tally.skipped += 1
        print(f"arrows: skipped the check of mutable variables: no libraries under {build}")
    for archive in archives:
        bad = [f"{symbol} ({member})" for member, symbol in mutable_symbols(archive) if member not in MUTABLE_ALLOWED]
        tally.check(not bad, f"{archive.name}: mutable file-scope variables: {', '.join(bad)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="a plain build, for libraries and generated headers")
    parser.add_argument("--no-compile", action="store_true", help="leave out the check that headers compile alone")
    args = parser.parse_args()
    tally = Tally()
    paths = list(sources())
    tally.check(bool(paths), "no sources found")
    for path in paths:
        text = (ROOT / path).read_text()
        check_arrows(path, text, tally)
        check_own_header_first(path, text, tally)
        check_guard(path, text, tally)
    if not args.no_compile:
        check_alone([path for path in paths if path.suffix == ".h"], args.build.resolve(), tally)
    check_mutable(args.build.resolve(), tally)
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
