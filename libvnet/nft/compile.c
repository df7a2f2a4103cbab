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
 */

#include "nft/ast.h"
#include "nft/ruleset.h"

#include <stdio.h>
#include <string.h>

#define PRIORITY_RAW (-300)
#define PRIORITY_BRIDGE_FILTER (-200)
#define PRIORITY_DSTNAT (-100)
#define PRIORITY_FILTER 0
#define PRIORITY_SRCNAT 100

/* Enough for many guests that start at once; a flooding one has learned its MAC by then. */
#define LEARN_RATE 100
#define LEARN_BURST 50
#define LEARN_SNAPLEN 64

static void compile_bridge_table(struct nft_ruleset *rs);
static void compile_network(struct nft_ruleset *rs, const struct network *net);
static void compile_ports(struct nft_ruleset *rs, const struct network *const *nets, size_t n_nets,
			  const struct port *const *ports, size_t n_ports);
static void finish_sets(struct nft_ruleset *rs);

struct nft_ruleset *nft_compile(const struct network *const *nets, size_t n_nets,
				const struct port *const *ports, size_t n_ports)
{
	struct nft_ruleset *rs = nft_ruleset_new();

	if (!n_nets && !n_ports)
		return rs;
	compile_bridge_table(rs);
	for (size_t i = 0; i < n_nets; i++)
		compile_network(rs, nets[i]);
	compile_ports(rs, nets, n_nets, ports, n_ports);
	finish_sets(rs);
	return rs;
}

/* Expressions, named as nft(8) spells them. */

static struct nft_expr verdict(enum nft_verdict code)
{
	return (struct nft_expr){ .kind = NFT_E_VERDICT, .verdict.code = code };
}

static struct nft_expr to_chain(enum nft_verdict code, const char *chain)
{
	struct nft_expr e = verdict(code);

	strncpy(e.verdict.chain, chain, sizeof(e.verdict.chain) - 1);
	return e;
}

static struct nft_expr simple(enum nft_expr_kind kind)
{
	return (struct nft_expr){ .kind = kind };
}

static struct nft_expr on_fields(enum nft_expr_kind kind, enum nft_set_id set, unsigned n,
				 const enum nft_field *fields)
{
	struct nft_expr e = { .kind = kind, .set = set, .n_fields = (uint8_t)n };

	for (unsigned i = 0; i < n; i++)
		e.fields[i] = (uint8_t)fields[i];
	return e;
}

#define FIELDS(...) \
	sizeof((enum nft_field[]){ __VA_ARGS__ }) / sizeof(enum nft_field), \
		(enum nft_field[]){ __VA_ARGS__ }
#define IN_SET(set, ...) on_fields(NFT_E_LOOKUP, set, FIELDS(__VA_ARGS__))
#define VMAP(set, ...) on_fields(NFT_E_VMAP, set, FIELDS(__VA_ARGS__))
#define DNAT(set, ...) on_fields(NFT_E_DNAT, set, FIELDS(__VA_ARGS__))

static struct nft_expr not_in(struct nft_expr e)
{
	e.negate = true;
	return e;
}

static struct nft_expr match(enum nft_field field, const void *value, size_t size)
{
	struct nft_expr e = on_fields(NFT_E_MATCH, 0, 1, &field);

	memcpy(e.match.value, value, size);
	return e;
}

static struct nft_expr match_byte(enum nft_field field, uint8_t value)
{
	return match(field, &value, 1);
}

static struct nft_expr match_name(enum nft_field field, const char *name)
{
	return match(field, name, strlen(name));
}

static struct nft_expr match_prefix(enum nft_field field, const struct prefix *p)
{
	struct ip mask = prefix_netmask(p);
	struct nft_expr e = match(field, p->addr.b, ip_size(&p->addr));

	memcpy(e.match.mask, mask.b, sizeof(e.match.mask));
	e.match.is_masked = p->len < ip_bits(&p->addr);
	e.match.prefix_len = p->len;
	return e;
}

static struct nft_expr match_flags(enum nft_field field, uint32_t flags)
{
	struct nft_expr e = on_fields(NFT_E_FLAGS, 0, 1, &field);

	e.flags = flags;
	return e;
}

