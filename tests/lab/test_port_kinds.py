# SPDX-License-Identifier: GPL-2.0-or-later
"""test_port_kinds.py - how ports of every kind come and end, and what netd makes of the rest

Owners that are killed, namespaces and NICs that go, devices that somebody else
takes away: with netd there, and while it is not.
"""

import os
import signal
import unittest

from vnetlab import (GATEWAY4, HostCase, RawPort, VarlinkError, Witness, need, nft_rules, wait_until)
from vnetlab.users import call_as, release_all

YAML = """
networks:
  blue:
    mode: isolated
    addresses: [10.10.0.1/24, "fd10::1/64"]
    dns: false
  direct:
    mode: macvtap
    uplink: up0
"""
ALICE = 2001
VLANS = """
networks:
  a: {mode: isolated, addresses: [10.20.0.1/24], dns: false, uplink: up0, vlan: 100}
"""
AWARE = """
networks:
  aware:
    mode: isolated
    bridge: {vlan_filtering: true}
"""


class Kinds(HostCase):
    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(YAML)

    def owner(self):
        return self.popen(self.host, "sleep", "600")

    def attach(self, network, name, **options):
        """The descriptors are closed at once: they are not what such a port lives by."""
        reply = self.netd.call("AttachPort", network=network, name=name, vhost="off", **options)
        for fd in reply.fds:
            os.close(fd)
        return reply["port"]

    def names(self):
        return sorted(p["name"] for p in self.netd.call("ListPorts")["ports"])

    def gone(self, *names):
        wait_until(lambda: not set(names) & set(self.names()), what="%s to go" % (names,))

    def macvtaps(self):
        return [name for name in self.host.links()
                if self.host.link(name).get("linkinfo", {}).get("info_kind") == "macvtap"]


class Owners(Kinds):
    def setUp(self):
        need("macvtap", "nftables egress hook")
        super().setUp()

    def test_a_port_ends_with_its_owner(self):
        owner, other = self.owner(), self.owner()
        client = self.netd.client()
        client.send("Monitor", more=True)
        client.receive()
        ports = [self.attach("direct", "g%d" % n, ownerPid=owner.pid) for n in range(3)]
        self.attach("direct", "stays", ownerPid=other.pid)
        self.assertEqual(len(self.macvtaps()), 4)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        self.gone("g0", "g1", "g2")
        self.assertEqual(self.names(), ["stays"])
        self.assertEqual(len(self.macvtaps()), 1)
        for port in ports:
            self.assertNotIn(port["ifname"], nft_rules(self.host))
        removed = set()
        while len(removed) < 3:
            removed |= {e["port"] for e in client.receive(timeout=5)["events"]
                        if e["event"] == "port-removed"}
        self.assertEqual(removed, {"g0", "g1", "g2"})

    def test_owners_across_a_restart(self):
        before, after = self.owner(), self.owner()
        self.attach("direct", "early", ownerPid=before.pid)
        self.attach("direct", "late", ownerPid=after.pid)
        self.attach("direct", "kept", ownerPid=before.pid, persistent=True)
        self.netd.kill()
        before.kill()
        before.wait()
        self.netd.start()
        self.assertEqual(self.names(), ["kept", "late"])
        self.assertEqual(self.netd.call("Plan")["operations"], [])
        after.kill()
        after.wait()
        self.gone("late")
        self.assertEqual(len(self.macvtaps()), 1)
        self.netd.call("DetachPort", name="kept")
        self.assertEqual(self.macvtaps(), [])

    def test_a_persistent_port_is_opened_again(self):
        port = RawPort(self.netd, "direct", "p", persistent=True, vhost="off", queues=2)
        first = port.port
        port.close()
        self.assertEqual(self.names(), ["p"])
        again = RawPort(self.netd, "direct", "p", persistent=True, vhost="off")
        self.stack.callback(again.close)
        self.assertEqual(again.port["ifindex"], first["ifindex"])
        self.assertEqual(len([f for f in again.reply["fds"] if f["role"] == "tap"]), 2)

    def test_whose_process_it_may_be(self):
        self.netd.write_config("access.yaml", "rules: [{allow: [direct], users: [%d], "
                                              "kinds: [macvtap]}]\n" % ALICE)
        os.kill(self.netd.pid(), signal.SIGHUP)
        self.addCleanup(release_all)
        wait_until(lambda: call_as(ALICE, self.netd.socket, "ListNetworks")[0]["networks"])
        _, name, message, _ = call_as(ALICE, self.netd.socket, "AttachPort", network="direct",
                                      ownerPid=os.getpid())
        self.assertEqual(name, "PermissionDenied", message)
        self.assertIn("ownerPid", message)
        _, _, _, other = call_as(ALICE, self.netd.socket, "GetInfo", hold=True)
        reply, _, message, _ = call_as(ALICE, self.netd.socket, "AttachPort", network="direct",
                                       name="hers", ownerPid=other)
        self.assertTrue(reply, message)
        self.assertEqual(reply["port"]["ownerPid"], other)
        self.assertEqual(self.names(), ["hers"])
        release_all()
        self.gone("hers")

    def test_the_owner_of_a_helpers_port_is_its_parent(self):
        """The helper is gone when the guest begins."""
        owner = self.owner()
        reply = self.netd.call("AttachPort", network="direct", name="h", ownerPid=owner.pid)
        for fd in reply.fds:
            os.close(fd)
        self.assertEqual(reply["port"]["ownerPid"], owner.pid)
        with self.assertRaises(VarlinkError) as caught:
            self.attach("direct", "none", ownerPid=2 ** 22 + 5)
        self.assertEqual(caught.exception.name, "NotFound")
        self.assertIn("process", caught.exception.message)
        self.assertEqual(self.names(), ["h"])

    def test_an_uplink_that_vanishes_and_returns(self):
        self.attach("direct", "g")
        self.attach("direct", "kept", persistent=True)
        self.host.ip("link", "del", "up0")
        self.gone("g")
        wait_until(lambda: self.netd.call("DescribeNetwork", name="direct")["network"].get("problem"))
        network = self.netd.call("DescribeNetwork", name="direct")["network"]
        self.assertEqual(network["state"], "running")
        self.assertIn("up0", network["problem"]["message"])
        kept = self.netd.call("DescribePort", name="kept")["port"]
        self.assertEqual(kept["state"], "blocked")
        with self.assertRaises(VarlinkError):
            self.attach("direct", "early")
        self.host.ip("link", "add", "up0", "type", "veth", "peer", "name", "far")
        self.host.ip("link", "set", "up0", "up")
        wait_until(lambda: not self.netd.call("DescribeNetwork", name="direct")["network"].get(
            "problem"), what="the network to be whole again")
        self.attach("direct", "g")
        port = self.attach("direct", "kept", persistent=True)
        self.assertEqual((port["state"], self.host.link(port["ifname"])["link"]), ("up", "up0"))


