/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vf.c - virtual functions of SR-IOV devices
 *
 * The kernel lists them with the physical function, when asked to: never in
 * the list of all devices, where one card would bring hundreds.  It sets one
 * property after the other and stops at the first that fails, so each has a
 * message of its own; and as many drivers reset a function whatever it is set
 * to, only what differs is set.
 */

#include "kernel/vf.h"
#include "kernel/privileged.h"
#include "kernel/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <unistd.h>

#define UNKNOWN UINT32_MAX /* what the kernel says of a switch that the driver does not have */

int linux_vf_address(struct kernel *base, const char *ifname, unsigned vf, char ret[32],
		     struct vnet_error *err)
{
	struct kernel_linux *k = (struct kernel_linux *)base;
	char path[64], target[256];
	const char *name;
	ssize_t n;
	int r;

	if (!kernel_ifname_ok(ifname))
		return vnet_error_set(err, -EINVAL, "bad-name", "\"%.15s\" is not a device name",
				      ifname);
	r = privileged_get()->sysfs(&k->sysfs, err);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "class/net/%s/device/virtfn%u", ifname, vf);
	n = readlinkat(k->sysfs, path, target, sizeof(target) - 1);
	if (n < 0 && errno != ENOENT && errno != EINVAL)
		return kernel_error(err, -errno, NULL, "device %s: cannot find virtual function %u",
				    ifname, vf);
	target[n < 0 ? 0 : n] = '\0';
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	if (strlen(name) >= 32)
		return vnet_error_set(err, -EPROTO, "kernel-refused",
				      "device %s: virtual function %u: no PCI address: %s", ifname,
				      vf, name);
	memcpy(ret, name, strlen(name) + 1);
	return 0;
}

/* Reading. */

bool vf_is_candidate(const struct nlmsghdr *m)
{
	const struct nlattr *tb[IFLA_MAX + 1];

	nl_attrs_of(m, sizeof(struct ifinfomsg), tb, ARRAY_SIZE(tb));
	return tb[IFLA_PARENT_DEV_NAME]; /* since 5.14 */
}

/* The kernel's structs, all beginning with the function's number. */
#define GET(type, attr) ({ \
	const struct nlattr *a_ = (attr); \
	struct type v_ = {0}; \
	if (a_ && mnl_attr_get_payload_len(a_) >= sizeof(v_)) \
		memcpy(&v_, mnl_attr_get_payload(a_), sizeof(v_)); \
	v_; })

static struct vf parse_vf(const struct nlattr *info, int ifindex)
{
	const struct nlattr *tb[IFLA_VF_MAX + 1], *vlans[IFLA_VF_VLAN_INFO_MAX + 1];
	struct ifla_vf_vlan_info vlan;
	struct ifla_vf_rate rate;
	struct ifla_vf_mac mac;
	struct vf vf = {.ifindex = ifindex};
	uint32_t spoofchk, trust;

	nl_attrs_nested(info, tb, ARRAY_SIZE(tb));
	mac = GET(ifla_vf_mac, tb[IFLA_VF_MAC]);
	vf.index = mac.vf;
	memcpy(vf.mac.b, mac.mac, sizeof(vf.mac.b));
	nl_attrs_nested(tb[IFLA_VF_VLAN_LIST], vlans, ARRAY_SIZE(vlans));
	vlan = GET(ifla_vf_vlan_info, vlans[IFLA_VF_VLAN_INFO]);
	vf.vlan = (uint16_t)vlan.vlan;
	vf.qos = (uint8_t)vlan.qos;
	vf.vlan_protocol = vlan.vlan ? ntohs(vlan.vlan_proto) : 0;
	rate = GET(ifla_vf_rate, tb[IFLA_VF_RATE]);
	vf.min_rate = rate.min_tx_rate;
	vf.max_rate = rate.max_tx_rate;
	spoofchk = GET(ifla_vf_spoofchk, tb[IFLA_VF_SPOOFCHK]).setting;
	trust = GET(ifla_vf_trust, tb[IFLA_VF_TRUST]).setting;
	vf.spoofchk = spoofchk && spoofchk != UNKNOWN;
	vf.trust = trust && trust != UNKNOWN;
	vf.link_state = (uint8_t)GET(ifla_vf_link_state, tb[IFLA_VF_LINK_STATE]).link_state;
	return vf;
}

typedef VEC(struct vf) vf_vec;

static int read_vfs(struct nl *nl, int ifindex, vf_vec *ret)
{
	struct nlmsghdr *request = nl_add(nl, RTM_GETLINK, 0);
	struct ifinfomsg *ifi = nl_header(request, sizeof(*ifi));
	const struct nlattr *tb[IFLA_MAX + 1], *info;
	struct nl_attr_reader reader;
	const struct nlmsghdr *m;
	int r;

	ifi->ifi_index = ifindex;
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS);
	r = nl_get(nl, &m);
	if (r < 0)
		return r;
	nl_attrs_of(m, sizeof(*ifi), tb, ARRAY_SIZE(tb));
	if (m->nlmsg_type != RTM_NEWLINK || !tb[IFLA_VFINFO_LIST])
		return 0;
	reader = nl_attr_reader(tb[IFLA_VFINFO_LIST]);
	while ((info = nl_attr_next(&reader)))
		vec_push(ret, parse_vf(info, ifindex));
	return 0;
}

