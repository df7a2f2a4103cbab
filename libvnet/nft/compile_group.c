/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * compile_group.c - security groups: who may start a connection to a port or from it
 *
 * Theory of operation (docs/firewall.md has it at length):
 *
 * Frames from a port meet `egress` behind the bridge's connection tracking,
 * frames to it `ingress` just before they leave the bridge, wherever they come
 * from.  There is a chain for each group and direction; maps, one for each place
 * in a port's list of groups, lead from the device to them.  So rules grow with
 * groups, never with ports.
 *
 * Replies pass.  What goes the way that its connection was opened is judged by
 * the rules every time, so that a rule that is taken away counts for connections
 * that are open.  What then remains of them in the other direction netd marks
 * with a label (netd/flows.c), and `cut` takes it.
 *
 * Nobody may open a TCP connection in the middle: what a guest answers to a
 * connection that has been cut would make a new one, out of its own will.
 *
 * Where the kernel cannot track connections on a bridge, whatever a port in a
 * group sends or is sent is refused.
 */

#include "nft/build.h"
#include "nft/group.h"

#include <stdio.h>
#include <string.h>

#define PRIORITY_BEFORE_TRACKING (-250)
#define PRIORITY_TRACKED (-150)
#define PRIORITY_LAST 0

#define L4_IGMP 2
#define L4_TCP 6
#define L4_UDP 17
#define L4_ICMP 1
#define L4_ICMP6 58
#define ICMP6_MLD_QUERY 130
#define ETHER_IP 0x0800
#define ETHER_IP6 0x86dd
#define ETHER_ARP 0x0806
#define ETHER_RARP 0x8035

#define LOG_RATE 10
#define LOG_BURST 50
#define LOG_SNAPLEN 128

#define L4(number) expr_match_byte(NFT_F_L4PROTO, number)
#define PROTOCOL(number) expr_match_be16(NFT_F_PROTOCOL, number)
#define NOT(e) expr_not_in(e)

struct direction {
	const char *name;
	enum nft_field device;          /* the port's */
	enum nft_set_id map;            /* the first of PORT_GROUPS_MAX */
	enum nft_field remote4, remote6, remote_ether;
	uint32_t reason;
	const char *refuse;
	const char *log_prefix;
};
static const struct direction directions[GROUP_DIRECTIONS] = {
	[GROUP_INGRESS] = { "ingress", NFT_F_OIF, NFT_MAP_INGRESS, NFT_F_IP_SADDR, NFT_F_IP6_SADDR,
			    NFT_F_ETHER_SADDR, GUARD_REASON_INGRESS_GROUP, "groups/refuse",
			    "vnet-ingress" },
	[GROUP_EGRESS] = { "egress", NFT_F_IIF, NFT_MAP_EGRESS, NFT_F_IP_DADDR, NFT_F_IP6_DADDR,
			   NFT_F_ETHER_DADDR, GUARD_REASON_EGRESS_GROUP, "guard/refuse",
			   "vnet-egress" },
};

#define REFUSE expr_set_mark(d->reason), expr_to_chain(NFT_V_JUMP, d->refuse)

/* --- one group --- */

/* Expressions of a rule as they come together. */
struct builder { struct nft_expr exprs[12]; size_t n; };

static void put(struct builder *b, struct nft_expr e)
{
	b->exprs[b->n++] = e;
}

/* What a rule says of protocol, type and the ith of its ports; family 0: either. */
static struct builder rule_head(const struct group_rule *rule, size_t i, int family)
{
	struct builder b = { 0 };

	if (rule->has_protocol && rule->protocol == L4_ICMP)
		family = 2;
	if (rule->has_protocol && rule->protocol == L4_ICMP6)
		family = 10;
	if (family)
		put(&b, PROTOCOL(family == 2 ? ETHER_IP : ETHER_IP6));
	if (rule->has_protocol)
		put(&b, L4(rule->protocol));
	if (rule->has_type)
		put(&b, expr_match_byte(rule->protocol == L4_ICMP6 ? NFT_F_ICMP6_TYPE :
								      NFT_F_ICMP_TYPE,
					rule->type));
	if (i < rule->n_ports)
		put(&b, expr_port_range(NFT_F_DPORT, &rule->ports[i]));
	return b;
}

