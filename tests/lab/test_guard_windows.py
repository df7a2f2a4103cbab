# SPDX-License-Identifier: GPL-2.0-or-later
"""test_guard_windows.py - no frame leaves a port before its rules stand, and none while they change

A guest floods its port with one frame of each kind that the guard takes, from the first moment
that it can, while netd attaches it, changes it, fails and is killed at each of its steps.
"""

import collections
import fcntl
import os
import re
import socket
import struct
import subprocess
import threading
import time

from vnetlab import HostCase, RawPort, VarlinkError, corpus, need, wait_until
from vnetlab.packets import NOBODY, OWN, VICTIM, Cast, Person, build
from vnetlab.range import bare
from vnetlab.wire import PortWire, Wire

STRICT = {"policy": "strict"}
LENIENT = {"policy": "strict", "allow": ["any-address", "any-ethertype", "dhcp-server", "llc", "router",
                                         "tunnels", "vlan-tags"]}
YAML = """
networks:
  blue:
    mode: isolated
    addresses: [10.10.0.1/24, "fd10::1/64"]
    dns: false
    ports: {guard: {policy: strict}}
  direct:
    mode: macvtap
    uplink: up0
    ports: {guard: {policy: strict}}
"""
WITHOUT_DIRECT = YAML[:YAML.index("  direct:")]
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 0x0002, 0x1000


def one_of_each(verdicts=None):
    """The first attack of the corpus for each reason, or for these."""
    found = {}
    for sample in corpus.attacks():
        if sample.verdict != corpus.PASS and not sample.bridge and "cut=" not in sample.text:
            found.setdefault(sample.verdict, sample)
    return [s for v, s in found.items() if verdicts is None or v in verdicts]


class Flood:
    """Sends the same frames over and over, and numbered honest ones between them, until stopped."""

    def __init__(self, send, frames, honest=None):
        self.send = send
        self.frames = frames
        self.honest = honest    # number -> frame
        self.n_honest = 0
        self.n_tries = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            for frame in self.frames:
                try:
                    self.send(frame)
                except OSError:
                    pass  # no device yet, or it is down
                self.n_tries += 1
            if self.honest:
                self.send(self.honest(self.n_honest))
                self.n_honest += 1
                self._stop.wait(0.001)

    def stop(self):
        self._stop.set()
        self._thread.join()


class WindowCase(HostCase):
    yaml = WITHOUT_DIRECT

    def setUp(self):
        super().setUp()
        self.netd = self.netd_with(self.yaml)
        self.spoofs = self.frames(one_of_each())
        self.assertGreaterEqual(len(self.spoofs), 14)

    def host_mac(self):
        return self.host.link("vn-blue")["address"]

    def cast(self):
        return Cast(own=OWN, victim=VICTIM, nobody=NOBODY,
                    host=Person(self.host_mac(), "10.10.0.1", "fd10::1"))

    def frames(self, samples):
        return [s.frame(self.cast()) for s in samples]

    def honest(self, number=0):
        return build("eth / ip / udp to=6666 / text <honest-%d>" % number, self.cast())

    def watch(self):
        """The victim's port and a socket on the bridge, which see what passes."""
        victim = self.raw_port(self.netd, "blue", name="victim", mac=VICTIM.mac,
                               addresses=[VICTIM.ip4, VICTIM.ip6])
        wait_until(lambda: self.host.link("vn-blue")["operstate"] in ("UP", "UNKNOWN"), timeout=12)
        self.places = {"victim": PortWire(victim), "host": self.wire(self.host, "vn-blue")}

    def wire(self, ns, ifname):
        wire = Wire(ns, ifname)
        self.addCleanup(wire.close)
        return wire

    def arrivals(self):
        """All that is there now, (place, frame), without the padding."""
        for name, place in self.places.items():
            while frame := place.receive(0.05):
                yield name, bare(frame)

    def spoofed_since(self, spoofs=None):
        """The first of the frames that has arrived anywhere, None when none has."""
        bad = {bare(f) for f in (self.spoofs if spoofs is None else spoofs)}
        return next(("%s: %s" % (name, frame.hex()) for name, frame in self.arrivals() if frame in bad),
                    None)

    def flood(self, send, frames=None, honest=None):
        flood = Flood(send, self.spoofs if frames is None else frames, honest)
        self.addCleanup(flood.stop)
        return flood

    def passes(self, send):
        """An honest frame goes through: what did not pass before was refused, not lost."""
        def tries():
            send(self.honest())
            return self.places["victim"].port.receive_until(
                lambda f: b"<honest-0>" in f.payload, timeout=0.2)
        wait_until(tries, what="an honest frame to pass")

    def tap(self, name="tap0"):
        """A TAP that the guest made, and holds, before netd knows of it."""
        with self.host:
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        self.addCleanup(os.close, fd)
        self.host.ip("link", "set", name, "up")
        return fd

    def adopt(self):
        return self.netd.call("AttachPort", network="blue", name="attacker", ifname="tap0",
                              adopt=True, mac=OWN.mac, addresses=[OWN.ip4, OWN.ip6])

    def box(self):
        """A container and a send() that tries its card, there or not."""
        box = self.namespace("box")
        box.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
        with box:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.addCleanup(sock.close)
        return box, lambda frame: sock.sendto(frame, ("eth0", 0))

    def attach_box(self, box):
        return self.netd.call("AttachPort", network="blue", name="attacker", kind="veth",
                              netns=box.path(), mac=OWN.mac, addresses=[OWN.ip4, OWN.ip6])


