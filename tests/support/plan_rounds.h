/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VNET_TESTS_PLAN_ROUNDS_H
#define VNET_TESTS_PLAN_ROUNDS_H

/* plan_rounds.h - what netd does around a plan, as values: to plan, run and plan again without a kernel */

#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

/* The records that outlive a plan: what the daemon keeps on disk. */

static inline void rounds_copy_takeover(const struct takeover *from, struct takeover *to)
{
	*to = *from;
	memset(&to->addrs, 0, sizeof(to->addrs));
	memset(&to->routes, 0, sizeof(to->routes));
	vec_each(addr, &from->addrs)
		vec_push(&to->addrs, *addr);
	vec_each(route, &from->routes)
		vec_push(&to->routes, *route);
}

static inline void rounds_copy(const struct desired *from, struct desired *to)
{
	vec_each(saved, &from->saved)
		vec_push(&to->saved, *saved);
	vec_each(takeover, &from->takeovers)
		rounds_copy_takeover(takeover, vec_add(&to->takeovers));
}

static inline void rounds_drop_takeover(struct desired *d, const char *network, const char *uplink)
{
	for (size_t i = d->takeovers.n; i-- > 0;)
		if (strcmp(d->takeovers.v[i].network, network) == 0 &&
		    strcmp(d->takeovers.v[i].uplink, uplink) == 0) {
			takeover_free(&d->takeovers.v[i]);
			vec_remove(&d->takeovers, i);
		}
}

/* What the daemon writes before it runs the operations. */
static inline void rounds_before(struct desired *d, const struct plan *plan)
{
	vec_each(saved, &plan->to_save)
		vec_push(&d->saved, *saved);
	vec_each(takeover, &plan->to_take_over) {
		rounds_drop_takeover(d, takeover->network, takeover->uplink);
		rounds_copy_takeover(takeover, vec_add(&d->takeovers));
	}
}

/* And when all of them ran. */
static inline void rounds_after(struct desired *d, const struct plan *plan)
{
	vec_each(forget, &plan->to_forget)
		for (size_t i = d->saved.n; i-- > 0;)
			if (strcmp(d->saved.v[i].sysctl.path, forget->sysctl.path) == 0)
				vec_remove(&d->saved, i);
	vec_each(key, &plan->given_back)
		rounds_drop_takeover(d, key->network, key->uplink);
}

/* As the daemon observes: only the switches that the planner asked for. */
static inline void rounds_observe(const struct desired *d, const struct snapshot *host, struct snapshot *ret)
{
	sysctl_vec wanted = { 0 };

	snapshot_copy(host, ret);
	plan_wanted_sysctls(d, host, &wanted);
	for (size_t i = ret->sysctls.n; i-- > 0;)
		if (!wanted.n || !bsearch(&ret->sysctls.v[i], wanted.v, wanted.n, sizeof(*wanted.v),
					  snapshot_cmp_sysctls))
			vec_remove(&ret->sysctls, i);
	vec_free(&wanted);
}

#endif
