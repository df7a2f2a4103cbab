/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* subnet.c - `subnet: auto`: the first free subnet of a pool. */

#include "model/check.h"

#include <errno.h>
#include <sys/socket.h>

static int prefix_order(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

/*
 * Default routes say nothing about who uses an address, nor do the two halves
 * that VPN clients set in their place (0.0.0.0/1 and 128.0.0.0/1).
 */
static bool is_default_route(const struct prefix *p)
{
	return p->len <= 1;
}

/* The subnet right after p, which is no smaller: so the next address is aligned.  False past the
 * end. */
static bool subnet_after(const struct prefix *p, unsigned len, struct prefix *ret)
{
	struct ip last = prefix_last(p);

	*ret = (struct prefix){ .addr = ip_add(&last, 1), .len = (uint8_t)len };
	return ip_cmp(&ret->addr, &last) > 0;
}

int subnet_choose(const struct prefix *pool, unsigned subnet_len, const struct prefix *taken,
		  size_t n_taken, struct prefix *ret, struct vnet_error *err)
{
	struct prefix candidate = prefix_network(pool);
	VEC(struct prefix) sorted = { 0 };
	char text[ADDR_TEXT_MAX];
	bool found = true;

	if (subnet_len < pool->len || subnet_len + 2 > ip_bits(&pool->addr))
		return vnet_error_set(err, -EINVAL, "bad-prefix-length",
				      "subnets of /%u cannot be chosen from the pool %s",
				      subnet_len, prefix_format(pool, text));
	candidate.len = (uint8_t)subnet_len;
	for (size_t i = 0; i < n_taken; i++)
		if (!is_default_route(&taken[i]) && prefix_overlaps(pool, &taken[i]))
			vec_push(&sorted, prefix_network(&taken[i]));
	vec_sort(&sorted, prefix_order);

	/* In order of address, so what was passed once cannot overlap a later candidate. */
	for (size_t i = 0; found && i < sorted.n; i++)
		if (prefix_overlaps(&candidate, &sorted.v[i]))
			found = subnet_after(sorted.v[i].len < subnet_len ? &sorted.v[i]
									  : &candidate,
					     subnet_len, &candidate);
	vec_free(&sorted);
	if (!found || !prefix_contains(pool, &candidate.addr))
		return vnet_error_set(
			err, -EADDRNOTAVAIL, "pool-exhausted",
			"no /%u of the pool %s is free: the host's routes, addresses and "
			"networks overlap all; give addresses or set another pool",
			subnet_len, prefix_format(pool, text));
	candidate.addr = ip_add(&candidate.addr, 1);
	*ret = candidate;
	return 0;
}
