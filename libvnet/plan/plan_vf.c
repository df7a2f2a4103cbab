/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_vf.c - virtual functions of an SR-IOV device, for ports of kind vf
 *
 * One operation says all of a function.  A function without a port of ours is
 * the operator's, whatever it has; so one that a port leaves is reset at once,
 * by the detach, and not by a later plan that could no longer tell.
 */

#include "plan/planner.h"

#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <stdio.h>

static uint32_t mbits(uint64_t rate)
{
	return (uint32_t)((rate + 999999) / 1000000);
}

static struct op_vf begin_vf(const struct network *net, const struct port *port)
{
	struct op_vf op = { .vf = { .index = port->vf, .vlan_protocol = ETH_P_8021Q,
				    .link_state = IFLA_VF_LINK_STATE_AUTO } };

	snprintf(op.ifname, sizeof(op.ifname), "%s", net->uplink);
	return op;
}

struct op_vf vf_wanted(const struct network *net, const struct port *port)
{
	struct op_vf op = begin_vf(net, port);
	struct bandwidth in, out;

	port_limits(port, net, &in, &out);
	op.vf.mac = port->mac;
	op.vf.vlan = (uint16_t)net->vlan.id;
	op.vf.vlan_protocol = vlan_protocol_ethertype(net->vlan.protocol);
	op.vf.spoofchk = net->sriov.spoofchk;
	op.vf.trust = net->sriov.trust;
	op.vf.max_rate = mbits(out.rate);
	op.vf.min_rate = mbits(out.guaranteed);
	if (port->link_down)
		op.vf.link_state = IFLA_VF_LINK_STATE_DISABLE;
	return op;
}

struct op_vf vf_unused(const struct network *net, const struct port *port)
{
	struct op_vf op = begin_vf(net, port);

	op.vf.spoofchk = true;
	return op;
}

static const struct vf *find_vf(const struct planner *p, const struct op_vf *wanted)
{
	const struct link *link = plan_link(p, wanted->ifname);
	struct vf key = { .index = wanted->vf.index };

	if (!link || !p->now.vfs.n)
		return NULL;
	key.ifindex = link->ifindex;
	return bsearch(&key, p->now.vfs.v, p->now.vfs.n, sizeof(key), snapshot_cmp_vfs);
}

static bool same_vf(const struct vf *a, const struct vf *b)
{
	return mac_cmp(&a->mac, &b->mac) == 0 && a->vlan == b->vlan &&
	       (!a->vlan || a->vlan_protocol == b->vlan_protocol) && a->qos == b->qos &&
	       a->spoofchk == b->spoofchk && a->trust == b->trust &&
	       a->min_rate == b->min_rate && a->max_rate == b->max_rate &&
	       a->link_state == b->link_state;
}

void plan_vfs(struct planner *p)
{
	vec_each(it, &p->d->ports) {
		const struct port *port = *it;
		const struct planned_network *pn = plan_network(p, port->network);
		struct op op = plan_op(OP_VF, port->network);
		const struct vf *is;

		if (port->kind != PORT_VF || !pn || !pn->is_usable ||
		    pn->net->mode != NETWORK_SRIOV)
			continue;
		op.vf = vf_wanted(pn->net, port);
		is = find_vf(p, &op.vf);
		if (!is)
			plan_note(p, "port %s: %s has no virtual function %u any more", port->name,
				  op.vf.ifname, port->vf);
		else if (!same_vf(is, &op.vf.vf))
			plan_emit(p, &op);
	}
}
