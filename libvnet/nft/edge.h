/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_NFT_EDGE_H
#define VNET_NFT_EDGE_H

/* edge.h - what encoding and decoding share; private to nft/. */

#include "nft/ast.h"
#include "nft/netlink.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Type of our TLV in a rule's user data, beside nft's comment; nft skips what it does not know. */
#define NFT_UDATA_COMMENT 0
#define NFT_UDATA_FINGERPRINT 118

#define NFT_PAD(size) (((size) + 3u) & ~3u)
/* Two device names; of a concatenation every part is padded to 4 bytes. */
#define NFT_KERNEL_KEY_MAX 40

/* The kernel's numbers of a family and of a hook. */
static inline uint8_t nft_kernel_family(enum nft_family family)
{
	static const uint8_t families[NFT_FAMILIES] = { NFPROTO_BRIDGE, NFPROTO_INET,
							NFPROTO_NETDEV };

	return families[family];
}

static inline uint32_t nft_kernel_hook(uint8_t hook)
{
	return hook == NFT_HOOK_EGRESS ? NF_NETDEV_EGRESS : hook;
}

/* linux/netfilter/nf_tables.h of Linux 6.9; older headers have no PERSIST. */
#define NFT_TABLE_OWNED (NFT_TABLE_F_OWNER | 0x4u)
static inline bool nft_is_owned(const struct nft_devices *devices, enum nft_family family)
{
	return devices->owns_tables && family != NFT_INET;
}

/* Sizes as the kernel stores them. */
static inline size_t nft_kernel_size(const uint8_t *types, unsigned n)
{
	size_t size = 0;

	if (n == 1)
		return nft_types[types[0]].kernel_size;
	for (unsigned i = 0; i < n; i++)
		size += NFT_PAD(nft_types[types[i]].kernel_size);
	return size;
}

static inline uint32_t nft_kernel_set_flags(const struct nft_set_def *def)
{
	return (def->n_data ? NFT_SET_MAP : 0u) |
	       (def->kind == NFT_COUNTED ? NFT_SET_EVAL : 0u) |
	       (def->kind == NFT_FILLED ? NFT_SET_TIMEOUT : 0u) |
	       (def->kind == NFT_INTERVALS ? NFT_SET_INTERVAL | NFT_SET_CONCAT : 0u);
}

/* nft's number for a type or a concatenation: 6 bits each. */
static inline uint32_t nft_kernel_type(const uint8_t *types, unsigned n)
{
	uint32_t number = 0;

	for (unsigned i = 0; i < n; i++)
		number = number << 6 | nft_types[types[i]].number;
	return number;
}

/* Of a name that may fill its 16 bytes; "#12" is 12. */
static inline unsigned nft_device_index(const struct nft_devices *devices, const char *name)
{
	char buf[17] = "";

	memcpy(buf, name, strnlen(name, sizeof(buf) - 1));
	if (buf[0] == '#')
		return (unsigned)strtoul(buf + 1, NULL, 10);
	return devices->index(devices->context, buf);
}

/*
 * Reads the elements of a set that must have our definition; appended, not
 * sorted.  -EINTR when the dump was interrupted, -ENOENT when there is none.
 */
typedef VEC(struct nft_elem) nft_elem_vec;
int nft_dump_elems(struct mnl_socket *socket, enum nft_set_id set,
		   const struct nft_devices *devices, nft_elem_vec *ret);

/* NFT_TABLE_F_*, or 0 when there is no such table. */
uint32_t nft_table_flags(struct mnl_socket *socket, enum nft_family family);

/* The first of n sequence numbers that no other request has, so that a stale answer is seen as such. */
uint32_t nft_reserve_seq(uint32_t n);

#endif
