/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cable.c - the wires of a lab, by rtnetlink; see cable.h. */

#include "cli/lab/cable.h"

#include "cli/lab/space.h"
#include "kernel/addr.h"
#include "kernel/link.h"
#include "kernel/nl.h"
#include "kernel/route.h"
#include "kernel/tc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#define MTU_DEFAULT 1500
#define NETEM_LIMIT 10000       /* frames that wait */
#define TBF_WAIT_MS 50          /* for longer, none waits */
#define TRANSPARENT_MASK 0xfff8 /* the kernel never lets bits 0..2 through: STP, pause, LACP */

/* One interface at a wire. */
struct end {
	const struct lab_machine *machine;
	const struct lab_interface *interface;
};
typedef VEC(struct end) end_vec;

static void find_ends(const struct lab *lab, const struct lab_wire *wire, end_vec *ret)
{
	vec_each(m, &lab->machines)
		vec_each(interface, &(*m)->interfaces)
			if (interface->wire && strcmp(interface->wire, wire->name) == 0)
				vec_push(ret, (struct end){ *m, interface });
}

/* In the lab's own namespace, by the wire's place in the file. */
static size_t wire_number(const struct lab *lab, const struct lab_wire *wire)
{
	size_t i = 0;

	while (lab->wires.v[i] != wire)
		i++;
	return i;
}

static void segment_name(size_t number, char ret[16])
{
	snprintf(ret, 16, "w%u", (unsigned)number % 100000);
}

static void leg_name(size_t number, size_t end, char ret[16])
{
	snprintf(ret, 16, "w%u.%u", (unsigned)number % 100000, (unsigned)end % 100000);
}

static int send_one(struct nl *nl, struct vnet_error *err, const char *what, const char *name)
{
	unsigned i;
	int r = nl_send_all(nl, &i);

	if (r < 0) {
		vnet_error_set(err, r, "kernel", "%s %s: %s", what, name, strerror(-r));
		if (err)
			snprintf(err->kernel, sizeof(err->kernel), "%s", nl_text(nl, i));
	}
	return r;
}

/* --- devices --- */

/* In the message's place for it.  What stays here is up from the start; an end inside is raised when it has its address. */
static void put_device(struct nlmsghdr *m, const char *name, const struct mac *mac, unsigned mtu, int netns)
{
	struct ifinfomsg *header = nl_header(m, sizeof(*header));

	if (netns < 0)
		header->ifi_flags = header->ifi_change = IFF_UP;
	mnl_attr_put_strz(m, IFLA_IFNAME, name);
	mnl_attr_put_u32(m, IFLA_MTU, mtu);
	if (mac)
		mnl_attr_put(m, IFLA_ADDRESS, sizeof(*mac), mac);
	if (netns >= 0)
		mnl_attr_put_u32(m, IFLA_NET_NS_FD, (uint32_t)netns);
}

static struct mac end_mac(const struct end *end)
{
	return end->interface->has_mac ? end->interface->mac : lab_mac(end->machine->name, end->interface->name);
}

struct veth_end {
	char name[16];
	struct mac mac;
	bool has_mac;
	int netns;              /* -1: here */
};

