/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules.c - programming the guard of ports: netd's own way and the least it can cost
 *
 * usage: rules fill|change GUARD PORTS ROUNDS
 *
 * fill    the guard of PORTS ports, which had none, in one transaction
 * change  of PORTS guarded ports one gets another MAC
 *
 * GUARD is mac or strict; each port has an IPv4 and an IPv6 address.
 *
 * The floor is a C program's straight way: it has the elements as the kernel
 * wants them, puts them into messages by libnftnl and sends these as one batch.
 * They are taken from netd's own batch, so both send the very same elements.
 * netd's way starts at the model: what a port's elements are, what of that is
 * not there yet, which index its device has, messages, and what the kernel
 * answers; "commit" is the part of it after the comparison.  All take turns on
 * the same tables in the namespace this runs in; PORTS devices are made there.
 *
 * Prints "elements" and how many there are, then "netd", "commit" (fill) and
 * "floor" with the microseconds of processor time of each turn; the kernel has
 * done all when sendto() returns.
 */

#include "kernel/tap.h"
#include "model/network.h"
#include "model/port.h"
#include "nft/batch.h"
#include "nft/netlink.h"
#include "nft/ruleset.h"

#include <endian.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <libnftnl/batch.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/set.h>
#include <linux/if_tun.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX 10000
#define BATCH_SIZE (4u << 20)
#define ELEMS_PER_MESSAGE 500 /* a nest is at most 64 KiB */

/* An element as the kernel has it. */
struct raw_elem {
	uint8_t key[NFT_KERNEL_KEY_MAX], key_end[NFT_KERNEL_KEY_MAX], data[NFT_KERNEL_KEY_MAX];
	uint32_t key_size, data_size;
	bool has_end;           /* an interval */
	uint32_t verdict;
	char chain[32]; /* with a verdict that goes somewhere */
	bool has_verdict;
	uint64_t rate, unit;    /* of an element with a limit */
	uint32_t burst;
};

/* Elements of one set, all added or all deleted. */
struct raw_message {
	char set[32];
	uint16_t type; /* NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM */
	VEC(struct raw_elem) elems;
};
typedef VEC(struct raw_message) raw_vec;

static struct mnl_socket *sock;
static int control = -1;
static struct network *net;
static struct nft_ruleset *rules; /* of the network without ports */
static struct port *ports[PORTS_MAX];
static uint8_t batch_buf[BATCH_SIZE] __attribute__((aligned(8)));

static void set_up(const char *guard, unsigned n);
static void fill(unsigned n, unsigned rounds);
static void change(unsigned n, unsigned rounds);
static void tear_down(unsigned n);

int main(int argc, char **argv)
{
	unsigned n, rounds;

	if (argc != 5 || (strcmp(argv[1], "fill") && strcmp(argv[1], "change")))
		error(2, 0, "usage: rules fill|change GUARD PORTS ROUNDS");
	n = (unsigned)strtoul(argv[3], NULL, 10);
	rounds = (unsigned)strtoul(argv[4], NULL, 10);
	if (!n || n > PORTS_MAX)
		error(2, 0, "ports must be 1..%d", PORTS_MAX);
	set_up(argv[2], n);
	if (strcmp(argv[1], "fill") == 0)
		fill(n, rounds);
	else
		change(n, rounds);
	tear_down(n);
	return 0;
}

static void die_of(const struct vnet_error *err)
{
	char text[1024];

	error(1, 0, "%s", vnet_error_text(err, text, sizeof(text)));
}

/* As netd's own: kernel/linux.c. */

static unsigned index_of(void *context, const char *name)
{
	(void)context;
	return (unsigned)device_index(control, name);
}

static bool name_of(void *context, unsigned index, char ret_name[16])
{
	(void)context;
	return device_name(control, (int)index, ret_name);
}

static const struct nft_devices devices = {.index = index_of, .name = name_of};

static void commit(const struct nft_txn *txn)
{
	struct vnet_error err = {0};

	if (nft_netlink_commit(sock, txn, &devices, &err) < 0)
		die_of(&err);
}

static double processor_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Networks, ports, devices, tables. */

static void make_device(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETPERSIST, 1))
		error(1, errno, "TAP %s", name);
	close(fd);
}

