# SPDX-License-Identifier: GPL-2.0-or-later
"""
test_checksum.py - no guest writes behind the rules' back

    attacker ---+
                +--- vn-blue: the host
    victim -----+

With virtio's header a guest says where the kernel shall put a checksum.  It does so where the way leads
to a guest without offloads, as the victim is here: after every rule has looked at what was there before.
"""

import collections
import fcntl
import os
import socket
import struct
import unittest

from vnetlab import HostCase, need, wait_until
from vnetlab.frames import checksum
from vnetlab.packets import NOBODY, OWN, VICTIM, Cast, Person, build
from vnetlab.range import Range, bare, counted
from vnetlab.wire import PortWire, tagged

YAML = """
networks:
  blue:
    mode: isolated
    addresses: [10.10.0.1/24, "fd10::1/64"]
    dns: false
    ports: {guard: %s}
"""
AWARE = """
networks:
  blue:
    mode: isolated
    dns: false
    bridge: {vlan_filtering: true}
    ports: {guard: strict}
"""
MACVTAP = """
networks:
  blue:
    mode: macvtap
    uplink: up0
    ports: {guard: strict}
"""
NEEDS_CSUM = 1
GSO_NONE, GSO_TCPV4, GSO_UDP_L4 = 0, 1, 5
PACKET_VNET_HDR = 15

# Each passes a strict guard; "START+OFFSET" is where two of its bytes will be others then.
ATTACKS = """
the port of a UDP packet: a DHCP offer          34+2   eth / ip / udp from=67 to=9999 sum=0 / dhcp offer chaddr=victim
the other port of it                            34+0   eth / ip / udp to=9999 / text x
its length                                      34+4   eth / ip / udp to=9999 / text x
the payload of DHCP, where the guest's MAC is   34+36  eth / ip from=any to=all / udp from=68 to=67 / dhcp discover
the last bytes of it, which no rule reads       34+48  eth / ip from=any to=all / udp from=68 to=67 / dhcp discover
a TCP port                                      34+2   eth / ip / tcp to=80 syn
the TCP flags                                   34+12  eth / ip / tcp to=80 syn
the bytes behind the TCP checksum               34+18  eth / ip / tcp to=80 syn / text x
the source address in IPv4                      24+2   eth / ip / udp to=9999 / text x
the destination address                         24+6   eth / ip / udp to=9999 / text x
the protocol                                    20+2   eth / ip / udp to=9999 / text x
the type of an ICMP message                     34+0   eth / ip / icmp / text x
the port behind IPv4 options                    38+2   eth / ip options=01010101 / udp to=9999 / text x
where UDP's checksum would be without them      34+6   eth / ip options=01010101 / udp to=9999 / text x
a first fragment                                34+6   eth / ip more / udp to=9999 / text xxxxxxxxxxxxxxxxxxxxxxxxxxxx
a later fragment                                34+20  eth / ip at=800 next=17 / text xxxxxxxxxxxxxxxxxxxxxxxxxxxxx
the header of GRE                               34+6   eth / ip / gre / text xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
a verification tag of SCTP                      34+6   eth / ip / sctp to=9999 / text xxxxxxxxxxxxxxxx
the end of an IPv6 source address               22+14  eth / ip6 / udp to=9999 / text x
the next header in IPv6                         20+0   eth / ip6 / udp to=9999 / text x
the type of an ICMPv6 message: an advertisement 54+0   eth / ip6 / icmp6 type=128 / text xxxxxxxxxxxxxxxxxxxxxxxxx
the target of a neighbour advertisement         54+22  eth / ip6 from=own hops=255 / na target=own flags=sol / tlla own
the link-layer address in it                    54+30  eth / ip6 from=own hops=255 / na target=own flags=sol / tlla own
a UDP port in IPv6                              54+2   eth / ip6 / udp to=9999 / text x
a UDP port behind extension headers             62+2   eth / ip6 / dst / udp to=9999 / text x
where its checksum would be without them        54+6   eth / ip6 / dst / udp to=9999 / text x
an atomic fragment                              62+6   eth / ip6 / frag / udp to=9999 / text x
the sender's address in ARP                     22+6   eth / arp tpa=victim
its operation                                   20+0   eth / arp tpa=victim
the padding behind it                           42+4   eth / arp tpa=victim
"""
# What guests leave to the kernel.
HONEST = """
UDP                                  34+6   eth / ip / udp to=9999 / text honest
UDP to a server of DHCP              34+6   eth / ip from=any to=all / udp from=68 to=67 / dhcp discover
TCP                                  34+16  eth / ip / tcp to=80 syn
TCP behind IPv4 options              38+16  eth / ip options=01010101 / tcp to=80 psh ack / text honest
TCP in IPv6                          54+16  eth / ip6 / tcp to=80 syn
UDP in IPv6                          54+6   eth / ip6 / udp to=9999 / text honest
UDP behind extension headers         70+6   eth / ip6 / hbh / dst / udp to=9999 / text honest
ICMPv6                               54+2   eth / ip6 / icmp6 type=128 / text honest
"""
# A guest's own tunnels: the inner checksum is left open, the outer one is there, or 0.  A network card's name
# for what is within: no MAC in it is the bridge's business.
INNER = "eth from=02:00:00:00:00:01 to=02:00:00:00:00:02 / ip from=192.0.2.1 to=192.0.2.2 / tcp to=80 syn"


