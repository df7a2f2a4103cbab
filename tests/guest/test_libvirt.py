# SPDX-License-Identifier: GPL-2.0-or-later
"""test_libvirt.py - libvirt's own daemon and real guests, by each way onto a network of ours"""

import os

from vnetlab import HostCase, has, nft_drops, nft_elements, wait_until
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
MAC, MAC2 = "52:54:00:00:00:05", "52:54:00:00:00:06"
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

    def destroy(self):
        self.libvirt.virsh("destroy", "web")
        self.assert_nothing_left()

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
