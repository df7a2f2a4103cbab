# SPDX-License-Identifier: GPL-2.0-or-later
"""test_vlan.py - a bridge for each VLAN of an uplink

    red (VLAN 100)  guests -- vn-red  -- vl-red  --+
    blue (VLAN 200) guests -- vn-blue -- vl-blue --+-- uplink ---- eth0 [ switch ]

The uplink is a NIC, a bond or a bridge.  The switch sees frames with their tags and has
addresses in VLANs of its own.
"""

from vnetlab import (LabCase, VarlinkError, Witness, need, tcp_ask, veth, wait_until)
from vnetlab.wire import PortWire, Wire, collect, marked

RED_AND_BLUE = """
networks:
  red: {mode: bridged, uplink: UPLINK, vlan: 100}
  blue: {mode: bridged, uplink: UPLINK, vlan: 200}
"""
# What a frame can have in front of its type.
STACKS = ("", "8100/0", "8100/100", "8100/200", "88a8/100", "88a8/200", "9100/100", "9100/200",
          "8100/100 8100/200", "8100/200 8100/100", "8100/0 8100/200", "88a8/100 8100/200",
          "88a8/200 8100/100", "8100/100 88a8/200", "8100/200 8100/100 8100/200")
OUTSIDE = "02:00:00:00:00:aa"


class VlanCase(LabCase):
    uplink = "up0"
    features = ("802.1Q",)

    def setUp(self):
        need(*self.features)
        super().setUp()
        self.host = self.namespace("host")
        self.switch = self.namespace("switch")
        self.make_uplink()

    def make_uplink(self):
        self.make_wire()
        # The same machine when it comes back, or neighbours would look for the old one first.
        self.switch.ip("link", "set", "eth0", "address", "02:00:00:00:00:01")
        self.host.ip("addr", "add", "192.0.2.2/24", "dev", self.uplink)
        self.host.ip("route", "add", "default", "via", "192.0.2.1")
        self.switch.ip("addr", "add", "192.0.2.1/24", "dev", "eth0")

    def make_wire(self):
        veth(self.host, "up0", self.switch, "eth0")

    def lose_uplink(self):
        self.host.ip("link", "del", "up0")

    def on_switch(self, name, vid, address=None, on="eth0", protocol="802.1Q"):
        """The switch's own device in a VLAN."""
        self.switch.ip("link", "add", "link", on, "name", name, "type", "vlan", "protocol",
                       protocol, "id", vid)
        self.switch.ip("link", "set", name, "up")
        if address:
            self.switch.ip("addr", "add", address, "dev", name)

    def netd_with(self, yaml, **options):
        return self.start_netd(self.host, {
            "networks.d/lab.yaml": yaml.replace("UPLINK", self.uplink)}, **options)

    def wire(self):
        wire = Wire(self.switch, "eth0")
        self.addCleanup(wire.close)
        return wire

    def raw(self, netd, network, number):
        return PortWire(self.raw_port(netd, network, mac="52:54:00:00:00:%02x" % number))

    def wait_for_path(self, sender, src, place):
        """The kernel takes its time to notice a bridge's first carrier."""
        def passes():
            sender.send(marked("hello", src))
            return collect({"": place}, 0.05)[""]
        wait_until(passes, what="a frame from %s passes" % src)

    def dropped(self, netd, place):
        return netd.call("DescribePort", name=place.port.name)["port"]["dropped"]


