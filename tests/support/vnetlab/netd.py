# SPDX-License-Identifier: GPL-2.0-or-later
"""netd.py - one netd, in a namespace, with directories of its own"""

import os
import re
import signal
import socket
import subprocess
import time

from .netns import die_with_parent
from .patience import patience
from .varlink import Client

SANITIZER_REPORT = re.compile(
    r"(ERROR: (Address|Leak|Thread|Memory)Sanitizer|runtime error:).*", re.S)
# $VNET_MEMCHECK: netd runs under valgrind (`make valgrind`).
MEMCHECK = ("valgrind", "-q", "--vgdb=no", "--child-silent-after-fork=yes", "--leak-check=full", "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite", "--track-fds=yes",
            "--error-exitcode=99") if os.environ.get("VNET_MEMCHECK") else ()
MEMCHECK_REPORT = re.compile(
    r"^==\d+== (Invalid|Conditional jump|Use of uninit|Syscall param|.* definitely lost in|"
    # devices_index() keeps one.
    r"Open (file|AF_)[^\n]*\n==\d+==    (?!<inherited|[^\n]*\n[^\n]*devices_index)).*", re.S | re.M)
START_SECONDS = patience(20)


def build_path(*parts):
    """A file below the build directory ($VNET_BUILD)."""
    return os.path.join(os.environ.get("VNET_BUILD", "build"), *parts)


def find_program(name):
    """A program of ours, as built: netd, vnetctl, vnet-qemu-helper, vnet-qemu-ifup …"""
    for folder in ("netd", "cli", "tests/support", "tests/guest", "tests/bench/attach"):
        path = os.path.abspath(build_path(folder, name))
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    raise AssertionError("%s is not built below %s" % (name, build_path()))


class Netd:
    """files: {"networks.d/a.yaml": "…", "access.yaml": "…"} for its --config-dir."""

    def __init__(self, ns, folder, files=None, arguments=(), environment=None, program="netd/netd"):
        self.ns = ns
        self.program = os.path.abspath(build_path(program))
        self.folder = folder
        self.config_dir = os.path.join(folder, "etc")
        self.run_dir = os.path.join(folder, "run")
        self.state_dir = os.path.join(folder, "state")
        self.socket = os.path.join(self.run_dir, "netd.sock")
        self.log_path = os.path.join(folder, "netd.log")
        self.arguments = list(arguments)
        self.environment = dict(environment or {})
        self.process = None
        self.clients = []
        for path in (self.config_dir, os.path.join(self.config_dir, "networks.d"),
                     self.run_dir, self.state_dir):
            os.makedirs(path, 0o755, exist_ok=True)
        for name, text in (files or {}).items():
            self.write_config(name, text)

    def write_config(self, name, text):
        path = os.path.join(self.config_dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def start(self, prefix=(), wait=True):
        """prefix: a command to run it under, such as strace."""
        prefix = prefix or MEMCHECK
        notify_path = os.path.join(self.folder, "notify")
        if os.path.exists(notify_path):
            os.unlink(notify_path)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(notify_path)
        os.chmod(notify_path, 0o666)  # as systemd's is: netd is not root when it is ready
        environment = dict(os.environ, NOTIFY_SOCKET=notify_path, **self.environment)
        if prefix is MEMCHECK and MEMCHECK:
            environment["LD_PRELOAD"] = os.path.abspath(build_path("tests/support/no-filter.so"))
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = self.ns.popen(
                *prefix, self.program, "--config-dir", self.config_dir,
                "--run-dir", self.run_dir, "--state-dir", self.state_dir,
                "--log-level", "debug", *self.arguments,
                stdout=log, stderr=log, env=environment, preexec_fn=die_with_parent)
        try:
            if wait:
                self._wait_ready(notify)
        finally:
            notify.close()
        return self

    def _wait_ready(self, notify):
        deadline = time.monotonic() + START_SECONDS
        notify.settimeout(0.05)
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError("netd ended with status %d at start:\n%s" % (
                    self.process.returncode, self.log()))
            try:
                if b"READY=1" in notify.recv(4096):
                    return
            except socket.timeout:
                pass
        raise AssertionError("netd was not ready within %d s:\n%s" % (START_SECONDS, self.log()))

    def log(self, tail=None):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            text = f.read()
        return text if tail is None else "\n".join(text.splitlines()[-tail:])

    def pid(self):
        """netd's own, also when it runs under strace."""
        if MEMCHECK:
            return self.process.pid
        with open("/proc/%d/comm" % self.process.pid, encoding="utf-8") as f:
            if f.read().strip() == "netd":
                return self.process.pid
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid),
                  encoding="ascii") as f:
            return int(f.read().split()[0])

    def client(self, timeout=20):
        client = Client(self.socket, timeout)
        self.clients.append(client)
        return client

    def call(self, method, **parameters):
        """A call over a connection of its own."""
        with Client(self.socket) as client:
            return client.call(method, parameters)

    def vnetctl(self, *arguments, check=True, timeout=30, **options):
        options["env"] = dict(os.environ, VNET_SOCKET=self.socket, **options.get("env", {}))
        return self.ns.run(find_program("vnetctl"), *arguments, check=check, timeout=timeout,
                           **options)

    def fd_count(self):
        return len(os.listdir("/proc/%d/fd" % self.pid()))

    def resident_kib(self):
        with open("/proc/%d/status" % self.pid(), encoding="ascii") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def dnsmasq_pids(self):
        """Those that serve for this netd: their command line names its directories."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open("/proc/%s/cmdline" % entry, "rb") as f:
                    words = f.read().split(b"\0")
                with open("/proc/%s/stat" % entry, "rb") as f:
                    parent = int(f.read().rsplit(b")", 1)[1].split()[1])
            except OSError:
                continue
            # One that still has a parent tries a configuration, or is on its way to be a daemon.
            if os.path.basename(words[0]) == b"dnsmasq" and parent == 1 and \
                    self.folder.encode() in b" ".join(words):
                found.append(int(entry))
        return sorted(found)

    def stop(self, timeout=15):
        """SIGTERM, and a clean end is asserted."""
        if not self.process:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(patience(timeout))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("netd did not end within %d s of SIGTERM:\n%s" % (
                patience(timeout), self.log(20))) from None
        self.check_log()
        assert status == 0, "netd ended with status %d:\n%s" % (status, self.log(40))

    def kill(self):
        """As an out-of-memory killer would."""
        process, self.process = self.process, None
        process.kill()
        process.wait()
        self.check_log()

    def check_log(self):
        report = SANITIZER_REPORT.search(self.log()) or MEMCHECK_REPORT.search(self.log())
        assert not report, report.group(0)[:6000]

    def cleanup(self):
        for client in self.clients:
            client.close()
        self.clients = []
        try:
            self.stop()
        finally:
            for pid in self.dnsmasq_pids():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
