# SPDX-License-Identifier: GPL-2.0-or-later
"""test_ways_in.py - a real QEMU guest by each way to a port, and what kill -9 leaves"""

import os
import re
import shutil
import stat

from vnetlab import (DnsServer, GATEWAY4, HOST4, HostCase, HttpServer, INTERNET4, find_program,
                     http_get, nft_drops, nft_elements, wait_until)
from vnetlab.qemu import QemuGuest, build_guest

NETWORK = """
networks:
  blue:
    mode: nat
    domain: blue.test
    addresses: [10.10.0.1/24, "fd10::1/64"]
    nat: {ipv6: true}
    dhcp: true
    dns: {forwarders: [192.0.2.1]}
    forwards:
      - tcp 8080 -> 10.10.0.5:80
"""
MAC = "52:54:00:00:00:05"
ACCESS = """
rules:
  - {users: [nobody], allow: [blue]}
"""


class GuestCase(HostCase):
    @classmethod
    def setUpClass(cls):
        build_guest()

    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(NETWORK, {"access.yaml": ACCESS})
        self.environment = dict(os.environ, VNET_SOCKET=self.netd.socket)
        dns = DnsServer(self.outside, {"www.example.com": [INTERNET4]})
        self.addCleanup(dns.close)
        web = HttpServer(self.outside, 80, "::", "internet")
        self.addCleanup(web.close)

    def boot(self, network=(), **options):
        options.setdefault("env", self.environment)
        guest = QemuGuest(self.host, self.folder, network, **options)
        self.stack.callback(guest.close)
        return guest

    def port(self):
        ports = self.netd.call("ListPorts")["ports"]
        self.assertEqual(len(ports), 1)
        return ports[0]

    def assert_works(self, guest, mac=None):
        """An address, a name, the internet; a spoofed frame is dropped and counted."""
        guest.wait_ready()
        ip = guest.address()[0]
        self.assertTrue(ip.startswith("10.10.0."))
        status, text = guest.run("nslookup -type=a www.example.com")
        self.assertEqual(status, 0, text)
        self.assertIn(INTERNET4, text)
        status, text = guest.run("wget -q -O - http://www.example.com/")
        self.assertEqual(status, 0, text)
        self.assertIn("internet " + HOST4, text)
        port = self.port()
        self.assertEqual(port["mac"], guest.mac())
        if mac:
            self.assertEqual(guest.mac(), mac)
        self.assert_spoofing_is_counted(guest, port)

    def assert_spoofing_is_counted(self, guest, port):
        before = self.netd.call("DescribePort", name=port["name"])["port"]["dropped"]
        guest.run("ip link set eth0 address 52:54:00:66:66:66")
        status, _ = guest.run("arping -c 2 -w 2 -I eth0 10.10.0.1")
        self.assertNotEqual(status, 0)
        self.assertGreaterEqual(nft_drops(self.host, port["ifname"]), before + 2)
        guest.run("ip link set eth0 address " + port["mac"])
        self.assertEqual(guest.run("ping -c 1 -W 3 10.10.0.1")[0], 0)

    def assert_kill_leaves_nothing(self, guest):
        ifname = self.port()["ifname"]
        guest.kill()
        wait_until(lambda: not self.netd.call("ListPorts")["ports"])
        self.assertIsNone(self.host.link(ifname))
        for name in ("macs", "guards", "members"):
            self.assertEqual(nft_elements(self.host, "bridge", name), [], name)
        wait_until(lambda: not self.netd.call("ListLeases")["leases"], what="the lease to go")

    def ours(self, name):
        """A copy of our program where a user without rights may run it."""
        target = os.path.join("/run/lab", name)
        shutil.copy(find_program(name), target)
        os.chmod(target, 0o755)
        return target


