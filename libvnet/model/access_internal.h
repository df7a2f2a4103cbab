/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_ACCESS_INTERNAL_H
#define VNET_MODEL_ACCESS_INTERNAL_H

/* access_internal.h - the policy as access.c and access_bridge_conf.c share it. */

#include "model/access.h"
#include "model/source.h"

/* A user or group, resolved when the policy was read. */
struct access_subject {
	uint32_t id;
};

struct mac_prefix {
	uint8_t b[6];
	uint8_t size; /* bytes, 1..6 */
};

struct access_rule {
	struct source source;
	VEC(char *) allow, deny; /* patterns of network names; one of the two */
	VEC(struct access_subject) users, groups;
	bool everyone;
	VEC(enum port_kind) kinds;
	VEC(struct mac_prefix) macs;
	bool learn_mac, has_learn_mac;
	VEC(struct prefix) addresses;
	VEC(char *) ifnames, port_groups;
	bool persistent, adopt, lift_isolation, lift_guard, lift_limits, options;
	vlan_range_vec vlans;
	unsigned max_ports, max_queues;
};

/* A line of bridge.conf. */
struct conf_rule {
	bool is_allow;
	bool is_all;
	char name[16];
	size_t file; /* in files */
	unsigned line;
};

/* A rule holds for those who may read its file and all that include it. */
struct conf_file {
	char *path;
	uint32_t uid, gid, mode;
	size_t parent; /* in files; its own index: the first */
};

struct access_policy {
	char *file;
	char *bridge_conf;
	VEC(struct access_rule) rules;
	VEC(struct conf_file) conf_files;
	VEC(struct conf_rule) conf_rules;
};

enum conf_verdict { CONF_SILENT, CONF_ALLOW, CONF_DENY };
/* What bridge.conf says of the network to the peer; ret_rule: by which line. */
enum conf_verdict bridge_conf_decide(const struct access_policy *policy, const struct peer *peer,
				     const struct network *net, const struct conf_rule **ret_rule);
void bridge_conf_clear(struct access_policy *policy);

#endif
