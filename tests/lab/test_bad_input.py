# SPDX-License-Identifier: GPL-2.0-or-later
"""test_bad_input.py - each wrong input gets its answer, changes nothing, and disturbs nobody"""

import json
import os
import resource
import shutil
import socket
import stat
import subprocess
import time

from vnetlab import Client, HostCase, VarlinkError, Witness, build_path, find_program, wait_until

GOOD = """
networks:
  good:
    mode: nat
    addresses: [10.1.0.1/24, "fd01::1/64"]
    dhcp: true
    forwards:
      - tcp 8080 -> 10.1.0.5:80
"""
HEAD = "networks:\n  bad:\n    mode: nat\n"  # what follows is on line 4
PLAIN = HEAD.replace("nat", "isolated")  # needs no address
MESSAGE_MAX = 8 * 1024 * 1024

# What is wrong, the text, the line that the answer names, words that the answer has.
DEFINITIONS = [
    ("tab as indentation", "networks:\n\tbad: {mode: nat}\n", 2, []),
    ("open bracket", HEAD + "    addresses: [10.2.0.1/24\n", None, []),
    ("no mapping", "- bad\n", 1, ["networks"]),
    ("a scalar", "hello\n", 1, []),
    ("other top-level key", "networks: {}\nnetwork: {}\n", 2, ["network"]),
    ("network without mode", "networks:\n  bad: {}\n", 2, ["mode"]),
    ("unknown mode", "networks:\n  bad:\n    mode: natt\n", 3, ["natt", "nat", "isolated"]),
    ("unknown key", HEAD + "    adresses: [10.2.0.1/24]\n", 4, ["adresses", "addresses"]),
    ("unknown nested key", HEAD + "    dhcp: {range: []}\n", 4, ["range", "ranges"]),
    ("duplicate key", HEAD + "    domain: a.test\n    domain: b.test\n", 5, ["domain"]),
    ("duplicate network", "networks:\n  bad: {mode: nat}\n  bad: {mode: nat}\n", 3, ["bad"]),
    ("anchor", "networks:\n  bad: &x {mode: nat}\n", 2, []),
    ("alias", "networks:\n  a: {mode: nat}\n  bad: *x\n", 3, []),
    ("tag", "networks:\n  bad: !!map {mode: nat}\n", 2, []),
    ("second document", "networks: {}\n---\nnetworks: {}\n", 2, []),
    ("boolean of another kind", HEAD + "    autostart: yes\n", 4, ["yes", "true", "false"]),
    ("number with text", PLAIN + "    bridge: {mtu: 15oo}\n", 4, ["15oo"]),
    ("overlap with a network that runs", HEAD + "    addresses: [10.1.0.129/25]\n", None,
     ["good", "10.1.0"]),
    ("overlap of two new ones", "networks:\n  bad1: {mode: nat, addresses: [10.2.0.1/16]}\n"
     "  bad2: {mode: nat, addresses: [10.2.3.1/24]}\n", None, ["bad1", "bad2"]),
    ("overlap in IPv6", HEAD + '    addresses: ["fd01::aa:1/64"]\n', None, ["good"]),
    ("overlap with a route of the host", HEAD + "    addresses: [192.0.2.77/26]\n", None, ["192.0.2"]),
    ("network address as an address", HEAD + "    addresses: [10.2.0.0/24]\n", 4, ["10.2.0.0"]),
    ("not an address", HEAD + "    addresses: [10.2.0.300/24]\n", 4, ["10.2.0.300"]),
    ("prefix too long", HEAD + "    addresses: [10.2.0.1/33]\n", 4, ["33"]),
    ("multicast address", HEAD + "    addresses: [224.0.0.1/24]\n", 4, ["224.0.0.1"]),
    ("range outside its subnet", HEAD + "    addresses: [10.2.0.1/24]\n"
     "    dhcp: {ranges: [10.3.0.10-10.3.0.20]}\n", 5, ["10.3.0.10"]),
    ("range that runs out of its subnet", HEAD + "    addresses: [10.2.0.1/24]\n"
     "    dhcp: {ranges: [10.2.0.10-10.2.1.20]}\n", 5, ["10.2.1.20"]),
    ("range turned round", HEAD + "    addresses: [10.2.0.1/24]\n"
     "    dhcp: {ranges: [10.2.0.20-10.2.0.10]}\n", 5, ["10.2.0.20"]),
    ("DHCP host outside the subnet", HEAD + "    addresses: [10.2.0.1/24]\n    dhcp:\n"
     "      hosts:\n        - {name: a, address: 10.9.0.5}\n", 7, ["10.9.0.5"]),
    ("two DHCP hosts with one MAC", HEAD + "    addresses: [10.2.0.1/24]\n    dhcp:\n"
     '      hosts:\n        - {mac: "52:54:00:00:00:01", address: 10.2.0.5}\n'
     '        - {mac: "52:54:00:00:00:01", address: 10.2.0.6}\n', 8, ["mac", "line 7"]),
    ("two DHCP hosts with one address", HEAD + "    addresses: [10.2.0.1/24]\n    dhcp:\n"
     '      hosts:\n        - {mac: "52:54:00:00:00:01", address: 10.2.0.5}\n'
     '        - {mac: "52:54:00:00:00:02", address: 10.2.0.5}\n', 8, ["address", "line 7"]),
    ("multicast MAC", HEAD + "    addresses: [10.2.0.1/24]\n    dhcp:\n      hosts:\n"
     '        - {mac: "01:00:5e:00:00:01", address: 10.2.0.5}\n', 7, ["01:00:5e:00:00:01"]),
    ("DHCP without an address", HEAD + "    dhcp: true\n", None, ["address"]),
    ("name over 15 characters", "networks:\n  a-name-that-is-too-long: {mode: nat}\n", 2, ["15"]),
    ("bridge name over 15 characters", "networks:\n  thirteenchars: {mode: nat}\n", 2,
     ["bridge.name"]),
    ("control character in a name", 'networks:\n  "ba\\u0007d": {mode: nat}\n', 2, []),
    ("slash in a name", "networks:\n  ../bad: {mode: nat}\n", 2, []),
    ("line break in a name", 'networks:\n  "a\\nb": {mode: nat}\n', 2, []),
    ("space in a bridge name", HEAD + '    bridge: {name: "a b"}\n', 4, []),
    ("two networks on one bridge", "networks:\n  bad1: {mode: open, bridge: {name: shared}}\n"
     "  bad2: {mode: open, bridge: {name: shared}}\n", None, ["shared", "bad1", "bad2"]),
    ("the bridge of another network", PLAIN + "    bridge: {name: vn-good}\n", None,
     ["vn-good", "good"]),
    ("name of a foreign device", PLAIN + "    bridge: {name: up0}\n", None, ["up0"]),
    ("name of a foreign bridge", PLAIN + "    bridge: {name: foreign0}\n", None, ["foreign0"]),
    ("uplink that is not there", "networks:\n  bad:\n    mode: bridged\n    uplink: nic77\n",
     None, ["nic77"]),
    ("bridged without bridge and uplink", "networks:\n  bad:\n    mode: bridged\n", None,
     ["uplink", "bridge"]),
    ("NAT in a routed network", "networks:\n  bad:\n    mode: routed\n    addresses: [10.2.0.1/24]\n"
     "    nat: {ipv4: true}\n", None, ["nat"]),
    ("forwards that collide in one network", HEAD + "    addresses: [10.2.0.1/24]\n    forwards:\n"
     "      - tcp 90-99 -> 10.2.0.5\n      - tcp 95 -> 10.2.0.6:95\n", 7, ["95"]),
    ("a forward of another network", HEAD + "    addresses: [10.2.0.1/24]\n    forwards:\n"
     "      - tcp 8080 -> 10.2.0.5:80\n", 6, ["8080", "good"]),
    ("forward to nowhere", HEAD + "    addresses: [10.2.0.1/24]\n    forwards:\n"
     "      - tcp 90 -> 10.3.0.5:80\n", 6, ["10.3.0.5"]),
    ("forward of unequal ranges", HEAD + "    addresses: [10.2.0.1/24]\n    forwards:\n"
     "      - {protocol: tcp, listen: 90-95, to: '10.2.0.5:90-99'}\n", 6, ["6", "10"]),
    ("forward of a port that is none", HEAD + "    addresses: [10.2.0.1/24]\n    forwards:\n"
     "      - tcp 70000 -> 10.2.0.5:80\n", 6, ["70000"]),
    ("forward of another protocol", HEAD + "    addresses: [10.2.0.1/24]\n    forwards:\n"
     "      - icmp 80 -> 10.2.0.5:80\n", 6, ["icmp", "tcp", "udp"]),
    ("MTU too small", PLAIN + "    bridge: {mtu: 67}\n", 4, ["67", "68"]),
    ("MTU too large", PLAIN + "    bridge: {mtu: 65536}\n", 4, ["65536", "65535"]),
    ("MTU too small for IPv6", HEAD + '    addresses: ["fd02::1/64"]\n    bridge: {mtu: 1200}\n',
     None, ["1280"]),
    ("number that overflows", PLAIN + "    bridge: {mtu: 18446744073709551617}\n", 4, []),
    ("negative number", PLAIN + "    bridge: {mtu: -1}\n", 4, []),
    ("group_fwd_mask with bits the kernel refuses", PLAIN + "    bridge: {group_fwd_mask: 7}\n",
     4, ["group_fwd_mask"]),
    ("a dnsmasq option smuggled in", HEAD + '    addresses: [10.2.0.1/24]\n'
     '    domain: "a\\naddn-hosts=/etc/shadow"\n', 5, []),
    ("a dnsmasq option smuggled into a record", HEAD + "    addresses: [10.2.0.1/24]\n    dns:\n"
     '      txt:\n        - {name: a.test, value: "x\\nconf-file=/etc/shadow"}\n', 7, []),
    ("route without a way", HEAD + "    addresses: [10.2.0.1/24]\n    routes:\n"
     "      - {to: 10.7.0.0/24, via: 10.9.0.1}\n", 6, ["10.9.0.1"]),
    ("guard of another word", PLAIN + "    ports: {guard: strickt}\n", 4,
     ["strickt", 'did you mean "strict"', "off"]),
    ("unknown key of a guard", PLAIN + "    ports:\n      guard: {polcy: strict}\n", 5,
     ["polcy", "policy"]),
    ("unknown switch of a guard", PLAIN + "    ports:\n      guard:\n        policy: strict\n"
     "        allow: [dhcp-servr]\n", 7, ["dhcp-servr", "dhcp-server", "router"]),
    ("a switch without the checks", PLAIN + "    ports:\n      guard:\n        allow: [router]\n", 6,
     ["strict", "ports.guard.allow"]),
    ("host bits in a guard's prefix", PLAIN + "    ports:\n      guard: {policy: strict, "
     "addresses: [10.9.0.1/24]}\n", 5, ["host bits", "addresses[0]"]),
    ("the bridge's own address for guests", HEAD + "    addresses: [10.2.0.1/24]\n    ports:\n"
     "      guard: {policy: strict, addresses: [10.2.0.9, 10.2.0.1]}\n", 6,
     ["10.2.0.1", "bridge", "addresses[1]"]),
    ("a prefix with the bridge's address", HEAD + "    addresses: [10.2.0.1/24]\n    ports:\n"
     "      guard: {policy: strict, addresses: [10.2.0.0/28]}\n", 6, ["10.2.0.1", "any-address"]),
    ("a tag as an ethertype", PLAIN + "    ports:\n      guard: {policy: strict, "
     "ethertypes: [0x8100]}\n", 5, ["0x8100", "vlan-tags"]),
    ("a length as an ethertype", PLAIN + "    ports:\n      guard: {policy: strict, "
     "ethertypes: [1500]}\n", 5, ["1500", "llc"]),
    ("IPv4 as another ethertype", PLAIN + "    ports:\n      guard: {policy: strict, "
     "ethertypes: [0x0800]}\n", 5, ["0x0800", "IPv4"]),
    ("an unknown ethertype", PLAIN + "    ports:\n      guard: {policy: strict, "
     "ethertypes: [lldpp]}\n", 5, ["lldpp", 'did you mean "lldp"']),
    ("a group's MAC in a guard", PLAIN + "    ports: {guard: {macs: [01:00:5e:00:00:12]}}\n", 4,
     ["01:00:5e:00:00:12"]),
    ("a storm limit of nothing", PLAIN + "    ports: {guard: {storm: {broadcast: 0}}}\n", 4,
     ["broadcast", "1 to 10000000"]),
    ("storm limits on macvtap", "networks:\n  bad:\n    mode: macvtap\n    uplink: up0\n"
     "    ports: {guard: {storm: {broadcast: 9}}}\n", 5, ["bandwidth.out"]),
    ("a guard for virtual functions", "networks:\n  bad:\n    mode: sriov\n    uplink: up0\n"
     "    ports: {guard: strict}\n", 5, ["sriov.spoofchk"]),
    ("too many addresses of a guard", PLAIN + "    ports:\n      guard: {policy: strict, addresses: [%s]}\n"
     % ", ".join("10.9.0.%d" % i for i in range(1, 66)), 5, ["65", "64"]),
    ("invalid UTF-8 escape", 'networks:\n  bad: {mode: "\\xzz"}\n', 2, []),
]