#define ACCEPT verdict(NFT_V_ACCEPT)
#define DROP simple(NFT_E_COUNTER), verdict(NFT_V_DROP)
#define REJECT simple(NFT_E_COUNTER), simple(NFT_E_REJECT)
#define IS_IPV4 match_byte(NFT_F_NFPROTO, 2)
#define IS_IPV6 match_byte(NFT_F_NFPROTO, 10)
#define IS_REPLY match_byte(NFT_F_CT_DIRECTION, NFT_CT_REPLY)
#define IS_RELATED match_flags(NFT_F_CT_STATE, NFT_CT_RELATED)
#define IS_INVALID match_flags(NFT_F_CT_STATE, NFT_CT_INVALID)
#define IS_DNATED match_flags(NFT_F_CT_STATUS, NFT_CT_DNAT)

static void add_rule(struct nft_ruleset *rs, enum nft_family family, const char *chain,
		     const char *comment, const struct nft_expr *exprs, size_t n)
{
	struct nft_rule *rule = vec_add(&nft_chain_add(rs, family, chain)->rules);

	for (size_t i = 0; i < n; i++)
		vec_push(&rule->exprs, exprs[i]);
	snprintf(rule->comment, sizeof(rule->comment), "%s", comment);
	nft_rule_seal(rule);
}

#define EXPRS(...) \
	(struct nft_expr[]){ __VA_ARGS__ }, \
		sizeof((struct nft_expr[]){ __VA_ARGS__ }) / sizeof(struct nft_expr)
#define BRIDGE_RULE(chain, comment, ...) add_rule(rs, NFT_BRIDGE, chain, comment, EXPRS(__VA_ARGS__))
#define RULE(chain, comment, ...) add_rule(rs, NFT_INET, chain, comment, EXPRS(__VA_ARGS__))

/* False when it exists already: its rules are written then. */
static bool begin_chain(struct nft_ruleset *rs, enum nft_family family, const char *name)
{
	if (nft_chain_find(rs, family, name))
		return false;
	rs->tables[family].exists = true;
	nft_chain_add(rs, family, name);
	return true;
}

static bool begin_base(struct nft_ruleset *rs, enum nft_family family, const char *name,
		       enum nft_hook hook, int priority, bool is_nat)
{
	if (!begin_chain(rs, family, name))
		return false;
	nft_chain_find(rs, family, name)->base = (struct nft_base){
		.is_base = true, .is_nat = is_nat, .hook = (uint8_t)hook, .priority = priority,
	};
	return true;
}

/* Elements.  Parts are appended in the order of the set's key. */

struct writer { uint8_t *at; };

static void put(struct writer *w, const void *value, size_t size)
{
	memcpy(w->at, value, size);
	w->at += size;
}

static void put_name(struct writer *w, const char *name)
{
	memcpy(w->at, name, strnlen(name, 15));
	w->at += 16;
}

static void put_port(struct writer *w, uint16_t port)
{
	*w->at++ = (uint8_t)(port >> 8);
	*w->at++ = (uint8_t)port;
}

static void put_ip(struct writer *w, const struct ip *ip)
{
	put(w, ip->b, ip_size(ip));
}

static void add_elem(struct nft_ruleset *rs, enum nft_set_id set, const struct nft_elem *elem)
{
	vec_push(&rs->sets[set].elems, *elem);
}

static void add_name(struct nft_ruleset *rs, enum nft_set_id set, const char *first, const char *second)
{
	struct nft_elem elem = { 0 };
	struct writer w = { elem.key };

	put_name(&w, first);
	if (second)
		put_name(&w, second);
	add_elem(rs, set, &elem);
}

static void add_byte(struct nft_ruleset *rs, enum nft_set_id set, uint8_t value)
{
	struct nft_elem elem = { .key = { value } };

	add_elem(rs, set, &elem);
}

static void add_jump(struct nft_ruleset *rs, enum nft_set_id map, const char *bridge,
		     const char *chain)
{
	struct nft_elem elem = { .data = { NFT_V_JUMP } };
	struct writer w = { elem.key };

	put_name(&w, bridge);
	memcpy(elem.data + 1, chain, strlen(chain));
	add_elem(rs, map, &elem);
}

/* Table bridge. */

