/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* execute_link.c - operations on devices; see execute.h */

#include "kernel/execute.h"
#include "kernel/fdb.h"
#include "kernel/link.h"
#include "kernel/link_kind.h"
#include "kernel/tap.h"
#include "kernel/vlan.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <unistd.h>

static int bad_name(const char *name, struct vnet_error *err)
{
	return vnet_error_set(err, -EINVAL, "bad-name", "\"%.15s\" is not a device name", name);
}

static int device_exists(const char *name, const char *kind, struct vnet_error *err)
{
	return vnet_error_set(err, -EEXIST, "device-exists",
			      "a device named %s exists already, not this %s of ours", name, kind);
}

/* OP_BRIDGE_CREATE, OP_LINK_CREATE. */

/* The index of op's parent, 0 where it has none. */
static int find_parent(struct kernel_linux *k, const struct op_link *op, int *ret,
		       struct vnet_error *err)
{
	*ret = 0;
	return op->parent[0] ? op_resolve(k, op->parent, false, ret, err) : 0;
}

/*
 * Looked at first, because the message that marks a device goes out with the
 * one that makes it, and must not mark somebody else's of that name.
 */
int link_create_gather(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	struct op_link wanted = op->link;
	struct link link;
	int parent, r;

	if (op->kind == OP_BRIDGE_CREATE)
		snprintf(wanted.kind, sizeof(wanted.kind), "bridge");
	if (!kernel_ifname_ok(wanted.name))
		return bad_name(wanted.name, err);
	if (!link_kind_find(wanted.kind))
		return vnet_error_set(err, -EINVAL, "device-kind",
				      "device %s: \"%.15s\" is not a kind that we make",
				      wanted.name, wanted.kind);
	r = find_parent(k, &wanted, &parent, err);
	if (r < 0)
		return r;
	/* Mostly there is none, which asking for its index alone tells with less. */
	r = device_index(k->control, wanted.name) ? linux_find(k, wanted.name, &link, err)
						  : -ENODEV;
	if (r == 0)
		return link_kind_is_same(&link, &wanted, parent) &&
		       !strcmp(link.alias, wanted.alias) ? 0
			: device_exists(wanted.name, wanted.kind, err);
	if (r == -ENODEV) {
		link_add_create(&k->rt, &wanted, parent);
		return 0;
	}
	return r;
}

int link_create_settle(struct kernel_linux *k, const struct op *op, struct op_answers *answers)
{
	struct op mark = {.kind = OP_LINK_SET, .link = op->link};
	const struct nl_answer *created = &answers->v[0], *marked = &answers->v[1];
	struct op_answers again = {.failed = *marked};
	struct nl_answer ignored;
	int r;

	if (created->result == -EEXIST && !marked->result) {
		/* Made by somebody else since we looked, and marked by us: take the mark back. */
		mark.link.set = LINK_SET_ALIAS;
		mark.link.alias[0] = '\0';
		link_add_set(&k->rt, &mark.link, 0);
		op_send(k, &ignored);
	}
	if (created->result)
		return created->result;
	mark.link.set = LINK_SET_ALIAS | (op->link.set & LINK_SET_ADDR_GEN);
	if (op->kind == OP_BRIDGE_CREATE && op->link.mtu)
		mark.link.set |= LINK_SET_MTU;
	r = link_set_settle(k, &mark, &again);
	answers->failed = again.failed;
	if (r < 0) {
		/* Made and not marked, it would be nobody's. */
		link_add_delete(&k->rt, device_index(k->control, op->link.name));
		op_send(k, &ignored);
	}
	return r;
}

/* OP_LINK_SET. */

int link_set_gather(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	const struct op_link *link = &op->link;
	int master = 0, parent = 0, renamed = 0, r = 0;

	if (!kernel_ifname_ok(link->name))
		return bad_name(link->name, err);
	/* By its index: the kernel takes a name beside it for the new one. */
	if (link->set & LINK_SET_NAME &&
	    (r = op_resolve(k, link->old_name, false, &renamed, err)) < 0)
		return r;
	if (link->set & LINK_SET_MASTER && link->master[0])
		r = op_resolve(k, link->master, false, &master, err);
	if (r >= 0 && link->set & LINK_SET_KIND)
		r = find_parent(k, link, &parent, err);
	if (r < 0)
		return r;
	if (renamed) {
		link_add_lower(&k->rt, renamed);
		link_add_rename(&k->rt, renamed, link->name);
	}
	if (link->set & LINK_SET_KIND)
		link_add_change(&k->rt, link, parent);
	link_add_set(&k->rt, link, master);
	return 0;
}

