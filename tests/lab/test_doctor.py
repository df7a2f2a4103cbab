# SPDX-License-Identifier: GPL-2.0-or-later
"""test_doctor.py - others' firewalls stop guests; the doctor names what does, fixes it and leaves no trace"""

import json
import os
import subprocess
import unittest

from vnetlab import HOST4, HostCase, INTERNET4, SkipFeature, patience, repeat, tcp_ask, veth, wait_until

NAT = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24]
    dhcp: true
    forwards: ["tcp 8081 -> 10.10.0.5:80"]
"""
GOLDEN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden")


class DoctorCase(HostCase):
    def setUp(self):
        super().setUp()
        self.tcp_server(self.outside, 8080, "internet")

    def blue(self):
        """netd with its network and a guest on it, that reaches the outside."""
        self.netd = self.netd_with(NAT)
        self.web = self.guest(self.netd, "blue")
        self.web.address("10.10.0.5/24", "10.10.0.1")
        self.tcp_server(self.web.ns, 80, "web")
        self.assertTrue(self.reaches_outside(timeout=patience(5)))
        self.assertEqual(self.diagnose(), ([], 0))

    def reaches_outside(self, timeout=1):
        return tcp_ask(self.web.ns, INTERNET4, 8080, timeout=timeout) is not None

    def forward_works(self):
        return tcp_ask(self.outside, HOST4, 8081, timeout=1) is not None

    def doctor(self, *arguments):
        return self.netd.vnetctl("doctor", *arguments, check=False)

    def diagnose(self, *arguments, stops_only=False):
        """What stops traffic (and what may), and the exit status."""
        result = self.doctor("-o", "json", *arguments)
        findings = json.loads(result.stdout)["findings"]
        kept = [f for f in findings if f["severity"] == "stops" or
                (f["severity"] == "may-stop" and not stops_only)]
        return kept, result.returncode

    def foreign_rules(self):
        """The whole rule set of others, word by word, but for what counts packets."""
        listed = json.loads(self.host.run("nft", "-j", "list", "ruleset").stdout)["nftables"]
        text = []
        for item in listed:
            (kind, value), = item.items()
            if kind == "metainfo" or value.get("table", value.get("name")) == "vnet":
                continue
            for expression in value.get("expr", []) if isinstance(value, dict) else []:
                if isinstance(expression, dict) and "counter" in expression:
                    expression["counter"] = None
            text.append(json.dumps(item, sort_keys=True))
        return text

    def load(self, name):
        self.host.run("sh", "-e", os.path.join(GOLDEN, "filters", name + ".sh"))

    def tagged(self):
        return [line for line in self.foreign_rules() if '"vnet-doctor"' in line]

    def assert_fix_and_unfix(self):
        """--fix lets it pass, --unfix puts back what was there."""
        before = self.foreign_rules()
        findings, status = self.diagnose("--fix")
        self.assertEqual((findings, status), ([], 0), self.foreign_rules())
        self.assertTrue(self.reaches_outside())
        fixed = self.foreign_rules()
        self.assertNotEqual(fixed, before)
        # Once more changes nothing.
        answer = self.netd.call("Fix")
        self.assertEqual(answer["changes"], [])
        self.assertEqual(self.foreign_rules(), fixed)
        self.assertEqual(self.doctor("--unfix").returncode, 1)
        self.assertEqual(self.foreign_rules(), before)
        self.assertFalse(self.reaches_outside())


class Docker(DoctorCase):
    def test_named_fixed_unfixed(self):
        self.blue()
        self.load("docker")
        self.assertFalse(self.reaches_outside())
        self.assertFalse(self.forward_works())
        (finding,), status = self.diagnose()
        self.assertEqual(status, 1)
        self.assertEqual(finding["id"], "filter-forward")
        self.assertEqual(finding["severity"], "stops")
        self.assertEqual(finding["owner"], "Docker")
        self.assertEqual(finding["networks"], ["blue"])
        self.assertEqual(finding["found"],
                         "table ip filter, chain FORWARD: policy drop; hook forward, priority 0")
        # Where br_netfilter is on, guests do not reach each other, either.
        self.assertEqual(finding["traffic"][:3],
                         ["guests to the outside (IPv4)", "answers from the outside to guests (IPv4)",
                          "port forwards (IPv4)"])
        self.assertTrue(finding["canFix"])
        self.assertIn("iptables -t filter -I DOCKER-USER -i vn-blue -j ACCEPT", finding["remedies"])
        text = self.doctor()
        self.assertEqual(text.returncode, 1)
        self.assertIn("STOPS TRAFFIC  filter-forward (Docker)", text.stdout)
        self.assert_fix_and_unfix()

    def test_the_told_commands_help(self):
        self.blue()
        self.load("docker")
        (finding,), _status = self.diagnose()
        for remedy in finding["remedies"]:
            if remedy.startswith("iptables"):
                self.host.run(*remedy.split())
        self.assertTrue(self.reaches_outside())
        self.assertTrue(self.forward_works())
        self.assertEqual(self.diagnose(), ([], 0))

    def test_guests_do_not_get_to_containers(self):
        """Our accept comes after Docker's own word about its containers."""
        self.blue()
        self.load("docker")
        self.host.ip("link", "add", "docker0", "type", "bridge")
        self.host.ip("address", "add", "172.17.0.1/16", "dev", "docker0")
        self.host.ip("link", "set", "docker0", "up")
        container = self.namespace("container")
        veth(self.host, "c0", container, "eth0")
        self.host.ip("link", "set", "c0", "master", "docker0", "up")
        container.ip("address", "add", "172.17.0.2/16", "dev", "eth0")
        container.ip("link", "set", "eth0", "up")
        container.ip("route", "add", "default", "via", "172.17.0.1")
        self.tcp_server(container, 81, "container")
        self.doctor("--fix")
        self.assertTrue(self.reaches_outside())
        self.assertIsNotNone(tcp_ask(self.host, "172.17.0.2", 81, timeout=2))
        self.assertIsNone(tcp_ask(self.web.ns, "172.17.0.2", 81, timeout=1))

    def test_a_restart_of_docker(self):
        """Docker deletes its jumps and puts them first again; policies and our rules stay."""
        self.blue()
        self.load("docker")
        self.doctor("--fix")
        for chain in ("DOCKER-FORWARD", "DOCKER-USER"):
            self.host.run("iptables-nft", "-D", "FORWARD", "-j", chain)
            self.host.run("iptables-nft", "-I", "FORWARD", "-j", chain)
        self.host.run("iptables-nft", "-P", "FORWARD", "DROP")
        self.assertTrue(self.reaches_outside(timeout=patience(5)))
        self.assertEqual(self.diagnose(), ([], 0))

    def test_fixes_are_kept(self):
        """Who flushes the chain, or appends a last word, is followed; so are networks that come and go."""
        self.blue()
        self.load("docker")
        self.doctor("--fix")
        self.host.run("iptables-nft", "-F", "FORWARD")
        wait_until(lambda: len(self.tagged()) == 2, what="the fixes are back")
        self.host.run("iptables-nft", "-I", "FORWARD", "-j", "REJECT")
        wait_until(lambda: self.diagnose() == ([], 0), what="the fixes stand before the new rule")
        self.assertTrue(self.reaches_outside())
        self.netd.vnetctl("apply", "-f", "-", input="networks: {red: {mode: routed, addresses: [10.11.0.1/24]}}")
        wait_until(lambda: len(self.tagged()) == 4, what="the new network's fixes")
        self.netd.vnetctl("network", "delete", "red")
        wait_until(lambda: len(self.tagged()) == 2, what="the deleted network's fixes are gone")
        self.netd.kill()
        self.host.run("iptables-nft", "-F", "FORWARD")
        self.netd.start()
        wait_until(lambda: len(self.tagged()) == 2, what="a new netd keeps them, too")
        self.doctor("--unfix")
        self.assertEqual(self.tagged(), [])
        self.host.run("iptables-nft", "-F", "FORWARD")
        self.netd.call("Plan")
        self.assertEqual(self.tagged(), [])


