# SPDX-License-Identifier: GPL-2.0-or-later
"""test_restart.py - netd restarts, crashes and is interfered with; guests do not notice"""

import os
import re
import shutil
import signal
import subprocess
import time

from vnetlab import (HOST4, HostCase, Pinger, Traced, VarlinkError, Witness, nft_elements, nft_guards,
                     nft_json, tcp_ask, veth, wait_until)

NETWORK = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24, "fd10::1/64"]
    nat: {ipv6: true}
    dhcp: true
    forwards:
      - tcp 8080 -> 10.10.0.5:80
  green:
    mode: isolated
    addresses: [10.20.0.1/24]
"""
# Every kind of element that a guard can have.
STRICT = NETWORK + """  red:
    mode: isolated
    addresses: [10.30.0.1/24, "fd30::1/64"]
    ports:
      guard:
        policy: strict
        allow: [router, llc]
        addresses: [10.31.0.0/16, 10.30.0.99, "fd31::/64"]
        macs: [00:00:5e:00:01:33]
        ethertypes: [lldp, 0x88b5]
        storm: {broadcast: 100, multicast: 500}
"""


class RestartCase(HostCase):
    def guest_on(self, netd, number=5, network="blue", subnet="10.10.0"):
        guest = self.guest(netd, network)
        guest.address("%s.%d/24" % (subnet, number), subnet + ".1")
        return guest


class Restart(RestartCase):
    def test_loses_no_packet(self):
        netd = self.netd_with(NETWORK)
        one, two = self.guest_on(netd), self.guest_on(netd, 6)
        self.tcp_server(one.ns, 80, "guest")
        to_outside = Pinger(one.ns, "192.0.2.1", 400)
        to_guest = Pinger(one.ns, "10.10.0.6", 400)
        for _ in range(3):
            netd.stop()
            self.assertEqual(tcp_ask(self.outside, HOST4, 8080).name, "guest")
            netd.start()
        self.assertEqual((to_outside.lost(), to_guest.lost()), (0, 0))
        ports = {p["name"]: p for p in netd.call("ListPorts")["ports"]}
        self.assertEqual(set(ports), {one.name, two.name})
        self.assertEqual(ports[one.name]["mac"], one.mac)
        one.kill()
        wait_until(lambda: len(netd.call("ListPorts")["ports"]) == 1)

    def test_writes_nothing(self):
        """
        Witnesses: ip monitor and nft monitor are silent, strace sees no request that writes;
        but where tables have owners (Linux 6.9), the new netd says that they are its own now.
        """
        netd = self.netd_with(STRICT)
        guest = self.guest_on(netd)
        self.guest(netd, "red", addresses=["10.30.0.5", "fd30::5"])
        self.guest(netd, "red", guard={"policy": "strict", "addresses": ["10.32.0.0/24"]})
        owned = "owner" in self.host.run("nft", "list", "table", "bridge", "vnet").stdout
        keep = netd.call("AttachPort", network="green", name="keep", persistent=True)
        for fd in keep.fds:
            os.close(fd)
        netd.stop()
        before = Witness(self.host)
        wait_until(lambda: self.host.link("vn-green")["operstate"] == "DOWN",
                   what="the kernel to notice that nobody holds the persistent port")
        ip_log, nft_log = (os.path.join(self.folder, n) for n in ("ip.log", "nft.log"))
        with open(ip_log, "w", encoding="ascii") as i, open(nft_log, "w", encoding="ascii") as n:
            ip_monitor = self.popen(self.host, "ip", "monitor", "link", "address", "route", stdout=i)
            nft_monitor = self.popen(self.host, "nft", "monitor", stdout=n)
        time.sleep(0.3)
        traced = Traced(netd)
        netd.call("ListPorts")
        time.sleep(0.5)
        ip_monitor.terminate()
        nft_monitor.terminate()
        writes = traced.end()
        self.assertEqual(before.diff(Witness(self.host)), "")
        with open(ip_log, encoding="ascii") as f:
            text = f.read()
        self.assertNotIn("vn-", text)
        self.assertNotIn(guest.ifname, text)
        with open(nft_log, encoding="ascii") as f:
            changes = [line for line in f if not line.startswith("# new generation")]
        self.assertEqual(changes, ["add table bridge vnet\n"] * owned)
        self.assertEqual(len(writes), owned, writes)

    def test_configuration_changed_while_it_was_down(self):
        netd = self.netd_with(NETWORK)
        guest = self.guest_on(netd)
        pinger = Pinger(guest.ns, "192.0.2.1", 200)
        netd.stop()
        netd.write_config("networks.d/lab.yaml", NETWORK.replace("8080", "8081"))
        netd.start()
        self.tcp_server(guest.ns, 80, "guest")
        self.assertEqual(tcp_ask(self.outside, HOST4, 8081).name, "guest")
        self.assertIsNone(tcp_ask(self.outside, HOST4, 8080, timeout=0.5))
        self.assertEqual(pinger.lost(), 0)

    def test_a_file_that_went_wrong_keeps_its_networks_running(self):
        netd = self.netd_with(NETWORK)
        guest = self.guest_on(netd)
        netd.stop()
        netd.write_config("networks.d/lab.yaml", NETWORK.replace("mode: nat", "mode: nut"))
        netd.start()
        self.assertTrue(guest.ping("192.0.2.1"))
        self.assertIn("lab.yaml", netd.log())
        self.assertIn("nut", netd.log())

    def test_reload(self):
        netd = self.netd_with(NETWORK)
        guest = self.guest_on(netd)
        self.tcp_server(guest.ns, 80, "guest")
        netd.write_config("networks.d/lab.yaml", NETWORK.replace("8080", "8082"))
        os.kill(netd.pid(), signal.SIGHUP)
        self.assertTrue(wait_until(lambda: tcp_ask(self.outside, HOST4, 8082, timeout=0.5)))

    def test_port_that_ended_while_netd_was_down(self):
        netd = self.netd_with(NETWORK)
        guest, other = self.guest_on(netd), self.guest_on(netd, 6)
        netd.stop()
        guest.kill()
        netd.start()
        self.assertEqual([p["name"] for p in netd.call("ListPorts")["ports"]], [other.name])
        self.assertEqual(list(nft_guards(self.host)), [other.ifname])

    def test_networks_from_the_api_come_back(self):
        netd = self.start_netd(self.host)
        netd.call("Apply", yaml=NETWORK)
        netd.call("StopNetwork", name="green")
        netd.stop()
        netd.start()
        states = {n["name"]: n["state"] for n in netd.call("ListNetworks")["networks"]}
        self.assertEqual(states, {"blue": "running", "green": "stopped"})


class Crash(RestartCase):
    def test_kill_9_at_rest(self):
        netd = self.netd_with(NETWORK)
        guest = self.guest_on(netd)
        pids = netd.dnsmasq_pids()
        pinger = Pinger(guest.ns, "192.0.2.1", 300)
        before = Witness(self.host)
        netd.kill()
        netd.start()
        self.assertEqual(pinger.lost(), 0)
        self.assertEqual(before.diff(Witness(self.host)), "")
        # The DHCP server was taken over, not doubled and not restarted.
        self.assertEqual(netd.dnsmasq_pids(), pids)

    def test_kill_9_in_the_middle_of_apply(self):
        """Whatever was half done, the next start makes whole."""
        netd = self.netd_with("networks: {}\n")
        yaml = "networks:\n" + "".join(
            "  n%d: {mode: nat, addresses: [10.%d.0.1/24], dhcp: true}\n" % (i, i + 1)
            for i in range(20))
        for delay in (0.001, 0.005, 0.02, 0.05, 0.1, 0.2):
            with self.subTest(delay):
                client = netd.client()
                client.send("Apply", {"yaml": yaml})
                time.sleep(delay)
                netd.kill()
                netd.start()
                netd.call("Apply", yaml=yaml)
                states = [n["state"] for n in netd.call("ListNetworks")["networks"]]
                self.assertEqual(states, ["running"] * 20)
                self.assertEqual(netd.call("Plan")["operations"], [])
                wait_until(lambda: len(netd.dnsmasq_pids()) == 20, what="20 dnsmasq")
                for i in range(20):
                    netd.call("DeleteNetwork", name="n%d" % i)
                self.assertEqual(self.left_of_ours(), [])

    def left_of_ours(self):
        return [n for n in self.host.links() if n.startswith("vn-")]

    def test_kill_9_in_the_middle_of_attaching(self):
        netd = self.netd_with(NETWORK)
        for delay in (0, 0.0003, 0.0006, 0.001, 0.002, 0.004):
            client = netd.client()
            client.send("AttachPort", {"network": "blue"})
            time.sleep(delay)
            netd.kill()
            client.close()
            netd.start()
            # Nobody holds the descriptor: neither device nor rule is left.
            wait_until(lambda: not netd.call("ListPorts")["ports"])
            taps = [n for n, x in self.host.links().items()
                    if x.get("linkinfo", {}).get("info_kind") == "tun"]
            self.assertEqual(taps, [])
            for name in ("macs", "guards", "members"):
                self.assertEqual(nft_elements(self.host, "bridge", name), [], name)

    def test_lost_runtime_directory(self):
        """/run emptied by hand, as at a reboot: the networks come back, and take new guests."""
        netd = self.netd_with(NETWORK)
        old = self.guest_on(netd)
        netd.kill()
        for pid in netd.dnsmasq_pids():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(netd.run_dir)
        os.mkdir(netd.run_dir)
        os.chmod(netd.run_dir, 0o755)
        netd.start()
        states = {n["name"]: n["state"] for n in netd.call("ListNetworks")["networks"]}
        self.assertEqual(states, {"blue": "running", "green": "running"})
        wait_until(lambda: len(netd.dnsmasq_pids()) == 2, what="two dnsmasq")
        new = self.guest_on(netd, 6)
        self.assertTrue(new.ping("192.0.2.1"))
        # Nobody knows any more what the old guest may: it fails closed.
        self.assertFalse(old.ping("192.0.2.1", timeout=1))


class Repair(RestartCase):
    def rules_text(self):
        return self.host.run("nft", "-s", "list", "ruleset").stdout

    def test_nft_flush_ruleset(self):
        netd = self.netd_with(NETWORK)
        guest = self.guest_on(netd)
        before = self.rules_text()
        client = netd.client()
        client.send("Monitor", more=True)
        client.receive()
        self.host.run("nft", "flush", "ruleset")
        wait_until(lambda: self.rules_text() == before, what="the rules to come back")
        self.assertTrue(guest.ping("192.0.2.1"))
        events = []
        wait_until(lambda: events.extend(client.receive(timeout=5)["events"]) or
                   any(e["event"] in ("repaired", "interference") for e in events))

    def test_one_element_taken_away(self):
        netd = self.netd_with(NETWORK)
        guest = self.guest_on(netd)
        before = self.rules_text()
        deletion = self.host.run("nft", "delete", "element", "bridge", "vnet", "members",
                                 "{ %s }" % guest.ifname, check=False)
        if deletion.returncode:  # Linux 6.9: the table is netd's alone
            self.assertIn("Operation not permitted", deletion.stdout)
        wait_until(lambda: self.rules_text() == before, what="the element to come back")
        self.assertTrue(guest.ping("10.10.0.1"))

    def test_bridge_deleted_by_hand(self):
        netd = self.netd_with(NETWORK)
        guest = self.guest_on(netd)
        self.assertTrue(guest.ping("10.10.0.1"))
        self.host.ip("link", "del", "vn-blue")
        wait_until(lambda: (self.host.link(guest.ifname) or {}).get("master") == "vn-blue",
                   what="the port to be back on its bridge")
        wait_until(lambda: guest.ping("192.0.2.1", timeout=1), what="traffic to flow again")
        self.assertEqual(netd.call("Plan")["operations"], [])

    def test_address_and_state_changed_by_hand(self):
        netd = self.netd_with(NETWORK)
        guest = self.guest_on(netd)
        self.host.ip("addr", "del", "10.10.0.1/24", "dev", "vn-blue")
        wait_until(lambda: "10.10.0.1/24" in self.host.addresses("vn-blue"))
        self.host.ip("link", "set", "vn-blue", "down")
        wait_until(lambda: "UP" in self.host.link("vn-blue")["flags"])
        self.host.ip("link", "set", guest.ifname, "nomaster")
        wait_until(lambda: self.host.link(guest.ifname).get("master") == "vn-blue")
        wait_until(lambda: guest.ping("192.0.2.1", timeout=1))

    def test_persistent_device_deleted_by_hand(self):
        netd = self.netd_with(NETWORK)
        reply = netd.call("AttachPort", network="blue", name="keep", persistent=True)
        for fd in reply.fds:
            os.close(fd)
        self.host.ip("link", "del", reply["port"]["ifname"])
        wait_until(lambda: (self.host.link(reply["port"]["ifname"]) or {}).get("master") == "vn-blue")
        self.assertEqual(netd.call("Plan")["operations"], [])

    def test_dry_run_names_what_is_wrong(self):
        netd = self.netd_with(NETWORK)
        plan = netd.call("Plan", yaml=NETWORK.replace("10.20.0.1/24", "10.21.0.1/24"))
        text = "\n".join(o["text"] for o in plan["operations"])
        self.assertIn("10.21.0.1/24", text)
        self.assertIn("10.20.0.1/24", text)
        self.assertEqual(self.host.addresses("vn-green"), ["10.20.0.1/24"])
        self.assertEqual(netd.call("Plan")["operations"], [])


class End(RestartCase):
    def test_stopping_every_network_leaves_nothing(self):
        self.host.ip("link", "add", "br9", "type", "bridge")
        self.host.run("nft", "add", "table", "inet", "other")
        before = Witness(self.host)
        processes = self.process_names()
        netd = self.netd_with(NETWORK)
        guest = self.guest_on(netd)
        self.assertTrue(guest.ping("192.0.2.1"))
        guest.kill()
        wait_until(lambda: not netd.call("ListPorts")["ports"])
        for name in ("blue", "green"):
            netd.call("StopNetwork", name=name)
        self.assertEqual(before.diff(Witness(self.host)), "")
        netd.stop()
        self.assertEqual(self.process_names(), processes)

    @staticmethod
    def process_names():
        return subprocess.run(["ps", "-eo", "comm="], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.split().count("dnsmasq")

    def test_delete_forgets_the_definition(self):
        netd = self.start_netd(self.host)
        before = Witness(self.host)
        netd.call("Apply", yaml=NETWORK)
        for name in ("blue", "green"):
            netd.call("DeleteNetwork", name=name)
        self.assertEqual(before.diff(Witness(self.host)), "")
        self.assertEqual(netd.call("ListNetworks")["networks"], [])
        netd.stop()
        netd.start()
        self.assertEqual(netd.call("ListNetworks")["networks"], [])

    def test_a_network_in_use_is_not_stopped_without_force(self):
        netd = self.netd_with(NETWORK)
        guest = self.guest_on(netd)
        with self.assertRaises(VarlinkError) as caught:
            netd.call("StopNetwork", name="blue")
        self.assertEqual(caught.exception.name, "InUse")
        self.assertTrue(guest.ping("192.0.2.1"))
        netd.call("StopNetwork", name="blue", force=True)
        self.assertIsNone(self.host.link("vn-blue"))
        netd.call("StartNetwork", name="blue")
        self.assertTrue(self.host.link("vn-blue"))

    def other_side(self):
        """A third host beyond up1, which would like our host to be its router."""
        third = self.namespace("third")
        veth(self.host, "up1", third, "eth0")
        self.host.ip("addr", "add", "203.0.113.2/24", "dev", "up1")
        third.ip("addr", "add", "203.0.113.1/24", "dev", "eth0")
        third.ip("route", "add", "default", "via", "203.0.113.2")
        self.route_back("203.0.113.0/24")
        self.assertFalse(third.ping("192.0.2.1", timeout=1))
        return third

    def stop_all(self, netd, guest):
        guest.kill()
        wait_until(lambda: not netd.call("ListPorts")["ports"])
        for name in ("blue", "green"):
            netd.call("StopNetwork", name=name)

    def test_forwarding_is_restored(self):
        third = self.other_side()
        before = Witness(self.host).state["sysctls"]
        netd = self.netd_with(NETWORK)
        guest = self.guest_on(netd)
        self.assertTrue(guest.ping("192.0.2.1"))
        self.assertRegex(netd.log(), "notice: IPv4 forwarding .*up0")
        self.assertEqual(self.host.sysctl("net/ipv4/conf/all/forwarding"), "0")
        # Linux 6.17 and later can forward IPv6 by interface.
        per_interface = os.path.exists("/proc/sys/net/ipv6/conf/all/force_forwarding")
        self.assertEqual(self.host.sysctl("net/ipv6/conf/all/forwarding"),
                         "0" if per_interface else "1")
        self.stop_all(netd, guest)
        self.assertEqual(Witness(self.host).state["sysctls"], before)
        self.assertFalse(third.ping("192.0.2.1", timeout=1))

    def test_forwarding_is_restored_by_another_netd(self):
        before = Witness(self.host).state["sysctls"]
        netd = self.netd_with(NETWORK)
        netd.kill()
        netd.start()
        self.stop_all(netd, self.guest_on(netd))
        self.assertEqual(Witness(self.host).state["sysctls"], before)

    def test_with_an_uplink_the_host_forwards_for_nobody_else(self):
        third = self.other_side()
        netd = self.netd_with(NETWORK.replace("{ipv6: true}", "{ipv6: true, uplink: up0}"))
        guest = self.guest_on(netd)
        self.assertTrue(guest.ping("192.0.2.1"))
        self.assertFalse(third.ping("192.0.2.1", timeout=1))
        self.assertEqual(self.host.sysctl("net/ipv4/conf/up1/forwarding"), "0")

    def test_ipv6_forwarding_keeps_the_hosts_ra_default_route(self):
        """Linux drops routes of router advertisements where it forwards, unless accept_ra is 2."""
        self.host.ip("-6", "route", "del", "default")
        self.outside.sysctl("net/ipv6/conf/all/forwarding", 1)
        ra = self.popen(self.outside, "dnsmasq", "-k", "-C", "/dev/null", "--port=0",
                        "--interface=eth0", "--bind-interfaces", "--enable-ra", "--ra-param=eth0,4",
                        "--dhcp-range=2001:db8::,ra-only", "--leasefile-ro",
                        "--pid-file=" + os.path.join(self.folder, "ra.pid"))

        def default_route():
            return [r for r in self.host.routes(6) if r["dst"] == "default"]
        wait_until(default_route, timeout=15, what="a default route by RA")
        netd = self.netd_with(NETWORK)
        # It is renewed still: what is left of its life goes up again, by and by.
        lives = []

        def renewed():
            routes = default_route()
            self.assertTrue(routes, "the host lost its default route")
            self.assertEqual(routes[0]["protocol"], "ra")
            lives.append(routes[0].get("expires", 0))
            return lives[-1] > min(lives)
        wait_until(renewed, timeout=30, interval=0.3, what="the route to be renewed: %s" % lives)
        self.assertIsNone(ra.poll())
        self.assertEqual(self.guest_on(netd).ping("192.0.2.1"), True)


class Order(RestartCase):
    def test_the_guard_stands_before_the_device_is_in_the_bridge(self):
        netd = self.netd_with(NETWORK)
        time.sleep(0.3)  # netd looks once more at what its start has made
        trace = os.path.join(self.folder, "attach.strace")
        strace = self.popen(self.host, "strace", "-p", netd.pid(), "-o", trace, "-s", "2000",
                            "-e", "trace=sendto,sendmsg,ioctl", stderr=subprocess.PIPE)
        strace.stderr.readline()  # "attached"
        port = self.raw_port(netd, "blue", vhost="off")
        strace.terminate()
        strace.wait(10)
        with open(trace, encoding="utf-8", errors="replace") as f:
            lines = f.readlines()
        created = [i for i, x in enumerate(lines) if "TUNSETIFF" in x]
        guarded = [i for i, x in enumerate(lines) if "NFT_MSG_NEWSETELEM" in x]
        raised = [i for i, x in enumerate(lines) if re.search(r"RTM_(SET|NEW)LINK", x)]
        sent = [i for i, x in enumerate(lines) if "SCM_RIGHTS" in x]
        self.assertEqual([len(x) for x in (created, guarded, raised, sent)], [1, 1, 1, 1], lines)
        self.assertTrue(created[0] < guarded[0] < raised[0] < sent[0], lines)
        # One transaction, one link message, no look at the ruleset.
        self.assertFalse([x for x in lines if "NFT_MSG_GET" in x or "RTM_GET" in x])
        self.assertTrue(nft_json(self.host) and port.ifname)
