# SPDX-License-Identifier: GPL-2.0-or-later
"""test_guard_corpus.py - every frame of tests/corpus against the guard of each kind of port

    attacker ---+
                +--- vn-blue: the host             witnesses: the victim's descriptor, a packet
    victim -----+                                  socket on the bridge, the counters that nft lists
"""

import socket

from vnetlab import HOST4, HOST6, HostCase, corpus, need, patience, wait_until
from vnetlab.packets import NOBODY, OWN, VICTIM, Cast, Person, build
from vnetlab.range import Range, counted
from vnetlab.wire import PortWire, Wire, tagged

TENANT = Person("52:54:00:00:00:03", "10.10.0.13", "fd10::13")
YAML = """
networks:
  blue:
    mode: isolated
    addresses: [10.10.0.1/24, "fd10::1/64"]
    dns: false
    ports: {guard: {policy: %s}}
"""
MACVTAP = """
networks:
  direct:
    mode: macvtap
    uplink: up0
    ports: {guard: {policy: strict}}
"""
AWARE = """
networks:
  lan:
    mode: isolated
    addresses: [10.10.0.1/24, "fd10::1/64"]
    dns: false
    bridge: {vlan_filtering: true}
    ports: {guard: {policy: strict}}
"""
ATTACKS, LEGITIMATE = corpus.attacks(), corpus.legitimate()
HONEST = [s for s in LEGITIMATE if not s.given]


def grouped(samples):
    """[(port's options, the samples that need them), ...]"""
    groups = []
    for sample in samples:
        if not groups or groups[-1][0] != sample.given:
            groups.append((sample.given, []))
        groups[-1][1].append(sample)
    return groups


class CorpusCase(HostCase):
    def attach(self, network, person, name, **options):
        return self.raw_port(self.netd, network, name=name, mac=person.mac,
                             addresses=[person.ip4, person.ip6], **options)

    def wire(self, ns, ifname):
        wire = Wire(ns, ifname)
        self.addCleanup(wire.close)
        return wire

    def check(self, lane, samples):
        problems = lane.try_samples(samples)
        self.assertFalse(problems, "%d of %d frames:\n%s" % (
            len(problems), len(samples), "\n".join(problems)))
        print("     | %d frames" % len(samples))


class Bridge(CorpusCase):
    policy = "strict"

    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(YAML % self.policy)
        self.port = self.attach("blue", OWN, "attacker")
        self.lane = self.lane_from(self.port.send, self.port.ifname)

    def lane_from(self, send, ifname):
        victim = self.attach("blue", VICTIM, "victim")
        # The kernel takes its time to notice a bridge's first carrier.
        wait_until(lambda: self.host.link("vn-blue")["operstate"] in ("UP", "UNKNOWN"), timeout=12)
        host = Person(self.host.link("vn-blue")["address"], "10.10.0.1", "fd10::1")
        return Range(send, {"victim": PortWire(victim), "host": self.wire(self.host, "vn-blue")},
                     Cast(own=OWN, victim=VICTIM, host=host, nobody=NOBODY),
                     lambda: counted(self.host, ifname))


class Tap(Bridge):
    def test_attacks(self):
        self.check(self.lane, ATTACKS)
        port = self.netd.call("DescribePort", name="attacker")["port"]
        self.assertEqual(port["drops"], counted(self.host, self.port.ifname))
        self.assertEqual(port["dropped"], len([s for s in ATTACKS if s.verdict != corpus.PASS and
                                               not s.bridge]))

    def test_what_an_honest_guest_sends_arrives(self):
        self.check(self.lane, HONEST)

    def test_what_is_allowed_arrives(self):
        for given, samples in grouped(LEGITIMATE):
            if given:
                self.netd.call("UpdatePort", name="attacker", **given)
                self.check(self.lane, samples)
        # And no longer.
        self.netd.call("UpdatePort", name="attacker", guard={"policy": "strict"})
        self.check(self.lane, [s for s in ATTACKS if not s.inside])


