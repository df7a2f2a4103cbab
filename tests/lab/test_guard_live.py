# SPDX-License-Identifier: GPL-2.0-or-later
"""test_guard_live.py - guards that change while guests talk: nothing is lost, and nothing slips by"""

import itertools
import json
import socket
import threading
import time

from vnetlab import (HostCase, Pinger, Witness, arp_request, echo_request, ethernet, nft_drops,
                     nft_guards, nft_rules, wait_until)

YAML = """
networks:
  blue:
    mode: isolated
    addresses: [10.10.0.1/24, "fd10::1/64"]
    dns: false
"""
FULL = {"policy": "strict", "allow": ["router", "llc"], "addresses": ["10.20.0.0/24", "10.10.0.99"],
        "macs": ["00:00:5e:00:01:33"], "ethertypes": ["lldp", "0x88b5"],
        "storm": {"broadcast": 1000, "multicast": 1000}}
NOBODY = "52:54:00:66:66:66"


class Stream:
    """
    A TCP connection from one guest to another that is never idle, and never fast enough for a
    device's queue to overflow.  TCP would hide what is lost (Pinger shows that), but not for long.
    """

    def __init__(self, source, target, address, port=7000):
        with target.ns:
            self.listener = socket.create_server((address, port))
        with source.ns:
            self.sender = socket.create_connection((address, port), timeout=20)
        self.receiver, _ = self.listener.accept()
        self.sent, self.received = 0, 0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=run) for run in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()

    def _send(self):
        while not self.over.wait(0.001):
            self.sent += self.sender.send(bytes(4096))
        self.sender.shutdown(socket.SHUT_WR)

    def _receive(self):
        while data := self.receiver.recv(65536):
            self.received += len(data)

    def close(self):
        self.over.set()
        for thread in self.threads:
            thread.join(20)
        for s in (self.sender, self.receiver, self.listener):
            s.close()

    def lost(self):
        """Bytes that did not come."""
        self.close()
        return self.sent - self.received


class LiveCase(HostCase):
    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(YAML)
        self.one, self.two = (self.guest(self.netd, "blue", name, addresses=[ip4, ip6])
                              for name, ip4, ip6 in (("one", "10.10.0.11", "fd10::11"),
                                                     ("two", "10.10.0.12", "fd10::12")))
        for guest, ip4, ip6 in ((self.one, "10.10.0.11/24", "fd10::11/64"),
                                (self.two, "10.10.0.12/24", "fd10::12/64")):
            guest.address(ip4)
            guest.address(ip6)
        wait_until(lambda: self.one.ping("10.10.0.12") and self.one.ping("fd10::12"), timeout=15)

    def apply(self, guard):
        self.netd.call("Apply", yaml=YAML + "    ports: {guard: %s}\n" % json.dumps(guard))

    def describe(self, name):
        return self.netd.call("DescribePort", name=name)["port"]

    def assert_loses_nothing(self, changes):
        """While each is made in turn, twice at least."""
        pingers = [Pinger(self.one.ns, address, 1000, 0.003) for address in
                   ("10.10.0.1", "10.10.0.12", "fd10::1", "fd10::12")]
        stream = Stream(self.one, self.two, "10.10.0.12")
        self.addCleanup(stream.close)
        deadline = time.monotonic() + 3
        for n in itertools.count():
            if n >= 2 and time.monotonic() > deadline:
                break
            for change in changes:
                change()
        self.assertEqual([pinger.lost() for pinger in pingers], [0] * len(pingers))
        self.assertEqual(stream.lost(), 0)
        self.assertGreater(stream.received, 0)
        self.assertEqual((self.describe("one")["dropped"], self.describe("two")["dropped"]), (0, 0))


class Changes(LiveCase):
    def test_of_a_network(self):
        guards = []

        def change(guard, chain):
            def make():
                self.apply(guard)
                guards.append(set(nft_guards(self.host).values()) == {chain})
            return make
        self.assert_loses_nothing([change("strict", "guard/strict"), change("mac", "guard/mac"),
                                   change(FULL, "guard/limited_strict"),
                                   change("strict", "guard/strict")])
        self.assertTrue(all(guards), guards)

    def test_of_one_port(self):
        def change(guard):
            return lambda: self.netd.call("UpdatePort", name="one", guard=guard)
        self.assert_loses_nothing([change("strict"), change("default"), change(FULL),
                                   change({"policy": "mac", "storm": {"broadcast": 500}})])
        self.netd.call("UpdatePort", name="one", guard="default")
        self.assertEqual(self.describe("one")["guard"], {"policy": "mac"})

    def test_of_the_network_below_a_port_of_its_own(self):
        """What the port says of itself stands; the policy that it leaves open follows."""
        self.netd.call("UpdatePort", name="one", guard={"storm": {"broadcast": 500}})
        self.apply("strict")
        self.assertEqual(self.describe("one")["guard"],
                         {"policy": "strict", "storm": {"broadcast": 500}})
        self.assertEqual(nft_guards(self.host), {self.one.ifname: "guard/limited_strict",
                                                 self.two.ifname: "guard/strict"})
        self.netd.call("UpdatePort", name="one", guard="mac")
        self.apply("off")
        self.assertEqual(nft_guards(self.host), {self.one.ifname: "guard/mac",
                                                 self.two.ifname: None})

    def test_back_and_forth_leaves_nothing(self):
        before = Witness(self.host)
        self.netd.call("UpdatePort", name="one", guard=FULL)
        self.netd.call("UpdatePort", name="one", guard="default")
        self.assertEqual(before.diff(Witness(self.host)), "")
        self.apply(FULL)
        self.apply("mac")
        self.assertEqual(before.diff(Witness(self.host)), "")

    def test_a_refused_change_changes_nothing(self):
        self.netd.call("UpdatePort", name="one", guard=FULL)
        before, described = nft_rules(self.host), self.describe("one")
        result = self.netd.vnetctl("port", "update", "one", "--mtu", "1400", "--guard",
                                   "strict,addresses=10.10.0.1", check=False)
        self.assertEqual(result.returncode, 7)
        self.assertIn("guard.addresses[0]", result.stdout)
        self.assertEqual(nft_rules(self.host), before)
        self.assertEqual(self.describe("one"), described)