class Namespaces(Kinds):
    def inside(self, network, kind, name, ns, **inside):
        return self.attach(network, name, kind=kind, netns=ns.path(), inside=inside)

    def test_a_veth_has_what_it_was_given(self):
        box = self.namespace("box")
        port = self.inside("blue", "veth", "box", box, ifname="lan0",
                           addresses=["10.10.0.7/24", "fd10::7/64"],
                           routes=[{"to": "default", "via": "10.10.0.1"},
                                   {"to": "::/0", "via": "fd10::1"}])
        self.assertEqual(box.link("lan0")["address"], port["mac"])
        self.assertEqual(self.host.link(port["ifname"])["master"], "vn-blue")
        for address in ("10.10.0.1", "fd10::1"):
            self.assertTrue(box.ping(address, timeout=4), address)
        self.assertIn("10.10.0.1", str(box.routes()))
        # What it sends with another address is not forwarded.
        other = self.namespace("other")
        self.inside("blue", "veth", "other", other, addresses=["10.10.0.8/24"])
        self.assertTrue(other.ping("10.10.0.7", timeout=4))
        other.ip("link", "set", "eth0", "address", "52:54:00:99:99:99")
        self.assertFalse(other.ping("10.10.0.7", timeout=1))

    def test_a_veth_across_a_restart_and_to_its_end(self):
        links, rules = sorted(self.host.links()), nft_rules(self.host)
        box, other = self.namespace("box"), self.namespace("other")
        port = self.inside("blue", "veth", "box", box, addresses=["10.10.0.7/24"])
        self.inside("blue", "veth", "other", other)
        self.netd.kill()
        self.netd.start()
        self.assertEqual(self.netd.call("Plan")["operations"], [])
        self.assertTrue(box.ping("10.10.0.1", timeout=4))
        self.assertEqual(self.netd.call("DescribePort", name="box")["port"]["ifindex"],
                         port["ifindex"])
        self.netd.call("DetachPort", name="box")
        self.assertNotIn("eth0", box.links())
        other.close()
        self.gone("other")
        self.assertEqual((sorted(self.host.links()), nft_rules(self.host)), (links, rules))

    def test_a_macvlan_ends_with_its_namespace(self):
        need("macvtap")
        box, other = self.namespace("box"), self.namespace("other")
        port = self.inside("direct", "macvlan", "box", box, addresses=["192.0.2.60/24"])
        self.assertEqual(box.link("eth0")["address"], port["mac"])
        self.assertIsNone(port.get("ifindex"))
        self.assertTrue(box.ping(GATEWAY4, timeout=4))
        self.inside("direct", "macvlan", "other", other, ifname="up")
        self.netd.kill()
        self.netd.start()
        self.assertEqual(self.names(), ["box", "other"])
        self.netd.call("DetachPort", name="box")
        self.assertNotIn("eth0", box.links())
        other.close()
        self.gone("other")

    def test_a_macvlan_that_is_deleted_inside(self):
        need("macvtap")
        box = self.namespace("box")
        self.inside("direct", "macvlan", "box", box)
        box.ip("link", "del", "eth0")
        self.gone("box")
        # Its name inside is not what it is known by.
        self.inside("direct", "macvlan", "box", box)
        box.ip("link", "set", "eth0", "down")
        box.ip("link", "set", "eth0", "name", "mine")
        self.netd.call("DetachPort", name="box")
        self.assertNotIn("mine", box.links())

    def test_what_cannot_be(self):
        before = Witness(self.host)
        box = self.namespace("box")
        box.ip("link", "add", "eth0", "type", "bridge")
        for options, word in (
                ({"netns": box.path()}, "eth0"),
                ({"netns": "/run/netns/nowhere"}, "nowhere"),
                ({"netns": "/etc/passwd"}, "not a network namespace"),
                ({"netns": box.path(), "persistent": True}, "persistent"),
                ({}, "netns")):
            with self.subTest(word), self.assertRaises(VarlinkError) as caught:
                self.attach("blue", "v", kind="veth", **options)
            self.assertIn(word, caught.exception.message)
        self.assertEqual(self.names(), [])
        self.assertEqual(before.diff(Witness(self.host)), "")

    def test_changes_live(self):
        box = self.namespace("box")
        port = self.inside("blue", "veth", "box", box, addresses=["10.10.0.7/24"])
        info = self.netd.call("UpdatePort", name="box", hairpin=True, learning=False,
                              isolated=True)["port"]
        self.assertEqual((info["hairpin"], info["learning"], info["flood"]), (True, False, True))
        state = self.host.json("bridge", "-j", "-d", "link", "show", "dev", port["ifname"])[0]
        self.assertEqual((state["hairpin"], state["learning"], state["isolated"]),
                         (True, False, True))
        with self.assertRaises(VarlinkError) as caught:
            self.netd.call("UpdatePort", name="box", mac="52:54:00:00:00:77")
        self.assertIn("mac", caught.exception.message)
        self.assertTrue(box.ping("10.10.0.1", timeout=4))


