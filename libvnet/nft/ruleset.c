/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ruleset.c - the value: creating, copying, comparing; see ast.h for its parts. */

#include "nft/ast.h"
#include "nft/ruleset.h"

#include "base/strbuf.h"

#include <stdio.h>
#include <string.h>

const char *const nft_family_names[NFT_FAMILIES] = { "bridge", "inet", "netdev" };
const char *const nft_hook_names[NFT_HOOKS] = { "prerouting", "input", "forward", "output",
						"postrouting", "egress" };

const struct nft_type_def nft_types[] = {
	[NFT_T_IFINDEX] = { "iface_index", 16, 4, 20 },
	[NFT_T_IFNAME] = { "ifname", 16, 16, 41 },
	[NFT_T_ETHER] = { "ether_addr", 6, 6, 9 },
	[NFT_T_IP4] = { "ipv4_addr", 4, 4, 7 },
	[NFT_T_IP6] = { "ipv6_addr", 16, 16, 8 },
	[NFT_T_PROTO] = { "inet_proto", 1, 1, 12 },
	[NFT_T_PORT] = { "inet_service", 2, 2, 13 },
	[NFT_T_ICMP6_TYPE] = { "icmpv6_type", 1, 1, 29 },
	[NFT_T_FIB_TYPE] = { "fib_addrtype", 1, 4, 38 },
	[NFT_T_FIB_PRESENT] = { "boolean", 1, 4, 0 }, /* in no set */
	[NFT_T_NFPROTO] = { "nf_proto", 1, 1, 2 },
	[NFT_T_CT_STATE] = { "ct_state", 4, 4, 26 },
	[NFT_T_CT_STATUS] = { "ct_status", 4, 4, 28 },
	[NFT_T_CT_DIRECTION] = { "ct_dir", 1, 1, 27 },
	[NFT_T_VERDICT] = { "verdict", NFT_DATA_MAX, 0, 1 },
	[NFT_T_ETHER_TYPE] = { "ether_type", 2, 2, 10 },
	[NFT_T_VNI] = { NULL, 4, 4, 4 },
	[NFT_T_MARK] = { "mark", 4, 4, 19 },
	[NFT_T_PKTTYPE] = { "pkt_type", 1, 1, 0 },
	[NFT_T_ARP_HEADER] = { "integer", 8, 8, 0 },
	[NFT_T_PREFIX4] = { "ipv4_addr", 5, 4, 7 },
	[NFT_T_PREFIX6] = { "ipv6_addr", 17, 16, 8 },
	[NFT_T_BYTES8] = { "integer", 8, 8, 0 },
	[NFT_T_BYTES3] = { "integer", 3, 3, 0 },
	[NFT_T_BYTES2] = { "integer", 2, 2, 0 },
	[NFT_T_BYTE] = { "integer", 1, 1, 0 },
	[NFT_T_BITS16] = { "integer", 2, 2, 0 },
	[NFT_T_FRAG_OFF] = { "integer", 2, 2, 0 },
	[NFT_T_ARPHRD] = { "arphrd", 2, 2, 0 },
	[NFT_T_DEVGROUP] = { "devgroup", 4, 4, 0 },
	[NFT_T_ICMP_TYPE] = { "icmp_type", 1, 1, 14 },
	[NFT_T_TCP_FLAGS] = { "tcp_flag", 1, 1, 15 },
};

_Static_assert(PORT_GROUPS_MAX == 8, "as many maps as are defined below");

#define KEY1(a) 1, { a }
#define KEY2(a, b) 2, { a, b }
#define KEY3(a, b, c) 3, { a, b, c }

