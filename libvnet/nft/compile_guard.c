/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * compile_guard.c - what a port is held to: the guard's chains and elements
 *
 * Theory of operation (docs/firewall.md has it at length):
 *
 * A port's frames go to the chain of its policy.  The usual frame of a strict
 * port costs one lookup of (device, source MAC, source address) and a look at
 * the protocol; whatever misses that comes to the chains that know ARP,
 * neighbour discovery, DHCP, and in the end to `refuse`, with the reason in the
 * mark.  There a waiver of the port lets it go on, or it is counted and dropped.
 *
 * Every chain accepts only what it recognised, and ends in a refusal: a header
 * that the kernel cannot read matches nothing and falls through to it.  An
 * accept behind the refusal is for ports that are waived from its reason.
 *
 * The same chains serve table bridge, where frames come in by the device, and
 * table netdev, where macvtap devices send them out.
 */

#include "nft/build.h"
#include "nft/ruleset.h"

#include <string.h>

#define CHAIN "guard/"
#define L4_TCP 6
#define L4_UDP 17
#define L4_ICMP6 58
/* Frames of one port that netd looks at: a guest asks for a few addresses when it starts. */
#define LEARN_RATE 1
#define LEARN_BURST 20
#define LEARN_SNAPLEN 96        /* a solicitation, and the Ethernet header */
#define L4_RESERVED 255 /* "any that could be read": nobody sends it */

struct guard_builder {
	struct nft_ruleset *rs;
	enum nft_family family;
	enum nft_field device;
};

static bool reads_ethernet(const struct nft_expr *e)
{
	for (unsigned i = 0; i < e->n_fields; i++)
		if (e->fields[i] == NFT_F_ETHER_SADDR || e->fields[i] == NFT_F_ETHER_TYPE)
			return true;
	return false;
}

/* In table netdev nft wants to know first that there is an Ethernet header. */
static void guard_rule(const struct guard_builder *g, const char *chain, const char *comment,
		       const struct nft_expr *exprs, size_t n)
{
	struct nft_expr all[12] = { expr_match(NFT_F_IIFTYPE, &(uint16_t){ 1 }, 2) };
	bool needs_type = false;

	for (size_t i = 0; g->family == NFT_NETDEV && i < n; i++)
		needs_type |= reads_ethernet(&exprs[i]);
	memcpy(all + needs_type, exprs, n * sizeof(*exprs));
	rule_add(g->rs, g->family, chain, comment, all, n + needs_type);
}

#define GUARD_RULE(chain, comment, ...) guard_rule(g, CHAIN chain, comment, EXPRS(__VA_ARGS__))
#define GUARD_CHAIN(chain) chain_begin(g->rs, g->family, CHAIN chain)
#define SET(name) nft_guard_set(g->family, NFT_SET_##name)
#define TO(chain) expr_to_chain(NFT_V_GOTO, CHAIN chain)
#define REFUSE(reason) REFUSE_FOR(GUARD_REASON_##reason)
#define NOT(e) expr_not_in(e)

#define ETHER_TYPE(number) expr_match_be16(NFT_F_ETHER_TYPE, number)
#define PROTOCOL(number) expr_match_be16(NFT_F_PROTOCOL, number)
#define L4(number) expr_match_byte(NFT_F_L4PROTO, number)
#define IS_READABLE NOT(L4(L4_RESERVED))
#define OWN_MAC(field) IN_SET(SET(MACS), g->device, field)
#define OWN_ADDRESS(set, field) IN_SET(SET(set), g->device, NFT_F_ETHER_SADDR, field)
#define OWN_PREFIX(set, field) IN_SET(SET(set), g->device, field)
#define NEXT_HEADER(number) expr_match_byte(NFT_F_IP6_NEXTHDR, number)
#define ICMP6(number) expr_match_byte(NFT_F_ICMP6_TYPE, number)

#define IP 0x0800
#define IP6 0x86dd
#define ARP 0x0806
#define RARP 0x8035

static const struct ip any4 = { .family = 2 }, any6 = { .family = 10 };

static struct nft_expr is_any(enum nft_field field)
{
	const struct ip *ip = field == NFT_F_IP6_SADDR ? &any6 : &any4;

	return expr_match(field, ip->b, field == NFT_F_IP6_SADDR ? 16 : 4);
}

/* Ethernet and IPv4, 6 and 4 bytes of address: RFC 826. */
static struct nft_expr arp_header(enum nft_field field, uint8_t operation)
{
	const uint8_t header[8] = { 0, 1, 8, 0, 6, 4, 0, operation };

