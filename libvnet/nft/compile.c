/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * compile.c - from networks and ports to rules
 *
 * Theory of operation (docs/firewall.md has it at length):
 *
 * Table bridge: a port's frames go to the chain of its guard (compile_guard.c);
 * between two devices they pass only when both are @members.
 *
 * Table inet: each base chain starts with one lookup of the bridge by name, so
 * that what is not ours costs that and falls through.  In `forward`, from_bridge
 * says whether the packet may leave its network, then to_bridge whether it may
 * enter the other one; the shared chains of a mode hold the rules, a chain per
 * network holds only its subnets.  Bridges are keyed by name, not by index:
 * a bridge that somebody deletes and makes again comes back under its rules.
 * What a port sends past its bridge is dropped in a chain of its own.
 *
 * Table netdev: a chain for each macvtap port, which is on no bridge.
 */

#include "nft/build.h"
#include "nft/checksum_mark.h"
#include "nft/group.h"
#include "nft/ruleset.h"

#include <string.h>

#define PRIORITY_RAW (-300)
#define PRIORITY_BRIDGE_FILTER (-200)

/* Enough for many guests that start at once; a flooding one has learned its MAC by then. */
#define LEARN_RATE 100
#define LEARN_BURST 50
#define LEARN_SNAPLEN 64
#define ACKNOWLEDGEMENT_SNAPLEN 512 /* DHCP's options follow 264 bytes of headers and fields */

static bool needs_bridge_table(const struct network *const *nets, size_t n_nets,
			       const struct port *const *ports, size_t n_ports);
static bool needs_netdev_table(const struct network *const *nets, size_t n_nets,
			       const struct port *const *ports, size_t n_ports);
static bool is_traced(const struct port *const *ports, size_t n_ports);
static void compile_bridge_table(struct nft_ruleset *rs, const struct network *const *nets,
				 size_t n_nets);
static void compile_past_bridge(struct nft_ruleset *rs);
static void compile_bridge(struct nft_ruleset *rs, const struct network *net);
static void compile_ports(struct nft_ruleset *rs, const struct network *const *nets, size_t n_nets,
			  const struct port *const *ports, size_t n_ports);
static void finish_sets(struct nft_ruleset *rs);

struct nft_ruleset *nft_compile(const struct network *const *nets, size_t n_nets,
				const struct port *const *ports, size_t n_ports)
{
	static const struct nft_groups none;

	return nft_compile_grouped(&none, nets, n_nets, ports, n_ports);
}

