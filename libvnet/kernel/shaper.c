/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * shaper.c - limits of ports: traffic control on the network's IFB
 *
 * What comes from a port (clsact ingress) and what goes to it (egress) is given
 * a priority that names an HTB class, and redirected to the IFB; from there it
 * goes on as if nothing had been.  All ports of a network are in one HTB each
 * way, so that they can share a limit and be guaranteed a part of it:
 *
 *   766e:                     HTB, on the IFB; unclassified frames pass at once
 *   ├ 766e:2   from the ports the network's `out`
 *   │ └ 766e:(32 slot)        the port's: rate = guaranteed, ceil = its limit
 *   └ 766e:3   to the ports   the network's `in`
 *     └ 766e:(32 slot + 16)
 *
 * The priority stays with the frame, and others look at it: pfifo_fast takes the
 * low four bits for a band, and any other HTB whose handle is its upper half
 * takes it for a class.  Hence a handle that nobody else has, and four zeros.
 *
 * A class may send at its own rate whatever its parent's limit is, and takes
 * turns with the others for what is left of that.  So a port without guarantee
 * has next to none.
 */

#include "kernel/shaper.h"
#include "kernel/tap.h"
#include "kernel/tc.h"
#include "plan/shaper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/tc_act/tc_skbedit.h>
#include <stdio.h>

#define HTB_HANDLE 0x766e0000u /* "vn" */
#define FILTER_PRIORITY 0x766e
#define IFB_ALIAS LINK_ALIAS_PREFIX "ifb:"
#define PORT_ALIAS LINK_ALIAS_PREFIX "port:"

/* Of a direction without limit, in bit/s: above all that can be asked for. */
#define UNLIMITED UINT64_C(2000000000000)
#define UNLIMITED_TICKS 156250 /* 10 ms */
#define LEAST_RATE 8           /* bit/s; HTB wants some */
#define QUANTUM_MAX 65535      /* a whole GSO packet, so that small ones get their share beside them */

/*
 * fq_codel for one port.  Its own defaults are for a whole machine (64 KiB of
 * flows) and for frames: a GSO packet of 64 KiB takes 17 ms at 30 Mbit/s, and
 * with a target of 5 ms TCP was dropped to half of that.  Flows are kept apart,
 * so a longer wait of one is no other's.
 */
#define LEAF_FLOWS 128
#define LEAF_LIMIT 2048            /* packets; of pfifo, too */
#define LEAF_MEMORY_MIN (512 << 10) /* else a second, about half of it overhead */
#define LEAF_MEMORY_MAX (8 << 20)
#define LEAF_TARGET_US 50000
#define LEAF_INTERVAL_US 100000    /* beyond the target */

enum direction { OUT, IN }; /* from the port, to it */

static const struct direction_info {
	uint32_t root;          /* the class of all */
	uint32_t hook;          /* of clsact */
	const char *name;
} directions[] = {
	[OUT] = {HTB_HANDLE | 2, TC_INGRESS, "out"},
	[IN] = {HTB_HANDLE | 3, TC_EGRESS, "in"},
};
#define each_direction(d) for (enum direction d = OUT; d <= IN; d++)

static uint32_t class_of(unsigned slot, enum direction d)
{
	return HTB_HANDLE | slot << 5 | (d == IN ? 16 : 0);
}

/* Messages. */

static struct tc_ratespec rate_spec(uint64_t rate)
{
	uint64_t bytes = rate / 8;

	return (struct tc_ratespec){.rate = bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes,
				    .linklayer = TC_LINKLAYER_ETHERNET};
}

/* Rates are in bit/s, buckets in ticks. */
struct class {
	uint64_t rate, ceil;
	uint32_t buffer, cbuffer;
};