static void compile_bridge_table(struct nft_ruleset *rs)
{
	/* 01:80:c2:00:00:0X never passes prerouting, but the bridge learns its sender. */
	struct nft_expr is_link_local = match(NFT_F_ETHER_DADDR, "\x01\x80\xc2\x00\x00\x00", 6);

	memcpy(is_link_local.match.mask, "\xff\xff\xff\xff\xff\xf0", 6);
	is_link_local.match.is_masked = true;

	begin_base(rs, NFT_BRIDGE, "prerouting", NFT_HOOK_PREROUTING, PRIORITY_RAW, false);
	BRIDGE_RULE("prerouting", "a port's own address",
		    IN_SET(NFT_SET_MACS, NFT_F_IIF, NFT_F_ETHER_SADDR), ACCEPT);
	BRIDGE_RULE("prerouting", "tell netd who sends on a port that learns",
		    IN_SET(NFT_SET_LEARNING, NFT_F_IIF),
		    { .kind = NFT_E_LIMIT, .limit = { LEARN_RATE, LEARN_BURST } },
		    { .kind = NFT_E_LOG, .log = { NFLOG_GROUP_LEARN, LEARN_SNAPLEN } });
	BRIDGE_RULE("prerouting", "until netd knows, nothing passes",
		    IN_SET(NFT_SET_LEARNING, NFT_F_IIF), verdict(NFT_V_DROP));
	BRIDGE_RULE("prerouting", "any other address, counted by port",
		    IN_SET(NFT_SET_GUARDED, NFT_F_IIF), verdict(NFT_V_DROP));

	begin_base(rs, NFT_BRIDGE, "forward", NFT_HOOK_FORWARD, PRIORITY_BRIDGE_FILTER, false);
	BRIDGE_RULE("forward", "between devices that we put there",
		    IN_SET(NFT_SET_MEMBERS, NFT_F_IIF), IN_SET(NFT_SET_MEMBERS, NFT_F_OIF), ACCEPT);
	BRIDGE_RULE("forward", "to a device that nobody authorised",
		    IN_SET(NFT_SET_MEMBERS, NFT_F_IIF), DROP);
	BRIDGE_RULE("forward", "from a device that nobody authorised",
		    IN_SET(NFT_SET_MEMBERS, NFT_F_OIF), DROP);

	begin_base(rs, NFT_BRIDGE, "input", NFT_HOOK_INPUT, PRIORITY_BRIDGE_FILTER, false);
	BRIDGE_RULE("input", "a foreign address in a link-local frame, counted by port",
		    is_link_local, not_in(IN_SET(NFT_SET_MACS, NFT_F_IIF, NFT_F_ETHER_SADDR)),
		    IN_SET(NFT_SET_GUARDED, NFT_F_IIF), verdict(NFT_V_DROP));
	BRIDGE_RULE("input", "host_access: false on a bridged network",
		    IN_SET(NFT_SET_PORT_NO_HOST, NFT_F_IIF), DROP);
	BRIDGE_RULE("input", "to the host from a device that nobody authorised",
		    IN_SET(NFT_SET_BRIDGE_MACS, NFT_F_ETHER_DADDR),
		    not_in(IN_SET(NFT_SET_MEMBERS, NFT_F_IIF)), DROP);

	begin_base(rs, NFT_BRIDGE, "output", NFT_HOOK_OUTPUT, PRIORITY_BRIDGE_FILTER, false);
	BRIDGE_RULE("output", "host_access: false on a bridged network",
		    IN_SET(NFT_SET_PORT_NO_HOST, NFT_F_OIF), DROP);
	BRIDGE_RULE("output", "from the host to a device that nobody authorised",
		    IN_SET(NFT_SET_BRIDGE_MACS, NFT_F_ETHER_SADDR),
		    not_in(IN_SET(NFT_SET_MEMBERS, NFT_F_OIF)), DROP);
}

size_t nft_port_elems(const struct network *net, const struct port *port,
		      struct nft_port_elem ret[NFT_PORT_ELEMS_MAX])
{
	struct nft_elem device = { 0 };
	struct writer w = { device.key };
	size_t n = 0;

	put_name(&w, port->ifname);
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
	return n;
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
					 cmp_network_name) : NULL;
		n = nft_port_elems(net ? *net : NULL, ports[i], elems);
		for (size_t j = 0; j < n; j++)
			add_elem(rs, elems[j].set, &elems[j].elem);
	}
	vec_free(&sorted);
}

