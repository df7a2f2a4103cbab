# SPDX-License-Identifier: GPL-2.0-or-later
# Tests. A unit test is one cmocka program per tests/unit/test_*.c that links only
# the pure archive; tests/backend/*.c link the kernel's edge too.

unit-tests := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
backend-tests := $(patsubst %.c,$(B)/%,$(wildcard tests/backend/test_*.c))
LIBS-test := $(call pc-libs,cmocka)

$(unit-tests): $(B)/%: $(B)/%.o $(LIB-pure)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIB-pure) $(LIBS-pure) $(LIBS-test)

$(backend-tests): $(B)/%: $(B)/%.o $(LIB-kernel) $(LIB-pure)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIB-kernel) $(LIB-pure) $(LIBS-kernel) $(LIBS-pure) $(LIBS-test)

.PHONY: check-unit
check-unit: $(unit-tests)
	$(Q)set -e; for t in $(unit-tests); do $$t; done