	return expr_match(field, header, sizeof(header));
}

static void add_constants(const struct guard_builder *g, enum nft_set_id set, const uint16_t *v,
			  size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++) {
		struct nft_elem elem = { 0 };

		elem.key[0] = (uint8_t)(size == 2 ? v[i] >> 8 : v[i]);
		if (size == 2)
			elem.key[1] = (uint8_t)v[i];
		elem_add(g->rs, nft_guard_set(g->family, set), &elem);
	}
}

static void constants(const struct guard_builder *g)
{
#define CONSTANTS(set, size, ...)                                                                  \
	add_constants(g, NFT_SET_##set, (const uint16_t[]){ __VA_ARGS__ },                         \
		      sizeof((uint16_t[]){ __VA_ARGS__ }) / sizeof(uint16_t), size)
	CONSTANTS(TAGS, 2, 0x8100, 0x88a8, 0x9100);
	CONSTANTS(DHCP_PORTS, 2, 67, 68, 546);
	CONSTANTS(TUNNELS, 1, 4, 41);
	CONSTANTS(ND_TYPES, 1, 133, 134, 135, 136, 137);
	CONSTANTS(ROUTER_TYPES, 1, 134, 137);
	CONSTANTS(MLD_TYPES, 1, 131, 132, 143);
	CONSTANTS(EXTENSIONS, 1, 0, 43, 44, 60);
#undef CONSTANTS
}

/* A set that is full must not let a frame through: the drop is a rule of its own. */
static void chain_refuse(const struct guard_builder *g)
{
	GUARD_CHAIN("refuse");
	GUARD_RULE("refuse", "switched off for this port",
		   IN_SET(SET(WAIVED), g->device, NFT_F_MARK), expr_set_mark(0),
		   expr_verdict(NFT_V_RETURN));
	nft_compile_sample(g->rs, g->family, NFT_CHAIN_REFUSE, g->device);
	GUARD_RULE("refuse", "counted by port and reason",
		   expr_on_fields(NFT_E_COUNT, SET(DROPS), FIELDS(g->device, NFT_F_MARK)));
	GUARD_RULE("refuse", "dropped", expr_verdict(NFT_V_DROP));
}

static void chain_mac(const struct guard_builder *g)
{
	GUARD_CHAIN("mac");
	GUARD_RULE("mac", "a port's own address", OWN_MAC(NFT_F_ETHER_SADDR), ACCEPT);
	GUARD_RULE("mac", "any other", REFUSE(MAC));
	GUARD_RULE("mac", "waived", ACCEPT);
}

/* type: the ethertype of the frame, or of what is within a trunk's tag. */
static void dispatch_sources(const struct guard_builder *g, const char *chain, enum nft_field type)
{
	guard_rule(g, chain, "IPv4 from an address of its own",
		   EXPRS(expr_match_be16(type, IP), OWN_ADDRESS(SOURCES4, NFT_F_IP_SADDR), TO("ip4")));
	guard_rule(g, chain, "IPv6 from an address of its own",
		   EXPRS(expr_match_be16(type, IP6), OWN_ADDRESS(SOURCES6, NFT_F_IP6_SADDR),
			 TO("ip6")));
	guard_rule(g, chain, "a foreign MAC",
		   EXPRS(NOT(OWN_MAC(NFT_F_ETHER_SADDR)), REFUSE(MAC)));
	guard_rule(g, chain, "ARP", EXPRS(expr_match_be16(type, ARP), TO("arp")));
	guard_rule(g, chain, "IPv4 from another address", EXPRS(expr_match_be16(type, IP), TO("ip4_other")));
	guard_rule(g, chain, "IPv6 from another address", EXPRS(expr_match_be16(type, IP6), TO("ip6_other")));
	guard_rule(g, chain, "RARP", EXPRS(expr_match_be16(type, RARP), TO("rarp")));
	guard_rule(g, chain, "an ethertype that the port may use",
		   EXPRS(IN_SET(SET(ETHERTYPES), g->device, type), ACCEPT));
}

