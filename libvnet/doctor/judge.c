/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * judge.c - follows a packet through a base chain
 *
 * A match that we don't understand may hold or not, so a chain has a set of
 * possible outcomes.  Each rule that may hold adds its outcomes; one that holds
 * for certain and does not go on ends the walk.
 */

#include "doctor/filter.h"

#define DEPTH_MAX 16            /* NFT_JUMP_STACK_SIZE: the kernel allows no more */
#define STEPS_MAX 2000000       /* rules looked at for one packet; beyond, all is possible */

enum { MAY_PASS = 1, MAY_STOP = 2, MAY_GO_ON = 4, MAY_ANYTHING = 7 };
enum { NO, MAYBE, YES };

struct walk {
	const struct filter_table *table;
	const struct packet *packet;
	bool without_tagged;
	unsigned steps;
	/* Where it may be stopped: the first such place, and the last, where it is for certain. */
	struct judgement first, last;
};

static unsigned walk_chain(struct walk *walk, const struct filter_chain *chain, unsigned depth);

/* ---- does a rule hold? ---- */

static bool is_in(const uint8_t *value, const struct value_range *range, size_t size)
{
	return memcmp(value, range->first, size) >= 0 && memcmp(value, range->last, size) <= 0;
}

static int holds_match(const struct rule_match *match, const struct packet *packet)
{
	uint8_t value[FILTER_VALUE_MAX];
	bool found = false;

	if (match->field == FIELD_OTHER)
		return MAYBE;
	if (!(packet->known & 1u << match->field))
		return NO;
	for (size_t i = 0; i < sizeof(value); i++) {
		value[i] = packet->fields[match->field][i] & match->mask[i];
		found |= match->is_bits && value[i] && i < match->size;
	}
	vec_each (range, &match->ranges)
		found |= is_in(value, range, match->size);
	return found != match->is_negated ? YES : NO;
}

static int holds_rule(const struct filter_rule *rule, const struct packet *packet)
{
	int all = YES;

	vec_each (match, &rule->matches) {
		int one = holds_match(match, packet);

		if (one < all)
			all = one;
		if (all == NO)
			break;
	}
	return all;
}

/* ---- what follows ---- */

static unsigned stopped(struct walk *walk, const struct filter_chain *chain,
			const struct filter_rule *rule)
{
	walk->last = (struct judgement){ .chain = chain, .rule = rule };
	if (!walk->first.chain)
		walk->first = walk->last;
	return MAY_STOP;
}

/* The outcomes of a verdict; *ret_ends: nothing of the chain's rest is seen any more. */
static unsigned walk_verdict(struct walk *walk, const struct filter_chain *chain,
			     const struct filter_rule *rule, enum rule_verdict verdict,
			     const char *target_name, unsigned depth, bool *ret_ends)
{
	const struct filter_chain *target;

	*ret_ends = verdict != RULE_CONTINUE && verdict != RULE_JUMP;
	switch (verdict) {
	case RULE_ACCEPT:
		return MAY_PASS;
	case RULE_DROP:
	case RULE_REJECT:
		return stopped(walk, chain, rule);
	case RULE_OTHER:
		return MAY_PASS | stopped(walk, chain, rule);
	case RULE_RETURN:
	case RULE_CONTINUE:
		return MAY_GO_ON;
	case RULE_JUMP:
	case RULE_GOTO:
		target = filter_chain_find(walk->table, target_name ? target_name : "");
		return target ? walk_chain(walk, target, depth + 1) : MAY_GO_ON;
	}
	return MAY_ANYTHING;
}

