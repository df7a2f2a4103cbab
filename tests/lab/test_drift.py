# SPDX-License-Identifier: GPL-2.0-or-later
"""
test_drift.py - whatever somebody changes of what is netd's is noticed, put back and told

and who changes it again and again is named and gets it, and no guest gets more by that.
"""

import os
import signal

from vnetlab import (GATEWAY4, HOST4, DriftCase, Monitor, VarlinkError, arp_request, ethernet,
                     nft_guards, veth, wait_until)
from vnetlab.frames import BROADCAST

DEVICES = (
    ("ip link del vn-blue", "create bridge vn-blue"),
    ("ip link set vn-blue down", "vn-blue"),
    ("ip link set vn-blue down && ip link set vn-blue name lost0", "no longer called lost0"),
    ("ip link set vn-blue address 02:00:00:00:00:99", "vn-blue"),
    ("ip link set vn-blue mtu 1400", "vn-blue"),
    ("ip link set vn-blue alias mine", "vn-blue"),
    ("ip link set vn-blue type bridge ageing_time 100 mcast_snooping 1", "vn-blue"),
    ("ip link set {port} nomaster", "{port}"),
    ("ip link set {port} down", "{port}"),
    ("ip link set {port} down && ip link set {port} name lost1", "no longer called lost1"),
    ("ip link set {port} address fe:00:00:00:00:99", "{port}"),
    ("ip link set {port} mtu 1400 txqueuelen 7", "{port}"),
    ("ip link set {port} alias mine", "{port}"),
    ("bridge link set dev {port} isolated on", "isolated"),
    ("bridge link set dev {port} learning off hairpin on flood off", "{port}"),
    ("ip link add br9 type bridge && ip link set {port} master br9 && ip link del br9", "{port}"),
    ("ip link del {keep}", "{keep}"),
)
ADDRESSES = (
    ("ip addr del 10.10.0.1/24 dev vn-blue", "10.10.0.1/24"),
    ("ip -6 addr del fd10::1/64 dev vn-blue", "fd10::1/64"),
    ("ip addr flush dev vn-blue", "10.10.0.1/24"),
    ("ip addr add 10.99.0.1/24 dev vn-blue", "10.99.0.1/24"),
    ("ip route del 10.77.0.0/16", "10.77.0.0/16"),
    ("ip route change 10.77.0.0/16 via 10.10.0.8 dev vn-blue proto 118", "10.77.0.0/16"),
    ("echo 0 >/proc/sys/net/ipv4/conf/vn-blue/forwarding", "ipv4/conf/vn-blue/forwarding"),
    ("echo 0 >/proc/sys/net/ipv6/conf/vn-blue/forwarding", "ipv6/conf/vn-blue/forwarding"),
    ("echo 0 >/proc/sys/net/ipv4/conf/up0/forwarding", "ipv4/conf/up0/forwarding"),
    ("echo 1 >/proc/sys/net/ipv6/conf/vn-blue/disable_ipv6", "disable_ipv6"),
)


class Drift(DriftCase):
    yaml = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24, "fd10::1/64"]
    nat: {ipv6: true}
    dhcp: true
    routes: [{to: 10.77.0.0/16, via: 10.10.0.7}]
