# SPDX-License-Identifier: GPL-2.0-or-later
"""test_cli_fake.py - vnetctl, the programs that QEMU calls and the examples, against a scripted netd

What they ask, what they print, how they end; test_cli.py has vnetctl against the real one.
"""

import json
import os
import pwd
import re
import select
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fake_netd  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("VNET_BUILD", os.path.join(ROOT, "build")))
CLI = os.path.join(BUILD, "cli")

OK, FAILED, USAGE, NOT_FOUND, DENIED, UNREACHABLE, IN_USE, INVALID, EXISTS, LIMIT, TIMED_OUT = \
    range(11)


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="vnet-cli-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.socket = os.path.join(self.dir, "netd.sock")
        self.netd = fake_netd.serve(self.socket)
        self.addCleanup(self.netd.close)
        self.env = {**os.environ, "VNET_SOCKET": self.socket, "TZ": "UTC", "LC_ALL": "C.UTF-8",
                    "NO_COLOR": ""}
        self.env.pop("VNET_NETWORK", None)

    def run_program(self, program, *args, status=OK, stdin="", env=None, **more):
        done = subprocess.run([os.path.join(CLI, program), *args], input=stdin,
                              capture_output=True, text=True, timeout=60,
                              env={**self.env, **(env or {})}, **more)
        self.assertEqual(done.returncode, status,
                         f"{program} {args}\nout: {done.stdout}\nerr: {done.stderr}")
        return done

    def vnetctl(self, *args, status=OK, **more):
        return self.run_program("vnetctl", *args, status=status, **more)

    def file(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        return path

    def fail(self, method, *args, **more):
        """From now on the method answers with this error."""
        def answer(_):
            raise fake_netd.Error(*args, **more)
        self.netd.answers[method] = answer


class Dispatch(Case):
    def test_usage(self):
        for args in ([], ["nope"], ["network"], ["network", "frob"], ["network", "show"],
                     ["network", "show", "a", "b"], ["network", "list", "--frob"],
                     ["-o", "xml", "network", "list"], ["--socket"], ["apply"],
                     ["run"], ["run", "blue"], ["run", "--", "true"], ["port", "update", "web1"],
                     ["run", "blue,colour=red", "--", "true"], ["completion", "tcsh"],
                     ["call", "GetInfo", "[]"], ["call", "GetInfo", "{"],
                     ["port", "attach", "blue", "--queues", "65", "--persistent"]):
            with self.subTest(args=args):
                done = self.vnetctl(*args, status=USAGE)
                self.assertEqual(done.stdout, "")
                self.assertNotEqual(done.stderr, "")
        self.assertEqual(self.netd.calls, [])

    def test_usual_mistakes(self):
        for args, advice in ((["run", "blue", "qemu", "-m", "1G"], "stand behind --"),
                             (["apply", "blue.yaml"], "vnetctl apply -f blue.yaml")):
            with self.subTest(args=args):
                self.assertIn(advice, self.vnetctl(*args, status=USAGE).stderr)
        self.assertEqual(self.netd.calls, [])

    def test_empty_lists(self):
        for args, method, key in ((["network", "list"], "ListNetworks", "networks"),
                                  (["port", "list"], "ListPorts", "ports"),
                                  (["lease", "list"], "ListLeases", "leases")):
            self.netd.answers[method] = lambda p, key=key: {key: []}
            done = self.vnetctl(*args)
            self.assertEqual((done.stdout, done.stderr), ("", "no %s\n" % key))
            self.assertEqual(self.vnetctl(*args, "-q").stderr, "")
            self.assertEqual(json.loads(self.vnetctl(*args, "-o", "json").stdout), [])

    def test_help(self):
        text = self.vnetctl("--help").stdout
        commands = re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?= |$)", text.split("\nOptions")[0], re.M)
        self.assertGreater(len(commands), 18)
        for command in commands:
            with self.subTest(command=command):
                words = command.split()
                text = self.vnetctl(*words, "--help").stdout
                self.assertTrue(text.startswith(f"Usage: vnetctl {command} [options]"), text)
        self.assertIn("network show NAME", self.vnetctl("network", "--help").stdout)
        self.assertNotIn("port", self.vnetctl("network", "-h").stdout.split("\nOptions")[0])
        self.assertRegex(self.vnetctl("--version").stdout, r"^vnetctl \d+\.\d+\.\d+\n$")

    def test_global_options_go_anywhere(self):
        for args in (["-o", "json", "network", "list"], ["network", "list", "-o", "json"],
                     ["network", "list", "-ojson"], ["--output=json", "network", "list"]):
            with self.subTest(args=args):
                self.assertEqual(json.loads(self.vnetctl(*args).stdout),
                                 list(self.netd.networks.values()))

    def test_statuses(self):
        for name, status in (("NotFound", NOT_FOUND), ("PermissionDenied", DENIED),
                             ("InUse", IN_USE), ("NeedsDisruption", IN_USE),
                             ("InvalidDefinition", INVALID), ("InvalidParameter", INVALID),
                             ("AlreadyExists", EXISTS), ("LimitExceeded", LIMIT),
                             ("KernelFailure", FAILED),
                             ("org.varlink.service.MethodNotFound", FAILED)):
            with self.subTest(name=name):
                self.fail("ListNetworks", name, "because")
                done = self.vnetctl("network", "list", status=status)
                self.assertEqual(done.stdout, "")
                self.assertEqual(done.stderr, "vnetctl: because\n")

    def test_nobody_there(self):
        gone = os.path.join(self.dir, "gone")
        for args in (["network", "list"], ["apply", "-f", self.file("a.yaml", "networks: {}\n")],
                     ["run", "blue", "--", "true"], ["monitor"], ["port", "wait", "web1"]):
            with self.subTest(args=args):
                done = self.vnetctl("--socket", gone, *args, status=UNREACHABLE)
                self.assertIn(f"cannot reach netd at {gone}: No such file", done.stderr)
        done = self.vnetctl("--socket", gone, "version")
        self.assertRegex(done.stdout, r"^vnetctl \d.*\nnetd    cannot reach netd")

    def test_error_text_cannot_drive_the_terminal(self):
        self.fail("ListNetworks", "NotFound", "evil\x1b]0;title\x07\nvnetctl: ok")
        done = self.vnetctl("network", "list", status=NOT_FOUND)
        self.assertEqual(done.stderr, "vnetctl: evil\\x1b]0;title\\x07\\x0avnetctl: ok\n")

    def test_output_that_nobody_can_take(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([os.path.join(CLI, "vnetctl"), "network", "list"], env=self.env,
                                  stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("No space left", done.stderr)


class Show(Case):
    def test_networks(self):
        done = self.vnetctl("network", "list")
        self.assertEqual(done.stdout.splitlines()[1].split(),
                         ["blue", "nat", "running", "vn-blue", "0", "10.7.0.1/24,", "fd07::1/64"])
        self.assertNotIn("\x1b", done.stdout)
        self.netd.networks["blue"].update(state="failed", problem={"code": "x", "message": "no br"})
        text = self.vnetctl("network", "show", "blue").stdout
        self.assertRegex(text, r"(?m)^STATE +failed$")
        self.assertRegex(text, r"(?m)^PROBLEM +no br$")
        self.vnetctl("network", "show", "nope", status=NOT_FOUND)

    def test_definition_is_what_apply_takes(self):
        text = self.vnetctl("network", "show", "blue", "--definition").stdout
        self.assertEqual(text, 'networks:\n  blue:\n    mode: nat\n    subnet: "10.7.0.1/24"\n'
                         '    dhcp:\n      hosts:\n        - mac: "52:54:00:00:00:01"\n'
                         '          address: "10.7.0.5"\n')
        reply = self.vnetctl("network", "show", "blue", "-d", "-o", "json").stdout
        self.assertEqual(list(json.loads(reply)), ["networks"])

    def test_start_stop_delete(self):
        self.assertEqual(self.vnetctl("network", "start", "blue", "lan").stdout,
                         "network blue: started\nnetwork lan: started\n")
        self.assertEqual(self.vnetctl("-q", "network", "start", "blue").stdout, "")
        self.netd.AttachPort({"network": "blue"})
        self.vnetctl("network", "stop", "blue", status=IN_USE)
        self.vnetctl("network", "stop", "--force", "blue")
        self.assertEqual(self.netd.calls[-1], ("StopNetwork", {"name": "blue", "force": True}))
        # The others are done although one fails, and the failure is told.
        done = self.vnetctl("network", "delete", "nope", "lan", status=NOT_FOUND)
        self.assertEqual(done.stdout, "network lan: deleted\n")
        self.assertNotIn("lan", self.netd.networks)

    def test_names_by_pattern(self):
        for number in (99, 100, 101):
            self.netd.networks[f"lan.{number}"] = fake_netd.network(f"lan.{number}")
        done = self.vnetctl("network", "stop", "lan.10?", "blue", "lan.1*")
        self.assertEqual(self.netd.calls[1:], [
            ("StopNetworks", {"names": ["lan.100", "lan.101", "blue"], "force": False})])
        self.assertEqual(done.stdout, "".join(f"network {name}: stopped\n"
                                              for name in ("lan.100", "lan.101", "blue")))
        self.netd.calls.clear()
        # One that is not there: netd refuses all, so they go one by one.
        done = self.vnetctl("network", "delete", "--force", "x*", "lan.[0-9]*", "nope",
                            status=NOT_FOUND)
        self.assertEqual([p["name"] for name, p in self.netd.calls if name == "DeleteNetwork"],
                         ["lan.99", "lan.100", "lan.101", "nope"])
        self.assertEqual(done.stderr, "vnetctl: no network that you may see matches 'x*'\n"
                         "vnetctl: there is no network nope\n")
        self.assertEqual(list(self.netd.networks), ["blue", "lan"])
        # A name that exists needs no list of all; one network no bulk call.
        self.netd.calls.clear()
        self.vnetctl("network", "stop", "blue")
        self.assertEqual([name for name, _ in self.netd.calls], ["StopNetwork"])
        reply = self.vnetctl("network", "stop", "blue", "lan", "-o", "json").stdout
        self.assertEqual(reply.count('"network"'), 2)
        # A netd of before.
        self.fail("StopNetworks", "org.varlink.service.MethodNotFound", "no such method")
        self.vnetctl("network", "stop", "blue", "lan")

    def test_wires_of_a_network(self):
        self.netd.networks["blue"].update(uplink="eth0", vlan=100)
        self.assertRegex(self.vnetctl("network", "list").stdout.splitlines()[0],
                         "BRIDGE +UPLINK +VLAN")
        text = self.vnetctl("network", "show", "blue").stdout
        self.assertRegex(text, r"(?m)^UPLINK +eth0$")
        self.assertRegex(text, r"(?m)^VLAN +100$")
        self.assertNotIn("LINK ", text.replace("UPLINK", ""))
        definition = {"mode": "isolated", "links": [
            {"name": "mesh", "kind": "gretap", "local": "10.0.0.1", "key": 7,
             "peers": ["10.0.0.2", "10.0.0.3"]},
            {"name": "over", "kind": "vxlan", "local": "fd00::1", "vni": 77, "peers": ["fd00::2"]}]}
        self.netd.answers["DescribeNetwork"] = lambda p: {
            "network": self.netd.networks["blue"], "definition": definition, "ports": []}
        lines = self.vnetctl("network", "show", "blue").stdout.split("\n\n")[1].splitlines()
        self.assertEqual(lines[0].split(), ["LINK", "KIND", "KEY", "LOCAL", "PEER", "DEVICE"])
        self.assertRegex(lines[1], r"^mesh gretap +7 10\.0\.0\.1 10\.0\.0\.2 vg[0-9a-f]{8}$")
        self.assertRegex(lines[2], r"^mesh gretap +7 10\.0\.0\.1 10\.0\.0\.3 vg[0-9a-f]{8}$")
        self.assertNotEqual(lines[1][-8:], lines[2][-8:])
        self.assertRegex(lines[3], r"^over vxlan +77 fd00::1 +fd00::2 +vx[0-9a-f]{8}$")
        # What this program does not know is no reason to fail.
        definition["links"][0]["kind"] = "carrier-pigeon"
        self.assertNotIn("mesh", self.vnetctl("network", "show", "blue").stdout)

    def test_leases_and_fdb(self):
        text = self.vnetctl("lease", "list", "blue").stdout
        self.assertIn("evil\\x1b[2Jhost", text)
        self.assertNotIn("\x1b", text)
        self.assertEqual(self.netd.calls[-1], ("ListLeases", {"network": "blue"}))
        self.assertIn("52:54:00:00:00:01", self.vnetctl("fdb", "list").stdout)
        self.assertEqual(self.netd.calls[-1], ("ListFdb", {}))

    def test_colours_only_on_a_terminal(self):
        def on_terminal(*args, **env):
            master, slave = os.openpty()
            subprocess.run([os.path.join(CLI, "vnetctl"), *args], stdout=slave, stderr=slave,
                           env={**self.env, "TERM": "xterm", **env}, timeout=60, check=False)
            os.close(slave)
            data = b""
            while select.select([master], [], [], 0.5)[0]:
                try:
                    data += os.read(master, 65536)
                except OSError:
                    break
            os.close(master)
            return data
        self.assertIn(b"\x1b[", on_terminal("network", "list"))
        self.assertIn(b"\x1b[", on_terminal("network", "show", "blue"))
        self.assertIn(b"\x1b[", on_terminal("network", "show", "nope"))
        self.assertNotIn(b"\x1b[", on_terminal("network", "show", "blue", NO_COLOR="1"))
        self.assertNotIn(b"\x1b[", on_terminal("network", "list", "--no-color"))
        self.assertNotIn(b"\x1b[", on_terminal("network", "show", "blue", TERM="dumb"))
        self.assertNotIn(b"\x1b[", on_terminal("network", "show", "nope", NO_COLOR="1"))
        # What a terminal would obey stays out of JSON and YAML too.
        self.netd.answers["ListLeases"] = lambda p: {"leases": [{"hostname": "a\u009b2Jb\x1bc"}]}
        for form in ("json", "yaml"):
            data = on_terminal("lease", "list", "-o", form)
            self.assertNotIn(b"\x1b", data)
            self.assertNotIn(b"\xc2\x9b", data)

    def test_info_and_version(self):
        done = self.vnetctl("info")
        self.assertRegex(done.stdout, r"(?m)^VERSION +9\.9\.9$")
        self.assertEqual(done.stderr, "note: no /dev/vhost-net\n")
        self.assertEqual(json.loads(self.vnetctl("version", "-o", "json").stdout)["netd"], "9.9.9")
        self.assertEqual(self.vnetctl("version").stderr, "note: no /dev/vhost-net\n")

    def test_call(self):
        done = self.vnetctl("call", "DescribeNetwork", '{"name": "blue"}')
        self.assertEqual(json.loads(done.stdout)["network"]["bridge"], "vn-blue")
        done = self.vnetctl("call", "io.vnet.Netd.DescribeNetwork", "-", stdin='{"name": "blue"}')
        self.assertEqual(json.loads(done.stdout)["network"]["bridge"], "vn-blue")
        self.vnetctl("call", "Frob", status=FAILED)
        self.netd.answers["Monitor"] = lambda p: {"n": 2}
        self.assertEqual(json.loads(self.vnetctl("call", "Monitor", "--more").stdout), {"n": 2})

    def test_monitor(self):
        done = self.vnetctl("monitor", "blue", "--count", "2")
        self.assertEqual(done.stdout,
                         "2023-11-14 22:13:20.123 port-attached    blue/web1: attached\n"
                         "2023-11-14 22:13:21.000 lease-added      blue/web1: 10.7.0.5\n")
        self.assertEqual(self.netd.calls[-1], ("Monitor", {"network": "blue"}))
        lines = self.vnetctl("monitor", "--count", "2", "-o", "json").stdout.splitlines()
        self.assertEqual([json.loads(line)["event"] for line in lines],
                         ["port-attached", "lease-added"])
        self.netd.answers["Monitor"] = lambda p: {"events": []}
        self.vnetctl("monitor", status=FAILED)


class Doctor(Case):
    FINDING = {"id": "filter-forward", "severity": "stops", "networks": ["blue", "red"],
               "traffic": ["guests to the outside (IPv4)", "port forwards (IPv4)"], "owner": "Docker",
               "found": "table ip filter, chain FORWARD: policy drop", "why": "It drops.",
               "remedies": ["vnetctl doctor --fix", "iptables -I DOCKER-USER -i vn-blue -j ACCEPT"],
               "canFix": True}
    NOTE = {**FINDING, "id": "br-netfilter", "severity": "note", "networks": [], "traffic": [],
            "owner": None, "found": "evil \x1b[2J name", "canFix": False}

    def test_report(self):
        self.netd.answers["Diagnose"] = lambda p: {"findings": [self.FINDING, self.NOTE],
                                                   "keepsFixes": False}
        self.assertEqual(self.vnetctl("doctor", status=FAILED).stdout, """\
STOPS TRAFFIC  filter-forward (Docker)
  networks  blue, red
  traffic   guests to the outside (IPv4), port forwards (IPv4)
  found     table ip filter, chain FORWARD: policy drop
  why       It drops.
  remedy    vnetctl doctor --fix
            iptables -I DOCKER-USER -i vn-blue -j ACCEPT

NOTE  br-netfilter
  found     evil \\x1b[2J name
  why       It drops.
  remedy    vnetctl doctor --fix
            iptables -I DOCKER-USER -i vn-blue -j ACCEPT

2 found: 1 stop traffic, 0 may, 1 notes
""")
        out = json.loads(self.vnetctl("doctor", "-o", "json", status=FAILED).stdout)
        self.assertEqual(out["findings"], [self.FINDING, self.NOTE])

    def test_only_what_stops_traffic_counts(self):
        self.netd.answers["Diagnose"] = lambda p: {"findings": [self.NOTE], "keepsFixes": False}
        self.vnetctl("doctor", status=OK)
        self.netd.answers["Diagnose"] = lambda p: {"findings": [], "keepsFixes": True}
        self.assertEqual(self.vnetctl("doctor").stdout, "nothing found that stops traffic\n")
        self.assertEqual(self.vnetctl("-q", "doctor").stdout, "")

    def test_fix_and_unfix(self):
        for option, method in (("--fix", "Fix"), ("--unfix", "Unfix")):
            with self.subTest(option):
                self.netd.answers[method] = lambda p: {"changes": ["added a", "removed b"], "findings": []}
                self.assertEqual(self.vnetctl("doctor", option).stdout,
                                 "added a\nremoved b\n\nnothing found that stops traffic\n")
                self.assertEqual(self.netd.calls[-1][0], method)
        self.vnetctl("doctor", "--fix", "--unfix", status=USAGE)
        self.vnetctl("doctor", "blue", status=USAGE)


class Apply(Case):
    def test_apply(self):
        path = self.file("blue.yaml", "networks:\n  blue: {mode: nat}\n")
        done = self.vnetctl("apply", "-f", path)
        self.assertEqual(done.stdout, "  blue: create bridge vn-blue\n! blue: set vn-blue mtu 9000\n")
        self.assertEqual(self.netd.calls, [("Apply", {
            "yaml": "networks:\n  blue: {mode: nat}\n", "file": path})])
        self.vnetctl("apply", "-f", path, "--dry-run", "--disruptive")
        self.assertEqual(self.netd.calls[-1], ("Plan", {
            "yaml": "networks:\n  blue: {mode: nat}\n", "file": path}))
        self.vnetctl("apply", "-f", "-", "--disruptive", stdin="networks: {}\n")
        self.assertEqual(self.netd.calls[-1], ("Apply", {
            "yaml": "networks: {}\n", "file": "<stdin>", "disruptive": True}))
        self.vnetctl("plan")
        self.assertEqual(self.netd.calls[-1], ("Plan", {}))
        self.netd.answers["Plan"] = lambda p: {"operations": [], "notes": ["mind the gap"]}
        done = self.vnetctl("plan", "-f", path)
        self.assertEqual((done.stdout, done.stderr), ("nothing to do\n", "note: mind the gap\n"))
        self.assertEqual(self.vnetctl("-q", "plan").stderr, "")

    def test_a_failed_network_is_told(self):
        self.netd.networks["lan"].update(state="failed", problem={
            "code": "x", "message": "br0 is gone", "kernel": "No such device"})
        done = self.vnetctl("apply", "-f", self.file("a.yaml", "x"), status=FAILED)
        self.assertEqual(done.stderr, "vnetctl: lan: br0 is gone (kernel: No such device)\n")

    def test_a_stopped_network_is_told(self):
        self.netd.networks["lan"].update(state="stopped")
        path = self.file("a.yaml", "x")
        self.assertEqual(self.vnetctl("apply", "-f", path).stderr,
                         "note: network lan is stopped; `vnetctl network start lan` starts it\n")
        self.assertEqual(self.vnetctl("apply", "-q", "-f", path).stderr, "")

    def test_error_with_its_line(self):
        text = "networks:\n  blue:\n    forwards:\n\t  - {to: é10.0.0.300}\n"
        path = self.file("blue.yaml", text)
        self.fail("Apply", "InvalidDefinition", "'é10.0.0.300' is no address", "bad-address",
                  file=path, line=4, column=11, path="blue.forwards[0].to")
        done = self.vnetctl("apply", "-f", path, status=INVALID)
        self.assertEqual(done.stderr.splitlines(), [
            f"vnetctl: {path}:4:11: blue.forwards[0].to: 'é10.0.0.300' is no address",
            "    4 | \t  - {to: é10.0.0.300}",
            "      | \t         ^"])
        # Positions outside the text, and other files, are told without an excerpt.
        for line, column, file in ((99, 1, path), (4, 500, path), (4, 1, "other.yaml")):
            self.fail("Apply", "InvalidDefinition", "m", file=file, line=line, column=column)
            done = self.vnetctl("apply", "-f", path, status=INVALID)
            self.assertNotIn("^", done.stderr)
            self.assertIn(f"{file}:{line}:{column}: m", done.stderr)

    def test_netd_is_told_the_whole_path(self):
        path = os.path.realpath(self.file("blue.yaml", "networks: {}\n"))
        self.fail("Apply", "InvalidDefinition", "m", file=path, line=1, column=1)
        done = subprocess.run([os.path.join(CLI, "vnetctl"), "apply", "-f", "blue.yaml"],
                              env=self.env, cwd=os.path.dirname(path), capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(self.netd.calls[-1][1]["file"], path)
        # To people it is the name that they gave.
        self.assertEqual(done.stderr.splitlines()[:2],
                         ["vnetctl: blue.yaml:1:1: m", "    1 | networks: {}"])

    def test_needs_disruption(self):
        self.fail("Apply", "NeedsDisruption", "guests would notice; --disruptive", extra={
            "operations": [{"op": "x", "network": "blue", "text": "recreate vn-blue",
                            "losesTraffic": True}, {
                                "op": "x", "network": "blue", "text": "set vn-blue mtu 1400",
                                "losesTraffic": True, "why": "guests may still send larger packets",
                                "ports": ["web", "db"], "portCount": 9}]})
        done = self.vnetctl("apply", "-f", self.file("a.yaml", "x"), status=IN_USE)
        self.assertEqual(done.stderr.splitlines()[1:3], [
            "! blue: recreate vn-blue",
            "! blue: set vn-blue mtu 1400 (guests may still send larger packets; ports web, db and 7 more)"])

    def test_files_that_cannot_be_sent(self):
        for content, message in ((b"a: b\nc\xff: d\n", ":2:2: this is not UTF-8"),
                                 (b"a: \xc3\xa9\xc3", ":1:5: this is not UTF-8"),
                                 (b"a: b\n\n\0", ":3:1: a NUL byte"),
                                 (b"#" * (4 << 20) + b"\n", " is larger than the 4 MiB")):
            with self.subTest(message=message):
                path = self.file("a.yaml", content)
                done = self.vnetctl("apply", "-f", path, status=INVALID)
                self.assertIn(path + message, done.stderr)
        done = self.vnetctl("apply", "-f", self.dir, status=FAILED)
        self.assertIn("Is a directory", done.stderr)
        done = self.vnetctl("apply", "-f", os.path.join(self.dir, "gone"), status=FAILED)
        self.assertIn("No such file", done.stderr)
        self.assertEqual(self.netd.calls, [])

    def test_endless_input(self):
        with open("/dev/zero", encoding="ascii") as endless:
            done = subprocess.run([os.path.join(CLI, "vnetctl"), "apply", "-f", "-"], env=self.env,
                                  stdin=endless, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, INVALID)
        self.assertIn("larger than", done.stderr)


class Ports(Case):
    def test_attach(self):
        done = self.vnetctl("port", "attach", "blue", status=USAGE)
        self.assertIn("vnetctl run blue -- COMMAND", done.stderr)
        self.assertEqual(self.netd.calls, [])
        self.vnetctl("port", "attach", "blue", "--persistent", "-n", "web1", "--mac",
                     "52:54:00:00:00:09", "--address", "10.7.0.9", "--address", "fd07::9",
                     "--queues", "2", "--vhost", "on", "--mtu", "1400", "--txqueuelen", "500",
                     "--isolated", "on", "--ifname", "web1tap", "--link-down")
        self.assertEqual(self.netd.calls[-1], ("AttachPort", {
            "network": "blue", "name": "web1", "ifname": "web1tap", "mac": "52:54:00:00:00:09",
            "addresses": ["10.7.0.9", "fd07::9"], "queues": 2, "mtu": 1400, "txqueuelen": 500,
            "vhost": "on", "isolated": True, "persistent": True, "linkDown": True}))
        self.vnetctl("port", "attach", "blue", "--persistent", "-n", "web1", status=EXISTS)
        self.vnetctl("port", "attach", "blue", "--persistent", "-n", "web2")
        self.assertEqual(self.netd.calls[-1][1], {
            "network": "blue", "name": "web2", "persistent": True, "vhost": "off"})
        self.vnetctl("port", "attach", "lan", "--adopt", "tap7", "--learn-mac")
        self.assertEqual(self.netd.calls[-1], ("AttachPort", {
            "network": "lan", "ifname": "tap7", "learnMac": True, "adopt": True}))

    def test_attach_every_kind(self):
        self.vnetctl("port", "attach", "blue", "--kind", "veth", "--netns", "red", "--inside",
                     "ifname=eth1,address=10.7.0.2/24,fd07::2/64,gateway=10.7.0.1,fd07::1,"
                     "route=10.9.0.0/16 via 10.7.0.9 metric 5")
        self.assertEqual(self.netd.calls[-1], ("AttachPort", {
            "network": "blue", "kind": "veth", "netns": "/run/netns/red", "inside": {
                "ifname": "eth1", "addresses": ["10.7.0.2/24", "fd07::2/64"], "routes": [
                    {"to": "default", "via": "10.7.0.1"}, {"to": "default", "via": "fd07::1"},
                    {"to": "10.9.0.0/16", "via": "10.7.0.9", "metric": 5}]}}))
        text = self.vnetctl("port", "attach", "lan", "--kind", "macvlan", "--netns", "/proc/7/ns/net",
                            "-n", "c2", "--inside", "route=nonsense here").stdout
        self.assertEqual(self.netd.calls[-1][1], {
            "network": "lan", "kind": "macvlan", "netns": "/proc/7/ns/net", "name": "c2",
            "inside": {"routes": [{"to": "nonsense here"}]}})
        self.assertRegex(text, r"(?m)^NETNS +/proc/7/ns/net$")
        text = self.vnetctl("port", "attach", "lan", "--kind", "vf", "--vf", "0", "--owner-pid",
                            "4242", "-n", "v0").stdout
        self.assertEqual(self.netd.calls[-1][1], {
            "network": "lan", "kind": "vf", "vf": 0, "ownerPid": 4242, "name": "v0"})
        self.assertRegex(text, r"(?m)^PCI ADDRESS +0000:03:10\.0$")
        self.assertRegex(self.vnetctl("port", "list").stdout.splitlines()[0], "VF +PCI ADDRESS")
        self.assertNotIn("VLAN", self.vnetctl("port", "list").stdout)

    SETTINGS = (
        (["--vlan", "10"], {"vlan": {"native": 10}}),
        (["--vlan", "native=1,tagged=10,20-30"],
         {"vlan": {"native": 1, "tagged": ["10", "20-30"]}}),
        (["--vlan", "tagged=10,tagged=12"], {"vlan": {"native": 0, "tagged": ["10", "12"]}}),
        (["--vlan", "native=5"], {"vlan": {"native": 5}}),
        (["--in", "10mbit", "--out", "rate=5mbit,guaranteed=1mbit,burst=64k"],
         {"bandwidth": {"in": {"rate": "10mbit"},
                        "out": {"rate": "5mbit", "guaranteed": "1mbit", "burst": "64k"}}}),
        (["--out", "0"], {"bandwidth": {"out": {"rate": "0"}}}),
        (["--in", "guaranteed=1mbit"], {"bandwidth": {"in": {"guaranteed": "1mbit"}}}),
        (["--learning", "off", "--flood", "off", "--multicast-flood", "on", "--hairpin", "on",
          "--proxy-arp", "on"], {"learning": False, "flood": False, "multicastFlood": True,
                                 "hairpin": True, "proxyArp": True}),
        (["--offload", "tso=off,gso=off,rx=on"],
         {"offloads": {"tso": False, "gso": False, "rx": True}}),
        (["--guard", "strict"], {"guard": {"policy": "strict"}}),
        (["--guard", "default"], {"guard": {"policy": "default"}}),
        (["--guard", "strict,allow=router,dhcp-server,addresses=10.7.0.0/24,fd00::7,"
          "macs=00:00:5e:00:01:33,ethertypes=lldp,0x88b5,broadcast=100,multicast=500"],
         {"guard": {"policy": "strict", "allow": ["router", "dhcp-server"],
                    "addresses": ["10.7.0.0/24", "fd00::7"], "macs": ["00:00:5e:00:01:33"],
                    "ethertypes": ["lldp", "0x88b5"],
                    "storm": {"broadcast": 100, "multicast": 500}}}),
        (["--guard", "allow=llc"], {"guard": {"allow": ["llc"]}}),
        (["--guard", "mac,broadcast=0,multicast=5"],
         {"guard": {"policy": "mac", "storm": {"multicast": 5}}}),
        (["--guard", "strict,learn=off"], {"guard": {"policy": "strict", "learn": False}}))

    def test_settings(self):
        """The same of a new port, of one that runs, and of all that run makes."""
        self.netd.AttachPort({"network": "blue", "name": "web1"})
        for number, (args, wanted) in enumerate(self.SETTINGS):
            with self.subTest(args=args):
                self.vnetctl("port", "attach", "blue", "--persistent", "-n", f"p{number}", *args)
                self.assertEqual(self.netd.calls[-1][1], {
                    "network": "blue", "name": f"p{number}", "persistent": True, "vhost": "off",
                    **wanted})
                for verb in ("update", "set"):
                    self.vnetctl("port", verb, "web1", *args)
                    self.assertEqual(self.netd.calls[-1], ("UpdatePort", {"name": "web1", **wanted}))
                self.vnetctl("run", "blue", "-n", f"r{number}", *args, "--", "true")
                self.assertEqual(self.netd.calls[-1][1],
                                 {"network": "blue", "name": f"r{number}", **wanted})

    def test_settings_that_make_no_sense(self):
        self.netd.AttachPort({"network": "blue", "name": "web1"})
        for args, message in (
                (["--vlan", "4095"], "--vlan: '4095' is no number from 0 to 4094"),
                (["--vlan", "0"], "--vlan: without tagged= the port needs an id from 1 to 4094"),
                (["--vlan", "-1"], "--vlan: '-1' is no number from 0 to 4094"),
                (["--vlan", ""], "--vlan needs a value"),
                (["--vlan", "id=5"], "--vlan: 'id' is none of native, tagged"),
                (["--vlan", "10,20"], "--vlan: '10,20' is no number from 0 to 4094"),
                (["--in", "speed=5"], "--in: 'speed' is none of rate, guaranteed, burst"),
                (["--offload", "tso"], "--offload is NAME=on or NAME=off, not 'tso'"),
                (["--offload", "tso=maybe"], "--offload: tso is on or off, not 'maybe'"),
                (["--offload", "lro=off"], "--offload: 'lro' is none of rx, tx, sg, tso, gso, gro"),
                (["--guard", ""], "--guard needs a value"),
                (["--guard", "strict,alow=llc"], "--guard: 'alow' is none of policy, allow, "
                 "addresses, macs, ethertypes, broadcast, multicast, learn"),
                (["--guard", "strict,learn=no"], "--guard: learn is on or off, not 'no'"),
                (["--guard", "mac,multicast=many"],
                 "--guard: 'many' is no number from 0 to 10000000"),
                (["--hairpin", "yes"], "--hairpin is one of on|off, not 'yes'")):
            for command in (["port", "attach", "blue", "--persistent"], ["port", "update", "web1"],
                            ["run", "blue"]):
                with self.subTest(args=args, command=command):
                    tail = ["--", "true"] if command[0] == "run" else []
                    done = self.vnetctl(*command, *args, *tail, status=USAGE)
                    self.assertEqual(done.stderr, f"vnetctl: {message}\n")
        for args, message in ((["--vf", "x"], "--vf: 'x' is no number from 0 to 65535"),
                              (["--inside", "dns=1.1.1.1"],
                               "--inside: 'dns' is none of ifname, address, gateway, route"),
                              (["--kind", "bridge"],
                               "--kind is one of tap|veth|macvtap|macvlan|vf, not 'bridge'")):
            with self.subTest(args=args):
                done = self.vnetctl("port", "attach", "blue", "--persistent", *args, status=USAGE)
                self.assertEqual(done.stderr, f"vnetctl: {message}\n")
        self.assertEqual(self.netd.calls, [])

    def test_shows_what_is_set(self):
        self.netd.AttachPort({"network": "blue", "name": "web1"})
        self.netd.ports["web1"].update(
            vlan={"native": 1, "tagged": ["10", "20-30"]}, learning=True, hairpin=False,
            offloads={"tso": False, "gso": True},
            bandwidth={"in": {"rate": 10000000, "guaranteed": None, "burst": 65536},
                       "out": {"rate": 1500, "guaranteed": 1000000000}},
            netns="/run/netns/red", inside={"ifname": "eth0", "addresses": ["10.7.0.2/24"],
                                            "routes": [{"to": "default", "via": "10.7.0.1"},
                                                       {"to": "10.9.0.0/16", "metric": 7}]})
        text = self.vnetctl("port", "show", "web1").stdout
        for line in ("VLAN         native 1, tagged 10,20-30", "LEARNING     yes", "HAIRPIN      no",
                     "OFFLOADS     tso off, gso on", "IN           10mbit, burst 65536",
                     "OUT          1500bit, guaranteed 1gbit", "NETNS        /run/netns/red",
                     "INSIDE       eth0", "INSIDE ADDR  10.7.0.2/24",
                     "ROUTES       default via 10.7.0.1, 10.9.0.0/16 metric 7"):
            self.assertIn(line + "\n", text)
        for word in ("FLOOD", "VF", "PCI"):
            self.assertNotIn(word, text)
        self.assertIn("native 1, tagged 10,20-30", self.vnetctl("port", "list").stdout)

    def test_shows_the_guard(self):
        self.netd.AttachPort({"network": "blue", "name": "web1"})
        text = self.vnetctl("port", "show", "web1").stdout
        self.assertRegex(text, r"(?m)^GUARD +mac$")
        self.assertRegex(text, r"(?m)^DROPPED +0$")
        self.assertNotRegex(text, r"(?m)^(ALLOWED|SOURCES|SOURCE MACS|ETHERTYPES|STORM LIMITS|"
                            r"HELD|DROPS) ")
        self.netd.ports["web1"].update(
            guard={"policy": "strict", "allow": ["router", "llc"], "addresses": ["10.7.0.0/24"],
                   "macs": ["00:00:5e:00:01:33"], "ethertypes": ["lldp"],
                   "storm": {"broadcast": 100, "multicast": 500}},
            held=["10.7.0.9", "fe80::1"], dropped=15, drops={"mac": 12, "router": 3})
        text = self.vnetctl("port", "show", "web1").stdout
        for line in ("GUARD        strict", "ALLOWED      router, llc", "SOURCES      10.7.0.0/24",
                     "SOURCE MACS  00:00:5e:00:01:33", "ETHERTYPES   lldp",
                     "STORM LIMITS broadcast 100, multicast 500", "HELD         10.7.0.9, fe80::1",
                     "DROPPED      15", "DROPS        mac 12, router 3"):
            self.assertIn(line + "\n", text)
        self.assertNotIn("GUARD", self.vnetctl("port", "list").stdout)
        self.netd.ports["web1"].update(guard=None, held=[], dropped=None, drops=None)
        text = self.vnetctl("port", "show", "web1").stdout
        self.assertNotRegex(text, r"(?m)^(GUARD|DROPS) ")
        self.assertRegex(text, r"(?m)^DROPPED +-$")

    def test_show_update_detach(self):
        self.netd.AttachPort({"network": "blue", "name": "web1"})
        self.netd.AttachPort({"network": "lan", "name": "db1"})
        self.assertIn("web1", self.vnetctl("port", "list", "blue").stdout)
        self.assertNotIn("db1", self.vnetctl("port", "list", "blue").stdout)
        self.assertRegex(self.vnetctl("port", "show", "db1").stdout, r"(?m)^CREATED +2023-11-14")
        self.vnetctl("port", "update", "web1", "--mac", "52:54:00:00:00:08", "--address",
                     "10.7.0.8", "--mtu", "1300", "--txqueuelen", "9", "--isolated", "off",
                     "--link", "down")
        self.assertEqual(self.netd.calls[-1], ("UpdatePort", {
            "name": "web1", "mac": "52:54:00:00:00:08", "addresses": ["10.7.0.8"], "mtu": 1300,
            "txqueuelen": 9, "isolated": False, "linkDown": True}))
        self.vnetctl("port", "update", "web1", "--no-addresses")
        self.assertEqual(self.netd.calls[-1], ("UpdatePort", {"name": "web1", "addresses": []}))
        done = self.vnetctl("port", "detach", "nope", "web1", status=NOT_FOUND)
        self.assertEqual(done.stdout, "port web1: detached\n")
        self.assertEqual(list(self.netd.ports), ["db1"])

    def wait_in_background(self, *args):
        return subprocess.Popen([os.path.join(CLI, "vnetctl"), "port", "wait", *args],
                                env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def stream(self):
        """
        Monitor now sends what the returned function is given.  Several clients may listen, one
        after the other; those that nobody waits for any more end with the test.
        """
        queue, ready = [], threading.Condition()
        over = threading.Event()

        def send(event):
            with ready:
                queue.append(event)
                ready.notify_all()

        def end():
            over.set()
            with ready:
                ready.notify_all()

        def parts():
            yield {"events": []}
            while True:
                with ready:
                    ready.wait_for(lambda: queue or over.is_set())
                    if not queue:
                        return
                    event = queue.pop(0)
                yield {"events": [event]}

        class Lazy(list):
            def __iter__(self):
                return parts()
        self.netd.answers["Monitor"] = lambda p: Lazy()
        self.addCleanup(end)
        return send

    def test_wait_for_lease(self):
        send = self.stream()
        self.netd.AttachPort({"network": "blue", "name": "web1"})
        process = self.wait_in_background("web1")
        self.netd.wait_calls("DescribePort")
        send({"event": "lease-added", "port": "other", "message": ""})
        self.netd.ports["web1"]["leases"] = ["fd07::5", "10.7.0.5"]
        send({"event": "lease-added", "port": "web1", "message": ""})
        out, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, out, err), (OK, "10.7.0.5\n", ""))
        # What is already there needs no event.
        self.assertEqual(self.vnetctl("port", "wait", "web1").stdout, "10.7.0.5\n")
        self.assertEqual(self.vnetctl("port", "wait", "web1", "--for", "up").stdout, "")

    def test_wait_for_a_port_to_come(self):
        send = self.stream()
        process = self.wait_in_background("web1", "--for", "up")
        self.netd.wait_calls("DescribePort")
        self.netd.AttachPort({"network": "blue", "name": "web1"})
        send({"event": "port-attached", "port": "web1", "message": ""})
        self.assertEqual(process.wait(30), OK)
        process.communicate()

    def test_wait_and_lose(self):
        send = self.stream()
        self.netd.AttachPort({"network": "blue", "name": "web1"})
        process = self.wait_in_background("web1")
        self.netd.wait_calls("DescribePort")
        self.netd.ports.clear()
        send({"event": "lost", "message": ""})
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, NOT_FOUND)
        self.assertIn("went away", err)

    def test_wait_no_longer(self):
        send = self.stream()
        done = self.vnetctl("port", "wait", "web1", "--timeout", "1", status=NOT_FOUND)
        self.assertIn("there is no port web1", done.stderr)
        self.netd.AttachPort({"network": "blue", "name": "web1"})
        done = self.vnetctl("port", "wait", "web1", "--timeout", "1", status=TIMED_OUT)
        self.assertIn("no lease within 1 s", done.stderr)
        self.netd.ports["web1"].update(state="blocked", problem={"code": "x", "message": "no guard"})
        done = self.vnetctl("port", "wait", "web1", "--timeout", "9", status=FAILED)
        self.assertEqual(done.stderr, "vnetctl: web1: no guard\n")


# Prints its arguments and what it holds: for run.
PROBE = """
import json, os, sys
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines()
              if ":\\t" in line)
fds = {}
for fd in os.listdir("/proc/self/fd"):
    try:
        fds[fd] = os.readlink("/proc/self/fd/" + fd)
    except OSError:
        pass
def usable(fd):
    try:
        return os.write(int(fd), b"") == 0
    except OSError:
        return False
print(json.dumps({"argv": sys.argv[1:], "pid": os.getpid(), "fds": fds,
                  "usable": [usable(fd) for fd, to in fds.items() if to == "/dev/null" and int(fd) > 2],
                  "uid": os.getresuid(), "gid": os.getresgid(), "groups": os.getgroups(),
                  "caps": {k: int(v, 16) for k, v in status.items() if k.startswith("Cap")},
                  "nnp": status.get("NoNewPrivs"), "home": os.environ.get("HOME")}))
"""


class Run(Case):
    def probe(self, *args, command=(), status=OK):
        done = self.vnetctl("run", *args, "--", "/usr/bin/python3", "-c", PROBE, *command,
                            status=status)
        return json.loads(done.stdout)

    def test_arguments_and_descriptors(self):
        got = self.probe("blue", "-n", "web1", "--queues", "2", "--vhost", "on",
                         command=["-name", "x"])
        self.assertEqual(got["argv"][:3], ["-name", "x", "-netdev"])
        match = re.fullmatch(r"tap,id=net-web1,fds=(\d+):(\d+)", got["argv"][3])
        self.assertTrue(match, got)
        self.assertEqual(got["argv"][4:], ["-device",
                                           "virtio-net-pci,netdev=net-web1,mac=52:54:00:aa:bb:cc"])
        for fd in match.groups():
            self.assertEqual(got["fds"][fd], "/dev/null")
        # Two taps, two vhosts; not the connection to netd.
        self.assertEqual(sum(int(fd) > 2 and to == "/dev/null" for fd, to in got["fds"].items()), 4)
        self.assertFalse([to for to in got["fds"].values() if "socket" in to])
        # QEMU took vnetctl's place: netd saw the same process.
        self.assertEqual(self.netd.peers[-1][0], got["pid"])

    def test_name_of_the_guest(self):
        got = self.probe("blue", "--network", "lan", "--network", "blue,name=mgmt,mac=52:54:00:0:0:1",
                         "--mac", "52:54:00:00:00:07", "--address", "10.7.0.7",
                         command=["-name", "guest=vm1,process=q"])
        calls = [p for name, p in self.netd.calls if name == "AttachPort"]
        self.assertEqual(calls, [
            {"network": "blue", "name": "vm1", "mac": "52:54:00:00:00:07",
             "addresses": ["10.7.0.7"]},
            {"network": "lan", "name": "vm1-2"},
            {"network": "blue", "name": "mgmt", "mac": "52:54:00:0:0:1"}])
        self.probe("blue,name=a,vlan=7", "--network", "lan,name=b", "--vlan", "9")
        self.assertEqual([p for name, p in self.netd.calls if name == "AttachPort"][3:], [
            {"network": "blue", "name": "a", "vlan": {"native": 7}},
            {"network": "lan", "name": "b", "vlan": {"native": 9}}])
        self.assertEqual(got["argv"].count("-netdev"), 3)
        numbers = re.findall(r"fd=(\d+)", " ".join(got["argv"]))
        self.assertEqual(len(set(numbers)), 3)

    def test_other_model(self):
        got = self.probe("blue", "--model", "e1000", "--queues", "4", "--vhost", "on")
        self.assertTrue(got["argv"][3].startswith("e1000,netdev="), got)
        self.assertEqual(self.netd.calls[-1][1], {"network": "blue", "queues": 1, "vhost": "off"})

    def test_virtual_function(self):
        got = self.probe("blue", "-n", "v1", "--kind", "vf", "--vf", "3", "--model", "e1000")
        self.assertEqual(got["argv"], ["-device", "vfio-pci,host=0000:03:10.3"])
        self.netd.answers["AttachPort"] = lambda p: {
            **self.netd.AttachPort({**p, "kind": "vf"}), "qemuArgs": []}
        done = self.vnetctl("run", "blue", "-n", "v2", "--", "true", status=FAILED)
        self.assertIn("its virtual function has no PCI address", done.stderr)

    def test_failures(self):
        self.vnetctl("run", "nope", "--", "true", status=NOT_FOUND)
        self.vnetctl("run", "blue", "--user", "nobody-of-that-name", "--", "true", status=INVALID)
        self.assertEqual(self.netd.ports, {})
        self.vnetctl("run", "blue", "--", "/nonexistent/qemu", status=127)
        self.vnetctl("run", "blue", "--", self.dir, status=126)
        done = self.vnetctl("run", "blue", "--network", "nope", "--", "echo", "ran",
                            status=NOT_FOUND)
        self.assertEqual(done.stdout, "")
        self.assertIn("network nope: ", done.stderr)

    def test_dry_run(self):
        done = self.vnetctl("run", "blue", "-n", "web1", "-u", "nobody", "--dry-run", "--", "qemu",
                            "-append", "a b'c")
        self.assertEqual(done.stdout.splitlines(), [
            'AttachPort {"network":"blue","name":"web1"}', "become user nobody",
            "exec qemu -append 'a b'\\''c' <-netdev and -device of the ports>"])
        self.assertEqual(self.netd.ports, {})
        self.vnetctl("run", "nope", "--dry-run", "--", "true", status=NOT_FOUND)

    @unittest.skipUnless(os.getuid() == 0, "only root can become another user")
    def test_user(self):
        nobody = pwd.getpwnam("nobody")
        got = self.probe("blue", "--user", "nobody")
        self.assertEqual(got["uid"], [nobody.pw_uid] * 3)
        self.assertEqual(got["gid"], [nobody.pw_gid] * 3)
        self.assertEqual(got["groups"], [nobody.pw_gid])
        self.assertEqual(got["caps"], dict.fromkeys(
            ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0))
        self.assertEqual(got["nnp"], "1")
        self.assertEqual(got["home"], nobody.pw_dir)
        self.assertEqual(got["usable"], [True])
        # netd was asked as root: the port is root's to give.
        self.assertEqual(self.netd.peers[-1][1], 0)
        self.assertEqual(self.probe("blue", "--user", str(nobody.pw_uid))["uid"],
                         [nobody.pw_uid] * 3)

    @unittest.skipUnless(os.getuid() == 0, "only root can test another user")
    def test_user_without_the_right(self):
        os.chmod(self.dir, 0o755)
        os.chmod(self.socket, 0o777)
        vnetctl = shutil.copy(os.path.join(CLI, "vnetctl"), self.dir)
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
             vnetctl, "run", "blue", "--user", "root", "--", "id"],
            env=self.env, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.returncode, DENIED, done.stderr)
        # Himself he may become, and loses what he could have got.
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
             vnetctl, "run", "blue", "--user", "nobody", "--", "/usr/bin/python3", "-c", PROBE],
            env=self.env, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertEqual(json.loads(done.stdout)["nnp"], "1")


