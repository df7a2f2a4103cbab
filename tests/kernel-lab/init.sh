#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# init.sh - the kernel lab's first process, in its initramfs
#
# Makes / an overlay of a tmpfs (writable) and the host's root (9p, read-only),
# mounts what a kernel offers, and goes on with stage2.sh there.  Done by a static
# busybox, which starts several times faster in emulation than the host's programs.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/mod/$module"; done </mod/list

fail() {
	echo "kernel-lab: $*"
	echo b >/proc/sysrq-trigger
	sleep 60
}
options=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "ro,$options,cache=loose" lab.root /host || fail "no root"
mount -t tmpfs -o mode=755,size=80% rw /rw && mkdir /rw/upper /rw/work &&
	mount -t overlay -o lowerdir=/host,upperdir=/rw/upper,workdir=/rw/work root /new ||
	fail "no overlay"
mount -t tmpfs -o mode=755 run /new/run
mkdir -p /new/run/kernel-lab /new/run/lock /new/run/netns
mount -t 9p -o "$options,cache=none" lab.run /new/run/kernel-lab || fail "no shared folder"

# The machine's clock starts from one of whole seconds; the host's dates a new file,
# or make would complain of files from the future.
: >/new/run/kernel-lab/now
date -s "@$(stat -c %Y /new/run/kernel-lab/now)" >/dev/null

mkdir -p /dev/shm /dev/pts /dev/net
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
# There is no udev: to open one of these loads its module.
mknod -m 666 /dev/net/tun c 10 200
mknod -m 666 /dev/vhost-net c 10 238
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs trace /sys/kernel/tracing
mount -t debugfs debug /sys/kernel/debug

modules=/new/lib/modules/$(uname -r)
mkdir -p "$modules"
mount --bind "/new$(cat /new/run/kernel-lab/modules)" "$modules"
while read -r tag folder; do
	mkdir -p "/new$folder"
	mount -t 9p -o "$options,cache=mmap" "$tag" "/new$folder"
done </new/run/kernel-lab/writable
echo kernel-lab >/proc/sys/kernel/hostname
ip link set lo up

mount --move /proc /new/proc
mount --move /sys /new/sys
mount --move /dev /new/dev
exec switch_root /new /bin/bash /run/kernel-lab/stage2.sh