class Attach(WindowCase):
    def again_and_again(self, send, attach, times=10):
        self.watch()
        flood = self.flood(send)
        for _ in range(times):
            attach()
            tries = flood.n_tries
            wait_until(lambda: flood.n_tries > tries + 3 * len(self.spoofs))
            self.netd.call("DetachPort", name="attacker")
        attach()
        self.passes(send)
        flood.stop()
        self.assertIsNone(self.spoofed_since())

    def test_a_device_that_floods_already(self):
        fd = self.tap()
        self.again_and_again(lambda frame: os.write(fd, frame), self.adopt)

    def test_a_container_whose_card_appears(self):
        box, send = self.box()
        self.again_and_again(send, lambda: self.attach_box(box))

    def test_a_descriptor_from_its_first_moment(self):
        self.watch()
        for _ in range(20):
            port = RawPort(self.netd, "blue", name="attacker", mac=OWN.mac,
                           addresses=[OWN.ip4, OWN.ip6])
            for frame in self.spoofs * 5:
                port.send(frame)
            self.passes(port.send)
            port.close()
            wait_until(lambda: len(self.netd.call("ListPorts")["ports"]) == 1)
        self.assertIsNone(self.spoofed_since())


class Macvtap(WindowCase):
    yaml = YAML

    def setUp(self):
        need("macvtap", "nftables egress hook")
        super().setUp()

    def host_mac(self):
        return self.outside.link("eth0")["address"]

    def test_a_descriptor_from_its_first_moment(self):
        self.places = {"outside": self.wire(self.outside, "eth0")}
        for _ in range(10):
            port = RawPort(self.netd, "direct", name="attacker", mac=OWN.mac,
                           addresses=[OWN.ip4, OWN.ip6])
            for frame in self.spoofs * 5:
                port.send(frame)
            port.send(self.honest())
            self.netd.call("DetachPort", name="attacker")
            port.close()
        seen = [bare(frame) for frame in iter(lambda: self.places["outside"].receive(0.3), None)]
        self.assertEqual(seen.count(bare(self.honest())), 10)
        self.assertFalse(set(seen) & {bare(f) for f in self.spoofs})


class Change(WindowCase):
    """What both the old and the new guard refuse never passes, what both accept is never lost."""

    def setUp(self):
        super().setUp()
        self.watch()
        self.port = self.raw_port(self.netd, "blue", name="attacker", mac=OWN.mac,
                                  addresses=[OWN.ip4, OWN.ip6])
        self.passes(self.port.send)

    def during(self, change, spoofs):
        """change() under a flood."""
        arrived, stop = set(), threading.Event()
        bad, seen = {bare(f) for f in spoofs}, []

        def read():
            while not stop.is_set() or frame:
                frame = self.places["victim"].receive(0.05)
                number = frame and re.search(rb"<honest-(\d+)>", frame)
                if number:
                    arrived.add(int(number[1]))
                elif frame and bare(frame) in bad:
                    seen.append(frame.hex())
        reader = threading.Thread(target=read)
        reader.start()
        flood = self.flood(self.port.send, spoofs, self.honest)
        try:
            change()
        finally:
            flood.stop()
            stop.set()
            reader.join()
        self.assertEqual(seen, [])
        self.assertGreater(flood.n_honest, 0)
        self.assertEqual(set(range(flood.n_honest)) - arrived, set(), "lost honest frames")

    def update(self, guard):
        self.netd.call("UpdatePort", name="attacker", guard=guard)

    def test_of_what_a_strict_port_may(self):
        allowed = {"llc", "ethertype", "tunnel"}
        kept = self.frames([s for s in one_of_each() if s.verdict not in allowed])

        def change():
            for _ in range(10):
                self.update({**STRICT, "allow": ["llc", "tunnels", "any-ethertype"]})
                self.update({**STRICT, "addresses": ["10.77.0.0/24", "fd77::/64", "10.10.0.99"]})
                self.update({**STRICT, "macs": ["00:00:5e:00:01:33"], "ethertypes": ["lldp"]})
                self.netd.call("UpdatePort", name="attacker", addresses=[OWN.ip4, OWN.ip6, "10.10.0.98"])
                self.update(STRICT)
                self.netd.call("UpdatePort", name="attacker", addresses=[OWN.ip4, OWN.ip6])
        self.during(change, kept)

    def test_of_the_policy(self):
        def change():
            for _ in range(10):
                for policy in ("mac", "strict"):
                    self.update({"policy": policy})
        self.during(change, self.frames([s for s in corpus.attacks() if s.verdict == "mac" and
                                         not s.bridge][:20]))
        self.assertIsNone(self.spoofed_since(self.spoofs[:1]))

    def test_of_the_networks_default(self):
        def change():
            for n in range(10):
                text = WITHOUT_DIRECT.replace("{policy: strict}", "{policy: strict, allow: [llc]}")
                self.netd.call("Apply", yaml=text if n % 2 == 0 else WITHOUT_DIRECT)
        self.during(change, self.frames([s for s in one_of_each() if s.verdict != "llc"]))

    def test_while_netd_is_killed_and_starts(self):
        def change():
            for _ in range(3):
                self.netd.kill()
                self.netd.start()
        self.during(change, self.spoofs)


