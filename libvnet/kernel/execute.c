/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * execute.c - operations on Linux
 *
 * Changes of devices, addresses and routes that follow each other are gathered
 * and sent together; everything else first sends what was gathered.  An answer
 * that is no success is looked at once more ("settled"): it may say that all
 * is as it should be.
 */

#include "kernel/addr.h"
#include "kernel/link.h"
#include "kernel/linux.h"
#include "kernel/route.h"
#include "kernel/sysctl.h"
#include "kernel/tap.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <unistd.h>

/* What was gathered: which operation each message is of. */
struct batch {
	size_t op[NL_BATCH_MAX];
	struct nl_answer answers[NL_BATCH_MAX];
	unsigned n;
};

static bool is_gathered(const struct op *op);
static int run_batch(struct kernel_linux *k, const struct op *ops, size_t n, size_t *done,
		     struct vnet_error *err);
static int run_alone(struct kernel_linux *k, const struct op *op, struct vnet_error *err);

int linux_execute(struct kernel *base, const struct op *ops, size_t n, size_t *ret_done,
		  struct vnet_error *err)
{
	struct kernel_linux *k = (struct kernel_linux *)base;
	int r = 0;

	*ret_done = 0;
	while (r >= 0 && *ret_done < n) {
		if (is_gathered(&ops[*ret_done])) {
			r = run_batch(k, ops, n, ret_done, err);
		} else {
			r = run_alone(k, &ops[*ret_done], err);
			if (r >= 0)
				++*ret_done;
		}
	}
	return r;
}

static bool is_gathered(const struct op *op)
{
	switch (op->kind) {
	case OP_LINK_SET:
	case OP_ADDR_ADD:
	case OP_ADDR_DEL:
	case OP_ROUTE_ADD:
	case OP_ROUTE_DEL:
		return true;
	default:
		return false;
	}
}

/* Words for errors. */

