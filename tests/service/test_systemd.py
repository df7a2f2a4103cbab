# SPDX-License-Identifier: GPL-2.0-or-later
"""test_systemd.py - netd as it is installed, under a real systemd (boot-systemd)"""

import json
import os
import re
import time

from vnetlab import SkipFeature, wait_until
from vnetlab.machine import BROKER, DNSMASQ, GREEN, NET_ADMIN, MachineCase


class Systemd(MachineCase):
    def setUp(self):
        if not os.path.exists("/lib/systemd/systemd"):
            raise SkipFeature("systemd is not installed")
        self.machine = self.machine_of("systemd", "boot-systemd")
        wait_until(lambda: self.machine.run("systemctl", "is-active", "multi-user.target", check=False).strip()
                   == "active", 60, 0.1, what="the end of the boot")

    def show(self, unit, *names):
        text = self.machine.run("systemctl", "show", unit, *("--property=" + name for name in names))
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def main_pid(self, unit="netd.service"):
        """As the machine numbers it."""
        return int(self.show(unit, "MainPID")["MainPID"])

    def wait_ready(self, former=None):
        def is_ready():
            found = self.show("netd.service", "ActiveState", "MainPID")
            return found["ActiveState"] == "active" and int(found["MainPID"]) != former and int(found["MainPID"])
        return wait_until(is_ready, 60, 0.05, what="netd to be active")

    def test_10_autostart(self):
        self.wait_ready()
        self.assertEqual(self.machine.networks(), {"blue": "running"})
        self.assertIn("10.10.0.1/24", self.machine.run("ip", "-4", "addr", "show", "vn-blue"))
        for unit in ("netd.socket", "netd-broker.socket", "netd-broker.service"):
            self.assertEqual(self.show(unit, "ActiveState")["ActiveState"], "active", unit)

    def test_11_confinement(self):
        m = self.machine
        wait_until(m.dnsmasq_pid, what="dnsmasq")
        for pid, user, caps in ((self.wait_ready(), "vnet", NET_ADMIN),
                                (self.main_pid("netd-broker.service"), "vnet", BROKER),
                                (m.dnsmasq_pid(), "vnet-dnsmasq", DNSMASQ)):
            found = m.status(pid)
            uid = m.run("id", "-u", user).strip()
            self.assertNotEqual(uid, "0")
            self.assertEqual(found["Uid"].split(), [uid] * 4)
            self.assertEqual([int(found[name], 16) for name in ("CapEff", "CapPrm")], [caps, caps], user)
            self.assertEqual((found["NoNewPrivs"], found["Seccomp"]), ("1", "2"), user)
            self.assertGreater(int(found["Seccomp_filters"]), 1, "the unit's and its own")
        self.assertEqual(int(m.status(self.main_pid())["CapBnd"], 16), NET_ADMIN)
        # Their view: netd's of /proc/sys is read-only but for net, dnsmasq's of /etc altogether.
        mounts = m.run("cat", "/proc/%d/mountinfo" % self.main_pid())
        self.assertRegex(mounts, r" /proc/sys/net rw\b")
        self.assertRegex(mounts, r" /proc/sys ro\b")
        self.assertRegex(m.run("cat", "/proc/%d/mountinfo" % m.dnsmasq_pid()), r" / / ro\b")

    def test_12_exposure(self):
        m = self.machine
        for unit, limit in (("netd.service", 1.5), ("netd-broker.service", 4.0)):
            text = m.run("systemd-analyze", "security", "--offline=yes", "/lib/systemd/system/" + unit)
            exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", text).group(1))
            self.assertLessEqual(exposure, limit, text)
        text = m.run("systemd-analyze", "verify", *("/lib/systemd/system/netd" + name for name in (
            ".service", ".socket", "-broker.service", "-broker.socket")))
        self.assertNotRegex(text, r"netd[-.]\S*:\d*:")

    def test_20_reload(self):
        m = self.machine
        pid = self.main_pid()
        m.write("/etc/vnet/networks.d/green.yaml", GREEN)
        m.run("systemctl", "reload", "netd.service")
        wait_until(lambda: m.networks() == {"blue": "running", "green": "running"}, what="green")
        self.assertEqual(self.main_pid(), pid)
        self.assertEqual(self.show("netd.service", "ActiveState")["ActiveState"], "active")

    def test_21_a_guest_in_a_namespace(self):
        self.flowing(lambda: self.machine.run("vnetctl", "port", "update", "web", "--mtu", "1400"))

    def test_22_macvtap(self):
        """By the broker's nodes and the unit's list of devices."""
        m = self.machine
        m.run("sh", "-c", "ip link add nic0 type veth peer nic1 && ip link set nic0 up && ip link set nic1 up")
        m.write("/etc/vnet/networks.d/wire.yaml", "networks: {wire: {mode: macvtap, uplink: nic0}}\n")
        m.run("systemctl", "reload", "netd.service")
        wait_until(lambda: m.networks().get("wire") == "running", what="wire")
        text = m.run("vnetctl", "run", "wire", "--", "sh", "-c", "ip -d link show type macvtap")
        self.assertIn("vp", text)

    def test_30_crash(self):
        m = self.machine
        pid, dnsmasq = self.main_pid(), m.dnsmasq_pid()

        def crash():
            m.run("kill", "-KILL", pid)
            self.wait_ready(pid)
        self.flowing(crash)
        self.assertEqual(m.dnsmasq_pid(), dnsmasq)
        self.assertEqual(len(json.loads(m.run("vnetctl", "port", "list", "-o", "json"))), 1)

    def test_31_broker_crash(self):
        m = self.machine
        pid, broker = self.main_pid(), self.main_pid("netd-broker.service")

        def crash():
            m.run("kill", "-KILL", broker)
            self.wait_ready(pid)
        self.flowing(crash)
        self.assertNotEqual(self.main_pid("netd-broker.service"), broker)

    def test_32_watchdog(self):
        """A netd that hangs is ended and started again."""
        m = self.machine
        m.run("sh", "-c", "mkdir -p /run/systemd/system/netd.service.d && "
              "printf '[Service]\\nWatchdogSec=2\\n' >/run/systemd/system/netd.service.d/t.conf")
        m.run("systemctl", "daemon-reload")
        former = self.main_pid()
        m.run("systemctl", "restart", "netd.service")
        pid = self.wait_ready(former)

        def hang():
            m.run("kill", "-STOP", pid)
            self.wait_ready(pid)
        self.flowing(hang)
        self.assertIn("watchdog", m.run("journalctl", "--no-pager", "-u", "netd.service").lower())
        # It feeds the watchdog by itself, else it would not stay.
        pid = self.main_pid()
        time.sleep(5)  # two and a half of the watchdog's patience
        self.assertEqual(self.main_pid(), pid)

    def test_40_stop(self):
        """Guests go on, and so does what serves them."""
        m = self.machine
        dnsmasq = m.dnsmasq_pid()

        def stop():
            m.run("systemctl", "stop", "netd.socket", "netd.service")
            self.assertEqual(self.show("netd.service", "ActiveState", "Result"),
                             {"ActiveState": "inactive", "Result": "success"})
        self.flowing(stop)
        self.assertEqual(m.dnsmasq_pid(), dnsmasq)
        self.assertEqual(m.status(dnsmasq)["Name"], "dnsmasq")
        wait_until(lambda: self.show("netd-broker.service", "ActiveState")["ActiveState"] == "inactive",
                   what="the broker to end with netd's connection")

    def test_41_socket_activation(self):
        """Who calls before netd runs starts it, and gets the answer."""
        m = self.machine
        m.run("systemctl", "start", "netd.socket")
        self.assertEqual(self.show("netd.service", "ActiveState")["ActiveState"], "inactive")
        self.assertEqual(m.networks().get("blue"), "running")
        self.flowing(lambda: self.assertTrue(self.wait_ready()))
        self.assertEqual(self.show("netd.service", "NRestarts")["NRestarts"], "0")
