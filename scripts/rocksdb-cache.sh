#!/bin/sh
# Builds RocksDB's static library once and keeps it, so that no target directory compiles its C++ again.
#
# Prints the directory to be given to cargo as ROCKSDB_LIB_DIR (with ROCKSDB_STATIC=1) as the only line on its standard
# output; everything else goes to standard error. The archive is named by what it depends on: the locked version of
# librocksdb-sys and the C++ compiler. It is built into a temporary place and renamed, so an interrupted run leaves
# nothing that looks complete.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cache=${RAFTSMAN_CACHE:-$HOME/.cache/raftsman}/rocksdb

say() { echo "rocksdb-cache: $*" >&2; }
fail() { say "$*"; exit 1; }

# The locked version of a package.
locked() { awk -v name="\"$1\"" '$1 == "name" && $3 == name { found = 1 } found && $1 == "version" { gsub(/"/, "", $3); print $3; exit }' "$root/Cargo.lock"; }

version=$(locked librocksdb-sys)
[ -n "$version" ] || fail "librocksdb-sys is not in Cargo.lock"
cxx=${CXX:-g++}
command -v "$cxx" > /dev/null || fail "no C++ compiler ($cxx); run scripts/setup.sh"
compiler=$(basename "$cxx")-$("$cxx" -dumpfullversion -dumpversion)-$("$cxx" -dumpmachine)
dir=$cache/$version-$compiler
archive=$dir/librocksdb.a

# A package of its own with the workspace's locked versions: cargo then builds RocksDB's package and nothing of ours.
write_package() {
    mkdir -p "$1/src"
    : > "$1/src/lib.rs"
    cp "$root/Cargo.lock" "$1/Cargo.lock"
    cat > "$1/Cargo.toml" << TOML
[package]
name = "rocksdb-cache"
version = "0.0.0"
edition = "2021"

[workspace]

[dependencies]
rocksdb = { version = "=$(locked rocksdb)", default-features = false, features = ["bindgen-runtime"] }

[profile.release.package.librocksdb-sys]
debug = false
TOML
}

build() {
    scratch=$(mktemp -d "$cache/build.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 130' INT TERM
    write_package "$scratch"
    say "building RocksDB $version with $compiler: about 15 minutes on two cores, once"
    # The cache must not feed on itself, and flags of the caller must not get into the name's promise.
    (cd "$scratch" && env -u ROCKSDB_LIB_DIR -u ROCKSDB_STATIC -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS \
        CARGO_TARGET_DIR="$scratch/target" cargo build --release --package librocksdb-sys >&2) \
        || fail "RocksDB could not be built; the reason is above"
    built=$(find "$scratch/target/release/build" -name librocksdb.a -path '*librocksdb-sys-*' | head -n 1)
    [ -n "$built" ] || fail "the build left no librocksdb.a"
    mkdir -p "$dir"
    mv "$built" "$archive.$$"
    mv "$archive.$$" "$archive"
    say "done: $archive"
}

mkdir -p "$cache"
# One at a time; whoever waits finds the archive.
exec 9> "$cache/lock"
command -v flock > /dev/null && flock 9
if [ ! -s "$archive" ]; then
    # What a killed run left.
    rm -rf "$cache"/build.*
    build
fi
echo "$dir"