/* Table inet: chains that the networks of a mode share. */

static void shared_forward(struct nft_ruleset *rs)
{
	if (!begin_base(rs, NFT_INET, "forward", NFT_HOOK_FORWARD, PRIORITY_FILTER, false))
		return;
	RULE("forward", "may it leave its network?", VMAP(NFT_MAP_FROM, NFT_F_IIFNAME));
	RULE("forward", "may it enter the other one?", VMAP(NFT_MAP_TO, NFT_F_OIFNAME));
}

static void shared_nat_filter(struct nft_ruleset *rs)
{
	if (!begin_chain(rs, NFT_INET, "nat_to"))
		return;
	RULE("nat_to", "replies", IS_REPLY, ACCEPT);
	RULE("nat_to", "errors about what the guests sent", IS_RELATED, ACCEPT);
	RULE("nat_to", "port forwards", IS_DNATED, ACCEPT);
	RULE("nat_to", "nothing else comes in", REJECT);

	/* Without connection nothing would translate the address of an invalid packet. */
	begin_chain(rs, NFT_INET, "nat_from");
	RULE("nat_from", "would leave untranslated", IS_INVALID, DROP);

	begin_chain(rs, NFT_INET, "nat_from_uplink");
	RULE("nat_from_uplink", "would leave untranslated", IS_INVALID, DROP);
	RULE("nat_from_uplink", "by the uplink",
	     IN_SET(NFT_SET_EXITS, NFT_F_IIFNAME, NFT_F_OIFNAME), verdict(NFT_V_RETURN));
	RULE("nat_from_uplink", "replies", IS_REPLY, verdict(NFT_V_RETURN));
	RULE("nat_from_uplink", "errors about what came in", IS_RELATED, verdict(NFT_V_RETURN));
	RULE("nat_from_uplink", "port forwards", IS_DNATED, verdict(NFT_V_RETURN));
	RULE("nat_from_uplink", "another way out", REJECT);
}

static void shared_isolated(struct nft_ruleset *rs)
{
	if (!begin_chain(rs, NFT_INET, "isolated_from"))
		return;
	RULE("isolated_from", "isolated", REJECT);
	begin_chain(rs, NFT_INET, "isolated_to");
	RULE("isolated_to", "isolated", REJECT);
}

static void shared_loopback_guard(struct nft_ruleset *rs)
{
	struct prefix loopback = { .addr = { AF_INET, { 127 } }, .len = 8 };

	if (!begin_base(rs, NFT_INET, "prerouting", NFT_HOOK_PREROUTING, PRIORITY_RAW, false))
		return;
	/* The kernel lets such packets in where a forward needs route_localnet. */
	begin_chain(rs, NFT_INET, "no_loopback");
	RULE("no_loopback", "guests never reach the host's loopback", IS_IPV4,
	     match_prefix(NFT_F_IP_DADDR, &loopback), DROP);
	RULE("no_loopback", "nor speak for it", IS_IPV4, match_prefix(NFT_F_IP_SADDR, &loopback),
	     DROP);
	RULE("prerouting", "from guests", IN_SET(NFT_SET_BRIDGES, NFT_F_IIFNAME),
	     to_chain(NFT_V_GOTO, "no_loopback"));
}

static void shared_postrouting(struct nft_ruleset *rs)
{
	if (!begin_base(rs, NFT_INET, "nat_postrouting", NFT_HOOK_POSTROUTING, PRIORITY_SRCNAT, true))
		return;
	/* Replies must come back this way: the guest has no route to 127.0.0.1 or sits beside the asker. */
	RULE("nat_postrouting", "port forward used by the host itself",
	     IN_SET(NFT_SET_BRIDGES, NFT_F_OIFNAME), IS_DNATED,
	     match_byte(NFT_F_FIB_SADDR, NFT_RTN_LOCAL), simple(NFT_E_MASQUERADE));
	begin_chain(rs, NFT_INET, "nat_inside");
	RULE("nat_inside", "port forward used by a guest of the same network", IS_DNATED,
	     simple(NFT_E_MASQUERADE));
	RULE("nat_postrouting", "stays in its network",
	     IN_SET(NFT_SET_INSIDE, NFT_F_IIFNAME, NFT_F_OIFNAME), to_chain(NFT_V_GOTO, "nat_inside"));
	RULE("nat_postrouting", "guests leave with an address of the host",
	     VMAP(NFT_MAP_NAT, NFT_F_IIFNAME));
}

