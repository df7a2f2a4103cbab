/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan_bridge.c - the bridges of networks: make, adjust, raise */

#include "plan/planner.h"

#include <linux/if_ether.h>
#include <net/if.h>
#include <stdio.h>

#define BRIDGE_ALIAS_PREFIX LINK_ALIAS_PREFIX "bridge:"

bool plan_bridge_is_ours(const struct link *link, const struct network *net)
{
	struct mac mac = network_bridge_mac(net);

	if (strcmp(link->kind, "bridge") != 0)
		return false;
	if (strncmp(link->alias, BRIDGE_ALIAS_PREFIX, strlen(BRIDGE_ALIAS_PREFIX)) == 0)
		return true;
	return !link->alias[0] && mac_cmp(&link->mac, &mac) == 0;
}

static struct bridge_state wanted_options(const struct bridge_options *options)
{
	/* Where nothing is given: the kernel's own values, but no waiting without STP. */
	struct bridge_state state = {
		.stp = options->stp,
		.forward_delay = options->forward_delay * 100,
		.hello_time = options->hello_time ? options->hello_time * 100 : 200,
		.max_age = options->max_age ? options->max_age * 100 : 2000,
		.ageing = options->has_ageing ? options->ageing * 100 : 30000,
		.priority = options->has_priority ? (uint16_t)options->priority : 0x8000,
		.multicast_snooping = options->multicast_snooping,
		.group_fwd_mask = (uint16_t)options->group_fwd_mask,
		.vlan_filtering = options->vlan_filtering,
	};

	if (!options->forward_delay && options->stp)
		state.forward_delay = 200; /* the least the kernel takes */
	/* Who is in which VLAN is said port by port, with 0 nobody is by default. */
	if (options->vlan_filtering)
		state.vlan_protocol = vlan_protocol_ethertype(options->vlan_protocol);
	return state;
}

static struct op_link wanted_link(const struct planned_network *pn)
{
	struct op_link link = { 0 };

	link.set = LINK_SET_ALIAS | LINK_SET_MAC | LINK_SET_MTU | LINK_SET_BRIDGE;
	snprintf(link.name, sizeof(link.name), "%s", pn->bridge);
	snprintf(link.alias, sizeof(link.alias), BRIDGE_ALIAS_PREFIX "%s", pn->net->name);
	link.mac = network_bridge_mac(&pn->effective);
	link.mtu = pn->mtu;
	link.bridge = wanted_options(&pn->net->bridge);
	return link;
}

/*
 * While the spanning tree changes, the kernel forgets addresses after twice the forward delay,
 * and tells that as the ageing time (__br_set_topology_change(), Linux 4.10).
 */
static bool same_ageing(const struct bridge_state *is, const struct bridge_state *wanted)
{
	return is->ageing == wanted->ageing ||
	       (is->stp && wanted->stp && is->ageing == 2 * is->forward_delay);
}

static bool same_options(const struct bridge_state *a, const struct bridge_state *b)
{
	return a->stp == b->stp && a->forward_delay == b->forward_delay &&
	       a->hello_time == b->hello_time && a->max_age == b->max_age &&
	       same_ageing(a, b) && a->priority == b->priority &&
	       a->multicast_snooping == b->multicast_snooping &&
	       a->group_fwd_mask == b->group_fwd_mask &&
	       a->nf_call_iptables == b->nf_call_iptables &&
	       a->nf_call_ip6tables == b->nf_call_ip6tables &&
	       a->nf_call_arptables == b->nf_call_arptables &&
	       a->linklocal_learn == b->linklocal_learn &&
	       a->vlan_filtering == b->vlan_filtering &&
	       (!a->vlan_filtering || (a->vlan_protocol == b->vlan_protocol &&
				       a->default_pvid == b->default_pvid));
}

static void create(struct planner *p, const struct planned_network *pn)
{
	struct op op = plan_op(OP_BRIDGE_CREATE, pn->net->name);

	op.link = wanted_link(pn);
	plan_emit(p, &op);
	plan_note_mtu(p, pn);
}

/*
 * Guests notice: an MTU that gets smaller, a gateway with another MAC (until
 * their ARP entry is renewed), STP that starts to listen before it forwards.
 */
static const char *why_disturbs(const struct link *is, const struct op_link *wanted)
{
	bool has_options = wanted->set & LINK_SET_BRIDGE;

	if (wanted->set & LINK_SET_MTU && wanted->mtu < is->mtu)
		return "guests may still send larger packets";
	if (wanted->set & LINK_SET_MAC)
		return "guests have the bridge's former address in their caches";
	if (has_options && wanted->bridge.stp && !is->bridge.stp)
		return "ports listen for other bridges before they forward";
	if (has_options && wanted->bridge.vlan_filtering != is->bridge.vlan_filtering)
		return "the ports' VLANs are said anew";
	return NULL;
}

/* Nobody is in a VLAN then; what the kernel keeps of that would count when VLANs are on again. */
static void switch_to_plain(struct planner *p, const struct planned_network *pn, struct op *op,
			    int ifindex)
{
	struct snapshot was = { 0 };

	snapshot_copy(&p->now, &was);
	op->link.bridge.vlan_protocol = ETH_P_8021Q;
	op->link.bridge.default_pvid = 1;
	plan_emit(p, op);
	plan_members_forget(p, pn, &was, ifindex);
	snapshot_free(&was);
}

