# SPDX-License-Identifier: GPL-2.0-or-later
"""test_review_netd.py - what a hostile reader of netd's core tried"""

import fcntl
import os
import random
import re
import signal
import struct
import time

from vnetlab import HostCase, VarlinkError, nft_elements, nft_rules, veth, wait_until
from vnetlab.frames import arp_request
from vnetlab.guest import RawPort
from vnetlab.users import call_as, release_all

SIOCSIFHWADDR = 0x8924
ARPHRD_ETHER = 1
NETWORK = """
networks:
  blue:
    mode: isolated
    addresses: [10.10.0.1/24]
    ports: {isolated: true}
"""


class Ports(HostCase):
    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(NETWORK)

    def test_an_attach_reads_no_snapshot(self):
        """Neither in its own path nor by the events that it causes."""
        self.netd.stop()
        trace = os.path.join(self.folder, "strace")
        self.netd.start(prefix=("strace", "-o", trace, "-e", "trace=sendto,sendmsg"))

        def dumps():
            with open(trace, encoding="utf-8", errors="replace") as f:
                return len(re.findall(r"RTM_GETLINK[^]]*NLM_F_DUMP", f.read()))
        self.assertGreater(dumps(), 0, "strace sees what it is asked for")
        time.sleep(1.5)  # what it wrote below /proc is looked at once, for others write there too
        before = dumps()
        port = self.raw_port(self.netd, "blue", vhost="off")
        self.netd.call("UpdatePort", name=port.name, mtu=1400)
        time.sleep(0.5)
        after = dumps()
        os.kill(self.netd.pid(), signal.SIGTERM)  # strace itself would pass no signal on
        self.netd.process.wait(15)
        self.netd.process = None
        self.assertEqual(after, before)

    def test_many_attachments_do_not_delay_a_repair(self):
        for _ in range(12):
            self.raw_port(self.netd, "blue", vhost="off")
            time.sleep(0.05)
        port = self.raw_port(self.netd, "blue", vhost="off")
        before = nft_rules(self.host)
        self.host.run("nft", "flush", "ruleset")
        wait_until(lambda: nft_rules(self.host) == before, timeout=2, what="the rules to come back")
        self.assertIn(port.ifname, str(nft_elements(self.host, "bridge", "macs")))

    def test_the_holder_of_a_tap_cannot_change_its_mac_for_long(self):
        port = self.raw_port(self.netd, "blue", mac="52:54:00:00:00:01", vhost="off")
        before = self.host.link(port.ifname)["address"]
        self.assertEqual(before, "fe:54:00:00:00:01")
        victim = bytes.fromhex("525400000002")
        with self.host:
            fcntl.ioctl(port.fd, SIOCSIFHWADDR,
                        struct.pack("16sH14s", port.ifname.encode(), ARPHRD_ETHER, victim))
        wait_until(lambda: self.host.link(port.ifname)["address"] == before, timeout=3,
                   what="the host's MAC of the port to be put back")

    def test_a_guest_that_starts_again_at_once(self):
        """With its name and MAC, before netd has heard that the former device is gone."""
        for _ in range(30):
            port = self.raw_port(self.netd, "blue", name="web", mac="52:54:00:00:00:01", vhost="off")
            port.close()
        for _ in range(30):
            port = self.raw_port(self.netd, "blue", mac="52:54:00:00:00:01", vhost="off")
            port.close()

    def test_a_default_is_still_told_after_a_restart(self):
        port = self.raw_port(self.netd, "blue", vhost="off")
        before = self.netd.call("DescribePort", name=port.name)["port"]
        self.assertTrue(before["isolated"])
        self.netd.stop()
        self.netd.start()
        self.assertEqual(self.netd.call("DescribePort", name=port.name)["port"], before)

    def test_state_of_another_time_names_no_device_of_today(self):
        """A state file whose number is another device's now: that one is left alone."""
        port = self.raw_port(self.netd, "blue", name="web", vhost="off")
        self.netd.stop()
        port.close()
        self.host.ip("link", "add", "other0", "type", "bridge")
        index = self.host.link("other0")["ifindex"]
        path = os.path.join(self.netd.run_dir, "ports")
        with open(path, encoding="ascii") as f:
            text = f.read()
        with open(path, "w", encoding="ascii") as f:
            f.write(re.sub(r'"ifindex":\d+', '"ifindex":%d' % index, text))
        self.netd.start()
        self.assertEqual(self.netd.call("ListPorts")["ports"], [])
        self.assertTrue(self.host.link("other0"))

    def test_names_taken_by_others_make_no_attach_fail(self):
        port = self.raw_port(self.netd, "blue", vhost="off")
        number = int(port.ifname[2:])
        self.raw_port(self.netd, "blue", ifname="vp%d" % (number + 1), vhost="off")
        self.raw_port(self.netd, "blue", name="vp%d" % (number + 2), vhost="off",
                      ifname="vp%d" % (number + 20))
        self.raw_port(self.netd, "blue", vhost="off")


