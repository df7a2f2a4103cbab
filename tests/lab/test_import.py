# SPDX-License-Identifier: GPL-2.0-or-later
"""test_import.py - a host's networks of libvirt's, taken over by netd"""

import os
import subprocess

from vnetlab import HostCase, build_path

DEFAULT = """<network>
  <name>default</name>
  <forward mode='nat'/>
  <bridge name='virbr0' stp='off'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp>
  </ip>
</network>
"""
LAB = """<network>
  <name>lab</name>
  <bridge name='virbr7' stp='off' zone='trusted'/>
  <ip address='10.7.0.1' prefix='24'/>
</network>
"""


class Import(HostCase):
    def setUp(self):
        super().setUp()
        self.netd = self.start_netd(self.host)
        self.networks = os.path.join(self.folder, "networks")
        os.makedirs(os.path.join(self.networks, "autostart"))
        self.write("default", DEFAULT)
        os.symlink("../default.xml", os.path.join(self.networks, "autostart/default.xml"))

    def write(self, name, text):
        with open(os.path.join(self.networks, name + ".xml"), "w", encoding="utf-8") as f:
            f.write(text)

    def vnetctl(self, *words):
        return subprocess.run([build_path("cli/vnetctl"), "--socket", self.netd.socket, *words],
                              capture_output=True, text=True, check=False, timeout=60)

    def test_all_and_apply(self):
        self.write("lab", LAB)
        printed = self.vnetctl("import", "libvirt", "--all", "--folder", self.networks)
        self.assertEqual(printed.returncode, 0, printed.stderr)
        self.assertIn("autostart: false", printed.stdout)  # of lab
        self.assertEqual(self.netd.call("ListNetworks")["networks"], [])

        # What would be lost has to be accepted.
        refused = self.vnetctl("import", "libvirt", "--all", "--folder", self.networks, "--apply")
        self.assertEqual(refused.returncode, 7)
        self.assertIn("lab.xml:3: lost: bridge@zone", refused.stderr)
        self.assertIn("--partial", refused.stderr)
        self.assertEqual(self.netd.call("ListNetworks")["networks"], [])

        done = self.vnetctl("import", "libvirt", "--all", "--folder", self.networks, "--apply",
                            "--partial")
        self.assertEqual(done.returncode, 0, done.stderr)
        state = {n["name"]: (n["bridge"], n["state"])
                 for n in self.netd.call("ListNetworks")["networks"]}
        self.assertEqual(state, {"default": ("virbr0", "running"), "lab": ("virbr7", "stopped")})

        # And back: what libvirt's `virsh net-define` takes.
        back = self.vnetctl("export", "libvirt", "default")
        self.assertEqual((back.returncode, back.stderr), (0, ""))
        self.assertIn("<range start='192.168.122.2' end='192.168.122.254'/>", back.stdout)

    def test_one_bad_file(self):
        """The others are printed; nothing is applied."""
        self.write("bad", "<network>\n<name>bad</name>\n<forward mode='teleport'/></network>")
        printed = self.vnetctl("import", "libvirt", "--all", "--folder", self.networks)
        self.assertEqual(printed.returncode, 7)
        self.assertIn("bad.xml:3:", printed.stderr)
        self.assertIn("default:", printed.stdout)
        applied = self.vnetctl("import", "libvirt", "--all", "--folder", self.networks, "--apply")
        self.assertEqual(applied.returncode, 7)
        self.assertEqual(self.netd.call("ListNetworks")["networks"], [])