class Sample(collections.namedtuple("Sample", "what start offset text verdict")):
    """As those of the corpus, for vnetlab.range."""
    bridge = False

    def frame(self, cast):
        return build(self.text, cast)

    def __str__(self):
        return "%s, %d+%d: %s" % self[:4]


def samples(table, verdict):
    for line in table.strip().splitlines():
        left, layers = line.split("eth /", 1)
        what, place = left.strip().rsplit(None, 1)
        yield Sample(what, *map(int, place.split("+")), "eth /" + layers, verdict)


def header(start, offset, gso=GSO_NONE, headers=0, size=0, more=b"\0\0"):
    return struct.pack("<BBHHHH", NEEDS_CSUM, gso, headers, size, start, offset) + more


def left_open(frame, start, offset):
    """The frame as its sender leaves it, so that with the checksum put in it is as it was: RFC 1071."""
    at = start + offset
    final, = struct.unpack_from("!H", frame, at)
    rest = checksum(frame[start:at] + b"\0\0" + frame[at + 2:])
    total = (~final & 0xffff) + rest    # what is not in the sum yet
    return frame[:at] + struct.pack("!H", (total & 0xffff) + (total >> 16)) + frame[at + 2:]


class ChecksumCase(HostCase):
    yaml = YAML % "strict"
    bridge = "vn-blue"
    more = b"\0\0"              # the header is of 12 bytes

    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(self.yaml)
        self.victim = self.attach(VICTIM, "victim", vnetHdr=False)
        self.make_attacker()
        if self.bridge:
            wait_until(lambda: self.host.link(self.bridge)["operstate"] in ("UP", "UNKNOWN"), timeout=12)
        host = Person(self.host.link(self.bridge or "up0")["address"], "10.10.0.1", "fd10::1")
        self.cast = Cast(own=OWN, victim=VICTIM, host=host, nobody=NOBODY)

    def attach(self, person, name, **options):
        return self.raw_port(self.netd, "blue", name=name, mac=person.mac,
                             addresses=[person.ip4, person.ip6], **options)

    def make_attacker(self):
        port = self.attach(OWN, "attacker")
        self.ifname, self.send_raw = port.ifname, lambda data: os.write(port.fd, data)
        self.assertTrue(port.reply["fds"][0]["vnetHdr"])

    def lane(self, table):
        """table: {frame as it should arrive: what is sent for it}."""
        plain = bytes(10) + self.more
        return Range(lambda frame: self.send_raw(table.get(frame, plain + frame)),
                     {"victim": PortWire(self.victim)}, self.cast,
                     lambda: counted(self.host, self.ifname))

    def check(self, found, prepare=lambda sample, frame: frame):
        table = {}
        for sample in found:
            frame = sample.frame(self.cast)
            table[frame] = header(sample.start, sample.offset, more=self.more) + prepare(sample, frame)
        problems = self.lane(table).try_samples(found)
        self.assertFalse(problems, "%d of %d frames:\n%s" % (len(problems), len(found), "\n".join(problems)))
        print("     | %d frames" % len(found))

    def check_attacks(self, verdict="checksum"):
        self.check(list(samples(ATTACKS, verdict)))

    def check_honest(self):
        found = list(samples(HONEST, "pass"))
        self.check(found, lambda s, frame: left_open(frame, s.start, s.offset))

    def forged(self):
        """A harmless frame, and the header that makes it a DHCP offer: what there is to be guarded against."""
        frame = bytearray(build("eth / ip / udp from=67 to=9999 sum=0 / dhcp offer chaddr=victim yiaddr=nobody / "
                                "zeros 2", self.cast))
        for tune in range(65536):
            struct.pack_into("!H", frame, len(frame) - 2, tune)
            if checksum(bytes(frame[34:])) == 68:
                break
        return header(34, 2, more=self.more) + bytes(frame)

    def is_forged(self):
        """Does the offer reach the victim?"""
        self.victim.drain()
        self.send_raw(self.forged())
        got = self.victim.receive_until(lambda f: b"\x63\x82\x53\x63" in f.payload, timeout=0.5)
        if got:
            self.assertEqual(got.payload[22:24], struct.pack("!H", 68))
        return bool(got)

    def filters(self, ifname=None, hook="ingress"):
        return [f["options"] for f in self.host.json("tc", "-j", "filter", "show", "dev",
                                                     ifname or self.ifname, hook)
                if "options" in f and "prog" in f["options"]]