const struct nft_set_def nft_sets[NFT_SETS] = {
	[NFT_MAP_GUARDS] = { "guards", NFT_BRIDGE, KEY1(NFT_T_IFINDEX), KEY1(NFT_T_VERDICT), NFT_DEVICES },
	[NFT_SET_MEMBERS] = { "members", NFT_BRIDGE, KEY1(NFT_T_IFINDEX), 0, { 0 }, NFT_DEVICES },
	[NFT_SET_PORT_NO_HOST] = { "no_host", NFT_BRIDGE, KEY1(NFT_T_IFINDEX), 0, { 0 }, NFT_DEVICES },
	[NFT_SET_BRIDGE_MACS] = { "bridge_macs", NFT_BRIDGE, KEY1(NFT_T_ETHER), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_VLAN_PORTS] = { "vlan_ports", NFT_BRIDGE, KEY1(NFT_T_IFINDEX), 0, { 0 }, NFT_DEVICES },
	[NFT_SET_TRUNK] = { "trunk", NFT_BRIDGE, KEY2(NFT_T_IFINDEX, NFT_T_ETHER_TYPE), 0, { 0 },
			    NFT_PLAIN },
	[NFT_MAP_TRACED_GUARDS] = { "traced_guards", NFT_BRIDGE, KEY1(NFT_T_IFINDEX), KEY1(NFT_T_VERDICT),
				    NFT_PLAIN },
#define GUARD(SET, family) \
	[SET(MACS)] = { "macs", family, KEY2(NFT_T_IFINDEX, NFT_T_ETHER), 0, { 0 }, NFT_PLAIN }, \
	[SET(SOURCES4)] = { "sources4", family, KEY3(NFT_T_IFINDEX, NFT_T_ETHER, NFT_T_IP4), \
			    0, { 0 }, NFT_PLAIN }, \
	[SET(SOURCES6)] = { "sources6", family, KEY3(NFT_T_IFINDEX, NFT_T_ETHER, NFT_T_IP6), \
			    0, { 0 }, NFT_PLAIN }, \
	[SET(PREFIXES4)] = { "prefixes4", family, KEY2(NFT_T_IFINDEX, NFT_T_PREFIX4), 0, { 0 }, \
			     NFT_INTERVALS }, \
	[SET(PREFIXES6)] = { "prefixes6", family, KEY2(NFT_T_IFINDEX, NFT_T_PREFIX6), 0, { 0 }, \
			     NFT_INTERVALS }, \
	[SET(ETHERTYPES)] = { "ethertypes", family, KEY2(NFT_T_IFINDEX, NFT_T_ETHER_TYPE), \
			      0, { 0 }, NFT_PLAIN }, \
	[SET(WAIVED)] = { "waived", family, KEY2(NFT_T_IFINDEX, NFT_T_MARK), 0, { 0 }, NFT_PLAIN }, \
	[SET(DROPS)] = { "drops", family, KEY2(NFT_T_IFINDEX, NFT_T_MARK), 0, { 0 }, NFT_COUNTED }, \
	[SET(TRACED)] = { "traced", family, KEY1(NFT_T_IFINDEX), 0, { 0 }, NFT_PLAIN }, \
	[SET(TAGS)] = { "tags", family, KEY1(NFT_T_ETHER_TYPE), 0, { 0 }, NFT_PLAIN }, \
	[SET(DHCP_PORTS)] = { "dhcp_ports", family, KEY1(NFT_T_PORT), 0, { 0 }, NFT_PLAIN }, \
	[SET(TUNNELS)] = { "tunnels", family, KEY1(NFT_T_PROTO), 0, { 0 }, NFT_PLAIN }, \
	[SET(ND_TYPES)] = { "nd_types", family, KEY1(NFT_T_ICMP6_TYPE), 0, { 0 }, NFT_PLAIN }, \
	[SET(ROUTER_TYPES)] = { "router_types", family, KEY1(NFT_T_ICMP6_TYPE), 0, { 0 }, NFT_PLAIN }, \
	[SET(MLD_TYPES)] = { "mld_types", family, KEY1(NFT_T_ICMP6_TYPE), 0, { 0 }, NFT_PLAIN }, \
	[SET(EXTENSIONS)] = { "extensions", family, KEY1(NFT_T_PROTO), 0, { 0 }, NFT_PLAIN }, \
	[SET(LEARNERS)] = { "learners", family, KEY1(NFT_T_IFINDEX), 0, { 0 }, NFT_LIMITED }
#define BRIDGE_SET(name) NFT_SET_##name
#define NETDEV_SET(name) NFT_SET_NETDEV_##name
	GUARD(BRIDGE_SET, NFT_BRIDGE),
	[NFT_SET_BROADCASTS] = { "broadcasts", NFT_BRIDGE, KEY1(NFT_T_IFINDEX), 0, { 0 }, NFT_LIMITED },
	[NFT_SET_MULTICASTS] = { "multicasts", NFT_BRIDGE, KEY1(NFT_T_IFINDEX), 0, { 0 }, NFT_LIMITED },
	[NFT_SET_GROUPED] = { "grouped", NFT_BRIDGE, KEY1(NFT_T_IFINDEX), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_LOGGED] = { "logged", NFT_BRIDGE, KEY1(NFT_T_IFINDEX), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_DHCP_PAIRS] = { "dhcp_pairs", NFT_BRIDGE, KEY2(NFT_T_PORT, NFT_T_PORT), 0, { 0 },
				 NFT_PLAIN },
	[NFT_MAP_ZONES] = { "zones", NFT_BRIDGE, KEY1(NFT_T_IFNAME), KEY1(NFT_T_VERDICT), NFT_PLAIN },
	[NFT_SET_MEMBERS4] = { "members4", NFT_BRIDGE, KEY3(NFT_T_MARK, NFT_T_ETHER, NFT_T_IP4),
			       0, { 0 }, NFT_PLAIN },
	[NFT_SET_MEMBERS6] = { "members6", NFT_BRIDGE, KEY3(NFT_T_MARK, NFT_T_ETHER, NFT_T_IP6),
			       0, { 0 }, NFT_PLAIN },
	[NFT_SET_ROUTED4] = { "routed4", NFT_BRIDGE, KEY2(NFT_T_MARK, NFT_T_IP4), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_ROUTED6] = { "routed6", NFT_BRIDGE, KEY2(NFT_T_MARK, NFT_T_IP6), 0, { 0 }, NFT_PLAIN },
#define GROUPS(direction, name, i) \
	[NFT_MAP_##direction + (i) - 1] = { name "_" #i, NFT_BRIDGE, KEY1(NFT_T_IFINDEX), \
					    KEY1(NFT_T_VERDICT), NFT_PLAIN }
#define GROUPS_ALL(direction, name) \
	GROUPS(direction, name, 1), GROUPS(direction, name, 2), GROUPS(direction, name, 3), \
	GROUPS(direction, name, 4), GROUPS(direction, name, 5), GROUPS(direction, name, 6), \
	GROUPS(direction, name, 7), GROUPS(direction, name, 8)
	GROUPS_ALL(INGRESS, "ingress"),
	GROUPS_ALL(EGRESS, "egress"),
#undef GROUPS_ALL
#undef GROUPS
	GUARD(NETDEV_SET, NFT_NETDEV),
#undef BRIDGE_SET
#undef NETDEV_SET
#undef GUARD

	[NFT_SET_PORT_DEVICES] = { "ports", NFT_INET, KEY1(NFT_T_IFINDEX), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_BRIDGES] = { "bridges", NFT_INET, KEY1(NFT_T_IFNAME), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_CHECKED] = { "checked", NFT_INET, KEY1(NFT_T_IFNAME), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_INSIDE] = { "inside", NFT_INET, KEY2(NFT_T_IFNAME, NFT_T_IFNAME), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_EXITS] = { "exits", NFT_INET, KEY2(NFT_T_IFNAME, NFT_T_IFNAME), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_NO_HOST] = { "no_host", NFT_INET, KEY1(NFT_T_IFNAME), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_SERVICES] = { "services", NFT_INET, KEY3(NFT_T_IFNAME, NFT_T_PROTO, NFT_T_PORT),
			       0, { 0 }, NFT_PLAIN },
	[NFT_SET_ADDRESSED] = { "addressed", NFT_INET, KEY1(NFT_T_FIB_TYPE), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_REPLIES] = { "replies", NFT_INET, KEY2(NFT_T_PORT, NFT_T_PORT), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_ND_IN] = { "nd_in", NFT_INET, KEY1(NFT_T_ICMP6_TYPE), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_ND_OUT] = { "nd_out", NFT_INET, KEY1(NFT_T_ICMP6_TYPE), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_VXLAN_PORTS] = { "vxlan_ports", NFT_INET, KEY1(NFT_T_PORT), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_VXLAN_IDS] = { "vxlan_ids", NFT_INET, KEY2(NFT_T_PORT, NFT_T_VNI), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_VXLAN_PEERS4] = { "vxlan_peers4", NFT_INET, KEY3(NFT_T_PORT, NFT_T_VNI, NFT_T_IP4),
				   0, { 0 }, NFT_PLAIN },
	[NFT_SET_VXLAN_PEERS6] = { "vxlan_peers6", NFT_INET, KEY3(NFT_T_PORT, NFT_T_VNI, NFT_T_IP6),
				   0, { 0 }, NFT_PLAIN },
	[NFT_SET_EGRESS4] = { "egress4", NFT_INET, KEY2(NFT_T_IFNAME, NFT_T_PREFIX4), 0, { 0 },
			      NFT_INTERVALS },
	[NFT_SET_EGRESS6] = { "egress6", NFT_INET, KEY2(NFT_T_IFNAME, NFT_T_PREFIX6), 0, { 0 },
			      NFT_INTERVALS },
	[NFT_SET_OTHERS] = { "others", NFT_INET, KEY1(NFT_T_IFNAME), 0, { 0 }, NFT_PLAIN },
	[NFT_SET_EGRESS_NAMES] = { "egress_names", NFT_INET, KEY2(NFT_T_MARK, NFT_T_MARK), 0, { 0 },
				   NFT_NOTES },
	[NFT_SET_NAMES4A] = { "names4a", NFT_INET, KEY1(NFT_T_IP4), 0, { 0 }, NFT_FILLED },
	[NFT_SET_NAMES4B] = { "names4b", NFT_INET, KEY1(NFT_T_IP4), 0, { 0 }, NFT_FILLED },
	[NFT_SET_NAMES6A] = { "names6a", NFT_INET, KEY1(NFT_T_IP6), 0, { 0 }, NFT_FILLED },
	[NFT_SET_NAMES6B] = { "names6b", NFT_INET, KEY1(NFT_T_IP6), 0, { 0 }, NFT_FILLED },
	[NFT_MAP_FROM] = { "from_bridge", NFT_INET, KEY1(NFT_T_IFNAME), KEY1(NFT_T_VERDICT), NFT_PLAIN },
	[NFT_MAP_TO] = { "to_bridge", NFT_INET, KEY1(NFT_T_IFNAME), KEY1(NFT_T_VERDICT), NFT_PLAIN },
	[NFT_MAP_NAT] = { "nat_bridge", NFT_INET, KEY1(NFT_T_IFNAME), KEY1(NFT_T_VERDICT), NFT_PLAIN },
	[NFT_MAP_FORWARDS4] = { "forwards4", NFT_INET, KEY3(NFT_T_PROTO, NFT_T_IP4, NFT_T_PORT),
				KEY2(NFT_T_IP4, NFT_T_PORT), NFT_PLAIN },
	[NFT_MAP_FORWARDS4_ANY] = { "forwards4_any", NFT_INET, KEY2(NFT_T_PROTO, NFT_T_PORT),
				    KEY2(NFT_T_IP4, NFT_T_PORT), NFT_PLAIN },
	[NFT_MAP_FORWARDS6] = { "forwards6", NFT_INET, KEY3(NFT_T_PROTO, NFT_T_IP6, NFT_T_PORT),
				KEY2(NFT_T_IP6, NFT_T_PORT), NFT_PLAIN },
	[NFT_MAP_FORWARDS6_ANY] = { "forwards6_any", NFT_INET, KEY2(NFT_T_PROTO, NFT_T_PORT),
				    KEY2(NFT_T_IP6, NFT_T_PORT), NFT_PLAIN },
};

