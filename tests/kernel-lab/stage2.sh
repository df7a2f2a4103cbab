# SPDX-License-Identifier: GPL-2.0-or-later
#
# stage2.sh - the kernel lab's first process once the root is there
#
# Runs the command with the caller's environment, in the caller's directory, and
# leaves its status in the folder that run shares with it.
shared=/run/kernel-lab
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# As a Debian host has them.
ulimit -Hn 524288
ulimit -Sn 1024

command_as_caller() {
	. "$shared/environment"
	export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
	cd -- "$(<"$shared/directory")" || exit 125
	eval "exec $1"
}

# A view of all processes, the kernel's own too, for who looks from a PID namespace.
mkdir -p /mnt/kernel-lab-proc
mount --bind /proc /mnt/kernel-lab-proc
export VNET_KERNEL_LAB_PROC=/mnt/kernel-lab-proc

if [ -e "$shared/interactive" ]; then
	read -r rows columns <"$shared/interactive" &&
		stty rows "$rows" cols "$columns" </dev/ttyS0
	(command_as_caller 'setsid -c bash -i') </dev/ttyS0 >/dev/ttyS0 2>&1
	status=$?
else
	for port in /sys/class/virtio-ports/*; do
		case $(<"$port/name") in
		lab.out) out=/dev/${port##*/} ;;
		lab.err) err=/dev/${port##*/} ;;
		esac
	done
	# A port can be opened only once, so that the command gets pipes instead.
	mkfifo /run/lab.out /run/lab.err
	cat /run/lab.out >"$out" & out_pid=$!
	cat /run/lab.err >"$err" & err_pid=$!
	exec 3>/run/lab.out 4>/run/lab.err
	[ ! -e "$shared/merge" ] || exec 4>&3
	(command_as_caller "$(<"$shared/command")") </dev/null >&3 2>&4 3>&- 4>&- & pid=$!
	exec 3>&- 4>&-
	wait "$pid" 2>/dev/null
	status=$?
	# A daemon that was left behind may hold the pipes: wait for it, but not for ever.
	(sleep 5; kill "$out_pid" "$err_pid") >/dev/null 2>&1 &
	wait "$out_pid" "$err_pid" 2>/dev/null
fi
echo "$status" >"$shared/status"
# A reboot, which ends QEMU (-no-reboot).
echo b >/proc/sysrq-trigger
sleep 60