class PastTheBridge(CorpusCase):
    """
    Frames to link-local groups (IEEE 802.1D, table 7-10) are for the host and no other station, and
    its kernel takes them from the port itself: some before any rule of a bridge.  There is no IP in
    them that the host would take, from whatever address, by whatever policy.
    """

    def servers(self):
        found = []
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            with self.host:
                server = socket.socket(family, socket.SOCK_DGRAM)
                if family == socket.AF_INET6:
                    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                server.bind((address, 7777))
            self.addCleanup(server.close)
            server.settimeout(patience(2))
            found.append(server)
        return found

    def assert_deaf(self, cast, port, servers, first):
        for last in range(first, 16):
            for text in ("ip from=%s to=%s" % (a, b) for a in ("own", "nobody", "198.51.100.1", "any")
                         for b in ("host", HOST4, "all", "224.0.0.1")):
                port.send(build("eth to=01:80:c2:00:00:%02x / %s / udp to=7777 / text past" %
                                (last, text), cast))
            for source in ("own", "nobody", "own-ll", "2001:db8::66"):
                for to in ("host", HOST6, "all-nodes"):
                    port.send(build("eth to=01:80:c2:00:00:%02x / ip6 from=%s to=%s / udp to=7777 / "
                                    "text past" % (last, source, to), cast))
        # By its own address it is heard.
        for text, server in zip(("ip", "ip6"), servers):
            port.send(build("eth / %s to=host / udp to=7777 / text honest" % text, cast))
            self.assertEqual(server.recv(100), b"honest", text)

    def test_by_whatever_policy(self):
        self.netd = self.netd_with(YAML % "strict")
        servers = self.servers()
        port = self.attach("blue", OWN, "attacker")
        host = Person(self.host.link("vn-blue")["address"], "10.10.0.1", "fd10::1")
        cast = Cast(own=OWN, victim=VICTIM, host=host, nobody=NOBODY)
        wait_until(lambda: self.host.link("vn-blue")["operstate"] in ("UP", "UNKNOWN"), timeout=12)
        for policy in ("strict", "mac", "off"):
            self.netd.call("UpdatePort", name="attacker", guard={"policy": policy})
            # Without spanning tree :00 is a group like others, and goes by the bridge.
            self.assert_deaf(cast, port, servers, first=1)

    def test_with_spanning_tree(self):
        self.netd = self.netd_with(YAML % "strict" + "    bridge: {stp: true, forward_delay: 2}\n")
        servers = self.servers()
        port = self.attach("blue", OWN, "attacker")
        host = Person(self.host.link("vn-blue")["address"], "10.10.0.1", "fd10::1")
        cast = Cast(own=OWN, victim=VICTIM, host=host, nobody=NOBODY)

        def forwards():
            port.drain()
            port.send(build("eth / arp tpa=host", cast))
            return port.receive_until(lambda f: f.ethertype == 0x0806 and f.dst == OWN.mac, timeout=0.3)
        wait_until(forwards, timeout=20)
        self.assert_deaf(cast, port, servers, first=0)


class MacPolicy(Bridge):
    """The guard that looks at source MAC addresses alone."""
    policy = "mac"

    def test_other_addresses_never_pass(self):
        self.check(self.lane, [s for s in ATTACKS if s.verdict == "mac"])

    def test_what_an_honest_guest_sends_arrives(self):
        self.check(self.lane, HONEST)


class Veth(Bridge):
    """A container: root of its namespace sends what it likes."""

    def setUp(self):
        CorpusCase.setUp(self)
        self.netd = self.netd_with(YAML % self.policy)
        box = self.namespace("box")
        # What the container's own kernel has to say is no frame of the corpus.
        box.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
        port = self.netd.call("AttachPort", network="blue", name="attacker", kind="veth",
                              netns=box.path(), mac=OWN.mac, addresses=[OWN.ip4, OWN.ip6])["port"]
        self.lane = self.lane_from(self.wire(box, "eth0").send, port["ifname"])

    def test_attacks(self):
        # A wire of 1,500 bytes takes no longer ones.
        self.check(self.lane, [s for s in ATTACKS if "zeros 8900" not in s.text])

    def test_what_an_honest_guest_sends_arrives(self):
        self.check(self.lane, HONEST)


