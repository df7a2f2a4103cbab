# SPDX-License-Identifier: GPL-2.0-or-later
"""test_trace.py - what took my packet?

Rules of ours and of others on the host take what a port's guest sends; who traces the port is told
which.  Afterwards nothing of it is left: the witnesses are nft and the set that ports are traced by.
"""

import json
import os
import signal
import subprocess
import time

from vnetlab import (HOST4, HostCase, INTERNET4, VarlinkError, arp_request, dhcp_discover,
                     echo_request, ethernet, find_program, need, nft_elements, nft_rules, udp4, wait_until)
from vnetlab.frames import BROADCAST

MAC1, MAC2, NOBODY = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:66:66:66"
IP1, GATEWAY = "10.10.0.11", "10.10.0.1"
YAML = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24]
    dns: false
    ports: {guard: strict}
"""


class Tracer:
    """A subscriber of Trace on a connection of its own."""

    def __init__(self, netd, port, **parameters):
        self.client = netd.client()
        self.client.send("Trace", dict(parameters, port=port), more=True)
        assert self.client.receive() == {"events": []}
        self.waiting = []

    def next(self, wanted=lambda event: True, timeout=5):
        """The first event for which wanted() holds."""
        deadline = time.monotonic() + timeout
        while True:
            while self.waiting:
                event = self.waiting.pop(0)
                if wanted(event):
                    return event
            self.waiting += self.client.receive(max(0.01, deadline - time.monotonic()))["events"]

    def none(self, timeout=0.4):
        """What comes within that time."""
        try:
            return self.next(timeout=timeout)
        except TimeoutError:
            return None


class TraceCase(HostCase):
    yaml = YAML

    def setUp(self):
        super().setUp()
        self.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.netd = self.netd_with(self.yaml)
        self.port = self.attach("web", MAC1, IP1)
        wait_until(lambda: self.host.link("vn-blue")["operstate"] in ("UP", "UNKNOWN"), timeout=12)
        self.gateway = self.host.link("vn-blue")["address"]
        self.untraced = nft_rules(self.host)

    def attach(self, name, mac, *addresses, **options):
        return self.raw_port(self.netd, "blue", name=name, mac=mac, addresses=list(addresses), **options)

    def traced(self):
        return sorted(key for key, _ in nft_elements(self.host, "bridge", "traced"))

    def assert_nothing_left(self):
        wait_until(lambda: nft_rules(self.host) == self.untraced)

    def ping(self, target=INTERNET4):
        self.port.send(echo_request(self.gateway, MAC1, IP1, target))


class OurGuard(TraceCase):
    def test_a_frame_that_the_guard_takes_is_shown_with_its_reason(self):
        tracer = Tracer(self.netd, "web")
        self.assertEqual(self.traced(), [self.port.ifname])
        for frame, reason, words in (
                (arp_request(MAC1, "10.10.0.66", GATEWAY), "arp-address",
                 MAC1 + " > " + BROADCAST + " ARP who-has 10.10.0.1 tell 10.10.0.66"),
                (arp_request(NOBODY, IP1, GATEWAY), "mac", NOBODY + " > " + BROADCAST),
                (udp4(self.gateway, MAC1, "10.10.0.66", GATEWAY, 53, 4711, b"x"), "ipv4-source",
                 "IPv4 10.10.0.66:53 > 10.10.0.1:4711 UDP 1 bytes"),
                (dhcp_discover(NOBODY)[:6] + bytes.fromhex("525400000001") + dhcp_discover(NOBODY)[12:],
                 "dhcp-client", "DHCP discover for " + NOBODY),
                (ethernet(BROADCAST, MAC1, 0x88cc, bytes(46)), "ethertype", "ethertype 0x88cc LLDP")):
            self.port.send(frame)
            event = tracer.next()
            self.assertEqual(event["verdict"], "dropped", event)
            self.assertEqual(event["reason"], reason, event)
            self.assertIn(words, event["frame"])
            self.assertTrue(frame.hex().startswith(event["bytes"]), event)
            self.assertEqual((event["network"], event["port"]), ("blue", "web"))
            self.assertTrue(event["message"])
        self.assertIsNone(tracer.none())

    def test_what_passes_is_shown_with_all(self):
        tracer = Tracer(self.netd, "web", all=True)
        self.ping(GATEWAY)
        event = tracer.next(lambda e: "ICMP" in e["frame"])
        self.assertEqual(event["verdict"], "passed")
        self.assertIn(IP1 + " > " + GATEWAY + " ICMP echo request", event["frame"])
        self.assertIn(("bridge", "vnet", "guard/traced"),
                      [(s["family"], s["table"], s["chain"]) for s in event["path"]])


class Others(TraceCase):
    def rules(self, text):
        self.host.run("nft", "-f", "-", input=text)

    def taken(self, tracer):
        return tracer.next(lambda e: e["verdict"] == "dropped" and "ICMP" in e["frame"])

    def test_another_tables_rule_is_named(self):
        self.rules("""table inet strangers {
            chain deeper {
                counter drop comment "no ping from here"
            }
            chain gate {
                type filter hook forward priority 5; policy accept;
                ip protocol icmp jump deeper
            }
        }""")
        tracer = Tracer(self.netd, "web")
        self.ping()
        event = self.taken(tracer)
        self.assertEqual({k: event["by"][k] for k in ("family", "table", "chain", "verdict")},
                         {"family": "inet", "table": "strangers", "chain": "deeper", "verdict": "drop"})
        self.assertGreater(event["by"]["rule"], 0)
        self.assertEqual(event["by"]["comment"], "no ping from here")
        self.assertRegex(event["message"],
                         r'^table inet strangers, chain deeper, rule \d+: drop "no ping from here"$')
        self.assertNotIn("reason", event)

    def test_another_tables_policy_is_named(self):
        self.rules("""table ip filter {
            chain DOCKER-USER {
            }
            chain FORWARD {
                type filter hook forward priority 0; policy drop;
                jump DOCKER-USER
            }
        }""")
        tracer = Tracer(self.netd, "web")
        self.ping()
        event = self.taken(tracer)
        self.assertEqual({k: event["by"].get(k) for k in ("family", "table", "chain", "isPolicy")},
                         {"family": "ip", "table": "filter", "chain": "FORWARD", "isPolicy": True})
        self.assertEqual(event["message"], "table ip filter, chain FORWARD, its policy (Docker)")

    def test_a_rule_reads_as_nft_lists_it(self):
        self.rules("""table ip filter {
            set bad {
                type ipv4_addr
                elements = { %s }
            }
            chain ufw-user-forward {
                iifname "vn-blue" ip daddr @bad drop
            }
            chain FORWARD {
                type filter hook forward priority 0; policy accept;
                jump ufw-user-forward
            }
        }""" % INTERNET4)
        tracer = Tracer(self.netd, "web")
        self.ping()
        event = self.taken(tracer)
        self.assertRegex(event["message"], r'^table ip filter, chain ufw-user-forward, rule \d+: '
                                           r'iifname "vn-blue" ip daddr @bad drop \(ufw\)$')
        # Another rule in its place is another answer.
        self.host.run("nft", "flush", "chain", "ip", "filter", "ufw-user-forward")
        self.host.run("nft", "add", "rule", "ip", "filter", "ufw-user-forward", "ip", "protocol", "icmp",
                      "counter", "reject")
        self.ping()
        self.assertIn("reject (ufw)", self.taken(tracer)["message"])

    def test_a_rule_of_ours_is_told_by_its_comment(self):
        tracer = Tracer(self.netd, "web")
        self.port.send(echo_request(self.gateway, MAC1, IP1, "127.0.0.1"))
        event = self.taken(tracer)
        self.assertEqual(event["by"]["owner"], "vnet")
        self.assertRegex(event["message"], r'^table inet vnet, chain no_loopback, rule \d+: '
                                           r'"guests never reach the host\'s loopback" \(vnet\)$')


class Groups(TraceCase):
    yaml = YAML + "groups:\n  closed: {}\n"

    def test_both_sides_see_what_a_group_takes(self):
        need("connection tracking on bridges")
        other = self.attach("db", MAC2, "10.10.0.12", groups=["closed"])
        sender, receiver = Tracer(self.netd, "web"), Tracer(self.netd, "db")
        self.port.send(echo_request(other.mac, MAC1, IP1, "10.10.0.12"))
        words = IP1 + " > 10.10.0.12 ICMP echo request"
        event = receiver.next()
        self.assertEqual((event["port"], event["reason"]), ("db", "ingress-group"))
        self.assertIn(words, event["frame"])
        event = sender.next(lambda e: words in e["frame"])
        self.assertEqual((event["port"], event["reason"], event["to"]), ("web", "ingress-group", "db"))


class Macvtap(HostCase):
    def test_what_the_guard_takes_where_the_device_sends(self):
        need("macvtap", "nftables egress hook")
        netd = self.netd_with("""
