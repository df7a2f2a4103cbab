# SPDX-License-Identifier: GPL-2.0-or-later
"""test_cli.py - vnetctl against a real netd: a day's work, every output form, the exit statuses"""

import json
import os
import subprocess
import time

from vnetlab import HostCase, Witness, find_program, wait_until

NETWORK = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24]
    dhcp: true
"""


class Cli(HostCase):
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
