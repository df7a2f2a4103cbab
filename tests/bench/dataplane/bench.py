# SPDX-License-Identifier: GPL-2.0-or-later
"""bench.py - what a frame pays for its guard on the way from one guest to another

usage: bench.py [alternatives] [--quick]

Two TAPs on a bridge; frames.c writes small frames to the descriptor of one and
reads them from the other's.  Each way has a network namespace of its own, and
all of them take turns of milliseconds within one run, so that what the machine
does meanwhile falls on all alike.  A way is netd with so many ports, or a plain
bridge with the rules that others would put there for so many:

no rules        the same bridge and TAPs
ebtables        the usual script: one rule for each port's address
clean-traffic   libvirt's filter of that name: libvirtd's own rules for two
                ports, as it writes them, and the same for the others; the two
                are in the middle, because a frame goes down the list to its port

"alternatives" measures what netd could use instead, and parts of it (alternatives.py).

Nanoseconds are processor time of a frame with both system calls, medians; so
frames per second are those of one processor that does nothing else.  The last
columns are a frame's share of what it gets without rules: 0.8 means that
where 100 frames passed, 80 do.  Ratios hold on other machines, nanoseconds do
not.  A spoofed source address is tried on each way, too: what should drop it
and does not is no guard, and its figures would be worth nothing.
"""

import argparse
import contextlib
import fcntl
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../support"))
sys.dont_write_bytecode = True

from vnetlab import Namespace, Netd, build_path  # noqa: E402
from vnetlab.patience import patience  # noqa: E402

import alternatives  # noqa: E402

PORTS = (1, 10, 100, 1000, 4000)
CLEAN_TRAFFIC_MOST = 1000   # more of its rules take ebtables minutes
PORTS_OF_NETWORK = 1000     # a bridge takes 1023
ROUNDS = 100
KINDS = ("udp4", "tcp4", "udp6")
NO_RULES = "no rules"

TUNSETIFF, TUNSETVNETHDRSZ = 0x400454ca, 0x400454d8
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x2, 0x1000, 0x4000
VNET_HEADER = 12            # as netd sets it


def mac(i):
    return "52:54:00:%02x:%02x:%02x" % (i >> 16, i >> 8 & 255, i & 255)


def ipv4(i):
    return "10.66.%d.%d" % (1 + (i >> 8), i & 255)


def ipv6(i):
    return "fd66::1:%x" % i


class Way:
    """A namespace with two TAPs on a bridge, vp1 and vp2: .fds leads from one to the other."""

    is_guard = True
    kinds = KINDS

    def __init__(self, name, ports=None):
        self.name, self.ports = name, ports
        self.ns = Namespace("%s-%s" % (name, ports))
        # Where br_netfilter is, it would take the frames through iptables' hooks as well.
        for which in ("ip", "ip6", "arp"):
            with contextlib.suppress(FileNotFoundError):
                self.ns.sysctl("net/bridge/bridge-nf-call-%stables" % which, 0)
        self.fds = ()

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.ns.close()


def open_tap(ns, name):
    with ns:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(),
                                               IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack("i", VNET_HEADER))
    return fd


class PlainWay(Way):
    """A bridge made by ip as netd makes it, and the rules of a function."""

    def __init__(self, name, ports=None, rules=None, kinds=KINDS):
        super().__init__(name, ports)
        self.is_guard = rules is not None
        self.kinds = kinds
        self.ns.run("ip", "-batch", "-", input="""
            link add br0 address 52:54:00:01:00:fe mtu 1500 type bridge stp_state 0 \
                forward_delay 0 mcast_snooping 0
            link set br0 addrgenmode none up""")
        self.fds = [open_tap(self.ns, "vp%d" % i) for i in (1, 2)]
        for i in (1, 2):
            self.ns.ip("link", "set", "vp%d" % i, "master", "br0", "addrgenmode", "none", "up")
        if rules:
            rules(self.ns, ports)


