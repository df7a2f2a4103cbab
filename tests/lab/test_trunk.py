# SPDX-License-Identifier: GPL-2.0-or-later
"""test_trunk.py - a VLAN-aware bridge: access ports, trunks, and guests that tag themselves

    a10, b10  access ports of VLAN 10         +------- uplink up0 ---- eth0 [ switch ]
    c20       access port of VLAN 20          |        1 without, 10 and 20-30 with tag
    n1        says nothing: the native id, 1  +-- vn-lan
    trunk     1 without, 10 and 20 with tag   |
    tags      10 with tag, nothing without    +------- the host: VLAN 1
"""

from vnetlab import LabCase, VarlinkError, Witness, need, veth, wait_until
from vnetlab.wire import PortWire, Wire, collect, marked

YAML = """
networks:
  lan:
    mode: bridged
    uplink: up0
    bridge: {vlan_filtering: true, native: 1, uplink_vlans: [10, 20-30]}
"""
TRUNK = {"native": 1, "tagged": ["10", "20"]}
TAGS = {"native": 0, "tagged": ["10"]}
PORTS = {"a10": 10, "b10": 10, "c20": 20, "n1": None, "trunk": TRUNK, "tags": TAGS}
OUTSIDE = "02:00:00:00:00:aa"
STACKS = ("", "8100/0", "8100/1", "8100/10", "8100/20", "8100/25", "8100/40", "8100/4094",
          "88a8/10", "88a8/20", "9100/10", "8100/10 8100/20", "8100/20 8100/10", "8100/1 8100/10",
          "8100/0 8100/10", "88a8/10 8100/20", "8100/10 88a8/20", "8100/10 9100/20",
          "8100/10 8100/20 8100/10")


def frame_for(place, vid):
    """With which tag a frame of a VLAN leaves there; None: not at all."""
    untagged = {"a10": 10, "b10": 10, "c20": 20, "n1": 1, "trunk": 1, "wire": 1}
    with_tag = {"trunk": (10, 20), "tags": (10,), "wire": (10,) + tuple(range(20, 31))}
    if untagged.get(place) == vid:
        return ""
    return "8100/%d" % vid if vid in with_tag.get(place, ()) else None


class TrunkCase(LabCase):
    def setUp(self):
        need("802.1Q", "VLAN filtering")
        super().setUp()
        self.host = self.namespace("host")
        self.switch = self.namespace("switch")
        self.make_uplink()

    def make_uplink(self):
        veth(self.host, "up0", self.switch, "eth0")
        # The same machine when it comes back, or neighbours would look for the old one first.
        self.switch.ip("link", "set", "eth0", "address", "02:00:00:00:00:01")
        self.host.ip("addr", "add", "192.0.2.2/24", "dev", "up0")
        self.switch.ip("addr", "add", "192.0.2.1/24", "dev", "eth0")
        for vid in (10, 20):
            self.in_vlan(self.switch, vid, "10.%d.0.1/24" % vid)

    @staticmethod
    def in_vlan(ns, vid, address):
        """A VLAN sub-interface of the namespace's card."""
        name = "eth0.%d" % vid
        ns.ip("link", "add", "link", "eth0", "name", name, "type", "vlan", "id", vid)
        ns.ip("link", "set", name, "up")
        ns.ip("addr", "add", address, "dev", name)

    def netd_with(self, yaml=YAML):
        return self.start_netd(self.host, {"networks.d/lab.yaml": yaml})

    def raw(self, netd, name, number, vlan):
        options = {} if vlan is None else {"vlan": vlan}
        return PortWire(self.raw_port(netd, "lan", name=name, mac="52:54:00:00:00:%02x" % number,
                                      **options))

    def places(self, netd):
        """All that are on the bridge, after a frame has passed between them."""
        places = {name: self.raw(netd, name, number, vlan)
                  for number, (name, vlan) in enumerate(PORTS.items())}
        places["wire"] = Wire(self.switch, "eth0")
        self.addCleanup(places["wire"].close)

        def passes():
            places["n1"].send(marked("hello", places["n1"].mac))
            return collect({"": places["wire"]}, 0.05)[""]
        wait_until(passes, what="a frame passes")
        collect(places)
        return places

    def vlans(self, ifname):
        """{id: flags} as the kernel has them."""
        found = {}
        for link in self.host.json("bridge", "-j", "vlan", "show", "dev", ifname):
            for entry in link["vlans"]:
                for vid in range(entry["vlan"], entry.get("vlanEnd", entry["vlan"]) + 1):
                    found[vid] = set(entry.get("flags", []))
        return found


