/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * floor.c - the least that many networks, and the end of many ports, can cost
 *
 * usage: floor create COUNT [UPLINK]
 *        floor delete COUNT
 *        floor ports COUNT
 *
 * No protocol, no state, no look at what exists: requests to the kernel, as
 * many as fit into one message each time, and one nftables transaction.  create
 * makes COUNT NAT networks: a bridge, with UPLINK an 802.1Q device in it, an
 * address, the same switches below /proc/sys and the same rules as netd has.
 * delete takes them away, as one group.  ports makes COUNT TAPs in a bridge,
 * which does not count, and takes them away as one group.  Prints the
 * milliseconds.  The driver loads floor.nft before.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <libnftnl/batch.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NETWORKS_MAX 4000
#define BATCH_BYTES 32768
#define BATCH_MESSAGES 64       /* their acknowledgements must fit into the receive buffer */
#define REQUEST_MAX 512
#define TRANSACTION_BYTES (16 * 1024 * 1024)
#define GROUP 0x666c6f6f        /* "floo" */

struct rt {                     /* requests gathered */
	struct mnl_socket *nl;
	char buf[BATCH_BYTES] __attribute__((aligned(8)));
	size_t len;
	unsigned n;
};

static void create(unsigned count, const char *uplink);
static void delete(unsigned count);
static void make_ports(unsigned count);
static void delete_group(struct rt *rt);

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 0;

	if (!count || count > NETWORKS_MAX)
		error(2, 0, "usage: floor create COUNT [UPLINK] | delete COUNT | ports COUNT");
	if (strcmp(argv[1], "create") == 0)
		create(count, argc > 3 ? argv[3] : NULL);
	else if (strcmp(argv[1], "delete") == 0)
		delete(count);
	else
		make_ports(count);
	return 0;
}

/* --- requests --- */

static struct mnl_socket *netlink_open(int bus)
{
	struct mnl_socket *nl = mnl_socket_open2(bus, SOCK_CLOEXEC);
	int size = TRANSACTION_BYTES + 65536;

	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		error(1, errno, "netlink");
	setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return nl;
}

/* Takes answers until the last request's has come; every one must be success. */
static void take_answers(struct mnl_socket *nl, uint32_t last)
{
	char buf[65536];
	bool is_over = false;

	while (!is_over) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		int len = (int)n;

		if (n < 0)
			error(1, errno, "netlink answer");
		for (struct nlmsghdr *nlh = (struct nlmsghdr *)buf; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type == NLMSG_ERROR && e->error)
				error(1, -e->error, "request %u", nlh->nlmsg_seq);
			is_over |= nlh->nlmsg_type == NLMSG_ERROR && nlh->nlmsg_seq == last;
		}
	}
}

static void flush(struct rt *rt)
{
	struct nlmsghdr *last = NULL;
	int len = (int)rt->len;

	if (!rt->n)
		return;
	for (struct nlmsghdr *nlh = (struct nlmsghdr *)rt->buf; mnl_nlmsg_ok(nlh, len);
	     nlh = mnl_nlmsg_next(nlh, &len))
		last = nlh;
	last->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(rt->nl, rt->buf, rt->len) < 0)
		error(1, errno, "netlink request");
	take_answers(rt->nl, last->nlmsg_seq);
	rt->len = rt->n = 0;
}

/* The next request; room for REQUEST_MAX bytes. */
static struct nlmsghdr *request(struct rt *rt, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh;

	if (rt->n == BATCH_MESSAGES || rt->len + REQUEST_MAX > sizeof(rt->buf))
		flush(rt);
	nlh = mnl_nlmsg_put_header(rt->buf + rt->len);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++rt->n;
	return nlh;
}

static void done(struct rt *rt, const struct nlmsghdr *nlh)
{
	rt->len += MNL_ALIGN(nlh->nlmsg_len);
}

static struct ifinfomsg *link_header(struct nlmsghdr *nlh, bool is_up, const char *name)
{
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	if (is_up)
		ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return ifi;
}

