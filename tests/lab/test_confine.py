# SPDX-License-Identifier: GPL-2.0-or-later
"""test_confine.py - who netd's processes are and what they may do, as /proc says

Every other lab runs netd as it is here: whatever it needs and may not would fail there.
"""

import os
import pwd
import signal

from vnetlab import HostCase, wait_until

NETWORK = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/24]
    dhcp: true
"""
BITS = {"DAC_READ_SEARCH": 2, "KILL": 5, "SETGID": 6, "SETUID": 7, "NET_BIND_SERVICE": 10,
        "NET_ADMIN": 12, "NET_RAW": 13, "SYS_PTRACE": 19, "SYS_ADMIN": 21, "MKNOD": 27}


def capabilities(*names):
    return sum(1 << BITS[name] for name in names)


NETD = capabilities("NET_ADMIN")
DNSMASQ = capabilities("NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE")
BROKER = capabilities(*BITS)


def status(pid):
    with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as f:
        return [int(word) for word in f.read().split()]


class Confined(HostCase):
    def expect(self, pid, user, caps, **others):
        found = status(pid)
        uid, gid = pwd.getpwnam(user)[2:4]
        self.assertEqual(found["Uid"].split(), [str(uid)] * 4, user)
        self.assertEqual(found["Gid"].split(), [str(gid)] * 4, user)
        wanted = dict({"CapEff": caps, "CapPrm": caps, "CapInh": 0, "CapAmb": 0}, **others)
        self.assertEqual({name: int(found[name], 16) for name in wanted}, wanted)
        self.assertEqual((found["NoNewPrivs"], found["Seccomp"]), ("1", "2"))
        return found

    def test_users_and_capabilities(self):
        netd = self.netd_with(NETWORK)
        found = self.expect(netd.pid(), "vnet", NETD, CapBnd=NETD)
        self.assertIn(str(pwd.getpwnam("vnet-dnsmasq").pw_gid), found["Groups"].split())
        broker, = children(netd.pid())
        self.expect(broker, "vnet", BROKER, CapBnd=BROKER)
        dnsmasq, = wait_until(netd.dnsmasq_pids, what="dnsmasq")
        found = self.expect(dnsmasq, "vnet-dnsmasq", DNSMASQ, CapInh=DNSMASQ, CapAmb=DNSMASQ)
        self.assertEqual(found["Groups"].split(), [])
        # Nobody of the same user looks into the two (but sanitizers do).
        if "address" not in os.environ.get("VNET_BUILD", ""):
            for pid in (netd.pid(), broker):
                self.assertEqual(os.stat("/proc/%d/mem" % pid).st_uid, 0)

    def test_what_they_may_write(self):
        netd = self.netd_with(NETWORK)
        wait_until(netd.dnsmasq_pids, what="dnsmasq")
        self.guest(netd, "blue").dhcp()
        uid, gid = pwd.getpwnam("vnet-dnsmasq")[2:4]

        def may_write(path):
            pid = os.fork()
            if pid == 0:
                os.setgroups([])
                os.setgid(gid)
                os.setuid(uid)
                os._exit(0 if os.access(path, os.W_OK) else 1)
            return os.waitpid(pid, 0)[1] == 0

        writable = [os.path.join(folder, name) for top in (netd.run_dir, netd.state_dir)
                    for folder, folders, files in os.walk(top) for name in folders + files
                    if may_write(os.path.join(folder, name))]
        self.assertEqual(sorted(os.path.relpath(path, netd.folder) for path in writable),
                         ["run/dnsmasq/blue/run", "run/dnsmasq/blue/run/pid", "run/netd.sock",
                          "state/dnsmasq/blue.leases"])

    def test_the_broker_is_missed(self):
        """Without it there is no DHCP: netd ends, and whoever watches over it starts both again."""
        netd = self.netd_with(NETWORK)
        dnsmasq = wait_until(netd.dnsmasq_pids, what="dnsmasq")
        os.kill(children(netd.pid())[0], signal.SIGKILL)
        self.assertEqual(netd.process.wait(10), 1)
        self.assertIn("the broker is gone", netd.log())
        netd.process = None
        netd.start()
        self.assertEqual(netd.dnsmasq_pids(), dnsmasq)

    def test_what_root_left_is_taken_over(self):
        netd = self.netd_with(NETWORK, arguments=("--user", "root"))
        guest = self.guest(netd, "blue")
        guest.dhcp()
        self.assertEqual(status(netd.pid())["Uid"].split(), ["0"] * 4)
        self.assertEqual(int(status(netd.pid())["CapEff"], 16), NETD)
        netd.stop()
        netd.arguments = []
        netd.start()
        self.expect(netd.pid(), "vnet", NETD)
        self.assertEqual(len(netd.call("ListPorts")["ports"]), 1)
        owner = pwd.getpwnam("vnet").pw_uid
        for folder, folders, files in os.walk(netd.run_dir):
            for name in folders + files:
                path = os.path.join(folder, name)
                if not path.endswith("run/pid"):
                    self.assertEqual(os.lstat(path).st_uid, owner, path)
        guest.dhcp()

    def test_without_its_user(self):
        netd = self.netd_with(NETWORK, start=False, arguments=("--user", "nosuchuser"))
        netd.start(wait=False)
        self.assertEqual(netd.process.wait(10), 1)
        self.assertIn("there is no user nosuchuser: `systemd-sysusers vnet.conf` makes it", netd.log())
        netd.process = None

    def test_descriptors_that_were_left_open(self):
        read, write = os.pipe()
        try:
            os.set_inheritable(write, True)
            netd = self.netd_with(NETWORK, start=False)
            popen = netd.ns.popen
            netd.ns.popen = lambda *command, **options: popen(*command, pass_fds=[write], **options)
            netd.start()
            del netd.ns.popen
            os.close(write)
            write = -1
            self.assertEqual(os.read(read, 1), b"", "neither netd nor its broker has it")
        finally:
            os.close(read)
            if write >= 0:
                os.close(write)
