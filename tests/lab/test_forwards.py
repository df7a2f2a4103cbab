# SPDX-License-Identifier: GPL-2.0-or-later
"""test_forwards.py - port forwards: from outside, from the host, from guests; live changes"""

from vnetlab import HOST4, HOST6, HostCase, Pinger, tcp_ask, udp_ask

NETWORK = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24, "fd10::1/64"]
    nat: {ipv6: true}
    forwards:
"""
BOTH = NETWORK + """
      - tcp 8080 -> 10.10.0.5:80
      - udp 8080 -> 10.10.0.5:81
      - tcp 8080 -> [fd10::5]:80
      - udp 8080 -> [fd10::5]:81
"""


class ForwardCase(HostCase):
    def guest_on(self, netd, number, network="blue"):
        guest = self.guest(netd, network)
        guest.address("10.10.0.%d/24" % number, "10.10.0.1")
        guest.address("fd10::%d/64" % number, "fd10::1")
        return guest

    def web_guest(self, netd, number=5):
        guest = self.guest_on(netd, number)
        self.tcp_server(guest.ns, 80, "guest%d" % number)
        self.udp_server(guest.ns, 81, "guest%d" % number)
        return guest


class Forwards(ForwardCase):
    def test_from_outside(self):
        netd = self.netd_with(BOTH)
        self.web_guest(netd)
        for address, source in ((HOST4, "192.0.2.1"), (HOST6, "2001:db8::1")):
            with self.subTest(address):
                answer = tcp_ask(self.outside, address, 8080)
                self.assertIsNotNone(answer)
                # The guest sees who asks: no source translation on the way in.
                self.assertEqual((answer.name, answer.address), ("guest5", source))
                answer = udp_ask(self.outside, address, 8080)
                self.assertIsNotNone(answer)
                self.assertEqual((answer.name, answer.address), ("guest5", source))
        self.assertIsNone(tcp_ask(self.outside, HOST4, 8081, timeout=1))
        # Only the forwarded port is open, not the guest.
        self.route_back("10.10.0.0/24", "fd10::/64")
        self.assertIsNone(tcp_ask(self.outside, "10.10.0.5", 80, timeout=1))
        self.assertIsNone(tcp_ask(self.outside, "fd10::5", 80, timeout=1))

    def test_from_the_host_itself(self):
        netd = self.netd_with(BOTH)
        self.web_guest(netd)
        for address in (HOST4, HOST6, "10.10.0.1", "fd10::1", "127.0.0.1"):
            with self.subTest(address):
                self.assertEqual(getattr(tcp_ask(self.host, address, 8080), "name", None), "guest5")
                self.assertEqual(getattr(udp_ask(self.host, address, 8080), "name", None), "guest5")

    def test_hairpin(self):
        """A guest reaches another by the host's address."""
        netd = self.netd_with(BOTH)
        self.web_guest(netd)
        other = self.guest_on(netd, 6)
        for address in (HOST4, HOST6):
            with self.subTest(address):
                answer = tcp_ask(other.ns, address, 8080)
                self.assertEqual(getattr(answer, "name", None), "guest5")
                answer = udp_ask(other.ns, address, 8080)
                self.assertEqual(getattr(answer, "name", None), "guest5")

    def test_from_a_guest_of_another_network(self):
        netd = self.netd_with(BOTH + """
  green:
    mode: nat
    addresses: [10.20.0.1/24]
""")
        self.web_guest(netd)
        green = self.guest(netd, "green")
        green.address("10.20.0.7/24", "10.20.0.1")
        self.assertEqual(getattr(tcp_ask(green.ns, HOST4, 8080), "name", None), "guest5")
        self.assertIsNone(tcp_ask(green.ns, "10.10.0.5", 80, timeout=1))

    def test_ranges_keep_their_order(self):
        netd = self.netd_with(NETWORK + """
      - {protocol: tcp, listen: 7000-7003, to: "10.10.0.5:6000-6003"}
      - {protocol: udp, listen: "7000-7003", to: "[fd10::5]"}
""")
        guest = self.guest_on(netd, 5)
        for i in range(4):
            self.tcp_server(guest.ns, 6000 + i, "tcp%d" % i)
            self.udp_server(guest.ns, 7000 + i, "udp%d" % i)
        for i in range(4):
            self.assertEqual(tcp_ask(self.outside, HOST4, 7000 + i).name, "tcp%d" % i)
            self.assertEqual(udp_ask(self.outside, HOST6, 7000 + i).name, "udp%d" % i)
        self.assertIsNone(tcp_ask(self.outside, HOST4, 7004, timeout=1))

    def test_listens_on_one_address(self):
        self.host.ip("addr", "add", "192.0.2.20/32", "dev", "up0")
        netd = self.netd_with(NETWORK + """
      - tcp 192.0.2.20:80 -> 10.10.0.5:80
      - tcp 192.0.2.2:80 -> 10.10.0.6:80
""")
        self.web_guest(netd, 5)
        self.web_guest(netd, 6)
        self.assertEqual(tcp_ask(self.outside, "192.0.2.20", 80).name, "guest5")
        self.assertEqual(tcp_ask(self.outside, HOST4, 80).name, "guest6")
        self.assertEqual(tcp_ask(self.host, "192.0.2.20", 80).name, "guest5")

    def test_only_addresses_of_the_host_are_taken(self):
        """A forward on every address of the host does not catch what goes elsewhere."""
        netd = self.netd_with(BOTH)
        guest = self.web_guest(netd)
        self.tcp_server(self.outside, 8080, "internet")
        self.assertEqual(tcp_ask(guest.ns, "198.51.100.1", 8080).name, "internet")
        self.assertEqual(tcp_ask(self.host, "198.51.100.1", 8080).name, "internet")

    def test_isolated_network_has_no_forwards_into_it(self):
        netd = self.netd_with(BOTH)
        self.web_guest(netd)
        self.assertEqual(tcp_ask(self.outside, HOST4, 8080).name, "guest5")
        netd.call("Apply", yaml=NETWORK.replace("    forwards:\n", ""))
        self.assertIsNone(tcp_ask(self.outside, HOST4, 8080, timeout=1))


