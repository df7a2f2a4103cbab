# SPDX-License-Identifier: GPL-2.0-or-later
"""test_modes.py - what each mode lets pass, and what it does not, in IPv4 and IPv6"""

import time

from vnetlab import (HOST4, HOST6, HostCase, INTERNET4, INTERNET6, nft_json, tcp_ask, udp_ask,
                     wait_until)

NAT = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24, "fd10::1/64"]
    nat: {ipv6: true}
"""
ROUTED = """
networks:
  blue:
    mode: routed
    addresses: [10.10.0.1/24, "fd10::1/64"]
"""
OPEN = ROUTED.replace("routed", "open")
ISOLATED = ROUTED.replace("routed", "isolated")


class ModeCase(HostCase):
    """Guests have static addresses here: DHCP has tests of its own."""

    def guest_on(self, netd, number, network="blue", subnet="10.10.0", subnet6="fd10:", **options):
        guest = self.guest(netd, network, **options)
        guest.address("%s.%d/24" % (subnet, number), subnet + ".1")
        guest.address("%s:%d/64" % (subnet6, number), subnet6 + ":1")
        guest.ip4, guest.ip6 = "%s.%d" % (subnet, number), "%s:%d" % (subnet6, number)
        return guest

    def assert_reaches(self, ns, address, port=8080, udp_port=9090):
        # What was out of reach a moment ago may still be resolved in vain.
        ns.ip("neigh", "flush", "all")
        self.assertTrue(ns.ping(address), "no ping to " + address)
        answer = tcp_ask(ns, address, port)
        self.assertIsNotNone(answer, "no TCP to " + address)
        self.assertIsNotNone(udp_ask(ns, address, udp_port), "no UDP to " + address)
        return answer

    def assert_cannot_reach(self, ns, address, port=8080, udp_port=9090):
        self.assertFalse(ns.ping(address, timeout=1), "a ping to %s passed" % address)
        self.assertIsNone(tcp_ask(ns, address, port, timeout=1), "TCP to %s passed" % address)
        self.assertIsNone(udp_ask(ns, address, udp_port, timeout=0.5, tries=2),
                          "UDP to %s passed" % address)

    def serve(self, ns, name):
        self.tcp_server(ns, 8080, name)
        self.udp_server(ns, 9090, name)


class Nat(ModeCase):
    def test_guests_leave_with_the_hosts_address(self):
        netd = self.netd_with(NAT)
        guest = self.guest_on(netd, 5)
        self.serve(self.outside, "internet")
        self.assertEqual(self.assert_reaches(guest.ns, INTERNET4).address, HOST4)
        self.assertEqual(self.assert_reaches(guest.ns, INTERNET6).address, HOST6)
        self.assertEqual(udp_ask(guest.ns, INTERNET4, 9090).address, HOST4)

    def test_nobody_outside_reaches_a_guest(self):
        netd = self.netd_with(NAT)
        guest = self.guest_on(netd, 5)
        self.serve(guest.ns, "guest")
        self.route_back("10.10.0.0/24", "fd10::/64")
        self.assert_reaches(self.host, guest.ip4)
        self.assert_reaches(self.host, guest.ip6)
        self.assert_cannot_reach(self.outside, guest.ip4)
        self.assert_cannot_reach(self.outside, guest.ip6)

    def test_guests_host_and_each_other(self):
        netd = self.netd_with(NAT)
        one, two = self.guest_on(netd, 5), self.guest_on(netd, 6)
        self.serve(two.ns, "two")
        self.serve(self.host, "host")
        self.assertEqual(self.assert_reaches(one.ns, two.ip4).address, one.ip4)
        self.assertEqual(self.assert_reaches(one.ns, "10.10.0.1").address, one.ip4)
        # By then a router advertisement may have given it a second one.
        for address in (two.ip6, "fd10::1"):
            seen = self.assert_reaches(one.ns, address).address
            self.assertIn(seen + "/64", one.ns.addresses("eth0", "inet6"))

    def test_two_networks_do_not_reach_each_other(self):
        netd = self.netd_with(NAT + """
  green:
    mode: nat
    addresses: [10.20.0.1/24, "fd20::1/64"]
    nat: {ipv6: true}