static void add_rule(struct nft_ruleset *rs, const char *chain, const char *comment,
		     const struct builder *b)
{
	rule_add(rs, NFT_BRIDGE, chain, comment, b->exprs, b->n);
}

static void accept_anyone(struct nft_ruleset *rs, const char *chain, const char *comment,
			  const struct group_rule *rule, size_t i, const struct direction *d)
{
	const struct prefix *remote = &rule->remote;
	int family = remote->addr.family;
	struct builder b = rule_head(rule, i, family);

	if (family && remote->len)
		put(&b, expr_match_prefix(family == 2 ? d->remote4 : d->remote6, remote));
	put(&b, ACCEPT);
	add_rule(rs, chain, comment, &b);
}

/* On the member's own bridge by its MAC, too; by way of the host the address has to do. */
static void accept_members(struct nft_ruleset *rs, const char *chain, const char *comment,
			   const struct group_rule *rule, size_t i, int family,
			   const struct direction *d)
{
	enum nft_field address = family == 2 ? d->remote4 : d->remote6;
	struct builder near = rule_head(rule, i, family), far = near;

	if ((rule->has_protocol && rule->protocol == L4_ICMP && family != 2) ||
	    (rule->has_protocol && rule->protocol == L4_ICMP6 && family == 2))
		return;
	put(&near, expr_set_mark(group_number(rule->group)));
	put(&near, IN_SET(family == 2 ? NFT_SET_MEMBERS4 : NFT_SET_MEMBERS6, NFT_F_MARK,
			  d->remote_ether, address));
	put(&far, IN_SET(NFT_SET_BRIDGE_MACS, d->remote_ether));
	put(&far, expr_set_mark(group_number(rule->group)));
	put(&far, IN_SET(family == 2 ? NFT_SET_ROUTED4 : NFT_SET_ROUTED6, NFT_F_MARK, address));
	for (int k = 0; k < 2; k++) {
		put(k ? &far : &near, expr_set_mark(0));
		put(k ? &far : &near, ACCEPT);
		add_rule(rs, chain, comment, k ? &far : &near);
	}
}

/* A comment is the rule as it was written; what is too long for one is cut. */
static void compile_rule(struct nft_ruleset *rs, const char *chain, const struct group_rule *rule,
			 enum group_direction direction)
{
	AUTO_FREE char *text = group_rule_to_text(rule, direction);
	const struct direction *d = &directions[direction];

	for (size_t i = 0; i == 0 || i < rule->n_ports; i++) {
		if (!rule->group[0]) {
			accept_anyone(rs, chain, text, rule, i, d);
			continue;
		}
		accept_members(rs, chain, text, rule, i, 2, d);
		accept_members(rs, chain, text, rule, i, 10, d);
	}
}

/* Rules about members last: they leave their mark on what they do not accept. */
static void compile_rules(struct nft_ruleset *rs, const struct security_group *group,
			  enum group_direction direction)
{
	const struct group_rules *rules = &group->rules[direction];
	char chain[NFT_NAME_MAX];
	bool has_members = false;

	snprintf(chain, sizeof(chain), "%s/%s", directions[direction].name, group->name);
	chain_begin(rs, NFT_BRIDGE, chain);
	if (rules->is_any)
		BRIDGE_RULE(chain, "any", ACCEPT);
	vec_each(rule, &rules->list)
		if (!rule->group[0])
			compile_rule(rs, chain, rule, direction);
	vec_each(rule, &rules->list) {
		if (!rule->group[0])
			continue;
		compile_rule(rs, chain, rule, direction);
		has_members = true;
	}
	if (has_members)
		BRIDGE_RULE(chain, "no member's", expr_set_mark(0));
}

/* --- what all groups share --- */

