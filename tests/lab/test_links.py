# SPDX-License-Identifier: GPL-2.0-or-later
"""test_links.py - bridges of several hosts joined by gretap and VXLAN

Four hosts, four netds, one guest on each.  The same tests run over every kind
of link and both families of underlay.
"""

import ipaddress
import json
import socket
import struct
import time
import unittest

from vnetlab import (Pinger, UnderlayCase, VarlinkError, Witness, arp_request, checksum, need, repeat,
                     wait_until)

HOSTS = (1, 2, 3, 4)
UNDERLAY = {4: "192.0.2.%d", 6: "2001:db8::%d"}


def network(number, kind, family, peers, extra="", mtu=None, addresses=True):
    """YAML of host `number`: the network lan, linked to peers."""
    far = ", ".join('"%s"' % (UNDERLAY[family] % p) for p in peers)
    key = "vni: 42" if kind == "vxlan" else "key: 42"
    bridge = "    bridge: {mtu: %d}\n" % mtu if mtu else ""
    own = '    addresses: [10.5.0.%d/24, "fd05::%d/64"]\n' % (number, number) if addresses else ""
    return ("networks:\n  lan:\n    mode: isolated\n" + own + bridge +
            '    links:\n      - {name: mesh, kind: %s, %s, local: "%s", peers: [%s]%s}\n' % (
                kind, key, UNDERLAY[family] % number, far, ", " + extra if extra else ""))


class Mesh(UnderlayCase):
    kind, family, overhead, features = None, 4, 0, ()

    def setUp(self):
        need(*self.features)
        super().setUp()

    def others(self, number, hosts=HOSTS):
        return [h for h in hosts if h != number]

    def mesh(self, hosts=HOSTS, mtu=1500, **options):
        for number in hosts:
            self.add_host(number, mtu)
        for number in hosts:
            self.add_netd(number, network(number, self.kind, self.family,
                                          self.others(number, hosts), **options))

    def guest_on(self, number, **options):
        guest = self.guest(self.netds[number], "lan", name="g%d" % number, **options)
        guest.address("10.5.0.1%d/24" % number)
        guest.address("fd05::1%d/64" % number)
        return guest

    def guests(self, hosts=HOSTS):
        return {n: self.guest_on(n) for n in hosts}

    def tunnels(self, number):
        """Bridge ports of the network that are no guest's."""
        return sorted(name for name, link in self.hosts[number].links().items()
                      if link.get("master") == "vn-lan" and not name.startswith("vp"))

    def apply(self, number, **options):
        peers = options.pop("peers")
        self.netds[number].call("Apply", yaml=network(number, self.kind, self.family, peers,
                                                      **options))


