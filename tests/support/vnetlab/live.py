# SPDX-License-Identifier: GPL-2.0-or-later
"""live.py - changes under traffic, for what docs/live-changes.md says of each key

    guest a <-> guest b       on the bridge
    guest a  -> outside       routed, translated
    outside  -> guest b       by a port forward

For each key there is a definition before and one after.  The flows run all the time; what
they lost is asked after each change.
"""

import copy
import os
import re

from .numbered import NumberedFlow, packet_socket, path
from .topology import GATEWAY4, HOST4, HostCase
from .varlink import VarlinkError

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                        "../../../docs/live-changes.md")
PACKETS = 100  # of each flow, at least, from one change to the next
A4, B4 = "10.10.0.5", "10.10.0.6"
BASE = {
    "mode": "nat", "addresses": ["10.10.0.1/24", "fd10::1/64"], "domain": "one.test",
    "nat": {"ipv6": True},
    "dhcp": {"ranges": ["10.10.0.100-10.10.0.150"]}, "dhcp6": True, "ra": {"mode": "managed"},
    "forwards": ["udp 7000 -> %s:7000" % B4],
}


def live_rows(section):
    """{key: change} of one of the document's tables."""
    with open(DOCUMENT, encoding="utf-8") as f:
        text = f.read().split("\n## %s\n" % section)[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (\w+) \|", text, re.M))


def nested(key, value):
    """{"a": {"b": value}} of "a.b"; a list's mark is left out."""
    for word in reversed(key.replace("[]", "").split(".")):
        value = {word: value}
    return value


def merged(base, more):
    """None takes a key away."""
    if not isinstance(base, dict) or not isinstance(more, dict):
        return more
    found = dict(base)
    for key, value in more.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found[key], value) if key in found else copy.deepcopy(value)
    return found


def listed(cases, change):
    """Of a key: (before, after, change) each.  Given is the value after, or a pair, or such a list."""
    if not (isinstance(cases, list) and isinstance(cases[0], tuple)):
        cases = [cases if isinstance(cases, tuple) else (None, cases)]
    return [case if len(case) == 3 else (*case, change) for case in cases]


class LiveCase(HostCase):
    def setUp(self):
        super().setUp()
        self.netd = self.start_netd(self.host)
        self.netd.call("Apply", networks={"blue": BASE})
        self.a, self.b, self.c = (self.raw_port(self.netd, "blue", name=n) for n in "abc")
        self.wire = packet_socket(self.outside, "eth0")
        self.stack.callback(self.wire.close)
        self.flow = None
        self.start_flow()
        self.stack.callback(lambda: self.flow.close())

    def start_flow(self):
        """Anew when the bridge is another one: the host forgets who is where, and the MAC changes."""
        if self.flow:
            self.flow.close()
        bridge = self.host.link(self.a.ifname)["master"]
        gateway = self.host.link(bridge)["address"]
        up, outside = self.host.link("up0")["address"], self.outside.link("eth0")["address"]
        # Nobody answers ARP here.
        for ip, mac, dev in ((A4, self.a.mac, bridge), (B4, self.b.mac, bridge),
                             (GATEWAY4, outside, "up0")):
            self.host.ip("neigh", "replace", ip, "lladdr", mac, "dev", dev, "nud", "permanent")
        self.flow = NumberedFlow([
            path("there", self.a.fd, self.b.fd, self.b.mac, self.a.mac, A4, B4),
            path("back", self.b.fd, self.a.fd, self.a.mac, self.b.mac, B4, A4),
            path("out", self.a.fd, self.wire.fileno(), gateway, self.a.mac, A4, GATEWAY4),
            path("in", self.wire.fileno(), self.b.fd, up, outside, GATEWAY4, HOST4, dport=7000)])
        self.assert_nothing_lost("the beginning")

    def assert_nothing_lost(self, what, but=()):
        counts = self.flow.report(PACKETS)
        self.assertEqual({n: c for n, c in counts.items() if n not in but and (c.lost or c.twice)},
                         {}, what)

    def apply(self, definition, **more):
        return self.netd.call("Apply", networks={"blue": definition}, **more)

    def disturbances(self, definition):
        return [o for o in self.netd.call("Plan", networks={"blue": definition})["operations"]
                if o["losesTraffic"]]

    @staticmethod
    def definition(key, value):
        """The base with the key's value; {"": {...}}: with all that."""
        if value is None:
            return BASE
        whole = isinstance(value, dict) and "" in value
        return merged(BASE, value[""] if whole else nested(key, value))

    def try_network(self, key, before, after, change, cut):
        before, after = self.definition(key, before), self.definition(key, after)
        self.assertNotEqual(before, after, key)
        if before != BASE:
            restarts = self.disturbances(before)
            self.apply(before, disruptive=True)
            if restarts:
                self.start_flow()
        self.assert_nothing_lost(key + ": before")
        disturbances = self.disturbances(after)
        self.assertEqual(bool(disturbances), change == "disruptive", key)
        if disturbances:
            self.assertTrue(all(o["why"] for o in disturbances), disturbances)
            self.assertIn(["a", "b", "c"], [o["ports"] for o in disturbances] +
                          [sorted(sum((o["ports"] for o in disturbances), []))], disturbances)
            with self.assertRaises(VarlinkError) as refused:
                self.apply(after)
            self.assertEqual(refused.exception.name, "NeedsDisruption")
            self.assert_nothing_lost(key + ": refused")
            return
        touched = [o["text"] for o in self.apply(after)["operations"] if self.a.ifname in o["text"]]
        if change == "later":
            self.assertEqual(touched, [], key)
        self.assert_nothing_lost(key, cut)
        self.assertEqual(self.netd.call("Plan", networks={"blue": after})["operations"], [], key)

    def try_back(self, key, cut):
        """The way back costs what it costs; if much, the flow begins anew."""
        restarts = self.disturbances(BASE)
        self.apply(BASE, disruptive=True)
        if restarts:
            self.start_flow()
        self.assert_nothing_lost(key + ": back", cut)

    def try_networks(self, cases, cuts=None):
        """Not subtests: what one change left is no start for the next one.  cuts: which flows a key ends."""
        table = live_rows("Networks")
        for key, some in cases.items():
            for before, after, change in listed(some, table[key]):
                cut = (cuts or {}).get(key, ())
                self.try_network(key, before, after, change, cut)
                self.try_back(key, cut)

    def update(self, key, value):
        """A dict is the whole that the key is a part of."""
        whole = key.split(".")[0] if isinstance(value, dict) else key
        self.netd.call("UpdatePort", name="a", **nested(whole, value))

    def try_ports(self, cases):
        table = live_rows("Ports")
        for key, some in cases.items():
            for before, after, change in listed(some, table[key]):
                if before is not None:
                    self.update(key, before)
                    self.assert_nothing_lost(key + ": before")
                if change == "disruptive":
                    with self.assertRaises(VarlinkError) as refused:
                        self.update(key, after)
                    self.assertEqual(refused.exception.name, "NeedsDisruption")
                else:
                    self.update(key, after)
                self.assert_nothing_lost(key)
