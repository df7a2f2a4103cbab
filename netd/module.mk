# SPDX-License-Identifier: GPL-2.0-or-later
# netd: the daemon.

netd-src := $(wildcard netd/*.c)
netd-obj := $(patsubst %.c,$(B)/%.o,$(netd-src)) $(B)/netd/description.o
NETD := $(B)/netd/netd

# The interface that netd describes to its clients is the file itself.
$(B)/netd/description.c: libvnet/io.vnet.Netd.varlink
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q){ echo '#include "netd/api.h"'; echo 'const char api_description[] ='; \
		sed 's/\\/\\\\/g; s/"/\\"/g; s/^/	"/; s/$$/\\n"/' $<; echo '	;'; } >$@

$(B)/netd/description.o: $(B)/netd/description.c
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(eval $(call program,$(NETD),$(netd-obj) $(LIB-kernel) $(LIB-pure),$(LIBS-kernel) $(LIBS-netd) $(LIBS-pure)))
all-targets += $(NETD)
