# SPDX-License-Identifier: GPL-2.0-or-later
"""strace.py - what a program asked the kernel to change, as strace saw it"""

import os
import re
import signal

# What changes the kernel's state, as strace prints it.
WRITES = re.compile(r"(RTM_(NEW|DEL|SET)\w+.*NLM_F_(ACK|CREATE)|NFT_MSG_(NEW|DEL)|NFNL_MSG_BATCH_BEGIN"
                    r"|TUNSETIFF|TUNSETPERSIST|SIOCS|/proc/sys/.*O_(WRONLY|RDWR))")
READS = re.compile(r"RTM_GET|NFT_MSG_GET")


class Traced:
    """netd started under strace; .end() ends it and gives what it asked to change, a line each."""

    def __init__(self, netd):
        self.netd = netd
        self.path = os.path.join(netd.folder, "strace")
        netd.start(prefix=("strace", "-o", self.path, "-s", "400", "-e",
                           "trace=sendto,sendmsg,ioctl,openat"))

    def end(self, timeout=30):
        os.kill(self.netd.pid(), signal.SIGTERM)
        self.netd.process.wait(timeout)
        self.netd.process = None
        with open(self.path, encoding="utf-8", errors="replace") as f:
            lines = f.readlines()
        assert any("RTM_GETLINK" in line for line in lines), "strace saw no snapshot"
        return [line for line in lines if WRITES.search(line) and not READS.search(line)]
