# SPDX-License-Identifier: GPL-2.0-or-later
"""alternatives.py - other mechanisms that hold a port to its addresses, as rules for bench.py

Each function puts its rules on the bridge of a namespace whose ports vp1 and
vp2 exist; of the others only the elements do, with interface numbers that no
device has.  All check the source MAC, the source address and that no guest
plays DHCP server, unless their names say that they do less.
"""

import os
import shutil
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FIRST_UNUSED_INDEX = 100000

PREROUTING = "type filter hook prerouting priority -300; policy accept;"
FORWARD = "type filter hook forward priority -200; policy accept;"
# What a frame with the right addresses goes through: most leave by the first two rules.
CHECKED = """
    set dhcp_ports { type inet_service; elements = { 67, 68, 546, 547 }; }
    chain checked {
        meta l4proto tcp accept
        udp dport & 0xfc00 != 0 accept
        udp sport @dhcp_ports drop
        accept
    }"""
MEMBERS_ONLY = """
    chain forward { %s
        iif @members oif @members accept
        iif @members drop
        oif @members drop
    }""" % FORWARD


class Ports:
    """Elements of sets for so many ports."""

    def __init__(self, ns, count, mac, ipv4, ipv6):
        with ns:
            self.index = {i: socket.if_nametoindex("vp%d" % i) for i in (1, 2)}
        for i in range(3, count + 1):
            self.index[i] = FIRST_UNUSED_INDEX + i
        self.mac, self.ipv4, self.ipv6 = mac, ipv4, ipv6

    def elements(self, form):
        return "elements = { %s }" % ", ".join(
            form.format(iif=index, mac=self.mac(i), ip=self.ipv4(i), ip6=self.ipv6(i),
                        mac_hex=self.mac(i).replace(":", ""),
                        ip_hex=socket.inet_pton(socket.AF_INET, self.ipv4(i)).hex(),
                        ip6_hex=socket.inet_pton(socket.AF_INET6, self.ipv6(i)).hex())
            for i, index in self.index.items())

    def set(self, name, kind, form, word="type"):
        return "set %s { %s %s; %s; }\n" % (name, word, kind, self.elements(form))

    def guards(self):
        return "map guards { type iface_index : verdict; %s; }\n" % self.elements(
            "{iif} : goto strict")

    def members(self):
        return self.set("members", "iface_index", "{iif}")

    def macs(self):
        return self.set("macs", "iface_index . ether_addr", "{iif} . {mac}")

    def sources(self):
        """One key: device, MAC and address."""
        return (self.set("sources4", "iface_index . ether_addr . ipv4_addr", "{iif} . {mac} . {ip}")
                + self.set("sources6", "iface_index . ether_addr . ipv6_addr",
                           "{iif} . {mac} . {ip6}"))

    def addresses(self):
        """One key: device and address."""
        return (self.set("addresses4", "iface_index . ipv4_addr", "{iif} . {ip}")
                + self.set("addresses6", "iface_index . ipv6_addr", "{iif} . {ip6}"))

    def packed(self):
        """The MAC and the EtherType behind it in one load, so that no other look at the type is needed."""
        return (self.set("packed4", "meta iif . @ll,48,64 . @nh,96,32",
                         "{iif} . 0x{mac_hex}0800 . 0x{ip_hex}", "typeof")
                + self.set("packed6", "meta iif . @ll,48,64 . @nh,64,128",
                           "{iif} . 0x{mac_hex}86dd . 0x{ip6_hex}", "typeof"))


ONE_LOOKUP = """
        ether type ip iif . ether saddr . ip saddr @sources4 goto checked
        ether type ip6 iif . ether saddr . ip6 saddr @sources6 goto checked"""
PACKED_LOOKUP = """
        meta protocol ip6 iif . @ll,48,64 . @nh,64,128 @packed6 goto checked
        iif . @ll,48,64 . @nh,96,32 @packed4 goto checked"""
TWO_LOOKUPS = """
        iif . ether saddr != @macs drop
        ether type ip iif . ip saddr @addresses4 goto checked
        ether type ip6 iif . ip6 saddr @addresses6 goto checked"""
ADDRESS_LOOKUP = """
        ether type ip iif . ip saddr @addresses4 goto checked
        ether type ip6 iif . ip6 saddr @addresses6 goto checked"""


def nft(ns, family, body):
    ns.run("nft", "-f", "-", input="table %s bench {\n%s\n}\n" % (family, body), timeout=120)


def bridge(ns, *parts):
    nft(ns, "bridge", "\n".join(parts))


def empty_chains(ns, _ports):
    bridge(ns, "chain prerouting { %s }\nchain forward { %s }" % (PREROUTING, FORWARD))


def members_alone(ns, ports):
    bridge(ns, ports.members(), MEMBERS_ONLY)


def by_verdict_map(lookup, *sets):
    """The device's policy first, then its addresses: what is not ours costs one lookup."""
    def rules(ns, ports):
        bridge(ns, *(getattr(ports, s)() for s in sets), CHECKED,
               "chain strict {%s\ndrop\n}" % lookup, ports.guards(),
               "chain prerouting { %s\niif vmap @guards\n}" % PREROUTING,
               ports.members(), MEMBERS_ONLY)
    return rules


