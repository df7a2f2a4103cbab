# SPDX-License-Identifier: LGPL-2.1-or-later
# libvnet: the pure parts, the kernel's edge, and the client library.

nft-edge-src := $(addprefix libvnet/nft/,batch.c commit.c decode.c encode.c expr.c fix.c probe.c)
pure-src := $(wildcard libvnet/base/*.c libvnet/model/*.c libvnet/plan/*.c libvnet/dhcp/*.c libvnet/doctor/*.c \
		libvnet/trace/*.c libvnet/import/*.c libvnet/lab/*.c) \
	$(filter-out $(nft-edge-src),$(wildcard libvnet/nft/*.c))
kernel-src := $(wildcard libvnet/kernel/*.c) $(nft-edge-src)
client-src := $(wildcard libvnet/client/*.c)

LIB-pure := $(B)/libvnet-pure.a
LIB-kernel := $(B)/libvnet-kernel.a
LIB-client := $(B)/libvnet-client.a

define archive
$(1): $$(patsubst %.c,$$(B)/%.o,$(2))
	@mkdir -p $$(@D)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^
endef
$(eval $(call archive,$(LIB-pure),$(pure-src)))
$(eval $(call archive,$(LIB-kernel),$(kernel-src)))
$(eval $(call archive,$(LIB-client),$(client-src)))

# The shared library for others: the client and the few basics it stands on.
# -z defs would refuse the sanitizers' own symbols, which the program brings.
SOVERSION := 0
LIB-shared := $(B)/libvnet.so.$(VERSION)
shared-src := $(client-src) libvnet/base/error.c libvnet/base/mem.c libvnet/base/strbuf.c
shared-links := $(B)/libvnet.so.$(SOVERSION) $(B)/libvnet.so

$(LIB-shared): $(patsubst %.c,$(B)/%.o,$(shared-src)) libvnet/libvnet.map
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,libvnet.so.$(SOVERSION) \
		-Wl,--version-script=libvnet/libvnet.map $(if $(SAN),,-Wl$(comma)-z$(comma)defs) \
		-o $@ $(filter %.o,$^) $(call pc-libs,jansson)

$(shared-links): $(LIB-shared)
	$(Q)ln -sf $(<F) $@

all-targets += $(LIB-pure) $(LIB-kernel) $(LIB-client) $(LIB-shared) $(shared-links)

# The client's own tests stand on its archive beside the pure one.
$(B)/tests/unit/test_client: $(LIB-client)
