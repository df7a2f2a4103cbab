/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* compile_inet.c - table inet: who may talk to whom, and with which address; see compile.c. */

#include "nft/build.h"

#include <stdio.h>
#include <string.h>

#define PRIORITY_RAW (-300)
#define PRIORITY_DSTNAT (-100)
#define PRIORITY_FILTER 0
#define PRIORITY_SRCNAT 100

/* Chains that the networks of a mode share. */

static void shared_forward(struct nft_ruleset *rs)
{
	if (!chain_begin_base(rs, NFT_INET, "forward", NFT_HOOK_FORWARD, PRIORITY_FILTER, false))
		return;
	RULE("forward", "may it leave its network?", VMAP(NFT_MAP_FROM, NFT_F_IIFNAME));
	RULE("forward", "may it enter the other one?", VMAP(NFT_MAP_TO, NFT_F_OIFNAME));
}

static void shared_nat_filter(struct nft_ruleset *rs)
{
	if (!chain_begin(rs, NFT_INET, "nat_to"))
		return;
	RULE("nat_to", "replies", IS_REPLY, ACCEPT);
	RULE("nat_to", "errors about what the guests sent", IS_RELATED, ACCEPT);
	RULE("nat_to", "port forwards", IS_DNATED, ACCEPT);
	RULE("nat_to", "nothing else comes in", REJECT);

	/*
	 * Without connection nothing would translate the address: invalid packets,
	 * and neighbour discovery, which the kernel never tracks, not even where
	 * somebody sends it to a far address.
	 */
	chain_begin(rs, NFT_INET, "nat_from");
	RULE("nat_from", "would leave untranslated", HAS_NO_CONNECTION, DROP);

	chain_begin(rs, NFT_INET, "nat_from_uplink");
	RULE("nat_from_uplink", "would leave untranslated", HAS_NO_CONNECTION, DROP);
	RULE("nat_from_uplink", "by the uplink",
	     IN_SET(NFT_SET_EXITS, NFT_F_IIFNAME, NFT_F_OIFNAME), expr_verdict(NFT_V_RETURN));
	RULE("nat_from_uplink", "replies", IS_REPLY, expr_verdict(NFT_V_RETURN));
	RULE("nat_from_uplink", "errors about what came in", IS_RELATED,
	     expr_verdict(NFT_V_RETURN));
	RULE("nat_from_uplink", "port forwards", IS_DNATED, expr_verdict(NFT_V_RETURN));
	RULE("nat_from_uplink", "another way out", REJECT);
}

static void shared_isolated(struct nft_ruleset *rs)
{
	if (!chain_begin(rs, NFT_INET, "isolated_from"))
		return;
	RULE("isolated_from", "isolated", REJECT);
	chain_begin(rs, NFT_INET, "isolated_to");
	RULE("isolated_to", "isolated", REJECT);
}

static void shared_loopback_guard(struct nft_ruleset *rs)
{
	struct prefix loopback = { .addr = { AF_INET, { 127 } }, .len = 8 };

	if (!chain_begin_base(rs, NFT_INET, "prerouting", NFT_HOOK_PREROUTING, PRIORITY_RAW, false))
		return;
	/* The kernel lets such packets in where a forward needs route_localnet. */
	chain_begin(rs, NFT_INET, "no_loopback");
	RULE("no_loopback", "guests never reach the host's loopback", IS_IPV4,
	     expr_match_prefix(NFT_F_IP_DADDR, &loopback), DROP);
	RULE("no_loopback", "nor speak for it", IS_IPV4,
	     expr_match_prefix(NFT_F_IP_SADDR, &loopback), DROP);
	RULE("prerouting", "from guests", IN_SET(NFT_SET_BRIDGES, NFT_F_IIFNAME),
	     expr_to_chain(NFT_V_GOTO, "no_loopback"));
}

/*
 * The host must not answer in a guest's place: its reply to a false address
 * would go out by the uplink, also from a network that is isolated.  The kernel
 * lets 0.0.0.0 and :: pass the lookup where DHCP and neighbour discovery use
 * them; a DHCP client may moreover ask with an address that it has from elsewhere.
 */