/*
 * Takes out of op what the kernel cannot have; false: nothing that would explain
 * its answer.  A device without IPv6 (switched off at boot, or an MTU below 1280)
 * refuses a message with IPv6 settings whole; a kernel without VLAN filtering one
 * that switches it off.  A port that went down or lost its carrier since it was
 * looked at is disabled by the bridge, which forwards again when it is back.
 */
static bool drop_impossible(struct op_link *op, int result)
{
	if (result == -EAFNOSUPPORT && op->set & LINK_SET_ADDR_GEN) {
		op->set &= ~(uint32_t)LINK_SET_ADDR_GEN;
		return true;
	}
	if (result == -ENETDOWN && op->set & LINK_SET_STATE) {
		op->set &= ~(uint32_t)LINK_SET_STATE;
		return true;
	}
	if (result == -EOPNOTSUPP && op->set & LINK_SET_BRIDGE && op->bridge.vlan_protocol &&
	    !op->bridge.vlan_filtering) {
		op->bridge.vlan_protocol = 0; /* as it is */
		return true;
	}
	return false;
}

int link_set_settle(struct kernel_linux *k, const struct op *op, struct op_answers *answers)
{
	struct op again = *op;
	int r = answers->failed.result;

	while (r < 0 && drop_impossible(&again.link, r)) {
		if (!again.link.set)
			return 0;
		if (link_set_gather(k, &again, NULL) < 0) {
			nl_reset(&k->rt);
			return r;
		}
		r = op_send(k, &answers->failed);
	}
	return r;
}

/* OP_LINK_DELETE, OP_GROUP_DELETE. */

static int foreign_device(const char *name, struct vnet_error *err)
{
	return vnet_error_set(err, -EPERM, "foreign-device",
			      "%s does not carry our mark; it is left alone", name);
}

/* Reads, checks, and deletes by index: the very device that was checked. */
int link_delete_run(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	struct nl_answer answer;
	struct link link;
	int r = linux_find(k, op->link.name, &link, err);

	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return r;
	if (!link_is_ours(&link) && !op->link.force)
		return foreign_device(op->link.name, err);
	link_add_delete(&k->rt, link.ifindex);
	r = op_send(k, &answer);
	return r < 0 && r != -ENODEV ? op_error(op, r, answer.text, err) : 0;
}

struct group_search { uint32_t group; unsigned n; char foreign[16]; };

static void each_of_group(const struct nlmsghdr *m, void *context)
{
	struct group_search *search = context;
	struct link link;

	if (m->nlmsg_type != RTM_NEWLINK || link_parse(m, &link) < 0 || link.group != search->group)
		return;
	search->n++;
	if (!link_is_ours(&link))
		memcpy(search->foreign, link.name, sizeof(search->foreign));
}

static void restart_group(void *context)
{
	struct group_search *search = context;

	*search = (struct group_search){.group = search->group};
}

int group_delete_run(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	struct group_search search = {.group = op->link.group};
	struct nl_answer answer;
	int r;

	if (!search.group)
		return vnet_error_set(err, -EINVAL, "bad-group",
				      "group 0 has every device that nobody put into another");
	link_add_get(&k->query, NULL);
	r = nl_dump(&k->query, &(struct nl_dump){each_of_group, restart_group, &search});
	if (r < 0)
		return op_error(op, r, nl_text(&k->query, 0), err);
	if (search.foreign[0])
		return foreign_device(search.foreign, err);
	if (!search.n)
		return 0;
	link_add_delete_group(&k->rt, search.group);
	r = op_send(k, &answer);
	return r < 0 && r != -ENODEV ? op_error(op, r, answer.text, err) : 0;
}

/* OP_TAP_CREATE. */

/* A TAP that is there already must be what is wanted; owner and group are set again. */
static int check_tap(struct kernel_linux *k, const struct op_tap *op, struct vnet_error *err)
{
	struct link link;
	int r = linux_find(k, op->name, &link, err);

	if (r < 0)
		return r == -ENODEV ? op_no_device(op->name, err) : r;
	if (strcmp(link.kind, "tun") || !link.tun.is_tap || strcmp(link.alias, op->alias))
		return device_exists(op->name, "TAP", err);
	if (link.tun.is_multi_queue != op->multi_queue || !link.tun.is_persistent ||
	    link.tun.owner != op->owner || link.tun.group != op->group)
		return vnet_error_set(err, -EEXIST, "tap-differs",
				      "TAP %s exists with other queues, life or owner; delete it first",
				      op->name);
	return 0;
}