class Rights(HostCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(release_all)
        self.netd = self.netd_with("""
networks:
  blue: {mode: isolated, addresses: [10.10.0.1/24]}
  green: {mode: isolated, addresses: [10.20.0.1/24]}
""", {"access.yaml": "rules: [{allow: [blue], users: [2001], persistent: true}]"})

    def test_a_conflict_does_not_tell_of_networks_one_may_not_see(self):
        self.netd.call("AttachPort", network="green", name="web", persistent=True, vhost="off")
        _, name, message, _ = call_as(2001, self.netd.socket, "AttachPort", network="blue",
                                      name="web", vhost="off")
        self.assertEqual(name, "AlreadyExists")
        self.assertNotIn("green", message)

    def test_a_right_that_was_withdrawn_opens_no_port_again(self):
        call = dict(network="blue", name="web", persistent=True, vhost="off")
        self.assertIsNone(call_as(2001, self.netd.socket, "AttachPort", **call)[1])
        self.assertIsNone(call_as(2001, self.netd.socket, "AttachPort", **call)[1])
        self.netd.write_config("access.yaml", "rules: []\n")
        os.kill(self.netd.pid(), signal.SIGHUP)
        wait_until(lambda: "reading" in self.netd.log(), what="the reload")
        self.assertEqual(call_as(2001, self.netd.socket, "AttachPort", **call)[1],
                         "PermissionDenied")

    def test_one_user_does_not_take_all_subscriptions(self):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.setgroups([])
                os.setgid(2001)
                os.setuid(2001)
                refused = 0
                for client in [self.netd.client() for _ in range(40)]:
                    client.send("Monitor", more=True)
                    try:
                        client.receive()
                    except VarlinkError as e:
                        refused += e.name == "LimitExceeded"
                status = 0 if refused == 8 else 1
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)


BLUE = "networks: {blue: {mode: isolated, addresses: [%s]}}\n"