/* Takes the text. */
static void add_address(struct port *port, char *text)
{
	struct ip ip;

	if (ip_parse(text, &ip) < 0)
		error(1, 0, "%s is no address", text);
	vec_push(&port->addresses, ip);
	free(text);
}

static struct port *make_port(unsigned i)
{
	struct port *port = mem_alloc(sizeof(*port));

	port->name = mem_printf("p%u", i);
	port->network = mem_strdup("bench");
	snprintf(port->ifname, sizeof(port->ifname), "vp%u", i);
	port->has_mac = true;
	port->mac = (struct mac){{0x52, 0x54, 0, 0, (uint8_t)(i >> 8), (uint8_t)i}};
	add_address(port, mem_printf("10.66.%u.%u", 1 + (i >> 8), i & 255));
	add_address(port, mem_printf("fd66::%x:%x", 1 + (i >> 8), i & 255));
	return port;
}

static void set_up(const char *guard, unsigned n)
{
	AUTO_FREE char *yaml = mem_printf("networks:\n"
					  "  bench:\n"
					  "    mode: isolated\n"
					  "    addresses: [10.66.0.1/16, \"fd66::1/64\"]\n"
					  "    ports: {guard: %s}\n", guard);
	network_vec nets = {0};
	AUTO(nft_txn_free) struct nft_txn *txn = NULL;
	struct vnet_error err = {0};

	control = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (nft_netlink_open(&sock, &err) < 0 ||
	    networks_from_yaml(yaml, strlen(yaml), "bench", &nets, &err) < 0)
		die_of(&err);
	net = nets.v[0];
	for (unsigned i = 0; i < n; i++) {
		ports[i] = make_port(i);
		make_device(ports[i]->ifname);
	}
	rules = nft_compile((const struct network *const *)&net, 1, NULL, 0);
	txn = nft_diff(rules, NULL);
	commit(txn);
	vec_free(&nets);
}

static void tear_down(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		port_free(ports[i]);
	network_free(net);
	nft_ruleset_free(rules);
	mnl_socket_close(sock);
	close(control);
}

/* What netd does. */

/* As after a start, or when somebody has flushed the tables: what is wanted against what is there. */
static struct nft_txn *txn_for_all(unsigned n)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *wanted = nft_compile(
		(const struct network *const *)&net, 1, (const struct port *const *)ports, n);

	return nft_diff(wanted, rules);
}

static void program_all(unsigned n)
{
	AUTO(nft_txn_free) struct nft_txn *txn = txn_for_all(n);

	commit(txn);
}

static void take_all_away(unsigned n)
{
	AUTO(nft_txn_free) struct nft_txn *txn = nft_txn_new();

	for (unsigned i = 0; i < n; i++)
		nft_txn_add_port(txn, net, ports[i], NULL);
	commit(txn);
}

static void program_change(struct port *before, struct port *after)
{
	AUTO(nft_txn_free) struct nft_txn *txn = nft_txn_for_port(net, before, after);

	commit(txn);
}

/* The same elements, taken out of netd's batch. */

static uint32_t copy_value(const struct nlattr *data, uint8_t ret[NFT_KERNEL_KEY_MAX])
{
	const struct nlattr *value = mnl_attr_get_payload(data);
	uint32_t size = mnl_attr_get_payload_len(value);

	if (mnl_attr_get_type(value) != NFTA_DATA_VALUE || size > NFT_KERNEL_KEY_MAX)
		error(1, 0, "an element that this program does not know");
	memcpy(ret, mnl_attr_get_payload(value), size);
	return size;
}

static void read_verdict(const struct nlattr *verdict, struct raw_elem *ret)
{
	const struct nlattr *attr;

	ret->has_verdict = true;
	mnl_attr_for_each_nested(attr, verdict)
	{
		if (mnl_attr_get_type(attr) == NFTA_VERDICT_CODE)
			ret->verdict = ntohl(mnl_attr_get_u32(attr));
		if (mnl_attr_get_type(attr) == NFTA_VERDICT_CHAIN)
			snprintf(ret->chain, sizeof(ret->chain), "%s", mnl_attr_get_str(attr));
	}
}