static void shared_input(struct nft_ruleset *rs)
{
	if (!chain_begin_base(rs, NFT_INET, "input", NFT_HOOK_INPUT, PRIORITY_FILTER, false))
		return;
	RULE("input", "guests of networks that have addresses",
	     IN_SET(NFT_SET_CHECKED, NFT_F_IIFNAME), expr_to_chain(NFT_V_JUMP, "own_source"));
	chain_begin(rs, NFT_INET, "own_source");
	RULE("own_source", "DHCP with an old address", expr_match_byte(NFT_F_L4PROTO, 17),
	     expr_match(NFT_F_DPORT, "\0\x43", 2), expr_verdict(NFT_V_RETURN));
	RULE("own_source", "the answer would go elsewhere",
	     expr_match_byte(NFT_F_FIB_SADDR_IIF_OIF, false), DROP);
}

static void shared_postrouting(struct nft_ruleset *rs)
{
	if (!chain_begin_base(rs, NFT_INET, "nat_postrouting", NFT_HOOK_POSTROUTING,
			      PRIORITY_SRCNAT, true))
		return;
	/*
	 * Replies must come back this way, but the guest has no route to
	 * 127.0.0.1, or its neighbour asks and would be answered directly.
	 */
	RULE("nat_postrouting", "port forward used by the host itself",
	     IN_SET(NFT_SET_BRIDGES, NFT_F_OIFNAME), IS_DNATED,
	     expr_match_byte(NFT_F_FIB_SADDR, NFT_RTN_LOCAL), expr_simple(NFT_E_MASQUERADE));
	chain_begin(rs, NFT_INET, "nat_inside");
	RULE("nat_inside", "port forward used by a guest of the same network", IS_DNATED,
	     expr_simple(NFT_E_MASQUERADE));
	RULE("nat_postrouting", "stays in its network",
	     IN_SET(NFT_SET_INSIDE, NFT_F_IIFNAME, NFT_F_OIFNAME),
	     expr_to_chain(NFT_V_GOTO, "nat_inside"));
	RULE("nat_postrouting", "guests leave with an address of the host",
	     VMAP(NFT_MAP_NAT, NFT_F_IIFNAME));
}

static void shared_forwards(struct nft_ruleset *rs)
{
	struct prefix loopback = { .addr = { AF_INET, { 127 } }, .len = 8 };
	struct prefix localhost6 = { .addr = { AF_INET6, { [15] = 1 } }, .len = 128 };
	struct nft_expr not_localhost = expr_match(NFT_F_IP_DADDR, "\x7f\x00\x00\x01", 4);

	not_localhost.negate = true;
	if (!chain_begin(rs, NFT_INET, "forwards"))
		return;
	RULE("forwards", "to one address", IS_IPV4,
	     DNAT(NFT_MAP_FORWARDS4, NFT_F_L4PROTO, NFT_F_IP_DADDR, NFT_F_DPORT));
	RULE("forwards", "to any address of the host", IS_IPV4,
	     expr_match_byte(NFT_F_FIB_DADDR, NFT_RTN_LOCAL),
	     DNAT(NFT_MAP_FORWARDS4_ANY, NFT_F_L4PROTO, NFT_F_DPORT));
	RULE("forwards", "to one address", IS_IPV6,
	     DNAT(NFT_MAP_FORWARDS6, NFT_F_L4PROTO, NFT_F_IP6_DADDR, NFT_F_DPORT));
	RULE("forwards", "to any address of the host", IS_IPV6,
	     expr_match_byte(NFT_F_FIB_DADDR, NFT_RTN_LOCAL),
	     DNAT(NFT_MAP_FORWARDS6_ANY, NFT_F_L4PROTO, NFT_F_DPORT));

	chain_begin_base(rs, NFT_INET, "nat_prerouting", NFT_HOOK_PREROUTING, PRIORITY_DSTNAT,
			 true);
	RULE("nat_prerouting", "what we serve to guests there stays ours",
	     IN_SET(NFT_SET_SERVICES, NFT_F_IIFNAME, NFT_F_L4PROTO, NFT_F_DPORT),
	     expr_match_byte(NFT_F_FIB_DADDR_IIF, NFT_RTN_LOCAL), expr_verdict(NFT_V_RETURN));
	RULE("nat_prerouting", "port forwards", expr_to_chain(NFT_V_GOTO, "forwards"));

	/*
	 * 127.0.0.53 and the like belong to the host's own resolvers.  ::1 has no
	 * route_localnet: the answer could not come back, so it is left alone and
	 * a client that tries it first is refused at once.
	 */
	chain_begin_base(rs, NFT_INET, "nat_output", NFT_HOOK_OUTPUT, PRIORITY_DSTNAT, true);
	RULE("nat_output", "of the loopback only 127.0.0.1", IS_IPV4,
	     expr_match_prefix(NFT_F_IP_DADDR, &loopback), not_localhost,
	     expr_verdict(NFT_V_RETURN));
	RULE("nat_output", "nothing can come back to ::1", IS_IPV6,
	     expr_match_prefix(NFT_F_IP6_DADDR, &localhost6), expr_verdict(NFT_V_RETURN));
	RULE("nat_output", "port forwards", expr_to_chain(NFT_V_GOTO, "forwards"));
}