/* --- networks --- */

struct net {
	char bridge[IFNAMSIZ], vlan[IFNAMSIZ], chain[32];
	uint8_t mac[6];
	struct in_addr address, subnet;
	unsigned number;
};

static void name_network(struct net *net, unsigned number)
{
	*net = (struct net){.number = number};
	snprintf(net->bridge, sizeof(net->bridge), "fn-net%u", number % 10000);
	snprintf(net->vlan, sizeof(net->vlan), "fl-net%u", number % 10000);
	snprintf(net->chain, sizeof(net->chain), "from/net%u", number);
	memcpy(net->mac, (uint8_t[]){0x52, 0x54, 0, 1, (uint8_t)(number >> 8), (uint8_t)number}, 6);
	net->subnet.s_addr = htonl(0x0a640000 + (number << 8));
	net->address.s_addr = htonl(0x0a640001 + (number << 8));
}

static void create_bridge(struct rt *rt, const struct net *net)
{
	struct br_boolopt_multi options = {1 << BR_BOOLOPT_NO_LL_LEARN, 1 << BR_BOOLOPT_NO_LL_LEARN};
	struct nlmsghdr *nlh = request(rt, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *info, *data;

	link_header(nlh, false, net->bridge);
	mnl_attr_put(nlh, IFLA_ADDRESS, 6, net->mac);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u32(nlh, IFLA_BR_FORWARD_DELAY, 0);
	mnl_attr_put_u32(nlh, IFLA_BR_STP_STATE, 0);
	mnl_attr_put_u8(nlh, IFLA_BR_MCAST_SNOOPING, 0);
	mnl_attr_put(nlh, IFLA_BR_MULTI_BOOLOPT, sizeof(options), &options);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	done(rt, nlh);
	/* What the kernel does not take at creation. */
	nlh = request(rt, RTM_SETLINK, 0);
	link_header(nlh, false, net->bridge);
	mnl_attr_put_strz(nlh, IFLA_IFALIAS, net->bridge);
	mnl_attr_put_u32(nlh, IFLA_MTU, 1500);
	done(rt, nlh);
}

static void create_vlan(struct rt *rt, const struct net *net, unsigned uplink)
{
	struct nlmsghdr *nlh = request(rt, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *info, *data;

	link_header(nlh, false, net->vlan);
	mnl_attr_put_u32(nlh, IFLA_LINK, uplink);
	mnl_attr_put_u32(nlh, IFLA_MTU, 1500);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u16(nlh, IFLA_VLAN_ID, (uint16_t)(net->number + 1));
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	done(rt, nlh);
}

/* Both devices exist: master, alias and up in one request. */
static void enslave_vlan(struct rt *rt, const struct net *net)
{
	struct nlmsghdr *nlh = request(rt, RTM_SETLINK, 0);
	struct nlattr *af_spec, *inet6;

	link_header(nlh, true, net->vlan);
	mnl_attr_put_strz(nlh, IFLA_IFALIAS, net->vlan);
	mnl_attr_put_u32(nlh, IFLA_MASTER, if_nametoindex(net->bridge));
	af_spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(nlh, AF_INET6);
	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, af_spec);
	done(rt, nlh);
}

static void raise_bridge(struct rt *rt, const struct net *net)
{
	struct nlmsghdr *nlh = request(rt, RTM_SETLINK, 0);

	link_header(nlh, true, net->bridge);
	done(rt, nlh);
}

static void add_address(struct rt *rt, const struct net *net)
{
	struct nlmsghdr *nlh = request(rt, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	ifa->ifa_family = AF_INET;
	ifa->ifa_prefixlen = 24;
	ifa->ifa_index = if_nametoindex(net->bridge);
	mnl_attr_put(nlh, IFA_LOCAL, 4, &net->address);
	mnl_attr_put(nlh, IFA_ADDRESS, 4, &net->address);
	done(rt, nlh);
}

static void write_switch(const char *family, const char *device, const char *name, char value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, device, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, &value, 1) != 1)
		error(1, errno, "%s", path);
	close(fd);
}

