# SPDX-License-Identifier: GPL-2.0-or-later
"""flow.py - numbered frames from one port to another, in a process of its own; says how many were lost

Run as a program with two descriptors: flow.py FROM TO SOURCE DESTINATION.  A line "SENT LOST" answers
each line of the standard input, and a port that is gone ends it with a message.
"""

import os
import select
import struct
import subprocess
import sys
import time

HEADER = bytes(12)  # struct virtio_net_hdr, as RawPort's descriptors have it
KIND, FIRST = 0x88b5, 0x88b6 # local experimental (RFC 7042)
TICK = 0.001


class Flow:
    """From port to port (RawPort, with a long txqueuelen)."""

    def __init__(self, source, target):
        self.ports = source, target
        self.process = subprocess.Popen(
            ["/usr/bin/python3", os.path.abspath(__file__), str(source.fd), str(target.fd), source.mac,
             target.mac], pass_fds=(source.fd, target.fd), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)

    def count(self):
        """(sent, lost) until now."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().split()
        assert len(line) == 2, "the flow has ended: %r" % line
        return int(line[0]), int(line[1])

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def _mac(text):
    return bytes.fromhex(text.replace(":", ""))


def begin(source, target, addresses):
    """Until a frame passes: the bridge hears a little late that a port has carrier (linkwatch)."""
    while True:
        os.write(source, addresses + struct.pack(">H", FIRST).ljust(50, b"\0"))
        if select.select([target], [], [], 0.1)[0]:
            frame = os.read(target, 2048)[len(HEADER):]
            if frame[12:14] == struct.pack(">H", FIRST):
                return


def main(source, target, from_mac, to_mac):
    addresses = HEADER + _mac(to_mac) + _mac(from_mac)
    head = addresses + struct.pack(">H", KIND)
    begin(source, target, addresses)
    sent = received = 0
    due = time.monotonic()

    def receive():
        nonlocal received
        while True:
            try:
                frame = os.read(target, 2048)[len(HEADER):]
            except BlockingIOError:
                return
            received += frame[12:14] == struct.pack(">H", KIND)

    while True:
        readable = select.select([target, 0], [], [], max(0, due - time.monotonic()))[0]
        if target in readable:
            receive()
        if 0 in readable:
            if not sys.stdin.readline():
                return
            deadline = time.monotonic() + 2
            while received < sent and time.monotonic() < deadline:
                select.select([target], [], [], 0.1)
                receive()
            print(sent, sent - received, flush=True)
        if time.monotonic() >= due:
            os.write(source, head + struct.pack(">Q", sent).ljust(46, b"\0"))
            sent += 1
            # What was missed while the machine stood still is not sent in a burst.
            due = max(due + TICK, time.monotonic() - 0.1)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:5])