const struct nft_field_def nft_fields[NFT_FIELDS] = {
	[NFT_F_IIF] = { "iif", NFT_T_IFINDEX },
	[NFT_F_OIF] = { "oif", NFT_T_IFINDEX },
	[NFT_F_IIFGROUP] = { "iifgroup", NFT_T_DEVGROUP },
	[NFT_F_OIFGROUP] = { "oifgroup", NFT_T_DEVGROUP },
	[NFT_F_IIFNAME] = { "iifname", NFT_T_IFNAME },
	[NFT_F_OIFNAME] = { "oifname", NFT_T_IFNAME },
	[NFT_F_NFPROTO] = { "meta nfproto", NFT_T_NFPROTO },
	[NFT_F_L4PROTO] = { "meta l4proto", NFT_T_PROTO },
	[NFT_F_ETHER_DADDR] = { "ether daddr", NFT_T_ETHER },
	[NFT_F_ETHER_SADDR] = { "ether saddr", NFT_T_ETHER },
	[NFT_F_IP_SADDR] = { "ip saddr", NFT_T_IP4 },
	[NFT_F_IP_DADDR] = { "ip daddr", NFT_T_IP4 },
	[NFT_F_IP6_SADDR] = { "ip6 saddr", NFT_T_IP6 },
	[NFT_F_IP6_DADDR] = { "ip6 daddr", NFT_T_IP6 },
	[NFT_F_SPORT] = { "th sport", NFT_T_PORT },
	[NFT_F_DPORT] = { "th dport", NFT_T_PORT },
	[NFT_F_ICMP6_TYPE] = { "icmpv6 type", NFT_T_ICMP6_TYPE },
	[NFT_F_CT_STATE] = { "ct state", NFT_T_CT_STATE },
	[NFT_F_CT_STATUS] = { "ct status", NFT_T_CT_STATUS },
	[NFT_F_CT_DIRECTION] = { "ct direction", NFT_T_CT_DIRECTION },
	[NFT_F_FIB_SADDR] = { "fib saddr type", NFT_T_FIB_TYPE },
	[NFT_F_FIB_DADDR] = { "fib daddr type", NFT_T_FIB_TYPE },
	[NFT_F_FIB_DADDR_IIF] = { "fib daddr . iif type", NFT_T_FIB_TYPE },
	[NFT_F_FIB_SADDR_IIF_OIF] = { "fib saddr . iif oif", NFT_T_FIB_PRESENT },
	[NFT_F_ROUTED_ETHER_DADDR] = { "ether daddr", NFT_T_ETHER },
	[NFT_F_ETHER_TYPE] = { "ether type", NFT_T_ETHER_TYPE },
	/* Not "vlan type": nft would look for 802.1Q in front of it, and nothing else. */
	[NFT_F_INNER_TYPE] = { "@ll,128,16", NFT_T_ETHER_TYPE },
	/* nft 1.0.8 has "vxlan vni", which looks into the packet by another way. */
	[NFT_F_VNI] = { "@th,96,32", NFT_T_VNI },
	[NFT_F_IIFTYPE] = { "meta iiftype", NFT_T_ARPHRD },
	[NFT_F_ICMP_TYPE] = { "icmp type", NFT_T_ICMP_TYPE },
	[NFT_F_TCP_FLAGS] = { "tcp flags", NFT_T_TCP_FLAGS },
	[NFT_F_IBRNAME] = { "meta ibrname", NFT_T_IFNAME },
	[NFT_F_PROTOCOL] = { "meta protocol", NFT_T_ETHER_TYPE },
	[NFT_F_PKTTYPE] = { "meta pkttype", NFT_T_PKTTYPE },
	[NFT_F_MARK] = { "meta mark", NFT_T_MARK },
	[NFT_F_ARP_HEADER] = { "arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp operation",
			       NFT_T_ARP_HEADER },
	[NFT_F_RARP_HEADER] = { "@nh,0,64", NFT_T_BYTES8 },
	[NFT_F_ARP_SADDR_ETHER] = { "arp saddr ether", NFT_T_ETHER },
	[NFT_F_ARP_SADDR_IP] = { "arp saddr ip", NFT_T_IP4 },
	[NFT_F_ARP_DADDR_IP] = { "arp daddr ip", NFT_T_IP4 },
	[NFT_F_RARP_SADDR_ETHER] = { "@nh,64,48", NFT_T_ETHER },
	[NFT_F_RARP_DADDR_ETHER] = { "@nh,144,48", NFT_T_ETHER },
	[NFT_F_IP_FRAGMENT] = { "ip frag-off", NFT_T_BITS16 },
	[NFT_F_IP6_FRAGMENT] = { "frag frag-off", NFT_T_FRAG_OFF },
	[NFT_F_IP6_FRAGMENTED] = { "frag nexthdr", NFT_T_PROTO },
	[NFT_F_IP6_LENGTH] = { "ip6 length", NFT_T_PORT },
	[NFT_F_IP6_NEXTHDR] = { "ip6 nexthdr", NFT_T_PROTO },
	[NFT_F_IP6_HOPLIMIT] = { "ip6 hoplimit", NFT_T_BYTE },
	[NFT_F_DHCP_HEADER] = { "@th,64,24", NFT_T_BYTES3 },
	[NFT_F_DHCP_CHADDR] = { "@th,288,48", NFT_T_ETHER },
	[NFT_F_ND_TARGET] = { "@th,64,128", NFT_T_IP6 },
	[NFT_F_RS_OPTION] = { "@th,64,16", NFT_T_BYTES2 },
	[NFT_F_RS_LLADDR] = { "@th,80,48", NFT_T_ETHER },
	[NFT_F_ND_OPTION] = { "@th,192,16", NFT_T_BYTES2 },
	[NFT_F_ND_LLADDR] = { "@th,208,48", NFT_T_ETHER },
	[NFT_F_ND_OPTION2] = { "@th,256,16", NFT_T_BYTES2 },
};

