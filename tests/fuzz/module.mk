# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzzers: tests/fuzz/fuzz_NAME.c has LLVMFuzzerTestOneInput, tests/corpus/NAME its inputs.
# `make fuzz` runs them under clang's libFuzzer; check-corpus replays the corpora.

TIME ?= 30
fuzz-names := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz-replays := $(patsubst %,$(B)/tests/fuzz/replay_%,$(fuzz-names))

$(fuzz-replays): $(B)/tests/fuzz/replay_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay_main.o $(LIB-kernel) $(LIB-pure)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS-kernel) $(LIBS-pure)

.PHONY: check-corpus fuzz
check-corpus: $(fuzz-replays)
	$(Q)set -e; for name in $(fuzz-names); do \
		VNET_BUILD=$(B) VNET_CORPUS=tests/corpus/$$name tests/support/run-c $(B)/tests/fuzz/replay_$$name; done

# A build of its own: the whole code is instrumented. New inputs go to build/corpus/NAME, the repository's stay as they are.
fuzz:
	$(Q)$(MAKE) --no-print-directory CC=clang B=build/fuzz SAN=fuzzer-no-link,address,undefined run-fuzzers TIME=$(TIME)

.PHONY: run-fuzzers
run-fuzzers: $(fuzz-names:%=run-fuzz-%)

run-fuzz-%: $(B)/tests/fuzz/fuzz_%
	$(Q)mkdir -p build/corpus/$*
	$(Q)cd build/corpus/$* && ../../../$< -max_total_time=$(TIME) -print_final_stats=1 -timeout=10 \
		. ../../../tests/corpus/$* 2>&1 | grep -E 'stat::number_of_executed|SUMMARY|cov:|ERROR' | tail -3; \
		exit $${PIPESTATUS[0]}

$(fuzz-names:%=$(B)/tests/fuzz/fuzz_%): $(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(LIB-kernel) $(LIB-pure)
	$(call say,LD,$@)
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS-kernel) $(LIBS-pure)