static void chain_strict(const struct guard_builder *g, bool has_trunks)
{
	GUARD_CHAIN("strict");
	dispatch_sources(g, CHAIN "strict", NFT_F_ETHER_TYPE);
	if (has_trunks)
		GUARD_RULE("strict", "a tag that the port may use",
			   IN_SET(NFT_SET_TRUNK, g->device, NFT_F_ETHER_TYPE), TO("tagged"));
	GUARD_RULE("strict", "a VLAN tag", IN_SET(SET(TAGS), NFT_F_ETHER_TYPE), REFUSE(VLAN_TAG));
	GUARD_RULE("strict", "waived: a VLAN tag", IN_SET(SET(TAGS), NFT_F_ETHER_TYPE), ACCEPT);
	GUARD_RULE("strict", "802.2: STP, SNAP",
		   expr_less(NFT_F_ETHER_TYPE, (const uint8_t[]){ 0x06, 0x00 }, 2), REFUSE(LLC));
	GUARD_RULE("strict", "waived: 802.2",
		   expr_less(NFT_F_ETHER_TYPE, (const uint8_t[]){ 0x06, 0x00 }, 2), ACCEPT);
	GUARD_RULE("strict", "any other ethertype", REFUSE(ETHERTYPE));
	GUARD_RULE("strict", "waived", ACCEPT);
	if (!has_trunks)
		return;
	GUARD_CHAIN("tagged");
	dispatch_sources(g, CHAIN "tagged", NFT_F_PROTOCOL);
	GUARD_RULE("tagged", "any other ethertype", REFUSE(ETHERTYPE));
	GUARD_RULE("tagged", "waived", ACCEPT);
}

/*
 * Of an address that may be: what may it carry?  First what most packets are, and
 * nobody need look at longer: DHCP's ports are below 1024.
 */
static void chain_ip4(const struct guard_builder *g)
{
	GUARD_CHAIN("ip4");
	GUARD_RULE("ip4", "TCP", L4(L4_TCP), ACCEPT);
	GUARD_RULE("ip4", "UDP to port 1024 and above", L4(L4_UDP),
		   expr_has_bit_be16(NFT_F_DPORT, 0xfc00), ACCEPT);
	GUARD_RULE("ip4", "UDP", L4(L4_UDP), TO("udp"));
	GUARD_RULE("ip4", "a packet within a packet", IN_SET(SET(TUNNELS), NFT_F_L4PROTO),
		   REFUSE(TUNNEL));
	GUARD_RULE("ip4", "other protocols", IS_READABLE, ACCEPT);
	GUARD_RULE("ip4", "a header that cannot be read", REFUSE(HEADER));
	GUARD_RULE("ip4", "waived", ACCEPT);

	GUARD_CHAIN("ip4_other");
	GUARD_RULE("ip4_other", "from a prefix of its own", PROTOCOL(IP),
		   OWN_PREFIX(PREFIXES4, NFT_F_IP_SADDR), TO("ip4"));
	GUARD_RULE("ip4_other", "DHCP, without an address yet", PROTOCOL(IP),
		   is_any(NFT_F_IP_SADDR), L4(L4_UDP), expr_match_be16(NFT_F_DPORT, 67),
		   TO("dhcp_request"));
	GUARD_RULE("ip4_other", "IGMP, without an address yet (RFC 3376, RFC 4541)", PROTOCOL(IP),
		   is_any(NFT_F_IP_SADDR), L4(2), ACCEPT);
	GUARD_RULE("ip4_other", "a foreign address", REFUSE(IPV4_SOURCE));
	GUARD_RULE("ip4_other", "waived", TO("ip4"));
}

/* Offers to clients make a DHCP server, wherever they come from; and who asks, asks for itself. */
static void chain_udp(const struct guard_builder *g)
{
	GUARD_CHAIN("udp");
	GUARD_RULE("udp", "no DHCP", NOT(IN_SET(SET(DHCP_PORTS), NFT_F_DPORT)), ACCEPT);
	GUARD_RULE("udp", "to a DHCP server", L4(L4_UDP), expr_match_be16(NFT_F_DPORT, 67),
		   TO("dhcp_request"));
	GUARD_RULE("udp", "to a DHCP client", IN_SET(SET(DHCP_PORTS), NFT_F_DPORT),
		   REFUSE(DHCP_SERVER));
	GUARD_RULE("udp", "waived: to a DHCP client", IN_SET(SET(DHCP_PORTS), NFT_F_DPORT), ACCEPT);
	GUARD_RULE("udp", "a later fragment", PROTOCOL(IP), is_fragment(NFT_F_IP_FRAGMENT), ACCEPT);
	GUARD_RULE("udp", "a later fragment", PROTOCOL(IP6), is_fragment(NFT_F_IP6_FRAGMENT), ACCEPT);
	GUARD_RULE("udp", "a header that cannot be read", REFUSE(HEADER));
	GUARD_RULE("udp", "waived", ACCEPT);

	/* nft reads on behind a first fragment's end, where a frame may have more bytes than its packet. */
	GUARD_CHAIN("dhcp_request");
	GUARD_RULE("dhcp_request", "in pieces", PROTOCOL(IP),
		   expr_has_bit_be16(NFT_F_IP_FRAGMENT, 0x3fff), REFUSE(DHCP_CLIENT));
	GUARD_RULE("dhcp_request", "for its own MAC", expr_match(NFT_F_DHCP_HEADER, "\1\1\6", 3),
		   OWN_MAC(NFT_F_DHCP_CHADDR), ACCEPT);
	GUARD_RULE("dhcp_request", "for another", REFUSE(DHCP_CLIENT));
	GUARD_RULE("dhcp_request", "waived", ACCEPT);
}