/* Made, or changed where it stands, without losing what waits in it. */
static void add_class(struct nl *nl, uint16_t flags, int ifb, uint32_t parent, uint32_t handle,
		      const struct class *c)
{
	struct nlmsghdr *m = tc_add(nl, RTM_NEWTCLASS, flags, ifb, parent, handle);
	uint64_t quantum = c->ceil / (8 * 50); /* 20 ms */
	struct tc_htb_opt opt = {.rate = rate_spec(c->rate), .ceil = rate_spec(c->ceil),
				 .buffer = c->buffer, .cbuffer = c->cbuffer};
	struct nlattr *options;

	opt.quantum = quantum < ETH_FRAME_LEN ? ETH_FRAME_LEN :
		      quantum > QUANTUM_MAX ? QUANTUM_MAX : (uint32_t)quantum;
	mnl_attr_put_strz(m, TCA_KIND, "htb");
	options = mnl_attr_nest_start(m, TCA_OPTIONS);
	mnl_attr_put(m, TCA_HTB_PARMS, sizeof(opt), &opt);
	if (c->rate / 8 > UINT32_MAX)
		mnl_attr_put_u64(m, TCA_HTB_RATE64, c->rate / 8);
	if (c->ceil / 8 > UINT32_MAX)
		mnl_attr_put_u64(m, TCA_HTB_CEIL64, c->ceil / 8);
	mnl_attr_nest_end(m, options);
}

static struct class unlimited(bool is_leaf)
{
	return (struct class){.rate = is_leaf ? LEAST_RATE : UNLIMITED, .ceil = UNLIMITED,
			      .buffer = is_leaf ? 1 : UNLIMITED_TICKS,
			      .cbuffer = UNLIMITED_TICKS};
}

static struct class class_for(const struct bandwidth *limit, bool is_leaf)
{
	struct bandwidth b = shaper_normal(limit);
	uint32_t ticks = shaper_ticks(b.burst, b.rate);

	if (!b.rate)
		return unlimited(is_leaf);
	if (!is_leaf)
		return (struct class){b.rate, b.rate, ticks, ticks};
	return (struct class){b.guaranteed ? b.guaranteed : LEAST_RATE, b.rate,
			      b.guaranteed ? ticks : 1, ticks};
}

/*
 * flows can be told once only, so a queue that is there already refuses the
 * first of two messages and takes the second.
 */
static void add_leaf(struct nl *nl, uint16_t flags, int ifb, uint32_t class, uint64_t rate)
{
	struct nlmsghdr *m = tc_add(nl, RTM_NEWQDISC, flags, ifb, class, 0);
	uint64_t memory = rate / 8, frame_us = UINT64_C(8000000) * ETH_FRAME_LEN / rate;
	/* A target below the time of one frame would drop all that waits. */
	uint64_t target = frame_us * 3 / 2;
	struct nlattr *options;

	memory = memory < LEAF_MEMORY_MIN ? LEAF_MEMORY_MIN :
		 memory > LEAF_MEMORY_MAX ? LEAF_MEMORY_MAX : memory;
	target = target < LEAF_TARGET_US ? LEAF_TARGET_US : target;
	mnl_attr_put_strz(m, TCA_KIND, "fq_codel");
	options = mnl_attr_nest_start(m, TCA_OPTIONS);
	mnl_attr_put_u32(m, TCA_FQ_CODEL_LIMIT, LEAF_LIMIT);
	mnl_attr_put_u32(m, TCA_FQ_CODEL_MEMORY_LIMIT, (uint32_t)memory);
	mnl_attr_put_u32(m, TCA_FQ_CODEL_TARGET, (uint32_t)target);
	mnl_attr_put_u32(m, TCA_FQ_CODEL_INTERVAL, (uint32_t)target + LEAF_INTERVAL_US);
	if (flags & NLM_F_CREATE)
		mnl_attr_put_u32(m, TCA_FQ_CODEL_FLOWS, LEAF_FLOWS);
	mnl_attr_nest_end(m, options);
}

static void add_leaf_fifo(struct nl *nl, int ifb, uint32_t class)
{
	struct nlmsghdr *m = tc_add(nl, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, ifb, class, 0);
	struct tc_fifo_qopt opt = {.limit = LEAF_LIMIT};

	mnl_attr_put_strz(m, TCA_KIND, "pfifo");
	mnl_attr_put(m, TCA_OPTIONS, sizeof(opt), &opt);
}

static void put_action(struct nlmsghdr *m, uint16_t order, const char *kind, uint16_t type,
		       const void *parms, size_t size, uint32_t priority)
{
	struct nlattr *action = mnl_attr_nest_start(m, order), *options;

	mnl_attr_put_strz(m, TCA_ACT_KIND, kind);
	options = mnl_attr_nest_start(m, TCA_ACT_OPTIONS);
	mnl_attr_put(m, type, size, parms);
	if (priority)
		mnl_attr_put_u32(m, TCA_SKBEDIT_PRIORITY, priority);
	mnl_attr_nest_end(m, options);
	mnl_attr_nest_end(m, action);
}