int tap_create_run(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	struct vnet_error cause = {0};
	struct nl_answer answer;
	int fd, r;

	if (!kernel_ifname_ok(op->tap.name))
		return bad_name(op->tap.name, err);
	r = tap_create(&op->tap, &fd, &cause);
	if (r == -EEXIST)
		return check_tap(k, &op->tap, err);
	if (r < 0) {
		if (err && !vnet_error_is_set(err))
			*err = cause;
		return r;
	}
	/* Marked before it is kept: killed in between, the device goes with us. */
	link_add_alias(&k->rt, device_index(k->control, op->tap.name), op->tap.alias);
	r = op_send(k, &answer);
	if (r < 0)
		kernel_error(err, r, answer.text, "TAP %s: cannot mark it", op->tap.name);
	else
		r = tap_keep(fd, &op->tap, err);
	close(fd);
	return r;
}

/* OP_VLAN_ADD, OP_VLAN_DEL. */

int vlan_gather(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	bool is_add = op->kind == OP_VLAN_ADD;
	int ifindex, r = op_resolve(k, op->vlan.ifname, !is_add, &ifindex, err);

	if (r)
		return r < 0 ? r : 0;
	r = vlan_add_request(&k->rt, is_add, &op->vlan, ifindex);
	return r < 0 ? vnet_error_set(err, r, "bad-vlan", "device %s: VLANs %u-%u are impossible",
				      op->vlan.ifname, op->vlan.vlan.first, op->vlan.vlan.last)
		     : 0;
}

/* A port that left its bridge has no VLANs. */
int vlan_settle(struct kernel_linux *k, const struct op *op, struct op_answers *answers)
{
	int r = answers->failed.result;

	(void)k;
	return op->kind == OP_VLAN_DEL && (r == -ENODEV || r == -ENOENT || r == -EOPNOTSUPP) ? 0
											     : r;
}

/* OP_FDB_ADD, OP_FDB_DEL. */

static int no_remote(const struct op *op, struct vnet_error *err)
{
	return vnet_error_set(err, -EINVAL, "bad-fdb",
			      "device %s: a forwarding entry without remote", op->fdb.ifname);
}

int fdb_add_gather(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	int ifindex, r = op_resolve(k, op->fdb.ifname, false, &ifindex, err);

	if (r)
		return r;
	r = fdb_add_request(&k->rt, true, &op->fdb.fdb, ifindex);
	return r < 0 ? no_remote(op, err) : 0;
}

struct learnt_search { const struct ip *dst; int ifindex; VEC(struct vxlan_fdb) found; };

static void each_learnt(const struct nlmsghdr *m, void *context)
{
	struct learnt_search *search = context;
	struct vxlan_fdb fdb;

	if (fdb_parse_learnt(m, &fdb) == 0 && fdb.ifindex == search->ifindex &&
	    ip_cmp(&fdb.dst, search->dst) == 0)
		vec_push(&search->found, fdb);
}

static void restart_learnt(void *context)
{
	((struct learnt_search *)context)->found.n = 0;
}

/*
 * What the device learnt from a peer that is none any more would send its
 * guests' frames there until it ages.  An entry that goes by itself is fine.
 */
static int forget_learnt(struct kernel_linux *k, const struct ip *dst, int ifindex)
{
	struct learnt_search search = {.dst = dst, .ifindex = ifindex};
	int r;

	fdb_add_dump(&k->query, ifindex);
	r = nl_dump(&k->query, &(struct nl_dump){each_learnt, restart_learnt, &search});
	for (size_t i = 0; i < search.found.n && r >= 0;) {
		for (; i < search.found.n && k->rt.n < NL_BATCH_MAX; i++)
			fdb_add_request(&k->rt, false, &search.found.v[i], ifindex);
		r = nl_send(&k->rt);
	}
	vec_free(&search.found);
	return r;
}

int fdb_delete_run(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	const struct vxlan_fdb *fdb = &op->fdb.fdb;
	struct nl_answer answer = {0};
	int ifindex, r = op_resolve(k, op->fdb.ifname, true, &ifindex, err);

	if (r)
		return r < 0 ? r : 0;
	if (fdb_add_request(&k->rt, false, fdb, ifindex) < 0)
		return no_remote(op, err);
	r = op_send(k, &answer);
	if (r == -ENOENT)
		r = 0;
	if (r >= 0 && mac_is_zero(&fdb->mac))
		r = forget_learnt(k, &fdb->dst, ifindex);
	return r < 0 && r != -ENODEV ? op_error(op, r, answer.text, err) : 0;
}