class Many(Kinds):
    def test_networks_that_end_together(self):
        before = Witness(self.host)
        nets = {"n%d" % i: {"mode": "isolated", "addresses": ["10.%d.0.1/24" % (30 + i)],
                            "dns": False} for i in range(8)}
        self.netd.call("Apply", networks=nets)
        for i in range(24):
            self.raw_port(self.netd, "n%d" % (i % 4), name="p%d" % i, vhost="off")
        for names, word in ((["n5", "n0"], "n0"), (["n5", "nowhere"], "nowhere"),
                            (["n5", "blue"], "lab.yaml"), ([], "empty")):
            with self.subTest(word), self.assertRaises(VarlinkError) as caught:
                self.netd.call("DeleteNetworks", names=names)
            self.assertIn(word, caught.exception.message)
            self.assertIn("vn-n5", self.host.links())
        infos = self.netd.call("StopNetworks", names=["n0", "n5", "n0"], force=True)["networks"]
        self.assertEqual([(n["name"], n["state"], n["ports"]) for n in infos],
                         [("n0", "stopped", 0), ("n5", "stopped", 0)])
        self.assertEqual(len(self.names()), 18)
        self.netd.call("DeleteNetworks", names=list(nets), force=True)
        self.assertEqual(self.names(), [])
        self.assertEqual(before.diff(Witness(self.host)), "")
        self.netd.kill()
        self.netd.start()
        self.assertEqual([n["name"] for n in self.netd.call("ListNetworks")["networks"]],
                         ["blue", "direct"])