def receive_fd(sock):
    data, fds, _, _ = socket.recv_fds(sock, 16, 4)
    return data, fds


class Helper(Case):
    def start(self, *args, status=0, stdin_fd=None, env=None):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            done = subprocess.run(
                [os.path.join(CLI, "vnet-qemu-helper"), *args, f"--fd={theirs.fileno()}"],
                pass_fds=[theirs.fileno()], capture_output=True, text=True, timeout=60,
                env={**self.env, **(env or {})})
            theirs.close()
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertEqual(done.stdout, "")
            data, fds = receive_fd(ours)
        for fd in fds:
            self.assertEqual(os.readlink(f"/proc/self/fd/{fd}"), "/dev/null")
            os.close(fd)
        self.assertEqual((len(data), len(fds)), (1, 1) if status == 0 else (0, 0))
        return done.stderr

    def test_as_qemu_calls_it(self):
        self.start("--use-vnet", "--br=blue")
        self.assertEqual(self.netd.calls, [("AttachPort", {
            "network": "blue", "queues": 1, "vhost": "off", "vnetHdr": True, "learnMac": True,
            "ownerPid": os.getpid()})])

    def test_bridge_name(self):
        self.start("--use-vnet", "--br=br0")
        self.assertEqual([name for name, _ in self.netd.calls],
                         ["AttachPort", "ListNetworks", "AttachPort"])
        self.assertEqual(self.netd.calls[-1][1]["network"], "lan")
        error = self.start("--use-vnet", "--br=br9", status=1)
        self.assertEqual(error, "vnet-qemu-helper: no network that you may use is called 'br9' or "
                         "has a bridge of that name\n")

    def test_options(self):
        self.start("--network=blue", "--port", "web1", "--mac=52:54:00:00:00:07",
                   "--address=10.7.0.7", "--br=br0")
        self.assertEqual(self.netd.calls[-1][1], {
            "network": "blue", "name": "web1", "mac": "52:54:00:00:00:07",
            "addresses": ["10.7.0.7"], "queues": 1, "vhost": "off", "vnetHdr": False,
            "ownerPid": os.getpid()})

    def test_a_process_that_netd_does_not_see(self):
        """QEMU in a PID namespace of its own: a TAP lives by its descriptor, a macvtap does not."""
        good = self.netd.AttachPort

        def strict(p):
            if "ownerPid" in p:
                raise fake_netd.Error("PermissionDenied", "not yours", "owner-foreign")
            return good(p)
        self.netd.answers["AttachPort"] = strict
        self.start("--br=blue")
        self.assertNotIn("ownerPid", self.netd.calls[-1][1])
        self.netd.answers["AttachPort"] = lambda p: strict({**p, "kind": "macvtap"})
        self.assertIn("netd does not see the process", self.start("--br=blue", status=1))

    def test_refusals(self):
        self.fail("AttachPort", "PermissionDenied", "user eve may not use network blue")
        self.assertEqual(self.start("--br=blue", status=1),
                         "vnet-qemu-helper: user eve may not use network blue\n")
        del self.netd.answers["AttachPort"]
        self.netd.calls.clear()
        for args in (["--frob"], ["x"], []):
            self.assertNotEqual(self.start(*args, status=1), "")
        self.assertIn("cannot reach netd", self.start("--br=blue", status=1,
                                                      env={"VNET_SOCKET": self.socket + "x"}))
        for fd in ("1", "99", "0", "-1"):
            done = self.run_program("vnet-qemu-helper", "--br=blue", "--fd=" + fd, status=1)
            self.assertIn("fd", done.stderr)
        self.assertEqual(self.netd.calls, [])
        # Two descriptors where one was asked for.
        good = self.netd.AttachPort
        self.netd.answers["AttachPort"] = lambda p: good({**p, "queues": 2})
        self.assertIn("2 descriptors", self.start("--br=blue", status=1))

    def test_help(self):
        self.assertIn("--br NAME", self.run_program("vnet-qemu-helper", "--help").stdout)
        self.assertRegex(self.run_program("vnet-qemu-helper", "--version").stdout,
                         r"^vnet-qemu-helper \d")


