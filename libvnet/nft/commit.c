/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * commit.c - sends a batch and reads what the kernel says
 *
 * The kernel runs a batch while it is being sent; its answer waits in the
 * socket when sendmsg() returns.  Only the last message asks for an
 * acknowledgement, so a batch of any size has one answer, or its errors.
 */

#include "nft/batch.h"

#include "base/strbuf.h"
#include "kernel/nl.h"

#include <libmnl/libmnl.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define SOCKET_TIMEOUT_S 5

static void read_extended_ack(const struct nlmsghdr *head, char *ret, size_t size)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(head);
	size_t offset = sizeof(*e);
	const struct nlattr *attr;

	if (!(head->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(head->nlmsg_flags & NLM_F_CAPPED))
		offset += mnl_nlmsg_get_payload_len(head) - sizeof(*e) > e->msg.nlmsg_len ?
				  e->msg.nlmsg_len - sizeof(e->msg) : 0;
	mnl_attr_for_each(attr, head, offset)
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(ret, size, "%s", mnl_attr_get_str(attr));
}

static void read_message(const struct batch *b, const struct nlmsghdr *head, struct batch_answer *ret)
{
	uint32_t last = b->seq + (uint32_t)b->op_of_message.n;
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(head);

	if (head->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(head) < sizeof(*e) ||
	    head->nlmsg_seq - b->seq > last - b->seq + 1)
		return; /* stale */
	if (e->error && !ret->number) {
		ret->number = e->error > 0 ? -EPROTO : e->error;
		ret->seq = head->nlmsg_seq;
		read_extended_ack(head, ret->text, sizeof(ret->text));
	}
	ret->is_acked |= head->nlmsg_seq == last;
}

/* The kernel has answered already; its answers end with the last message's. */
static int read_answers(struct mnl_socket *socket, const struct batch *b, struct batch_answer *ret)
{
	_Alignas(struct nlmsghdr) uint8_t buf[8192];

	while (!ret->is_acked) {
		ssize_t n = recv(mnl_socket_get_fd(socket), buf, sizeof(buf), MSG_DONTWAIT);
		struct nl_reader reader = { (const char *)buf, n > 0 ? (size_t)n : 0 };
		const struct nlmsghdr *head;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || ret->number ? 0 : -errno;
		while ((head = nl_next(&reader)))
			read_message(b, head, ret);
	}
	return 0;
}

/* netlink refuses a message that is larger than half of the buffer's accounted size. */
static void make_room(struct mnl_socket *socket, size_t size)
{
	int fd = mnl_socket_get_fd(socket), have = 0, want = (int)size + 4096;
	socklen_t len = sizeof(have);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &have, &len) == 0 && have / 2 >= want)
		return;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &want, sizeof(want)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof(want));
}

