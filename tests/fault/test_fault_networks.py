# SPDX-License-Identifier: GPL-2.0-or-later
"""test_fault_networks.py - networks come, change and go, and each step of that goes wrong (faultcase.py)"""

import errno

from vnetlab import VarlinkError
from vnetlab.fault import INTERRUPT, REFUSE
from vnetlab.faultcase import ALL, ALONE, FaultCase, Step
from vnetlab.world import NETWORKS


class Networks(FaultCase):
    """Networks come, are edited while guests are on them, are stopped, started, and go."""

    def coming(self, name):
        return Step("define " + name, ALONE, ALONE.with_(networks={name: "plain"}),
                    lambda: self.apply(**{name: "plain"}), lambda: self.delete(name))

    def going(self, name):
        state = ALONE.with_(networks={name: "plain"})
        return Step("delete " + name, state, ALONE,
                    lambda: self.delete(name), lambda: self.apply(**{name: "plain"}), True)

    def delete(self, *names):
        known = {n["name"] for n in self.netd.call("ListNetworks")["networks"]}
        if known & set(names):
            self.netd.call("DeleteNetworks", names=sorted(known & set(names)))

    def through_life_of(self, name):
        self.go_through(self.coming(name))
        self.apply(**{name: "plain"})
        self.go_through(self.going(name))

    def test_nat(self):
        self.through_life_of("blue")

    def test_bridged(self):
        self.through_life_of("wire")

    def test_vxlan(self):
        self.through_life_of("mesh")

    def test_macvtap(self):
        self.through_life_of("direct")

    def test_all_at_once(self):
        names = [n for n in NETWORKS if n != "calm"]
        self.go_through(Step("define all", ALONE, ALL, lambda: self.apply(**{n: "plain" for n in names}),
                             lambda: self.delete(*names), True))

    def test_edit(self):
        """One network, and one of its guests is there."""
        self.define(ALL)
        self.attach("one")
        state = ALL.with_(ports={"one": "plain"})
        self.go_through(Step("edit blue", state, state.with_(networks={"blue": "edited"}),
                             lambda: self.apply(blue="edited"), lambda: self.apply(blue="plain")))

    def test_stop(self):
        self.define(ALL)
        names = [n for n in NETWORKS if n != "calm"]
        self.go_through(Step("stop all", ALL, ALONE,
                             lambda: self.netd.call("StopNetworks", names=names), self.start, True))

    def start(self):
        for name in NETWORKS:
            self.netd.call("StartNetwork", name=name)


class Several(FaultCase):
    """Of several networks in one call some fail."""

    def refused(self, what, networks, number=errno.EBUSY, at=1, times=1):
        """Apply, of which the at-th such request is refused: what became of each."""
        with self.faults.armed(what, REFUSE, number, at, times), self.assertRaises(VarlinkError) as caught:
            self.netd.call("Apply", networks=networks, disruptive=True)
        error = caught.exception
        return error, {n["name"]: n["outcome"] for n in error.parameters["networks"]}

    def test_the_others_stay(self):
        # The third address: blue has two.
        error, outcomes = self.refused("& newaddr ", {n: NETWORKS[n] for n in ("blue", "mesh", "direct")},
                                       number=errno.ENOMEM, at=3)
        self.assertEqual(outcomes, {"blue": "applied", "mesh": "rolled-back", "direct": "applied"})
        self.assertIn("vn-mesh", error.message)
        self.assertIn("nothing of it is left", error.message)
        self.settle(ALONE.with_(networks={"blue": "plain", "direct": "plain"}))
        self.apply(mesh="plain")
        self.settle(ALONE.with_(networks={"blue": "plain", "direct": "plain", "mesh": "plain"}))

    def test_an_edit_that_fails_says_so(self):
        self.define(ALL)
        self.remember(ALL)
        error, outcomes = self.refused("& newroute ", {"blue": {**NETWORKS["blue"], "routes": [
            {"to": "10.79.0.0/24", "via": "10.10.0.5"}, {"to": "10.80.0.0/24", "via": "10.10.0.5"}]}},
            number=errno.ENOMEM)
        self.assertEqual(outcomes, {"blue": "rolled-back"})
        self.assertIn("put back to what it was before", error.message)
        self.settle(ALL)
        # The next netd knows of nothing else, either.
        self.netd.kill()
        self.netd.start()
        self.settle(ALL)
        self.assertEqual(self.netd.call("Plan")["operations"], [])

    def test_rules_that_are_refused_are_tried_for_each_alone(self):
        self.define(ALONE.with_(networks={"blue": "plain"}))
        self.remember(ALONE.with_(networks={"blue": "plain"}))
        # Of the call, of the way back nothing, and of the first one alone.
        error, outcomes = self.refused("transaction", {"direct": NETWORKS["direct"], "mesh": NETWORKS["mesh"]},
                                       number=errno.EINVAL, times=2)
        self.assertEqual(sorted(outcomes.values()), ["applied", "rolled-back"])
        stays = next(n for n, word in outcomes.items() if word == "applied")
        self.settle(ALONE.with_(networks={"blue": "plain", stays: "plain"}))
        self.assertIn("nftables", error.message)

    def test_what_changes_hands_goes_back_together(self):
        self.define(ALL)
        self.remember(ALL)
        swapped = {"blue": {**NETWORKS["blue"], "addresses": ["10.5.0.1/24"], "nat": {"uplink": "up0"},
                            "dhcp": True, "forwards": [], "routes": []},
                   "mesh": {**NETWORKS["mesh"], "addresses": ["10.10.0.1/24"]}}
        _error, outcomes = self.refused("& newaddr ", swapped, number=errno.ENOMEM)
        self.assertEqual(outcomes, {"blue": "rolled-back", "mesh": "rolled-back"})
        self.settle(ALL)

    def test_state_that_cannot_be_written(self):
        """Whatever the call was, it has changed nothing."""
        self.define(ALL)
        self.remember(ALL)
        state = "write " + (self.netd.state_dir + "/definitions")[-40:]
        calls = (("Apply", {"networks": {"blue": {**NETWORKS["blue"], "routes": []}}, "disruptive": True}),
                 ("DeleteNetworks", {"names": ["blue", "mesh"]}))
        for method, parameters in calls:
            with self.subTest(method), self.faults.armed(state, REFUSE, errno.ENOSPC, 1, 1000), \
                    self.assertRaises(VarlinkError) as caught:
                self.netd.call(method, **parameters)
            self.assertEqual(caught.exception.code, "state-write")
            self.settle(ALL)
        self.netd.kill()
        self.netd.start()
        self.settle(ALL)


