# SPDX-License-Identifier: GPL-2.0-or-later
"""numbered.py - numbered packets at a steady rate, of which none may be lost"""

import collections
import socket
import subprocess

from .frames import udp4
from .netd import find_program
from .netns import die_with_parent
from .patience import patience

PACKET_IGNORE_OUTGOING = 23
SOL_PACKET = 263
RATE = 10000

Path = collections.namedtuple("Path", "name out into frame")
Counts = collections.namedtuple("Counts", "sent lost twice")


def packet_socket(ns, ifname):
    """All that arrives at a device of the namespace; what is written leaves by it."""
    with ns:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind((ifname, 3))
    return sock


def path(name, out, into, dst_mac, src_mac, src, dst, dport=9, sport=40000):
    """UDP packets from the descriptor `out`, as a guest or a router sends them, to `into`."""
    return Path(name, out, into, udp4(dst_mac, src_mac, src, dst, sport, dport, bytes(40)))


class NumberedFlow:
    """Runs from the beginning to .close(); .report() gives what was sent and lost since the last one."""

    def __init__(self, paths, rate=RATE):
        self.paths = paths
        words = ["%d:%d:%s" % (p.out, p.into, p.frame.hex()) for p in paths]
        self.process = subprocess.Popen(
            [find_program("flow"), str(rate), *words], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent,
            pass_fds=sorted({fd for p in paths for fd in (p.out, p.into)}))

    def report(self, at_least=1):
        """As soon as each path has sent so many since the last one."""
        self.process.stdin.write("%d\n" % at_least)
        self.process.stdin.flush()
        found = {}
        for p in self.paths:
            line = self.process.stdout.readline()
            assert line, "flow ended with status %s" % self.process.wait(patience(5))
            found[p.name] = Counts(*map(int, line.split()))
        return found

    def close(self):
        self.process.stdin.close()
        self.process.wait(patience(10))
        self.process.stdout.close()
