# SPDX-License-Identifier: GPL-2.0-or-later
"""fault.py - netd with system calls that go wrong where a test wants it (tests/fault/inject.c)"""

import collections
import contextlib
import ctypes
import errno
import mmap
import os
import random

NOTHING, REFUSE, LOSE, DIE_BEFORE, DIE_AFTER, TEAR, CUT, INTERRUPT = range(8)
DEATHS = (DIE_BEFORE, DIE_AFTER, TEAR)
LOG_MAX = 4096


class _Control(ctypes.Structure):
    """struct control of inject.c"""
    _fields_ = [("is_on", ctypes.c_uint32), ("n", ctypes.c_uint32), ("at", ctypes.c_uint32),
                ("times", ctypes.c_uint32), ("action", ctypes.c_uint32), ("number", ctypes.c_int32),
                ("n_met", ctypes.c_uint32), ("n_such", ctypes.c_uint32),
                ("clock_offset", ctypes.c_int64), ("what", ctypes.c_char * 64), ("log", (ctypes.c_char * 64) * LOG_MAX)]


class Faults:
    """The page that netd and the test share."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "faults")
        with open(self.path, "wb") as f:
            f.truncate(ctypes.sizeof(_Control))
        with open(self.path, "r+b") as f:
            self._map = mmap.mmap(f.fileno(), ctypes.sizeof(_Control))
        self.control = _Control.from_buffer(self._map)

    def environment(self):
        return {"VNET_FAULT": self.path}

    @contextlib.contextmanager
    def points(self):
        """Counts the points within; the list that is given is full at the end."""
        found = []
        self._arm("", 0, NOTHING, 0, 1)
        try:
            yield found
        finally:
            self.control.is_on = 0
            found += [self.control.log[i].value.decode() for i in range(min(self.control.n, LOG_MAX))]

    @contextlib.contextmanager
    def armed(self, what, action, number=0, at=1, times=1):
        """Within, it goes wrong at the at-th point of this name, and at the next ones when times is more."""
        self._arm(what, at, action, number, times)
        try:
            yield
        finally:
            self.control.is_on = 0

    def _arm(self, what, at, action, number, times):
        c = self.control
        c.is_on = 0
        c.n = c.n_met = c.n_such = 0
        c.what = what.encode()
        c.at, c.action, c.number, c.times = at, action, number, times
        c.is_on = 1

    @property
    def n_met(self):
        return self.control.n_met


# What the kernel may answer to each, by the first word of its point.  Left out is what says that
# the thing is as it was to become (ENODEV to a deletion): that would be a lie.
_LINK = [errno.ENOMEM, errno.ENOBUFS, errno.EBUSY, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM,
         errno.EEXIST, errno.ENODEV, errno.EXFULL, errno.EADDRNOTAVAIL]
_FILE = [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT]
NUMBERS = {
    "newlink": _LINK, "setlink": _LINK,
    "dellink": [errno.EBUSY, errno.EOPNOTSUPP, errno.EPERM, errno.ENOMEM],
    "newaddr": [errno.ENOMEM, errno.ENOBUFS, errno.EINVAL, errno.EACCES, errno.ENODEV],
    "deladdr": [errno.ENOMEM, errno.EINVAL, errno.EPERM],
    "newroute": [errno.ENOMEM, errno.ENETUNREACH, errno.ENETDOWN, errno.EINVAL, errno.EEXIST],
    "delroute": [errno.ENOMEM, errno.EINVAL, errno.EPERM],
    "newneigh": [errno.ENOMEM, errno.ENOSPC, errno.EINVAL, errno.EOPNOTSUPP],
    "delneigh": [errno.ENOMEM, errno.EINVAL, errno.EPERM],
    "transaction": [errno.ENOMEM, errno.ENOBUFS, errno.EEXIST, errno.ENOENT, errno.EBUSY,
                    errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.ENOSPC, errno.EMFILE,
                    errno.EINTR, errno.EAGAIN],
    "netfilter": [errno.ENOMEM, errno.EINVAL, errno.EBUSY],
    "query": [errno.ENOMEM, errno.ENOBUFS, errno.EINTR, errno.EAGAIN],
    "ioctl": [errno.ENOMEM, errno.EBUSY, errno.EPERM, errno.EINVAL],
    "setns": [],
    "open": [errno.EMFILE, errno.ENFILE, errno.ENOMEM, *_FILE],
    "write": [*_FILE, errno.EINVAL, errno.ENOMEM],
    # One's own file on a file system that takes writes: it goes.
    "unlink": [], "rename": _FILE, "mkdir": _FILE, "fdatasync": _FILE, "fsync": _FILE,
    "ftruncate": _FILE,
    "spawn": [errno.EAGAIN, errno.ENOMEM],
}
_TC = [errno.ENOMEM, errno.EINVAL, errno.EEXIST, errno.EOPNOTSUPP, errno.EBUSY]
_TC_DELETE = [errno.ENOMEM, errno.EBUSY, errno.EPERM]


def _word(point):
    return point.removeprefix("& ").split()[0]


def numbers(point):
    word = _word(point)
    if word.startswith("newt") or word == "newqdisc":
        return _TC
    if word.startswith("delt") or word == "delqdisc":
        return _TC_DELETE
    return NUMBERS.get(word, [])


# what: the name of the point, of which it is the at-th
Mishap = collections.namedtuple("Mishap", "what at action number")


def _kinds(point):
    """[(action, number)]: all that may go wrong at it."""
    word = _word(point)
    found = [(REFUSE, number) for number in numbers(point)]
    if word == "query":
        return found + [(INTERRUPT, 0)]
    # Messages "& ..." are in one block with those before: the kernel does them all before netd can die.
    if not point.startswith("& "):
        found += [(DIE_BEFORE, 0), (DIE_AFTER, 0)]
    if word == "write":
        found += [(TEAR, 0), (CUT, 0)]
    if word not in ("open", "ioctl", "setns", "spawn", "write", "reply"):
        found.append((LOSE, errno.ENOBUFS))
    return found


def mishaps(points):
    counted, found = collections.Counter(), []
    for point in points:
        counted[point] += 1
        found += [Mishap(point, counted[point], *kind) for kind in _kinds(point)]
    return found


def sample(all_of_them, share, seed):
    """This part of them (1: all), the same for a seed."""
    if share >= 1:
        return all_of_them
    n = max(1, round(len(all_of_them) * share))
    return sorted(random.Random(seed).sample(all_of_them, n))