static struct nlmsghdr *add_filter_head(struct nl *nl, uint16_t type, uint16_t flags, int port,
					enum direction d)
{
	return tc_add_filter(nl, type, flags, port, directions[d].hook, FILTER_PRIORITY, 0);
}

static void add_filter(struct nl *nl, int port, int ifb, uint32_t class, enum direction d)
{
	struct tc_skbedit edit = {.action = TC_ACT_PIPE};
	struct tc_mirred mirred = {.action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR,
				   .ifindex = (uint32_t)ifb};
	struct nlattr *options, *actions;
	struct nlmsghdr *m;

	m = add_filter_head(nl, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, port, d);
	mnl_attr_put_strz(m, TCA_KIND, "matchall");
	options = mnl_attr_nest_start(m, TCA_OPTIONS);
	actions = mnl_attr_nest_start(m, TCA_MATCHALL_ACT);
	put_action(m, 1, "skbedit", TCA_SKBEDIT_PARMS, &edit, sizeof(edit), class);
	put_action(m, 2, "mirred", TCA_MIRRED_PARMS, &mirred, sizeof(mirred), 0);
	mnl_attr_nest_end(m, actions);
	mnl_attr_nest_end(m, options);
}

static void add_filter_delete(struct nl *nl, int port, enum direction d)
{
	add_filter_head(nl, RTM_DELTFILTER, 0, port, d);
}

/* Filters, read back. */

struct redirect { uint32_t class; int ifb; bool is_there; };

static void parse_action(const struct nlattr *action, struct redirect *ret)
{
	const struct nlattr *tb[TCA_ACT_MAX + 1];
	char kind[16];

	nl_attrs_nested(action, tb, ARRAY_SIZE(tb));
	nl_str(tb[TCA_ACT_KIND], kind, sizeof(kind));
	if (!strcmp(kind, "skbedit")) {
		const struct nlattr *edit[TCA_SKBEDIT_MAX + 1];

		nl_attrs_nested(tb[TCA_ACT_OPTIONS], edit, ARRAY_SIZE(edit));
		ret->class = nl_u32(edit[TCA_SKBEDIT_PRIORITY]);
	} else if (!strcmp(kind, "mirred")) {
		const struct nlattr *to[TCA_MIRRED_MAX + 1];
		const struct tc_mirred *parms;

		nl_attrs_nested(tb[TCA_ACT_OPTIONS], to, ARRAY_SIZE(to));
		parms = to[TCA_MIRRED_PARMS] ? mnl_attr_get_payload(to[TCA_MIRRED_PARMS]) : NULL;
		if (parms && mnl_attr_get_payload_len(to[TCA_MIRRED_PARMS]) >= sizeof(*parms))
			ret->ifb = (int)parms->ifindex;
	}
}

/* Others' filters are looked past. */
static void each_filter(const struct nlmsghdr *m, void *context)
{
	const struct nlattr *tb[TCA_MAX + 1], *options[TCA_MATCHALL_MAX + 1], *actions[3];
	const struct tcmsg *tc = mnl_nlmsg_get_payload(m);
	struct redirect *ret = context;

	if (m->nlmsg_type != RTM_NEWTFILTER || mnl_nlmsg_get_payload_len(m) < sizeof(*tc) ||
	    tc->tcm_info >> 16 != FILTER_PRIORITY)
		return;
	nl_attrs_of(m, sizeof(*tc), tb, ARRAY_SIZE(tb));
	if (!tb[TCA_OPTIONS])
		return;
	nl_attrs_nested(tb[TCA_OPTIONS], options, ARRAY_SIZE(options));
	nl_attrs_nested(options[TCA_MATCHALL_ACT], actions, ARRAY_SIZE(actions));
	*ret = (struct redirect){.is_there = true};
	for (size_t i = 1; i < ARRAY_SIZE(actions); i++)
		parse_action(actions[i], ret);
}

static void restart_filter(void *context)
{
	*(struct redirect *)context = (struct redirect){0};
}

/* None, too, on a device without clsact, or without a device. */
static int read_redirect(struct nl *nl, int port, enum direction d, struct redirect *ret)
{
	int r;

	*ret = (struct redirect){0};
	tc_add(nl, RTM_GETTFILTER, 0, port, directions[d].hook, 0);
	r = nl_dump(nl, &(struct nl_dump){each_filter, restart_filter, ret});
	return r == -ENODEV || r == -EINVAL || r == -ENOENT ? 0 : r;
}

