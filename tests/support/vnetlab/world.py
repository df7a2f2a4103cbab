# SPDX-License-Identifier: GPL-2.0-or-later
"""world.py - the rich host of the fault tests, and what it has to look like

A State says which networks run, by which of their two definitions, and which ports there are.
facts() says what follows from it, in the words of ip, bridge, nft and /proc: written by hand from
docs/, not from what netd plans.  observe() reads the same from the kernel.
"""

import collections
import json
import os

from .features import has
from .witness import VOLATILE, nft_json

NETWORKS = {
    "calm": {"mode": "isolated", "addresses": ["10.1.0.1/24"], "dns": False},
    "blue": {
        "mode": "nat", "addresses": ["10.10.0.1/24", "fd10::1/64"],
        "nat": {"ipv6": True, "uplink": "up0"},
        "dhcp": {"ranges": ["10.10.0.100-10.10.0.199"]},
        "forwards": ["tcp 8080 -> 10.10.0.5:80", "tcp 8080 -> [fd10::5]:80"],
        "routes": [{"to": "10.77.0.0/24", "via": "10.10.0.5"}],
        "ports": {"guard": "strict"},
    },
    "wire": {"mode": "bridged", "uplink": "nic0"},
    "mesh": {
        "mode": "isolated", "addresses": ["10.5.0.1/24"], "dns": False,
        "links": [{"name": "far", "kind": "vxlan", "vni": 42, "local": "192.0.2.2",
                   "peers": ["192.0.2.1", "192.0.2.9"]}],
    },
    "direct": {"mode": "macvtap", "uplink": "up0"},
}
# What each becomes when it is edited while it runs.
EDITED = {
    "blue": {
        **NETWORKS["blue"], "addresses": ["10.10.0.1/24", "fd10::1/64", "10.10.9.1/24"],
        "dhcp": {"ranges": ["10.10.0.50-10.10.0.99"]},
        "forwards": ["tcp 8080 -> 10.10.0.5:81", "udp 5353 -> 10.10.0.5:53"],
        "routes": [{"to": "10.78.0.0/24", "via": "10.10.0.5"}],
        "ports": {"guard": "mac", "isolated": True},
        "bridge": {"mtu": 1400},
    },
    "mesh": {
        **NETWORKS["mesh"], "addresses": ["10.5.0.1/24", "10.5.9.1/24"],
        "links": [{**NETWORKS["mesh"]["links"][0], "peers": ["192.0.2.9", "192.0.2.17"]}],
    },
}
# network, kind, MAC, and what the edit of the port changes
Port = collections.namedtuple("Port", "network kind mac edit options")
PORTS = {
    "one": Port("blue", "tap", "52:54:00:00:00:01", {"mac": "52:54:00:00:01:01", "guard": "mac"},
                {"addresses": ["10.10.0.5"], "mtu": 1400}),
    "two": Port("mesh", "veth", "52:54:00:00:00:02", {"isolated": True}, {}),
    "three": Port("direct", "macvtap", "52:54:00:00:00:03", {"mac": "52:54:00:00:01:03"}, {}),
    "kept": Port("mesh", "tap", "52:54:00:00:00:04", {"guard": "strict", "addresses": ["10.5.0.7"]},
                 {"persistent": True}),
}
ALWAYS = ("lo", "up0", "nic0")
FORWARDING = "net/ipv4/conf/%s/forwarding"
# Of ip's JSON: numbers that another device of the same kind would have, too.
NUMBERS = VOLATILE | {"ifindex", "link_index", "link_netnsid", "port_no", "port_id", "bridge_id",
                      "root_id", "root_port", "designated_bridge", "designated_port", "ifalias_",
                      "promiscuity", "allmulti", "min_mtu", "max_mtu", "root_path_cost",
                      "tentative", "dadfailed", "link", "peer_index"}


class State(collections.namedtuple("State", "networks ports")):
    """networks: {name: "plain" or "edited"}; ports: the same."""

    def key(self):
        return json.dumps([dict(sorted(self.networks.items())), dict(sorted(self.ports.items()))])

    def with_(self, networks=(), ports=(), without=()):
        """Another one: {name: how} are added, names in without are not there."""
        return State(*({k: v for k, v in {**old, **dict(new)}.items() if k not in without}
                       for old, new in ((self.networks, networks), (self.ports, ports))))


