# SPDX-License-Identifier: GPL-2.0-or-later
"""test_ports.py - a port's descriptors, its life, and the guard in front of it"""

import fcntl
import os
import socket
import struct
import subprocess
import time

from vnetlab import (HostCase, VarlinkError, arp_request, ethernet, find_program, nft_drops,
                     nft_elements, nft_guards, nft_json, nft_rules, veth, wait_until)
from vnetlab.guest import IFF_MULTI_QUEUE, IFF_VNET_HDR, tap_flags

TUNGETVNETHDRSZ = 0x800454d7
NETWORK = """
networks:
  blue:
    mode: isolated
    addresses: [10.10.0.1/24, "fd10::1/64"]
"""
MAC1, MAC2, MAC3 = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"


class PortCase(HostCase):
    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(NETWORK)

    def raw_port(self, *arguments, **options):
        port = super().raw_port(*arguments, **options)
        # A bridge without ports has no carrier, and the kernel takes its time (linkwatch, up to
        # a second) to notice the first one; until then what the host sends is lost.
        if not options.get("linkDown"):
            wait_until(lambda: self.host.link("vn-blue")["operstate"] == "UP", timeout=3)
        return port

    def taps(self):
        return sorted(n for n, x in self.host.links().items()
                      if x.get("linkinfo", {}).get("info_kind") == "tun")

    def elements(self, name):
        return nft_elements(self.host, "bridge", name)

    def guard_of(self, ifname):
        """The elements of this device in the bridge table, by set."""
        return {name: [(key, n) for key, n in self.elements(name)
                       if key == ifname or isinstance(key, tuple) and key[0] == ifname]
                for name in ("macs", "members")}

    def dropped(self, port):
        return self.netd.call("DescribePort", name=port.name)["port"]["dropped"]

    def bridge_answers(self, port, mac, ip="10.10.0.50"):
        """Does an ARP request from this source reach the host?"""
        port.drain()
        port.send(arp_request(mac, ip, "10.10.0.1"))
        return port.receive_until(lambda f: f.ethertype == 0x0806 and f.dst == mac,
                                  timeout=0.5) is not None


