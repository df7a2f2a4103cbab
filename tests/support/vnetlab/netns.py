# SPDX-License-Identifier: GPL-2.0-or-later
"""netns.py - hosts made of network namespaces

A Namespace has no name in the file system: it lives as long as its descriptor
or a process in it, so nothing has to be removed.  `with ns:` moves the calling
thread into it; sockets, TAPs and children made there stay there.
"""

import ctypes
import json
import os
import signal
import subprocess

from .patience import patience

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def die_with_parent():
    """For preexec_fn: a child must not outlive the test program."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class CommandFailed(AssertionError):
    pass


class Namespace:
    def __init__(self, name):
        self.name = name
        self._stack = []
        with self._saved():
            _check(_libc.unshare(CLONE_NEWNET))
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.run("ip", "link", "set", "lo", "up")

    class _saved:
        def __enter__(self):
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

        def __exit__(self, *_exc):
            _check(_libc.setns(self.fd, CLONE_NEWNET))
            os.close(self.fd)

    def __enter__(self):
        saved = self._saved()
        saved.__enter__()
        self._stack.append(saved)
        _check(_libc.setns(self.fd, CLONE_NEWNET))
        return self

    def __exit__(self, *exc):
        self._stack.pop().__exit__(*exc)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def path(self):
        """Usable by other programs, such as nsenter, while this one lives."""
        return "/proc/%d/fd/%d" % (os.getpid(), self.fd)

    def popen(self, *command, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("text", True)
        options.setdefault("preexec_fn", die_with_parent)
        with self:
            return subprocess.Popen([str(c) for c in command], **options)

    def run(self, *command, check=True, timeout=30, **options):
        """Runs to the end; the result's stdout holds both outputs."""
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.STDOUT)
        options.setdefault("text", True)
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        with self:
            result = subprocess.run([str(c) for c in command], timeout=patience(timeout), check=False,
                                    preexec_fn=die_with_parent, **options)
        if check and result.returncode:
            raise CommandFailed("%s: %s: status %d: %s" % (
                self.name, " ".join(map(str, command)), result.returncode, result.stdout))
        return result

    def ip(self, *arguments, check=True):
        return self.run("ip", *arguments, check=check).stdout

    def json(self, *command):
        """For `ip -j …` and `bridge -j …`, which print nothing for an empty list."""
        text = self.run(*command, stderr=subprocess.DEVNULL, check=False).stdout
        return json.loads(text) if text.strip() else []

    def link(self, name):
        """`ip -d link show NAME` as a dict, None when there is none."""
        links = [x for x in self.json("ip", "-j", "-d", "link", "show", "dev", name) if x]
        return links[0] if links else None

    def links(self):
        return {x["ifname"]: x for x in self.json("ip", "-j", "-d", "link", "show") if x}

    def addresses(self, name, family=None):
        """The addresses of a device as "ADDRESS/LENGTH", link-local IPv6 left out."""
        found = []
        for link in self.json("ip", "-j", "addr", "show", "dev", name):
            for a in link.get("addr_info", []):
                if a["scope"] == "link" and a["family"] == "inet6":
                    continue
                if family in (None, a["family"]):
                    found.append("%s/%d" % (a["local"], a["prefixlen"]))
        return found

    def routes(self, family=4, table="main"):
        return self.json("ip", "-j", "-%d" % family, "route", "show", "table", table)

    def sysctl(self, path, value=None):
        """Reads (or writes) /proc/sys/PATH of this namespace."""
        with self:
            if value is not None:
                with open("/proc/sys/" + path, "w", encoding="ascii") as f:
                    f.write(str(value))
            with open("/proc/sys/" + path, encoding="ascii") as f:
                return f.read().strip()

    def quick_ipv6(self):
        """Addresses are usable at once: the labs have no duplicates to detect."""
        for which in ("all", "default"):
            self.sysctl("net/ipv6/conf/%s/accept_dad" % which, 0)
        return self

    def ping(self, address, count=1, timeout=2, size=None, interface=None):
        """True when at least one reply came."""
        command = ["ping", "-n", "-q", "-c", count, "-i", "0.2", "-W", timeout]
        if size is not None:
            command += ["-M", "do", "-s", size]
        if interface:
            command += ["-I", interface]
        return self.run(*command, address, check=False,
                        timeout=count + timeout + 10).returncode == 0


def veth(a, name_a, b, name_b, mtu=None):
    """A wire between two namespaces, both ends up."""
    with a:
        peer = "/proc/%d/fd/%d" % (os.getpid(), b.fd)
        command = ["ip", "link", "add", name_a, "type", "veth", "peer", "name", name_b,
                   "netns", peer]
        subprocess.run(command, check=True)
    for ns, name in ((a, name_a), (b, name_b)):
        if mtu:
            ns.ip("link", "set", name, "mtu", str(mtu))
        ns.ip("link", "set", name, "up")
