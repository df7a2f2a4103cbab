# SPDX-License-Identifier: GPL-2.0-or-later
"""features.py - what this kernel has, asked of the kernel itself

A test that needs more than there is skips and names it.  In the kernel lab
nothing may be missing, and the runner counts a skip as a failure.
"""

import functools
import itertools

from .case import SkipFeature
from .netns import Namespace

_numbers = itertools.count(1)


def _tries(*commands):
    ns = Namespace("feature%d" % next(_numbers))
    try:
        return all(ns.run("sh", "-c", c, check=False).returncode == 0 for c in commands)
    finally:
        ns.close()


_VETH = "ip link add v0 type veth peer name v1"
_BRIDGE = "ip link add b0 type bridge"

COMMANDS = {
    "802.1Q": (_VETH, "ip link add link v0 name v0.5 type vlan id 5"),
    "VLAN filtering": (_BRIDGE, "ip link set b0 type bridge vlan_filtering 1"),
    "gretap": ("ip link add g0 type gretap local 192.0.2.1 remote 192.0.2.2 key 1",),
    "ip6gretap": ("ip link add g0 type ip6gretap local 2001:db8::1 remote 2001:db8::2",),
    "vxlan": ("ip link add x0 type vxlan id 1 dstport 4789 local 192.0.2.1",),
    "macvtap": (_VETH, "ip link add link v0 name m0 type macvtap mode bridge"),
    "netem": (_VETH, "tc qdisc add dev v0 root netem delay 1ms"),
    "connection tracking on bridges": (
        "nft add table bridge t", "nft 'add chain bridge t c { type filter hook prerouting "
        "priority 0; }'", "nft add rule bridge t c meta ibrname b0 ct state new ct zone set 1"),
    "bond": ("ip link add bond0 type bond mode active-backup",),
    "tc matchall, skbedit and mirred": (
        _VETH, "ip link add i0 type ifb", "tc qdisc add dev v0 clsact",
        "tc filter add dev v0 ingress matchall action skbedit priority 1:2 "
        "action mirred egress redirect dev i0"),
    "nftables egress hook": (_VETH, "nft add table netdev t", "nft 'add chain netdev t c { type "
                             "filter hook egress device v0 priority 0; }'"),
}


@functools.lru_cache(maxsize=None)
def has(feature):
    return _tries(*COMMANDS[feature])


def need(*features):
    """Skips the test unless the kernel has all of them."""
    for feature in features:
        if not has(feature):
            raise SkipFeature("this kernel has no %s" % feature)
