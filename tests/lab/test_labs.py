# SPDX-License-Identifier: GPL-2.0-or-later
"""test_labs.py - vnetctl lab: topologies come up, do what they should, and go without a trace"""

import json
import os
import re
import signal
import struct
import subprocess
import xml.etree.ElementTree

from vnetlab import LabCase, find_program, has, patience, wait_until

FOLDER = "/run/vnet-labs"
NAT = """
title: Bridge with NAT
wires: {internet: {rate: 5mbit}}
hosts:
  h1:
    interfaces:
      eth0: {wire: internet, addresses: [203.0.113.2/24], gateway: [203.0.113.1]}
    networks:
      blue: {mode: nat, addresses: [10.10.0.1/24], dhcp: true}
nodes:
  a: {interfaces: {eth0: h1/blue}}
  b: {interfaces: {eth0: {on: h1/blue, port: {guard: strict}}}}
  web:
    interfaces: {eth0: {wire: internet, addresses: [203.0.113.1/24]}}
    services: {http: [80], tcp: [7], udp: [7], dns: {www.example.org: 203.0.113.80}}
expect:
  - a gets an address in 10.10.0.0/24
  - a can ping b
  - a can ping 203.0.113.1
  - http from a to web:80 says web
  - no http from web to a:80
  - a can reach web:7
  - a can reach web:7 over udp
  - a cannot reach web:8
  - a resolves b
  - a cannot resolve nowhere.example.net
  - broadcast of a seen by b only
  - rate a -> web about 5 Mbit/s within 20 %
"""
# One thing wrong with each: an address that no rule lets out, a server that is not there, …
BROKEN = """
wires: {internet: {}}
hosts:
  h1:
    interfaces: {eth0: {wire: internet, addresses: [203.0.113.2/24]}}
    networks:
      blue: {mode: routed, addresses: [10.10.0.1/24], dhcp: true}
      red: {mode: isolated, addresses: [10.11.0.1/24]}
nodes:
  a: {interfaces: {eth0: h1/blue}}
  s: {interfaces: {eth0: {on: h1/red, addresses: [10.11.0.99/24], port: {guard: strict, addresses: [10.11.0.7]}}}}
  c: {interfaces: {eth0: {on: h1/red, addresses: [10.11.0.5/24]}}}
  web: {interfaces: {eth0: {wire: internet, addresses: [203.0.113.1/24]}}, services: {http: [80]}}
expect:
  - a can ping web
  - s can ping c
  - http from c to c:80
  - c cannot ping h1
  - a gets an address in 10.12.0.0/24
  - broadcast of c seen by s, a only
"""