class Common:
    """For each kind; a mixin, so that the base itself is not run."""

    def test_everyone_reaches_everyone(self):
        self.mesh()
        guests = self.guests()
        for a in HOSTS:
            for b in self.others(a):
                for address in ("10.5.0.1%d" % b, "fd05::1%d" % b, "10.5.0.%d" % b):
                    self.assertTrue(guests[a].ping(address, timeout=5), "%d to %s" % (a, address))
        macs = {self.hosts[n].link("vn-lan")["address"] for n in HOSTS}
        self.assertEqual(len(macs), len(HOSTS), "bridges that meet share a MAC address")

    def test_no_loop_a_broadcast_comes_once(self):
        self.mesh()
        ports = {n: self.raw_port(self.netds[n], "lan", mac="52:54:00:00:00:0%d" % n)
                 for n in HOSTS}
        time.sleep(0.5)
        for port in ports.values():
            port.drain()
        before = self.sent(self.switch, "sw0"), [self.sent(self.switch, "p%d" % n) for n in HOSTS]
        for i in range(20):
            ports[1].send(arp_request("52:54:00:00:00:01", "10.5.0.201", "10.5.0.%d" % (220 + i)))
        time.sleep(1.5)
        for number in self.others(1):
            seen = 0
            while (frame := ports[number].receive(0.1)):
                seen += frame.src == "52:54:00:00:00:01"
            self.assertEqual(seen, 20, "host %d" % number)
        while (frame := ports[1].receive(0.1)):
            self.assertNotEqual(frame.src, "52:54:00:00:00:01", "it came back to its sender")
        # And the wire below is silent again: nothing circulates.
        middle = [self.sent(self.switch, "p%d" % n) for n in HOSTS]
        time.sleep(1)
        after = [self.sent(self.switch, "p%d" % n) for n in HOSTS]
        self.assertLess(sum(middle) - sum(before[1]), 400)
        self.assertLess(sum(after) - sum(middle), 40)

    def test_mtu_is_derived_and_nothing_is_fragmented(self):
        self.mesh(hosts=(1, 2))
        guests = self.guests((1, 2))
        mtu = 1500 - self.overhead
        for number in (1, 2):
            self.assertEqual(self.hosts[number].link("vn-lan")["mtu"], mtu)
            self.assertEqual(guests[number].port["mtu"], mtu)
        self.assertTrue(guests[1].ping("10.5.0.12", size=mtu - 28, timeout=5))
        self.assertTrue(guests[1].ping("fd05::12", size=mtu - 48, timeout=5))
        self.assertEqual(self.fragments(self.hosts[1]), {4: 0, 6: 0})
        # One byte more does not leave the guest.
        self.assertFalse(guests[1].ping("10.5.0.12", size=mtu - 27, timeout=1))

    def test_large_underlay_gives_full_frames(self):
        self.mesh(hosts=(1, 2), mtu=1600)
        guests = self.guests((1, 2))
        self.assertEqual(self.hosts[1].link("vn-lan")["mtu"], 1500)
        self.assertTrue(guests[1].ping("10.5.0.12", size=1472, timeout=5))
        self.assertEqual(self.fragments(self.hosts[1]), {4: 0, 6: 0})

    def test_mtu_that_does_not_fit_is_refused_and_can_be_forced(self):
        self.mesh(hosts=(1, 2))
        guests = self.guests((1, 2))
        text = network(1, self.kind, self.family, (2,), mtu=1500)
        with self.assertRaises(VarlinkError) as caught:
            self.netds[1].call("Apply", file="x.yaml", yaml=text)
        self.assertEqual(caught.exception.code, "mtu-too-large")
        self.assertIn(str(1500 - self.overhead), caught.exception.message)
        self.assertTrue(guests[1].ping("10.5.0.12", timeout=5), "a refusal changed something")
        if self.family == 6:
            with self.assertRaises(VarlinkError) as caught:
                self.apply(1, peers=(2,), mtu=1500, extra="pmtudisc: false")
            self.assertEqual(caught.exception.code, "mode-conflict")
            return
        for number in (1, 2):
            self.apply(number, peers=self.others(number, (1, 2)), mtu=1500, extra="pmtudisc: false")
        for number in (1, 2):
            wait_until(lambda n=number: self.hosts[n].link("vn-lan")["mtu"] == 1500)
        for number in (1, 2):
            guests[number].close()
        big = {n: self.guest(self.netds[n], "lan", name="b%d" % n).address("10.5.0.2%d/24" % n)
               for n in (1, 2)}
        # A VXLAN device answers a packet that must not be cut with the size that may pass
        # (skb_tunnel_check_pmtu), which is as good for TCP; others are cut below the tunnel.
        cut = "dont" if self.kind == "vxlan" else "do"
        big[1].ns.run("ping", "-n", "-q", "-c", 3, "-W", 5, "-M", cut, "-s", 1472, "10.5.0.22")
        self.assertGreater(self.fragments(self.hosts[1])[self.family], 0)

    def test_too_small_for_ipv6(self):
        self.add_host(1, 1300)
        netd = self.add_netd(1, "networks: {}\n")
        with self.assertRaises(VarlinkError) as caught:
            netd.call("Apply", yaml=network(1, self.kind, self.family, (2,)))
        self.assertEqual(caught.exception.code, "mtu-too-small")
        self.assertIn("1280", caught.exception.message)

    def test_tcp_with_large_segments(self):
        self.mesh(hosts=(1, 2))
        guests = self.guests((1, 2))
        server = self.popen(guests[2].ns, "iperf3", "-s", "-1", "-B", "10.5.0.12",
                            stdout=-3, stderr=-3)
        result = None
        for _ in range(50):
            time.sleep(0.2)
            result = guests[1].ns.run("iperf3", "-c", "10.5.0.12", "-n", "16M", "-J", check=False,
                                      timeout=120)
            if result.returncode == 0:
                break
        self.assertEqual(result.returncode, 0, result.stdout)
        sums = json.loads(result.stdout)["end"]["sum_received"]
        self.assertGreaterEqual(sums["bytes"], 8 * 1024 * 1024)
        server.wait(10)

    def test_peers_come_and_go_under_traffic(self):
        self.mesh(hosts=(1, 2, 3))
        guests = self.guests((1, 2, 3))
        for other in (2, 3):
            self.assertTrue(guests[1].ping("10.5.0.1%d" % other, timeout=5))
        self.add_host(4)
        self.add_netd(4, network(4, self.kind, self.family, (1, 2, 3)))
        pinger = Pinger(guests[1].ns, "10.5.0.12", 300, 0.02)
        for number in (1, 2, 3):
            self.apply(number, peers=self.others(number))
        fourth = self.guest_on(4)
        for other in (1, 2, 3):
            self.assertTrue(fourth.ping("10.5.0.1%d" % other, timeout=5), other)
        # The third does not know, and still sends.
        for number in (1, 2):
            self.apply(number, peers=self.others(number, (1, 2, 4)))
        self.assertEqual(pinger.lost(), 0)
        self.assertFalse(guests[1].ping("10.5.0.13", timeout=1), "a removed peer is still there")
        self.assertTrue(guests[1].ping("10.5.0.14", timeout=5))
        self.assertEqual(self.netds[1].call("Plan")["operations"], [])

    def test_a_dead_peer_disturbs_nobody(self):
        self.mesh(hosts=(1, 2, 3))
        guests = self.guests((1, 2, 3))
        self.assertTrue(guests[1].ping("10.5.0.12", timeout=5))
        pinger = Pinger(guests[1].ns, "10.5.0.12", 150, 0.02)
        self.netds[3].kill()
        self.hosts[3].ip("link", "set", "eth0", "down")
        self.assertFalse(guests[1].ping("10.5.0.13", timeout=1))
        self.assertEqual(pinger.lost(), 0)

    def test_netd_restarts_and_stops(self):
        self.add_host(1)
        before = Witness(self.hosts[1])
        self.add_host(2)
        for number in (1, 2):
            self.add_netd(number, network(number, self.kind, self.family,
                                          self.others(number, (1, 2))))
        guests = self.guests((1, 2))
        self.assertTrue(guests[1].ping("10.5.0.12", timeout=5))
        pinger = Pinger(guests[1].ns, "10.5.0.12", 150, 0.02)
        self.netds[1].kill()
        self.netds[1].start()
        self.assertEqual(pinger.lost(), 0)
        self.assertEqual(self.netds[1].call("Plan")["operations"], [])
        guests[1].kill()
        wait_until(lambda: not self.netds[1].call("ListPorts")["ports"])
        self.netds[1].call("StopNetwork", name="lan")
        self.assertEqual(before.diff(Witness(self.hosts[1])), "")

    def test_repaired_when_a_tunnel_is_deleted(self):
        self.mesh(hosts=(1, 2))
        guests = self.guests((1, 2))
        self.assertTrue(guests[1].ping("10.5.0.12", timeout=5))
        tunnel = self.tunnels(1)[0]
        self.hosts[1].ip("link", "del", tunnel)
        wait_until(lambda: self.tunnels(1) == [tunnel], what="the tunnel to come back")
        self.assertTrue(guests[1].ping("10.5.0.12", timeout=5, count=3))

    def test_bad_definitions(self):
        self.add_host(1)
        netd = self.add_netd(1, "networks: {}\n")
        good = network(1, self.kind, self.family, (2,))
        wrong = UNDERLAY[10 - self.family] % 2
        cases = (
            (good.replace('"%s"]' % (UNDERLAY[self.family] % 2), '"%s"]' % wrong),
             "family-mismatch"),
            (network(9, self.kind, self.family, (2,)), "no-local-address"),
            (good.replace(UNDERLAY[self.family] % 2, "10.5.0.7" if self.family == 4 else "fd05::7"),
             "link-loop"),
        )
        before = Witness(self.hosts[1])
        for text, code in cases:
            with self.subTest(code), self.assertRaises(VarlinkError) as caught:
                netd.call("Apply", yaml=text)
            self.assertEqual(caught.exception.code, code, caught.exception.message)
        self.assertEqual(before.diff(Witness(self.hosts[1])), "")


