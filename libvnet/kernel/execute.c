/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * execute.c - operations on Linux
 *
 * Changes of devices, addresses and routes that follow each other are gathered
 * and sent together; everything else first sends what was gathered.  An answer
 * that is no success is looked at once more ("settled"): it may say that all
 * is as it should be.
 */

#include "kernel/execute.h"
#include "kernel/addr.h"
#include "kernel/checksum.h"
#include "kernel/route.h"
#include "kernel/shaper.h"
#include "kernel/sysctl.h"
#include "kernel/tap.h"
#include "kernel/vf.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

/* What was gathered: which operation each message is of. */
struct batch {
	size_t op[NL_BATCH_MAX];
	struct nl_answer answers[NL_BATCH_MAX];
	unsigned n;
	const char *made[NL_BATCH_MAX]; /* devices that it makes */
	unsigned n_made;
};

static const struct op_runner *runner_of(const struct op *op);
static int run_batch(struct kernel_linux *k, const struct op *ops, size_t n, size_t *done,
		     struct vnet_error *err);

int linux_execute(struct kernel *base, const struct op *ops, size_t n, size_t *ret_done,
		  struct vnet_error *err)
{
	struct kernel_linux *k = (struct kernel_linux *)base;
	int r = 0;

	*ret_done = 0;
	while (r >= 0 && *ret_done < n) {
		const struct op *op = &ops[*ret_done];
		const struct op_runner *runner = runner_of(op);

		if (runner->gather) {
			r = run_batch(k, ops, n, ret_done, err);
		} else {
			r = runner->run(k, op, err);
			if (r >= 0)
				++*ret_done;
		}
	}
	return r;
}

/* Words for errors. */

static const char *link_set_text(const struct op_link *op, char *buf, size_t size)
{
	static const struct { uint32_t field; const char *name; } names[] = {
		{LINK_SET_MTU, "mtu"}, {LINK_SET_MAC, "mac"}, {LINK_SET_ALIAS, "alias"},
		{LINK_SET_TXQUEUELEN, "txqueuelen"}, {LINK_SET_ADDR_GEN, "addrgenmode"},
		{LINK_SET_BRIDGE, "bridge options"}, {LINK_SET_ISOLATED, "isolated"},
		{LINK_SET_GROUP, "group"}, {LINK_SET_STATE, "state"},
		{LINK_SET_ROOT_GUARD, "root guard"}, {LINK_SET_LEARNING, "learning"},
		{LINK_SET_FLOOD, "flood"}, {LINK_SET_MCAST_FLOOD, "multicast flood"},
		{LINK_SET_HAIRPIN, "hairpin"}, {LINK_SET_PROXY_ARP, "proxy ARP"},
		{LINK_SET_KIND, "tunnel options"}, {LINK_SET_NAME, "name"},
	};
	int n = 0;

	if (op->set & LINK_SET_MASTER)
		n = op->master[0] ? snprintf(buf, size, " master %s,", op->master)
				  : snprintf(buf, size, " no master,");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (op->set & names[i].field)
			n += snprintf(buf + n, size - (size_t)n, " %s,", names[i].name);
	if (op->set & LINK_SET_UP)
		n += snprintf(buf + n, size - (size_t)n, op->up ? " up," : " down,");
	buf[n ? n - 1 : 0] = '\0';
	return buf;
}

