# SPDX-License-Identifier: LGPL-2.1-or-later
# libvnet: the pure parts, the kernel's edge, and the client library.

pure-src := $(wildcard libvnet/base/*.c libvnet/model/*.c libvnet/plan/*.c libvnet/dhcp/*.c) \
	$(filter-out libvnet/nft/encode.c libvnet/nft/decode.c,$(wildcard libvnet/nft/*.c))
kernel-src := $(wildcard libvnet/kernel/*.c libvnet/nft/encode.c libvnet/nft/decode.c)
client-src := $(wildcard libvnet/client/*.c)

LIB-pure := $(B)/libvnet-pure.a
LIB-kernel := $(B)/libvnet-kernel.a

define archive
$(1): $$(patsubst %.c,$$(B)/%.o,$(2))
	@mkdir -p $$(@D)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^
endef
$(eval $(call archive,$(LIB-pure),$(pure-src)))
$(eval $(call archive,$(LIB-kernel),$(kernel-src)))

all-targets += $(LIB-pure) $(LIB-kernel)