/*
 * RFC 7112: all headers are in the first fragment.  Whether they end before it does
 * nft cannot tell: it reads on in the bytes that a frame may have behind its packet.
 * So there is only the last header in a fragment, whose first 8 bytes are always there.
 */
static void chain_ip6(const struct guard_builder *g)
{
	GUARD_CHAIN("ip6");
	GUARD_RULE("ip6", "TCP", PROTOCOL(IP6), NEXT_HEADER(L4_TCP), ACCEPT);
	GUARD_RULE("ip6", "UDP to port 1024 and above", PROTOCOL(IP6), NEXT_HEADER(L4_UDP),
		   expr_has_bit_be16(NFT_F_DPORT, 0xfc00), ACCEPT);
	GUARD_RULE("ip6", "an extension header in a fragment", PROTOCOL(IP6),
		   IN_SET(SET(EXTENSIONS), NFT_F_IP6_FRAGMENTED), REFUSE(HEADER));
	GUARD_RULE("ip6", "TCP behind extension headers", L4(L4_TCP), ACCEPT);
	GUARD_RULE("ip6", "UDP", L4(L4_UDP), TO("udp"));
	GUARD_RULE("ip6", "ICMPv6", L4(L4_ICMP6), TO("icmp6"));
	GUARD_RULE("ip6", "a packet within a packet", IN_SET(SET(TUNNELS), NFT_F_L4PROTO),
		   REFUSE(TUNNEL));
	GUARD_RULE("ip6", "other protocols", IS_READABLE, ACCEPT);
	GUARD_RULE("ip6", "a header that cannot be read", REFUSE(HEADER));
	GUARD_RULE("ip6", "waived", ACCEPT);

	GUARD_CHAIN("ip6_other");
	GUARD_RULE("ip6_other", "from a prefix of its own", PROTOCOL(IP6),
		   OWN_PREFIX(PREFIXES6, NFT_F_IP6_SADDR), TO("ip6"));
	GUARD_RULE("ip6_other", "without an address yet", PROTOCOL(IP6), is_any(NFT_F_IP6_SADDR),
		   L4(L4_ICMP6), TO("unspecified"));
	GUARD_RULE("ip6_other", "a foreign address", REFUSE(IPV6_SOURCE));
	GUARD_RULE("ip6_other", "waived", TO("ip6"));
}

/* RFC 6105, RFC 7113: no router, however it is wrapped. RFC 6980: no neighbour discovery in pieces. */
static void chain_icmp6(const struct guard_builder *g)
{
	GUARD_CHAIN("icmp6");
	GUARD_RULE("icmp6", "a later fragment", PROTOCOL(IP6), is_fragment(NFT_F_IP6_FRAGMENT), ACCEPT);
	GUARD_RULE("icmp6", "no neighbour discovery", L4(L4_ICMP6),
		   NOT(IN_SET(SET(ND_TYPES), NFT_F_ICMP6_TYPE)), ACCEPT);
	GUARD_RULE("icmp6", "router advertisement, redirect", L4(L4_ICMP6),
		   IN_SET(SET(ROUTER_TYPES), NFT_F_ICMP6_TYPE), REFUSE(ROUTER));
	GUARD_RULE("icmp6", "waived: a router", L4(L4_ICMP6),
		   IN_SET(SET(ROUTER_TYPES), NFT_F_ICMP6_TYPE), ACCEPT);
	GUARD_RULE("icmp6", "neighbour discovery", L4(L4_ICMP6),
		   IN_SET(SET(ND_TYPES), NFT_F_ICMP6_TYPE), TO("nd"));
	GUARD_RULE("icmp6", "a header that cannot be read", REFUSE(HEADER));
	GUARD_RULE("icmp6", "waived", ACCEPT);
}

