# SPDX-License-Identifier: GPL-2.0-or-later
"""case.py - the base of every lab test: makes things, and takes them away again"""

import contextlib
import itertools
import os
import shutil
import tempfile
import time
import unittest

from .guest import Guest, RawPort
from .netd import Netd
from .netns import Namespace
from .patience import patience
from .services import TcpServer, UdpServer


class SkipFeature(unittest.SkipTest):
    """The machine lacks something, which the message names."""


def wait_until(condition, timeout=10, interval=0.02, what=None):
    """Polls condition() until it is true and returns its value; fails with what it waited for."""
    deadline = time.monotonic() + patience(timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("not within %.3g s: %s" % (patience(timeout), what or condition))
        time.sleep(interval)


def repeat(times, interval=0.0):
    """range() with pauses: bounded tries."""
    for i in range(times):
        if i and interval:
            time.sleep(interval)
        yield i


class LabCase(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = tempfile.mkdtemp(prefix="t", dir="/run/lab")
        os.chmod(self.folder, 0o755)
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.daemons = []
        self._numbers = itertools.count(1)

    def namespace(self, name):
        ns = Namespace(name).quick_ipv6()
        self.stack.callback(ns.close)
        return ns

    def start_netd(self, ns, files=None, start=True, **options):
        folder = os.path.join(self.folder, "netd%d" % next(self._numbers))
        os.mkdir(folder)
        os.chmod(folder, 0o755)
        netd = Netd(ns, folder, files, **options)
        self.daemons.append(netd)
        self.stack.callback(netd.cleanup)
        return netd.start() if start else netd

    def guest(self, netd, network, name=None, **options):
        """A guest that is a namespace, attached over the API."""
        number = next(self._numbers)
        name = name or "guest%d" % number
        ns = self.namespace(name)
        guest = Guest(ns, netd, network, name, self.folder, **options)
        self.stack.callback(guest.close)
        return guest

    def raw_port(self, netd, network, **options):
        """A port whose frames the test itself sends and receives."""
        port = RawPort(netd, network, **options)
        self.stack.callback(port.close)
        return port

    def tcp_server(self, ns, port, name="server", address="::"):
        server = TcpServer(ns, port, address, name)
        self.stack.callback(server.close)
        return server

    def udp_server(self, ns, port, name="server", address="::"):
        server = UdpServer(ns, port, address, name)
        self.stack.callback(server.close)
        return server

    def popen(self, ns, *command, **options):
        process = ns.popen(*command, **options)

        def end():
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()
        self.stack.callback(end)
        return process

    def state_report(self):
        """For the runner to print beside a failure."""
        parts = []
        for netd in self.daemons:
            if os.path.exists(netd.log_path):
                parts.append("--- log of netd\n" + netd.log(60))
            if netd.ns.fd >= 0:
                for command in (("nft", "list", "ruleset"), ("ip", "-br", "addr"), ("ip", "route")):
                    parts.append("--- %s\n%s" % (
                        " ".join(command), netd.ns.run(*command, check=False).stdout))
        return "\n".join(parts)
