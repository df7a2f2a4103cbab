# SPDX-License-Identifier: GPL-2.0-or-later
"""patience.py - how long to wait for what should happen, on slow machines too"""

import os

# Emulated machines (the kernel lab) and those under instrumentation are slower.
TIME_FACTOR = float(os.environ.get("VNET_TIME_FACTOR") or 1)


def patience(seconds):
    """A time-out by which only failures are told; not one by which something is shown absent."""
    return seconds * TIME_FACTOR
