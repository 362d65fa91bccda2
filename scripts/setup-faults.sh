#!/bin/sh
# Installs what the faults of jepsen-style-tests need, as far as this machine lets us. What cannot be had is said, and
# `jst` skips and counts those faults, so this never fails.
set -eu

say() { echo "setup-faults: $*" >&2; }

missing() {
    for pair in ip:iproute2 nsenter:util-linux setpriv:util-linux nft:nftables iptables:iptables mkfs.ext4:e2fsprogs \
        xfs_io:xfsprogs faketime:faketime; do
        command -v "${pair%%:*}" > /dev/null || echo "${pair#*:}"
    done
}

# Some of them are where only root looks.
PATH=$PATH:/usr/sbin:/sbin
packages=$(missing | sort -u | tr '\n' ' ')
[ -n "$packages" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    say "missing, and not installed without root and apt: $packages"
    exit 0
fi
say "installing: $packages"
# One word a package, on purpose.
# shellcheck disable=SC2086
{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages; } >&2 \
    || say "not all could be installed: $(missing | sort -u | tr '\n' ' ')"
