# SPDX-License-Identifier: GPL-2.0-or-later
"""witness.py - what ip, bridge and nft say, independent of netd's own view"""

import difflib
import json
import os
import re

VOLATILE = {"valid_life_time", "preferred_life_time", "stats", "stats64", "metainfo", "expires",
            "hello_timer", "tcn_timer", "topology_change_timer", "gc_timer", "topology_change",
            "forward_delay_timer", "hold_timer", "message_age_timer", "tso_max_size",
            "tso_max_segs", "topology_change_detected", "designated_root", "cache", "packets", "bytes",
            # The kernel counts these up with every rule it is given.
            "handle",
            # Carrier comes and goes with the guests, and the kernel notices late (linkwatch).
            "operstate", "state"}
CARRIER_FLAGS = {"NO-CARRIER", "LOWER_UP", "linkdown"}


def _comes_with_carrier(value):
    """A flag, or an address that the kernel itself makes when there is somebody to talk to."""
    if isinstance(value, dict):
        return value.get("family") == "inet6" and value.get("scope") == "link"
    return isinstance(value, str) and value in CARRIER_FLAGS


def _strip(value):
    if isinstance(value, dict):
        return {k: _strip(v) for k, v in value.items() if k not in VOLATILE}
    if isinstance(value, list):
        return [_strip(v) for v in value if not _comes_with_carrier(v)]
    return value


def nft_json(ns, *what):
    """The objects of `nft -j list WHAT` (default: the ruleset); [] when it does not exist."""
    what = what or ("ruleset",)
    result = ns.run("nft", "-j", "list", *what, check=False)
    if result.returncode:
        return []
    return json.loads(result.stdout)["nftables"]


def nft_rules(ns):
    """The ruleset without what packets change: counters, what counts drops, times that run out."""
    try:
        rules = _strip(nft_json(ns))
    except json.JSONDecodeError:
        # nft before 1.1 writes no JSON of a table that persists without an owner: netd is stopped.
        return ns.run("nft", "-s", "list", "ruleset").stdout.splitlines()
    for obj in rules:
        if obj.get("set", {}).get("name") == "drops":
            obj["set"].pop("elem", None)
    return rules


def nft_set(ns, family, name, table="vnet"):
    """The raw elements of one of netd's sets or maps."""
    for obj in nft_json(ns, "set", family, table, name) or nft_json(ns, "map", family, table, name):
        for kind in ("set", "map"):
            if kind in obj:
                return obj[kind].get("elem", [])
    return []


def nft_elements(ns, family, name, table="vnet"):
    """The elements of a set as (key, counted packets or None); a key is a str, int or tuple."""
    found = []
    for elem in nft_set(ns, family, name, table):
        packets = None
        if isinstance(elem, dict) and "elem" in elem:
            packets = elem["elem"].get("counter", {}).get("packets")
            elem = elem["elem"]["val"]
        if isinstance(elem, dict) and "concat" in elem:
            elem = tuple(elem["concat"])
        found.append((elem, packets))
    return found


def nft_guards(ns):
    """{interface: the chain that judges its frames; None: it is held to nothing}"""
    return {key: verdict.get("goto", {}).get("target")
            for key, verdict in nft_set(ns, "bridge", "guards")}


def nft_drops(ns, ifname=None, family="bridge"):
    """{(interface, number of the reason): frames}, or with an interface's name the sum of its own."""
    drops = {key: packets for key, packets in nft_elements(ns, family, "drops")}
    if ifname is None:
        return drops
    return sum(n for (name, _), n in drops.items() if name == ifname)


