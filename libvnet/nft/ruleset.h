/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_NFT_RULESET_H
#define VNET_NFT_RULESET_H

/*
 * ruleset.h - our nftables tables as a value, and transactions between values
 *
 * Pure: no libnftnl here.  Devices are named, never numbered; encode.c and
 * decode.c translate at the kernel's edge (NFT_KEY_IIF keys are 4-byte indexes
 * there, which hash faster than names and can never be inherited by another
 * device of the same name).  An element whose device is gone decodes as "#12".
 *
 * Every rule carries its comment and a fingerprint of its text in its user
 * data, so that a dump can be compared with what is wanted without decoding
 * expressions.
 */

#include "base/mem.h"
#include "model/network.h"
#include "model/port.h"
#include "vnet/error.h"

#include <stdbool.h>

#define NFT_TABLE_NAME "vnet"   /* one each in families bridge, inet and netdev */
/*
 * The device group ("vnep" in ASCII) of ports that netd made, on bridges of its
 * own.  Where two of them meet, their groups say what @members would: that costs
 * a frame a third of the lookups.
 */
#define NFT_PORT_GROUP 0x766e6570
#define NFLOG_GROUP_LEARN 17216 /* frames of ports that learn their MAC */
#define NFLOG_GROUP_TRACE 17217 /* frames that the guard took from traced ports; the mark is the reason */
#define NFT_CHAIN_REFUSE "guard/refuse" /* where it took them */
#define NFT_CHAIN_TRACE "guard/trace" /* the first that a traced frame meets, in table bridge */
#define NFLOG_GROUP_DROPS 17218 /* headers of what security groups with log refuse */
/* The label (0..127) that takes a connection which security groups do not accept any more. */
#define NFT_CUT_LABEL 113

struct nft_ruleset;
struct nft_txn;

struct nft_ruleset *nft_ruleset_new(void);
void nft_ruleset_free(struct nft_ruleset *rs);
DEFINE_AUTO(struct nft_ruleset, nft_ruleset_free);
struct nft_ruleset *nft_ruleset_copy(const struct nft_ruleset *rs);
/* Takes the elements of these devices out; names are sorted. */
void nft_ruleset_drop_devices(struct nft_ruleset *rs, const char *const *names, size_t n);
/* Nothing to do to make one into the other.  NULL is a ruleset without tables. */
bool nft_ruleset_equal(const struct nft_ruleset *a, const struct nft_ruleset *b);
/* nft(8) syntax, sorted: golden files, `vnetctl plan`, bug reports; `nft -c -f` accepts it. */
char *nft_ruleset_to_text(const struct nft_ruleset *rs);

/*
 * The rules that these networks and ports want.  Never fails: the model was
 * checked.  A network with a VLAN whose `uplink` is its own bridge has no way
 * out at the moment, and no VLAN device.
 */
struct nft_ruleset *nft_compile(const struct network *const *nets, size_t n_nets,
				const struct port *const *ports, size_t n_ports);
/* The same with the security groups that are defined. */
struct nft_groups {
	struct security_group *const *v;
	size_t n;
	bool has_conntrack;     /* without: what is in a group is cut off */
};
struct nft_ruleset *nft_compile_grouped(const struct nft_groups *groups,
					const struct network *const *nets, size_t n_nets,
					const struct port *const *ports, size_t n_ports);

/* Transactions: an ordered list of add/delete of tables, chains, rules, sets, elements. */
void nft_txn_free(struct nft_txn *txn);
DEFINE_AUTO(struct nft_txn, nft_txn_free);
bool nft_txn_is_empty(const struct nft_txn *txn);
char *nft_txn_to_text(const struct nft_txn *txn); /* nft(8) syntax */
/* "12 rules, 3 elements added, 1 deleted" */
char *nft_txn_summary(const struct nft_txn *txn);

/*
 * The least that makes observed (NULL: nothing there) into desired.  A chain
 * whose rules differ is flushed and refilled inside the transaction; sets keep
 * their elements; a table whose layout is of another version is replaced whole.
 */
struct nft_txn *nft_diff(const struct nft_ruleset *desired, const struct nft_ruleset *observed);
/* One port's elements, or its chain, without looking at any ruleset. */
struct nft_txn *nft_txn_for_port(const struct network *net, const struct port *before, const struct port *after);
/* The same for many ports at once: either may be NULL in each pair. */
void nft_txn_add_port(struct nft_txn *txn, const struct network *net, const struct port *before, const struct port *after);
struct nft_txn *nft_txn_new(void);
/*
 * Takes out of a transaction, for one that follows, what frames that are judged at
 * this moment may still be asked for; NULL: nothing.
 */
struct nft_txn *nft_txn_split_late(struct nft_txn *txn);
/* The same for one that goes before: new chains to which packets are sent by the rest. */
struct nft_txn *nft_txn_split_early(struct nft_txn *txn);
/* The rule that lets the kernel trace, in table bridge; once for all ports that are traced. */
void nft_txn_add_tracing(struct nft_txn *txn, bool is_used);

/*
 * Empties one generation (0 or 1) of the sets of answered names of these networks, which
 * run; see model/egress.h.
 */
struct nft_txn *nft_txn_for_aging(const struct network *const *nets, size_t n, unsigned generation);
/* It makes the sets of the network's names: what its resolver has answered before is not in them. */
bool nft_txn_adds_names(const struct nft_txn *txn, const struct network *net);

/* Value semantics: for the fake kernel and the tests. -EEXIST/-ENOENT as the kernel would say. */
int nft_txn_apply(const struct nft_txn *txn, struct nft_ruleset **rs, struct vnet_error *err);

#endif
