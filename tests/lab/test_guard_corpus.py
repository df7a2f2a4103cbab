# SPDX-License-Identifier: GPL-2.0-or-later
"""test_guard_corpus.py - every frame of tests/corpus against the guard of each kind of port

    attacker ---+
                +--- vn-blue: the host             witnesses: the victim's descriptor, a packet
    victim -----+                                  socket on the bridge, the counters that nft lists
"""

from vnetlab import HostCase, corpus, nft_elements, wait_until
from vnetlab.packets import Cast, Person
from vnetlab.range import Range
from vnetlab.wire import PortWire, Wire

OWN = Person("52:54:00:00:00:01", "10.10.0.11", "fd10::11")
VICTIM = Person("52:54:00:00:00:02", "10.10.0.12", "fd10::12")
NOBODY = Person("52:54:00:66:66:66", "10.10.0.66", "fd10::66")
YAML = """
networks:
  blue:
    mode: isolated
    addresses: [10.10.0.1/24, "fd10::1/64"]
    dns: false
"""
ATTACKS, LEGITIMATE = corpus.attacks(), corpus.legitimate()


class CorpusCase(HostCase):
    def attach(self, network, person, name, **options):
        return self.raw_port(self.netd, network, name=name, mac=person.mac,
                             addresses=[person.ip4, person.ip6], **options)

    def wire(self, ns, ifname):
        wire = Wire(ns, ifname)
        self.addCleanup(wire.close)
        return wire

    def check(self, lane, samples):
        self.assertEqual(lane.try_samples(samples), [])
        print("     | %d frames" % len(samples))


class Bridge(CorpusCase):
    yaml = YAML

    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(self.yaml)
        self.port = self.attach("blue", OWN, "attacker")
        victim = self.attach("blue", VICTIM, "victim")
        # The kernel takes its time to notice a bridge's first carrier.
        wait_until(lambda: self.host.link("vn-blue")["operstate"] in ("UP", "UNKNOWN"), timeout=12)
        host = Person(self.host.link("vn-blue")["address"], "10.10.0.1", "fd10::1")
        self.lane = Range(self.port.send,
                          {"victim": PortWire(victim), "host": self.wire(self.host, "vn-blue")},
                          Cast(own=OWN, victim=VICTIM, host=host, nobody=NOBODY), self.counts)

    def counts(self):
        return {"mac": dict(nft_elements(self.host, "bridge", "guarded"))[self.port.ifname]}


class MacPolicy(Bridge):
    """The guard that looks at source MAC addresses alone."""

    def test_other_addresses_never_pass(self):
        self.check(self.lane, [s for s in ATTACKS if s.verdict == "mac"])

    def test_what_an_honest_guest_sends_arrives(self):
        self.check(self.lane, [s for s in LEGITIMATE if not s.given])