int vf_snapshot(struct kernel_linux *k, int ifindex, struct snapshot *snap, struct vnet_error *err)
{
	vf_vec vfs = {0};
	int r = read_vfs(&k->query, ifindex, &vfs);

	vec_each(vf, &vfs)
		vec_push(&snap->vfs, *vf);
	vec_free(&vfs);
	/* Gone since; or with more functions than a message can list, which OP_VF reports. */
	if (r == -ENODEV || r == -EMSGSIZE || r == -ENOBUFS)
		return 0;
	return r < 0 ? kernel_error(err, r, nl_text(&k->query, 0),
				    "cannot list the virtual functions of device %d", ifindex) : 0;
}

/* Setting. */

static struct nlattr *begin_set(struct nl *nl, int ifindex, struct nlmsghdr **ret,
				struct nlattr **ret_list)
{
	struct ifinfomsg *ifi;

	*ret = nl_add(nl, RTM_SETLINK, 0);
	ifi = nl_header(*ret, sizeof(*ifi));
	ifi->ifi_index = ifindex;
	*ret_list = mnl_attr_nest_start(*ret, IFLA_VFINFO_LIST);
	return mnl_attr_nest_start(*ret, IFLA_VF_INFO);
}

static void add_set(struct nl *nl, int ifindex, uint16_t type, const void *value, size_t size)
{
	struct nlattr *list, *info;
	struct nlmsghdr *m;

	info = begin_set(nl, ifindex, &m, &list);
	mnl_attr_put(m, type, size, value);
	mnl_attr_nest_end(m, info);
	mnl_attr_nest_end(m, list);
}

static void add_set_vlan(struct nl *nl, int ifindex, const struct vf *vf)
{
	uint16_t protocol = vf->vlan && vf->vlan_protocol ? vf->vlan_protocol : ETH_P_8021Q;
	struct ifla_vf_vlan_info vlan = {.vf = vf->index, .vlan = vf->vlan, .qos = vf->qos,
					 .vlan_proto = htons(protocol)};
	struct nlattr *list, *info, *vlans;
	struct nlmsghdr *m;

	info = begin_set(nl, ifindex, &m, &list);
	vlans = mnl_attr_nest_start(m, IFLA_VF_VLAN_LIST);
	mnl_attr_put(m, IFLA_VF_VLAN_INFO, sizeof(vlan), &vlan);
	mnl_attr_nest_end(m, vlans);
	mnl_attr_nest_end(m, info);
	mnl_attr_nest_end(m, list);
}

/* Adds a message for all that differs; names[] says what each is about. */
static unsigned add_changes(struct nl *nl, int ifindex, const struct vf *have,
			    const struct vf *want, const char *names[6])
{
	struct ifla_vf_mac mac = {.vf = want->index};
	struct ifla_vf_rate rate = {.vf = want->index, .min_tx_rate = want->min_rate,
				    .max_tx_rate = want->max_rate};
	struct ifla_vf_spoofchk spoofchk = {.vf = want->index, .setting = want->spoofchk};
	struct ifla_vf_trust trust = {.vf = want->index, .setting = want->trust};
	struct ifla_vf_link_state state = {.vf = want->index, .link_state = want->link_state};
	unsigned n = 0;

	memcpy(mac.mac, want->mac.b, sizeof(want->mac.b));
	/* A driver may take a MAC from a trusted function only, or drop it with the trust. */
	if (have->trust != want->trust) {
		add_set(nl, ifindex, IFLA_VF_TRUST, &trust, sizeof(trust));
		names[n++] = "trust";
	}
	if (mac_cmp(&have->mac, &want->mac) != 0) {
		add_set(nl, ifindex, IFLA_VF_MAC, &mac, sizeof(mac));
		names[n++] = "MAC";
	}
	if (have->vlan != want->vlan || have->qos != want->qos ||
	    (want->vlan && have->vlan_protocol != want->vlan_protocol)) {
		add_set_vlan(nl, ifindex, want);
		names[n++] = "VLAN";
	}
	if (have->min_rate != want->min_rate || have->max_rate != want->max_rate) {
		add_set(nl, ifindex, IFLA_VF_RATE, &rate, sizeof(rate));
		names[n++] = "rate";
	}
	if (have->spoofchk != want->spoofchk) {
		add_set(nl, ifindex, IFLA_VF_SPOOFCHK, &spoofchk, sizeof(spoofchk));
		names[n++] = "spoofchk";
	}
	if (have->link_state != want->link_state) {
		add_set(nl, ifindex, IFLA_VF_LINK_STATE, &state, sizeof(state));
		names[n++] = "link state";
	}
	return n;
}

int vf_set(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	const struct vf *want = &op->vf.vf, *have = NULL;
	int ifindex = device_index(k->control, op->vf.ifname), r;
	const char *names[6] = {0};
	vf_vec vfs = {0};
	unsigned failed;

	if (!ifindex)
		return vnet_error_set(err, -ENODEV, "no-device", "no device %s", op->vf.ifname);
	r = read_vfs(&k->query, ifindex, &vfs);
	if (r < 0) {
		kernel_error(err, r, nl_text(&k->query, 0),
			     "device %s: cannot list its virtual functions", op->vf.ifname);
		goto out;
	}
	vec_each(vf, &vfs)
		if (vf->index == want->index)
			have = vf;
	if (!have) {
		r = vnet_error_set(err, -ENOENT, "no-function",
				   "device %s has %zu virtual functions, and none of number %u",
				   op->vf.ifname, vfs.n, want->index);
		goto out;
	}
	if (add_changes(&k->rt, ifindex, have, want, names)) {
		r = nl_send_all(&k->rt, &failed);
		if (r < 0)
			kernel_error(err, r, nl_text(&k->rt, failed),
				     "device %s: virtual function %u: cannot set its %s",
				     op->vf.ifname, want->index, names[failed]);
	}
out:
	vec_free(&vfs);
	return r;
}
