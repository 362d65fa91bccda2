#!/usr/bin/env bash
# Runs the fuzz targets guided by coverage: fuzz.sh SECONDS [TARGET...]; jepsen-style-tests/fuzz/README.md says more.
#
# cargo-fuzz is taken from the machine, else compiled once into the tools. Without it nothing is run, and that is said.
set -euo pipefail
cd "$(dirname "$0")/../jepsen-style-tests/fuzz"

SECONDS_EACH=${1:?seconds for each target}
shift
VERSION=0.13.2
TOOLS=${RAFTSMAN_TOOLS:-$HOME/.cache/raftsman/tools}
export PATH="$TOOLS/bin:$PATH"
# Its instrumentation would compile everything anew in the other target directory.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/raftsman/target}-fuzz"

install_cargo_fuzz() {
    echo "compiling cargo-fuzz $VERSION"
    CARGO_TARGET_DIR="$TOOLS/target" cargo install --quiet --locked --root "$TOOLS" "cargo-fuzz@$VERSION"
}

if ! command -v cargo-fuzz >/dev/null && ! install_cargo_fuzz; then
    echo "SKIPPED fuzzing: cargo-fuzz cannot be installed"
    exit 0
fi

# Without a sanitizer it is the stable compiler's own: the product has no unsafe code that one would watch.
cargo fuzz build --fuzz-dir . --sanitizer none any
program=$CARGO_TARGET_DIR/$(rustc -vV | sed -n 's/^host: //p')/release/any

[[ $# -gt 0 ]] || set -- $(ls corpus)
failed=()
for target; do
    mkdir -p "found/$target" "artifacts/$target"
    log=artifacts/$target.log
    if FUZZ_TARGET=$target "$program" -max_total_time="$SECONDS_EACH" -timeout=10 -malloc_limit_mb=64 -max_len=4096 \
        -use_value_profile=1 -artifact_prefix="artifacts/$target/" "found/$target" "corpus/$target" >"$log" 2>&1; then
        echo "$target: $(tail -1 "$log")"
    else
        failed+=("$target")
        echo "$target FAILED: $(grep -m1 -A1 -E 'panicked|ERROR' "$log" | tr '\n' ' ')(see $log)"
    fi
done
[[ ${#failed[@]} -eq 0 ]] || { echo "found something: ${failed[*]}"; exit 1; }