class Tap(ChecksumCase):
    def test_attacks(self):
        self.check_attacks()
        port = self.netd.call("DescribePort", name="attacker")["port"]
        self.assertEqual(port["drops"], {"checksum": len(ATTACKS.strip().splitlines())})

    def test_what_honest_guests_leave_open(self):
        self.check_honest()

    def test_a_guest_own_tunnels(self):
        inner = build(INNER, self.cast)
        for text, at in (("eth / ip / udp to=4789 sum=0 / hex 0800000000000100", 34 + 8 + 8),
                         ("eth / ip6 / udp to=4789 sum=0 / hex 0800000000000100", 54 + 8 + 8),
                         ("eth / ip / gre type=0x6558", 34 + 4)):
            # UDP's sum of 0 says that there is none; the layers' lengths are of the whole.
            frame = build("%s%s" % (text, "" if "hex" in text else " / hex ") + inner.hex(), self.cast)
            start = at + 34
            self.assertEqual(frame[at:at + len(inner)], inner)
            self.assertEqual(self.arrived(header(start, 16) + left_open(frame, start, 16)), [bare(frame)])

    def arrived(self, data):
        """What came of it at the victim."""
        return self.lane({b"\1" * 60: data}).fire([b"\1" * 60])[0]["victim"]

    def test_a_port_without_the_header(self):
        """What stands there is a part of the frame, then."""
        port = self.attach(NOBODY, "plain", vnetHdr=False)
        self.assertFalse(port.reply["fds"][0]["vnetHdr"])
        port.send(self.forged())
        wait_until(lambda: counted(self.host, port.ifname))
        self.assertEqual(counted(self.host, port.ifname), {"mac": 1})

    def test_segments(self):
        """What is longer than the wire takes is cut behind the rules, and each piece has its checksum."""
        cases = [("eth / ip df / tcp to=80 psh ack / zeros 4000", GSO_TCPV4, 16, 20),
                 ("eth / ip / udp to=9999 / zeros 4000", GSO_UDP_L4, 6, 8)]
        for text, gso, offset, size in cases:
            frame = build(text, self.cast)
            data = header(34, offset, gso, 34 + size, 1000) + left_open(frame, 34, offset)
            try:
                got = self.arrived(data)
            except OSError as e:
                if gso == GSO_UDP_L4:   # a guest's kernel can send such since Linux 6.2
                    continue
                raise e
            self.assertEqual(len(got), 4, text)
            for piece in got:
                length, = struct.unpack_from("!H", piece, 16)
                whole = piece.ljust(14 + length, b"\0")
                pseudo = whole[26:34] + struct.pack("!HH", whole[23], length - 20)
                self.assertEqual(checksum(pseudo + whole[34:14 + length]), 0, text)

    def test_switched_with_the_network(self):
        for guard in ("off", "mac", "off", "strict"):
            self.netd.call("Apply", yaml=YAML % guard)
            self.assertEqual(self.is_forged(), guard == "off")
            self.assertEqual(len(self.filters()), guard != "off")

    def test_switched_with_the_port(self):
        self.assertFalse(self.is_forged())
        self.netd.call("UpdatePort", name="attacker", guard={"policy": "off"})
        self.assertEqual(self.filters(), [])
        self.assertEqual([q for q in self.host.json("tc", "-j", "qdisc", "show", "dev", self.ifname)
                          if q["kind"] == "clsact"], [])
        # The way is real: without the guard it is open.
        self.assertTrue(self.is_forged())
        self.netd.call("UpdatePort", name="attacker", guard={"policy": "mac"})
        self.check_attacks()

    def test_put_back(self):
        """Whoever takes it away, it comes back; a restart writes nothing."""
        before = self.filters()
        self.assertEqual(len(before), 1)
        self.netd.stop()
        self.netd.start()
        self.assertEqual(self.filters(), before)
        for what in (("filter", "del", "dev", self.ifname, "ingress"),
                     ("qdisc", "del", "dev", self.ifname, "clsact")):
            self.host.run("tc", *what)
            wait_until(self.filters)
            self.assertFalse(self.is_forged())
        # And when nobody was there to see it.
        self.netd.kill()
        self.host.run("tc", "filter", "del", "dev", self.ifname, "ingress")
        self.netd.start()
        self.assertEqual(len(self.filters()), 1)

    def test_others_filters_and_limits(self):
        """It looks first, and goes without taking others' along."""
        self.host.run("tc", "filter", "add", "dev", self.ifname, "ingress", "prio", "7", "u32", "match",
                      "u32", "0", "0", "classid", "1:1")
        self.check_attacks()
        self.netd.call("UpdatePort", name="attacker", guard={"policy": "off"})
        self.assertIn("pref 7", self.host.run("tc", "filter", "show", "dev", self.ifname, "ingress").stdout)