static void adjust(struct planner *p, const struct planned_network *pn, const struct link *is)
{
	struct op op = plan_op(OP_LINK_SET, pn->net->name);
	const char *why;

	op.link = wanted_link(pn);
	if (strcmp(is->alias, op.link.alias) == 0)
		op.link.set &= ~(uint32_t)LINK_SET_ALIAS;
	if (mac_cmp(&is->mac, &op.link.mac) == 0)
		op.link.set &= ~(uint32_t)LINK_SET_MAC;
	if (is->mtu == op.link.mtu)
		op.link.set &= ~(uint32_t)LINK_SET_MTU;
	if (same_options(&is->bridge, &op.link.bridge))
		op.link.set &= ~(uint32_t)LINK_SET_BRIDGE;
	if (!op.link.set)
		return;
	why = plan_bridge_has_ports(p, pn->bridge) ? why_disturbs(is, &op.link) : NULL;
	op_loses(&op, why, why);
	if (op.link.set & LINK_SET_MTU)
		plan_note_mtu(p, pn);
	if (is->bridge.vlan_filtering && !op.link.bridge.vlan_filtering)
		switch_to_plain(p, pn, &op, is->ifindex);
	else
		plan_emit(p, &op);
}

/* A forward reachable on 127.0.0.1 sends packets of that source to the guest, and gets replies. */
static bool needs_route_localnet(const struct network *net)
{
	vec_each(forward, &net->forwards)
		if (forward->to.family == AF_INET &&
		    (!forward->listen.family || ip_is_any(&forward->listen) ||
		     ip_is_loopback(&forward->listen)))
			return true;
	return false;
}

/*
 * A guest's router advertisement must not configure the host, and a bridge
 * without IPv6 addresses must not offer the host's services on a link-local
 * one: there IPv6 is off, as libvirt does it.  A bridge's subnet is ours, so
 * duplicate address detection would only keep the gateway silent for its first
 * second; a companion is on a wire that others share.
 */
void plan_own_sysctls(struct planner *p, const struct planned_network *pn)
{
	bool has_ipv6 = network_has_family(pn->net, AF_INET6);
	const char *name = pn->net->name;

	plan_want_conf(p, name, AF_INET6, pn->bridge, "accept_ra", 0);
	plan_want_conf(p, name, AF_INET6, pn->bridge, "autoconf", 0);
	if (has_ipv6 && pn->is_ours)
		plan_want_conf(p, name, AF_INET6, pn->bridge, "accept_dad", 0);
	plan_want_conf(p, name, AF_INET6, pn->bridge, "disable_ipv6", !has_ipv6);
	plan_want_conf(p, name, AF_INET, pn->bridge, "route_localnet",
		       needs_route_localnet(pn->net));
}

/* In place of the NIC the bridge listens to its routers, or does not, as the NIC did. */
static void copy_uplink_sysctls(struct planner *p, const struct planned_network *pn)
{
	static const char *const leaves[] = { "accept_ra", "autoconf", "disable_ipv6" };
	const struct link *nic = pn->has_takeover ? plan_link(p, pn->net->uplink) : NULL;

	if (!nic || nic->master == plan_link(p, pn->bridge)->ifindex)
		return; /* taken already: from then on they are the operator's */
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		int64_t value;
		char path[96];

		plan_conf_path(path, AF_INET6, nic->name, leaves[i]);
		if (plan_saved(p, path, &value) || snapshot_sysctl(&p->now, path, &value) == 0)
			plan_want_conf(p, pn->net->name, AF_INET6, pn->bridge, leaves[i], value);
	}
}

/*
 * All bridges, then all switches: requests that follow each other are sent
 * together, and right after a device is made the kernel's own workers hold the
 * lock that a switch waits for by trying again and again.
 */
void plan_bridges(struct planner *p)
{
	vec_each(pn, &p->nets) {
		const struct link *link = plan_link(p, pn->bridge);

		if (!pn->is_ours || !pn->is_usable)
			continue;
		plan_mtu(p, pn);
		if (link)
			adjust(p, pn, link);
		else
			create(p, pn);
	}
	vec_each(pn, &p->nets) {
		if (!pn->is_ours || !pn->is_usable)
			continue;
		plan_members_of_bridge(p, pn);
		if (network_takes_uplink(pn->net))
			copy_uplink_sysctls(p, pn);
		else
			plan_own_sysctls(p, pn);
	}
}

void plan_bridges_raise(struct planner *p)
{
	vec_each(pn, &p->nets) {
		const struct link *link = plan_link(p, pn->bridge);
		struct op op = plan_op(OP_LINK_SET, pn->net->name);

		if (!pn->is_ours || !pn->is_usable || link->flags & IFF_UP)
			continue;
		snprintf(op.link.name, sizeof(op.link.name), "%s", pn->bridge);
		op.link.set = LINK_SET_UP;
		op.link.up = true;
		plan_emit(p, &op);
	}
}
