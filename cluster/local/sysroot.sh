# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# sysroot.sh (sourced by cluster/install) - Debian packages unpacked into a folder and used from there, without root
#
#   sysroot_make PREFIX PACKAGE...     PREFIX/sysroot (the packages and all that they need), PREFIX/tools (compilers and tools that
#                                      use it), PREFIX/lib (its libraries, for the run), PREFIX/bin/mpirun
#   sysroot_environment PREFIX         prints what has to be exported to run from there
#
# apt-get chooses, downloads and checks them as ever, with an empty list of what is installed: so the folder does not depend on what this
# machine has.  dpkg -x runs no scripts of packages; what those would have done is done here: links of alternatives, a merged /usr.

sysroot_make()
{
    local prefix=$1
    shift
    sysroot_download "$prefix" "$@" && sysroot_unpack "$prefix" && sysroot_tools "$prefix" && sysroot_libraries "$prefix" && sysroot_tidy "$prefix" || {
        say "the packages could not be brought to $prefix; the log: $prefix/apt/log" >&2
        return 1
    }
}

sysroot_apt() # PREFIX ARGUMENT...: never looks at, or touches, what this machine has installed
{
    local apt=$1/apt
    shift
    apt-get -q -y -o Dir::State="$apt" -o Dir::State::status="$apt/status" -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt" \
        -o Dir::Cache::archives="$apt/archives" -o Debug::NoLocking=1 -o APT::Sandbox::User= -o APT::Install-Recommends=false \
        -o DPkg::Post-Invoke= -o APT::Update::Post-Invoke= "$@" >>"$apt/log" 2>&1
}

sysroot_download() # PREFIX PACKAGE...
{
    local apt=$1/apt
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    : >"$apt/status"
    : >"$apt/log"
    say "fetching the package lists and $(($# - 1)) packages with all that they need (log: $apt/log)"
    sysroot_apt "$1" update || return 1
    sysroot_apt "$1" --download-only install "${@:2}"
}

sysroot_unpack() # PREFIX
{
    local root=$1/sysroot package folder link
    rm -rf "$root"
    mkdir -p "$root"
    say "unpacking $(find "$1/apt/archives" -name '*.deb' | wc -l) packages"
    for package in "$1"/apt/archives/*.deb; do
        dpkg -x "$package" "$root" || return 1
    done
    for folder in bin sbin lib lib64; do # a merged /usr, as the linker scripts and links of the packages expect
        if [ -d "$root/$folder" ] && [ ! -L "$root/$folder" ]; then
            mkdir -p "$root/usr/$folder"
            cp -a "$root/$folder/." "$root/usr/$folder/" && rm -rf "${root:?}/$folder" || return 1
        fi
        [ -e "$root/$folder" ] || ln -s "usr/$folder" "$root/$folder"
    done
    while read -r link; do # absolute links mean places in the packages, not in this machine
        [ ! -e "$root$(readlink "$link")" ] || ln -sfnr "$root$(readlink "$link")" "$link"
    done < <(find "$root" -type l -lname '/*')
}

sysroot_triplet() # PREFIX: x86_64-linux-gnu
{
    basename "$(dirname "$(find "$1/sysroot/usr/lib" -name crt1.o | head -n 1)")"
}

sysroot_script() # FILE LINE...: a program of two lines or more
{
    local file=$1
    shift
    rm -f "$file"
    printf '%s\n' '#!/bin/sh' "$@" >"$file"
    chmod +x "$file"
}

sysroot_tools() # PREFIX
{
    local tools=$1/tools root=$1/sysroot triplet name
    triplet=$(sysroot_triplet "$1")
    mkdir -p "$tools" "$1/bin"
    for name in cmake ctest ninja protoc-c ar as ld nm ranlib strip objcopy; do
        [ ! -e "$root/usr/bin/$name" ] || ln -sfn "../sysroot/usr/bin/$name" "$tools/$name"
    done
    sysroot_script "$tools/cc" "exec '$root/usr/bin/gcc' --sysroot='$root' \"\$@\""
    ln -sfn cc "$tools/gcc"
    sysroot_script "$tools/pkg-config" "export PKG_CONFIG_SYSROOT_DIR='$root'" "unset PKG_CONFIG_PATH" \
        "export PKG_CONFIG_LIBDIR='$root/usr/lib/$triplet/pkgconfig:$root/usr/share/pkgconfig'" "exec '$root/usr/bin/pkg-config' \"\$@\""
    sysroot_script "$tools/mpicc" "export OMPI_CC='$tools/cc'" "exec '$root/usr/bin/mpicc.openmpi' \"\$@\""
    for name in mpirun orted orterun ompi_info; do
        ln -sfn "../sysroot/usr/bin/$(basename "$(readlink -f "$root/usr/bin/$name.openmpi" 2>/dev/null || echo "$name")")" "$1/bin/$name"
    done
}

# Links to all libraries but those of the C library, which must be the one whose loader starts the programs: this machine's.
sysroot_libraries() # PREFIX
{
    local folder=$1/sysroot/usr/lib/$(sysroot_triplet "$1") own library
    own=" $(for library in "$1"/apt/archives/libc6_*.deb; do dpkg -c "$library"; done | sed -n 's|.*/\([^/ ]*\.so[^/ ]*\).*|\1|p' | tr '\n' ' ') "
    rm -rf "$1/lib"
    mkdir -p "$1/lib"
    for library in "$folder"/*.so* "$folder"/openmpi/lib/*.so* "$folder"/pmix2/lib/*.so*; do
        case $own in *" $(basename "$library") "*) continue ;; esac
        [ ! -e "$library" ] || ln -sfnr "$library" "$1/lib/$(basename "$library")"
    done
}

sysroot_tidy() # PREFIX: half of the space
{
    rm -rf "$1/apt/archives" "$1/apt/lists" "$1"/apt/*.bin
}

sysroot_environment() # PREFIX
{
    local usr=$1/sysroot/usr lib
    lib=$usr/lib/$(sysroot_triplet "$1")
    cat <<TEXT
export LD_LIBRARY_PATH='$1/lib'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
export CMAKE_PREFIX_PATH='$usr'
# Open MPI, PMIx and hwloc have the folders of Debian built in:
export OPAL_PREFIX='$usr' OPAL_LIBDIR='$lib/openmpi/lib' OPAL_PKGLIBDIR='$(sysroot_components "$lib")'
export OPAL_DATADIR='$usr/share' OPAL_PKGDATADIR='$usr/share/openmpi' OPAL_SYSCONFDIR='$1/sysroot/etc' OPAL_INCLUDEDIR='$lib/openmpi/include'
export PMIX_PREFIX='$lib/pmix2' PMIX_MCA_mca_base_component_path='$lib/pmix2/lib/pmix' PMIX_PKGDATADIR='$usr/share/pmix'
export HWLOC_PLUGINS_PATH='$lib/hwloc'
TEXT
}

sysroot_components() # LIBFOLDER: where the parts of Open MPI are
{
    dirname "$(find "$1/openmpi/lib" -name 'mca_btl_tcp.so' | head -n 1)"
}
