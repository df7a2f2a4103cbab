# SPDX-License-Identifier: GPL-2.0-or-later
"""packets.py - a line of text to the bytes of a frame, honest or not

    eth / ip6 from=victim hops=255 / dst / na target=host flags=sol,ovr / tlla own

Layers stand from the outside in, each with the fields that are not as an honest guest would have
them.  What is not said follows from the rest: types and next headers from the layer that follows,
lengths and checksums from what it holds, the sender is the guest itself ("own") and the receiver
the victim, a group's Ethernet address follows from its IP address.  Whatever follows can be said
too, and then stands as it was said: `ip len=9000`.

Addresses are literals, or names that a Cast gives a meaning to: own, victim, host and nobody,
with -ll behind them the link-local address and with -sn the solicited-node group; all (broadcast),
any (zeros), gateways' and nodes' groups as all-routers and all-nodes.  Numbers are decimal, or
hexadecimal with 0x.  tests/corpus/README has the layers and their fields.
"""

import collections
import ipaddress
import struct

from .frames import BROADCAST, checksum, mac_bytes

Person = collections.namedtuple("Person", "mac ip4 ip6")
# On the network of the guard's labs, 10.10.0.0/24 and fd10::/64.
OWN = Person("52:54:00:00:00:01", "10.10.0.11", "fd10::11")
VICTIM = Person("52:54:00:00:00:02", "10.10.0.12", "fd10::12")
NOBODY = Person("52:54:00:66:66:66", "10.10.0.66", "fd10::66")
FRAME_MIN = 60                  # of Ethernet, without its checksum
LLC_MAX = 1500                  # more is no length but a type


class PacketError(ValueError):
    """A text that says no frame."""


def link_local(mac):
    """The address that a card with this MAC gives itself (RFC 4291, appendix A)."""
    b = bytearray(mac_bytes(mac))
    b[0] ^= 2
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + b[:3] + b"\xff\xfe" + b[3:]))


def solicited_node(address):
    return str(ipaddress.IPv6Address(
        ipaddress.ip_address("ff02::1:ff00:0").packed[:13] + ipaddress.ip_address(address).packed[13:]))


def group_mac(address):
    """The Ethernet address of an IP group (RFC 1112, RFC 2464), None for other addresses."""
    ip = ipaddress.ip_address(address)
    if str(ip) == "255.255.255.255":
        return BROADCAST
    if not ip.is_multicast:
        return None
    if ip.version == 6:
        return "33:33:" + ip.packed[12:].hex(":")
    return "01:00:5e:" + bytes([ip.packed[1] & 0x7f, *ip.packed[2:]]).hex(":")


class Cast:
    """Who the names in a corpus are: own, victim, host and nobody, each a Person."""

    def __init__(self, **persons):
        self.mac = {"all": BROADCAST, "any": "00:00:00:00:00:00"}
        self.ip4 = {"all": "255.255.255.255", "any": "0.0.0.0"}
        self.ip6 = {"any": "::", "all-nodes": "ff02::1", "all-routers": "ff02::2"}
        for name, person in persons.items():
            self.mac[name] = person.mac
            self.ip4[name] = person.ip4
            self.ip6[name] = person.ip6
            self.ip6[name + "-ll"] = link_local(person.mac)
            self.ip6[name + "-sn"] = solicited_node(person.ip6)
            self.ip6[name + "-ll-sn"] = solicited_node(link_local(person.mac))

    def owner(self, address):
        """The MAC of who has this address."""
        for table in (self.ip4, self.ip6):
            for name, known in table.items():
                name = name[:-3] if name.endswith("-ll") else name
                if known == address and name in self.mac:
                    return self.mac[name]
        return None


