# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu.py - real guests: QEMU, the kernel and initramfs of tests/guest, a serial console"""

import json
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import time

from .netd import build_path
from .netns import die_with_parent
from .patience import patience

BOOT_SECONDS = 90
COMMAND_SECONDS = 60

# The guest of tests/guest/freeze-guest: who wakes it gives it the same machine, and the card that
# netd's arguments name for a port of two queues.
ASLEEP_MAC = "52:54:00:00:00:05"
ASLEEP_CARD = "virtio-net-pci,netdev=%s,mac=" + ASLEEP_MAC + ",mq=on,vectors=6"
ASLEEP_MACHINE = ["-smp", "2"]


def has_kvm():
    """/dev/kvm alone says little: without vmx or svm it cannot start an ordinary kernel."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        return bool(re.search(r"^flags\s*:.*\b(vmx|svm)\b", f.read(), re.M))


def machine_arguments(append="", emulated=False, initrd=None):
    """QEMU's arguments for the guest, all but its network and console."""
    folder = readable_by_all(os.path.abspath(build_path("guest")))
    if has_kvm() and not emulated:
        accelerator = ["-accel", "kvm", "-cpu", "host"]
    else:
        accelerator = ["-accel", "tcg", "-cpu", "max,la57=off,-avx,-avx2"]
    # What only costs an emulated guest time: mitigations, self-tests, address randomisation.
    command_line = ("console=ttyS0 quiet panic=-1 nokaslr norandmaps mitigations=off lsm= audit=0 "
                    "init_on_alloc=0 cryptomgr.notests "
                    "initcall_blacklist=init_kprobe_trace,load_system_certificate_list " + append)
    return accelerator + [
        "-m", "128M", "-machine", "q35,hpet=off,smbus=off,sata=off,usb=off,vmport=off",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", os.path.join(folder, "kernel"), "-initrd", initrd or os.path.join(folder, "initrd.cpio"),
        "-append", command_line]


def readable_by_all(folder):
    """A copy in the sandbox: a guest may run as a user who cannot look into the build directory."""
    target = "/run/lab/guest"
    if not os.path.isdir(target):
        shutil.copytree(folder, target)
        for path in [target] + [os.path.join(target, n) for n in os.listdir(target)]:
            os.chmod(path, 0o755)
    return target


