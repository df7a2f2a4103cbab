# SPDX-License-Identifier: GPL-2.0-or-later
# Tests. A unit test is one cmocka program per tests/unit/test_*.c that links only
# the pure archive, unless a fragment gives it another one as a prerequisite (and
# LIBS-unit); tests/backend/*.c link the kernel's edge too. The labs are
# Python (standard library) and run in tests/support/sandbox.

unit-tests := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
backend-tests := $(patsubst %.c,$(B)/%,$(wildcard tests/backend/test_*.c))
netd-tests := $(patsubst %.c,$(B)/%,$(wildcard tests/netd/test_*.c))
LIBS-test := $(call pc-libs,cmocka)

$(unit-tests): $(B)/%: $(B)/%.o $(LIB-pure)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(LIBS-pure) $(LIBS-unit) $(LIBS-test)

$(backend-tests): $(B)/%: $(B)/%.o $(B)/tests/backend/harness.o $(B)/tests/support/netns.o $(LIB-kernel) $(LIB-pure)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB-kernel) $(LIB-pure) $(LIBS-kernel) \
		$(LIBS-pure) $(LIBS-test)

# The daemon's parts, all but its main(), and a host that they can run on.
netd-parts := $(filter-out $(B)/netd/main.o,$(netd-obj)) $(B)/tests/netd/fake_host.o
$(netd-tests): $(B)/%: $(B)/%.o $(netd-parts) $(LIB-kernel) $(LIB-pure)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS-kernel) $(LIBS-netd) $(LIBS-pure) $(LIBS-test)

$(eval $(call program,$(B)/tests/support/tapguest,$(B)/tests/support/tapguest.o,))
$(eval $(call program,$(B)/tests/support/dnsmasqfiles,$(B)/tests/support/dnsmasqfiles.o $(LIB-pure),$(LIBS-pure)))
$(eval $(call program,$(B)/tests/support/flow,$(B)/tests/support/flow.o,))
# For the test guest, which has no libraries, of sanitizers either.
$(B)/tests/guest/send-frames: tests/guest/send-frames.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) -std=gnu17 -O2 -Wall -Wextra -static -o $@ $<
$(eval $(call program,$(B)/tests/bench/attach/floor,$(B)/tests/bench/attach/floor.o,$(call pc-libs,libmnl libnftnl)))
$(eval $(call program,$(B)/tests/bench/attach/api,$(B)/tests/bench/attach/api.o,))
$(eval $(call program,$(B)/tests/bench/attach/exec,$(B)/tests/bench/attach/exec.o,))
$(eval $(call program,$(B)/tests/bench/networks/floor,$(B)/tests/bench/networks/floor.o,$(call pc-libs,libmnl libnftnl)))
$(eval $(call program,$(B)/tests/bench/dataplane/frames,$(B)/tests/bench/dataplane/frames.o,))
$(eval $(call program,$(B)/tests/bench/restart/floor,$(B)/tests/bench/restart/floor.o,$(call pc-libs,libmnl)))
$(eval $(call program,$(B)/tests/bench/restart/ready,$(B)/tests/bench/restart/ready.o,))
# netd's own way to the kernel's rules, and libnftnl's.
$(B)/tests/bench/rules/rules: $(B)/tests/bench/rules/rules.o $(LIB-kernel) $(LIB-pure)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS-kernel) $(LIBS-pure) $(call pc-libs,libnftnl)
# The daemon as it is, with system calls that go wrong where a test wants them to.
$(eval $(call program,$(B)/tests/fault/netd,$(netd-obj) $(B)/tests/fault/inject.o $(LIB-kernel) $(LIB-pure),$(LIBS-kernel) $(LIBS-netd) $(LIBS-pure)))
test-programs := $(addprefix $(B)/tests/support/,tapguest flow dnsmasqfiles) $(B)/tests/guest/send-frames \
	$(B)/tests/fault/netd
bench-programs := $(addprefix $(B)/tests/bench/attach/,floor api exec) $(B)/tests/bench/networks/floor \
	$(addprefix $(B)/tests/bench/,dataplane/frames rules/rules restart/floor restart/ready)

sandbox = VNET_BUILD=$(B) tests/support/sandbox
pytest = $(sandbox) tests/support/run

.PHONY: tests soak check check-unit check-backend check-lab check-fault fault check-service check-bad-input check-guest check-kernel \
	guest-asleep kernel-lab test demo bench bench-guard-alternatives bench-kernel deps
# Everything that the checks need built, but not run.
tests: $(unit-tests) $(netd-tests) $(backend-tests) $(test-programs) $(bench-programs)

check-unit: $(unit-tests) $(netd-tests)
	$(Q)VNET_BUILD=$(B) tests/support/run-c $(unit-tests) $(netd-tests)

check-backend: $(backend-tests)
	$(Q)$(sandbox) tests/support/run-c $(backend-tests)

# Without a network the tests that want it say so, and skip.
build/libvirt-source/version: tests/support/libvirt-source
	-$(Q)tests/support/libvirt-source $(@D)

check-lab: all $(test-programs) build/libvirt-source/version
	$(Q)$(pytest) $(LAB) $(sort $(wildcard tests/support/test_*.py)) \
		$(filter-out tests/lab/test_bad_input.py,$(sort $(wildcard tests/lab/test_*.py)))

