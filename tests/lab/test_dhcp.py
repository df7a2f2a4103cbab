# SPDX-License-Identifier: GPL-2.0-or-later
"""test_dhcp.py - DHCP, DNS, router advertisements and DHCPv6 as a guest gets them"""

import ipaddress
import os
import signal
import struct
import time

from vnetlab import DnsServer, HostCase, Pinger, dhcp_discover, patience, repeat, wait_until
from vnetlab.dhcp6 import Dhcp6Client

MAC5, MAC6 = "52:54:00:00:00:05", "52:54:00:00:00:06"

BASE = """
networks:
  blue:
    mode: nat
    domain: blue.test
    addresses: [10.10.0.1/24, "fd10::1/64"]
"""
FULL = BASE + """
    dhcp:
      ranges: [10.10.0.100-10.10.0.109]
      lease_time: 10m
      hosts:
        - {mac: "52:54:00:00:00:05", name: five, address: 10.10.0.5}
        - {name: byname, address: 10.10.0.7}
      options:
        - {name: ntp-server, value: 10.10.0.123}
    dns:
      hosts:
        - {name: db.blue.test, addresses: [10.10.0.50, "fd10::50"], aliases: [sql.blue.test]}
      srv:
        - {service: ldap, protocol: tcp, domain: blue.test, target: db.blue.test, port: 389,
           priority: 1, weight: 2}
      txt:
        - {name: note.blue.test, value: "hello, world"}
      ptr:
        - {name: 10.10.0.60, target: printer.blue.test}
      cname:
        - {name: www.blue.test, target: db.blue.test}
"""


class DhcpCase(HostCase):
    def dnsmasqs(self, netd, n=1):
        """Their pids, once so many serve: netd is ready before they are."""
        def running():
            pids = netd.dnsmasq_pids()
            return pids if len(pids) == n else None
        return wait_until(running, what="%d dnsmasq" % n)

    def assert_dnsmasq_accepts(self, netd):
        """dnsmasq's own opinion of every configuration that netd wrote."""
        self.dnsmasqs(netd)
        files = []
        for folder, _, names in os.walk(netd.run_dir):
            files += [os.path.join(folder, n) for n in names if n.endswith(".conf")]
        self.assertTrue(files, "netd wrote no dnsmasq configuration below " + netd.run_dir)
        for path in files:
            result = self.host.run("dnsmasq", "--test", "--conf-file=" + path, check=False)
            self.assertEqual(result.returncode, 0, result.stdout)


