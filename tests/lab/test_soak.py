# SPDX-License-Identifier: GPL-2.0-or-later
"""
test_soak.py - minutes of whatever operators, guests, scripts and accidents do, in random order

What holds at every moment: no forged frame passes a strict guard, no packet leaves an isolated
network, a flow that none of it concerns loses nothing.  What holds after every step, within a
bound: the host is as this test's own book says (not as netd does), nothing is left over.

    make soak TIME=600 SEED=7       the same again

The steps are a function of the seed; their timing is the machine's.
"""

import os
import random
import signal
import threading
import time

from vnetlab import (Flow, HostCase, RawPort, VarlinkError, echo_request, ethernet, nft_guards,
                     patience, wait_until)
from vnetlab.frames import BROADCAST, parse_frame
from vnetlab.wire import Wire

SEEDS = [int(s) for s in os.environ.get("VNET_SOAK_SEEDS", "1 2 3").split()]
SECONDS = float(os.environ.get("VNET_SOAK_SECONDS", "13"))
PORTS_MAX = 12
CONVERGES = 15                  # s
RSS_GROWTH = 2048               # KiB, of one netd's life
DESCRIPTORS = 48                # of a netd at rest, without those that each dnsmasq costs
IS_SANITIZED = "address" in os.environ.get("VNET_BUILD", "")

FIXED = """
networks:
  quiet: {mode: isolated, addresses: [10.20.0.1/24], dns: false}
  cage:
    mode: isolated
    addresses: [10.30.0.1/24]
    dns: false
    ports: {guard: strict}
"""
ATTACKER, VICTIM = "52:54:00:30:00:05", "52:54:00:30:00:06"
FORGED, ESCAPING = b"<forged>", b"<escaping>"


class Book:
    """What there should be: the independent description."""

    def __init__(self):
        self.networks = {}      # name: {"mode", "subnet", "dhcp", "runs"}
        self.ports = {}         # name: {"network", "ifname", "mac", "persistent", "raw"}


class Attacker:
    """Forges without end, from the first moment on."""

    def __init__(self, attacker, victim, outside, bridge_mac):
        self.attacker, self.victim, self.outside = attacker, victim, outside
        self.bridge_mac = bridge_mac
        self.seen = []
        self.ends = threading.Event()
        self.threads = [threading.Thread(target=t, daemon=True) for t in (self._send, self._watch)]
        for thread in self.threads:
            thread.start()

    def _frames(self):
        for src in (VICTIM, "52:54:00:66:66:66", "02:00:00:00:00:01"):
            yield ethernet(BROADCAST, src, 0x88b5, FORGED)
        for ip in ("10.30.0.6", "10.30.0.99", "192.0.2.1"):
            yield echo_request(VICTIM, ATTACKER, ip, "10.30.0.6", data=FORGED)
        # Its own address, but out of an isolated network.
        yield echo_request(self.bridge_mac, ATTACKER, "10.30.0.5", "192.0.2.1", data=ESCAPING)
        yield echo_request(self.bridge_mac, ATTACKER, "10.30.0.5", "198.51.100.1", data=ESCAPING)

    def _send(self):
        while not self.ends.is_set():
            for frame in self._frames():
                try:
                    self.attacker.send(frame)
                except OSError:
                    pass
            self.ends.wait(0.002)

    def _watch(self):
        while not self.ends.is_set():
            frame = self.victim.receive(0.05)
            if frame and FORGED in frame.payload:
                self.seen.append(("victim", frame.src))
            frame = self.outside.receive(0.001)
            if frame and (FORGED in frame or ESCAPING in frame):
                self.seen.append(("outside", parse_frame(frame).src))

    def stop(self):
        self.ends.set()
        for thread in self.threads:
            thread.join(10)


