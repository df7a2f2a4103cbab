# SPDX-License-Identifier: GPL-2.0-or-later
"""test_fault_start.py - netd starts, and each step of that goes wrong; disks that are full, read-only, torn"""

import os
import subprocess

from vnetlab import VarlinkError, wait_until
from vnetlab.fault import mishaps, sample
from vnetlab.faultcase import ALL, SEED, SHARE, FaultCase


class Start(FaultCase):
    def setUp(self):
        super().setUp()
        self.define(ALL)
        self.attach("kept")
        self.close("kept")
        self.state = ALL.with_(ports={"kept": "plain"})
        self.remember(self.state)

    def go_through_starts(self, spoil):
        """Starts that go wrong at each of their points; spoil() is what they find."""
        spoil()
        with self.faults.points() as points:
            self.netd.start()
            self.settle(self.state)
        chosen = sample(mishaps(points), SHARE, "%d start" % SEED)
        print("     start: %d points, %d mishaps, seed %d" % (len(points), len(chosen), SEED), flush=True)
        for mishap in chosen:
            spoil()
            with self.subTest(mishap), self.faults.armed(mishap.what, mishap.action, mishap.number, mishap.at):
                try:
                    self.netd.start()
                except AssertionError:
                    self.assertIsNotNone(self.netd.process.poll(), "it hangs")
            if self.netd.process.poll() is not None:
                self.netd.process.wait()
                self.netd.process = None
                self.netd.check_log()
                self.netd.start()
            self.settle(self.state)
        # A start that could not look at a port puts its qdisc there anew, for which the kernel
        # stops the device for a moment (docs/live-changes.md): seen once in some thousands.
        self.check_flow(allowed=3)

    def test_with_nothing_to_repair(self):
        self.go_through_starts(self.netd.kill)

    def test_with_much_to_repair(self):
        def spoil():
            self.netd.kill()
            for name in ("vn-blue", "vn-mesh"):
                self.host.run("ip", "link", "delete", name, check=False)
            self.host.run("nft", "delete", "table", "inet", "vnet", check=False)
        self.go_through_starts(spoil)


class Disk(FaultCase):
    """A small disk below what must survive, and below what a reboot forgets."""

    def mount(self, folder):
        """What is there goes on on a disk of 64 KiB."""
        self.netd.kill()
        copy = folder + ".copy"
        subprocess.run(["cp", "-a", folder, copy], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "disk", folder], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        subprocess.run("cp -a %s/. %s" % (copy, folder), shell=True, check=True)
        self.netd.start()

    def fill(self, folder):
        path = os.path.join(folder, "ballast")
        with open(path, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(512))
            except OSError:
                pass
        return path

    def check(self, folder):
        self.define(ALL)
        self.mount(folder)
        self.remember(ALL)
        # Room in the last page of a file is not the disk's: what still fits is taken.
        ballast = self.fill(folder)
        with self.assertRaises(VarlinkError) as caught:
            for n in range(100):
                self.apply(blue="edited" if n % 2 else "plain")
        self.assertEqual(caught.exception.code, "state-write", caught.exception)
        os.unlink(ballast)
        self.apply(blue="plain")
        self.settle(ALL)
        self.netd.kill()
        self.netd.start()
        self.settle(ALL)
        self.check_flow()

    def test_full_below_var(self):
        self.check(self.netd.state_dir)

    def test_full_below_run(self):
        self.check(self.netd.run_dir)

    def test_read_only_below_var(self):
        self.define(ALL)
        self.remember(ALL)
        self.netd.kill()
        # Of its own mount: dnsmasq has its leases open by the other one.
        subprocess.run(["mount", "--bind", self.netd.state_dir, self.netd.state_dir], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", self.netd.state_dir], check=True)
        with self.assertRaises(AssertionError):
            self.netd.start()
        wait_until(lambda: self.netd.process.poll() is not None)
        self.assertIn("Read-only", self.netd.log())
        # Networks and guests go on without netd, and with it when the disk is back.
        self.check_flow()
        subprocess.run(["umount", "-l", self.netd.state_dir], check=True)
        self.netd.process = None
        self.netd.start()
        self.settle(ALL)
        self.check_flow()

    def test_torn_lines(self):
        """As a power cut leaves a file whose end did not reach the disk: cut off at each byte of it."""
        self.define(ALL)
        self.remember(ALL)
        self.apply(mesh="edited")
        self.apply(mesh="plain")
        self.netd.stop()
        path = os.path.join(self.netd.state_dir, "definitions")
        with open(path, "rb") as f:
            whole = f.read()
        end = whole.rindex(b"\n", 0, -1) + 1
        for cut in sorted({end, end + 1, (end + len(whole)) // 2, len(whole) - 1}):
            with open(path, "wb") as f:
                f.write(whole[:cut])
            self.netd.start()
            # The last line did not count; the one before it does.
            self.settle(ALL.with_(networks={"mesh": "edited"}))
            self.netd.stop()
        with open(path, "wb") as f:
            f.write(whole)
        self.netd.start()
        self.settle(ALL)
