# SPDX-License-Identifier: GPL-2.0-or-later
"""test_libvirt_corpus.py - libvirt's own test inputs, imported

tests/support/libvirt-source fetches them.  What becomes of each file is in
tests/golden/import, a line for each thing that is not carried over; UPDATE_GOLDEN=1
writes that anew.  With another version of libvirt's the goldens are not compared,
the rest is.
"""

import functools
import glob
import json
import os
import re
import shutil
import subprocess
import unittest

from vnetlab import build_path

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
SOURCE = os.path.join(ROOT, "build/libvirt-source")
GOLDEN = os.path.join(ROOT, "tests/golden/import")
GOLDEN_VERSION = "9.0.0"
VNETCTL = build_path("cli/vnetctl")

# What libvirt's own tests expect to be refused (networkxml2xmltest.c).
INVALID = {"routed-network-no-dns-extra-elements", "open-network-with-forward-dev",
           "hostdev-duplicate", "passthrough-duplicate"}


def vnetctl(*words, **options):
    return subprocess.run([VNETCTL, *words], capture_output=True, text=True, check=False,
                          timeout=60, **options)


@functools.cache
def import_libvirt(path):
    """The answer in JSON, or the error."""
    done = vnetctl("-o", "json", "import", "libvirt", path)
    return (json.loads(done.stdout), None) if done.returncode == 0 else (None, done.stderr)


def definition(answer):
    """As a file of ours: JSON is YAML, too."""
    return json.dumps({"networks": answer["networks"]})


def describe(name, answer, error):
    """A few lines: "NAME: imported", and what is not carried over."""
    if error:
        message = error.splitlines()[0].split(name + ".xml:", 1)[-1]
        return "%s: refused:%s\n" % (name, message)
    lines = ["%s: imported\n" % name]
    for item in answer["report"]:
        detail = " (%s)" % item["detail"] if "detail" in item else ""
        lines.append("    %s: %s: %s%s [%s]\n" % (
            item.get("line", "-"), item["loss"], item["what"], detail, item["code"]))
    return "".join(lines)


