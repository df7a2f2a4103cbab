/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_WISH_H
#define TESTS_FUZZ_WISH_H

/*
 * wish.h - what is wanted, out of a fuzzer's input: definitions in YAML, a line
 * "--- ports", and ports in JSON, one a line, as AttachPort takes them
 */

#include "model/definitions.h"
#include "model/port.h"
#include "nft/ruleset.h"
#include "plan/plan.h"

struct wish {
	struct definitions definitions;
	VEC(struct port *) ports;
	struct desired desired; /* its lists point to the two above */
};

/*
 * Only what netd would take: definitions that pass their checks, or none at all
 * (false); of the ports those that do. Each is as netd completes it.
 */
bool wish_read(const char *text, size_t size, struct wish *ret);
void wish_free(struct wish *wish);
#define AUTO_WISH __attribute__((cleanup(wish_free)))

struct nft_groups wish_groups(const struct wish *wish);
struct nft_ruleset *wish_compile(const struct wish *wish);

#endif
