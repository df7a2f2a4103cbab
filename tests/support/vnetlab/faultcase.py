# SPDX-License-Identifier: GPL-2.0-or-later
"""faultcase.py - every step of a change fails, is lost, or is the last that netd does

A rich host (tests/support/vnetlab/world.py) is changed in all the ways there are. Of each change the
points are counted at which netd asks something of the kernel or writes a file; then the change is made
again and again, and each time something goes wrong at one of them: the kernel refuses with each of
the errors that it has for it, its answer is lost, a write is cut off, netd is killed before it or after it.
What then is, told by ip, bridge, nft, tc and /proc, must be the host as it was before the change or as
it is to be after it, and nothing else, down to the last rule, device, file and process; and after the
next try, or the next start, it must be what was asked for. Two guests that have nothing to do with any
of it exchange a thousand numbered frames a second all the while, and none may be lost.

The whole takes more than an hour (`make fault`). VNET_FAULT_SHARE is the part of it that is done, drawn by
VNET_FAULT_SEED, which is printed.
"""

import collections
import difflib
import errno
import json
import os
import time

from .case import wait_until
from .fault import DEATHS, Faults, mishaps, sample
from .features import need
from .flow import Flow
from .netns import veth
from .patience import patience
from .topology import HostCase
from .varlink import VarlinkError
from .world import NETWORKS, PORTS, Observation, State, definition, facts, port_request

SHARE = float(os.environ.get("VNET_FAULT_SHARE") or 1)
SEED = int(os.environ.get("VNET_FAULT_SEED") or time.time_ns() % 1000000)
ONLY = os.environ.get("VNET_FAULT_ONLY") # a mishap, as a failure prints it
QUIET = 0.25  # s without a point: the change is over
RECOVERY = 20 # s, for what netd does by itself: it waits 2 s, then 4, before it tries again

ALONE = State({"calm": "plain"}, {})
ALL = State({n: "plain" for n in NETWORKS}, {})


class Step:
    """
    A change, and the way back.  What fails is undone, but: of several networks each by itself, and an
    end, once begun, goes on (each_by_itself); then what netd tells of each is what there has to be.
    """

    def __init__(self, name, before, after, do, undo, each_by_itself=False):
        self.name, self.before, self.after, self.do, self.undo = name, before, after, do, undo
        self.each_by_itself = each_by_itself

    def allows(self, state):
        """Is every network as it was, or as it is to be?"""
        old, new = self.before.networks, self.after.networks
        return state.ports in (self.before.ports, self.after.ports) and all(
            state.networks.get(n) in (old.get(n), new.get(n)) for n in {*old, *new, *state.networks})