class Api(GuestCase):
    def test_descriptors_over_the_api(self):
        reply = self.netd.call("AttachPort", network="blue", name="vm", mac=MAC)
        arguments = [re.sub("%fd(\\d+)%", lambda m: str(reply.fds[int(m.group(1))]), a)
                     for a in reply["qemuArgs"]]
        guest = self.boot(arguments, pass_fds=reply.fds)
        for fd in reply.fds:
            os.close(fd)
        self.assert_works(guest, MAC)
        # IPv6 by router advertisement too.
        status, text = guest.run("for i in 1 2 3 4 5 6 7 8 9 10; do "
                                 "ping -6 -c 1 -W 1 2001:db8:1::1 && break; sleep 1; done")
        self.assertEqual(status, 0, text)
        self.assert_kill_leaves_nothing(guest)

    def test_many_queues(self):
        reply = self.netd.call("AttachPort", network="blue", name="vm", mac=MAC, queues=2)
        arguments = [re.sub("%fd(\\d+)%", lambda m: str(reply.fds[int(m.group(1))]), a)
                     for a in reply["qemuArgs"]]
        guest = self.boot(arguments + ["-smp", "2"], pass_fds=reply.fds)
        for fd in reply.fds:
            os.close(fd)
        guest.wait_ready()
        self.assertEqual(guest.run("wget -q -O - http://www.example.com/")[0], 0)
        self.assertEqual(guest.run("ls -d /sys/class/net/eth0/queues/rx-*")[1].split(),
                         ["/sys/class/net/eth0/queues/rx-0", "/sys/class/net/eth0/queues/rx-1"])
        self.assert_kill_leaves_nothing(guest)

    def test_hot_plug_over_qmp(self):
        guest = self.boot(["-device", "pcie-root-port,id=slot1,chassis=1"],
                          append="mini.dhcp=no", qmp=True)
        guest.wait_ready()
        reply = self.netd.call("AttachPort", network="blue", name="hot", mac=MAC, vhost="off")
        guest.qmp.call("getfd", fds=reply.fds, fdname="hot0")
        for fd in reply.fds:
            os.close(fd)
        guest.qmp.call("netdev_add", type="tap", id="hot", fd="hot0")
        guest.qmp.call("device_add", driver="virtio-net-pci", netdev="hot", id="nic", mac=MAC,
                       bus="slot1", romfile="")
        status, text = guest.run(
            "for i in 1 2 3 4 5 6 7 8 9 10; do [ -e /sys/class/net/eth0 ] && break; sleep 1; done;"
            "ip link set eth0 up && udhcpc -q -n -f -t 20 -T 1 -i eth0 -s /dhcp.sh")
        self.assertEqual(status, 0, text)
        self.assertEqual(guest.run("wget -q -O - http://%s/" % INTERNET4)[0], 0)
        self.assertEqual(self.port()["mac"], MAC)
        # Unplugged: QEMU closes the descriptor, and the port is gone though QEMU lives.
        guest.qmp.call("device_del", id="nic")
        wait_until(lambda: self.try_netdev_del(guest), timeout=30, interval=0.3)
        wait_until(lambda: not self.netd.call("ListPorts")["ports"])

    @staticmethod
    def try_netdev_del(guest):
        try:
            guest.qmp.call("netdev_del", id="hot")
        except AssertionError:
            return False
        return True


class Helper(GuestCase):
    def test_tap_with_helper(self):
        guest = self.boot(["-netdev", "tap,id=n0,helper=" + find_program("vnet-qemu-helper") +
                           " --network=blue",
                           "-device", "virtio-net-pci,netdev=n0,romfile=,mac=" + MAC])
        self.assert_works(guest, MAC)
        self.assertTrue(self.port()["learnsMac"])
        self.assert_kill_leaves_nothing(guest)

    def test_bridge_with_helper_as_a_plain_user(self):
        """-netdev bridge, no root, no setuid bit: the policy lets nobody in."""
        helper = self.ours("vnet-qemu-helper")
        self.assertFalse(os.stat(helper).st_mode & stat.S_ISUID)
        guest = self.boot(["-netdev", "bridge,id=n0,br=vn-blue,helper=" + helper,
                           "-device", "virtio-net-pci,netdev=n0,romfile=,mac=" + MAC],
                          user=65534, group=65534, extra_groups=[], cwd="/")
        self.assert_works(guest, MAC)
        self.assertEqual(self.port()["ownerUid"], 65534)
        self.assert_kill_leaves_nothing(guest)

    def test_refusal_is_said_by_qemu(self):
        guest = self.boot(["-netdev", "bridge,id=n0,br=vn-nobody,helper=" +
                           find_program("vnet-qemu-helper"),
                           "-device", "virtio-net-pci,netdev=n0,romfile="])
        self.assertNotEqual(guest.process.wait(30), 0)
        self.assertIn("vn-nobody", guest.errors())