int op_error(const struct op *op, int number, const char *text, struct vnet_error *err)
{
	char buf[ADDR_TEXT_MAX + 64], set[256];

	switch (op->kind) {
	case OP_BRIDGE_CREATE:
		return kernel_error(err, number, text, "bridge %s: cannot create it",
				    op->link.name);
	case OP_LINK_CREATE:
		return kernel_error(err, number, text, "%s %s: cannot create it%s%s", op->link.kind,
				    op->link.name, op->link.parent[0] ? " on " : "",
				    op->link.parent);
	case OP_LINK_SET:
		return kernel_error(err, number, text, "device %s: cannot set%s", op->link.name,
				    link_set_text(&op->link, set, sizeof(set)));
	case OP_LINK_DELETE:
		return kernel_error(err, number, text, "device %s: cannot delete it",
				    op->link.name);
	case OP_GROUP_DELETE:
		return kernel_error(err, number, text, "group %#x: cannot delete its devices",
				    op->link.group);
	case OP_VLAN_ADD:
	case OP_VLAN_DEL:
		return kernel_error(err, number, text, "device %s: cannot %s VLANs %u-%u",
				    op->vlan.ifname, op->kind == OP_VLAN_ADD ? "add" : "remove",
				    op->vlan.vlan.first, op->vlan.vlan.last);
	case OP_FDB_ADD:
	case OP_FDB_DEL:
		return kernel_error(err, number, text, "device %s: cannot %s the entry to %s",
				    op->fdb.ifname, op->kind == OP_FDB_ADD ? "add" : "remove",
				    ip_format(&op->fdb.fdb.dst, buf));
	case OP_ADDR_ADD:
	case OP_ADDR_DEL:
		return kernel_error(err, number, text, "device %s: cannot %s address %s",
				    op->addr.ifname, op->kind == OP_ADDR_ADD ? "add" : "remove",
				    prefix_format(&op->addr.addr.prefix, buf));
	case OP_ROUTE_ADD:
	case OP_ROUTE_DEL:
		return kernel_error(err, number, text, "route to %s on device %s: cannot %s it",
				    prefix_format(&op->route.route.dst, buf),
				    op->route.ifname[0] ? op->route.ifname : "(none)",
				    op->kind == OP_ROUTE_ADD ? "add" : "remove");
	case OP_CHECKSUM_ADD:
	case OP_CHECKSUM_DEL:
		return kernel_error(err, number, text, "device %s: cannot %s its checksum guard%s",
				    op->checksum.ifname, op->kind == OP_CHECKSUM_ADD ? "set" : "remove",
				    number == -ENOENT || number == -EOPNOTSUPP ?
				    " (sch_ingress, cls_bpf; does the kernel lack them?)" : "");
	default:
		return kernel_error(err, number, text, "operation failed");
	}
}

int op_no_device(const char *name, struct vnet_error *err)
{
	return vnet_error_set(err, -ENODEV, "no-device", "no device %s", name);
}

/* What the parts share. */

int op_resolve(struct kernel_linux *k, const char *name, bool may_be_gone, int *ret,
	       struct vnet_error *err)
{
	struct link link;
	int r;

	if (!may_be_gone) {
		*ret = device_index(k->control, name);
		return *ret ? 0 : op_no_device(name, err);
	}
	/* Only the kernel's word counts: what could not be asked is not gone. */
	r = linux_find(k, name, &link, err);
	if (r == -ENODEV)
		return 1;
	*ret = link.ifindex;
	return r;
}

int op_send(struct kernel_linux *k, struct nl_answer *ret_answer)
{
	unsigned n = k->rt.n;
	int r = nl_send(&k->rt);

	*ret_answer = (struct nl_answer){.result = r};
	for (unsigned i = 0; r >= 0 && i < n; i++)
		if (k->rt.answers[i].result) {
			*ret_answer = k->rt.answers[i];
			r = ret_answer->result;
		}
	return r;
}

/* Addresses. */

static int addr_gather(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	bool is_add = op->kind == OP_ADDR_ADD;
	struct addr addr = op->addr.addr;
	int r;

	if (!addr.prefix.addr.family || addr.prefix.len > ip_bits(&addr.prefix.addr))
		return vnet_error_set(err, -EINVAL, "bad-address", "device %s: not an address",
				      op->addr.ifname);
	r = op_resolve(k, op->addr.ifname, !is_add, &addr.ifindex, err);
	if (!r)
		addr_add_request(&k->rt, is_add ? RTM_NEWADDR : RTM_DELADDR,
				 is_add ? NLM_F_CREATE | NLM_F_REPLACE : 0, &addr);
	return r < 0 ? r : 0;
}

static int addr_settle(struct kernel_linux *k, const struct op *op, struct op_answers *answers)
{
	int r = answers->failed.result;

	(void)k;
	return op->kind == OP_ADDR_DEL && (r == -EADDRNOTAVAIL || r == -ENODEV) ? 0 : r;
}

/* Routes. */

static int route_gather(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	bool is_add = op->kind == OP_ROUTE_ADD;
	struct route route = op->route.route;
	int r = 0;

	route.oif = 0;
	if ((route.family != AF_INET && route.family != AF_INET6) ||
	    route.dst.len > (route.family == AF_INET ? 32 : 128))
		return vnet_error_set(err, -EINVAL, "bad-route", "device %s: not a route",
				      op->route.ifname);
	if (op->route.ifname[0])
		r = op_resolve(k, op->route.ifname, !is_add, &route.oif, err);
	/* Exclusive: a replace would take the place of somebody else's route of the same metric. */
	if (!r)
		route_add_request(&k->rt, is_add ? RTM_NEWROUTE : RTM_DELROUTE,
				  is_add ? NLM_F_CREATE | NLM_F_EXCL : 0, &route);
	return r < 0 ? r : 0;
}