class Common:
    """For each kind of uplink; a mixin, so that the base itself is not run."""

    def test_guests_are_in_their_vlan(self):
        self.on_switch("v100", 100, "10.100.0.1/24")
        self.on_switch("v200", 200, "10.200.0.1/24")
        netd = self.netd_with(RED_AND_BLUE)
        red = self.guest(netd, "red").address("10.100.0.9/24")
        blue = self.guest(netd, "blue").address("10.200.0.9/24")
        self.assertTrue(red.ping("10.100.0.1", timeout=5))
        self.assertTrue(blue.ping("10.200.0.1", timeout=5))
        blue.address("10.100.0.8/24")
        self.assertFalse(blue.ping("10.100.0.1", timeout=1))
        self.assertFalse(blue.ping("10.100.0.9", timeout=1))

        for name, vid in (("red", 100), ("blue", 200)):
            link = self.host.link("vl-" + name)
            self.assertEqual(link["linkinfo"]["info_data"]["id"], vid)
            self.assertEqual(link["linkinfo"]["info_data"]["protocol"], "802.1Q")
            self.assertEqual((link["link"], link["master"]), (self.uplink, "vn-" + name))
            self.assertEqual(link["ifalias"], "vnet:vlan:" + name)
        # The uplink is the host's as before.
        self.assertIn("192.0.2.2/24", self.host.addresses(self.uplink))
        self.assertTrue(self.host.ping("192.0.2.1"))

    def test_no_tag_leads_a_guest_out_of_its_vlan(self):
        netd = self.netd_with(RED_AND_BLUE)
        red, blue = self.raw(netd, "red", 1), self.raw(netd, "blue", 2)
        places = {"wire": self.wire(), "red": self.raw(netd, "red", 3), "blue": blue}
        self.wait_for_path(red, red.mac, places["wire"])
        self.wait_for_path(blue, blue.mac, places["wire"])
        collect(places)
        for stack in STACKS:
            red.send(marked("from red: " + stack, red.mac, stack))
        self.assertEqual(collect(places), {
            "wire": [("from red: ", "8100/100")], "red": [("from red: ", "")], "blue": []})
        self.assertEqual(self.dropped(netd, red), len(STACKS) - 1)
        self.assertEqual(self.dropped(netd, blue), 0)

    def test_the_wire_reaches_guests_by_their_tag_alone(self):
        netd = self.netd_with(RED_AND_BLUE)
        red, blue = self.raw(netd, "red", 1), self.raw(netd, "blue", 2)
        places, wire = {"red": red, "blue": blue}, self.wire()
        self.wait_for_path(red, red.mac, wire)
        self.wait_for_path(blue, blue.mac, wire)
        for stack in STACKS:
            wire.send(marked(stack, OUTSIDE, stack))
        self.assertEqual(collect(places), {
            # What is behind the tag is the guest's own affair.
            "red": [("8100/100", ""), ("8100/100 8100/200", "8100/200"),
                    ("8100/100 88a8/200", "88a8/200")],
            # A priority tag says nothing of the VLAN; the kernel looks behind it.
            "blue": [("8100/200", ""), ("8100/200 8100/100", "8100/100"), ("8100/0 8100/200", ""),
                     ("8100/200 8100/100 8100/200", "8100/100 8100/200")]})

    def test_the_uplink_vanishes_and_returns(self):
        netd = self.netd_with(RED_AND_BLUE)
        red = self.guest(netd, "red").address("10.100.0.9/24")
        self.on_switch("v100", 100, "10.100.0.1/24")
        self.assertTrue(red.ping("10.100.0.1", timeout=5))
        self.lose_uplink()
        wait_until(lambda: not self.host.link("vl-red"))
        # Guests of one network stay together; one that comes meanwhile is held as tightly.
        other = self.guest(netd, "red").address("10.100.0.8/24")
        self.assertTrue(red.ping("10.100.0.8", timeout=5))
        sly = self.raw(netd, "red", 7)
        places = {"red": self.raw(netd, "red", 8), "blue": self.raw(netd, "blue", 9)}
        sly.send(marked("tagged", sly.mac, "8100/200"))
        sly.send(marked("plain", sly.mac))
        self.assertEqual(collect(places), {"red": [("plain", "")], "blue": []})
        self.make_uplink()
        self.on_switch("v100", 100, "10.100.0.1/24")
        wait_until(lambda: red.ping("10.100.0.1", timeout=1), timeout=20,
                   what="the VLAN is there again")
        self.assertTrue(other.ping("10.100.0.1"))

    def test_nothing_stays_behind(self):
        # The kernel gives it one when it has noticed that the wire is connected.
        wait_until(lambda: "fe80:" in self.host.ip("-6", "addr", "show", "dev", self.uplink),
                   what="the uplink's link-local address")
        before = Witness(self.host)
        netd = self.netd_with(RED_AND_BLUE)
        self.assertIsNotNone(self.host.link("vl-red"))
        for name in ("red", "blue"):
            netd.call("StopNetwork", name=name)
        self.assertEqual(before.diff(Witness(self.host)), "")

    def test_another_id_on_a_running_network(self):
        yaml = RED_AND_BLUE.replace("UPLINK", self.uplink)
        netd = self.netd_with("networks: {}")
        netd.call("Apply", yaml=yaml)
        wire, red, blue = self.wire(), self.raw(netd, "red", 1), self.raw(netd, "blue", 2)
        self.wait_for_path(red, red.mac, wire)
        netd.call("Apply", yaml=yaml.replace("100", "101"), disruptive=True)
        self.wait_for_path(red, red.mac, wire)
        places = {"wire": wire, "blue": blue, "red": red}
        collect(places)
        red.send(marked("now", red.mac))
        wire.send(marked("old", OUTSIDE, "8100/100"))
        wire.send(marked("new", OUTSIDE, "8100/101"))
        self.assertEqual(collect(places), {
            "wire": [("now", "8100/101")], "red": [("new", "")], "blue": []})