/* Of a verdict map: the cases that may be the packet's. */
static unsigned walk_map(struct walk *walk, const struct filter_chain *chain,
			 const struct filter_rule *rule, unsigned depth, bool *ret_ends)
{
	const uint8_t *value = walk->packet->fields[rule->map_field];
	size_t size = packet_fields[rule->map_field].size;
	bool is_known = walk->packet->known & 1u << rule->map_field, ends;
	unsigned outcomes = MAY_GO_ON;

	*ret_ends = false;
	vec_each (c, &rule->cases) {
		unsigned o;

		if (rule->map_field != FIELD_OTHER && !(is_known && is_in(value, &c->range, size)))
			continue;
		o = walk_verdict(walk, chain, rule, c->verdict, c->chain, depth, &ends);
		if (rule->map_field != FIELD_OTHER) {
			*ret_ends = ends;
			return o;
		}
		outcomes |= o;
	}
	return outcomes;
}

static unsigned walk_rule(struct walk *walk, const struct filter_chain *chain,
			  const struct filter_rule *rule, unsigned depth, bool *ret_ends)
{
	if (rule->has_map)
		return walk_map(walk, chain, rule, depth, ret_ends);
	return walk_verdict(walk, chain, rule, rule->verdict, rule->chain, depth, ret_ends);
}

/* MAY_GO_ON: the packet may come out of the chain's end. */
static unsigned walk_chain(struct walk *walk, const struct filter_chain *chain, unsigned depth)
{
	unsigned outcomes = 0;

	if (depth > DEPTH_MAX)
		return MAY_ANYTHING;
	vec_each (rule, &chain->rules) {
		bool ends;
		unsigned o;
		int holds;

		if (walk->without_tagged && rule->is_tagged)
			continue;
		if (++walk->steps > STEPS_MAX)
			return MAY_ANYTHING;
		holds = holds_rule(rule, walk->packet);
		if (holds == NO)
			continue;
		o = walk_rule(walk, chain, rule, depth, &ends);
		outcomes |= ends ? o : o & ~(unsigned)MAY_GO_ON;
		if (holds == YES && (ends || !(o & MAY_GO_ON)))
			return outcomes;
	}
	return outcomes | MAY_GO_ON;
}

/* An ingress or egress hook is that of single devices. */
static bool is_on_device(const struct filter_chain *base, const struct packet *packet)
{
	enum packet_field field = packet->hook == HOOK_INGRESS ? FIELD_IIFNAME : FIELD_OIFNAME;

	vec_each (device, &base->devices)
		if ((packet->known & 1u << field) &&
		    strncmp(device->s, (const char *)packet->fields[field], sizeof(device->s)) == 0)
			return true;
	return false;
}

bool filter_concerns(const struct filter_table *table, const struct filter_chain *base,
		     const struct packet *packet)
{
	if (!base->is_base || base->hook != packet->hook)
		return false;
	if (packet->hook == HOOK_INGRESS || packet->hook == HOOK_EGRESS)
		return is_on_device(base, packet);
	switch (table->family) {
	case FILTER_INET:
		return !packet->is_frame;
	case FILTER_IP:
		return !packet->is_frame && packet->family == AF_INET;
	case FILTER_IP6:
		return !packet->is_frame && packet->family == AF_INET6;
	case FILTER_BRIDGE:
		return packet->is_frame;
	default:
		return false;
	}
}

struct judgement filter_judge(const struct filter_table *table, const struct filter_chain *base,
			      const struct packet *packet, bool without_tagged)
{
	struct walk walk = { .table = table, .packet = packet, .without_tagged = without_tagged };
	unsigned outcomes = walk_chain(&walk, base, 1);
	struct judgement j;

	if (outcomes & MAY_GO_ON)
		outcomes |= base->drops ? stopped(&walk, base, NULL) : MAY_PASS;
	outcomes &= ~(unsigned)MAY_GO_ON;
	if (outcomes == MAY_PASS)
		return (struct judgement){ .fate = FATE_PASSES };
	j = outcomes == MAY_STOP ? walk.last : walk.first;
	j.fate = outcomes == MAY_STOP ? FATE_STOPS : FATE_UNSURE;
	if (!j.chain) /* too deep, or too long */
		j.chain = base;
	return j;
}