class Layer:
    """One layer of the text: a kind, fields, plain words, and where it stands."""

    def __init__(self, text, cast, outer):
        self.kind, *words = text.split()
        self.fields = dict(w.split("=", 1) for w in words if "=" in w)
        self.words = [w for w in words if "=" not in w]
        self.cast = cast
        self.outer = outer      # the layer around it
        self.inner = None
        self.unread = set(self.fields)

    def text(self, name, default=None):
        self.unread.discard(name)
        return self.fields.get(name, default)

    def number(self, name, default=0):
        return int(self.text(name, str(default)), 0)

    def hex(self, name, default=""):
        return bytes.fromhex(self.text(name, default))

    def mac(self, name, default):
        value = self.text(name, default)
        return mac_bytes(self.cast.mac.get(value, value))

    def _ip(self, table, kind, name, default):
        value = self.text(name, default)
        return kind(table.get(value, value))

    def ip4(self, name, default):
        return self._ip(self.cast.ip4, ipaddress.IPv4Address, name, default)

    def ip6(self, name, default):
        return self._ip(self.cast.ip6, ipaddress.IPv6Address, name, default)

    def word(self, *choices):
        """Is one of these words there?"""
        return any(w in choices for w in self.words)

    def address(self):
        """(source, destination) of an IP layer, None of others."""
        if self.kind == "ip":
            return self.ip4("from", "own"), self.ip4("to", "victim")
        if self.kind == "ip6":
            return self.ip6("from", "own"), self.ip6("to", "victim")
        return None

    def around(self):
        """The addresses of the innermost IP layer around this one."""
        layer = self.outer
        while layer is not None:
            if layer.address():
                return layer.address()
            layer = layer.outer
        return None

    def next(self, numbers, default):
        """The number in this layer that names the layer within."""
        if self.inner is not None and self.inner.kind in numbers:
            default = numbers[self.inner.kind]
        return self.number("next", default)

    def piece(self, data):
        """(data, offset, is there more?) of the fragment that piece=FROM-TO takes out of it."""
        bounds = self.text("piece")
        if bounds is None:
            return data, 0, False
        first, last = bounds.split("-")
        return (data[int(first):int(last)] if last else data[int(first):]), int(first), bool(last)


ETHERTYPES = {"ip": 0x0800, "arp": 0x0806, "rarp": 0x8035, "ip6": 0x86dd, "vlan": 0x8100,
              "lldp": 0x88cc, "eapol": 0x888e, "pause": 0x8808, "lacp": 0x8809}
TAG_WORDS = {"ad": 0x88a8, "old": 0x9100}
PROTOCOLS = {"hbh": 0, "icmp": 1, "igmp": 2, "ip": 4, "tcp": 6, "udp": 17, "ip6": 41, "rt": 43,
             "frag": 44, "gre": 47, "esp": 50, "ah": 51, "dst": 60, "vrrp": 112, "sctp": 132,
             **dict.fromkeys(("icmp6", "rs", "ra", "ns", "na", "redirect", "mld"), 58)}


def ethertype(layer):
    default = ETHERTYPES.get(layer.inner.kind, 0x88b5) if layer.inner else 0x88b5
    if default == 0x8100:
        default = next((TAG_WORDS[w] for w in layer.inner.words), default)
    return layer.number("type", default)


def build_eth(layer, data):
    ip = layer.inner.address() if layer.inner else None
    inner = layer.inner
    while not ip and inner is not None and inner.kind in ("vlan", "llc", "snap"):
        inner = inner.inner
        ip = inner.address() if inner else None
    to = layer.cast.mac["victim"]
    if ip:
        to = group_mac(str(ip[1])) or layer.cast.owner(str(ip[1])) or to
    elif inner is not None and inner.kind in ("arp", "rarp"):
        to = BROADCAST
    type_or_length = ethertype(layer)
    if inner is not None and layer.inner.kind == "llc":
        type_or_length = layer.number("type", min(len(data), LLC_MAX))
    frame = layer.mac("to", to) + layer.mac("from", "own") + struct.pack("!H", type_or_length) + data
    if layer.text("cut"):
        return frame[:layer.number("cut")]
    return (frame + layer.hex("trailer")).ljust(FRAME_MIN, b"\0")


def build_vlan(layer, data):
    return struct.pack("!HH", layer.number("pcp") << 13 | layer.number("id"), ethertype(layer)) + data


def build_llc(layer, data):
    sap = 0xaa if layer.inner and layer.inner.kind == "snap" else 0x42
    return bytes([layer.number("dsap", sap), layer.number("ssap", sap),
                  layer.number("control", 3)]) + data


def build_snap(layer, data):
    return layer.hex("oui", "000000") + struct.pack("!H", ethertype(layer)) + data


ARP_OPERATIONS = {"request": 1, "reply": 2, "reverse": 3, "reverse-reply": 4}


