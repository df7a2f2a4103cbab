/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inside.c - interfaces in other network namespaces
 *
 * The kernel makes the device right where it belongs: no name or address of it
 * is ever seen on this side.  Everything else is said on a netlink socket that
 * was opened inside (privileged.h).
 */

#include "kernel/inside.h"
#include "kernel/addr.h"
#include "kernel/link.h"
#include "kernel/linux.h"
#include "kernel/privileged.h"
#include "kernel/route.h"
#include "kernel/tap.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <unistd.h>

/* The namespace and what is said in it. */
static int open_inside(const char *path, int *ret_netns, struct nl *ret, struct vnet_error *err)
{
	int socket, r = privileged_get()->enter(path, ret_netns, &socket, err);

	if (r < 0)
		return r;
	r = nl_take(ret, socket, err);
	if (r < 0)
		close(*ret_netns);
	return r;
}

static int find_inside(struct nl *nl, const char *ifname, struct link *ret)
{
	const struct nlmsghdr *m;
	int r;

	link_add_get(nl, ifname);
	r = nl_get(nl, &m);
	return r < 0 ? r : m->nlmsg_type == RTM_NEWLINK ? link_parse(m, ret) : -EPROTO;
}

static const char *inside_name(const struct kernel_inside *inside)
{
	return inside->inside->ifname[0] ? inside->inside->ifname : "eth0";
}

/*
 * The kernel looks for a new macvlan's name among our own devices too, and
 * there eth0 exists nearly always: it is made with the name that is free here,
 * and renamed in its namespace.  A veth's peer is looked for in its own only.
 */
static const char *made_name(const struct kernel_inside *inside)
{
	return !strcmp(inside->kind, "veth") || !inside->name[0] ? inside_name(inside) :
								   inside->name;
}

/* What the device inside is made with; in a message of its own or as veth's peer. */
static void put_inside(struct nlmsghdr *m, const struct kernel_inside *inside, int netns)
{
	mnl_attr_put_strz(m, IFLA_IFNAME, made_name(inside));
	if (!mac_is_zero(&inside->mac))
		mnl_attr_put(m, IFLA_ADDRESS, sizeof(inside->mac), &inside->mac);
	if (inside->mtu)
		mnl_attr_put_u32(m, IFLA_MTU, inside->mtu);
	mnl_attr_put_u32(m, IFLA_NET_NS_FD, (uint32_t)netns);
}