class MacPolicy(ChecksumCase):
    """The default guard: the source address is safe, but not what nat, routed and egress rules read."""
    yaml = YAML % "mac"

    def test_attacks(self):
        self.check_attacks()
        self.check_honest()


class Veth(ChecksumCase):
    """Root of a container has packet sockets, and those have the header (PACKET_VNET_HDR)."""
    more = b""

    def make_attacker(self):
        box = self.namespace("box")
        box.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
        port = self.netd.call("AttachPort", network="blue", name="attacker", kind="veth", netns=box.path(),
                              mac=OWN.mac, addresses=[OWN.ip4, OWN.ip6])["port"]
        with box:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sock.bind(("eth0", 0))
        sock.setsockopt(263, PACKET_VNET_HDR, 1)    # SOL_PACKET
        self.addCleanup(sock.close)
        self.ifname, self.send_raw = port["ifname"], sock.send

    def test_attacks(self):
        self.check_attacks()
        self.check_honest()


class Adopted(ChecksumCase):
    """A TAP of somebody else's making has what header that one gave it."""

    def make_attacker(self):
        with self.host:
            fd = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"other0", 0x5002))
            fcntl.ioctl(fd, 0x400454d8, struct.pack("i", 12))
        self.addCleanup(os.close, fd)
        self.netd.call("AttachPort", network="blue", name="attacker", ifname="other0", adopt=True, mac=OWN.mac,
                       addresses=[OWN.ip4, OWN.ip6])
        self.ifname, self.send_raw = "other0", lambda data: os.write(fd, data)

    def test_attacks_and_end(self):
        self.check_attacks()
        self.netd.call("DetachPort", name="attacker")
        self.assertNotIn("clsact", self.host.run("tc", "qdisc", "show", "dev", "other0").stdout)