class LabsCase(LabCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.take_all_down)

    def vnetctl(self, *arguments, check=True, **options):
        result = subprocess.run([find_program("vnetctl"), *arguments], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, timeout=patience(120), check=False, **options)
        if check and result.returncode:
            self.fail("vnetctl %s: %d\n%s%s" % (" ".join(arguments), result.returncode, result.stdout, result.stderr))
        return result

    def labs(self):
        return json.loads(self.vnetctl("-o", "json", "lab", "list").stdout)

    def take_all_down(self):
        for lab in self.labs():
            self.vnetctl("lab", "down", lab["name"], check=False)

    def write(self, text, name="nat"):
        path = os.path.join(self.folder, name + ".yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def up(self, text, name="nat"):
        self.vnetctl("lab", "up", self.write(text, name))

    def exec(self, *words, check=True):
        return self.vnetctl("lab", "exec", *words, check=check)

    def assert_nothing_left(self, before):
        self.assertEqual(self.labs(), [])
        self.assertEqual(os.listdir(FOLDER) if os.path.exists(FOLDER) else [], [])
        wait_until(lambda: processes() <= before, what="processes of the lab to end: %s" % (processes() - before))
        self.assertEqual(subprocess.check_output(["ip", "-j", "link"], text=True), self.links_before)


def processes():
    return {int(pid) for pid in os.listdir("/proc") if pid.isdigit()}


class Life(LabsCase):
    def setUp(self):
        super().setUp()
        self.links_before = subprocess.check_output(["ip", "-j", "link"], text=True)

    def test_it_does_what_it_expects_and_leaves_nothing(self):
        before = processes()
        self.up(NAT)
        junit = os.path.join(self.folder, "junit.xml")
        result = self.vnetctl("lab", "test", "nat", "--junit", junit)
        lines = result.stdout.splitlines()
        self.assertEqual(lines[:2], ["TAP version 13", "1..12"])
        self.assertEqual([line for line in lines[2:] if not line.startswith("ok ")], [])
        suite = xml.etree.ElementTree.parse(junit).getroot()
        self.assertEqual((suite.get("tests"), suite.get("failures")), ("12", "0"))
        self.vnetctl("lab", "down", "nat")
        self.assert_nothing_left(before)

    def test_its_first_process_is_killed(self):
        before = processes()
        self.up(NAT)
        lab, = self.labs()
        self.assertEqual(lab["state"], "up")
        os.kill(lab["pid"], signal.SIGKILL)
        wait_until(lambda: self.labs()[0]["state"] == "dead")
        result = self.vnetctl("lab", "exec", "nat", "a", "--", "true", check=False)
        self.assertEqual(result.returncode, 3)
        self.assertIn("has died", result.stderr)
        self.vnetctl("lab", "down", "nat")
        self.assert_nothing_left(before)

    def test_a_dead_one_comes_up_again(self):
        self.up(NAT)
        os.kill(self.labs()[0]["pid"], signal.SIGKILL)
        wait_until(lambda: self.labs()[0]["state"] == "dead")
        self.up(NAT)
        self.exec("nat", "a", "--", "ping", "-c1", "-W5", "10.10.0.1")

    def test_whoever_starts_it_is_interrupted(self):
        before = processes()
        text = NAT + "".join("  # %d\n" % i for i in range(3))
        text = text.replace("nodes:\n", "nodes:\n" + "".join(
            "  n%d: {interfaces: {eth0: h1/blue}}\n" % i for i in range(150)))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number):
                process = subprocess.Popen([find_program("vnetctl"), "lab", "up", self.write(text)],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                wait_until(lambda: os.path.exists(FOLDER + "/nat/pid"))
                process.send_signal(number)
                error = process.communicate(timeout=patience(30))[1]
                self.assertNotEqual(process.returncode, 0, error)
                wait_until(lambda: processes() <= before, timeout=30)
                if number == signal.SIGKILL:
                    self.vnetctl("lab", "down", "nat")
                else:
                    self.assertIn("interrupted", error)
                self.assert_nothing_left(before)

    def test_two_side_by_side(self):
        self.up(NAT, "one")
        self.up(NAT, "two")
        self.exec("one", "web", "--", "ip", "link", "set", "eth0", "down")
        self.assertNotEqual(self.exec("one", "a", "--", "ping", "-c1", "-W1", "203.0.113.1", check=False).returncode, 0)
        self.exec("two", "a", "--", "ping", "-c1", "-W5", "203.0.113.1")
        self.assertEqual([lab["name"] for lab in self.labs()], ["one", "two"])
        self.vnetctl("lab", "down", "one", "two")
        self.assertEqual(self.labs(), [])

    def test_already_up(self):
        self.up(NAT)
        result = self.vnetctl("lab", "up", self.write(NAT), check=False)
        self.assertEqual(result.returncode, 8)
        self.assertIn("is up already", result.stderr)
        self.exec("nat", "a", "--", "true")

    def test_fifty_hosts_with_two_hundred_nodes(self):
        before = processes()
        # An emulated machine, or one that checks every access, has its own idea of many.
        n_hosts = 50 if patience(1) == 1 else 8
        text = "wires: {backbone: {}}\nhosts:\n" + "".join(
            "  h%d: {interfaces: {eth0: {wire: backbone, addresses: [172.16.0.%d/24]}}, networks: "
            "{blue: {mode: nat, addresses: [10.%d.0.1/24], dhcp: true}}}\n" % (i, i + 1, i) for i in range(n_hosts))
        text += "nodes:\n" + "".join("  n%d: {interfaces: {eth0: h%d/blue}}\n" % (i, i % n_hosts) for i in range(4 * n_hosts))
        text += "expect:\n" + "".join("  - n%d gets an address in 10.%d.0.0/24\n" % (i, i % n_hosts) for i in range(4 * n_hosts))
        self.up(text, "big")
        self.vnetctl("lab", "test", "big")
        self.vnetctl("lab", "down", "big")
        self.assert_nothing_left(before)


class Inside(LabsCase):
    def test_exec(self):
        self.up(NAT)
        self.assertEqual(self.exec("nat", "web", "--", "hostname").stdout, "web\n")
        self.assertEqual(self.exec("nat", "web", "--", "sh", "-c", "exit 7", check=False).returncode, 7)
        self.assertEqual(self.exec("nat", "web", "--", "nonsense", check=False).returncode, 127)
        links = json.loads(self.exec("nat", "a", "--", "ip", "-j", "link").stdout)
        self.assertEqual({link["ifname"] for link in links}, {"lo", "eth0"})
        self.assertEqual(set(self.exec("nat", "a", "--", "ls", "/sys/class/net").stdout.split()), {"lo", "eth0"})
        self.assertIn("nameserver 10.10.0.1", self.exec("nat", "a", "--", "cat", "/etc/resolv.conf").stdout)
        ports = json.loads(self.exec("nat", "h1", "--", find_program("vnetctl"), "-o", "json", "port", "list").stdout)
        self.assertEqual([port["name"] for port in ports], ["a", "b"])

    def test_status(self):
        self.up(NAT)
        machines = json.loads(self.vnetctl("-o", "json", "lab", "status", "nat").stdout)
        self.assertEqual([(m["name"], m["kind"], m["state"]) for m in machines],
                         [("h1", "host", "up"), ("a", "node", "up"), ("b", "node", "up"), ("web", "node", "up")])
        self.assertRegex(machines[1]["interfaces"][0], r"^eth0 h1/blue 10\.10\.0\.\d+/24$")
        self.exec("nat", "h1", "--", find_program("vnetctl"), "port", "detach", "b")
        machines = json.loads(self.vnetctl("-o", "json", "lab", "status", "nat").stdout)
        self.assertEqual(machines[2]["state"], "down")

    def test_impair(self):
        self.up(NAT.replace("{rate: 5mbit}", "{}") .replace("about 5 Mbit/s within 20 %", "at least 8mbit"))
        self.vnetctl("lab", "test", "nat")
        self.vnetctl("lab", "impair", "nat", "internet", "--rate", "2mbit")
        result = self.vnetctl("lab", "test", "nat", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, r"not ok 12 .*\n# [0-9.]+ Mbit/s, wanted at least 8 Mbit/s")
        self.vnetctl("lab", "impair", "nat", "internet", "--clear")
        self.vnetctl("lab", "test", "nat")

    def test_delay(self):
        self.up(NAT)
        result = self.vnetctl("lab", "impair", "nat", "internet", "--delay", "100ms", check=False)
        if not has("netem"):
            self.assertIn("this kernel has no netem", result.stderr)
            # As it was: a refusal changes nothing.
            self.assertIn("tbf", self.exec("nat", "web", "--", "tc", "qdisc", "show", "dev", "eth0").stdout)
            return
        self.assertEqual(result.returncode, 0, result.stderr)
        output = self.exec("nat", "a", "--", "ping", "-c2", "-W5", "203.0.113.1").stdout
        self.assertGreater(float(re.search(r"= ([0-9.]+)/", output)[1]), 199)

    def test_capture(self):
        self.up(NAT)
        path = os.path.join(self.folder, "frames.pcap")
        capture = self.popen_vnetctl("lab", "capture", "nat", "internet", "-c", "10", "-w", path)
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path) >= 24)
        # More than the machines say by themselves when their IPv6 begins.
        self.exec("nat", "a", "--", "ping", "-c6", "-i0.2", "-W5", "203.0.113.1")
        self.assertEqual(capture.wait(timeout=patience(20)), 0)
        with open(path, "rb") as f:
            data = f.read()
        magic, major, minor, _, _, _, link = struct.unpack_from("=IHHIIII", data)
        self.assertEqual((magic, major, minor, link), (0xa1b23c4d, 2, 4, 1))
        text = subprocess.check_output(["tcpdump", "-nr", path], text=True, stderr=subprocess.DEVNULL)
        self.assertIn("203.0.113.2 > 203.0.113.1: ICMP echo request", text)
        self.assertEqual(len(text.splitlines()), 10)

    def popen_vnetctl(self, *arguments):
        process = subprocess.Popen([find_program("vnetctl"), *arguments])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_segments_and_what_runs(self):
        self.up("""
wires: {lan: {}}
nodes:
  a: {interfaces: {eth0: {wire: lan, addresses: [10.0.0.1/24, "2001:db8::1/64"]}}}
  b: {interfaces: {eth0: {wire: lan, addresses: [10.0.0.2/24], gateway: [10.0.0.3]}}}
  r: {forwarding: true, interfaces: {eth0: {wire: lan, addresses: [10.0.0.3/24]}, eth1: {wire: far, addresses: [10.1.0.3/24]}}}
  c: {interfaces: {eth0: {wire: lan, addresses: ["2001:db8::2/64"]}}, run: ["echo started >/run/lab/marker", "sleep 1000 &"]}
  d: {interfaces: {eth0: {wire: far, addresses: [10.1.0.1/24]}}, routes: [{to: 10.0.0.0/24, via: 10.1.0.3}]}
expect:
  - a can ping b
  - a can ping c over ipv6
  - a cannot ping c over ipv4
  - b can ping d
  - d can ping b
  - a cannot ping d
  - broadcast of a seen by b, r, c only
""".replace("wires: {lan: {}}", "wires: {lan: {}, far: {}}"), "segments")
        self.vnetctl("lab", "test", "segments")
        self.assertEqual(self.exec("segments", "c", "--", "cat", "/run/lab/marker").stdout, "started\n")