class Ufw(DoctorCase):
    def test_named_fixed_reloaded_unfixed(self):
        self.blue()
        self.host.run("ufw", "--force", "enable", timeout=60)
        self.addCleanup(self.host.run, "ufw", "disable", check=False, timeout=60)
        self.assertFalse(self.reaches_outside())
        findings, status = self.diagnose()
        self.assertEqual(status, 1)
        self.assertEqual({f["owner"] for f in findings}, {"ufw"})
        found = {f["found"]: f for f in findings}
        forward = found["table ip filter, chain FORWARD: policy drop; hook forward, priority 0"]
        self.assertIn("ufw route allow in on vn-blue", forward["remedies"])
        self.assertTrue(any(f["traffic"] == ["DHCP requests of guests"] for f in findings))
        self.assert_fix_and_unfix()
        self.doctor("--fix")
        self.host.run("ufw", "reload", timeout=60)
        wait_until(lambda: self.diagnose() == ([], 0), what="the fixes stand after the reload")
        self.assertTrue(self.reaches_outside())
        self.assertTrue(self.forward_works())
        self.assertTrue(self.web.dhcp())

    def test_the_told_commands_help(self):
        self.blue()
        self.host.run("ufw", "--force", "enable", timeout=60)
        self.addCleanup(self.host.run, "ufw", "disable", check=False, timeout=60)
        findings, _status = self.diagnose()
        for remedy in {r for f in findings for r in f["remedies"] if r.startswith("ufw ")}:
            self.host.run(*remedy.split(), timeout=60)
        self.assertEqual(self.diagnose(), ([], 0))
        self.assertTrue(self.reaches_outside())
        self.assertTrue(self.forward_works())
        self.assertTrue(self.web.dhcp())


