# SPDX-License-Identifier: GPL-2.0-or-later
"""test_held.py - addresses that a strict guard learns from its guests, and never from a liar"""

import os
import socket

from vnetlab import HostCase, Pinger, nft_elements, tcp_ask, udp4, veth, wait_until

STRICT = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24, "fd10::1/64"]
    dhcp: {ranges: [10.10.0.100-10.10.0.109]}
    ports: {guard: strict}
"""
BRIDGED = """
networks:
  wire:
    mode: bridged
    uplink: nic0
    ports: {guard: strict}
"""
SERVER = """
listen-address=203.0.113.129
bind-interfaces
port=0
dhcp-range=203.0.113.140,203.0.113.150,255.255.255.0,1h
dhcp-authoritative
no-ping
no-resolv
no-hosts
user=root
leasefile-ro
"""


class HeldCase(HostCase):
    def info(self, name):
        return self.netd.call("DescribePort", name=name)["port"]

    def held(self, name):
        return sorted(self.info(name)["held"])

    def sources(self, guest, family=4):
        return {key[2] for key, _ in nft_elements(self.host, "bridge", "sources%d" % family)
                if key[0] == guest.ifname}

    def take(self, guest, address, **options):
        """As an intruder inside the guest: an address that nobody gave it."""
        guest.ns.ip("-4", "addr", "flush", "dev", "eth0")
        guest.ns.ip("addr", "add", address, "dev", "eth0", **options)


class Dhcp(HeldCase):
    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(STRICT)
        self.tcp_server(self.outside, 8080, "internet")

    def test_a_lease_is_the_right_to_an_address(self):
        guest = self.guest(self.netd, "blue", name="web")
        self.assertEqual(self.sources(guest), set())
        lease = guest.dhcp()
        wait_until(lambda: self.sources(guest) == {lease["ip"]}, what="the lease to be a source")
        self.assertTrue(guest.ping("10.10.0.1"))
        self.assertEqual(tcp_ask(guest.ns, "198.51.100.1", 8080).address, "192.0.2.2")
        self.assertIn(lease["ip"], self.held("web"))
        self.assertNotIn("ipv4-source", self.info("web")["drops"])
        # Another address of the subnet is not its own, whatever it says.
        self.take(guest, "10.10.0.77/24")
        self.assertFalse(guest.ping("10.10.0.1", timeout=1))
        self.assertGreater(self.info("web")["drops"].get("arp-address", 0), 0)
        self.assertEqual(self.sources(guest), {lease["ip"]})

    def test_it_ends_with_the_lease(self):
        guest = self.guest(self.netd, "blue", name="web")
        lease = guest.dhcp()
        wait_until(lambda: self.sources(guest), what="the lease to be a source")
        self.release(guest, lease["ip"], "10.10.0.1")
        wait_until(lambda: self.sources(guest) == set(), what="the released lease to be no source")
        self.assertNotIn(lease["ip"], self.held("web"))

    @staticmethod
    def release(guest, address, server):
        """DHCPRELEASE (RFC 2131, 4.4.6)."""
        bootp = bytes([1, 1, 6, 0]) + bytes(8) + socket.inet_aton(address) + bytes(12)
        bootp += bytes.fromhex(guest.mac.replace(":", "")) + bytes(10 + 64 + 128)
        bootp += bytes([99, 130, 83, 99, 53, 1, 7, 54, 4]) + socket.inet_aton(server) + b"\xff"
        with guest.ns, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((address, 68))
            s.sendto(bootp, (server, 67))

    def test_restart_of_netd_and_of_its_guest(self):
        guest = self.guest(self.netd, "blue", name="web")
        lease = guest.dhcp()
        wait_until(lambda: self.sources(guest), what="the lease to be a source")
        pinger = Pinger(guest.ns, "10.10.0.1", 200)
        self.netd.kill()
        self.netd.start()
        self.assertEqual(pinger.lost(), 0)
        self.assertEqual(self.sources(guest), {lease["ip"]})
        guest.kill()
        wait_until(lambda: not self.netd.call("ListPorts")["ports"])
        self.assertEqual(nft_elements(self.host, "bridge", "sources4"), [])

    def test_a_lease_that_came_while_netd_was_away(self):
        guest = self.guest(self.netd, "blue", name="web")
        wait_until(self.netd.dnsmasq_pids, what="dnsmasq to serve")
        self.netd.kill()
        lease = guest.dhcp()
        self.netd.start()
        self.assertEqual(self.sources(guest), {lease["ip"]})
        self.assertTrue(guest.ping("10.10.0.1"))

    def test_a_running_network_becomes_strict_and_loses_nothing(self):
        self.netd.call("Apply", yaml=STRICT.replace("guard: strict", "guard: mac"))
        guest = self.guest(self.netd, "blue", name="web")
        lease = guest.dhcp()
        pinger = Pinger(guest.ns, "10.10.0.1", 300)
        self.netd.call("Apply", yaml=STRICT)
        self.assertEqual(self.sources(guest), {lease["ip"]})
        self.netd.call("Apply", yaml=STRICT.replace("guard: strict", "guard: mac"))
        self.netd.call("UpdatePort", name="web", guard={"policy": "strict"})
        self.assertEqual(pinger.lost(), 0)
        self.take(guest, "10.10.0.77/24")
        self.assertFalse(guest.ping("10.10.0.1", timeout=1))

    def test_anothers_client_id_brings_no_address(self):
        """DHCP servers know clients by an id of their own choice; ours goes by MAC here."""
        one = self.guest(self.netd, "blue", name="one")
        two = self.guest(self.netd, "blue", name="two")

        def take(guest):
            path = os.path.join(self.folder, "out-" + guest.name)
            guest.ns.run("busybox", "udhcpc", "-q", "-n", "-f", "-i", "eth0", "-t", "5", "-T", "1",
                         "-x", "0x3d:0052545400000042", "-s", self.script(path), check=False,
                         timeout=20)
            with open(path, encoding="ascii") as f:
                return f.read().split()[-1]
        first, second = take(one), take(two)
        self.assertNotEqual(first, second)
        wait_until(lambda: self.sources(two) == {second}, what="the second lease to be a source")
        self.assertEqual(self.sources(one), {first})

    def script(self, path):
        name = path + ".sh"
        with open(name, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n[ \"$1\" = bound ] && echo $ip >>%s\nexit 0\n" % path)
        os.chmod(name, 0o755)
        return name

    def test_declared_addresses_are_all_there_is(self):
        guest = self.guest(self.netd, "blue", name="web", addresses=["10.10.0.5", "fd10::5"])
        self.assertEqual(guest.dhcp()["ip"], "10.10.0.5")
        self.assertTrue(guest.ping("10.10.0.1"))
        guest.ns.ip("addr", "add", "fd10::77/64", "dev", "eth0")
        self.assertFalse(guest.ping("fd10::1", timeout=1, interface="fd10::77"))
        self.assertNotIn("fd10::77", self.held("web"))

    def test_learn_off(self):
        guest = self.guest(self.netd, "blue", name="web", guard={"learn": False})
        lease = guest.dhcp()
        self.assertEqual(self.sources(guest), set())
        self.assertFalse(guest.ping("10.10.0.1", timeout=1), lease)


class Ipv6(HeldCase):
    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(STRICT)

    def asking_guest(self, name):
        """One that asks whether an address is free, which the lab's others skip to be quick."""
        guest = self.guest(self.netd, "blue", name=name)
        guest.ns.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=1",
                     "net.ipv6.conf.eth0.dad_transmits=1")
        return guest

    def test_stateless_addresses_work_at_once(self):
        guest = self.guest(self.netd, "blue", name="web")
        address = guest.wait_global6()
        self.assertTrue(guest.ping("fd10::1", timeout=3))
        self.assertIn(address, self.sources(guest, 6))
        self.assertEqual(self.info("web")["drops"], {})

    def test_an_address_that_the_guest_found_free(self):
        guest = self.asking_guest("web")
        guest.ns.ip("addr", "add", "fd10::77/64", "dev", "eth0")
        wait_until(lambda: "fd10::77" in self.held("web"), what="fd10::77 to be learned")
        wait_until(lambda: guest.ping("fd10::1", timeout=1, interface="fd10::77"),
                   what="fd10::77 to be used")

    def test_never_anothers_nor_the_hosts(self):
        first = self.asking_guest("first")
        first.ns.ip("addr", "add", "fd10::77/64", "dev", "eth0")
        wait_until(lambda: "fd10::77" in self.held("first"), what="fd10::77 to be learned")
        second = self.asking_guest("second")
        bridge = [a.split("/")[0] for a in self.host.addresses("vn-blue", "inet6")]
        outside_subnet = "fd99::5"
        for address in ["fd10::77", outside_subnet] + bridge:
            second.ns.ip("addr", "add", address + "/64", "dev", "eth0")
        second.ns.ip("addr", "add", "fd10::78/64", "dev", "eth0")
        wait_until(lambda: "fd10::78" in self.held("second"), what="fd10::78 to be learned")
        self.assertEqual([a for a in self.held("second") if not a.startswith("fe80")], ["fd10::78"])
        self.assertFalse(second.ping("fd10::1", timeout=1, interface="fd10::77"))

    def test_not_from_anothers_prefix(self):
        self.guest(self.netd, "blue", name="router",
                   guard={"policy": "strict", "addresses": ["fd10::5:0/112"]})
        guest = self.asking_guest("web")
        guest.ns.ip("addr", "add", "fd10::5:1/64", "dev", "eth0")
        wait_until(lambda: self.info("web")["drops"].get("nd-target"), what="it to be asked for")
        guest.ns.ip("addr", "add", "fd10::6:1/64", "dev", "eth0")
        wait_until(lambda: "fd10::6:1" in self.held("web"), what="fd10::6:1 to be learned")
        self.assertNotIn("fd10::5:1", self.held("web"))

    def test_what_is_declared_later_goes_first(self):
        first = self.asking_guest("first")
        first.ns.ip("addr", "add", "fd10::77/64", "dev", "eth0")
        wait_until(lambda: "fd10::77" in self.held("first"), what="fd10::77 to be learned")
        second = self.guest(self.netd, "blue", name="second", addresses=["fd10::77"])
        self.assertEqual((self.sources(second, 6) & {"fd10::77"}, self.sources(first, 6) & {"fd10::77"}),
                         ({"fd10::77"}, set()))
        self.assertNotIn("fd10::77", self.held("first"))

    def test_not_more_than_a_few(self):
        guest = self.asking_guest("web")
        for n in range(40):
            guest.ns.ip("addr", "add", "fd10::1:%x/64" % n, "dev", "eth0")
        wait_until(lambda: len(self.held("web")) >= 16, what="16 addresses")
        self.assertLessEqual(len([a for a in self.held("web") if ":" in a]), 16)