class Soak(HostCase):
    def setUp(self):
        super().setUp()
        self.route_back("10.0.0.0/8")
        self.netd = self.netd_with(FIXED)
        self.book = Book()
        self.steps = []
        self.peaks = []
        self._start_flow()
        self._start_attack()

    def _start_flow(self):
        one = self.guest(self.netd, "quiet").address("10.20.0.5/24")
        two = self.guest(self.netd, "quiet").address("10.20.0.6/24")
        self.udp_server(two.ns, 9)
        wait_until(lambda: one.ping("10.20.0.6", timeout=1), what="the other guest to answer")
        self.flow = Flow(one.ns, "10.20.0.6", 9)
        self.fixed = {p.ifname: "vn-quiet" for p in (one, two)}

    def _start_attack(self):
        one = self.raw_port(self.netd, "cage", name="attacker", mac=ATTACKER, addresses=["10.30.0.5"])
        two = self.raw_port(self.netd, "cage", name="victim", mac=VICTIM, addresses=["10.30.0.6"])
        outside = Wire(self.outside, "eth0")
        self.fixed.update({p.ifname: "vn-cage" for p in (one, two)})
        self.attack = Attacker(one, two, outside, self.host.link("vn-cage")["address"])
        self.addCleanup(outside.close)
        self.addCleanup(self.attack.stop)

    # ---- what is done; each returns what to remember of it, or None when there is nothing to do

    def any_port(self):
        return self.random.choice(sorted(self.book.ports)) if self.book.ports else None

    def any_network(self, runs=True):
        names = sorted(n for n, x in self.book.networks.items() if x["runs"] or not runs)
        return self.random.choice(names) if names else None

    def forget_port(self, name):
        self.book.ports.pop(name)["raw"].close()

    def forget_ports_of(self, network):
        for name in [n for n, p in self.book.ports.items() if p["network"] == network]:
            self.forget_port(name)

    def do_apply(self):
        number = self.random.randrange(4)
        name = "n%d" % number
        entry = {"mode": self.random.choice(("isolated", "nat", "routed", "open")),
                 "subnet": "10.%d.0" % self.random.choice((40 + number, 50 + number)),
                 "dhcp": self.random.random() < 0.4}
        if name in self.book.networks:
            entry["mode"] = self.book.networks[name]["mode"]
        entry["runs"] = self.book.networks.get(name, {"runs": True})["runs"]
        yaml = "networks:\n  %s: {mode: %s, addresses: [%s.1/24], dhcp: %s, dns: false}\n" % (
            name, entry["mode"], entry["subnet"], "true" if entry["dhcp"] else "false")
        self.netd.call("Apply", yaml=yaml, disruptive=True)
        self.book.networks[name] = entry
        return yaml.splitlines()[1].strip()

    def do_delete_network(self):
        name = self.any_network(runs=False)
        if name:
            self.netd.call("DeleteNetwork", name=name, force=True)
            del self.book.networks[name]
            self.forget_ports_of(name)
        return name

    def do_stop_or_start_network(self):
        name = self.any_network(runs=False)
        if not name:
            return None
        entry = self.book.networks[name]
        if entry["runs"]:
            self.netd.call("StopNetwork", name=name, force=True)
            self.forget_ports_of(name)
        else:
            self.netd.call("StartNetwork", name=name)
        entry["runs"] = not entry["runs"]
        return "%s %s" % (name, "started" if entry["runs"] else "stopped")

    def do_attach(self):
        network = self.any_network()
        if not network or len(self.book.ports) >= PORTS_MAX:
            return None
        name = "p%d" % len(self.steps)
        persistent = self.random.random() < 0.3
        options = {"isolated": self.random.random() < 0.3,
                   "guard": self.random.choice(("mac", "strict"))}
        try:
            raw = RawPort(self.netd, network, name=name, persistent=persistent, **options)
        except VarlinkError as error:
            # Its bridge may have been taken a moment ago; then again when that is repaired.
            if "vn-" + network not in str(error):
                raise
            self.converge()
            raw = RawPort(self.netd, network, name=name, persistent=persistent, **options)
        self.book.ports[name] = {"network": network, "ifname": raw.ifname, "mac": raw.mac,
                                 "persistent": persistent, "raw": raw}
        return "%s on %s%s" % (name, network, ", persistent" if persistent else "")

    def do_detach(self):
        name = self.any_port()
        if name:
            self.netd.call("DetachPort", name=name)
            self.forget_port(name)
        return name

    def do_guest_dies(self):
        name = self.any_port()
        if name:
            self.book.ports[name]["raw"].close()
            if not self.book.ports[name]["persistent"]:
                del self.book.ports[name]
        return name

    def do_update(self):
        name = self.any_port()
        if name:
            what = self.random.choice(({"mtu": self.random.choice((1400, 1500))},
                                       {"guard": self.random.choice(("mac", "strict"))},
                                       {"isolated": self.random.random() < 0.5}))
            self.netd.call("UpdatePort", name=name, **what)
            return "%s %s" % (name, what)
        return None

    def do_kill(self):
        self.check_memory()
        self.netd.kill()
        self.netd.start()
        return "-9"

    def do_restart(self):
        self.check_memory()
        self.netd.stop()
        self.netd.start()
        return ""

    def do_kill_at_work(self):
        """It has just been asked for something; whether that happened is seen afterwards."""
        self.check_memory()
        network = self.any_network()
        client = self.netd.client()
        if network:
            client.send("AttachPort", {"network": network, "name": "doomed"})
            time.sleep(self.random.choice((0, 0.0005, 0.001, 0.003)))
        self.netd.kill()
        client.close()
        self.netd.start()
        return network

    def do_kill_dnsmasq(self):
        pids = self.netd.dnsmasq_pids()
        if not pids:
            return None
        try:
            os.kill(self.random.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            pass
        return "one of %d" % len(pids)

    def do_flush_rules(self):
        return self.by_hand("nft flush ruleset")

    def by_hand(self, command):
        done = self.host.run("sh", "-c", command, check=False).returncode == 0
        if "alias mine" in command:
            # To a netd that starts right then the device would be somebody else's.
            wait_until(lambda: not any(x.get("ifalias") == "mine" for x in self.host.links().values()),
                       timeout=CONVERGES, what="the mark to be back")
        return command + ("" if done else ": refused")

    def do_bridge_by_hand(self):
        name = self.any_network() or "cage"
        if self.random.random() < 0.3:
            name = "cage"
        bridge = "vn-" + name
        return self.by_hand(self.random.choice((
            "ip link del %s", "ip link set %s down", "ip link set %s down; ip link set %s name lost0",
            "ip addr flush dev %s", "ip link set %s mtu 1300", "ip link set %s alias mine",
            "ip addr add 10.99.0.1/24 dev %s", "ip link set %s address 02:00:00:00:00:99",
            "echo 0 >/proc/sys/net/ipv4/conf/%s/forwarding", "ip route flush dev %s",
            "ip link set %s type bridge ageing_time 100 nf_call_iptables 1",
        )).replace("%s", bridge))

    def do_port_by_hand(self):
        names = sorted(p["ifname"] for p in self.book.ports.values()) + sorted(
            n for n, bridge in self.fixed.items() if bridge == "vn-cage")
        ifname = self.random.choice(names)
        return self.by_hand(self.random.choice((
            "ip link set %s nomaster", "ip link set %s down", "ip link set %s mtu 1300",
            "ip link set %s address fe:00:00:00:00:99", "ip link set %s alias mine",
            "ip link set %s down; ip link set %s name lost1", "bridge link set dev %s isolated on",
            "bridge link set dev %s learning off flood off", "ip link set %s txqueuelen 7",
            "ip link add br9 type bridge; ip link set %s master br9; ip link set br9 up",
        )).replace("%s", ifname))

    def do_port_device_deleted(self):
        name = self.any_port()
        if not name:
            return None
        port = self.book.ports[name]
        done = self.by_hand("ip link del %s" % port["ifname"])
        port["raw"].close()
        if not port["persistent"]:
            del self.book.ports[name]
        return done

    def do_stranger(self):
        return self.by_hand("ip link add stray type veth peer name stray2; ip link set stray up; "
                            "ip link set stray master vn-cage; sleep 0.05; ip link del stray")

    STEPS = (("attach", 14), ("detach", 4), ("guest_dies", 4), ("update", 6), ("apply", 8),
             ("delete_network", 2), ("stop_or_start_network", 3), ("kill", 1), ("restart", 1),
             ("kill_at_work", 2), ("kill_dnsmasq", 2), ("flush_rules", 3), ("bridge_by_hand", 12),
             ("port_by_hand", 12), ("port_device_deleted", 3), ("stranger", 2))

    # ---- what must hold

    def check_now(self):
        self.assertEqual(self.attack.seen, [], "forged frames passed")
        self.assertEqual(self.netd.process.poll(), None, "netd ended")

    def difference(self):
        """Between the host and the book, in words; "" when there is none."""
        links = self.host.links()
        expected = dict(self.fixed, **{p["ifname"]: "vn-" + p["network"]
                                       for p in self.book.ports.values()})
        runs = {"vn-" + n: x["subnet"] + ".1/24" for n, x in self.book.networks.items() if x["runs"]}
        runs.update({"vn-quiet": "10.20.0.1/24", "vn-cage": "10.30.0.1/24"})
        ours = {n for n in links if n.startswith(("vn-", "vp", "lost"))}
        wrong = ["%s should not be there" % n for n in sorted(ours - set(expected) - set(runs))]
        for name in sorted(set(runs) | set(expected)):
            link = links.get(name)
            if not link:
                wrong.append("%s is not there" % name)
            elif "UP" not in link["flags"]:
                wrong.append("%s is down" % name)
            elif name in expected and link.get("master") != expected[name]:
                wrong.append("%s is on %s" % (name, link.get("master")))
        for name, address in runs.items():
            if name in links and self.host.addresses(name, "inet") != [address]:
                wrong.append("%s has %s" % (name, self.host.addresses(name, "inet")))
        for port in self.book.ports.values():
            mac = links.get(port["ifname"], {}).get("address", "")
            if mac[2:] != port["mac"][2:]:
                wrong.append("%s has %s" % (port["ifname"], mac))
        guards = set(nft_guards(self.host))
        if guards != set(expected):
            wrong.append("guards of %s" % sorted(guards ^ set(expected)))
        n_dhcp = sum(x["runs"] and x["dhcp"] for x in self.book.networks.values())
        if len(self.netd.dnsmasq_pids()) != n_dhcp:
            wrong.append("%d dnsmasqs, not %d" % (len(self.netd.dnsmasq_pids()), n_dhcp))
        if not wrong:
            wrong += [o["text"] for o in self.netd.call("Plan")["operations"]]
        return "; ".join(wrong)

    def resume(self):
        """This test is one who interferes again and again."""
        states = self.netd.call("ListNetworks")["networks"] + self.netd.call("ListPorts")["ports"]
        if any(x.get("problem", {}).get("code") == "interference" for x in states):
            self.netd.call("Repair")
            self.steps.append("(repair)")

    def converge(self):
        self.host.run("ip", "link", "del", "br9", check=False)
        self.resume()
        try:
            wait_until(lambda: not self.difference(), timeout=CONVERGES, interval=0.05)
        except AssertionError:
            print(self.host.ip("-d", "link", "show", "type", "bridge"))
            self.fail("%s s after the last step: %s" % (CONVERGES, self.difference()))

    def check_memory(self):
        """At the end of a netd's life. It has had its peak of ports within the first steps."""
        self.assertLessEqual(self.netd.fd_count() - 3 * len(self.netd.dnsmasq_pids()), DESCRIPTORS)
        rss, self.peaks = self.peaks, []
        if len(rss) > 20 and not IS_SANITIZED:
            self.assertLess(max(rss[-5:]) - max(rss[:10]), RSS_GROWTH, rss)

    def soak(self, seed):
        self.random = random.Random(seed)
        names = [n for n, weight in self.STEPS for _ in range(weight)]
        end = time.monotonic() + SECONDS
        self.do_apply()
        while time.monotonic() < end:
            # Several at once, now and then: nobody waits until netd is done.
            for _ in range(self.random.choice((1, 1, 1, 2, 4))):
                name = self.random.choice(names)
                self.steps.append("%s..." % name)
                self.steps[-1] = "%s: %s" % (name, getattr(self, "do_" + name)())
                self.check_now()
            self.converge()
            self.peaks.append(self.netd.resident_kib())
        self.check_memory()
        self.attack.stop()
        self.check_now()
        self.assertEqual(self.flow.stop(), 0, "lost by a flow that none of this concerns")
        self.netd.check_log()
        print("     seed %d: %d steps, %d datagrams" % (seed, len(self.steps), self.flow.sent))

    def run_seed(self, seed):
        try:
            self.soak(seed)
        except BaseException:
            print("seed %d, the last steps:\n    %s" % (seed, "\n    ".join(self.steps[-30:])))
            raise
        finally:
            for name in list(self.book.ports):
                self.forget_port(name)


def _add(seed):
    setattr(Soak, "test_seed_%d" % seed, lambda self: self.run_seed(seed))


for _seed in SEEDS:
    _add(_seed)
