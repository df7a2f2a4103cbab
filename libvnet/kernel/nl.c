/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nl.c - rtnetlink requests and their answers; see nl.h
 *
 * Only the last request of a send asks for an acknowledgement: the kernel
 * reports failures unasked, in order, so the last answer says that the others
 * went well.  One send and one receive is then all a batch costs when nothing
 * fails.
 */

#include "kernel/nl.h"

#include "base/clock.h"
#include "base/mem.h"
#include "kernel/kernel.h"

#include <assert.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define OUT_SIZE (NL_BATCH_MAX * NL_MESSAGE_MAX)
#define IN_SIZE (64 * 1024) /* the kernel makes dump parts of at most 32 KiB */

#ifndef NLM_F_CAPPED
#define NLM_F_CAPPED 0x100
#define NLM_F_ACK_TLVS 0x200
#endif

static int receive(struct nl *nl, int64_t deadline, size_t *ret_size);
static int take_answer(struct nl *nl, const struct nlmsghdr *m, uint32_t first_seq);

int nl_open(struct nl *nl, int protocol, struct vnet_error *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	memset(nl, 0, sizeof(*nl));
	nl->fd = -1;
	if (fd < 0)
		return vnet_error_set(err, -errno, "kernel-error",
				      "cannot open a netlink socket (protocol %d): %m", protocol);
	return nl_take(nl, fd, err);
}

int nl_take(struct nl *nl, int fd, struct vnet_error *err)
{
	struct sockaddr_nl local = {.nl_family = AF_NETLINK};
	struct timeval timeout = {.tv_sec = KERNEL_TIMEOUT_MS / 1000,
				  .tv_usec = KERNEL_TIMEOUT_MS % 1000 * 1000};
	socklen_t size = sizeof(local);
	int on = 1;

	memset(nl, 0, sizeof(*nl));
	nl->fd = fd;
	/* CAP_ACK (Linux 4.3) and strict checking (4.20), further down, may fail. */
	if (bind(nl->fd, (struct sockaddr *)&local, sizeof(local)) < 0 ||
	    getsockname(nl->fd, (struct sockaddr *)&local, &size) < 0 ||
	    setsockopt(nl->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) < 0) {
		int r = vnet_error_set(err, -errno, "kernel-error",
				       "cannot set up a netlink socket: %m");

		close(nl->fd);
		nl->fd = -1;
		return r;
	}
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	nl->port = local.nl_pid;
	nl->out = mem_alloc(OUT_SIZE);
	nl->in = mem_alloc(IN_SIZE);
	nl->seq = (uint32_t)time(NULL);
	return 0;
}

void nl_close(struct nl *nl)
{
	if (nl->out && nl->fd >= 0)
		close(nl->fd);
	free(nl->out);
	free(nl->in);
	memset(nl, 0, sizeof(*nl));
	nl->fd = -1;
}

struct nlmsghdr *nl_add(struct nl *nl, uint16_t type, uint16_t flags)
{
	char *at = nl->out;
	struct nlmsghdr *m;

	assert(nl->n < NL_BATCH_MAX);
	if (nl->n)
		at = (char *)nl->last + MNL_ALIGN(nl->last->nlmsg_len);
	m = mnl_nlmsg_put_header(at);
	m->nlmsg_type = type;
	m->nlmsg_flags = NLM_F_REQUEST | flags;
	m->nlmsg_seq = ++nl->seq;
	nl->last = m;
	nl->n++;
	return m;
}

void *nl_header(struct nlmsghdr *message, size_t size)
{
	return mnl_nlmsg_put_extra_header(message, size);
}

void nl_reset(struct nl *nl)
{
	nl->n = 0;
	nl->last = NULL;
}