static const char *link_set_text(const struct op_link *op, char *buf, size_t size)
{
	static const struct { uint32_t field; const char *name; } names[] = {
		{LINK_SET_MTU, "mtu"}, {LINK_SET_MAC, "mac"}, {LINK_SET_ALIAS, "alias"},
		{LINK_SET_TXQUEUELEN, "txqueuelen"}, {LINK_SET_ADDR_GEN, "addrgenmode"},
		{LINK_SET_BRIDGE, "bridge options"}, {LINK_SET_ISOLATED, "isolated"},
		{LINK_SET_GROUP, "group"}, {LINK_SET_STATE, "state"},
		{LINK_SET_ROOT_GUARD, "root guard"},
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

static int op_error(const struct op *op, int number, const char *text, struct vnet_error *err)
{
	char buf[ADDR_TEXT_MAX + 64], set[160];

	switch (op->kind) {
	case OP_BRIDGE_CREATE:
		return kernel_error(err, number, text, "bridge %s: cannot create it",
				    op->link.name);
	case OP_LINK_SET:
		return kernel_error(err, number, text, "device %s: cannot set%s", op->link.name,
				    link_set_text(&op->link, set, sizeof(set)));
	case OP_LINK_DELETE:
		return kernel_error(err, number, text, "device %s: cannot delete it",
				    op->link.name);
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
	default:
		return kernel_error(err, number, text, "operation failed");
	}
}

static int no_device(const char *name, struct vnet_error *err)
{
	return vnet_error_set(err, -ENODEV, "no-device", "no device %s", name);
}

/* Gathering. */

/* A device that may well be gone; 0 then. */
static int find_index(struct kernel_linux *k, const char *name)
{
	struct link link;

	return linux_find(k, name, &link, NULL) == 0 ? link.ifindex : 0;
}

/* The device of an address or route: 1 when it is gone and that is fine. */
static int resolve(struct kernel_linux *k, const char *name, bool may_be_gone, int *ret,
		   struct vnet_error *err)
{
	*ret = may_be_gone ? find_index(k, name) : device_index(k->control, name);
	if (*ret)
		return 0;
	return may_be_gone ? 1 : no_device(name, err);
}

static int gather_addr(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	bool is_add = op->kind == OP_ADDR_ADD;
	struct addr addr = op->addr.addr;
	int r;

	if (!addr.prefix.addr.family || addr.prefix.len > ip_bits(&addr.prefix.addr))
		return vnet_error_set(err, -EINVAL, "bad-address", "device %s: not an address",
				      op->addr.ifname);
	r = resolve(k, op->addr.ifname, !is_add, &addr.ifindex, err);
	if (!r)
		addr_add_request(&k->rt, is_add ? RTM_NEWADDR : RTM_DELADDR,
				 is_add ? NLM_F_CREATE | NLM_F_REPLACE : 0, &addr);
	return r < 0 ? r : 0;
}

static int gather_route(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
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
		r = resolve(k, op->route.ifname, !is_add, &route.oif, err);
	/* Exclusive: a replace would take the place of somebody else's route of the same metric. */
	if (!r)
		route_add_request(&k->rt, is_add ? RTM_NEWROUTE : RTM_DELROUTE,
				  is_add ? NLM_F_CREATE | NLM_F_EXCL : 0, &route);
	return r < 0 ? r : 0;
}

static int gather_link_set(struct kernel_linux *k, const struct op_link *op, struct vnet_error *err)
{
	int master = 0;

	if (!kernel_ifname_ok(op->name))
		return vnet_error_set(err, -EINVAL, "bad-name", "\"%.15s\" is not a device name",
				      op->name);
	if (op->set & LINK_SET_MASTER && op->master[0] &&
	    !(master = device_index(k->control, op->master)))
		return no_device(op->master, err);
	link_add_set(&k->rt, op, master);
	return 0;
}

/* Adds the operation's messages; none when nothing is to be done. */
static int gather(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	switch (op->kind) {
	case OP_LINK_SET:
		return gather_link_set(k, &op->link, err);
	case OP_ADDR_ADD:
	case OP_ADDR_DEL:
		return gather_addr(k, op, err);
	default:
		return gather_route(k, op, err);
	}
}

/* Settling. */

/* Sends what was added and returns the first failure of it. */
static int send_all(struct kernel_linux *k, struct nl_answer *ret_answer)
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

/*
 * A device without IPv6 (switched off at boot, or an MTU below 1280) refuses a
 * message with IPv6 settings whole.  There is nothing to set then.
 */
static int settle_link_set(struct kernel_linux *k, const struct op *op, struct nl_answer *answer)
{
	struct op again = *op;

	if (answer->result != -EAFNOSUPPORT || !(op->link.set & LINK_SET_ADDR_GEN))
		return answer->result;
	again.link.set &= ~(uint32_t)LINK_SET_ADDR_GEN;
	if (!again.link.set)
		return 0;
	if (gather_link_set(k, &again.link, NULL) < 0)
		return answer->result;
	return send_all(k, answer);
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
	return send_all(k, answer);
}

/* 0 when the failure is none; may send more, which takes the place of answer. */
static int settle(struct kernel_linux *k, const struct op *op, struct nl_answer *answer)
{
	int r = answer->result;

	switch (op->kind) {
	case OP_LINK_SET:
		return settle_link_set(k, op, answer);
	case OP_ADDR_DEL:
		return r == -EADDRNOTAVAIL || r == -ENODEV ? 0 : r;
	case OP_ROUTE_ADD:
		return settle_route_add(k, op, answer);
	case OP_ROUTE_DEL:
		return r == -ESRCH || r == -ENODEV ? 0 : r;
	default:
		return r;
	}
}

/* Gathers from *done on, as much as fits in one send; 0 or why it stopped short of *ret_end. */
static int fill_batch(struct kernel_linux *k, const struct op *ops, size_t n, size_t from,
		      struct batch *b, size_t *ret_end, struct vnet_error *err)
{
	size_t i;
	int r = 0;

	b->n = 0;
	for (i = from; i < n && is_gathered(&ops[i]) && b->n + LINK_SET_MESSAGES <= NL_BATCH_MAX;
	     i++) {
		r = gather(k, &ops[i], err);
		if (r < 0)
			break;
		while (b->n < k->rt.n)
			b->op[b->n++] = i;
	}
	*ret_end = i;
	return r;
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
	if (r < 0)
		return op_error(&ops[*done], r, NULL, err);
	memcpy(b.answers, k->rt.answers, b.n * sizeof(b.answers[0]));
	for (unsigned i = 0; i < b.n; i++) {
		struct nl_answer *answer = &b.answers[i];
		const struct op *op = &ops[b.op[i]];

		if (!answer->result)
			continue;
		*done = b.op[i];
		r = settle(k, op, answer);
		if (r < 0)
			return op_error(op, r, answer->text, err);
		/* Settled as a whole: what its other messages said no longer counts. */
		while (i + 1 < b.n && b.op[i + 1] == b.op[i])
			i++;
	}
	*done = end;
	if (stopped < 0 && err && !vnet_error_is_set(err))
		*err = later;
	return stopped;
}

/* One by one. */

static int bridge_create(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	struct op mark = {.kind = OP_LINK_SET, .link = op->link};
	struct nl_answer created, marked;
	struct link link;
	int r = linux_find(k, op->link.name, &link, err);

	if (r < 0 && r != -ENODEV)
		return r;
	if (r == 0 && !strcmp(link.kind, "bridge") && !strcmp(link.alias, op->link.alias))
		return 0;
	if (r == 0)
		return vnet_error_set(err, -EEXIST, "device-exists",
				      "a device named %s exists already, not this bridge of ours",
				      op->link.name);
	if (!kernel_ifname_ok(op->link.name))
		return vnet_error_set(err, -EINVAL, "bad-name", "\"%.15s\" is not a device name",
				      op->link.name);
	link_add_bridge(&k->rt, &op->link);
	r = nl_send(&k->rt);
	created = k->rt.answers[0];
	marked = k->rt.answers[1];
	if (r >= 0 && created.result == -EEXIST && !marked.result) {
		/* Made by somebody else since we looked, and marked by us: take the mark back. */
		mark.link.set = LINK_SET_ALIAS;
		mark.link.alias[0] = '\0';
		link_add_set(&k->rt, &mark.link, 0);
		nl_send(&k->rt);
	}
	if (r < 0 || created.result)
		return op_error(op, r < 0 ? r : created.result, created.text, err);
	if (!marked.result)
		return 0;
	mark.link.set = LINK_SET_ALIAS | (op->link.set & LINK_SET_ADDR_GEN) |
			(op->link.mtu ? LINK_SET_MTU : 0);
	r = settle_link_set(k, &mark, &marked);
	return r < 0 ? op_error(op, r, marked.text, err) : 0;
}

/* Reads, checks, and deletes by index: the very device that was checked. */
static int link_delete(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	struct nl_answer answer;
	struct link link;
	int r = linux_find(k, op->link.name, &link, err);

	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return r;
	if (!link_is_ours(&link) && !op->link.force)
		return vnet_error_set(err, -EPERM, "foreign-device",
				      "%s does not carry our mark; it is left alone",
				      op->link.name);
	link_add_delete(&k->rt, link.ifindex);
	r = send_all(k, &answer);
	return r < 0 && r != -ENODEV ? op_error(op, r, answer.text, err) : 0;
}

/* A TAP that is there already must be what is wanted; owner and group are set again. */
static int check_tap(struct kernel_linux *k, const struct op_tap *op, struct vnet_error *err)
{
	struct link link;
	int r = linux_find(k, op->name, &link, err);

	if (r < 0)
		return r == -ENODEV ? no_device(op->name, err) : r;
	if (strcmp(link.kind, "tun") || !link.tun.is_tap || strcmp(link.alias, op->alias))
		return vnet_error_set(err, -EEXIST, "device-exists",
				      "a device named %s exists already, not this TAP of ours",
				      op->name);
	if (link.tun.is_multi_queue != op->multi_queue || !link.tun.is_persistent ||
	    link.tun.owner != op->owner || link.tun.group != op->group)
		return vnet_error_set(err, -EEXIST, "tap-differs",
				      "TAP %s exists with other queues, life or owner; delete it first",
				      op->name);
	return 0;
}

static int tap_make(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	struct vnet_error cause = {0};
	struct nl_answer answer;
	int fd, r;

	if (!kernel_ifname_ok(op->tap.name))
		return vnet_error_set(err, -EINVAL, "bad-name", "\"%.15s\" is not a device name",
				      op->tap.name);
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
	r = send_all(k, &answer);
	if (r < 0)
		kernel_error(err, r, answer.text, "TAP %s: cannot mark it", op->tap.name);
	else
		r = tap_keep(fd, &op->tap, err);
	close(fd);
	return r;
}

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

static int run_alone(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	static int (*const runs[])(struct kernel_linux *k, const struct op *op,
				   struct vnet_error *err) = {
		[OP_BRIDGE_CREATE] = bridge_create,
		[OP_TAP_CREATE] = tap_make,
		[OP_LINK_DELETE] = link_delete,
		[OP_SYSCTL] = write_sysctl,
		[OP_NFT] = nft_commit,
	};

	if (op->kind < ARRAY_SIZE(runs) && runs[op->kind])
		return runs[op->kind](k, op, err);
	return vnet_error_set(err, -EINVAL, "not-for-kernel",
			      "this operation is not for the kernel");
}