enum nft_field nft_type_field(enum nft_type type)
{
	static const enum nft_field fields[] = {
		[NFT_T_PORT] = NFT_F_DPORT,
		[NFT_T_VNI] = NFT_F_VNI,
		[NFT_T_IP4] = NFT_F_IP_SADDR,
		[NFT_T_IP6] = NFT_F_IP6_SADDR,
	};

	return fields[type];
}

bool nft_set_is_typeof(const struct nft_set_def *def)
{
	for (unsigned i = 0; i < def->n_key; i++)
		if (!nft_types[def->key[i]].name)
			return true;
	return false;
}

bool nft_expr_uses_set(const struct nft_expr *e)
{
	return e->kind == NFT_E_LOOKUP || e->kind == NFT_E_VMAP || e->kind == NFT_E_DNAT ||
	       e->kind == NFT_E_COUNT;
}

bool nft_expr_has_set(const struct nft_ruleset *rs, const struct nft_expr *e)
{
	return e->instance[0] ? nft_instance_find(rs, e->set, e->instance) != NULL :
				rs->sets[e->set].exists;
}

const char *nft_set_name(enum nft_set_id set, const char *instance, char buf[NFT_SET_NAME_MAX])
{
	snprintf(buf, NFT_SET_NAME_MAX, "%s%s%s", nft_sets[set].name, instance[0] ? "." : "",
		 instance);
	return buf;
}

