# SPDX-License-Identifier: GPL-2.0-or-later
"""bench.py - what it takes to build many networks, and to take them and their ports away

usage: bench.py [plain] [vlan] [libvirt] [ports] [--quick]

plain, vlan   256 NAT networks without DHCP (vlan: each with an 802.1Q device on
              one uplink): netd by one Apply and one DeleteNetworks, against the
              floor (floor.c) and against ip -batch, sysctl and nft -f
libvirt       20 NAT networks with DHCP against libvirtd; and the floor, without DHCP,
              because the kernel itself needs a while for the end of each bridge
ports         1,000 ports that go with their network, against one grouped
              RTM_DELLINK of as many TAPs

Each way has a network namespace of its own, and they take turns within one
run, so that what the machine does meanwhile falls on all alike.  A first turn
does not count: the kernel loads its modules then, and nftables' hooks, which
cost their first user in any namespace, stay in use by another one.  The numbers
are medians; ratios hold on other machines, milliseconds do not.  "best" is the
ratio of the fastest turns, which others on the machine disturbed least; "cpu"
is processor time, the way's own and the kernel's on its behalf.
"""

import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../support"))
sys.dont_write_bytecode = True

from vnetlab import build_path, Namespace, Netd  # noqa: E402

NETWORKS = 256
DHCP_NETWORKS = 20
PORTS = 1000
ROUNDS = 5
UPLINK = "up0"
CALL_SECONDS = 600


def settle(*namespaces):
    """What the kernel still does for devices that went is not the next one's."""
    for ns in namespaces:
        deadline = time.monotonic() + 60
        while len(ns.run("ip", "-br", "link", timeout=60).stdout.splitlines()) > 2:
            if time.monotonic() > deadline:
                raise SystemExit("%s: devices that do not go" % ns.name)
            time.sleep(0.05)
    time.sleep(0.3)


def count_links(ns):
    with ns:
        return len(socket.if_nameindex())


