# SPDX-License-Identifier: GPL-2.0-or-later
"""vnetlab - networks, guests and witnesses for the tests of netd.

Python 3.9's standard library and the programs that tests/deps.sh installs.
Everything runs inside tests/support/sandbox, which is what cleans up.
"""

from .case import LabCase, SkipFeature, repeat, wait_until
from .drift import DriftCase, Monitor
from .dns import DnsServer, Resolver
from .features import has, need
from .frames import (Frame, arp_request, checksum, dhcp_discover, echo_request, ethernet,
                     parse_frame, udp4)
from .guest import Guest, Pinger, RawPort
from .netd import Netd, build_path, find_program
from .netns import Namespace, veth
from .patience import patience
from .services import Flow, HttpServer, TcpServer, UdpServer, http_get, tcp_ask, udp_ask
from .strace import Traced
from .topology import GATEWAY4, GATEWAY6, HOST4, HOST6, INTERNET4, INTERNET6, HostCase
from .underlay import UnderlayCase
from .varlink import Client, VarlinkError
from .witness import Picture, Witness, nft_drops, nft_elements, nft_guards, nft_json, nft_rules, nft_set

__all__ = [
    "arp_request", "build_path", "checksum", "Client", "dhcp_discover", "DnsServer", "DriftCase",
    "echo_request", "ethernet", "find_program", "Flow", "Frame", "GATEWAY4", "GATEWAY6", "Guest", "has",
    "HOST4", "HOST6", "HostCase", "http_get", "HttpServer", "INTERNET4", "INTERNET6", "LabCase", "Monitor",
    "Namespace", "need", "Netd", "nft_drops", "nft_elements", "nft_guards", "nft_json",
    "nft_rules", "nft_set", "parse_frame", "patience", "Picture", "Pinger", "RawPort", "repeat", "Resolver", "SkipFeature",
    "tcp_ask", "TcpServer", "Traced", "udp4", "udp_ask", "UdpServer", "UnderlayCase", "VarlinkError",
    "veth", "wait_until", "Witness",
]
