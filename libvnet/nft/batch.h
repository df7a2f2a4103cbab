/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_NFT_BATCH_H
#define VNET_NFT_BATCH_H

/*
 * batch.h - the messages of one transaction; private to nft/
 *
 * Attributes are appended at the end of the open message; nests are closed by
 * the offset that opening them gave, because the buffer moves when it grows.
 */

#include "nft/edge.h"

#include <linux/netlink.h>

/* A device that was asked for in this transaction; no name: a free place. */
struct known_device {
	char name[16];
	unsigned index;
};

struct batch {
	uint8_t *buf;
	size_t len, cap;
	size_t message;         /* offset of the open one, or of the last */
	uint32_t seq;           /* of BATCH_BEGIN; the nth message has seq + 1 + n */
	VEC(uint32_t) op_of_message;
	const struct nft_devices *devices;
	struct known_device *known;
	size_t n_known;         /* places: a power of two, more than there can be names */
	bool add_before_del;    /* so that deleting what is not there succeeds */
	const char *unknown_device; /* of -ENODEV: its name, of at most 16 bytes */
};
void batch_free(struct batch *b);

void batch_begin_message(struct batch *b, uint16_t type, uint8_t family, uint16_t flags,
			 uint16_t res_id);
void batch_end_message(struct batch *b, uint32_t seq);
/* A message that carries out the operation with this index. */
void batch_begin_op(struct batch *b, uint16_t type, enum nft_family family, uint16_t flags, size_t op);
void batch_end_op(struct batch *b);

void batch_attr(struct batch *b, uint16_t type, const void *data, size_t size);
void batch_string(struct batch *b, uint16_t type, const char *s);
void batch_u8(struct batch *b, uint16_t type, uint8_t value);
void batch_be16(struct batch *b, uint16_t type, uint16_t value);
void batch_be32(struct batch *b, uint16_t type, uint32_t value);
void batch_be64(struct batch *b, uint16_t type, uint64_t value);
size_t batch_begin_nest(struct batch *b, uint16_t type);
void batch_end_nest(struct batch *b, size_t at);

/* What nftables nests everywhere: struct nft_data as value or verdict, and expressions. */
void batch_value(struct batch *b, uint16_t type, const void *value, size_t size);
void batch_verdict(struct batch *b, uint16_t type, enum nft_verdict code, const char *chain);
void batch_begin_expr(struct batch *b, size_t ret_nests[2], uint16_t type, const char *name);
void batch_end_expr(struct batch *b, const size_t nests[2]);

/* The transaction's first and last message; the last one between asks for the acknowledgement. */
void batch_begin(struct batch *b);
void batch_end(struct batch *b);

/* commit.c: sends it and takes the answer. 0: the kernel has answered, perhaps by an error. */
struct batch_answer {
	int number;             /* 0, or the first error */
	uint32_t seq;           /* whose */
	bool is_acked;
	char text[160];         /* extended ack */
};
int batch_send(struct mnl_socket *socket, const struct batch *b, struct batch_answer *ret);

/* expr.c: one expression of ours as the kernel's. */
void nft_encode_expr(struct batch *b, const struct nft_expr *e);
/* The attributes of a limit: packets a second, and how many at once. */
void nft_put_limit(struct batch *b, uint32_t rate, uint32_t burst);

/*
 * encode.c: the whole transaction; only its last message asks for an
 * acknowledgement.  -ENODEV and b->unknown_device.
 */
int nft_encode(struct batch *b, const struct nft_txn *txn);

#endif