def definition(name, how):
    return (EDITED if how == "edited" else NETWORKS)[name]


def port_request(name):
    port = PORTS[name]
    request = {"network": port.network, "name": name, "ifname": name, "mac": port.mac, **port.options}
    if port.kind == "veth":
        request["kind"] = "veth"
    return request


# ---- what is to be ----

def _bridge(name):
    return "vn-" + name


def _port_mac(port, how):
    return port.edit.get("mac", port.mac) if how == "edited" else port.mac


def _guard(name, state):
    """The chain of the guard that judges what the port sends."""
    port, how = PORTS[name], state.ports[name]
    network = definition(port.network, state.networks[port.network])
    policy = network.get("ports", {}).get("guard", "mac")
    return "guard/" + (port.edit.get("guard", policy) if how == "edited" else policy)


def _links(state):
    found = {}
    for name in state.networks:
        if name != "direct":
            found[_bridge(name)] = ("bridge", None, "vnet:bridge:" + name)
    if "wire" in state.networks:
        found["nic0"] = ("veth", "vn-wire", None)
    else:
        found["nic0"] = ("veth", None, None)
    if "mesh" in state.networks:
        found["vx*"] = ("vxlan", "vn-mesh", "vnet:link:mesh:far:*")
    for name in state.ports:
        port = PORTS[name]
        kind = "tun" if port.kind == "tap" else port.kind
        master = None if port.kind == "macvtap" else _bridge(port.network)
        found[name] = (kind, master, "vnet:port:%s:%s" % (port.network, name))
    for name in ("calm1", "calm2"):
        found[name] = ("tun", "vn-calm", "vnet:port:calm:" + name)
    found["up0"] = ("veth", None, None)
    return found


def _addresses(state):
    found = {"up0": ["192.0.2.2/24", "2001:db8::2/64"]}
    for name, how in state.networks.items():
        own = definition(name, how).get("addresses")
        if own:
            found[_bridge(name)] = sorted(own)
    found["vn-wire" if "wire" in state.networks else "nic0"] = ["198.18.0.2/24"]
    return found


def _members(state):
    """Who may forward frames on bridges."""
    found = {"calm1", "calm2"} | {n for n in state.ports if PORTS[n].kind != "macvtap"}
    if "wire" in state.networks:
        found.add("nic0")
    if "mesh" in state.networks:
        found.add("vx*")
    return found


def facts(state):
    blue = "blue" in state.networks and definition("blue", state.networks["blue"])
    mesh = "mesh" in state.networks and definition("mesh", state.networks["mesh"])
    bridged = {n: p for n, p in state.ports.items() if PORTS[n].kind != "macvtap"}
    forwards = {text.split(" -> ")[0]: text.split(" -> ")[1] for text in blue["forwards"]} if blue else {}
    if blue and blue is NETWORKS["blue"]:
        forwards = {"tcp 8080": "10.10.0.5:80", "tcp6 8080": "fd10::5:80"}
    return {
        "links": _links(state),
        "addresses": _addresses(state),
        "routes": sorted(route["to"] for route in blue["routes"]) if blue else [],
        "peers": sorted(mesh["links"][0]["peers"]) if mesh else [],
        "forwarding": {"vn-blue": bool(blue), "up0": bool(blue), "nic0": False},
        "global forwarding": ("0", "0"),
        "guards": {"calm1": "guard/mac", "calm2": "guard/mac", **{n: _guard(n, state) for n in bridged}},
        "members": _members(state),
        "macs": {("calm1", "52:54:00:00:02:01"), ("calm2", "52:54:00:00:02:02"),
                 *((n, _port_mac(PORTS[n], how)) for n, how in bridged.items())},
        "egress": {n: _port_mac(PORTS[n], how) for n, how in state.ports.items() if n not in bridged},
        "forwards": forwards,
        "tables": ["bridge vnet", "inet vnet"] + (["netdev vnet"] if "direct" in state.networks else []),
        "dnsmasq": ["blue"] if blue else [],
        "dhcp range": blue["dhcp"]["ranges"][0].split("-") if blue else None,
        "mtu": {_bridge(n): definition(n, how)["bridge"]["mtu"] for n, how in state.networks.items()
                if "bridge" in definition(n, how)},
        "files": sorted(["doctor", "definitions", "security-groups", "chosen-subnets", "dnsmasq",
                         "host-before", "netd.lock", "netd.sock", "ports", "running", "dnsmasq"]),
    }