size_t nft_set_key_size(const struct nft_set_def *def)
{
	size_t size = 0;

	for (unsigned i = 0; i < def->n_key; i++)
		size += nft_types[def->key[i]].size;
	return size;
}

size_t nft_set_data_size(const struct nft_set_def *def)
{
	size_t size = 0;

	for (unsigned i = 0; i < def->n_data; i++)
		size += nft_types[def->data[i]].size;
	return size;
}

int nft_elem_cmp_key(const void *a, const void *b)
{
	return memcmp(((const struct nft_elem *)a)->key, ((const struct nft_elem *)b)->key,
		      NFT_KEY_MAX);
}

bool nft_elem_equal(const struct nft_elem *a, const struct nft_elem *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* FNV-1a, 64 bits: not against malice (root writes these), only against change. */
static uint64_t hash(uint64_t h, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 0x100000001b3u;
	return h;
}

void nft_rule_seal(struct nft_rule *rule)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	uint64_t h;

	nft_text_rule(&text, rule);
	h = hash(0xcbf29ce484222325u, text.s, text.len);
	rule->fingerprint = h ? h : 1;
}

void nft_rule_copy(struct nft_rule *to, const struct nft_rule *from)
{
	*to = *from;
	to->exprs.v = NULL;
	to->exprs.cap = 0;
	if (!from->exprs.n)
		return;
	vec_reserve(&to->exprs, from->exprs.n);
	memcpy(to->exprs.v, from->exprs.v, from->exprs.n * sizeof(*from->exprs.v));
}