class Overload(FaultCase):
    """The host is busy, and others work on it, too."""

    def test_somebody_else_changes_the_rules_all_the_while(self):
        """Theirs, which makes lists of rules begin anew, and one of our tables, which is not ours alone."""
        self.define(ALL)
        self.remember(ALL)
        edited = ALL.with_(networks={"blue": "edited"})
        self.apply(blue="edited")
        self.remember(edited)
        others = self.popen(self.host, "sh", "-c", "while :; do nft add table inet other; "
                            "nft delete table inet vnet; nft delete table inet other; done 2>/dev/null")
        for _ in range(10):
            self.apply(blue="plain")
            self.apply(blue="edited")
        others.kill()
        others.wait()
        self.host.run("nft", "delete", "table", "inet", "other", check=False)
        self.settle(edited, timeout=40)
        self.check_flow()

    def test_rules_that_are_not_as_they_were_planned(self):
        self.define(ALONE)
        for number in (errno.ENOENT, errno.EEXIST, errno.EAGAIN, errno.EINTR):
            with self.subTest(errno.errorcode[number]), self.faults.armed("transaction", REFUSE, number):
                self.apply(blue="plain")
            self.settle(ALONE.with_(networks={"blue": "plain"}))
            self.netd.call("DeleteNetwork", name="blue")

    def test_lists_that_are_interrupted(self):
        with self.faults.armed("query route ", INTERRUPT, at=1, times=8):
            self.apply(blue="plain")
        self.settle(ALONE.with_(networks={"blue": "plain"}))
        # For ever: the call fails, tells so, and changes nothing.
        with self.faults.armed("query route ", INTERRUPT, at=1, times=10 ** 6), \
                self.assertRaises(VarlinkError) as caught:
            self.apply(mesh="plain")
        self.assertIn("cannot list", caught.exception.message)
        self.settle(ALONE.with_(networks={"blue": "plain"}))
        self.apply(mesh="plain")
        self.settle(ALONE.with_(networks={"blue": "plain", "mesh": "plain"}))

    def test_the_clock_jumps(self):
        self.define(ALL)
        self.attach("one")
        state = ALL.with_(ports={"one": "plain"})
        self.remember(state)
        for years in (30, -30):
            self.faults.control.clock_offset = int(years * 365.25 * 86400)
            self.apply(mesh="edited")
            self.settle(state.with_(networks={"mesh": "edited"}))
            # Timers go by another clock: a repair comes as soon as ever.
            self.host.ip("link", "delete", "vn-mesh")
            self.settle(state.with_(networks={"mesh": "edited"}))
            self.apply(mesh="plain")
            self.settle(state)
            self.netd.kill()
            self.netd.start()
            self.settle(state)
        self.check_flow()