class Ifup(Case):
    def ifup(self, *args, status=0, name="vnet-qemu-ifup", **env):
        conf = os.path.join(self.dir, "ifup.conf")
        if not os.path.exists(conf):
            self.file("ifup.conf", "")
        return self.run_program(name, "--config", conf, *args, status=status, env=env)

    def asked(self):
        return self.netd.calls[-1]

    def test_network_from_the_name(self):
        self.netd.networks["blue-2"] = fake_netd.network("blue-2")
        for ifname, network in (("blue0", "blue"), ("tap-lan", "lan"), ("blue-2.x", "blue-2"),
                                ("vnet-blue-3", "blue")):
            self.ifup(ifname)
            self.assertEqual(self.asked(), ("AttachPort", {
                "network": network, "name": ifname, "ifname": ifname, "learnMac": True,
                "adopt": True}))
        self.assertIn("tap0: which network is tap0 for?", self.ifup("tap0", status=1).stderr)

    def test_configuration(self):
        self.file("ifup.conf", "web* blue mac=52:54:00:00:00:07\nblue* lan\n")
        self.ifup("web3")
        self.assertEqual(self.asked()[1], {"network": "blue", "name": "web3", "ifname": "web3",
                                           "mac": "52:54:00:00:00:07", "adopt": True})
        self.ifup("blue0")
        self.assertEqual(self.asked()[1]["network"], "lan")
        self.ifup("web4", VNET_NETWORK="lan")
        self.assertEqual(self.asked()[1]["network"], "lan")
        self.ifup("web5", "--network", "blue", "--mac", "52:54:00:00:00:08", VNET_NETWORK="lan")
        self.assertEqual(self.asked()[1]["network"], "blue")
        self.assertEqual(self.asked()[1]["mac"], "52:54:00:00:00:08")
        self.file("ifup.conf", "web*\n")
        self.assertIn("ifup.conf:1:1: ", self.ifup("web6", status=1).stderr)
        self.run_program("vnet-qemu-ifup", "--config", os.path.join(self.dir, "gone"), "web7",
                         status=1)

    def test_down(self):
        self.ifup("blue0")
        self.run_program("vnet-qemu-ifdown", "blue0")
        self.assertEqual(self.asked(), ("DetachPort", {"name": "blue0"}))
        self.run_program("vnet-qemu-ifdown", "blue0")
        self.run_program("vnet-qemu-ifup", "--down", "blue0")
        self.fail("DetachPort", "PermissionDenied", "not yours")
        done = self.run_program("vnet-qemu-ifdown", "blue0", status=1)
        self.assertEqual(done.stderr, "vnet-qemu-ifdown: blue0: not yours\n")

    def test_usage(self):
        for args in ([], ["a", "b"], ["interface-name-too-long"], ["--frob"]):
            self.ifup(*args, status=1)
        self.assertEqual(self.netd.calls, [])
        self.assertIn("INTERFACE", self.ifup("--help").stdout)


