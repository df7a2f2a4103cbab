/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_shape.c - bandwidth: an IFB per network that shapes, and each port's classes of it
 *
 * Frames of a shaped port pass the IFB in both directions.  It is made, limited
 * and raised before a port is told to use it, and deleted after the last was
 * told otherwise: what is redirected to a device that is not there is lost.
 *
 * A network that declares a limit, for all or as its ports' default, has the IFB
 * from its start.  Else the hot path makes sure of it with each port that has a
 * limit (every one of these operations may run twice), and the next full plan
 * after the last such port takes it away.
 *
 * A macvtap device is the guest's own end: what it sends is what the guest
 * receives on a bridge port.  So the directions change places there.
 */

#include "plan/planner.h"
#include "plan/shaper.h"

#include <stdio.h>

#define IFB_ALIAS LINK_ALIAS_PREFIX "ifb:"

static bool has_device(const struct port *port)
{
	return port->kind == PORT_TAP || port->kind == PORT_VETH || port->kind == PORT_MACVTAP;
}

static bool is_limited(const struct bandwidth *in, const struct bandwidth *out)
{
	return in->rate || out->rate;
}

static bool declares_limits(const struct network *net)
{
	return net->mode != NETWORK_SRIOV &&
	       (is_limited(&net->in, &net->out) ||
		is_limited(&net->port_defaults.in, &net->port_defaults.out));
}

bool shape_is_wanted(const struct network *net, const struct port *port)
{
	struct bandwidth in, out;

	port_limits(port, net, &in, &out);
	return has_device(port) && port->slot && is_limited(&in, &out);
}

static void swap(struct bandwidth *a, struct bandwidth *b)
{
	struct bandwidth c = *a;

	*a = *b;
	*b = c;
}

struct op_shape shape_wanted(const struct network *net, const struct port *port)
{
	struct op_shape shape = { .shaper.slot = (uint16_t)port->slot };

	snprintf(shape.ifname, sizeof(shape.ifname), "%s", port->ifname);
	network_device(net, NETWORK_IFB_PREFIX, shape.ifb);
	port_limits(port, net, &shape.shaper.in, &shape.shaper.out);
	shape.shaper.in = shaper_normal(&shape.shaper.in);
	shape.shaper.out = shaper_normal(&shape.shaper.out);
	if (port->kind == PORT_MACVTAP)
		swap(&shape.shaper.in, &shape.shaper.out);
	return shape;
}

static struct op_shape_root wanted_root(const struct network *net)
{
	struct op_shape_root root = { .in = shaper_normal(&net->in),
				      .out = shaper_normal(&net->out) };

	network_device(net, NETWORK_IFB_PREFIX, root.ifb);
	if (net->mode == NETWORK_MACVTAP)
		swap(&root.in, &root.out);
	return root;
}

static struct op_link wanted_ifb(const struct network *net)
{
	struct op_link link = { .kind = "ifb", .set = LINK_SET_ADDR_GEN, .addr_gen_mode = 1 };

	network_device(net, NETWORK_IFB_PREFIX, link.name);
	snprintf(link.alias, sizeof(link.alias), IFB_ALIAS "%s", net->name);
	return link;
}

/* The full plan. */

void plan_shapes_resolve(struct planner *p)
{
	vec_each(pn, &p->nets)
		pn->is_shaped = pn->is_usable && declares_limits(pn->net);
	vec_each(port, &p->d->ports) {
		const struct planned_network *found = plan_network(p, (*port)->network);
		struct planned_network *pn = found ? &p->nets.v[found - p->nets.v] : NULL;

		if (pn && pn->is_usable && shape_is_wanted(pn->net, *port) &&
		    plan_port_is_usable(p, *port))
			pn->is_shaped = true;
	}
}

void plan_ifb_wants(struct planner *p, struct planned_network *pn)
{
	struct planned_device *device;
	struct op_link ifb;

	if (!pn->is_shaped)
		return;
	ifb = wanted_ifb(pn->net);
	device = plan_add_device(p, pn, ifb.kind, ifb.name, ifb.alias);
	if (plan_device_can_be(p, device))
		return;
	pn->is_shaped = false;
	p->devices.n--;
}

static bool same_bandwidth(const struct bandwidth *a, const struct bandwidth *b)
{
	return a->rate == b->rate && a->guaranteed == b->guaranteed && a->burst == b->burst;
}

