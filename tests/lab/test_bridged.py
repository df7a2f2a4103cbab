# SPDX-License-Identifier: GPL-2.0-or-later
"""test_bridged.py - an existing bridge, and a NIC taken into ours and given back"""

import time

from vnetlab import (GATEWAY4, GATEWAY6, HOST4, HOST6, HostCase, INTERNET4, INTERNET6, Pinger,
                     VarlinkError, Witness, arp_request, tcp_ask, wait_until)

EXISTING = """
networks:
  lan:
    mode: bridged
    bridge: {name: br0}
"""
UPLINK = """
networks:
  lan:
    mode: bridged
    uplink: up0
"""
MAC1, MAC2 = "52:54:00:00:00:01", "52:54:00:00:00:02"


class Existing(HostCase):
    """br0 is the administrator's; up0 and the host's addresses are on it."""

    def wire_up(self, name):
        super().wire_up(name)
        host = self.host
        host.ip("link", "add", "br0", "type", "bridge")
        host.ip("link", "set", "br0", "up")
        for address in (HOST4 + "/24", HOST6 + "/64"):
            host.ip("addr", "del", address, "dev", name)
            host.ip("addr", "add", address, "dev", "br0")
        host.ip("link", "set", name, "master", "br0")
        host.ip("route", "replace", "default", "via", GATEWAY4)
        host.ip("-6", "route", "replace", "default", "via", GATEWAY6, "dev", "br0")

    def test_guest_is_in_the_hosts_lan(self):
        netd = self.netd_with(EXISTING)
        guest = self.guest(netd, "lan")
        guest.address("192.0.2.50/24", GATEWAY4)
        guest.address("2001:db8::50/64", GATEWAY6)
        self.tcp_server(self.outside, 80, "internet")
        for address in (GATEWAY4, GATEWAY6, HOST4, HOST6, INTERNET4, INTERNET6):
            self.assertTrue(guest.ping(address), address)
        self.assertEqual(tcp_ask(guest.ns, INTERNET4, 80).address, "192.0.2.50")
        self.assertTrue(self.outside.ping("192.0.2.50"))

    def test_guard_stands_on_a_foreign_bridge_too(self):
        netd = self.netd_with(EXISTING)
        port = self.raw_port(netd, "lan", mac=MAC1)

        def answered(mac):
            port.drain()
            port.send(arp_request(mac, "192.0.2.51", GATEWAY4))
            return port.receive_until(lambda f: f.ethertype == 0x0806 and f.dst == mac, 0.5)
        self.assertTrue(answered(MAC1))
        self.assertFalse(answered(MAC2))
        self.assertGreater(netd.call("DescribePort", name=port.name)["port"]["dropped"], 0)

    def test_the_bridge_is_not_ours_to_change(self):
        before = Witness(self.host)
        netd = self.netd_with(EXISTING)
        guest = self.guest(netd, "lan")
        guest.kill()
        wait_until(lambda: not netd.call("ListPorts")["ports"])
        netd.call("StopNetwork", name="lan")
        self.assertEqual(before.diff(Witness(self.host)), "")

    def test_other_devices_of_the_bridge_go_on(self):
        """Our table does not drop what is not ours on a bridge of others."""
        self.netd_with(EXISTING)
        from vnetlab import veth
        other = self.namespace("other")
        veth(self.host, "v9", other, "eth0")
        self.host.ip("link", "set", "v9", "master", "br0")
        other.ip("addr", "add", "192.0.2.60/24", "dev", "eth0")
        self.assertTrue(other.ping(GATEWAY4, timeout=3))
        self.assertTrue(other.ping(HOST4))

    def test_a_bridge_that_is_missing_is_named(self):
        netd = self.netd_with("networks: {}\n")
        with self.assertRaises(VarlinkError) as caught:
            netd.call("Apply", file="x.yaml", yaml=EXISTING.replace("br0", "br7"))
        self.assertIn("br7", caught.exception.message)
        self.assertEqual(netd.call("ListNetworks")["networks"], [])

    def test_nothing_is_attached_by_itself(self):
        self.netd_with(EXISTING)
        self.assertEqual(sorted(n for n, x in self.host.links().items()
                                if x.get("master") == "br0"), ["up0"])


