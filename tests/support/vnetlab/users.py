# SPDX-License-Identifier: GPL-2.0-or-later
"""users.py - calls by somebody else than root"""

import json
import os

from .varlink import Client, VarlinkError

NOBODY = 65534


def call_as(uid, path, method, groups=(), gid=None, hold=False, **parameters):
    """
    One call by a process of that user.  Returns (reply, error name, error message, pid); with
    hold=True that process lives, and with it the descriptors it got, until release(pid).
    """
    read, write = os.pipe()
    wait_read, wait_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            for fd in (wait_write, *_held.values()):
                os.close(fd)
            os.setgroups(list(groups))
            os.setgid(uid if gid is None else gid)
            os.setuid(uid)
            client = Client(path)
            try:
                result = [dict(client.call(method, parameters)), None, None]
            except VarlinkError as e:
                result = [None, e.name, e.message]
            os.write(write, json.dumps(result).encode())
            os.close(write)
            if hold:
                os.read(wait_read, 1)
        finally:
            os._exit(0)
    os.close(write)
    os.close(wait_read)
    with os.fdopen(read, "rb") as f:
        result = json.loads(f.read())
    _held[pid] = wait_write
    if not hold:
        release(pid)
    return (*result, pid)


def release(pid):
    """Ends a process that call_as() left holding."""
    os.close(_held.pop(pid))
    os.waitpid(pid, 0)


def release_all():
    for pid in list(_held):
        release(pid)


_held = {}
