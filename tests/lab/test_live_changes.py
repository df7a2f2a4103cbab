# SPDX-License-Identifier: GPL-2.0-or-later
"""test_live_changes.py - what docs/live-changes.md says of each key, tried under traffic

The flows are those of vnetlab/live.py.  What needs a wire that these do not use, or a feature
that many kernels lack, is in the labs of that.
"""

from vnetlab import HOST4, VarlinkError
from vnetlab.live import A4, B4, LiveCase, live_rows, nested

STRICT = {"policy": "strict", "addresses": [A4, B4]}


def strict(**more):
    return {"": {"ports": {"guard": {**STRICT, **more}}}}


def strict_port(**more):
    return (STRICT, {**STRICT, **more})


# key: the value after, or (before, after), or a list of (before, after, change) where it has several.
# Values are the key's; a dict with "" is merged into the whole definition.
NETWORK = {
    "mode": [(None, {"": {"mode": "routed", "nat": None}}, "live"),
             ({"": {"mode": "routed", "nat": None}}, {"": {}}, "live"),
             (None, {"": {"mode": "bridged", "bridge": {"name": "br0"}, "addresses": None,
                          "domain": None, "nat": None, "dhcp": None, "dhcp6": None, "ra": None,
                          "forwards": None}}, "disruptive")],
    "autostart": False,
    "host_access": False,
    "domain": "two.test",
    "bridge.name": "br-two",
    "bridge.mac": "52:54:00:aa:bb:cc",
    "bridge.stp": True,
    "bridge.forward_delay": ({"": {"bridge": {"forward_delay": 4}}}, 10),
    "bridge.hello_time": 3,
    "bridge.max_age": 30,
    "bridge.priority": 4096,
    "bridge.ageing": 60,
    "bridge.mtu": [(None, 2000, "live"), (2000, 1500, "disruptive")],
    "bridge.multicast_snooping": True,
    "bridge.group_fwd_mask": 0x4000,
    "addresses[]": [(None, ["10.10.0.1/24", "fd10::1/64", "10.11.0.1/24"], "live"),
                    (["10.10.0.1/24", "fd10::1/64", "10.11.0.1/24"],
                     ["10.10.0.1/24", "fd10::1/64"], "disruptive")],
    "subnet.ipv4": {"": {"addresses": ["fd10::1/64"], "subnet": {"ipv4": "auto"}, "dhcp": True,
                         "forwards": None}},
    "subnet.ipv6": {"": {"addresses": ["10.10.0.1/24"], "subnet": {"ipv6": "auto"}}},
    "dhcp.ranges[]": ["10.10.0.160-10.10.0.180"],
    "dhcp.lease_time": "2h",
    "dhcp.reserved_only": {"": {"dhcp": {"reserved_only": True, "ranges": None}}},
    "dhcp.hosts[]": [{"mac": "52:54:00:00:00:77", "name": "web", "address": "10.10.0.77"}],
    "dhcp.options[]": [{"name": "ntp-server", "value": "192.0.2.9"}],
    "dhcp.boot.file": "pxe.0",
    "dhcp.boot.server_name": {"": {"dhcp": {"boot": {"file": "pxe.0", "server_name": "boot.test",
                                                     "server": "192.0.2.8"}}}},
    "dhcp.boot.server": {"": {"dhcp": {"boot": {"file": "pxe.0", "server": "192.0.2.8"}}}},
    "dhcp.boot.tftp_root": {"": {"dhcp": {"boot": {"file": "pxe.0", "tftp_root": "/run/lab"}}}},
    "dhcp.authoritative": False,
    "dhcp6.ranges[]": ["fd10::1000-fd10::1fff"],
    "dhcp6.lease_time": "2h",
    "dhcp6.reserved_only": True,
    "ra.mode": "stateless",
    "ra.interval": 60,
    "ra.router_lifetime": 1200,
    "dns.local_only": False,
    "dns.forward_plain_names": True,
    "dns.use_host_resolvers": False,
    "dns.forwarders[]": ["192.0.2.53"],
    "dns.hosts[]": [{"name": "db", "addresses": ["10.10.0.9"]}],
    "dns.srv[]": [{"service": "ldap", "protocol": "tcp", "target": "db.one.test", "port": 389}],
    "dns.txt[]": [{"name": "note.one.test", "value": "hello"}],
    "dns.ptr[]": [{"name": "10.10.0.9", "target": "db.one.test"}],
    "dns.cname[]": {"": {"dns": {"hosts": [{"name": "db", "addresses": ["10.10.0.9"]}],
                                 "cname": [{"name": "data.one.test", "target": "db.one.test"}]}}},
    "nat.ipv4": False,
    "nat.ipv6": False,
    "nat.uplink": "up0",
    "nat.source": HOST4,
    "nat.source6": "2001:db8::2",
    "nat.ports": "20000-30000",
    "forwards[]": [(None, ["udp 7000 -> %s:7000" % B4, "tcp 8080 -> %s:80" % B4], "live"),
                   (["udp 7000 -> %s:7000" % B4, "tcp 8080 -> %s:80" % B4],
                    ["udp 7000 -> %s:7000" % B4], "live")],
    "routes[]": [{"to": "10.77.0.0/16", "via": "10.10.0.5"}],
    "egress[]": ["192.0.2.0/24"],
    "ports.mtu": 1400,
    "ports.isolated": True,
    "ports.queues": 2,
    "ports.txqueuelen": 2000,
    "ports.learning": False,
    "ports.flood": False,
    "ports.multicast_flood": False,
    "ports.hairpin": True,
    "ports.proxy_arp": True,
    **{"ports.offloads." + name: False for name in ("rx", "tx", "sg", "tso", "gso", "gro")},
    "ports.guard.policy": [("mac", strict(), "live"), (strict(), "mac", "live")],
    "ports.guard.allow[]": (strict(), strict(allow=["llc"])),
    "ports.guard.addresses[]": (strict(), strict(addresses=[A4, B4, "10.12.0.0/16"])),
    "ports.guard.macs[]": (strict(), strict(macs=["00:00:5e:00:01:01"])),
    "ports.guard.ethertypes[]": (strict(), strict(ethertypes=["lldp"])),
    "ports.guard.storm.broadcast": 100,
    "ports.guard.storm.multicast": 100,
    "ports.guard.learn": (strict(), strict(learn=False)),
}
# Flows that a change ends by what it means.
NETWORK_CUTS = {"ports.isolated": ("there", "back")}
NETWORK_ELSEWHERE = {
    "test_vlan, test_trunk": ("uplink", "vlan.id", "vlan.protocol", "vlan.service", "vlans",
                              "bridge.vlan_filtering", "bridge.vlan_protocol", "bridge.native",
                              "bridge.uplink_vlans", "ports.vlan.native", "ports.vlan.tagged"),
    "test_bandwidth": tuple("%sbandwidth.%s.%s" % (of, way, key) for of, keys in (
        ("", ("rate", "burst")), ("ports.", ("rate", "burst", "guaranteed")))
        for way in ("in", "out") for key in keys),
    "test_links": tuple("links[]." + k for k in (
        "name", "kind", "local", "device", "peers[]", "key", "vni", "ttl", "tos", "pmtudisc",
        "split_horizon", "port", "learning", "external")),
    "test_macvtap, test_sriov": ("macvtap.mode", "macvtap.companion", "sriov.vfs", "sriov.spoofchk",
                                 "sriov.trust"),
    "test_groups": ("ports.groups",),
}
PORT = {
    "addresses[]": [A4],
    "mtu": [(1500, 1400), (1400, 1500)],
    "txqueuelen": 3000,
    "learning": [(True, False), (False, True)],
    "flood": False, "multicastFlood": False, "hairpin": True, "proxyArp": True,
    **{"offloads." + name: False for name in ("rx", "tx", "sg", "tso", "gso", "gro")},
    "guard.policy": [("mac", STRICT), (STRICT, "mac")],
    "guard.allow[]": strict_port(allow=["llc"]),
    "guard.addresses[]": strict_port(addresses=[A4, B4, "10.12.0.0/16"]),
    "guard.macs[]": strict_port(macs=["00:00:5e:00:01:01"]),
    "guard.ethertypes[]": strict_port(ethertypes=["lldp"]),
    "guard.storm.broadcast": strict_port(storm={"broadcast": 100}),
    "guard.storm.multicast": strict_port(storm={"multicast": 100}),
    "guard.learn": strict_port(learn=False),
}
# What stops the port's own traffic is tried on a third one: the others' loses nothing.
PORT_BESIDE = {"mac": "52:54:00:00:00:42", "isolated": True, "linkDown": True}
PORT_ELSEWHERE = {
    "vlan.native": "test_trunk", "vlan.tagged": "test_trunk", "groups": "test_groups",
    **{"bandwidth.%s.%s" % (way, key): "test_bandwidth" for way in ("in", "out")
       for key in ("rate", "burst", "guaranteed")}}