networks:
  wire:
    mode: macvtap
    uplink: up0
    ports: {guard: strict}
""")
        port = self.raw_port(netd, "wire", name="web", mac=MAC1, addresses=[HOST4[:-1] + "9"])
        tracer = Tracer(netd, "web")
        frame = arp_request(NOBODY, "192.0.2.9", "192.0.2.1")
        port.send(frame)
        event = tracer.next()
        self.assertEqual(event["reason"], "mac")
        self.assertIn("%s > %s ARP who-has 192.0.2.1 tell 192.0.2.9" % (NOBODY, BROADCAST), event["frame"])
        self.assertTrue(frame.hex().startswith(event["bytes"]), event)


class Subscribers(TraceCase):
    def test_nothing_is_left_when_the_last_one_goes(self):
        first, second = Tracer(self.netd, "web"), Tracer(self.netd, "web")
        self.port.send(arp_request(NOBODY, IP1, GATEWAY))
        for tracer in (first, second):
            self.assertEqual(tracer.next()["reason"], "mac")
        first.client.close()
        self.port.send(arp_request(NOBODY, IP1, GATEWAY))
        self.assertEqual(second.next()["reason"], "mac")
        self.assertEqual(self.traced(), [self.port.ifname])
        second.client.close()
        self.assert_nothing_left()

    def test_vnetctl_prints_a_line_and_leaves_nothing_when_killed(self):
        environment = dict(os.environ, VNET_SOCKET=self.netd.socket, TZ="UTC")
        process = self.popen(self.host, find_program("vnetctl"), "trace", "web", "--count", "1",
                             stdout=subprocess.PIPE, env=environment)
        wait_until(self.traced)
        self.port.send(arp_request(MAC1, "10.10.0.66", GATEWAY))
        self.assertRegex(process.stdout.readline(),
                         r"^[0-9:.]{12} dropped %s > %s ARP who-has 10.10.0.1 tell 10.10.0.66 "
                         r"\(arp-address: .*\)$" % (MAC1, BROADCAST))
        self.assertEqual(process.wait(5), 0)
        self.assert_nothing_left()
        process = self.popen(self.host, find_program("vnetctl"), "-o", "json", "trace", "web",
                             stdout=subprocess.PIPE, env=environment)
        wait_until(self.traced)
        self.port.send(arp_request(MAC1, "10.10.0.66", GATEWAY))
        self.assertEqual(json.loads(process.stdout.readline())["reason"], "arp-address")
        process.send_signal(signal.SIGKILL)
        process.wait(5)
        self.assert_nothing_left()

    def test_a_netd_that_is_killed_leaves_it_to_the_next(self):
        Tracer(self.netd, "web")
        self.netd.kill()
        self.assertEqual(self.traced(), [self.port.ifname])
        self.netd.start()
        self.assert_nothing_left()

    def test_the_port_goes(self):
        tracer = Tracer(self.netd, "web")
        self.port.close()
        with self.assertRaises(VarlinkError) as caught:
            tracer.next()
        self.assertEqual(caught.exception.code, "port-removed")
        wait_until(lambda: "nftrace" not in self.host.run("nft", "list", "ruleset").stdout)

    def test_the_guard_changes_meanwhile(self):
        tracer = Tracer(self.netd, "web")
        self.netd.call("UpdatePort", name="web", guard="mac")
        self.port.send(arp_request(NOBODY, IP1, GATEWAY))
        self.assertEqual(tracer.next()["reason"], "mac")
        tracer.client.close()
        self.netd.call("UpdatePort", name="web", guard="strict")
        self.assert_nothing_left()

    def test_a_flood_is_sampled(self):
        tracer = Tracer(self.netd, "web")
        frame = arp_request(NOBODY, IP1, GATEWAY)
        for _ in range(5000):
            self.port.send(frame)
        seen = 0
        while tracer.none():
            seen += 1
        self.assertGreater(seen, 10)
        self.assertLess(seen, 1000)
        self.assertEqual(self.netd.call("DescribePort", name="web")["port"]["drops"], {"mac": 5000})

    def test_who_does_not_read_costs_no_memory(self):
        lazy = Tracer(self.netd, "web")
        before = self.netd.resident_kib()
        frame = arp_request(NOBODY, IP1, GATEWAY)
        for _ in range(30):
            for _ in range(200):
                self.port.send(frame)
            time.sleep(0.05)
        self.assertLess(self.netd.resident_kib() - before, 8 * 1024)
        lazy.client.close()
        self.assert_nothing_left()

    def test_a_port_that_is_not_there(self):
        with self.assertRaises(VarlinkError) as caught:
            Tracer(self.netd, "nobody's")
        self.assertEqual(caught.exception.code, "port-unknown")