""")
        blue = self.guest_on(netd, 5)
        green = self.guest_on(netd, 5, "green", "10.20.0", "fd20:")
        self.serve(green.ns, "green")
        self.assert_reaches(self.host, green.ip4)
        self.assert_cannot_reach(blue.ns, green.ip4)
        self.assert_cannot_reach(blue.ns, green.ip6)

    def test_chosen_source_and_ports(self):
        self.host.ip("addr", "add", "192.0.2.10/32", "dev", "up0")
        self.host.ip("addr", "add", "192.0.2.11/32", "dev", "up0")
        self.host.ip("addr", "add", "2001:db8::10/128", "dev", "up0")
        netd = self.netd_with("""
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24, "fd10::1/64"]
    nat:
      ipv6: true
      source: 192.0.2.10-192.0.2.11
      source6: 2001:db8::10
      ports: 40000-40099
""")
        guest = self.guest_on(netd, 5)
        self.serve(self.outside, "internet")
        for _ in range(4):
            answer = self.assert_reaches(guest.ns, INTERNET4)
            self.assertIn(answer.address, ("192.0.2.10", "192.0.2.11"))
            self.assertTrue(40000 <= answer.port <= 40099, answer)
            answer = self.assert_reaches(guest.ns, INTERNET6)
            self.assertEqual(answer.address, "2001:db8::10")
            self.assertTrue(40000 <= answer.port <= 40099, answer)

    def test_without_ipv6_nat_nothing_is_translated(self):
        netd = self.netd_with(NAT.replace("    nat: {ipv6: true}\n", ""))
        guest = self.guest_on(netd, 5)
        self.serve(self.outside, "internet")
        self.route_back("fd10::/64")
        self.assertEqual(self.assert_reaches(guest.ns, INTERNET4).address, HOST4)
        answer = tcp_ask(guest.ns, INTERNET6, 8080, timeout=1)
        # The guest may speak from the address that it got by SLAAC, too.
        self.assertTrue(answer is None or answer.address.startswith("fd10::"), answer)

    def test_uplink_holds_guests_to_it(self):
        """With nat.uplink, guests do not leave by another way."""
        other = self.namespace("other")
        from vnetlab import veth
        veth(self.host, "up1", other, "eth0")
        self.host.ip("addr", "add", "203.0.113.2/24", "dev", "up1")
        other.ip("addr", "add", "203.0.113.1/24", "dev", "eth0")
        other.ip("route", "add", "default", "via", "203.0.113.2")
        netd = self.netd_with(NAT.replace("{ipv6: true}", "{ipv6: true, uplink: up0}"))
        guest = self.guest_on(netd, 5)
        self.serve(self.outside, "internet")
        self.serve(other, "other")
        self.assertEqual(self.assert_reaches(guest.ns, INTERNET4).address, HOST4)
        self.assert_cannot_reach(guest.ns, "203.0.113.1")


class Routed(ModeCase):
    def test_guests_keep_their_own_addresses_both_ways(self):
        netd = self.netd_with(ROUTED)
        guest = self.guest_on(netd, 5)
        self.route_back("10.10.0.0/24", "fd10::/64")
        self.serve(self.outside, "internet")
        self.serve(guest.ns, "guest")
        self.assertEqual(self.assert_reaches(guest.ns, INTERNET4).address, guest.ip4)
        seen = self.assert_reaches(guest.ns, INTERNET6).address
        self.assertIn(seen + "/64", guest.ns.addresses("eth0", "inet6"))
        self.assertEqual(self.assert_reaches(self.outside, guest.ip4).address, "192.0.2.1")
        self.assertEqual(self.assert_reaches(self.outside, guest.ip6).address, "2001:db8::1")
        self.assert_reaches(self.host, guest.ip4)

    def test_only_addresses_of_the_network_leave(self):
        netd = self.netd_with(ROUTED)
        guest = self.guest_on(netd, 5)
        guest.address("10.99.0.5/32")
        self.route_back("10.10.0.0/24", "10.99.0.0/24")
        self.serve(self.outside, "internet")
        self.host.ip("route", "add", "10.99.0.0/24", "dev", "vn-blue")
        self.assertIsNotNone(tcp_ask(guest.ns, INTERNET4, 8080))
        self.assertIsNone(tcp_ask(guest.ns, INTERNET4, 8080, timeout=1, source=("10.99.0.5", 0)))

    def test_static_route_through_a_guest(self):
        netd = self.netd_with("""
networks:
  blue:
    mode: routed
    addresses: [10.10.0.1/24]
    routes:
      - {to: 10.77.0.0/24, via: 10.10.0.5, metric: 50}