class Trunk(ChecksumCase):
    yaml = AWARE

    def setUp(self):
        need("802.1Q", "VLAN filtering")
        super().setUp()

    def make_attacker(self):
        port = self.attach(OWN, "attacker", vlan={"native": 1, "tagged": ["10"]})
        self.ifname, self.send_raw = port.ifname, lambda data: os.write(port.fd, data)
        self.victim = self.attach(NOBODY, "tenant", vnetHdr=False, vlan=10)

    def test_within_a_tag(self):
        for found, verdict in ((ATTACKS, "checksum"), (HONEST, "pass")):
            table = {}
            found = [s for s in samples(found, verdict) if "to=all" in s.text or verdict == "checksum"]
            for s in found:
                frame = s.frame(self.cast)
                sent = frame if verdict == "checksum" else left_open(frame, s.start, s.offset)
                table[frame] = header(s.start + 4, s.offset) + tagged("8100/10", sent)
            lane = self.lane(table)
            plain = lane.send
            lane.send = lambda f, table=table, plain=plain: plain(f) if f in table else \
                self.send_raw(bytes(12) + tagged("8100/10", f))
            self.assertEqual(lane.try_samples(found), [])


class Macvtap(ChecksumCase):
    """There the rules come first, so what is refused is counted by traffic control (tc -s)."""
    yaml = MACVTAP
    bridge = None

    def setUp(self):
        need("macvtap", "nftables egress hook")
        super().setUp()

    def test_attacks(self):
        for sample in samples(ATTACKS, "checksum"):
            self.victim.drain()
            frame = sample.frame(self.cast)
            self.send_raw(header(sample.start, sample.offset) + frame)
            self.send_raw(bytes(12) + build("eth / ip / udp to=6666 / text <mark>", self.cast))
            got = self.victim.receive_until(lambda f: f.src == OWN.mac)
            self.assertIn(b"<mark>", got.payload, sample)
        self.assertEqual(len(self.filters(hook="egress")), 1)

    def test_honest(self):
        for sample in samples(HONEST, "pass"):
            if "to=all" in sample.text:
                continue        # the victim's device is no bridge that floods
            frame = sample.frame(self.cast)
            self.send_raw(header(sample.start, sample.offset) + left_open(frame, sample.start, sample.offset))
            got = self.victim.receive_until(lambda f: f.src == OWN.mac)
            self.assertEqual(bare(got.payload), bare(frame[14:]), sample)


class NotToBeHad(HostCase):
    """A netd that cannot load the program gives guarded ports no header, and says so."""

    def test_no_header(self):
        netd = self.start_netd(self.host, {"networks.d/a.yaml": YAML % "mac"}, start=False)
        # As on a kernel that does not tell its types.
        netd.start(prefix=("unshare", "-m", "sh", "-ec",
                           'mount -t tmpfs tmpfs /sys/kernel/btf; exec "$0" "$@"'))
        self.assertIn("no checksum guard", netd.log())
        self.assertTrue([n for n in netd.call("GetInfo")["notes"] if "BTF" in n])
        port = self.raw_port(netd, "blue", name="a")
        self.assertEqual(port.header, 0)
        self.assertFalse(port.reply["fds"][0]["vnetHdr"])
        self.assertTrue([n for n in port.reply["notes"] if "virtio header" in n])
        port = self.raw_port(netd, "blue", name="b", guard={"policy": "off"})
        self.assertEqual(port.header, 12)
        self.assertTrue(port.reply["fds"][0]["vnetHdr"])


if __name__ == "__main__":
    unittest.main()