/*
 * RFC 4861: from a neighbour (hop limit 255), in one piece and without extension
 * headers; of options the few that neighbours send, in the places where they send
 * them, so that there is nothing else for a receiver to believe.
 */
static void chain_nd(const struct guard_builder *g)
{
	const uint8_t source_lladdr[2] = { 1, 1 }, target_lladdr[2] = { 2, 1 }, nonce[2] = { 14, 1 };

	GUARD_CHAIN("nd");
	GUARD_RULE("nd", "behind extension headers", PROTOCOL(IP6),
		   NOT(NEXT_HEADER(L4_ICMP6)), REFUSE(ND));
	GUARD_RULE("nd", "not from a neighbour", PROTOCOL(IP6),
		   NOT(expr_match_byte(NFT_F_IP6_HOPLIMIT, 255)), REFUSE(ND));
	GUARD_RULE("nd", "router solicitation", L4(L4_ICMP6), ICMP6(133), TO("nd_solicit_router"));
	GUARD_RULE("nd", "advertisement of a foreign address", L4(L4_ICMP6), ICMP6(136),
		   NOT(OWN_ADDRESS(SOURCES6, NFT_F_ND_TARGET)), REFUSE(ND_TARGET));
	GUARD_RULE("nd", "without options", PROTOCOL(IP6), expr_match_be16(NFT_F_IP6_LENGTH, 24),
		   ACCEPT);
	GUARD_RULE("nd", "solicitation with its own link-layer address", PROTOCOL(IP6),
		   expr_match_be16(NFT_F_IP6_LENGTH, 32), L4(L4_ICMP6), ICMP6(135),
		   expr_match(NFT_F_ND_OPTION, source_lladdr, 2), OWN_MAC(NFT_F_ND_LLADDR), ACCEPT);
	GUARD_RULE("nd", "advertisement with its own link-layer address", PROTOCOL(IP6),
		   expr_match_be16(NFT_F_IP6_LENGTH, 32), L4(L4_ICMP6), ICMP6(136),
		   expr_match(NFT_F_ND_OPTION, target_lladdr, 2), OWN_MAC(NFT_F_ND_LLADDR), ACCEPT);
	GUARD_RULE("nd", "solicitation with a nonce (RFC 7527)", PROTOCOL(IP6),
		   expr_match_be16(NFT_F_IP6_LENGTH, 32), L4(L4_ICMP6), ICMP6(135),
		   expr_match(NFT_F_ND_OPTION, nonce, 2), ACCEPT);
	GUARD_RULE("nd", "solicitation with both", PROTOCOL(IP6),
		   expr_match_be16(NFT_F_IP6_LENGTH, 40), L4(L4_ICMP6), ICMP6(135),
		   expr_match(NFT_F_ND_OPTION, source_lladdr, 2), OWN_MAC(NFT_F_ND_LLADDR),
		   expr_match(NFT_F_ND_OPTION2, nonce, 2), ACCEPT);
	GUARD_RULE("nd", "other options, or a foreign link-layer address", REFUSE(ND));
	GUARD_RULE("nd", "waived", ACCEPT);

	GUARD_CHAIN("nd_solicit_router");
	GUARD_RULE("nd_solicit_router", "without options", PROTOCOL(IP6),
		   expr_match_be16(NFT_F_IP6_LENGTH, 8), ACCEPT);
	GUARD_RULE("nd_solicit_router", "with its own link-layer address", PROTOCOL(IP6),
		   expr_match_be16(NFT_F_IP6_LENGTH, 16), expr_match(NFT_F_RS_OPTION, source_lladdr, 2),
		   OWN_MAC(NFT_F_RS_LLADDR), ACCEPT);
	GUARD_RULE("nd_solicit_router", "other options, or a foreign link-layer address", REFUSE(ND));
	GUARD_RULE("nd_solicit_router", "waived", ACCEPT);

	/* From ::, before the guest has an address: RFC 4862, RFC 4861 (4.1), RFC 3590. */
	GUARD_CHAIN("unspecified");
	GUARD_RULE("unspecified", "multicast listener reports", L4(L4_ICMP6),
		   IN_SET(SET(MLD_TYPES), NFT_F_ICMP6_TYPE), ACCEPT);
	GUARD_RULE("unspecified", "router advertisement, redirect", L4(L4_ICMP6),
		   IN_SET(SET(ROUTER_TYPES), NFT_F_ICMP6_TYPE), REFUSE(ROUTER));
	GUARD_RULE("unspecified", "behind extension headers", PROTOCOL(IP6),
		   NOT(NEXT_HEADER(L4_ICMP6)), REFUSE(ND));
	GUARD_RULE("unspecified", "not from a neighbour", PROTOCOL(IP6),
		   NOT(expr_match_byte(NFT_F_IP6_HOPLIMIT, 255)), REFUSE(ND));
	GUARD_RULE("unspecified", "router solicitation", PROTOCOL(IP6),
		   expr_match_be16(NFT_F_IP6_LENGTH, 8), L4(L4_ICMP6), ICMP6(133), ACCEPT);
	/* Counted as dropped all the same: should it be another's, nobody has been disturbed. */
	GUARD_RULE("unspecified", "an address that netd may let the port have", L4(L4_ICMP6),
		   ICMP6(135), NOT(OWN_ADDRESS(SOURCES6, NFT_F_ND_TARGET)),
		   IN_SET(SET(LEARNERS), g->device), expr_log(NFLOG_GROUP_LEARN, LEARN_SNAPLEN));
	GUARD_RULE("unspecified", "not about a foreign address", L4(L4_ICMP6), ICMP6(135),
		   NOT(OWN_ADDRESS(SOURCES6, NFT_F_ND_TARGET)), REFUSE(ND_TARGET));
	GUARD_RULE("unspecified", "is the address free?", PROTOCOL(IP6),
		   expr_match_be16(NFT_F_IP6_LENGTH, 24), L4(L4_ICMP6), ICMP6(135), ACCEPT);
	GUARD_RULE("unspecified", "the same with a nonce (RFC 7527)", PROTOCOL(IP6),
		   expr_match_be16(NFT_F_IP6_LENGTH, 32), L4(L4_ICMP6), ICMP6(135),
		   expr_match(NFT_F_ND_OPTION, nonce, 2), ACCEPT);
	GUARD_RULE("unspecified", "anything else from ::", REFUSE(ND));
	GUARD_RULE("unspecified", "waived", ACCEPT);
}

