# SPDX-License-Identifier: GPL-2.0-or-later
"""test_groups.py - security groups: what reaches a port, what leaves it, and what a change cuts"""

import os
import re
import signal
import socket
import subprocess

from vnetlab import (HOST4, HOST6, HostCase, INTERNET4, INTERNET6, VarlinkError, has, need,
                     nft_elements, patience, tcp_ask, udp_ask, wait_until)

TRACKING = "connection tracking on bridges"

NETWORK = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24, "fd10::1/64"]
    nat: {ipv6: true}
    forwards:
      - tcp 8080 -> 10.10.0.5:80
      - tcp 8080 -> [fd10::5]:80
      - tcp 8081 -> 10.10.0.5:81
"""
GROUPS = """
groups:
  web:
    ingress: ["tcp 80", "udp 80", "icmp echo-request", "icmpv6 echo-request"]
  app: {}
  db:
    ingress: ["tcp 5432 from group:app", "tcp 22 from 10.10.0.7", "tcp 22 from fd10::7"]
  quiet:
    ingress: any
    egress: ["tcp 80 to 10.10.0.5", "udp 80"]
"""


class Stream:
    """A TCP connection whose two ends the test holds."""

    def __init__(self, client, server, address, port, listen_at=None):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with server:
            listener = socket.socket(family)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("", listen_at or port))
            listener.listen(1)
        with client:
            self.client = socket.create_connection((address, port), patience(3))
        self.server, _peer = listener.accept()
        listener.close()
        self.number = 0

    def passes(self, sender, receiver, timeout):
        self.number += 1
        token = b"%08d" % self.number
        sender.sendall(token)
        receiver.settimeout(timeout)
        data = b""
        try:
            while not data.endswith(token):
                chunk = receiver.recv(4096)
                if not chunk:
                    return False
                data += chunk
        except OSError:
            return False
        return True

    def lives(self):
        return self.passes(self.client, self.server, patience(3)) and \
            self.passes(self.server, self.client, patience(3))

    def is_cut(self):
        """Nothing arrives at either end, though both go on sending."""
        return not self.passes(self.client, self.server, 0.5) and \
            not self.passes(self.server, self.client, 0.5) and \
            not self.passes(self.client, self.server, 0.5)

    def close(self):
        self.client.close()
        self.server.close()


class GroupCase(HostCase):
    def guest_on(self, netd, number, network="blue", subnet="10.10.0", subnet6="fd10:", **options):
        options.setdefault("addresses", ["%s.%d" % (subnet, number), "%s:%d" % (subnet6, number)])
        guest = self.guest(netd, network, **options)
        guest.address("%s.%d/24" % (subnet, number), subnet + ".1")
        guest.address("%s:%d/64" % (subnet6, number), subnet6 + ":1")
        return guest

    def serve(self, ns, *ports):
        for port in ports:
            self.tcp_server(ns, port, "tcp%d" % port)
            self.udp_server(ns, port, "udp%d" % port)

    def stream(self, *arguments, **options):
        stream = Stream(*arguments, **options)
        self.addCleanup(stream.close)
        return stream

    def apply_groups(self, netd, text):
        return netd.call("Apply", yaml="groups:\n" + text)

    def reload(self, netd):
        os.kill(netd.pid(), signal.SIGHUP)

    def ping_in_pieces(self, ns, address):
        return ns.run("ping", "-c1", "-W%d" % patience(3), "-s4000", "-Mdont", address,
                      check=False).returncode == 0

    def drops(self, netd, guest):
        return netd.call("DescribePort", name=guest.name)["port"].get("drops", {})

    def refused(self, code, call, *arguments, **options):
        with self.assertRaises(VarlinkError) as caught:
            call(*arguments, **options)
        self.assertEqual(caught.exception.problem["code"], code)
        return caught.exception.problem["message"]


class WithoutTracking(GroupCase):
    """What holds on every kernel; where it has no tracking, ports in groups are refused."""

    def test_a_kernel_that_cannot(self):
        netd = self.netd_with(NETWORK + GROUPS)
        groups = netd.call("ListGroups")["groups"]
        self.assertEqual([g["name"] for g in groups], ["app", "db", "quiet", "web"])
        notes = " ".join(netd.call("GetInfo")["notes"])
        self.assertEqual("security groups are refused" in notes, not has(TRACKING))
        self.assertEqual(groups[0]["inForce"], has(TRACKING))
        if not has(TRACKING):
            self.refused("no-bridge-conntrack", netd.call, "AttachPort", network="blue",
                         groups=["web"])
            plain = self.guest_on(netd, 5)
            self.refused("no-bridge-conntrack", netd.call, "UpdatePort", name=plain.name,
                         groups=["web"])
            self.assertTrue(plain.ping("10.10.0.1"))
        else:
            self.guest_on(netd, 5, groups=["web"])

    def test_definitions(self):
        netd = self.netd_with(NETWORK + GROUPS)
        self.refused("group-unknown", self.apply_groups, netd, "  x: {ingress: [tcp from group:y]}")
        self.refused("bad-value", self.apply_groups, netd, "  x: {ingress: [tcp x]}")
        self.refused("group-unknown", netd.call, "Apply",
                     yaml="networks: {red: {mode: isolated, ports: {groups: [x]}}}")
        self.refused("group-unknown", netd.call, "AttachPort", network="blue", groups=["x"])
        self.refused("group-unknown", netd.call, "DescribeGroup", name="x")
        self.refused("group-unknown", netd.call, "DeleteGroup", name="x")
        self.refused("group-in-file", netd.call, "DeleteGroup", name="web")
        self.apply_groups(netd, "  x: {ingress: [tcp 80 from group:web]}\n  y: {egress: [tcp from group:x]}"
                          .replace("tcp from", "tcp to"))
        told = netd.call("DescribeGroup", name="x")
        self.assertEqual(told["definition"], {"ingress": ["tcp 80 from group:web"]})
        self.assertEqual(told["groups"], ["y"])
        self.assertIn("group y", self.refused("group-in-use", netd.call, "DeleteGroup", name="x"))
        netd.call("Apply", yaml="networks: {red: {mode: isolated, ports: {groups: [y]}}}")
        self.assertIn("network red", self.refused("group-in-use", netd.call, "DeleteGroup", name="y"))
        netd.call("DeleteNetwork", name="red")
        netd.call("DeleteGroup", name="y")
        netd.call("DeleteGroup", name="x")
        # One call, both: the network may name what comes with it.
        netd.call("Apply", networks={"red": {"mode": "isolated", "ports": {"groups": ["z"]}}},
                  groups={"z": {"log": True}})
        netd.stop()
        netd.start()
        self.assertEqual(netd.call("DescribeGroup", name="z")["networks"], ["red"])
        self.assertEqual([g["name"] for g in netd.call("ListGroups")["groups"]],
                         ["app", "db", "quiet", "web", "z"])

    def test_files_that_change(self):
        netd = self.netd_with(NETWORK + GROUPS)
        netd.write_config("networks.d/more.yaml", "groups: {m: {ingress: [tcp 1]}, n: {}}\n")
        self.reload(netd)
        wait_until(lambda: len(netd.call("ListGroups")["groups"]) == 6)
        netd.write_config("networks.d/more.yaml", "groups: {m: {ingress: [tcp x]}}\n")
        self.reload(netd)
        netd.write_config("networks.d/other.yaml", "groups: {o: {}, web: {}}\n")
        self.reload(netd)
        # A file with an error changes nothing, and a group has one place.
        self.assertEqual(netd.call("DescribeGroup", name="m")["definition"], {"ingress": ["tcp 1"]})
        netd.write_config("networks.d/more.yaml", "groups: {m: {ingress: [tcp 2]}}\n")
        netd.write_config("networks.d/other.yaml", "groups: {o: {}}\n")
        self.reload(netd)
        wait_until(lambda: [g["name"] for g in netd.call("ListGroups")["groups"]] ==
                   ["app", "db", "m", "o", "quiet", "web"])
        self.assertEqual(netd.call("DescribeGroup", name="m")["definition"], {"ingress": ["tcp 2"]})


class Groups(GroupCase):
    def setUp(self):
        need(TRACKING)
        super().setUp()

    def test_between_guests(self):
        netd = self.netd_with(NETWORK + GROUPS)
        web = self.guest_on(netd, 5, groups=["web"])
        free = self.guest_on(netd, 6)
        self.serve(web.ns, 80, 81)
        self.serve(free.ns, 80, 81)
        for at, back in (("10.10.0.5", "10.10.0.6"), ("fd10::5", "fd10::6")):
            with self.subTest(at):
                self.assertEqual(tcp_ask(free.ns, at, 80).address, back)
                self.assertEqual(udp_ask(free.ns, at, 80).address, back)
                self.assertTrue(free.ping(at))
                self.assertTrue(self.ping_in_pieces(free.ns, at))
                self.assertIsNone(tcp_ask(free.ns, at, 81, timeout=1))
                self.assertIsNone(udp_ask(free.ns, at, 81, timeout=0.5, tries=1))
                # What the port itself begins may leave, and its answers come back.
                self.assertEqual(tcp_ask(web.ns, back, 81).address, at)
                self.assertEqual(udp_ask(web.ns, back, 81).address, at)
                self.assertTrue(web.ping(back))
        self.assertGreaterEqual(self.drops(netd, web)["ingress-group"], 4)
        self.assertNotIn("egress-group", self.drops(netd, web))
        self.assertEqual(netd.call("DescribePort", name=web.name)["port"]["groups"], ["web"])

    def test_what_may_leave(self):
        netd = self.netd_with(NETWORK + GROUPS)
        quiet = self.guest_on(netd, 7, groups=["quiet"])
        server = self.guest_on(netd, 5)
        self.serve(server.ns, 80, 81)
        self.serve(quiet.ns, 22)
        self.assertEqual(tcp_ask(quiet.ns, "10.10.0.5", 80).address, "10.10.0.7")
        self.assertEqual(udp_ask(quiet.ns, "fd10::5", 80).address, "fd10::7")
        self.assertIsNone(tcp_ask(quiet.ns, "10.10.0.5", 81, timeout=1))
        self.assertIsNone(tcp_ask(quiet.ns, "fd10::5", 80, timeout=1))
        self.assertFalse(quiet.ping("10.10.0.5", timeout=1))
        self.assertEqual(tcp_ask(server.ns, "10.10.0.7", 22).name, "tcp22")
        self.assertTrue(server.ping("fd10::7"))
        self.assertGreaterEqual(self.drops(netd, quiet)["egress-group"], 3)

    def test_outside_host_and_forwards(self):
        netd = self.netd_with(NETWORK + GROUPS)
        web = self.guest_on(netd, 5, groups=["web"])
        quiet = self.guest_on(netd, 7, groups=["quiet"])
        self.serve(web.ns, 80, 81)
        self.serve(self.outside, 443)
        self.serve(self.host, 443)
        for there in (INTERNET4, INTERNET6):
            self.assertEqual(tcp_ask(web.ns, there, 443).name, "tcp443")
            self.assertEqual(udp_ask(web.ns, there, 443).name, "udp443")
            self.assertTrue(web.ping(there))
            self.assertIsNone(tcp_ask(quiet.ns, there, 443, timeout=1))
        for at in ("10.10.0.1", "fd10::1"):
            self.assertEqual(tcp_ask(web.ns, at, 443).name, "tcp443")
        for at in (HOST4, HOST6):
            with self.subTest(at):
                self.assertEqual(tcp_ask(self.outside, at, 8080).name, "tcp80")
                # From the host by its own address, and a guest by the host.
                self.assertEqual(tcp_ask(self.host, at, 8080).name, "tcp80")
        self.assertIsNone(tcp_ask(self.outside, HOST4, 8081, timeout=1))
        self.assertEqual(tcp_ask(self.host, "10.10.0.5", 80).name, "tcp80")
        self.assertIsNone(tcp_ask(self.host, "10.10.0.5", 81, timeout=1))
        hairpin = self.guest_on(netd, 6)
        self.assertEqual(tcp_ask(hairpin.ns, HOST4, 8080).name, "tcp80")
        self.assertIsNone(tcp_ask(hairpin.ns, HOST4, 8081, timeout=1))

    def test_members_of_another_group(self):
        netd = self.netd_with(NETWORK + GROUPS + """
  far: {egress: ["tcp 5432 to group:db"]}