class Definitions(HostCase):
    def reload(self, netd):
        before = netd.log().count("reading")
        os.kill(netd.pid(), signal.SIGHUP)
        wait_until(lambda: netd.log().count("reading") > before, what="the reload")
        netd.call("GetInfo")

    def network(self, netd, name="blue"):
        return netd.call("DescribeNetwork", name=name)["network"]

    def test_refused_at_start_then_corrected(self):
        """By a reload or by a restart: the error of the first start has no after-effect."""
        for how in ("reload", "restart"):
            with self.subTest(how):
                netd = self.start_netd(self.host, {"networks.d/lab.yaml": BLUE % "192.0.2.100/24"})
                self.assertEqual(self.network(netd)["state"], "failed")
                netd.write_config("networks.d/lab.yaml", BLUE % "10.10.0.1/24")
                if how == "reload":
                    self.reload(netd)
                else:
                    netd.stop()
                    netd.start()
                self.assertEqual(self.network(netd)["state"], "running")
                netd.call("StopNetwork", name="blue")
                netd.stop()

    def test_an_uplink_that_comes_late(self):
        netd = self.netd_with("networks: {lan: {mode: bridged, uplink: late0}}")
        self.assertEqual(self.network(netd, "lan")["state"], "failed")
        netd.stop()
        netd.start()  # a restart does not take the failure for the wish to be stopped
        veth(self.host, "late0", self.namespace("wire"), "eth0")
        wait_until(lambda: self.network(netd, "lan")["state"] == "running", timeout=10)

    def test_what_is_refused_cannot_be_started_by_hand(self):
        netd = self.start_netd(self.host, {
            "networks.d/a.yaml": BLUE % "10.10.0.1/24",
            "networks.d/b.yaml": (BLUE % "10.10.0.129/25").replace("blue", "copy")})
        self.assertEqual(self.network(netd, "copy")["state"], "failed")
        with self.assertRaises(VarlinkError):
            netd.call("StartNetwork", name="copy")
        self.assertIsNone(self.host.link("vn-copy"))

    def test_applying_a_file_of_networks_d_leaves_it_the_files(self):
        netd = self.netd_with(BLUE % "10.10.0.1/24")
        path = netd.write_config("networks.d/lab.yaml", BLUE % "10.11.0.1/24")
        with open(path, encoding="ascii") as f:
            text = f.read()
        reply = netd.call("Apply", yaml=text, file=path)
        self.assertEqual(reply["notes"], [])
        self.assertIn("lab.yaml", self.network(netd)["source"])
        self.assertEqual(self.network(netd)["addresses"], ["10.11.0.1/24"])
        os.unlink(path)
        self.reload(netd)
        with self.assertRaises(VarlinkError):
            self.network(netd)

    def test_applying_beside_the_file_says_so(self):
        netd = self.netd_with(BLUE % "10.10.0.1/24")
        path = os.path.join(netd.config_dir, "networks.d", "lab.yaml")
        other = BLUE % "10.12.0.1/24"
        for file, words in ((path, "has changed"), ("/elsewhere.yaml", "is defined in")):
            plan = netd.call("Plan", yaml=other, file=file)
            self.assertTrue([n for n in plan["notes"] if words in n], plan["notes"])
        reply = netd.call("Apply", yaml=other, file="/elsewhere.yaml")
        self.assertTrue([n for n in reply["notes"] if path in n], reply["notes"])
        self.assertEqual(self.network(netd)["addresses"], ["10.12.0.1/24"])
        self.reload(netd)
        self.assertEqual(self.network(netd)["addresses"], ["10.10.0.1/24"])
        # The file had the last word: what was applied does not come back when the file goes.
        os.unlink(path)
        netd.stop()
        netd.start()
        self.assertEqual(netd.call("ListNetworks")["networks"], [])

    def test_an_unreadable_folder_takes_no_network_away(self):
        netd = self.netd_with(BLUE % "10.10.0.1/24")
        folder = os.path.join(netd.config_dir, "networks.d")
        os.rename(folder, folder + ".away")
        with open(folder, "w", encoding="ascii") as f:
            f.write("not a folder\n")
        self.reload(netd)
        self.assertEqual(self.network(netd)["state"], "running")
        netd.stop()
        netd.start()
        self.assertEqual(self.network(netd)["state"], "running")

    def test_the_plan_of_a_stopped_network_is_empty(self):
        netd = self.netd_with(BLUE % "10.10.0.1/24")
        netd.call("StopNetwork", name="blue")
        self.assertEqual(netd.call("Plan", yaml=BLUE % "10.14.0.1/24")["operations"], [])
        self.assertEqual(netd.call("Apply", yaml=BLUE % "10.14.0.1/24")["operations"], [])
        off = "networks: {off: {mode: isolated, autostart: false, addresses: [10.15.0.1/24]}}"
        self.assertEqual(netd.call("Plan", yaml=off)["operations"], [])


CHURN_SECONDS = 8


