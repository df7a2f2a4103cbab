/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * compile.c - from networks and ports to rules
 *
 * Theory of operation (docs/firewall.md has it at length):
 *
 * Table bridge: a frame of a guarded port goes on only when its device and
 * source MAC are in @macs; between two devices only when both are @members.
 *
 * Table inet: each base chain starts with one lookup of the bridge by name, so
 * that what is not ours costs that and falls through.  In `forward`, from_bridge
 * says whether the packet may leave its network, then to_bridge whether it may
 * enter the other one; the shared chains of a mode hold the rules, a chain per
 * network holds only its subnets.  Bridges are keyed by name, not by index:
 * a bridge that somebody deletes and makes again comes back under its rules.
 *
 * Table netdev: a chain for each macvtap port, which is on no bridge.
 */

#include "nft/build.h"
#include "nft/ruleset.h"

#include <string.h>

#define PRIORITY_RAW (-300)
#define PRIORITY_BRIDGE_FILTER (-200)

/* Enough for many guests that start at once; a flooding one has learned its MAC by then. */
#define LEARN_RATE 100
#define LEARN_BURST 50
#define LEARN_SNAPLEN 64

static bool needs_bridge_table(const struct network *const *nets, size_t n_nets,
			       const struct port *const *ports, size_t n_ports);
static bool has_tags(const struct network *const *nets, size_t n_nets);
static void compile_bridge_table(struct nft_ruleset *rs, bool is_tagged);
static void compile_bridge(struct nft_ruleset *rs, const struct network *net);
static void compile_ports(struct nft_ruleset *rs, const struct network *const *nets, size_t n_nets,
			  const struct port *const *ports, size_t n_ports);
static void finish_sets(struct nft_ruleset *rs);

struct nft_ruleset *nft_compile(const struct network *const *nets, size_t n_nets,
				const struct port *const *ports, size_t n_ports)
{
	struct nft_ruleset *rs = nft_ruleset_new();

	if (needs_bridge_table(nets, n_nets, ports, n_ports))
		compile_bridge_table(rs, has_tags(nets, n_nets));
	for (size_t i = 0; i < n_nets; i++) {
		compile_bridge(rs, nets[i]);
		nft_compile_inet(rs, nets[i]);
		nft_compile_vxlan(rs, nets[i]);
		/* Here as long as the network, so that a port is one chain and nothing else. */
		if (nets[i]->mode == NETWORK_MACVTAP)
			rs->tables[NFT_NETDEV].exists = true;
	}
	compile_ports(rs, nets, n_nets, ports, n_ports);
	finish_sets(rs);
	return rs;
}

/* Table bridge. */

static bool is_on_bridge(const struct port *port)
{
	return port->kind == PORT_TAP || port->kind == PORT_VETH;
}

static bool needs_bridge_table(const struct network *const *nets, size_t n_nets,
			       const struct port *const *ports, size_t n_ports)
{
	for (size_t i = 0; i < n_nets; i++)
		if (network_has_bridge(nets[i]))
			return true;
	for (size_t i = 0; i < n_ports; i++)
		if (is_on_bridge(ports[i]))
			return true;
	return false;
}

/* Do some of the guests' frames have, or must not have, a VLAN tag? */
static bool has_tags(const struct network *const *nets, size_t n_nets)
{
	for (size_t i = 0; i < n_nets; i++)
		if (network_has_bridge(nets[i]) &&
		    (nets[i]->vlan.id || nets[i]->bridge.vlan_filtering))
			return true;
	return false;
}

static const uint8_t tags[][2] = { { 0x81, 0x00 }, { 0x88, 0xa8 }, { 0x91, 0x00 } };

/*
 * Who is in one VLAN must not choose another: not by a tag, which the uplink or
 * a switch behind it would believe, nor by a second one under the trunk's, which
 * comes to light where the first is taken off.  A trunk's tags are of the
 * bridge's kind: only those are held to the port's ids.  @guarded counts.
 */