"""

    def setUp(self):
        super().setUp()
        self.blue = self.guest(self.netd, "blue", name="web").address("10.10.0.5/24", "10.10.0.1")
        self.names.update(port=self.blue.ifname, keep=self.keep("blue"))

    def test_devices(self):
        self.table(DEVICES)
        wait_until(lambda: self.blue.ping("192.0.2.1", timeout=1), what="the guest to get out again")

    def test_addresses_routes_and_switches(self):
        self.table(ADDRESSES)

    def test_what_no_event_tells_of_is_put_back_when_asked_for(self):
        """netd looks by itself once a minute."""
        self.host.sysctl("net/ipv6/conf/vn-blue/accept_ra", 2)
        self.netd.call("Repair", network="blue")
        self.assertEqual(self.host.sysctl("net/ipv6/conf/vn-blue/accept_ra"), "0")

    def stopped(self):
        """Of the dnsmasqs those that do not run."""
        states = {}
        for pid in self.netd.dnsmasq_pids():
            with open("/proc/%d/stat" % pid, encoding="ascii") as f:
                states[pid] = f.read().rsplit(")", 1)[1].split()[0]
        return [pid for pid, state in states.items() if state == "T"]

    def test_dnsmasq(self):
        with self.subTest("killed"):
            pids = self.netd.dnsmasq_pids()
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: len(self.netd.dnsmasq_pids()) == len(pids) and
                       not set(self.netd.dnsmasq_pids()) & set(pids), what="other dnsmasqs")
            self.blue.dhcp()
        with self.subTest("stopped"):
            for pid in self.netd.dnsmasq_pids():
                os.kill(pid, signal.SIGSTOP)
            wait_until(lambda: self.stopped() == self.netd.dnsmasq_pids())
            wait_until(lambda: self.netd.call("Repair") and not self.stopped(),
                       what="the dnsmasqs to go on")
            self.blue.dhcp()
        with self.subTest("its files edited"):
            folder = os.path.join(self.netd.run_dir, "dnsmasq", "blue")
            before = {}
            for name in sorted(os.listdir(folder)):
                path = os.path.join(folder, name)
                if not os.path.isfile(path):
                    continue
                with open(path, encoding="utf-8") as f:
                    before[path] = f.read()
            wait_until(lambda: self.netd.dnsmasq_pids())
            for path in before:
                if not path.endswith("pid"):
                    with open(path, "w", encoding="utf-8") as f:
                        f.write("# mine\n")
            self.netd.call("Repair")
            for path, text in before.items():
                with open(path, encoding="utf-8") as f:
                    self.assertEqual(f.read(), text, path)
            self.blue.dhcp()
        self.assertEqual(self.flow.stop(), 0)

    def test_nic_unplugged_and_plugged_in_again(self):
        """It has another index then."""
        old = self.host.link("up0")["ifindex"]
        self.host.ip("link", "del", "up0")
        self.host.ip("link", "add", "filler", "type", "bridge")
        veth(self.host, "up0", self.outside, "eth0")
        self.host.ip("addr", "add", HOST4 + "/24", "dev", "up0")
        self.host.ip("route", "add", "default", "via", GATEWAY4)
        self.outside.ip("addr", "add", GATEWAY4 + "/24", "dev", "eth0")
        self.assertNotEqual(self.host.link("up0")["ifindex"], old)
        wait_until(lambda: self.blue.ping("192.0.2.1", timeout=1), what="the guest to get out")
        self.settled()
        self.assertEqual(self.flow.stop(), 0)


class Fight(DriftCase):
    yaml = """
networks:
  blue:
    mode: isolated
    addresses: [10.10.0.1/24]
