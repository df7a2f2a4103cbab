/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_hot.c - one port comes, changes or goes: no snapshot, no look at the rest
 *
 * Always in the order that lets nothing pass before it may: rules, what hangs on
 * the device alone (shaper, offloads, checksum guard), the bridge with the port's VLANs, and up
 * last.  Operations for what is Linux's default anyway are left out.
 *
 * The full plan (plan_port.c) comes to the same end by the same functions.
 */

#include "plan/planner.h"
#include "plan/vlan_map.h"

#include "nft/ruleset.h"

#include <linux/if_link.h>
#include <stdio.h>

#define PORT_ALIAS_PREFIX LINK_ALIAS_PREFIX "port:"
#define TXQUEUELEN_DEFAULT 1000

const struct bridge_port_state port_options_fresh = { .learning = true, .flood = true,
						      .multicast_flood = true };

static bool is_isolated(const struct network *net, const struct port *port)
{
	return port->has_isolated ? port->isolated : net->port_defaults.isolated;
}

static uint32_t wanted_mtu(const struct network *net, const struct port *port)
{
	if (port->mtu)
		return port->mtu;
	return net->port_defaults.mtu ? net->port_defaults.mtu : network_mtu(net);
}

static uint32_t wanted_txqueuelen(const struct network *net, const struct port *port)
{
	if (port->txqueuelen)
		return port->txqueuelen;
	return net->port_defaults.txqueuelen ? net->port_defaults.txqueuelen : TXQUEUELEN_DEFAULT;
}

/*
 * The host's end must not have the guest's own address, or the bridge would
 * keep the guest's frames for itself: first byte fe, as libvirt and QEMU's
 * users know it (fa where the guest took fe).
 */
static struct mac host_mac(const struct mac *guest)
{
	struct mac mac = *guest;

	mac.b[0] = guest->b[0] == 0xfe ? 0xfa : 0xfe;
	return mac;
}

static bool is_on(enum tristate option, enum tristate network, bool fallback)
{
	if (option == TRI_DEFAULT)
		option = network;
	return option == TRI_DEFAULT ? fallback : option == TRI_TRUE;
}

static struct bridge_port_state wanted_options(const struct network *net, const struct port *port)
{
	const struct port_options *own = &port->options, *all = &net->port_defaults.options;

	return (struct bridge_port_state){
		.isolated = is_isolated(net, port),
		/* A guest's BPDUs must not move the tree: as long as it tries, it is off. */
		.root_guard = network_owns_bridge(net) && net->bridge.stp,
		.learning = is_on(own->learning, all->learning, true),
		.flood = is_on(own->flood, all->flood, true),
		.multicast_flood = is_on(own->multicast_flood, all->multicast_flood, true),
		.hairpin = is_on(own->hairpin, all->hairpin, false),
		.proxy_arp = is_on(own->proxy_arp, all->proxy_arp, false),
	};
}

/* An adopted device keeps what group its maker gave it; the rules know it by its index, too. */
static bool is_grouped(const struct network *net, const struct port *port)
{
	return network_owns_bridge(net) && !port->adopted;
}

/* A macvtap device is the guest's own end: no bridge, and the guest's address. */
struct op_link port_wanted_link(const struct network *net, const struct port *port)
{
	bool has_bridge = port->kind != PORT_MACVTAP;
	struct op_link link = { .set = LINK_SET_UP | LINK_SET_MTU | LINK_SET_TXQUEUELEN |
				       LINK_SET_ALIAS | LINK_SET_ADDR_GEN,
				.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE };

	snprintf(link.name, sizeof(link.name), "%s", port->ifname);
	snprintf(link.alias, sizeof(link.alias), PORT_ALIAS_PREFIX "%s:%s", port->network,
		 port->name);
	link.up = !port->link_down;
	link.mtu = wanted_mtu(net, port);
	link.txqueuelen = wanted_txqueuelen(net, port);
	if (has_bridge) {
		link.set |= LINK_SET_MASTER | PORT_OPTIONS;
		network_bridge(net, link.master);
		if (is_grouped(net, port)) {
			link.set |= LINK_SET_GROUP;
			link.group = NFT_PORT_GROUP;
		}
		link.port = wanted_options(net, port);
	}
	if (port->has_mac) {
		link.set |= LINK_SET_MAC;
		link.mac = has_bridge ? host_mac(&port->mac) : port->mac;
	}
	return link;
}

