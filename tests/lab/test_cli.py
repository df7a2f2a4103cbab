# SPDX-License-Identifier: GPL-2.0-or-later
"""test_cli.py - vnetctl against a real netd: a day's work, every output form, the exit statuses"""

import array
import json
import os
import socket
import subprocess
import time

from vnetlab import HostCase, Witness, ethernet, find_program, need, wait_until

NETWORK = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24]
    dhcp: true
"""


class CliCase(HostCase):
    def setUp(self):
        super().setUp()
        self.netd = self.start_netd(self.host)
        self.file = os.path.join(self.folder, "blue.yaml")
        with open(self.file, "w", encoding="ascii") as f:
            f.write(NETWORK)

    def vnetctl(self, *arguments, status=0, **options):
        result = self.netd.vnetctl(*arguments, check=False, **options)
        self.assertEqual(result.returncode, status, result.stdout)
        return result.stdout

    def json(self, *arguments):
        return json.loads(self.vnetctl("-o", "json", *arguments, stderr=subprocess.PIPE))


class Cli(CliCase):
    def test_a_days_work(self):
        before = Witness(self.host)
        plan = self.vnetctl("apply", "--dry-run", "-f", self.file)
        self.assertIn("vn-blue", plan)
        self.assertEqual(before.diff(Witness(self.host)), "")
        self.vnetctl("apply", "-f", self.file)
        self.assertTrue(self.host.link("vn-blue"))
        self.assertIn("blue", self.vnetctl("network", "list"))
        self.assertIn("10.10.0.1/24", self.vnetctl("network", "show", "blue"))
        guest = self.guest(self.netd, "blue", name="web")
        ip = guest.dhcp(hostname="webhost")["ip"]
        self.assertIn("web", self.vnetctl("port", "list"))
        self.assertIn(guest.mac, self.vnetctl("port", "show", "web"))
        wait_until(lambda: ip in self.vnetctl("lease", "list"))
        self.assertIn("webhost", self.vnetctl("lease", "list"))
        self.assertIn(guest.mac, self.vnetctl("fdb", "list"))
        self.assertIn("blue", self.vnetctl("network", "stop", "blue", status=6))
        self.vnetctl("port", "detach", "web")
        self.assertNotIn("web", self.vnetctl("port", "list"))
        guest.kill()
        self.vnetctl("network", "stop", "blue")
        self.assertIsNone(self.host.link("vn-blue"))
        self.vnetctl("network", "start", "blue")
        self.vnetctl("network", "delete", "blue")
        self.assertEqual(before.diff(Witness(self.host)), "")

    def test_same_file_twice_does_nothing(self):
        self.vnetctl("apply", "-f", self.file)
        before = Witness(self.host)
        self.vnetctl("apply", "-f", self.file)
        self.assertEqual(before.diff(Witness(self.host)), "")
        self.assertEqual(self.netd.call("Plan", yaml=NETWORK)["operations"], [])

    def test_output_forms(self):
        self.vnetctl("apply", "-f", "-", input=NETWORK)
        rows = self.json("network", "list")
        rows = rows if isinstance(rows, list) else rows["networks"]
        self.assertEqual([r["name"] for r in rows], ["blue"])
        self.assertEqual(rows, self.netd.call("ListNetworks")["networks"])
        self.assertIn("name: blue", self.vnetctl("-o", "yaml", "network", "list"))
        table = self.vnetctl("network", "list")
        self.assertNotIn("\033", table)
        self.assertIn("NAME", table.upper())

    def test_what_show_prints_can_be_applied_again(self):
        self.vnetctl("apply", "-f", self.file)
        definition = self.netd.call("DescribeNetwork", name="blue")["definition"]
        self.assertEqual(self.netd.call("Plan", networks={"blue": definition})["operations"], [])

    def test_exit_statuses(self):
        self.vnetctl("apply", "-f", self.file)
        self.vnetctl("network", "show", "nobody", status=3)
        self.vnetctl("port", "detach", "nobody", status=3)
        self.vnetctl("apply", "-f", "-", input="networks: {x: {mode: nut}}\n", status=7)
        self.vnetctl("nonsense", status=2)
        self.vnetctl("network", "list", "--nonsense", status=2)
        self.vnetctl("--socket", "/nowhere.sock", "network", "list", status=5)
        self.vnetctl("run", "nobody", "--", "true", status=3)
        self.vnetctl("run", "blue", "--", "/nowhere/program", status=127)
        wait_until(lambda: not self.netd.call("ListPorts")["ports"])

    def test_call_and_version(self):
        self.assertIn("version", json.loads(self.vnetctl("call", "GetInfo", "{}")))
        self.assertRegex(self.vnetctl("version"), r"\d+\.\d+\.\d+")

    def test_attach_persistent_and_detach(self):
        self.vnetctl("apply", "-f", self.file)
        self.vnetctl("port", "attach", "blue", "--name", "keep", "--persistent")
        port = self.netd.call("DescribePort", name="keep")["port"]
        self.assertTrue(self.host.link(port["ifname"]))
        self.vnetctl("port", "detach", "keep")
        self.assertIsNone(self.host.link(port["ifname"]))

    def test_monitor(self):
        process = self.popen(self.host, find_program("vnetctl"), "-o", "json", "monitor",
                             stdout=subprocess.PIPE, env=dict(os.environ,
                                                              VNET_SOCKET=self.netd.socket))
        time.sleep(0.5)
        self.vnetctl("apply", "-f", self.file)
        line = process.stdout.readline()
        self.assertEqual(json.loads(line)["event"], "network-started")
        process.terminate()  # SIGINT may be ignored since a shell put us into the background
        process.wait(5)

    def test_without_netd_it_says_so(self):
        self.netd.stop()
        text = self.vnetctl("network", "list", status=5)
        self.assertIn("netd", text)


WIRES = """
networks:
  blue: {mode: nat, addresses: [10.10.0.1/24]}
  trunk: {mode: isolated, bridge: {vlan_filtering: true}}
  wire: {mode: macvtap, uplink: up0}