static void read_limit(const struct nlattr *expr, struct raw_elem *ret)
{
	const struct nlattr *attr, *inner;

	mnl_attr_for_each_nested(attr, expr) {
		if (mnl_attr_get_type(attr) != NFTA_EXPR_DATA)
			continue; /* its name: netd gives no other expression to an element */
		mnl_attr_for_each_nested(inner, attr) {
			if (mnl_attr_get_type(inner) == NFTA_LIMIT_RATE)
				ret->rate = be64toh(mnl_attr_get_u64(inner));
			if (mnl_attr_get_type(inner) == NFTA_LIMIT_UNIT)
				ret->unit = be64toh(mnl_attr_get_u64(inner));
			if (mnl_attr_get_type(inner) == NFTA_LIMIT_BURST)
				ret->burst = ntohl(mnl_attr_get_u32(inner));
		}
	}
}

static struct raw_elem read_elem(const struct nlattr *elem)
{
	struct raw_elem ret = {0};
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, elem)
	{
		const struct nlattr *inner = mnl_attr_get_payload(attr);

		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_KEY)
			ret.key_size = copy_value(attr, ret.key);
		else if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_KEY_END)
			ret.has_end = copy_value(attr, ret.key_end);
		else if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_EXPR)
			read_limit(attr, &ret);
		else if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_DATA)
			error(1, 0, "an element that this program does not know");
		else if (mnl_attr_get_type(inner) == NFTA_DATA_VERDICT)
			read_verdict(inner, &ret);
		else
			ret.data_size = copy_value(attr, ret.data);
	}
	return ret;
}

static struct raw_message *find_message(raw_vec *raw, const char *set, uint16_t type)
{
	struct raw_message *added;

	vec_each(message,
		 raw) if (message->type == type && strcmp(message->set, set) == 0) return message;
	added = vec_add(raw);
	added->type = type;
	snprintf(added->set, sizeof(added->set), "%s", set);
	return added;
}

static void read_message(const struct nlmsghdr *head, raw_vec *raw)
{
	uint16_t type = NFNL_MSG_TYPE(head->nlmsg_type);
	struct raw_message *message = NULL;
	const struct nlattr *attr, *elem;

	if (NFNL_SUBSYS_ID(head->nlmsg_type) != NFNL_SUBSYS_NFTABLES)
		return; /* begins or ends the batch */
	mnl_attr_for_each(attr, head, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_SET)
			message = find_message(raw, mnl_attr_get_str(attr), type);
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_ELEMENTS && message)
			mnl_attr_for_each_nested(elem, attr)
			    vec_push(&message->elems, read_elem(elem));
	}
}

static raw_vec raw_of(const struct nft_txn *txn)
{
	struct batch b __attribute__((cleanup(batch_free))) = {.devices = &devices};
	const struct nlmsghdr *head;
	raw_vec raw = {0};
	int left;

	if (nft_encode(&b, txn) < 0)
		error(1, 0, "netd's own elements cannot be encoded");
	head = (const void *)b.buf;
	left = (int)b.len;
	for (; mnl_nlmsg_ok(head, left); head = mnl_nlmsg_next(head, &left))
		read_message(head, &raw);
	return raw;
}

static void raw_free(raw_vec *raw)
{
	vec_each(message, raw) vec_free(&message->elems);
	vec_free(raw);
}

/* The floor. */

static struct nftnl_expr *floor_limit(const struct raw_elem *raw)
{
	struct nftnl_expr *limit = nftnl_expr_alloc("limit");

	nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_RATE, raw->rate);
	nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_UNIT, raw->unit);
	nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_BURST, raw->burst);
	return limit;
}

static struct nftnl_set_elem *floor_elem(const struct raw_elem *raw)
{
	struct nftnl_set_elem *elem = nftnl_set_elem_alloc();

	nftnl_set_elem_set(elem, NFTNL_SET_ELEM_KEY, raw->key, raw->key_size);
	if (raw->has_end)
		nftnl_set_elem_set(elem, NFTNL_SET_ELEM_KEY_END, raw->key_end, raw->key_size);
	if (raw->data_size)
		nftnl_set_elem_set(elem, NFTNL_SET_ELEM_DATA, raw->data, raw->data_size);
	if (raw->unit)
		nftnl_set_elem_add_expr(elem, floor_limit(raw));
	if (raw->has_verdict)
		nftnl_set_elem_set_u32(elem, NFTNL_SET_ELEM_VERDICT, raw->verdict);
	if (raw->chain[0])
		nftnl_set_elem_set_str(elem, NFTNL_SET_ELEM_CHAIN, raw->chain);
	return elem;
}