void nft_rule_free(struct nft_rule *rule)
{
	vec_free(&rule->exprs);
}

static int cmp_chain_name(const void *name, const void *chain)
{
	return strcmp(name, ((const struct nft_chain *)chain)->name);
}

/* The index of name in the sorted chains, or of the first one after it. */
static size_t chain_index(const struct nft_table *table, const char *name, bool *ret_found)
{
	return vec_search(&table->chains, name, cmp_chain_name, ret_found);
}

struct nft_chain *nft_chain_find(const struct nft_ruleset *rs, enum nft_family family,
				 const char *name)
{
	const struct nft_table *table = &rs->tables[family];
	bool found;
	size_t i = chain_index(table, name, &found);

	return found ? &table->chains.v[i] : NULL;
}

struct nft_chain *nft_chain_add(struct nft_ruleset *rs, enum nft_family family, const char *name)
{
	struct nft_table *table = &rs->tables[family];
	struct nft_chain *chain;
	bool found;
	size_t i = chain_index(table, name, &found);

	if (found)
		return &table->chains.v[i];
	vec_add(&table->chains);
	chain = &table->chains.v[i];
	memmove(chain + 1, chain, (table->chains.n - 1 - i) * sizeof(*chain));
	*chain = (struct nft_chain){ 0 };
	strncpy(chain->name, name, sizeof(chain->name) - 1);
	return chain;
}

