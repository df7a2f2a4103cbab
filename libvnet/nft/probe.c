/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* probe.c - what this kernel's nftables can do, found out by trying. */

#include "nft/build.h"
#include "nft/netlink.h"

#include <errno.h>

#define PROBE "probe"
#define TARGET "probe/target"

/*
 * A batch that is bound to fail: its last part deletes a chain that a rule jumps
 * to.  EBUSY then says that everything before it was fine; and nothing of it
 * ever was in force, nor is anybody told of it.
 */
bool nft_netlink_has_conntrack(struct mnl_socket *socket)
{
	static const struct nft_devices no_devices;
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = nft_ruleset_new();
	AUTO(nft_txn_free) struct nft_txn *txn = NULL;
	struct nft_expr zone = expr_simple(NFT_E_SET_ZONE);
	struct nft_op *op;

	zone.mark = 1;
	chain_begin(rs, NFT_BRIDGE, PROBE);
	chain_begin(rs, NFT_BRIDGE, TARGET);
	BRIDGE_RULE(PROBE, "", IS_REPLY, expr_match_name(NFT_F_IBRNAME, "lo"), zone);
	BRIDGE_RULE(PROBE, "", expr_simple(NFT_E_LABEL), expr_simple(NFT_E_SET_LABEL),
		    expr_to_chain(NFT_V_JUMP, TARGET));
	txn = nft_diff(rs, NULL);
	op = nft_txn_add(txn, NFT_OP_DEL_CHAIN, NFT_BRIDGE);
	strcpy(op->chain, TARGET);
	return nft_netlink_commit(socket, txn, &no_devices, NULL) == -EBUSY;
}
