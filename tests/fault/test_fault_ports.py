# SPDX-License-Identifier: GPL-2.0-or-later
"""test_fault_ports.py - ports come, change and go, and each step of that goes wrong (faultcase.py)"""

from vnetlab.faultcase import ALL, FaultCase


class Ports(FaultCase):
    """Each kind of port comes, is changed, and goes."""

    def setUp(self):
        super().setUp()
        self.define(ALL)

    def through_life_of(self, name):
        self.go_through(self.attaching(name, ALL))
        self.attach(name)
        state = ALL.with_(ports={name: "plain"})
        self.go_through(self.updating(name, state))
        self.go_through(self.detaching(name, state))

    def test_tap(self):
        self.through_life_of("one")

    def test_veth(self):
        self.through_life_of("two")

    def test_macvtap(self):
        self.through_life_of("three")

    def test_persistent_tap(self):
        self.through_life_of("kept")