/* A port's limits. */

static int shape_error(const struct op_shape *op, int number, const char *text,
		       const char *what, struct vnet_error *err)
{
	return kernel_error(err, number, text, "port %s: cannot shape it: %s", op->ifname, what);
}

/* What a kernel says that has no such module. */
static const char *part_name(const char *part, int number, char buf[96])
{
	snprintf(buf, 96, number == -ENOENT || number == -EOPNOTSUPP ? "%s; does the kernel lack it?"
								     : "%s", part);
	return buf;
}

enum part { CLASS, LEAF, LEAF_CHANGE, CLSACT, FILTER };
static const char *const parts[] = {
	[CLASS] = "class of the IFB (sch_htb)", [LEAF] = "queue (sch_fq_codel)",
	[LEAF_CHANGE] = "queue (sch_fq_codel)", [CLSACT] = "clsact (sch_ingress)",
	[FILTER] = "filter (cls_matchall, act_skbedit, act_mirred)",
};

struct sent { enum part part; enum direction direction; int result; char text[160]; };

/* One send: the classes stand before the filters send anything to them. */
static int send_limits(struct kernel_linux *k, const struct op_shape *op, int port, int ifb,
		       struct sent sent[9], unsigned *ret_n)
{
	const struct bandwidth *limits[] = {[OUT] = &op->shaper.out, [IN] = &op->shaper.in};
	struct nl *nl = &k->rt;
	unsigned n = 0;
	int r;

	each_direction(d) {
		uint32_t class = class_of(op->shaper.slot, d);
		struct class c = class_for(limits[d], true);

		if (!limits[d]->rate)
			continue;
		add_class(nl, NLM_F_CREATE | NLM_F_REPLACE, ifb, directions[d].root, class, &c);
		sent[n++] = (struct sent){.part = CLASS, .direction = d};
		add_leaf(nl, NLM_F_CREATE | NLM_F_EXCL, ifb, class, c.ceil);
		sent[n++] = (struct sent){.part = LEAF, .direction = d};
		add_leaf(nl, 0, ifb, class, c.ceil);
		sent[n++] = (struct sent){.part = LEAF_CHANGE, .direction = d};
	}
	tc_add_clsact(nl, port);
	sent[n++] = (struct sent){.part = CLSACT};
	each_direction(d) {
		if (!limits[d]->rate)
			continue;
		add_filter(nl, port, ifb, class_of(op->shaper.slot, d), d);
		sent[n++] = (struct sent){.part = FILTER, .direction = d};
	}
	r = nl_send(nl);
	for (unsigned i = 0; r >= 0 && i < n; i++) {
		sent[i].result = nl->answers[i].result;
		memcpy(sent[i].text, nl->answers[i].text, sizeof(sent[i].text));
	}
	*ret_n = n;
	return r;
}

/*
 * A filter cannot be changed.  While there is none, frames pass without limit:
 * none is lost.
 */
static int replace_filter(struct kernel_linux *k, const struct op_shape *op, int port, int ifb,
			  struct sent *sent)
{
	uint32_t class = class_of(op->shaper.slot, sent->direction);
	struct redirect have;
	int r = read_redirect(&k->query, port, sent->direction, &have);

	if (r < 0 || (have.class == class && have.ifb == ifb))
		return r;
	add_filter_delete(&k->rt, port, sent->direction);
	add_filter(&k->rt, port, ifb, class, sent->direction);
	r = nl_send(&k->rt);
	memcpy(sent->text, k->rt.answers[1].text, sizeof(sent->text));
	return r < 0 ? r : k->rt.answers[1].result;
}

/* 0 when the answer says that all is well, or when it is now. */
static int settle_limit(struct kernel_linux *k, const struct op_shape *op, int port, int ifb,
			struct sent *sent)
{
	bool is_there = sent->result == -EEXIST;

	switch (sent->part) {
	case LEAF:
		if (sent->result != -ENOENT)
			return is_there ? 0 : sent->result;
		/* No fq_codel: the frames wait in line. */
		add_leaf_fifo(&k->rt, ifb, class_of(op->shaper.slot, sent->direction));
		return nl_send_all(&k->rt, NULL);
	case LEAF_CHANGE: /* LEAF's answer says it all */
		return 0;
	case CLSACT:
		return is_there ? 0 : sent->result;
	case FILTER:
		return is_there ? replace_filter(k, op, port, ifb, sent) : sent->result;
	default:
		return sent->result;
	}
}