class NetdWay(Way):
    def __init__(self, name, ports, folder, guard):
        super().__init__(name, ports)
        os.mkdir(folder)
        # Persistent, so that this program need not hold thousands of descriptors.
        count = max(ports, 2)
        networks = -(-count // PORTS_OF_NETWORK)
        yaml = "networks:\n" + "".join("""
  bench%d:
    mode: isolated
    addresses: [10.%d.0.1/16, "fd%d::1/64"]
    dhcp: false
    dns: false
    ports: {guard: %s}
""" % (n, 66 + n, 66 + n, guard) for n in range(networks))
        self.netd = Netd(self.ns, folder, {"networks.d/bench.yaml": yaml},
                         arguments=("--log-level", "info")).start()
        with self.netd.client(patience(20)) as client:
            for i in range(1, count + 1):
                reply = client.call("AttachPort", self.request(i))
                if i <= 2:
                    self.fds += (reply.fds[0],)
                else:
                    os.close(reply.fds[0])

    @staticmethod
    def request(i):
        network, guest = divmod(i - 1, PORTS_OF_NETWORK)
        addresses = [ipv4(guest + 1), ipv6(guest + 1)]
        if network:
            addresses = [a.replace("66", str(66 + network), 1) for a in addresses]
        return {"network": "bench%d" % network, "name": "p%d" % i, "ifname": "vp%d" % i,
                "mac": mac(i), "addresses": addresses, "persistent": True, "vhost": "off"}

    def close(self):
        for fd in self.fds:
            os.close(fd)
        # One by one, thousands of devices take the kernel a minute.
        with self.netd.client(600) as client:
            names = [n["name"] for n in client.call("ListNetworks")["networks"]]
            client.call("StopNetworks", {"names": names, "force": True})
        self.netd.cleanup()
        self.ns.close()


def ebtables_script(ns, ports):
    ns.run("ebtables-restore", timeout=600, input="*nat\n:PREROUTING ACCEPT\n" + "".join(
        "-A PREROUTING -i vp%d -s ! %s -j DROP\n" % (i, mac(i)) for i in range(1, ports + 1)))


class Libvirt:
    """What libvirtd writes for two guests with clean-traffic, as ebtables-save tells it."""

    START = """
        mkdir -p /run/libvirt
        mount -t tmpfs tmpfs /run/libvirt
        mount -t tmpfs tmpfs /var/lib/libvirt
        mkdir -p /var/lib/libvirt/dnsmasq /var/lib/libvirt/network
        virtlogd -d
        libvirtd -d
        echo ready
        exec sleep 1000000"""
    BINDING = """<filterbinding>
        <owner><name>g%d</name><uuid>5e2b2cd0-0000-4000-8000-00000000000%d</uuid></owner>
        <portdev name='vp%d'/><mac address='%s'/>
        <filterref filter='clean-traffic'><parameter name='IP' value='%s'/></filterref>
        </filterbinding>"""

    def __init__(self, folder):
        way = PlainWay("libvirt", 2)
        holder = way.ns.popen("unshare", "-m", "--propagation", "private", "sh", "-ec",
                              self.START, stdout=subprocess.PIPE)
        if holder.stdout.readline() != "ready\n":
            raise SystemExit("libvirtd does not start")
        self.virsh = ["nsenter", "--mount=/proc/%d/ns/mnt" % holder.pid, "virsh", "-q"]
        self.await_libvirtd(way.ns)
        for i in (1, 2):
            path = os.path.join(folder, "binding%d.xml" % i)
            with open(path, "w", encoding="ascii") as f:
                f.write(self.BINDING % (i, i, i, mac(i), ipv4(i)))
            way.ns.run(*self.virsh, "nwfilter-binding-create", path, timeout=60)
        saved = way.ns.run("ebtables-save").stdout.splitlines()
        self.table = [line for line in saved if line.startswith("*")]
        self.chains = [line for line in saved if line.startswith(":") and "vp" not in line]
        self.port = [line for line in saved if "vp1" in line]
        holder.kill()  # the daemons end with the sandbox
        holder.wait()
        holder.stdout.close()
        way.close()

    def await_libvirtd(self, ns):
        for _ in range(200):
            if ns.run(*self.virsh, "version", check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise SystemExit("libvirtd does not answer")

    def rules(self, ns, ports):
        others = list(range(3, ports + 1))
        order = others[:len(others) // 2] + [1, 2][:ports] + others[len(others) // 2:]
        lines = []
        for i in order:
            lines += [line.replace("vp1", "vp%d" % i).replace(mac(1), mac(i))
                      .replace(ipv4(1), ipv4(i)) for line in self.port]
        lines.sort(key=lambda line: not line.startswith(":"))
        ns.run("ebtables-restore", timeout=600,
               input="\n".join(self.table + self.chains + lines) + "\n")


def libvirt(folder):
    if all(os.path.exists(os.path.join(d, program)) for d, program in (
            ("/usr/sbin", "libvirtd"), ("/usr/sbin", "virtlogd"), ("/usr/bin", "virsh"))):
        return Libvirt(folder)
    print("bench: no libvirtd, so nothing is compared with its filter", file=sys.stderr)
    return None


def users_ways(folder, counts):
    """What somebody who runs virtual machines can choose from."""
    yield PlainWay(NO_RULES)
    for guard in ("mac", "strict"):
        for n in counts:
            yield NetdWay("netd, %s" % guard, n, os.path.join(folder, "%s%d" % (guard, n)), guard)
    for n in counts:
        yield PlainWay("ebtables", n, ebtables_script)
    filters = libvirt(folder)
    if filters:
        for n in counts:
            if n <= CLEAN_TRAFFIC_MOST:
                yield PlainWay("libvirt, clean-traffic", n, filters.rules, ("udp4", "tcp4"))


def alternative_ways(folder, counts):
    yield PlainWay(NO_RULES)
    yield NetdWay("netd, strict", counts[-1], os.path.join(folder, "strict"), "strict")
    for name, rules, is_guard in alternatives.all_ways(folder, mac, ipv4, ipv6):
        way = PlainWay(name, counts[-1], rules)
        way.is_guard = is_guard
        yield way


def measure(ways, kind, rounds):
    """{way: nanoseconds of processor time} for a kind of frame."""
    ways = [w for w in ways if kind in w.kinds]
    arguments = ["%d:%d:%d" % (i, *w.fds) for i, w in enumerate(ways)]
    result = subprocess.run(
        [build_path("tests/bench/dataplane/frames"), kind, str(rounds), *arguments], check=True,
        pass_fds=[fd for w in ways for fd in w.fds], stdout=subprocess.PIPE, text=True)
    times = [[] for _ in ways]
    for line in result.stdout.splitlines():
        i, *values = line.split()
        way = ways[int(i)]
        if values[0] != "spoofed":
            times[int(i)].append(float(values[0]))
        elif way.is_guard == (int(values[1]) > 0):
            raise SystemExit("%s, %s ports: %s spoofed frames arrived" % (
                way.name, way.ports, values[1]))
    return {w: statistics.median(t) for w, t in zip(ways, times)}


def report(ways, found):
    base = {kind: found[kind][ways[0]] for kind in KINDS}
    print("%-34s%6s%12s%7s" % ("", "ports", "frames/s", "ns")
          + "".join("%7s" % kind for kind in KINDS))
    for way in ways:
        ns = found["udp4"][way]
        line = "%-34s%6s%12.0f%7.0f" % (way.name, way.ports or "", 1e9 / ns, ns)
        for kind in KINDS:
            line += ("%7.3f" % (base[kind] / found[kind][way]) if way in found[kind]
                     else "%7s" % "–")
        print(line)
    sys.stdout.flush()


def judge(ways, found):
    cost = {(w.name, w.ports): found["udp4"][w] for w in ways}
    none, most = cost[NO_RULES, None], max(w.ports or 0 for w in ways)
    wanted = [("strict: share of no rules", none / cost["netd, strict", most], ">=", 0.90)]
    if ("netd, strict", 10) in cost:
        wanted.append(("strict: %d ports against 10" % most,
                       cost["netd, strict", most] / cost["netd, strict", 10], "<=", 1.03))
    for name in ("ebtables", "libvirt, clean-traffic"):
        if (name, 1000) in cost:
            wanted.append(("strict against %s at 1,000 ports" % name,
                           cost[name, 1000] / cost["netd, strict", 1000], ">=", 10))
    for text, value, relation, limit in wanted:
        met = value <= limit if relation == "<=" else value >= limit
        print("%-6s %-55s %6.2f  (wanted %s %.4g)" % ("met" if met else "MISSED", text, value,
                                                    relation, limit))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("what", nargs="?", default="ways", choices=("ways", "alternatives"))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    counts = (10, 1000) if options.quick else PORTS
    rounds = ROUNDS // 4 if options.quick else ROUNDS
    ways = []
    with tempfile.TemporaryDirectory(dir="/run/lab") as folder:
        os.chmod(folder, 0o755)     # netd, which has a user of its own, comes by here
        try:
            make = (alternative_ways(folder, counts) if options.what == "alternatives"
                    else users_ways(folder, counts))
            for way in make:
                ways.append(way)
            print("\nframes of 74 bytes from TAP to TAP, medians of %d turns; Linux %s; "
                  "shares of no rules:" % (rounds, os.uname().release))
            found = {kind: measure(ways, kind, rounds) for kind in KINDS}
            report(ways, found)
            if options.what == "ways":
                judge(ways, found)
        finally:
            for way in ways:
                way.close()


if __name__ == "__main__":
    main()