class Gretap(Common, Mesh):
    kind, overhead, features = "gretap", 20 + 8 + 14, ("gretap",)

    def test_split_horizon_is_by_isolated_ports(self):
        self.mesh()
        tunnels = self.tunnels(1)
        self.assertEqual(len(tunnels), 3)
        for name in tunnels:
            link = self.hosts[1].link(name)
            self.assertTrue(link["linkinfo"]["info_slave_data"]["isolated"], name)
            self.assertEqual(link["linkinfo"]["info_kind"], "gretap")

    def test_a_key_keeps_meshes_apart(self):
        self.mesh(hosts=(1, 2))
        text = network(2, self.kind, self.family, (1,)).replace("key: 42", "key: 43")
        self.netds[2].call("Apply", yaml=text)
        guests = self.guests((1, 2))
        self.assertFalse(guests[1].ping("10.5.0.12", timeout=1))

    def test_key_clash(self):
        self.add_host(1)
        netd = self.add_netd(1, network(1, self.kind, self.family, (2,)))
        with self.assertRaises(VarlinkError) as caught:
            netd.call("Apply", yaml=network(1, self.kind, self.family, (2,), addresses=False)
                      .replace("lan:", "other:"))
        self.assertEqual(caught.exception.code, "link-conflict")


class Gretap6(Common, Mesh):
    kind, family, overhead, features = "gretap", 6, 40 + 8 + 14, ("ip6gretap",)