static void add_veth(struct nl *nl, const struct veth_end *a, const struct veth_end *b, unsigned mtu, int master)
{
	struct nlmsghdr *m = nl_add(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *info, *data, *peer;

	put_device(m, a->name, a->has_mac ? &a->mac : NULL, mtu, a->netns);
	if (master)
		mnl_attr_put_u32(m, IFLA_MASTER, (uint32_t)master);
	info = mnl_attr_nest_start(m, IFLA_LINKINFO);
	mnl_attr_put_strz(m, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(m, VETH_INFO_PEER);
	put_device(m, b->name, b->has_mac ? &b->mac : NULL, mtu, b->netns);
	mnl_attr_nest_end(m, peer);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);
}

static void add_segment(struct nl *nl, const char *name, const struct lab_wire *wire, unsigned mtu)
{
	struct nlmsghdr *m = nl_add(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *info, *data;

	put_device(m, name, NULL, mtu, -1);
	info = mnl_attr_nest_start(m, IFLA_LINKINFO);
	mnl_attr_put_strz(m, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
	mnl_attr_put_u32(m, IFLA_BR_STP_STATE, 0);
	mnl_attr_put_u32(m, IFLA_BR_FORWARD_DELAY, 0);
	mnl_attr_put_u8(m, IFLA_BR_MCAST_SNOOPING, 0);
	if (wire->transparent)
		mnl_attr_put_u16(m, IFLA_BR_GROUP_FWD_MASK, TRANSPARENT_MASK);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);
}

/* The end inside of a machine; its namespace is the caller's to close. */
static int veth_inside(const struct end *end, struct veth_end *ret, struct vnet_error *err)
{
	memcpy(ret->name, end->interface->name, sizeof(ret->name));
	ret->mac = end_mac(end);
	ret->has_mac = true;
	return space_open(end->machine->name, &ret->netns, err);
}

static int make_pair(struct nl *nl, const end_vec *ends, const struct lab_wire *wire, unsigned mtu,
		     struct vnet_error *err)
{
	struct veth_end a = { .netns = -1 }, b = { .netns = -1 };
	int r = veth_inside(&ends->v[0], &a, err);

	if (r == 0)
		r = veth_inside(&ends->v[1], &b, err);
	if (r == 0) {
		add_veth(nl, &a, &b, mtu, 0);
		r = send_one(nl, err, "wire", wire->name);
	}
	if (a.netns >= 0)
		close(a.netns);
	if (b.netns >= 0)
		close(b.netns);
	return r;
}

static int make_leg(struct nl *nl, const struct end *end, const char *name, int bridge, const struct lab_wire *wire,
		    unsigned mtu, struct vnet_error *err)
{
	struct veth_end inside = { .netns = -1 }, leg = { .netns = -1 };
	int r = veth_inside(end, &inside, err);

	if (r < 0)
		return r;
	snprintf(leg.name, sizeof(leg.name), "%s", name);
	add_veth(nl, &leg, &inside, mtu, bridge);
	r = send_one(nl, err, "wire", wire->name);
	close(inside.netns);
	return r;
}

static int make_segment(struct nl *nl, const end_vec *ends, const struct lab_wire *wire, size_t number, unsigned mtu,
			struct vnet_error *err)
{
	char name[16];
	int r;

	segment_name(number, name);
	add_segment(nl, name, wire, mtu);
	r = send_one(nl, err, "wire", wire->name);
	for (size_t i = 0; i < ends->n && r == 0; i++) {
		char leg[16];

		leg_name(number, i, leg);
		r = make_leg(nl, &ends->v[i], leg, (int)if_nametoindex(name), wire, mtu, err);
	}
	return r;
}

static int make_cable(struct nl *nl, const struct lab *lab, const struct lab_wire *wire, struct vnet_error *err)
{
	unsigned mtu = wire->mtu ? wire->mtu : MTU_DEFAULT;
	end_vec ends = { 0 };
	int r;

	find_ends(lab, wire, &ends);
	r = ends.n == 2 ? make_pair(nl, &ends, wire, mtu, err) :
			  make_segment(nl, &ends, wire, wire_number(lab, wire), mtu, err);
	vec_free(&ends);
	if (r == 0 && lab_impairment_is_set(&wire->impairment))
		r = cable_impair(lab, wire, &wire->impairment, err);
	if (r < 0)
		vnet_error_at(err, wire->source.file, wire->source.line, wire->source.column, NULL);
	return r;
}

int cables_make(const struct lab *lab, struct vnet_error *err)
{
	struct nl nl = { 0 };
	int r = nl_open(&nl, NETLINK_ROUTE, err);

	for (size_t i = 0; i < lab->wires.n && r == 0; i++)
		r = make_cable(&nl, lab, lab->wires.v[i], err);
	nl_close(&nl);
	return r;
}

/* --- inside of a machine --- */

/* A netlink socket stays in the namespace that it was made in. */
static int open_inside(const char *machine, struct nl *ret, struct vnet_error *err)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), inside;
	int r = space_open(machine, &inside, err);

	if (r < 0 || home < 0) {
		if (home >= 0)
			close(home);
		return r < 0 ? r : -EMFILE;
	}
	if (setns(inside, CLONE_NEWNET) < 0)
		r = vnet_error_set(err, -errno, "no-namespace", "cannot enter %s: %s", machine, strerror(errno));
	if (r == 0)
		r = nl_open(ret, NETLINK_ROUTE, err);
	if (setns(home, CLONE_NEWNET) < 0)
		abort(); /* every later step would be in the wrong place */
	close(inside);
	close(home);
	return r;
}