PVID = {"PVID", "Egress Untagged"}


class Frames(TrunkCase):
    def check(self, places, sender, src, accepted):
        """Of all stacks only those pass, in these VLANs; and only to who is in them."""
        want = {name: [] for name in places}
        for stack in STACKS:
            places[sender].send(marked(stack, src, stack))
            for name in places:
                out = frame_for(name, accepted[stack]) if stack in accepted else None
                if name != sender and out is not None:
                    want[name].append((stack, out))
        self.assertEqual(collect(places), want, "from " + sender)

    def dropped(self, netd, place):
        return netd.call("DescribePort", name=place.port.name)["port"]["dropped"]

    def test_guests(self):
        netd = self.netd_with()
        places = self.places(netd)
        accepted = {
            "a10": {"": 10}, "b10": {"": 10}, "c20": {"": 20}, "n1": {"": 1},
            # A priority tag says no VLAN; the port's own native id may be named.
            "trunk": {"": 1, "8100/0": 1, "8100/1": 1, "8100/10": 10, "8100/20": 20},
            "tags": {"8100/10": 10},
        }
        single = [s for s in STACKS if " " not in s]
        for name, vlans in accepted.items():
            before = self.dropped(netd, places[name])
            self.check(places, name, places[name].mac, vlans)
            # The rules drop what no port of the kind may send; ids are the bridge's own business.
            passed = [s for s in single if not s or s.startswith("8100")] \
                if name in ("trunk", "tags") else [""]
            self.assertEqual(self.dropped(netd, places[name]) - before,
                             len(STACKS) - len(passed), name)

    def test_the_wire(self):
        places = self.places(self.netd_with())
        want = {name: [] for name in places}
        for stack in STACKS:
            places["wire"].send(marked(stack, OUTSIDE, stack))
            first, _, rest = stack.partition(" ")
            tpid, _, vid = first.partition("/")
            if tpid != "8100":
                vid, rest = "1", stack      # not of this bridge's kind: payload
            vid = int(vid) or 1
            if vid not in (1, 10) and not 20 <= vid <= 30:
                continue
            for name in set(places) - {"wire"}:
                out = frame_for(name, vid)
                if out is not None:
                    want[name].append((stack, " ".join(filter(None, (out, rest)))))
        self.assertEqual(collect(places), want)

    def test_a_port_changes_its_vlan(self):
        netd = self.netd_with()
        places = self.places(netd)
        nobody = {name: [] for name in places}

        netd.call("UpdatePort", name="a10", vlan=20)
        places["b10"].send(marked("of ten", places["b10"].mac))
        places["c20"].send(marked("of twenty", places["c20"].mac))
        self.assertEqual(collect(places), {
            **nobody, "a10": [("of twenty", "")], "tags": [("of ten", "8100/10")],
            "trunk": [("of ten", "8100/10"), ("of twenty", "8100/20")],
            "wire": [("of ten", "8100/10"), ("of twenty", "8100/20")]})

        netd.call("UpdatePort", name="a10", vlan=TRUNK)
        places["a10"].send(marked("tagged", places["a10"].mac, "8100/10"))
        self.assertEqual(collect(places), {
            **nobody, "b10": [("tagged", "")], "trunk": [("tagged", "8100/10")],
            "tags": [("tagged", "8100/10")], "wire": [("tagged", "8100/10")]})

        netd.call("UpdatePort", name="a10", vlan=10)
        places["a10"].send(marked("not any more", places["a10"].mac, "8100/10"))
        self.assertEqual(collect(places), nobody)


