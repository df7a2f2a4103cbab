# SPDX-License-Identifier: GPL-2.0-or-later
"""demo.py - a real guest on a network, told step by step (make demo)"""

import os
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
sys.dont_write_bytecode = True

from vnetlab import (DnsServer, HOST4, HttpServer, INTERNET4, Namespace, Netd,  # noqa: E402
                     find_program, http_get, nft_drops, veth, wait_until)
from vnetlab.qemu import QemuGuest, build_guest, has_kvm  # noqa: E402

NETWORK = """\
networks:
  blue:
    mode: nat
    domain: blue.example
    addresses: [10.10.0.1/24]
    dhcp:
      hosts: [{mac: "52:54:00:00:00:05", name: web, address: 10.10.0.5}]
    dns: {forwarders: [192.0.2.1]}
    forwards:
      - tcp 8080 -> 10.10.0.5:80
"""
COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
START = time.monotonic()


def paint(code, text):
    return "\033[%sm%s\033[0m" % (code, text) if COLOUR else text


def say(text):
    print("\n%s %s" % (paint("1;34", "==>"), paint("1", text)), flush=True)


def show(text, prompt=None):
    if prompt:
        print("    " + paint("36", prompt))
    for line in text.strip("\n").splitlines():
        print("    " + line)
    sys.stdout.flush()


def check(what, passed):
    print("    %s %s" % (paint("32", "ok  ") if passed else paint("1;31", "FAIL"), what), flush=True)
    if not passed:
        raise SystemExit("demo: %s: this should not have happened" % what)


class Demo:
    def __init__(self, folder):
        self.folder = folder
        self.closing = []

    def close(self):
        for thing in reversed(self.closing):
            thing()

    def world(self):
        say("A host, and an internet outside of it (network namespaces on this machine)")
        self.host, self.outside = Namespace("host"), Namespace("outside")
        veth(self.host, "eth0", self.outside, "eth0")
        self.host.ip("addr", "add", HOST4 + "/24", "dev", "eth0")
        self.host.ip("route", "add", "default", "via", "192.0.2.1")
        self.outside.ip("addr", "add", "192.0.2.1/24", "dev", "eth0")
        self.outside.ip("addr", "add", INTERNET4 + "/32", "dev", "lo")
        for server in (DnsServer(self.outside, {"www.example.com": [INTERNET4]}),
                       HttpServer(self.outside, 80, "::", "hello from the internet; you are")):
            self.closing.append(server.close)
        show("host %s  ----  outside 192.0.2.1, www.example.com is %s" % (HOST4, INTERNET4))

    def daemon(self):
        say("netd starts and reads one network")
        self.netd = Netd(self.host, self.folder, {"networks.d/blue.yaml": NETWORK})
        self.closing.append(self.netd.cleanup)
        self.netd.start()
        show(NETWORK, "/etc/vnet/networks.d/blue.yaml")
        self.vnetctl("network", "list")
        self.before = self.host.run("nft", "-s", "list", "ruleset").stdout

    def vnetctl(self, *arguments):
        show(self.netd.vnetctl(*arguments).stdout, "$ vnetctl " + " ".join(arguments))

    def boot(self):
        say("A guest boots: Debian's kernel in QEMU (%s)" % ("KVM" if has_kvm() else
                                                            "emulated, no KVM here"))
        command = ["run", "blue", "--name", "web", "--mac", "52:54:00:00:00:05", "--"]
        show("", "$ vnetctl %s qemu-system-x86_64 -kernel ..." % " ".join(command))
        begin = time.monotonic()
        self.guest = QemuGuest(self.host, self.folder, (), prefix=[find_program("vnetctl")] + command,
                               env=dict(os.environ, VNET_SOCKET=self.netd.socket))
        self.closing.append(self.guest.close)
        self.guest.wait_ready()
        address, length, gateway = self.guest.address()
        check("DHCP gave %s/%s, gateway %s, %.1f s after exec" % (
            address, length, gateway, time.monotonic() - begin), address == "10.10.0.5")
        self.vnetctl("port", "list")
        self.vnetctl("lease", "list")

    def in_guest(self, command):
        status, text = self.guest.run(command)
        show(text, "guest# " + command)
        return status, text

    def internet(self):
        say("From the guest through NAT to the internet")
        status, text = self.in_guest("nslookup -type=a www.example.com")
        check("a name resolves", status == 0 and INTERNET4 in text)
        status, _ = self.in_guest("ping -c 2 www.example.com")
        check("ping", status == 0)
        status, text = self.in_guest("wget -q -O - http://www.example.com/")
        check("HTTP, and the server saw the host's address", status == 0 and HOST4 in text)

    def forward(self):
        say("From the internet through the port forward into the guest")
        self.in_guest("echo 'hello from the guest' >/www/index.html; httpd -h /www")
        page = http_get(self.outside, HOST4, 8080)
        show(page or "", "outside$ wget -O - http://%s:8080/" % HOST4)
        check("the guest's page came", page == "hello from the guest\n")

    def spoof(self):
        say("The guest pretends to be somebody else")
        self.in_guest("ip link set eth0 address 52:54:00:66:66:66; "
                      "arping -c 2 -w 2 -I eth0 10.10.0.1; true")
        port = self.netd.call("DescribePort", name="web")["port"]
        show(self.host.run("nft", "list", "set", "bridge", "vnet", "drops").stdout,
             "$ nft list set bridge vnet drops")
        check("%d spoofed frames dropped and counted" % port["dropped"],
              port["dropped"] >= 2 and nft_drops(self.host, port["ifname"]) == port["dropped"])

    def death(self):
        say("QEMU dies")
        ifname = self.netd.call("DescribePort", name="web")["port"]["ifname"]
        show("", "$ kill -9 %d" % self.guest.process.pid)
        self.guest.kill()
        wait_until(lambda: not self.netd.call("ListPorts")["ports"], what="the port to go")
        self.vnetctl("port", "list")
        check("no device " + ifname, self.host.link(ifname) is None)
        check("the rules are those from before the guest, to the letter",
              self.host.run("nft", "-s", "list", "ruleset").stdout == self.before)
        wait_until(lambda: not self.netd.call("ListLeases")["leases"], what="the lease to go")
        check("no lease", True)
        self.netd.call("StopNetwork", name="blue")
        wait_until(lambda: not self.netd.dnsmasq_pids(), what="dnsmasq to end")
        check("network stopped: no bridge, no rule, no dnsmasq",
              self.host.link("vn-blue") is None
              and not self.host.run("nft", "list", "ruleset").stdout.strip())


def main():
    build_guest()
    folder = tempfile.mkdtemp(dir="/run/lab")
    os.chmod(folder, 0o755)
    demo = Demo(folder)
    try:
        for step in (demo.world, demo.daemon, demo.boot, demo.internet, demo.forward, demo.spoof,
                     demo.death):
            step()
    finally:
        demo.close()
        shutil.rmtree(folder, ignore_errors=True)
    say("Done in %.0f s. Nothing was left on this machine." % (time.monotonic() - START))


if __name__ == "__main__":
    main()