static void compile_tags(struct nft_ruleset *rs)
{
	chain_begin(rs, NFT_BRIDGE, "tagged");
	BRIDGE_RULE("tagged", "free to tag, or no guest",
		    expr_not_in(IN_SET(NFT_SET_VLAN_PORTS, NFT_F_IIF)), expr_verdict(NFT_V_RETURN));
	BRIDGE_RULE("tagged", "a tag from a port of one VLAN, or a trunk's of another kind, counted by port",
		    expr_not_in(IN_SET(NFT_SET_TRUNK, NFT_F_IIF, NFT_F_ETHER_TYPE)),
		    IN_SET(NFT_SET_GUARDED, NFT_F_IIF), expr_verdict(NFT_V_DROP));
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		struct nft_elem tag = { .key = { tags[i][0], tags[i][1] } };

		BRIDGE_RULE("tagged", "a second tag, counted by port",
			    expr_match(NFT_F_INNER_TYPE, tags[i], sizeof(tags[i])),
			    IN_SET(NFT_SET_GUARDED, NFT_F_IIF), expr_verdict(NFT_V_DROP));
		elem_add(rs, NFT_SET_TAGS, &tag);
	}
	BRIDGE_RULE("prerouting", "has a VLAN tag", IN_SET(NFT_SET_TAGS, NFT_F_ETHER_TYPE),
		    expr_to_chain(NFT_V_JUMP, "tagged"));
}

static void compile_bridge_table(struct nft_ruleset *rs, bool is_tagged)
{
	/* 01:80:c2:00:00:0X never passes prerouting, but the bridge learns its sender. */
	struct nft_expr is_link_local =
		expr_match(NFT_F_ETHER_DADDR, "\x01\x80\xc2\x00\x00\x00", 6);

	memcpy(is_link_local.match.mask, "\xff\xff\xff\xff\xff\xf0", 6);
	is_link_local.match.is_masked = true;

	chain_begin_base(rs, NFT_BRIDGE, "prerouting", NFT_HOOK_PREROUTING, PRIORITY_RAW, false);
	if (is_tagged)
		compile_tags(rs);
	BRIDGE_RULE("prerouting", "a port's own address",
		    IN_SET(NFT_SET_MACS, NFT_F_IIF, NFT_F_ETHER_SADDR), ACCEPT);
	BRIDGE_RULE("prerouting", "tell netd who sends on a port that learns",
		    IN_SET(NFT_SET_LEARNING, NFT_F_IIF),
		    { .kind = NFT_E_LIMIT, .limit = { LEARN_RATE, LEARN_BURST } },
		    { .kind = NFT_E_LOG, .log = { NFLOG_GROUP_LEARN, LEARN_SNAPLEN } });
	BRIDGE_RULE("prerouting", "until netd knows, nothing passes",
		    IN_SET(NFT_SET_LEARNING, NFT_F_IIF), expr_verdict(NFT_V_DROP));
	BRIDGE_RULE("prerouting", "any other address, counted by port",
		    IN_SET(NFT_SET_GUARDED, NFT_F_IIF), expr_verdict(NFT_V_DROP));

	chain_begin_base(rs, NFT_BRIDGE, "forward", NFT_HOOK_FORWARD, PRIORITY_BRIDGE_FILTER,
			 false);
	BRIDGE_RULE("forward", "between devices that we put there",
		    IN_SET(NFT_SET_MEMBERS, NFT_F_IIF), IN_SET(NFT_SET_MEMBERS, NFT_F_OIF), ACCEPT);
	BRIDGE_RULE("forward", "to a device that nobody authorised",
		    IN_SET(NFT_SET_MEMBERS, NFT_F_IIF), DROP);
	BRIDGE_RULE("forward", "from a device that nobody authorised",
		    IN_SET(NFT_SET_MEMBERS, NFT_F_OIF), DROP);

	chain_begin_base(rs, NFT_BRIDGE, "input", NFT_HOOK_INPUT, PRIORITY_BRIDGE_FILTER, false);
	BRIDGE_RULE("input", "a foreign address in a link-local frame, counted by port",
		    is_link_local, expr_not_in(IN_SET(NFT_SET_MACS, NFT_F_IIF, NFT_F_ETHER_SADDR)),
		    IN_SET(NFT_SET_GUARDED, NFT_F_IIF), expr_verdict(NFT_V_DROP));
	BRIDGE_RULE("input", "host_access: false on a bridged network",
		    IN_SET(NFT_SET_PORT_NO_HOST, NFT_F_IIF), DROP);
	BRIDGE_RULE("input", "to the host from a device that nobody authorised",
		    IN_SET(NFT_SET_BRIDGE_MACS, NFT_F_ETHER_DADDR),
		    expr_not_in(IN_SET(NFT_SET_MEMBERS, NFT_F_IIF)), DROP);

	chain_begin_base(rs, NFT_BRIDGE, "output", NFT_HOOK_OUTPUT, PRIORITY_BRIDGE_FILTER, false);
	BRIDGE_RULE("output", "host_access: false on a bridged network",
		    IN_SET(NFT_SET_PORT_NO_HOST, NFT_F_OIF), DROP);
	BRIDGE_RULE("output", "from the host to a device that nobody authorised",
		    IN_SET(NFT_SET_BRIDGE_MACS, NFT_F_ETHER_SADDR),
		    expr_not_in(IN_SET(NFT_SET_MEMBERS, NFT_F_OIF)), DROP);
}

