/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_DOCTOR_FILTER_H
#define VNET_DOCTOR_FILTER_H

/*
 * filter.h - other people's packet filters as values, and what they do to a packet
 *
 * Not nft/ast.h: that holds what we write, word by word; this holds what anybody
 * may have written, as far as it decides about a packet.  What is not understood
 * stays in place as FIELD_OTHER and makes the answer "maybe".
 *
 * All values are bytes in network order, names of interfaces padded with NULs, so
 * that one memcmp() compares them.
 */

#include "base/addr.h"
#include "base/mem.h"
#include "base/strbuf.h"

#include <stdint.h>

#define FILTER_NAME_MAX 128     /* of a table or chain; longer ones are cut off */
#define FILTER_VALUE_MAX 16
#define FILTER_TAG "vnet-doctor" /* the comment of a rule that we added to somebody's chain */

enum filter_family {
	FILTER_INET, FILTER_IP, FILTER_IP6, FILTER_ARP, FILTER_BRIDGE, FILTER_NETDEV, FILTER_FAMILIES
};
const char *filter_family_name(enum filter_family family);

enum filter_hook {
	HOOK_PREROUTING, HOOK_INPUT, HOOK_FORWARD, HOOK_OUTPUT, HOOK_POSTROUTING, HOOK_INGRESS,
	HOOK_EGRESS, FILTER_HOOKS
};
const char *filter_hook_name(enum filter_hook hook);

/* What a rule may look at; the number of bytes of each is in filter_fields[]. */
enum packet_field {
	FIELD_OTHER,            /* we can't tell */
	FIELD_IIFNAME,
	FIELD_OIFNAME,
	FIELD_NFPROTO,          /* NFPROTO_* */
	FIELD_ETHERTYPE,
	FIELD_L4PROTO,
	FIELD_SADDR4,
	FIELD_DADDR4,
	FIELD_SADDR6,
	FIELD_DADDR6,
	FIELD_SPORT,
	FIELD_DPORT,
	FIELD_ICMP_TYPE,
	FIELD_CT_STATE,         /* bits: CT_* */
	FIELD_CT_STATUS,        /* IPS_* of nf_conntrack_common.h */
	FIELD_CT_DIRECTION,     /* 0 original, 1 reply */
	FIELD_MARK,
	FIELD_CT_MARK,
	FIELD_FIB_OIF,          /* where the way back leads, 0: nowhere */
	FIELD_DADDR_TYPE,       /* RTN_* of the destination */
	FIELD_EXTENSION,        /* something of an IPv6 extension header: the packets we follow have none */
	PACKET_FIELDS
};
struct packet_field_def { const char *name; uint8_t size; };
extern const struct packet_field_def packet_fields[PACKET_FIELDS];

enum { CT_INVALID = 1, CT_ESTABLISHED = 2, CT_RELATED = 4, CT_NEW = 8, CT_UNTRACKED = 64 };

struct value_range { uint8_t first[FILTER_VALUE_MAX], last[FILTER_VALUE_MAX]; };

/* (field & mask) lies in one of the ranges, or in none of them. */
struct rule_match {
	uint8_t field;          /* enum packet_field */
	uint8_t size;           /* bytes that count: "vn-" of a name is the pattern "vn-*" */
	bool is_negated;
	bool is_bits;           /* some bit of the mask is set; no ranges */
	uint8_t mask[FILTER_VALUE_MAX];
	VEC(struct value_range) ranges;
	char *set;              /* where they stand, if they were not read; or NULL */
};

enum rule_verdict {
	RULE_CONTINUE,          /* counts, logs, marks */
	RULE_ACCEPT, RULE_DROP, RULE_REJECT, RULE_RETURN, RULE_JUMP, RULE_GOTO,
	RULE_OTHER,             /* queue, or what we don't know: it may pass or not */
};

/* A verdict map's element. */
struct verdict_case { struct value_range range; enum rule_verdict verdict; char *chain; };

struct filter_rule {
	uint64_t handle;        /* 0: it has none (xtables) */
	VEC(struct rule_match) matches;
	enum rule_verdict verdict;
	char *chain;            /* of a jump or goto */
	/* `FIELD vmap {...}` at the end of the rule, instead of verdict. */
	bool has_map;
	uint8_t map_field;      /* FIELD_OTHER: any case may be the packet's */
	VEC(struct verdict_case) cases;
	bool is_tagged;         /* FILTER_TAG */
	char *comment;          /* or NULL */
};

struct device_name { char s[16]; };

struct filter_chain {
	char *name;
	VEC(struct filter_rule) rules;
	bool is_base;
	enum filter_hook hook;
	int32_t priority;
	bool drops;             /* by its policy */
	VEC(struct device_name) devices; /* of an ingress or egress hook */
};

struct filter_table {
	enum filter_family family;
	char *name;
	bool is_legacy;         /* xtables without nftables: rules can't be added by us */
	bool has_owner;         /* only the process that made it may change it */
	VEC(struct filter_chain) chains; /* sorted by name */
};
typedef VEC(struct filter_table) filter_table_vec;

/* Where a rule stands; handle 0: the chain alone. */
struct filter_place {
	enum filter_family family;
	const char *table, *chain;
	uint64_t handle;
};

void filter_rule_free(struct filter_rule *rule);
void filter_tables_free(filter_table_vec *tables);
#define AUTO_FILTER_TABLES __attribute__((cleanup(filter_tables_free)))
struct filter_chain *filter_chain_add(struct filter_table *table, const char *name);
const struct filter_chain *filter_chain_find(const struct filter_table *table, const char *name);
struct rule_match *filter_match_add(struct filter_rule *rule, enum packet_field field);
/* One value; of size bytes (0: the field's), the rest is zero. */
void filter_match_value(struct rule_match *match, const void *value, size_t size);
/* As nft writes it, without counters. */
void filter_rule_text(const struct filter_rule *rule, struct strbuf *ret);

/* ---- packets ---- */

struct packet {
	uint8_t family;         /* AF_INET, AF_INET6; of a frame also 0: ARP */
	bool is_frame;          /* on its way over a bridge, between its ports or to and from the host */
	enum filter_hook hook;
	uint32_t known;         /* bit 1 << field; a match on another one fails */
	uint8_t fields[PACKET_FIELDS][FILTER_VALUE_MAX];
};
void packet_set(struct packet *packet, enum packet_field field, const void *value, size_t size);
void packet_set_number(struct packet *packet, enum packet_field field, uint32_t value);
void packet_set_name(struct packet *packet, enum packet_field field, const char *ifname);

enum fate { FATE_PASSES, FATE_UNSURE, FATE_STOPS };

struct judgement {
	enum fate fate;
	/* Where it is stopped, or may be; rule NULL: by the policy of chain. */
	const struct filter_chain *chain;
	const struct filter_rule *rule;
};

/* Does the base chain see such packets, on packet->hook? */
bool filter_concerns(const struct filter_table *table, const struct filter_chain *base,
		     const struct packet *packet);
/* What one base chain does to a packet that reaches it. without_tagged: as if we had added nothing. */
struct judgement filter_judge(const struct filter_table *table, const struct filter_chain *base,
			      const struct packet *packet, bool without_tagged);

#endif
