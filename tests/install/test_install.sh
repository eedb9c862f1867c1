#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test_install.sh - cluster/install as a user without root, on a Debian that has none of what espalier needs
#
#   tests/install/test_install.sh [FOLDER]     the small Debian is made in FOLDER (default build/install-test) by debootstrap, and stays there
#
# Needs root (chroot), debootstrap and a mirror; says skipped otherwise.  Mounts are in a namespace of its own and end with it.
# Last line: N passed, N failed, N skipped.
set -u
ESP_ROOT=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$ESP_ROOT/build/install-test}
root=$folder/debian
user=4711
passed=0 failed=0

skip()
{
    echo "skipped: $*"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}

check() # WHAT COMMAND...
{
    local what=$1
    shift
    if "$@" >"$folder/step.log" 2>&1; then
        echo "ok      $what"
        passed=$((passed + 1))
    else
        echo "FAILED  $what"
        tail -n 20 "$folder/step.log"
        failed=$((failed + 1))
    fi
}

inside() # SHELL TEXT: as the user, in the small Debian, with its own /proc, /dev/shm and processes
{
    unshare --mount --pid --fork --kill-child --uts bash -c '
        mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/dev/shm" && mount -t sysfs sysfs "$1/sys" && hostname small &&
        exec chroot "$1" setpriv --reuid="$2" --regid="$2" --clear-groups --no-new-privs env -i HOME=/home/user PATH=/usr/bin:/bin TERM=dumb \
            bash -c "cd /home/user/espalier && $3"' inside "$root" "$user" "$1"
}

make_debian()
{
    if [ ! -e "$root/made" ]; then
        rm -rf "$root"
        debootstrap --variant=minbase "${ESP_DEBIAN:-bookworm}" "$root" "${ESP_MIRROR:-http://deb.debian.org/debian}" >"$folder/debootstrap.log" 2>&1 ||
            skip "debootstrap failed (no mirror?): $(tail -n 1 "$folder/debootstrap.log")"
        touch "$root/made"
    fi
    [ ! -e /etc/resolv.conf ] || cp /etc/resolv.conf "$root/etc/resolv.conf"
    printf '127.0.0.1 localhost small\n' >"$root/etc/hosts"
    [ ! -e "$root/dev/null" ] || [ -c "$root/dev/null" ] || rm -f "$root/dev/null"
    [ -e "$root/dev/null" ] || mknod -m 666 "$root/dev/null" c 1 3
    rm -rf "$root/home/user"
    mkdir -p "$root/home/user/espalier" "$root/dev/shm"
    (cd "$ESP_ROOT" && git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf -) | tar -xf - -C "$root/home/user/espalier"
    chown -R "$user:$user" "$root/home/user"
}

main()
{
    [ "$(id -u)" = 0 ] || skip "a chroot needs root"
    command -v debootstrap >/dev/null || skip "debootstrap is not here"
    mkdir -p "$folder"
    make_debian
    check "the small Debian has no compiler, no MPI and no Python" inside '! command -v cc mpirun python3 cmake'
    check "the user cannot install packages" inside '! apt-get -y install gcc'
    check "cluster/install" inside 'cluster/install --prefix ~/here'
    grep '^espalier: ' "$folder/step.log"
    rm -rf "$root/home/user/espalier/build" # what was built must not be needed
    check "a search on 4 ranks from the prefix" inside '. ~/here/env.sh && cd /tmp && "$ESP_HOME"/cluster/local/mpirun -n 4 espalier run \
        "$ESP_HOME"/cluster/recipes/demo/demo.yaml problems.file="$ESP_HOME"/cluster/recipes/demo/puzzles.jsonl problems.limit=20 run.output=/home/user/out &&
        [ -e ~/out/done ] && [ "$(wc -l <~/out/answers.jsonl)" = 20 ] && espalier report ~/out'
    check "the same again in one process gives the same rows" inside '. ~/here/env.sh && espalier run cluster/recipes/demo/demo.yaml problems.limit=20 \
        run.output=/home/user/alone && for f in answers candidates; do cmp <(sort ~/out/$f.jsonl) <(sort ~/alone/$f.jsonl) || exit 1; done'
    check "no library of this program comes from elsewhere than the prefix and the C library" inside '. ~/here/env.sh &&
        ! ldd ~/here/bin/espalier | grep -v "=> /home/user/here/lib/\|lib\(c\|m\|pthread\|resolv\|dl\|rt\)\.so\|ld-linux\|linux-vdso"'
    check "nothing outside the home was written" inside '[ -z "$(find / -xdev -user 4711 -not -path "/home/user*" -not -path "/proc/*" -not -path "/dev/shm*" -not -path "/tmp*" 2>/dev/null)" ]'
    echo "$passed passed, $failed failed, 0 skipped"
    [ "$failed" = 0 ]
}

main
