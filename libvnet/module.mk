# SPDX-License-Identifier: LGPL-2.1-or-later
# libvnet: the pure parts, the kernel's edge, and the client library.

nft-edge-src := $(addprefix libvnet/nft/,batch.c commit.c decode.c encode.c expr.c fix.c probe.c)
pure-src := $(wildcard libvnet/base/*.c libvnet/model/*.c libvnet/plan/*.c libvnet/dhcp/*.c libvnet/doctor/*.c \
		libvnet/trace/*.c libvnet/import/*.c libvnet/lab/*.c) \
	$(filter-out $(nft-edge-src),$(wildcard libvnet/nft/*.c))
bpf-src := $(wildcard libvnet/kernel/*.bpf.c)
kernel-src := $(filter-out $(bpf-src),$(wildcard libvnet/kernel/*.c)) $(nft-edge-src)
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

# Programs that run in the kernel: compiled for it by clang, and kept in the archive as bytes.
BPF_CLANG ?= clang
$(patsubst %.c,$(B)/%.o,$(bpf-src)): $(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(BPF_CLANG) --target=bpf -g -O2 $(filter -Wall -Wextra -Wshadow -Werror,$(WARNINGS)) -Ilibvnet \
		-I/usr/include/$(shell $(CC) -print-multiarch 2>/dev/null) -MMD -MP -c -o $@ $<

bpf-bytes := $(patsubst %.bpf.c,$(B)/%_bytes.c,$(bpf-src))
$(bpf-bytes): $(B)/%_bytes.c: $(B)/%.bpf.o
	$(call say,GEN,$@)
	$(Q){ echo '#include "$(*:libvnet/%=%).h"'; \
		echo 'const unsigned char $(*F)_bytes[] __attribute__((aligned(8))) = {'; \
		od -An -v -tu1 $< | sed 's/[0-9][0-9]*/&,/g'; echo '};'; \
		echo 'const size_t $(*F)_bytes_size = sizeof($(*F)_bytes);'; } >$@
$(bpf-bytes:.c=.o): %.o: %.c
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<
$(LIB-kernel): $(bpf-bytes:.c=.o)
$(eval $(call archive,$(LIB-client),$(client-src)))

# The shared library for others: the client and the few basics it stands on.
# -z defs would refuse the sanitizers' own symbols, which the program brings.
SOVERSION := 0
LIB-shared := $(B)/libvnet.so.$(VERSION)
shared-src := $(client-src) libvnet/base/clock.c libvnet/base/error.c libvnet/base/mem.c libvnet/base/strbuf.c
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