/* What waits in the class, in packets; 0 when there is no such class. */
static uint32_t class_backlog(struct nl *nl, int ifb, uint32_t class)
{
	const struct nlattr *tb[TCA_MAX + 1], *stats[TCA_STATS_MAX + 1];
	const struct gnet_stats_queue *queue;
	const struct nlmsghdr *m;

	tc_add(nl, RTM_GETTCLASS, 0, ifb, 0, class);
	if (nl_get(nl, &m) < 0 || m->nlmsg_type != RTM_NEWTCLASS)
		return 0;
	nl_attrs_of(m, sizeof(struct tcmsg), tb, ARRAY_SIZE(tb));
	nl_attrs_nested(tb[TCA_STATS2], stats, ARRAY_SIZE(stats));
	if (!stats[TCA_STATS_QUEUE] ||
	    mnl_attr_get_payload_len(stats[TCA_STATS_QUEUE]) < sizeof(*queue))
		return 0;
	queue = mnl_attr_get_payload(stats[TCA_STATS_QUEUE]);
	return queue->qlen;
}

/*
 * Takes the filter away, then the class.  What still waits in the class of a
 * port that goes on must not be lost: such a class gets a rate at which it is
 * empty at once, and stays.  Nobody notices it; the next port of the slot takes
 * it, or it goes with the IFB.
 */
static int stop(struct kernel_linux *k, const struct op_shape *op, int port, int ifb,
		enum direction d, struct vnet_error *err)
{
	uint32_t class = class_of(op->shaper.slot, d);
	struct class c = unlimited(true);
	int r = 0;

	if (port) {
		add_filter_delete(&k->rt, port, d);
		r = nl_send_all(&k->rt, NULL);
		/* -EINVAL: no clsact, hence no filter. */
		if (r < 0 && r != -ENOENT && r != -EINVAL && r != -ENODEV)
			return kernel_error(err, r, nl_text(&k->rt, 0),
					    "port %s: cannot stop shaping it", op->ifname);
	}
	if (!ifb || !op->shaper.slot)
		return 0;
	if (port && class_backlog(&k->query, ifb, class))
		add_class(&k->rt, 0, ifb, directions[d].root, class, &c);
	else
		tc_add(&k->rt, RTM_DELTCLASS, 0, ifb, 0, class);
	r = nl_send_all(&k->rt, NULL);
	/* -EINVAL: no HTB any more. */
	if (r < 0 && r != -ENOENT && r != -EINVAL && r != -ENODEV)
		return kernel_error(err, r, nl_text(&k->rt, 0), "port %s: cannot remove its class",
				    op->ifname);
	return 0;
}

static int find_device(struct kernel_linux *k, const char *name)
{
	struct link link;

	return linux_find(k, name, &link, NULL) == 0 ? link.ifindex : 0;
}

int shaper_set(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	const struct op_shape *shape = &op->shape;
	bool is_off = !shape->shaper.in.rate && !shape->shaper.out.rate;
	int port = find_device(k, shape->ifname), ifb = find_device(k, shape->ifb), r = 0;
	struct sent sent[9];
	unsigned n = 0;
	char part[96];

	if (!is_off && (!port || !ifb))
		return vnet_error_set(err, -ENODEV, "no-device", "no device %s",
				      port ? shape->ifb : shape->ifname);
	if (!is_off && (!shape->shaper.slot || shape->shaper.slot > PORT_SLOT_MAX))
		return vnet_error_set(err, -EINVAL, "bad-slot", "port %s: slot %u; 1..%d are possible",
				      shape->ifname, shape->shaper.slot, PORT_SLOT_MAX);
	if (!is_off)
		r = send_limits(k, shape, port, ifb, sent, &n);
	if (r < 0)
		return shape_error(shape, r, NULL, "no answer", err);
	for (unsigned i = 0; i < n; i++) {
		r = sent[i].result ? settle_limit(k, shape, port, ifb, &sent[i]) : 0;
		if (r < 0)
			return shape_error(shape, r, sent[i].text,
					   part_name(parts[sent[i].part], r, part), err);
	}
	if (!shape->shaper.out.rate)
		r = stop(k, shape, port, ifb, OUT, err);
	if (r >= 0 && !shape->shaper.in.rate)
		r = stop(k, shape, port, ifb, IN, err);
	if (r >= 0 && is_off && port)
		tc_drop_clsact(k, port);
	return r;
}