/* What groups have no say in: the guard does. */
static void compile_passed(struct nft_ruleset *rs)
{
	static const uint16_t pairs[][2] = { { 67, 68 }, { 68, 67 }, { 546, 547 }, { 547, 546 } };

	chain_begin(rs, NFT_BRIDGE, "groups/pass");
	BRIDGE_RULE("groups/pass", "replies", IS_REPLY, ACCEPT);
	BRIDGE_RULE("groups/pass", "errors about connections, and what they announce", IS_RELATED,
		    ACCEPT);
	BRIDGE_RULE("groups/pass", "ARP", PROTOCOL(ETHER_ARP), ACCEPT);
	BRIDGE_RULE("groups/pass", "RARP", PROTOCOL(ETHER_RARP), ACCEPT);
	BRIDGE_RULE("groups/pass", "neighbour discovery", PROTOCOL(ETHER_IP6), L4(L4_ICMP6),
		    IN_SET(NFT_SET_ND_TYPES, NFT_F_ICMP6_TYPE), ACCEPT);
	BRIDGE_RULE("groups/pass", "multicast listeners", PROTOCOL(ETHER_IP6), L4(L4_ICMP6),
		    IN_SET(NFT_SET_MLD_TYPES, NFT_F_ICMP6_TYPE), ACCEPT);
	BRIDGE_RULE("groups/pass", "and who asks for them", PROTOCOL(ETHER_IP6), L4(L4_ICMP6),
		    expr_match_byte(NFT_F_ICMP6_TYPE, ICMP6_MLD_QUERY), ACCEPT);
	BRIDGE_RULE("groups/pass", "IGMP", PROTOCOL(ETHER_IP), L4(L4_IGMP), ACCEPT);
	BRIDGE_RULE("groups/pass", "DHCP", L4(L4_UDP),
		    IN_SET(NFT_SET_DHCP_PAIRS, NFT_F_SPORT, NFT_F_DPORT), ACCEPT);
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct nft_elem elem = { 0 };
		struct elem_writer w = { elem.key };

		elem_put_port(&w, pairs[i][0]);
		elem_put_port(&w, pairs[i][1]);
		elem_add(rs, NFT_SET_DHCP_PAIRS, &elem);
	}
	/* The kernel keeps room for labels only while a rule could set one; no frame comes here. */
	chain_begin(rs, NFT_BRIDGE, "groups/labels");
	BRIDGE_RULE("groups/labels", "room for netd's label", expr_simple(NFT_E_SET_LABEL));
}

static void refuse_half_open(struct nft_ruleset *rs, const struct direction *d)
{
	struct nft_expr opens = expr_match_byte(NFT_F_TCP_FLAGS, NFT_TCP_SYN);

	opens.match.mask[0] = NFT_TCP_FIN | NFT_TCP_SYN | NFT_TCP_RST | NFT_TCP_ACK;
	opens.match.is_masked = true;
	BRIDGE_RULE(d->name, "the middle of a connection that nobody knows",
		    expr_match_flags(NFT_F_CT_STATE, NFT_CT_NEW), L4(L4_TCP), NOT(opens), REFUSE);
}

static void compile_judgement(struct nft_ruleset *rs, enum group_direction direction)
{
	const struct direction *d = &directions[direction];
	struct nft_expr log = expr_log(NFLOG_GROUP_DROPS, LOG_SNAPLEN);

	BRIDGE_RULE(d->name, "cut by netd: its rule is gone", expr_simple(NFT_E_LABEL), REFUSE);
	BRIDGE_RULE(d->name, "what needs no rule", expr_to_chain(NFT_V_JUMP, "groups/pass"));
	BRIDGE_RULE(d->name, "part of no connection", expr_match_flags(NFT_F_CT_STATE, NFT_CT_INVALID),
		    REFUSE);
	/* Inwards only the port's own rules would let it in, as its beginning. */
	if (direction == GROUP_EGRESS)
		refuse_half_open(rs, d);
	for (unsigned i = 0; i < PORT_GROUPS_MAX; i++)
		BRIDGE_RULE(d->name, "accepted by one of its groups", VMAP(d->map + i, d->device));
	strcpy(log.log.prefix, d->log_prefix);
	BRIDGE_RULE(d->name, "one of its groups has log", IN_SET(NFT_SET_LOGGED, d->device),
		    { .kind = NFT_E_LIMIT, .limit = { LOG_RATE, LOG_BURST } }, log);
}

