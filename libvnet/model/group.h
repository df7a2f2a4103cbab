/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_GROUP_H
#define VNET_MODEL_GROUP_H

/*
 * group.h - security groups: named lists of what may reach a port and leave it
 *
 * Plain data.  A group stands for itself, beside all networks; ports name those
 * that they are in, and what any of these accepts is accepted.  Rules say where a
 * connection may start; what belongs to one that was accepted always follows.
 */

#include "base/addr.h"
#include "base/mem.h"
#include "model/node.h"
#include "model/source.h"
#include "vnet/error.h"

#include <jansson.h>

#define GROUP_NAME_MAX 20       /* a chain is called "egress/" + name */
#define GROUPS_MAX 1024         /* per daemon */
#define GROUP_RULES_MAX 256     /* of one group in one direction */
#define GROUP_RULE_PORTS_MAX 16 /* ports and ranges of one rule */

enum group_direction { GROUP_INGRESS, GROUP_EGRESS, GROUP_DIRECTIONS };
extern const char *const group_direction_names[GROUP_DIRECTIONS];

/* Flat: copied and compared as bytes, but for its source's file. */
struct group_rule {
	struct source source;
	bool has_protocol;      /* else every one, IP or not */
	uint8_t protocol;       /* IPPROTO_*; ICMP means IPv4, ICMPv6 IPv6 */
	uint8_t n_ports;        /* TCP, UDP, SCTP; 0: all */
	struct port_range ports[GROUP_RULE_PORTS_MAX]; /* of where the connection goes to */
	bool has_type;          /* ICMP */
	uint8_t type;
	struct prefix remote;   /* the other end; family 0: anyone */
	char group[GROUP_NAME_MAX + 1]; /* or the ports of this group; "": none */
};
typedef VEC(struct group_rule) group_rule_vec;

struct group_rules {
	bool is_any;            /* the word any: nothing is held back, and rules is empty */
	group_rule_vec list;
};

struct security_group {
	struct source source;
	char *name;
	struct group_rules rules[GROUP_DIRECTIONS]; /* default: nothing may come, anything may leave */
	bool log;               /* what a port in this group loses */
};

void group_free(struct security_group *group);
DEFINE_AUTO(struct security_group, group_free);
struct security_group *group_copy(const struct security_group *group);
bool group_equal(const struct security_group *a, const struct security_group *b);
/* The canonical form, defaults left out, without the name. New reference. */
json_t *group_to_json(const struct security_group *group);
/* "tcp 80,443 from 10.0.0.0/8": what the YAML takes. */
char *group_rule_to_text(const struct group_rule *rule, enum group_direction direction);

typedef VEC(struct security_group *) group_vec;
void group_vec_free(group_vec *groups);
#define AUTO_GROUPS __attribute__((cleanup(group_vec_free)))
/* The value of `groups:`, a mapping from names to definitions. */
int groups_from_node(const struct node *map, group_vec *ret, struct vnet_error *err);

/* Letters, digits, '-', '_' and '.', at most GROUP_NAME_MAX. */
int group_name_check(const char *name, struct vnet_error *err);
/* By which rules know the members of a group: 32 bits of its name, the highest one set. */
uint32_t group_number(const char *name);
struct security_group *group_find(struct security_group *const *groups, size_t n, const char *name);
/*
 * Beside each other: every group that a rule names is there, no two have one number,
 * and they are not too many.  The error has the place of what is wrong.
 */
int groups_check(struct security_group *const *groups, size_t n, struct vnet_error *err);

/* --- the names of those that a port is in --- */

#define PORT_GROUPS_MAX 8
typedef VEC(char *) group_name_vec; /* sorted, unique */
bool group_names_have(const group_name_vec *names, const char *name);
bool group_names_equal(const group_name_vec *a, const group_name_vec *b);
void group_names_copy(group_name_vec *to, const group_name_vec *from);
void group_names_free(group_name_vec *names);
json_t *group_names_to_json(const group_name_vec *names);

/* --- one connection, by the rules --- */

/* What starts it, as the port in question sees it. */
struct group_flow {
	enum group_direction direction;
	uint8_t protocol;
	uint16_t port;          /* where it goes to */
	uint8_t type;           /* of ICMP */
	struct ip remote;
};
/* Is the address one that a port of this group has? */
typedef bool (*group_has_address)(const void *context, const char *group, const struct ip *address);
/* Does one of the groups that names lists accept it?  A group that is not there accepts nothing. */
bool groups_accept(struct security_group *const *groups, size_t n, const group_name_vec *names,
		   const struct group_flow *flow, group_has_address has_address, const void *context);

#endif