def vxlan(vni, frame):
    return struct.pack("!II", 0x08 << 24, vni << 8) + frame


class Sources:
    """From whom a VXLAN device takes frames.  The senders need no device: it is a UDP packet."""

    def send(self, number, data, port=4789):
        """From host `number` to the first one's UDP port."""
        with self.hosts[number]:
            s = socket.socket(socket.AF_INET6 if self.family == 6 else socket.AF_INET,
                              socket.SOCK_DGRAM)
        with s:
            s.sendto(data, (UNDERLAY[self.family] % 1, port))

    def frame(self, number):
        return arp_request("52:54:00:00:00:e%d" % number, "10.5.0.20%d" % number, "10.5.0.99")

    def hears(self, number, wanted=True):
        """
        Does the port on host 1 get what host `number` sends?  Where it must not, a peer's frame
        that comes tells when there has been time enough.
        """
        sender = "52:54:00:00:00:e%d" % number
        for _ in repeat(50 if wanted else 3, 0.1):
            self.send(number, vxlan(42, self.frame(number)))
            if self.port.receive_until(lambda f: f.src == sender, 0.3):
                return True
        return False

    def rules(self):
        ruleset = self.hosts[1].json("nft", "-j", "list", "ruleset")["nftables"]
        return sum("rule" in item for item in ruleset)

    def listen(self):
        self.mesh(hosts=(1, 2))
        self.add_host(3)
        self.port = self.raw_port(self.netds[1], "lan", mac="52:54:00:00:00:01")

    def test_only_peers_are_heard(self):
        self.listen()
        self.assertTrue(self.hears(2))
        self.assertFalse(self.hears(3, wanted=False))
        learnt = self.hosts[1].json("bridge", "-j", "fdb", "show", "dev", self.tunnels(1)[0])
        self.assertNotIn("52:54:00:00:00:e3", [e["mac"] for e in learnt])
        before = self.rules()
        self.apply(1, peers=(2, 3))
        self.assertTrue(self.hears(3))
        self.apply(1, peers=(3,))
        self.assertFalse(self.hears(2, wanted=False))
        self.assertTrue(self.hears(3))
        self.assertEqual(self.rules(), before)
        self.assertEqual(self.netds[1].call("Plan")["operations"], [])

    def test_others_on_the_same_port_are_left_alone(self):
        self.listen()
        self.hosts[1].ip("link", "add", "other0", "type", "vxlan", "id", "99", "dstport", "4789",
                         "local", UNDERLAY[self.family] % 1, "remote", UNDERLAY[self.family] % 2)
        self.hosts[1].ip("link", "set", "other0", "up")

        def arrived():
            self.send(3, vxlan(99, self.frame(3)))
            return self.hosts[1].json("ip", "-j", "-s", "link", "show", "dev", "other0")[0][
                "stats64"]["rx"]["packets"]
        wait_until(arrived, interval=0.1, what="a frame of another VNI to arrive")
        self.assertFalse(self.hears(3, wanted=False))


