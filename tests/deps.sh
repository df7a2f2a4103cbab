#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# deps.sh [--check] - what vnet needs to be built and tested
#
# On Debian and its children it installs what is missing (needs root); at once
# done when nothing is.  Elsewhere, or with --check, it names what is missing
# and fails.  Nothing here is needed to run netd but the libraries it links,
# and dnsmasq.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin

# PACKAGE, then what shows that it is there: a program, a pkg-config module, a
# file or Python modules.
needs() {
	cat <<-'LIST'
	gcc               cmd gcc
	libc6-dev         file /usr/include/stdlib.h
	make              cmd make
	pkg-config        cmd pkg-config
	clang             cmd clang
	libmnl-dev        pc libmnl
	libbpf-dev        pc libbpf
	libnftnl-dev      pc libnftnl
	libjansson-dev    pc jansson
	libyaml-dev       pc yaml-0.1
	libsmartcols-dev  pc smartcols
	libcap-ng-dev     pc libcap-ng
	libxml2-dev       pc libxml-2.0
	libseccomp-dev    pc libseccomp
	libvirt-dev       pc libvirt
	libcmocka-dev     pc cmocka
	python3           py unittest,ctypes,ipaddress,json
	nftables          cmd nft
	iproute2          cmd ip
	kmod              cmd modprobe
	ethtool           cmd ethtool
	iperf3            cmd iperf3
	tcpdump           cmd tcpdump
	iptables          cmd ebtables-nft
	ufw               cmd ufw
	dnsmasq-base      cmd dnsmasq
	systemd           file /lib/systemd/systemd
	qemu-system-x86   cmd qemu-system-x86_64
	qemu-system-common file /usr/lib/qemu/qemu-bridge-helper
	libvirt-daemon    cmd libvirtd
	libvirt-clients   cmd virsh
	seabios           file /usr/share/seabios/bios-256k.bin
	iputils-ping      cmd ping
	busybox-static    file /usr/share/doc/busybox-static
	procps            cmd ps
	strace            cmd strace
	binutils          cmd readelf
	xz-utils          cmd xz
	lz4               cmd lz4
	zstd              cmd zstd
	mandoc            cmd mandoc
	libxml2-utils     cmd xmllint
	LIST
}

missing=()
while read -r package kind what; do
	case $kind in
	cmd) command -v "$what" >/dev/null ;;
	pc) pkg-config --exists "$what" 2>/dev/null ;;
	file) [ -e "$what" ] ;;
	py) /usr/bin/python3 -c "import $what" 2>/dev/null ;;
	esac || missing+=("$package")
done < <(needs)
# The fuzzers and the sanitizer builds by clang need its runtime.
if command -v clang >/dev/null &&
	[ ! -e "$(clang -print-file-name=libclang_rt.fuzzer-x86_64.a)" ] &&
	[ "$(uname -m)" = x86_64 ]; then
	missing+=("libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev")
fi
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "${1:-}" = --check ] || ! command -v apt-get >/dev/null; then
	echo "deps: missing (Debian's package names): ${missing[*]}" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "deps: missing: ${missing[*]}; run 'sudo make deps', or install them yourself" >&2
	exit 1
fi
# Twice: what clang's runtime is called shows once clang is there.
export VNET_DEPS_PASS=$((${VNET_DEPS_PASS:-0} + 1))
if [ "$VNET_DEPS_PASS" -gt 2 ]; then
	echo "deps: installed, but not found: ${missing[*]}" >&2
	exit 1
fi
echo "deps: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
	apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends -y "${missing[@]}" >"$log" 2>&1
}
# A package list that is old, or empty as in a fresh image, is fetched only when needed.
install || { apt-get -qq update >"$log" 2>&1 && install; } || {
	tail -n 20 "$log" >&2
	echo "deps: apt-get could not install: ${missing[*]}" >&2
	exit 1
}
rm -f "$log"
exec "$0"
