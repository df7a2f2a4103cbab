/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tc.c - traffic control: messages, and clsact with a port's filters */

#include "kernel/tc.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>

struct nlmsghdr *tc_add(struct nl *nl, uint16_t type, uint16_t flags, int ifindex, uint32_t parent,
			uint32_t handle)
{
	struct nlmsghdr *m = nl_add(nl, type, flags);
	struct tcmsg *tc = nl_header(m, sizeof(*tc));

	tc->tcm_ifindex = ifindex;
	tc->tcm_parent = parent;
	tc->tcm_handle = handle;
	return m;
}

struct nlmsghdr *tc_add_filter(struct nl *nl, uint16_t type, uint16_t flags, int ifindex,
			       uint32_t hook, uint16_t priority, uint32_t handle)
{
	struct nlmsghdr *m = tc_add(nl, type, flags, ifindex, hook, handle);
	struct tcmsg *tc = mnl_nlmsg_get_payload(m);

	tc->tcm_info = TC_H_MAKE((uint32_t)priority << 16, htons(ETH_P_ALL));
	return m;
}

void tc_add_clsact(struct nl *nl, int ifindex)
{
	mnl_attr_put_strz(tc_add(nl, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifindex, TC_H_CLSACT,
				 TC_H_MAKE(TC_H_CLSACT, 0)), TCA_KIND, "clsact");
}

static void each_any_filter(const struct nlmsghdr *m, void *context)
{
	if (m->nlmsg_type == RTM_NEWTFILTER)
		*(bool *)context = true;
}

static void restart_any_filter(void *context)
{
	*(bool *)context = false;
}

void tc_drop_clsact(struct kernel_linux *k, int ifindex)
{
	static const uint32_t hooks[] = {TC_INGRESS, TC_EGRESS};
	bool is_used = false;

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		tc_add(&k->query, RTM_GETTFILTER, 0, ifindex, hooks[i], 0);
		if (nl_dump(&k->query, &(struct nl_dump){each_any_filter, restart_any_filter,
							 &is_used}) < 0 || is_used)
			return;
	}
	tc_add(&k->rt, RTM_DELQDISC, 0, ifindex, TC_H_CLSACT, TC_H_MAKE(TC_H_CLSACT, 0));
	nl_send(&k->rt);
}