class Descriptors(PortCase):
    def test_reply_describes_a_ready_tap(self):
        port = self.raw_port(self.netd, "blue", name="web", mac=MAC1, mtu=1400, txqueuelen=555)
        info = port.port
        self.assertEqual((info["name"], info["network"], info["mac"], info["mtu"],
                          info["txqueuelen"], info["state"], info["kind"]),
                         ("web", "blue", MAC1, 1400, 555, "up", "tap"))
        self.assertEqual((info["ownerUid"], info["ownerPid"]), (0, os.getpid()))
        self.assertLess(abs(info["created"] - time.time()), 5)
        self.assertEqual([f["role"] for f in port.reply["fds"] if f["role"] != "vhost"], ["tap"])
        self.assertEqual(len(port.fds), len(port.reply["fds"]))
        link = self.host.link(port.ifname)
        self.assertEqual((link["master"], link["mtu"], link["txqlen"], link["ifindex"]),
                         ("vn-blue", 1400, 555, info["ifindex"]))
        self.assertIn("UP", link["flags"])
        # The host's end is not the guest: its MAC is the guest's with another first byte.
        self.assertEqual(link["address"], "fe" + MAC1[2:])
        self.assertEqual(link.get("ifalias"), "vnet:port:blue:web")
        self.assertEqual(link["inet6_addr_gen_mode"], "none")
        self.assertTrue(tap_flags(port.fd) & IFF_VNET_HDR)
        size = fcntl.ioctl(port.fd, TUNGETVNETHDRSZ, struct.pack("i", 0))
        self.assertEqual(struct.unpack("i", size)[0], 12)
        with open("/proc/self/fdinfo/%d" % port.fd, encoding="ascii") as f:
            self.assertIn("iff:\t" + port.ifname, f.read())

    def test_qemu_arguments(self):
        port = self.raw_port(self.netd, "blue", name="web", mac=MAC1, vhost="off")
        text = " ".join(port.reply["qemuArgs"])
        self.assertIn("-netdev", port.reply["qemuArgs"])
        self.assertIn("%fd0%", text)
        self.assertIn("mac=" + MAC1, text)

    def test_queues(self):
        port = self.raw_port(self.netd, "blue", queues=4, vhost="off")
        self.assertEqual([(f["role"], f["queue"]) for f in port.reply["fds"]],
                         [("tap", n) for n in range(4)])
        self.assertEqual(len(port.fds), 4)
        for fd in port.fds:
            self.assertTrue(tap_flags(fd) & IFF_MULTI_QUEUE)
        # The device lives until the last one is closed.
        for fd in port.fds[:3]:
            os.close(fd)
        time.sleep(0.1)
        self.assertTrue(self.host.link(port.ifname))
        os.close(port.fds[3])
        port.fds = []
        wait_until(lambda: not self.host.link(port.ifname))

    def test_nobody_adds_a_queue(self):
        """/dev/net/tun is for everybody; a TAP that is nobody's would be, too."""
        port = self.raw_port(self.netd, "blue", queues=2)
        with self.host:
            fd = os.open("/dev/net/tun", os.O_RDWR)
        self.addCleanup(os.close, fd)
        child = os.fork()
        if not child:
            status = 2
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", port.ifname.encode(), tap_flags(port.fd)))
                status = 0
            except PermissionError:
                status = 1
            finally:
                os._exit(status)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 1)

    def test_without_vnet_hdr(self):
        port = self.raw_port(self.netd, "blue", vnetHdr=False, mac=MAC1)
        self.assertFalse(tap_flags(port.fd) & IFF_VNET_HDR)
        self.assertTrue(self.bridge_answers(port, MAC1))

    def test_vhost_when_the_host_has_it(self):
        has = os.path.exists("/dev/vhost-net")
        reply = self.netd.call("AttachPort", network="blue", queues=2)
        self.addCleanup(lambda: [os.close(fd) for fd in reply.fds])
        roles = [f["role"] for f in reply["fds"]]
        self.assertEqual(roles.count("vhost"), 2 if has else 0)
        if not has:
            self.assertIn("vhost", " ".join(reply["notes"]))
            with self.assertRaises(VarlinkError) as caught:
                self.netd.call("AttachPort", network="blue", vhost="on")
            self.assertIn("vhost", caught.exception.message)
            self.assertEqual(len(self.taps()), 1)

    def test_mac_is_stable_from_the_name(self):
        first = self.raw_port(self.netd, "blue", name="web")
        mac = first.mac
        self.assertTrue(mac.startswith("52:54:00:"))
        first.close()
        wait_until(lambda: not self.netd.call("ListPorts")["ports"])
        self.assertEqual(self.raw_port(self.netd, "blue", name="web").mac, mac)
        self.assertNotEqual(self.raw_port(self.netd, "blue", name="db").mac, mac)

    def test_chosen_device_name(self):
        port = self.raw_port(self.netd, "blue", ifname="mytap")
        self.assertEqual(port.ifname, "mytap")
        self.assertTrue(self.host.link("mytap"))