void nft_chain_free(struct nft_chain *chain)
{
	vec_each (rule, &chain->rules)
		nft_rule_free(rule);
	vec_free(&chain->rules);
}

struct instance_key {
	enum nft_set_id set;
	const char *of;
};

static int cmp_instance(const void *key, const void *instance)
{
	const struct instance_key *a = key;
	const struct nft_instance *b = instance;

	return a->set != b->set ? (a->set > b->set) - (a->set < b->set) : strcmp(a->of, b->of);
}

static size_t instance_index(const struct nft_ruleset *rs, enum nft_set_id set, const char *of,
			     bool *ret_found)
{
	struct instance_key key = { set, of };

	return vec_search(&rs->instances, &key, cmp_instance, ret_found);
}

struct nft_instance *nft_instance_find(const struct nft_ruleset *rs, enum nft_set_id set,
				       const char *of)
{
	bool found;
	size_t i = instance_index(rs, set, of, &found);

	return found ? &rs->instances.v[i] : NULL;
}

struct nft_instance *nft_instance_add(struct nft_ruleset *rs, enum nft_set_id set, const char *of)
{
	struct nft_instance *instance;
	bool found;
	size_t i = instance_index(rs, set, of, &found);

	if (found)
		return &rs->instances.v[i];
	vec_add(&rs->instances);
	instance = &rs->instances.v[i];
	memmove(instance + 1, instance, (rs->instances.n - 1 - i) * sizeof(*instance));
	*instance = (struct nft_instance){ .set = set };
	snprintf(instance->of, sizeof(instance->of), "%s", of);
	return instance;
}