struct route_search { const struct route *key; struct route found; bool is_found; };

static void each_route(const struct nlmsghdr *m, void *context)
{
	struct route_search *search = context;
	struct route route;

	if (!search->is_found && route_parse(m, &route) == 0 &&
	    route_same_key(&route, search->key)) {
		search->found = route;
		search->is_found = true;
	}
}

static void restart_search(void *context)
{
	((struct route_search *)context)->is_found = false;
}

/* The route that is there already may be the one wanted, or an older one of ours. */
static int settle_route_add(struct kernel_linux *k, const struct op *op, struct nl_answer *answer)
{
	struct route route = op->route.route;
	struct route_search search = {.key = &route};
	int r;

	if (answer->result != -EEXIST)
		return answer->result;
	route.oif = op->route.ifname[0] ? device_index(k->control, op->route.ifname) : 0;
	route_add_dump(&k->rt, route.family);
	r = nl_dump(&k->rt, &(struct nl_dump){each_route, restart_search, &search});
	if (r < 0)
		return r;
	if (search.is_found && route_is(&search.found, &route))
		return 0;
	if (search.is_found && search.found.protocol != ROUTE_PROTOCOL_VNET)
		return -EEXIST;
	route_add_request(&k->rt, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &route);
	return op_send(k, answer);
}

static int route_settle(struct kernel_linux *k, const struct op *op, struct op_answers *answers)
{
	int r = answers->failed.result;

	if (op->kind == OP_ROUTE_ADD)
		return settle_route_add(k, op, &answers->failed);
	return r == -ESRCH || r == -ENODEV ? 0 : r;
}

/* Gathering. */

/* The devices that an operation names to begin with; NULL where there is none. */
static void names_of(const struct op *op, const char *ret[3])
{
	ret[0] = ret[1] = ret[2] = NULL;
	switch (op->kind) {
	case OP_BRIDGE_CREATE:
	case OP_LINK_CREATE:
	case OP_LINK_SET:
		ret[0] = op->link.name;
		ret[1] = op->link.parent;
		ret[2] = op->link.master;
		break;
	case OP_ADDR_ADD:
	case OP_ADDR_DEL:
		ret[0] = op->addr.ifname;
		break;
	case OP_ROUTE_ADD:
	case OP_ROUTE_DEL:
		ret[0] = op->route.ifname;
		break;
	case OP_VLAN_ADD:
	case OP_VLAN_DEL:
		ret[0] = op->vlan.ifname;
		break;
	case OP_FDB_ADD:
	case OP_FDB_DEL:
		ret[0] = op->fdb.ifname;
		break;
	default:
		break;
	}
}

/*
 * Whether op needs a device that the batch only makes: it has no index yet, and
 * if it cannot be made, nothing of ours may happen to what else has its name.
 */
static bool needs_new_device(const struct batch *b, const struct op *op)
{
	const char *names[3];

	names_of(op, names);
	for (unsigned i = 0; i < b->n_made; i++)
		for (unsigned j = 0; j < ARRAY_SIZE(names); j++)
			if (names[j] && !strcmp(names[j], b->made[i]))
				return true;
	return false;
}

/* Gathers from *done on, as much as fits in one send; 0 or why it stopped short of *ret_end. */
static int fill_batch(struct kernel_linux *k, const struct op *ops, size_t n, size_t from,
		      struct batch *b, size_t *ret_end, struct vnet_error *err)
{
	size_t i;
	int r = 0;

	b->n = b->n_made = 0;
	for (i = from; i < n && b->n + OP_MESSAGES_MAX <= NL_BATCH_MAX; i++) {
		const struct op_runner *runner = runner_of(&ops[i]);

		if (!runner->gather || needs_new_device(b, &ops[i]))
			break;
		r = runner->gather(k, &ops[i], err);
		if (r < 0)
			break;
		if (b->n < k->rt.n &&
		    (ops[i].kind == OP_BRIDGE_CREATE || ops[i].kind == OP_LINK_CREATE))
			b->made[b->n_made++] = ops[i].link.name;
		while (b->n < k->rt.n)
			b->op[b->n++] = i;
	}
	*ret_end = i;
	return r;
}