class Live(ForwardCase):
    def test_adding_and_removing_loses_no_packet(self):
        netd = self.netd_with(NETWORK.replace("    forwards:\n", ""))
        guest = self.web_guest(netd)
        pinger = Pinger(guest.ns, "192.0.2.1", 300)
        for n in range(10):
            netd.call("Apply", yaml=NETWORK + "      - tcp %d -> 10.10.0.5:80\n" % (8000 + n))
            self.assertEqual(tcp_ask(self.outside, HOST4, 8000 + n).name, "guest5")
            if n:
                self.assertIsNone(tcp_ask(self.outside, HOST4, 8000 + n - 1, timeout=0.3))
        self.assertEqual(pinger.lost(), 0)

    def test_a_running_connection_outlives_an_unrelated_change(self):
        import socket
        netd = self.netd_with(BOTH)
        guest = self.guest_on(netd, 5)
        with guest.ns:
            listener = socket.create_server(("10.10.0.5", 80))
        with self.outside:
            client = socket.create_connection((HOST4, 8080), timeout=3)
        peer, _ = listener.accept()
        with listener, client, peer:
            client.settimeout(3)
            netd.call("Apply", yaml=BOTH + "      - tcp 9999 -> 10.10.0.5:99\n")
            peer.sendall(b"still here")
            self.assertEqual(client.recv(100), b"still here")

    def test_a_thousand_ports_are_elements_not_rules(self):
        netd = self.netd_with(BOTH)
        from vnetlab import nft_json
        rules = sum("rule" in o for o in nft_json(self.host))
        netd.call("Apply", yaml=NETWORK + "      - tcp 20000-20999 -> 10.10.0.5\n"
                  "      - udp 20000-20999 -> 10.10.0.5\n      - tcp 8080 -> [fd10::5]:80\n")
        self.assertEqual(sum("rule" in o for o in nft_json(self.host)), rules)
        guest = self.guest_on(netd, 5)
        self.tcp_server(guest.ns, 20999, "last")
        self.assertEqual(tcp_ask(self.outside, HOST4, 20999).name, "last")