static int find_index(struct nl *nl, const char *name)
{
	const struct nlmsghdr *answer;
	struct link link;
	int r;

	link_add_get(nl, name);
	r = nl_get(nl, &answer);
	if (r == 0)
		r = link_parse(answer, &link);
	return r < 0 ? r : link.ifindex;
}

static int add_route(struct nl *nl, const struct prefix *to, const struct ip *via, int oif, struct vnet_error *err)
{
	struct route route = { .family = via->family, .table = RT_TABLE_MAIN, .dst = *to, .gateway = *via, .oif = oif,
			       .protocol = RTPROT_STATIC, .type = RTN_UNICAST, .scope = RT_SCOPE_UNIVERSE };
	char buf[ADDR_TEXT_MAX];

	route_add_request(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &route);
	return send_one(nl, err, "route via", ip_format(via, buf));
}

static int address_interface(struct nl *nl, const struct lab_interface *interface, struct vnet_error *err)
{
	struct op_link up = { .set = LINK_SET_UP, .up = true };
	int index = find_index(nl, interface->name), r;

	if (index < 0)
		return vnet_error_set(err, index, "no-device", "there is no interface %s", interface->name);
	memcpy(up.name, interface->name, sizeof(up.name));
	link_add_set(nl, &up, 0);
	r = send_one(nl, err, "interface", interface->name);
	vec_each(prefix, &interface->addresses) {
		struct addr addr = { .ifindex = index, .prefix = *prefix, .flags = IFA_F_NODAD, .scope = RT_SCOPE_UNIVERSE,
				     .valid = UINT32_MAX, .preferred = UINT32_MAX };
		char buf[ADDR_TEXT_MAX];

		addr_add_request(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &addr);
		r = r < 0 ? r : send_one(nl, err, "address", prefix_format(prefix, buf));
	}
	vec_each(gateway, &interface->gateway) {
		struct prefix all = { .addr = { .family = gateway->family } };

		r = r < 0 ? r : add_route(nl, &all, gateway, index, err);
	}
	return r;
}

int cables_address(const struct lab_machine *machine, struct vnet_error *err)
{
	struct nl nl = { 0 };
	int r = open_inside(machine->name, &nl, err);

	vec_each(interface, &machine->interfaces)
		if (r == 0 && interface->wire)
			r = address_interface(&nl, interface, err);
	vec_each(route, &machine->routes)
		if (r == 0)
			r = add_route(&nl, &route->to, &route->via, 0, err);
	if (r < 0) {
		vnet_error_prefix(err, "%s", machine->name);
		vnet_error_at(err, machine->source.file, machine->source.line, machine->source.column, NULL);
	}
	nl_close(&nl);
	return r;
}

/* --- impairments --- */

/* Options of netem and tbf that 32 bits do not hold come beside the old field. */
static void put_netem(struct nlmsghdr *m, const struct lab_impairment *impairment)
{
	struct tc_netem_qopt opt = { .limit = NETEM_LIMIT };
	uint64_t bytes = impairment->rate / 8;
	struct tc_netem_rate rate = { .rate = bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes };
	struct nlattr *options;

	opt.loss = (uint32_t)((double)impairment->loss / 100000 * UINT32_MAX);
	mnl_attr_put_strz(m, TCA_KIND, "netem");
	options = mnl_attr_nest_start(m, TCA_OPTIONS);
	memcpy(nl_header(m, sizeof(opt)), &opt, sizeof(opt));
	mnl_attr_put_u64(m, TCA_NETEM_LATENCY64, impairment->delay * 1000ULL);
	mnl_attr_put_u64(m, TCA_NETEM_JITTER64, impairment->jitter * 1000ULL);
	if (bytes) {
		mnl_attr_put(m, TCA_NETEM_RATE, sizeof(rate), &rate);
		if (bytes > UINT32_MAX)
			mnl_attr_put_u64(m, TCA_NETEM_RATE64, bytes);
	}
	mnl_attr_nest_end(m, options);
}