class Dhcp4(DhcpCase):
    def test_range_and_what_comes_with_an_address(self):
        netd = self.netd_with(FULL)
        self.assert_dnsmasq_accepts(netd)
        guest = self.guest(netd, "blue")
        lease = guest.dhcp()
        self.assertIn(lease["ip"], ["10.10.0.%d" % n for n in range(100, 110)])
        self.assertEqual(lease["mask"], "24")
        self.assertEqual(lease["router"], "10.10.0.1")
        self.assertEqual(lease["dns"], "10.10.0.1")
        self.assertEqual(lease["domain"], "blue.test")
        self.assertEqual(lease["lease"], "600")
        self.assertEqual(lease["ntpsrv"], "10.10.0.123")
        self.assertTrue(guest.ping("198.51.100.1"))

    def test_static_hosts_by_mac_and_by_name(self):
        netd = self.netd_with(FULL)
        self.assertEqual(self.guest(netd, "blue", mac=MAC5).dhcp()["ip"], "10.10.0.5")
        self.assertEqual(self.guest(netd, "blue").dhcp(hostname="byname")["ip"], "10.10.0.7")

    def test_address_reserved_by_the_port(self):
        netd = self.netd_with(BASE + "    dhcp: true\n")
        guest = self.guest(netd, "blue", addresses=["10.10.0.77"])
        self.assertEqual(guest.dhcp()["ip"], "10.10.0.77")

    def offered(self, port):
        """The address that a guest is offered which asks at once."""
        def is_offer(frame):
            return frame.ethertype == 0x0800 and frame.payload[9] == 17 and \
                frame.payload[20:24] == struct.pack("!HH", 67, 68)
        for _ in repeat(10):
            port.send(dhcp_discover(port.mac))
            offer = port.receive_until(is_offer, patience(2))
            if offer:
                return str(ipaddress.ip_address(offer.payload[28 + 16:28 + 20]))
        return self.fail("no offer")

    def test_the_first_question_gets_the_reserved_address(self):
        """AttachPort is answered when dnsmasq knows, however soon the guest asks."""
        netd = self.netd_with(BASE + "    dhcp: true\n")
        for n in range(50, 70):
            port = self.raw_port(netd, "blue", addresses=["10.10.0.%d" % n])
            self.assertEqual(self.offered(port), "10.10.0.%d" % n)
        netd.call("UpdatePort", name=port.name, addresses=["10.10.0.90"])
        self.assertEqual(self.offered(port), "10.10.0.90")

    def test_a_port_waits_for_a_dnsmasq_that_starts(self):
        netd = self.netd_with("networks: {}\n")
        netd.call("Apply", yaml=BASE + "    dhcp: true\n")
        port = self.raw_port(netd, "blue", addresses=["10.10.0.77"])
        self.assertEqual(self.offered(port), "10.10.0.77")
        # One that starts anew, with another range.
        netd.call("Apply", yaml=BASE + "    dhcp: {ranges: [10.10.0.100-10.10.0.109]}\n")
        port = self.raw_port(netd, "blue", addresses=["10.10.0.78"], vhost="off")
        self.assertEqual(self.offered(port), "10.10.0.78")
        self.assertEqual(port.reply["notes"], [])

    def test_a_port_does_not_wait_where_there_is_no_dhcp(self):
        netd = self.netd_with(BASE + "    dns: true\n")
        self.dnsmasqs(netd)
        port = self.raw_port(netd, "blue", addresses=["10.10.0.78"], vhost="off")
        self.assertEqual(port.reply["notes"], [])

    def test_a_port_does_not_wait_for_a_dnsmasq_that_is_stuck(self):
        netd = self.netd_with(BASE + "    dhcp: {ranges: [10.10.0.100-10.10.0.109]}\n")
        pid = self.dnsmasqs(netd)[0]
        os.kill(pid, signal.SIGSTOP)
        try:
            netd.call("Apply", yaml=BASE + "    dhcp: {ranges: [10.10.0.110-10.10.0.119]}\n")
            port = self.raw_port(netd, "blue", addresses=["10.10.0.78"], vhost="off")
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(len(port.reply["notes"]), 1, "it does not say that DHCP is behind")
        self.assertEqual(port.port["state"], "up")

    def test_leases_are_listed_with_their_port(self):
        netd = self.netd_with(FULL)
        guest = self.guest(netd, "blue", name="web")
        ip = guest.dhcp(hostname="webhost")["ip"]
        lease = wait_until(lambda: [x for x in netd.call("ListLeases")["leases"]
                                    if x["address"] == ip])[0]
        self.assertEqual((lease["network"], lease["mac"], lease["hostname"], lease["port"]),
                         ("blue", guest.mac, "webhost", "web"))
        self.assertTrue(0 < lease["expires"] - time.time() <= 601)
        self.assertIn(ip, netd.call("DescribePort", name="web")["port"]["leases"])
        self.assertEqual(netd.call("ListLeases", network="blue")["leases"][0]["address"], ip)

    def test_lease_goes_with_the_port(self):
        netd = self.netd_with(FULL.replace("100-10.10.0.109", "100-10.10.0.100"))
        for n in range(3):
            # One address for all: the next one gets it because the last one gave it back.
            guest = self.guest(netd, "blue", name="vm%d" % n)
            self.assertEqual(guest.dhcp()["ip"], "10.10.0.100")
            guest.kill()
            wait_until(lambda: not netd.call("ListLeases")["leases"], what="the lease to go")

    def test_a_change_of_hosts_is_live(self):
        """Same dnsmasq, no lost ping, and it counts at the next request."""
        netd = self.netd_with(FULL)
        pids = self.dnsmasqs(netd)
        guest = self.guest(netd, "blue", mac=MAC5)
        guest.dhcp()
        pinger = Pinger(guest.ns, "198.51.100.1", 200)
        netd.call("Apply", yaml=FULL.replace(
            '        - {name: byname', '        - {mac: "%s", address: 10.10.0.6}\n'
            '        - {name: byname' % MAC6))
        self.assertEqual(self.guest(netd, "blue", mac=MAC6).dhcp()["ip"], "10.10.0.6")
        self.assertEqual(pinger.lost(), 0)
        self.assertEqual(netd.dnsmasq_pids(), pids)

    def test_no_dhcp_unless_asked_for(self):
        netd = self.netd_with(BASE)
        self.assertIsNone(self.guest(netd, "blue").dhcp(check=False, seconds=2))

    def test_full_range_is_refused_not_shared(self):
        netd = self.netd_with(FULL.replace("100-10.10.0.109", "100-10.10.0.100"))
        self.assertEqual(self.guest(netd, "blue").dhcp()["ip"], "10.10.0.100")
        self.assertIsNone(self.guest(netd, "blue").dhcp(check=False, seconds=2))

    def test_pxe_and_tftp(self):
        root = os.path.join(self.folder, "tftp")
        os.mkdir(root)
        os.chmod(root, 0o755)
        with open(os.path.join(root, "boot.ipxe"), "w", encoding="ascii") as f:
            f.write("#!ipxe\n")
        os.chmod(os.path.join(root, "boot.ipxe"), 0o644)
        netd = self.netd_with(BASE + """
    dhcp:
      boot: {file: boot.ipxe, tftp_root: %s}
""" % root)
        guest = self.guest(netd, "blue")
        lease = guest.dhcp()
        self.assertEqual(lease["boot_file"], "boot.ipxe")
        target = os.path.join(self.folder, "got")
        result = guest.ns.run("busybox", "timeout", "10", "busybox", "tftp", "-g", "-r",
                              "boot.ipxe", "-l", target, "10.10.0.1", check=False)
        self.assertEqual(result.returncode, 0, result.stdout)
        with open(target, encoding="ascii") as f:
            self.assertEqual(f.read(), "#!ipxe\n")

    def test_two_networks_have_a_dnsmasq_each(self):
        netd = self.netd_with(FULL + """
  green:
    mode: isolated
    addresses: [10.20.0.1/24]
    dhcp: true
""")
        self.dnsmasqs(netd, 2)
        self.assertTrue(self.guest(netd, "blue").dhcp()["ip"].startswith("10.10."))
        self.assertTrue(self.guest(netd, "green").dhcp()["ip"].startswith("10.20."))
        netd.call("StopNetwork", name="green", force=True)
        self.dnsmasqs(netd, 1)


