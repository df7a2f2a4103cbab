# SPDX-License-Identifier: GPL-2.0-or-later
"""wire.py - a place on the wire from which frames are sent and seen with all their tags

The kernel takes the outer VLAN tag out of a frame that it receives and tells it
beside the data (packet(7), PACKET_AUXDATA); here it is put back.
"""

import re
import select
import socket
import struct
import time

from .frames import BROADCAST, ethernet, mac_bytes

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA = 263, 8
SO_RCVBUFFORCE, RECEIVE_BUFFER = 33, 8 << 20
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6
TEST_TYPE = 0x88b5              # IEEE 802 local experimental
TAG_TYPES = (0x8100, 0x88a8, 0x9100)


def tagged(tags, frame):
    """"8100/10 88a8/20" around a frame, the outer one first."""
    words = [word.split("/") for word in tags.split()]
    return frame[:12] + b"".join(struct.pack("!HH", int(tpid, 16), int(vid))
                                 for tpid, vid in words) + frame[12:]


def tags_of(frame):
    """The reverse: its tags as text, and the ethertype behind them."""
    found, at = [], 12
    while True:
        kind, = struct.unpack_from("!H", frame, at)
        if kind not in TAG_TYPES:
            return " ".join(found), kind
        found.append("%x/%d" % (kind, struct.unpack_from("!H", frame, at + 2)[0] & 0xfff))
        at += 4


def marked(mark, src, tags="", dst=BROADCAST):
    """A frame of the test's that carries a mark."""
    return tagged(tags, ethernet(dst, src, TEST_TYPE, b"<%s>" % mark.encode()))


def read_mark(frame):
    """(mark, tags in front of it), or None for other frames."""
    tags, kind = tags_of(frame)
    match = re.search(rb"<(.*?)>", frame) if kind == TEST_TYPE else None
    return (match.group(1).decode(), tags) if match else None


class Wire:
    """A device of a namespace, as who is on its wire sees it."""

    def __init__(self, ns, ifname):
        with ns:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.sock.bind((ifname, ETH_P_ALL))
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)

    def fileno(self):
        return self.sock.fileno()

    def send(self, frame):
        self.sock.send(frame)

    def receive(self, timeout):
        """The next frame that came in, or None."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                data, extra, _flags, where = self.sock.recvmsg(65536, 256)
            except (socket.timeout, BlockingIOError):
                return None
            if where[2] != socket.PACKET_OUTGOING:
                return self._whole(data, extra)
        return None

    @staticmethod
    def _whole(data, extra):
        for level, kind, value in extra:
            if (level, kind) != (SOL_PACKET, PACKET_AUXDATA):
                continue
            status, _len, _snaplen, _mac, _net, tci, tpid = struct.unpack("IIIHHHH", value[:20])
            if status & TP_STATUS_VLAN_VALID:
                tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                return data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
        return data

    def close(self):
        self.sock.close()


class PortWire:
    """The same of a RawPort."""

    def __init__(self, port):
        self.port = port
        self.mac = port.mac

    def fileno(self):
        return self.port.fd

    def send(self, frame):
        self.port.send(frame)

    def receive(self, timeout):
        frame = self.port.receive(timeout)
        return frame and (mac_bytes(frame.dst) + mac_bytes(frame.src) +
                          struct.pack("!H", frame.ethertype) + frame.payload)

    def close(self):
        pass


def collect(places, quiet=0.3):
    """{name: [(mark, tags), ...]} of the marked frames that arrive, until nothing more does."""
    got = {name: [] for name in places}
    by_file = {place.fileno(): (name, place) for name, place in places.items()}
    for _ in range(10000):
        ready, _, _ = select.select(list(by_file), [], [], quiet)
        if not ready:
            return got
        for number in ready:
            name, place = by_file[number]
            frame = place.receive(0.01)
            if frame and read_mark(frame):
                got[name].append(read_mark(frame))
    raise AssertionError("frames without end: a loop? %s" % {n: len(g) for n, g in got.items()})