class Completion(Case):
    def offers(self, *words):
        return self.vnetctl("__complete", "--", *words).stdout.split()

    def test_words(self):
        self.netd.AttachPort({"network": "blue", "name": "web1"})
        self.assertEqual(self.offers("net"), ["network"])
        self.assertIn("run", self.offers(""))
        self.assertNotIn("__complete", self.offers(""))
        self.assertEqual(self.offers("network", "s"), ["show", "start", "stop"])
        self.assertEqual(self.offers("network", "show", ""), ["blue", "lan"])
        self.assertEqual(self.offers("-o", ""), ["table", "json", "yaml"])
        self.assertEqual(self.offers("-o", "json", "network", "show", "l"), ["lan"])
        self.assertEqual(self.offers("port", "show", ""), ["web1"])
        self.assertEqual(self.offers("network", "show", "blue", ""), [])
        self.assertEqual(self.offers("port", "update", "web1", "--li"), ["--link"])
        self.assertEqual(self.offers("port", "update", "web1", "--link", ""), ["up", "down"])
        self.assertEqual(self.offers("port", "update", "web1", "--guard", ""),
                         ["mac", "strict", "off", "default"])
        self.assertEqual(self.offers("run", "blue", "--gu"), ["--guard"])
        self.assertEqual(self.offers("run", "blue", "--user", "nobo"), ["nobody"])
        self.assertEqual(self.offers("run", "blue", "--", "qe"), [])
        self.assertEqual(self.offers("completion", ""), ["bash", "zsh"])

    def test_without_netd(self):
        self.env["VNET_SOCKET"] = os.path.join(self.dir, "gone")
        self.assertEqual(self.offers("network", "show", ""), [])

    def test_scripts(self):
        for shell, name in (("bash", "vnetctl.bash"), ("zsh", "_vnetctl")):
            with open(os.path.join(ROOT, "configs/completions", name), encoding="utf-8") as f:
                self.assertEqual(self.vnetctl("completion", shell).stdout, f.read())

    def test_in_bash(self):
        script = 'source <(%s completion bash); COMP_WORDS=(%s network show b); COMP_CWORD=3; ' \
            '_vnetctl; printf "%%s\\n" "${COMPREPLY[@]}"' % ((os.path.join(CLI, "vnetctl"),) * 2)
        done = subprocess.run(["bash", "-c", script], env=self.env, capture_output=True, text=True,
                              timeout=60)
        self.assertEqual((done.stdout, done.stderr), ("blue\n", ""))


