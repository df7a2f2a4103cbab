# SPDX-License-Identifier: GPL-2.0-or-later
"""bench.py - what it takes from the request for a port to its descriptor in the caller's hand

Against the floor (floor.c), qemu-bridge-helper and an ifup script, each in a
network namespace of its own that has as many ports already.  All take turns
within one run, so that what the machine does meanwhile falls on all alike.
The numbers are medians; ratios hold on other machines, microseconds do not.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../support"))
sys.dont_write_bytecode = True

from vnetlab import Namespace, Netd, find_program  # noqa: E402
from vnetlab.netns import die_with_parent  # noqa: E402

EXISTING = (10, 1000)
ROUNDS = 12
PER_ROUND = 10
SETTLE_SECONDS = 0.1
QEMU_HELPER = "/usr/lib/qemu/qemu-bridge-helper"
NETWORK = """
networks:
  bench:
    mode: isolated
    addresses: [10.66.0.1/16]
    dhcp: false
    dns: false
"""


class Holder:
    """A run of one of the C programs: its times, and its ports until it is closed."""

    def __init__(self, ns, command, environment=None):
        self.process = ns.popen(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                env=dict(os.environ, **(environment or {})),
                                preexec_fn=die_with_parent)
        self.times = []
        for line in self.process.stdout:
            if line == "done\n":
                return
            self.times.append(float(line))
        raise SystemExit("%s failed" % " ".join(map(str, command)))

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Way:
    """One way to a port: the namespace it works in and the command for n ports."""

    def __init__(self, name, ns, command, environment=None, fill=None):
        self.name, self.ns, self.command, self.environment = name, ns, command, environment
        self.fill = fill or self
        self.times = {n: [] for n in EXISTING}
        self.held = []

    def run(self, count):
        return Holder(self.ns, self.command(count), self.environment)


def plain_bridge(name):
    ns = Namespace(name)
    # A chosen address, as ours have: else the kernel looks for the lowest of all ports each time.
    ns.ip("link", "add", "br0", "address", "52:54:00:00:00:fe", "type", "bridge")
    ns.ip("link", "set", "br0", "up")
    return ns


def floor_bridge():
    """Like netd's own, with MTU pinned and no snooping: then a port costs the kernel less."""
    ns = plain_bridge("floor")
    ns.ip("link", "set", "br0", "mtu", "1500")
    ns.ip("link", "set", "br0", "type", "bridge", "mcast_snooping", "0", "forward_delay", "0")
    return ns


def ways(folder):
    floor_ns = floor_bridge()
    floor_ns.run("nft", "-f", os.path.join(HERE, "floor.nft"))
    netd_ns = Namespace("netd")
    netd = Netd(netd_ns, folder, {"networks.d/bench.yaml": NETWORK}).start()
    os.makedirs("/etc/qemu", exist_ok=True)  # the sandbox's own /etc
    with open("/etc/qemu/bridge.conf", "w", encoding="ascii") as f:
        f.write("allow br0\n")
    floor, api, run = (find_program(p) for p in ("floor", "api", "exec"))
    socket = {"VNET_SOCKET": netd.socket}
    bare = Way("floor (C, one process)", floor_ns, lambda n: [floor, "br0", n])
    over_api = Way("netd, API", netd_ns, lambda n: [api, netd.socket, "bench", n])
    return netd, [
        bare,
        Way("floor, another process", floor_ns, lambda n: [floor, "br0", n, "served"], None, bare),
        over_api,
        Way("vnet-qemu-helper", netd_ns, lambda n: [
            run, n, "helper", find_program("vnet-qemu-helper"), "--use-vnet", "--br=vn-bench",
            "--fd=%fd"], socket, over_api),
        Way("qemu-bridge-helper", plain_bridge("qemu"), lambda n: [
            run, n, "helper", QEMU_HELPER, "--use-vnet", "--br=br0", "--fd=%fd"]),
        Way("ifup: ip, ebtables", plain_bridge("script"), lambda n: [
            run, n, "script", os.path.join(HERE, "ifup-ebtables")], {"BENCH_BRIDGE": "br0"}),
    ]


def fill(all_ways, count):
    """Brings every namespace to count ports."""
    for way in all_ways:
        if way.fill is way:
            have = sum(len(h.times) for h in way.held)
            if count > have:
                way.held.append(way.run(count - have))


def measure(all_ways, existing):
    for turn in range(ROUNDS):
        # Nobody always comes after the same other one.
        first = turn % len(all_ways)
        for way in all_ways[first:] + all_ways[:first]:
            holder = way.run(PER_ROUND)
            way.times[existing] += holder.times
            holder.close()
            # What the kernel still does for the devices that went is not the next one's.
            time.sleep(SETTLE_SECONDS)


def remove_ports(all_ways):
    """As one group: closed one by one, a thousand devices take the kernel half a minute."""
    for ns in {way.ns for way in all_ways}:
        names = [n for n, link in ns.links().items()
                 if link.get("linkinfo", {}).get("info_kind") == "tun"]
        ns.run("ip", "-batch", "-", input="".join("link set %s group 77\n" % n for n in names),
               timeout=120)
        ns.ip("link", "del", "group", "77", check=False)


def report(all_ways, resident):
    floor = {n: statistics.median(all_ways[0].times[n]) for n in EXISTING}
    print("%-24s" % "microseconds, median" + "".join(
        "%12s %8s %8s" % ("%d ports" % n, "x floor", "90 %") for n in EXISTING))
    for way in all_ways:
        line = "%-24s" % way.name
        for n in EXISTING:
            times = sorted(way.times[n])
            median = statistics.median(times)
            line += "%12.0f %8.2f %8.0f" % (median, median / floor[n],
                                            times[len(times) * 9 // 10])
        print(line)
    medians = {way.name: {n: statistics.median(way.times[n]) for n in EXISTING}
               for way in all_ways}
    print("\n%d times each, in turns; Linux %s; %d processors" % (
        ROUNDS * PER_ROUND, os.uname().release, os.cpu_count()))
    wanted = []
    for n in EXISTING:
        api, helper = medians["netd, API"][n], medians["vnet-qemu-helper"][n]
        wanted += [
            ("%d ports: API at most 1.25 x the floor" % n, api / floor[n], "<=", 1.25),
            ("%d ports: our helper against qemu-bridge-helper" % n,
             helper / medians["qemu-bridge-helper"][n], "<=", 1.0),
            ("%d ports: the script against the API" % n,
             medians["ifup: ip, ebtables"][n] / api, ">=", 10.0)]
    wanted.append(("netd's resident memory with %d ports, MiB" % EXISTING[-1],
                   resident / 1024, "<=", 8.0))
    for text, value, relation, limit in wanted:
        met = value <= limit if relation == "<=" else value >= limit
        print("%-6s %-55s %6.2f  (wanted %s %.4g)" % ("met" if met else "MISSED", text, value,
                                                    relation, limit))


def main():
    with tempfile.TemporaryDirectory(dir="/run/lab") as folder:
        os.chmod(folder, 0o755)     # netd, which has a user of its own, comes by here
        netd, all_ways = ways(folder)
        try:
            for existing in EXISTING:
                fill(all_ways, existing)
                measure(all_ways, existing)
            resident = netd.resident_kib()
            remove_ports(all_ways)
        finally:
            for way in all_ways:
                for holder in way.held:
                    holder.close()
            netd.cleanup()
        report(all_ways, resident)


if __name__ == "__main__":
    main()