class Ifup(GuestCase):
    def scripts(self):
        """QEMU's script= takes a path and no options: the name says which way."""
        up, down = find_program("vnet-qemu-ifup"), find_program("vnet-qemu-ifdown")
        return "script=%s,downscript=%s" % (up, down)

    def test_script(self):
        guest = self.boot(["-netdev", "tap,id=n0,ifname=blue0," + self.scripts(),
                           "-device", "virtio-net-pci,netdev=n0,romfile=,mac=" + MAC],
                          env=dict(self.environment, VNET_NETWORK="blue"))
        self.assert_works(guest, MAC)
        self.assertEqual(self.port()["ifname"], "blue0")
        self.assertTrue(self.port()["adopted"])
        self.assert_kill_leaves_nothing(guest)

    def test_network_from_the_interfaces_name_and_a_clean_end(self):
        guest = self.boot(["-netdev", "tap,id=n0,ifname=blue7," + self.scripts(),
                           "-device", "virtio-net-pci,netdev=n0,romfile=,mac=" + MAC])
        guest.wait_ready()
        self.assertTrue(guest.address()[0].startswith("10.10.0."))
        guest.start("poweroff -f")
        self.assertEqual(guest.process.wait(30), 0)
        self.assertEqual(self.netd.call("ListPorts")["ports"], [])
        self.assertIsNone(self.host.link("blue7"))


class Run(GuestCase):
    def test_vnetctl_run(self):
        guest = self.boot(prefix=[find_program("vnetctl"), "run", "blue", "--name", "vm", "--"])
        self.assert_works(guest)
        self.assertEqual(self.port()["name"], "vm")
        # vnetctl became QEMU: nothing stands between.
        self.assertEqual(self.port()["ownerPid"], guest.process.pid)
        self.assert_kill_leaves_nothing(guest)

    def test_vnetctl_run_drops_privileges(self):
        guest = self.boot(prefix=[find_program("vnetctl"), "run", "--user", "nobody", "blue", "--"])
        guest.wait_ready()
        with open("/proc/%d/status" % guest.process.pid, encoding="ascii") as f:
            status = f.read()
        self.assertRegex(status, r"Uid:\t65534\t65534\t65534\t65534")
        self.assertRegex(status, r"CapEff:\t0+\n")
        self.assertRegex(status, r"Groups:\t(65534 )?\n")
        self.assertEqual(guest.run("wget -q -O - http://www.example.com/")[0], 0)
        self.assert_kill_leaves_nothing(guest)


class Forward(GuestCase):
    def test_http_from_outside_into_a_real_guest(self):
        netd = self.netd
        netd.call("Apply", yaml=NETWORK.replace("dhcp: true", "dhcp: {hosts: [{mac: '%s', "
                                                "address: 10.10.0.5}]}" % MAC))
        guest = self.boot(prefix=[find_program("vnetctl"), "run", "blue", "--mac", MAC, "--"])
        guest.wait_ready()
        self.assertEqual(guest.address()[0], "10.10.0.5")
        guest.run("echo from the guest >/www/index.html; httpd -h /www -p 80")
        self.assertEqual(http_get(self.outside, HOST4, 8080), "from the guest\n")

    def test_netd_restart_under_a_running_guest(self):
        guest = self.boot(prefix=[find_program("vnetctl"), "run", "blue", "--"])
        guest.wait_ready()
        guest.start("ping -c 30 -i 0.1 -W 2 %s | tail -n 3" % GATEWAY4)
        self.netd.stop()
        self.netd.start()
        self.netd.kill()
        self.netd.start()
        text = guest.finish()[1]
        self.assertIn("30 packets transmitted, 30 packets received", text)
        self.assert_kill_leaves_nothing(guest)
