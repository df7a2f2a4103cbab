# SPDX-License-Identifier: GPL-2.0-or-later
"""test_subnet_auto.py - `subnet: auto` finds room beside what the host has"""

import ipaddress

from vnetlab import HostCase, VarlinkError

AUTO = """
networks:
  blue:
    mode: nat
    subnet: {ipv4: auto, ipv6: auto}
    dhcp: true
"""
SETTINGS = {"netd.yaml": 'pool4: 10.64.0.0/22,24\npool6: "fd64::/62,64"\n'}


class Auto(HostCase):
    def subnets(self, netd, name="blue"):
        addresses = netd.call("DescribeNetwork", name=name)["network"]["addresses"]
        return [ipaddress.ip_interface(a).network for a in addresses]

    def test_takes_the_first_free_subnet(self):
        # The first by a route, the second by an address; of IPv6 the first by a wider route.
        self.host.ip("route", "add", "10.64.0.0/24", "via", "192.0.2.1")
        self.host.ip("addr", "add", "10.64.1.77/25", "dev", "up0")
        self.host.ip("-6", "route", "add", "fd64::/64", "via", "2001:db8::1", "dev", "up0")
        netd = self.netd_with(AUTO, SETTINGS)
        v4, v6 = sorted(self.subnets(netd), key=lambda n: n.version)
        self.assertEqual(str(v4), "10.64.2.0/24")
        self.assertEqual(str(v6), "fd64:0:0:1::/64")
        self.assertTrue(self.guest(netd, "blue").dhcp()["ip"].startswith("10.64.2."))

    def test_a_larger_route_around_the_pool_takes_it_all(self):
        self.host.ip("route", "add", "10.64.0.0/16", "via", "192.0.2.1")
        netd = self.netd_with("networks: {}\n", SETTINGS)
        with self.assertRaises(VarlinkError) as caught:
            netd.call("Apply", yaml=AUTO)
        self.assertIn("pool", caught.exception.message)
        self.assertEqual(netd.call("ListNetworks")["networks"], [])

    def test_keeps_its_subnet_over_restart_and_reapply(self):
        netd = self.netd_with(AUTO, SETTINGS)
        before = self.subnets(netd)
        self.host.ip("route", "add", "10.64.1.0/24", "via", "192.0.2.1")
        netd.stop()
        netd.start()
        self.assertEqual(self.subnets(netd), before)
        netd.call("Apply", yaml=AUTO.replace("dhcp: true", "dhcp: {lease_time: 2h}"))
        self.assertEqual(self.subnets(netd), before)

    def test_networks_get_different_ones(self):
        netd = self.netd_with(AUTO + "  green:\n    mode: nat\n    subnet: auto\n"
                              "  red:\n    mode: nat\n    subnet: auto\n", SETTINGS)
        found = [n for name in ("blue", "green", "red") for n in self.subnets(netd, name)
                 if n.version == 4]
        self.assertEqual(len(set(found)), 3)
        for n in found:
            self.assertTrue(n.subnet_of(ipaddress.ip_network("10.64.0.0/22")))

    def test_full_pool_says_so(self):
        netd = self.netd_with("networks:\n" + "".join(
            "  n%d: {mode: nat, subnet: auto}\n" % i for i in range(4)), SETTINGS)
        with self.assertRaises(VarlinkError) as caught:
            netd.call("Apply", yaml="networks: {more: {mode: nat, subnet: auto}}\n", file="m.yaml")
        self.assertEqual(caught.exception.problem["line"], 1)
        self.assertIn("pool", caught.exception.message)
