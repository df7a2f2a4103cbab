# SPDX-License-Identifier: GPL-2.0-or-later
"""test_dnsmasq.py - what netd makes of dnsmasq, seen by guests and by netd's clients"""

import os
import time

from vnetlab import HostCase, wait_until
from vnetlab.dhcp6 import Dhcp6Client

MAC6 = "52:54:00:00:00:06"


class Offers(HostCase):
    def test_isolated_network_offers_no_router(self):
        netd = self.netd_with("""
networks:
  iso:
    mode: isolated
    addresses: [10.30.0.1/24, "fd30::1/64"]
    dhcp: true
""")
        guest = self.guest(netd, "iso")
        lease = guest.dhcp()
        self.assertNotIn("router", lease)
        self.assertEqual(lease["dns"], "10.30.0.1")
        guest.wait_global6()
        self.assertEqual([r for r in guest.ns.routes(6) if r["dst"] == "default"], [])

    def test_router_that_the_definition_names(self):
        netd = self.netd_with("""
networks:
  iso:
    mode: isolated
    addresses: [10.30.0.1/24]
    dhcp: {options: [{name: router, value: 10.30.0.254}]}
""")
        self.assertEqual(self.guest(netd, "iso").dhcp()["router"], "10.30.0.254")

    def test_jumbo_mtu_is_offered(self):
        netd = self.netd_with("""
networks:
  jumbo:
    mode: nat
    bridge: {mtu: 9000}
    addresses: [10.31.0.1/24]
    dhcp: true
""")
        self.assertEqual(self.guest(netd, "jumbo").dhcp()["mtu"], "9000")

    def test_smallest_subnet(self):
        netd = self.netd_with("""
networks:
  small: {mode: nat, addresses: [10.32.0.2/30], dhcp: true}
""")
        self.assertEqual(self.guest(netd, "small").dhcp()["ip"], "10.32.0.1")

    def test_reserved_address_in_the_second_subnet(self):
        netd = self.netd_with("""
networks:
  two:
    mode: nat
    addresses: [10.33.0.1/24, 10.34.0.1/24]
    dhcp: true
""")
        guest = self.guest(netd, "two", addresses=["10.34.0.9"])
        lease = guest.dhcp()
        self.assertEqual((lease["ip"], lease["router"]), ("10.34.0.9", "10.34.0.1"))
        self.assertTrue(self.guest(netd, "two").dhcp()["ip"].startswith("10.33.0."))


class Names(HostCase):
    YAML = """
networks:
  blue:
    mode: nat
    domain: blue.test
    addresses: [10.10.0.1/24]
    dhcp: {hosts: [{mac: "52:54:00:00:00:05", name: fixed, address: 10.10.0.5}]}
"""

    def test_port_with_an_address_answers_to_its_name(self):
        netd = self.netd_with(self.YAML)
        guest = self.guest(netd, "blue", name="web", addresses=["10.10.0.80"])
        guest.dhcp(hostname="liar")
        ask = guest.resolver("10.10.0.1").ask
        self.assertEqual(ask("web.blue.test"), ["10.10.0.80"])
        self.assertEqual(ask("liar.blue.test"), [])
        other = self.guest(netd, "blue")
        other.dhcp()
        guest.kill()
        wait_until(lambda: other.resolver("10.10.0.1").ask("web.blue.test") == [],
                   what="the name to go with its port")

    def test_guests_cannot_take_names_that_are_given(self):
        netd = self.netd_with(self.YAML)
        guest = self.guest(netd, "blue")
        ip = guest.dhcp(hostname="fixed")["ip"]
        self.assertEqual(guest.resolver("10.10.0.1").ask("fixed.blue.test"), ["10.10.0.5"])
        self.assertNotEqual(ip, "10.10.0.5")
        second = self.guest(netd, "blue")
        second.dhcp(hostname="wpad")
        self.assertEqual(second.resolver("10.10.0.1").ask("wpad.blue.test"), [])

    def test_hostile_host_names(self):
        netd = self.netd_with(self.YAML)
        for name in ("a b", "x\ny", "-", "a" * 200, "..", "$(reboot)", "\x1b[31m"):
            guest = self.guest(netd, "blue")
            ip = guest.dhcp(hostname=name)["ip"]
            lease = wait_until(lambda: [x for x in netd.call("ListLeases")["leases"]
                                        if x["address"] == ip])[0]
            self.assertNotIn("\n", lease.get("hostname") or "")
            self.assertNotIn(" ", lease.get("hostname") or "")
            guest.kill()