"""

    def setUp(self):
        super().setUp()
        self.port = self.raw_port(self.netd, "blue", name="web")
        self.witness = self.raw_port(self.netd, "blue", name="witness")

    def fight(self, command):
        """A script that does it each 50 ms, as a daemon with other plans would."""
        return self.popen(self.host, "sh", "-c", "while :; do %s; sleep 0.05; done" % command,
                          stdout=-3, stderr=-3)

    def state(self, what, name):
        kind = {"port": "DescribePort", "network": "DescribeNetwork"}[what]
        return self.netd.call(kind, name=name)[what]

    def passes(self):
        self.witness.drain()
        self.port.send(ethernet(BROADCAST, self.port.mac, 0x88b5, b"hello"))
        return self.witness.receive_until(lambda f: b"hello" in f.payload, timeout=0.2)

    def test_an_address_that_somebody_takes_again_and_again(self):
        monitor = Monitor(self.netd)
        script = self.fight("ip addr flush dev vn-blue")
        held = monitor.wait("", "held", timeout=40)
        self.assertEqual(held["network"], "blue")
        # Addresses come with the netlink port of who asked: ip's process.
        self.assertGreater(held["details"]["by"]["pid"], 1)
        self.assertEqual(self.state("network", "blue")["problem"]["code"], "interference")
        # Nothing more is done to it, and what does not depend on it goes on.
        wait_until(lambda: not self.host.addresses("vn-blue"))
        self.assertTrue(self.passes())
        # Another network is repaired at once all the same.
        self.host.ip("link", "set", "vn-quiet", "mtu", "1400")
        monitor.wait("vn-quiet")
        script.kill()
        script.wait()
        self.assertEqual(self.host.addresses("vn-blue"), [])
        self.netd.vnetctl("repair", "blue")
        self.assertEqual(self.host.addresses("vn-blue"), ["10.10.0.1/24"])
        self.assertNotIn("problem", self.state("network", "blue"))
        monitor.wait("", "resumed")
        self.assertEqual(self.flow.stop(), 0)
        log = self.netd.log()
        self.assertEqual(log.count("netd leaves it so"), 1)

    def test_a_port_that_somebody_moves_again_and_again_is_cut_off(self):
        self.assertTrue(wait_until(self.passes))
        monitor = Monitor(self.netd)
        script = self.fight("ip link set %s address fe:00:00:00:00:99" % self.port.ifname)
        held = monitor.wait("", "held", timeout=40)
        self.assertEqual(held["port"], "web")
        port = self.state("port", "web")
        self.assertEqual((port["state"], port["problem"]["code"]), ("blocked", "interference"))
        self.assertNotIn("UP", self.host.link(self.port.ifname)["flags"])
        script.kill()
        script.wait()
        # Attaching others goes on; an update is a wish of the administrator's.
        other = self.raw_port(self.netd, "blue")
        other.send(arp_request(other.mac, "10.10.0.50", "10.10.0.1"))
        self.netd.call("UpdatePort", name="web", mtu=1400)
        wait_until(lambda: "UP" in self.host.link(self.port.ifname)["flags"])
        self.assertEqual(self.state("port", "web")["state"], "up")
        self.assertTrue(wait_until(self.passes))
        self.assertEqual(self.flow.stop(), 0)


class Rules(DriftCase):
    """Of the inet table, which is everybody's: from Linux 6.9 on the guard's are netd's alone."""

    yaml = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24]
"""

    def setUp(self):
        super().setUp()
        self.port = self.raw_port(self.netd, "blue", name="web", guard="strict",
                                  addresses=["10.10.0.5"])

    def test_rules(self):
        self.table((
            ("nft delete table inet vnet", "firewall"),
            ("nft flush chain inet vnet forward", "firewall"),
            ("nft add chain inet vnet more", "firewall"),
        ))

    def test_who_flushes_again_and_again_opens_no_port(self):
        monitor = Monitor(self.netd)
        script = self.popen(self.host, "sh", "-c", "while :; do nft delete table inet vnet; done",
                            stdout=-3, stderr=-3)
        held = monitor.wait("", "held", timeout=40)
        self.assertEqual(held["details"]["by"]["process"], "nft")
        self.assertGreater(held["details"]["by"]["pid"], 1)
        # Its guests are cut off, for nobody would judge what they send.
        wait_until(lambda: "UP" not in self.host.link(self.port.ifname)["flags"])
        problem = self.netd.call("DescribeNetwork", name="blue")["network"]["problem"]
        self.assertEqual(problem["code"], "interference")
        with self.assertRaises(VarlinkError):
            self.netd.call("AttachPort", network="blue")
        script.kill()
        script.wait()
        # Another network is the administrator's wish: it does not wait for the rules' time.
        self.netd.call("StopNetwork", name="quiet", force=True)
        self.assertIsNone(self.host.link("vn-quiet"))
        wait_until(lambda: "UP" in self.host.link(self.port.ifname)["flags"])
        self.assertIn(self.port.ifname, nft_guards(self.host))
        self.assertNotIn("problem", self.netd.call("DescribeNetwork", name="blue")["network"])