class FaultCase(HostCase):
    def setUp(self):
        need("vxlan", "macvtap", "nftables egress hook")
        super().setUp()
        self.second = self.namespace("second")
        veth(self.host, "nic0", self.second, "eth0")
        self.host.ip("addr", "add", "198.18.0.2/24", "dev", "nic0")
        self.box = self.namespace("box")
        self.faults = Faults(self.folder)
        self.fds = {}           # of the ports
        self.ports = {}         # of the state that the steps are about
        self.references = {}    # what a run without mishaps has shown, by state
        self.tally = collections.Counter()
        self.netd = self.start_netd(self.host, program="tests/fault/netd",
                                    environment=self.faults.environment())
        self.define(ALONE)
        self.calm = [self.raw_port(self.netd, "calm", name=n, ifname=n, mac=mac, txqueuelen=10000)
                     for n, mac in (("calm1", "52:54:00:00:02:01"), ("calm2", "52:54:00:00:02:02"))]
        self.flow = Flow(*self.calm)
        self.addCleanup(self.flow.close)

    # ---- changes ----

    def define(self, state):
        self.netd.call("Apply", networks={n: definition(n, how) for n, how in state.networks.items()},
                       disruptive=True)

    def apply(self, **how):
        self.netd.call("Apply", networks={n: definition(n, h) for n, h in how.items()}, disruptive=True)

    def attach(self, name):
        request = port_request(name)
        if PORTS[name].kind == "veth":
            request["netns"] = self.box.path()
        self.fds[name] = self.netd.call("AttachPort", **request).fds

    def close(self, name):
        for fd in self.fds.pop(name, []):
            os.close(fd)

    def detach(self, name):
        self.netd.call("DetachPort", name=name)
        self.close(name)

    def update(self, name, how):
        port = PORTS[name]
        change = port.edit if how == "edited" else {
            key: {"mac": port.mac, "guard": "default", "addresses": [], "isolated": False}[key]
            for key in port.edit}
        self.netd.call("UpdatePort", name=name, **change)

    # ---- what is ----

    def observe(self):
        return Observation(self.host, self.netd)

    def difference(self, state):
        """What is not as it should be in this state; "" when all is."""
        try:
            seen = self.observe()
            have, want = seen.facts(), facts(state)
        except AssertionError as problem:
            return str(problem)
        for key, value in want.items():
            if have[key] != value:
                return "%s: %s\n   expected %s" % (key, have[key], value)
        reference = self.references.get(state.key())
        if reference is not None and seen.all() != reference:
            return _diff(reference, seen.all())
        return ""

    def settle(self, *states, timeout=RECOVERY):
        """Waits until all is as in one of the states; returns which."""
        deadline = time.monotonic() + patience(timeout)
        while True:
            differences = [self.difference(state) for state in states]
            if "" in differences:
                return states[differences.index("")]
            if time.monotonic() > deadline:
                raise AssertionError("not within %d s:\n%s" % (timeout, "\nor\n".join(differences)))
            time.sleep(0.05)

    def told(self):
        """What runs, in netd's words."""
        networks = {n["name"]: "edited" if any(".9.1/" in a for a in n["addresses"]) else "plain"
                    for n in self.netd.call("ListNetworks")["networks"] if n["state"] != "stopped"}
        return State(networks, self.ports)

    def settle_as_told(self, step, timeout=RECOVERY):
        """Waits until all is as netd says, and that is what the step allows."""
        deadline = time.monotonic() + patience(timeout)
        while True:
            state = self.told()
            difference = self.difference(state) if step.allows(state) else "%s is no outcome" % state.key()
            if not difference:
                return state
            if time.monotonic() > deadline:
                raise AssertionError("not within %d s: %s" % (timeout, difference))
            time.sleep(0.05)

    def remember(self, state):
        """As a run without mishaps has it."""
        self.settle(state)
        self.references.setdefault(state.key(), self.observe().all())
        self.settle(state)

    def check_flow(self, allowed=0):
        sent, lost = self.flow.count()
        self.assertLessEqual(lost, allowed, "lost of %d" % sent)
        return sent

    # ---- mishaps ----

    def wait_quiet(self):
        """Until netd has met no point for a while."""
        last = -1
        while self.faults.control.n != last:
            last = self.faults.control.n
            time.sleep(QUIET)

    def points_of(self, step):
        with self.faults.points() as points:
            step.do()
            self.settle(step.after)
            self.wait_quiet()
        self.remember(step.after)
        step.undo()
        self.remember(step.before)
        # What follows the reply and only looks is the doctor's, which changes nothing.
        end = points.index("reply") + 4 if "reply" in points else len(points)
        return points[:end] + [p for p in points[end:] if not p.startswith("query")]

    def has_died(self):
        return self.netd.process.poll() is not None

    def attempt(self, step, mishap):
        """The change with a mishap: the error, or None when netd told none."""
        with self.faults.armed(mishap.what, mishap.action, mishap.number, mishap.at):
            try:
                step.do()
                problem = None
            except (VarlinkError, EOFError, ConnectionError) as error:
                problem = error
            deadline = time.monotonic() + patience(1)
            while not self.faults.n_met and not self.has_died() and time.monotonic() < deadline:
                time.sleep(0.01)
            if mishap.action in DEATHS and self.faults.n_met:
                wait_until(self.has_died)
        return problem

    def restart(self):
        self.netd.process.wait()
        self.netd.process = None
        self.netd.check_log()
        self.netd.start()
        # The guest of a port that is no more notices, as QEMU does.
        for name in set(self.fds) - {p["name"] for p in self.netd.call("ListPorts")["ports"]}:
            self.close(name)

    def run_mishap(self, step, mishap):
        problem = self.attempt(step, mishap)
        if not self.faults.n_met:
            self.tally["not met"] += 1
        if isinstance(problem, (EOFError, ConnectionError)):
            self.assertIn(mishap.action, DEATHS, "netd ended by itself: %s" % self.netd.process.poll())
            wait_until(self.has_died)
        if self.has_died():
            self.tally["killed"] += 1
            self.restart()
            where = self.settle_as_told(step) if step.each_by_itself else \
                self.settle(step.before, step.after)
        elif problem is None:
            self.tally["overcome"] += 1
            where = self.settle(step.after)
        else:
            self.tally["rolled back"] += 1
            where = self.settle_as_told(step) if step.each_by_itself else self.settle(step.before)
        if where.key() != step.after.key():
            step.do()
            self.settle(step.after)
        step.undo()

    def go_through(self, step):
        self.remember(step.before)
        points = self.points_of(step)
        all_of_them = mishaps(points)
        chosen = [m for m in all_of_them if ONLY in str(m)] if ONLY else \
            sample(all_of_them, SHARE, "%d %s" % (SEED, step.name))
        print("     %s: %d points, %d of %d mishaps, seed %d" % (
            step.name, len(points), len(chosen), len(all_of_them), SEED), flush=True)
        self.tally["points"] += len(points)
        self.tally["mishaps"] += len(chosen)
        n_fds = self.netd.fd_count()
        for mishap in chosen:
            try:
                self.run_mishap(step, mishap)
            except Exception as problem:
                raise AssertionError("%s: %s, %s: %s" % (
                    step.name, mishap, errno.errorcode.get(mishap.number, "no error"), problem)) from problem
        self.settle(step.before)
        wait_until(lambda: self.netd.fd_count() <= n_fds, what="descriptors: %d, then %d" % (
            n_fds, self.netd.fd_count()))
        sent = self.check_flow()
        print("     %s: %s; %d frames, none lost" % (
            step.name, ", ".join("%d %s" % (n, what) for what, n in self.tally.items()), sent),
            flush=True)

    # ---- the steps ----

    def attaching(self, name, state):
        return Step("attach " + name, state, state.with_(ports={name: "plain"}),
                    lambda: self.attach(name), lambda: self.detach(name))

    def detaching(self, name, state):
        return Step("detach " + name, state, state.with_(without=[name]),
                    lambda: self.detach(name), lambda: self.attach(name))

    def updating(self, name, state):
        return Step("update " + name, state, state.with_(ports={name: "edited"}),
                    lambda: self.update(name, "edited"), lambda: self.update(name, "plain"))


def _diff(a, b):
    x, y = (json.dumps(v, indent=1, sort_keys=True).splitlines() for v in (a, b))
    return "\n".join(list(difflib.unified_diff(x, y, "expected", "seen", lineterm="", n=4))[:80])