""")
        netd.call("Apply", yaml="""
networks:
  green: {mode: routed, addresses: [10.30.0.1/24]}
  gold: {mode: routed, addresses: [10.40.0.1/24]}
""")
        db = self.guest_on(netd, 5, groups=["db"])
        app = self.guest_on(netd, 6, groups=["app"], addresses=[])
        other = self.guest_on(netd, 7)
        self.serve(db.ns, 5432, 22)
        # Nobody knows yet who has that address.
        self.assertIsNone(tcp_ask(app.ns, "10.10.0.5", 5432, timeout=1))
        netd.call("UpdatePort", name=app.name, addresses=["10.10.0.6", "fd10::6"])
        for at, back in (("10.10.0.5", "10.10.0.6"), ("fd10::5", "fd10::6")):
            self.assertEqual(tcp_ask(app.ns, at, 5432).address, back)
            self.assertIsNone(tcp_ask(other.ns, at, 5432, timeout=1))
            self.assertEqual(tcp_ask(other.ns, at, 22).name, "tcp22")
            self.assertIsNone(tcp_ask(app.ns, at, 22, timeout=1))
        # By way of the host, too: a member on another network, in both directions.
        routed = self.guest_on(netd, 5, "green", "10.30.0", "fd30:", groups=["db"],
                               addresses=["10.30.0.5"])
        member = self.guest_on(netd, 6, "gold", "10.40.0", "fd40:", groups=["app", "far"],
                               addresses=["10.40.0.6"])
        stranger = self.guest_on(netd, 7, "gold", "10.40.0", "fd40:", addresses=["10.40.0.7"])
        self.serve(routed.ns, 5432)
        self.assertEqual(tcp_ask(member.ns, "10.30.0.5", 5432).address, "10.40.0.6")
        self.assertIsNone(tcp_ask(stranger.ns, "10.30.0.5", 5432, timeout=1))
        # Its address alone makes nobody a member.
        app.close()
        other.ns.ip("addr", "add", "10.10.0.6/24", "dev", "eth0")
        self.assertIsNone(tcp_ask(other.ns, "10.10.0.5", 5432, timeout=1, source=("10.10.0.6", 0)))

    def test_a_rule_that_goes_cuts(self):
        """What is still allowed loses nothing, what is not ends at once, and may come back."""
        netd = self.netd_with(NETWORK)
        self.apply_groups(netd, "  web: {ingress: [tcp 80, tcp 81], egress: [tcp 82, udp 90]}")
        web = self.guest_on(netd, 5, groups=["web"])
        other = self.guest_on(netd, 6)
        kept = self.stream(other.ns, web.ns, "10.10.0.5", 80)
        gone = self.stream(other.ns, web.ns, "10.10.0.5", 81)
        gone6 = self.stream(other.ns, web.ns, "fd10::5", 81)
        out = self.stream(web.ns, other.ns, "10.10.0.6", 82)
        forward = self.stream(self.outside, web.ns, HOST4, 8081, listen_at=81)
        for stream in (kept, gone, gone6, out, forward):
            self.assertTrue(stream.lives())

        self.apply_groups(netd, "  web: {ingress: [tcp 80], egress: [tcp 82, udp 90]}")
        for stream in (gone, gone6, forward):
            self.assertTrue(stream.is_cut())
        for stream in (kept, out):
            self.assertTrue(stream.lives())

        # The outward one: the server's end goes on sending all the time.
        self.apply_groups(netd, "  web: {ingress: [tcp 80], egress: [udp 90]}")
        self.assertTrue(out.is_cut())
        self.assertTrue(kept.lives())
        self.apply_groups(netd, "  web: {ingress: [tcp 80, tcp 81], egress: any}")
        for stream in (gone, gone6, out, kept, forward):
            wait_until(stream.lives)

    def test_a_guest_that_goes_on_sending(self):
        """A cut UDP flow does not begin anew because the other end goes on."""
        netd = self.netd_with(NETWORK)
        self.apply_groups(netd, "  web: {ingress: [udp 80]}")
        web = self.guest_on(netd, 5, groups=["web"])
        other = self.guest_on(netd, 6)
        with web.ns:
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.bind(("10.10.0.5", 80))
        with other.ns:
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            client.connect(("10.10.0.5", 80))
        self.addCleanup(server.close)
        self.addCleanup(client.close)
        server.settimeout(patience(2))
        client.settimeout(patience(2))
        client.send(b"a")
        _data, peer = server.recvfrom(10)
        server.sendto(b"b", peer)
        self.assertEqual(client.recv(10), b"b")
        self.apply_groups(netd, "  web: {}")
        wait_until(lambda: "connections cut: 1" in netd.log())
        server.settimeout(0.3)
        client.settimeout(0.3)
        for _ in range(3):
            server.sendto(b"c", peer)
            with self.assertRaises(socket.timeout):
                client.recv(10)
            client.send(b"d")
            with self.assertRaises(socket.timeout):
                server.recv(10)

    def test_changes_of_a_port(self):
        netd = self.netd_with(NETWORK + GROUPS)
        netd.call("Apply", yaml="groups: {ssh: {ingress: [tcp 22]}}")
        web = self.guest_on(netd, 5, groups=["web", "ssh"])
        other = self.guest_on(netd, 6)
        kept = self.stream(other.ns, web.ns, "10.10.0.5", 80)
        gone = self.stream(other.ns, web.ns, "10.10.0.5", 22)
        netd.call("UpdatePort", name=web.name, groups=["web"])
        self.assertTrue(gone.is_cut())
        self.assertTrue(kept.lives())
        netd.call("UpdatePort", name=web.name, groups=[])
        wait_until(gone.lives)
        netd.call("UpdatePort", name=web.name, groups=["app"])
        self.assertTrue(kept.is_cut())
        # The next one with this address inherits nothing.
        web.close()
        wait_until(lambda: not any(p["name"] == web.name for p in netd.call("ListPorts")["ports"]))
        wait_until(lambda: "of ports that left" in netd.log())

    def test_defaults_of_the_network(self):
        netd = self.netd_with(NETWORK + "    ports: {groups: [web]}\n" + GROUPS)
        web = self.guest_on(netd, 5)
        free = self.guest_on(netd, 6, groups=[])
        self.serve(web.ns, 81)
        self.serve(free.ns, 81)
        self.assertIsNone(tcp_ask(free.ns, "10.10.0.5", 81, timeout=1))
        self.assertEqual(tcp_ask(web.ns, "10.10.0.6", 81).name, "tcp81")
        kept = self.stream(free.ns, web.ns, "fd10::5", 80)
        netd.write_config("networks.d/lab.yaml", NETWORK + "    ports: {groups: [app]}\n" + GROUPS)
        self.reload(netd)
        wait_until(lambda: netd.call("DescribePort", name=web.name)["port"]["groups"] == ["app"])
        wait_until(kept.is_cut)

    def test_the_same_addresses_twice(self):
        """Two networks with one subnet: the same connection in each is not one."""
        wire = "  %s: {mode: isolated, dhcp: false, ports: {groups: [web]}}\n"
        netd = self.netd_with("networks:\n" + wire % "red" + wire % "white" + GROUPS)
        pairs = []
        for network in ("red", "white"):
            web = self.guest(netd, network)
            other = self.guest(netd, network, groups=[])
            web.ns.ip("addr", "add", "10.50.0.5/24", "dev", "eth0")
            other.ns.ip("addr", "add", "10.50.0.6/24", "dev", "eth0")
            self.tcp_server(web.ns, 80, network)
            pairs.append((network, web, other))
        for network, _web, other in pairs:
            answer = tcp_ask(other.ns, "10.50.0.5", 80, source=("10.50.0.6", 5000))
            self.assertEqual(answer.name, network)

    def rules(self):
        """All but what was counted."""
        text = self.host.run("nft", "-s", "list", "ruleset").stdout
        return re.sub(r"set drops \{.*?\n\t\}", "", text, flags=re.DOTALL)

    def test_log(self):
        netd = self.netd_with(NETWORK + GROUPS)
        shut = self.guest_on(netd, 5, groups=["app"])
        other = self.guest_on(netd, 6)
        self.assertFalse(nft_elements(self.host, "bridge", "logged"))
        self.apply_groups(netd, "  app: {log: true}")
        self.assertEqual(nft_elements(self.host, "bridge", "logged"), [(shut.ifname, None)])
        capture = self.popen(self.host, "timeout", "60", "tcpdump", "-lnc1", "-i", "nflog:17218",
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(lambda: "listening" in capture.stderr.readline())
        self.assertIsNone(tcp_ask(other.ns, "10.10.0.5", 99, timeout=1))
        self.assertIn("resource ID 17218", capture.stdout.readline())

    def test_restart(self):
        netd = self.netd_with(NETWORK + GROUPS)
        web = self.guest_on(netd, 5, groups=["web"])
        other = self.guest_on(netd, 6)
        self.serve(web.ns, 81)
        kept = self.stream(other.ns, web.ns, "10.10.0.5", 80)
        before = self.rules()
        netd.kill()
        netd.start()
        self.assertEqual(self.rules(), before)
        self.assertTrue(kept.lives())
        self.assertIsNone(tcp_ask(other.ns, "10.10.0.5", 81, timeout=1))
        self.host.run("nft", "flush", "ruleset")
        wait_until(lambda: self.rules() == before)
        self.assertTrue(kept.lives())

    def test_dhcp_and_neighbours_need_no_rule(self):
        netd = self.netd_with("""
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24, "fd10::1/64"]
    dhcp: true
