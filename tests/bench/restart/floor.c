/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * floor.c - the least that it costs to look at the kernel as netd does at its start
 *
 * Asks for the devices, addresses and routes, for netd's tables of nftables with
 * their chains, rules, sets and the elements of each set, and for the offloads of
 * each port, which no dump has.  The answers are read and forgotten: it compares
 * nothing, keeps nothing but names, and knows of no definition.  Then it says
 * READY=1 to $NOTIFY_SOCKET, as netd does when it serves.
 */

#include <errno.h>
#include <error.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BUFFER_SIZE (64 * 1024) /* as netd's */
#define PORTS_MAX 4096
#define SETS_MAX 256
#define FEATURE_BLOCKS 4

static char ports[PORTS_MAX][IFNAMSIZ];
static unsigned n_ports;
static char sets[SETS_MAX][128];
static unsigned n_sets;

static struct mnl_socket *netlink_open(int bus)
{
	struct mnl_socket *nl = mnl_socket_open2(bus, SOCK_CLOEXEC);
	int on = 1;

	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		error(1, errno, "netlink");
	mnl_socket_setsockopt(nl, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return nl;
}

static int ignore(const struct nlmsghdr *m, void *data)
{
	(void)m;
	(void)data;
	return MNL_CB_OK;
}

static int take_port(const struct nlmsghdr *m, void *data)
{
	const char *name = NULL, *alias = NULL;
	const struct nlattr *a;

	(void)data;
	mnl_attr_for_each(a, m, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(a) == IFLA_IFNAME)
			name = mnl_attr_get_str(a);
		else if (mnl_attr_get_type(a) == IFLA_IFALIAS)
			alias = mnl_attr_get_str(a);
	}
	if (name && alias && !strncmp(alias, "vnet:port:", 10) && n_ports < PORTS_MAX)
		snprintf(ports[n_ports++], IFNAMSIZ, "%s", name);
	return MNL_CB_OK;
}

static int take_set(const struct nlmsghdr *m, void *data)
{
	const struct nlattr *a;

	(void)data;
	mnl_attr_for_each(a, m, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(a) == NFTA_SET_NAME && n_sets < SETS_MAX)
			snprintf(sets[n_sets++], sizeof(sets[0]), "%s", mnl_attr_get_str(a));
	return MNL_CB_OK;
}

static void dump(struct mnl_socket *nl, struct nlmsghdr *request, mnl_cb_t take)
{
	static char buf[BUFFER_SIZE];
	static unsigned seq;
	ssize_t n;

	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = ++seq;
	if (mnl_socket_sendto(nl, request, request->nlmsg_len) < 0)
		error(1, errno, "netlink send");
	do
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	while (n > 0 && mnl_cb_run(buf, (size_t)n, seq, 0, take, NULL) == MNL_CB_OK);
	if (n < 0)
		error(1, errno, "netlink reply");
}

static void dump_route(struct mnl_socket *nl, uint16_t type, size_t header, unsigned char family,
		       mnl_cb_t take)
{
	char buf[256] __attribute__((aligned(8)));
	struct nlmsghdr *m = mnl_nlmsg_put_header(buf);

	m->nlmsg_type = type;
	*(unsigned char *)mnl_nlmsg_put_extra_header(m, header) = family;
	dump(nl, m, take);
}

static void dump_nft(struct mnl_socket *nl, uint8_t family, uint16_t type, uint16_t table_attribute,
		     const char *set, mnl_cb_t take)
{
	char buf[512] __attribute__((aligned(8)));
	struct nlmsghdr *m = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *head = mnl_nlmsg_put_extra_header(m, sizeof(*head));

	m->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	head->nfgen_family = family;
	if (table_attribute)
		mnl_attr_put_strz(m, table_attribute, "vnet");
	if (set)
		mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, set);
	dump(nl, m, take);
}

static void look_at_rules(struct mnl_socket *nl, uint8_t family)
{
	n_sets = 0;
	dump_nft(nl, family, NFT_MSG_GETTABLE, 0, NULL, ignore);
	dump_nft(nl, family, NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE, NULL, ignore);
	dump_nft(nl, family, NFT_MSG_GETRULE, NFTA_RULE_TABLE, NULL, ignore);
	dump_nft(nl, family, NFT_MSG_GETSET, NFTA_SET_TABLE, NULL, take_set);
	for (unsigned i = 0; i < n_sets; i++)
		dump_nft(nl, family, NFT_MSG_GETSETELEM, NFTA_SET_ELEM_LIST_TABLE, sets[i], ignore);
}

static void look_at_offloads(void)
{
	struct {
		uint32_t cmd, size;
		struct ethtool_get_features_block blocks[FEATURE_BLOCKS];
	} features;
	struct ifreq ifr = {.ifr_data = (void *)&features};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (unsigned i = 0; i < n_ports; i++) {
		features.cmd = ETHTOOL_GFEATURES;
		features.size = FEATURE_BLOCKS;
		memcpy(ifr.ifr_name, ports[i], IFNAMSIZ);
		if (ioctl(fd, SIOCETHTOOL, &ifr) < 0)
			error(1, errno, "%s", ports[i]);
	}
	close(fd);
}

static void say_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path ? path : "");
	if (sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&address, sizeof(address)) < 0)
		error(1, errno, "$NOTIFY_SOCKET");
	close(fd);
}

int main(void)
{
	struct mnl_socket *route = netlink_open(NETLINK_ROUTE), *nft = netlink_open(NETLINK_NETFILTER);

	dump_route(route, RTM_GETLINK, sizeof(struct ifinfomsg), AF_UNSPEC, take_port);
	look_at_offloads();
	dump_route(route, RTM_GETADDR, sizeof(struct ifaddrmsg), AF_UNSPEC, ignore);
	dump_route(route, RTM_GETROUTE, sizeof(struct rtmsg), AF_INET, ignore);
	dump_route(route, RTM_GETROUTE, sizeof(struct rtmsg), AF_INET6, ignore);
	look_at_rules(nft, NFPROTO_BRIDGE);
	look_at_rules(nft, NFPROTO_INET);
	mnl_socket_close(route);
	mnl_socket_close(nft);
	say_ready();
	return 0;
}