static void shared_forwards(struct nft_ruleset *rs)
{
	struct prefix loopback = { .addr = { AF_INET, { 127 } }, .len = 8 };
	struct prefix localhost6 = { .addr = { AF_INET6, { [15] = 1 } }, .len = 128 };
	struct nft_expr not_localhost = match(NFT_F_IP_DADDR, "\x7f\x00\x00\x01", 4);

	not_localhost.negate = true;
	if (!begin_chain(rs, NFT_INET, "forwards"))
		return;
	RULE("forwards", "to one address", IS_IPV4,
	     DNAT(NFT_MAP_FORWARDS4, NFT_F_L4PROTO, NFT_F_IP_DADDR, NFT_F_DPORT));
	RULE("forwards", "to any address of the host", IS_IPV4,
	     match_byte(NFT_F_FIB_DADDR, NFT_RTN_LOCAL),
	     DNAT(NFT_MAP_FORWARDS4_ANY, NFT_F_L4PROTO, NFT_F_DPORT));
	RULE("forwards", "to one address", IS_IPV6,
	     DNAT(NFT_MAP_FORWARDS6, NFT_F_L4PROTO, NFT_F_IP6_DADDR, NFT_F_DPORT));
	RULE("forwards", "to any address of the host", IS_IPV6,
	     match_byte(NFT_F_FIB_DADDR, NFT_RTN_LOCAL),
	     DNAT(NFT_MAP_FORWARDS6_ANY, NFT_F_L4PROTO, NFT_F_DPORT));

	begin_base(rs, NFT_INET, "nat_prerouting", NFT_HOOK_PREROUTING, PRIORITY_DSTNAT, true);
	RULE("nat_prerouting", "what we serve to guests there stays ours",
	     IN_SET(NFT_SET_SERVICES, NFT_F_IIFNAME, NFT_F_L4PROTO, NFT_F_DPORT),
	     match_byte(NFT_F_FIB_DADDR_IIF, NFT_RTN_LOCAL), verdict(NFT_V_RETURN));
	RULE("nat_prerouting", "port forwards", to_chain(NFT_V_GOTO, "forwards"));

	/*
	 * 127.0.0.53 and the like belong to the host's own resolvers.  ::1 has no
	 * route_localnet: the answer could not come back, so it is left alone and
	 * a client that tries it first is refused at once.
	 */
	begin_base(rs, NFT_INET, "nat_output", NFT_HOOK_OUTPUT, PRIORITY_DSTNAT, true);
	RULE("nat_output", "of the loopback only 127.0.0.1", IS_IPV4,
	     match_prefix(NFT_F_IP_DADDR, &loopback), not_localhost, verdict(NFT_V_RETURN));
	RULE("nat_output", "nothing can come back to ::1", IS_IPV6,
	     match_prefix(NFT_F_IP6_DADDR, &localhost6), verdict(NFT_V_RETURN));
	RULE("nat_output", "port forwards", to_chain(NFT_V_GOTO, "forwards"));
}

static void fill_host_sets(struct nft_ruleset *rs)
{
	static const uint16_t replies[][2] = { { 67, 68 }, { 547, 546 } };
	static const uint8_t nd_in[] = { 130, 131, 132, 133, 135, 136, 143 };
	static const uint8_t nd_out[] = { 130, 131, 132, 134, 135, 136, 143 };

	add_byte(rs, NFT_SET_ADDRESSED, NFT_RTN_LOCAL);
	add_byte(rs, NFT_SET_ADDRESSED, NFT_RTN_BROADCAST);
	add_byte(rs, NFT_SET_ADDRESSED, NFT_RTN_MULTICAST);
	for (size_t i = 0; i < ARRAY_SIZE(nd_in); i++)
		add_byte(rs, NFT_SET_ND_IN, nd_in[i]);
	for (size_t i = 0; i < ARRAY_SIZE(nd_out); i++)
		add_byte(rs, NFT_SET_ND_OUT, nd_out[i]);
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		struct nft_elem elem = { 0 };
		struct writer w = { elem.key };

		put_port(&w, replies[i][0]);
		put_port(&w, replies[i][1]);
		add_elem(rs, NFT_SET_REPLIES, &elem);
	}
}