class OverNic(Common, VlanCase):
    pass


class OverBond(Common, VlanCase):
    uplink = "bond0"
    features = ("802.1Q", "bond")

    def make_wire(self):
        veth(self.host, "up0", self.switch, "eth0")
        host = self.host
        host.ip("link", "add", "bond0", "type", "bond", "mode", "active-backup", "miimon", "100")
        host.ip("link", "set", "up0", "down")
        host.ip("link", "set", "up0", "master", "bond0")
        host.ip("link", "set", "bond0", "up")

    def lose_uplink(self):
        self.host.ip("link", "del", "bond0")
        self.host.ip("link", "del", "up0")


class OverBridge(Common, VlanCase):
    """The administrator's, with other machines on it perhaps."""
    uplink = "br0"

    def make_wire(self):
        veth(self.host, "up0", self.switch, "eth0")
        host = self.host
        host.ip("link", "add", "br0", "type", "bridge")
        host.ip("link", "set", "up0", "master", "br0")
        host.ip("link", "set", "br0", "up")

    def lose_uplink(self):
        self.host.ip("link", "del", "br0")
        self.host.ip("link", "del", "up0")


class OverOurBridge(VlanCase):
    """The NIC is in a bridge of ours, whose guests are on the wire without a VLAN."""

    YAML = ("networks:\n"
            "  wire: {mode: bridged, uplink: up0}\n"
            "  red: {mode: bridged, uplink: vn-wire, vlan: 100}\n")

    def test_both_are_on_the_wire(self):
        self.on_switch("v100", 100, "10.100.0.1/24")
        netd = self.netd_with(self.YAML)
        red = self.guest(netd, "red").address("10.100.0.9/24")
        plain = self.guest(netd, "wire").address("192.0.2.9/24")
        self.assertTrue(red.ping("10.100.0.1", timeout=5))
        self.assertTrue(plain.ping("192.0.2.1", timeout=5))
        self.assertTrue(self.host.ping("192.0.2.1", timeout=5))
        red.address("192.0.2.10/24")
        self.assertFalse(red.ping("192.0.2.9", timeout=1))

    def test_a_restart_finds_nothing_to_do(self):
        netd = self.netd_with(self.YAML)
        # The NIC is taken over after netd is ready for calls.
        wait_until(lambda: "network wire: running" in netd.log())
        before = Witness(self.host)
        netd.stop()
        netd.start()
        self.assertEqual(before.diff(Witness(self.host)), "")