class Macvtap(CorpusCase):
    """
    attacker, victim ---- up0 ---- eth0 of another machine, which stands for the host
    """

    def setUp(self):
        need("macvtap", "nftables egress hook")
        super().setUp()
        self.netd = self.netd_with(MACVTAP)
        port = self.attach("direct", OWN, "attacker")
        victim = self.attach("direct", VICTIM, "victim")
        self.host.ip("link", "set", victim.ifname, "allmulticast", "on")
        other = Person(self.outside.link("eth0")["address"], "10.10.0.1", "fd10::1")
        self.lane = Range(port.send,
                          {"victim": PortWire(victim), "host": self.wire(self.outside, "eth0")},
                          Cast(own=OWN, victim=VICTIM, host=other, nobody=NOBODY),
                          lambda: counted(self.host, port.ifname, "netdev"),
                          noise=[self.host.link("up0")["address"]], has_bridge=False)

    def test_attacks(self):
        self.check(self.lane, ATTACKS)

    def test_what_an_honest_guest_sends_arrives(self):
        self.check(self.lane, HONEST)


class Trunk(CorpusCase):
    """A port of a VLAN-aware bridge that may tag: what is within its tags is held to the same."""

    def setUp(self):
        need("802.1Q", "VLAN filtering")
        super().setUp()
        self.netd = self.netd_with(AWARE)
        self.port = self.attach("lan", OWN, "attacker", vlan={"native": 1, "tagged": ["10"]})
        victim = self.attach("lan", VICTIM, "victim")
        tenant = self.attach("lan", TENANT, "tenant", vlan=10)
        wait_until(lambda: self.host.link("vn-lan")["operstate"] in ("UP", "UNKNOWN"), timeout=12)
        self.lane = self.make_lane(self.port.send, VICTIM, {
            "victim": PortWire(victim), "host": self.wire(self.host, "vn-lan")})
        # In VLAN 10 the victim is another, and the host is not there.
        self.tagged = self.make_lane(lambda frame: self.port.send(tagged("8100/10", frame)), TENANT,
                                     {"victim": PortWire(tenant)})

    def make_lane(self, send, victim, places):
        host = Person(self.host.link("vn-lan")["address"], "10.10.0.1", "fd10::1")
        return Range(send, places, Cast(own=OWN, victim=victim, host=host, nobody=NOBODY),
                     lambda: counted(self.host, self.port.ifname))

    @staticmethod
    def on_trunk(sample):
        """With one tag of the bridge's kind, what is within decides; other tags are looked at first."""
        if not sample.inside or sample.inside[1].text == "eth / llc / snap / ...":
            return sample
        plain, envelope = sample.inside
        if envelope.text in ("eth / vlan / ...", "eth / vlan id=10 / ..."):
            return sample.with_verdict(plain.verdict)
        if envelope.text.startswith("eth / vlan type="):
            return sample.with_verdict("mac" if sample.verdict == "mac" else "ethertype")
        return sample.with_verdict("vlan-tag")

    def test_attacks(self):
        self.check(self.lane, [self.on_trunk(s) for s in ATTACKS
                               if s.where.split(":")[0] != "attacks/vlan"])
        # What passes and is for the host goes to everybody in VLAN 10, where the host is not.
        self.check(self.tagged, [s for s in ATTACKS if not s.inside and s.fits_into_envelopes()
                                 and not (s.verdict == "pass" and "to=host" in s.text)])

    def test_what_an_honest_guest_sends_arrives(self):
        self.check(self.lane, HONEST)
        self.check(self.tagged, [s for s in HONEST if "to=host" not in s.text])
