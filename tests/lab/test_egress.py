# SPDX-License-Identifier: GPL-2.0-or-later
"""test_egress.py - guests reach what `egress` names, and nothing else"""

import errno
import os
import socket
import time

from vnetlab.dns import DnsTcpServer
from vnetlab import (HOST4, INTERNET4, INTERNET6, DnsServer, HostCase, TcpServer, patience, tcp_ask,
                     udp_ask, wait_until)

RESOLVER, RESOLVER6 = "10.10.0.1", "fd10::1"
ALLOWED, BELOW, CDN, OTHER = "198.51.100.11", "198.51.100.12", "198.51.100.13", "198.51.100.14"
DECLARED = "203.0.113.5"
ALLOWED6, OTHER6 = "2001:db8:1::11", "2001:db8:1::14"
REFUSED = (errno.EHOSTUNREACH, errno.EACCES)  # how Linux gives a program "administratively prohibited"

YAML = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24, "fd10::1/64"]
    nat: {ipv6: true}
    host_access: false
    egress: [%s]
    dns: {forwarders: [198.51.100.1]}
"""
NAMES = 'allowed.test, "*.example.test", www.test, 203.0.113.0/24'


def definition(names=NAMES):
    return YAML % names


class Egress(HostCase):
    def setUp(self):
        super().setUp()
        for address in (ALLOWED, BELOW, CDN, OTHER, DECLARED):
            self.outside.ip("addr", "add", address + "/32", "dev", "lo")
        for address in (ALLOWED6, OTHER6):
            self.outside.ip("addr", "add", address + "/128", "dev", "lo")
        self.table = {
            "allowed.test": [ALLOWED, ALLOWED6],
            "www.allowed.test": [OTHER],
            "a.example.test": [BELOW],
            "example.test": [OTHER],
            "www.test": "cdn.test",
            "cdn.test": [CDN],
            "other.test": [OTHER, OTHER6],
        }
        self.dns = DnsServer(self.outside, self.table)
        self.stack.callback(self.dns.close)
        self.web = TcpServer(self.outside, 80)
        self.stack.callback(self.web.close)

    def start(self, yaml=None, **options):
        self.netd = self.netd_with(yaml or definition(), **options)
        self.dnsmasq = wait_until(self.resolver_pid, what="the network's dnsmasq")
        self.visitor = self.guest(self.netd, "blue", addresses=["10.10.0.9", "fd10::9"])
        self.visitor.address("10.10.0.9/24", via=RESOLVER)
        self.visitor.address("fd10::9/64", via=RESOLVER6)
        return self.visitor

    def resolver_pid(self):
        """Of the network's dnsmasq; None while there is none."""
        try:
            with open(os.path.join(self.netd.run_dir, "dnsmasq/blue/run/pid"), encoding="ascii") as f:
                pid = int(f.read())
        except (OSError, ValueError):
            return None
        return pid if pid in self.netd.dnsmasq_pids() else None

    def ask(self, name, kind="A"):
        return self.visitor.resolver(RESOLVER).ask(name, kind)

    def connect(self, address, port=80):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.visitor.ns:
            s = socket.socket(family, socket.SOCK_STREAM)
        s.settimeout(patience(5))
        try:
            s.connect((address, port))
        except OSError:
            s.close()
            raise
        return s

    def assert_open(self, address):
        self.assertIsNotNone(tcp_ask(self.visitor.ns, address, 80, timeout=patience(3)), address)

    def assert_refused(self, address, port=80):
        """At once, by a message that says why."""
        before = time.monotonic()
        with self.assertRaises(OSError) as caught:
            self.connect(address, port).close()
        self.assertIn(caught.exception.errno, REFUSED, "%s: %s" % (address, caught.exception))
        self.assertLess(time.monotonic() - before, patience(2))

    def apply(self, names):
        """Another list; returns when the resolver that has it serves."""
        self.netd.call("Apply", yaml=definition(names))
        wait_until(lambda: self.resolver_pid() not in (None, self.dnsmasq), what="another dnsmasq")
        wait_until(lambda: self.ask("allowed.test"), what="the resolver to serve")

    # --- names ---

    def test_names_open_what_they_lead_to(self):
        self.start()
        for address in (ALLOWED, ALLOWED6, BELOW, CDN, OTHER, OTHER6, INTERNET4, INTERNET6):
            self.assert_refused(address)
        self.assertEqual(self.ask("allowed.test"), [ALLOWED])
        self.assert_open(ALLOWED)
        self.assert_refused(ALLOWED6)
        self.assertEqual(self.ask("Allowed.TEST", "AAAA"), [ALLOWED6])
        self.assert_open(ALLOWED6)
        self.assertEqual(self.ask("a.example.test"), [BELOW])
        self.assert_open(BELOW)
        self.assertEqual(self.ask("www.test"), [CDN])
        self.assert_open(CDN)
        self.assert_refused(OTHER)
        self.assert_refused(OTHER6)

    def test_other_names_are_not_asked_for(self):
        self.start()
        for name in ("other.test", "www.allowed.test", "example.test", "cdn.test",
                     "secret.of-a-guest.attacker.test"):
            self.assertFalse(self.ask(name), name)
        self.assertEqual(self.dns.asked, [])
        self.assert_refused(OTHER)

    def test_declared_addresses_need_no_name(self):
        self.start()
        self.assert_open(DECLARED)

    def test_over_tcp(self):
        """A resolver that is asked over TCP answers in a process of its own."""
        server = DnsTcpServer(self.outside, self.dns)
        self.stack.callback(server.close)
        self.start()
        with self.connect(RESOLVER, 53) as s:
            query = (b"\0\7\1\0\0\1\0\0\0\0\0\0" b"\7allowed\4test\0" b"\0\1\0\1")
            s.sendall(bytes([0, len(query)]) + query)
            self.assertGreater(len(s.recv(2048)), len(query))
        self.assert_open(ALLOWED)

    def test_other_resolvers_are_out_of_reach(self):
        self.start()
        self.assertIsNone(udp_ask(self.visitor.ns, INTERNET4, 53, timeout=0.5, tries=1))
        for address in (INTERNET4, INTERNET6):
            self.assert_refused(address, 53)
            self.assert_refused(address, 853)
        self.assertEqual(self.dns.asked, [])

    def test_a_name_that_moves(self):
        self.dns.ttl = 0
        self.start()
        self.ask("allowed.test")
        self.assert_open(ALLOWED)
        self.table["allowed.test"] = [OTHER]
        self.assert_refused(OTHER)
        self.assertEqual(self.ask("allowed.test"), [OTHER])
        self.assert_open(OTHER)

    def test_an_address_that_is_answered_no_more_is_closed(self):
        self.start(files={"netd.yaml": "egress_hold: 1s\n"})
        self.ask("allowed.test")
        self.table["allowed.test"] = [OTHER]
        connected = self.connect(ALLOWED)
        self.addCleanup(connected.close)
        began = time.monotonic()

        def is_closed():
            """Asks all the while: the name's new address has to stay open."""
            if self.ask("allowed.test") == [OTHER]:
                self.assert_open(OTHER)
            return not tcp_ask(self.visitor.ns, ALLOWED, 80, timeout=1)
        wait_until(is_closed, what="the former address to be closed")
        self.assertGreater(time.monotonic() - began, 0.9)
        self.assert_refused(ALLOWED)
        for _ in range(20):
            self.assertEqual(self.ask("allowed.test"), [OTHER])
            self.assert_open(OTHER)
            time.sleep(0.2)

    def test_names_do_not_lead_inside(self):
        """Whoever answers for an allowed name may answer anything."""
        metadata = "169.254.169.254"
        self.start(definition() + """
  green:
    mode: routed
    addresses: [10.20.0.1/24]
  open:
    mode: open
    addresses: [10.30.0.1/24]
""")
        inner = []
        for network, address in (("green", "10.20.0.9"), ("open", "10.30.0.9")):
            guest = self.guest(self.netd, network)
            guest.address(address + "/24", via=address[:-1] + "1")
            server = TcpServer(guest.ns, 80)
            self.stack.callback(server.close)
            inner.append(address)
        server = TcpServer(self.host, 80)
        self.stack.callback(server.close)
        self.outside.ip("addr", "add", metadata + "/32", "dev", "lo")
        self.host.ip("route", "add", metadata, "via", "192.0.2.1")
        self.table["a.example.test"] = inner + [metadata, HOST4, RESOLVER, "127.0.0.1"]
        self.assertEqual(len(self.ask("a.example.test")), 6)
        for address in inner + [metadata]:
            self.assert_refused(address)
        for address in (HOST4, RESOLVER):
            self.assertIsNone(tcp_ask(self.visitor.ns, address, 80, timeout=0.3), address)

    # --- changes ---

    def test_a_name_that_is_added_closes_nothing(self):
        self.start()
        self.ask("allowed.test")
        self.assert_open(ALLOWED)
        asked = self.dns.asked.count("allowed.test")
        self.netd.call("Apply", yaml=definition(NAMES + ", other.test"))
        self.assert_open(ALLOWED)
        self.assertEqual(self.dns.asked.count("allowed.test"), asked)
        wait_until(lambda: self.ask("other.test"), what="the added name")
        self.assert_open(OTHER)

    def test_a_name_that_is_removed(self):
        self.start()
        self.ask("allowed.test")
        self.ask("www.test")
        server = TcpServer(self.outside, 81)
        self.stack.callback(server.close)
        running = self.connect(CDN, 81)
        self.addCleanup(running.close)
        self.assertTrue(running.recv(100))
        self.apply("allowed.test")
        self.assert_refused(CDN)
        self.assert_refused(DECLARED)
        self.assertFalse(self.ask("www.test"))
        self.assert_open(ALLOWED)
        running.shutdown(socket.SHUT_WR)  # it goes on: the far end answers to that
        self.assertEqual(running.recv(100), b"")
        self.netd.call("Apply", yaml=definition(""))
        self.assert_refused(ALLOWED)

    def test_nothing_is_not_everything(self):
        self.start(definition(""))
        for address in (ALLOWED, INTERNET6, DECLARED):
            self.assert_refused(address)
        self.assertFalse(self.ask("allowed.test"))

    # --- restarts ---

    def test_restarts_close_nothing(self):
        self.start()
        self.ask("allowed.test")
        self.netd.kill()
        self.assert_open(ALLOWED)
        self.netd.start()
        self.assert_open(ALLOWED)
        os.kill(self.resolver_pid(), 9)
        self.assert_open(ALLOWED)
        self.assert_refused(CDN)
        wait_until(lambda: self.ask("www.test"), what="dnsmasq to be back")
        self.assert_open(CDN)
        self.assert_open(ALLOWED)

    def test_rules_that_somebody_flushed(self):
        """What the resolver has in its cache is asked for again, or it would lead nowhere."""
        self.start()
        self.ask("allowed.test")
        self.host.run("nft", "flush", "ruleset")
        wait_until(lambda: "egress/blue" in self.host.run("nft", "list", "ruleset").stdout,
                   what="the rules to be back")

        def is_open():
            self.ask("allowed.test")
            return tcp_ask(self.visitor.ns, ALLOWED, 80, timeout=1)
        wait_until(is_open)
        self.assert_refused(OTHER)