class Modes(VlanCase):
    """The host has an address in the VLAN: it is the router, or none."""

    def setUp(self):
        super().setUp()
        self.tcp_server(self.switch, 80, "switch")
        self.on_switch("v100", 100, "10.100.0.7/24")

    def network(self, mode, more=""):
        return ("networks:\n  red:\n    mode: %s\n    uplink: up0\n    vlan: 100\n"
                "    addresses: [10.100.0.1/24]\n%s" % (mode, more))

    def guest_of(self, netd):
        guest = self.guest(netd, "red").address("10.100.0.9/24", "10.100.0.1")
        self.assertTrue(guest.ping("10.100.0.1", timeout=5), "the host")
        self.assertTrue(guest.ping("10.100.0.7", timeout=5), "a neighbour on the VLAN")
        return guest

    def test_nat(self):
        guest = self.guest_of(self.netd_with(self.network("nat")))
        self.assertEqual(tcp_ask(guest.ns, "192.0.2.1", 80).address, "192.0.2.2")

    def test_isolated(self):
        guest = self.guest_of(self.netd_with(self.network("isolated")))
        self.assertFalse(guest.ping("192.0.2.1", timeout=1))

    def test_dhcp_serves_guests_and_neighbours(self):
        netd = self.netd_with(self.network(
            "nat", "    dhcp: {ranges: [10.100.0.100-10.100.0.110]}\n"))
        guest = self.guest(netd, "red")
        guest.dhcp()
        self.assertTrue(guest.ping("10.100.0.1"))

    def test_false_addresses_from_the_vlan_do_not_pass_the_host(self):
        """Who is on the wire's VLAN counts as a guest: its own subnet alone."""
        self.netd_with(self.network("routed"))
        switch = self.switch
        wait_until(lambda: switch.ping("10.100.0.1", timeout=1))
        switch.ip("addr", "add", "10.99.0.1/32", "dev", "v100")
        switch.ip("route", "add", "198.51.100.0/24", "via", "10.100.0.1", "dev", "v100")
        self.host.ip("addr", "add", "198.51.100.1/32", "dev", "lo")
        self.assertTrue(switch.ping("198.51.100.1", interface="10.100.0.7"))
        self.assertFalse(switch.ping("198.51.100.1", interface="10.99.0.1", timeout=1))


class QinQ(VlanCase):
    YAML = ("networks:\n"
            "  red: {mode: bridged, uplink: up0, vlan: {id: 100, service: 10}}\n"
            "  blue: {mode: bridged, uplink: up0, vlan: {id: 200, service: 10}}\n"
            "  green: {mode: bridged, uplink: up0, vlan: {id: 100, service: 11}}\n"
            "  plain: {mode: bridged, uplink: up0, vlan: 100}\n"
            "  outer: {mode: bridged, uplink: up0, vlan: {id: 12, protocol: 802.1ad}}\n")
    TAGS = {"red": "88a8/10 8100/100", "blue": "88a8/10 8100/200", "green": "88a8/11 8100/100",
            "plain": "8100/100", "outer": "88a8/12"}

    def test_each_network_has_its_pair_of_tags(self):
        netd = self.netd_with(self.YAML)
        wire = self.wire()
        ports = {name: self.raw(netd, name, i) for i, name in enumerate(self.TAGS)}
        for port in ports.values():
            self.wait_for_path(port, port.mac, wire)
        for name, port in ports.items():
            collect({**ports, "wire": wire}, 0.1)
            for stack in STACKS:
                port.send(marked("%s: %s" % (name, stack), port.mac, stack))
            want = {other: [] for other in ports}
            self.assertEqual(collect({**ports, "wire": wire}),
                             {**want, "wire": [(name + ": ", self.TAGS[name])]})
        for name, tags in self.TAGS.items():
            wire.send(marked("to " + name, OUTSIDE, tags))
        for tags in ("88a8/10", "88a8/13 8100/100", "8100/10 8100/100", "8100/12", "8100/200"):
            wire.send(marked("to nobody", OUTSIDE, tags))
        self.assertEqual(collect(ports), {name: [("to " + name, "")] for name in ports})

    def test_the_outer_tag_goes_with_its_last_network(self):
        before = Witness(self.host)
        netd = self.netd_with(self.YAML)

        def services():
            return sorted(x["ifalias"] for x in self.host.links().values()
                          if x.get("ifalias", "").startswith("vnet:service:"))
        self.assertEqual(services(), ["vnet:service:up0:10", "vnet:service:up0:11"])
        netd.call("StopNetwork", name="red")
        self.assertEqual(services(), ["vnet:service:up0:10", "vnet:service:up0:11"])
        netd.call("StopNetwork", name="blue")
        self.assertEqual(services(), ["vnet:service:up0:11"])
        for name in ("green", "plain", "outer"):
            netd.call("StopNetwork", name=name)
        self.assertEqual(before.diff(Witness(self.host)), "")


