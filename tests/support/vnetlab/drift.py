# SPDX-License-Identifier: GPL-2.0-or-later
"""
drift.py - somebody changes what is netd's, and netd puts it back

A row is a command, and a word of what netd then says that it put back.  What counts is what ip,
bridge, tc, nft and /proc say before and afterwards, that netd told of it, and that a flow between
two guests of another network lost nothing meanwhile.
"""

import os
import time

from .case import wait_until
from .patience import patience
from .services import Flow
from .topology import HostCase
from .witness import Picture

QUIET = """
  quiet:
    mode: isolated
    addresses: [10.20.0.1/24]
"""


class Monitor:
    """What netd tells, from now on."""

    def __init__(self, netd):
        self.client = netd.client(timeout=0.05)
        self.client.send("Monitor", more=True)
        self.client.receive(timeout=patience(10))
        self.events = []

    def saying(self, word, *kinds):
        """The events so far of these kinds (default: repaired) with the word in their message."""
        try:
            while True:
                self.events += self.client.receive(timeout=0.02)["events"]
        except OSError:
            pass
        return [e for e in self.events
                if e["event"] in (kinds or ("repaired",)) and word in e["message"]]

    def wait(self, word, *kinds, timeout=10):
        try:
            return wait_until(lambda: self.saying(word, *kinds), timeout=timeout)[0]
        except AssertionError:
            raise AssertionError("netd did not say %r, but %s" % (
                word, [(e["event"], e["message"]) for e in self.events])) from None


class DriftCase(HostCase):
    """The networks of self.yaml, a flow on another one, and what is in self.names for the rows."""

    yaml = "networks:\n"

    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(self.yaml + QUIET)
        one = self.guest(self.netd, "quiet").address("10.20.0.5/24")
        two = self.guest(self.netd, "quiet").address("10.20.0.6/24")
        self.udp_server(two.ns, 9)
        wait_until(lambda: one.ping("10.20.0.6", timeout=1), what="the other guest to answer")
        self.flow = Flow(one.ns, "10.20.0.6", 9)
        self.names = {}
        self.measured = []

    def keep(self, network, name="keep", **options):
        """A persistent port's interface that nobody holds open."""
        reply = self.netd.call("AttachPort", network=network, name=name, persistent=True, **options)
        for fd in reply.fds:
            os.close(fd)
        return reply["port"]["ifname"]

    def settled(self):
        """The host once nothing is to be done and carriers have come up."""
        wait_until(lambda: not self.netd.call("Plan")["operations"], what="nothing to do")
        return Picture(self.host)

    def row(self, command, word, kinds=("repaired",)):
        command, word = command.format(**self.names), word.format(**self.names)
        self.netd.call("Repair")  # forgets what was counted before
        before = self.settled()
        monitor = Monitor(self.netd)
        start = time.time()
        self.host.run("sh", "-c", command)
        told = monitor.wait(word, *kinds)
        self.measured.append((told["time"] / 1000 - start * 1000, command))
        try:
            wait_until(lambda: not before.diff(Picture(self.host)), timeout=5)
        except AssertionError:
            self.fail("after %s: %s" % (command, before.diff(Picture(self.host))))

    def table(self, rows):
        for row in rows:
            with self.subTest(row[0]):
                self.row(*row)
        self.assertEqual(self.flow.stop(), 0, "lost by a flow that none of this concerns")
        if os.environ.get("VNET_DRIFT_TIMES"):
            for ms, command in self.measured:
                print("%6.0f ms  %s" % (ms, command))