class Witness:
    """The network state of a namespace at one moment; two of them can be compared."""

    SYSCTLS = ("net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding",
               "net/ipv4/conf/default/forwarding", "net/ipv6/conf/all/forwarding",
               "net/ipv6/conf/default/forwarding", "net/ipv4/conf/all/rp_filter")

    def __init__(self, ns, ignore_links=()):
        self.state = {
            "links": self._links(ns, ignore_links),
            "routes": _strip(ns.json("ip", "-j", "-d", "-4", "route", "show", "table", "all")),
            "routes6": _strip(ns.json("ip", "-j", "-d", "-6", "route", "show", "table", "all")),
            "rules": ns.json("ip", "-j", "rule", "show"),
            "nft": nft_rules(ns),
            "sysctls": {p: ns.sysctl(p) for p in self._sysctl_paths(ns)},
        }

    @staticmethod
    def _links(ns, ignore):
        links = _strip(ns.json("ip", "-j", "-d", "addr", "show"))
        return sorted((x for x in links if x and x["ifname"] not in ignore),
                      key=lambda x: x["ifname"])

    def _sysctl_paths(self, ns):
        with ns:
            per_link = ["net/%s/conf/%s/%s" % (family, name, key)
                        for family, keys in (("ipv4", ("forwarding", "rp_filter", "route_localnet")),
                                             ("ipv6", ("forwarding", "accept_ra", "disable_ipv6")))
                        for name in os.listdir("/proc/sys/net/%s/conf" % family)
                        for key in keys
                        if os.path.exists("/proc/sys/net/%s/conf/%s/%s" % (family, name, key))]
        return list(self.SYSCTLS) + sorted(set(per_link) - set(self.SYSCTLS))

    def diff(self, other):
        """A unified diff, "" when nothing differs."""
        a, b = (json.dumps(w.state, indent=1, sort_keys=True).splitlines() for w in (self, other))
        return "\n".join(difflib.unified_diff(a, b, "before", "after", lineterm="", n=3))


# What a device that was made anew has anew.
ANEW = {"ifindex", "link_index", "ifi_index", "iif", "handle", "deleted", "promiscuity", "allmulti",
        "bridge_id", "root_id", "port_id", "port_no", "designated_bridge", "index",
        "parent_index", "designated_port", "id", "no"}


def _sorted(value):
    """Without indexes, and lists by what is in them: the order is the kernel's business."""
    if isinstance(value, dict):
        return {k: _sorted(v) for k, v in value.items() if k not in ANEW}
    if isinstance(value, list):
        return sorted((_sorted(v) for v in value), key=lambda v: json.dumps(v, sort_keys=True))
    return value


class Picture(Witness):
    """
    The same for devices that may have been made anew, and with all that netd sets beside: options
    of bridge ports, VLANs, lasting forwarding entries, queueing disciplines and what is below them.
    """

    def __init__(self, ns, ignore_links=()):
        super().__init__(ns, ignore_links)
        for link in self.state["links"]:
            if link.get("linkinfo", {}).get("info_kind") == "vxlan":
                link.pop("address")  # the kernel's choice
            # Comes with the carrier.
            link["addr_info"] = [a for a in link.get("addr_info", [])
                                 if a["scope"] != "link" or a["family"] != "inet6"]
        # Routes to the host's own addresses and groups are the kernel's.
        for key in ("routes", "routes6"):
            self.state[key] = [r for r in self.state[key] if r.get("protocol") != "kernel"]
        self.state["ports"] = ns.json("bridge", "-j", "-d", "link", "show")
        self.state["vlans"] = ns.json("bridge", "-j", "vlan", "show")
        self.state["fdb"] = [x for x in ns.json("bridge", "-j", "fdb", "show")
                             if "dst" in x and x.get("state") == "permanent"]
        self.state["tc"] = self._tc(ns)
        self.state = _sorted(_strip(self.state))

    @staticmethod
    def _tc(ns):
        """In its words: iproute2 6.1 writes JSON of classes and filters that nobody can read."""
        def show(*what):
            text = ns.run("tc", *what, check=False).stdout
            # Numbers that the kernel counts up.
            return [re.sub(r"\b(index|ref|bind) \d+|\b8[0-9a-f]{3}:", "", line)
                    for line in text.splitlines()]
        qdiscs = show("qdisc", "show")
        busy = sorted(set(re.findall(r"^qdisc (?:htb|clsact|ingress) .* dev (\S+)", "\n".join(qdiscs),
                                     re.M)))
        return [qdiscs] + [show(what, "show", "dev", dev, *more) for dev in busy
                           for what, more in (("class", ()), ("filter", ("ingress",)),
                                              ("filter", ("egress",)))]
