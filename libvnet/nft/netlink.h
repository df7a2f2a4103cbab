/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_NFT_NETLINK_H
#define VNET_NFT_NETLINK_H

/*
 * netlink.h - our tables at the kernel's edge (commit.c, decode.c)
 *
 * All functions take a socket from nft_netlink_open(), which is for requests
 * only: subscribe to nftables events on another one.  They block for the round
 * trip and leave nothing unread on the socket, whatever happened.
 *
 * Elements of ports are keyed by interface index there and by name in
 * struct nft_ruleset; the caller's two functions translate.  A name of the
 * form "#12" is index 12 and is never asked for.
 */

#include "base/mem.h"
#include "vnet/error.h"

#include <stdbool.h>
#include <stdint.h>

struct mnl_socket;
struct nft_ruleset;
struct nft_txn;

struct nft_devices {
	/*
	 * The index of a device, or 0.  To take the elements of a port away
	 * cheaply after its device is gone, keep answering with the index it
	 * had until they are; otherwise see nft_netlink_commit().
	 */
	unsigned (*index)(void *context, const char *name);
	/* The name of a device that exists now; false: none. */
	bool (*name)(void *context, unsigned index, char ret_name[16]);
	void *context;
	/*
	 * Tables bridge and netdev, where the guard is, are the socket's own: nobody
	 * else can change them, nor flush them with the ruleset, and they outlive the
	 * socket (Linux 6.9: NFT_TABLE_F_OWNER and _PERSIST).  One that is not held so
	 * is replaced.  Table inet stays everybody's: dnsmasq may have to add to its sets.
	 */
	bool owns_tables;
};

/* Close-on-exec, extended acks on, bound to a port of the kernel's choice. */
int nft_netlink_open(struct mnl_socket **ret, struct vnet_error *err);

/* Takes over what tables an owner that is gone has left, as they are. */
void nft_netlink_adopt(struct mnl_socket *socket);

/*
 * Runs a transaction: all of it or nothing, in one batch and one send.  The
 * error names the object that the kernel refused and has its text.
 *
 *   -ENODEV  "unknown-device"   an element or chain to add names a device that is not there
 *   -ENOENT  "rules-missing"    our table, chain or set is gone (flushed by
 *                               someone): dump, diff and commit that
 *   -EPERM   "not-permitted"    no CAP_NET_ADMIN in this network namespace
 *   -EOPNOTSUPP "no-egress-filter" a macvtap port cannot be held to its address here
 *   others   "rules-refused"
 *
 * An element that is there already counts as added, one that is not there as
 * deleted.  When an element to delete names a device that index() does not
 * know any more, every element whose index has no device is deleted instead
 * (this dumps the sets of ports, so it is slower).
 */
int nft_netlink_commit(struct mnl_socket *socket, const struct nft_txn *txn,
		       const struct nft_devices *devices, struct vnet_error *err);

/*
 * Reads our tables, nobody else's.  *ret is NULL when none exists.
 * A dump that was interrupted by a change is taken again, a few times; then
 * -EAGAIN "rules-busy".
 */
int nft_netlink_dump(struct mnl_socket *socket, const struct nft_devices *devices,
		     struct nft_ruleset **ret, struct vnet_error *err);

/* Frames that the guard took from a port for one reason (enum guard_reason). */
struct nft_counter {
	char ifname[16];        /* or "#12" */
	unsigned index, reason;
	uint64_t packets, bytes;
};
typedef VEC(struct nft_counter) nft_counter_vec;

/*
 * One port's counters, or with ifname NULL all of them; appended to *ret.  A
 * reason for which nothing was taken yet is not there; without tables nothing
 * is, and that is no error.
 */
int nft_netlink_counters(struct mnl_socket *socket, const char *ifname,
			 const struct nft_devices *devices, nft_counter_vec *ret,
			 struct vnet_error *err);

/*
 * Can rules of table bridge tell connections, give them zones and label them?
 * Without CONFIG_NF_CONNTRACK_BRIDGE, CONFIG_NFT_BRIDGE_META or
 * CONFIG_NF_CONNTRACK_LABELS they cannot.  Changes nothing.
 */
bool nft_netlink_has_conntrack(struct mnl_socket *socket);

#endif
