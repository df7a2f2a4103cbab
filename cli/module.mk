# SPDX-License-Identifier: GPL-2.0-or-later
# The programs that people and QEMU call.

cli-programs := vnetctl vnet-qemu-helper vnet-qemu-ifup vnet-libvirt-hook
cli-mains := $(cli-programs:%=cli/%.c)
cli-src := $(filter-out $(cli-mains),$(wildcard cli/*.c cli/lab/*.c))

LIB-cli := $(B)/libvnet-cli.a
$(eval $(call archive,$(LIB-cli),$(cli-src)))
LIBS-cli := $(call pc-libs,jansson yaml-0.1 smartcols libcap-ng libxml-2.0 libseccomp libmnl)
cli-archives := $(LIB-cli) $(LIB-client) $(LIB-kernel) $(LIB-pure)

VNETCTL := $(B)/cli/vnetctl
QEMU-HELPER := $(B)/cli/vnet-qemu-helper
QEMU-IFUP := $(B)/cli/vnet-qemu-ifup
QEMU-IFDOWN := $(B)/cli/vnet-qemu-ifdown
LIBVIRT-HOOK := $(B)/cli/vnet-libvirt-hook

$(foreach p,$(cli-programs), \
	$(eval $(call program,$(B)/cli/$(p),$(B)/cli/$(p).o $(cli-archives),$(LIBS-cli))))

# One program: its name says which way.
$(QEMU-IFDOWN): $(QEMU-IFUP)
	$(Q)ln -sf $(<F) $@

all-targets += $(LIB-cli) $(VNETCTL) $(QEMU-HELPER) $(QEMU-IFUP) $(QEMU-IFDOWN) $(LIBVIRT-HOOK)

cli-tests := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_cli_*.c))
$(cli-tests): $(LIB-cli) $(LIB-client) $(LIB-kernel)
$(cli-tests): LIBS-unit = $(LIBS-cli)
