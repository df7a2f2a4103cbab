# SPDX-License-Identifier: GPL-2.0-or-later
"""test_macvtap.py - ports that are devices of their own on a NIC"""

import unittest

from vnetlab import (GATEWAY4, GATEWAY6, HOST4, HostCase, INTERNET4, Pinger, VarlinkError, Witness,
                     arp_request, need, tcp_ask, veth, wait_until)

YAML = """
networks:
  direct:
    mode: macvtap
    uplink: up0
"""
COMPANION = YAML + """
    macvtap: {companion: true}
    addresses: [192.0.2.40/32, "2001:db8::40/128"]
    routes: [{to: 192.0.2.48/28}, {to: "2001:db8::50/124"}]
"""
MAC1, MAC2, MAC9 = ("52:54:00:00:00:0%d" % n for n in (1, 2, 9))


class Macvtap(HostCase):
    def setUp(self):
        need("macvtap", "nftables egress hook")
        super().setUp()

    def guest_at(self, netd, number, **options):
        guest = self.guest(netd, "direct", name="g%d" % number, **options)
        guest.address("192.0.2.5%d/24" % number, GATEWAY4)
        guest.address("2001:db8::5%d/64" % number, GATEWAY6)
        guest.ip4 = "192.0.2.5%d" % number
        return guest

    def test_guests_are_on_the_segment(self):
        netd = self.netd_with(YAML)
        one, two = self.guest_at(netd, 1), self.guest_at(netd, 2, queues=4)
        self.tcp_server(self.outside, 80, "internet")
        for guest in (one, two):
            for address in (GATEWAY4, GATEWAY6, INTERNET4):
                self.assertTrue(guest.ping(address, timeout=4), address)
            self.assertEqual(tcp_ask(guest.ns, INTERNET4, 80).address, guest.ip4)
        self.assertTrue(one.ping(two.ip4, timeout=4))
        self.assertTrue(self.outside.ping(two.ip4))
        link = self.host.link(one.ifname)
        self.assertEqual(link["linkinfo"]["info_kind"], "macvtap")
        self.assertEqual(link["linkinfo"]["info_data"]["mode"], "bridge")
        self.assertEqual(link["address"], one.mac)
        self.assertEqual(len([f for f in two.reply["fds"] if f["role"] == "tap"]), 4)
        # Plain macvtap: the host itself is out of reach, and the NIC stays the host's.
        self.assertFalse(one.ping(HOST4, timeout=1))
        self.assertIn(HOST4 + "/24", self.host.addresses("up0"))

    def test_companion_joins_host_and_guests(self):
        before = Witness(self.host)
        netd = self.netd_with(COMPANION)
        guest = self.guest_at(netd, 1)
        self.assertEqual(self.host.link("vc-direct")["linkinfo"]["info_kind"], "macvlan")
        for address in ("192.0.2.40", "2001:db8::40"):
            self.assertTrue(guest.ping(address, timeout=4), address)
        self.assertTrue(self.host.ping("192.0.2.51", timeout=4))
        self.assertTrue(self.host.ping(GATEWAY4), "the host's own way is disturbed")
        netd.kill()
        netd.start()
        self.assertEqual(netd.call("Plan")["operations"], [])
        netd.call("DetachPort", name=guest.name)
        netd.call("StopNetwork", name="direct")
        self.assertEqual(before.diff(Witness(self.host)), "")

    def modes(self, mode):
        netd = self.netd_with(YAML + "    macvtap: {mode: %s}\n" % mode)
        return netd, self.guest_at(netd, 1)

    def test_private_and_vepa_guests_do_not_meet_on_the_host(self):
        for mode in ("private", "vepa"):
            with self.subTest(mode):
                netd, one = self.modes(mode)
                two = self.guest_at(netd, 2)
                self.assertEqual(self.host.link(one.ifname)["linkinfo"]["info_data"]["mode"], mode)
                self.assertTrue(one.ping(GATEWAY4, timeout=4))
                self.assertFalse(one.ping(two.ip4, timeout=1))
                for guest in (one, two):
                    netd.call("DetachPort", name=guest.name)
                    guest.ns.close()
                netd.stop()
                self.host.run("sh", "-c", "ip -o link show type macvtap | grep . && exit 1 || :")

    def test_passthru_takes_the_nic_for_one_guest(self):
        netd, one = self.modes("passthru")
        self.assertTrue(one.ping(GATEWAY4, timeout=4))
        with self.assertRaises(VarlinkError) as caught:
            netd.call("AttachPort", network="direct", mac=MAC2)
        self.assertIn("passthru", caught.exception.message)

    def test_a_guest_is_held_to_its_address(self):
        netd = self.netd_with(YAML)
        port = self.raw_port(netd, "direct", mac=MAC1)
        port.send(arp_request(MAC9, "192.0.2.77", GATEWAY4))
        port.send(arp_request(MAC1, "192.0.2.51", GATEWAY4))
        self.assertTrue(port.receive_until(lambda f: f.dst == MAC1 and f.ethertype == 0x0806))
        known = {x.get("lladdr") for x in self.outside.json("ip", "-j", "neigh", "show")}
        self.assertIn(MAC1, known)
        self.assertNotIn(MAC9, known)
        self.assertEqual(netd.call("DescribePort", name=port.name)["port"]["dropped"], 1)

    def test_rules_come_back_when_flushed(self):
        netd = self.netd_with(YAML)
        port = self.raw_port(netd, "direct", mac=MAC1)
        self.host.run("nft", "flush", "ruleset")
        wait_until(lambda: port.ifname in self.host.run("nft", "list", "ruleset").stdout)
        port.send(arp_request(MAC9, "192.0.2.77", GATEWAY4))
        port.send(arp_request(MAC1, "192.0.2.51", GATEWAY4))
        self.assertTrue(port.receive_until(lambda f: f.dst == MAC1 and f.ethertype == 0x0806))
        self.assertNotIn(MAC9, {x.get("lladdr") for x in
                                self.outside.json("ip", "-j", "neigh", "show")})

    def test_mac_changes_live(self):
        netd = self.netd_with(YAML)
        port = self.raw_port(netd, "direct", mac=MAC1)
        netd.call("UpdatePort", name=port.name, mac=MAC2)
        self.assertEqual(self.host.link(port.ifname)["address"], MAC2)
        port.drain()
        port.send(arp_request(MAC1, "192.0.2.51", GATEWAY4))
        port.send(arp_request(MAC2, "192.0.2.52", GATEWAY4))
        frame = port.receive_until(lambda f: f.ethertype == 0x0806 and f.dst in (MAC1, MAC2))
        self.assertEqual(frame.dst, MAC2)

    def test_uplink_that_vanishes_and_returns(self):
        netd = self.netd_with(COMPANION)
        self.host.ip("link", "del", "up0")
        wait_until(lambda: not self.host.link("vc-direct"))
        veth(self.host, "up0", self.outside, "eth0")
        self.host.ip("addr", "add", HOST4 + "/24", "dev", "up0")
        wait_until(lambda: "192.0.2.40/32" in self.host.addresses("vc-direct"),
                   what="the companion to come back")
        guest = self.guest_at(netd, 1)
        self.assertTrue(guest.ping("192.0.2.40", timeout=4))

    def test_what_is_refused(self):
        netd = self.netd_with("networks: {}\n")
        self.host.ip("link", "add", "br5", "type", "bridge")
        self.host.ip("link", "add", "v1", "type", "veth", "peer", "name", "v2")
        self.host.ip("link", "set", "v1", "master", "br5")
        before = Witness(self.host)
        cases = (
            (YAML.replace("up0", "nic7"), "nic7"),
            (YAML.replace("up0", "lo"), "lo"),
            (YAML.replace("up0", "v1"), "br5"),
            (YAML + "    dhcp: true\n", "dhcp"),
            (YAML + "    addresses: [192.0.2.40/24]\n", "companion"),
            (YAML + "    macvtap: {mode: private, companion: true}\n", "bridge"),
            (YAML + "    macvtap: {mode: fast}\n", "passthru"),
            (YAML.replace("    uplink: up0\n", ""), "uplink"),
            # Answers to guests would leave by the NIC, which does not lead to them.
            (COMPANION.replace("192.0.2.40/32", "192.0.2.40/24").split("    routes")[0], "/32"),
        )
        for text, word in cases:
            with self.subTest(word), self.assertRaises(VarlinkError) as caught:
                netd.call("Apply", yaml=text)
            self.assertIn(word, caught.exception.message)
        self.assertEqual(before.diff(Witness(self.host)), "")

    def test_traffic_survives_a_restart(self):
        netd = self.netd_with(YAML)
        guest = self.guest_at(netd, 1)
        self.assertTrue(guest.ping(GATEWAY4, timeout=4))
        pinger = Pinger(guest.ns, GATEWAY4, 100, 0.02)
        netd.kill()
        netd.start()
        self.assertEqual(pinger.lost(), 0)
        self.assertEqual([p["name"] for p in netd.call("ListPorts")["ports"]], [guest.name])


if __name__ == "__main__":
    unittest.main()
