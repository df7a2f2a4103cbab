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
ifneq ($(COVERAGE),)
CFLAGS += --coverage
LDFLAGS += --coverage
endif

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

pc-cflags = $(shell $(PKG_CONFIG) --cflags $(1) 2>/dev/null)
pc-libs = $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null)
CPPFLAGS += $(call pc-cflags,jansson yaml-0.1 libmnl libnftnl smartcols libcap-ng cmocka)
LIBS-pure := $(call pc-libs,jansson yaml-0.1)
LIBS-kernel := $(call pc-libs,libmnl libnftnl)

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
