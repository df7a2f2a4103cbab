# SPDX-License-Identifier: GPL-2.0-or-later
"""test_machines.py - the ports of one machine together, and devices that its maker put on the bridge"""

import fcntl
import os
import struct

from vnetlab import HostCase, nft_elements, wait_until
from vnetlab.frames import arp_request
from vnetlab.users import NOBODY, call_as, release

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 0x0002, 0x1000
NETWORK = """
networks:
  blue:
    mode: isolated
    addresses: [10.10.0.1/24]
    dns: false
"""
ACCESS = "rules: [{users: [nobody], allow: [blue], persistent: true}]\n"
STRANGER = "device %s is on bridge vn-blue without being one of its ports"


class MachineCase(HostCase):
    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(NETWORK, {"access.yaml": ACCESS})

    def names(self, **parameters):
        return sorted(p["name"] for p in self.netd.call("ListPorts", **parameters)["ports"])


class Together(MachineCase):
    def attach(self, name, machine):
        reply = self.netd.call("AttachPort", network="blue", name=name, machine=machine,
                               persistent=True, vhost="off")
        for fd in reply.fds:
            os.close(fd)
        return reply["port"]

    def test_listed_and_detached_by_their_machine(self):
        for i in range(3):
            self.assertEqual(self.attach("web.%d" % i, "web")["machine"], "web")
        self.attach("db", "db")
        self.raw_port(self.netd, "blue", name="loose")
        self.assertEqual(self.names(machine="web"), ["web.0", "web.1", "web.2"])
        self.assertEqual(self.names(machine="web", network="blue"), ["web.0", "web.1", "web.2"])
        self.assertEqual(self.names(machine="nobody"), [])
        # A restart forgets nothing.
        self.netd.stop()
        self.netd.start()
        reply = self.netd.call("DetachPorts", machine="web")
        self.assertEqual(sorted(reply["ports"]), ["web.0", "web.1", "web.2"])
        self.assertEqual(self.names(), ["db", "loose"])
        self.assertEqual(len(nft_elements(self.host, "bridge", "members")), 2)
        self.assertEqual(self.netd.call("DetachPorts", machine="web")["ports"], [])

    def test_a_machine_of_that_name_of_somebody_else(self):
        reply, error, message, pid = call_as(NOBODY, self.netd.socket, "AttachPort", hold=True,
                                             network="blue", name="theirs", machine="web",
                                             persistent=True, vhost="off")
        self.addCleanup(release, pid)
        self.assertIsNone(error, message)
        self.attach("ours", "web")
        reply = call_as(NOBODY, self.netd.socket, "DetachPorts", machine="web")[0]
        self.assertEqual(reply["ports"], ["theirs"])
        self.assertEqual(self.names(), ["ours"])


class OnTheBridge(MachineCase):
    def tap(self, name, mac):
        """As libvirt makes it: with the guest's address but for its first byte, up, and on the bridge."""
        with self.host:
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        self.addCleanup(os.close, fd)
        self.host.ip("link", "set", name, "address", "fe" + mac[2:], "master", "vn-blue", "up")
        return fd

    def test_adopted_where_it_is(self):
        mac = "52:54:00:00:00:11"
        watcher = self.raw_port(self.netd, "blue", name="watcher")
        fd = self.tap("vnet0", mac)
        wait_until(lambda: self.host.link("vn-blue")["operstate"] == "UP", timeout=12)
        request = arp_request(mac, "10.10.0.50", "10.10.0.60")

        def arrives():
            os.write(fd, request)
            return watcher.receive_until(lambda f: f.src == mac, timeout=0.3)
        self.assertIsNone(arrives())
        port = self.netd.call("AttachPort", network="blue", name="web.net0", ifname="vnet0",
                              adopt=True, mac=mac, machine="web")["port"]
        self.assertEqual((port["ifname"], port["state"]), ("vnet0", "up"))
        wait_until(arrives, what="a frame of the adopted device")
        self.tap("vnet1", "52:54:00:00:00:12")
        # Who adopts his device in time is not told of; who does not is.
        wait_until(lambda: STRANGER % "vnet1" in self.netd.log(), timeout=15)
        self.assertNotIn(STRANGER % "vnet0", self.netd.log())