class Dns(DhcpCase):
    def setUp(self):
        super().setUp()
        self.upstream = DnsServer(self.outside, {"example.com": ["203.0.113.7", "2001:db8::7"],
                                                 "corp.example": ["203.0.113.8"]})
        self.addCleanup(self.upstream.close)

    def test_records(self):
        netd = self.netd_with(FULL)
        guest = self.guest(netd, "blue", mac=MAC5)
        guest.dhcp(hostname="five")
        for server in ("10.10.0.1", "fd10::1"):
            guest.ns.ip("-6", "addr", "replace", "fd10::5/64", "dev", "eth0")
            ask = guest.resolver(server).ask
            self.assertEqual(ask("db.blue.test"), ["10.10.0.50"])
            self.assertEqual(ask("db.blue.test", "AAAA"), ["fd10::50"])
            self.assertEqual(ask("sql.blue.test"), ["10.10.0.50"])
            self.assertEqual(ask("www.blue.test", "CNAME"), ["db.blue.test"])
            self.assertEqual(ask("_ldap._tcp.blue.test", "SRV"), [(1, 2, 389, "db.blue.test")])
            self.assertEqual(ask("note.blue.test", "TXT"), ["hello, world"])
            self.assertEqual(ask("10.10.0.60", "PTR"), ["printer.blue.test"])
            self.assertEqual(ask("five.blue.test"), ["10.10.0.5"])
            self.assertEqual(ask("10.10.0.5", "PTR"), ["five.blue.test"])

    def test_name_of_a_guest_follows_its_lease(self):
        netd = self.netd_with(FULL)
        guest, other = self.guest(netd, "blue"), self.guest(netd, "blue")
        other.dhcp()
        ip = guest.dhcp(hostname="roamer")["ip"]
        self.assertEqual(other.resolver("10.10.0.1").ask("roamer.blue.test"), [ip])
        guest.kill()
        wait_until(lambda: other.resolver("10.10.0.1").ask("roamer.blue.test") == [],
                   what="the name to go with the guest")

    def test_forwarders(self):
        netd = self.netd_with(FULL + """
      forwarders: [192.0.2.1]
""")
        guest = self.guest(netd, "blue")
        guest.dhcp()
        ask = guest.resolver("10.10.0.1").ask
        self.assertEqual(ask("example.com"), ["203.0.113.7"])
        self.assertEqual(ask("example.com", "AAAA"), ["2001:db8::7"])
        # The network's own domain and names without a dot are not asked for outside.
        self.assertEqual(ask("nobody.blue.test"), [])
        self.assertEqual(ask("plain"), [])
        self.assertEqual(set(self.upstream.asked), {"example.com"})

    def test_forwarder_for_one_domain(self):
        netd = self.netd_with(BASE + """
    dhcp: true
    dns:
      use_host_resolvers: false
      forwarders:
        - {address: 192.0.2.1, domain: corp.example}
""")
        guest = self.guest(netd, "blue")
        guest.dhcp()
        self.assertEqual(guest.resolver("10.10.0.1").ask("corp.example"), ["203.0.113.8"])
        self.assertFalse(guest.resolver("10.10.0.1").ask("example.com"))
        self.assertEqual(self.upstream.asked, ["corp.example"])

    def test_host_resolvers(self):
        if not os.environ.get("VNET_SANDBOX_ETC"):
            self.skipTest("no overlay file system for a /etc/resolv.conf of the test's own")
        with open("/etc/resolv.conf", "w", encoding="ascii") as f:
            f.write("nameserver 192.0.2.1\n")
        self.addCleanup(lambda: open("/etc/resolv.conf", "w", encoding="ascii").close())
        netd = self.netd_with(FULL)
        guest = self.guest(netd, "blue")
        guest.dhcp()
        self.assertEqual(guest.resolver("10.10.0.1").ask("example.com"), ["203.0.113.7"])

    def test_records_change_without_a_lost_ping(self):
        netd = self.netd_with(FULL)
        guest = self.guest(netd, "blue")
        guest.dhcp()
        pinger = Pinger(guest.ns, "198.51.100.1", 200)
        netd.call("Apply", yaml=FULL.replace("10.10.0.50", "10.10.0.51"))
        wait_until(lambda: guest.resolver("10.10.0.1").ask("db.blue.test") == ["10.10.0.51"])
        self.assertEqual(pinger.lost(), 0)

    def test_nobody_outside_is_answered(self):
        """dnsmasq serves the network, not the world: it is no open resolver."""
        self.netd_with(FULL)
        from vnetlab import Resolver
        for address in ("192.0.2.2", "2001:db8::2"):
            self.assertIsNone(Resolver(self.outside, address).ask("db.blue.test", timeout=0.5,
                                                                 tries=2))
        self.route_back("10.10.0.0/24")
        self.assertIsNone(Resolver(self.outside, "10.10.0.1").ask("db.blue.test", timeout=0.5,
                                                                 tries=2))