def children_cpu():
    """Milliseconds of processor time of all programs that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1000


class Call:
    """One call over netd's socket, as bytes: reading what it answers is not netd's time."""

    def __init__(self, netd, method, parameters):
        self.netd = netd
        self.request = json.dumps({"method": "io.vnet.Netd." + method,
                                   "parameters": parameters}).encode() + b"\0"

    def run(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(CALL_SECONDS)
            s.connect(self.netd.socket)
            start = time.monotonic()
            s.sendall(self.request)
            chunks = []
            while not chunks or not chunks[-1].endswith(b"\0"):
                chunks.append(s.recv(1 << 20))
                if not chunks[-1]:
                    raise SystemExit("netd hung up:\n" + self.netd.log(20))
            took = (time.monotonic() - start) * 1000
        if chunks[0].startswith(b'{"error"'):
            raise SystemExit("netd: %s" % b"".join(chunks)[:-1].decode())
        return took


class Way:
    """Creates and deletes what it was made for, each in milliseconds, in its namespace .ns."""

    def prepare(self):
        """What comes before and does not count."""

    def cpu(self):
        """Milliseconds of processor time so far; 0 where that cannot be told."""
        return 0


class NetdWay(Way):
    name = "netd"

    def __init__(self, folder, definitions, uplink=False):
        self.ns = new_namespace("netd", uplink)
        os.mkdir(folder)
        self.netd = Netd(self.ns, folder, arguments=("--log-level", "info")).start()
        names = list(definitions)
        self.creation = Call(self.netd, "Apply", {"networks": definitions})
        self.deletion = Call(self.netd, "DeleteNetworks", {"names": names, "force": True})

    def cpu(self):
        with open("/proc/%d/schedstat" % self.netd.pid(), encoding="ascii") as f:
            return int(f.read().split()[0]) / 1e6

    def create(self):
        return self.creation.run()

    def delete(self):
        return self.deletion.run()

    def close(self):
        self.netd.cleanup()


def new_namespace(name, uplink):
    ns = Namespace(name)
    if uplink:
        ns.ip("link", "add", UPLINK, "type", "dummy")
        ns.ip("link", "set", UPLINK, "up")
    return ns


class FloorWay(Way):
    name = "floor (C)"
    cpu = staticmethod(children_cpu)

    def __init__(self, uplink, count=NETWORKS):
        self.ns = new_namespace("floor", uplink)
        self.uplink = [UPLINK] if uplink else []
        self.count = count

    def run(self, *words):
        return float(self.ns.run(build_path("tests/bench/networks/floor"), *words,
                                 timeout=CALL_SECONDS).stdout)

    def prepare(self):
        self.ns.run("nft", "-f", os.path.join(HERE, "floor.nft"))

    def create(self):
        return self.run("create", self.count, *self.uplink)

    def delete(self):
        return self.run("delete", self.count)

    def close(self):
        self.ns.close()


class ScriptWay(Way):
    """What an administrator would write who knows that one ip for all is faster than one for each."""

    name = "ip -batch, nft -f"
    cpu = staticmethod(children_cpu)

    def __init__(self, folder, uplink):
        self.ns = new_namespace("script", uplink)
        self.folder = folder
        self.numbers = range(NETWORKS)
        os.mkdir(folder)
        self.write("make", self.make_lines(uplink))
        self.write("switches", self.switch_lines(
            "ipv6/conf/%s/accept_ra=0", "ipv6/conf/%s/autoconf=0", "ipv6/conf/%s/disable_ipv6=1"))
        self.write("forwarding", self.switch_lines("ipv4/conf/%s/forwarding=1"))
        self.write("rules", self.rule_lines())
        self.write("raise", self.raise_lines(uplink))
        self.write("delete", self.delete_lines(uplink))
        self.write("no-rules", ["delete table bridge floor", "delete table inet floor"])

    def write(self, name, lines):
        with open(os.path.join(self.folder, name), "w", encoding="ascii") as f:
            f.write("\n".join(lines) + "\n")

    def make_lines(self, uplink):
        for i in self.numbers:
            yield ("link add fn-net%d address 52:54:00:01:%02x:%02x mtu 1500 type bridge stp_state 0 "
                   "forward_delay 0 mcast_snooping 0 no_linklocal_learn 1" % (i, i >> 8, i & 255))
            if uplink:
                yield "link add link %s name fl-net%d mtu 1500 type vlan id %d" % (UPLINK, i, i + 1)

    def switch_lines(self, *switches):
        for i in self.numbers:
            for switch in switches:
                yield "net/" + switch % ("fn-net%d" % i)

    def raise_lines(self, uplink):
        for i in self.numbers:
            if uplink:
                yield "link set fl-net%d addrgenmode none master fn-net%d up alias fl-net%d" % (i, i, i)
            yield "link set fn-net%d up alias fn-net%d" % (i, i)
            yield "addr add 10.100.%d.1/24 dev fn-net%d" % (i, i)

    def rule_lines(self):
        for i in self.numbers:
            yield ("add chain inet floor from/net%d { oifname \"fn-net%d\" accept; "
                   "ip saddr 10.100.%d.0/24 goto nat_from; counter drop; }" % (i, i, i))

        def elements(name, text):
            return "add element %s { %s }" % (name, ", ".join(text % ((i,) * text.count("%"))
                                                              for i in self.numbers))
        yield "add element bridge floor bridge_macs { %s }" % ", ".join(
            "52:54:00:01:%02x:%02x" % (i >> 8, i & 255) for i in self.numbers)
        for name in ("bridges", "checked"):
            yield elements("inet floor " + name, '"fn-net%d"')
        yield elements("inet floor inside", '"fn-net%d" . "fn-net%d"')
        yield elements("inet floor from_bridge", '"fn-net%d" : jump from/net%d')
        yield elements("inet floor to_bridge", '"fn-net%d" : jump nat_to')
        yield elements("inet floor nat_bridge", '"fn-net%d" : jump masquerade_ipv4')

    def delete_lines(self, uplink):
        for i in self.numbers:
            yield "link set fn-net%d group 77" % i
            if uplink:
                yield "link set fl-net%d group 77" % i
        yield "link del group 77"

    def shell(self, script):
        start = time.monotonic()
        self.ns.run("sh", "-ec", "cd %s\n%s" % (self.folder, script), timeout=CALL_SECONDS)
        return (time.monotonic() - start) * 1000

    def prepare(self):
        self.ns.run("nft", "-f", os.path.join(HERE, "floor.nft"))

    def create(self):
        return self.shell("ip -batch make\nsysctl -qp switches\nnft -f rules\nip -batch raise\n"
                          "sysctl -qp forwarding")

    def delete(self):
        return self.shell("ip -batch delete\nnft -f no-rules")

    def close(self):
        self.ns.close()


class LibvirtWay(Way):
    """libvirtd in a namespace, with directories of its own; one virsh for all networks."""

    name = "libvirt"

    def __init__(self, folder):
        self.ns = Namespace("libvirt")
        self.holder = self.ns.popen("unshare", "-m", "--propagation", "private", "sh", "-ec", """
            mkdir -p /run/libvirt
            mount -t tmpfs tmpfs /run/libvirt
            mount -t tmpfs tmpfs /var/lib/libvirt
            mkdir -p /var/lib/libvirt/dnsmasq /var/lib/libvirt/network
            rm -f /etc/libvirt/qemu/networks/autostart/*
            virtlogd -d
            libvirtd -d
            echo ready
            exec sleep 1000000""", stdout=subprocess.PIPE)
        if self.holder.stdout.readline() != "ready\n":
            raise SystemExit("libvirtd does not start")
        for _ in range(200):
            if "libvirt" in self.virsh("version", check=False):
                break
            time.sleep(0.1)
        os.mkdir(folder)
        for i in range(DHCP_NETWORKS):
            path = os.path.join(folder, "n%d.xml" % i)
            with open(path, "w", encoding="ascii") as f:
                f.write("<network><name>n%d</name><forward mode='nat'/><bridge name='lv%d'/>"
                        "<ip address='10.200.%d.1' netmask='255.255.255.0'><dhcp>"
                        "<range start='10.200.%d.2' end='10.200.%d.254'/></dhcp></ip></network>"
                        % (i, i, i, i, i))
            self.virsh("net-define " + path)

    def virsh(self, commands, check=True):
        return self.ns.run("nsenter", "--mount=/proc/%d/ns/mnt" % self.holder.pid, "virsh", "-q",
                           commands, check=check, timeout=CALL_SECONDS).stdout

    def for_all(self, command):
        start = time.monotonic()
        self.virsh(";".join("%s n%d" % (command, i) for i in range(DHCP_NETWORKS)))
        return (time.monotonic() - start) * 1000

    def create(self):
        return self.for_all("net-start")

    def delete(self):
        return self.for_all("net-destroy")

    def close(self):
        """The daemons end with the sandbox; they are not this process' children."""
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()


class FloorPorts(Way):
    name = "one RTM_DELLINK (C)"

    def __init__(self):
        self.way = FloorWay(False)
        self.ns = self.way.ns

    def delete(self):
        took = self.way.run("ports", PORTS)
        self.ns.ip("link", "del", "fn-net0")
        return took

    def close(self):
        self.way.close()


class NetdPorts(Way):
    name = "netd, StopNetwork"

    def __init__(self, folder):
        definition = {"bench": {"mode": "isolated", "addresses": ["10.66.0.1/16"], "dhcp": False,
                                "dns": False}}
        self.way = NetdWay(folder, definition)
        self.ns = self.way.ns
        self.netd = self.way.netd
        self.stop = Call(self.netd, "StopNetwork", {"name": "bench", "force": True})

    def delete(self):
        self.way.create()
        with self.netd.client(60) as client:
            client.call("StartNetwork", {"name": "bench"})
            for i in range(PORTS):
                client.call("AttachPort", {"network": "bench", "name": "p%d" % i,
                                           "persistent": True, "vhost": "off"})
        return self.stop.run()

    def close(self):
        self.way.close()


def one_step(way, step):
    """Milliseconds that passed, and those of a processor."""
    before = way.cpu()
    took = getattr(way, step)()
    return took, way.cpu() - before


def measure(ways, steps, rounds, expected):
    """{way: {step: [(ms, cpu ms)]}}; expected(step): how many devices there are then, or None."""
    times = {way: {step: [] for step in steps} for way in ways}
    for turn in range(-1, rounds):
        first = turn % len(ways)
        for way in ways[first:] + ways[:first]:
            way.prepare()
            for step in steps:
                took = one_step(way, step)
                if turn >= 0:
                    times[way][step].append(took)
                links = expected and expected(step)
                if links and count_links(way.ns) != links:
                    raise SystemExit("%s, %s: %d devices, not %d" % (
                        way.name, step, count_links(way.ns), links))
            settle(way.ns)
    return times


def report(title, times, steps, base):
    print("\n%s; milliseconds, median of %d" % (title, len(times[base][steps[0]])))
    print("%-20s" % "" + "".join("%11s %6s %6s %8s %6s" % (step, "ratio", "best", "cpu", "ratio")
                                 for step in steps))
    medians = {way: {step: [statistics.median(x) for x in zip(*pairs)]
                     for step, pairs in of.items()} for way, of in times.items()}
    for way in times:
        line = "%-20s" % way.name
        for step in steps:
            took, cpu = medians[way][step]
            base_took, base_cpu = medians[base][step]
            best = min(times[way][step])[0] / min(times[base][step])[0]
            line += "%11.1f %6.2f %6.2f" % (took, took / base_took, best)
            line += "%9.1f %6.2f" % (cpu, cpu / base_cpu) if cpu and base_cpu else " " * 16
        print(line)
    sys.stdout.flush()
    return {way: {step: m[0] for step, m in of.items()} for way, of in medians.items()}


def judge(text, value, relation, limit):
    met = value <= limit if relation == "<=" else value >= limit
    print("%-6s %-58s %7.2f  (wanted %s %g)" % ("met" if met else "MISSED", text, value, relation,
                                              limit))
    sys.stdout.flush()


def definitions(uplink):
    found = {}
    for i in range(NETWORKS):
        found["net%d" % i] = {"mode": "nat", "addresses": ["10.100.%d.1/24" % i], "dhcp": False,
                              "dns": False}
        if uplink:
            found["net%d" % i].update(uplink=UPLINK, vlan=i + 1)
    return found


def bench_networks(folder, rounds, uplink):
    with_vlan = "with an 802.1Q device each" if uplink else "without VLANs"
    netd = NetdWay(os.path.join(folder, "netd-%d" % uplink), definitions(uplink), uplink)
    floor = FloorWay(uplink)
    ways = [floor, netd, ScriptWay(os.path.join(folder, "script-%d" % uplink), uplink)]
    made = 1 + uplink + NETWORKS * (1 + uplink)
    try:
        times = measure(ways, ["create", "delete"], rounds,
                        lambda step: made if step == "create" else 1 + uplink)
    finally:
        for way in ways:
            way.close()
    medians = report("%d NAT networks %s, no DHCP" % (NETWORKS, with_vlan), times,
                     ["create", "delete"], floor)
    for step in ("create", "delete"):
        judge("%s: netd against the floor" % step, medians[netd][step] / medians[floor][step],
              "<=", 1.2)


def bench_libvirt(folder, rounds):
    if not all(shutil.which(p) for p in ("libvirtd", "virtlogd", "virsh")):
        print("\nSKIPPED libvirt: libvirt-daemon-system and libvirt-clients are not installed")
        return
    dhcp = {"n%d" % i: {"mode": "nat", "addresses": ["10.200.%d.1/24" % i], "dhcp": True}
            for i in range(DHCP_NETWORKS)}
    netd = NetdWay(os.path.join(folder, "netd-dhcp"), dhcp)
    libvirt = LibvirtWay(os.path.join(folder, "libvirt"))
    ways = [netd, libvirt, FloorWay(False, DHCP_NETWORKS)]
    try:
        times = measure(ways, ["create", "delete"], rounds,
                        lambda step: 1 + DHCP_NETWORKS if step == "create" else 1)
    finally:
        for way in ways:
            way.close()
    medians = report("%d NAT networks with DHCP" % DHCP_NETWORKS, times, ["create", "delete"], netd)
    judge("starting: libvirt against netd", medians[libvirt]["create"] / medians[netd]["create"],
          ">=", 5)
    judge("removing: libvirt against netd", medians[libvirt]["delete"] / medians[netd]["delete"],
          ">=", 20)


def bench_ports(folder, rounds):
    floor, netd = FloorPorts(), NetdPorts(os.path.join(folder, "netd-ports"))
    try:
        times = measure([floor, netd], ["delete"], rounds, None)
    finally:
        floor.close()
        netd.close()
    medians = report("%d ports that go with their network" % PORTS, times, ["delete"], floor)
    judge("netd against one grouped RTM_DELLINK",
          medians[netd]["delete"] / medians[floor]["delete"], "<=", 2)


def has_vlan():
    ns = Namespace("probe")
    ns.ip("link", "add", UPLINK, "type", "dummy", check=False)
    ns.ip("link", "add", "link", UPLINK, "name", "v1", "type", "vlan", "id", "1", check=False)
    found = ns.link("v1") is not None
    ns.close()
    return found


def main():
    wanted = [w for w in sys.argv[1:] if not w.startswith("-")]
    rounds = 1 if "--quick" in sys.argv else ROUNDS
    wanted = wanted or ["plain", "vlan", "libvirt", "ports"]
    print("Linux %s, %d processors" % (os.uname().release, os.cpu_count()))
    hooks = Namespace("hooks")
    hooks.run("nft", "-f", os.path.join(HERE, "floor.nft"))
    with tempfile.TemporaryDirectory(dir="/run/lab") as folder:
        os.chmod(folder, 0o755)     # netd, which has a user of its own, comes by here
        if "plain" in wanted:
            bench_networks(folder, rounds, False)
        if "vlan" in wanted and has_vlan():
            bench_networks(folder, rounds, True)
        elif "vlan" in wanted:
            print("\nSKIPPED vlan: this kernel lacks 802.1Q or dummy devices (see "
                  "`make bench-kernel`)")
        if "ports" in wanted:
            bench_ports(folder, rounds)
        if "libvirt" in wanted:
            bench_libvirt(folder, rounds)


if __name__ == "__main__":
    main()