/* host_access: false.  By direction, not by "established", so that it cuts what runs. */
static void shared_no_host(struct nft_ruleset *rs)
{
	if (!begin_chain(rs, NFT_INET, "no_host_in"))
		return;
	fill_host_sets(rs);
	RULE("no_host_in", "replies", IS_REPLY, ACCEPT);
	RULE("no_host_in", "errors", IS_RELATED, ACCEPT);
	RULE("no_host_in", "DHCP, DNS and TFTP that we serve on this bridge",
	     IN_SET(NFT_SET_SERVICES, NFT_F_IIFNAME, NFT_F_L4PROTO, NFT_F_DPORT),
	     IN_SET(NFT_SET_ADDRESSED, NFT_F_FIB_DADDR_IIF), ACCEPT);
	RULE("no_host_in", "router solicitations, neighbour discovery, group membership",
	     match_byte(NFT_F_L4PROTO, 58), IN_SET(NFT_SET_ND_IN, NFT_F_ICMP6_TYPE), ACCEPT);
	RULE("no_host_in", "host_access: false", DROP);

	begin_chain(rs, NFT_INET, "no_host_out");
	RULE("no_host_out", "replies", IS_REPLY, ACCEPT);
	RULE("no_host_out", "errors", IS_RELATED, ACCEPT);
	RULE("no_host_out", "port forwards", IS_DNATED, ACCEPT);
	RULE("no_host_out", "DHCP answers by broadcast or to a new address",
	     match_byte(NFT_F_L4PROTO, 17), IN_SET(NFT_SET_REPLIES, NFT_F_SPORT, NFT_F_DPORT), ACCEPT);
	RULE("no_host_out", "router advertisements, neighbour discovery, group membership",
	     match_byte(NFT_F_L4PROTO, 58), IN_SET(NFT_SET_ND_OUT, NFT_F_ICMP6_TYPE), ACCEPT);
	RULE("no_host_out", "host_access: false", REJECT);

	begin_base(rs, NFT_INET, "input", NFT_HOOK_INPUT, PRIORITY_FILTER, false);
	RULE("input", "guests that may not reach the host", IN_SET(NFT_SET_NO_HOST, NFT_F_IIFNAME),
	     to_chain(NFT_V_GOTO, "no_host_in"));
	begin_base(rs, NFT_INET, "output", NFT_HOOK_OUTPUT, PRIORITY_FILTER, false);
	RULE("output", "guests that the host may not reach", IN_SET(NFT_SET_NO_HOST, NFT_F_OIFNAME),
	     to_chain(NFT_V_GOTO, "no_host_out"));
}

/* Table inet: one network. */

typedef VEC(struct prefix) prefix_vec;