/* The limits of all. */

int shaper_set_root(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	const struct op_shape_root *root = &op->shape_root;
	const struct bandwidth *limits[] = {[OUT] = &root->out, [IN] = &root->in};
	struct tc_htb_glob glob = {.version = 3, .rate2quantum = 10};
	int ifb = device_index(k->control, root->ifb), r;
	struct nlattr *options;
	struct nlmsghdr *m;
	char part[96];

	if (!ifb)
		return vnet_error_set(err, -ENODEV, "no-device", "no device %s", root->ifb);
	m = tc_add(&k->rt, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifb, TC_H_ROOT, HTB_HANDLE);
	mnl_attr_put_strz(m, TCA_KIND, "htb");
	options = mnl_attr_nest_start(m, TCA_OPTIONS);
	mnl_attr_put(m, TCA_HTB_INIT, sizeof(glob), &glob);
	mnl_attr_nest_end(m, options);
	each_direction(d) {
		struct class c = class_for(limits[d], false);

		add_class(&k->rt, NLM_F_CREATE | NLM_F_REPLACE, ifb, HTB_HANDLE,
			  directions[d].root, &c);
	}
	r = nl_send(&k->rt);
	for (unsigned i = 0; i < 3 && r >= 0; i++) {
		r = k->rt.answers[i].result;
		if (i == 0 && r == -EEXIST)
			r = 0;
		if (r < 0)
			return kernel_error(err, r, nl_text(&k->rt, i), "device %s: cannot shape: %s",
					    root->ifb, part_name(i ? parts[CLASS] : "HTB (sch_htb)",
								 r, part));
	}
	return r < 0 ? kernel_error(err, r, NULL, "device %s: cannot shape", root->ifb) : 0;
}

/* Snapshot. */

struct found_class { int ifb; uint32_t handle; struct bandwidth limit; };
typedef VEC(struct found_class) class_vec;

struct class_dump { int ifb; size_t before; class_vec *classes; };

static uint64_t class_rate(const struct tc_ratespec *rate, const struct nlattr *rate64)
{
	return (rate64 ? nl_u64(rate64) : rate->rate) * 8;
}

static void each_class(const struct nlmsghdr *m, void *context)
{
	const struct nlattr *tb[TCA_MAX + 1], *htb[TCA_HTB_MAX + 1];
	const struct tcmsg *tc = mnl_nlmsg_get_payload(m);
	struct class_dump *dump = context;
	const struct tc_htb_opt *opt;
	struct bandwidth b;

	if (m->nlmsg_type != RTM_NEWTCLASS || mnl_nlmsg_get_payload_len(m) < sizeof(*tc) ||
	    TC_H_MAJ(tc->tcm_handle) != HTB_HANDLE)
		return;
	nl_attrs_of(m, sizeof(*tc), tb, ARRAY_SIZE(tb));
	nl_attrs_nested(tb[TCA_OPTIONS], htb, ARRAY_SIZE(htb));
	if (!htb[TCA_HTB_PARMS] || mnl_attr_get_payload_len(htb[TCA_HTB_PARMS]) < sizeof(*opt))
		return;
	opt = mnl_attr_get_payload(htb[TCA_HTB_PARMS]);
	b.rate = class_rate(&opt->ceil, htb[TCA_HTB_CEIL64]);
	b.guaranteed = class_rate(&opt->rate, htb[TCA_HTB_RATE64]);
	b.burst = shaper_bytes(opt->cbuffer, b.rate);
	if (b.guaranteed <= LEAST_RATE || tc->tcm_parent == TC_H_ROOT)
		b.guaranteed = 0;
	vec_push(dump->classes, (struct found_class){dump->ifb, tc->tcm_handle, b});
}

static void restart_classes(void *context)
{
	struct class_dump *dump = context;

	dump->classes->n = dump->before;
}

static int cmp_classes(const void *a, const void *b)
{
	const struct found_class *x = a, *y = b;

	return x->ifb != y->ifb ? (x->ifb > y->ifb) - (x->ifb < y->ifb)
				: (x->handle > y->handle) - (x->handle < y->handle);
}

static const struct found_class *find_class(const class_vec *classes, int ifb, uint32_t handle)
{
	struct found_class key = {.ifb = ifb, .handle = handle};

	return classes->n ? bsearch(&key, classes->v, classes->n, sizeof(key), cmp_classes) : NULL;
}

