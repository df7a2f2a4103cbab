#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# deps.sh - installs what the comparison with libvirt needs, where that can be
#
# Not part of tests/deps.sh: no test needs it, and bench.py goes on without it.
# Nothing is started: where the package would start libvirtd, that is forbidden
# for the time of the installation.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
# The tests' own packages bring the daemon, without the filters that it is compared with.
command -v libvirtd virtlogd virsh >/dev/null &&
	[ -e /usr/share/libvirt/nwfilter/clean-traffic.xml ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "bench: libvirt-daemon-system and libvirt-clients are missing and cannot be installed" >&2
	exit 0
fi
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
	libvirt-daemon-system libvirt-clients >/dev/null ||
	echo "bench: libvirt-daemon-system and libvirt-clients could not be installed" >&2