static void fill_host_sets(struct nft_ruleset *rs)
{
	static const uint16_t replies[][2] = { { 67, 68 }, { 547, 546 } };
	static const uint8_t nd_in[] = { 130, 131, 132, 133, 135, 136, 143 };
	static const uint8_t nd_out[] = { 130, 131, 132, 134, 135, 136, 143 };

	elem_add_byte(rs, NFT_SET_ADDRESSED, NFT_RTN_LOCAL);
	elem_add_byte(rs, NFT_SET_ADDRESSED, NFT_RTN_BROADCAST);
	elem_add_byte(rs, NFT_SET_ADDRESSED, NFT_RTN_MULTICAST);
	for (size_t i = 0; i < ARRAY_SIZE(nd_in); i++)
		elem_add_byte(rs, NFT_SET_ND_IN, nd_in[i]);
	for (size_t i = 0; i < ARRAY_SIZE(nd_out); i++)
		elem_add_byte(rs, NFT_SET_ND_OUT, nd_out[i]);
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		struct nft_elem elem = { 0 };
		struct elem_writer w = { elem.key };

		elem_put_port(&w, replies[i][0]);
		elem_put_port(&w, replies[i][1]);
		elem_add(rs, NFT_SET_REPLIES, &elem);
	}
}

/* host_access: false.  By direction, not by "established", so that it cuts what runs. */
static void shared_no_host(struct nft_ruleset *rs)
{
	if (!chain_begin(rs, NFT_INET, "no_host_in"))
		return;
	fill_host_sets(rs);
	RULE("no_host_in", "replies", IS_REPLY, ACCEPT);
	RULE("no_host_in", "errors", IS_RELATED, ACCEPT);
	RULE("no_host_in", "DHCP, DNS and TFTP that we serve on this bridge",
	     IN_SET(NFT_SET_SERVICES, NFT_F_IIFNAME, NFT_F_L4PROTO, NFT_F_DPORT),
	     IN_SET(NFT_SET_ADDRESSED, NFT_F_FIB_DADDR_IIF), ACCEPT);
	RULE("no_host_in", "router solicitations, neighbour discovery, group membership",
	     expr_match_byte(NFT_F_L4PROTO, 58), IN_SET(NFT_SET_ND_IN, NFT_F_ICMP6_TYPE), ACCEPT);
	RULE("no_host_in", "host_access: false", DROP);

	chain_begin(rs, NFT_INET, "no_host_out");
	RULE("no_host_out", "replies", IS_REPLY, ACCEPT);
	RULE("no_host_out", "errors", IS_RELATED, ACCEPT);
	RULE("no_host_out", "port forwards", IS_DNATED, ACCEPT);
	RULE("no_host_out", "DHCP answers by broadcast or to a new address",
	     expr_match_byte(NFT_F_L4PROTO, 17), IN_SET(NFT_SET_REPLIES, NFT_F_SPORT, NFT_F_DPORT),
	     ACCEPT);
	RULE("no_host_out", "router advertisements, neighbour discovery, group membership",
	     expr_match_byte(NFT_F_L4PROTO, 58), IN_SET(NFT_SET_ND_OUT, NFT_F_ICMP6_TYPE), ACCEPT);
	RULE("no_host_out", "host_access: false", REJECT);

	shared_input(rs);
	RULE("input", "guests that may not reach the host", IN_SET(NFT_SET_NO_HOST, NFT_F_IIFNAME),
	     expr_to_chain(NFT_V_GOTO, "no_host_in"));
	chain_begin_base(rs, NFT_INET, "output", NFT_HOOK_OUTPUT, PRIORITY_FILTER, false);
	RULE("output", "guests that the host may not reach", IN_SET(NFT_SET_NO_HOST, NFT_F_OIFNAME),
	     expr_to_chain(NFT_V_GOTO, "no_host_out"));
}