static void chain_arp(const struct guard_builder *g)
{
	/* To read the last field shows that all are there; broadcast is nobody's address. */
	GUARD_CHAIN("arp");
	GUARD_RULE("arp", "whole", PROTOCOL(ARP),
		   NOT(expr_match(NFT_F_ARP_DADDR_IP, "\xff\xff\xff\xff", 4)), TO("arp_sender"));
	GUARD_RULE("arp", "cut off", REFUSE(ARP));
	GUARD_RULE("arp", "waived", ACCEPT);

	GUARD_CHAIN("arp_sender");
	GUARD_RULE("arp_sender", "request, from addresses of its own", PROTOCOL(ARP),
		   arp_header(NFT_F_ARP_HEADER, 1),
		   IN_SET(SET(SOURCES4), g->device, NFT_F_ARP_SADDR_ETHER, NFT_F_ARP_SADDR_IP),
		   ACCEPT);
	GUARD_RULE("arp_sender", "reply, from addresses of its own", PROTOCOL(ARP),
		   arp_header(NFT_F_ARP_HEADER, 2),
		   IN_SET(SET(SOURCES4), g->device, NFT_F_ARP_SADDR_ETHER, NFT_F_ARP_SADDR_IP),
		   ACCEPT);
	GUARD_RULE("arp_sender", "a foreign MAC within", PROTOCOL(ARP), NOT(OWN_MAC(NFT_F_ARP_SADDR_ETHER)),
		   REFUSE(ARP));
	GUARD_RULE("arp_sender", "probe: is the address free? (RFC 5227)", PROTOCOL(ARP),
		   arp_header(NFT_F_ARP_HEADER, 1), is_any(NFT_F_ARP_SADDR_IP), ACCEPT);
	for (uint8_t operation = 1; operation <= 2; operation++) {
		GUARD_RULE("arp_sender", "from a prefix of its own", PROTOCOL(ARP),
			   arp_header(NFT_F_ARP_HEADER, operation),
			   OWN_PREFIX(PREFIXES4, NFT_F_ARP_SADDR_IP), ACCEPT);
		GUARD_RULE("arp_sender", "a foreign address", PROTOCOL(ARP),
			   arp_header(NFT_F_ARP_HEADER, operation), REFUSE(ARP_ADDRESS));
		GUARD_RULE("arp_sender", "waived: a foreign address", PROTOCOL(ARP),
			   arp_header(NFT_F_ARP_HEADER, operation), ACCEPT);
	}
	GUARD_RULE("arp_sender", "malformed, or another operation", REFUSE(ARP));
	GUARD_RULE("arp_sender", "waived", ACCEPT);

	/* QEMU announces a guest so after a migration: a request about itself. */
	GUARD_CHAIN("rarp");
	GUARD_RULE("rarp", "about itself", arp_header(NFT_F_RARP_HEADER, 3),
		   OWN_MAC(NFT_F_RARP_SADDR_ETHER), OWN_MAC(NFT_F_RARP_DADDR_ETHER), ACCEPT);
	GUARD_RULE("rarp", "anything else", REFUSE(ARP));
	GUARD_RULE("rarp", "waived", ACCEPT);
}