class Slips(LiveCase):
    """No change opens a gap for what neither of the two guards lets pass."""

    def setUp(self):
        super().setUp()
        self.hostile = self.raw_port(self.netd, "blue", name="hostile", mac="52:54:00:00:00:01",
                                     addresses=["10.10.0.66"])
        with self.two.ns:
            self.witness = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.witness.bind(("eth0", 0))
        self.witness.setblocking(False)
        self.addCleanup(self.witness.close)

    def seen(self):
        frames = []
        while True:
            try:
                frames.append(self.witness.recv(65536))
            except BlockingIOError:
                return frames

    def assert_nothing_slips(self, frame, is_it, change):
        """change(n) again and again while the frame is sent without a pause."""
        over = threading.Event()

        def flood():
            while not over.is_set():
                try:
                    self.hostile.send(frame)
                except BlockingIOError:
                    pass
        sender = threading.Thread(target=flood)
        sender.start()
        try:
            slipped, deadline, n = [], time.monotonic() + 2, 0
            while time.monotonic() < deadline:
                change(n)
                n += 1
                slipped += [f for f in self.seen() if is_it(f)]
        finally:
            over.set()
            sender.join(10)
        self.assertEqual(slipped, [])
        self.assertGreater(n, 5)
        self.assertGreater(nft_drops(self.host, self.hostile.ifname), 100)

    def test_foreign_mac(self):
        frame = ethernet("ff:ff:ff:ff:ff:ff", NOBODY, 0x88b5, b"slipped by")
        self.assert_nothing_slips(frame, lambda f: b"slipped by" in f, lambda n: self.netd.call(
            "UpdatePort", name="hostile", guard=["strict", FULL, "mac"][n % 3]))

    def test_foreign_address(self):
        """From strict to strict with another list."""
        self.apply("strict")
        frame = arp_request(self.hostile.mac, "10.10.0.12", "10.10.0.11")
        self.assert_nothing_slips(frame, lambda f: f[28:32] == bytes([10, 10, 0, 12]) and
                                  f[6:12] == bytes.fromhex("525400000001"),
                                  lambda n: self.apply([FULL, "strict"][n % 2]))


class Reasons(LiveCase):
    def test_counted_by_port_and_reason(self):
        self.netd.call("UpdatePort", name="two", guard="strict")
        port = self.raw_port(self.netd, "blue", name="three", mac="52:54:00:00:00:03",
                             addresses=["10.10.0.13"], guard="strict")
        gateway = self.host.link("vn-blue")["address"]
        port.send(ethernet("ff:ff:ff:ff:ff:ff", NOBODY, 0x88b5, b"x"))
        for _ in range(2):
            port.send(ethernet("ff:ff:ff:ff:ff:ff", port.mac, 0x88b5, b"x"))
        for _ in range(3):
            port.send(echo_request(gateway, port.mac, "10.10.0.12", "10.10.0.1"))
        for _ in range(4):
            port.send(arp_request(port.mac, "10.10.0.12", "10.10.0.1"))
        wanted = {"mac": 1, "ethertype": 2, "ipv4-source": 3, "arp-address": 4}
        wait_until(lambda: self.describe("three")["dropped"] == 10)
        self.assertEqual(self.describe("three")["drops"], wanted)
        text = self.netd.vnetctl("port", "show", "three").stdout
        self.assertRegex(text, r"(?m)^GUARD +strict$")
        self.assertRegex(text, r"(?m)^DROPPED +10$")
        self.assertRegex(text, r"(?m)^DROPS +mac 1, ethertype 2, ipv4-source 3, arp-address 4$")
        shown = json.loads(self.netd.vnetctl("-o", "json", "port", "show", "three").stdout)
        self.assertEqual(shown["drops"], wanted)
        self.assertEqual((self.describe("two")["dropped"], self.describe("two")["drops"]), (0, {}))
        # A guard that changes keeps what was counted; a port that comes later begins anew.
        self.netd.call("UpdatePort", name="three", guard={"policy": "strict", "ethertypes": ["0x88b5"]})
        port.send(ethernet("ff:ff:ff:ff:ff:ff", port.mac, 0x88b5, b"x"))
        self.assertEqual(self.describe("three")["drops"], wanted)
        port.close()
        wait_until(lambda: len(self.netd.call("ListPorts")["ports"]) == 2)
        again = self.raw_port(self.netd, "blue", name="three", mac="52:54:00:00:00:03")
        self.assertEqual(self.describe(again.name)["drops"], {})