/*
 * Table netdev: what a macvtap device sends.  It has no bridge on its way, the
 * guest's frames meet rules only where the host's device sends them.
 */
static void compile_port_chain(struct nft_ruleset *rs, const struct port *port)
{
	if (!chain_begin_base(rs, NFT_NETDEV, port->ifname, NFT_HOOK_EGRESS, 0, false))
		return;
	if (port->has_mac)
		DEVICE_RULE(port->ifname, "the port's own address",
			    expr_match(NFT_F_DEVICE_ETHER_SADDR, port->mac.b, sizeof(port->mac.b)), ACCEPT);
	DEVICE_RULE(port->ifname, "any other address", DROP);
}

size_t nft_port_elems(const struct network *net, const struct port *port,
		      struct nft_port_elem ret[NFT_PORT_ELEMS_MAX])
{
	struct nft_elem device = { 0 };
	struct elem_writer w = { device.key };
	size_t n = 0;

	if (!is_on_bridge(port))
		return 0;
	elem_put_name(&w, port->ifname);
	if (port->has_mac) {
		ret[n] = (struct nft_port_elem){ NFT_SET_MACS, device };
		memcpy(ret[n++].elem.key + 16, port->mac.b, 6);
	}
	ret[n++] = (struct nft_port_elem){ NFT_SET_GUARDED, device };
	if (port->learns_mac && !port->has_mac)
		ret[n++] = (struct nft_port_elem){ NFT_SET_LEARNING, device };
	/* What else is on a foreign bridge is not ours to judge. */
	if (net && network_owns_bridge(net))
		ret[n++] = (struct nft_port_elem){ NFT_SET_MEMBERS, device };
	if (net && net->mode == NETWORK_BRIDGED && !net->host_access)
		ret[n++] = (struct nft_port_elem){ NFT_SET_PORT_NO_HOST, device };
	if (net && (net->vlan.id || net->bridge.vlan_filtering))
		ret[n++] = (struct nft_port_elem){ NFT_SET_VLAN_PORTS, device };
	if (net && net->bridge.vlan_filtering && port->vlan.tagged.n) {
		ret[n] = (struct nft_port_elem){ NFT_SET_TRUNK, device };
		w.at = ret[n++].elem.key + 16;
		elem_put_port(&w, vlan_protocol_ethertype(net->bridge.vlan_protocol));
	}
	return n;
}

bool nft_port_chain(const struct port *port, struct nft_chain *ret)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = NULL;

	if (port->kind != PORT_MACVTAP)
		return false;
	rs = nft_ruleset_new();
	compile_port_chain(rs, port);
	*ret = rs->tables[NFT_NETDEV].chains.v[0];
	rs->tables[NFT_NETDEV].chains.n = 0;
	return true;
}