class Guests(TrunkCase):
    """Programs and the kernel's own VLAN devices in place of frames by hand."""

    def test_a_guest_that_tags_itself(self):
        netd = self.netd_with()
        router = self.guest(netd, "lan", vlan=TRUNK).address("192.0.2.9/24")
        a10 = self.guest(netd, "lan", vlan=10).address("10.10.0.5/24")
        c20 = self.guest(netd, "lan", vlan=20).address("10.20.0.5/24")
        for vid in (10, 20):
            self.in_vlan(router.ns, vid, "10.%d.0.9/24" % vid)
        for address in ("192.0.2.1", "192.0.2.2", "10.10.0.1", "10.20.0.1", "10.10.0.5",
                        "10.20.0.5"):
            self.assertTrue(router.ping(address, timeout=5), address)
        self.assertTrue(a10.ping("10.10.0.1"))
        self.assertTrue(c20.ping("10.20.0.1"))
        a10.address("10.20.0.6/24")
        self.assertFalse(a10.ping("10.20.0.5", timeout=1))
        self.assertFalse(a10.ping("10.20.0.1", timeout=1))

    def test_an_access_guest_that_tries_to(self):
        netd = self.netd_with()
        guest = self.guest(netd, "lan", vlan=10, name="sly")
        for vid in (10, 20):
            self.in_vlan(guest.ns, vid, "10.%d.0.9/24" % vid)
            self.assertFalse(guest.ping("10.%d.0.1" % vid, timeout=1))
        self.assertGreater(netd.call("DescribePort", name="sly")["port"]["dropped"], 0)

    def test_a_container(self):
        """A veth's VLAN devices hand the tag beside the frame, not in it."""
        netd = self.netd_with()
        for name, vlan in (("box", TRUNK), ("cell", 10)):
            box = self.namespace(name)
            netd.call("AttachPort", network="lan", name=name, kind="veth", vlan=vlan,
                      netns=box.path())
            self.in_vlan(box, 10, "10.10.0.%d/24" % (30 + len(name)))
            self.in_vlan(box, 20, "10.20.0.%d/24" % (30 + len(name)))
            for vid in (10, 20):
                self.assertEqual(box.ping("10.%d.0.1" % vid, timeout=5 if name == "box" else 1),
                                 name == "box", "%s in VLAN %d" % (name, vid))
        cell = netd.call("DescribePort", name="cell")["port"]
        self.assertGreater(cell["dropped"], 0)

    def test_the_host_is_in_the_native_vlan_alone(self):
        netd = self.netd_with()
        # The kernel takes its time to notice a bridge's first carrier.
        wait_until(lambda: self.host.ping("192.0.2.1", timeout=1), timeout=12)
        n1 = self.guest(netd, "lan").address("192.0.2.9/24")
        self.assertTrue(n1.ping("192.0.2.2", timeout=5))
        a10 = self.guest(netd, "lan", vlan=10).address("192.0.2.10/24")
        self.assertFalse(a10.ping("192.0.2.2", timeout=1))