void plan_shape_roots(struct planner *p)
{
	vec_each(pn, &p->nets) {
		struct op op = plan_op(OP_SHAPE_ROOT, pn->net->name);
		const struct shaper_root *is;
		struct shaper_root key = { 0 };

		if (!pn->is_shaped)
			continue;
		op.shape_root = wanted_root(pn->net);
		key.ifindex = plan_link(p, op.shape_root.ifb)->ifindex;
		is = p->now.shaper_roots.n ?
			     bsearch(&key, p->now.shaper_roots.v, p->now.shaper_roots.n,
				     sizeof(key), snapshot_cmp_shaper_roots) : NULL;
		if (!is || !same_bandwidth(&is->in, &op.shape_root.in) ||
		    !same_bandwidth(&is->out, &op.shape_root.out))
			plan_emit(p, &op);
	}
}

static const struct shaper *find_shaper(const struct planner *p, int ifindex)
{
	const struct shaper key = { .ifindex = ifindex };

	if (!p->now.shapers.n)
		return NULL;
	return bsearch(&key, p->now.shapers.v, p->now.shapers.n, sizeof(key),
		       snapshot_cmp_shapers);
}

static bool same_shaper(const struct planner *p, const struct shaper *is,
			const struct op_shape *wanted)
{
	return is && is->ifb == plan_link(p, wanted->ifb)->ifindex &&
	       is->slot == wanted->shaper.slot &&
	       same_bandwidth(&is->in, &wanted->shaper.in) &&
	       same_bandwidth(&is->out, &wanted->shaper.out);
}

static void unshape(struct planner *p, const char *network, const struct shaper *is)
{
	const struct link *link = snapshot_link_by_index(&p->now, is->ifindex);
	const struct link *ifb = snapshot_link_by_index(&p->now, is->ifb);
	struct op op = plan_op(OP_SHAPE, network);

	if (!link)
		return;
	snprintf(op.shape.ifname, sizeof(op.shape.ifname), "%s", link->name);
	snprintf(op.shape.ifb, sizeof(op.shape.ifb), "%s", ifb ? ifb->name : "");
	op.shape.shaper.slot = is->slot;
	plan_emit(p, &op);
}

void plan_shape_port(struct planner *p, const struct planned_network *pn, const struct port *port)
{
	const struct shaper *is = find_shaper(p, plan_link(p, port->ifname)->ifindex);
	struct op op = plan_op(OP_SHAPE, port->network);

	if (!pn->is_shaped || !shape_is_wanted(pn->net, port)) {
		if (is)
			unshape(p, port->network, is);
		return;
	}
	op.shape = shape_wanted(pn->net, port);
	if (!same_shaper(p, is, &op.shape))
		plan_emit(p, &op);
}

void plan_unshape(struct planner *p, int ifb)
{
	const struct link *link = snapshot_link_by_index(&p->now, ifb);

	for (size_t i = p->now.shapers.n; i-- > 0;) {
		struct shaper shaper = p->now.shapers.v[i];

		if (shaper.ifb == ifb)
			unshape(p, link->alias + strlen(IFB_ALIAS), &shaper);
	}
}

/* The hot path. */

void shape_ops_begin(const struct network *net, const struct port *port, op_vec *ret)
{
	struct op_link *ifb;

	if (!shape_is_wanted(net, port))
		return;
	if (!declares_limits(net)) {
		op_add(ret, OP_LINK_CREATE, net->name)->link = wanted_ifb(net);
		op_add(ret, OP_SHAPE_ROOT, net->name)->shape_root = wanted_root(net);
		ifb = &op_add(ret, OP_LINK_SET, net->name)->link;
		*ifb = wanted_ifb(net);
		ifb->set = LINK_SET_UP;
		ifb->up = true;
	}
	op_add(ret, OP_SHAPE, net->name)->shape = shape_wanted(net, port);
}

void shape_ops_end(const struct network *net, const struct port *port, op_vec *ret)
{
	struct op_shape shape;

	if (!shape_is_wanted(net, port))
		return;
	shape = shape_wanted(net, port);
	shape.shaper.in = shape.shaper.out = (struct bandwidth){ 0 };
	op_add(ret, OP_SHAPE, net->name)->shape = shape;
}