class ForeignServer(HeldCase):
    """On a bridged network somebody else's DHCP server gives the addresses."""

    def setUp(self):
        super().setUp()
        veth(self.host, "nic0", self.outside, "lan0")
        self.outside.ip("addr", "add", "203.0.113.129/24", "dev", "lan0")
        self.netd = self.netd_with(BRIDGED)
        conf = os.path.join(self.folder, "server.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(SERVER)
        self.popen(self.outside, "dnsmasq", "-k", "-C", conf)

    def test_its_acknowledgement_is_believed(self):
        guest = self.guest(self.netd, "wire", name="web")
        lease = guest.dhcp()
        wait_until(lambda: self.sources(guest) == {lease["ip"]}, what="the address to be a source")
        self.assertTrue(guest.ping("203.0.113.129"))
        self.take(guest, "203.0.113.149/24")
        self.assertFalse(guest.ping("203.0.113.129", timeout=1))

    def test_a_guests_acknowledgement_is_not(self):
        liar = self.raw_port(self.netd, "wire", name="liar")
        guest = self.guest(self.netd, "wire", name="web")
        for frame in self.acknowledgements(liar.mac, guest.mac, "203.0.113.99"):
            liar.send(frame)
        self.assertEqual(guest.dhcp()["ip"].rsplit(".", 1)[0], "203.0.113")
        self.assertNotIn("203.0.113.99", self.sources(guest))
        self.assertEqual(self.info("liar")["held"], [])

    @staticmethod
    def acknowledgements(own, to, address):
        bootp = bytes([2, 1, 6, 0]) + bytes(12) + bytes(map(int, address.split("."))) + bytes(8)
        bootp += bytes.fromhex(to.replace(":", "")) + bytes(10 + 64 + 128)
        bootp += bytes([99, 130, 83, 99, 53, 1, 5, 51, 4, 0, 0, 14, 16, 255])
        for source in ("203.0.113.99", "0.0.0.0"):
            yield udp4("ff:ff:ff:ff:ff:ff", own, source, "255.255.255.255", 67, 68, bootp)


