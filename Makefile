# SPDX-License-Identifier: GPL-2.0-or-later
# vnet - `make help` lists the targets.
#
# Not recursive: each folder adds its part in a module.mk. Everything built goes
# to build/ (or build/$(SAN)/ with sanitizers).

VERSION := 0.1.0
PREFIX ?= /usr
SYSCONFDIR ?= /etc
RUNDIR ?= /run
LOCALSTATEDIR ?= /var
LIBDIR ?= $(PREFIX)/lib/$(shell $(CC) -print-multiarch 2>/dev/null)
SBINDIR ?= $(PREFIX)/sbin
BINDIR ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec/vnet
MANDIR ?= $(PREFIX)/share/man
SYSTEMDDIR ?= $(PREFIX)/lib/systemd
DESTDIR ?=
# A script below /etc/init.d would be in systemd's way on Debian.
OPENRC ?= $(if $(wildcard /run/openrc),yes)
SHELL := /bin/bash

CC ?= cc
AR ?= ar
PKG_CONFIG ?= pkg-config
PYTHON ?= /usr/bin/python3
SAN ?=
V ?=
WERROR ?=

comma := ,
B := build$(if $(SAN),/$(subst $(comma),-,$(SAN)))

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wformat=2 -Wvla -Wimplicit-fallthrough $(if $(WERROR),-Werror)
HARDEN := -fstack-protector-strong -fPIC $(if $(SAN),,-D_FORTIFY_SOURCE=2)
OPT ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE -DVNET_VERSION='"$(VERSION)"' -Ilibvnet/include -Ilibvnet -I.
CPPFLAGS += -DVNET_SYSCONFDIR='"$(SYSCONFDIR)/vnet"' -DVNET_RUNDIR='"$(RUNDIR)/vnet"' \
	-DVNET_STATEDIR='"$(LOCALSTATEDIR)/lib/vnet"' -DVNET_LIBEXECDIR='"$(LIBEXECDIR)"'
CFLAGS += -std=gnu17 $(OPT) $(WARNINGS) $(HARDEN) -fvisibility=hidden
LDFLAGS += -Wl,-z,relro,-z,now -Wl,--as-needed
ifneq ($(SAN),)
CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=$(SAN)
endif
# 1: gcov's; llvm: clang's.
coverage-flags := $(if $(COVERAGE),$(if $(filter llvm,$(COVERAGE)),-fprofile-instr-generate -fcoverage-mapping,--coverage))
CFLAGS += $(coverage-flags)
LDFLAGS += $(coverage-flags)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

pc-cflags = $(shell $(PKG_CONFIG) --cflags $(1) 2>/dev/null)
pc-libs = $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null)
CPPFLAGS += $(call pc-cflags,jansson yaml-0.1 libmnl libbpf libnftnl smartcols libcap-ng cmocka libxml-2.0 libseccomp \
	libvirt)
LIBS-pure := $(call pc-libs,jansson yaml-0.1)
LIBS-kernel := $(call pc-libs,libmnl libbpf)
LIBS-netd := $(call pc-libs,libseccomp)

# $(call program,target,objects,libraries)
define program
$(1): $(2)
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $(2) $(3)
endef

.DEFAULT_GOAL := all
all-targets :=
include libvnet/module.mk
include netd/module.mk
include cli/module.mk
include tests/module.mk
include tests/fuzz/module.mk

.PHONY: all
all: $(all-targets)

objects = $(patsubst %.c,$(B)/%.o,$(1))

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(B) -name '*.d' -not -path '*/build/*/build/*' 2>/dev/null)


.PHONY: clean
clean:
	rm -rf build

# --- for people -------------------------------------------------------------

.PHONY: help
help:
	@echo 'make             build everything into build/'
	@echo 'make deps        install what building and testing need (Debian, Ubuntu)'
	@echo 'make demo        a real guest on a NAT network, from nothing to nothing (root)'
	@echo 'make test        every test (root)'
	@echo 'make check       the tests that need no privilege'
	@echo 'make bench       the benchmarks (root)'
	@echo 'make install     to $$(DESTDIR)$$(PREFIX); uninstall takes it away'
	@echo 'make soak        random accidents under traffic: TIME= seconds, SEED='
	@echo 'make fuzz        runs the fuzzers, TIME= seconds each; fuzz-coverage: what they reach'
	@echo 'make valgrind    units, corpora and a few labs under memcheck (root)'
	@echo 'make coverage    line coverage of units and labs (root); coverage-unit: of units'
	@echo 'make check-unit, check-backend, check-lab, check-bad-input, check-service, check-guest: parts of test'
	@echo 'make check-kernel  the same on a Debian kernel: KERNEL=6.1, LABS="test_modes ..."'
	@echo 'make kernel-lab  a shell there'
	@echo 'make tidy, compile_commands.json, clean'
	@echo 'Variables: V=1  SAN=address,undefined  CC=clang  WERROR=1  PREFIX=  DESTDIR='

.PHONY: check
check: check-unit

