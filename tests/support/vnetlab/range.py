# SPDX-License-Identifier: GPL-2.0-or-later
"""range.py - sends the frames of a corpus from a port, and tells what became of each

Two kinds of witness: sockets where a frame could arrive, and the counters that nft lists.  After
each volley an honest frame goes the same way as a mark; when that is everywhere, nothing is on
its way any more, so nothing is waited for that should not come.
"""

import collections
import select
import time

from .corpus import PASS
from .frames import mac_bytes
from .packets import build
from .patience import patience
from .witness import nft_elements

# The kernel's numbers, as docs/firewall.md has them.
REASONS = {1: "mac", 2: "vlan-tag", 3: "ethertype", 4: "ipv4-source", 5: "ipv6-source", 6: "arp",
           7: "arp-address", 8: "nd", 9: "nd-target", 10: "router", 11: "dhcp-server",
           12: "dhcp-client", 13: "header", 14: "llc", 15: "tunnel", 16: "storm", 17: "unlearned",
           18: "egress-group", 19: "ingress-group", 20: "checksum"}
VOLLEY = 100                    # frames that fit into every queue on the way
ARRIVAL_SECONDS = 5
MARK = "eth / ip to=all / udp to=6666 / text <mark>"


def counted(ns, ifname, family="bridge"):
    """{reason: frames} that nft says were taken from a port."""
    return {REASONS[key[1]]: n for key, n in nft_elements(ns, family, "drops") if key[0] == ifname}


def bare(frame):
    """A bridge with br_netfilter takes the padding away."""
    return frame.rstrip(b"\0")


class Range:
    """
    send      sends a frame from the port
    places    {name: where frames arrive}, with fileno() and receive(timeout) -> bytes
    cast      who the corpus's names are
    counts    () -> {reason: frames} of the port
    noise     MAC addresses, beside the host's, of kernels that say something by themselves
    """

    def __init__(self, send, places, cast, counts, noise=(), has_bridge=True):
        self.send = send
        self.places = places
        self.cast = cast
        self.counts = counts
        self.has_bridge = has_bridge
        self.mark = build(MARK, cast)
        self.noise = {mac_bytes(mac) for mac in (cast.mac["host"], *noise)}

    def launch(self, frames):
        for frame in frames:
            self.send(frame)

    def fire(self, frames):
        """Sends them; returns what arrived, {place: frames}, and what was counted meanwhile."""
        before = collections.Counter(self.counts())
        self.launch(frames + [self.mark])
        arrived = self._collect({bare(frame) for frame in frames})
        return arrived, {r: n for r, n in (collections.Counter(self.counts()) - before).items() if n}

    def _collect(self, sent):
        """Everything up to the mark, which each place gets once."""
        mark = bare(self.mark)
        arrived = {name: [] for name in self.places}
        waiting = {place.fileno(): name for name, place in self.places.items()}
        deadline = time.monotonic() + patience(ARRIVAL_SECONDS)
        while waiting:
            ready, _, _ = select.select(list(waiting), [], [], max(0, deadline - time.monotonic()))
            assert ready, "an honest frame has not reached %s" % ", ".join(waiting.values())
            for number in ready:
                name = waiting[number]
                frame = bare(self.places[name].receive(0.01) or b"")
                if frame == mark:
                    del waiting[number]
                elif frame in sent or frame and frame[6:12] not in self.noise:
                    arrived[name].append(frame)
        return arrived

    def try_samples(self, samples):
        """Fires them in volleys of one verdict; returns what is not as the corpus says, as text."""
        problems = []
        by_verdict = collections.defaultdict(list)
        for sample in samples:
            by_verdict[sample.verdict, sample.bridge].append(sample)
        for group in by_verdict.values():
            for i in range(0, len(group), VOLLEY):
                volley = group[i:i + VOLLEY]
                if self._problem(volley):
                    # Which of them it was.
                    problems += filter(None, (self._problem([sample]) for sample in volley))
        return problems

    def _problem(self, volley):
        frames = [sample.frame(self.cast) for sample in volley]
        want = {name: [bare(f) for f in frames if volley[0].verdict == PASS and self._is_for(name, f)]
                for name in self.places}
        want_counts = {}
        if volley[0].verdict != PASS and not (volley[0].bridge and self.has_bridge):
            want_counts = {volley[0].verdict: len(volley)}
        arrived, counts = self.fire(frames)
        if arrived == want and counts == want_counts:
            return None
        return "%s: counted as %s, arrived at %s; %s" % (
            volley[0], " ".join("%s=%d" % c for c in counts.items()) or "nothing",
            " ".join(name for name, got in arrived.items() if got) or "nobody", frames[0].hex())

    def _is_for(self, name, frame):
        to = frame[:6].hex(":")
        return frame[0] & 1 or to == self.cast.mac.get(name) or \
            name not in self.cast.mac and to not in self.cast.mac.values()
