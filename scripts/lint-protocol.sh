#!/usr/bin/env bash
# Lints proto/ with buf (buf.yaml). buf comes from npm; a machine without npx skips it and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=1.75.0

if command -v buf >/dev/null; then
    buf lint
elif ! command -v npx >/dev/null; then
    echo "SKIPPED buf lint: neither buf nor npx is here"
elif ! npx --yes "@bufbuild/buf@$VERSION" --version >/dev/null 2>&1; then
    echo "SKIPPED buf lint: npx cannot get @bufbuild/buf@$VERSION"
else
    npx --yes "@bufbuild/buf@$VERSION" lint
    echo "buf lint: ok"
fi
