# SPDX-License-Identifier: GPL-2.0-or-later
"""test_sriov.py - virtual functions of a NIC, which netdevsim plays"""

import os
import subprocess
import unittest

from vnetlab import LabCase, SkipFeature, VarlinkError, wait_until

NEW_DEVICE = "/sys/bus/netdevsim/new_device"
YAML = """
networks:
  fast:
    mode: sriov
    uplink: pf0
    vlan: 100
"""
MAC1, MAC2 = "52:54:00:00:00:01", "52:54:00:00:00:02"
NONE = "00:00:00:00:00:00"


class Sriov(LabCase):
    """The simulated NIC appears where it was asked for: devices of a bus have no namespace."""

    number = 7

    def setUp(self):
        if os.environ.get("VNET_KERNEL_LAB"):
            subprocess.run(["modprobe", "netdevsim"], check=True)
        if not os.path.exists(NEW_DEVICE):
            raise SkipFeature("this kernel has no netdevsim")
        super().setUp()
        self.host = self.namespace("host")
        # With ip_gre loaded a new namespace has gre0 and its like.
        before = self.host.links()
        with self.host:
            with open(NEW_DEVICE, "w", encoding="ascii") as f:
                f.write("%d 1" % self.number)
        self.stack.callback(self.remove_device)
        bus = "/sys/bus/netdevsim/devices/netdevsim%d" % self.number
        with open(bus + "/sriov_numvfs", "w", encoding="ascii") as f:
            f.write("4")
        name = next(n for n in self.host.links() if n not in before)
        self.host.ip("link", "set", name, "name", "pf0")
        self.host.ip("link", "set", "pf0", "up")

    def remove_device(self):
        with open("/sys/bus/netdevsim/del_device", "w", encoding="ascii") as f:
            f.write(str(self.number))

    def vf(self, number):
        link = self.host.json("ip", "-j", "-d", "link", "show", "dev", "pf0")[0]
        return next(v for v in link["vfinfo_list"] if v["vf"] == number)

    def netd(self, extra=""):
        return self.start_netd(self.host, {"networks.d/lab.yaml": YAML + extra})

    def owner(self):
        """A process whose end is the guest's end."""
        return self.popen(self.host, "sleep", "600")

    def attach(self, netd, **options):
        reply = netd.call("AttachPort", network="fast", **options)
        self.assertEqual(reply.fds, [])
        return reply["port"]

    def test_everything_of_a_function_is_set(self):
        netd = self.netd()
        port = self.attach(netd, mac=MAC1, ownerPid=self.owner().pid,
                           bandwidth={"out": {"rate": "1gbit"}})
        self.assertEqual(port["kind"], "vf")
        vf = self.vf(port["vf"])
        self.assertEqual(vf["address"], MAC1)
        self.assertEqual(vf["vlan_list"][0]["vlan"], 100)
        self.assertTrue(vf["spoofchk"])
        self.assertFalse(vf["trust"])
        self.assertEqual(vf["rate"]["max_tx"], 1000)

    def test_each_port_has_its_own_and_they_run_out(self):
        netd = self.netd("    sriov: {vfs: 1-2, trust: true}\n")
        owner = self.owner().pid
        ports = [self.attach(netd, ownerPid=owner) for _ in range(2)]
        self.assertEqual(sorted(p["vf"] for p in ports), [1, 2])
        self.assertTrue(self.vf(1)["trust"])
        with self.assertRaises(VarlinkError) as caught:
            self.attach(netd, ownerPid=owner)
        self.assertIn("1-2", caught.exception.message)
        with self.assertRaises(VarlinkError) as caught:
            self.attach(netd, ownerPid=owner, vf=3)
        self.assertIn("1-2", caught.exception.message)

    def test_reset_when_detached_and_when_the_owner_ends(self):
        netd = self.netd()
        owner = self.owner()
        port = self.attach(netd, mac=MAC1, ownerPid=owner.pid)
        netd.call("DetachPort", name=port["name"])
        vf = self.vf(port["vf"])
        self.assertEqual(vf["address"], NONE)
        self.assertEqual(vf.get("vlan_list", [{"vlan": 0}])[0].get("vlan", 0), 0)
        port = self.attach(netd, mac=MAC2, ownerPid=owner.pid)
        self.assertEqual(self.vf(port["vf"])["address"], MAC2)
        owner.kill()
        wait_until(lambda: not netd.call("ListPorts")["ports"])
        self.assertEqual(self.vf(port["vf"])["address"], NONE)

    def test_restart_keeps_and_repairs(self):
        netd = self.netd()
        port = self.attach(netd, mac=MAC1, ownerPid=self.owner().pid)
        netd.kill()
        self.host.ip("link", "set", "pf0", "vf", str(port["vf"]), "mac", MAC2)
        netd.start()
        self.assertEqual([p["name"] for p in netd.call("ListPorts")["ports"]], [port["name"]])
        wait_until(lambda: self.vf(port["vf"])["address"] == MAC1)

    def test_live_changes(self):
        netd = self.netd()
        port = self.attach(netd, mac=MAC1, ownerPid=self.owner().pid)
        netd.call("UpdatePort", name=port["name"],
                  mac=MAC2, bandwidth={"out": {"rate": "200mbit"}})
        vf = self.vf(port["vf"])
        self.assertEqual((vf["address"], vf["rate"]["max_tx"]), (MAC2, 200))

    def test_a_nic_without_functions_is_refused(self):
        netd = self.start_netd(self.host, {"networks.d/lab.yaml": "networks: {}\n"})
        self.host.ip("link", "add", "v1", "type", "veth", "peer", "name", "v2")
        with self.assertRaises(VarlinkError) as caught:
            netd.call("Apply", yaml=YAML.replace("pf0", "v1"))
        self.assertIn("sriov_numvfs", caught.exception.message)


if __name__ == "__main__":
    unittest.main()