static int cmp_prefix(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

/* Where packets of guests may come from: the subnets, and what is routed to a guest. */
static void collect_sources(const struct network *net, prefix_vec *ret)
{
	size_t n = 0;

	vec_each (address, &net->addresses)
		if (!ip_is_link_local(&address->addr) || address->addr.family == AF_INET)
			vec_push(ret, prefix_network(address));
	vec_each (route, &net->routes)
		vec_push(ret, prefix_network(&route->to));
	vec_sort(ret, cmp_prefix);
	for (size_t i = 0; i < ret->n; i++)
		if (!n || prefix_cmp(&ret->v[n - 1], &ret->v[i]) != 0)
			ret->v[n++] = ret->v[i];
	ret->n = n;
}

/* Valid sources go to next, or with NULL on to to_bridge. */
static void compile_sources(struct nft_ruleset *rs, const struct network *net, const char *bridge,
			    const char *next)
{
	char chain[NFT_NAME_MAX];
	prefix_vec sources = { 0 };

	snprintf(chain, sizeof(chain), "from/%s", net->name);
	begin_chain(rs, NFT_INET, chain);
	collect_sources(net, &sources);
	/*
	 * Between its subnets, and between two ports where br_netfilter shows us
	 * bridged packets: those have link-local and unspecified sources too.
	 */
	RULE(chain, "inside", match_name(NFT_F_OIFNAME, bridge), ACCEPT);
	vec_each (p, &sources) {
		bool is_v4 = p->addr.family == AF_INET;
		struct nft_expr family = is_v4 ? IS_IPV4 : IS_IPV6;
		struct nft_expr go = next ? to_chain(NFT_V_GOTO, next) : verdict(NFT_V_RETURN);

		if (p->len)
			RULE(chain, "its addresses", family,
			     match_prefix(is_v4 ? NFT_F_IP_SADDR : NFT_F_IP6_SADDR, p), go);
		else
			RULE(chain, "any address is routed there", family, go);
	}
	RULE(chain, "not an address of this network", DROP);
	vec_free(&sources);
	add_jump(rs, NFT_MAP_FROM, bridge, chain);
}

static struct nft_expr source_nat(const struct ip_range *to, struct port_range ports)
{
	struct nft_expr e = simple(to->first.family ? NFT_E_SNAT : NFT_E_MASQUERADE);

	e.nat.to = *to;
	e.nat.ports = ports;
	return e;
}

static void compile_nat_family(struct nft_ruleset *rs, const char *chain, bool is_v4,
			       const struct ip_range *source, struct port_range ports)
{
	struct nft_expr family = is_v4 ? IS_IPV4 : IS_IPV6;
	struct port_range none = { 0 };

	if (ports.first) {
		RULE(chain, "with chosen ports", family, match_byte(NFT_F_L4PROTO, FORWARD_TCP),
		     source_nat(source, ports));
		RULE(chain, "with chosen ports", family, match_byte(NFT_F_L4PROTO, FORWARD_UDP),
		     source_nat(source, ports));
	}
	RULE(chain, "as the host", family, source_nat(source, none));
}

static void compile_nat_chain(struct nft_ruleset *rs, const struct nat_config *nat, const char *chain)
{
	static const struct prefix local_groups = { { AF_INET, { 224 } }, 24 };
	static const struct prefix broadcast = { { AF_INET, { 255, 255, 255, 255 } }, 32 };
	static const struct prefix groups6 = { { AF_INET6, { 0xff } }, 8 };

	if (nat->ipv4) {
		RULE(chain, "multicast stays as it is", IS_IPV4,
		     match_prefix(NFT_F_IP_DADDR, &local_groups), verdict(NFT_V_RETURN));
		RULE(chain, "broadcast stays as it is", IS_IPV4,
		     match_prefix(NFT_F_IP_DADDR, &broadcast), verdict(NFT_V_RETURN));
		compile_nat_family(rs, chain, true, &nat->source, nat->ports);
	}
	if (nat->ipv6) {
		RULE(chain, "multicast stays as it is", IS_IPV6,
		     match_prefix(NFT_F_IP6_DADDR, &groups6), verdict(NFT_V_RETURN));
		compile_nat_family(rs, chain, false, &nat->source6, nat->ports);
	}
}

/* Networks that just masquerade share a chain: every commit in the kernel walks all chains. */
static void compile_source_nat(struct nft_ruleset *rs, const struct network *net, const char *bridge)
{
	const struct nat_config *nat = &net->nat;
	char chain[NFT_NAME_MAX] = "masquerade";

	if (!nat->ipv4 && !nat->ipv6)
		return;
	if (nat->source.first.family || nat->source6.first.family || nat->ports.first)
		snprintf(chain, sizeof(chain), "nat/%s", net->name);
	else if (!nat->ipv4 || !nat->ipv6)
		snprintf(chain, sizeof(chain), "masquerade_%s", nat->ipv4 ? "ipv4" : "ipv6");
	if (begin_chain(rs, NFT_INET, chain))
		compile_nat_chain(rs, nat, chain);
	add_jump(rs, NFT_MAP_NAT, bridge, chain);
}

static void compile_nat(struct nft_ruleset *rs, const struct network *net, const char *bridge)
{
	shared_nat_filter(rs);
	shared_postrouting(rs);
	compile_sources(rs, net, bridge, net->nat.uplink ? "nat_from_uplink" : "nat_from");
	add_jump(rs, NFT_MAP_TO, bridge, "nat_to");
	if (net->nat.uplink)
		add_name(rs, NFT_SET_EXITS, bridge, net->nat.uplink);
	compile_source_nat(rs, net, bridge);
}

static void compile_isolated(struct nft_ruleset *rs, const struct network *net, const char *bridge)
{
	shared_isolated(rs);
	compile_sources(rs, net, bridge, "isolated_from");
	add_jump(rs, NFT_MAP_TO, bridge, "isolated_to");
}

static void compile_forward(struct nft_ruleset *rs, const struct forward *f)
{
	bool is_v4 = f->to.family == AF_INET;
	bool is_any = !f->listen.family || ip_is_any(&f->listen);
	enum nft_set_id map = is_v4 ? NFT_MAP_FORWARDS4 : NFT_MAP_FORWARDS6;

	if (is_any)
		map = is_v4 ? NFT_MAP_FORWARDS4_ANY : NFT_MAP_FORWARDS6_ANY;
	for (unsigned i = 0; i <= (unsigned)(f->ports.last - f->ports.first); i++) {
		struct nft_elem elem = { 0 };
		struct writer key = { elem.key }, data = { elem.data };

		put(&key, &(uint8_t){ (uint8_t)f->protocol }, 1);
		if (!is_any)
			put_ip(&key, &f->listen);
		put_port(&key, (uint16_t)(f->ports.first + i));
		put_ip(&data, &f->to);
		put_port(&data, (uint16_t)(f->to_ports.first + i));
		add_elem(rs, map, &elem);
	}
}

static void add_service(struct nft_ruleset *rs, const char *bridge, uint8_t protocol, uint16_t port)
{
	struct nft_elem elem = { 0 };
	struct writer w = { elem.key };

	put_name(&w, bridge);
	put(&w, &protocol, 1);
	put_port(&w, port);
	add_elem(rs, NFT_SET_SERVICES, &elem);
}

static void compile_services(struct nft_ruleset *rs, const struct network *net, const char *bridge)
{
	if (!network_wants_dnsmasq(net))
		return;
	if (net->dns.enabled) {
		add_service(rs, bridge, FORWARD_TCP, 53);
		add_service(rs, bridge, FORWARD_UDP, 53);
	}
	if (net->dhcp.enabled) {
		add_service(rs, bridge, FORWARD_UDP, 67);
		if (net->dhcp.boot.tftp_root)
			add_service(rs, bridge, FORWARD_UDP, 69);
	}
	/* DHCPv6 gives options where router advertisements give addresses. */
	if (net->ipv6.dhcp6_enabled || network_ra(net) >= RA_STATELESS)
		add_service(rs, bridge, FORWARD_UDP, 547);
}

static void compile_bridge(struct nft_ruleset *rs, const struct network *net)
{
	struct mac mac = network_bridge_mac(net);
	struct nft_elem elem = { 0 };

	if (net->mode == NETWORK_BRIDGED && net->uplink) {
		struct nft_elem uplink = { 0 };
		struct writer w = { uplink.key };

		put_name(&w, net->uplink);
		add_elem(rs, NFT_SET_MEMBERS, &uplink);
		if (!net->bridge.has_mac)
			return; /* it has the NIC's */
	}
	memcpy(elem.key, mac.b, 6);
	add_elem(rs, NFT_SET_BRIDGE_MACS, &elem);
}

static void compile_network(struct nft_ruleset *rs, const struct network *net)
{
	char buf[16];
	const char *bridge = network_bridge(net, buf);
	bool has_rules = net->mode != NETWORK_OPEN || net->forwards.n || !net->host_access;

	if (network_owns_bridge(net))
		compile_bridge(rs, net);
	if (net->mode == NETWORK_BRIDGED || !has_rules)
		return;
	shared_loopback_guard(rs);
	add_name(rs, NFT_SET_BRIDGES, bridge, NULL);
	add_name(rs, NFT_SET_INSIDE, bridge, bridge);
	compile_services(rs, net, bridge);
	if (net->mode != NETWORK_OPEN)
		shared_forward(rs);
	if (net->mode == NETWORK_NAT)
		compile_nat(rs, net, bridge);
	else if (net->mode == NETWORK_ROUTED)
		compile_sources(rs, net, bridge, NULL);
	else if (net->mode == NETWORK_ISOLATED)
		compile_isolated(rs, net, bridge);
	if (net->forwards.n) {
		shared_postrouting(rs);
		shared_forwards(rs);
	}
	vec_each (f, &net->forwards)
		compile_forward(rs, f);
	if (!net->host_access) {
		shared_no_host(rs);
		add_name(rs, NFT_SET_NO_HOST, bridge, NULL);
	}
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
