# SPDX-License-Identifier: GPL-2.0-or-later
"""corpus.py - the frames of tests/corpus/attacks and tests/corpus/legitimate

tests/corpus/README says how the files read.  A frame is text until a Cast gives names a meaning.
"""

import glob
import json
import os
import re

from .packets import PacketError, build

FOLDER = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../corpus"))
PASS = "pass"
EVERYTHING = "..."              # in an envelope, what every attack has below Ethernet
ENVELOPE_SIZES = {"vlan": 4, "llc": 3, "snap": 5}
ENVELOPED = ("ip", "ip6", "arp", "rarp")
LINE = re.compile(r"(?P<verdict>[a-z0-9-]+)(?P<bridge>\*?):\s+(?P<text>.*)")


class CorpusError(ValueError):
    """A line that is none of the format's; the message says where."""


class Sample:
    """One frame: what it tries, what the guard should make of it, how it is built.

    verdict  "pass", or the reason it is dropped for
    bridge   a bridge takes it by itself before any rule: nothing counts it there
    given    the port's options that it needs
    inside   of an enveloped one: (the sample as it is without, the envelope)
    """

    def __init__(self, where, title, verdict, text, bridge=False, given=None, inside=None):
        self.where = where
        self.title = title
        self.verdict = verdict
        self.text = text
        self.bridge = bridge
        self.given = given or {}
        self.inside = inside

    def __str__(self):
        return "%s: %s: %s" % (self.where, self.title, self.text)

    def frame(self, cast):
        try:
            return build(self.text, cast)
        except PacketError as problem:
            raise CorpusError("%s: %s" % (self.where, problem)) from problem

    def is_envelope(self):
        return self.text.endswith(EVERYTHING)

    def fits_into_envelopes(self):
        """IP or ARP, of which at least something is there."""
        kinds = [part.split()[0] for part in self.text.split("/")]
        return len(kinds) > 1 and kinds[1] in ENVELOPED and " cut=14 " not in self.text

    def within(self, envelope):
        """The same attack behind what the envelope puts in front of it."""
        outer, _, rest = self.text.partition("/")
        _, _, wrapping = envelope.text.partition("/")
        wrapping = wrapping.replace(EVERYTHING, "").strip(" /")
        # What names the type, and where the frame is cut, goes with the packet.
        if named := re.search(r" type=\S+", outer):
            outer, wrapping = outer.replace(named[0], ""), wrapping + named[0]
        size = sum(ENVELOPE_SIZES[layer.split()[0]] for layer in wrapping.split("/"))
        outer = re.sub(r"(?<= cut=)\d+", lambda cut: str(int(cut[0]) + size), outer)
        return Sample(self.where, "%s, %s" % (self.title, envelope.title),
                      # Whose frame it is is asked first.
                      "mac" if self.verdict == "mac" else envelope.verdict,
                      "%s / %s / %s" % (outer.strip(), wrapping, rest.strip()), self.bridge, self.given,
                      (self, envelope))

    def with_verdict(self, verdict):
        return Sample(self.where, self.title, verdict, self.text, self.bridge, self.given, self.inside)


def parse(text, name):
    """The samples of one file."""
    samples, title, given = [], None, {}
    for number, line in enumerate(text.splitlines(), 1):
        where = "%s:%d" % (name, number)
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("given "):
            try:
                given = json.loads(line[6:])
            except ValueError as problem:
                raise CorpusError("%s: %s" % (where, problem)) from problem
        elif not line[0].isspace():
            title = line.strip()
        elif match := LINE.fullmatch(line.strip()):
            if title is None:
                raise CorpusError("%s: a frame without a title" % where)
            samples.append(Sample(where, title, match["verdict"], match["text"],
                                  bool(match["bridge"]), given))
        elif samples:
            samples[-1].text += " " + line.strip()
        else:
            raise CorpusError("%s: neither a title nor \"VERDICT: LAYERS\"" % where)
    return samples


def load(folder, names="*"):
    """The samples of tests/corpus/FOLDER, file by file."""
    samples = []
    for path in sorted(glob.glob(os.path.join(FOLDER, folder, names))):
        with open(path, encoding="utf-8") as f:
            samples += parse(f.read(), "%s/%s" % (folder, os.path.basename(path)))
    return samples


def attacks():
    """Every attack as it is, and once more in every envelope that fits around it."""
    samples = load("attacks")
    envelopes = [s for s in samples if s.is_envelope()]
    plain = [s for s in samples if not s.is_envelope()]
    return plain + [s.within(e) for e in envelopes for s in plain
                    if s.fits_into_envelopes() and s.verdict != PASS]


def legitimate():
    return load("legitimate")
