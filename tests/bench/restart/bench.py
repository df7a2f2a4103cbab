# SPDX-License-Identifier: GPL-2.0-or-later
"""bench.py - from the exec of a new netd until it serves, with 1,000 ports that run

Against the floor (floor.c): the same questions to the kernel and nothing else.
Both are started, in turns, by ready.c.  Medians; "best" is the ratio of the
fastest turns, which others on the machine disturbed least.  Ratios hold on
other machines, milliseconds do not.
"""

import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../support"))
sys.dont_write_bytecode = True

from vnetlab import Namespace, Netd, build_path, find_program  # noqa: E402
from vnetlab.netns import die_with_parent  # noqa: E402

PORTS = 1000
ROUNDS = 25
WANTED = 2.0
NETWORK = """
networks:
  bench:
    mode: nat
    addresses: [10.66.0.1/16, "fd66::1/64"]
    dhcp: false
    ports: {guard: %s}
"""


def measure(guard):
    with tempfile.TemporaryDirectory(dir="/run/lab") as folder:
        os.chmod(folder, 0o755)     # netd, which has a user of its own, comes by here
        ns = Namespace("restart-" + guard)
        netd = Netd(ns, folder, {"networks.d/bench.yaml": NETWORK % guard}).start()
        ports = ns.popen(find_program("api"), netd.socket, "bench", PORTS, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        try:
            while ports.stdout.readline() != "done\n":
                pass
            netd.stop()
            commands = {"floor": [os.path.abspath(build_path("tests/bench/restart/floor"))],
                        "netd": [find_program("netd"), "--config-dir", netd.config_dir,
                                 "--run-dir", netd.run_dir, "--state-dir", netd.state_dir,
                                 "--log-level", "warning"]}
            times = {name: [] for name in commands}
            for _ in range(ROUNDS):
                for name, command in commands.items():
                    out = ns.run(build_path("tests/bench/restart/ready"),
                                 os.path.join(folder, "notify"), *command, timeout=120).stdout
                    times[name].append(float(out.splitlines()[-1]))
            netd.start()
            assert len(netd.call("ListPorts")["ports"]) == PORTS
        finally:
            netd.cleanup()
            remove(ns)
            ports.kill()
            ports.wait()
        return times


def remove(ns):
    """As one group: closed one by one, a thousand devices take the kernel half a minute."""
    names = [n for n in ns.links() if n.startswith("vp")]
    ns.run("ip", "-batch", "-", input="".join("link set %s group 77\n" % n for n in names),
           timeout=120)
    ns.ip("link", "del", "group", "77", check=False)


def main():
    results = {guard: measure(guard) for guard in ("mac", "strict")}
    print("%-32s%10s%10s%10s%10s" % ("milliseconds until it serves", "median", "90 %", "x floor",
                                     "best"))
    for guard, times in results.items():
        floor = times["floor"]
        for name, values in times.items():
            print("%-32s%10.1f%10.1f%10.2f%10.2f" % (
                "%s, guard: %s" % (name, guard), statistics.median(values),
                sorted(values)[len(values) * 9 // 10],
                statistics.median(values) / statistics.median(floor), min(values) / min(floor)))
    print("\n%d ports; %d times each, in turns; Linux %s; %d processors" % (
        PORTS, ROUNDS, os.uname().release, os.cpu_count()))
    for guard, times in results.items():
        ratio = statistics.median(times["netd"]) / statistics.median(times["floor"])
        print("%-6s %-55s %6.2f  (wanted <= %.4g)" % (
            "met" if ratio <= WANTED else "MISSED",
            "guard: %s: a restart against the dumps alone" % guard, ratio, WANTED))


if __name__ == "__main__":
    main()
