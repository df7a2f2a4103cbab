#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# init.sh - the first process of the test guest
#
# Lines on the serial console, which is all the outside sees:
#   MINI up                    init runs
#   MINI link DEV MAC          a network card was found
#   MINI addr DEV IP/LEN GW    it has an address by DHCP
#   MINI no-dhcp DEV           it got none
#   MINI ready                 commands are taken from here on
# A command is one line; its output is followed by "MINI done STATUS".
#
# Kernel command line: mini.dhcp=no leaves the cards without DHCP.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
echo 1 >/proc/sys/kernel/printk
stty -F /dev/ttyS0 raw -echo
exec </dev/ttyS0 >/dev/ttyS0 2>&1
echo MINI up
while read -r module; do insmod "/mod/$module"; done </mod/list
ip link set lo up

cat >/dhcp.sh <<'SCRIPT'
#!/bin/sh
case $1 in bound|renew) ;; *) exit 0 ;; esac
ip -4 addr flush dev "$interface"
ip addr add "$ip/$mask" dev "$interface"
for r in $router; do ip route replace default via "$r" && break; done
: >/etc/resolv.conf
[ -n "$domain" ] && echo "search $domain" >>/etc/resolv.conf
for d in $dns; do echo "nameserver $d" >>/etc/resolv.conf; done
echo "MINI addr $interface $ip/$mask ${router%% *}" >/dev/ttyS0
SCRIPT
chmod +x /dhcp.sh

for path in /sys/class/net/*; do
	dev=${path##*/}
	[ "$dev" != lo ] || continue
	echo "MINI link $dev $(cat "$path/address")"
	ip link set "$dev" up
	if ! grep -q mini.dhcp=no /proc/cmdline; then
		udhcpc -q -n -f -t 20 -T 1 -A 1 -i "$dev" -s /dhcp.sh >/dev/null 2>&1 ||
			echo "MINI no-dhcp $dev"
	fi
done

echo MINI ready
while read -r line; do
	(eval "$line") </dev/null
	echo "MINI done $?"
done
# The console is gone, and so is whoever wanted this guest.
poweroff -f