class BadCase(HostCase):
    def setUp(self):
        super().setUp()
        self.host.ip("link", "add", "foreign0", "type", "bridge")
        self.netd = self.netd_with(GOOD)
        self.bystander = self.netd.client()
        self.before = Witness(self.host)
        self.networks = self.bystander.ListNetworks()

    def assert_served(self):
        """Another client is served, and netd has nothing new."""
        start = time.monotonic()
        self.assertEqual(self.bystander.ListNetworks(), self.networks)
        self.assertLess(time.monotonic() - start, 5)

    def assert_untouched(self):
        """Nor has the kernel."""
        self.assert_served()
        self.assertEqual(self.before.diff(Witness(self.host)), "")

    def assert_refused(self, method, words=(), error=None, **parameters):
        with self.assertRaises(VarlinkError) as caught:
            self.netd.call(method, **parameters)
        e = caught.exception
        if error:
            self.assertEqual(e.name, error, e)
        if not e.full_name.startswith("org.varlink"):
            self.assertRegex(e.code or "", r"^[a-z0-9-]+$")
            self.assertGreater(len(e.message), 10)
            self.assertLess(len(e.message), 1000)
            self.assertTrue(e.message.isprintable(), repr(e.message))
        for word in words:
            self.assertIn(word, e.message + " " + (e.problem.get("path") or ""), e)
        return e


