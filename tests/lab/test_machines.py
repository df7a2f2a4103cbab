# SPDX-License-Identifier: GPL-2.0-or-later
"""test_machines.py - the ports of one machine together"""

import os

from vnetlab import HostCase, nft_elements
from vnetlab.users import NOBODY, call_as, release

NETWORK = """
networks:
  blue:
    mode: isolated
    addresses: [10.10.0.1/24]
    dns: false
"""
ACCESS = "rules: [{users: [nobody], allow: [blue], persistent: true}]\n"


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
