# SPDX-License-Identifier: GPL-2.0-or-later
"""topology.py - the host that netd runs on, and the world outside

    guests - [ host: netd ] up0 ---- eth0 [ outside ]
                     192.0.2.2/24    192.0.2.1/24
               2001:db8::2/64        2001:db8::1/64, and 198.51.100.1, 2001:db8:1::1 behind it
"""

from .case import LabCase
from .netns import veth

HOST4, HOST6 = "192.0.2.2", "2001:db8::2"
GATEWAY4, GATEWAY6 = "192.0.2.1", "2001:db8::1"
INTERNET4, INTERNET6 = "198.51.100.1", "2001:db8:1::1"


class HostCase(LabCase):
    def setUp(self):
        super().setUp()
        self.host = self.namespace("host")
        self.outside = self.namespace("outside")
        self.wire_up("up0")

    def wire_up(self, name):
        host, outside = self.host, self.outside
        veth(host, name, outside, "eth0")
        host.ip("addr", "add", HOST4 + "/24", "brd", "+", "dev", name)
        host.ip("addr", "add", HOST6 + "/64", "dev", name)
        host.ip("route", "add", "default", "via", GATEWAY4)
        host.ip("-6", "route", "add", "default", "via", GATEWAY6, "dev", name)
        outside.ip("addr", "add", GATEWAY4 + "/24", "dev", "eth0")
        outside.ip("addr", "add", GATEWAY6 + "/64", "dev", "eth0")
        outside.ip("addr", "add", INTERNET4 + "/32", "dev", "lo")
        outside.ip("addr", "add", INTERNET6 + "/128", "dev", "lo")

    def route_back(self, *prefixes):
        """The outside knows the way to the guests' networks, allowed or not."""
        for prefix in prefixes:
            via = HOST6 if ":" in prefix else HOST4
            self.outside.ip("-6" if ":" in prefix else "-4", "route", "replace", prefix, "via", via)

    def netd_with(self, yaml, files=None, **options):
        """netd on the host with these networks in a file."""
        return self.start_netd(self.host, {"networks.d/lab.yaml": yaml, **(files or {})}, **options)