class Failures(LabsCase):
    def test_the_reason(self):
        self.up(BROKEN, "broken")
        result = self.vnetctl("-o", "json", "lab", "test", "broken", check=False)
        self.assertEqual(result.returncode, 1)
        results = json.loads(result.stdout)
        self.assertEqual([r["holds"] for r in results], [False] * 6)
        self.assertIn("seen last at web eth0 (arriving)", results[0]["reason"])
        self.assertIn("the guard of s's port drops", results[1]["reason"])
        self.assertIn("Connection refused", results[2]["reason"])
        self.assertIn("it does", results[3]["reason"])
        self.assertRegex(results[4]["reason"], r"it has 10\.10\.0\.\d+")
        self.assertIn("a does not see it", results[5]["reason"])

    def test_what_a_server_says_drives_no_terminal(self):
        self.up(r"""
wires: {lan: {}}
nodes:
  a: {interfaces: {eth0: {wire: lan, addresses: [10.0.0.1/24]}}}
  evil:
    interfaces: {eth0: {wire: lan, addresses: [10.0.0.2/24]}}
    run: ['busybox nc -ll -p 80 -e printf "HTTP/1.0 200 OK\r\n\r\n\033[31m<evil> & it''s\n" >/dev/null 2>&1 &']
expect: ["http from a to evil:80 says <good>"]
""", "evil")
        junit = os.path.join(self.folder, "junit.xml")
        result = self.vnetctl("lab", "test", "evil", "--junit", junit, check=False)
        self.assertIn("# it says \"\\x1b[31m<evil> & it's", result.stdout)
        case, = xml.etree.ElementTree.parse(junit).getroot()
        self.assertEqual(case.get("name"), "http from a to evil:80 says <good>")
        self.assertIn("it says \"\\x1b[31m<evil> & it's", case[0].get("message"))

    def test_refused_before_anything_is_there(self):
        for text, wanted in (("nodes: {a: {interfaces: {eth0: {wire: w}}}}", "there is no wire w"),
                             ("hosts: {h1: {networks: {blue: {mode: nat}}}}", "needs an address"),
                             ("nodes: [", "nat.yaml:"),
                             ("nodes:\n" + "".join("  n%d:\n" % i for i in range(10000)), "at most 2048")):
            with self.subTest(wanted):
                result = self.vnetctl("lab", "up", self.write(text), check=False)
                self.assertEqual(result.returncode, 7, result.stderr)
                self.assertIn(wanted, result.stderr)
                self.assertEqual(self.labs(), [])

    def test_refused_by_netd(self):
        text = NAT.replace("{guard: strict}", "{guard: strict, mtu: 99999}")
        result = self.vnetctl("lab", "up", self.write(text), check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertRegex(result.stderr, r"nat\.yaml:12:\d+: mtu: b eth0 on h1/blue: mtu is")
        self.assertEqual(self.labs(), [])

    def test_a_command_that_fails(self):
        result = self.vnetctl("lab", "up", self.write('nodes: {a: {run: ["true", "echo no >&2; exit 3"]}}'),
                              check=False)
        self.assertIn("nat.yaml:1:9: a: run[1] ends with status 3: no", result.stderr)
        self.assertEqual(self.labs(), [])

    def test_a_netd_that_does_not_start(self):
        result = self.vnetctl("lab", "up", self.write(NAT), "--netd", "/bin/false", check=False)
        self.assertIn("netd of host h1 does not start", result.stderr)
        result = self.vnetctl("lab", "up", self.write(NAT), "--netd", "/nowhere/netd", check=False)
        self.assertIn("there is no netd at /nowhere/netd", result.stderr)
        self.assertEqual(self.labs(), [])

    def test_words(self):
        for words, status in ((("down", "nope"), 3), (("exec", "nope", "a", "--", "true"), 3), (("test", "nope"), 3),
                              (("status", "../x"), 7), (("up", "/nowhere.yaml"), 1), (("exec", "x", "y"), 2),
                              (("impair", "nat", "internet"), 2)):
            with self.subTest(words):
                self.assertEqual(self.vnetctl("lab", *words, check=False).returncode, status)

    def test_no_such_part(self):
        self.up(NAT)
        for words, wanted in ((("exec", "nat", "z", "--", "true"), "has no machine z"),
                              (("impair", "nat", "z", "--clear"), "has no wire z"),
                              (("impair", "nat", "internet", "--loss", "5"), "5"),
                              (("capture", "nat", "z"), "z is no wire"),
                              (("capture", "nat", "a:eth9"), "cannot listen on eth9")):
            with self.subTest(words):
                result = self.vnetctl("lab", *words, check=False)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(wanted, result.stderr)


class Drawings(LabsCase):
    def test_of_a_file_and_of_a_lab(self):
        path = self.write(NAT)
        text = self.vnetctl("lab", "graph", path).stdout
        self.assertIn("└─ blue  nat 10.10.0.1/24 dhcp  ⇢ eth0 (nat)", text)
        self.up(NAT)
        self.assertEqual(self.vnetctl("lab", "graph", "nat").stdout, text)
        self.assertTrue(self.vnetctl("lab", "graph", "nat", "--format", "dot").stdout.startswith("graph lab {"))


class WithoutRoot(LabsCase):
    """In a user namespace: what nobody may, nobody's lab may not."""

    def test_as_nobody(self):
        folder = os.path.join(self.folder, "runtime")
        os.mkdir(folder, 0o700)
        os.chown(folder, 65534, 65534)
        environment = dict(os.environ, XDG_RUNTIME_DIR=folder)
        path = self.write(NAT)

        def run(*arguments):
            return self.vnetctl(*arguments, env=environment, user=65534, group=65534, extra_groups=[])
        run("lab", "up", path)
        self.assertEqual(self.labs(), [])
        self.assertEqual(run("lab", "exec", "nat", "a", "--", "id", "-u").stdout, "0\n")
        run("lab", "test", "nat")
        run("lab", "down", "nat")
        self.assertEqual(os.listdir(os.path.join(folder, "vnet-labs")), [])