# ---- what is ----

def _strip(value):
    if isinstance(value, dict):
        return {k: _strip(v) for k, v in value.items() if k not in NUMBERS}
    if isinstance(value, list):
        return [_strip(v) for v in value if not (isinstance(v, str) and v in (
            "NO-CARRIER", "LOWER_UP", "linkdown"))]
    return value


def _sorted(items):
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


def _nft(objects):
    """Rules keep their order within their chain; nothing else has one."""
    found = []
    for obj in objects:
        (kind, body), = obj.items()
        if kind == "metainfo":
            continue
        body = _strip(body)
        if body.get("name") == "drops":
            body.pop("elem", None)
        if isinstance(body.get("elem"), list):
            body["elem"] = _sorted(body["elem"])
        found.append((kind != "rule", body.get("family"), body.get("table"), body.get("chain", kind),
                      "" if kind == "rule" else body.get("name"), body))
    return [list(x) for x in sorted(found, key=lambda x: json.dumps(x[:5]))]


class Observation:
    """All that the witnesses tell at one moment."""

    def __init__(self, ns, netd):
        self.netd = netd
        # One shell for all of them: a process costs more than what it reads.
        commands = ("ip -j -d addr show", "ip -j -d -4 route show table all",
                    "ip -j -d -6 route show table all", "ip -j rule show", "bridge -j fdb show",
                    "bridge -j -c vlan show", "tc -j qdisc show", "nft -j list ruleset")
        text = ns.run("sh", "-c", "; echo; echo ---; ".join(c + " 2>/dev/null" for c in commands)).stdout
        parts = [json.loads(p) if p.strip() else [] for p in text.split("---\n")]
        self.links = sorted((x for x in parts[0] if x), key=lambda x: x["ifname"])
        self.routes, self.rules, self.fdb, self.vlans, self.qdiscs = (
            parts[1] + parts[2], parts[3], parts[4], parts[5], parts[6])
        self.objects = parts[7]["nftables"] if parts[7] else []
        self.sysctls = _sysctls(ns)

    def all(self):
        """Everything, to be compared with what a run without mishaps brought about."""
        links = []
        for link in _strip(self.links):
            link["addr_info"] = _sorted(a for a in link.get("addr_info", []) if a["scope"] != "link")
            for number in ("id", "no"): # in the order of their joining
                link.get("linkinfo", {}).get("info_slave_data", {}).pop(number, None)
            if link["ifname"].startswith("vx"):
                link.pop("address") # the kernel's choice
            links.append(link)
        # What the kernel makes of a carrier: link-local addresses, multicast, the local table.
        routes = [r for r in _strip(self.routes) if r.get("type") not in (
            "multicast", "local", "broadcast", "anycast") and not r["dst"].startswith("fe80:")]
        # Not what bridges learn, nor which multicast the host listens to.
        fdb = [_strip(e) for e in self.fdb if e.get("dst") or (
            e.get("state") == "permanent" and not e["ifname"].startswith("vx") and
            not int(e["mac"][:2], 16) & 1)]
        return {"links": links, "routes": _sorted(routes), "rules": self.rules, "fdb": _sorted(fdb),
                "vlans": _sorted(_strip(self.vlans)), "qdiscs": _sorted(_strip(self.qdiscs)),
                "nft": _nft(self.objects), "sysctls": self.sysctls}

    def _set(self, family, name):
        for obj in self.objects:
            for kind in ("set", "map"):
                body = obj.get(kind, {})
                if (body.get("family"), body.get("name")) == (family, name):
                    return body.get("elem", [])
        return []

    def _forwards(self):
        found = {}
        for family, mark in (("4", ""), ("6", "6")):
            for key, value in self._set("inet", "forwards%s_any" % family):
                protocol, port = key["concat"]
                found["%s%s %d" % (protocol, mark, port)] = "%s:%d" % tuple(value["concat"])
        return found

    def _egress(self):
        """The devices whose own frames are held to an address, and to which."""
        macs = dict(e["concat"] for e in self._set("netdev", "macs"))
        # nft 1.0.6 does not say the device of a chain; netd names the chain after it.
        hooked = {o["chain"]["name"] for o in self.objects
                  if "chain" in o and o["chain"].get("hook") == "egress"}
        assert set(macs) == hooked, "filtered: %s, known: %s" % (hooked, macs)
        return macs

    def _files(self):
        return sorted(name for folder in (self.netd.run_dir, self.netd.state_dir)
                      for name in os.listdir(folder))

    def _services(self):
        found = []
        for pid in self.netd.dnsmasq_pids():
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                found.append(f.read().decode().split("/dnsmasq/")[1].split("/")[0])
        return sorted(found)

    def _range(self):
        try:
            with open(os.path.join(self.netd.run_dir, "dnsmasq/blue/dnsmasq.conf"), encoding="utf-8") as f:
                lines = [line for line in f if line.startswith("dhcp-range=") and "10.10.0." in line]
        except FileNotFoundError:
            return None
        return [w for w in lines[0].strip().split("=")[1].split(",") if w.startswith("10.10.0.")][:2] \
            if lines else None

    def facts(self):
        """The same as facts() of a state."""
        links, addresses, mtu = {}, {}, {}
        for link in self.links:
            name = link["ifname"]
            kind = link.get("linkinfo", {}).get("info_kind")
            if name == "lo":
                continue
            assert name in ALWAYS or "UP" in link["flags"], "%s is down" % name
            label = "vx*" if kind == "vxlan" else name
            assert label not in links, "two devices %s" % label
            links[label] = (kind, link.get("master"), link.get("ifalias"))
            own = sorted("%s/%d" % (a["local"], a["prefixlen"]) for a in link["addr_info"]
                         if a["scope"] != "link")
            if own:
                addresses[name] = own
            if kind == "bridge" and link["mtu"] not in (1500, 1450):
                mtu[name] = link["mtu"]
        guards = {key: verdict["goto"]["target"] for key, verdict in self._set("bridge", "guards")}
        return {
            "links": links, "addresses": addresses, "mtu": mtu,
            "routes": sorted(r["dst"] for r in self.routes if r.get("protocol") == "118"),
            "peers": sorted(e["dst"] for e in self.fdb if e.get("dst") and
                            e.get("mac") == "00:00:00:00:00:00"),
            "forwarding": {n: self.sysctls.get(FORWARDING % n) == "1" for n in ("vn-blue", "up0", "nic0")},
            "global forwarding": (self.sysctls["net/ipv4/ip_forward"],
                                  self.sysctls["net/ipv6/conf/all/forwarding"]),
            "guards": guards,
            "members": {"vx*" if n.startswith("vx") else n for n in self._set("bridge", "members")},
            "macs": {tuple(e["concat"]) for e in self._set("bridge", "macs")},
            "egress": self._egress(),
            "forwards": self._forwards(),
            "tables": sorted("%s %s" % (o["table"]["family"], o["table"]["name"])
                             for o in self.objects if "table" in o),
            "dnsmasq": self._services(),
            "dhcp range": self._range(),
            "files": self._files(),
        }


def _sysctls(ns):
    found = {}
    keys = {"ipv4": ("forwarding", "rp_filter", "route_localnet"),
            "ipv6": ("forwarding", "force_forwarding", "accept_ra", "autoconf", "disable_ipv6")}
    with ns:
        with open("/proc/sys/net/ipv4/ip_forward", encoding="ascii") as f:
            found["net/ipv4/ip_forward"] = f.read().strip()
        for family, names in keys.items():
            base = "/proc/sys/net/%s/conf" % family
            for device in os.listdir(base):
                for name in names:
                    try:
                        with open("%s/%s/%s" % (base, device, name), encoding="ascii") as f:
                            found["net/%s/conf/%s/%s" % (family, device, name)] = f.read().strip()
                    except FileNotFoundError:
                        pass
    return found