class FirewalldRules(DoctorCase):
    def test_named(self):
        """Its table, as it writes it; Firewalld below has the program itself."""
        self.blue()
        self.load("firewalld")
        self.assertFalse(self.reaches_outside())
        findings, status = self.diagnose()
        self.assertEqual(status, 1)
        self.assertEqual({f["owner"] for f in findings}, {"firewalld"})
        found = [f["found"] for f in findings if "guests to the outside (IPv4)" in f["traffic"]]
        self.assertEqual(len(found), 1)
        self.assertIn('table inet firewalld, chain filter_FWD_public: rule "reject"', found[0])
        before = self.foreign_rules()
        self.doctor("--fix")
        self.assertEqual(self.foreign_rules(), before)


@unittest.skipUnless(os.path.exists("/usr/sbin/firewalld") and os.path.exists("/usr/bin/dbus-daemon"),
                     "firewalld is not installed")
class Firewalld(DoctorCase):
    """
    tests/deps.sh does not install it: Debian's package starts it, and the machine's own network
    would be behind it.
    """

    def setUp(self):
        super().setUp()
        os.makedirs("/run/dbus", exist_ok=True)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        if not os.path.exists("/run/dbus/system_bus_socket"):
            self.popen(self.host, "dbus-daemon", "--system", "--nofork", "--nopidfile", **quiet)
        wait_until(lambda: os.path.exists("/run/dbus/system_bus_socket"), what="D-Bus")
        self.addCleanup(lambda: os.path.exists("/run/dbus/system_bus_socket") and
                        os.unlink("/run/dbus/system_bus_socket"))

    def start_firewalld(self):
        self.popen(self.host, "firewalld", "--nofork", "--nopid", stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
        wait_until(lambda: self.host.run("firewall-cmd", "--state", check=False).returncode == 0,
                   timeout=60, what="firewalld")

    def test_named_and_the_told_commands_help(self):
        self.blue()
        self.start_firewalld()
        self.assertFalse(self.reaches_outside())
        findings, status = self.diagnose()
        self.assertEqual(status, 1)
        self.assertEqual({f["owner"] for f in findings}, {"firewalld"})
        self.assertEqual({f["id"] for f in findings}, {"filter-forward", "filter-input"})
        self.assertFalse(any(f["canFix"] for f in findings))
        before = self.foreign_rules()
        self.doctor("--fix")
        self.assertEqual(self.foreign_rules(), before)
        remedies = []
        for finding in findings:
            remedies += [r for r in finding["remedies"] if r not in remedies]
        for remedy in sorted(remedies, key=lambda r: "--reload" in r):
            self.host.run(*remedy.split(), timeout=60)
        self.assertEqual(self.diagnose(), ([], 0))
        self.assertTrue(self.reaches_outside())
        self.assertTrue(self.forward_works())
        self.assertTrue(self.web.dhcp())
        # Nothing of ours is lost by a reload.
        self.host.run("firewall-cmd", "--reload", timeout=60)
        self.assertTrue(self.reaches_outside(timeout=patience(5)))
        self.assertEqual(self.diagnose(), ([], 0))


class Others(DoctorCase):
    def test_a_rule_about_us_is_respected(self):
        self.blue()
        self.host.run("nft", "add table inet fw; add chain inet fw f { type filter hook forward priority 5; }; "
                      "add rule inet fw f iifname vn-blue oifname != lo drop")
        self.assertFalse(self.reaches_outside())
        (finding,), status = self.diagnose()
        self.assertEqual(status, 1)
        self.assertIn('table inet fw, chain f: rule "iifname "vn-blue" oifname != "lo" drop" (handle 2)',
                      finding["found"])
        self.assertFalse(finding["canFix"])
        before = self.foreign_rules()
        self.doctor("--fix")
        self.assertEqual(self.foreign_rules(), before)

    def test_bridged_frames(self):
        """br_netfilter shows what a bridge passes to IP's rules, and a drop policy there stops it."""
        self.blue()
        subprocess.run(["modprobe", "-q", "br_netfilter"], check=False)
        switch = "net/bridge/bridge-nf-call-iptables"
        if not os.path.exists("/proc/sys/" + switch):
            raise SkipFeature("br_netfilter")
        self.host.sysctl(switch, 1)
        other = self.guest(self.netd, "blue")
        other.address("10.10.0.6/24", "10.10.0.1")
        self.host.run("nft", "add table ip fw; add chain ip fw f { type filter hook forward priority 0; policy drop; }; "
                      "add rule ip fw f iifname != vn-blue accept; add rule ip fw f oifname != vn-blue accept")
        self.assertTrue(self.reaches_outside())
        self.assertIsNone(tcp_ask(other.ns, "10.10.0.5", 80, timeout=1))
        (finding,), status = self.diagnose()
        self.assertEqual((finding["traffic"], status), (["guests to each other (IPv4)"], 1))
        self.assertEqual(self.diagnose("--fix"), ([], 0))
        self.assertIsNotNone(tcp_ask(other.ns, "10.10.0.5", 80))
        self.host.sysctl(switch, 0)
        self.doctor("--unfix")
        self.assertEqual(self.diagnose(), ([], 0))
        self.assertIsNotNone(tcp_ask(other.ns, "10.10.0.5", 80))

    def test_a_bridge_table(self):
        self.blue()
        other = self.guest(self.netd, "blue")
        other.address("10.10.0.6/24", "10.10.0.1")
        self.host.run("ebtables-nft", "-P", "FORWARD", "DROP")
        self.host.run("ebtables-nft", "-A", "FORWARD", "-p", "ARP", "-j", "ACCEPT")
        self.assertIsNone(tcp_ask(other.ns, "10.10.0.5", 80, timeout=1))
        (finding,), status = self.diagnose()
        self.assertEqual((finding["owner"], status), ("ebtables", 1))
        self.assertEqual(finding["traffic"],
                         ["frames of guests to each other (IPv4)", "frames of guests to each other (IPv6)"])
        (remedy,) = finding["remedies"]
        self.host.run(*remedy.replace("ebtables", "ebtables-nft").split())
        self.assertEqual(self.diagnose(), ([], 0))
        self.assertIsNotNone(tcp_ask(other.ns, "10.10.0.5", 80))

    def test_a_drop_policy_with_an_accept_is_no_verdict(self):
        self.blue()
        self.host.run("nft", "add table inet fw; add chain inet fw f { type filter hook forward priority 5; "
                      "policy drop; }; add rule inet fw f iifname vn-* accept; "
                      "add rule inet fw f oifname { vn-blue, vn-red } accept")
        self.assertTrue(self.reaches_outside(timeout=patience(5)))
        self.assertEqual(self.diagnose(), ([], 0))

    def test_iptables_without_nftables(self):
        self.blue()
        if self.host.run("iptables-legacy", "-P", "FORWARD", "DROP", check=False).returncode:
            self.skipTest("this kernel has no iptables without nftables")
        self.assertFalse(self.reaches_outside())
        (finding,), _status = self.diagnose()
        self.assertIn("iptables-legacy table ip filter, chain FORWARD: policy drop", finding["found"])
        self.assertFalse(finding["canFix"])
        for remedy in finding["remedies"]:
            self.host.run(*remedy.split())
        self.assertTrue(self.reaches_outside(timeout=patience(5)))
        self.assertEqual(self.diagnose(), ([], 0))

    def test_forwarding_and_routes(self):
        self.blue()
        # netd may be looking at the host just now, and put it right.
        for _ in repeat(10, 0.1):
            self.host.sysctl("net/ipv4/conf/vn-blue/forwarding", 0)
            findings, status = self.diagnose()
            if status:
                break
        self.assertEqual(status, 1)
        self.assertIn("net.ipv4.conf.vn-blue.forwarding is 0", [f["found"] for f in findings])
        self.host.sysctl("net/ipv4/conf/vn-blue/forwarding", 1)
        self.host.ip("rule", "add", "from", "10.10.0.0/24", "prohibit")
        (finding,), status = self.diagnose()
        self.assertEqual((finding["id"], status), ("route", 1))
        self.assertIn("Permission denied", finding["found"])

    def test_dns_taken(self):
        self.blue()
        server = self.host.popen("/usr/bin/python3", "-c",
                                 "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                                 "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); "
                                 "s.bind(('0.0.0.0', 53)); print(flush=True); sys.stdin.read()",
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(server.communicate)
        server.stdout.readline()
        (finding,), status = self.diagnose()
        self.assertEqual((finding["id"], status), ("port-taken", 0))
        self.assertIn("process %d (python3" % server.pid, finding["found"])

    def test_who_may_ask(self):
        self.blue()
        self.load("docker")
        for method in ("Fix", "Unfix"):
            with self.subTest(method):
                self.assertIn("only root configures", self.as_user(method))
        # Who may see no network is told nothing.
        self.assertEqual(json.loads(self.as_user("Diagnose"))["findings"], [])

    def as_user(self, method):
        result = self.host.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                               os.path.abspath("build/cli/vnetctl"), "--socket", self.netd.socket,
                               "call", method, check=False)
        return result.stdout or result.stderr


if __name__ == "__main__":
    unittest.main()
