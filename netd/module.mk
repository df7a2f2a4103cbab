# SPDX-License-Identifier: GPL-2.0-or-later
# netd: the daemon.

netd-src := $(wildcard netd/*.c)
NETD := $(B)/netd/netd
ifneq ($(netd-src),)
$(eval $(call program,$(NETD),$(patsubst %.c,$(B)/%.o,$(netd-src)) $(LIB-kernel) $(LIB-pure),$(LIBS-kernel) $(LIBS-pure)))
all-targets += $(NETD)
endif