class Membership(TrunkCase):
    def test_nobody_is_in_a_vlan_by_accident(self):
        netd = self.netd_with()
        places = self.places(netd)

        def of(name):
            return self.vlans(places[name].port.ifname)
        info = self.host.link("vn-lan")["linkinfo"]["info_data"]
        self.assertEqual((info["vlan_filtering"], info["vlan_default_pvid"]), (1, 0))
        self.assertEqual(self.vlans("vn-lan"), {1: PVID})
        self.assertEqual(self.vlans("up0"),
                         {1: PVID, 10: set(), **{vid: set() for vid in range(20, 31)}})
        self.assertEqual([of("a10"), of("c20"), of("n1")], [{10: PVID}, {20: PVID}, {1: PVID}])
        self.assertEqual(of("trunk"), {1: PVID, 10: set(), 20: set()})
        self.assertEqual(of("tags"), {10: set()})

    def test_what_somebody_changes_is_put_right(self):
        netd = self.netd_with()
        places = self.places(netd)
        ifname = places["a10"].port.ifname
        self.host.run("bridge", "vlan", "add", "dev", ifname, "vid", "20")
        self.host.run("bridge", "vlan", "del", "dev", ifname, "vid", "10")
        self.host.run("bridge", "vlan", "add", "dev", "up0", "vid", "99")
        wait_until(lambda: self.vlans(ifname) == {10: PVID} and 99 not in self.vlans("up0"))

    def test_a_restart_changes_nothing(self):
        netd = self.netd_with()
        self.places(netd)
        before = Witness(self.host)
        vlans = self.host.run("bridge", "vlan", "show").stdout
        netd.kill()
        netd.start()
        self.assertEqual(before.diff(Witness(self.host)), "")
        self.assertEqual(self.host.run("bridge", "vlan", "show").stdout, vlans)

    def test_the_uplink_vanishes_and_returns(self):
        netd = self.netd_with()
        guest = self.guest(netd, "lan", vlan=10).address("10.10.0.5/24")
        other = self.guest(netd, "lan", vlan=10).address("10.10.0.6/24")
        self.assertTrue(guest.ping("10.10.0.1", timeout=5))
        self.host.ip("link", "del", "up0")
        self.assertTrue(guest.ping("10.10.0.6", timeout=5))
        self.make_uplink()
        wait_until(lambda: guest.ping("10.10.0.1", timeout=1), timeout=20)
        self.assertTrue(other.ping("10.10.0.1"))
        self.assertEqual(self.vlans("up0"),
                         {1: PVID, 10: set(), **{vid: set() for vid in range(20, 31)}})

    def test_another_range_on_the_uplink_loses_nothing(self):
        netd = self.start_netd(self.host)
        netd.call("Apply", yaml=YAML)
        guest = self.guest(netd, "lan", vlan=10).address("10.10.0.5/24")
        self.assertTrue(guest.ping("10.10.0.1", timeout=5))
        netd.call("Apply", yaml=YAML.replace("20-30", "20-22, 40"))
        self.assertTrue(guest.ping("10.10.0.1"))
        self.assertEqual(sorted(self.vlans("up0")), [1, 10, 20, 21, 22, 40])

    def test_the_nic_is_given_back(self):
        before = Witness(self.host)
        netd = self.netd_with()
        netd.call("StopNetwork", name="lan")
        self.assertEqual(before.diff(Witness(self.host)), "")


class Provider(TrunkCase):
    """The same with 802.1ad tags: what is 802.1Q there is the customer's payload."""
    YAML = YAML.replace("vlan_filtering: true", "vlan_filtering: true, vlan_protocol: 802.1ad")

    def test_tags_of_the_bridges_kind(self):
        netd = self.netd_with(self.YAML)
        places = self.places(netd)
        trunk, a10, wire = places["trunk"], places["a10"], places["wire"]
        for stack in ("88a8/10", "8100/10", "88a8/40", "88a8/10 8100/5"):
            trunk.send(marked(stack, trunk.mac, stack))
        self.assertEqual(collect({"a10": a10, "wire": wire}),
                         {"a10": [("88a8/10", "")], "wire": [("88a8/10", "88a8/10")]})
        wire.send(marked("to ten", OUTSIDE, "88a8/10"))
        wire.send(marked("customer's", OUTSIDE, "88a8/10 8100/7"))
        self.assertEqual(collect({"a10": a10, "c20": places["c20"]}), {
            "a10": [("to ten", ""), ("customer's", "8100/7")], "c20": []})


class Refused(TrunkCase):
    def test_ports(self):
        netd = self.start_netd(self.host)
        netd.call("Apply", yaml=YAML + "  plain: {mode: isolated}\n")
        for network, vlan in (("lan", 4095), ("lan", {"native": 5, "tagged": ["5"]}),
                              ("lan", {"native": 1, "tagged": ["10-20", "15"]}),
                              ("lan", {"tagged": ["20-10"]}), ("plain", 10)):
            with self.assertRaises(VarlinkError):
                netd.call("AttachPort", network=network, vlan=vlan)
        self.assertEqual(netd.call("ListPorts")["ports"], [])

    def test_networks(self):
        netd = self.start_netd(self.host)
        for yaml in (YAML + "    vlan: 5\n",
                     YAML.replace("[10, 20-30]", "[10, 5-15]"),
                     YAML.replace("native: 1", "native: 4095"),
                     # The id passes the bridge already.
                     YAML + "  ten: {mode: isolated, uplink: vn-lan, vlan: 10}\n"
                     "  again: {mode: isolated, uplink: up0, vlan: 10}\n"):
            with self.assertRaises(VarlinkError):
                netd.call("Apply", yaml=yaml)
        self.assertEqual(netd.call("ListNetworks")["networks"], [])
