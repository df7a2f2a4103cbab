/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_EGRESS_H
#define VNET_MODEL_EGRESS_H

/*
 * egress.h - where the guests of a network may connect to: `egress:`
 *
 * Names are held to what they say by the network's resolver, which answers no
 * others, and by sets of addresses in table inet vnet, which it fills with what
 * it answers.  Each address goes into two sets, of generations 0 and 1, which
 * netd empties in turns, one every `egress_hold` of its settings: so it stays as
 * long as its name is asked for, and goes that time to twice that after the last
 * answer.  The kernel's own timeouts could not do that: adding an element that
 * is there does not renew it.
 */

#include "base/addr.h"
#include "base/mem.h"

#include <stdbool.h>

struct network;

#define EGRESS_MAX 256          /* entries of one network */
/* s; and the longest that an answer is kept, by us or a guest */
#define EGRESS_HOLD 3600
#define EGRESS_HOLD_MAX 43200
#define EGRESS_HOLD_ALONE 86400 /* where no netd runs to empty sets; as long as it takes at most where one does */
#define EGRESS_GENERATIONS 2

/* "deb.debian.org", "*.example.org", "192.0.2.0/24", "2001:db8::7" */
struct egress {
	char *name;             /* lower case, without "*."; NULL: a prefix */
	bool is_below;          /* "*.": what is below the name, not itself */
	struct prefix prefix;
};
typedef VEC(struct egress) egress_vec;

extern const struct schema_type type_egress;

bool network_has_egress_names(const struct network *net);
/*
 * Which network's, and for which names: "blue.1a2b3c4d".  Another list of names
 * has other sets, so that a resolver which still has the former list cannot fill them.
 */
#define EGRESS_INSTANCE_MAX 25
const char *egress_instance(const struct network *net, char buf[EGRESS_INSTANCE_MAX]);
/* A set's name: "names4a.blue.1a2b3c4d". */
#define EGRESS_SET_MAX 40
const char *egress_set(const struct network *net, int family, unsigned generation,
		       char buf[EGRESS_SET_MAX]);
/* Of a network's name, and of an entry's: told apart for good, not for malice. */
uint32_t egress_network_hash(const char *network);
uint32_t egress_name_hash(const struct egress *egress);

#endif
