# SPDX-License-Identifier: GPL-2.0-or-later
"""test_review_netd.py - what a hostile reader of netd's core tried"""

import fcntl
import os
import re
import signal
import struct
import time

from vnetlab import HostCase, VarlinkError, nft_elements, wait_until
from vnetlab.users import call_as, release_all

SIOCSIFHWADDR = 0x8924
ARPHRD_ETHER = 1
NETWORK = """
networks:
  blue:
    mode: isolated
    addresses: [10.10.0.1/24]
    ports: {isolated: true}
"""


class Ports(HostCase):
    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(NETWORK)

    def test_an_attach_reads_no_snapshot(self):
        """Neither in its own path nor by the events that it causes."""
        self.netd.stop()
        trace = os.path.join(self.folder, "strace")
        self.netd.start(prefix=("strace", "-o", trace, "-e", "trace=sendto,sendmsg"))

        def dumps():
            with open(trace, encoding="utf-8", errors="replace") as f:
                return len(re.findall(r"RTM_GETLINK[^]]*NLM_F_DUMP", f.read()))
        self.assertGreater(dumps(), 0, "strace sees what it is asked for")
        time.sleep(0.5)
        before = dumps()
        port = self.raw_port(self.netd, "blue", vhost="off")
        self.netd.call("UpdatePort", name=port.name, mtu=1400)
        time.sleep(0.5)
        after = dumps()
        os.kill(self.netd.pid(), signal.SIGTERM)  # strace itself would pass no signal on
        self.netd.process.wait(15)
        self.netd.process = None
        self.assertEqual(after, before)

    def test_many_attachments_do_not_delay_a_repair(self):
        for _ in range(12):
            self.raw_port(self.netd, "blue", vhost="off")
            time.sleep(0.05)
        port = self.raw_port(self.netd, "blue", vhost="off")
        self.host.run("nft", "flush", "set", "bridge", "vnet", "macs")
        wait_until(lambda: port.ifname in str(nft_elements(self.host, "bridge", "macs")),
                   timeout=2, what="the guard to be put back")

    def test_the_holder_of_a_tap_cannot_change_its_mac_for_long(self):
        port = self.raw_port(self.netd, "blue", mac="52:54:00:00:00:01", vhost="off")
        before = self.host.link(port.ifname)["address"]
        self.assertEqual(before, "fe:54:00:00:00:01")
        victim = bytes.fromhex("525400000002")
        with self.host:
            fcntl.ioctl(port.fd, SIOCSIFHWADDR,
                        struct.pack("16sH14s", port.ifname.encode(), ARPHRD_ETHER, victim))
        wait_until(lambda: self.host.link(port.ifname)["address"] == before, timeout=3,
                   what="the host's MAC of the port to be put back")

    def test_a_guest_that_starts_again_at_once(self):
        """With its name and MAC, before netd has heard that the former device is gone."""
        for _ in range(30):
            port = self.raw_port(self.netd, "blue", name="web", mac="52:54:00:00:00:01", vhost="off")
            port.close()
        for _ in range(30):
            port = self.raw_port(self.netd, "blue", mac="52:54:00:00:00:01", vhost="off")
            port.close()

    def test_a_default_is_still_told_after_a_restart(self):
        port = self.raw_port(self.netd, "blue", vhost="off")
        before = self.netd.call("DescribePort", name=port.name)["port"]
        self.assertTrue(before["isolated"])
        self.netd.stop()
        self.netd.start()
        self.assertEqual(self.netd.call("DescribePort", name=port.name)["port"], before)

    def test_state_of_another_time_names_no_device_of_today(self):
        """A state file whose number is another device's now: that one is left alone."""
        port = self.raw_port(self.netd, "blue", name="web", vhost="off")
        self.netd.stop()
        port.close()
        self.host.ip("link", "add", "other0", "type", "bridge")
        index = self.host.link("other0")["ifindex"]
        path = os.path.join(self.netd.run_dir, "ports", "web.json")
        with open(path, encoding="ascii") as f:
            text = f.read()
        with open(path, "w", encoding="ascii") as f:
            f.write(re.sub(r'"ifindex":\d+', '"ifindex":%d' % index, text))
        self.netd.start()
        self.assertEqual(self.netd.call("ListPorts")["ports"], [])
        self.assertTrue(self.host.link("other0"))

    def test_names_taken_by_others_make_no_attach_fail(self):
        port = self.raw_port(self.netd, "blue", vhost="off")
        number = int(port.ifname[2:])
        self.raw_port(self.netd, "blue", ifname="vp%d" % (number + 1), vhost="off")
        self.raw_port(self.netd, "blue", name="vp%d" % (number + 2), vhost="off",
                      ifname="vp%d" % (number + 20))
        self.raw_port(self.netd, "blue", vhost="off")


class Rights(HostCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(release_all)
        self.netd = self.netd_with("""
networks:
  blue: {mode: isolated, addresses: [10.10.0.1/24]}
  green: {mode: isolated, addresses: [10.20.0.1/24]}
""", {"access.yaml": "rules: [{allow: [blue], users: [2001], persistent: true}]"})

    def test_a_conflict_does_not_tell_of_networks_one_may_not_see(self):
        self.netd.call("AttachPort", network="green", name="web", persistent=True, vhost="off")
        _, name, message, _ = call_as(2001, self.netd.socket, "AttachPort", network="blue",
                                      name="web", vhost="off")
        self.assertEqual(name, "AlreadyExists")
        self.assertNotIn("green", message)

    def test_a_right_that_was_withdrawn_opens_no_port_again(self):
        call = dict(network="blue", name="web", persistent=True, vhost="off")
        self.assertIsNone(call_as(2001, self.netd.socket, "AttachPort", **call)[1])
        self.assertIsNone(call_as(2001, self.netd.socket, "AttachPort", **call)[1])
        self.netd.write_config("access.yaml", "rules: []\n")
        os.kill(self.netd.pid(), signal.SIGHUP)
        wait_until(lambda: "reading" in self.netd.log(), what="the reload")
        self.assertEqual(call_as(2001, self.netd.socket, "AttachPort", **call)[1],
                         "PermissionDenied")