class Definitions(BadCase):
    def test_each_has_its_place_and_its_remedy(self):
        for what, text, line, words in DEFINITIONS:
            with self.subTest(what):
                e = self.assert_refused("Apply", words, yaml=text, file="bad.yaml")
                self.assertIn(e.name, ("InvalidDefinition", "AlreadyExists", "NotFound", "InUse"))
                self.assertEqual(e.problem.get("file"), "bad.yaml")
                self.assertGreater(e.problem.get("line") or 0, 0)
                if line is not None:
                    self.assertEqual(e.problem["line"], line, e)
                self.assertGreater(e.problem.get("column") or 0, 0)
                self.assertEqual(self.bystander.ListNetworks(), self.networks)
        self.assert_untouched()

    def test_plan_refuses_the_same(self):
        for what, text, _line, words in DEFINITIONS[::7]:
            with self.subTest(what):
                self.assert_refused("Plan", words, yaml=text, file="bad.yaml")
        self.assert_untouched()

    def test_one_bad_network_keeps_the_good_one_beside_it_out(self):
        self.assert_refused("Apply", ["mtu"], yaml="networks:\n  fine: {mode: isolated}\n"
                            "  bad: {mode: isolated, bridge: {mtu: 1}}\n")
        self.assert_untouched()

    def test_json_has_the_path(self):
        for networks, path in (
                ({"bad": {"mode": "nat", "bridge": {"mtu": 1}}}, "bad.bridge.mtu"),
                ({"bad": {"mode": "nat", "addresses": ["10.2.0.1/24"], "forwards": [
                    {"protocol": "tcp", "listen": "80", "to": "10.2.0.5:80"},
                    {"protocol": "tcp", "listen": "80", "to": "10.2.0.6:80"}]}}, "bad.forwards[1]"),
                ({"bad": {"mode": 7}}, "bad.mode"),
                ({"bad": []}, "bad"),
                ({"bad": {"mode": "nat", "addresses": [None]}}, "bad.addresses[0]")):
            with self.subTest(path):
                e = self.assert_refused("Apply", networks=networks)
                self.assertIn(path, e.problem.get("path") or "")
        self.assert_untouched()

    def test_nesting(self):
        for text in ("networks: " + "{a: " * 1000 + "1" + "}" * 1000,
                     "networks: " + "[" * 1000 + "]" * 1000,
                     "".join("%s- \n" % (" " * i) for i in range(1000)),
                     "networks:\n" + "".join("%sa:\n" % (" " * i) for i in range(1, 1000))):
            with self.subTest(text[:20]):
                e = self.assert_refused("Apply", yaml=text, file="deep.yaml")
                self.assertEqual(e.problem.get("file"), "deep.yaml")
        client = self.netd.client()
        client.send_raw(b'{"method":"io.vnet.Netd.Apply","parameters":{"networks":' +
                        b'{"a":' * 100000 + b"1" + b"}" * 100000 + b"}}\0")
        with self.assertRaises((VarlinkError, EOFError, ConnectionError)):
            client.receive()
        self.assert_untouched()

    def test_too_large(self):
        # Larger than a definition may be, smaller than a message may be.
        e = self.assert_refused("Apply", yaml="# " + "x" * (5 * 1024 * 1024), file="big.yaml")
        self.assertIn("4 MiB", e.message)
        path = os.path.join(self.folder, "huge.yaml")
        with open(path, "wb") as f:
            f.write(b"networks:\n")
            f.truncate(100 * 1024 * 1024)
        start = time.monotonic()
        result = self.netd.vnetctl("apply", "-f", path, check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("huge.yaml", result.stdout)
        self.assertIn("4 MiB", result.stdout)
        self.assertLess(time.monotonic() - start, 10)
        self.assert_untouched()

    def test_many_of_everything(self):
        """Limits are named, not hit by exhaustion."""
        many = "networks:\n" + "".join("  n%d: {mode: isolated}\n" % i for i in range(5000))
        self.assertIn("4096", self.assert_refused("Apply", yaml=many).message)
        forwards = HEAD + "    addresses: [10.2.0.1/24]\n    forwards:\n" + "".join(
            "      - tcp %d -> 10.2.0.5:80\n" % (i + 1) for i in range(1025))
        self.assertIn("1024", self.assert_refused("Apply", yaml=forwards).message)
        self.assertIn("4096", self.assert_refused(
            "Apply", yaml=HEAD + "    addresses: [10.2.0.1/24]\n    forwards:\n"
            "      - tcp 10000-14999 -> 10.2.0.5\n").message)
        self.assert_untouched()

    def test_files_of_the_configuration(self):
        """At start a bad file is named in the log; the good ones run."""
        netd = self.netd
        netd.stop()
        files = {"a-bad.yaml": HEAD + "    adresses: []\n", "b-nul.yaml": "networks:\0\n",
                 "c-good.yaml": "networks: {fine: {mode: isolated}}\n"}
        for name, text in files.items():
            netd.write_config("networks.d/" + name, text)
        huge = netd.write_config("networks.d/d-huge.yaml", "")
        os.truncate(huge, 100 * 1024 * 1024)
        netd.start()
        states = {n["name"]: n["state"] for n in netd.call("ListNetworks")["networks"]}
        self.assertEqual(states, {"good": "running", "fine": "running"})
        log = netd.log()
        for text in ("a-bad.yaml:4:", "adresses", "b-nul.yaml", "d-huge.yaml", "4 MiB"):
            self.assertIn(text, log)

    def test_vnetctl_prints_position_and_remedy(self):
        path = os.path.join(self.folder, "mine.yaml")
        with open(path, "w", encoding="ascii") as f:
            f.write(HEAD + "    adresses: [10.2.0.1/24]\n")
        for arguments in (("apply", "-f", path), ("apply", "--dry-run", "-f", path)):
            result = self.netd.vnetctl(*arguments, check=False)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("mine.yaml:4:5", result.stdout)
            self.assertIn("addresses", result.stdout)
        result = self.netd.vnetctl("apply", "-f", "-", check=False,
                                   input="networks:\n  bad: {mode: nut}\n")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("2:", result.stdout)
        result = self.netd.vnetctl("apply", "-f", "/nowhere.yaml", check=False)
        self.assertIn("/nowhere.yaml", result.stdout)
        self.assert_untouched()


class Parameters(BadCase):
    def test_attach(self):
        for parameters, words in (
                ({}, ["network"]),
                ({"network": "nobody"}, ["nobody"]),
                ({"network": 7}, ["network"]),
                ({"network": "good", "mac": "52:54:00"}, ["52:54:00"]),
                ({"network": "good", "mac": "03:00:00:00:00:01"}, ["03:00:00:00:00:01"]),
                ({"network": "good", "mac": "00:00:00:00:00:00"}, ["mac"]),
                ({"network": "good", "queues": 0}, ["queues"]),
                ({"network": "good", "queues": 65}, ["64"]),
                ({"network": "good", "queues": "2"}, ["queues"]),
                ({"network": "good", "mtu": 10}, ["mtu"]),
                ({"network": "good", "mtu": 9000}, ["mtu"]),
                ({"network": "good", "ifname": "a-device-name-too-long"}, ["15"]),
                ({"network": "good", "ifname": "a/b"}, ["a/b"]),
                ({"network": "good", "ifname": "a%d"}, ["%"]),
                ({"network": "good", "ifname": "up0"}, ["up0"]),
                ({"network": "good", "ifname": "vn-good"}, ["vn-good"]),
                ({"network": "good", "ifname": "nothere", "adopt": True}, ["nothere"]),
                ({"network": "good", "ifname": "foreign0", "adopt": True}, ["foreign0"]),
                ({"network": "good", "name": "x" * 64}, ["63"]),
                ({"network": "good", "name": "a\u0007b"}, ["name"]),
                ({"network": "good", "name": "../../etc/passwd"}, ["name"]),
                ({"network": "good", "kind": "sriov"}, ["kind", "tap"]),
                ({"network": "good", "vhost": "maybe"}, ["vhost", "auto"]),
                ({"network": "good", "addresses": ["10.9.0.5"]}, ["10.9.0.5"]),
                ({"network": "good", "addresses": "10.1.0.5"}, ["addresses"]),
                ({"network": "good", "addresses": ["10.1.0.1"]}, ["10.1.0.1"]),
                ({"network": "good", "guard": "strickt"}, ["strickt", "strict"]),
                ({"network": "good", "guard": 5}, ["guard"]),
                ({"network": "good", "guard": {"allow": ["router"]}}, ["guard.allow", "strict"]),
                ({"network": "good", "guard": {"policy": "strict", "addresses": ["10.1.0.1"]}},
                 ["guard.addresses[0]", "10.1.0.1"]),
                ({"network": "good", "guard": {"policy": "strict", "addresses": ["10.1.0.9/24"]}},
                 ["guard.addresses[0]", "host bits"]),
                ({"network": "good", "guard": {"policy": "strict", "ethertypes": [33024]}},
                 ["guard.ethertypes[0]", "33024", "tag"]),
                ({"network": "good", "guard": {"policy": "off", "macs": ["00:00:5e:00:01:01"]}},
                 ["guard.macs", "off"]),
                ({"network": "good", "macs": []}, ["macs"])):
            with self.subTest(parameters):
                e = self.assert_refused("AttachPort", **parameters)
                text = json.dumps(e.parameters)
                for word in words:
                    self.assertIn(word, text)
        self.assert_untouched()
        self.assertEqual(self.bystander.ListPorts()["ports"], [])

    def test_duplicates(self):
        port = self.raw_port(self.netd, "good", name="web", mac="52:54:00:00:00:01",
                             addresses=["10.1.0.9"])
        for parameters, word in (({"name": "web"}, "web"),
                                 ({"mac": "52:54:00:00:00:01"}, "52:54:00:00:00:01"),
                                 ({"addresses": ["10.1.0.9"]}, "10.1.0.9"),
                                 ({"guard": {"macs": ["52:54:00:00:00:01"]}}, "guard.macs[0]"),
                                 ({"ifname": port.ifname}, port.ifname)):
            with self.subTest(parameters):
                self.assert_refused("AttachPort", [word], network="good", **parameters)
        self.assertEqual(len(self.bystander.ListPorts()["ports"]), 1)

    def test_other_methods(self):
        for method, parameters in (
                ("DescribeNetwork", {"name": "nobody"}), ("DescribeNetwork", {}),
                ("StartNetwork", {"name": "nobody"}), ("StopNetwork", {"name": 1}),
                ("DeleteNetwork", {"name": "nobody"}), ("DetachPort", {"name": "nobody"}),
                ("UpdatePort", {"name": "nobody", "mtu": 1400}), ("DescribePort", {"name": ""}),
                ("ListPorts", {"network": "nobody"}), ("ListLeases", {"network": "nobody"}),
                ("ListFdb", {"network": "nobody"}), ("Apply", {}), ("Apply", {"yaml": 1}),
                ("Apply", {"yaml": "networks: {}", "networks": {}}), ("NoSuchMethod", {}),
                ("ListNetworks", {"nonsense": True})):
            with self.subTest("%s %s" % (method, parameters)):
                self.assert_refused(method, **parameters)
        with self.assertRaises(VarlinkError) as caught:
            self.netd.call("org.example.Other.Method")
        self.assertTrue(caught.exception.full_name.startswith("org.varlink.service."))
        self.assert_untouched()

    def test_network_in_a_file_is_not_deleted_over_the_api(self):
        self.assert_refused("DeleteNetwork", ["lab.yaml"], name="good")
        self.assert_untouched()


class Wire(BadCase):
    def ends(self, data, shutdown=False):
        """Sends bytes; the error that came back, or None when netd just hung up."""
        client = self.netd.client(timeout=10)
        try:
            client.send_raw(data)
            if shutdown:
                client.sock.shutdown(socket.SHUT_WR)
            while True:
                client.receive()
        except VarlinkError as e:
            return e.full_name
        except (EOFError, ConnectionError):
            return None

    def test_no_json(self):
        for data in (b"hello\0", b"\0", b"[]\0", b"7\0", b'"x"\0', b"{}\0", b'{"method":7}\0',
                     b'{"method":"ListNetworks"}\0', b'{"method":"io.vnet.Netd."}\0',
                     b'{"method":"io.vnet.Netd.ListNetworks","parameters":[]}\0',
                     b'{"method":"io.vnet.Netd.ListNetworks","method":"x"}\0', b"\xff\xfe{}\0",
                     b'{"method":"io.vnet.Netd.ListNetworks"} {}\0',
                     b'{"method":"\xc3\x28"}\0', b"GET / HTTP/1.1\r\n\r\n\0", bytes(100)):
            with self.subTest(data[:50]):
                answer = self.ends(data, shutdown=True)
                self.assertTrue(answer is None or "varlink" in answer or "vnet" in answer)
        self.assert_untouched()

    def test_truncated(self):
        self.assertIsNone(self.ends(b'{"method":"io.vnet.Netd.ListNet', shutdown=True))
        client = self.netd.client()
        client.send_raw(b'{"method":"io.vnet.Netd.AttachPort","parameters":{"network":"good"}}')
        client.close()  # without its end the request was never made
        time.sleep(0.2)
        self.assertEqual(self.bystander.ListPorts()["ports"], [])
        self.assert_untouched()

    def test_a_request_in_single_bytes(self):
        client = self.netd.client()
        for byte in b'{"method":"io.vnet.Netd.GetInfo"}\0':
            client.send_raw(bytes([byte]))
        self.assertTrue(client.receive()["version"])

    def test_oversized(self):
        self.assert_memory_bounded(lambda: self.ends(b'{"method":"' + b"x" * (MESSAGE_MAX + 100)))

    def test_never_ending(self):
        def flood():
            client = self.netd.client(timeout=10)
            chunk = b" " * (1 << 20)
            try:
                for _ in range(64):
                    client.send_raw(chunk)
            except OSError:
                return
            self.fail("64 MiB without an end were taken")
        self.assert_memory_bounded(flood)

    def test_never_ending_and_slow(self):
        """One that sends a byte now and then costs the others nothing."""
        slow = [self.netd.client() for _ in range(50)]
        for n in range(20):
            for client in slow:
                client.send_raw(b" ")
            start = time.monotonic()
            self.bystander.GetInfo()
            self.assertLess(time.monotonic() - start, 1)
        self.assert_untouched()

    def assert_memory_bounded(self, what):
        before = self.netd.resident_kib()
        what()
        self.assert_untouched()
        # The limit of one message, and what a sanitizer makes of it.
        self.assertLess(self.netd.resident_kib() - before, 12 * MESSAGE_MAX // 1024)

    def test_client_that_never_reads(self):
        client = self.netd.client()
        client.sock.setblocking(False)
        request = b'{"method":"io.vnet.Netd.DescribeNetwork","parameters":{"name":"good"}}\0' * 100
        sent = 0
        deadline = time.monotonic() + 5
        try:
            while sent < 64 << 20 and time.monotonic() < deadline:
                try:
                    sent += client.sock.send(request)
                except BlockingIOError:
                    # netd stopped reading: that is what it should do.
                    time.sleep(0.2)
                    try:
                        client.sock.send(request)
                    except BlockingIOError:
                        break
        except OSError:
            pass  # or hung up
        self.assertLess(sent, 64 << 20)
        self.assert_untouched()

    def test_monitor_that_never_reads(self):
        lazy = self.netd.client()
        lazy.send("Monitor", more=True)
        lazy.receive()
        lazy.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        before = self.netd.resident_kib()
        for n in range(300):
            reply = self.bystander.AttachPort(network="good", vhost="off", name="p%d" % n)
            os.close(reply.fds[0])
        wait_until(lambda: not self.bystander.ListPorts()["ports"], timeout=30)
        # A sanitizer keeps what was freed for a while: the looks at the host between 300 guests that end.
        allowed = 256 if "address" in os.path.basename(build_path()) else 32
        self.assertLess(self.netd.resident_kib() - before, allowed * 1024)
        self.assert_served()

    def test_descriptors_sent_unasked(self):
        count = self.netd.fd_count()
        with open("/dev/null", "rb") as null:
            for fds in (1, 16, 253):
                client = self.netd.client()
                for _ in range(20):
                    try:
                        client.send_raw(b'{"method":"io.vnet.Netd.GetInfo"}\0', [null.fileno()] * fds)
                        client.receive()
                    except (VarlinkError, EOFError, OSError):
                        # Refusing them is as good as dropping them.
                        client.close()
                        client = self.netd.client()
                client.close()
            # With half a message, and then gone.
            client = self.netd.client()
            client.send_raw(b"{", [null.fileno()] * 100)
            time.sleep(0.2)
            client.close()
        wait_until(lambda: self.netd.fd_count() <= count, what="descriptors to be closed")
        self.assert_untouched()

    def test_pipelined_requests(self):
        client = self.netd.client()
        client.send_raw(b'{"method":"io.vnet.Netd.GetInfo"}\0' * 200)
        for _ in range(200):
            self.assertTrue(client.receive()["version"])


class Idle(BadCase):
    def test_ten_thousand_idle_connections(self):
        wanted = 10000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < wanted + 200:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted + 1000, wanted + 1000))
            except (ValueError, OSError):
                self.skipTest("no right to %d descriptors" % wanted)
        else:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted + 200, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE,
                        (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        idle = []
        self.addCleanup(lambda: [s.close() for s in idle])
        for _ in range(wanted):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(5)
            try:
                s.connect(self.netd.socket)
            except OSError:
                s.close()
                continue  # refused is fine, as long as the others are served
            idle.append(s)
        self.assertGreater(len(idle), 100)
        self.assert_untouched()
        # Root can still come in by a new connection, whoever fills the others.
        for s in idle[:len(idle) // 2]:
            s.close()
        del idle[:len(idle) // 2]
        self.assertTrue(wait_until(self.new_connection, timeout=20))
        self.assertTrue(self.raw_port(self.netd, "good").fd)

    def new_connection(self):
        try:
            with Client(self.netd.socket, timeout=2) as client:
                return client.GetInfo()["version"]
        except (OSError, EOFError):
            return None

    def test_nobody_cannot_shut_root_out(self):
        """Connections of one unprivileged user do not use up what others need."""
        script = ("import socket,sys,time\nl=[]\n"
                  "for _ in range(5000):\n"
                  "  s=socket.socket(socket.AF_UNIX); s.settimeout(1)\n"
                  "  try: s.connect(sys.argv[1]); l.append(s)\n"
                  "  except OSError: pass\n"
                  "print('full', flush=True)\ntime.sleep(60)\n")
        resource_limit = ["sh", "-c", 'ulimit -n 6000 2>/dev/null || :; exec "$@"', "sh"]
        process = self.popen(self.host, *resource_limit, "/usr/bin/python3", "-c", script,
                             self.netd.socket, stdout=subprocess.PIPE, user=65534, group=65534,
                             extra_groups=[])
        self.assertEqual(process.stdout.readline(), "full\n")
        self.assertTrue(self.new_connection())
        self.assert_untouched()


class Rights(BadCase):
    """Calls by the user nobody, whom no policy allows anything."""

    def as_nobody(self, *arguments):
        return self.host.run(self.copy_of("vnetctl"), *arguments, check=False, user=65534,
                             group=65534, extra_groups=[], cwd="/",
                             env=dict(os.environ, VNET_SOCKET=self.netd.socket))

    def copy_of(self, name):
        """Where nobody may reach it: the build directory may be closed to others."""
        target = "/run/lab/" + name
        if not os.path.exists(target):
            shutil.copy(find_program(name), target)
            os.chmod(target, 0o755)
        return target

    def test_nobody_may_nothing(self):
        port = self.raw_port(self.netd, "good", name="web")
        before = Witness(self.host)
        for method, parameters, word in (
                ("Apply", {"yaml": "networks: {bad: {mode: isolated}}"}, "root"),
                ("StartNetwork", {"name": "good"}, "root"),
                ("StopNetwork", {"name": "good", "force": True}, "root"),
                ("DeleteNetwork", {"name": "good", "force": True}, "root"),
                ("AttachPort", {"network": "good"}, "access.yaml"),
                ("AttachPort", {"network": "good", "ifname": port.ifname, "adopt": True}, None),
                ("UpdatePort", {"name": "web", "mtu": 1300}, None),
                ("DetachPort", {"name": "web"}, None)):
            with self.subTest("%s %s" % (method, parameters)):
                result = self.as_nobody("call", method, json.dumps(parameters))
                self.assertNotEqual(result.returncode, 0, result.stdout)
                if word:  # who may, and how to be allowed
                    self.assertEqual(result.returncode, 4, result.stdout)
                    self.assertIn(word, result.stdout)
        # What nobody may not use, nobody does not see.
        result = self.as_nobody("call", "ListPorts", "{}")
        self.assertNotIn("web", result.stdout)
        self.assertEqual(before.diff(Witness(self.host)), "")
        self.assertEqual(len(self.bystander.ListPorts()["ports"]), 1)

    def test_the_socket_may_be_reached_by_all_and_replaced_by_none(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.netd.run_dir).st_mode) & 0o022, 0)
        for path in (self.netd.state_dir, os.path.join(self.netd.run_dir, "running")):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode) & 0o022, 0, path)
