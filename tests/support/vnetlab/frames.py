# SPDX-License-Identifier: GPL-2.0-or-later
"""frames.py - Ethernet frames by hand"""

import collections
import ipaddress
import struct

Frame = collections.namedtuple("Frame", "dst src ethertype payload")
BROADCAST = "ff:ff:ff:ff:ff:ff"


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def mac_text(data):
    return ":".join("%02x" % b for b in data)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ethernet(dst, src, ethertype, payload):
    frame = mac_bytes(dst) + mac_bytes(src) + struct.pack("!H", ethertype) + payload
    return frame.ljust(60, b"\0")


def parse_frame(data):
    return Frame(mac_text(data[:6]), mac_text(data[6:12]),
                 struct.unpack("!H", data[12:14])[0], data[14:])


def arp_request(src_mac, src_ip, target_ip):
    payload = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    payload += mac_bytes(src_mac) + ipaddress.ip_address(src_ip).packed
    payload += bytes(6) + ipaddress.ip_address(target_ip).packed
    return ethernet(BROADCAST, src_mac, 0x0806, payload)


def ipv4(src, dst, protocol, payload):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0,
                         ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def echo_request(dst_mac, src_mac, src, dst, ident=1, sequence=1, data=b"vnet"):
    icmp = struct.pack("!BBHHH", 8, 0, 0, ident, sequence) + data
    icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
    return ethernet(dst_mac, src_mac, 0x0800, ipv4(src, dst, 1, icmp))


def dhcp_discover(mac, xid=0x76656e74):
    """What a guest without an address broadcasts (RFC 2131)."""
    bootp = struct.pack("!BBBBIHH16x", 1, 1, 6, 0, xid, 0, 0x8000) + mac_bytes(mac)
    bootp = bootp.ljust(236, b"\0") + bytes.fromhex("63825363 350101 ff")
    return udp4(BROADCAST, mac, "0.0.0.0", "255.255.255.255", 68, 67, bootp)


def udp4(dst_mac, src_mac, src, dst, sport, dport, data):
    datagram = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    return ethernet(dst_mac, src_mac, 0x0800, ipv4(src, dst, 17, datagram))
