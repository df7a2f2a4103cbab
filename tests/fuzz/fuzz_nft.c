/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_nft.c - our tables at the kernel's edge
 *
 * A first byte below 4: what the kernel answers to a dump of our tables, with any bytes in it;
 * below 8: to a transaction.  Each answer is a datagram: two bytes of length, one that tells
 * which of the requests it belongs to, and messages, whose sequence numbers are set here.
 *
 * Else a wish (wish.h): its rules, written as a transaction for the kernel, read back
 * as if the kernel had told them, are the same; and what there is between them is
 * nothing.
 */

#include "nft/batch.h"
#include "tests/fuzz/must.h"
#include "tests/fuzz/wish.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_MAX 32768      /* decode.c's buffer */
#define ROOM (8 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mnl_socket *sock;
static int peer;

/* A socket whose other end is ours, in place of the kernel's. */
static void open_once(void)
{
	int pair[2], fd, room = ROOM;

	if (sock)
		return;
	must(nft_netlink_open(&sock, NULL) == 0);
	fd = mnl_socket_get_fd(sock);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	must(dup2(pair[0], fd) == fd);
	close(pair[0]);
	peer = pair[1];
	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(peer, F_SETFL, O_NONBLOCK) == 0);
	setsockopt(peer, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
}

static void drain(int fd)
{
	static char buf[DATAGRAM_MAX];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

/* Names and indexes of devices, in order of their first use. */
static struct { char name[16]; } names[256];
static unsigned n_names;

static unsigned index_of(void *context, const char *name)
{
	(void)context;
	for (unsigned i = 0; i < n_names; i++)
		if (strncmp(names[i].name, name, sizeof(names[i].name)) == 0)
			return i + 1;
	if (n_names == ARRAY_SIZE(names))
		return 0;
	strncpy(names[n_names].name, name, sizeof(names[0].name));
	return ++n_names;
}

static bool name_of(void *context, unsigned index, char ret[16])
{
	(void)context;
	if (!index || index > n_names)
		return false;
	memcpy(ret, names[index - 1].name, 16);
	return true;
}

/* ---- anything ---- */

static void set_numbers(uint8_t *buf, size_t size, uint32_t seq)
{
	for (size_t at = 0; at + sizeof(struct nlmsghdr) <= size;) {
		struct nlmsghdr head;

		memcpy(&head, buf + at, sizeof(head));
		head.nlmsg_seq = seq;
		memcpy(buf + at, &head, sizeof(head));
		if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > size - at)
			return;
		at += NLMSG_ALIGN(head.nlmsg_len);
	}
}

static void check_read(struct nft_ruleset *rs)
{
	AUTO_FREE char *text = NULL;

	if (!rs)
		return;
	text = nft_ruleset_to_text(rs);
	must(text != NULL);
	{
		AUTO(nft_ruleset_free) struct nft_ruleset *copy = nft_ruleset_copy(rs);
		AUTO(nft_txn_free) struct nft_txn *away = nft_diff(NULL, rs);
		AUTO_FREE char *words = nft_txn_to_text(away);

		must(words && !nft_txn_is_empty(away));
		must(nft_txn_apply(away, &copy, NULL) == 0);
	}
}

static void send_answers(const uint8_t *data, size_t size)
{
	uint32_t first = nft_reserve_seq(1) + 1;

	while (size >= 3) {
		static uint8_t buf[DATAGRAM_MAX];
		size_t n = data[0] | (size_t)data[1] << 8;
		uint32_t seq = first + data[2];

		data += 3;
		size -= 3;
		n = n < size ? n : size;
		n = n < sizeof(buf) ? n : sizeof(buf);
		memcpy(buf, data, n);
		set_numbers(buf, n, seq);
		if (n && send(peer, buf, n, 0) < 0)
			break;
		data += n;
		size -= n;
	}
}

static void read_dump(void)
{
	const struct nft_devices devices = { .index = index_of, .name = name_of };
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = NULL;
	nft_counter_vec counters = { 0 };

	if (nft_netlink_dump(sock, &devices, &rs, NULL) == 0)
		check_read(rs);
	nft_netlink_counters(sock, NULL, &devices, &counters, NULL);
	vec_free(&counters);
}

static void read_verdict(void)
{
	static const char wanted[] = "networks: {blue: {mode: nat, addresses: [10.0.0.1/24]}}";
	const struct nft_devices devices = { .index = index_of, .name = name_of };
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = NULL;
	AUTO(nft_txn_free) struct nft_txn *txn = NULL;
	struct vnet_error err = { 0 };
	AUTO_WISH struct wish wish;

	must(wish_read(wanted, strlen(wanted), &wish));
	rs = wish_compile(&wish);
	txn = nft_diff(rs, NULL);
	must((nft_netlink_commit(sock, txn, &devices, &err) < 0) == vnet_error_is_set(&err));
}

/* ---- the same again ---- */

/* The kernel's answers to one request: the batch's messages of this type and family, or of this set. */
struct answer {
	uint8_t buf[DATAGRAM_MAX];
	size_t n;
	uint32_t seq;
};

static void flush_answer(struct answer *a)
{
	if (a->n)
		must(send(peer, a->buf, a->n, 0) == (ssize_t)a->n);
	a->n = 0;
}

static void put_message(struct answer *a, const struct nlmsghdr *m)
{
	size_t room = NLMSG_ALIGN(m->nlmsg_len);

	must(room <= sizeof(a->buf));
	if (a->n + room > sizeof(a->buf))
		flush_answer(a);
	memcpy(a->buf + a->n, m, m->nlmsg_len);
	((struct nlmsghdr *)(void *)(a->buf + a->n))->nlmsg_seq = a->seq;
	a->n += room;
}