/* --- rules --- */

struct transaction {
	struct mnl_nlmsg_batch *batch;
	uint32_t seq;
};

static char *transaction_begin(struct transaction *t)
{
	char *buf = malloc(TRANSACTION_BYTES);

	*t = (struct transaction){.batch = mnl_nlmsg_batch_start(buf, TRANSACTION_BYTES)};
	nftnl_batch_begin(mnl_nlmsg_batch_current(t->batch), t->seq++);
	mnl_nlmsg_batch_next(t->batch);
	return buf;
}

static struct nlmsghdr *nft_message(struct transaction *t, uint16_t type, uint16_t family,
				    uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(t->batch), type, family, flags,
				     t->seq++);
}

/* The last message asks for the acknowledgement of all. */
static void commit(struct transaction *t, struct nlmsghdr *last)
{
	struct mnl_socket *nl = netlink_open(NETLINK_NETFILTER);

	last->nlmsg_flags |= NLM_F_ACK;
	nftnl_batch_end(mnl_nlmsg_batch_current(t->batch), t->seq++);
	mnl_nlmsg_batch_next(t->batch);
	if (mnl_socket_sendto(nl, mnl_nlmsg_batch_head(t->batch), mnl_nlmsg_batch_size(t->batch)) < 0)
		error(1, errno, "nftables transaction");
	take_answers(nl, last->nlmsg_seq);
	mnl_nlmsg_batch_stop(t->batch);
	mnl_socket_close(nl);
}

static void add_elem(struct nftnl_set *set, const void *key, size_t len, const char *chain)
{
	struct nftnl_set_elem *elem = nftnl_set_elem_alloc();

	nftnl_set_elem_set(elem, NFTNL_SET_ELEM_KEY, key, (uint32_t)len);
	if (chain) {
		nftnl_set_elem_set_u32(elem, NFTNL_SET_ELEM_VERDICT, (uint32_t)NFT_JUMP);
		nftnl_set_elem_set_str(elem, NFTNL_SET_ELEM_CHAIN, chain);
	}
	nftnl_set_elem_add(set, elem);
}

static struct nlmsghdr *put_elems(struct transaction *t, uint16_t family, const char *name,
				  struct nftnl_set *set)
{
	struct nlmsghdr *nlh = nft_message(t, NFT_MSG_NEWSETELEM, family, NLM_F_CREATE);

	nftnl_set_set_str(set, NFTNL_SET_TABLE, "floor");
	nftnl_set_set_str(set, NFTNL_SET_NAME, name);
	nftnl_set_elems_nlmsg_build_payload(nlh, set);
	mnl_nlmsg_batch_next(t->batch);
	nftnl_set_free(set);
	return nlh;
}

/* One message for each set, with the elements of all networks. */
static struct nlmsghdr *put_all_elems(struct transaction *t, unsigned count)
{
	static const char *const names[] = {"bridges", "checked", "inside", "from_bridge",
					    "to_bridge", "nat_bridge"};
	struct nftnl_set *macs = nftnl_set_alloc(), *sets[6];
	struct nlmsghdr *nlh = NULL;

	for (unsigned s = 0; s < 6; s++)
		sets[s] = nftnl_set_alloc();
	for (unsigned i = 0; i < count; i++) {
		struct { char first[IFNAMSIZ], second[IFNAMSIZ]; } pair = {0};
		struct net net;

		name_network(&net, i);
		memcpy(pair.first, net.bridge, IFNAMSIZ);
		memcpy(pair.second, net.bridge, IFNAMSIZ);
		add_elem(macs, net.mac, 6, NULL);
		add_elem(sets[0], net.bridge, IFNAMSIZ, NULL);
		add_elem(sets[1], net.bridge, IFNAMSIZ, NULL);
		add_elem(sets[2], &pair, sizeof(pair), NULL);
		add_elem(sets[3], net.bridge, IFNAMSIZ, net.chain);
		add_elem(sets[4], net.bridge, IFNAMSIZ, "nat_to");
		add_elem(sets[5], net.bridge, IFNAMSIZ, "masquerade_ipv4");
	}
	put_elems(t, NFPROTO_BRIDGE, "bridge_macs", macs);
	for (unsigned s = 0; s < 6; s++)
		nlh = put_elems(t, NFPROTO_INET, names[s], sets[s]);
	return nlh;
}

