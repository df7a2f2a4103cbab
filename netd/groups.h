/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_GROUPS_H
#define NETD_GROUPS_H

/*
 * groups.h - security groups: which there are, who uses them, how they change
 *
 * A change is all or nothing: when the rules that follow from it are refused,
 * everything is as before.  What it means for connections that are open is
 * flows.h's.
 */

#include "model/definitions.h"
#include "netd/netd.h"

struct group_entry {
	struct security_group *group;
	bool is_from_file;      /* below networks.d; else applied over the API */
	bool is_orphan;         /* not defined any more: goes with the last that uses it */
};

struct group_entry *groups_entry(const struct netd *d, const char *name);
/* All of them, borrowed, with `more` in place of those of the same name. */
void groups_list(const struct netd *d, const group_vec *more, group_vec *ret);
void groups_free(struct netd *d);

/* May they be, beside those that are defined? */
int groups_prepare(const struct netd *d, const group_vec *groups, struct vnet_error *err);
/* Defines them, rules included. groups is taken, also on failure. */
int groups_apply(struct netd *d, group_vec *groups, bool is_from_file, struct vnet_error *err);
int group_delete(struct netd *d, struct group_entry *entry, struct vnet_error *err);
bool groups_have_orphans(const struct netd *d);
/* Those that are not defined any more and that nobody uses. */
void groups_drop_orphans(struct netd *d);

/*
 * At start: what files define, and beside them what was applied over the API or
 * is of a file that cannot be read now.
 */
void groups_load(struct netd *d, group_vec *from_files, bool (*is_bad_file)(const void *context, const char *file),
		 const void *context);
/* At a reload: the same, one by one, so that one that cannot be leaves the others alone. */
void groups_reload(struct netd *d, group_vec *from_files, bool (*is_bad_file)(const void *context, const char *file),
		   const void *context);

/* The groups that a network's ports get: are they there (in `more`, too)? */
int groups_check_network(const struct netd *d, const struct network *net, const group_vec *more,
			 struct vnet_error *err);
/* The same of a port, and whether this kernel can hold it to them. */
int groups_check_port(const struct netd *d, const struct port *port, const struct network *net,
		      struct vnet_error *err);
/* Sets what the port has from its groups. */
void groups_note_port(const struct netd *d, struct port *port, const struct network *net);

/* Who is in the group, takes it as its ports' default, names it in a rule. New references. */
json_t *groups_ports(const struct netd *d, const char *name);
json_t *groups_networks(const struct netd *d, const char *name);
json_t *groups_users(const struct netd *d, const char *name);

#endif