class Churn(HostCase):
    """All at once, in an order that a seed gives; meant to run with sanitizers, too."""

    def attach(self):
        options = {"vhost": "off", "queues": self.dice.choice([1, 1, 3])}
        if self.dice.random() < .5:
            options["learnMac"] = True
        else:
            options["mac"] = "52:54:00:00:00:%02x" % self.dice.randrange(20)
        if self.dice.random() < .3:
            options["name"] = "n%d" % self.dice.randrange(10)
        elif self.dice.random() < .2:
            options.update(name="p%d" % self.dice.randrange(5), persistent=True)
        self.ports.append(RawPort(self.netd, self.dice.choice(["blue", "green"]), **options))

    def speak(self, port):
        port.send(arp_request("52:54:00:00:00:%02x" % self.dice.randrange(20), "10.10.0.9",
                              "10.10.0.1"))

    def close_port(self):
        port = self.ports.pop(self.dice.randrange(len(self.ports)))
        try:
            if self.dice.random() < .3:
                self.speak(port)  # learned from a port that is gone
        finally:
            port.close()

    def restart_network(self):
        self.netd.call("StopNetwork", name="green", force=True)
        self.netd.call("StartNetwork", name="green")

    def restart_netd(self):
        self.netd.kill()
        self.netd.start()

    def test_ports_come_and_go(self):
        self.netd = self.netd_with("""
networks:
  blue: {mode: nat, dhcp: true, addresses: [10.10.0.1/24], ports: {isolated: true}}
  green: {mode: isolated, addresses: [10.20.0.1/24]}
""")
        self.dice, self.ports = random.Random(11), []
        self.netd.client().send("Monitor", more=True)  # and never reads
        descriptors = self.netd.fd_count()

        def some():
            return self.dice.choice(self.ports)
        actions = [
            (40, self.attach), (20, self.close_port), (10, lambda: self.speak(some())),
            (5, lambda: self.netd.call("UpdatePort", name=some().name,
                                       mtu=self.dice.randrange(1280, 1500))),
            (4, lambda: self.netd.call("DetachPort", name=some().name)),
            (2, lambda: self.host.ip("link", "del", some().ifname, check=False)),
            (1, lambda: self.host.run("nft", "flush", "ruleset")), (1, self.restart_network),
            (1, lambda: self.netd.call("ListFdb")), (.5, self.restart_netd)]
        end = time.monotonic() + CHURN_SECONDS
        while time.monotonic() < end:
            if not self.ports:
                self.attach()
            while len(self.ports) > 25:
                self.ports.pop().close()
            action = self.dice.choices([a for _, a in actions], [w for w, _ in actions])[0]
            try:
                action()
            except (VarlinkError, OSError):
                pass  # refused, or gone under our hands
        for port in self.ports:
            port.close()
        wait_until(lambda: all(p["persistent"] for p in self.netd.call("ListPorts")["ports"]))
        for port in self.netd.call("ListPorts")["ports"]:
            self.netd.call("DetachPort", name=port["name"])
        wait_until(lambda: not [x for x in self.host.links() if x.startswith("vp")],
                   what="the devices to go")
        for name in ("macs", "guards", "members"):
            wait_until(lambda n=name: nft_elements(self.host, "bridge", n) == [],
                       what="elements of %s to go" % name)
        self.assertLess(self.netd.fd_count(), descriptors + 4)

    def test_a_port_taken_off_is_no_stranger(self):
        netd = self.netd_with("networks: {blue: {mode: isolated, addresses: [10.10.0.1/24]}}")
        for _ in range(10):
            port = self.raw_port(netd, "blue", vhost="off")
            netd.call("DetachPort", name=port.name)
        time.sleep(0.3)
        self.assertNotIn("without being one of its ports", netd.log())

    def test_stopped_and_deleted_while_its_nic_is_taken(self):
        netd = self.netd_with("networks: {}")
        wire = self.namespace("wire")
        veth(self.host, "nic0", wire, "eth0")
        wire.ip("addr", "add", "198.51.100.1/24", "dev", "eth0")
        self.host.ip("addr", "add", "198.51.100.2/24", "dev", "nic0")
        self.host.ip("route", "add", "default", "via", "198.51.100.1", "dev", "nic0", "metric", "5")
        for n in range(12):
            client = netd.client()
            client.send("Apply", {"yaml": "networks: {lan: {mode: bridged, uplink: nic0}}"})
            time.sleep([0, .05, .3, 1][n % 4])
            if n % 3 == 0:
                client.close()
            netd.client().send("StartNetwork", {"name": "lan"})
            try:
                netd.call(["DeleteNetwork", "StopNetwork"][n % 2], name="lan", force=True)
            except VarlinkError as e:
                self.assertEqual(e.name, "NotFound")
            if n % 5 == 4:
                netd.stop()
                netd.start()
        self.assertIn("198.51.100.2/24", str(self.host.addresses("nic0")))