# A fiftieth of what may go wrong, the same each time, so that a change is what makes it fail;
# FAULT_SEED= draws another, `make fault` is all of it.
FAULT_SHARE ?= 0.02
FAULT_SEED ?= 903697
check-fault: all $(test-programs)
	$(Q)VNET_FAULT_SHARE=$(FAULT_SHARE) VNET_FAULT_SEED=$(FAULT_SEED) VNET_TEST_SECONDS=3600 $(pytest) $(LAB) \
		$(sort $(wildcard tests/fault/test_*.py))

fault:
	$(Q)$(MAKE) --no-print-directory check-fault FAULT_SHARE=1

# As installed, under systemd and OpenRC.
check-service: all $(B)/openrc/stamp
	$(Q)$(pytest) $(LAB) $(sort $(wildcard tests/service/test_*.py))

# Unpacked in a machine of the test's, installed nowhere; without them it skips.
$(B)/openrc/stamp:
	@mkdir -p $(@D)
	$(Q)cd $(@D) && { apt-get -qq download openrc libeinfo1 librc1 2>/dev/null || \
		echo 'OpenRC cannot be fetched'; }
	@touch $@

# Random accidents under traffic: TIME= seconds of SEED=, or of one by chance.
soak: TIME ?= 300
soak: SEED ?= $(shell echo $$RANDOM)
soak: all $(test-programs)
	$(Q)VNET_SOAK_SECONDS=$(TIME) VNET_SOAK_SEEDS=$(SEED) VNET_TEST_SECONDS=$$(($(TIME) + 180)) \
		$(pytest) tests/lab/test_soak.py

check-bad-input: all $(test-programs)
	$(Q)$(pytest) $(LAB) tests/lab/test_bad_input.py

check-guest: all $(test-programs) $(B)/guest/stamp guest-asleep
	$(Q)$(pytest) $(LAB) $(sort $(wildcard tests/guest/test_*.py))

# On one of Debian's kernels (KERNEL=, see tests/kernel-lab/build), in MACHINES virtual ones.
# LABS: all; wires (what asks for features that a kernel may lack: the guests, the labs that
# say need or SkipFeature, the back ends); or names of suites, like "test_vlan test_backend".
# LAB="-k PATTERN" picks tests.  Long suites first, so that the machines end together.
KERNEL ?= debian
MACHINES ?= 2
LABS ?= all
# The fake netd needs no kernel.
kernel-labs = $(filter-out %/test_cli_fake.py,$(shell ls -S tests/lab/test_*.py))
kernel-wires = $(wildcard tests/guest/test_kernel_*.py) \
	$(shell grep -lE ', need,|SkipFeature' $(kernel-labs)) $(backend-tests)
kernel-all = $(kernel-wires) $(filter-out $(kernel-wires),$(kernel-labs))
kernel-picked = $(or $(kernel-$(LABS)),$(foreach name,$(LABS),$(filter %/$(name),$(backend-tests)) \
	$(wildcard tests/lab/$(name).py tests/guest/$(name).py)))
check-kernel: all $(backend-tests) $(test-programs) build/libvirt-source/version $(B)/guest/stamp guest-asleep
	$(Q)VNET_BUILD=$(B) LAB='$(LAB)' tests/kernel-lab/check -k $(KERNEL) -j $(MACHINES) $(kernel-picked)

# A shell there, on the terminal.
kernel-lab:
	$(Q)VNET_BUILD=$(B) tests/kernel-lab/run -k $(KERNEL) -i

# Without root: what needs none.
check: check-unit

$(B)/guest/stamp: tests/guest/build-guest tests/guest/init.sh tests/support/vmlinux
	$(Q)tests/guest/build-guest $(B)/guest

# It depends on QEMU too, which the script looks after.
guest-asleep: $(B)/guest/stamp
	$(Q)$(sandbox) tests/guest/freeze-guest $(B)/guest/asleep

test:
	$(Q)tests/run-all

# Installs what is missing before make looks for the libraries, hence the second make.
demo:
	$(Q)tests/deps.sh
	$(Q)$(MAKE) --no-print-directory -j2 all $(test-programs) $(B)/guest/stamp
	$(Q)$(sandbox) /usr/bin/python3 tests/guest/demo.py

bench: all $(bench-programs)
	$(Q)$(sandbox) /usr/bin/python3 tests/bench/attach/bench.py
	$(Q)tests/bench/networks/deps.sh
	$(Q)$(sandbox) /usr/bin/python3 tests/bench/networks/bench.py
	$(Q)$(sandbox) /usr/bin/python3 tests/bench/libvirt/bench.py
	$(Q)$(sandbox) /usr/bin/python3 tests/bench/rules/bench.py
	$(Q)$(sandbox) /usr/bin/python3 tests/bench/restart/bench.py
	$(Q)$(sandbox) /usr/bin/python3 tests/bench/dataplane/bench.py

# What else could hold a port to its addresses (docs/firewall.md).
bench-guard-alternatives: $(bench-programs)
	$(Q)$(sandbox) /usr/bin/python3 tests/bench/dataplane/bench.py alternatives

# What needs 802.1Q, on a kernel that has it; and what a frame pays there.
bench-kernel: all $(bench-programs)
	$(Q)VNET_BUILD=$(B) tests/kernel-lab/run -k $(or $(KERNEL),6.1) -t 3600 -- \
		tests/support/sandbox /usr/bin/python3 tests/bench/networks/bench.py vlan
	$(Q)VNET_BUILD=$(B) tests/kernel-lab/run -k $(or $(KERNEL),6.1) -t 3600 -- \
		tests/support/sandbox /usr/bin/python3 tests/bench/dataplane/bench.py --quick

deps:
	$(Q)tests/deps.sh