class Uplink(HostCase):
    def setUp(self):
        super().setUp()
        # A static route and a second address, which must move along.
        self.host.ip("route", "add", "203.0.113.0/24", "via", GATEWAY4, "metric", "77")
        self.host.ip("addr", "add", "192.0.2.3/24", "brd", "+", "dev", "up0")

    def running(self, netd, seconds=25):
        return wait_until(lambda: netd.call("DescribeNetwork", name="lan")["network"]["state"]
                          == "running" and (self.host.link("up0") or {}).get("master"),
                          timeout=seconds, what="the network to run")

    def addressing(self):
        def place(name):
            return sorted(self.host.addresses(name))
        routes = sorted((r["dst"], r.get("gateway"), r["dev"], r.get("metric"))
                        for family in (4, 6) for r in self.host.routes(family)
                        if not r["dst"].startswith("fe80"))
        return place("up0"), routes

    def test_takes_addresses_and_routes_along_and_gives_them_back(self):
        before = Witness(self.host)
        up0_before, routes_before = self.addressing()
        mac = self.host.link("up0")["address"]
        pinger = Pinger(self.outside, HOST4, 1000)
        netd = self.netd_with(UPLINK)
        self.running(netd)
        self.assertEqual(self.host.link("up0")["master"], "vn-lan")
        # The bridge answers with the NIC's address: neighbours and DHCP servers know it.
        self.assertEqual(self.host.link("vn-lan")["address"], mac)
        self.assertEqual(self.host.addresses("up0"), [])
        self.assertEqual(sorted(self.host.addresses("vn-lan")), up0_before)
        self.assertEqual(self.addressing()[1],
                         sorted((d, g, "vn-lan", m) for d, g, _, m in routes_before))
        guest = self.guest(netd, "lan")
        guest.address("192.0.2.50/24", GATEWAY4)
        guest.address("2001:db8::50/64", GATEWAY6)
        for address in (GATEWAY4, GATEWAY6, HOST4, INTERNET4, INTERNET6):
            self.assertTrue(guest.ping(address, timeout=3), address)
        self.assertTrue(self.host.ping(INTERNET4))
        self.assertTrue(self.host.ping(INTERNET6))
        guest.kill()
        wait_until(lambda: not netd.call("ListPorts")["ports"])
        netd.call("StopNetwork", name="lan")
        self.assertEqual(before.diff(Witness(self.host)), "")
        self.assertTrue(self.host.ping(INTERNET4))
        # One step each way: a hundredth of a second between pings, and hardly one was lost.
        self.assertLessEqual(pinger.lost(), 10)

    def test_survives_a_restart_and_is_given_back_after_it(self):
        before = Witness(self.host)
        netd = self.netd_with(UPLINK)
        self.running(netd)
        pinger = Pinger(self.outside, HOST4, 200)
        netd.kill()
        netd.start()
        self.assertEqual(pinger.lost(), 0)
        self.assertEqual(netd.call("Plan")["operations"], [])
        netd.call("StopNetwork", name="lan")
        self.assertEqual(before.diff(Witness(self.host)), "")

    def test_undone_when_the_gateway_stops_answering(self):
        """The NIC's switch port goes dead for the bridge: here the gateway itself does."""
        before = Witness(self.host)
        netd = self.netd_with("networks: {}\n")
        with self.outside:
            pass
        # From the moment the NIC is in the bridge, the gateway is deaf.
        watcher = self.popen(self.outside, "sh", "-c", "read x; ip link set eth0 arp off;"
                             "ip link set eth0 address 02:00:00:00:00:99;"
                             "ip neigh flush all", stdin=-1)
        self.assertTrue(self.host.ping(GATEWAY4))
        client = netd.client(timeout=60)
        client.send("Apply", {"yaml": UPLINK})
        wait_until(lambda: (self.host.link("up0") or {}).get("master") == "vn-lan", timeout=15,
                   interval=0.002, what="the NIC to be taken")
        watcher.stdin.write("x\n")
        watcher.stdin.flush()
        try:
            client.receive()
        except VarlinkError:
            pass
        wait_until(lambda: not (self.host.link("up0") or {}).get("master"), timeout=30,
                   what="the NIC to be given back")
        wait_until(lambda: netd.call("DescribeNetwork", name="lan")["network"]["state"] == "failed"
                   if netd.call("ListNetworks")["networks"] else True)
        time.sleep(0.2)
        self.assertEqual(before.diff(Witness(self.host)), "")
        self.assertIn("gateway", netd.log())

    def test_uplink_that_does_not_exist_or_is_taken(self):
        netd = self.netd_with("networks: {}\n")
        self.host.ip("link", "add", "br5", "type", "bridge")
        self.host.ip("link", "add", "v1", "type", "veth", "peer", "name", "v2")
        self.host.ip("link", "set", "v1", "master", "br5")
        before = Witness(self.host)
        for uplink, word in (("nic7", "nic7"), ("v1", "br5"), ("lo", "lo")):
            with self.subTest(uplink), self.assertRaises(VarlinkError) as caught:
                netd.call("Apply", yaml=UPLINK.replace("up0", uplink))
            self.assertIn(word, caught.exception.message)
        self.assertEqual(before.diff(Witness(self.host)), "")
        self.assertEqual(netd.call("ListNetworks")["networks"], [])

    def test_guests_may_not_spoof_through_the_uplink(self):
        netd = self.netd_with(UPLINK)
        self.running(netd)
        port = self.raw_port(netd, "lan", mac=MAC1)
        port.send(arp_request(MAC2, "192.0.2.77", GATEWAY4))
        port.send(arp_request(MAC1, "192.0.2.78", GATEWAY4))
        self.assertTrue(port.receive_until(lambda f: f.dst == MAC1))
        neighbours = {x.get("lladdr") for x in self.outside.json("ip", "-j", "neigh", "show")}
        self.assertIn(MAC1, neighbours)
        self.assertNotIn(MAC2, neighbours)