class Steps(WindowCase):
    """netd is stopped at each system call by which it changes something."""
    CALLS = "openat,ioctl,write,sendto,sendmsg"

    def traced(self, inject):
        """strace on netd; None when it is not to be had."""
        strace = self.popen(self.host, "strace", "-f", "-p", self.netd.pid(), "-o", "/dev/null",
                            "-e", "trace=" + self.CALLS, "-e", "inject=" + inject,
                            stderr=subprocess.PIPE)
        strace.stderr.readline()  # "attached"
        return strace

    def known(self):
        return [p["name"] for p in self.netd.call("ListPorts")["ports"]]

    def kill_at_each_step(self, send, attach, gone):
        self.watch()
        flood = self.flood(send)
        for step in range(1, 100):
            strace = self.traced("%s:signal=KILL:when=%d" % (self.CALLS, step))
            try:
                attach()
            except (EOFError, ConnectionError):
                pass
            else:
                break
            finally:
                strace.terminate()
                strace.wait(10)
            self.netd.kill()
            self.netd.start()
            if "attacker" in self.known():
                self.netd.call("DetachPort", name="attacker")
            gone()
        self.assertGreater(step, 4, "strace has stopped nothing")
        self.passes(send)
        flood.stop()
        self.assertIsNone(self.spoofed_since())

    def test_killed_while_it_adopts_a_device_that_floods(self):
        fd = self.tap()
        self.kill_at_each_step(lambda frame: os.write(fd, frame), self.adopt, lambda: None)

    def test_killed_while_it_makes_a_containers_card(self):
        box, send = self.box()
        self.kill_at_each_step(send, lambda: self.attach_box(box),
                               lambda: wait_until(lambda: not box.link("eth0")))

    def refused_at(self, when, change):
        """Did change() fail because the kernel took netd's message not? when: which, as strace counts."""
        strace = self.traced("sendto:error=ENOSPC:when=%s" % when)
        try:
            change()
            return False
        except VarlinkError:
            return True
        finally:
            strace.terminate()
            strace.wait(10)

    def floods_on(self, flood):
        tries = flood.n_tries
        wait_until(lambda: flood.n_tries > tries + 3 * len(self.spoofs))

    def test_a_change_that_the_kernel_refuses(self):
        self.watch()
        port = self.raw_port(self.netd, "blue", name="attacker", mac=OWN.mac, guard=STRICT,
                             addresses=[OWN.ip4, OWN.ip6])
        self.passes(port.send)
        flood = self.flood(port.send)
        refused = 0
        for step in range(1, 6):
            before = self.netd.call("DescribePort", name="attacker")["port"]
            # And the later ones: a change is one message, and a look at the kernel may come before it.
            if self.refused_at("%d+" % step, lambda: self.netd.call(
                    "UpdatePort", name="attacker", guard=LENIENT)):
                refused += 1
                self.assertEqual(self.netd.call("DescribePort", name="attacker")["port"]["guard"],
                                 before["guard"])
                self.floods_on(flood)
                self.assertIsNone(self.spoofed_since(), "step %d" % step)
            else:
                self.floods_on(flood)
                self.assertTrue(self.spoofed_since(), "the witnesses see nothing")
                self.netd.call("UpdatePort", name="attacker", guard=STRICT)
                self.passes(port.send)
                collections.deque(self.arrivals(), maxlen=0)
        flood.stop()
        self.assertGreater(refused, 0)

    def test_an_attach_that_the_kernel_refuses(self):
        self.watch()
        fd = self.tap()
        flood = self.flood(lambda frame: os.write(fd, frame))
        refused = 0
        for step in range(1, 6):
            if self.refused_at(step, self.adopt):
                refused += 1
                self.assertNotIn("attacker", self.known())
                self.floods_on(flood)
            else:
                self.netd.call("DetachPort", name="attacker")
        self.assertGreater(refused, 0)
        self.adopt()
        self.passes(lambda frame: os.write(fd, frame))
        flood.stop()
        self.assertIsNone(self.spoofed_since())
