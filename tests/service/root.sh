# SPDX-License-Identifier: GPL-2.0-or-later
#
# root.sh - for boot-systemd and run-openrc: a root with vnet installed, to be sourced
#
# make_root FOLDER [VARIABLE=VALUE...]: FOLDER/root is an overlay of this machine's
# root, and what is written to it is in a tmpfs that goes with the mount namespace.
# FOLDER/etc-vnet becomes its /etc/vnet. Called in the source's folder, in namespaces
# that unshare(1) made.

make_root() {
	local folder=$1 node
	root=$folder/root
	shift
	mount --make-rprivate /
	mkdir -p "$folder"/{upper,root}
	mount -t tmpfs -o mode=755 service "$folder/upper"
	mkdir "$folder"/upper/{upper,work}
	mount -t overlay -o "lowerdir=/,upperdir=$folder/upper/upper,workdir=$folder/upper/work" root "$root"
	make --no-print-directory -s install DESTDIR="$root" "$@" >"$folder/install.log" 2>&1 || {
		cat "$folder/install.log"
		exit 1
	}
	mkdir -p "$root/etc/vnet/networks.d"
	cp -r "$folder"/etc-vnet/. "$root/etc/vnet/"

	mount -t proc proc "$root/proc"
	mount -t sysfs -o ro sysfs "$root/sys"
	mount -t tmpfs -o mode=755 run "$root/run"
	mount -t tmpfs -o mode=1777 tmp "$root/tmp"
	mount -t tmpfs -o mode=755 dev "$root/dev"
	for node in null zero full random urandom tty; do
		: >"$root/dev/$node"
		mount --bind "/dev/$node" "$root/dev/$node"
	done
	mkdir "$root/dev/net" "$root/dev/shm" "$root/dev/pts"
	mknod -m 666 "$root/dev/net/tun" c 10 200
	ip link set lo up
}

# enter_root COMMAND...: in its place from here on.
enter_root() {
	cd "$root"
	mkdir -p run/former
	pivot_root . run/former
	umount -l /run/former
	# As on a host, where systemd does that itself: services see namespaces that come later.
	mount --make-rshared /
	exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}