void nft_instance_remove(struct nft_ruleset *rs, struct nft_instance *instance)
{
	vec_free(&instance->elems);
	vec_remove(&rs->instances, (size_t)(instance - rs->instances.v));
}

void nft_table_clear(struct nft_ruleset *rs, enum nft_family family)
{
	struct nft_table *table = &rs->tables[family];

	vec_each (chain, &table->chains)
		nft_chain_free(chain);
	vec_free(&table->chains);
	for (int i = 0; i < NFT_SETS; i++) {
		if (nft_sets[i].family != family)
			continue;
		vec_free(&rs->sets[i].elems);
		rs->sets[i].exists = false;
	}
	for (size_t i = rs->instances.n; i-- > 0;)
		if (nft_sets[rs->instances.v[i].set].family == family)
			nft_instance_remove(rs, &rs->instances.v[i]);
	*table = (struct nft_table){ 0 };
}

bool nft_ruleset_has_tables(const struct nft_ruleset *rs)
{
	for (int f = 0; f < NFT_FAMILIES; f++)
		if (rs->tables[f].exists)
			return true;
	return false;
}

struct nft_ruleset *nft_ruleset_new(void)
{
	return mem_alloc(sizeof(struct nft_ruleset));
}

void nft_ruleset_free(struct nft_ruleset *rs)
{
	if (!rs)
		return;
	for (int f = 0; f < NFT_FAMILIES; f++)
		nft_table_clear(rs, f);
	vec_free(&rs->instances);
	free(rs);
}

void nft_chain_copy(struct nft_chain *to, const struct nft_chain *from)
{
	*to = *from;
	to->rules.v = NULL;
	to->rules.n = to->rules.cap = 0;
	vec_each (rule, &from->rules)
		nft_rule_copy(vec_add(&to->rules), rule);
}

struct nft_ruleset *nft_ruleset_copy(const struct nft_ruleset *rs)
{
	struct nft_ruleset *copy;

	if (!rs)
		return NULL;
	copy = nft_ruleset_new();
	for (int f = 0; f < NFT_FAMILIES; f++) {
		copy->tables[f].exists = rs->tables[f].exists;
		copy->tables[f].is_foreign = rs->tables[f].is_foreign;
		vec_each (chain, &rs->tables[f].chains)
			nft_chain_copy(vec_add(&copy->tables[f].chains), chain);
	}
	for (int i = 0; i < NFT_SETS; i++) {
		const struct nft_set *set = &rs->sets[i];

		copy->sets[i].exists = set->exists;
		if (!set->elems.n)
			continue;
		vec_reserve(&copy->sets[i].elems, set->elems.n);
		memcpy(copy->sets[i].elems.v, set->elems.v, set->elems.n * sizeof(*set->elems.v));
		copy->sets[i].elems.n = set->elems.n;
	}
	vec_each (instance, &rs->instances) {
		struct nft_instance *to = nft_instance_add(copy, instance->set, instance->of);

		vec_each (elem, &instance->elems)
			vec_push(&to->elems, *elem);
	}
	return copy;
}

static int cmp_device(const void *key, const void *name)
{
	return strncmp(key, *(const char *const *)name, 16);
}

void nft_ruleset_drop_devices(struct nft_ruleset *rs, const char *const *names, size_t n)
{
	for (unsigned i = 0; i < NFT_SETS; i++) {
		struct nft_set *set = &rs->sets[i];
		size_t kept = 0;

		if (nft_sets[i].key[0] != NFT_T_IFINDEX)
			continue;
		vec_each (elem, &set->elems) {
			bool is_found;

			mem_search(names, n, sizeof(*names), elem->key, cmp_device, &is_found);
			if (!is_found)
				set->elems.v[kept++] = *elem;
		}
		set->elems.n = kept;
	}
}

bool nft_ruleset_equal(const struct nft_ruleset *a, const struct nft_ruleset *b)
{
	AUTO(nft_txn_free) struct nft_txn *txn = nft_diff(a, b);

	return nft_txn_is_empty(txn);
}