""")
        guest = self.guest_on(netd, 5)
        guest.ns.ip("addr", "add", "10.77.0.1/24", "dev", "lo")
        self.assertTrue(self.host.ping("10.77.0.1"))
        route = [r for r in self.host.routes() if r["dst"] == "10.77.0.0/24"]
        self.assertEqual([(r["gateway"], r["dev"], r["metric"], r["protocol"]) for r in route],
                         [("10.10.0.5", "vn-blue", 50, "118")])


class Open(ModeCase):
    def test_no_layer_3_rules_of_ours(self):
        netd = self.netd_with(OPEN)
        guest = self.guest_on(netd, 5)
        guest.address("10.99.0.5/32")
        self.host.ip("route", "add", "10.99.0.0/24", "dev", "vn-blue")
        self.route_back("10.10.0.0/24", "fd10::/64", "10.99.0.0/24")
        self.serve(self.outside, "internet")
        self.serve(guest.ns, "guest")
        self.assert_reaches(guest.ns, INTERNET4)
        self.assert_reaches(guest.ns, INTERNET6)
        self.assert_reaches(self.outside, guest.ip4)
        self.assert_reaches(self.outside, guest.ip6)
        self.assertIsNotNone(tcp_ask(guest.ns, INTERNET4, 8080, source=("10.99.0.5", 0)))


class Isolated(ModeCase):
    def test_guests_and_host_only(self):
        netd = self.netd_with(ISOLATED)
        one, two = self.guest_on(netd, 5), self.guest_on(netd, 6)
        self.route_back("10.10.0.0/24", "fd10::/64")
        self.host.sysctl("net/ipv4/conf/all/forwarding", 1)
        self.host.sysctl("net/ipv6/conf/all/forwarding", 1)
        for ns, name in ((self.outside, "internet"), (two.ns, "two"), (self.host, "host")):
            self.serve(ns, name)
        self.assert_reaches(one.ns, two.ip4)
        self.assert_reaches(one.ns, two.ip6)
        self.assert_reaches(one.ns, "10.10.0.1")
        self.assert_reaches(one.ns, "fd10::1")
        self.assert_reaches(self.host, two.ip4)
        self.assert_reaches(self.host, two.ip6)
        self.assert_cannot_reach(one.ns, INTERNET4)
        self.assert_cannot_reach(one.ns, INTERNET6)
        self.assert_cannot_reach(self.outside, two.ip4)
        self.assert_cannot_reach(self.outside, two.ip6)

    def test_guests_only(self):
        netd = self.netd_with(ISOLATED + "    host_access: false\n")
        one, two = self.guest_on(netd, 5), self.guest_on(netd, 6)
        self.route_back("10.10.0.0/24", "fd10::/64")
        self.host.sysctl("net/ipv4/conf/all/forwarding", 1)
        self.host.sysctl("net/ipv6/conf/all/forwarding", 1)
        for ns, name in ((self.outside, "internet"), (two.ns, "two"), (self.host, "host")):
            self.serve(ns, name)
        self.assert_reaches(one.ns, two.ip4)
        self.assert_reaches(one.ns, two.ip6)
        self.assert_cannot_reach(one.ns, "10.10.0.1")
        self.assert_cannot_reach(one.ns, "fd10::1")
        # The host's other addresses are the host too.
        self.assert_cannot_reach(one.ns, HOST4)
        self.assert_cannot_reach(one.ns, HOST6)
        self.assert_cannot_reach(self.host, two.ip4)
        self.assert_cannot_reach(self.host, two.ip6)
        self.assert_cannot_reach(one.ns, INTERNET4)

    def test_host_access_false_still_serves_dhcp(self):
        netd = self.netd_with(ISOLATED + "    host_access: false\n    dhcp: true\n")
        guest = self.guest(netd, "blue")
        self.assertTrue(guest.dhcp()["ip"].startswith("10.10.0."))
        self.assert_cannot_reach(guest.ns, "10.10.0.1")

    def test_isolated_ports_see_only_the_host(self):
        netd = self.netd_with(ISOLATED + "    ports: {isolated: true}\n")
        one, two = self.guest_on(netd, 5), self.guest_on(netd, 6)
        self.serve(two.ns, "two")
        self.assert_reaches(self.host, two.ip4)
        self.assert_cannot_reach(one.ns, two.ip4)
        netd.call("UpdatePort", name=one.name, isolated=False)
        self.assert_reaches(one.ns, two.ip4)


class HostAccess(ModeCase):
    def test_nat_without_host_access(self):
        """Guests use the host as their way out, and see nothing of it."""
        netd = self.netd_with(NAT + "    host_access: false\n")
        guest = self.guest_on(netd, 5)
        self.serve(self.outside, "internet")
        self.serve(self.host, "host")
        self.serve(guest.ns, "guest")
        self.assertEqual(self.assert_reaches(guest.ns, INTERNET4).address, HOST4)
        self.assertEqual(self.assert_reaches(guest.ns, INTERNET6).address, HOST6)
        for address in ("10.10.0.1", "fd10::1", HOST4, HOST6):
            self.assert_cannot_reach(guest.ns, address)
        self.assert_cannot_reach(self.host, guest.ip4)


class Change(ModeCase):
    def test_mode_changes_on_a_running_network(self):
        netd = self.netd_with(ISOLATED)
        guest = self.guest_on(netd, 5)
        self.serve(self.outside, "internet")
        self.assertIsNone(tcp_ask(guest.ns, INTERNET4, 8080, timeout=1))
        netd.call("Apply", yaml=NAT)
        self.assertEqual(tcp_ask(guest.ns, INTERNET4, 8080).address, HOST4)
        self.assertTrue(guest.ns.link("eth0"))
        netd.call("Apply", yaml=ISOLATED)
        self.assertIsNone(tcp_ask(guest.ns, INTERNET4, 8080, timeout=1))

    def test_live_bridge_options(self):
        netd = self.netd_with(ISOLATED + "    bridge: {mac: '52:54:00:aa:bb:cc', ageing: 100s}\n")
        self.guest_on(netd, 5)
        link = self.host.link("vn-blue")
        self.assertEqual(link["address"], "52:54:00:aa:bb:cc")
        self.assertEqual(link["linkinfo"]["info_data"]["ageing_time"], 10000)
        self.assertEqual(link["linkinfo"]["info_data"]["stp_state"], 0)
        netd.call("Apply", disruptive=True, yaml=ISOLATED + """
    bridge:
      mac: '52:54:00:aa:bb:cc'
      stp: true
      forward_delay: 4
      hello_time: 1
      max_age: 6
      priority: 4096
      ageing: 200
      multicast_snooping: true
      group_fwd_mask: 16384
