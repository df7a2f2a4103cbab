# SPDX-License-Identifier: GPL-2.0-or-later
"""bench.py - what it takes to program the guard of ports

usage: bench.py [--quick]

1,000 ports at once, and one changed among 4,000 (it gets another MAC):

netd              from the model to the kernel's answer, as netd does it
netd, commit      the part of it after the comparison with what is there
floor (C)         libnftnl, the same elements in as few messages (rules.c)
nft -f            a process that reads the same elements as text
ebtables          one rule for a port: ebtables-restore for 1,000, and
                  ebtables -D and -A for one
netd, UpdatePort  the call over the socket, from request to reply: beside the
                  rules the port's state on disk, and netd's events

The first three take turns in one process and are judged by processor time, with
strict ports of two addresses and with ports held to their MAC.  What needs
processes is measured by the clock, with what ports held to their MAC have.  Medians; ratios hold on other
machines, microseconds do not.
"""

import json
import os
import socket
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../support"))
sys.dont_write_bytecode = True

from vnetlab import Namespace, Netd, build_path  # noqa: E402
from vnetlab.patience import patience  # noqa: E402

FILLED, AMONG = 1000, 4000
ROUNDS = 40
CHANGES = 400
PORTS_OF_NETWORK = 1000     # a bridge takes 1023
FIRST_UNUSED_INDEX = 100000 # of devices that only the rules know
LIMIT = 1.2


def mac(i, changed=False):
    return "52:54:%02x:%02x:%02x:%02x" % (changed, i >> 16, i >> 8 & 255, i & 255)


def in_c(what, guard, ports, rounds):
    """({way: microseconds}, number of elements)"""
    ns = Namespace("rules")
    found = {}
    for line in ns.run(build_path("tests/bench/rules/rules"), what, guard, ports, rounds,
                       timeout=600).stdout.splitlines():
        way, value = line.split()
        found.setdefault(way, []).append(float(value))
    ns.close()
    elements = int(found.pop("elements")[0])
    return {way: statistics.median(values) for way, values in found.items()}, elements


def timed(ns, *command, text=None):
    """Microseconds by the clock."""
    start = time.monotonic()
    ns.run(*command, input=text, timeout=600)
    return (time.monotonic() - start) * 1e6


class NftWay:
    TABLE = """table bridge bench {
        set macs { type iface_index . ether_addr; }
        set guarded { type iface_index; counter; }
        set members { type iface_index; }
    }"""

    def __init__(self):
        self.ns = Namespace("nft")

    @staticmethod
    def elements(numbers):
        """Of sets as netd's: what a port had before its addresses were looked at."""
        index = [FIRST_UNUSED_INDEX + i for i in numbers]
        pairs = ", ".join("%d . %s" % (FIRST_UNUSED_INDEX + i, mac(i)) for i in numbers)
        return "add element bridge bench macs { %s }\n" % pairs + "".join(
            "add element bridge bench %s { %s }\n" % (name, ", ".join(map(str, index)))
            for name in ("guarded", "members"))

    def load(self, text):
        return timed(self.ns, "nft", "-f", "-", text=text)

    def fill(self, ports):
        self.load("table bridge bench\ndelete table bridge bench\n" + self.TABLE)
        return self.load(self.elements(range(ports)))

    def change(self, i, before, after):
        return self.load("".join("%s element bridge bench macs { %d . %s }\n" % (
            verb, FIRST_UNUSED_INDEX + i, mac(i, m))
            for verb, m in (("delete", before), ("add", after))))


class EbtablesWay:
    def __init__(self):
        self.ns = Namespace("ebtables")

    @staticmethod
    def rule(i, changed=False):
        return "PREROUTING -i vp%d -s ! %s -j DROP" % (i, mac(i, changed))

    def fill(self, ports):
        return timed(self.ns, "ebtables-restore", text="*nat\n:PREROUTING ACCEPT\n" + "".join(
            "-A %s\n" % self.rule(i) for i in range(ports)))

    def change(self, i, before, after):
        return (timed(self.ns, "ebtables", "-t", "nat", "-D", *self.rule(i, before).split())
                + timed(self.ns, "ebtables", "-t", "nat", "-A", *self.rule(i, after).split()))