struct nft_ruleset *nft_compile_grouped(const struct nft_groups *groups,
					const struct network *const *nets, size_t n_nets,
					const struct port *const *ports, size_t n_ports)
{
	struct nft_ruleset *rs = nft_ruleset_new();

	if (needs_bridge_table(nets, n_nets, ports, n_ports)) {
		compile_bridge_table(rs, nets, n_nets);
		nft_compile_tracing(rs, is_traced(ports, n_ports));
		nft_compile_groups(rs, groups, nets, n_nets, ports, n_ports);
		compile_past_bridge(rs);
	}
	for (size_t i = 0; i < n_nets; i++) {
		compile_bridge(rs, nets[i]);
		nft_compile_inet(rs, nets[i]);
		nft_compile_vxlan(rs, nets[i]);
	}
	if (needs_netdev_table(nets, n_nets, ports, n_ports))
		nft_compile_guard(rs, NFT_NETDEV, false);
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

/* Here as long as the network, so that a port is its chain and elements and nothing else. */
static bool needs_netdev_table(const struct network *const *nets, size_t n_nets,
			       const struct port *const *ports, size_t n_ports)
{
	for (size_t i = 0; i < n_nets; i++)
		if (nets[i]->mode == NETWORK_MACVTAP)
			return true;
	for (size_t i = 0; i < n_ports; i++)
		if (ports[i]->kind == PORT_MACVTAP)
			return true;
	return false;
}

static bool is_traced(const struct port *const *ports, size_t n_ports)
{
	for (size_t i = 0; i < n_ports; i++)
		if (ports[i]->is_traced && is_on_bridge(ports[i]))
			return true;
	return false;
}

static bool has_trunks(const struct network *net)
{
	return network_owns_bridge(net) && net->bridge.vlan_filtering;
}

/* May guests be served by a DHCP server that is not ours? */
static bool has_foreign_dhcp(const struct network *net)
{
	return network_has_bridge(net) && !net->dhcp.enabled;
}

/* Have some of the guests' frames, or must they not have, a VLAN tag? */
static bool has_tags(const struct network *net)
{
	return network_has_bridge(net) && (net->vlan.id || net->bridge.vlan_filtering);
}

/* Others keep host and guests apart in table inet. */
static bool keeps_host_out(const struct network *net)
{
	return net->mode == NETWORK_BRIDGED && !net->host_access;
}

static bool any(bool (*is_so)(const struct network *net), const struct network *const *nets,
		size_t n_nets)
{
	for (size_t i = 0; i < n_nets; i++)
		if (is_so(nets[i]))
			return true;
	return false;
}

/*
 * Who is in one VLAN must not choose another: not by a tag, which the uplink or
 * a switch behind it would believe, nor by a second one under the trunk's, which
 * comes to light where the first is taken off.  A trunk's tags are of the
 * bridge's kind: only those are held to the port's ids.
 */
static void compile_tags(struct nft_ruleset *rs)
{
	static const uint16_t tags[] = { 0x8100, 0x88a8, 0x9100 };

	chain_begin(rs, NFT_BRIDGE, "tagged");
	BRIDGE_RULE("tagged", "free to tag, or no guest",
		    expr_not_in(IN_SET(NFT_SET_VLAN_PORTS, NFT_F_IIF)), expr_verdict(NFT_V_RETURN));
	BRIDGE_RULE("tagged", "a tag from a port of one VLAN, or a trunk's of another kind",
		    expr_not_in(IN_SET(NFT_SET_TRUNK, NFT_F_IIF, NFT_F_ETHER_TYPE)),
		    REFUSE_FOR(GUARD_REASON_VLAN_TAG));
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
		BRIDGE_RULE("tagged", "a second tag", expr_match_be16(NFT_F_INNER_TYPE, tags[i]),
			    REFUSE_FOR(GUARD_REASON_VLAN_TAG));
	BRIDGE_RULE("prerouting", "has a VLAN tag", IN_SET(NFT_SET_TAGS, NFT_F_ETHER_TYPE),
		    expr_to_chain(NFT_V_JUMP, "tagged"));
}

/* Where a port's MAC is not known yet. */
static void compile_learning(struct nft_ruleset *rs)
{
	chain_begin(rs, NFT_BRIDGE, "guard/learn");
	BRIDGE_RULE("guard/learn", "tell netd who sends on a port that learns",
		    { .kind = NFT_E_LIMIT, .limit = { LEARN_RATE, LEARN_BURST } },
		    expr_log(NFLOG_GROUP_LEARN, LEARN_SNAPLEN));
	BRIDGE_RULE("guard/learn", "until netd knows, nothing passes", expr_verdict(NFT_V_DROP));
}

/* A device's group is netd's to set, in the message that puts it on its bridge. */
static struct nft_expr in_group(enum nft_field field)
{
	return expr_match(field, &(uint32_t){ NFT_PORT_GROUP }, sizeof(uint32_t));
}

/* Guests may not send such (compile_guard.c), so it is a server that they are allowed to have. */
static void compile_acknowledgements(struct nft_ruleset *rs, const char *chain)
{
	BRIDGE_RULE(chain, "tell netd which address DHCP gives to a port that learns",
		    expr_match_byte(NFT_F_L4PROTO, 17), expr_match_be16(NFT_F_DPORT, 68),
		    IN_SET(NFT_SET_LEARNERS, NFT_F_OIF),
		    expr_log(NFLOG_GROUP_LEARN, ACKNOWLEDGEMENT_SNAPLEN));
}

static void compile_forward(struct nft_ruleset *rs, bool has_foreign_dhcp)
{
	chain_begin_base(rs, NFT_BRIDGE, "forward", NFT_HOOK_FORWARD, PRIORITY_BRIDGE_FILTER,
			 false);
	if (has_foreign_dhcp)
		compile_acknowledgements(rs, "forward");
	BRIDGE_RULE("forward", "between ports", in_group(NFT_F_IIFGROUP), in_group(NFT_F_OIFGROUP),
		    ACCEPT);
	BRIDGE_RULE("forward", "between devices that we put there",
		    IN_SET(NFT_SET_MEMBERS, NFT_F_IIF), IN_SET(NFT_SET_MEMBERS, NFT_F_OIF), ACCEPT);
	BRIDGE_RULE("forward", "to a device that nobody authorised",
		    IN_SET(NFT_SET_MEMBERS, NFT_F_IIF), DROP);
	BRIDGE_RULE("forward", "from a device that nobody authorised",
		    IN_SET(NFT_SET_MEMBERS, NFT_F_OIF), DROP);
}

/* What is cheap to ask comes first: every frame to or from the host passes here. */
static void compile_host(struct nft_ruleset *rs, bool has_no_host)
{
	/* 01:80:c2:00:00:0X never passes prerouting, but the bridge learns its sender. */
	struct nft_expr is_link_local =
		expr_match(NFT_F_ETHER_DADDR, "\x01\x80\xc2\x00\x00\x00", 6);

	memcpy(is_link_local.match.mask, "\xff\xff\xff\xff\xff\xf0", 6);
	is_link_local.match.is_masked = true;

	chain_begin_base(rs, NFT_BRIDGE, "input", NFT_HOOK_INPUT, PRIORITY_BRIDGE_FILTER, false);
	BRIDGE_RULE("input", "link-local frames, which did not pass prerouting",
		    expr_match_byte(NFT_F_PKTTYPE, NFT_PKTTYPE_MULTICAST), is_link_local,
		    VMAP(NFT_MAP_GUARDS, NFT_F_IIF));
	if (has_no_host)
		BRIDGE_RULE("input", "host_access: false on a bridged network",
			    IN_SET(NFT_SET_PORT_NO_HOST, NFT_F_IIF), DROP);
	BRIDGE_RULE("input", "to the host from a device that nobody authorised",
		    expr_not_in(IN_SET(NFT_SET_MEMBERS, NFT_F_IIF)),
		    IN_SET(NFT_SET_BRIDGE_MACS, NFT_F_ETHER_DADDR), DROP);

	chain_begin_base(rs, NFT_BRIDGE, "output", NFT_HOOK_OUTPUT, PRIORITY_BRIDGE_FILTER, false);
	compile_acknowledgements(rs, "output");
	if (has_no_host)
		BRIDGE_RULE("output", "host_access: false on a bridged network",
			    IN_SET(NFT_SET_PORT_NO_HOST, NFT_F_OIF), DROP);
	BRIDGE_RULE("output", "from the host to a device that nobody authorised",
		    expr_not_in(IN_SET(NFT_SET_MEMBERS, NFT_F_OIF)),
		    IN_SET(NFT_SET_BRIDGE_MACS, NFT_F_ETHER_SADDR), DROP);
}

static void compile_bridge_table(struct nft_ruleset *rs, const struct network *const *nets,
				 size_t n_nets)
{
	nft_compile_guard(rs, NFT_BRIDGE, any(has_trunks, nets, n_nets));
	compile_learning(rs);
	chain_begin_base(rs, NFT_BRIDGE, "prerouting", NFT_HOOK_PREROUTING, PRIORITY_RAW, false);
	BRIDGE_RULE("prerouting", "a checksum that would be written over what rules read",
		    expr_match(NFT_F_MARK, &(uint32_t){ NFT_CHECKSUM_MARK }, sizeof(uint32_t)),
		    REFUSE_FOR(GUARD_REASON_CHECKSUM));
	if (any(has_tags, nets, n_nets))
		compile_tags(rs);
	BRIDGE_RULE("prerouting", "what each port is held to", VMAP(NFT_MAP_GUARDS, NFT_F_IIF));
	/* Its group would let it through `forward`. */
	BRIDGE_RULE("prerouting", "a port that has lost its guard", in_group(NFT_F_IIFGROUP), DROP);
	compile_forward(rs, any(has_foreign_dhcp, nets, n_nets));
	compile_host(rs, any(keeps_host_out, nets, n_nets));
}

/*
 * What the host gets from a port itself and not from its bridge was sent to a
 * link-local group: the kernel hands frames to 01:80:c2:00:00:0e, and with STP
 * to :00, to the host before any rule of table bridge, IP packets among them.
 * Nothing else of ours looks at them, as it all goes by the bridge's name.
 */
static void compile_past_bridge(struct nft_ruleset *rs)
{
	chain_begin_base(rs, NFT_INET, "past_bridge", NFT_HOOK_INPUT, PRIORITY_RAW, false);
	RULE("past_bridge", "from a port, past its bridge", in_group(NFT_F_IIFGROUP), DROP);
	RULE("past_bridge", "from an adopted port, or one of a bridge that is not ours",
	     IN_SET(NFT_SET_PORT_DEVICES, NFT_F_IIF), DROP);
}

/*
 * Table netdev: what a macvtap device sends.  It has no bridge on its way, the
 * guest's frames meet rules only where the host's device sends them.  Whatever
 * does not get a verdict meets the chain's policy, drop.
 */
static void compile_port_chain(struct nft_ruleset *rs, const struct network *net,
			       const struct port *port)
{
	const char *guard = nft_guard_chain(net, port);

	if (!chain_begin_base(rs, NFT_NETDEV, port->ifname, NFT_HOOK_EGRESS, 0, false))
		return;
	if (guard)
		DEVICE_RULE(port->ifname, "what the port is held to", expr_to_chain(NFT_V_GOTO, guard));
	else
		DEVICE_RULE(port->ifname, "held to nothing", ACCEPT);
}

static void add_port_elem(nft_port_elem_vec *to, enum nft_set_id set, const struct nft_elem *elem)
{
	vec_push(to, (struct nft_port_elem){ set, *elem });
}

/* chain NULL: held to nothing. */
static void add_guard(nft_port_elem_vec *to, enum nft_set_id map, const struct nft_elem *device,
		      const char *chain)
{
	struct nft_elem elem = *device;

	elem.data[0] = chain ? NFT_V_GOTO : NFT_V_ACCEPT;
	if (chain)
		memcpy(elem.data + 1, chain, strlen(chain));
	add_port_elem(to, map, &elem);
}

/* Its place on the bridge, whatever it is held to. */
static void bridge_port_elems(const struct network *net, const struct port *port,
			      nft_port_elem_vec *ret)
{
	const char *guard = nft_guard_chain(net, port);
	struct nft_elem device = { 0 }, elem;
	struct elem_writer w = { device.key };

	elem_put_name(&w, port->ifname);
	add_guard(ret, port->is_traced ? NFT_MAP_TRACED_GUARDS : NFT_MAP_GUARDS, &device, guard);
	if (port->is_traced)
		add_guard(ret, NFT_MAP_GUARDS, &device, NFT_CHAIN_TRACED);
	/* What else is on a foreign bridge is not ours to judge. */
	if (net && network_owns_bridge(net))
		add_port_elem(ret, NFT_SET_MEMBERS, &device);
	if (net && keeps_host_out(net))
		add_port_elem(ret, NFT_SET_PORT_NO_HOST, &device);
	if (net && (net->vlan.id || net->bridge.vlan_filtering))
		add_port_elem(ret, NFT_SET_VLAN_PORTS, &device);
	if (net && net->bridge.vlan_filtering && port->vlan.tagged.n) {
		elem = device;
		w.at = elem.key + 16;
		elem_put_port(&w, vlan_protocol_ethertype(net->bridge.vlan_protocol));
		add_port_elem(ret, NFT_SET_TRUNK, &elem);
	}
	if (!net || !network_owns_bridge(net) || port->adopted)
		add_port_elem(ret, NFT_SET_PORT_DEVICES, &device);
}

void nft_port_elems(const struct network *net, const struct port *port, nft_port_elem_vec *ret)
{
	if (is_on_bridge(port))
		bridge_port_elems(net, port, ret);
	if (is_on_bridge(port) || port->kind == PORT_MACVTAP)
		nft_guard_elems(net, port, ret);
	if (is_on_bridge(port))
		nft_group_elems(net, port, ret);
}

bool nft_port_chain(const struct network *net, const struct port *port, struct nft_chain *ret)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = NULL;

	if (port->kind != PORT_MACVTAP)
		return false;
	rs = nft_ruleset_new();
	compile_port_chain(rs, net, port);
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
	nft_port_elem_vec elems = { 0 };

	for (size_t i = 0; i < n_nets; i++)
		vec_push(&sorted, nets[i]);
	vec_sort(&sorted, cmp_network_name);
	for (size_t i = 0; i < n_ports; i++) {
		struct network named = { .name = ports[i]->network };
		const struct network *key = &named, **net;

		net = sorted.n ? bsearch(&key, sorted.v, sorted.n, sizeof(*sorted.v),
					 cmp_network_name)
			       : NULL;
		elems.n = 0;
		nft_port_elems(net ? *net : NULL, ports[i], &elems);
		vec_each(e, &elems)
			elem_add(rs, e->set, &e->elem);
		if (ports[i]->kind == PORT_MACVTAP)
			compile_port_chain(rs, net ? *net : NULL, ports[i]);
	}
	vec_free(&elems);
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

static void note_use(struct nft_ruleset *rs, const struct nft_expr *e)
{
	if (nft_expr_uses_set(e) && e->instance[0])
		nft_instance_add(rs, e->set, e->instance);
	else if (nft_expr_uses_set(e))
		rs->sets[e->set].exists = true;
}

/* Only sets that a rule reads exist, and notes. */
static void finish_sets(struct nft_ruleset *rs)
{
	for (int f = 0; f < NFT_FAMILIES; f++)
		vec_each (chain, &rs->tables[f].chains)
			vec_each (rule, &chain->rules)
				vec_each (e, &rule->exprs)
					note_use(rs, e);
	for (int i = 0; i < NFT_SETS; i++) {
		if (nft_sets[i].kind == NFT_NOTES)
			rs->sets[i].exists = rs->sets[i].elems.n > 0;
		if (rs->sets[i].exists)
			sort_unique(&rs->sets[i]);
		else
			vec_free(&rs->sets[i].elems);
	}
}
