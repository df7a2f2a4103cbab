# SPDX-License-Identifier: GPL-2.0-or-later
"""test_bandwidth.py - what guests get of the rates that were asked for, by iperf3

The rates are such as an emulated machine carries with ease, so that it is the
limit that is measured.  A machine that stands still for a moment measures
something else: then it is measured once more.
"""

import json
import unittest

from vnetlab import GATEWAY4, HostCase, need, repeat

SHAPING = "tc matchall, skbedit and mirred"
YAML = """
networks:
  lan:
    mode: open
    addresses: [10.6.0.1/24]
  direct:
    mode: macvtap
    uplink: up0
"""
LIMITS = {"in": {"rate": "6mbit"}, "out": {"rate": "3mbit"}}
SECONDS = 4
ATTEMPTS = 4
# A limit counts frames, iperf3 what TCP carries in them: 1448 bytes of 1514.
FRAME = 1514 / 1448


class Bandwidth(HostCase):
    def setUp(self):
        need(SHAPING)
        super().setUp()

    def start(self):
        netd = self.netd_with(YAML)
        for ns in (self.host, self.outside):
            self.popen(ns, "iperf3", "-s", stdout=-3, stderr=-3)
        return netd

    def measure(self, ns, server, to_guest):
        """bit/s of frames; None when the server is not there yet or busy with the last one."""
        command = ["iperf3", "-J", "-4", "-c", server, "-t", SECONDS, "-O", 1]
        result = ns.run(*command, *(["-R"] if to_guest else []), check=False, timeout=60)
        if result.returncode:
            return None
        return json.loads(result.stdout)["end"]["sum_received"]["bits_per_second"] * FRAME

    def check(self, ns, server, to_guest, mbit):
        seen = []
        for _ in repeat(20, 0.5):
            rate = self.measure(ns, server, to_guest)
            if rate is None:
                continue
            seen.append(round(rate / 1e6, 2))
            if abs(rate / 1e6 - mbit) <= 0.1 * mbit:
                return
            if len(seen) == ATTEMPTS:
                break
        self.fail("%s at %s Mbit/s gave %s" % ("in" if to_guest else "out", mbit, seen))

    def check_both(self, ns, server, mbit_in=6, mbit_out=3):
        self.check(ns, server, True, mbit_in)
        self.check(ns, server, False, mbit_out)

    def test_tap(self):
        netd = self.start()
        guest = self.guest(netd, "lan", bandwidth=LIMITS).address("10.6.0.5/24")
        self.check_both(guest.ns, "10.6.0.1")
        # Changed while it runs, one way; the other stays.
        netd.call("UpdatePort", name=guest.name, bandwidth={"in": {"rate": "2mbit"}})
        self.check_both(guest.ns, "10.6.0.1", mbit_in=2)

    def test_veth(self):
        netd = self.start()
        inside = self.namespace("box")
        netd.call("AttachPort", network="lan", name="box", kind="veth", netns=inside.path(),
                  inside={"addresses": ["10.6.0.6/24"]}, bandwidth=LIMITS)
        self.check_both(inside, "10.6.0.1")

    def test_macvtap(self):
        need("macvtap", "nftables egress hook")
        netd = self.start()
        guest = self.guest(netd, "direct", bandwidth=LIMITS).address("192.0.2.50/24")
        self.check_both(guest.ns, GATEWAY4)


if __name__ == "__main__":
    unittest.main()