"""


class Wires(CliCase):
    """What each option comes to, as Linux tells it."""

    def apply(self, *names):
        definitions = WIRES.splitlines()
        wanted = [line for line in definitions
                  if line.startswith("networks") or line.split(":")[0].strip() in names]
        self.vnetctl("apply", "-f", "-", input="\n".join(wanted) + "\n")

    def attach(self, network, name, *options):
        self.vnetctl("port", "attach", network, "--name", name, *options)
        return self.netd.call("DescribePort", name=name)["port"]

    def vlans(self, ifname):
        """{id: flags} of a bridge port."""
        ports = self.host.json("bridge", "-j", "vlan", "show", "dev", ifname)
        return {v["vlan"]: sorted(v.get("flags", [])) for p in ports for v in p["vlans"]}

    def test_container(self):
        self.apply("blue")
        inside = self.namespace("c1")
        text = self.vnetctl("port", "attach", "blue", "--kind", "veth", "--netns", inside.path(),
                            "--name", "c1", "--inside",
                            "ifname=lan0,address=10.10.0.7/24,gateway=10.10.0.1,"
                            "route=10.99.0.0/16 via 10.10.0.9")
        self.assertRegex(text, r"(?m)^INSIDE ADDR +10\.10\.0\.7/24$")
        self.assertTrue(inside.ping("10.10.0.1", timeout=4))
        routes = {r["dst"]: r.get("gateway") for r in inside.routes()}
        self.assertEqual((routes["default"], routes["10.99.0.0/16"]), ("10.10.0.1", "10.10.0.9"))
        self.vnetctl("port", "detach", "c1")
        self.assertNotIn("lan0", inside.links())

    def test_bridge_port_options(self):
        self.apply("blue")
        port = self.attach("blue", "web", "--persistent", "--learning", "off", "--hairpin", "on",
                           "--multicast-flood", "off")

        def options():
            return self.host.link(port["ifname"])["linkinfo"]["info_slave_data"]
        self.assertEqual((options()["learning"], options()["hairpin"], options()["mcast_flood"]),
                         (False, True, False))
        self.vnetctl("port", "update", "web", "--learning", "on", "--flood", "off",
                     "--proxy-arp", "on")
        found = options()
        self.assertEqual([found[k] for k in ("learning", "flood", "proxy_arp", "hairpin")],
                         [True, False, True, True])

    def test_offloads(self):
        self.apply("blue")
        port = self.attach("blue", "web", "--persistent", "--offload", "tso=off,gso=off")

        def features():
            return self.host.run("ethtool", "-k", port["ifname"]).stdout
        self.assertIn("tcp-segmentation-offload: off", features())
        self.assertIn("generic-segmentation-offload: off", features())
        self.vnetctl("port", "update", "web", "--offload", "gso=on")
        self.assertIn("generic-segmentation-offload: on", features())
        self.assertRegex(self.vnetctl("port", "show", "web"), r"(?m)^OFFLOADS +tso off, gso on$")

    def test_guard(self):
        self.apply("blue")
        port = self.raw_port(self.netd, "blue", name="web", mac="52:54:00:00:00:01")
        self.assertRegex(self.vnetctl("port", "show", "web"), r"(?m)^GUARD +mac$")
        text = self.vnetctl("port", "update", "web", "--guard",
                            "strict,allow=dhcp-server,addresses=10.20.0.0/24,ethertypes=lldp")
        for line in (r"GUARD +strict", r"ALLOWED +dhcp-server", r"SOURCES +10\.20\.0\.0/24",
                     r"ETHERTYPES +lldp"):
            self.assertRegex(text, "(?m)^" + line + "$")
        port.send(ethernet("ff:ff:ff:ff:ff:ff", "52:54:00:66:66:66", 0x0800, bytes(20)))
        for _ in range(2):
            port.send(ethernet("ff:ff:ff:ff:ff:ff", port.mac, 0x88b5, b"odd"))
        wait_until(lambda: "ethertype 2" in self.vnetctl("port", "show", "web"))
        text = self.vnetctl("port", "show", "web")
        self.assertRegex(text, r"(?m)^DROPPED +3$")
        self.assertRegex(text, r"(?m)^DROPS +mac 1, ethertype 2$")
        self.assertEqual(self.json("port", "show", "web")["drops"], {"mac": 1, "ethertype": 2})
        self.assertIn("guard.addresses[0]", self.vnetctl(
            "port", "update", "web", "--guard", "strict,addresses=10.10.0.1", status=7))
        self.vnetctl("port", "update", "web", "--guard", "default")
        self.assertRegex(self.vnetctl("port", "show", "web"), r"(?m)^GUARD +mac$")

    def test_access_and_trunk(self):
        need("VLAN filtering")
        self.apply("trunk")
        access = self.attach("trunk", "web", "--persistent", "--vlan", "10")
        trunk = self.attach("trunk", "router", "--persistent", "--vlan", "native=1,tagged=10,20-22")
        self.assertEqual(self.vlans(access["ifname"]), {10: ["Egress Untagged", "PVID"]})
        self.assertEqual(self.vlans(trunk["ifname"]),
                         {1: ["Egress Untagged", "PVID"], 10: [], 20: [], 21: [], 22: []})
        self.assertIn("native 1, tagged 10,20-22", self.vnetctl("port", "list", "trunk"))
        self.vnetctl("port", "update", "web", "--vlan", "tagged=10")
        self.assertEqual(self.vlans(access["ifname"]), {10: []})
        self.vnetctl("port", "update", "web", "--vlan", "4095", status=2)

    def test_bandwidth(self):
        need("tc matchall, skbedit and mirred")
        self.apply("blue")
        self.attach("blue", "web", "--persistent", "--in", "10mbit", "--out",
                    "rate=5mbit,burst=64k")

        text = self.vnetctl("port", "show", "web")
        self.assertRegex(text, r"(?m)^IN +10mbit$")
        self.assertRegex(text, r"(?m)^OUT +5mbit, burst 65536$")
        self.assertIn("vi-blue", self.host.links())
        self.assertIn("ceil 10Mbit", self.host.run("tc", "class", "show", "dev", "vi-blue").stdout)
        self.vnetctl("port", "update", "web", "--in", "20mbit")
        self.assertIn("ceil 20Mbit", self.host.run("tc", "class", "show", "dev", "vi-blue").stdout)
        self.vnetctl("port", "update", "web", "--in", "0", "--out", "0")
        self.assertNotRegex(self.vnetctl("port", "show", "web"), r"(?m)^(IN|OUT) ")

    def test_macvtap_ends_with_its_command(self):
        need("macvtap", "nftables egress hook")
        self.apply("wire")
        self.vnetctl("run", "wire", "--name", "g1", "--", "sh", "-c",
                     "case \"$*\" in *'tap,id='*'fd='*) exit 0; esac; exit 9", "qemu")
        wait_until(lambda: not self.netd.call("ListPorts")["ports"])

    def test_macvtap_through_the_helper(self):
        """QEMU, which made the socket, is the port's owner; the helper is gone when it is used."""
        need("macvtap", "nftables egress hook")
        self.apply("wire")
        ours, theirs = socket.socketpair()
        helper = self.host.popen(
            find_program("vnet-qemu-helper"), "--use-vnet", "--br=wire", "--mac=52:54:00:00:00:07",
            "--port=g2", "--fd=%d" % theirs.fileno(), pass_fds=[theirs.fileno()],
            env=dict(os.environ, VNET_SOCKET=self.netd.socket), stderr=subprocess.PIPE)
        self.assertEqual(helper.wait(20), 0, helper.stderr.read())
        helper.stderr.close()
        space = array.array("i", [0])
        _, control, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(4))
        space.frombytes(control[0][2][:4])
        os.close(space[1])
        ours.close()
        theirs.close()
        port = self.netd.call("DescribePort", name="g2")["port"]
        self.assertEqual((port["kind"], port["ownerPid"]), ("macvtap", os.getpid()))
        self.assertTrue(self.host.link(port["ifname"]))
        self.vnetctl("port", "detach", "g2")
        self.assertIsNone(self.host.link(port["ifname"]))

    def test_many_networks_by_pattern(self):
        self.vnetctl("apply", "-f", "-", input="networks:\n" + "".join(
            "  lab%d: {mode: isolated}\n" % i for i in range(4)) + "  other: {mode: isolated}\n")
        self.attach("lab2", "web", "--persistent")
        text = self.vnetctl("network", "stop", "lab*", status=6)
        self.assertIn("lab2", text)
        states = {n["name"]: n["state"] for n in self.netd.call("ListNetworks")["networks"]}
        self.assertEqual(states, {"lab0": "stopped", "lab1": "stopped", "lab2": "running",
                                  "lab3": "stopped", "other": "running"})
        self.vnetctl("network", "delete", "--force", "lab*")
        self.assertEqual([n["name"] for n in self.netd.call("ListNetworks")["networks"]], ["other"])
