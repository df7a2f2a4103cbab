# SPDX-License-Identifier: GPL-2.0-or-later
"""test_many_ports.py - a thousand ports at once from fifty clients: none lost, nothing left"""

import os
import resource
import threading

from vnetlab import Client, HostCase, Traced, nft_elements, nft_guards, wait_until

CLIENTS, EACH = 50, 20
CLOSED = 3  # ports of each client that end by their descriptor; the kernel takes 16 ms for each
GROUP = 4711
NETWORK = """
networks:
  blue:
    mode: nat
    addresses: [10.10.0.1/16]
    dhcp: {ranges: [10.10.200.1-10.10.200.99]}
    ports: {guard: strict}
"""


class ManyPorts(HostCase):
    def setUp(self):
        super().setUp()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
        self.stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        self.ports = {}
        self.stack.callback(self.close_all)
        self.netd = self.netd_with(NETWORK, arguments=("--log-level", "info"))

    def close_all(self):
        """As one group first: closed one by one, they would take the kernel a quarter of a minute."""
        taps = [n for n, link in self.host.links().items()
                if link.get("linkinfo", {}).get("info_kind") == "tun"]
        self.host.run("ip", "-batch", "-", timeout=120,
                      input="".join("link set %s group %d\n" % (n, GROUP) for n in taps))
        if taps:
            self.host.ip("link", "del", "group", GROUP)
        for _port, fd in self.ports.values():
            os.close(fd)
        self.ports = {}

    def at_once(self, work):
        """work(client, name, number) for each port, from a connection and thread for each client."""
        problems = []
        start = threading.Barrier(CLIENTS)

        def run(of):
            try:
                with Client(self.netd.socket, 60) as client:
                    start.wait()
                    for i in range(EACH):
                        work(client, "p%d-%d" % (of, i), of * EACH + i)
            except Exception as problem:  # the test's own thread is to tell of it
                problems.append(problem)
        threads = [threading.Thread(target=run, args=(i,)) for i in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if problems:
            raise problems[0]

    def attach(self, client, name, number):
        # Every other one with an address, of which dnsmasq is told before the reply.
        addresses = ["10.10.%d.%d" % (100 + number // 200, number % 200 + 1)] if number % 2 else []
        reply = client.call("AttachPort", {"network": "blue", "name": name, "vhost": "off",
                                           "addresses": addresses})
        self.ports[name] = (reply["port"], reply.fds[0])

    def detach(self, client, name, _number):
        if int(name.split("-")[1]) >= CLOSED:
            client.call("DetachPort", {"name": name})

    def hosts(self):
        with open(os.path.join(self.netd.run_dir, "dnsmasq/blue/hosts"), encoding="ascii") as f:
            return len(f.readlines())

    def test_come_and_go(self):
        links = set(self.host.links())
        self.at_once(self.attach)
        listed = {p["name"]: p for p in self.netd.call("ListPorts")["ports"]}
        self.assertEqual(len(listed), CLIENTS * EACH)
        for name, (port, _fd) in self.ports.items():
            self.assertEqual((listed[name]["ifname"], listed[name]["mac"], listed[name]["state"]),
                             (port["ifname"], port["mac"], "up"))
        ifnames = {p["ifname"] for p in listed.values()}
        self.assertEqual(len({p["mac"] for p in listed.values()}), len(listed))
        self.assertEqual(set(nft_guards(self.host)), ifnames)
        now = self.host.links()
        self.assertEqual({now[n]["master"] for n in ifnames}, {"vn-blue"})
        self.assertEqual(self.hosts(), len(listed) // 2)
        self.restart_writes_nothing(len(listed))

        self.at_once(self.detach)
        for name in ("p%d-%d" % (of, i) for of in range(CLIENTS) for i in range(CLOSED)):
            os.close(self.ports.pop(name)[1])
        wait_until(lambda: not self.netd.call("ListPorts")["ports"], what="the ports to go")
        self.close_all()
        self.assertEqual(set(self.host.links()), links)
        for name in ("macs", "guards", "members", "sources4", "learners"):
            self.assertEqual(nft_elements(self.host, "bridge", name), [], name)
        wait_until(lambda: self.hosts() == 0, what="dnsmasq's hosts to be empty")
        self.assertEqual(self.netd.call("Plan")["operations"], [])
        self.netd.stop()
        self.netd.start()
        with open(os.path.join(self.netd.run_dir, "ports"), encoding="ascii") as f:
            self.assertEqual(f.read(), "")

    def restart_writes_nothing(self, count):
        """But where tables have owners (Linux 6.9), that they are the new netd's now."""
        owned = "owner" in self.host.run("nft", "list", "table", "bridge", "vnet").stdout
        self.netd.stop()
        traced = Traced(self.netd)
        self.assertEqual(len(self.netd.call("ListPorts")["ports"]), count)
        writes = traced.end()
        self.assertEqual(len(writes), owned, writes[:10])
        self.netd.start()