static void put_tbf(struct nlmsghdr *m, const struct lab_impairment *impairment)
{
	struct bandwidth bandwidth = { .rate = impairment->rate };
	uint32_t burst = shaper_burst(&bandwidth);
	uint64_t bytes = impairment->rate / 8;
	struct tc_tbf_qopt opt = {
		.rate = { .rate = bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes,
			  .linklayer = TC_LINKLAYER_ETHERNET },
		.limit = burst + (uint32_t)(bytes * TBF_WAIT_MS / 1000 > INT32_MAX ? INT32_MAX :
										      bytes * TBF_WAIT_MS / 1000),
	};
	struct nlattr *options;

	mnl_attr_put_strz(m, TCA_KIND, "tbf");
	options = mnl_attr_nest_start(m, TCA_OPTIONS);
	mnl_attr_put(m, TCA_TBF_PARMS, sizeof(opt), &opt);
	mnl_attr_put_u32(m, TCA_TBF_BURST, burst);
	if (bytes > UINT32_MAX)
		mnl_attr_put_u64(m, TCA_TBF_RATE64, bytes);
	mnl_attr_nest_end(m, options);
}

static int impair_device(struct nl *nl, int index, const struct lab_impairment *impairment, const char *wire,
			 struct vnet_error *err)
{
	bool wants_netem = impairment->delay || impairment->jitter || impairment->loss;
	struct nlmsghdr *m;
	int r;

	if (!lab_impairment_is_set(impairment)) {
		tc_add(nl, RTM_DELQDISC, 0, index, TC_H_ROOT, 0);
		r = nl_send_all(nl, NULL);
		return r == -ENOENT || r == -EINVAL ? 0 : r; /* it has none */
	}
	m = tc_add(nl, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, index, TC_H_ROOT, 0);
	if (wants_netem)
		put_netem(m, impairment);
	else
		put_tbf(m, impairment);
	r = nl_send_all(nl, NULL);
	if (r == -ENOENT)
		return vnet_error_set(err, -EOPNOTSUPP, "no-kernel-support",
				      "wire %s: this kernel has no %s, which %s", wire,
				      wants_netem ? "netem (sch_netem)" : "token buckets (sch_tbf)",
				      wants_netem ? "delay, jitter and loss take; rate alone does without" :
						    "a rate takes");
	return r < 0 ? vnet_error_set(err, r, "kernel", "wire %s: cannot impair it: %s", wire, strerror(-r)) : 0;
}

static int impair_end(const struct end *end, const struct lab_impairment *impairment, const char *wire,
		      struct vnet_error *err)
{
	struct nl nl = { 0 };
	int r = open_inside(end->machine->name, &nl, err), index;

	if (r < 0)
		return r;
	index = find_index(&nl, end->interface->name);
	r = index < 0 ? vnet_error_set(err, index, "no-device", "wire %s: its end %s of %s is gone", wire,
				       end->interface->name, end->machine->name) :
			impair_device(&nl, index, impairment, wire, err);
	nl_close(&nl);
	return r;
}

static int impair_segment(const struct lab *lab, const struct lab_wire *wire, size_t n_ends,
			  const struct lab_impairment *impairment, struct vnet_error *err)
{
	struct nl nl = { 0 };
	int r = nl_open(&nl, NETLINK_ROUTE, err);

	for (size_t i = 0; i < n_ends && r == 0; i++) {
		char name[16];
		int index;

		leg_name(wire_number(lab, wire), i, name);
		index = (int)if_nametoindex(name);
		r = index ? impair_device(&nl, index, impairment, wire->name, err) :
			    vnet_error_set(err, -ENODEV, "no-device", "wire %s: an end is gone", wire->name);
	}
	nl_close(&nl);
	return r;
}

int cable_impair(const struct lab *lab, const struct lab_wire *wire, const struct lab_impairment *impairment,
		 struct vnet_error *err)
{
	end_vec ends = { 0 };
	int r = 0;

	find_ends(lab, wire, &ends);
	if (ends.n > 2)
		r = impair_segment(lab, wire, ends.n, impairment, err);
	for (size_t i = 0; i < ends.n && ends.n == 2 && r == 0; i++)
		r = impair_end(&ends.v[i], impairment, wire->name, err);
	vec_free(&ends);
	return r;
}