class Ipv6(DhcpCase):
    def test_slaac(self):
        netd = self.netd_with(BASE + "    nat: {ipv6: true}\n")
        self.assert_dnsmasq_accepts(netd)
        guest = self.guest(netd, "blue")
        address = guest.wait_global6()
        self.assertTrue(address.startswith("fd10::"), address)
        self.assertTrue(guest.ping("fd10::1"))
        route = wait_until(lambda: [r for r in guest.ns.routes(6) if r["dst"] == "default"])[0]
        self.assertTrue(route["gateway"].startswith("fe80::"))
        self.assertTrue(guest.ping("2001:db8:1::1"))

    def test_managed_addresses_by_dhcpv6(self):
        netd = self.netd_with(FULL + """
    dhcp6: {ranges: ["fd10::100-fd10::1ff"]}
""")
        guest = self.guest(netd, "blue", mac=MAC6)
        lease = Dhcp6Client(guest.ns, "eth0", MAC6, "six").lease()
        self.assertIsNotNone(lease)
        self.assertTrue(0x100 <= int(lease["address"].rsplit(":", 1)[1], 16) <= 0x1ff, lease)
        self.assertEqual(lease["dns"], ["fd10::1"])
        listed = wait_until(lambda: [x for x in netd.call("ListLeases")["leases"]
                                     if x["address"] == lease["address"]])[0]
        self.assertEqual(listed["hostname"], "six")
        # A managed network does not hand out addresses by SLAAC beside.
        self.assertEqual(guest.ns.addresses("eth0", "inet6"), [])

    def test_static_dhcpv6_host(self):
        netd = self.netd_with(FULL.replace("address: 10.10.0.5", 'address: 10.10.0.5, '
                                           'address6: "fd10::5"') + """
    dhcp6: {ranges: ["fd10::100-fd10::1ff"]}
""")
        guest = self.guest(netd, "blue", mac=MAC5)
        self.assertEqual(Dhcp6Client(guest.ns, "eth0", MAC5).lease()["address"], "fd10::5")

    def test_stateless(self):
        netd = self.netd_with(BASE + "    ra: stateless\n")
        guest = self.guest(netd, "blue")
        self.assertTrue(guest.wait_global6().startswith("fd10::"))
        self.assertEqual(Dhcp6Client(guest.ns, "eth0", guest.mac).information(), ["fd10::1"])

    def test_ra_off(self):
        netd = self.netd_with(BASE + "    ra: {mode: off}\n".replace("off", '"off"'))
        guest = self.guest(netd, "blue")
        time.sleep(2)
        self.assertEqual(guest.ns.addresses("eth0", "inet6"), [])


class Service(DhcpCase):
    def test_dnsmasq_that_died_comes_back(self):
        netd = self.netd_with(FULL)
        old = self.dnsmasqs(netd)
        os.kill(old[0], 9)
        wait_until(lambda: len(netd.dnsmasq_pids()) == 1 and netd.dnsmasq_pids() != old,
                   timeout=15, what="a new dnsmasq")
        self.guest(netd, "blue").dhcp()

    def test_dnsmasq_is_not_root(self):
        netd = self.netd_with(FULL)
        self.guest(netd, "blue").dhcp()
        with open("/proc/%d/status" % self.dnsmasqs(netd)[0], encoding="ascii") as f:
            uids = [line.split()[1:] for line in f if line.startswith("Uid:")][0]
        self.assertNotIn("0", uids)

    def test_leases_outlive_netd_and_dnsmasq(self):
        netd = self.netd_with(FULL)
        guest = self.guest(netd, "blue")
        ip = guest.dhcp()["ip"]
        netd.stop()
        for pid in netd.dnsmasq_pids():
            os.kill(pid, 9)
        netd.start()
        self.assertEqual([x["address"] for x in netd.call("ListLeases")["leases"]], [ip])
        self.assertEqual(guest.dhcp()["ip"], ip)