/* What the answers of one operation say: those from first on, *ret_n of them. */
static int settle(struct kernel_linux *k, const struct op *ops, const struct batch *b,
		  unsigned first, unsigned *ret_n, struct vnet_error *err)
{
	const struct op *op = &ops[b->op[first]];
	const struct op_runner *runner = runner_of(op);
	struct op_answers answers = {.v = &b->answers[first]};
	int r;

	for (; first + answers.n < b->n && b->op[first + answers.n] == b->op[first]; answers.n++)
		if (!answers.failed.result)
			answers.failed = answers.v[answers.n];
	*ret_n = answers.n;
	if (!answers.failed.result)
		return 0;
	r = runner->settle ? runner->settle(k, op, &answers) : answers.failed.result;
	return r < 0 ? op_error(op, r, answers.failed.text, err) : 0;
}

static int run_batch(struct kernel_linux *k, const struct op *ops, size_t n, size_t *done,
		     struct vnet_error *err)
{
	struct vnet_error later = {0};
	struct batch b;
	size_t end;
	int r, stopped;

	stopped = fill_batch(k, ops, n, *done, &b, &end, &later);
	r = nl_send(&k->rt);
	if (r == -ENOBUFS) {
		/* Answers were lost.  Every operation may run twice: the second time tells. */
		vnet_error_clear(&later);
		stopped = fill_batch(k, ops, n, *done, &b, &end, &later);
		r = nl_send(&k->rt);
	}
	if (r < 0)
		return op_error(&ops[*done], r, NULL, err);
	memcpy(b.answers, k->rt.answers, b.n * sizeof(b.answers[0]));
	for (unsigned i = 0, of_op; i < b.n; i += of_op) {
		r = settle(k, ops, &b, i, &of_op, err);
		if (r < 0) {
			*done = b.op[i];
			return r;
		}
	}
	*done = end;
	if (stopped < 0 && err && !vnet_error_is_set(err))
		*err = later;
	return stopped;
}

/* One by one. */

static int write_sysctl(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	const struct sysctl *sysctl = &op->sysctl.sysctl;
	int r = sysctl_write(k->proc_sys, sysctl->path, sysctl->value);

	if (r == -ENOENT && op->sysctl.optional)
		return 0;
	return r < 0 ? kernel_error(err, r, NULL, "/proc/sys/%s: cannot write %" PRId64,
				    sysctl->path, sysctl->value) : 0;
}

static int nft_commit(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	k->opened_is_checked = false;
	return nft_netlink_commit(k->nft, op->nft, &k->devices, err);
}

static int features_run(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	return features_set(k->control, &k->features, &op->features, err);
}

static int refuse(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	(void)k;
	(void)op;
	return vnet_error_set(err, -EINVAL, "not-for-kernel",
			      "this operation is not for the kernel");
}

static const struct op_runner *runner_of(const struct op *op)
{
	static const struct op_runner unknown = {.run = refuse}, runners[] = {
		[OP_BRIDGE_CREATE] = {link_create_gather, link_create_settle, NULL},
		[OP_LINK_CREATE] = {link_create_gather, link_create_settle, NULL},
		[OP_TAP_CREATE] = {.run = tap_create_run},
		[OP_LINK_SET] = {link_set_gather, link_set_settle, NULL},
		[OP_LINK_DELETE] = {.run = link_delete_run},
		[OP_GROUP_DELETE] = {.run = group_delete_run},
		[OP_ADDR_ADD] = {addr_gather, addr_settle, NULL},
		[OP_ADDR_DEL] = {addr_gather, addr_settle, NULL},
		[OP_ROUTE_ADD] = {route_gather, route_settle, NULL},
		[OP_ROUTE_DEL] = {route_gather, route_settle, NULL},
		[OP_VLAN_ADD] = {vlan_gather, vlan_settle, NULL},
		[OP_VLAN_DEL] = {vlan_gather, vlan_settle, NULL},
		[OP_FDB_ADD] = {fdb_add_gather, NULL, NULL},
		[OP_FDB_DEL] = {.run = fdb_delete_run},
		[OP_SHAPE] = {.run = shaper_set},
		[OP_SHAPE_ROOT] = {.run = shaper_set_root},
		[OP_CHECKSUM_ADD] = {.run = checksum_add_run},
		[OP_CHECKSUM_DEL] = {.run = checksum_delete_run},
		[OP_FEATURES] = {.run = features_run},
		[OP_VF] = {.run = vf_set},
		[OP_SYSCTL] = {.run = write_sysctl},
		[OP_NFT] = {.run = nft_commit},
	};
	const struct op_runner *runner = op->kind < ARRAY_SIZE(runners) ? &runners[op->kind]
									: &unknown;

	return runner->gather || runner->run ? runner : &unknown;
}