uint32_t port_differing_options(const struct bridge_port_state *is,
				const struct bridge_port_state *wanted)
{
	return (is->isolated != wanted->isolated ? LINK_SET_ISOLATED : 0) |
	       (is->root_guard != wanted->root_guard ? LINK_SET_ROOT_GUARD : 0) |
	       (is->learning != wanted->learning ? LINK_SET_LEARNING : 0) |
	       (is->flood != wanted->flood ? LINK_SET_FLOOD : 0) |
	       (is->multicast_flood != wanted->multicast_flood ? LINK_SET_MCAST_FLOOD : 0) |
	       (is->hairpin != wanted->hairpin ? LINK_SET_HAIRPIN : 0) |
	       (is->proxy_arp != wanted->proxy_arp ? LINK_SET_PROXY_ARP : 0);
}

static const enum tristate *offload(const struct port_options *options, size_t i)
{
	const enum tristate *const all[] = { &options->rx,  &options->tx,  &options->sg,
					     &options->tso, &options->gso, &options->gro };

	return i < ARRAY_SIZE(all) ? all[i] : NULL;
}

bool port_has_features(const struct port *port)
{
	for (size_t i = 0; offload(&port->options, i); i++)
		if (*offload(&port->options, i) != TRI_DEFAULT)
			return true;
	return false;
}

static bool has_device(const struct port *port)
{
	return port->kind != PORT_MACVLAN && port->kind != PORT_VF;
}

void plan_add_nft(op_vec *ops, const char *network, struct nft_txn *txn)
{
	struct nft_txn *early = nft_txn_split_early(txn), *late = nft_txn_split_late(txn);

	if (early)
		op_add(ops, OP_NFT, network)->nft = early;
	if (nft_txn_is_empty(txn))
		nft_txn_free(txn);
	else
		op_add(ops, OP_NFT, network)->nft = txn;
	if (late)
		op_add(ops, OP_NFT, network)->nft = late;
}

static void add_nft(op_vec *ops, const struct network *net, const struct port *before,
		    const struct port *after)
{
	plan_add_nft(ops, net->name, nft_txn_for_port(net, before, after));
}

static struct op_link *add_set(op_vec *ops, const struct network *net, const char *ifname,
			       uint32_t set)
{
	struct op_link *link = &op_add(ops, OP_LINK_SET, net->name)->link;

	snprintf(link->name, sizeof(link->name), "%s", ifname);
	link->set = set;
	return link;
}

static void add_delete(op_vec *ops, const struct network *net, const char *ifname)
{
	struct op_link *link = &op_add(ops, OP_LINK_DELETE, net->name)->link;

	snprintf(link->name, sizeof(link->name), "%s", ifname);
}

static void add_features(op_vec *ops, const struct network *net, const struct port *port)
{
	struct op_features *features;

	if (!port_has_features(port))
		return;
	features = &op_add(ops, OP_FEATURES, net->name)->features;
	snprintf(features->ifname, sizeof(features->ifname), "%s", port->ifname);
	features->options = port->options;
}

/* Coming. */

/* On a VLAN-aware bridge its VLANs are said between joining and rising. */
static void add_link(op_vec *ops, const struct network *net, const struct port *port)
{
	const struct vlan_map none = { 0 };
	struct op_link link = port_wanted_link(net, port);
	struct vlan_map map;

	link.set &= ~PORT_OPTIONS;
	if (link.set & LINK_SET_MASTER)
		link.set |= port_differing_options(&port_options_fresh, &link.port);
	if (!net->bridge.vlan_filtering) {
		op_add(ops, OP_LINK_SET, net->name)->link = link;
		return;
	}
	link.set &= ~(uint32_t)LINK_SET_UP;
	op_add(ops, OP_LINK_SET, net->name)->link = link;
	member_port_map(net, port, &map);
	member_ops(&none, &map, net->name, port->ifname, false, ops);
	add_set(ops, net, port->ifname, LINK_SET_UP)->up = link.up;
}

