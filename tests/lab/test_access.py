# SPDX-License-Identifier: GPL-2.0-or-later
"""test_access.py - who may what, by uid and groups as the kernel tells them"""

import os
import signal

from vnetlab import HostCase, wait_until
from vnetlab.users import NOBODY, call_as, release, release_all

NETWORKS = """
networks:
  blue: {mode: isolated, addresses: [10.10.0.1/24]}
  green: {mode: isolated, addresses: [10.20.0.1/24]}
  red: {mode: isolated, addresses: [10.30.0.1/24]}
"""
POLICY = """
rules:
  - {deny: [red], everyone: true}
  - {allow: [blue], users: [2001], macs: ["52:54:00:aa"], addresses: [10.10.0.64/27], max_ports: 2}
  - {allow: ["gr*"], groups: [3001], persistent: true}
"""
ALICE, BOB, STAFF = 2001, 2002, 3001


class Access(HostCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(release_all)
        self.netd = self.netd_with(NETWORKS, {"access.yaml": POLICY})

    def call(self, uid, method, **parameters):
        return call_as(uid, self.netd.socket, method, **parameters)

    def allowed(self, uid, method="AttachPort", **parameters):
        reply, name, message, pid = self.call(uid, method, **parameters)
        self.assertIsNone(name, message)
        return reply, pid

    def denied(self, uid, method="AttachPort", **parameters):
        reply, name, message, _pid = self.call(uid, method, **parameters)
        self.assertIsNone(reply)
        self.assertEqual(name, "PermissionDenied", message)
        return message

    def test_first_matching_rule_decides(self):
        reply, _ = self.allowed(ALICE, network="blue")
        self.assertEqual(reply["port"]["ownerUid"], ALICE)
        self.denied(ALICE, network="green")
        self.denied(ALICE, network="red")
        self.denied(BOB, network="blue")
        self.denied(BOB, network="green")
        self.allowed(BOB, network="green", groups=[STAFF])
        self.denied(BOB, network="red", groups=[STAFF])

    def test_limits_of_a_rule(self):
        self.allowed(ALICE, network="blue", mac="52:54:00:aa:00:01")
        self.assertIn("macs", self.denied(ALICE, network="blue", mac="52:54:00:bb:00:01"))
        self.allowed(ALICE, network="blue", addresses=["10.10.0.70"])
        self.assertIn("addresses", self.denied(ALICE, network="blue", addresses=["10.10.0.9"]))
        self.assertIn("persistent", self.denied(ALICE, network="blue", persistent=True))
        self.denied(ALICE, network="blue", ifname="mine")
        self.denied(ALICE, network="blue", learnMac=True)
        self.allowed(BOB, network="green", groups=[STAFF], name="keep", persistent=True)
        self.assertTrue(self.netd.call("DescribePort", name="keep")["port"]["persistent"])

    def test_number_of_ports(self):
        wait_until(lambda: not self.netd.call("ListPorts")["ports"])
        _, first = self.allowed(ALICE, network="blue", hold=True)
        self.allowed(ALICE, network="blue", hold=True)
        self.assertIn("max_ports", self.denied(ALICE, network="blue"))
        release(first)
        wait_until(lambda: len(self.netd.call("ListPorts")["ports"]) == 1)
        self.allowed(ALICE, network="blue")

    def test_a_port_is_its_owners(self):
        self.allowed(ALICE, network="blue", name="hers", hold=True)
        self.denied(BOB, "UpdatePort", name="hers", mtu=1400)
        self.denied(BOB, "DetachPort", name="hers")
        self.allowed(ALICE, "UpdatePort", name="hers", mtu=1400)
        # By an update she gets no further than by an attachment.
        self.denied(ALICE, "UpdatePort", name="hers", mac="52:54:00:bb:00:01")
        self.denied(ALICE, "UpdatePort", name="hers", addresses=["10.10.0.9"])
        self.allowed(ALICE, "DetachPort", name="hers")

    def test_lists_show_what_one_may_use(self):
        self.raw_port(self.netd, "green", name="secret")
        names = [n["name"] for n in self.allowed(ALICE, "ListNetworks")[0]["networks"]]
        self.assertEqual(names, ["blue"])
        self.assertEqual(self.allowed(ALICE, "ListPorts")[0]["ports"], [])
        entries = self.allowed(ALICE, "ListFdb")[0]["entries"]
        self.assertEqual({e["network"] for e in entries} - {"blue"}, set())
        self.assertEqual(self.allowed(NOBODY, "ListNetworks")[0]["networks"], [])
        _, name, _, _ = self.call(ALICE, "DescribeNetwork", name="green")
        self.assertIn(name, ("NotFound", "PermissionDenied"))
        _, name, _, _ = self.call(ALICE, "DescribePort", name="secret")
        self.assertIn(name, ("NotFound", "PermissionDenied"))

    def test_another_owner_cannot_be_claimed(self):
        reply, name, _message, pid = self.call(ALICE, "AttachPort", network="blue", ownerPid=1)
        self.assertTrue(name == "PermissionDenied" or reply["port"]["ownerPid"] == pid)

    def test_a_reload_takes_effect_and_an_error_in_it_does_not(self):
        self.denied(BOB, network="blue")
        self.netd.write_config("access.yaml", POLICY.replace("users: [2001]", "users: [2001, 2002]"))
        os.kill(self.netd.pid(), signal.SIGHUP)
        wait_until(lambda: self.call(BOB, "AttachPort", network="blue")[1] is None)
        self.netd.write_config("access.yaml", "rules: [{allow: [blue]}]\n")
        os.kill(self.netd.pid(), signal.SIGHUP)
        wait_until(lambda: "access.yaml:1" in self.netd.log())
        self.allowed(BOB, network="blue")


class Broken(HostCase):
    def test_an_error_at_start_lets_nobody_in(self):
        netd = self.netd_with(NETWORKS, {"access.yaml": "rules: [{allow: [blue], users: [2001]}\n"})
        self.assertIn("access.yaml", netd.log())
        self.assertEqual(call_as(ALICE, netd.socket, "AttachPort", network="blue")[1],
                         "PermissionDenied")
        self.assertTrue(self.raw_port(netd, "blue").fd)


class BridgeConf(HostCase):
    def netd_with_conf(self, text, more=None):
        path = os.path.join(self.folder, "bridge.conf")
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        os.chmod(path, 0o644)
        return self.netd_with(NETWORKS, {"access.yaml": "bridge_conf: %s\n%s" % (path, more or "")})

    def attach(self, netd, network, **parameters):
        return call_as(BOB, netd.socket, "AttachPort", network=network, **parameters)[1]

    def test_allow_and_deny_keep_their_meaning(self):
        netd = self.netd_with_conf("# QEMU's own\nallow all\ndeny vn-red\n")
        self.assertIsNone(self.attach(netd, "blue"))
        self.assertIsNone(self.attach(netd, "green", learnMac=True))
        self.assertEqual(self.attach(netd, "red"), "PermissionDenied")
        self.assertEqual(self.attach(netd, "blue", persistent=True), "PermissionDenied")

    def test_include_speaks_of_those_who_may_read_it(self):
        path = os.path.join(self.folder, "alice.conf")
        with open(path, "w", encoding="ascii") as f:
            f.write("allow vn-blue\n")
        os.chown(path, 0, ALICE)
        os.chmod(path, 0o640)
        netd = self.netd_with_conf("include %s\n" % path)
        self.assertIsNone(call_as(ALICE, netd.socket, "AttachPort", network="blue")[1])
        self.assertEqual(self.attach(netd, "blue"), "PermissionDenied")

    def test_without_it_nobody(self):
        netd = self.netd_with(NETWORKS)
        self.assertEqual(self.attach(netd, "blue"), "PermissionDenied")
