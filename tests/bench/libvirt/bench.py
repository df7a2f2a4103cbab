# SPDX-License-Identifier: GPL-2.0-or-later
"""bench.py - starting and ending a libvirt domain with 16 cards: libvirt's networks against ours

libvirt                 a network of libvirt's own
libvirt, clean-traffic  the same with libvirt's filter
netd, bridge            on a bridge of netd: libvirt makes the TAPs, the hook has them adopted
netd, ethernet          devices that netd makes, by the hook

All take turns with one libvirtd and its QEMUs, in a namespace.  A domain without cards is
subtracted, and what is left is divided by the cards.  "hook" is the time that libvirt waits for our
hook, from its first instruction to its last.

usage: bench.py [ROUNDS]
"""

import glob
import os
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))

from vnetlab import Namespace, Netd  # noqa: E402
from vnetlab.case import SkipFeature  # noqa: E402
from vnetlab.libvirt import Libvirt, domain_xml, interface, need_libvirt  # noqa: E402

CARDS = 16
TIMED = """#!/bin/bash
start=$EPOCHREALTIME
%s "$@"
status=$?
echo "$start $EPOCHREALTIME" >>/run/lab/hook-times
exit $status
"""
NETWORK = ("networks: {blue: {mode: isolated, addresses: [10.10.0.1/24], dhcp: false, dns: false, "
           "ports: {guard: strict}}}")


def mac(i):
    return "52:54:00:00:00:%02x" % (i + 1)


def cards(kind, inside):
    return "".join(interface(kind, inside % {"n": i}, mac(i)) for i in range(CARDS))


def port_entries(text):
    return "".join("<vnet:port mac='%s' %s address='10.10.0.%d'/>" % (mac(i), text, i + 10)
                   for i in range(CARDS))


FILTER = "<filterref filter='clean-traffic'><parameter name='IP' value='10.10.0.1%(n)d'/></filterref>"
WAYS = {
    "none": ("", ""),
    "libvirt": (cards("network", "<source network='own'/>"), ""),
    "libvirt, clean-traffic": (cards("network", "<source network='own'/>" + FILTER), ""),
    "netd, bridge": (cards("bridge", "<source bridge='vn-blue'/>"), port_entries("")),
    "netd, ethernet": (cards("ethernet", "<target dev='web%(n)d' managed='no'/>"),
                       port_entries("network='blue'")),
}


def hook_ms():
    """What was spent in our hook since the last call."""
    path = "/run/lab/hook-times"
    if not os.path.exists(path):
        return 0.0
    with open(path, encoding="ascii") as f:
        spans = [line.split() for line in f]
    os.unlink(path)
    return 1000 * sum(float(end) - float(start) for start, end in spans)


def timed(libvirt, *words):
    hook_ms()
    start = time.monotonic()
    libvirt.inside("virsh", "-q", *words, timeout=300)
    return 1000 * (time.monotonic() - start), hook_ms()


def define_filters(libvirt, folder):
    """Those that clean-traffic refers to first: again until none is left, or none can be."""
    left = sorted(glob.glob(folder + "/*.xml"))
    while left:
        failed = [path for path in left
                  if libvirt.inside("virsh", "nwfilter-define", path, check=False).returncode]
        if len(failed) == len(left):
            break
        left = failed


def prepare(folder):
    os.chmod(folder, 0o755)
    filters = os.path.join(folder, "nwfilter")
    if os.path.isdir("/etc/libvirt/nwfilter"):
        shutil.copytree("/etc/libvirt/nwfilter", filters)
    ns = Namespace("host")
    os.mkdir(folder + "/netd")
    netd = Netd(ns, folder + "/netd", {"networks.d/lab.yaml": NETWORK},
                ["--log-level", "warning"]).start()
    libvirt = Libvirt(ns, folder)
    libvirt.install_hooks(netd, script=TIMED)
    # It looks for hooks when it starts.
    libvirt.stop()
    libvirt.start()
    define_filters(libvirt, filters)
    own = os.path.join(folder, "own.xml")
    with open(own, "w", encoding="ascii") as f:
        f.write("<network><name>own</name><bridge name='lv0'/></network>")
    libvirt.virsh("net-define", own)
    libvirt.virsh("net-start", "own")
    for name, (interfaces, metadata) in WAYS.items():
        libvirt.define(domain_xml(name.replace(", ", "-"), interfaces, metadata, slots=CARDS + 4))
    return netd, libvirt


def measure(libvirt, rounds):
    """{way: {step: [(ms, ms in the hook)]}}"""
    times = {way: {"start": [], "destroy": []} for way in WAYS}
    for turn in range(rounds):
        for way in WAYS:
            for step in ("start", "destroy"):
                times[way][step].append(timed(libvirt, step, way.replace(", ", "-")))
            print("round %d: %-24s start %7.0f ms, destroy %7.0f ms" % (
                turn + 1, way, times[way]["start"][-1][0], times[way]["destroy"][-1][0]), flush=True)
    return times


def per_card(times, way, step):
    """(ms, ms in the hook)"""
    whole, hook = (statistics.median(values) for values in zip(*times[way][step]))
    base = statistics.median(value for value, _ in times["none"][step])
    return (whole - base) / CARDS, hook / CARDS


def report(times):
    print("\nmilliseconds for each of %d cards, median of %d" % (CARDS, len(times["none"]["start"])))
    print("%-24s%10s%10s%10s%10s" % ("", "start", "of it hook", "destroy", "of it hook"))
    found = {way: per_card(times, way, "start") + per_card(times, way, "destroy")
             for way in WAYS if way != "none"}
    for way, values in found.items():
        print("%-24s%10.2f%10.2f%10.2f%10.2f" % (way, *values))
    for way in ("netd, bridge", "netd, ethernet"):
        # libvirt's networks have the hook as well, which finds nothing to do there.
        judge("%s: hook at start against libvirt's start" % way, found[way][1],
              (found["libvirt"][0] - found["libvirt"][1]) / 5)
        judge("%s: hook at destroy against a filtered destroy" % way, found[way][3],
              found["libvirt, clean-traffic"][2] / 50)


def judge(text, value, limit):
    print("%-6s %-62s %6.2f ms  (wanted <= %.2f)" % ("met" if value <= limit else "MISSED", text, value,
                                                   limit))


def main():
    try:
        need_libvirt()
    except SkipFeature as e:
        print("SKIPPED: %s" % e)
        return
    print("Linux %s, %d processors" % (os.uname().release, os.cpu_count()))
    with tempfile.TemporaryDirectory(dir="/run/lab") as folder:
        netd, libvirt = prepare(folder)
        try:
            report(measure(libvirt, int(sys.argv[1]) if len(sys.argv) > 1 else 3))
        finally:
            libvirt.close()
            netd.cleanup()


if __name__ == "__main__":
    main()