static struct nftnl_expr *add_expr(struct nftnl_rule *rule, const char *name)
{
	struct nftnl_expr *e = nftnl_expr_alloc(name);

	nftnl_rule_add_expr(rule, e);
	return e;
}

static void add_compare(struct nftnl_rule *rule, const void *data, size_t len)
{
	struct nftnl_expr *e = add_expr(rule, "cmp");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, (uint32_t)len);
}

static void add_meta(struct nftnl_rule *rule, uint32_t key)
{
	struct nftnl_expr *e = add_expr(rule, "meta");

	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

static void add_verdict(struct nftnl_rule *rule, int verdict, const char *chain)
{
	struct nftnl_expr *e = add_expr(rule, "immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
	if (chain)
		nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain);
}

static struct nftnl_rule *rule_of(const struct net *net)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();

	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, "floor");
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, net->chain);
	nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
	return rule;
}

static void put_rule(struct transaction *t, struct nftnl_rule *rule)
{
	nftnl_rule_nlmsg_build_payload(nft_message(t, NFT_MSG_NEWRULE, NFPROTO_INET,
						   NLM_F_CREATE | NLM_F_APPEND), rule);
	mnl_nlmsg_batch_next(t->batch);
	nftnl_rule_free(rule);
}

/* oifname BRIDGE accept; ip saddr SUBNET goto nat_from; counter drop */
static void put_chain(struct transaction *t, const struct net *net)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nftnl_rule *rule;
	struct nftnl_expr *e;
	uint8_t ipv4 = NFPROTO_IPV4;

	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, "floor");
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, net->chain);
	nftnl_chain_nlmsg_build_payload(nft_message(t, NFT_MSG_NEWCHAIN, NFPROTO_INET, NLM_F_CREATE),
					chain);
	mnl_nlmsg_batch_next(t->batch);
	nftnl_chain_free(chain);

	rule = rule_of(net);
	add_meta(rule, NFT_META_OIFNAME);
	add_compare(rule, net->bridge, IFNAMSIZ);
	add_verdict(rule, NF_ACCEPT, NULL);
	put_rule(t, rule);

	rule = rule_of(net);
	add_meta(rule, NFT_META_NFPROTO);
	add_compare(rule, &ipv4, 1);
	e = add_expr(rule, "payload");
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, 12);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, 3);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	add_compare(rule, &net->subnet, 3);
	add_verdict(rule, NFT_GOTO, "nat_from");
	put_rule(t, rule);

	rule = rule_of(net);
	add_expr(rule, "counter");
	add_verdict(rule, NF_DROP, NULL);
	put_rule(t, rule);
}

static void commit_rules(unsigned count)
{
	struct transaction t;
	char *buf = transaction_begin(&t);

	for (unsigned i = 0; i < count; i++) {
		struct net net;

		name_network(&net, i);
		put_chain(&t, &net);
	}
	commit(&t, put_all_elems(&t, count));
	free(buf);
}

static void delete_tables(void)
{
	static const uint16_t families[] = {NFPROTO_BRIDGE, NFPROTO_INET};
	struct nlmsghdr *nlh = NULL;
	struct transaction t;
	char *buf = transaction_begin(&t);

	for (unsigned i = 0; i < 2; i++) {
		struct nftnl_table *table = nftnl_table_alloc();

		nftnl_table_set_str(table, NFTNL_TABLE_NAME, "floor");
		nlh = nft_message(&t, NFT_MSG_DELTABLE, families[i], 0);
		nftnl_table_nlmsg_build_payload(nlh, table);
		mnl_nlmsg_batch_next(t.batch);
		nftnl_table_free(table);
	}
	commit(&t, nlh);
	free(buf);
}

