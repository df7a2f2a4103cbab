#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fake_netd.py - speaks netd's varlink and touches nothing, for tests of the clients.

Networks and ports live in memory.  Descriptors are /dev/null, which is a character
device as a TAP is.  `serve()` runs it in a thread and gives the server, whose
`calls` list holds every call in order, and whose `answers` maps a method to a
function (parameters) -> dict, Error, list of dicts (a stream) or bytes (sent as they are).
"""

import array
import contextlib
import json
import os
import socket
import struct
import threading


class Error(Exception):
    def __init__(self, name, message, code="fake", **more):
        super().__init__(message)
        self.name = name if "." in name else "io.vnet.Netd." + name
        extra = more.pop("extra", {})
        self.parameters = {"problem": {"code": code, "message": message, **more}, **extra}


def network(name, **more):
    return {"name": name, "mode": "nat", "state": "running", "bridge": "vn-" + name,
            "ifindex": 7, "uplink": None, "vlan": None, "mtu": 1500,
            "addresses": ["10.7.0.1/24", "fd07::1/64"],
            "autostart": True, "source": "blue.yaml:2", "ports": 0, "problem": None, **more}


class Server:
    def __init__(self, path):
        self.path = path
        self.calls = []
        self.peers = []
        self.answers = {}
        self.networks = {"blue": network("blue"), "lan": network("lan", bridge="br0")}
        self.ports = {}
        self.counter = 0
        self.fd_path = "/dev/null"
        self.lock = threading.Condition()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)
        os.unlink(self.path)

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def talk(self, peer):
        with peer, contextlib.suppress(ConnectionError):  # clients leave when they know enough
            self.listen_to(peer)

    def listen_to(self, peer):
        data = b""
        while True:
            chunk = peer.recv(65536)
            if not chunk:
                return
            data += chunk
            while b"\0" in data:
                text, data = data.split(b"\0", 1)
                self.answer(peer, json.loads(text))

    def answer(self, peer, call):
        pid, uid, gid = struct.unpack(
            "3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        name = call["method"].rsplit(".", 1)[1]
        parameters = call.get("parameters", {})
        with self.lock:
            self.calls.append((name, parameters))
            self.peers.append((pid, uid, gid))
            self.lock.notify_all()
        try:
            method = self.answers.get(name) or getattr(self, name, None)
            if not method:
                raise Error("org.varlink.service.MethodNotFound", "no such method")
            reply = method(parameters)
        except Error as e:
            self.send(peer, {"error": e.name, "parameters": e.parameters})
            return
        if isinstance(reply, bytes):
            peer.sendall(reply)
            return
        if isinstance(reply, list):
            for part in reply:
                self.send(peer, {"parameters": part, "continues": True})
            return
        self.send(peer, {"parameters": reply}, len(reply.get("fds", [])))

    def send(self, peer, message, n_fds=0):
        data = json.dumps(message).encode() + b"\0"
        if not n_fds:
            peer.sendall(data)
            return
        fds = [os.open(self.fd_path, os.O_RDWR) for _ in range(n_fds)]
        # In two parts, so that the receiver sees a cut message with its descriptors.
        peer.sendmsg([data[:20]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        peer.sendall(data[20:])
        for fd in fds:
            os.close(fd)

    def wait_calls(self, name, n=1, timeout=10):
        with self.lock:
            ok = self.lock.wait_for(
                lambda: sum(1 for c in self.calls if c[0] == name) >= n, timeout)
        assert ok, f"{name} was not called {n} times: {self.calls}"

    def find(self, table, name, what):
        if name not in table:
            raise Error("NotFound", f"there is no {what} {name}", "no-such-" + what)
        return table[name]

    # The interface.

    def GetInfo(self, p):
        return {"version": "9.9.9", "protocol": 1, "pid": os.getpid(), "uptime": 5,
                "notes": ["no /dev/vhost-net"], "networks": len(self.networks),
                "ports": len(self.ports), "limits": {"ports": 1023}}

    def ListNetworks(self, p):
        return {"networks": list(self.networks.values())}

    def DescribeNetwork(self, p):
        return {"network": self.find(self.networks, p["name"], "network"),
                "definition": {"mode": "nat", "subnet": "10.7.0.1/24", "dhcp": {"hosts": [
                    {"mac": "52:54:00:00:00:01", "address": "10.7.0.5"}]}},
                "ports": [q for q in self.ports.values() if q["network"] == p["name"]]}

    def StartNetwork(self, p):
        return {"network": self.find(self.networks, p["name"], "network"), "notes": []}

    def StopNetwork(self, p):
        net = self.find(self.networks, p["name"], "network")
        if not p.get("force") and any(q["network"] == p["name"] for q in self.ports.values()):
            raise Error("InUse", f"guests are attached to {p['name']}", "in-use")
        return {"network": net}

    def DeleteNetwork(self, p):
        self.StopNetwork(p)
        del self.networks[p["name"]]
        return {}

    def StopNetworks(self, p):
        return {"networks": [self.StopNetwork({**p, "name": name})["network"]
                             for name in p["names"]]}

    def DeleteNetworks(self, p):
        self.StopNetworks(p)
        for name in p["names"]:
            del self.networks[name]
        return {}

    def Plan(self, p):
        return {"operations": [
            {"op": "bridge-create", "network": "blue", "text": "create bridge vn-blue",
             "losesTraffic": False},
            {"op": "link-set", "network": "blue", "text": "set vn-blue mtu 9000",
             "losesTraffic": True}], "notes": []}

    def Apply(self, p):
        return {**self.Plan(p), "networks": list(self.networks.values())}

    def AttachPort(self, p):
        net = p["network"]
        self.find(self.networks, net, "network")
        name = p.get("name") or p.get("ifname") or f"vp{self.counter}"
        if name in self.ports:
            raise Error("AlreadyExists", f"there is a port {name} already", "name-conflict")
        queues = p.get("queues", 1)
        port = {"name": name, "network": net, "ifname": p.get("ifname") or f"vp{self.counter}",
                "ifindex": 100 + self.counter, "kind": p.get("kind", "tap"),
                "mac": p.get("mac") or (None if p.get("learnMac") else "52:54:00:aa:bb:cc"),
                "learnsMac": bool(p.get("learnMac")), "addresses": p.get("addresses", []),
                "leases": [], "queues": queues, "mtu": p.get("mtu", 1500), "txqueuelen": 1000,
                "isolated": bool(p.get("isolated")), "persistent": bool(p.get("persistent")),
                "adopted": bool(p.get("adopt")), "vlan": None, "offloads": None,
                "bandwidth": None, "guard": {"policy": "mac"}, "held": [], "netns": p.get("netns"), "inside": p.get("inside"),
                "vf": None, "pciAddress": None, "state": "up", "ownerUid": 0, "ownerGid": 0,
                "ownerPid": 1, "created": 1700000000, "dropped": 0, "drops": {},
                "problem": None}
        self.counter += 1
        self.ports[name] = port
        if port["kind"] == "vf":
            port.update(vf=p.get("vf", 0), pciAddress="0000:03:10.%d" % p.get("vf", 0))
            return {"port": port, "fds": [], "notes": [], "pciAddress": port["pciAddress"],
                    "qemuArgs": ["-device", "vfio-pci,host=" + port["pciAddress"]]}
        fds = [] if p.get("adopt") or p.get("netns") else \
            [{"index": i, "role": "tap", "queue": i} for i in range(queues)]
        if p.get("vhost") == "on":
            fds += [{"index": queues + i, "role": "vhost", "queue": i} for i in range(queues)]
        taps = ":".join(f"%fd{i}%" for i in range(queues))
        args = [] if not fds else [
            "-netdev", f"tap,id=net-{name},{'fds' if queues > 1 else 'fd'}={taps}",
            "-device", f"virtio-net-pci,netdev=net-{name},mac={port['mac']}"]
        return {"port": port, "fds": fds, "qemuArgs": args, "notes": []}

    def DetachPort(self, p):
        self.find(self.ports, p["name"], "port")
        del self.ports[p["name"]]
        return {}

    def UpdatePort(self, p):
        port = self.find(self.ports, p["name"], "port")
        port.update({k: v for k, v in p.items() if k in port})
        return {"port": port}

    def ListPorts(self, p):
        return {"ports": [q for q in self.ports.values()
                          if p.get("network") in (None, q["network"])]}

    def DescribePort(self, p):
        return {"port": self.find(self.ports, p["name"], "port")}

    def ListLeases(self, p):
        return {"leases": [{"network": "blue", "address": "10.7.0.5",
                            "mac": "52:54:00:00:00:01", "clientId": None,
                            "hostname": "evil\x1b[2Jhost", "expires": 0, "port": "web1"}]}

    def ListFdb(self, p):
        return {"entries": [{"network": "blue", "bridge": "vn-blue", "mac": "52:54:00:00:00:01",
                             "ifname": "vp0", "port": "web1", "vlan": None, "isLocal": False,
                             "isStatic": False, "ageMs": 20}]}

    def Monitor(self, p):
        return [{"events": []},
                {"events": [{"event": "port-attached", "time": 1700000000123456,
                             "network": "blue", "port": "web1", "message": "attached"}]},
                {"events": [{"event": "lease-added", "time": 1700000001000000,
                             "network": "blue", "port": "web1", "message": "10.7.0.5"}]}]


def serve(path):
    return Server(path)


if __name__ == "__main__":
    import sys
    import time
    serve(sys.argv[1])
    while True:
        time.sleep(3600)
