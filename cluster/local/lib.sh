# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# lib.sh (sourced by demo and test) - the checkout, its packages, its build
#
#   ESP_ROOT                 the checkout
#   esp_packages SET...      make sure that the packages of these sets (build, test, llm, fit, install) are there, or exit 2
#   esp_build FOLDER [-Dkey=value ...] -- [target ...]   configure and build; the log goes to FOLDER/build.log
#
# Nothing is written outside the checkout and the system's package store.

# shellcheck source-path=SCRIPTDIR source=mpi.sh
. "$ESP_ROOT/cluster/local/mpi.sh"

export TERM=${TERM:-dumb} CLICOLOR=0 NO_COLOR=1 GTEST_COLOR=no CTEST_OUTPUT_ON_FAILURE=1
export TMPDIR="$ESP_ROOT/build/tmp" CCACHE_DIR="$ESP_ROOT/build/ccache" CCACHE_NOHASHDIR=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
mkdir -p "$TMPDIR"

say()
{
    printf 'espalier: %s\n' "$*"
}

# package | set | how to see that it is there (c: command, h: header, p: pkg-config module) | what it is for
esp_package_table()
{
    cat <<'TABLE'
gcc                  | build | c:cc                | compiles the program
libc6-dev            | build | h:stdio.h           | the C library's headers
cmake                | build | c:cmake             | configures the build
ninja-build          | build | c:ninja             | runs the build
pkg-config           | build | c:pkg-config        | finds the libraries
openmpi-bin          | build | c:mpirun            | starts the ranks
libopenmpi-dev       | build | c:mpicc             | MPI: how ranks talk
libnng-dev           | build | h:nng/nng.h         | events to observers
protobuf-c-compiler  | build | c:protoc-c          | message code from .proto files
libprotobuf-c-dev    | build | p:libprotobuf-c     | messages
libjansson-dev       | build | p:jansson           | JSON
libyaml-dev          | build | p:yaml-0.1          | run files
libzstd-dev          | build | p:libzstd           | compressed problems and journals
zlib1g-dev           | build | p:zlib              | .gz problems
libxxhash-dev        | build | p:libxxhash         | hashes
libisal-dev          | build | p:libisal           | checksums of the journal
libgmp-dev           | build | p:gmp               | exact rationals
libmpfr-dev          | build | p:mpfr              | correctly rounded functions
nettle-dev           | build | p:nettle            | SHA-256
libncurses-dev       | build | p:ncursesw          | espalier watch
libcurl4-openssl-dev | build | p:libcurl           | HTTP to model servers
libpcre2-dev         | build | p:libpcre2-8        | patterns where steps end
libseccomp-dev       | build | p:libseccomp        | what contained programs may not ask of the kernel
bubblewrap           | build | c:bwrap             | contains the programs that verifiers run
libcunit1-dev        | build | p:cunit             | unit tests
libmicrohttpd-dev    | build | p:libmicrohttpd     | servers of the unit tests
openssl              | build | c:openssl           | certificates of the unit tests
ccache               | test  | c:ccache            | the builds for other MPIs reuse what is equal
gnuplot-nox          | test  | c:gnuplot           | plots of espalier report
clang-14             | test  | c:clang-14          | second compiler, sanitizers, fuzzing
clang-format-14      | test  | c:clang-format-14   | format check
libclang-rt-14-dev   | test  | f:/usr/lib/llvm-14/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a | sanitizer and fuzzing run time
llvm-14              | test  | c:llvm-symbolizer-14 | file and line in sanitizer reports
slurm-wlm            | test  | c:slurmctld         | a Slurm on this machine for the batch files
mpich                | test  | c:mpirun.mpich      | a second MPI
libmpich-dev         | test  | c:mpicc.mpich       | a second MPI
python3              | test  | c:python3           | test scripts
python3-venv         | test  | y:ensurepip         | Open MPI 5 and a llama.cpp server from Python wheels
python3              | llm   | c:python3           | demo-llm
python3-venv         | llm   | y:ensurepip         | a llama.cpp server from Python wheels
coq                  | test  | c:coqc              | proofs for the verifier coq (250 MB to fetch, 1 GB on disk)
python3              | fit   | c:python3           | train-prm
python3-venv         | fit   | y:ensurepip         | scikit-learn from a Python wheel
zstd                 | fit   | c:zstd              | samples are read compressed
tmux                 | test  | c:tmux              | a terminal for espalier watch
iproute2             | test  | c:ss                | looks at sockets in tests
procps               | test  | c:ps                | looks at processes in tests
debootstrap          | install | c:debootstrap     | a small Debian for the ring install
TABLE
}

esp_is_there() # KIND:NAME
{
    case $1 in
    c:*) command -v "${1#c:}" >/dev/null ;;
    h:*) echo "#include <${1#h:}>" | cc -E -x c - >/dev/null 2>&1 ;;
    p:*) pkg-config --exists "${1#p:}" 2>/dev/null ;;
    f:*) compgen -G "${1#f:}" >/dev/null ;;
    y:*) python3 -c "import ${1#y:}" 2>/dev/null ;;
    esac
}

esp_missing() # SET...: one line "package|what for" for each that is not there
{
    local package set probe purpose
    while read -r package _ set _ probe _ purpose; do
        case " $* " in *" $set "*) esp_is_there "$probe" || echo "$package|$purpose" ;; esac
    done < <(esp_package_table)
}

esp_as_root() # COMMAND...: run it as root; 1 when that is not possible
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        sudo "$@"
    else
        return 1
    fi
}

esp_apt_install() # PACKAGE...
{
    local log="$ESP_ROOT/build/apt.log"
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300)
    command -v apt-get >/dev/null || return 1
    esp_as_root true || return 1
    say "installing $# packages: $* (log: build/apt.log)"
    esp_as_root "${apt[@]}" install --no-install-recommends "$@" >"$log" 2>&1 && return 0
    say "refreshing the package lists first"
    esp_as_root "${apt[@]}" update >>"$log" 2>&1 &&
        esp_as_root "${apt[@]}" install --no-install-recommends "$@" >>"$log" 2>&1
}

esp_packages()
{
    local missing packages
    missing=$(esp_missing "$@")
    [ -n "$missing" ] || return 0
    mapfile -t packages < <(cut -d '|' -f 1 <<<"$missing")
    esp_apt_install "${packages[@]}" || { [ ! -s "$ESP_ROOT/build/apt.log" ] || tail -n 3 "$ESP_ROOT/build/apt.log" >&2; }
    hash -r
    missing=$(esp_missing "$@")
    [ -n "$missing" ] || return 0
    say "these are missing here and could not be installed (names of Debian packages):" >&2
    sed 's/^/  /; s/|/  for: /' <<<"$missing" >&2
    say "install them (as root: apt-get install $(cut -d '|' -f 1 <<<"$missing" | tr '\n' ' ')), then start this again" >&2
    exit 2
}

esp_build()
{
    local folder=$1 options=()
    shift
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    mkdir -p "$folder"
    if ! cmake -S "$ESP_ROOT" -B "$folder" -G Ninja "${options[@]}" >"$folder/build.log" 2>&1 ||
        ! ninja -C "$folder" -j "$(nproc)" "$@" >>"$folder/build.log" 2>&1; then
        say "the build in $folder failed; the end of $folder/build.log:" >&2
        tail -n 30 "$folder/build.log" >&2
        return 1
    fi
}
