# SPDX-License-Identifier: GPL-2.0-or-later
"""guest.py - guests on ports: a namespace behind a TAP, or the test itself"""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import time

from .dns import Resolver
from .frames import parse_frame
from .netd import find_program
from .patience import patience

TUNGETIFF = 0x800454d2
IFF_VNET_HDR = 0x4000
IFF_MULTI_QUEUE = 0x0100
VNET_HDR_SIZE = 12

UDHCPC_SCRIPT = """#!/bin/sh
case $1 in bound|renew) ;; *) exit 0 ;; esac
ip -4 addr flush dev $interface
ip addr add $ip/$mask dev $interface
[ -n "$mtu" ] && ip link set $interface mtu $mtu
for r in $router; do ip route replace default via $r && break; done
busybox env >"$LEASE_FILE"
"""


def tap_flags(fd):
    ifreq = bytearray(40)
    fcntl.ioctl(fd, TUNGETIFF, ifreq)
    return struct.unpack_from("H", ifreq, 16)[0]


class _Port:
    def __init__(self, netd, network, name, options):
        self.netd = netd
        self.reply = netd.call("AttachPort", network=network,
                               **({"name": name} if name else {}), **options)
        self.port = self.reply["port"]
        self.name = self.port["name"]
        self.ifname = self.port["ifname"]
        self.mac = self.port.get("mac")  # none while it learns
        self.fds = self.reply.fds


class Guest(_Port):
    """The guest's network card is eth0 of the namespace .ns."""

    def __init__(self, ns, netd, network, name, folder, mac_inside=None, **options):
        self.pump = None
        super().__init__(netd, network, name, options)
        self.ns = ns
        self.folder = folder
        self.lease = {}
        taps = [self.fds[f["index"]] for f in self.reply["fds"] if f["role"] == "tap"]
        mac = mac_inside or self.mac or "52:54:00:00:00:99"
        self.pump = ns.popen(find_program("tapguest"), "eth0", mac, *taps, pass_fds=taps,
                             stdout=subprocess.PIPE)
        # The pump alone holds the port now: its end is the guest's end.
        for fd in self.fds:
            os.close(fd)
        self.fds = []
        line = self.pump.stdout.readline()
        assert line == "ready\n", "the guest of port %s did not start: %r" % (self.name, line)
        mtu = self.port.get("mtu")
        if mtu:
            ns.ip("link", "set", "eth0", "mtu", mtu)

    def close(self):
        if self.pump:
            self.kill()

    def kill(self):
        """As kill -9 of a QEMU."""
        pump, self.pump = self.pump, None
        pump.send_signal(signal.SIGKILL)
        pump.wait()
        pump.stdout.close()

    def dhcp(self, hostname=None, seconds=10, check=True):
        """Takes an address as a guest would; returns what the server said."""
        script = os.path.join(self.folder, "udhcpc.sh")
        lease = os.path.join(self.folder, "lease-" + self.ns.name)
        if not os.path.exists(script):
            with open(script, "w", encoding="ascii") as f:
                f.write(UDHCPC_SCRIPT)
            os.chmod(script, 0o755)
        if os.path.exists(lease):
            os.unlink(lease)
        if check:
            seconds = int(patience(seconds))
        command = ["busybox", "udhcpc", "-q", "-n", "-f", "-i", "eth0", "-s", script,
                   "-t", seconds, "-T", "1", "-O", "domain", "-O", "ntpsrv", "-O", "mtu"]
        if hostname:
            command += ["-x", "hostname:" + hostname]
        result = self.ns.run(*command, check=False, timeout=seconds + 20,
                             env=dict(os.environ, LEASE_FILE=lease))
        if not os.path.exists(lease):
            assert not check, "no DHCP lease for %s: %s" % (self.name, result.stdout)
            return None
        with open(lease, encoding="utf-8") as f:
            self.lease = dict(line.rstrip("\n").split("=", 1) for line in f if "=" in line)
        return self.lease

    @property
    def ip(self):
        return self.lease.get("ip")

    def address(self, prefix, via=None):
        """A static address, and a default route."""
        self.ns.ip("addr", "add", prefix, "dev", "eth0")
        if via:
            self.ns.ip("-6" if ":" in via else "-4", "route", "replace", "default", "via", via)
        return self

    def wait_global6(self, timeout=15):
        """The address that a router advertisement gave."""
        deadline = time.monotonic() + patience(timeout)
        while time.monotonic() < deadline:
            found = self.ns.addresses("eth0", "inet6")
            if found:
                return found[0].split("/")[0]
            time.sleep(0.05)
        raise AssertionError("no IPv6 address from an RA within %d s on %s" % (timeout, self.name))

    def ping(self, address, **options):
        return self.ns.ping(address, **options)

    def resolver(self, server):
        return Resolver(self.ns, server)


class RawPort(_Port):
    """Frames in, frames out."""

    def __init__(self, netd, network, name=None, **options):
        super().__init__(netd, network, name, options)
        self.fd = self.fds[0]
        self.header = VNET_HDR_SIZE if tap_flags(self.fd) & IFF_VNET_HDR else 0
        os.set_blocking(self.fd, False)

    def send(self, frame):
        os.write(self.fd, bytes(self.header) + frame)

    def receive(self, timeout=0.5):
        """The next frame, or None."""
        readable, _, _ = select.select([self.fd], [], [], timeout)
        if not readable:
            return None
        return parse_frame(os.read(self.fd, 65536 + self.header)[self.header:])

    def receive_until(self, wanted, timeout=2):
        """The first frame for which wanted(frame) holds, or None."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            frame = self.receive(left)
            if frame and wanted(frame):
                return frame
        return None

    def drain(self):
        while self.receive(0):
            pass

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []


class Pinger:
    """ping every interval seconds until count went out; lost() tells how many had no answer."""

    def __init__(self, ns, address, count, interval=0.01):
        self.process = ns.popen("ping", "-n", "-q", "-c", count, "-i", interval, "-W", "2", address,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.limit = patience(count * interval * 4 + 20)

    def lost(self):
        text = self.process.communicate(timeout=self.limit)[0]
        match = re.search(r"(\d+) packets transmitted, (\d+) received", text)
        assert match, text
        return int(match.group(1)) - int(match.group(2))