/* --- all together --- */

static void for_each(unsigned count, struct rt *rt,
		     void (*what)(struct rt *rt, const struct net *net))
{
	for (unsigned i = 0; i < count; i++) {
		struct net net;

		name_network(&net, i);
		what(rt, &net);
	}
	flush(rt);
}

static void create(unsigned count, const char *uplink)
{
	static struct rt rt;
	unsigned below = uplink ? if_nametoindex(uplink) : 0;
	double start;

	rt.nl = netlink_open(NETLINK_ROUTE);
	start = now();
	for_each(count, &rt, create_bridge);
	for (unsigned i = 0; i < count; i++) {
		struct net net;

		name_network(&net, i);
		if (below)
			create_vlan(&rt, &net, below);
		write_switch("ipv6", net.bridge, "accept_ra", '0');
		write_switch("ipv6", net.bridge, "autoconf", '0');
		write_switch("ipv6", net.bridge, "disable_ipv6", '1');
	}
	flush(&rt);
	commit_rules(count);
	if (below)
		for_each(count, &rt, enslave_vlan);
	for_each(count, &rt, raise_bridge);
	for_each(count, &rt, add_address);
	for (unsigned i = 0; i < count; i++) {
		struct net net;

		name_network(&net, i);
		write_switch("ipv4", net.bridge, "forwarding", '1');
	}
	printf("%.3f\n", now() - start);
}

static void put_into_group(struct rt *rt, const char *name)
{
	struct nlmsghdr *nlh = request(rt, RTM_SETLINK, 0);

	link_header(nlh, false, name);
	mnl_attr_put_u32(nlh, IFLA_GROUP, GROUP);
	done(rt, nlh);
}

static void delete_group(struct rt *rt)
{
	struct nlmsghdr *nlh = request(rt, RTM_DELLINK, 0);

	link_header(nlh, false, NULL);
	mnl_attr_put_u32(nlh, IFLA_GROUP, GROUP);
	done(rt, nlh);
	flush(rt);
}

static void delete(unsigned count)
{
	static struct rt rt;
	double start;

	rt.nl = netlink_open(NETLINK_ROUTE);
	start = now();
	for (unsigned i = 0; i < count; i++) {
		struct net net;

		name_network(&net, i);
		put_into_group(&rt, net.bridge);
		if (if_nametoindex(net.vlan))
			put_into_group(&rt, net.vlan);
	}
	flush(&rt);
	delete_group(&rt);
	delete_tables();
	printf("%.3f\n", now() - start);
}

/* --- ports --- */

static void tap_create(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	memcpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETPERSIST, 1))
		error(1, errno, "TAP %s", name);
	close(fd);
}

static void make_ports(unsigned count)
{
	static struct rt rt;
	struct net net;
	char name[IFNAMSIZ];
	unsigned bridge;
	double start;

	rt.nl = netlink_open(NETLINK_ROUTE);
	name_network(&net, 0);
	create_bridge(&rt, &net);
	raise_bridge(&rt, &net);
	flush(&rt);
	bridge = if_nametoindex(net.bridge);
	for (unsigned i = 0; i < count; i++) {
		struct nlmsghdr *nlh;

		snprintf(name, sizeof(name), "fp%u", i % 100000);
		tap_create(name);
		write_switch("ipv6", name, "disable_ipv6", '1');
		nlh = request(&rt, RTM_SETLINK, 0);
		link_header(nlh, true, name);
		mnl_attr_put_u32(nlh, IFLA_MASTER, bridge);
		done(&rt, nlh);
	}
	flush(&rt);

	start = now();
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "fp%u", i % 100000);
		put_into_group(&rt, name);
	}
	flush(&rt);
	delete_group(&rt);
	printf("%.3f\n", now() - start);
}
