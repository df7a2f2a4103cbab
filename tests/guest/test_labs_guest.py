# SPDX-License-Identifier: GPL-2.0-or-later
"""test_labs_guest.py - a real guest as a node of a lab"""

import json
import os
import subprocess

from vnetlab import LabCase, build_path, find_program, patience, wait_until
from vnetlab.qemu import build_guest, machine_arguments

LAB = """
hosts:
  h1: {networks: {blue: {mode: isolated, addresses: [10.10.0.1/24], dhcp: true}}}
nodes:
  vm: {qemu: %s, interfaces: {eth0: h1/blue}}
  a: {interfaces: {eth0: h1/blue}}
expect:
  - vm gets an address in 10.10.0.0/24
  - a can ping vm
"""


class Guests(LabCase):
    def vnetctl(self, *words):
        return subprocess.run([find_program("vnetctl"), "lab", *words], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=patience(120), check=False)

    def test_a_guest_of_qemu(self):
        build_guest()
        folder = os.path.abspath(build_path("guest"))
        # A lab sees the file system, but not this sandbox's /run.
        arguments = [os.path.join(folder, os.path.basename(word)) if word.startswith("/run/") else word
                     for word in machine_arguments()]
        path = os.path.join(self.folder, "guest.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(LAB % json.dumps(["qemu-system-x86_64", *arguments, "-serial", "stdio", "-monitor", "none"]))
        self.addCleanup(self.vnetctl, "down", "guest")
        result = self.vnetctl("up", path)
        self.assertEqual(result.returncode, 0, result.stdout)
        wait_until(lambda: "MINI ready" in self.vnetctl("exec", "guest", "h1", "--", "cat",
                                                        "/run/lab/log/guest.vm").stdout, timeout=90)
        result = self.vnetctl("test", "guest")
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertIn("ok 2 - a can ping vm", result.stdout)
        # It ends, and so does its port.
        self.vnetctl("exec", "guest", "h1", "--", "pkill", "-f", "qemu-system")
        wait_until(lambda: "vm      guest down" in self.vnetctl("status", "guest").stdout)
