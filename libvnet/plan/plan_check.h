/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_PLAN_PLAN_CHECK_H
#define VNET_PLAN_PLAN_CHECK_H

/* plan_check.h - what the parts of plan_check_host() share */

#include "plan/plan.h"

struct check {
	const struct network *net;
	struct network *const *others;
	size_t n_others;
	const struct snapshot *snap;
	struct vnet_error *err;
};

/* plan_check_wire.c */
int plan_check_uplink(const struct check *c, const char *bridge);
int plan_check_links(const struct check *c);

#endif
