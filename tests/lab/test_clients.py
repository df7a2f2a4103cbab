# SPDX-License-Identifier: GPL-2.0-or-later
"""test_clients.py - library, examples and the programs that QEMU calls, against a real netd

Real devices and real frames, but no QEMU: tests/guest has that.
"""

import fcntl
import json
import os
import re
import shlex
import signal
import socket
import struct
import subprocess

from vnetlab import HostCase, find_program, nft_elements, wait_until
from vnetlab.guest import IFF_MULTI_QUEUE, IFF_VNET_HDR, tap_flags
from vnetlab.netd import build_path

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NETWORK = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24]
    dhcp: {ranges: [10.10.0.100-10.10.0.150]}
"""
MAC = "52:54:00:00:00:05"
TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000


class Case(HostCase):
    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(NETWORK)
        self.env = dict(os.environ, VNET_SOCKET=self.netd.socket)

    def ports(self):
        return {p["name"]: p for p in self.netd.call("ListPorts")["ports"]}

    def run_in_host(self, *command, status=0, **options):
        result = self.host.run(*command, check=False, env=self.env, **options)
        self.assertEqual(result.returncode, status, result.stdout)
        return result.stdout

    def vnetctl(self, *arguments, status=0, **options):
        result = self.netd.vnetctl(*arguments, check=False, **options)
        self.assertEqual(result.returncode, status, result.stdout)
        return result.stdout

    def assert_gone(self, *ifnames):
        wait_until(lambda: not self.ports(), what="the ports to go")
        for ifname in ifnames:
            self.assertIsNone(self.host.link(ifname))
        for name in ("macs", "guards", "members"):
            self.assertEqual(nft_elements(self.host, "bridge", name), [], name)


class Examples(Case):
    def test_in_c(self):
        program = os.path.join(self.folder, "attach")
        build = os.path.abspath(build_path())
        sanitize = os.path.basename(build) if os.path.basename(build).startswith("address") else ""
        subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-Wall", "-Wextra", "-Werror",
                        *(["-fsanitize=" + sanitize.replace("-", ",")] if sanitize else []),
                        "-I", os.path.join(ROOT, "libvnet/include"), "-o", program,
                        os.path.join(ROOT, "docs/examples/attach.c"),
                        "-L", build, "-Wl,-rpath," + build, "-lvnet"], check=True, timeout=60)
        process = self.popen(self.host, program, "blue", "example", env=self.env,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        wait_until(lambda: "example" in self.ports())
        port = self.ports()["example"]
        self.assertEqual(self.host.link(port["ifname"])["master"], "vn-blue")
        out, _ = process.communicate("\n", timeout=10)
        self.assertEqual(process.returncode, 0)
        self.assertIn("example on blue: %s, MAC %s, descriptor " % (port["ifname"], port["mac"]), out)
        self.assert_gone(port["ifname"])

    def test_in_python(self):
        process = self.popen(self.host, "/usr/bin/python3",
                             os.path.join(ROOT, "docs/examples/attach.py"), "blue",
                             "/usr/bin/python3", "-c", "import sys; print(sys.argv); input()",
                             env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        arguments = process.stdout.readline()
        fd = int(re.search(r"fd=(\d+)", arguments).group(1))
        self.assertEqual(os.readlink("/proc/%d/fd/%d" % (process.pid, fd)), "/dev/net/tun")
        ifname = list(self.ports().values())[0]["ifname"]
        process.kill()
        process.wait(10)
        self.assert_gone(ifname)


class Vnetctl(Case):
    def test_wait_prints_the_lease(self):
        waiting = self.popen(self.host, find_program("vnetctl"), "port", "wait", "web", "--timeout",
                             "20", env=self.env, stdout=subprocess.PIPE)
        up = self.popen(self.host, find_program("vnetctl"), "port", "wait", "web", "--for", "up",
                        env=self.env, stdout=subprocess.PIPE)
        guest = self.guest(self.netd, "blue", name="web")
        self.assertEqual(up.wait(10), 0)
        ip = guest.dhcp()["ip"]
        out, _ = waiting.communicate(timeout=20)
        self.assertEqual((waiting.returncode, out), (0, ip + "\n"))
        self.assertEqual(self.vnetctl("port", "wait", "web"), ip + "\n")
        self.vnetctl("port", "wait", "nobody", "--timeout", "1", status=3)

    def test_update_of_a_running_port(self):
        guest = self.guest(self.netd, "blue", name="web")
        self.vnetctl("port", "update", "web", "--mtu", "1400", "--txqueuelen", "321", "--disruptive")
        link = self.host.link(guest.ifname)
        self.assertEqual((link["mtu"], link["txqlen"]), (1400, 321))
        self.vnetctl("port", "update", "web", "--link", "down")
        self.assertNotIn("UP", self.host.link(guest.ifname)["flags"])
        self.vnetctl("port", "update", "web", "--link", "up", "--mac", MAC)
        self.assertIn("UP", self.host.link(guest.ifname)["flags"])
        self.assertEqual(self.ports()["web"]["mac"], MAC)
        self.vnetctl("port", "update", "web", "--mac", "01:00:00:00:00:00", status=7)

    def test_run_with_many_queues_and_networks(self):
        self.vnetctl("apply", "-f", "-", input=NETWORK.replace("blue", "red").replace("10.10", "10.11"))
        program = "import json, os, sys; print(json.dumps([sys.argv[1:], " \
            "{f: os.readlink('/proc/self/fd/' + f) for f in os.listdir('/proc/self/fd') " \
            "if os.path.exists('/proc/self/fd/' + f)}]), flush=True); input()"
        process = self.popen(self.host, find_program("vnetctl"), "run", "blue", "red,name=second",
                             "--queues", "2", "--vhost", "off", "--", "/usr/bin/python3", "-c",
                             program, "-name", "guest=vm,x=y", env=self.env,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        arguments, fds = json.loads(process.stdout.readline())
        ports = self.ports()
        self.assertEqual(sorted(ports), ["second", "vm"])
        self.assertEqual({p["ownerPid"] for p in ports.values()}, {process.pid})
        taps = [fd for fd, to in fds.items() if to == "/dev/net/tun"]
        self.assertEqual(len(taps), 4)
        named = re.findall(r"fds=(\d+):(\d+)", " ".join(arguments))
        self.assertEqual(sorted(sum(named, ())), sorted(taps))
        self.assertFalse([to for to in fds.values() if to.startswith("socket")])
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        self.assert_gone(*(p["ifname"] for p in ports.values()))

    def test_error_shows_its_line(self):
        path = os.path.join(self.folder, "bad.yaml")
        with open(path, "w", encoding="ascii") as f:
            f.write("networks:\n  green:\n    mode: nat\n    addresses: [10.12.0.300/24]\n")
        lines = self.vnetctl("apply", "-f", path, status=7).splitlines()
        self.assertRegex(lines[0], r"^vnetctl: %s:4:17: green\.addresses\[0\]: " % re.escape(path))
        self.assertEqual(lines[1:], ["    4 |     addresses: [10.12.0.300/24]",
                                     "      |                 ^"])

    def test_definition_round_trip(self):
        text = self.vnetctl("network", "show", "blue", "--definition")
        self.assertIn("nothing to do", self.vnetctl("plan", "-f", "-", input=text))


class Helper(Case):
    def helper(self, *arguments, status=0, prefix=()):
        """Calls it as QEMU does; gives the descriptor."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            result = self.host.run(*prefix, find_program("vnet-qemu-helper"), *arguments,
                                   "--fd=%d" % theirs.fileno(), pass_fds=[theirs.fileno()],
                                   check=False, env=self.env)
            theirs.close()
            self.assertEqual(result.returncode, status, result.stdout)
            data, fds, _, _ = socket.recv_fds(ours, 8, 4)
        self.assertEqual((len(data), len(fds)), (1, 1) if status == 0 else (0, 0))
        for fd in fds:
            self.stack.callback(self.close_fd, fd)
        return fds[0] if fds else result.stdout

    @staticmethod
    def close_fd(fd):
        try:
            os.close(fd)
        except OSError:
            pass  # the test closed it

    def test_device(self):
        """virtio headers as QEMU asked for, one queue, and a port that lives by the descriptor."""
        fds = []
        for arguments, has_header in ((["--use-vnet", "--br=blue"], True), (["--br=blue"], False)):
            fds.append(self.helper(*arguments))
            flags = tap_flags(fds[-1])
            self.assertEqual(bool(flags & IFF_VNET_HDR), has_header)
            self.assertFalse(flags & IFF_MULTI_QUEUE)
        self.assertEqual(len(self.ports()), 2)
        ports = self.ports().values()
        self.assertTrue(all(p["learnsMac"] for p in ports))
        for fd in fds:
            os.close(fd)
        self.assert_gone(*(p["ifname"] for p in ports))

    def test_names(self):
        self.helper("--br=vn-blue")
        self.helper("--br=br0", "--network=blue", "--port=web", "--mac=" + MAC,
                    "--address=10.10.0.5")
        web = self.ports()["web"]
        self.assertEqual((web["mac"], web["addresses"]), (MAC, ["10.10.0.5"]))
        text = self.helper("--br=br0", status=1)
        self.assertIn("'br0'", text)
        text = self.helper("--br=blue", "--mac=" + MAC, status=1)
        self.assertIn(MAC, text)

    def test_policy_decides(self):
        text = self.helper("--br=blue", status=1,
                           prefix=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
        self.assertNotEqual(text, "")
        self.assertEqual(self.ports(), {})


class Ifup(Case):
    def tap(self, name):
        """The device as QEMU makes it for script=."""
        with self.host:
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(),
                                                   IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
        return fd

    def test_up_and_down(self):
        fd = self.tap("blue-web")
        self.stack.callback(os.close, fd)
        self.run_in_host(find_program("vnet-qemu-ifup"), "blue-web")
        port = self.ports()["blue-web"]
        self.assertTrue(port["adopted"] and port["learnsMac"])
        self.assertEqual(self.host.link("blue-web")["master"], "vn-blue")
        self.run_in_host(find_program("vnet-qemu-ifdown"), "blue-web")
        self.assertEqual(self.ports(), {})
        self.assertNotIn("master", self.host.link("blue-web"))
        self.run_in_host(find_program("vnet-qemu-ifdown"), "blue-web")

    def test_death_without_ifdown(self):
        fd = self.tap("tap7")
        conf = os.path.join(self.folder, "ifup.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write("tap* blue mac=%s\n" % MAC)
        self.run_in_host(find_program("vnet-qemu-ifup"), "--config", conf, "tap7")
        self.assertEqual(self.ports()["tap7"]["mac"], MAC)
        os.close(fd)
        self.assert_gone("tap7")
        self.run_in_host(find_program("vnet-qemu-ifdown"), "tap7")

    def test_refusals(self):
        text = self.run_in_host(find_program("vnet-qemu-ifup"), "blue7", status=1)
        self.assertIn("blue7", text)
        text = self.run_in_host(find_program("vnet-qemu-ifup"), "up0", status=1)
        self.assertIn("up0", text)
        self.run_in_host(find_program("vnet-qemu-ifup"), "--network", "blue", "up0", status=1)
        self.assertNotIn("master", self.host.link("up0"))
        self.assertEqual(self.ports(), {})