class CorpusCase(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        try:
            with open(os.path.join(SOURCE, "version"), encoding="ascii") as f:
                self.version = f.read().strip()
        except FileNotFoundError:
            self.skipTest("the source package of libvirt is not installed")

    def compare_golden(self, name, text):
        path = os.path.join(GOLDEN, name)
        if self.version != GOLDEN_VERSION:
            return
        if os.environ.get("UPDATE_GOLDEN"):
            os.makedirs(GOLDEN, exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        with open(path, encoding="utf-8") as f:
            self.assertEqual(text, f.read(), "%s; UPDATE_GOLDEN=1 writes it anew" % path)


def corpus(folder):
    return sorted(glob.glob(os.path.join(SOURCE, folder, "*.xml")))


def name_of(path):
    return os.path.basename(path)[:-len(".xml")]


class Networks(CorpusCase):
    def test_all_are_imported_or_refused_as_documented(self):
        for folder in ("networkxml2xmlin", "networkxml2confdata", "networkxml2firewalldata"):
            text = ""
            files = corpus("tests/" + folder)
            self.assertTrue(files)
            for path in files:
                answer, error = import_libvirt(path)
                text += describe(name_of(path), answer, error)
                if folder == "networkxml2xmlin" and name_of(path) in INVALID:
                    self.assertTrue(error, path)
                if error:
                    self.assertRegex(error, r"^vnetctl: \S+:\d+: ", path)
            self.compare_golden(folder, text)

    def test_nothing_is_unknown(self):
        """Every element and attribute of libvirt's schema has a place in the report, if not in the YAML."""
        for path in corpus("tests/networkxml2*"):
            answer, _ = import_libvirt(path)
            for item in answer["report"] if answer else ():
                self.assertNotEqual(item["code"], "unknown", (path, item))

    def test_round_trip(self):
        """What was imported comes back as XML that fits libvirt's schema, and from it the same again."""
        schema = os.path.join(SOURCE, "src/conf/schemas/network.rng")
        files = corpus("tests/networkxml2*")
        self.assertTrue(files)
        for path in files:
            first, _ = import_libvirt(path)
            if not first:
                continue
            exported = vnetctl("export", "libvirt", "-f", "-", input=definition(first))
            self.assertEqual((exported.returncode, exported.stderr), (0, ""), path)
            again = vnetctl("-o", "json", "import", "libvirt", "-", input=exported.stdout)
            self.assertEqual((again.returncode, again.stderr), (0, ""), path + exported.stdout)
            again = json.loads(again.stdout)
            self.assertEqual(again["networks"], first["networks"], path)
            self.assertFalse([item for item in again["report"] if item["loss"] != "note"], path)
            if shutil.which("xmllint"):
                valid = subprocess.run(["xmllint", "--noout", "--nonet", "--relaxng", schema, "-"],
                                       input=exported.stdout, capture_output=True, text=True,
                                       check=False)
                self.assertEqual(valid.returncode, 0, valid.stderr + exported.stdout)


class Filters(CorpusCase):
    def test_all_are_imported_as_documented(self):
        """libvirt warns of what is invalid in a rule and drops that; here it is in the report."""
        for name, folder in (("nwfilterxml2xmlin", "tests/nwfilterxml2xmlin"),
                             ("nwfilter", "src/nwfilter/xml")):
            files = corpus(folder)
            self.assertTrue(files)
            done = vnetctl("-o", "json", "import", "nwfilter", *files)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            text = ""
            for answer in json.loads(done.stdout):
                text += describe(name_of(answer["file"]), answer, None)
                for key in ("guard", "groups"):
                    if key in answer:
                        text += "    %s: %s\n" % (key, json.dumps(answer[key]))
                self.assertFalse([i for i in answer["report"] if i["code"] == "unknown"])
            self.compare_golden(name, text)


# --- the same answers ------------------------------------------------------------------

LEASE = "3600"  # dnsmasq's own, and ours


def seconds(text):
    match = re.fullmatch(r"(\d+)([smhd]?)", text)
    return str(int(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]) \
        if match else text


def read_range(words):
    """(first, last or static or ra-only, mask or length, lease time)"""
    if "ra-only" in words:
        return words[0], "ra-only"
    mode = words[1]
    rest = [w for w in words[2:] if w != "static"]
    lease = seconds(rest[1]) if len(rest) > 1 else LEASE
    return words[0], mode, rest[0] if rest else "", lease


def read_host(line):
    """{what says who it is, its name, address and lease time}; a host's name is one label."""
    words = []
    for word in line.split(","):
        if word.startswith("id:"):
            word = "id:" + ":".join("%02x" % int(x, 16) for x in word[3:].split(":"))
        elif re.fullmatch(r"\d+[smhd]?", word):
            word = seconds(word)
        elif not re.match(r"[\[\d]|..:..:", word):
            word = word.split(".")[0]
        words.append(word)
    return frozenset(words)


class Answers:
    """What a dnsmasq tells guests, as sets of facts."""

    def __init__(self, conf, hosts="", options=""):
        self.lines = [line for line in conf.splitlines() if line and not line.startswith("#")]
        self.lines += ["dhcp-option=" + line for line in options.splitlines()]
        self.hosts = {read_host(line) for line in hosts.splitlines() if line}

    def values(self, key):
        return [line.split("=", 1)[1] for line in self.lines if line.startswith(key + "=")]

    def has(self, key):
        return key in self.lines

    def ranges(self):
        return {read_range(value.split(",")) for value in self.values("dhcp-range")}

    def servers(self):
        """(domain, server): who is asked; "" is everybody, and for a server: nobody."""
        found = set()
        for value in self.values("server") + self.values("local"):
            parts = value.split("/")
            found |= {(domain, parts[-1]) for domain in parts[1:-1]} if len(parts) > 1 \
                else {("", value)}
        return found


def subnet_of(address, ranges):
    """A static range is told by any address in it."""
    return {r for r in ranges if r[1] == "static" and r[0].rsplit(".", 1)[0] ==
            address.rsplit(".", 1)[0]}


class Dnsmasq(CorpusCase):
    """
    libvirt's dnsmasq and ours give guests the same answers.  They are not written alike:
    docs/reference-import.md (The same answers) lists what counts as the same, and why.
    """

    @staticmethod
    def ours(path):
        done = subprocess.run([build_path("tests/support/dnsmasqfiles")],
                              input=definition(import_libvirt(path)[0]), capture_output=True,
                              text=True, check=True)
        parts = re.split(r"^=== (.*)\n", done.stdout, flags=re.M)[1:]
        return dict(zip(parts[::2], parts[1::2]))

    def compare_ranges(self, theirs, ours):
        wanted = theirs.ranges()
        have = ours.ranges()
        for r in wanted:
            if r[1] == "ra-only":
                # Ours names the prefix by its network, and a lifetime that outlives an outage.
                prefix = ":".join(r[0].split(":")[:4])
                self.assertTrue([h for h in have if h[1] == "ra-only" and
                                 h[0].startswith(prefix)], (r, have))
            elif r[1] == "static" and "." in r[0]:
                self.assertTrue(subnet_of(r[0], have), (r, have))
            elif r[1] == "static":
                self.assertTrue([h for h in have if h[1] == "static" and ":" in h[0]], (r, have))
            else:
                self.assertIn(r, have)
        # Nothing more is handed out: what ours has beside these is for reserved addresses alone.
        extra = [h for h in have if h not in wanted and h[1] not in ("static", "ra-only")]
        self.assertEqual(extra, [])

    def compare_options(self, theirs, ours):
        wanted = {{"3": "option:router"}.get(v, v) for v in theirs.values("dhcp-option")}
        if any(r[1] != "ra-only" and "." in r[0] for r in theirs.ranges()):
            self.assertEqual(wanted, set(ours.values("dhcp-option")))
        self.assertEqual(theirs.values("dhcp-boot"), ours.values("dhcp-boot"))
        self.assertEqual(theirs.values("tftp-root"), ours.values("tftp-root"))
        self.assertEqual(theirs.has("dhcp-authoritative"),
                         ours.has("dhcp-authoritative") and bool(
                             [r for r in theirs.ranges() if "." in r[0]]))

    def compare_ra(self, theirs, ours):
        sends = theirs.has("enable-ra") or any(r[1] == "ra-only" for r in theirs.ranges())
        self.assertEqual(sends, ours.has("enable-ra"))
        if sends:
            self.assertEqual([v.split(",")[2] for v in theirs.values("ra-param")],
                             [v.split(",")[2] for v in ours.values("ra-param")])

    def compare_dns(self, theirs, ours, servers):
        self.assertEqual(theirs.has("port=0"), ours.has("port=0"))
        if theirs.has("port=0"):
            return
        self.assertEqual(theirs.values("domain"), ours.values("domain"))
        self.assertEqual(theirs.has("domain-needed"), ours.has("domain-needed"))
        self.assertEqual(theirs.values("txt-record"),
                         [v.replace('"', "") for v in ours.values("txt-record")])
        self.assertEqual({self.srv(v) for v in theirs.values("srv-host")} - {None},
                         {self.srv(v) for v in ours.values("srv-host")})
        general = {s for s in theirs.servers() if s[0]} | \
            {s for s in theirs.servers() if not s[0] and s[1]}
        # "#" is the general servers, which ours names; the host's resolvers are asked unless no-resolv.
        everybody = {s[1] for s in general if not s[0]}
        wanted = set()
        for domain, server in general:
            if domain.endswith(".arpa"):
                continue  # private subnets' reverse names stay here always
            wanted |= {(domain, s) for s in everybody} if server == "#" else {(domain, server)}
        if not theirs.has("no-resolv"):
            wanted.add(("", "192.0.2.53"))
        self.assertEqual(wanted, Answers(servers).servers())

    @staticmethod
    def srv(value):
        """
        Numbers that are left out are dnsmasq's own: port 1, priority and weight 0. A record
        without a domain, its own or the network's, is none of ours: it is reported.
        """
        words = value.split(",")
        if words[0].count(".") < 2:
            return None
        return tuple(words + ["1", "0", "0"][len(words) - 2:] if len(words) > 1 else words)

    def test_same_answers(self):
        files = corpus("tests/networkxml2confdata")
        self.assertTrue(files)
        for path in files:
            with self.subTest(name_of(path)):
                with open(path[:-3] + "conf", encoding="ascii") as f:
                    conf = f.read()
                hosts = ""
                if os.path.exists(path[:-3] + "hostsfile"):
                    with open(path[:-3] + "hostsfile", encoding="ascii") as f:
                        hosts = f.read()
                files_of_ours = self.ours(path)
                theirs = Answers(conf, hosts)
                ours = Answers(files_of_ours["dnsmasq.conf"], files_of_ours["hosts"],
                               files_of_ours["options"])
                self.compare_ranges(theirs, ours)
                if hosts:
                    self.assertEqual(theirs.hosts, ours.hosts)
                self.compare_options(theirs, ours)
                self.compare_ra(theirs, ours)
                self.compare_dns(theirs, ours, files_of_ours["servers"])

    @unittest.skipUnless(shutil.which("dnsmasq"), "dnsmasq is not installed")
    def test_dnsmasq_takes_them(self):
        for path in corpus("tests/networkxml2confdata"):
            text = self.ours(path)["test"]
            done = subprocess.run(["dnsmasq", "--test", "--conf-file=/dev/stdin"], input=text,
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr + text)


if __name__ == "__main__":
    unittest.main()
