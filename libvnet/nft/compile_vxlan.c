/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * compile_vxlan.c - from whom a VXLAN link takes frames
 *
 * A VXLAN device takes what anybody sends to its port with its VNI; that its
 * forwarding entries name peers matters only to what it sends.  So the host's
 * input looks at the sender.  Other people's VXLAN devices may share the port:
 * what carries another VNI is theirs, and so is a link of ours whose peers only
 * a control plane knows.
 *
 * Netfilter sees IPv6 packets in fragments, and the first one may be cut before
 * the VNI: a rule that cannot read what it looks for does not match.  Therefore
 * everything to the port falls through to the drop that was not let pass.
 */

#include "nft/build.h"

#include <string.h>

static void shared_vxlan(struct nft_ruleset *rs)
{
	if (!chain_begin_base(rs, NFT_INET, "vxlan_input", NFT_HOOK_INPUT, 0, false))
		return;
	chain_begin(rs, NFT_INET, "vxlan");
	RULE("vxlan_input", "to a VXLAN link", expr_match_byte(NFT_F_L4PROTO, 17),
	     IN_SET(NFT_SET_VXLAN_PORTS, NFT_F_DPORT), expr_to_chain(NFT_V_GOTO, "vxlan"));
	RULE("vxlan", "not ours, or its peers are a control plane's business",
	     expr_not_in(IN_SET(NFT_SET_VXLAN_IDS, NFT_F_DPORT, NFT_F_VNI)), ACCEPT);
	RULE("vxlan", "a peer", IS_IPV4,
	     IN_SET(NFT_SET_VXLAN_PEERS4, NFT_F_DPORT, NFT_F_VNI, NFT_F_IP_SADDR), ACCEPT);
	RULE("vxlan", "a peer", IS_IPV6,
	     IN_SET(NFT_SET_VXLAN_PEERS6, NFT_F_DPORT, NFT_F_VNI, NFT_F_IP6_SADDR), ACCEPT);
	RULE("vxlan", "from a host that is no peer, or cut before its VNI", DROP);
}

static void compile_link(struct nft_ruleset *rs, const struct network_link *link)
{
	struct nft_elem elem = { 0 };
	struct elem_writer port = { elem.key }, vni;

	elem_put_port(&port, (uint16_t)(link->port ? link->port : VXLAN_PORT));
	elem_add(rs, NFT_SET_VXLAN_PORTS, &elem);
	vni = port;
	elem_put_vni(&vni, link->key);
	elem_add(rs, NFT_SET_VXLAN_IDS, &elem);
	vec_each (peer, &link->peers) {
		struct elem_writer address = vni;

		elem_put_ip(&address, peer);
		elem_add(rs, peer->family == AF_INET ? NFT_SET_VXLAN_PEERS4 : NFT_SET_VXLAN_PEERS6,
			 &elem);
	}
}

void nft_compile_vxlan(struct nft_ruleset *rs, const struct network *net)
{
	if (!network_has_bridge(net))
		return;
	vec_each (link, &net->links) {
		if (link->kind != LINK_VXLAN || link->external)
			continue;
		shared_vxlan(rs);
		compile_link(rs, link);
	}
}