static void put_end(struct answer *a, uint16_t type, int number)
{
	_Alignas(struct nlmsghdr) uint8_t buf[64] = { 0 };
	struct nlmsghdr *m = (void *)buf;

	m->nlmsg_type = type;
	m->nlmsg_len = NLMSG_LENGTH(type == NLMSG_ERROR ? sizeof(struct nlmsgerr) : sizeof(int));
	memcpy(NLMSG_DATA(m), &number, sizeof(number));
	put_message(a, m);
	flush_answer(a);
}

static bool has_set_name(const struct nlmsghdr *m, const char *set)
{
	const struct nlattr *attr;

	mnl_attr_for_each (attr, m, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_SET)
			return strcmp(mnl_attr_get_str(attr), set) == 0;
	return false;
}

/* set NULL: of all. Returns how many there were. */
static size_t answer(struct answer *a, const struct batch *b, uint16_t type, uint8_t family, const char *set)
{
	size_t n = 0, at = 0;

	while (at < b->len) {
		const struct nlmsghdr *m = (const void *)(b->buf + at);
		const struct nfgenmsg *gen = mnl_nlmsg_get_payload(m);

		at += NLMSG_ALIGN(m->nlmsg_len);
		if (m->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | type) || gen->nfgen_family != family ||
		    (set && !has_set_name(m, set)))
			continue;
		put_message(a, m);
		n++;
	}
	return n;
}

static void put_generation(struct answer *a)
{
	_Alignas(struct nlmsghdr) uint8_t buf[64] = { 0 };
	struct nlmsghdr *m = mnl_nlmsg_put_header(buf);

	m->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN;
	mnl_nlmsg_put_extra_header(m, sizeof(struct nfgenmsg));
	mnl_attr_put_u32(m, NFTA_GEN_ID, htonl(7));
	put_message(a, m);
	flush_answer(a);
	a->seq++;
}

static void answer_elems(struct answer *a, const struct batch *b, const struct nft_ruleset *rs, uint8_t family,
			 enum nft_family f)
{
	char name[NFT_SET_NAME_MAX];

	for (int i = 0; i < NFT_SETS; i++) {
		if (nft_sets[i].family != f || !rs->sets[i].exists)
			continue;
		answer(a, b, NFT_MSG_NEWSETELEM, family, nft_set_name(i, "", name));
		put_end(a, NLMSG_DONE, 0);
		a->seq++;
	}
	vec_each (instance, &rs->instances)
		if (nft_sets[instance->set].family == f) {
			answer(a, b, NFT_MSG_NEWSETELEM, family, nft_set_name(instance->set, instance->of, name));
			put_end(a, NLMSG_DONE, 0);
			a->seq++;
		}
}

/* In the order of decode.c's requests. */
static void answer_all(const struct batch *b, const struct nft_ruleset *rs)
{
	static const uint16_t dumps[] = { NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE, NFT_MSG_NEWSET };
	static struct answer a;

	a = (struct answer){ .seq = nft_reserve_seq(1) + 1 };
	put_generation(&a);
	for (int f = 0; f < NFT_FAMILIES; f++) {
		uint8_t family = nft_kernel_family(f);

		if (!answer(&a, b, NFT_MSG_NEWTABLE, family, NULL))
			put_end(&a, NLMSG_ERROR, -ENOENT);
		flush_answer(&a);
		a.seq++;
		for (size_t i = 0; rs->tables[f].exists && i < ARRAY_SIZE(dumps); i++) {
			answer(&a, b, dumps[i], family, NULL);
			put_end(&a, NLMSG_DONE, 0);
			a.seq++;
		}
		if (rs->tables[f].exists)
			answer_elems(&a, b, rs, family, f);
	}
	put_generation(&a);
}

static void read_back(const struct nft_ruleset *rs, const struct nft_txn *txn)
{
	const struct nft_devices devices = { .index = index_of, .name = name_of };
	AUTO(nft_ruleset_free) struct nft_ruleset *again = NULL;
	struct batch b = { .devices = &devices };

	n_names = 0;
	if (nft_encode(&b, txn) == 0) {
		answer_all(&b, rs);
		must(nft_netlink_dump(sock, &devices, &again, NULL) == 0);
		must(nft_ruleset_equal(rs, again));
		drain(mnl_socket_get_fd(sock));
		drain(peer);
	}
	batch_free(&b);
}

static void try_wish(const uint8_t *data, size_t size)
{
	AUTO_WISH struct wish wish;
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = NULL, *made = NULL, *copy = NULL;
	AUTO(nft_txn_free) struct nft_txn *txn = NULL, *nothing = NULL;
	AUTO_FREE char *text = NULL, *made_text = NULL, *words = NULL, *summary = NULL;

	if (!wish_read((const char *)data, size, &wish))
		return;
	rs = wish_compile(&wish);
	copy = nft_ruleset_copy(rs);
	must(nft_ruleset_equal(rs, copy));
	txn = nft_diff(rs, NULL);
	words = nft_txn_to_text(txn);
	summary = nft_txn_summary(txn);
	must(words && summary && nft_txn_apply(txn, &made, NULL) == 0);
	must(nft_ruleset_equal(rs, made));
	nothing = nft_diff(rs, made);
	must(nft_txn_is_empty(nothing));
	text = nft_ruleset_to_text(rs);
	made_text = made ? nft_ruleset_to_text(made) : mem_strdup("");
	must(strcmp(text, made_text) == 0);
	read_back(rs, txn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	open_once();
	if (data[0] < 8) {
		send_answers(data + 1, size - 1);
		data[0] < 4 ? read_dump() : read_verdict();
		drain(mnl_socket_get_fd(sock));
		drain(peer);
	} else {
		try_wish(data, size);
	}
	return 0;
}