/* One network. */

static int cmp_prefix(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

/* Where packets of guests may come from: the subnets, and what is routed to a guest. */
static void collect_sources(const struct network *net, prefix_vec *ret)
{
	size_t n = 0;

	vec_each (address, &net->addresses)
		if (address->addr.family == AF_INET || !ip_is_link_local(&address->addr))
			vec_push(ret, prefix_network(address));
	vec_each (route, &net->routes)
		vec_push(ret, prefix_network(&route->to));
	vec_sort(ret, cmp_prefix);
	for (size_t i = 0; i < ret->n; i++)
		if (!n || prefix_cmp(&ret->v[n - 1], &ret->v[i]) != 0)
			ret->v[n++] = ret->v[i];
	ret->n = n;
}

/*
 * Between its subnets, and between two ports where br_netfilter shows us
 * bridged packets: those have link-local and unspecified sources too.  Ports
 * that are isolated must not find each other by way of the host; what was sent
 * to the host's MAC is routed, not bridged.
 */
static void compile_inside(struct nft_ruleset *rs, const struct network *net, const char *bridge,
			   const char *chain)
{
	struct mac mac = network_bridge_mac(net);
	struct nft_expr inside = expr_match_name(NFT_F_OIFNAME, bridge);

	if (net->port_defaults.isolated && net->forwards.n)
		RULE(chain, "port forwards", inside, IS_DNATED, ACCEPT);
	if (net->port_defaults.isolated)
		RULE(chain, "isolated ports, by way of the host", inside,
		     expr_match(NFT_F_ROUTED_ETHER_DADDR, mac.b, sizeof(mac.b)), REJECT);
	RULE(chain, "inside", inside, ACCEPT);
}

/* Valid sources go to next, or with NULL on to to_bridge. */
static void compile_sources(struct nft_ruleset *rs, const struct network *net, const char *bridge,
			    const char *next)
{
	struct nft_expr go = next ? expr_to_chain(NFT_V_GOTO, next) : expr_verdict(NFT_V_RETURN);
	char chain[NFT_NAME_MAX], egress[NFT_NAME_MAX];
	prefix_vec sources = { 0 };

	snprintf(chain, sizeof(chain), "from/%s", net->name);
	chain_begin(rs, NFT_INET, chain);
	collect_sources(net, &sources);
	compile_inside(rs, net, bridge, chain);
	if (net->has_egress) {
		nft_compile_egress(rs, net, bridge, &go);
		snprintf(egress, sizeof(egress), "egress/%s", net->name);
		go = expr_to_chain(NFT_V_GOTO, egress);
	}
	vec_each (p, &sources) {
		bool is_v4 = p->addr.family == AF_INET;
		struct nft_expr family = is_v4 ? IS_IPV4 : IS_IPV6;

		if (p->len)
			RULE(chain, "its addresses", family,
			     expr_match_prefix(is_v4 ? NFT_F_IP_SADDR : NFT_F_IP6_SADDR, p), go);
		else
			RULE(chain, "any address is routed there", family, go);
	}
	RULE(chain, "not an address of this network", DROP);
	vec_free(&sources);
	elem_add_jump(rs, NFT_MAP_FROM, bridge, chain);
	shared_input(rs);
	elem_add_name(rs, NFT_SET_CHECKED, bridge, NULL);
}

static struct nft_expr source_nat(const struct ip_range *to, struct port_range ports)
{
	struct nft_expr e = expr_simple(to->first.family ? NFT_E_SNAT : NFT_E_MASQUERADE);

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
		RULE(chain, "with chosen ports", family,
		     expr_match_byte(NFT_F_L4PROTO, FORWARD_TCP), source_nat(source, ports));
		RULE(chain, "with chosen ports", family,
		     expr_match_byte(NFT_F_L4PROTO, FORWARD_UDP), source_nat(source, ports));
	}
	RULE(chain, "as the host", family, source_nat(source, none));
}