class Leases(HostCase):
    YAML = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24, "fd10::1/64"]
    dhcp: {ranges: [10.10.0.100-10.10.0.109]}
    dhcp6: {ranges: ["fd10::100-fd10::1ff"]}
"""

    def test_ipv6_lease_goes_with_the_port(self):
        netd = self.netd_with(self.YAML)
        guest = self.guest(netd, "blue", mac=MAC6)
        address = Dhcp6Client(guest.ns, "eth0", MAC6, "six").lease()["address"]
        wait_until(lambda: address in [x["address"] for x in netd.call("ListLeases")["leases"]])
        guest.kill()
        wait_until(lambda: not netd.call("ListLeases")["leases"], what="the lease to go")

    def test_leases_of_others_stay(self):
        netd = self.netd_with(self.YAML)
        first, second = self.guest(netd, "blue"), self.guest(netd, "blue")
        first.dhcp()
        ip = second.dhcp()["ip"]
        wait_until(lambda: len(netd.call("ListLeases")["leases"]) == 2)
        first.kill()
        wait_until(lambda: [x["address"] for x in netd.call("ListLeases")["leases"]] == [ip])


class Supervision(HostCase):
    YAML = """
networks:
  blue:
    mode: nat
    domain: blue.test
    addresses: [10.10.0.1/24]
    dhcp: true
"""

    def test_restart_of_netd_touches_no_dnsmasq(self):
        netd = self.netd_with(self.YAML)
        wait_until(lambda: len(netd.dnsmasq_pids()) == 1)
        guest = self.guest(netd, "blue")
        guest.dhcp()
        pids = netd.dnsmasq_pids()
        netd.kill()
        self.assertEqual(netd.dnsmasq_pids(), pids)
        netd.start()
        self.assertEqual(netd.dnsmasq_pids(), pids)
        self.assertEqual(len(netd.call("ListLeases")["leases"]), 1)
        guest.dhcp()

    def test_change_of_range_restarts_once_and_forgets_nobody(self):
        netd = self.netd_with(self.YAML)
        guest = self.guest(netd, "blue")
        ip = guest.dhcp()["ip"]
        old = wait_until(lambda: len(netd.dnsmasq_pids()) == 1 and netd.dnsmasq_pids())
        netd.call("Apply", yaml=self.YAML.replace(
            "dhcp: true", "dhcp: {ranges: [10.10.0.50-10.10.0.60]}"))
        wait_until(lambda: len(netd.dnsmasq_pids()) == 1 and netd.dnsmasq_pids() != old)
        self.assertIn(ip, [x["address"] for x in netd.call("ListLeases")["leases"]])
        new = self.guest(netd, "blue").dhcp()["ip"]
        self.assertIn(int(new.rsplit(".", 1)[1]), range(50, 61))

    def test_dies_again_and_again(self):
        """Each time it comes back, and netd neither spins nor gives up."""
        netd = self.netd_with(self.YAML)
        for _ in range(3):
            pids = wait_until(lambda: len(netd.dnsmasq_pids()) == 1 and netd.dnsmasq_pids())
            time.sleep(0.1)
            os.kill(pids[0], 9)
            wait_until(lambda: pids[0] not in netd.dnsmasq_pids())
        wait_until(lambda: len(netd.dnsmasq_pids()) == 1)
        self.guest(netd, "blue").dhcp()
        self.assertIn("ended unexpectedly", netd.log())

    def test_stopping_and_starting_the_network(self):
        netd = self.netd_with(self.YAML)
        first = wait_until(lambda: len(netd.dnsmasq_pids()) == 1 and netd.dnsmasq_pids())
        netd.call("StopNetwork", name="blue")
        wait_until(lambda: not netd.dnsmasq_pids())
        self.assertFalse(os.path.exists(os.path.join(netd.run_dir, "dnsmasq", "blue")))
        netd.call("StartNetwork", name="blue")
        wait_until(lambda: len(netd.dnsmasq_pids()) == 1)
        self.assertNotEqual(netd.dnsmasq_pids(), first)
        self.guest(netd, "blue").dhcp()

    def test_many_networks(self):
        """More than the 128 inotify instances that a user has by default."""
        yaml = "networks:\n" + "".join(
            "  n%d: {mode: isolated, addresses: [10.%d.%d.1/24], dhcp: true}\n"
            % (i, 100 + i // 200, i % 200) for i in range(150))
        netd = self.netd_with(yaml)
        wait_until(lambda: len(netd.dnsmasq_pids()) == 150, timeout=60)
        self.assertTrue(self.guest(netd, "n149").dhcp()["ip"].startswith("10.100.149."))