static int read_classes(struct kernel_linux *k, const struct link *ifb, class_vec *ret,
			struct vnet_error *err)
{
	struct class_dump dump = {ifb->ifindex, ret->n, ret};
	int r;

	tc_add(&k->query, RTM_GETTCLASS, 0, ifb->ifindex, HTB_HANDLE, 0);
	r = nl_dump(&k->query, &(struct nl_dump){each_class, restart_classes, &dump});
	if (r == -ENODEV)
		return 0;
	return r < 0 ? kernel_error(err, r, nl_text(&k->query, 0), "device %s: cannot list its classes",
				    ifb->name) : 0;
}

/* 0 in a direction without limit. */
static struct bandwidth root_limit(const class_vec *classes, int ifb, enum direction d)
{
	const struct found_class *class = find_class(classes, ifb, directions[d].root);

	return class && class->limit.rate < UNLIMITED ? class->limit : (struct bandwidth){0};
}

/*
 * What cannot be told as a shaper (another slot, another IFB in this direction,
 * no class) is a rate that nobody asks for: to be set again.
 */
static struct bandwidth port_limit(const class_vec *classes, const struct shaper *shaper,
				   const struct redirect *redirect, enum direction d)
{
	const struct found_class *class = find_class(classes, redirect->ifb, redirect->class);

	if (!redirect->is_there)
		return (struct bandwidth){0};
	if (!class || redirect->ifb != shaper->ifb || redirect->class != class_of(shaper->slot, d))
		return (struct bandwidth){.rate = UNLIMITED};
	return class->limit;
}

static int read_port(struct kernel_linux *k, const struct link *port, const class_vec *classes,
		     struct snapshot *snap, struct vnet_error *err)
{
	struct shaper shaper = {.ifindex = port->ifindex};
	struct redirect redirects[2];

	each_direction(d) {
		int r = read_redirect(&k->query, port->ifindex, d, &redirects[d]);

		if (r < 0)
			return kernel_error(err, r, nl_text(&k->query, 0),
					    "port %s: cannot list its filters", port->name);
		if (redirects[d].is_there && !shaper.slot) {
			shaper.slot = (uint16_t)(TC_H_MIN(redirects[d].class) >> 5);
			shaper.ifb = redirects[d].ifb;
		}
	}
	if (!redirects[OUT].is_there && !redirects[IN].is_there)
		return 0;
	shaper.out = port_limit(classes, &shaper, &redirects[OUT], OUT);
	shaper.in = port_limit(classes, &shaper, &redirects[IN], IN);
	vec_push(&snap->shapers, shaper);
	return 0;
}

/* "vnet:port:NET:PORT" and "vnet:ifb:NET" */
static bool same_network(const struct link *port, const struct link *ifb)
{
	const char *network = ifb->alias + strlen(IFB_ALIAS);
	size_t n = strlen(network);
	const char *of = port->alias + strlen(PORT_ALIAS);

	return !strncmp(port->alias, PORT_ALIAS, strlen(PORT_ALIAS)) &&
	       !strncmp(of, network, n) && of[n] == ':';
}

static bool is_ifb(const struct link *link)
{
	return !strncmp(link->alias, IFB_ALIAS, strlen(IFB_ALIAS)) && !strcmp(link->kind, "ifb");
}

int shaper_snapshot(struct kernel_linux *k, struct snapshot *snap, struct vnet_error *err)
{
	class_vec classes = {0};
	int r = 0;

	vec_each(ifb, &snap->links)
		if (r >= 0 && is_ifb(ifb))
			r = read_classes(k, ifb, &classes, err);
	vec_sort(&classes, cmp_classes);
	vec_each(ifb, &snap->links) {
		if (r < 0 || !is_ifb(ifb) ||
		    (!find_class(&classes, ifb->ifindex, directions[OUT].root) &&
		     !find_class(&classes, ifb->ifindex, directions[IN].root)))
			continue;
		vec_push(&snap->shaper_roots,
			 (struct shaper_root){ifb->ifindex, root_limit(&classes, ifb->ifindex, IN),
					      root_limit(&classes, ifb->ifindex, OUT)});
		vec_each(port, &snap->links)
			if (r >= 0 && same_network(port, ifb))
				r = read_port(k, port, &classes, snap, err);
	}
	vec_free(&classes);
	return r;
}