install-programs := $(NETD):$(SBINDIR)/netd \
	$(B)/cli/vnetctl:$(BINDIR)/vnetctl \
	$(B)/cli/vnet-qemu-helper:$(LIBEXECDIR)/vnet-qemu-helper \
	$(B)/cli/vnet-qemu-ifup:$(LIBEXECDIR)/vnet-qemu-ifup \
	$(B)/cli/vnet-libvirt-hook:$(SBINDIR)/vnet-libvirt-hook
# libvirt runs what it finds there (without libvirt the folders do no harm), and Debian's AppArmor
# profile lets it run programs of /usr/sbin.
libvirt-hooks := $(addprefix $(SYSCONFDIR)/libvirt/hooks/,qemu.d network.d)
install-files := $(foreach unit,netd.service netd.socket netd-broker.service netd-broker.socket \
			vnet-libvirt.service,\
		configs/systemd/$(unit):$(SYSTEMDDIR)/system/$(unit)) \
	configs/systemd/vnet.sysusers:$(PREFIX)/lib/sysusers.d/vnet.conf \
	configs/systemd/vnet.tmpfiles:$(PREFIX)/lib/tmpfiles.d/vnet.conf \
	libvnet/include/vnet/vnet.h:$(PREFIX)/include/vnet/vnet.h \
	libvnet/include/vnet/error.h:$(PREFIX)/include/vnet/error.h \
	libvnet/io.vnet.Netd.varlink:$(PREFIX)/share/vnet/io.vnet.Netd.varlink \
	configs/completions/vnetctl.bash:$(PREFIX)/share/bash-completion/completions/vnetctl \
	configs/completions/_vnetctl:$(PREFIX)/share/zsh/vendor-completions/_vnetctl \
	configs/unmanaged/90-vnet-NetworkManager.conf:$(PREFIX)/share/vnet/90-vnet-NetworkManager.conf \
	configs/unmanaged/10-vnet.network:$(PREFIX)/share/vnet/10-vnet.network
install-manuals := $(wildcard docs/man/*.[0-9])
install-examples := $(wildcard configs/examples/*.yaml configs/libvirt/*.xml docs/examples/*) configs/access.yaml
install-docs := $(wildcard docs/*.md) CHANGELOG.md LICENSE
# Below share/doc/vnet as they are here, so that the pages' links hold.
install-labs := $(wildcard configs/labs/*.yaml docs/labs/*.md docs/labs/*/*.md)