void plan_port_attach(const struct network *net, const struct port *port, op_vec *ret)
{
	if (port->kind == PORT_VF)
		op_add(ret, OP_VF, net->name)->vf = vf_wanted(net, port);
	if (!has_device(port))
		return;
	add_nft(ret, net, NULL, port);
	shape_ops_begin(net, port, ret);
	add_features(ret, net, port);
	checksum_ops(net, NULL, port, ret);
	add_link(ret, net, port);
}

/* Going. */

/* What we made and nothing else will end: a TAP goes with its last descriptor. */
static bool deletes_device(const struct port *port)
{
	return !port->adopted && (port->persistent || port->kind == PORT_MACVTAP ||
				  port->kind == PORT_VETH);
}

/* Off the bridge first: no frame without rules. */
static void take_off(const struct network *net, const struct port *port, op_vec *ret)
{
	uint32_t set = LINK_SET_UP;

	if (port->kind != PORT_MACVTAP)
		set |= LINK_SET_MASTER;
	if (!deletes_device(port)) { /* the delete wants to see it */
		set |= LINK_SET_ALIAS;
		if (is_grouped(net, port))
			set |= LINK_SET_GROUP;
	}
	add_set(ret, net, port->ifname, set);
	op_loses(&ret->v[ret->n - 1], true, "the port is detached");
}

void plan_port_detach(const struct network *net, const struct port *port, bool device_exists,
		      op_vec *ret)
{
	if (port->kind == PORT_VF)
		op_add(ret, OP_VF, net->name)->vf = vf_unused(net, port);
	if (!has_device(port))
		return;
	if (device_exists)
		take_off(net, port, ret);
	shape_ops_end(net, port, ret);
	if (device_exists && port->adopted)
		checksum_ops(net, port, NULL, ret);
	/* While the device exists its name still leads to its elements. */
	add_nft(ret, net, port, NULL);
	if (device_exists && deletes_device(port))
		add_delete(ret, net, port->ifname);
}

/*
 * A bridge of ours drops what comes from a port that is in no set, so there it
 * is enough to delete the device soon; elsewhere it is taken off first.
 */
static void take_off_many(const struct plan_detach *d, op_vec *ret)
{
	uint32_t set = LINK_SET_GROUP;

	if (d->port->adopted) {
		take_off(d->net, d->port, ret);
		return;
	}
	if (d->port->kind == PORT_MACVTAP)
		set |= LINK_SET_UP;
	else if (!network_owns_bridge(d->net))
		set |= LINK_SET_MASTER | LINK_SET_UP;
	add_set(ret, d->net, d->port->ifname, set)->group = LINK_GROUP_DELETE;
	op_loses(&ret->v[ret->n - 1], true, "the port is detached");
}

void plan_ports_detach(const struct plan_detach *v, size_t n, op_vec *ret)
{
	struct nft_txn *txn = nft_txn_new();
	bool has_marked = false;

	for (size_t i = 0; i < n; i++) {
		if (v[i].port->kind == PORT_VF)
			op_add(ret, OP_VF, v[i].net->name)->vf = vf_unused(v[i].net, v[i].port);
		if (!has_device(v[i].port))
			continue;
		if (v[i].device_exists) {
			take_off_many(&v[i], ret);
			has_marked |= !v[i].port->adopted;
		}
		shape_ops_end(v[i].net, v[i].port, ret);
		if (v[i].device_exists && v[i].port->adopted)
			checksum_ops(v[i].net, v[i].port, NULL, ret);
		nft_txn_add_port(txn, v[i].net, v[i].port, NULL);
	}
	if (nft_txn_is_empty(txn))
		nft_txn_free(txn);
	else
		op_add(ret, OP_NFT, NULL)->nft = txn;
	if (has_marked)
		op_add(ret, OP_GROUP_DELETE, NULL)->link.group = LINK_GROUP_DELETE;
}

/* Changing. */

