# SPDX-License-Identifier: GPL-2.0-or-later
"""test_openrc.py - netd as it is installed, started by OpenRC's own programs (run-openrc)"""

import glob
import os

from vnetlab import SkipFeature, build_path, wait_until
from vnetlab.machine import GREEN, NET_ADMIN, MachineCase


class OpenRc(MachineCase):
    def setUp(self):
        packages = os.path.abspath(build_path("openrc"))
        if not glob.glob(packages + "/openrc_*.deb"):
            raise SkipFeature("OpenRC's packages could not be fetched (apt-get download openrc)")
        self.machine = self.machine_of("python3", "run-openrc", packages)

    def service(self, verb):
        return self.machine.run("rc-service", "netd", verb, timeout=90)

    def netd_pid(self):
        """Not its supervisor's or its broker's, which have other names."""
        words = self.machine.run("pgrep", "-x", "netd", check=False).split()
        return int(words[0]) if words else None

    def test_from_start_to_stop(self):
        m = self.machine
        self.service("start")
        self.assertEqual(m.networks(), {"blue": "running"})
        pid = self.netd_pid()
        self.assertEqual(m.status(pid)["Uid"].split()[0], m.run("id", "-u", "vnet").strip())
        self.assertEqual(int(m.status(pid)["CapEff"], 16), NET_ADMIN)
        dnsmasq = wait_until(m.dnsmasq_pid, what="dnsmasq")

        m.write("/etc/vnet/networks.d/green.yaml", GREEN)
        self.service("reload")
        wait_until(lambda: m.networks() == {"blue": "running", "green": "running"}, what="green")
        self.assertEqual(self.netd_pid(), pid)

        def crash():
            m.run("kill", "-KILL", pid)
            wait_until(lambda: self.netd_pid() not in (None, pid), 30, 0.1, what="another netd")
            # The former one's socket is there until this one listens.
            wait_until(lambda: "running" in m.run("vnetctl", "network", "list", check=False), what="its answer")
        self.flowing(crash)

        self.flowing(lambda: self.service("stop"))
        self.assertIsNone(self.netd_pid())
        self.assertEqual(m.dnsmasq_pid(), dnsmasq)
        self.assertEqual(m.status(dnsmasq)["Name"], "dnsmasq")
        self.service("start")
        self.assertEqual(m.networks(), {"blue": "running", "green": "running"})