PORT_FIXED = {
    "kind": "tap", "network": "green", "ifname": "vp77", "learnMac": True, "queues": 2,
    "vhost": "off", "vnetHdr": False, "offload": False, "persistent": True, "adopt": True,
    "ownerPid": 1, "netns": "/run/netns/x", "inside.ifname": "eth0",
    "inside.addresses[]": ["10.10.0.5/24"], "inside.routes[]": [{"to": "10.0.0.0/8"}],
    "vf": 1, "machine": "vm"}


class LiveChanges(LiveCase):
    def test_each_key_of_a_network(self):
        elsewhere = {k for keys in NETWORK_ELSEWHERE.values() for k in keys}
        self.assertEqual(set(live_rows("Networks")), set(NETWORK) | elsewhere)
        self.host.ip("link", "add", "br0", "type", "bridge")
        self.try_networks(NETWORK, NETWORK_CUTS)

    def test_each_key_of_a_port(self):
        table = live_rows("Ports")
        self.assertEqual(set(table), {"name"} | set(PORT) | set(PORT_BESIDE) |
                         set(PORT_ELSEWHERE) | set(PORT_FIXED))
        self.assertEqual({k for k, change in table.items() if change == "fixed"},
                         {"name"} | set(PORT_FIXED))
        self.try_ports(PORT)
        for key, value in PORT_BESIDE.items():
            self.netd.call("UpdatePort", name="c", **nested(key, value))
            self.assert_nothing_lost(key)
        for key, value in PORT_FIXED.items():
            with self.assertRaises(VarlinkError) as refused:
                self.netd.call("UpdatePort", name="c", **nested(key, value))
            self.assertEqual(refused.exception.code, "unknown-key", key)

    def test_restarts(self):
        for end in (self.netd.stop, self.netd.kill):
            end()
            self.assert_nothing_lost("without netd")
            self.netd.start()
            self.assert_nothing_lost("a new netd")