/* So many broadcasts and multicasts a second; in table bridge alone. */
static void chain_limits(const struct guard_builder *g)
{
	static const struct {
		uint8_t type;
		enum nft_set_id set;
	} kinds[] = { { NFT_PKTTYPE_BROADCAST, NFT_SET_BROADCASTS },
		      { NFT_PKTTYPE_MULTICAST, NFT_SET_MULTICASTS } };

	GUARD_CHAIN("storm");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct nft_expr is_kind = expr_match_byte(NFT_F_PKTTYPE, kinds[i].type);

		GUARD_RULE("storm", "any number of them", is_kind,
			   NOT(IN_SET(kinds[i].set, g->device)), expr_verdict(NFT_V_RETURN));
		GUARD_RULE("storm", "not too many a second", is_kind,
			   IN_SET(kinds[i].set, g->device), expr_verdict(NFT_V_RETURN));
		GUARD_RULE("storm", "too many", is_kind, REFUSE(STORM));
	}
	GUARD_CHAIN("limited_mac");
	GUARD_RULE("limited_mac", "limits first", expr_to_chain(NFT_V_JUMP, CHAIN "storm"));
	GUARD_RULE("limited_mac", "then the addresses", TO("mac"));
	GUARD_CHAIN("limited_strict");
	GUARD_RULE("limited_strict", "limits first", expr_to_chain(NFT_V_JUMP, CHAIN "storm"));
	GUARD_RULE("limited_strict", "then everything else", TO("strict"));
}

static struct nft_ruleset *build(enum nft_family family, bool has_trunks)
{
	const struct guard_builder builder = { nft_ruleset_new(), family,
					       family == NFT_BRIDGE ? NFT_F_IIF : NFT_F_OIF };
	const struct guard_builder *g = &builder;

	constants(g);
	chain_refuse(g);
	chain_mac(g);
	chain_strict(g, has_trunks);
	chain_ip4(g);
	chain_udp(g);
	chain_ip6(g);
	chain_icmp6(g);
	chain_nd(g);
	chain_arp(g);
	if (family == NFT_BRIDGE)
		chain_limits(g);
	return builder.rs;
}

/*
 * These chains depend on nothing that is declared: they are written, and their
 * fingerprints made, once in the life of the program.
 */
void nft_compile_guard(struct nft_ruleset *rs, enum nft_family family, bool has_trunks)
{
	static struct nft_ruleset *made[NFT_FAMILIES][2];
	struct nft_ruleset **rules = &made[family][has_trunks];

	if (!*rules)
		*rules = build(family, has_trunks);
	rs->tables[family].exists = true;
	vec_each(chain, &(*rules)->tables[family].chains)
		nft_chain_copy(nft_chain_add(rs, family, chain->name), chain);
	for (unsigned i = 0; i < NFT_SETS; i++)
		vec_each(elem, &(*rules)->sets[i].elems)
			elem_add(rs, i, elem);
}

/* --- one port --- */

static bool is_limited(const struct port_guard *guard)
{
	return guard->guard->broadcast || guard->guard->multicast;
}

const char *nft_guard_chain(const struct network *net, const struct port *port)
{
	struct port_guard guard = port_guard(port, net);

	if (port->learns_mac && !port->has_mac && port->kind != PORT_MACVTAP &&
	    guard.policy != GUARD_OFF)
		return CHAIN "learn";
	if (guard.policy == GUARD_MAC)
		return is_limited(&guard) ? CHAIN "limited_mac" : CHAIN "mac";
	if (guard.policy == GUARD_STRICT)
		return is_limited(&guard) ? CHAIN "limited_strict" : CHAIN "strict";
	return NULL;
}

struct elems {
	enum nft_family family;
	const struct port *port;
	mac_vec macs;
	nft_port_elem_vec *to;
};

/* The device's element of a set; the key goes on behind the name. */
static struct elem_writer add_elem(const struct elems *e, enum nft_set_id set)
{
	struct nft_port_elem *elem = vec_add(e->to);
	struct elem_writer w = { elem->elem.key };