/* The end that stays is marked at once; what a macvlan is, is all inside. */
static void add_veth(struct nl *nl, const struct kernel_inside *inside, int netns)
{
	struct nlmsghdr *m = nl_add(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct op_link mark = {.set = LINK_SET_ALIAS};
	struct nlattr *info, *data, *peer;

	nl_header(m, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(m, IFLA_IFNAME, inside->name);
	if (inside->mtu)
		mnl_attr_put_u32(m, IFLA_MTU, inside->mtu);
	info = mnl_attr_nest_start(m, IFLA_LINKINFO);
	mnl_attr_put_strz(m, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(m, VETH_INFO_PEER);
	nl_header(m, sizeof(struct ifinfomsg));
	put_inside(m, inside, netns);
	mnl_attr_nest_end(m, peer);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);

	memcpy(mark.name, inside->name, sizeof(mark.name));
	memcpy(mark.alias, inside->alias, sizeof(mark.alias));
	link_add_set(nl, &mark, 0);
}

static void add_macvlan(struct nl *nl, const struct kernel_inside *inside, int parent, int netns)
{
	struct nlmsghdr *m = nl_add(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *info, *data;

	nl_header(m, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(m, IFLA_LINK, (uint32_t)parent);
	put_inside(m, inside, netns);
	info = mnl_attr_nest_start(m, IFLA_LINKINFO);
	mnl_attr_put_strz(m, IFLA_INFO_KIND, "macvlan");
	data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
	mnl_attr_put_u32(m, IFLA_MACVLAN_MODE, inside->mode);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);
}

/* Neither name may be taken: the kernel's -EEXIST does not tell which one is. */
static int check_names(struct kernel_linux *k, struct nl *nl, const struct kernel_inside *inside,
		       struct vnet_error *err)
{
	struct link link;
	int r = !strcmp(inside->kind, "veth") ? linux_find(k, inside->name, &link, err) : -ENODEV;

	if (r == 0)
		return vnet_error_set(err, -EEXIST, "device-exists",
				      "veth %s: a device of this name exists already",
				      inside->name);
	if (r != -ENODEV)
		return r;
	r = find_inside(nl, inside_name(inside), &link);
	if (r >= 0)
		return vnet_error_set(err, -EEXIST, "device-exists",
				      "namespace %s has a device named %s already", inside->netns,
				      inside_name(inside));
	return r == -ENODEV ? 0 : kernel_error(err, r, nl_text(nl, 0),
					       "namespace %s: cannot look for %s in it",
					       inside->netns, inside_name(inside));
}

static int create_device(struct kernel_linux *k, const struct kernel_inside *inside, int netns,
			 struct vnet_error *err)
{
	bool is_veth = !strcmp(inside->kind, "veth");
	int parent = is_veth ? 0 : device_index(k->control, inside->parent), r;
	unsigned failed;

	if (is_veth) {
		add_veth(&k->rt, inside, netns);
	} else if (parent) {
		add_macvlan(&k->rt, inside, parent, netns);
	} else {
		return vnet_error_set(err, -ENODEV, "no-device", "macvlan for %s: no device %s",
				      inside->netns, inside->parent);
	}
	r = nl_send_all(&k->rt, &failed);
	if (r >= 0)
		return 0;
	kernel_error(err, r, nl_text(&k->rt, failed), "namespace %s: cannot create %s %s in it",
		     inside->netns, inside->kind, inside_name(inside));
	if (failed) {
		link_add_delete(&k->rt, device_index(k->control, inside->name));
		nl_send(&k->rt);
	}
	return r;
}

/* The macvlan that was to be made, by its address: it has no mark yet.  0: there is none. */
static int find_made(struct nl *nl, const struct kernel_inside *inside)
{
	struct link link;

	return find_inside(nl, made_name(inside), &link) >= 0 && !strcmp(link.kind, "macvlan") &&
			       mac_cmp(&link.mac, &inside->mac) == 0
		       ? link.ifindex
		       : 0;
}

/* Whether it was made or not: the answer that tells may have been lost. */
static void delete_again(struct kernel_linux *k, const struct kernel_inside *inside, struct nl *nl,
			 int ifindex)
{
	if (!strcmp(inside->kind, "veth")) {
		linux_delete_marked(k, inside->name, inside->alias);
		return;
	}
	if (!ifindex)
		ifindex = find_made(nl, inside);
	if (ifindex)
		link_add_delete(nl, ifindex);
	nl_send(nl);
}

/* Sends the one request added to nl. */
static int ask(struct nl *nl, const struct kernel_inside *inside, const char *what,
	       struct vnet_error *err)
{
	int r = nl_send_all(nl, NULL);

	return r < 0 ? kernel_error(err, r, nl_text(nl, 0), "namespace %s: %s: cannot %s",
				    inside->netns, inside_name(inside), what) : 0;
}

/* Without duplicate address detection: netd gave the address away once, and it works at once. */
static int add_address(struct nl *nl, const struct kernel_inside *inside, int ifindex,
		       const struct prefix *prefix, struct vnet_error *err)
{
	char what[ADDR_TEXT_MAX + 32], text[ADDR_TEXT_MAX];
	struct addr addr = {.ifindex = ifindex, .prefix = *prefix, .valid = UINT32_MAX,
			    .preferred = UINT32_MAX};

	if (prefix->addr.family == AF_INET6)
		addr.flags = IFA_F_NODAD;
	addr_add_request(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &addr);
	snprintf(what, sizeof(what), "add address %s", prefix_format(prefix, text));
	return ask(nl, inside, what, err);
}

static int add_route(struct nl *nl, const struct kernel_inside *inside, int ifindex,
		     const struct static_route *r, struct vnet_error *err)
{
	char what[ADDR_TEXT_MAX + 32], text[ADDR_TEXT_MAX];
	struct route route = {.family = r->to.addr.family, .table = RT_TABLE_MAIN, .dst = r->to,
			      .gateway = r->via, .oif = ifindex, .metric = r->metric,
			      .protocol = ROUTE_PROTOCOL_VNET, .type = RTN_UNICAST};

	if (route.family == AF_INET && !route.gateway.family)
		route.scope = RT_SCOPE_LINK;
	route_add_request(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route);
	snprintf(what, sizeof(what), "add the route to %s", prefix_format(&r->to, text));
	return ask(nl, inside, what, err);
}

static int set_up(struct nl *nl, const struct kernel_inside *inside, int ifindex,
		  struct vnet_error *err)
{
	struct op_link up = {.set = LINK_SET_UP, .up = true};
	int r;

	link_add_alias(nl, ifindex, inside->alias);
	r = ask(nl, inside, "mark it", err);
	if (r >= 0 && strcmp(made_name(inside), inside_name(inside))) {
		link_add_rename(nl, ifindex, inside_name(inside));
		r = ask(nl, inside, "give it its name", err);
	}
	for (size_t i = 0; i < inside->inside->addresses.n && r >= 0; i++)
		r = add_address(nl, inside, ifindex, &inside->inside->addresses.v[i], err);
	if (r >= 0) {
		snprintf(up.name, sizeof(up.name), "%s", inside_name(inside));
		link_add_set(nl, &up, 0);
		r = ask(nl, inside, "raise it", err);
	}
	for (size_t i = 0; i < inside->inside->routes.n && r >= 0; i++)
		r = add_route(nl, inside, ifindex, &inside->inside->routes.v[i], err);
	return r;
}

/* A veth's two ends go together. */
static int create_inside(struct kernel_linux *k, struct kernel_inside *inside, int netns,
			 struct nl *nl, struct vnet_error *err)
{
	struct link link = {0};
	int r;

	r = check_names(k, nl, inside, err);
	if (r < 0)
		return r;
	r = create_device(k, inside, netns, err);
	if (r >= 0) {
		r = find_inside(nl, made_name(inside), &link);
		if (r < 0)
			kernel_error(err, r, nl_text(nl, 0), "namespace %s: %s is gone already",
				     inside->netns, made_name(inside));
		else
			r = set_up(nl, inside, link.ifindex, err);
	}
	if (r < 0)
		delete_again(k, inside, nl, link.ifindex);
	else
		inside->ret_ifindex = !strcmp(inside->kind, "veth")
					      ? device_index(k->control, inside->name)
					      : link.ifindex;
	return r;
}

int linux_inside_create(struct kernel *base, struct kernel_inside *inside, struct vnet_error *err)
{
	struct kernel_linux *k = (struct kernel_linux *)base;
	struct nl nl = {.fd = -1};
	int netns, r;

	r = open_inside(inside->netns, &netns, &nl, err);
	if (r < 0)
		return r;
	r = create_inside(k, inside, netns, &nl, err);
	nl_close(&nl);
	close(netns);
	return r;
}

static int delete_inside(struct nl *nl, const char *path, const char *ifname,
			 struct vnet_error *err)
{
	struct link link;
	int r = find_inside(nl, ifname, &link);

	if (r >= 0 && !link_is_ours(&link))
		return vnet_error_set(err, -EPERM, "foreign-device",
				      "namespace %s: %s does not carry our mark; it is left alone",
				      path, ifname);
	if (r >= 0) {
		link_add_delete(nl, link.ifindex);
		r = nl_send_all(nl, NULL);
	}
	return r >= 0 || r == -ENODEV ? 0 : kernel_error(err, r, nl_text(nl, 0),
							 "namespace %s: cannot delete %s in it",
							 path, ifname);
}

int linux_inside_delete(struct kernel *base, const char *netns, const char *ifname,
			struct vnet_error *err)
{
	struct vnet_error cause = {0};
	struct nl nl = {.fd = -1};
	int fd, r;

	(void)base;
	r = open_inside(netns, &fd, &nl, &cause);
	if (r == -ENOENT || r == -EINVAL) /* `ip netns del` leaves a file for a moment */
		return 0;
	if (r < 0) {
		if (err && !vnet_error_is_set(err))
			*err = cause;
		return r;
	}
	r = delete_inside(&nl, netns, ifname, err);
	nl_close(&nl);
	close(fd);
	return r;
}

static int find_index(struct nl *nl, int ifindex, struct link *ret)
{
	struct nlmsghdr *m = nl_add(nl, RTM_GETLINK, 0);
	struct ifinfomsg *ifi = nl_header(m, sizeof(*ifi));
	const struct nlmsghdr *answer;
	int r;

	ifi->ifi_index = ifindex;
	mnl_attr_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	r = nl_get(nl, &answer);
	return r < 0 ? r : answer->nlmsg_type == RTM_NEWLINK ? link_parse(answer, ret) : -EPROTO;
}

int linux_inside_find(struct kernel *base, const char *netns, int ifindex, char ret_name[16],
		      struct vnet_error *err)
{
	struct nl nl = {.fd = -1};
	struct link link;
	int fd, r;

	(void)base;
	r = open_inside(netns, &fd, &nl, err);
	if (r < 0)
		return r == -EINVAL ? -ENOENT : r;
	r = find_index(&nl, ifindex, &link);
	if (r >= 0)
		memcpy(ret_name, link.name, sizeof(link.name));
	else if (r == -ENODEV)
		r = vnet_error_set(err, -ENOENT, "no-device",
				   "namespace %s has no device with index %d", netns, ifindex);
	else
		kernel_error(err, r, nl_text(&nl, 0), "namespace %s", netns);
	nl_close(&nl);
	close(fd);
	return r < 0 ? r : 0;
}