""")
        data = self.host.link("vn-blue")["linkinfo"]["info_data"]
        expected = {"stp_state": 1, "forward_delay": 400, "hello_time": 100, "max_age": 600,
                    "priority": 4096, "ageing_time": 20000, "mcast_snooping": 1}
        self.assertEqual({k: data[k] for k in expected}, expected)
        self.assertEqual(int(str(data["group_fwd_mask"]), 0), 16384)

    def test_jumbo_frames(self):
        netd = self.netd_with(ISOLATED + "    bridge: {mtu: 9000}\n")
        one, two = self.guest_on(netd, 5), self.guest_on(netd, 6)
        self.assertEqual(self.host.link("vn-blue")["mtu"], 9000)
        self.assertEqual(self.host.link(one.ifname)["mtu"], 9000)
        self.assertTrue(one.ns.ping(two.ip4, size=8972))
        self.assertTrue(one.ns.ping("10.10.0.1", size=8972))

    def test_bridge_takes_no_router_advertisements_and_keeps_its_mac(self):
        netd = self.netd_with(NAT)
        before = self.host.link("vn-blue")["address"]
        guests = [self.guest_on(netd, n) for n in (5, 6)]
        self.assertEqual(self.host.link("vn-blue")["address"], before)
        guests[0].kill()
        wait_until(lambda: not self.host.link(guests[0].ifname))
        self.assertEqual(self.host.link("vn-blue")["address"], before)
        self.assertEqual(self.host.sysctl("net/ipv6/conf/vn-blue/accept_ra"), "0")


class Foreign(ModeCase):
    def test_a_table_of_others_stays_and_counts(self):
        """Another's rules keep their hooks and their handles beside ours."""
        self.host.run("nft", "-f", "-", input="""
table inet other {
	chain forward {
		type filter hook forward priority 0; policy accept;
		counter comment "theirs"
	}
}
table bridge theirs {
	set s { type ether_addr; elements = { 52:54:00:00:00:01 } }
}
""")
        before = nft_json(self.host)
        netd = self.netd_with(NAT)
        guest = self.guest_on(netd, 5)
        self.serve(self.outside, "internet")
        self.assert_reaches(guest.ns, INTERNET4)
        after = nft_json(self.host)
        for obj in before:
            kind, value = next(iter(obj.items()))
            if kind != "metainfo" and kind != "rule":
                self.assertIn(obj, after, "changed or gone: %s" % value)
        rules = [o["rule"] for o in after if "rule" in o and o["rule"]["table"] == "other"]
        self.assertEqual(len(rules), 1)
        self.assertGreater(rules[0]["expr"][0]["counter"]["packets"], 0)
        netd.stop()
        time.sleep(0.1)
        # In words: nft before 1.1 writes no JSON of a table that persists without an owner, as ours do now.
        tables = self.host.run("nft", "list", "tables").stdout.splitlines()
        self.assertLessEqual({"table inet other", "table bridge theirs"}, set(tables))