static void compile_direction(struct nft_ruleset *rs, enum group_direction direction,
			      bool has_conntrack)
{
	const struct direction *d = &directions[direction];
	bool is_in = direction == GROUP_INGRESS;

	chain_begin_base(rs, NFT_BRIDGE, d->name, is_in ? NFT_HOOK_POSTROUTING : NFT_HOOK_PREROUTING,
			 is_in ? PRIORITY_LAST : PRIORITY_TRACKED, false);
	BRIDGE_RULE(d->name, "in no group", NOT(IN_SET(NFT_SET_GROUPED, d->device)), ACCEPT);
	if (has_conntrack)
		compile_judgement(rs, direction);
	BRIDGE_RULE(d->name, has_conntrack ? "accepted by none" : "nothing tells what may pass", REFUSE);
}

/*
 * Addresses may be the same on two bridges, and connections then, too.  What
 * goes to the host is tracked as the host itself will look for it: without zone.
 */
static void compile_zones(struct nft_ruleset *rs)
{
	chain_begin_base(rs, NFT_BRIDGE, "zones", NFT_HOOK_PREROUTING, PRIORITY_BEFORE_TRACKING, false);
	BRIDGE_RULE("zones", "to the host", IN_SET(NFT_SET_BRIDGE_MACS, NFT_F_ETHER_DADDR), ACCEPT);
	BRIDGE_RULE("zones", "a zone for each bridge", VMAP(NFT_MAP_ZONES, NFT_F_IBRNAME));
}

static void compile_zone(struct nft_ruleset *rs, const struct network *net)
{
	AUTO_FREE char *chain = mem_printf("zone/%s", net->name);
	struct nft_expr zone = expr_simple(NFT_E_SET_ZONE);
	char bridge[16];

	/* Where the host's own address on the bridge is the NIC's, nothing tells what is for it. */
	if (!network_owns_bridge(net) || (network_takes_uplink(net) && !net->bridge.has_mac))
		return;
	zone.mark = network_zone(net);
	chain_begin(rs, NFT_BRIDGE, chain);
	BRIDGE_RULE(chain, "identical addresses elsewhere are others", zone);
	elem_add_jump(rs, NFT_MAP_ZONES, network_bridge(net, bridge), chain);
}

/* A group that a port names and nobody defines: it accepts nothing, but must be there. */
static void compile_unknown(struct nft_ruleset *rs, const group_name_vec *names)
{
	vec_each(name, names)
		for (int direction = 0; direction < GROUP_DIRECTIONS; direction++) {
			AUTO_FREE char *chain =
				mem_printf("%s/%s", directions[direction].name, *name);

			chain_begin(rs, NFT_BRIDGE, chain);
		}
}

static const struct network *find_network(const struct network *const *nets, size_t n_nets,
					  const char *name)
{
	for (size_t i = 0; i < n_nets; i++)
		if (strcmp(nets[i]->name, name) == 0)
			return nets[i];
	return NULL;
}

