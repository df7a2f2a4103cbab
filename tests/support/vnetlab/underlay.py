# SPDX-License-Identifier: GPL-2.0-or-later
"""underlay.py - several hosts on one wire, each with a netd of its own

    [ h1: netd ] eth0 ---+
    [ h2: netd ] eth0 ---+--- bridge sw0 of [ switch ]      192.0.2.N/24, 2001:db8::N/64
    [ h3: netd ] eth0 ---+
"""

from .case import LabCase
from .netns import veth


class UnderlayCase(LabCase):
    def setUp(self):
        super().setUp()
        self.switch = self.namespace("switch")
        self.switch.ip("link", "add", "sw0", "type", "bridge", "forward_delay", "0")
        self.switch.ip("link", "set", "sw0", "up")
        self.hosts = {}
        self.netds = {}

    def add_host(self, number, mtu=1500):
        host = self.namespace("h%d" % number)
        port = "p%d" % number
        veth(host, "eth0", self.switch, port, mtu)
        self.switch.ip("link", "set", port, "master", "sw0")
        for address in ("192.0.2.%d/24" % number, "2001:db8::%d/64" % number):
            host.ip("addr", "add", address, "dev", "eth0")
        self.hosts[number] = host
        return host

    def add_netd(self, number, yaml, **options):
        netd = self.start_netd(self.hosts[number], {"networks.d/lab.yaml": yaml}, **options)
        self.netds[number] = netd
        return netd

    def sent(self, ns, name):
        """Packets that a device sent."""
        return ns.json("ip", "-j", "-s", "link", "show", "dev", name)[0]["stats64"]["tx"]["packets"]

    def fragments(self, ns):
        """Packets that this host cut into fragments (IPv4, IPv6)."""
        counts = {}
        with ns:
            with open("/proc/net/snmp", encoding="ascii") as f:
                rows = [line.split() for line in f if line.startswith("Ip:")]
            counts[4] = int(dict(zip(rows[0], rows[1]))["FragOKs"])
            with open("/proc/net/snmp6", encoding="ascii") as f:
                counts[6] = int(dict(line.split() for line in f)["Ip6FragOKs"])
        return counts
