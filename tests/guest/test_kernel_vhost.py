# SPDX-License-Identifier: GPL-2.0-or-later
"""test_kernel_vhost.py - real guests on what a full kernel offers: vhost-net, many queues

Of the kernel's work there are two witnesses: the threads vhost-PID, which have run when
packets went by, and what QEMU says of its card.  The guest was booted elsewhere and
wakes up here, because an emulated machine within an emulated one boots for minutes.
"""

import glob
import os
import re
import subprocess

from vnetlab import (GATEWAY4, HOST4, HostCase, HttpServer, INTERNET4, SkipFeature, find_program,
                     need, nft_drops, nft_elements, wait_until)
from vnetlab.netd import build_path
from vnetlab.qemu import ASLEEP_CARD, ASLEEP_MAC, ASLEEP_MACHINE, QemuGuest

NETWORK = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24]
    dhcp: true
"""
MACVTAP = """
networks:
  direct: {mode: macvtap, uplink: up0}
"""
# The whole machine's processes: the threads of Linux before 6.4 are the kernel's own, which the
# sandbox's PID namespace does not show.  The kernel lab has a view of them.
PROC = os.environ.get("VNET_KERNEL_LAB_PROC", "/proc")


class VhostThreads:
    """vhost's workers for a QEMU process, as directories of /proc."""

    def __init__(self, pid):
        self.pid = self._outer_pid(pid)
        self.tasks = sorted(self._find("vhost-%d" % self.pid))

    @staticmethod
    def _outer_pid(pid):
        for path in glob.glob(PROC + "/[0-9]*/status"):
            try:
                with open(path, encoding="ascii", errors="replace") as f:
                    text = f.read()
            except OSError:
                continue
            found = re.search(r"^NSpid:\t(\d+)\b.*?(\d+)$", text + "\n", re.M)
            if found and int(found.group(2)) == pid and text.startswith("Name:\tqemu-system"):
                return int(found.group(1))
        raise AssertionError("no QEMU with pid %d below %s" % (pid, PROC))

    @staticmethod
    def _find(name):
        for path in glob.glob(PROC + "/[0-9]*/task/[0-9]*/comm"):
            try:
                with open(path, encoding="ascii", errors="replace") as f:
                    if f.read().strip() == name:
                        yield os.path.dirname(path)
            except OSError:
                continue

    def wakeups(self):
        """How often each worker has gone to sleep after some work."""
        counts = []
        for task in self.tasks:
            with open(task + "/status", encoding="ascii", errors="replace") as f:
                counts.append(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", f.read(),
                                            re.M).group(1)))
        return counts


class KernelGuest(HostCase):
    features = ()

    def setUp(self):
        need(*self.features)
        if not os.path.exists("/dev/vhost-net"):
            raise SkipFeature("this machine has no vhost-net (/dev/vhost-net)")
        super().setUp()

    def wake_up(self, reply):
        """The guest with the descriptors of a port, by the arguments that netd has for it."""
        arguments = [re.sub("%fd(\\d+)%", lambda m: str(reply.fds[int(m.group(1))]), a)
                     for a in reply["qemuArgs"]]
        name = reply["port"]["name"]
        self.assertEqual(arguments[-1], ASLEEP_CARD % ("vnet-" + name))
        guest = self.start(arguments, pass_fds=reply.fds)
        for fd in reply.fds:
            os.close(fd)
        reply.fds.clear()
        return guest

    def start(self, network=(), **options):
        guest = QemuGuest(self.host, self.folder, list(network) + ASLEEP_MACHINE,
                          append="mini.dhcp=no", asleep=os.path.abspath(build_path("guest/asleep")),
                          **options)
        self.stack.callback(guest.close)
        return guest

    def run_in(self, guest, command):
        status, text = guest.run(command)
        self.assertEqual(status, 0, text)
        return text

    def dhcp(self, guest):
        return self.run_in(guest, "ip link set eth0 up && "
                           "udhcpc -q -n -f -t 60 -T 1 -i eth0 -s /dhcp.sh")

    def assert_vhost_works(self, guest, threads, address):
        before = threads.wakeups()
        # Each processor of the guest sends through a queue of its own.
        for processor in (1, 2):
            self.run_in(guest, "taskset %d ping -c 3 -W 10 %s" % (processor, address))
        for old, new in zip(before, threads.wakeups()):
            self.assertGreaterEqual(new, old + 3)
        path = next(d["path"] for d in guest.qmp.call("x-query-virtio") if d["name"] == "virtio-net")
        self.assertTrue(guest.qmp.call("x-query-virtio-status", path=path)["vhost-started"])


