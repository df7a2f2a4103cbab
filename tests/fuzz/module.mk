# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzzers: tests/fuzz/fuzz_NAME.c has LLVMFuzzerTestOneInput, tests/corpus/NAME its inputs.
# `make fuzz` runs them under clang's libFuzzer; check-corpus replays the corpora.

TIME ?= 30
fuzz-names := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz-replays := $(patsubst %,$(B)/tests/fuzz/replay_%,$(fuzz-names))

# Beside the libraries: netd but its main(), the client, and what fuzzers share.
$(B)/libvnet-fuzz.a: $(netd-parts) $(addprefix $(B)/tests/fuzz/,talk.o wish.o quiet.o)
	@mkdir -p $(@D)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
fuzz-libs := $(B)/libvnet-fuzz.a $(LIB-cli) $(LIB-client) $(LIB-kernel) $(LIB-pure)

$(fuzz-replays): $(B)/tests/fuzz/replay_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay_main.o $(fuzz-libs)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS-kernel) $(LIBS-netd) $(LIBS-pure) $(LIBS-cli)

.PHONY: check-corpus fuzz
check-corpus: $(fuzz-replays)
	$(Q)set -e; for name in $(fuzz-names); do \
		VNET_BUILD=$(B) VNET_CORPUS=tests/corpus/$$name tests/support/run-c $(B)/tests/fuzz/replay_$$name; done

# A build of its own: the whole code is instrumented. New inputs go to build/corpus/NAME, the repository's stay as they are.
fuzz:
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) CC=clang B=build/fuzz SAN=fuzzer-no-link,address,undefined \
		run-fuzzers TIME=$(TIME)

.PHONY: run-fuzzers fuzz-coverage fuzz-figures
run-fuzzers: $(fuzz-names:%=run-fuzz-%)

run-fuzz-%: $(B)/tests/fuzz/fuzz_% $(B)/words.dict
	$(Q)TIME=$(TIME) VNET_BUILD=$(B) nice -n 10 tests/fuzz/run $*

# Words that mean something to the parsers: all short strings in the model.
$(B)/words.dict: $(wildcard libvnet/model/*.c)
	@mkdir -p $(@D)
	$(Q)grep -ohE '"[a-zA-Z][a-zA-Z0-9_.-]{1,22}"' $^ | sort -u >$@

# How much of its code the corpus of each fuzzer reaches.
fuzz-coverage:
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) CC=clang B=build/fuzz-coverage OPT='-O1 -g' \
		COVERAGE=llvm fuzz-figures

fuzz-figures: $(fuzz-replays)
	$(Q)tests/fuzz/coverage $(B) $(fuzz-names)

$(fuzz-names:%=$(B)/tests/fuzz/fuzz_%): $(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(fuzz-libs)
	$(call say,LD,$@)
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS-kernel) $(LIBS-netd) $(LIBS-pure) $(LIBS-cli)
