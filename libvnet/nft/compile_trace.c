/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * compile_trace.c - what the kernel tells of a traced port's frames
 *
 * What the guard takes comes to netd by the log (chain guard/refuse, which both
 * tables have).  Where a frame goes that the guard lets pass, and which rule of
 * somebody else's takes it there, the kernel tells of packets that are marked for
 * tracing.  A traced port's element in map `guards` leads through the chains here.
 *
 * One rule with `nftrace` anywhere makes every rule set of the host a little slower
 * (static key nft_trace_enabled), so it is there only while somebody traces.
 */

#include "nft/build.h"

/* Not for nothing: each frame costs netd work. */
#define SAMPLE_RATE 100
#define SAMPLE_BURST 50
#define SAMPLE_SNAPLEN 320      /* DHCP's message type is 285 bytes behind the Ethernet header */

/* Each packet makes a message per rule that matched: some twenty. */
#define TRACE_RATE 50
#define TRACE_BURST 50

void nft_compile_sample(struct nft_ruleset *rs, enum nft_family family, const char *chain,
			enum nft_field device)
{
	rule_add(rs, family, chain, "shown to who traces the port",
		 EXPRS(IN_SET(nft_guard_set(family, NFT_SET_TRACED), device),
		       { .kind = NFT_E_LIMIT, .limit = { SAMPLE_RATE, SAMPLE_BURST } },
		       expr_log(NFLOG_GROUP_TRACE, SAMPLE_SNAPLEN)));
}

void nft_compile_trace_chain(struct nft_ruleset *rs, bool is_used)
{
	chain_begin(rs, NFT_BRIDGE, NFT_CHAIN_TRACE);
	if (is_used)
		BRIDGE_RULE(NFT_CHAIN_TRACE, "not too many a second",
			    { .kind = NFT_E_LIMIT, .limit = { TRACE_RATE, TRACE_BURST } },
			    { .kind = NFT_E_TRACE });
}

void nft_compile_tracing(struct nft_ruleset *rs, bool is_used)
{
	nft_compile_trace_chain(rs, is_used);
	chain_begin(rs, NFT_BRIDGE, NFT_CHAIN_TRACED);
	BRIDGE_RULE(NFT_CHAIN_TRACED, "followed from here on", expr_to_chain(NFT_V_JUMP, NFT_CHAIN_TRACE));
	BRIDGE_RULE(NFT_CHAIN_TRACED, "what the port is held to", VMAP(NFT_MAP_TRACED_GUARDS, NFT_F_IIF));
	BRIDGE_RULE(NFT_CHAIN_TRACED, "a port that has lost its guard", DROP);
}