class Vxlan(Common, Sources, Mesh):
    kind, overhead, features = "vxlan", 50, ("vxlan",)

    def test_peers_are_forwarding_entries_of_one_device(self):
        self.mesh()
        tunnels = self.tunnels(1)
        self.assertEqual(len(tunnels), 1)
        flood = sorted(e["dst"] for e in self.hosts[1].json("bridge", "-j", "fdb", "show", "dev",
                                                            tunnels[0])
                       if e["mac"] == "00:00:00:00:00:00")
        self.assertEqual(flood, ["192.0.2.2", "192.0.2.3", "192.0.2.4"])

    def test_without_learning_frames_are_flooded(self):
        self.mesh(hosts=(1, 2), extra="learning: false")
        guests = self.guests((1, 2))
        self.assertTrue(guests[1].ping("10.5.0.12", timeout=5))
        device = self.tunnels(1)[0]
        learnt = [e for e in self.hosts[1].json("bridge", "-j", "fdb", "show", "dev", device)
                  if e.get("dst") and e["mac"] != "00:00:00:00:00:00"]
        self.assertEqual(learnt, [])

    def test_a_control_planes_entries_are_left_alone(self):
        for number in (1, 2):
            self.add_host(number)
            self.add_netd(number, network(number, "vxlan", 4, (), extra="external: true")
                          .replace("peers: [], ", ""))
        guests = self.guests((1, 2))
        self.assertFalse(guests[1].ping("10.5.0.12", timeout=1))
        for number, other in ((1, 2), (2, 1)):
            self.hosts[number].run("bridge", "fdb", "append", "00:00:00:00:00:00", "dev",
                                   self.tunnels(number)[0], "dst", "192.0.2.%d" % other)
        self.assertTrue(guests[1].ping("10.5.0.12", timeout=5))
        self.netds[1].kill()
        self.netds[1].start()
        self.assertTrue(guests[1].ping("10.5.0.12", timeout=5))
        self.assertEqual(self.netds[1].call("Plan")["operations"], [])


class Vxlan6(Common, Sources, Mesh):
    kind, family, overhead, features = "vxlan", 6, 70, ("vxlan",)

    def fragments_of(self, number, datagram, first):
        """An IPv6 packet to host 1 in two fragments, the first with so many bytes."""
        source, to = (ipaddress.ip_address(UNDERLAY[6] % n).packed for n in (number, 1))
        for offset, part in ((0, datagram[:first]), (first, datagram[first:])):
            more = offset == 0
            header = struct.pack("!BBHI", 17, 0, offset | more, 4711 + first)
            yield (struct.pack("!IHBB", 6 << 28, len(header) + len(part), 44, 64) + source + to +
                   header + part)

    def send_in_fragments(self, number, first):
        source, to = (ipaddress.ip_address(UNDERLAY[6] % n).packed for n in (number, 1))
        data = vxlan(42, self.frame(number))
        datagram = struct.pack("!HHHH", 5555, 4789, 8 + len(data), 0) + data
        pseudo = source + to + struct.pack("!II", len(datagram), 17)
        datagram = datagram[:6] + struct.pack("!H", checksum(pseudo + datagram)) + datagram[8:]
        with self.hosts[number]:
            s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        with s:
            for packet in self.fragments_of(number, datagram, first):
                s.sendto(packet, (UNDERLAY[6] % 1, 0))

    def test_fragments_hide_no_stranger(self):
        """The rules see fragments, and the first may end before the VNI."""
        self.listen()
        self.assertTrue(self.hears(2))
        # That such a packet comes through at all: from a peer, cut behind the VNI.
        sender = "52:54:00:00:00:e2"
        for _ in repeat(50):
            self.send_in_fragments(2, 24)
            if self.port.receive_until(lambda f: f.src == sender, 0.2):
                break
        else:
            self.fail("a peer's fragments do not arrive")
        for first in (8, 16, 24):
            self.send_in_fragments(3, first)
        self.assertIsNone(self.port.receive_until(lambda f: f.src == "52:54:00:00:00:e3", 1))


if __name__ == "__main__":
    unittest.main()
