# SPDX-License-Identifier: GPL-2.0-or-later
"""test_libvirt.py - libvirt's own daemon and real guests, by each way onto a network of ours"""

import os

from vnetlab import HostCase, find_program, has, nft_drops, nft_elements, wait_until
from vnetlab.libvirt import DomainGuest, Libvirt, domain_xml, interface, need_libvirt
from vnetlab.qemu import build_guest

NETWORK = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24]
    dhcp: true
  green:
    mode: isolated
    addresses: [10.20.0.1/24]
    dhcp: true
"""
MAC, MAC2, MAC3 = "52:54:00:00:00:05", "52:54:00:00:00:06", "52:54:00:00:00:07"
ETHERNET = interface("ethernet", "<target dev='web0' managed='no'/>", MAC)
BRIDGE = interface("bridge", "<source bridge='vn-blue'/>", MAC)


class LibvirtCase(HostCase):
    files = {}
    hook_options = ()

    @classmethod
    def setUpClass(cls):
        need_libvirt()
        build_guest()

    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(NETWORK, self.files)
        self.libvirt = Libvirt(self.host, self.folder, self.netd, self.hook_options)
        self.stack.callback(self.libvirt.close)

    def ports(self):
        return {p["mac"]: p for p in self.netd.call("ListPorts")["ports"]}

    def console(self, name="web"):
        guest = DomainGuest(self.libvirt, name)
        self.addCleanup(guest.close)
        return guest

    def assert_nothing_left(self):
        wait_until(lambda: not self.ports(), what="the ports to go")
        kinds = [x.get("linkinfo", {}).get("info_kind") for x in self.host.links().values()]
        self.assertNotIn("tun", kinds)
        for name in ("macs", "guards", "members"):
            self.assertEqual(nft_elements(self.host, "bridge", name), [], name)

    def destroy(self):
        self.libvirt.virsh("destroy", "web")
        self.assert_nothing_left()


class Ways(LibvirtCase):
    def pings(self, guest):
        status, text = guest.run("ping -c 2 -i 0.2 -W 5 10.10.0.1")
        self.assertEqual(status, 0, text)

    def assert_guarded(self, guest):
        before = nft_drops(self.host, self.ports()[MAC]["ifname"])
        guest.run("ip link set eth0 address 52:54:00:66:66:66; arping -c 2 -w 2 -I eth0 10.10.0.1;"
                  "ip link set eth0 address " + MAC)
        self.assertGreaterEqual(nft_drops(self.host, self.ports()[MAC]["ifname"]), before + 2)

    def live(self, row):
        """All that happens to a domain before its end; row: of domiflist, as a pattern."""
        virsh = self.libvirt.virsh
        virsh("start", "web")
        guest = self.console().wait_ready()
        self.assertTrue(guest.address()[0].startswith("10.10.0."))
        self.assertRegex(" ".join(self.libvirt.interfaces("web")[0]), row + " virtio " + MAC)
        port = self.ports()[MAC]
        self.assertEqual((port["network"], port["state"], port["name"]), ("blue", "up", "web.net0"))
        self.assertEqual(port["machine"], virsh("domuuid", "web"))
        self.assert_guarded(guest)
        # The guest reboots: libvirt asks nobody, and nothing is to be done.
        guest.start("reboot -f")
        guest.expect("^MINI up$")
        guest.wait_ready()
        self.pings(guest)
        for daemon in (self.netd, self.libvirt):
            daemon.stop()
            self.pings(guest)
            daemon.start()
            wait_until(lambda: self.ports().get(MAC), what="the port after a restart")
            self.pings(guest)
        virsh("managedsave", "web")
        self.assert_nothing_left()
        guest.close()
        virsh("start", "web")
        guest = self.console()
        self.pings(guest)
        self.assert_guarded(guest)

    def test_ethernet_with_metadata(self):
        self.libvirt.define(domain_xml(
            "web", ETHERNET, "<vnet:port mac='%s' network='blue' guard='strict' "
            "address='10.10.0.77'/>" % MAC, self.folder))
        self.live("web0 ethernet -")
        # libvirt tells nobody of an unplugged card; what it leaves goes with the domain.
        self.libvirt.virsh("detach-interface", "web", "ethernet", "--live")
        wait_until(lambda: not self.libvirt.interfaces("web"), what="the guest to let go of its card")
        self.assertEqual(list(self.ports()), [MAC])
        self.destroy()

    def test_bridge_unchanged(self):
        self.libvirt.define(domain_xml("web", BRIDGE, folder=self.folder))
        self.live("vnet\\d+ bridge vn-blue")
        self.destroy()


class Hook(LibvirtCase):
    """Machines that find nothing to boot: what happens around them is what counts."""

    def test_metadata_becomes_the_port(self):
        shapes = has("tc matchall, skbedit and mirred")
        limits = "in='100mbit' out='rate=50mbit,burst=64k' " if shapes else ""
        self.libvirt.define(domain_xml(
            "web one", ETHERNET.replace("</interface>", "<driver queues='2'/><mtu size='1400'/></interface>")
            + BRIDGE.replace(MAC, MAC2),
            "<vnet:port dev='web0' network='blue' guard='strict,allow=llc' %s"
            "address='10.10.0.77'/>"
            "<vnet:port mac='%s' network='blue' name='second' isolated='on'/>" % (limits, MAC2)))
        self.libvirt.virsh("start", "web one")
        ports = self.ports()
        first, second = ports[MAC], ports[MAC2]
        self.assertRegex(first["name"], r"^web_one-[0-9a-f]{8}\.net0$")
        self.assertEqual((first["ifname"], first["queues"], first["mtu"]), ("web0", 2, 1400))
        self.assertEqual(first["guard"]["policy"], "strict")
        self.assertEqual(first["guard"]["allow"], ["llc"])
        if shapes:
            self.assertEqual(first["bandwidth"]["in"]["rate"], 100000000)
            self.assertEqual(first["bandwidth"]["out"]["burst"], 65536)
        self.assertEqual(first["addresses"], ["10.10.0.77"])
        self.assertTrue(first["persistent"])
        self.assertEqual((second["name"], second["isolated"], second["adopted"]),
                         ("second", True, True))
        self.libvirt.virsh("destroy", "web one")
        self.assert_nothing_left()

    def test_refused_with_our_words(self):
        for what, interfaces, metadata, pattern in (
                ("a network that is not there", ETHERNET,
                 "<vnet:port mac='%s' network='bleu'/>" % MAC, "no network bleu"),
                ("no network", ETHERNET, "<vnet:port mac='%s' guard='strict'/>" % MAC,
                 "domain:6: .*does not say which network"),
                ("a bridge of another network", BRIDGE,
                 "<vnet:port mac='%s' network='green'/>" % MAC, "not that of network green"),
                ("an attribute", BRIDGE, "<vnet:port mac='%s' gaurd='strict'/>" % MAC,
                 "attribute gaurd is not known"),
                ("a value", BRIDGE, "<vnet:port mac='%s' guard='policy=stict'/>" % MAC, "stict"),
                ("a stray entry", BRIDGE, "<vnet:port mac='52:54:00:00:00:55' network='blue'/>",
                 "no interface fits"),
                ("two for one", BRIDGE, "<vnet:port mac='%s'/><vnet:port alias='ua-x'/>"
                 "<vnet:port mac='%s'/>" % (MAC, MAC), "has an entry"),
                ("an address that is another's", BRIDGE,
                 "<vnet:port mac='%s' address='10.10.0.1'/>" % MAC, "bridge's own address")):
            with self.subTest(what):
                self.libvirt.define(domain_xml("web", interfaces, metadata))
                said = self.libvirt.fails("start", "web")
                self.libvirt.virsh("undefine", "web")
                self.assertRegex(said, "vnet-libvirt-hook: .*" + pattern)
                self.assert_nothing_left()

    def test_without_netd(self):
        self.libvirt.define(domain_xml("web", BRIDGE))
        self.libvirt.define(domain_xml("made", ETHERNET,
                                       "<vnet:port mac='%s' network='blue'/>" % MAC))
        self.host.ip("link", "add", "br9", "type", "bridge")
        self.libvirt.define(domain_xml("other", interface("bridge", "<source bridge='br9'/>", MAC2)))
        self.netd.stop()
        for name in ("web", "made"):
            self.assertRegex(self.libvirt.fails("start", name), "vnet-libvirt-hook: .*netd")
        # Who has nothing to do with us starts and ends as ever.
        self.libvirt.virsh("start", "other")
        self.libvirt.virsh("destroy", "other")
        self.netd.start()
        self.libvirt.virsh("start", "web")
        # libvirtd finds the domain again without netd, and lets it live.
        self.netd.stop()
        self.libvirt.stop()
        self.libvirt.start()
        self.assertEqual(self.libvirt.virsh("domstate", "web"), "running")
        self.libvirt.virsh("destroy", "web")
        self.netd.start()
        self.assert_nothing_left()

    def test_a_lost_port_comes_back(self):
        self.libvirt.define(domain_xml("web", BRIDGE))
        self.libvirt.virsh("start", "web")
        self.netd.call("DetachPort", name="web.net0")
        self.host.ip("link", "set", self.libvirt.interfaces("web")[0][0], "master", "vn-blue")
        self.libvirt.stop()
        self.libvirt.start()
        wait_until(lambda: self.ports().get(MAC), what="the port")
        self.libvirt.virsh("destroy", "web")
        self.assert_nothing_left()


class Publish(LibvirtCase):
    """libvirt's list in step with ours; cards that are plugged get their ports."""

    def vnetctl(self, *words):
        return self.libvirt.inside(find_program("vnetctl"), "libvirt", *words,
                                   env=dict(os.environ, VNET_SOCKET=self.netd.socket)).stdout

    def networks(self):
        """{name: state} of those in libvirt's list."""
        return dict(line.split()[:2] for line in
                    self.libvirt.virsh("net-list", "--all").splitlines())

    def test_in_step(self):
        own = os.path.join(self.folder, "own.xml")
        with open(own, "w", encoding="ascii") as f:
            f.write("<network><name>green</name><forward mode='bridge'/><bridge name='br0'/></network>")
        self.libvirt.virsh("net-define", own)
        before = self.libvirt.virsh("net-dumpxml", "green")
        self.assertIn("network blue: published", self.vnetctl("publish"))
        self.assertEqual(self.networks(), {"blue": "active", "green": "inactive"})
        self.assertEqual(self.vnetctl("publish").splitlines(), [
            "network green: not published, because libvirt has a network of its own by that name"])
        self.netd.call("StopNetwork", name="blue")
        self.vnetctl("publish")
        self.assertEqual(self.networks()["blue"], "inactive")
        self.assertIn("network blue is stopped", self.libvirt.fails("net-start", "blue"))
        self.netd.call("Apply", yaml="networks: {red: {mode: isolated, addresses: [10.30.0.1/24], "
                       "dhcp: false, bridge: {name: red0}}}")
        self.vnetctl("publish")
        self.assertIn("bridge name='red0'", self.libvirt.virsh("net-dumpxml", "red"))
        # Another bridge, then none: what stood for it goes.
        self.netd.call("DeleteNetwork", name="red")
        self.netd.call("Apply", yaml="networks: {red: {mode: isolated, addresses: [10.30.0.1/24], "
                       "dhcp: false}}")
        self.vnetctl("publish")
        self.assertIn("bridge name='vn-red'", self.libvirt.virsh("net-dumpxml", "red"))
        self.netd.call("DeleteNetwork", name="red")
        self.vnetctl("publish")
        self.assertEqual(sorted(self.networks()), ["blue", "green"])
        self.vnetctl("unpublish")
        self.assertEqual(self.networks(), {"green": "inactive"})
        self.assertEqual(self.libvirt.virsh("net-dumpxml", "green"), before)

    def test_a_guest_on_a_published_network_and_cards_plugged_into_it(self):
        watch = self.popen(self.host, "nsenter", "-m", "-p", "-t", self.libvirt.init, "--",
                           find_program("vnetctl"), "libvirt", "watch", "--quiet",
                           env=dict(os.environ, VNET_SOCKET=self.netd.socket))
        wait_until(lambda: self.networks().get("blue") == "active", what="the network to be published")
        self.libvirt.define(domain_xml("web", interface("network", "<source network='blue'/>", MAC),
                                       folder=self.folder))
        self.libvirt.virsh("start", "web")
        guest = self.console().wait_ready()
        self.assertTrue(guest.address()[0].startswith("10.10.0."))
        # Of one that runs libvirt tells what came of the network.
        self.assertEqual(self.libvirt.interfaces("web")[0][1:], ("bridge", "blue", "virtio", MAC))
        self.assertEqual(self.ports()[MAC]["name"], "web.net0")
        for kind, source, mac in (("network", "blue", MAC2), ("bridge", "vn-green", MAC3)):
            self.libvirt.virsh("attach-interface", "web", kind, source, "--model", "virtio",
                               "--mac", mac, "--live")
            wait_until(lambda m=mac: self.ports().get(m), what="the plugged card's port")
            self.assertEqual(self.ports()[mac]["machine"], self.libvirt.virsh("domuuid", "web"))
        status, text = guest.run(
            "for i in 1 2 3 4 5 6 7 8 9 10; do [ -e /sys/class/net/eth1 ] && break; sleep 1; done; "
            "ip link set eth0 down; ip link set eth1 up; ip addr add 10.10.0.99/24 dev eth1; "
            "ping -c 1 -W 10 10.10.0.1")
        self.assertEqual(status, 0, text)
        # The card goes, its TAP with it, and the port with that.
        self.libvirt.virsh("detach-interface", "web", "bridge", "--mac", MAC2, "--live")
        wait_until(lambda: MAC2 not in self.ports(), what="the port to go")
        # Without netd no card comes onto a published network, and libvirt says why.
        self.netd.stop()
        said = self.libvirt.fails("attach-interface", "web", "network", "blue", "--live")
        self.assertRegex(said, "vnet-libvirt-hook: .*netd")
        self.netd.start()
        self.netd.call("Apply", yaml="networks: {red: {mode: isolated, addresses: [10.30.0.1/24]}}")
        wait_until(lambda: self.networks().get("red") == "active", timeout=20,
                   what="a new network after netd's restart")
        self.assertIsNone(watch.poll())
        self.destroy()

    def test_sync(self):
        self.libvirt.define(domain_xml("web", BRIDGE))
        self.libvirt.virsh("start", "web")
        self.libvirt.virsh("attach-interface", "web", "bridge", "vn-blue", "--model", "virtio",
                           "--mac", MAC2, "--live")
        self.assertEqual(list(self.ports()), [MAC])
        self.assertEqual(self.vnetctl("sync"), "domain web: 1 port\n")
        self.assertEqual(sorted(self.ports()), [MAC, MAC2])
        self.assertEqual(self.vnetctl("sync"), "")
        self.destroy()