class Repairs(HostCase):
    """What somebody else does to devices beside bridges and ports."""

    def restored(self, what, condition):
        wait_until(condition, timeout=8, what=what)

    def rename(self, name, other):
        """Older kernels rename only what is down, and netd would raise it soon."""
        batch = os.path.join(self.folder, "batch")
        with open(batch, "w", encoding="ascii") as f:
            f.write("link set %s down\nlink set %s name %s\n" % (name, name, other))
        self.host.ip("-batch", batch)

    def test_a_companion_that_is_lowered_or_deleted(self):
        need("macvtap")
        netd = self.netd_with("networks: {direct: {mode: macvtap, uplink: up0, "
                              "macvtap: {companion: true}, addresses: [10.9.0.1/24]}}\n")
        self.host.ip("link", "set", "vc-direct", "down")
        self.restored("it to be raised", lambda: "UP" in self.host.link("vc-direct")["flags"])
        self.host.ip("addr", "del", "10.9.0.1/24", "dev", "vc-direct")
        self.restored("its address", lambda: "10.9.0.1/24" in self.host.addresses("vc-direct"))
        self.host.ip("link", "del", "vc-direct")
        self.restored("it to be made again",
                      lambda: "10.9.0.1/24" in self.host.addresses("vc-direct"))
        self.rename("vc-direct", "other")
        self.restored("its name", lambda: "10.9.0.1/24" in self.host.addresses("vc-direct"))
        self.assertNotIn("other", self.host.links())
        self.assertEqual(netd.call("Plan")["operations"], [])

    def test_a_vlan_device(self):
        need("802.1Q")
        netd = self.netd_with(VLANS)

        def is_whole():
            link = self.host.link("vl-a")
            return link and link.get("master") == "vn-a" and "UP" in link["flags"]
        self.restored("the start", is_whole)
        self.assertNotIn("without being one of its ports", netd.log())
        for command in (("link", "set", "vl-a", "down"), ("link", "set", "vl-a", "nomaster"),
                        ("link", "del", "vl-a")):
            with self.subTest(" ".join(command)):
                self.host.ip(*command)
                self.restored("the VLAN device", is_whole)
        self.rename("vl-a", "other")
        self.restored("its name", is_whole)
        self.assertNotIn("other", self.host.links())
        self.assertEqual(netd.call("Plan")["operations"], [])

    def test_a_vlan_uplink_that_vanishes_and_returns(self):
        need("802.1Q")
        netd = self.netd_with(VLANS)
        self.host.ip("link", "del", "up0")
        wait_until(lambda: netd.call("DescribeNetwork", name="a")["network"].get("problem"))
        network = netd.call("DescribeNetwork", name="a")["network"]
        self.assertEqual((network["state"], network["vlan"], network["uplink"]),
                         ("running", 100, "up0"))
        self.assertIn("up0", network["problem"]["message"])
        port = self.raw_port(netd, "a", vhost="off")
        self.assertEqual(self.host.link(port.ifname)["master"], "vn-a")
        self.host.ip("link", "add", "up0", "mtu", "1400", "type", "veth", "peer", "name", "far")
        self.host.ip("link", "set", "up0", "up")
        wait_until(lambda: (self.host.link("vl-a") or {}).get("master") == "vn-a")
        wait_until(lambda: not netd.call("DescribeNetwork", name="a")["network"].get("problem"))
        self.assertEqual(self.host.link("vl-a")["link"], "up0")
        self.assertEqual(netd.call("Plan")["operations"], [])

    def test_vlans_of_a_port(self):
        need("VLAN filtering")
        netd = self.netd_with(AWARE)
        port = self.raw_port(netd, "aware", vhost="off", vlan={"native": 10, "tagged": ["20-22"]})

        def vlans():
            return self.host.run("bridge", "-j", "vlan", "show", "dev", port.ifname).stdout
        before = vlans()
        for command in (("del", "dev", port.ifname, "vid", "21"),
                        ("add", "dev", port.ifname, "vid", "77"),
                        ("add", "dev", port.ifname, "vid", "30", "pvid", "untagged")):
            with self.subTest(" ".join(command)):
                self.host.run("bridge", "vlan", *command)
                self.restored("the VLANs", lambda: vlans() == before)

    def test_peers_of_a_vxlan(self):
        need("vxlan")
        netd = self.netd_with("networks: {far: {mode: isolated, links: [{name: x, kind: vxlan, "
                              "vni: 7, local: 192.0.2.2, peers: [192.0.2.9, 192.0.2.10]}]}}\n")
        device = next(n for n in self.host.links() if n.startswith("vx"))

        def peers():
            entries = self.host.json("bridge", "-j", "fdb", "show", "dev", device)
            return sorted(e["dst"] for e in entries if e["mac"] == "00:00:00:00:00:00")
        self.restored("the peers", lambda: peers() == ["192.0.2.10", "192.0.2.9"])
        self.host.run("bridge", "fdb", "del", "00:00:00:00:00:00", "dev", device,
                      "dst", "192.0.2.9")
        self.restored("a peer that was taken away", lambda: len(peers()) == 2)
        self.host.run("bridge", "fdb", "append", "00:00:00:00:00:00", "dev", device,
                      "dst", "192.0.2.77")
        self.restored("a foreign peer to go", lambda: peers() == ["192.0.2.10", "192.0.2.9"])
        self.assertEqual(netd.call("Plan")["operations"], [])


if __name__ == "__main__":
    unittest.main()
