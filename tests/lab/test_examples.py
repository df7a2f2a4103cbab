# SPDX-License-Identifier: GPL-2.0-or-later
"""test_examples.py - the programs and networks of the documentation do what it says"""

import glob
import os
import re
import subprocess

from vnetlab import HOST4, HostCase, build_path, need, wait_until

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
# What an example asks of the kernel. That of SR-IOV asks for a card, too: test_sriov.py has one.
NEEDS = {
    "bandwidth.yaml": ["tc matchall, skbedit and mirred"],
    "gretap.yaml": ["gretap"],
    "macvtap.yaml": ["macvtap", "nftables egress hook"],
    "trunk.yaml": ["VLAN filtering"],
    "vlan.yaml": ["802.1Q"],
    "vxlan.yaml": ["vxlan"],
}
NETWORK = "networks: {blue: {mode: isolated, addresses: [10.10.0.1/24]}}\n"


class Programs(HostCase):
    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(NETWORK)
        self.environment = dict(os.environ, VNET_SOCKET=self.netd.socket)

    def test_attach_in_python(self):
        process = self.popen(self.host, "/usr/bin/python3", os.path.join(
            ROOT, "docs/examples/attach.py"), "blue", "sh", "-c", 'echo "$@"; read x', "sh",
            env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = process.stdout.readline()
        match = re.search(r"fds?=(\d+)", line)
        self.assertTrue(match, line)
        fd = os.readlink("/proc/%d/fd/%s" % (process.pid, match.group(1)))
        self.assertEqual(fd, "/dev/net/tun")
        self.assertEqual(len(self.netd.call("ListPorts")["ports"]), 1)
        process.stdin.close()
        wait_until(lambda: not self.netd.call("ListPorts")["ports"])

    def test_attach_in_c(self):
        library = os.path.abspath(build_path())
        # A program without the sanitizers' runtime cannot load a library that needs it.
        flags = ["-fsanitize=" + os.path.basename(library).replace("-", ",")] \
            if "address" in os.path.basename(library) else []
        program = os.path.join(self.folder, "attach")
        subprocess.run(["cc", *flags, "-Wall", "-Werror", "-I", os.path.join(ROOT, "libvnet/include"),
                        "-o", program, os.path.join(ROOT, "docs/examples/attach.c"),
                        *glob.glob(os.path.join(library, "libvnet.so.0.*"))], check=True)
        link = os.path.join(self.folder, "libvnet.so.0")
        os.symlink(glob.glob(os.path.join(library, "libvnet.so.0.*"))[0], link)
        process = self.popen(self.host, program, "blue", "web", stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE,
                             env=dict(self.environment, LD_LIBRARY_PATH=self.folder))
        wait_until(lambda: self.netd.call("ListPorts")["ports"])
        output = process.communicate("\n", timeout=10)[0]
        self.assertEqual(process.returncode, 0)
        self.assertIn("web on blue", output)
        wait_until(lambda: not self.netd.call("ListPorts")["ports"])


class Networks(HostCase):
    def test_every_example_is_accepted_and_runs(self):
        files = sorted(glob.glob(os.path.join(ROOT, "configs/examples/**/*.yaml"), recursive=True))
        files = [path for path in files if os.path.basename(path) != "sriov.yaml"]
        self.assertTrue(files)
        netd = self.start_netd(self.host)
        for path in files:
            with self.subTest(os.path.basename(path)), open(path, encoding="utf-8") as f:
                text = f.read()
                need(*NEEDS.get(os.path.basename(path), []))
                # The names of NICs and the host's address are the reader's.
                text = re.sub(r"(uplink: )[a-z0-9]+", r"\1up0", text)
                text = re.sub(r"(local: )[0-9.]+", r"\g<1>" + HOST4, text)
                for bridge in re.findall(r"bridge: *{? *\n? *name: ([\w-]+)", text):
                    self.host.ip("link", "add", bridge, "type", "bridge")
                reply = netd.call("Apply", yaml=text, file=path)
                for network in reply["networks"]:
                    name = network["name"]
                    wait_until(lambda: netd.call("DescribeNetwork", name=name)["network"]["state"]
                               in ("running", "stopped"), timeout=30, what=name + " to run")
                    netd.call("DeleteNetwork", name=name)