class Access(LibvirtCase):
    files = {"access.yaml": "rules: [{users: [nobody], allow: [blue], adopt: true, macs: ['52:54:00'],"
                            " ifnames: ['vnet*']}]\n"}

    def setUp(self):
        path = os.path.join("/run/lab", "libvirt.yaml")
        with open(path, "w", encoding="ascii") as f:
            f.write("user: nobody\n")
        self.hook_options = ("--config", path)
        super().setUp()

    def test_a_domain_may_what_the_user_may(self):
        self.libvirt.define(domain_xml("web", BRIDGE))
        self.libvirt.virsh("start", "web")
        self.assertEqual(self.ports()[MAC]["ownerUid"], 65534)
        self.libvirt.virsh("destroy", "web")
        self.assert_nothing_left()
        for metadata, pattern in (("<vnet:port mac='%s' guard='off'/>" % MAC, "weaker guard"),
                                  ("<vnet:port mac='%s' address='10.10.0.9'/>" % MAC, "the address 10.10.0.9")):
            self.libvirt.virsh("undefine", "web")
            self.libvirt.define(domain_xml("web", BRIDGE, metadata))
            said = self.libvirt.fails("start", "web")
            self.assertRegex(said, "vnet-libvirt-hook: .*" + pattern)
        self.assert_nothing_left()