def build_arp(layer, data):
    """Fields by their names in RFC 826: sender and target, hardware and protocol address."""
    op = layer.text("op", "reverse" if layer.kind == "rarp" else "request")
    unknown_target = "own" if layer.kind == "rarp" else "any"
    unknown_ip = "any" if layer.kind == "rarp" else None
    return struct.pack("!HHBBH", layer.number("htype", 1), layer.number("ptype", 0x0800),
                       layer.number("hlen", 6), layer.number("plen", 4),
                       ARP_OPERATIONS[op] if op in ARP_OPERATIONS else int(op, 0)) + \
        layer.mac("sha", "own") + layer.ip4("spa", unknown_ip or "own").packed + \
        layer.mac("tha", unknown_target) + layer.ip4("tpa", unknown_ip or "victim").packed + data


def build_ip(layer, data):
    source, destination = layer.address()
    protocol = layer.next(PROTOCOLS, 253)
    data, at, more = layer.piece(data)
    options = layer.hex("options")
    options = options.ljust(-(-len(options) // 4) * 4, b"\0")
    size = 20 + len(options)
    flags = 0x2000 * (more or layer.word("more")) | 0x4000 * layer.word("df")
    header = struct.pack("!BBHHHBBH4s4s", layer.number("version", 4) << 4 |
                         layer.number("ihl", size // 4), layer.number("tos"),
                         layer.number("len", size + len(data)), layer.number("id", 1),
                         flags | layer.number("at", at // 8), layer.number("ttl", 64), protocol, 0,
                         source.packed, destination.packed) + options
    return header[:10] + struct.pack("!H", layer.number("sum", checksum(header))) + header[12:] + data


def build_ip6(layer, data):
    source, destination = layer.address()
    hops = 64
    inner = layer.inner
    while inner is not None and inner.kind in ("hbh", "dst", "rt", "frag", "ah"):
        inner = inner.inner
    if inner is not None and inner.kind in ("rs", "ra", "ns", "na", "redirect"):
        hops = 255              # RFC 4861
    elif inner is not None and inner.kind == "mld":
        hops = 1                # RFC 3810
    return struct.pack("!IHBB", layer.number("version", 6) << 28 | layer.number("flow"),
                       layer.number("len", len(data)), layer.next(PROTOCOLS, 59),
                       layer.number("hops", hops)) + source.packed + destination.packed + data


def build_options(layer, data):
    """Hop-by-hop or destination options: padding, unless options= has something better."""
    options = layer.hex("options", "050200000100" if layer.word("alert") else "")
    size = max(8, -(-(2 + len(options)) // 8) * 8, layer.number("size"))
    gap = size - 2 - len(options)
    while gap > 1:              # PadN takes 255 octets at most
        pad = min(gap - 2, 255)
        options += bytes([1, pad]) + bytes(pad)
        gap -= 2 + pad
    options += bytes(gap)       # Pad1
    return bytes([layer.next(PROTOCOLS, 59), layer.number("len", size // 8 - 1)]) + options + data


def build_rt(layer, data):
    hops = [layer.cast.ip6.get(h, h) for h in layer.text("via", "victim").split(",")]
    return bytes([layer.next(PROTOCOLS, 59), layer.number("len", 2 * len(hops)),
                  layer.number("type"), layer.number("left")]) + bytes(4) + \
        b"".join(ipaddress.IPv6Address(h).packed for h in hops) + data


def build_frag(layer, data):
    protocol = layer.next(PROTOCOLS, 59)
    data, at, more = layer.piece(data)
    return struct.pack("!BBHI", protocol, layer.number("reserved"),
                       layer.number("at", at // 8) << 3 | (more or layer.word("more")),
                       layer.number("id", 1)) + data


def build_ah(layer, data):
    return bytes([layer.next(PROTOCOLS, 59), layer.number("len", 4), 0, 0]) + bytes(20) + data


def with_checksum(layer, protocol, at, message):
    """The message with its checksum, over the pseudo header too, in its place."""
    if "sum" in layer.fields:
        value = layer.number("sum")
    else:
        source, destination = layer.around() or (ipaddress.IPv4Address(0),) * 2
        pseudo = b""
        if source.version == 6:
            pseudo = source.packed + destination.packed + struct.pack("!II", len(message), protocol)
        elif protocol not in (1, 2):
            pseudo = source.packed + destination.packed + struct.pack("!HH", protocol, len(message))
        value = checksum(pseudo + message)
        if protocol == 17 and value == 0:
            value = 0xffff
    return message[:at] + struct.pack("!H", value) + message[at + 2:]


def build_icmp(layer, data):
    return with_checksum(layer, 1, 2, struct.pack("!BBHI", layer.number("type", 8),
                                                  layer.number("code"), 0,
                                                  layer.number("rest", 0x10001)) + data)


def build_igmp(layer, data):
    """A version 2 report, for the group that it is sent to."""
    group = layer.ip4("group", str(layer.around()[1]))
    return with_checksum(layer, 2, 2, struct.pack("!BBH", layer.number("type", 0x16), 0, 0) +
                         group.packed + data)


ICMP6_TYPES = {"icmp6": 128, "rs": 133, "ra": 134, "ns": 135, "na": 136, "redirect": 137,
               "mld": 143}
NA_FLAGS = {"router": 0x80, "sol": 0x40, "ovr": 0x20}


def build_icmp6(layer, data):
    """Echo requests, and by names of their own the messages of RFC 4861, and an MLDv2 report."""
    body = struct.pack("!I", layer.number("rest", 0x10001 if layer.kind == "icmp6" else 0))
    if layer.kind == "ra":
        body = struct.pack("!BBHII", 64, layer.number("flags"), layer.number("lifetime", 1800), 0, 0)
    elif layer.kind == "ns":
        body += layer.ip6("target", "victim").packed
    elif layer.kind == "na":
        flags = sum(NA_FLAGS[f] for f in layer.text("flags", "ovr").split(",") if f)
        body = struct.pack("!I", flags << 24) + layer.ip6("target", "own").packed
    elif layer.kind == "redirect":
        body += layer.ip6("target", "own-ll").packed + layer.ip6("destination", "nobody").packed
    elif layer.kind == "mld":   # CHANGE_TO_EXCLUDE nobody: it joins
        body = struct.pack("!HHBBH", 0, 1, 4, 0, 0) + layer.ip6("group", "own-sn").packed
    return with_checksum(layer, 58, 2, struct.pack(
        "!BBH", layer.number("type", ICMP6_TYPES[layer.kind]), layer.number("code"), 0) + body + data)


def build_slla(layer, data, kind=1):
    """A link-layer address option; the address is a plain word."""
    who = layer.words.pop(0) if layer.words else "own"
    return bytes([kind, layer.number("len", 1)]) + mac_bytes(layer.cast.mac.get(who, who)) + data


def build_tlla(layer, data):
    return build_slla(layer, data, 2)


def build_option(layer, data):
    """Any other option of neighbour discovery."""
    body = layer.hex("body")
    body = body.ljust(-(-(2 + len(body)) // 8) * 8 - 2, b"\0")
    return bytes([layer.number("type"), layer.number("len", (2 + len(body)) // 8)]) + body + data


def build_udp(layer, data):
    return with_checksum(layer, 17, 6, struct.pack(
        "!HHHH", layer.number("from", 9999), layer.number("to", 9),
        layer.number("len", 8 + len(data)), 0) + data)


TCP_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16}


def build_tcp(layer, data):
    flags = sum(TCP_FLAGS[w] for w in layer.words) or TCP_FLAGS["syn"]
    layer.words.clear()
    return with_checksum(layer, 6, 16, struct.pack(
        "!HHIIBBHHH", layer.number("from", 9999), layer.number("to", 9), 1, 0, 0x50, flags, 65535,
        0, 0) + data)


def build_vrrp(layer, data):
    """A version 3 advertisement of RFC 5798 for one address."""
    source = layer.around()[0]
    address = (layer.ip4 if source.version == 4 else layer.ip6)("address", str(source))
    return with_checksum(layer, 112, 6, struct.pack(
        "!BBBBHH", 0x31, layer.number("id", 51), layer.number("priority", 100), 1, 100, 0) +
        address.packed + data)


def build_sctp(layer, data):
    return struct.pack("!HHII", layer.number("from", 9999), layer.number("to", 9), 0, 0) + data


def build_esp(layer, data):
    return struct.pack("!II", layer.number("spi", 0x1001), 1) + bytes(24) + data


def build_gre(layer, data):
    return struct.pack("!HH", 0, ethertype(layer)) + data


DHCP_TYPES = {"discover": 1, "offer": 2, "request": 3, "decline": 4, "ack": 5, "nak": 6,
              "release": 7, "inform": 8}


def build_dhcp(layer, data):
    """What a client says is BOOTREQUEST, what a server says BOOTREPLY, unless op= says another."""
    kind = DHCP_TYPES[layer.words.pop(0)] if layer.words else 1
    op = layer.number("op", 2 if kind in (2, 5, 6) else 1)
    return struct.pack("!BBBBIHH", op, layer.number("htype", 1), layer.number("hlen", 6), 0, 7, 0,
                       layer.number("flags", 0x8000)) + \
        b"".join(layer.ip4(n, "any").packed for n in ("ciaddr", "yiaddr", "siaddr", "giaddr")) + \
        layer.mac("chaddr", "own") + bytes(10 + 192) + b"\x63\x82\x53\x63" + \
        bytes([53, 1, kind]) + layer.hex("options") + b"\xff" + data


DHCP6_TYPES = {"solicit": 1, "advertise": 2, "request": 3, "renew": 5, "reply": 7, "release": 8,
               "reconfigure": 10, "relay-forward": 12, "relay-reply": 13}


def build_dhcp6(layer, data):
    """With a client identifier made of its MAC (DUID-LL)."""
    kind = DHCP6_TYPES[layer.words.pop(0)] if layer.words else 1
    return struct.pack("!I", kind << 24 | 7) + struct.pack("!HHHH", 1, 10, 3, 1) + \
        layer.mac("client", "own") + data


def build_lldp(_layer, data):
    return b"\x02\x07\x04\x02\0\0\0\0\1\x04\x02\x07p\x06\x02\0\x78\0\0" + data


def build_eapol(_layer, data):
    return b"\1\1\0\0" + data


def build_pause(_layer, data):
    return b"\0\1\xff\xff" + data


def build_lacp(_layer, data):
    return b"\1\1" + data


def build_bpdu(layer, data):
    """A configuration BPDU of a bridge that claims to be the root."""
    bridge = struct.pack("!H", layer.number("priority")) + layer.mac("bridge", "own")
    return b"\0\0\0\0\0" + bridge + bytes(4) + bridge + b"\x80\x01" + \
        struct.pack("!HHHH", 0, 20 << 8, 2 << 8, 2 << 8) + data


def build_text(layer, data):
    text, layer.words = " ".join(layer.words), []
    return text.encode() + data


def build_hex(layer, data):
    text, layer.words = "".join(layer.words), []
    return bytes.fromhex(text) + data


def build_zeros(layer, data):
    return bytes(int(layer.words.pop(0))) + data


_SHARED = {"rarp": build_arp, "hbh": build_options, "dst": build_options,
           **dict.fromkeys(("rs", "ra", "ns", "na", "redirect", "mld"), build_icmp6)}
BUILDERS = {**{name[6:]: f for name, f in list(globals().items()) if name.startswith("build_")},
            **_SHARED}
del BUILDERS["options"]
WORDS = {"vlan": set(TAG_WORDS), "ip": {"more", "df"}, "frag": {"more"}, "hbh": {"alert"}}


def build(text, cast):
    """The frame's bytes.  Raises PacketError, which quotes the layer."""
    layers = []
    for part in text.split("/"):
        if not part.strip():
            raise PacketError("an empty layer in %r" % text)
        layer = Layer(part, cast, layers[-1] if layers else None)
        if layer.kind not in BUILDERS:
            raise PacketError("%r is no layer; there are %s" % (layer.kind, " ".join(sorted(BUILDERS))))
        if layers:
            layers[-1].inner = layer
        layers.append(layer)
    data = b""
    for layer in reversed(layers):
        part = " ".join([layer.kind] + ["%s=%s" % f for f in layer.fields.items()])
        try:
            data = BUILDERS[layer.kind](layer, data)
        except (ValueError, KeyError, struct.error, IndexError) as problem:
            raise PacketError("%s: %s" % (part, problem)) from problem
        left = layer.unread | {w for w in layer.words if w not in WORDS.get(layer.kind, ())}
        if left:
            raise PacketError("%s: nobody knows %s" % (part, ", ".join(sorted(left))))
    return data