static void compile_nat_chain(struct nft_ruleset *rs, const struct nat_config *nat,
			      const char *chain)
{
	static const struct prefix local_groups = { { AF_INET, { 224 } }, 24 };
	static const struct prefix broadcast = { { AF_INET, { 255, 255, 255, 255 } }, 32 };
	static const struct prefix groups6 = { { AF_INET6, { 0xff } }, 8 };

	if (nat->ipv4) {
		RULE(chain, "multicast stays as it is", IS_IPV4,
		     expr_match_prefix(NFT_F_IP_DADDR, &local_groups), expr_verdict(NFT_V_RETURN));
		RULE(chain, "broadcast stays as it is", IS_IPV4,
		     expr_match_prefix(NFT_F_IP_DADDR, &broadcast), expr_verdict(NFT_V_RETURN));
		compile_nat_family(rs, chain, true, &nat->source, nat->ports);
	}
	if (nat->ipv6) {
		RULE(chain, "multicast stays as it is", IS_IPV6,
		     expr_match_prefix(NFT_F_IP6_DADDR, &groups6), expr_verdict(NFT_V_RETURN));
		compile_nat_family(rs, chain, false, &nat->source6, nat->ports);
	}
}

/* Networks that just masquerade share a chain: every commit in the kernel walks all chains. */
static void compile_source_nat(struct nft_ruleset *rs, const struct network *net,
			       const char *bridge)
{
	const struct nat_config *nat = &net->nat;
	char chain[NFT_NAME_MAX] = "masquerade_both"; /* nft takes the bare word for a statement */

	if (!nat->ipv4 && !nat->ipv6)
		return;
	if (nat->source.first.family || nat->source6.first.family || nat->ports.first)
		snprintf(chain, sizeof(chain), "nat/%s", net->name);
	else if (!nat->ipv4 || !nat->ipv6)
		snprintf(chain, sizeof(chain), "masquerade_%s", nat->ipv4 ? "ipv4" : "ipv6");
	if (chain_begin(rs, NFT_INET, chain))
		compile_nat_chain(rs, nat, chain);
	elem_add_jump(rs, NFT_MAP_NAT, bridge, chain);
}

static void compile_nat(struct nft_ruleset *rs, const struct network *net, const char *bridge)
{
	shared_nat_filter(rs);
	shared_postrouting(rs);
	compile_sources(rs, net, bridge, net->nat.uplink ? "nat_from_uplink" : "nat_from");
	elem_add_jump(rs, NFT_MAP_TO, bridge, "nat_to");
	if (net->nat.uplink)
		elem_add_name(rs, NFT_SET_EXITS, bridge, net->nat.uplink);
	compile_source_nat(rs, net, bridge);
}

static void compile_isolated(struct nft_ruleset *rs, const struct network *net, const char *bridge)
{
	shared_isolated(rs);
	compile_sources(rs, net, bridge, "isolated_from");
	elem_add_jump(rs, NFT_MAP_TO, bridge, "isolated_to");
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
		struct elem_writer key = { elem.key }, data = { elem.data };

		elem_put(&key, &(uint8_t){ (uint8_t)f->protocol }, 1);
		if (!is_any)
			elem_put_ip(&key, &f->listen);
		elem_put_port(&key, (uint16_t)(f->ports.first + i));
		elem_put_ip(&data, &f->to);
		elem_put_port(&data, (uint16_t)(f->to_ports.first + i));
		elem_add(rs, map, &elem);
	}
}

static void add_service(struct nft_ruleset *rs, const char *bridge, uint8_t protocol, uint16_t port)
{
	struct nft_elem elem = { 0 };
	struct elem_writer w = { elem.key };

	elem_put_name(&w, bridge);
	elem_put(&w, &protocol, 1);
	elem_put_port(&w, port);
	elem_add(rs, NFT_SET_SERVICES, &elem);
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

void nft_compile_inet(struct nft_ruleset *rs, const struct network *net)
{
	char buf[16];
	const char *bridge = network_bridge(net, buf);
	bool has_rules = net->mode != NETWORK_OPEN || net->forwards.n || !net->host_access;

	if (!network_has_bridge(net) || net->mode == NETWORK_BRIDGED)
		return;
	elem_add_name(rs, NFT_SET_OTHERS, bridge, NULL);
	if (!has_rules)
		return;
	shared_loopback_guard(rs);
	elem_add_name(rs, NFT_SET_BRIDGES, bridge, NULL);
	elem_add_name(rs, NFT_SET_INSIDE, bridge, bridge);
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
		elem_add_name(rs, NFT_SET_NO_HOST, bridge, NULL);
	}
}