	elem->set = nft_guard_set(e->family, set);
	elem_put_name(&w, e->port->ifname);
	return w;
}

static void add_address(const struct elems *e, const struct ip *ip)
{
	vec_each(mac, &e->macs) {
		struct elem_writer w =
			add_elem(e, ip->family == 2 ? NFT_SET_SOURCES4 : NFT_SET_SOURCES6);

		elem_put(&w, mac->b, sizeof(mac->b));
		elem_put_ip(&w, ip);
	}
}

static void add_sources(const struct elems *e, const struct network *net)
{
	ip_vec addresses = { 0 };
	prefix_vec prefixes = { 0 };

	port_sources(e->port, net, &addresses, &prefixes);
	vec_each(ip, &addresses)
		add_address(e, ip);
	vec_each(prefix, &prefixes) {
		struct elem_writer w = add_elem(e, prefix->addr.family == 2 ? NFT_SET_PREFIXES4 :
									      NFT_SET_PREFIXES6);

		elem_put_ip(&w, &prefix->addr);
		elem_put(&w, &prefix->len, 1);
	}
	vec_free(&addresses);
	vec_free(&prefixes);
}

static void add_waivers(const struct elems *e, const struct guard *guard)
{
	uint32_t reasons = 0;

	vec_each(allow, &guard->allow)
		reasons |= guard_allow_reasons(*allow);
	for (uint32_t reason = 0; reason < GUARD_REASONS_END; reason++) {
		struct elem_writer w;

		if (!(reasons & 1u << reason))
			continue;
		w = add_elem(e, NFT_SET_WAIVED);
		elem_put(&w, &reason, sizeof(reason));
	}
}

static void add_ethertypes(const struct elems *e, const struct guard *guard)
{
	vec_each(type, &guard->ethertypes) {
		struct elem_writer w = add_elem(e, NFT_SET_ETHERTYPES);

		elem_put_port(&w, *type);
	}
}

/* Of broadcasts a second's worth may come at once, as when a guest starts. */
static void add_limit(const struct elems *e, enum nft_set_id set, uint32_t rate, uint32_t burst)
{
	struct nft_elem *elem;

	if (!rate)
		return;
	add_elem(e, set);
	elem = &e->to->v[e->to->n - 1].elem;
	memcpy(elem->data, &rate, sizeof(rate));
	memcpy(elem->data + 4, &burst, sizeof(burst));
}

static int cmp_elem(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct nft_port_elem));
}

/* An address that is declared and leased is one element. */
static void drop_repeated(nft_port_elem_vec *elems, size_t first)
{
	size_t n = first;

	if (elems->n > first)
		qsort(elems->v + first, elems->n - first, sizeof(*elems->v), cmp_elem);
	for (size_t i = first; i < elems->n; i++)
		if (n == first || cmp_elem(&elems->v[n - 1], &elems->v[i]) != 0)
			elems->v[n++] = elems->v[i];
	elems->n = n;
}

void nft_guard_elems(const struct network *net, const struct port *port, nft_port_elem_vec *ret)
{
	struct port_guard guard = port_guard(port, net);
	struct elems e = { .family = port->kind == PORT_MACVTAP ? NFT_NETDEV : NFT_BRIDGE,
			   .port = port, .to = ret };
	size_t first = ret->n;

	if (port->is_traced)
		add_elem(&e, NFT_SET_TRACED);
	if (guard.policy == GUARD_OFF)
		return;
	if (port->has_mac)
		vec_push(&e.macs, port->mac);
	vec_each(mac, &guard.guard->macs)
		vec_push(&e.macs, *mac);
	vec_each(mac, &e.macs) {
		struct elem_writer w = add_elem(&e, NFT_SET_MACS);

		elem_put(&w, mac->b, sizeof(mac->b));
	}
	if (guard.policy == GUARD_STRICT) {
		if (port_learns_addresses(port, net))
			add_limit(&e, NFT_SET_LEARNERS, LEARN_RATE, LEARN_BURST);
		add_sources(&e, net);
		add_waivers(&e, guard.guard);
		add_ethertypes(&e, guard.guard);
	}
	if (e.family == NFT_BRIDGE) {
		add_limit(&e, NFT_SET_BROADCASTS, guard.guard->broadcast,
			  guard.guard->broadcast);
		add_limit(&e, NFT_SET_MULTICASTS, guard.guard->multicast,
			  guard.guard->multicast);
	}
	drop_repeated(ret, first);
	vec_free(&e.macs);
}