/* Sends the round; the buffer may be filled again afterwards. */
static int send_round(struct nl *nl)
{
	size_t size = (size_t)((char *)nl->last - nl->out) + MNL_ALIGN(nl->last->nlmsg_len);

	memset(nl->answers, 0, nl->n * sizeof(nl->answers[0]));
	for (;;) {
		if (send(nl->fd, nl->out, size, 0) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

int nl_send(struct nl *nl)
{
	uint32_t first = nl->seq - nl->n + 1, last = nl->seq;
	const struct nlmsghdr *m;
	struct nl_reader reader;
	int64_t deadline;
	int r;

	if (!nl->n)
		return 0;
	nl->last->nlmsg_flags |= NLM_F_ACK;
	r = send_round(nl);
	deadline = clock_now_ms() + KERNEL_TIMEOUT_MS;
	while (r >= 0) {
		size_t size;

		r = receive(nl, deadline, &size);
		if (r < 0)
			break;
		reader = (struct nl_reader){nl->in, size};
		while ((m = nl_next(&reader))) {
			if (m->nlmsg_type == NLMSG_ERROR)
				take_answer(nl, m, first);
			if (m->nlmsg_type == NLMSG_ERROR && m->nlmsg_seq == last)
				goto done;
		}
	}
done:
	nl_reset(nl);
	return r < 0 ? r : 0;
}

int nl_send_all(struct nl *nl, unsigned *ret_failed)
{
	unsigned n = nl->n, i = 0;
	int r = nl_send(nl);

	while (r >= 0 && i < n && !(r = nl->answers[i].result))
		i++;
	if (ret_failed)
		*ret_failed = i < n ? i : 0;
	return r;
}

int nl_get(struct nl *nl, const struct nlmsghdr **ret)
{
	uint32_t seq = nl->seq;
	int64_t deadline;
	int r;

	assert(nl->n == 1);
	r = send_round(nl);
	deadline = clock_now_ms() + KERNEL_TIMEOUT_MS;
	while (r >= 0) {
		const struct nlmsghdr *m;
		struct nl_reader reader;
		size_t size;

		r = receive(nl, deadline, &size);
		if (r < 0)
			break;
		reader = (struct nl_reader){nl->in, size};
		m = nl_next(&reader);
		if (!m || m->nlmsg_seq != seq)
			continue;
		r = 0;
		if (m->nlmsg_type == NLMSG_ERROR) {
			r = take_answer(nl, m, seq);
			/* An acknowledgement that we did not ask for, instead of the object. */
			if (!r)
				r = -EPROTO;
		} else {
			*ret = m;
		}
		break;
	}
	nl_reset(nl);
	return r < 0 ? r : 0;
}

/* 1: more to come, 0: complete, -EINTR: again from the start, else a failure. */
static int dump_part(struct nl *nl, const struct nl_dump *dump, uint32_t seq, size_t size)
{
	struct nl_reader reader = {nl->in, size};
	const struct nlmsghdr *m;
	bool interrupted = false;

	while ((m = nl_next(&reader))) {
		if (m->nlmsg_seq != seq)
			return 1;
		if (m->nlmsg_flags & NLM_F_DUMP_INTR)
			interrupted = true;
		if (m->nlmsg_type == NLMSG_ERROR)
			return take_answer(nl, m, seq);
		if (m->nlmsg_type == NLMSG_DONE) {
			int r = 0;

			if (mnl_nlmsg_get_payload_len(m) >= sizeof(r))
				memcpy(&r, mnl_nlmsg_get_payload(m), sizeof(r));
			return r < 0 ? r : interrupted ? -EINTR : 0;
		}
		if (m->nlmsg_type >= NLMSG_MIN_TYPE)
			dump->each(m, dump->context);
	}
	return interrupted ? 2 : 1;
}

/* One try. */
static int dump_once(struct nl *nl, const struct nl_dump *dump, uint32_t seq)
{
	bool interrupted = false;

	for (;;) {
		size_t size;
		/* A long list may take its time, as long as it goes on. */
		int r = receive(nl, clock_now_ms() + KERNEL_TIMEOUT_MS, &size);

		if (r < 0)
			return r;
		r = dump_part(nl, dump, seq, size);
		if (r <= 0)
			return r < 0 ? r : interrupted ? -EINTR : 0;
		if (r == 2)
			interrupted = true;
	}
}

int nl_dump(struct nl *nl, const struct nl_dump *dump)
{
	struct nlmsghdr *request = (void *)nl->out;
	int r = -EINTR;

	assert(nl->n == 1);
	request->nlmsg_flags |= NLM_F_DUMP;
	for (unsigned i = 0; r == -EINTR && i < NL_DUMP_TRIES; i++) {
		if (i) {
			dump->restart(dump->context);
			request->nlmsg_seq = ++nl->seq;
		}
		r = send_round(nl);
		if (r >= 0)
			r = dump_once(nl, dump, nl->seq);
	}
	nl_reset(nl);
	return r == -EINTR ? -EAGAIN : r;
}

const char *nl_text(const struct nl *nl, unsigned i)
{
	return i < NL_BATCH_MAX ? nl->answers[i].text : "";
}

/* One datagram from the kernel (and nobody else) into nl->in. */
static int receive(struct nl *nl, int64_t deadline, size_t *ret_size)
{
	while (clock_now_ms() <= deadline) {
		struct sockaddr_nl from = {0};
		struct iovec iov = {nl->in, IN_SIZE};
		struct msghdr msg = {.msg_name = &from, .msg_namelen = sizeof(from),
				     .msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n = recvmsg(nl->fd, &msg, 0);

		if (n >= 0 && from.nl_pid == 0) {
			*ret_size = (size_t)n;
			return msg.msg_flags & MSG_TRUNC ? -ENOBUFS : 0;
		}
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
	return -ETIMEDOUT;
}

/* Keeps the answer to one of this round's requests; returns its result. */
static int take_answer(struct nl *nl, const struct nlmsghdr *m, uint32_t first_seq)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);
	const struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];
	uint32_t i = m->nlmsg_seq - first_seq;
	size_t skip = sizeof(*e);

	if (mnl_nlmsg_get_payload_len(m) < sizeof(*e) || i >= NL_BATCH_MAX)
		return -EPROTO;
	nl->answers[i].result = e->error > 0 ? -e->error : e->error;
	if (!(m->nlmsg_flags & NLM_F_ACK_TLVS))
		return nl->answers[i].result;
	/* Without NLM_F_CAPPED the whole request comes back before the text. */
	if (!(m->nlmsg_flags & NLM_F_CAPPED))
		skip += MNL_ALIGN(e->msg.nlmsg_len) - sizeof(e->msg);
	nl_attrs_of(m, skip, tb, ARRAY_SIZE(tb));
	nl_str(tb[NLMSGERR_ATTR_MSG], nl->answers[i].text, sizeof(nl->answers[i].text));
	return nl->answers[i].result;
}

const struct nlmsghdr *nl_next(struct nl_reader *reader)
{
	const struct nlmsghdr *m = (const void *)reader->at;
	size_t step;

	if (reader->left < sizeof(*m) || m->nlmsg_len < sizeof(*m) || m->nlmsg_len > reader->left)
		return NULL;
	step = NLMSG_ALIGN((size_t)m->nlmsg_len);
	if (step > reader->left) /* nothing is owed behind the last one */
		step = reader->left;
	reader->at += step;
	reader->left -= step;
	return m;
}

const struct nlattr *nl_attr_next(struct nl_attr_reader *reader)
{
	const struct nlattr *a = (const void *)reader->at;
	size_t step;

	if (reader->left < sizeof(*a) || a->nla_len < sizeof(*a) || a->nla_len > reader->left)
		return NULL;
	step = MNL_ALIGN((size_t)a->nla_len);
	if (step > reader->left)
		step = reader->left;
	reader->at += step;
	reader->left -= step;
	return a;
}

struct nl_attr_reader nl_attr_reader(const struct nlattr *nest)
{
	return (struct nl_attr_reader){mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest)};
}

void nl_attrs(const void *attrs, size_t size, const struct nlattr **ret, size_t n)
{
	struct nl_attr_reader reader = {attrs, size};
	const struct nlattr *a;

	memset(ret, 0, n * sizeof(*ret));
	while ((a = nl_attr_next(&reader)))
		if (mnl_attr_get_type(a) < n)
			ret[mnl_attr_get_type(a)] = a;
}

void nl_attrs_of(const struct nlmsghdr *message, size_t header, const struct nlattr **ret, size_t n)
{
	size_t size = mnl_nlmsg_get_payload_len(message);

	header = MNL_ALIGN(header);
	if (size < header)
		header = size;
	nl_attrs((const char *)mnl_nlmsg_get_payload(message) + header, size - header, ret, n);
}

void nl_attrs_nested(const struct nlattr *nest, const struct nlattr **ret, size_t n)
{
	if (nest)
		nl_attrs(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), ret, n);
	else
		memset(ret, 0, n * sizeof(*ret));
}

/* Copies the payload into a number, which stays 0 when it is too short. */
static void number(const struct nlattr *attr, void *ret, size_t size)
{
	if (attr && mnl_attr_get_payload_len(attr) >= size)
		memcpy(ret, mnl_attr_get_payload(attr), size);
}

uint8_t nl_u8(const struct nlattr *attr)
{
	uint8_t v = 0;

	number(attr, &v, sizeof(v));
	return v;
}

uint16_t nl_u16(const struct nlattr *attr)
{
	uint16_t v = 0;

	number(attr, &v, sizeof(v));
	return v;
}

uint32_t nl_u32(const struct nlattr *attr)
{
	uint32_t v = 0;

	number(attr, &v, sizeof(v));
	return v;
}

uint64_t nl_u64(const struct nlattr *attr)
{
	uint64_t v = 0;

	number(attr, &v, sizeof(v));
	return v;
}

void nl_str(const struct nlattr *attr, char *ret, size_t size)
{
	size_t n = 0;

	if (attr) {
		n = strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
		if (n >= size)
			n = size - 1;
		memcpy(ret, mnl_attr_get_payload(attr), n);
	}
	ret[n] = '\0';
}