class ManyFromOne(VlanCase):
    YAML = "networks:\n  lab: {mode: bridged, uplink: up0, vlans: 100-103}\n"
    NAMES = ["lab.%d" % vid for vid in range(100, 104)]

    def test_each_is_a_network_of_its_own(self):
        netd = self.netd_with(self.YAML)
        self.assertEqual(sorted(n["name"] for n in netd.call("ListNetworks")["networks"]),
                         self.NAMES)
        wire = self.wire()
        ports = {name: self.raw(netd, name, i) for i, name in enumerate(self.NAMES)}
        for port in ports.values():
            self.wait_for_path(port, port.mac, wire)
        collect({**ports, "wire": wire}, 0.1)
        for name, port in ports.items():
            for stack in ("", "8100/0", "8100/101", "8100/102 8100/103", "88a8/100"):
                port.send(marked(name, port.mac, stack))
        self.assertEqual(collect({**ports, "wire": wire}), {
            **{name: [] for name in ports},
            "wire": [(name, "8100/" + name.split(".")[1]) for name in self.NAMES]})
        wire.send(marked("one", OUTSIDE, "8100/102"))
        self.assertEqual(collect(ports), {**{name: [] for name in ports},
                                          "lab.102": [("one", "")]})

    def test_one_of_them_stops_and_starts(self):
        netd = self.netd_with(self.YAML)
        netd.call("StopNetwork", name="lab.102")
        self.assertEqual([name for name in self.NAMES if self.host.link("vl-" + name)],
                         ["lab.100", "lab.101", "lab.103"])
        netd.call("StartNetwork", name="lab.102")
        self.assertIsNotNone(self.host.link("vl-lab.102"))


class Refused(VlanCase):
    def test_an_id_that_is_taken(self):
        netd = self.netd_with("networks:\n  red: {mode: bridged, uplink: up0, vlan: 100}\n")
        for other in ("{mode: isolated, uplink: up0, vlan: 100}",
                      "{mode: bridged, uplink: up0, vlans: 99-101}"):
            with self.assertRaises(VarlinkError) as caught:
                netd.call("Apply", yaml="networks: {other: %s}" % other)
            self.assertIn("100", str(caught.exception))

    def test_ids_that_do_not_exist(self):
        netd = self.netd_with("networks: {}\n")
        for bad in ("0", "4095", "-1", "{id: 100, service: 4095}", "{service: 7}", "[1]"):
            with self.assertRaises(VarlinkError):
                netd.call("Apply", yaml="networks: {other: {mode: bridged, uplink: up0, "
                          "vlan: %s}}" % bad)
        self.assertEqual(netd.call("ListNetworks")["networks"], [])