groups:
  shut: {egress: []}
""")
        shut = self.guest(netd, "blue", groups=["shut"])
        self.assertTrue(shut.dhcp()["ip"].startswith("10.10.0."))
        self.assertTrue(shut.wait_global6().startswith("fd10:"))
        self.assertFalse(shut.ping("10.10.0.1", timeout=1))
        self.assertIn("10.10.0.1", self.host.run("true").stdout + shut.ns.run("ip", "neigh").stdout)

    def test_by_hand(self):
        netd = self.netd_with(NETWORK + GROUPS)
        netd.vnetctl("port", "attach", "blue", "--name", "p", "--persistent", "--group", "web,db")
        self.assertIn("db,web", netd.vnetctl("port", "show", "p").stdout.replace(", ", ","))
        netd.vnetctl("port", "update", "p", "--group", "none")
        self.assertEqual(netd.call("DescribePort", name="p")["port"]["groups"], [])
        netd.vnetctl("port", "update", "p", "--group", "db")
        self.assertIn("quiet", netd.vnetctl("group", "list").stdout)
        shown = netd.vnetctl("group", "show", "db").stdout
        self.assertIn("  tcp 5432 from group:app", shown)
        self.assertRegex(shown, r"MEMBERS +p")
        again = netd.vnetctl("group", "show", "db", "--definition").stdout
        self.assertIn("tcp 5432 from group:app", again)
        netd.vnetctl("group", "delete", "db", check=False)
        self.assertTrue(netd.call("DescribeGroup", name="db"))