class Life(PortCase):
    def test_everything_goes_with_the_last_descriptor(self):
        before = nft_rules(self.host)
        port = self.raw_port(self.netd, "blue", name="web", mac=MAC1)
        guard = self.guard_of(port.ifname)
        self.assertEqual([len(guard[n]) for n in ("macs", "members")], [1, 1])
        self.assertEqual(nft_guards(self.host), {port.ifname: "guard/mac"})
        self.assertEqual(guard["macs"][0][0], (port.ifname, MAC1))
        port.close()
        wait_until(lambda: not self.netd.call("ListPorts")["ports"])
        self.assertEqual(self.taps(), [])
        self.assertEqual(nft_rules(self.host), before)
        with open(os.path.join(self.netd.run_dir, "ports"), encoding="ascii") as f:
            self.assertEqual(f.read().splitlines()[-1], '{"del":"web"}')

    def test_kill_9_of_the_owner(self):
        guest = self.guest(self.netd, "blue")
        self.assertEqual(self.taps(), [guest.ifname])
        guest.kill()
        wait_until(lambda: not self.netd.call("ListPorts")["ports"])
        self.assertEqual(self.taps(), [])
        self.assertEqual(nft_guards(self.host), {})

    def test_a_hundred_at_once(self):
        ports = [self.raw_port(self.netd, "blue", vhost="off") for _ in range(100)]
        self.assertEqual(len(self.netd.call("ListPorts")["ports"]), 100)
        self.assertEqual(len(nft_guards(self.host)), 100)
        names = {p.ifname for p in ports}
        self.assertEqual(len(names), 100)
        rules = sum("rule" in o for o in nft_json(self.host))
        for port in ports:
            port.close()
        wait_until(lambda: not self.netd.call("ListPorts")["ports"], timeout=30)
        self.assertEqual(nft_guards(self.host), {})
        self.assertEqual(sum("rule" in o for o in nft_json(self.host)), rules)
        # A name is not given out again at once: who still holds the old one must not hit the new.
        self.assertNotIn(self.raw_port(self.netd, "blue").ifname, names)

    def test_rule_count_is_constant(self):
        def rules():
            return sum("rule" in o for o in nft_json(self.host))
        before = rules()
        for _ in range(20):
            self.raw_port(self.netd, "blue", vhost="off")
        self.assertEqual(rules(), before)

    def test_persistent_port_outlives_its_holder(self):
        port = self.raw_port(self.netd, "blue", name="keep", persistent=True, mac=MAC1)
        port.close()
        time.sleep(0.2)
        link = self.host.link(port.ifname)
        self.assertTrue(link["linkinfo"]["info_data"]["persist"])
        info = self.netd.call("DescribePort", name="keep")["port"]
        self.assertTrue(info["persistent"])
        # Taken up again under the same name: the same device.
        again = self.raw_port(self.netd, "blue", name="keep", persistent=True, mac=MAC1)
        self.assertEqual(again.ifname, port.ifname)
        self.assertTrue(self.bridge_answers(again, MAC1))
        again.close()
        self.netd.call("DetachPort", name="keep")
        self.assertIsNone(self.host.link(port.ifname))
        self.assertEqual(nft_guards(self.host), {})

    def test_detach_cuts_a_holder_off(self):
        guest = self.guest(self.netd, "blue")
        guest.address("10.10.0.5/24")
        self.assertTrue(guest.ping("10.10.0.1"))
        self.netd.call("DetachPort", name=guest.name)
        self.assertFalse(guest.ping("10.10.0.1", timeout=1))
        self.assertEqual(self.netd.call("ListPorts")["ports"], [])
        self.assertEqual(self.elements("macs"), [])

    def test_adopting_a_device_that_someone_made(self):
        """What vnet-qemu-ifup does: QEMU opened the TAP, netd makes it a port."""
        with self.host:
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"tap0", 0x0002 | 0x1000 | IFF_VNET_HDR))
        reply = self.netd.call("AttachPort", network="blue", ifname="tap0", adopt=True, mac=MAC1)
        self.assertEqual(reply.fds, [])
        self.assertEqual(self.host.link("tap0")["master"], "vn-blue")
        self.assertTrue(reply["port"]["adopted"])
        self.assertEqual(len(self.guard_of("tap0")["macs"]), 1)
        os.close(fd)
        wait_until(lambda: not self.netd.call("ListPorts")["ports"])
        self.assertEqual(nft_guards(self.host), {})

    def test_wait_for_an_address(self):
        self.netd.call("Apply", yaml=NETWORK + "    dhcp: true\n")
        guest = self.guest(self.netd, "blue", name="web")
        waiter = self.host.popen(find_program("vnetctl"), "port", "wait", "web",
                                 env=dict(os.environ, VNET_SOCKET=self.netd.socket),
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        ip = guest.dhcp()["ip"]
        text = waiter.communicate(timeout=20)[0]
        self.assertEqual(waiter.returncode, 0, text)
        self.assertIn(ip, text)


class Update(PortCase):
    def test_mtu_queue_length_and_link(self):
        guest = self.guest(self.netd, "blue", mac=MAC1)
        guest.address("10.10.0.5/24")
        self.netd.call("UpdatePort", name=guest.name, mtu=1300, txqueuelen=77, disruptive=True)
        link = self.host.link(guest.ifname)
        self.assertEqual((link["mtu"], link["txqlen"]), (1300, 77))
        self.netd.call("UpdatePort", name=guest.name, linkDown=True)
        self.assertNotIn("UP", self.host.link(guest.ifname)["flags"])
        self.assertEqual(self.netd.call("DescribePort", name=guest.name)["port"]["state"], "down")
        self.assertFalse(guest.ping("10.10.0.1", timeout=1))
        self.netd.call("UpdatePort", name=guest.name, linkDown=False)
        self.assertTrue(guest.ping("10.10.0.1", timeout=5))

    def test_mac(self):
        port = self.raw_port(self.netd, "blue", mac=MAC1)
        self.netd.call("UpdatePort", name=port.name, mac=MAC2)
        self.assertFalse(self.bridge_answers(port, MAC1))
        self.assertTrue(self.bridge_answers(port, MAC2))
        self.assertEqual([k for k, _ in self.guard_of(port.ifname)["macs"]],
                         [(port.ifname, MAC2)])

    def test_an_error_changes_nothing(self):
        port = self.raw_port(self.netd, "blue", mac=MAC1)
        other = self.raw_port(self.netd, "blue", mac=MAC2)
        before = self.netd.call("DescribePort", name=port.name)["port"]
        for changes in ({"mtu": 70000}, {"mac": "01:00:5e:00:00:01"}, {"mac": other.mac},
                        {"mtu": 1400, "nonsense": True}, {"addresses": ["10.99.0.1"]}):
            with self.subTest(changes), self.assertRaises(VarlinkError):
                self.netd.call("UpdatePort", name=port.name, **changes)
        self.assertEqual(self.netd.call("DescribePort", name=port.name)["port"], before)
        self.assertTrue(self.bridge_answers(port, MAC1))


class Guard(PortCase):
    def test_only_its_own_source_passes(self):
        port = self.raw_port(self.netd, "blue", mac=MAC1)
        self.assertTrue(self.bridge_answers(port, MAC1))
        self.assertEqual(self.dropped(port), 0)
        # (The bridge itself drops those from 00:00:00:00:00:00 and from groups, uncounted.)
        for spoofed in (MAC2, "fe" + MAC1[2:], MAC3, self.host.link("vn-blue")["address"]):
            self.assertFalse(self.bridge_answers(port, spoofed), spoofed)
        self.assertFalse(self.bridge_answers(port, "00:00:00:00:00:00"))
        # netd's number and the kernel's own are the same.
        counted = nft_drops(self.host, port.ifname)
        self.assertGreaterEqual(counted, 4)
        self.assertEqual(self.dropped(port), counted)

    def test_spoofed_frames_reach_no_other_guest(self):
        one = self.raw_port(self.netd, "blue", mac=MAC1)
        two = self.raw_port(self.netd, "blue", mac=MAC2)
        two.drain()
        one.send(ethernet(MAC2, MAC3, 0x88b5, b"spoofed"))
        one.send(ethernet("ff:ff:ff:ff:ff:ff", MAC3, 0x88b5, b"spoofed"))
        self.assertIsNone(two.receive_until(lambda f: f.src == MAC3, timeout=0.3))
        one.send(ethernet(MAC2, MAC1, 0x88b5, b"honest"))
        frame = two.receive_until(lambda f: f.src == MAC1)
        self.assertIsNotNone(frame)
        # And the bridge did not learn the stolen address.
        fdb = self.host.json("bridge", "-j", "fdb", "show", "br", "vn-blue")
        self.assertNotIn(MAC3, [x["mac"] for x in fdb])

    def test_stealing_anothers_address_does_not_divert_its_traffic(self):
        one = self.raw_port(self.netd, "blue", mac=MAC1)
        two = self.raw_port(self.netd, "blue", mac=MAC2)
        self.assertTrue(self.bridge_answers(two, MAC2, "10.10.0.52"))
        one.send(ethernet("ff:ff:ff:ff:ff:ff", MAC2, 0x88b5, b"mine now"))
        one.drain()
        self.assertTrue(self.bridge_answers(two, MAC2, "10.10.0.52"))
        with self.host:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.sendto(b"to two", ("10.10.0.52", 9))
            s.close()
        self.assertIsNotNone(two.receive_until(lambda f: b"to two" in f.payload))
        self.assertIsNone(one.receive_until(lambda f: b"to two" in f.payload, timeout=0.2))

    def test_fails_closed_before_the_guard_stands(self):
        """A guest that sends from its first moment on gets nothing past the guard."""
        port = self.raw_port(self.netd, "blue", mac=MAC1)
        for n in range(50):
            port.send(ethernet("ff:ff:ff:ff:ff:ff", "52:54:00:99:00:%02x" % n, 0x88b5, b"x"))
        time.sleep(0.2)
        fdb = [x["mac"] for x in self.host.json("bridge", "-j", "fdb", "show", "br", "vn-blue")]
        self.assertFalse([m for m in fdb if m.startswith("52:54:00:99")])

    def test_learning_port_holds_the_first_address(self):
        port = self.raw_port(self.netd, "blue", learnMac=True, name="learner")
        self.assertIsNone(port.mac)
        self.assertTrue(port.port["learnsMac"])
        self.assertEqual(nft_guards(self.host)[port.ifname], "guard/learn")
        wait_until(lambda: self.bridge_answers(port, MAC1), timeout=3, what="MAC learned")
        info = self.netd.call("DescribePort", name="learner")["port"]
        self.assertEqual(info["mac"], MAC1)
        self.assertEqual(nft_guards(self.host)[port.ifname], "guard/mac")
        self.assertEqual([k for k, _ in self.guard_of(port.ifname)["macs"]],
                         [(port.ifname, MAC1)])
        self.assertFalse(self.bridge_answers(port, MAC2))
        self.assertGreater(self.dropped(port), 0)

    def test_learning_does_not_take_anothers_address(self):
        self.raw_port(self.netd, "blue", mac=MAC1)
        thief = self.raw_port(self.netd, "blue", learnMac=True, name="thief")
        for _ in range(3):
            self.assertFalse(self.bridge_answers(thief, MAC1))
        self.assertNotEqual(self.netd.call("DescribePort", name="thief")["port"].get("mac"), MAC1)

    def test_a_device_that_nobody_authorised_forwards_nothing(self):
        port = self.raw_port(self.netd, "blue", mac=MAC1)
        stranger = self.namespace("stranger")
        veth(self.host, "foreign0", stranger, "eth0")
        stranger.ip("addr", "add", "10.10.0.66/24", "dev", "eth0")
        self.host.ip("link", "set", "foreign0", "master", "vn-blue")
        mac = stranger.link("eth0")["address"]
        port.drain()
        self.assertFalse(stranger.ping("10.10.0.1", timeout=1))
        self.assertIsNone(port.receive_until(lambda f: f.src == mac, timeout=0.3))
        # Nor does it hear the others.
        with stranger:
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))
        s.settimeout(0.3)
        port.send(ethernet("ff:ff:ff:ff:ff:ff", MAC1, 0x88b5, b"secret"))
        with self.assertRaises(socket.timeout):
            s.recv(2000)
        s.close()
        self.assertTrue(self.host.link("foreign0"), "a foreign device is not ours to delete")

    def test_the_group_of_ports_is_no_right_to_send(self):
        """What is in it has a guard, and what has none passes nothing, whatever its group."""
        port = self.raw_port(self.netd, "blue", mac=MAC1)
        free = self.raw_port(self.netd, "blue", mac=MAC2, guard="off")
        group = self.host.link(port.ifname)["group"]
        self.assertEqual(self.host.link(free.ifname)["group"], group)
        self.assertNotEqual(group, "default")
        with_group = ethernet("ff:ff:ff:ff:ff:ff", "52:54:00:00:00:77", 0x88b5, b"of no guest")
        free.send(with_group)
        self.assertTrue(port.receive_until(lambda f: f.ethertype == 0x88b5))
        stranger = self.namespace("stranger")
        veth(self.host, "foreign0", stranger, "eth0")
        self.host.ip("link", "set", "foreign0", "group", group, "master", "vn-blue")
        with stranger, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind(("eth0", 0))
            for _ in range(3):
                s.send(with_group)
        self.assertIsNone(port.receive_until(lambda f: f.ethertype == 0x88b5, timeout=0.3))

    def test_out_of_the_group_of_ports(self):
        """A port that somebody took out of it still passes: the sets know it, too."""
        ports = [self.raw_port(self.netd, "blue", mac=mac) for mac in (MAC1, MAC2)]
        self.host.ip("link", "set", ports[0].ifname, "group", "default")
        for port, other in (ports, ports[::-1]):
            port.send(ethernet(other.mac, port.mac, 0x88b5, b"still"))
            self.assertTrue(other.receive_until(lambda f: f.ethertype == 0x88b5))

    def test_a_device_that_leaves_is_in_no_group(self):
        port = self.raw_port(self.netd, "blue", mac=MAC1)
        self.netd.call("DetachPort", name=port.name)
        self.assertEqual(self.host.link(port.ifname)["group"], "default")

    def test_guards_of_a_thousand_changes_do_not_pile_up(self):
        for n in range(200):
            self.raw_port(self.netd, "blue", vhost="off").close()
        wait_until(lambda: not self.netd.call("ListPorts")["ports"], timeout=20)
        for name in ("macs", "guards", "members"):
            self.assertEqual(self.elements(name), [], name)

    def test_guest_to_guest_with_offloads(self):
        """Large TCP segments pass as a real guest would send them."""
        guests = []
        for n in (5, 6):
            guest = self.guest(self.netd, "blue")
            guest.address("10.10.0.%d/24" % n)
            guests.append(guest)
        size = 20 * 1024 * 1024
        with guests[1].ns:
            listener = socket.create_server(("10.10.0.6", 5001))
        with guests[0].ns:
            sender = socket.create_connection(("10.10.0.6", 5001), timeout=10)
        peer, _ = listener.accept()
        pid = os.fork()
        if pid == 0:
            try:
                sender.sendall(bytes(size))
            finally:
                os._exit(0)
        sender.close()
        peer.settimeout(20)
        got = 0
        while chunk := peer.recv(1 << 20):
            got += len(chunk)
        os.waitpid(pid, 0)
        peer.close()
        listener.close()
        self.assertEqual(got, size)


class Fdb(PortCase):
    def test_list_fdb_names_the_port(self):
        port = self.raw_port(self.netd, "blue", name="web", mac=MAC1)
        self.assertTrue(self.bridge_answers(port, MAC1))
        entry = [x for x in self.netd.call("ListFdb", network="blue")["entries"]
                 if x["mac"] == MAC1][0]
        self.assertEqual((entry["port"], entry["ifname"], entry["bridge"], entry["isLocal"]),
                         ("web", port.ifname, "vn-blue", False))
        self.assertLess(entry["ageMs"], 5000)


class Events(PortCase):
    def test_monitor_tells_the_life_of_a_port(self):
        client = self.netd.client()
        client.send("Monitor", more=True)
        first = client.receive()
        self.assertEqual((first["events"], first.continues), ([], True))
        port = self.raw_port(self.netd, "blue", name="web")
        self.netd.call("UpdatePort", name="web", mtu=1400)
        port.close()
        seen = []
        while "port-removed" not in seen:
            for event in client.receive(timeout=5)["events"]:
                if event.get("port") == "web":
                    seen.append(event["event"])
                    self.assertEqual(event["network"], "blue")
        self.assertEqual(seen, ["port-attached", "port-changed", "port-removed"])