class Library(Case):
    def compile(self, *args):
        sanitize = next((a for a in BUILD.split("/") if a.startswith("address")), "")
        flags = ["-fsanitize=" + sanitize.replace("-", ",")] if sanitize else []
        compiler = shlex.split(os.environ.get("CC", "cc"))
        done = subprocess.run([*compiler, *flags, "-Wall", "-Wextra", "-Werror",
                               "-I" + os.path.join(ROOT, "libvnet/include"), *args],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_example_in_c(self):
        program = os.path.join(self.dir, "attach")
        self.compile(os.path.join(ROOT, "docs/examples/attach.c"), "-o", program,
                     "-L" + BUILD, "-Wl,-rpath," + BUILD, "-lvnet")
        done = subprocess.run([program, "blue", "web1"], input="\n", env=self.env,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^web1 on blue: vp0, MAC 52:54:00:aa:bb:cc, descriptor \d+\n"
                         r"-netdev tap,id=net-web1,fd=\d+ -device virtio-net-pci,")
        done = subprocess.run([program, "nope"], env=self.env, capture_output=True, text=True,
                              timeout=60)
        self.assertEqual((done.returncode, done.stderr), (1, "attach: there is no network nope\n"))

    def test_example_in_python(self):
        program = os.path.join(ROOT, "docs/examples/attach.py")
        done = subprocess.run(["/usr/bin/python3", program, "blue", "/usr/bin/python3", "-c", PROBE],
                              env=self.env, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        got = json.loads(done.stdout)
        fd = re.search(r"fd=(\d+)", got["argv"][1]).group(1)
        self.assertEqual(got["fds"][fd], "/dev/null")
        done = subprocess.run(["/usr/bin/python3", program, "nope", "true"], env=self.env,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (1, "there is no network nope\n"))

    def test_header_alone(self):
        for name in ("vnet.h", "error.h"):
            for language in (["-x", "c", "-std=c11"], ["-x", "c++", "-std=c++17"]):
                if language[1] == "c++" and not shutil.which("c++"):
                    continue
                source = self.file("h.c", f"#include <vnet/{name}>\n")
                self.compile(*language, "-c", source, "-o", os.path.join(self.dir, "h.o"))

    def test_symbols(self):
        done = subprocess.run(["readelf", "-d", "-W", "--dyn-syms", os.path.join(BUILD, "libvnet.so")],
                              capture_output=True, text=True, timeout=60, check=True)
        self.assertIn("[libvnet.so.0]", done.stdout)
        ours = set(re.findall(r"\b(\w+)@@VNET_0", done.stdout))
        with open(os.path.join(ROOT, "libvnet/libvnet.map"), encoding="ascii") as f:
            self.assertEqual(ours, set(re.findall(r"^\t(\w+);", f.read(), re.M)))
        declared = set()
        for name in ("vnet.h", "error.h"):
            with open(os.path.join(ROOT, "libvnet/include/vnet", name), encoding="utf-8") as f:
                text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
            declared |= set(re.findall(r"\b(vnet_\w+)\(", text))
        self.assertEqual(ours, declared)


class Documentation(unittest.TestCase):
    def read(self, path):
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            return f.read()

    def test_api_reference_is_complete(self):
        """Every method, parameter, field, error and event of the interface has its place."""
        interface, text = self.read("libvnet/io.vnet.Netd.varlink"), self.read("docs/api.md")
        bare = re.sub(r"(?m)#.*$", "", interface)
        words = set(re.findall(r"(?m)^(?:method|error) (\w+)", bare))
        words |= set(re.findall(r"(\w+): \??[\[\w]", bare))
        words |= set(re.findall(r"[a-z]+-[a-z]+", interface.split("type Event")[0].split("# event:")[1]))
        self.assertGreater(len(words), 100)
        for word in sorted(words):
            with self.subTest(word=word):
                self.assertTrue(re.search(r"\b%s\b" % re.escape(word), text))

    def test_manual_has_every_command_and_option(self):
        text = re.sub(r"\\-", "-", self.read("docs/man/vnetctl.8"))
        env = {**os.environ, "VNET_SOCKET": "/nonexistent"}

        def offers(*words):
            return subprocess.run([os.path.join(CLI, "vnetctl"), "__complete", "--", *words],
                                  env=env, capture_output=True, text=True, timeout=60,
                                  check=True).stdout.split()
        for name in offers(""):
            verbs = offers(name, "")
            for command in ([name, verb] for verb in verbs) if name != "completion" and verbs else ([name],):
                with self.subTest(command=command):
                    self.assertTrue("Cm " + " ".join(command) in text)
                    for option in offers(*command, "--"):
                        self.assertTrue(re.search(r"-%s\b" % option[2:], text), option)

    def test_manuals_are_well_formed(self):
        if not shutil.which("mandoc"):
            self.skipTest("mandoc is not installed")
        pages = sorted(os.listdir(os.path.join(ROOT, "docs/man")))
        self.assertIn("vnetctl.8", pages)
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning",
                               *(os.path.join(ROOT, "docs/man", page) for page in pages)],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout + done.stderr, "")


if __name__ == "__main__":
    unittest.main()
