# SPDX-License-Identifier: GPL-2.0-or-later
"""test_packets.py - the corpus's notation: known bytes, what it refuses, and tcpdump as a second reader"""

import os
import re
import struct
import subprocess
import tempfile
import unittest

from vnetlab import corpus
from vnetlab.corpus import CorpusError, parse
from vnetlab.frames import arp_request, udp4
from vnetlab.packets import Cast, PacketError, Person, build, group_mac, link_local, solicited_node

CAST = Cast(own=Person("52:54:00:00:00:01", "10.10.0.11", "fd10::11"),
            victim=Person("52:54:00:00:00:02", "10.10.0.12", "fd10::12"),
            host=Person("52:54:00:7f:3c:f7", "10.10.0.1", "fd10::1"),
            nobody=Person("52:54:00:66:66:66", "10.10.0.66", "fd10::66"))


def built(text):
    return build(text, CAST)


def below(text, ethernet=14):
    """The frame without its Ethernet header, and without padding."""
    return built(text)[ethernet:]


def tcpdump(*frames):
    """What tcpdump makes of each frame."""
    with tempfile.NamedTemporaryFile(suffix=".pcap") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
        for frame in frames:
            f.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
        f.flush()
        text = subprocess.run(["tcpdump", "-ttt", "-e", "-n", "-vvv", "-r", f.name], check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    texts = re.split(r"^ 00:00:00\.000000 ", text, flags=re.M)[1:]
    assert len(texts) == len(frames)
    return [re.sub(r"\s+", " ", t) for t in texts]


class Addresses(unittest.TestCase):
    def test_derived(self):
        self.assertEqual(link_local("52:54:00:00:00:01"), "fe80::5054:ff:fe00:1")
        self.assertEqual(solicited_node("fd10::1:2345:6789"), "ff02::1:ff45:6789")
        self.assertEqual(group_mac("224.128.0.251"), "01:00:5e:00:00:fb")
        self.assertEqual(group_mac("ff02::1:ff00:11"), "33:33:ff:00:00:11")
        self.assertEqual(group_mac("255.255.255.255"), "ff:ff:ff:ff:ff:ff")
        self.assertIsNone(group_mac("10.0.0.1"))

    def test_ethernet_follows_the_packet(self):
        for text, to in (("eth / ip / udp", "victim"), ("eth / ip to=host / udp", "host"),
                         ("eth / ip to=192.0.2.1 / udp", "victim"), ("eth / arp", "all"),
                         ("eth / vlan / ip6 to=host-ll / icmp6", "host"),
                         ("eth to=nobody / ip to=host / udp", "nobody"),
                         ("eth to=01:80:c2:00:00:0e / lldp", "01:80:c2:00:00:0e")):
            self.assertEqual(built(text)[:6].hex(":"), CAST.mac.get(to, to), text)
        self.assertEqual(built("eth / ip6 to=own-sn / ns")[:6].hex(":"), "33:33:ff:00:00:11")


class Bytes(unittest.TestCase):
    """Against frames that were made in other ways."""

    def test_frames_of_the_other_labs(self):
        self.assertEqual(built("eth / arp tpa=host"),
                         arp_request("52:54:00:00:00:01", "10.10.0.11", "10.10.0.1"))
        self.assertEqual(built("eth / ip id=0 / udp from=1 to=2 sum=0 / text hello"),
                         udp4("52:54:00:00:00:02", "52:54:00:00:00:01", "10.10.0.11", "10.10.0.12",
                              1, 2, b"hello"))

    def test_layers(self):
        self.assertEqual(below("eth / vlan ad id=10 pcp=3 / vlan / ip", 12)[:10].hex(),
                         "88a8600a810000000800")
        self.assertEqual(below("eth / llc / snap / ip", 12)[:12].hex(), "001caaaa030000000800" "4500")
        self.assertEqual(below("eth / ip6 / dst / udp")[40:48].hex(), "1100010400000000")
        self.assertEqual(below("eth / ip6 / hbh alert / mld")[40:48].hex(), "3a00050200000100")
        self.assertEqual(len(built("eth / ip6 / dst size=1200 / udp")), 14 + 40 + 1200 + 8)
        self.assertEqual(below("eth / ip6 / na flags=sol,ovr / tlla victim")[40:].hex(),
                         "8800cbe660000000" "fd100000000000000000000000000011" "0201525400000002")

    def test_a_piece_is_that_part_of_the_packet(self):
        whole = below("eth / ip6 / udp / zeros 100")[40:]
        first = below("eth / ip6 / frag id=7 piece=0-48 / udp / zeros 100")[40:]
        rest = below("eth / ip6 / frag id=7 piece=48- / udp / zeros 100")[40:]
        self.assertEqual((first[:8].hex(), rest[:8].hex()), ("1100000100000007", "1100003000000007"))
        self.assertEqual(first[8:] + rest[8:], whole)
        whole = below("eth / ip id=7 / udp / zeros 100")[20:]
        first = below("eth / ip id=7 piece=0-48 / udp / zeros 100")
        rest = below("eth / ip id=7 piece=48- / udp / zeros 100")
        self.assertEqual((first[6:8].hex(), rest[6:8].hex()), ("2000", "0006"))
        self.assertEqual(first[20:] + rest[20:], whole)

    def test_what_is_said_stands(self):
        self.assertEqual(below("eth / ip len=9000 ihl=4 version=6 / udp")[:4].hex(), "64002328")
        self.assertEqual(below("eth type=0x0800 / arp", 12)[:2].hex(), "0800")
        self.assertEqual(below("eth / ip6 next=44 / udp sum=0xbeef")[46:48].hex(), "beef")
        self.assertEqual(len(built("eth cut=37 / ip / udp")), 37)

    def test_refused(self):
        for text in ("eth / ipv4", "eth / ip form=own", "eth / ip from=somebody", "eth / ip / udp sin",
                     "eth // ip", "eth / hex 0", "eth / frag piece=0", "eth / vlan id=9999999",
                     "eth / ns target=10.0.0.1", "eth / arp op=shout"):
            with self.subTest(text), self.assertRaises(PacketError):
                built(text)


class Tcpdump(unittest.TestCase):
    def test_layers(self):
        own, victim = "52:54:00:00:00:01", "52:54:00:00:00:02"
        cases = {
            "eth / arp op=reply spa=victim tpa=victim": "Reply 10.10.0.12 is-at " + own,
            "eth / rarp": "who-is %s tell %s" % (own, own),
            "eth / ip / tcp syn to=80":
                "10.10.0.11.9999 > 10.10.0.12.80: Flags [S], cksum 0x7458 (correct)",
            "eth / ip / icmp type=3 code=4 rest=1500 / ip from=victim to=own / tcp":
                "need to frag (mtu 1500)",
            "eth / ip to=224.0.0.251 ttl=1 options=94040000 / igmp": "options (RA)",
            "eth / ip6 from=own-ll to=all-nodes / ra / slla own":
                "[icmp6 sum ok] ICMP6, router advertisement",
            "eth / ip6 from=host-ll / redirect / tlla own":
                "redirect, length 48, fd10::66 to fe80::5054:ff:fe00:1",
            "eth / ip6 from=any to=own-sn / ns target=own / option type=14 body=010203040506":
                "who has fd10::11 unknown option (14), length 8 (1): 0x0000: 0102 0304 0506",
            "eth / ip6 / na target=victim flags=router,sol,ovr / tlla victim":
                "tgt is fd10::12, Flags [router, solicited, override] destination link-address "
                "option (2), length 8 (1): " + victim,
            "eth / ip6 from=own-ll to=ff02::16 / hbh alert / mld":
                "multicast listener report v2, 1 group record(s) [gaddr ff02::1:ff00:11 to_ex { }]",
            "eth to=all / ip to=all / udp from=67 to=68 / dhcp offer yiaddr=nobody":
                "Your-IP 10.10.0.66 Client-Ethernet-Address %s" % own,
            "eth / ip6 from=own-ll to=ff02::1:2 / udp from=546 to=547 / dhcp6 solicit":
                "dhcp6 solicit (xid=7 (client-ID hwaddr type 1 525400000001))",
            "eth / ip to=224.0.0.18 ttl=255 / vrrp": "VRRPv3, Advertisement, vrid 51",
            "eth to=01:80:c2:00:00:00 / llc / bpdu": "STP 802.1d, Config",
            "eth / lldp": "LLDP",
            "eth / ip6 / rt type=0 left=1 / udp": "RT6 (len=2, type=0 [Deprecated], segleft=1",
            "eth / ip / ip6 / icmp6": "fd10::11 > fd10::12: [icmp6 sum ok] ICMP6, echo request",
        }
        for (text, want), said in zip(cases.items(), tcpdump(*map(built, cases))):
            self.assertIn(want, said, text)

    def test_legitimate_frames_are_well_formed(self):
        samples = corpus.legitimate()
        self.assertGreater(len(samples), 150)
        for sample, said in zip(samples, tcpdump(*(s.frame(CAST) for s in samples))):
            self.assertNotRegex(said, r"\bbad |\[\||[Ii]nvalid|truncated|malformed|incorrect|wrong",
                                str(sample))


class Files(unittest.TestCase):
    TEXT = """# Why
given {"isolated": true}

Something
	arp*: eth / arp sha=victim
	      spa=victim
	pass: eth / ip / udp
given {}
Around everything
	vlan-tag: eth / vlan / ...
	llc: eth / llc / snap / ...
"""

    def test_samples(self):
        samples = parse(self.TEXT, "file")
        self.assertEqual([(s.where, s.title, s.verdict, s.bridge, s.text, s.given) for s in samples], [
            ("file:5", "Something", "arp", True, "eth / arp sha=victim spa=victim", {"isolated": True}),
            ("file:7", "Something", "pass", False, "eth / ip / udp", {"isolated": True}),
            ("file:10", "Around everything", "vlan-tag", False, "eth / vlan / ...", {}),
            ("file:11", "Around everything", "llc", False, "eth / llc / snap / ...", {})])

    def test_envelopes(self):
        vlan, llc = parse(self.TEXT, "file")[2:]
        for envelope, text, want in (
                (vlan, "mac: eth from=victim / ip / udp", "eth from=victim / vlan / ip / udp"),
                (vlan, "x: eth type=0x0800 cut=30 / arp", "eth cut=34 / vlan type=0x0800 / arp"),
                (llc, "x: eth cut=30 / arp", "eth cut=38 / llc / snap / arp")):
            inside = parse("A\n\t" + text, "f")[0].within(envelope)
            self.assertEqual((inside.title, inside.text), ("A, Around everything", want))
            self.assertEqual(inside.verdict, "mac" if "mac" in text else envelope.verdict)

    def test_refused(self):
        for text in ("\tarp: eth / arp\n", "given {\n", "Title\n\tno verdict\n"):
            with self.subTest(text), self.assertRaisesRegex(CorpusError, "^f:"):
                parse(text, "f")
        with self.assertRaisesRegex(CorpusError, "^f:2: 'ipx' is no layer"):
            parse("T\n\tpass: eth / ipx", "f")[0].frame(CAST)

    def test_every_attack_is_a_frame_of_its_own(self):
        seen = {}
        samples = corpus.attacks()
        self.assertGreater(len(samples), 3000)
        for sample in samples:
            frame = sample.frame(CAST)
            self.assertNotIn(frame, seen, "%s, as in %s" % (sample, seen.get(frame)))
            seen[frame] = sample
        self.assertEqual({os.path.dirname(s.where) for s in samples}, {"attacks"})


if __name__ == "__main__":
    unittest.main()