static int cmp_network_name(const void *a, const void *b)
{
	return strcmp((*(const struct network *const *)a)->name,
		      (*(const struct network *const *)b)->name);
}

static void compile_ports(struct nft_ruleset *rs, const struct network *const *nets, size_t n_nets,
			  const struct port *const *ports, size_t n_ports)
{
	VEC(const struct network *) sorted = { 0 };

	for (size_t i = 0; i < n_nets; i++)
		vec_push(&sorted, nets[i]);
	vec_sort(&sorted, cmp_network_name);
	for (size_t i = 0; i < n_ports; i++) {
		struct network named = { .name = ports[i]->network };
		const struct network *key = &named, **net;
		struct nft_port_elem elems[NFT_PORT_ELEMS_MAX];
		size_t n;

		net = sorted.n ? bsearch(&key, sorted.v, sorted.n, sizeof(*sorted.v),
					 cmp_network_name)
			       : NULL;
		n = nft_port_elems(net ? *net : NULL, ports[i], elems);
		for (size_t j = 0; j < n; j++)
			elem_add(rs, elems[j].set, &elems[j].elem);
		if (ports[i]->kind == PORT_MACVTAP)
			compile_port_chain(rs, ports[i]);
	}
	vec_free(&sorted);
}

static void compile_link(struct nft_ruleset *rs, const struct network *net,
			 const struct network_link *link)
{
	char buf[16];

	if (link->kind == LINK_VXLAN)
		elem_add_name(rs, NFT_SET_MEMBERS, network_link_device(net, link, NULL, buf), NULL);
	else
		vec_each (peer, &link->peers)
			elem_add_name(rs, NFT_SET_MEMBERS, network_link_device(net, link, peer, buf),
				      NULL);
}

static bool has_uplink(const struct network *net)
{
	char buf[16];

	return strcmp(net->uplink, network_bridge(net, buf)) != 0;
}

static void compile_bridge(struct nft_ruleset *rs, const struct network *net)
{
	struct mac mac = network_bridge_mac(net);
	struct nft_elem elem = { 0 };
	char buf[16];

	if (!network_owns_bridge(net))
		return;
	if (network_takes_uplink(net))
		elem_add_name(rs, NFT_SET_MEMBERS, net->uplink, NULL);
	if (net->vlan.id && has_uplink(net))
		elem_add_name(rs, NFT_SET_MEMBERS, network_device(net, NETWORK_VLAN_PREFIX, buf), NULL);
	vec_each (link, &net->links)
		compile_link(rs, net, link);
	if (network_takes_uplink(net) && !net->bridge.has_mac)
		return; /* it has the NIC's */
	memcpy(elem.key, mac.b, 6);
	elem_add(rs, NFT_SET_BRIDGE_MACS, &elem);
}

/* Sets. */

static void sort_unique(struct nft_set *set)
{
	size_t n = 0;

	vec_sort(&set->elems, nft_elem_cmp_key);
	for (size_t i = 0; i < set->elems.n; i++)
		if (!n || nft_elem_cmp_key(&set->elems.v[n - 1], &set->elems.v[i]) != 0)
			set->elems.v[n++] = set->elems.v[i];
	set->elems.n = n;
}

/* Only sets that a rule reads exist. */
static void finish_sets(struct nft_ruleset *rs)
{
	for (int f = 0; f < NFT_FAMILIES; f++)
		vec_each (chain, &rs->tables[f].chains)
			vec_each (rule, &chain->rules)
				vec_each (e, &rule->exprs)
					if (e->kind == NFT_E_LOOKUP || e->kind == NFT_E_VMAP ||
					    e->kind == NFT_E_DNAT)
						rs->sets[e->set].exists = true;
	for (int i = 0; i < NFT_SETS; i++) {
		if (rs->sets[i].exists)
			sort_unique(&rs->sets[i]);
		else
			vec_free(&rs->sets[i].elems);
	}
}