def initrd_with(folder, files):
    """The guest's initramfs with more in it: {path in the guest: file here}, modes as they are."""
    root, target = os.path.join(folder, "initrd.d"), os.path.join(folder, "initrd.cpio")
    for path, source in files.items():
        inside = os.path.join(root, path)
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        shutil.copy(source, inside)
    archive = subprocess.run(["sh", "-c", "find . | busybox cpio -o -H newc"], cwd=root, check=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    with open(build_path("guest", "initrd.cpio"), "rb") as f:
        first = f.read()
    # The kernel unpacks one archive behind the other, at multiples of four.
    with open(target, "wb") as f:
        f.write(first + bytes(-len(first) % 4) + archive)
    return target


def build_guest():
    """Builds the guest's kernel and initramfs, unless they are there."""
    script = os.path.join(os.path.dirname(__file__), "../../guest/build-guest")
    subprocess.run([os.path.abspath(script), build_path("guest")], check=True)


class Console:
    """A guest of tests/guest by its serial console: .console, a connected socket."""

    def __init__(self, console=None):
        self.console = console
        self.text = ""
        self._seen = 0

    def errors(self):
        return ""

    def has_ended(self):
        """In words, or None."""
        return None

    def _fail(self, what):
        raise AssertionError("%s; console:\n%s\nQEMU:\n%s" % (what, self.text[-3000:],
                                                             self.errors()))

    def expect(self, pattern, timeout=BOOT_SECONDS):
        """The match of the first console line, not taken yet, that fits the pattern."""
        expression = re.compile(pattern, re.M)
        timeout = patience(timeout)
        deadline = time.monotonic() + timeout
        while True:
            end = self.text.rfind("\n") + 1
            match = expression.search(self.text, self._seen, end)
            if match:
                self._seen = self.text.find("\n", match.end() - 1) + 1
                return match
            left = deadline - time.monotonic()
            if left <= 0:
                self._fail("no %r within %d s" % (pattern, timeout))
            if not select.select([self.console], [], [], min(left, 1))[0]:
                if self.has_ended():
                    self._fail(self.has_ended())
                continue
            data = self.console.recv(65536)
            if not data:
                self._fail(self.has_ended() or "QEMU closed the console")
            self.text += data.decode(errors="replace").replace("\r", "")

    def wait_ready(self):
        self.expect(r"^MINI ready$")
        return self

    def address(self, device="eth0"):
        """What DHCP gave while the guest started: (address, length, gateway)."""
        match = re.search(r"^MINI addr %s (\S+)/(\d+) ?(\S*)$" % device, self.text, re.M)
        if not match:
            self._fail("the guest has no address on %s" % device)
        return match.groups()

    def mac(self, device="eth0"):
        match = re.search(r"^MINI link %s (\S+)$" % device, self.text, re.M)
        if not match:
            self._fail("the guest has no card %s" % device)
        return match.group(1)

    def run(self, command, timeout=COMMAND_SECONDS):
        """(status, output) of a line of shell in the guest."""
        self.start(command)
        return self.finish(timeout)

    def start(self, command):
        self._command_from = self._seen
        self.console.sendall(command.encode() + b"\n")

    def finish(self, timeout=COMMAND_SECONDS):
        match = self.expect(r"^MINI done (\d+)$", timeout)
        return int(match.group(1)), self.text[self._command_from:match.start()]

class QemuGuest(Console):
    """
    Runs `prefix… qemu-system-x86_64 … network-arguments`, in namespace ns.

    An emulated guest inside an emulated machine takes minutes to boot; one that was booted
    elsewhere and stopped there by sleep() wakes up in seconds: asleep names the file.
    """

    def __init__(self, ns, folder, network=(), append="", prefix=(), pass_fds=(), qmp=False,
                 binary="qemu-system-x86_64", emulated=False, asleep=None, initrd=None,
                 **popen_options):
        super().__init__()
        self.console_path = os.path.join(folder, "console-%d" % id(self))
        self.qmp_path = os.path.join(folder, "qmp-%d" % id(self))
        self.log_path = os.path.join(folder, "qemu-%d.log" % id(self))
        # Made here, so that a guest that runs as another user needs no right to the folder.
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.console_path)
        listener.listen(1)
        fd = listener.fileno()
        command = list(prefix) + [binary] + machine_arguments(append, emulated or asleep, initrd) + [
            "-chardev", "socket,id=console,fd=%d,server=on,wait=off" % fd,
            "-serial", "chardev:console"]
        fds = list(pass_fds) + [fd]
        if asleep:
            command += ["-incoming", "exec:cat " + shlex.quote(asleep)]
            qmp = True
        if qmp:
            qmp_listener = socket.socket(socket.AF_UNIX)
            qmp_listener.bind(self.qmp_path)
            qmp_listener.listen(1)
            command += ["-chardev", "socket,id=qmp,fd=%d,server=on,wait=off" % qmp_listener.fileno(),
                        "-mon", "chardev=qmp,mode=control"]
            fds.append(qmp_listener.fileno())
        command += list(network)
        self.command = command
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = ns.popen(*command, pass_fds=fds, stdout=log, stderr=log,
                                    preexec_fn=die_with_parent, **popen_options)
        listener.close()
        self.qmp = None
        if qmp:
            qmp_listener.close()
            try:
                self.qmp = Qmp(self.qmp_path)
            except (EOFError, OSError):
                self.process.wait(10)
                raise AssertionError("QEMU ended at once: " + self.errors()) from None
        self.console = socket.socket(socket.AF_UNIX)
        self.console.connect(self.console_path)
        if asleep:
            self._wake()

    def _wake(self):
        deadline = time.monotonic() + patience(BOOT_SECONDS)
        try:
            while (status := self.qmp.call("query-status")["status"]) == "inmigrate":
                if time.monotonic() > deadline:
                    self._fail("not awake within %d s" % patience(BOOT_SECONDS))
                time.sleep(0.05)
            if status != "running":
                self.qmp.call("cont")
        except EOFError:
            self.process.wait(10)
            self._fail("QEMU could not take the guest over")

    def sleep(self, path):
        """Stops the guest and leaves all of it in a file."""
        self.qmp.call("stop")
        self.qmp.call("migrate", uri="exec:cat >" + shlex.quote(path))
        deadline = time.monotonic() + patience(COMMAND_SECONDS)
        while (status := self.qmp.call("query-migrate")["status"]) != "completed":
            if status == "failed" or time.monotonic() > deadline:
                self._fail("the guest does not fall asleep: " + status)
            time.sleep(0.05)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.console.close()
        if self.qmp:
            self.qmp.close()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def has_ended(self):
        # A console that is closed comes before an end that can be seen.
        try:
            return "QEMU ended with status %d" % self.process.wait(0.1)
        except subprocess.TimeoutExpired:
            return None

    def errors(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

class Qmp:
    """QEMU's monitor protocol."""

    def __init__(self, path, timeout=20):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(patience(timeout))
        self.sock.connect(path)
        self._file = self.sock.makefile("r", encoding="utf-8")
        self._read()
        self.call("qmp_capabilities")

    def _read(self):
        while True:
            line = self._file.readline()
            if not line:
                raise EOFError("QEMU closed its monitor")
            message = json.loads(line)
            if "event" not in message:
                return message

    def call(self, command, fds=(), **arguments):
        data = json.dumps({"execute": command, "arguments": arguments}).encode()
        if fds:
            socket.send_fds(self.sock, [data], list(fds))
        else:
            self.sock.sendall(data)
        reply = self._read()
        if "error" in reply:
            raise AssertionError("QMP %s: %s" % (command, reply["error"]))
        return reply["return"]

    def close(self):
        self._file.close()
        self.sock.close()
