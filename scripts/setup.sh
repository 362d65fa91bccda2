#!/bin/sh
# Makes this machine able to build Raftsman: a C++ compiler, make, libclang (for RocksDB's bindings), cargo, and RocksDB's
# static library in the cache. Does nothing where all of it is there, so everything may call it.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
# The oldest Rust that builds us, as Cargo.toml says.
rust_min=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
# Older ones cannot read RocksDB's C++20 headers.
libclang_min=14

say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 1; }

has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    for library in /usr/lib/*/libclang-*.so* /usr/lib/*/libclang.so* /usr/lib/llvm-*/lib/libclang.so* \
        /usr/lib/llvm-*/lib/libclang-*.so* /usr/lib64/libclang.so* /usr/local/lib/libclang.so*; do
        [ -e "$library" ] && return 0
    done
    return 1
}

# libclang alone does not know stddef.h; its own headers come with it.
has_clang_headers() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    for header in /usr/lib/llvm-*/lib/clang/*/include/stddef.h /usr/lib/clang/*/include/stddef.h \
        /usr/lib64/clang/*/include/stddef.h; do
        [ -e "$header" ] && return 0
    done
    return 1
}

missing() {
    command -v "${CXX:-g++}" > /dev/null || echo "g++"
    command -v make > /dev/null || echo "make"
    if ! has_libclang || ! has_clang_headers; then echo "libclang"; fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo "$@"
    else
        fail "not root and no sudo; run as root: $*"
    fi
}

# The newest libclang that the distribution has.
newest_libclang() {
    apt-cache search --names-only '^libclang1-[0-9]+$' | sed 's/^libclang1-\([0-9]*\) .*/\1/' \
        | sort -n | awk -v min="$libclang_min" '$1 >= min { newest = $1 } END { print newest }'
}

install_with_apt() {
    as_root apt-get update -qq >&2
    packages=""
    for name in "$@"; do
        case $name in
            libclang)
                newest=$(newest_libclang)
                [ -n "$newest" ] || fail "the distribution has no libclang from $libclang_min on; install one, set LIBCLANG_PATH"
                packages="$packages libclang1-$newest libclang-common-$newest-dev" ;;
            *) packages="$packages $name" ;;
        esac
    done
    say "installing:$packages"
    # One word a package, on purpose.
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages >&2
}

install_packages() {
    # shellcheck disable=SC2046
    set -- $(missing)
    [ $# -gt 0 ] || return 0
    command -v apt-get > /dev/null || fail "missing: $*. On this system please install a C++20 compiler (g++ 12 or newer), \
make, and libclang $libclang_min or newer with its headers, then run this again."
    install_with_apt "$@"
    # shellcheck disable=SC2046
    set -- $(missing)
    [ $# -eq 0 ] || fail "still missing after the installation: $*"
}

check_rust() {
    how="get it from https://rustup.rs (rustup update stable)"
    command -v cargo > /dev/null || fail "no cargo; Raftsman needs Rust $rust_min or newer: $how"
    is=$(cargo --version | awk '{ print $2 }')
    oldest=$(printf '%s\n%s\n' "$rust_min" "${is%%-*}" | sort -V | head -n 1)
    [ "$oldest" = "$rust_min" ] || fail "cargo is $is; Raftsman needs Rust $rust_min or newer: $how"
}

install_packages
check_rust
"$root/scripts/rocksdb-cache.sh"
