#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""attach.py - asks for a port and runs a command with it: attach.py NETWORK COMMAND..."""

import json
import os
import socket
import sys


def call(method, **parameters):
    """One varlink call; gives the reply's parameters and the descriptors that came with it."""
    with socket.socket(socket.AF_UNIX) as netd:
        netd.connect(os.environ.get("VNET_SOCKET", "/run/vnet/netd.sock"))
        message = {"method": "io.vnet.Netd." + method, "parameters": parameters}
        netd.sendall(json.dumps(message).encode() + b"\0")
        data, fds = b"", []
        while not data.endswith(b"\0"):
            more, new, _, _ = socket.recv_fds(netd, 65536, 253)
            if not more:
                sys.exit("netd hung up")
            data += more
            fds += new
    reply = json.loads(data[:-1])
    if "error" in reply:
        sys.exit(reply["parameters"]["problem"]["message"])
    return reply["parameters"], fds


if len(sys.argv) < 3:
    sys.exit("usage: attach.py NETWORK COMMAND...")
port, fds = call("AttachPort", network=sys.argv[1])
arguments = port["qemuArgs"]
for i, fd in enumerate(fds):
    os.set_inheritable(fd, True)
    arguments = [a.replace(f"%fd{i}%", str(fd)) for a in arguments]
os.execvp(sys.argv[2], sys.argv[2:] + arguments)
