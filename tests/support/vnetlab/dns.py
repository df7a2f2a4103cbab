# SPDX-License-Identifier: GPL-2.0-or-later
"""dns.py - DNS questions by hand, and a DNS server with fixed answers"""

import ipaddress
import random
import socket
import struct

from .services import TcpServer, UdpServer

TYPES = {"A": 1, "CNAME": 5, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33}
NAMES = {number: name for name, number in TYPES.items()}


def encode_name(name):
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def decode_name(data, at):
    labels, end, jumps = [], None, 0
    while data[at]:
        if data[at] & 0xc0 == 0xc0:
            end = end or at + 2
            at = struct.unpack_from("!H", data, at)[0] & 0x3fff
            jumps += 1
            if jumps > 32:
                raise ValueError("a loop in a DNS name")
            continue
        labels.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    return ".".join(labels), end or at + 1


def decode_answer(data, kind, at, length):
    rdata = data[at:at + length]
    if kind in ("A", "AAAA"):
        return str(ipaddress.ip_address(rdata))
    if kind in ("CNAME", "PTR"):
        return decode_name(data, at)[0]
    if kind == "TXT":
        parts, i = [], 0
        while i < len(rdata):
            parts.append(rdata[i + 1:i + 1 + rdata[i]].decode())
            i += 1 + rdata[i]
        return "".join(parts)
    if kind == "SRV":
        priority, weight, port = struct.unpack_from("!HHH", rdata)
        return (priority, weight, port, decode_name(data, at + 6)[0])
    return rdata


class Resolver:
    def __init__(self, ns, server, port=53):
        self.ns, self.server, self.port = ns, server, port

    def ask(self, name, kind="A", timeout=2, tries=3):
        """Sorted answers of that type; [] when there are none; None when nobody replied."""
        if kind == "PTR" and name[-1:].isalnum() and not name.endswith(".arpa"):
            name = ipaddress.ip_address(name).reverse_pointer
        family = socket.AF_INET6 if ":" in self.server else socket.AF_INET
        with self.ns, socket.socket(family, socket.SOCK_DGRAM) as s:
            s.settimeout(timeout)
            for _ in range(tries):
                ident = random.randrange(65536)
                query = struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 0) + encode_name(name)
                try:
                    s.sendto(query + struct.pack("!HH", TYPES[kind], 1), (self.server, self.port))
                    data = s.recv(4096)
                except OSError:
                    continue
                if struct.unpack_from("!H", data)[0] == ident:
                    return self._answers(data, kind)
        return None

    @staticmethod
    def _answers(data, wanted):
        _ident, _flags, n_questions, n_answers = struct.unpack_from("!HHHH", data)
        at, found = 12, []
        for _ in range(n_questions):
            at = decode_name(data, at)[1] + 4
        for _ in range(n_answers):
            at = decode_name(data, at)[1]
            number, _class, _ttl, length = struct.unpack_from("!HHIH", data, at)
            at += 10
            if NAMES.get(number) == wanted:
                found.append(decode_answer(data, wanted, at, length))
            at += length
        return sorted(found)


class DnsServer(UdpServer):
    """Answers A and AAAA from a table {"name": ["address", …], "alias": "name"}."""

    def __init__(self, ns, table, address="::", port=53, ttl=60):
        self.table = table
        self.ttl = ttl
        self.asked = []
        super().__init__(ns, port, address, "dns")

    def _records(self, name, kind):
        """(type, data) of each, an alias before what it leads to."""
        found, records = self.table.get(name, []), []
        if isinstance(found, str):
            records.append((TYPES["CNAME"], found, encode_name(found)))
            name, found = found, self.table.get(found, [])
        for address in map(ipaddress.ip_address, found):
            if TYPES["A" if address.version == 4 else "AAAA"] == kind:
                records.append((kind, name, address.packed))
        return records

    def answer(self, query):
        name, at = decode_name(query, 12)
        name = name.lower()
        kind = struct.unpack_from("!H", query, at)[0]
        self.asked.append(name)
        records = self._records(name, kind)
        code = 0 if name in self.table else 3
        reply = query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(records), 0, 0)
        reply += query[12:at + 4]
        for number, owner, data in records:
            owner = b"\xc0\x0c" if number == TYPES["CNAME"] or owner == name else encode_name(owner)
            reply += owner + struct.pack("!HHIH", number, 1, self.ttl, len(data)) + data
        return reply

    def _serve(self):
        query, _peer, reply = self.receive()
        reply(self.answer(query))


class DnsTcpServer(TcpServer):
    """The same over TCP, one question a connection."""

    def __init__(self, ns, server, port=53):
        self.server = server
        super().__init__(ns, port, name="dns over tcp")

    def _serve(self):
        connection, _peer = self.sock.accept()
        with connection:
            connection.settimeout(2)
            size = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))[0]
            reply = self.server.answer(connection.recv(size, socket.MSG_WAITALL))
            connection.sendall(struct.pack("!H", len(reply)) + reply)