void nft_compile_groups(struct nft_ruleset *rs, const struct nft_groups *groups,
			const struct network *const *nets, size_t n_nets,
			const struct port *const *ports, size_t n_ports)
{
	bool is_used = groups->n > 0;

	for (size_t i = 0; i < groups->n; i++)
		for (int direction = 0; direction < GROUP_DIRECTIONS; direction++)
			compile_rules(rs, groups->v[i], direction);
	for (size_t i = 0; i < n_ports; i++) {
		const struct network *net = find_network(nets, n_nets, ports[i]->network);
		const group_name_vec *names = net ? port_groups(ports[i], net) : &ports[i]->groups;

		is_used |= names->n > 0;
		compile_unknown(rs, names);
	}
	if (!is_used)
		return;
	chain_begin(rs, NFT_BRIDGE, "groups/refuse");
	nft_compile_sample(rs, NFT_BRIDGE, "groups/refuse", NFT_F_OIF);
	BRIDGE_RULE("groups/refuse", "counted by the port that it was for",
		    expr_on_fields(NFT_E_COUNT, NFT_SET_DROPS, FIELDS(NFT_F_OIF, NFT_F_MARK)));
	BRIDGE_RULE("groups/refuse", "dropped", expr_verdict(NFT_V_DROP));
	for (int direction = 0; direction < GROUP_DIRECTIONS; direction++)
		compile_direction(rs, direction, groups->has_conntrack);
	if (!groups->has_conntrack)
		return;
	/* Members come and go whether a rule looks for them or not. */
	for (enum nft_set_id id = NFT_SET_MEMBERS4; id <= NFT_SET_ROUTED6; id++)
		rs->sets[id].exists = true;
	compile_passed(rs);
	compile_zones(rs);
	for (size_t i = 0; i < n_nets; i++)
		compile_zone(rs, nets[i]);
}

/* --- one port --- */

static void add_elem(nft_port_elem_vec *to, enum nft_set_id set, const struct nft_elem *elem)
{
	vec_push(to, (struct nft_port_elem){ set, *elem });
}

static void add_jumps(const struct port *port, const group_name_vec *names, nft_port_elem_vec *ret)
{
	for (size_t i = 0; i < names->n && i < PORT_GROUPS_MAX; i++)
		for (int direction = 0; direction < GROUP_DIRECTIONS; direction++) {
			struct nft_elem elem = { .data = { NFT_V_JUMP } };
			struct elem_writer w = { elem.key };

			elem_put_name(&w, port->ifname);
			snprintf((char *)elem.data + 1, sizeof(elem.data) - 1, "%s/%s",
				 directions[direction].name, names->v[i]);
			add_elem(ret, directions[direction].map + (unsigned)i, &elem);
		}
}

static void add_member(const struct port *port, const char *group, const struct ip *ip,
		       bool is_routed, nft_port_elem_vec *ret)
{
	uint32_t number = group_number(group);
	bool is_v4 = ip->family == 2;
	struct nft_elem near = { 0 }, far = { 0 };
	struct elem_writer to_near = { near.key }, to_far = { far.key };

	elem_put(&to_near, &number, sizeof(number));
	elem_put(&to_near, port->mac.b, sizeof(port->mac.b));
	elem_put_ip(&to_near, ip);
	add_elem(ret, is_v4 ? NFT_SET_MEMBERS4 : NFT_SET_MEMBERS6, &near);
	if (!is_routed || ip_is_link_local(ip))
		return;
	elem_put(&to_far, &number, sizeof(number));
	elem_put_ip(&to_far, ip);
	add_elem(ret, is_v4 ? NFT_SET_ROUTED4 : NFT_SET_ROUTED6, &far);
}

void nft_group_elems(const struct network *net, const struct port *port, nft_port_elem_vec *ret)
{
	const group_name_vec *names = net ? port_groups(port, net) : &port->groups;
	bool is_routed = net && network_owns_bridge(net) && net->mode != NETWORK_ISOLATED &&
			 net->mode != NETWORK_BRIDGED;
	struct nft_elem device = { 0 };
	struct elem_writer w = { device.key };
	ip_vec addresses = { 0 };

	if (!names->n)
		return;
	elem_put_name(&w, port->ifname);
	add_elem(ret, NFT_SET_GROUPED, &device);
	if (port->is_logged)
		add_elem(ret, NFT_SET_LOGGED, &device);
	add_jumps(port, names, ret);
	if (port->has_mac)
		port_own_addresses(port, net, &addresses);
	vec_each(ip, &addresses)
		vec_each(name, names)
			add_member(port, *name, ip, is_routed, ret);
	vec_free(&addresses);
}