int batch_send(struct mnl_socket *socket, const struct batch *b, struct batch_answer *ret)
{
	ssize_t n;
	int r;

	if (b->len > 32 * 1024) /* the smallest default there is takes this */
		make_room(socket, b->len);
	do
		n = mnl_socket_sendto(socket, b->buf, b->len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	r = read_answers(socket, b, ret);
	if (r == 0 && !ret->number && !ret->is_acked)
		r = -EPROTO;
	return r;
}

static int refused(const struct nft_txn *txn, const struct batch *b, const struct batch_answer *a,
		   struct vnet_error *err)
{
	uint32_t message = a->seq - b->seq - 1;
	const struct nft_op *op = NULL;
	AUTO_FREE char *object = NULL;
	const char *code = "rules-refused";

	if (message < b->op_of_message.n) {
		op = &txn->ops.v[b->op_of_message.v[message]];
		object = nft_op_object(txn, op);
	}
	if (a->number == -ENOENT)
		code = "rules-missing";
	if (a->number == -EPERM)
		code = "not-permitted";
	if (a->number == -EOPNOTSUPP && op && op->kind == NFT_OP_ADD_CHAIN && op->family == NFT_NETDEV)
		return vnet_error_set(err, a->number, "no-egress-filter",
				      "this kernel cannot hold %s to its address: it has no filter for "
				      "what a device sends (CONFIG_NETFILTER_EGRESS, Linux 5.16)",
				      op->chain);
	vnet_error_set(err, a->number, code, "nftables: %s: %s",
		       object ? object : "tables " NFT_TABLE_NAME, strerror(-a->number));
	if (err && !err->kernel[0])
		snprintf(err->kernel, sizeof(err->kernel), "%s", a->text);
	return a->number;
}

static bool is_unknown(const struct nft_devices *devices, const struct nft_txn *txn,
		       const struct nft_op *op, size_t i)
{
	return nft_sets[op->set].key[0] == NFT_T_IFINDEX &&
	       !nft_device_index(devices, (const char *)txn->elems.v[op->first + i].key);
}

static bool has_element_deletion(const struct nft_txn *txn)
{
	vec_each (op, &txn->ops)
		if (op->kind == NFT_OP_DEL_ELEMS)
			return true;
	return false;
}

/* Appends the elements of a set whose device is gone. */
static int sweep(struct mnl_socket *socket, enum nft_set_id set, const struct nft_devices *devices,
		 struct nft_txn *txn)
{
	nft_elem_vec elems = { 0 };
	int r = nft_dump_elems(socket, set, devices, &elems);

	for (int i = 0; r == -EINTR && i < 5; i++) {
		elems.n = 0;
		r = nft_dump_elems(socket, set, devices, &elems);
	}
	vec_each (elem, &elems)
		if (r == 0 && elem->key[0] == '#')
			nft_txn_add_elem(txn, NFT_OP_DEL_ELEMS, set, elem);
	vec_free(&elems);
	return r;
}

/*
 * The same transaction without what it adds for devices that are not there, and with deletions by
 * unknown names replaced by those of all that is stale. A device that comes later is in no set,
 * so nothing passes it, and the next plan adds what is missing: better than that one device
 * which somebody has just deleted keeps the rules of all others from being put back.
 */
static int replace_unknown(struct mnl_socket *socket, const struct nft_txn *txn,
			   const struct nft_devices *devices, struct nft_txn *ret,
			   struct vnet_error *err)
{
	bool is_swept[NFT_SETS] = { false };

	vec_each (op, &txn->ops) {
		if (op->kind == NFT_OP_DEL_ELEMS || op->kind == NFT_OP_ADD_ELEMS) {
			for (size_t i = 0; i < op->n; i++) {
				if (is_unknown(devices, txn, op, i))
					is_swept[op->set] |= op->kind == NFT_OP_DEL_ELEMS;
				else
					nft_txn_add_elem(ret, op->kind, op->set,
							 &txn->elems.v[op->first + i]);
			}
			continue;
		}
		nft_txn_copy_op(ret, txn, op);
	}
	for (int set = 0; set < NFT_SETS; set++) {
		int r = is_swept[set] ? sweep(socket, set, devices, ret) : 0;

		if (r < 0)
			return vnet_error_set(err, r, r == -ENOENT ? "rules-missing" : "rules-refused",
					      "nftables: set %s of table bridge " NFT_TABLE_NAME ": %s",
					      nft_sets[set].name, strerror(-r));
	}
	return 0;
}

static int commit_once(struct mnl_socket *socket, const struct nft_txn *txn,
		       const struct nft_devices *devices, bool add_before_del,
		       struct vnet_error *err)
{
	struct batch b __attribute__((cleanup(batch_free))) = {
		.devices = devices, .add_before_del = add_before_del,
	};
	struct batch_answer answer = { 0 };
	int r = nft_encode(&b, txn);

	if (r < 0)
		return vnet_error_set(err, r, "unknown-device", "nftables: there is no device %.16s",
				      b.unknown_device);
	if (!b.op_of_message.n)
		return 0;
	r = batch_send(socket, &b, &answer);
	if (r < 0)
		return vnet_error_set(err, r, "rules-refused", "nftables: sending %zu bytes: %s", b.len,
				      strerror(-r));
	return answer.number ? refused(txn, &b, &answer, err) : 0;
}

int nft_netlink_commit(struct mnl_socket *socket, const struct nft_txn *txn,
		       const struct nft_devices *devices, struct vnet_error *err)
{
	AUTO(nft_txn_free) struct nft_txn *swept = NULL;
	struct vnet_error first = { 0 };
	int r;

	if (nft_txn_is_empty(txn))
		return 0;
	r = commit_once(socket, txn, devices, false, &first);
	if (r == -ENODEV) {
		vnet_error_clear(&first);
		swept = nft_txn_new();
		r = replace_unknown(socket, txn, devices, swept, &first);
		if (r == 0)
			r = commit_once(socket, swept, devices, false, &first);
		txn = swept;
	}
	/*
	 * Something to delete is not there.  If that is an element, adding it
	 * just before makes the deletion right; everything else fails again.
	 */
	if (r == -ENOENT && has_element_deletion(txn)) {
		vnet_error_clear(&first);
		r = commit_once(socket, txn, devices, true, &first);
	}
	if (r < 0 && err && !vnet_error_is_set(err))
		*err = first;
	return r;
}

/* One table of a former owner, or nothing; its flags are all that is said of it. */
static void adopt(struct mnl_socket *socket, enum nft_family family)
{
	struct batch b __attribute__((cleanup(batch_free))) = { 0 };
	struct batch_answer answer = { 0 };

	batch_begin(&b);
	batch_begin_op(&b, NFT_MSG_NEWTABLE, family, 0, 0);
	batch_string(&b, NFTA_TABLE_NAME, NFT_TABLE_NAME);
	batch_be32(&b, NFTA_TABLE_FLAGS, NFT_TABLE_OWNED);
	batch_end_op(&b);
	batch_end(&b);
	batch_send(socket, &b, &answer);
}

void nft_netlink_adopt(struct mnl_socket *socket)
{
	static const enum nft_family families[] = { NFT_BRIDGE, NFT_NETDEV };

	/* Made without an owner, or of one who lives: that is seen, or refused, when it comes to it. */
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (nft_table_flags(socket, families[i]) == (NFT_TABLE_OWNED & ~NFT_TABLE_F_OWNER))
			adopt(socket, families[i]);
}

int nft_netlink_open(struct mnl_socket **ret, struct vnet_error *err)
{
	struct timeval timeout = { .tv_sec = SOCKET_TIMEOUT_S };
	struct mnl_socket *s = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int on = 1, number;

	if (!s)
		return vnet_error_set(err, -errno, "no-netlink", "nftables: netlink socket: %s",
				      strerror(errno));
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(s, NETLINK_CAP_ACK, &on, sizeof(on)) < 0 ||
	    mnl_socket_setsockopt(s, NETLINK_EXT_ACK, &on, sizeof(on)) < 0 ||
	    setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0) {
		number = -errno;
		mnl_socket_close(s);
		return vnet_error_set(err, number, "no-netlink", "nftables: netlink socket: %s",
				      strerror(-number));
	}
	*ret = s;
	return 0;
}

uint32_t nft_reserve_seq(uint32_t n)
{
	static uint32_t next = 1;
	uint32_t first = next;

	next += n;
	return first;
}
