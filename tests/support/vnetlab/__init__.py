# SPDX-License-Identifier: GPL-2.0-or-later
"""vnetlab - networks, guests and witnesses for the tests of netd.

Python 3.9's standard library and the programs that tests/deps.sh installs.
Everything runs inside tests/support/sandbox, which is what cleans up.
"""

from .case import LabCase, SkipFeature, repeat, wait_until
from .frames import Frame, arp_request, echo_request, ethernet, parse_frame, udp4
from .guest import Guest, RawPort
from .netd import Netd, build_path, find_program
from .netns import Namespace, veth
from .services import HttpServer, TcpServer, UdpServer, tcp_ask, udp_ask
from .varlink import Client, VarlinkError
from .witness import Witness, nft_elements, nft_json, nft_set

__all__ = [
    "Client", "Frame", "Guest", "HttpServer", "LabCase", "Namespace", "Netd", "RawPort", "SkipFeature",
    "TcpServer", "UdpServer", "VarlinkError", "Witness", "arp_request", "build_path",
    "echo_request", "ethernet", "find_program", "nft_elements", "nft_json", "nft_set",
    "parse_frame", "repeat", "tcp_ask", "udp4", "udp_ask", "veth", "wait_until",
]
