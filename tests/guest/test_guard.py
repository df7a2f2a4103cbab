# SPDX-License-Identifier: GPL-2.0-or-later
"""test_guard.py - the corpus once more, from inside a real guest

The frames are made here and lie in the guest's initramfs; there a program sends them by the
guest's own virtio card.  The witnesses are those of tests/lab/test_guard_corpus.py.
"""

import os
import re
import struct

from vnetlab import HostCase, corpus, find_program, wait_until
from vnetlab.packets import NOBODY, OWN, VICTIM, Cast, Person
from vnetlab.qemu import QemuGuest, build_guest, initrd_with
from vnetlab.range import Range, counted
from vnetlab.wire import PortWire, Wire

YAML = """
networks:
  blue:
    mode: isolated
    addresses: [10.10.0.1/24, "fd10::1/64"]
    dns: false
    ports: {guard: {policy: strict}}
"""
SAMPLES = [s for s in corpus.attacks() + corpus.legitimate() if not s.given]


class GuestRange(Range):
    """The frames are sent by a program in the guest, from a file there."""
    guest = None

    def write(self, path, samples):
        """All that may be sent, the mark behind it."""
        frames = [sample.frame(self.cast) for sample in samples] + [self.mark]
        self.numbers = {frame: number for number, frame in enumerate(frames)}
        with open(path, "wb") as f:
            f.writelines(struct.pack("!H", len(frame)) + frame for frame in frames)

    def launch(self, frames):
        numbers = [self.numbers[frame] for frame in frames]
        starts = [i for i, n in enumerate(numbers) if not i or n != numbers[i - 1] + 1]
        ranges = ["%d-%d" % (numbers[a], numbers[b - 1])
                  for a, b in zip(starts, starts[1:] + [len(numbers)])]
        status, text = self.guest.run("send-frames eth0 /frames " + " ".join(ranges))
        assert status == 0, text


class Guard(HostCase):
    @classmethod
    def setUpClass(cls):
        build_guest()

    def test_the_corpus_from_inside(self):
        netd = self.netd_with(YAML)
        victim = self.raw_port(netd, "blue", name="victim", mac=VICTIM.mac,
                               addresses=[VICTIM.ip4, VICTIM.ip6])
        reply = netd.call("AttachPort", network="blue", name="attacker", mac=OWN.mac,
                          addresses=[OWN.ip4, OWN.ip6])
        port = reply["port"]
        wire = Wire(self.host, "vn-blue")
        self.addCleanup(wire.close)
        host = Person(self.host.link("vn-blue")["address"], "10.10.0.1", "fd10::1")
        lane = GuestRange(None, {"victim": PortWire(victim), "host": wire},
                          Cast(own=OWN, victim=VICTIM, host=host, nobody=NOBODY),
                          lambda: counted(self.host, port["ifname"]))
        lane.write(os.path.join(self.folder, "frames"), SAMPLES)
        lane.guest = self.boot(reply)
        wait_until(lambda: self.host.link("vn-blue")["operstate"] in ("UP", "UNKNOWN"), timeout=12)

        self.assertEqual(lane.try_samples(SAMPLES), [])
        print("     | %d frames" % len(SAMPLES))
        drops = netd.call("DescribePort", name="attacker")["port"]["drops"]
        self.assertEqual(sum(drops.values()), len([s for s in SAMPLES if s.verdict != corpus.PASS and
                                                   not s.bridge]))

    def boot(self, reply):
        arguments = [re.sub("%fd(\\d+)%", lambda m: str(reply.fds[int(m.group(1))]), a)
                     for a in reply["qemuArgs"]]
        initrd = initrd_with(self.folder, {"bin/send-frames": find_program("send-frames"),
                                           "frames": os.path.join(self.folder, "frames")})
        # The guest's kernel has nothing to say by itself: no DHCP, no IPv6.
        guest = QemuGuest(self.host, self.folder, arguments, pass_fds=reply.fds, initrd=initrd,
                          append="mini.dhcp=no ipv6.disable=1")
        self.stack.callback(guest.close)
        for fd in reply.fds:
            os.close(fd)
        guest.wait_ready()
        # Longer frames than the card's own limit are the guest's business.
        guest.run("ip link set eth0 mtu 9000")
        return guest
