# SPDX-License-Identifier: GPL-2.0-or-later
"""dhcp6.py - a DHCPv6 client (RFC 8415), as much as a test needs"""

import ipaddress
import random
import socket
import struct

SOLICIT, ADVERTISE, REQUEST, REPLY, INFORMATION_REQUEST = 1, 2, 3, 7, 11
CLIENT_ID, SERVER_ID, IA_NA, IA_ADDR, ORO, ELAPSED, DNS_SERVERS, DOMAINS, FQDN = \
    1, 2, 3, 5, 6, 8, 23, 24, 39


def option(code, data):
    return struct.pack("!HH", code, len(data)) + data


def options(data):
    found, at = {}, 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from("!HH", data, at)
        found.setdefault(code, []).append(data[at + 4:at + 4 + length])
        at += 4 + length
    return found


class Dhcp6Client:
    def __init__(self, ns, interface, mac, hostname=None):
        self.ns, self.interface = ns, interface
        self.duid = struct.pack("!HH", 3, 1) + bytes.fromhex(mac.replace(":", ""))
        self.iaid = bytes.fromhex(mac.replace(":", ""))[2:]
        self.hostname = hostname

    def _exchange(self, sock, kind, wanted, extra=b"", tries=8):
        index = socket.if_nametoindex(self.interface)
        # One id for all retransmissions (RFC 8415, 15): a late answer is an answer.
        xid = random.randbytes(3)
        message = bytes([kind]) + xid + option(CLIENT_ID, self.duid) + option(ELAPSED, bytes(2))
        message += option(ORO, struct.pack("!HH", DNS_SERVERS, DOMAINS)) + extra
        for _ in range(tries):
            try:
                sock.sendto(message, ("ff02::1:2", 547, 0, index))
                while True:
                    data = sock.recv(4096)
                    if data[0] == wanted and data[1:4] == xid:
                        return options(data[4:])
            except OSError:
                continue
        return None

    def _socket(self):
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.settimeout(1)
        sock.bind(("::", 546))
        return sock

    def lease(self):
        """{"address", "dns", "duid"} or None."""
        with self.ns, self._socket() as sock:
            ia = option(IA_NA, self.iaid + bytes(8))
            if self.hostname:
                label = self.hostname.encode()
                ia += option(FQDN, b"\0" + bytes([len(label)]) + label)
            offer = self._exchange(sock, SOLICIT, ADVERTISE, ia)
            if not offer or IA_NA not in offer:
                return None
            offered = options(offer[IA_NA][0][12:])
            if IA_ADDR not in offered:
                return None
            address = offered[IA_ADDR][0][:16]
            ia = option(IA_NA, self.iaid + bytes(8) + option(IA_ADDR, address + bytes(8)))
            if self.hostname:
                label = self.hostname.encode()
                ia += option(FQDN, b"\0" + bytes([len(label)]) + label)
            reply = self._exchange(sock, REQUEST, REPLY,
                                   option(SERVER_ID, offer[SERVER_ID][0]) + ia)
            if not reply or IA_NA not in reply:
                return None
            given = options(reply[IA_NA][0][12:])
            if IA_ADDR not in given:
                return None
            return {"address": str(ipaddress.ip_address(given[IA_ADDR][0][:16])),
                    "dns": self._dns(reply), "duid": self.duid.hex()}

    def information(self):
        """The DNS servers that a stateless server names, or None."""
        with self.ns, self._socket() as sock:
            reply = self._exchange(sock, INFORMATION_REQUEST, REPLY)
            return None if reply is None else self._dns(reply)

    @staticmethod
    def _dns(found):
        data = b"".join(found.get(DNS_SERVERS, []))
        return [str(ipaddress.ip_address(data[i:i + 16])) for i in range(0, len(data), 16)]