.PHONY: install
install: all
	$(Q)set -e; for pair in $(install-programs); do \
		install -D -m 0755 $${pair%%:*} $(DESTDIR)$${pair#*:}; done
	$(Q)ln -sf vnet-qemu-ifup $(DESTDIR)$(LIBEXECDIR)/vnet-qemu-ifdown
	$(Q)set -e; for dir in $(libvirt-hooks); do \
		install -d $(DESTDIR)$$dir; ln -sf $(SBINDIR)/vnet-libvirt-hook $(DESTDIR)$$dir/vnet; done
	$(Q)set -e; for pair in $(install-files); do \
		install -D -m 0644 $${pair%%:*} $(DESTDIR)$${pair#*:}; done
	$(Q)set -e; for page in $(install-manuals); do \
		install -D -m 0644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; done
	$(Q)set -e; for file in $(install-examples); do \
		install -D -m 0644 $$file $(DESTDIR)$(PREFIX)/share/doc/vnet/examples/$${file##*/}; done
	$(Q)set -e; for file in $(install-labs); do \
		install -D -m 0644 $$file $(DESTDIR)$(PREFIX)/share/doc/vnet/$${file#docs/}; done
	$(Q)set -e; for file in $(install-docs); do \
		install -D -m 0644 $$file $(DESTDIR)$(PREFIX)/share/doc/vnet/$${file##*/}; done
	$(Q)install -D -m 0755 $(B)/libvnet.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libvnet.so.$(VERSION)
	$(Q)ln -sf libvnet.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libvnet.so.0
	$(Q)ln -sf libvnet.so.0 $(DESTDIR)$(LIBDIR)/libvnet.so
	$(Q)install -d $(DESTDIR)$(LIBDIR)/pkgconfig
	$(Q)sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' \
		libvnet/vnet.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/vnet.pc
	$(Q)install -D -m 0755 configs/openrc/netd $(DESTDIR)$(if $(OPENRC),$(SYSCONFDIR)/init.d,$(PREFIX)/share/vnet/openrc)/netd
	$(Q)install -d $(DESTDIR)$(SYSCONFDIR)/vnet/networks.d
	$(if $(DESTDIR),,$(announce))

# On the machine itself: its users, its folders, and systemd is told. Elsewhere a package does that.
define announce
	$(Q)if command -v systemd-sysusers >/dev/null; then \
		systemd-sysusers $(PREFIX)/lib/sysusers.d/vnet.conf; \
		systemd-tmpfiles --create $(PREFIX)/lib/tmpfiles.d/vnet.conf; \
	else echo 'netd needs the users vnet and vnet-dnsmasq: useradd -r -s /usr/sbin/nologin vnet, and vnet-dnsmasq'; fi
	$(Q)if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
endef

# Takes away what install put there; what an administrator wrote stays.
.PHONY: uninstall
uninstall:
	$(Q)for pair in $(install-programs) $(install-files); do rm -f $(DESTDIR)$${pair#*:}; done
	$(Q)rm -f $(addprefix $(DESTDIR),$(libvirt-hooks:%=%/vnet))
	$(Q)rm -f $(DESTDIR)$(SYSCONFDIR)/init.d/netd
	$(Q)rm -f $(DESTDIR)$(LIBEXECDIR)/vnet-qemu-ifdown $(DESTDIR)$(LIBDIR)/libvnet.so* \
		$(DESTDIR)$(LIBDIR)/pkgconfig/vnet.pc
	$(Q)for page in $(install-manuals); do \
		rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; done
	$(Q)rm -rf $(DESTDIR)$(PREFIX)/share/doc/vnet $(DESTDIR)$(PREFIX)/share/vnet
	$(Q)for dir in $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(PREFIX)/include/vnet; do \
		! test -d $$dir || rmdir --ignore-fail-on-non-empty $$dir; done

.PHONY: tidy
tidy: compile_commands.json
	clang-tidy -p . $(pure-src) $(kernel-src) $(client-src) $(netd-src)

# One object per source file, as the compiler is called for it.
compile_commands.json: Makefile $(wildcard */module.mk)
	$(Q){ echo '['; sep=; for f in $(pure-src) $(kernel-src) $(client-src) $(netd-src); do \
		printf '%s{"directory":"%s","file":"%s","arguments":["cc"%s,"-c","%s"]}\n' \
			"$$sep" "$(CURDIR)" "$$f" \
			"$$(for a in $(filter -D% -I%,$(CPPFLAGS)) -std=gnu17; do \
				printf ',"%s"' "$$(printf %s "$$a" | sed 's/"/\\"/g')"; done)" "$$f"; \
		sep=,; done; echo ']'; } >$@

# Under valgrind's memcheck: units, corpora, and labs with netd in it; 20 minutes.  Left out is
# what asks for system calls that valgrind 3.19 does not know (pidfd_open, close_range, fsopen):
# owners, macvtap and dnsmasq; what confines itself to a few system calls, of which valgrind's own
# are none; and the longest one, test_plan, of which there is a fuzzer.
memcheck-tests = $(filter-out %/test_plan %/test_ports %/test_dnsmasq \
	%/test_cli_xml %/test_cli_domain %/test_cli_import,$(unit-tests) $(netd-tests))
memcheck-labs := OurGuard:test_trace Others:test_trace Subscribers:test_trace \
	Namespaces:test_port_kinds Repairs:test_port_kinds
$(B)/tests/support/no-filter.so: tests/support/no-filter.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -shared -o $@ $<
# Its one symbol is to be seen.
$(B)/tests/support/no-filter.so: CFLAGS += -fvisibility=default
.PHONY: valgrind
valgrind: export VNET_MEMCHECK = 1
valgrind: export VNET_TEST_SECONDS = 900
valgrind: export VNET_TIME_FACTOR = 5
valgrind: all $(memcheck-tests) $(fuzz-replays) $(test-programs) $(B)/tests/support/no-filter.so
	$(Q)command -v valgrind >/dev/null || { echo 'make valgrind needs valgrind' >&2; exit 1; }
	$(Q)VNET_BUILD=$(B) tests/support/run-c $(memcheck-tests)
	$(Q)VNET_MEMCHECK=memory $(MAKE) --no-print-directory check-corpus
	$(Q)set -e; for lab in $(memcheck-labs); do \
		$(pytest) -k "*.$${lab%%:*}.*" tests/lab/$${lab#*:}.py; done

# gcov's figures: of the unprivileged tests, or of all that netd and the programs do in
# the labs, too (some 20 minutes).  MISSED=1 names the lines that were not reached.
coverage-make = $(MAKE) --no-print-directory COVERAGE=1 OPT='-O0 -g' B=build/coverage
# netd is not root when it ends, and is to add to what others have written.
coverage-begin = $(Q)$(coverage-make) all tests $(fuzz-names:%=build/coverage/tests/fuzz/replay_%) && \
	find build/coverage -name '*.gcda' -delete && find build/coverage -type d -exec chmod a+rwx {} +
.PHONY: coverage coverage-unit
coverage-unit coverage: export GCOV_ERROR_FILE = /dev/null
coverage-unit:
	$(coverage-begin)
	$(Q)$(coverage-make) check-unit check-corpus
	$(Q)tests/support/coverage $(if $(MISSED),-m) build/coverage 'pure parts=95'

coverage:
	$(coverage-begin)
	$(Q)umask 0 && $(coverage-make) check-unit check-corpus check-backend check-lab check-bad-input
	$(Q)tests/support/coverage $(if $(MISSED),-m) build/coverage 'pure parts=95' all=85
