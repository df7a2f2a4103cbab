# SPDX-License-Identifier: GPL-2.0-or-later
"""test_vnetlab.py - the fixtures themselves, without netd: a plain bridge, a scripted server"""

import array
import fcntl
import json
import os
import socket
import struct
import threading

from vnetlab import LabCase, VarlinkError, Witness, tcp_ask, udp_ask, veth
from vnetlab.dns import DnsServer, Resolver
from vnetlab.frames import arp_request
from vnetlab.guest import RawPort
from vnetlab.varlink import Client

TUNSETIFF, TUNSETVNETHDRSZ = 0x400454ca, 0x400454d8
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000


def make_tap(ns, name):
    with ns:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(),
                                               IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
        fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack("i", 12))
    ns.ip("link", "set", name, "master", "br0", "up")
    return fd


class FakeNetd:
    """Stands in for netd where a Guest asks for a port: a TAP on a plain bridge."""

    def __init__(self, ns):
        self.ns = ns
        self.n = 0

    def call(self, _method, **parameters):
        self.n += 1
        name = "tp%d" % self.n

        class Reply(dict):
            fds = [make_tap(self.ns, name)]
        return Reply(port={"name": parameters.get("name", name), "ifname": name, "mtu": 1500,
                           "mac": "52:54:00:00:00:%02x" % self.n},
                     fds=[{"index": 0, "role": "tap", "queue": 0}])


class Fixtures(LabCase):
    def setUp(self):
        super().setUp()
        self.host = self.namespace("host")
        self.host.ip("link", "add", "br0", "type", "bridge")
        self.host.ip("addr", "add", "10.9.0.1/24", "dev", "br0")
        self.host.ip("link", "set", "br0", "up")

    def test_wire_servers_and_dns(self):
        other = self.namespace("other")
        veth(self.host, "eth1", other, "eth0")
        self.host.ip("addr", "add", "192.0.2.1/24", "dev", "eth1")
        other.ip("addr", "add", "192.0.2.2/24", "dev", "eth0")
        self.tcp_server(other, 80, "web")
        self.udp_server(other, 81)
        self.assertEqual(str(tcp_ask(self.host, "192.0.2.2", 80).address), "192.0.2.1")
        self.assertEqual(udp_ask(self.host, "192.0.2.2", 81).address, "192.0.2.1")
        self.assertIsNone(tcp_ask(self.host, "192.0.2.2", 82, timeout=1))
        dns = DnsServer(other, {"a.example": ["192.0.2.9", "2001:db8::9"]})
        self.addCleanup(dns.close)
        resolver = Resolver(self.host, "192.0.2.2")
        self.assertEqual(resolver.ask("a.example"), ["192.0.2.9"])
        self.assertEqual(resolver.ask("a.example", "AAAA"), ["2001:db8::9"])
        self.assertEqual(resolver.ask("b.example"), [])
        self.assertIsNone(Resolver(self.host, "192.0.2.1").ask("x", timeout=0.1, tries=1))

    def test_guest_behind_a_tap(self):
        netd = FakeNetd(self.host)
        guest = self.guest(netd, "plain")
        guest.address("10.9.0.2/24")
        self.assertTrue(guest.ping("10.9.0.1"))
        self.assertTrue(self.host.ping("10.9.0.2"))
        self.tcp_server(guest.ns, 80, "guest")
        self.assertEqual(tcp_ask(self.host, "10.9.0.2", 80).name, "guest")
        guest.kill()
        self.assertIsNone(self.host.link(guest.ifname))

    def test_raw_port(self):
        port = RawPort(FakeNetd(self.host), "plain")
        self.addCleanup(port.close)
        port.send(arp_request("52:54:00:00:00:01", "10.9.0.7", "10.9.0.1"))
        reply = port.receive_until(lambda f: f.ethertype == 0x0806 and f.dst == "52:54:00:00:00:01")
        self.assertIsNotNone(reply)

    def test_witness_sees_a_change(self):
        before = Witness(self.host)
        self.assertEqual(before.diff(Witness(self.host)), "")
        self.host.ip("addr", "add", "10.9.9.1/32", "dev", "lo")
        self.assertIn("10.9.9.1", before.diff(Witness(self.host)))


class Varlink(LabCase):
    def serve(self, replies):
        path = os.path.join(self.folder, "sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        read, write = os.pipe()

        def run():
            peer, _ = listener.accept()
            with peer:
                for reply, with_fd in replies:
                    self.request = peer.recv(65536)
                    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [write]))]
                    data = json.dumps(reply).encode() + b"\0"
                    # In two pieces, as a stream may arrive.
                    peer.sendmsg([data[:7]], rights if with_fd else [])
                    peer.sendall(data[7:])
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.stack.callback(listener.close)
        self.stack.callback(thread.join, 5)
        self.stack.callback(os.close, read)
        self.stack.callback(os.close, write)
        return Client(path), read

    def test_descriptor_comes_with_its_reply(self):
        client, read = self.serve([({"parameters": {"a": 1}}, False),
                                   ({"parameters": {"b": 2}}, True)])
        with client:
            first = client.Ping(x=1)
            self.assertEqual((first, first.fds), ({"a": 1}, []))
            second = client.Ping()
            self.assertEqual(second, {"b": 2})
            os.write(second.fds[0], b"z")
            os.close(second.fds[0])
            self.assertEqual(os.read(read, 1), b"z")
            self.assertEqual(json.loads(self.request[:-1])["method"], "io.vnet.Netd.Ping")

    def test_error_and_end(self):
        client, _ = self.serve([({"error": "io.vnet.Netd.NotFound", "parameters":
                                  {"problem": {"code": "no-network", "message": "m"}}}, False)])
        with client:
            with self.assertRaises(VarlinkError) as caught:
                client.Ping()
            self.assertEqual((caught.exception.name, caught.exception.code),
                             ("NotFound", "no-network"))
            with self.assertRaises((EOFError, ConnectionError)):
                client.Ping()