def with_tools(rounds):
    """{way: (microseconds for all, microseconds for one change)}"""
    found = {}
    for name, way in (("nft -f", NftWay()), ("ebtables", EbtablesWay())):
        way.fill(10)  # the kernel loads its modules
        filled = [way.fill(FILLED) for _ in range(rounds)]
        way.fill(AMONG)
        changed = [way.change(AMONG // 2, bool(turn & 1), not turn & 1) for turn in range(rounds)]
        found[name] = statistics.median(filled), statistics.median(changed)
        way.ns.close()
    return found


def exchange(sock, method, parameters):
    """Microseconds from the request to the end of the reply, which is not parsed meanwhile."""
    request = json.dumps({"method": "io.vnet.Netd." + method, "parameters": parameters})
    start = time.monotonic()
    sock.sendall(request.encode() + b"\0")
    reply = b""
    while not reply.endswith(b"\0"):
        reply += sock.recv(1 << 16)
    took = (time.monotonic() - start) * 1e6
    if b'"error"' in reply[:10]:
        raise SystemExit(reply.decode())
    return took


def through_netd(folder, changes):
    """Microseconds of UpdatePort with another MAC, among 4,000 ports."""
    ns = Namespace("netd")
    networks = range(AMONG // PORTS_OF_NETWORK)
    netd = Netd(ns, folder, {"networks.d/bench.yaml": "networks:\n" + "".join(
        "  bench%d: {mode: isolated, addresses: [10.%d.0.1/16], dhcp: false, dns: false}\n"
        % (n, 66 + n) for n in networks)}, arguments=("--log-level", "info")).start()
    with netd.client(patience(20)) as client:
        for i in range(AMONG):
            reply = client.call("AttachPort", {
                "network": "bench%d" % (i // PORTS_OF_NETWORK), "name": "p%d" % i, "mac": mac(i),
                "persistent": True, "vhost": "off"})
            for fd in reply.fds:
                os.close(fd)
    times = []
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(patience(20))
        sock.connect(netd.socket)
        for turn in range(changes):
            i = turn % (changes // 2) * 7 % AMONG
            times.append(exchange(sock, "UpdatePort", {
                "name": "p%d" % i, "mac": mac(i, turn < changes // 2)}))
    with netd.client(patience(600)) as client:
        client.call("StopNetworks", {"names": ["bench%d" % n for n in networks], "force": True})
    netd.cleanup()
    ns.close()
    return statistics.median(times)


def report(in_turns, tools, update):
    print("\n%-24s%18s%8s%18s%8s" % ("microseconds, median", "%d ports" % FILLED, "x floor",
                                     "1 among %d" % AMONG, "x floor"))
    for guard, (fill, change) in in_turns.items():
        rows = [("netd", fill["netd"], change["netd"]), ("netd, commit", fill["commit"], None),
                ("floor (C)", fill["floor"], change["floor"])]
        if guard == "mac":
            rows += [(name, *times) for name, times in tools.items()]
            rows.append(("netd, UpdatePort", None, update))
        print("guard: " + guard)
        for name, all_ports, one in rows:
            print("  %-22s" % name + "".join(
                "%18.0f%8.2f" % (value, value / base) if value else "%18s%8s" % ("", "")
                for value, base in ((all_ports, fill["floor"]), (one, change["floor"]))))
    for guard, (fill, change) in in_turns.items():
        for text, ratio in (("%s: %d ports in one transaction" % (guard, FILLED),
                             fill["commit"] / fill["floor"]),
                            ("%s: one port among %d" % (guard, AMONG),
                             change["netd"] / change["floor"])):
            print("%-6s %-55s %6.2f  (wanted <= %.4g)" % (
                "met" if ratio <= LIMIT else "MISSED", text, ratio, LIMIT))


def main():
    rounds = ROUNDS // 8 if "--quick" in sys.argv[1:] else ROUNDS
    in_turns = {}
    for guard in ("strict", "mac"):
        fill, elements = in_c("fill", guard, FILLED, rounds)
        change, changed = in_c("change", guard, AMONG, CHANGES)
        in_turns[guard] = fill, change
        print("guard: %s: %d elements for %d ports, %d for a change; Linux %s" % (
            guard, elements, FILLED, changed, os.uname().release))
    tools = with_tools(max(rounds // 4, 2))
    with tempfile.TemporaryDirectory(dir="/run/lab") as folder:
        os.chmod(folder, 0o755)     # netd, which has a user of its own, comes by here
        update = through_netd(folder, CHANGES)
    report(in_turns, tools, update)


if __name__ == "__main__":
    main()
