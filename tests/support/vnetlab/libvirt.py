# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt.py - a real libvirtd with our hooks, in a namespace, and domains with the guest of tests/guest

Its directories are its own, below /run; with it end its QEMUs.  Where the sandbox has no /etc of
its own, or libvirt is not installed, the tests skip.
"""

import os
import re
import shutil
import socket
import subprocess

from .case import SkipFeature, wait_until
from .netd import find_program
from .netns import die_with_parent
from .qemu import Console, build_guest, has_kvm, machine_arguments

QEMU_CONF = """
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""
# Nothing of what a distribution's packages bring with them is needed: users, polkit, networks.
LIBVIRTD_CONF = """
unix_sock_group = "root"
auth_unix_ro = "none"
auth_unix_rw = "none"
"""
# The capabilities of QEMU take seconds to find out: once for all tests of a run.
SETUP = """
mount -t proc proc /proc
mount -t sysfs sysfs /sys
for folder in /run/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do
	mkdir -p $folder
	mount -t tmpfs tmpfs $folder
done
mkdir -p /run/lab/libvirt-cache
mount --bind /run/lab/libvirt-cache /var/cache/libvirt
mkdir -p /var/lib/libvirt/qemu/save /var/lib/libvirt/dnsmasq /var/lib/libvirt/network
rm -rf /etc/libvirt/*
getent passwd libvirt-qemu >/dev/null || {
	echo 'libvirt-qemu:x:64055:64055::/nonexistent:/bin/false' >>/etc/passwd
	echo 'libvirt-qemu:x:64055:' >>/etc/group
}
mkdir -p /etc/libvirt/qemu/networks /etc/libvirt/hooks/qemu.d /etc/libvirt/hooks/network.d
"""
DOMAIN = """
<domain type='%(kind)s'>
  <name>%(name)s</name>
  %(metadata)s
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>%(boot)s</os>
  <features><acpi/></features>
  %(cpu)s
  <on_reboot>restart</on_reboot>
  <devices>
    <emulator>%(emulator)s</emulator>
    <controller type='usb' model='none'/>
    %(ports)s
    %(interfaces)s
    <memballoon model='none'/>
    %(console)s
  </devices>
</domain>
"""
METADATA = "<metadata><vnet:ports xmlns:vnet='urn:vnet:libvirt:1'>%s</vnet:ports></metadata>"


def need_libvirt():
    if not all(shutil.which(p) for p in ("libvirtd", "virsh")):
        raise SkipFeature("libvirt is not installed")
    if not os.environ.get("VNET_SANDBOX_ETC"):
        raise SkipFeature("the sandbox has no /etc of its own")


def domain_xml(name, interfaces, metadata="", folder=None, slots=6):
    """
    With a folder the guest of tests/guest, its console there; without, a machine that finds
    nothing to boot.
    """
    boot = cpu = console = ""
    if folder:
        words = dict(zip(*[iter(machine_arguments()[-6:])] * 2))
        boot = "<kernel>%s</kernel><initrd>%s</initrd><cmdline>%s</cmdline>" % (
            words["-kernel"], words["-initrd"], words["-append"].replace("panic=-1", "panic=1"))
        console = ("<serial type='unix'><source mode='bind' path='%s/%s.console'/></serial>"
                   % (folder, name))
        # What costs an emulated guest time, as machine_arguments() has it.
        cpu = "" if has_kvm() else "<cpu mode='maximum'>%s</cpu>" % "".join(
            "<feature policy='disable' name='%s'/>" % f for f in ("la57", "avx", "avx2"))
    return DOMAIN % {
        "kind": "kvm" if has_kvm() else "qemu", "name": name, "boot": boot, "cpu": cpu,
        "metadata": METADATA % metadata if metadata else "",
        "emulator": shutil.which("qemu-system-x86_64"),
        "ports": "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * slots,
        "interfaces": interfaces, "console": console,
    }


def interface(kind, inside, mac):
    return ("<interface type='%s'><mac address='%s'/>%s<model type='virtio'/><rom enabled='no'/>"
            "</interface>" % (kind, mac, inside))


class VirshError(AssertionError):
    pass


class Libvirt:
    """options: of the hook, like ("--config", FILE)."""

    def __init__(self, ns, folder, netd=None, options=()):
        self.ns = ns
        self.folder = folder
        self.holder = ns.popen(
            "unshare", "-m", "-p", "--fork", "--kill-child", "--propagation", "private", "bash", "-ec",
            SETUP + "echo ready\nwhile :; do sleep 1000; done", stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == "ready\n", "no namespace for libvirtd"
        with open("/proc/%d/task/%d/children" % ((self.holder.pid,) * 2), encoding="ascii") as f:
            self.init = int(f.read().split()[0])
        self.write("/etc/libvirt/qemu.conf", QEMU_CONF)
        self.write("/etc/libvirt/libvirtd.conf", LIBVIRTD_CONF)
        if netd:
            self.install_hooks(netd, options)
        self.start()

    def inside(self, *command, **options):
        return self.ns.run("nsenter", "-m", "-p", "-t", self.init, "--", *command, **options)

    def write(self, path, text, mode=0o644):
        self.inside("sh", "-c", "cat >%s && chmod %o %s" % (path, mode, path), input=text)

    def install_hooks(self, netd, options=(), script="#!/bin/sh\nexec %s \"$@\"\n"):
        """libvirt gives its hooks no environment, so which netd is written down."""
        words = [find_program("vnet-libvirt-hook"), "--socket", netd.socket, *options]
        script = script % " ".join(words)
        for kind in ("qemu", "network"):
            self.write("/etc/libvirt/hooks/%s.d/vnet" % kind, script, 0o755)

    def start(self):
        self.inside("libvirtd", "-d")
        wait_until(lambda: self.inside("virsh", "uri", check=False).returncode == 0, timeout=30,
                   what="libvirtd to answer")

    def stop(self):
        """Its domains go on."""
        self.inside("sh", "-c", "kill $(cat /run/libvirtd.pid)")
        wait_until(lambda: self.inside("sh", "-c", "kill -0 $(cat /run/libvirtd.pid)",
                                       check=False).returncode, what="libvirtd to end")

    def virsh(self, *arguments, check=True, **options):
        result = self.inside("virsh", "-q", *arguments, check=False, timeout=60, **options)
        if check and result.returncode:
            raise VirshError("virsh %s: %s" % (" ".join(arguments), result.stdout))
        return result.stdout.strip()

    def fails(self, *arguments):
        """What virsh says of a command that must not succeed."""
        result = self.inside("virsh", "-q", *arguments, check=False, timeout=60)
        assert result.returncode, "virsh %s: succeeded" % " ".join(arguments)
        return result.stdout

    def define(self, xml):
        path = os.path.join(self.folder, "domain.xml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(xml)
        self.virsh("define", path)

    def interfaces(self, name):
        """domiflist: [(interface, type, source, model, mac)]"""
        return [tuple(line.split()) for line in self.virsh("domiflist", name).splitlines()]

    def log(self):
        return self.inside("sh", "-c", "tail -n 20 /var/log/libvirt/*/*.log", check=False).stdout

    def close(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()


class DomainGuest(Console):
    """The console of a domain whose guest boots, or goes on."""

    def __init__(self, libvirt, name):
        super().__init__(socket.socket(socket.AF_UNIX))
        self.libvirt = libvirt
        self.console.connect("%s/%s.console" % (libvirt.folder, name))

    def errors(self):
        return self.libvirt.log()

    def close(self):
        self.console.close()

    def forget(self):
        """What was said until now; a guest that boots again says it again."""
        self.text = ""
        self._seen = 0