class Vhost(KernelGuest):
    def test_many_queues_by_vhost(self):
        netd = self.netd_with(NETWORK)
        web = HttpServer(self.outside, 80, "::", "internet")
        self.addCleanup(web.close)
        reply = netd.call("AttachPort", network="blue", name="vm", mac=ASLEEP_MAC, queues=2,
                          vhost="on")
        self.assertEqual(sorted((f["role"], f["queue"]) for f in reply["fds"]),
                         [("tap", 0), ("tap", 1), ("vhost", 0), ("vhost", 1)])
        guest = self.wake_up(reply)
        threads = VhostThreads(guest.process.pid)
        self.assertEqual(len(threads.tasks), 2)

        self.assertRegex(self.dhcp(guest), r"MINI addr eth0 10\.10\.0\.\d+/24 10\.10\.0\.1\b")
        self.assert_vhost_works(guest, threads, "10.10.0.1")
        self.assertIn("internet " + HOST4, self.run_in(
            guest, "wget -q -O - http://%s/" % INTERNET4))

        # The guard stands before vhost's frames as before others.
        before = nft_drops(self.host, reply["port"]["ifname"])
        guest.run("ip link set eth0 address 52:54:00:66:66:66; arping -c 2 -w 4 -I eth0 10.10.0.1")
        after = nft_drops(self.host, reply["port"]["ifname"])
        self.assertGreaterEqual(after, before + 2)

        guest.kill()
        wait_until(lambda: not netd.call("ListPorts")["ports"])
        self.assertIsNone(self.host.link(reply["port"]["ifname"]))
        self.assertEqual(nft_elements(self.host, "bridge", "macs"), [])


class Macvtap(KernelGuest):
    features = ("macvtap", "nftables egress hook")

    def test_many_queues_on_the_segment_of_a_nic(self):
        """By vnetctl run, which is QEMU's pid: a macvtap port ends with that process."""
        netd = self.netd_with(MACVTAP)
        web = HttpServer(self.outside, 80, "::", "internet")
        self.addCleanup(web.close)
        # Nothing of netd's gives addresses there: the segment does.
        self.popen(self.outside, "dnsmasq", "-k", "-C", "/dev/null", "--port=0", "--interface=eth0",
                   "--bind-interfaces", "--leasefile-ro", "--no-ping", "--pid-file=",
                   "--dhcp-range=192.0.2.100,192.0.2.110,255.255.255.0", "--user=root",
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        guest = self.start(prefix=[find_program("vnetctl"), "run", "direct", "--name", "vm",
                                   "--mac", ASLEEP_MAC, "--queues", "2", "--vhost", "on", "--"],
                           env=dict(os.environ, VNET_SOCKET=netd.socket))
        port = netd.call("ListPorts")["ports"][0]
        self.assertEqual((port["kind"], port["ownerPid"]), ("macvtap", guest.process.pid))
        threads = VhostThreads(guest.process.pid)
        self.assertEqual(len(threads.tasks), 2)
        self.assertRegex(self.dhcp(guest), r"MINI addr eth0 192\.0\.2\.1\d\d/24 192\.0\.2\.1\b")
        self.assert_vhost_works(guest, threads, GATEWAY4)
        self.assertRegex(self.run_in(guest, "wget -q -O - http://%s/" % INTERNET4),
                         r"internet 192\.0\.2\.1\d\d ")

        # No other address leaves, whatever the guest calls itself.
        guest.run("ip link set eth0 address 52:54:00:66:66:66")
        self.assertNotEqual(guest.run("arping -c 2 -w 4 -I eth0 " + GATEWAY4)[0], 0)
        self.assertNotIn("52:54:00:66:66:66", self.outside.ip("neigh"))

        guest.kill()
        wait_until(lambda: not netd.call("ListPorts")["ports"])
        self.assertIsNone(self.host.link(port["ifname"]))
