# SPDX-License-Identifier: GPL-2.0-or-later
"""test_bad_xml.py - XML from an enemy: refused with its line, by a process that can do nothing

tests/unit/test_cli_xml.c has what is refused; here is who reads it, and from where.
"""

import os
import re
import shutil
import subprocess
import unittest

from vnetlab import LabCase, build_path

VNETCTL = build_path("cli/vnetctl")
GOOD = "<network>\n<name>blue</name>\n</network>\n"
# What a parser that is not held back would fetch.
EXTERNAL = """<?xml version="1.0"?>
<!DOCTYPE network SYSTEM "http://192.0.2.1/network.dtd" [
  <!ENTITY secret SYSTEM "file:///etc/shadow">
  <!ENTITY % more SYSTEM "http://192.0.2.1/more.dtd">
  %more;
]>
<network xmlns:xi="http://www.w3.org/2001/XInclude">
<name>&secret;</name>
<xi:include href="file:///etc/passwd" parse="text"/>
</network>
"""
XINCLUDE = """<network xmlns:xi="http://www.w3.org/2001/XInclude">
<name>blue</name>
<xi:include href="file:///etc/passwd" parse="text"/>
</network>
"""
LAUGHS = "<!DOCTYPE l [\n<!ENTITY a 'ha'>\n" + "".join(
    "<!ENTITY %s '%s'>\n" % (chr(98 + i), "&%s;" % chr(97 + i) * 10) for i in range(20)) + \
    "]>\n<network><name>&u;</name></network>\n"


class BadXml(LabCase):
    def run_import(self, text, *before):
        path = os.path.join(self.folder, "x.xml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        # A sanitizer's leak checker cannot work below strace.
        environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
        return subprocess.run([*before, VNETCTL, "import", "libvirt", path], capture_output=True,
                              text=True, check=False, timeout=60, env=environment)

    def trace(self, text):
        """The system calls of the process that reads the XML, from its birth on, and the run."""
        log = os.path.join(self.folder, "trace")
        done = self.run_import(text, "strace", "-ff", "-o", log)
        names = [name for name in os.listdir(self.folder) if name.startswith("trace.")]
        self.assertEqual(len(names), 2, names)
        calls = {}
        for name in names:
            with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as f:
                calls[name] = f.read().splitlines()
            os.unlink(os.path.join(self.folder, name))
        child, = [c for c in calls.values() if not c[0].startswith("execve(")]
        return child, done

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_reader_is_confined(self):
        for text in (GOOD, EXTERNAL, XINCLUDE, LAUGHS):
            calls, done = self.trace(text)
            joined = "\n".join(calls)
            # Nothing is opened or connected at any time, and no program is started.
            self.assertNotRegex(joined, r"(?m)^(open|openat|socket|connect|execve|fork|clone)\(")
            for wanted in (r"setresuid\(65534, 65534, 65534\) += 0", r"setresgid\(65534, .*= 0",
                           r"setgroups\(0, .*= 0", r"PR_SET_NO_NEW_PRIVS, 1.*= 0",
                           r"(prlimit64|setrlimit)\(.*RLIMIT_NOFILE.*rlim_cur=0",
                           r"close_range\(0, "):
                self.assertRegex(joined, wanted, done.stderr)
            # From the filter on: write and exit.
            locked = next(i for i, call in enumerate(calls) if call.startswith("seccomp(") and
                          "SECCOMP_SET_MODE_FILTER" in call and "= 0" in call and
                          "SECCOMP_FILTER_FLAG_STRICT" not in call)
            after = {re.match(r"\w+", call)[0] for call in calls[locked + 1:]
                     if not call.startswith("+++")}
            self.assertLessEqual(after, {"write", "exit_group"}, joined)

    def test_refused_with_line(self):
        for text, line, code in ((EXTERNAL, 2, "document type"), (LAUGHS, 1, "document type"),
                                 ("<network>\n<name>x</name>\n&boom;</network>", 3, "entity"),
                                 ("<network>\n<name>x</network>", 2, "no XML"),
                                 ("<network>\n<name>../x</name></network>", 2, "slash"),
                                 ("<network>\n<name>a&#27;[2J</name></network>", 2, "no XML")):
            done = self.run_import(text)
            self.assertEqual((done.returncode, done.stdout), (7, ""), done.stderr)
            self.assertRegex(done.stderr, r"x\.xml:%d:.*%s" % (line, code))
            self.assertNotIn("root:", done.stderr)

    def test_include_is_only_reported(self):
        done = self.run_import(XINCLUDE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("x.xml:3: lost: include", done.stderr)
        self.assertNotIn("root:", done.stdout + done.stderr)

    def test_long_and_wide(self):
        """What would take a parser's memory or time."""
        deep = "<a>" * 100000
        entities = "<network><name>" + "&lt;" * 900000 + "</name></network>"
        huge = "<network>" + "x" * (5 << 20) + "</network>"
        for text in (deep, entities, huge):
            done = self.run_import(text)
            self.assertEqual((done.returncode, done.stdout), (7, ""), done.stderr[:300])

    def test_hostile_values_stay_values(self):
        """What is accepted is written so that YAML, shells and terminals take it for a text."""
        text = ("<network><name>b</name><dns>"
                "<txt name='x.test' value='\"]}, evil: {&#x2028;# $(reboot) `id`'/></dns>"
                "<ip address='10.0.0.1' prefix='24'/></network>")
        done = self.run_import(text)
        self.assertEqual(done.returncode, 7, done.stdout)
        done = self.run_import(text.replace("&#x2028;", ""))
        self.assertEqual(done.returncode, 0, done.stderr)
        again = subprocess.run([VNETCTL, "export", "libvirt", "-f", "-"], input=done.stdout,
                               capture_output=True, text=True, check=True)
        self.assertIn("value='\"]}, evil: {# $(reboot) `id`'", again.stdout)

    def test_own_user_is_enough(self):
        """Without root, the reader keeps its user, and is confined all the same."""
        path = os.path.join(self.folder, "x.xml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(GOOD)
        # Where we are may be out of that user's reach.
        program = shutil.copy(VNETCTL, self.folder)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                               program, "import", "libvirt", path],
                              capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("blue", done.stdout)


if __name__ == "__main__":
    unittest.main()