static void update_link(const struct network *net, const struct port *before,
			const struct port *after, op_vec *ret)
{
	struct op_link old = port_wanted_link(net, before), new = port_wanted_link(net, after);

	new.set &= ~(uint32_t)(LINK_SET_MASTER | LINK_SET_GROUP | LINK_SET_ADDR_GEN | PORT_OPTIONS);
	if (old.up == new.up)
		new.set &= ~(uint32_t)LINK_SET_UP;
	if (old.mtu == new.mtu)
		new.set &= ~(uint32_t)LINK_SET_MTU;
	if (old.txqueuelen == new.txqueuelen)
		new.set &= ~(uint32_t)LINK_SET_TXQUEUELEN;
	if (strcmp(old.alias, new.alias) == 0)
		new.set &= ~(uint32_t)LINK_SET_ALIAS;
	if (old.set & LINK_SET_MAC && mac_cmp(&old.mac, &new.mac) == 0)
		new.set &= ~(uint32_t)LINK_SET_MAC;
	new.set |= port_differing_options(&old.port, &new.port);
	if (!new.set)
		return;
	op_add(ret, OP_LINK_SET, net->name)->link = new;
	op_loses(&ret->v[ret->n - 1], new.set & LINK_SET_TXQUEUELEN && old.up, TXQUEUELEN_LOSES);
}

static bool same_bandwidth(const struct bandwidth *a, const struct bandwidth *b)
{
	return a->rate == b->rate && a->guaranteed == b->guaranteed && a->burst == b->burst;
}

static void update_shape(const struct network *net, const struct port *before,
			 const struct port *after, op_vec *ret)
{
	struct op_shape old = shape_wanted(net, before), new = shape_wanted(net, after);

	if (!shape_is_wanted(net, after))
		shape_ops_end(net, before, ret);
	else if (!shape_is_wanted(net, before) || old.shaper.slot != new.shaper.slot ||
		 !same_bandwidth(&old.shaper.in, &new.shaper.in) ||
		 !same_bandwidth(&old.shaper.out, &new.shaper.out))
		shape_ops_begin(net, after, ret);
}

/* Nobody says "as Linux has it" to Linux: what was off is on again. */
static void update_features(const struct network *net, const struct port *before,
			    const struct port *after, op_vec *ret)
{
	struct port port = *after;

	for (size_t i = 0; offload(&after->options, i); i++) {
		enum tristate was = *offload(&before->options, i);
		enum tristate *is = (enum tristate *)offload(&port.options, i);

		if (*is == was)
			*is = TRI_DEFAULT;
		else if (*is == TRI_DEFAULT)
			*is = TRI_TRUE;
	}
	add_features(ret, net, &port);
}

static void update_members(const struct network *net, const struct port *before,
			   const struct port *after, op_vec *ret)
{
	struct vlan_map old, new;

	if (!net->bridge.vlan_filtering)
		return;
	member_port_map(net, before, &old);
	member_port_map(net, after, &new);
	member_ops(&old, &new, net->name, after->ifname, false, ret);
}

static bool same_vf(const struct vf *a, const struct vf *b)
{
	return mac_cmp(&a->mac, &b->mac) == 0 && a->min_rate == b->min_rate &&
	       a->max_rate == b->max_rate && a->link_state == b->link_state;
}

static void update_vf(const struct network *net, const struct port *before,
		      const struct port *after, op_vec *ret)
{
	struct op_vf old = vf_wanted(net, before), new = vf_wanted(net, after);

	if (!same_vf(&old.vf, &new.vf))
		op_add(ret, OP_VF, net->name)->vf = new;
}

void plan_port_update(const struct network *net, const struct port *before,
		      const struct port *after, op_vec *ret)
{
	bool is_guarded = port_wants_checksum_guard(net, after);

	if (after->kind == PORT_VF)
		update_vf(net, before, after, ret);
	if (!has_device(after))
		return;
	if (is_guarded)
		checksum_ops(net, before, after, ret);
	add_nft(ret, net, before, after);
	if (!is_guarded)
		checksum_ops(net, before, after, ret);
	update_shape(net, before, after, ret);
	update_features(net, before, after, ret);
	update_members(net, before, after, ret);
	update_link(net, before, after, ret);
}
