# SPDX-License-Identifier: GPL-2.0-or-later
"""machine.py - a machine of namespaces with an init system of its own, and vnet installed in it

One for all tests of a file: to boot it is what costs. They take their turns in the
order of their names.
"""

import atexit
import json
import os
import re
import subprocess
import tempfile
import unittest

from .case import wait_until
from .netns import die_with_parent
from .patience import patience

NETWORK = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24, "fd10::1/64"]
    dhcp: true
"""
GREEN = """
networks:
  green:
    mode: isolated
    addresses: [10.20.0.1/24]
"""
# Bits of capabilities(7)
NET_ADMIN = 1 << 12
DNSMASQ = NET_ADMIN | 1 << 13 | 1 << 10
BROKER = DNSMASQ | 1 << 21 | 1 << 19 | 1 << 2 | 1 << 27 | 1 << 7 | 1 << 6 | 1 << 5


class Machine:
    """program: what the machine's first process does, from tests/service; arguments follow its folder."""

    def __init__(self, program, *arguments):
        self.first = None
        self.folder = tempfile.mkdtemp(prefix="machine", dir="/run/lab")
        networks = os.path.join(self.folder, "etc-vnet", "networks.d")
        os.makedirs(networks)
        with open(os.path.join(networks, "blue.yaml"), "w", encoding="ascii") as f:
            f.write(NETWORK)
        self.log = open(os.path.join(self.folder, "console"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--cgroup", "--uts", "--ipc", "--net",
             os.path.join("tests/service", program), self.folder, *arguments], stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, preexec_fn=die_with_parent)

    def console(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as f:
            return f.read()

    def pid(self, name):
        """Of its first process, once that has this name; None before."""
        if self.process.poll() is not None:
            raise AssertionError("the machine ended:\n" + self.console())
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid), encoding="ascii") as f:
            found = f.read().split()
        if not found:
            return None
        with open("/proc/%s/comm" % found[0], encoding="ascii") as f:
            return int(found[0]) if f.read().strip() == name else None

    def popen(self, *command, **options):
        return subprocess.Popen(["nsenter", "--target", str(self.first), "--all", *map(str, command)],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, preexec_fn=die_with_parent, **options)

    def run(self, *command, check=True, timeout=30):
        process = self.popen(*command)
        try:
            text = process.communicate(timeout=patience(timeout))[0]
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        if check and process.returncode:
            raise AssertionError("%s: status %d: %s" % (" ".join(map(str, command)), process.returncode, text))
        return text

    def write(self, path, text):
        """A file, at this path in the machine."""
        with open("/proc/%d/root%s" % (self.first, path), "w", encoding="ascii") as f:
            f.write(text)

    def boot(self, name):
        self.first = wait_until(lambda: self.pid(name), 60, what=name)

    def status(self, pid):
        text = self.run("cat", "/proc/%d/status" % pid)
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)

    def dnsmasq_pid(self):
        text = self.run("cat", "/run/vnet/dnsmasq/blue/run/pid", check=False)
        return int(text) if text.strip().isdigit() else None

    def networks(self):
        text = self.run("vnetctl", "network", "list", "-o", "json")
        return {network["name"]: network["state"] for network in json.loads(text)}

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class MachineCase(unittest.TestCase):
    maxDiff = None
    machines = {}

    def machine_of(self, name, program, *arguments):
        """The one, which runs `name` when it is up."""
        m = self.machines.get(program)
        if m is None:
            m = self.machines[program] = Machine(program, *arguments)
            atexit.register(m.close)
        if not m.first:
            m.boot(name)
        return m

    def state_report(self):
        m = self.machine
        if not m.first:
            return m.console()
        return "--- console\n%s\n--- journal\n%s" % (
            m.console(), m.run("journalctl", "--no-pager", "-n", "60", "-o", "cat", check=False))

    def guest(self):
        """A namespace on blue, once."""
        m = self.machine
        if "guest" not in m.run("ip", "netns", "list"):
            m.run("ip", "netns", "add", "guest")
            m.run("vnetctl", "port", "attach", "blue", "--name", "web", "--kind", "veth", "--netns", "guest",
                  "--inside", "ifname=eth0,address=10.10.0.5/24,gateway=10.10.0.1")
        return ("ip", "netns", "exec", "guest")

    def flowing(self, action):
        """No ping of a guest is lost while action is done."""
        m = self.machine
        ping = m.popen(*self.guest(), "ping", "-n", "-i", "0.05", "10.10.0.1")

        def answers(n):
            while n:
                line = ping.stdout.readline()
                self.assertTrue(line, "ping ended")
                n -= "bytes from" in line
        try:
            answers(1)
            action()
            answers(3)
        finally:
            m.run("sh", "-c", "kill -INT $(pidof ping)")
            text = ping.communicate(timeout=patience(20))[0]
        sent, received = re.search(r"(\d+) packets transmitted, (\d+) received", text).groups()
        # The last one may have been on its way still.
        self.assertLessEqual(int(sent) - int(received), 1, text[-300:])