def addresses_first(ns, ports):
    """The addresses of all ports first, the policy for what is left."""
    bridge(ns, ports.packed(), CHECKED, "chain strict { drop; }", ports.guards(),
           "chain prerouting { %s%s\niif vmap @guards\n}" % (PREROUTING, PACKED_LOOKUP),
           ports.members(), MEMBERS_ONLY)


def each_port_for_itself(ns, ports):
    chains = "".join("""
    chain vp%d { type filter hook ingress device vp%d priority 0; policy accept;
        ether saddr != %s drop
        ether type ip ip saddr %s goto checked
        ether type ip6 ip6 saddr %s goto checked
        drop
    }""" % (i, i, ports.mac(i), ports.ipv4(i), ports.ipv6(i)) for i in (1, 2))
    nft(ns, "netdev", CHECKED + chains)
    members_alone(ns, ports)


def netdev_sets(ns, ports):
    nft(ns, "netdev", ports.packed() + CHECKED + """
    chain ports { type filter hook ingress devices = { vp1, vp2 } priority 0; policy accept; %s
        drop
    }""" % PACKED_LOOKUP)
    members_alone(ns, ports)


def past_the_bridge(ns, ports):
    """Straight on to the other guest's device: fast, but no frame meets the bridge or others' rules."""
    fdb = "map fdb { type ether_addr : iface_index; elements = { %s }; }\n" % ", ".join(
        "%s : vp%d" % (ports.mac(i), i) for i in (1, 2))
    nft(ns, "netdev", ports.packed() + fdb + """
    set dhcp_ports { type inet_service; elements = { 67, 68, 546, 547 }; }
    chain on { fwd to ether daddr map @fdb; }
    chain checked {
        meta l4proto tcp goto on
        udp dport & 0xfc00 != 0 goto on
        udp sport @dhcp_ports drop
        goto on
    }
    chain ports { type filter hook ingress devices = { vp1, vp2 } priority 0; policy accept; %s
        drop
    }""" % PACKED_LOOKUP)


def lock(ns, ports):
    for i in (1, 2):
        ns.run("bridge", "link", "set", "dev", "vp%d" % i, "learning", "off", "locked", "on")
        ns.run("bridge", "fdb", "replace", ports.mac(i), "dev", "vp%d" % i, "master", "static")


def locked_and_sets(ns, ports):
    lock(ns, ports)
    by_verdict_map(ADDRESS_LOOKUP, "addresses")(ns, ports)


def build_bpf(folder):
    """The object file, None where something is missing."""
    path = os.path.join(folder, "guard.bpf.o")
    if not all(map(shutil.which, ("clang", "tc", "bpftool"))) or subprocess.run(
            ["clang", "-O2", "-g", "-target", "bpf", "-I/usr/include/%s-linux-gnu" % os.uname().machine,
             "-c", os.path.join(HERE, "guard.bpf.c"), "-o", path], check=False).returncode:
        print("bench: no BPF: clang, libbpf-dev, bpftool and tc are needed", file=sys.stderr)
        return None
    return path


def tc_bpf(program):
    """The maps are shared by name below /sys/fs/bpf, of which the shell has one for itself."""
    def rules(ns, ports):
        lines = []
        for i, index in ports.index.items():
            key = index.to_bytes(4, sys.byteorder).hex(" ") + " " + ports.mac(i).replace(":", " ")
            for name, family, ethertype, address in (
                    ("sources4", socket.AF_INET, "08 00", ports.ipv4(i)),
                    ("sources6", socket.AF_INET6, "86 dd", ports.ipv6(i))):
                lines.append("map update pinned /sys/fs/bpf/tc/globals/%s key hex %s %s %s value hex 01"
                             % (name, key, ethertype, socket.inet_pton(family, address).hex(" ")))
        ns.run("unshare", "--mount", "sh", "-ec", """
            mount -t bpf bpf /sys/fs/bpf
            for port in vp1 vp2; do
                tc qdisc add dev $port clsact
                tc filter add dev $port ingress bpf da obj "$0" sec classifier
            done
            exec bpftool batch file - >/dev/null""", program, input="\n".join(lines) + "\n")
    return rules


def all_ways(folder, mac, ipv4, ipv6):
    """(name, rules for a namespace and a number of ports, do they stop a foreign address?)."""
    parts = [
        ("two empty base chains", empty_chains),
        ("only the check of both devices", members_alone),
    ]
    guards = [
        ("map, one lookup", by_verdict_map(ONE_LOOKUP, "sources")),
        ("map, one packed lookup", by_verdict_map(PACKED_LOOKUP, "packed")),
        ("map, MAC and address apart", by_verdict_map(TWO_LOOKUPS, "macs", "addresses")),
        ("packed lookup, then map", addresses_first),
        ("netdev, chain for each port", each_port_for_itself),
        ("netdev, one chain and sets", netdev_sets),
        ("netdev, past the bridge", past_the_bridge),
        ("locked port (MAC only)", lock),
        ("locked port, map, address", locked_and_sets),
    ]
    program = build_bpf(folder)
    if program:
        guards.append(("tc BPF (members not checked)", tc_bpf(program)))

    def wrap(function):
        return lambda ns, count: function(ns, Ports(ns, count, mac, ipv4, ipv6))
    return ([(name, wrap(function), False) for name, function in parts]
            + [(name, wrap(function), True) for name, function in guards])
