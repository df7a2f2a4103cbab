# SPDX-License-Identifier: GPL-2.0-or-later
"""test_labs_shipped.py - every lab of configs/labs does what its page in docs/labs shows

A page's indented lines are a drawing, and commands with what they print; a command
below which nothing stands has to succeed.
"""

import concurrent.futures
import glob
import os
import shlex
import subprocess

from vnetlab import LabCase, SkipFeature, find_program, has, patience

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
# What a lab asks of the kernel.
NEEDS = {
    "bandwidth": ["tc matchall, skbedit and mirred"],
    "gretap": ["gretap"],
    "gretap-mesh": ["gretap"],
    "macvtap": ["macvtap", "nftables egress hook"],
    "trunk": ["VLAN filtering", "802.1Q"],
    "vlan": ["802.1Q"],
    "vxlan": ["vxlan"],
}
# Each is a world of its own, and most of its time it waits for what must not come.
AT_ONCE = 4


def name_of(path):
    return os.path.basename(path)[:-len(".yaml")]


def read_page(name, folder="docs/labs"):
    """The drawing, and [(command, what it prints or None)]."""
    with open(os.path.join(ROOT, folder, name + ".md"), encoding="utf-8") as f:
        lines = [line[4:] for line in f.read().splitlines() if line.startswith("    ")]
    drawing, steps = [], []
    for line in lines:
        if line.startswith("$ "):
            steps.append([line[2:], None])
        elif steps:
            steps[-1][1] = (steps[-1][1] or "") + line + "\n"
        else:
            drawing.append(line)
    return drawing, steps


class Shipped(LabCase):
    def setUp(self):
        super().setUp()
        self.environment = dict(os.environ, VNET_NETD=find_program("netd"), PATH=":".join(
            (os.path.dirname(find_program("vnetctl")), os.environ["PATH"])))

    def run_command(self, command):
        return subprocess.run(shlex.split(command), cwd=ROOT, env=self.environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=patience(120), check=False)

    def try_page(self, name):
        """What went wrong, or ""."""
        drawing, steps = read_page(name)
        graph = self.run_command("vnetctl lab graph configs/labs/%s.yaml" % name).stdout
        if graph.splitlines()[2:] != drawing:
            return "the drawing is\n" + graph
        for command, wanted in steps:
            result = self.run_command(command)
            if result.returncode or (wanted is not None and result.stdout != wanted):
                self.run_command("vnetctl lab down " + name)
                return "%s: %d\n%s" % (command, result.returncode, result.stdout)
        return ""

    def try_all(self, is_wanted):
        names = [name_of(path) for path in sorted(glob.glob(os.path.join(ROOT, "configs/labs/*.yaml")))]
        names = [name for name in names if is_wanted(NEEDS.get(name, []))]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for name, problem in zip(names, pool.map(self.try_page, names)):
                with self.subTest(name):
                    self.assertEqual(problem, "")
        self.assertEqual(self.run_command("vnetctl lab list").stdout, "no labs\n")

    def test_what_every_kernel_can(self):
        self.try_all(lambda needs: not needs)

    def test_what_this_kernel_can(self):
        missing = {need for needs in NEEDS.values() for need in needs if not has(need)}
        self.try_all(lambda needs: needs and not missing & set(needs))
        if missing:
            raise SkipFeature("this kernel has no " + ", ".join(sorted(missing)))

    def test_each_has_its_page_in_both_languages(self):
        for path in glob.glob(os.path.join(ROOT, "configs/labs/*.yaml")):
            with self.subTest(name_of(path)):
                self.assertEqual(read_page(name_of(path)), read_page(name_of(path), "docs/labs/pt-BR"))