static void floor_message(struct mnl_nlmsg_batch *batch, const struct raw_message *message,
			  size_t first, uint32_t seq, bool is_last)
{
	uint16_t flags =
	    (message->type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0) | (is_last ? NLM_F_ACK : 0);
	struct nftnl_set *set = nftnl_set_alloc();
	struct nlmsghdr *head;

	nftnl_set_set_str(set, NFTNL_SET_TABLE, NFT_TABLE_NAME);
	nftnl_set_set_str(set, NFTNL_SET_NAME, message->set);
	for (size_t i = first; i < message->elems.n && i < first + ELEMS_PER_MESSAGE; i++)
		nftnl_set_elem_add(set, floor_elem(&message->elems.v[i]));
	head = nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch), message->type, NFPROTO_BRIDGE,
				     flags, seq);
	nftnl_set_elems_nlmsg_build_payload(head, set);
	mnl_nlmsg_batch_next(batch);
	nftnl_set_free(set);
}

static void floor_send(struct mnl_nlmsg_batch *batch)
{
	char buf[8192];
	ssize_t n;

	if (mnl_socket_sendto(sock, mnl_nlmsg_batch_head(batch), mnl_nlmsg_batch_size(batch)) < 0)
		error(1, errno, "floor: send");
	n = mnl_socket_recvfrom(sock, buf, sizeof(buf));
	if (n < 0 || mnl_cb_run(buf, (size_t)n, 0, 0, NULL, NULL) < 0)
		error(1, errno, "floor: reply");
}

static void floor_program(const raw_vec *raw)
{
	/* Half of it is the limit of a batch, so that one message more still fits. */
	struct mnl_nlmsg_batch *batch = mnl_nlmsg_batch_start(batch_buf, BATCH_SIZE / 2);
	uint32_t seq = 0;

	nftnl_batch_begin(mnl_nlmsg_batch_current(batch), seq++);
	mnl_nlmsg_batch_next(batch);
	vec_each(message, raw) for (size_t i = 0; i < message->elems.n; i += ELEMS_PER_MESSAGE)
	    floor_message(batch, message, i, seq++,
			  message == &raw->v[raw->n - 1] &&
			      i + ELEMS_PER_MESSAGE >= message->elems.n);
	nftnl_batch_end(mnl_nlmsg_batch_current(batch), seq);
	mnl_nlmsg_batch_next(batch);
	floor_send(batch);
	mnl_nlmsg_batch_stop(batch);
}

/* The turns. */

static size_t count(const raw_vec *raw)
{
	size_t n = 0;

	vec_each(message, raw) n += message->elems.n;
	return n;
}

static void fill(unsigned n, unsigned rounds)
{
	static const char *const ways[] = {"commit", "netd", "floor"};
	AUTO(nft_txn_free) struct nft_txn *txn = txn_for_all(n);
	raw_vec raw = raw_of(txn);

	printf("elements %zu\n", count(&raw));
	for (unsigned turn = 0; turn < 3 * rounds; turn++) {
		const char *way = ways[(turn + turn / 3) % 3]; /* nobody always comes after the same */
		double start = processor_time();

		if (way == ways[0])
			commit(txn);
		else if (way == ways[1])
			program_all(n);
		else
			floor_program(&raw);
		printf("%s %.1f\n", way, processor_time() - start);
		take_all_away(n);
	}
	raw_free(&raw);
}

static void change(unsigned n, unsigned rounds)
{
	program_all(n);
	for (unsigned round = 0; round < 2 * rounds; round++) {
		bool is_floor = (round ^ round >> 1) & 1;
		struct port *before = ports[round * 7919 % n], *after = port_copy(before);
		AUTO(nft_txn_free) struct nft_txn *txn = NULL;
		raw_vec raw;
		double start;

		after->mac.b[2] ^= 1;
		txn = nft_txn_for_port(net, before, after);
		raw = raw_of(txn);
		if (round == 0)
			printf("elements %zu\n", count(&raw));
		start = processor_time();
		if (is_floor)
			floor_program(&raw);
		else
			program_change(before, after);
		printf("%s %.1f\n", is_floor ? "floor" : "netd", processor_time() - start);
		raw_free(&raw);
		ports[round * 7919 % n] = after;
		port_free(before);
	}
}
