/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check_egress.c - where guests may connect to. */

#include "model/check_internal.h"

#include <errno.h>
#include <string.h>

static bool is_twice(const struct egress *a, const struct egress *b)
{
	if (!a->name || !b->name)
		return !a->name && !b->name && prefix_overlaps(&a->prefix, &b->prefix);
	return a->is_below == b->is_below && strcmp(a->name, b->name) == 0;
}

int check_egress(const struct network *net, struct vnet_error *err)
{
	for (size_t i = 0; i < net->egress.n; i++) {
		const struct egress *egress = &net->egress.v[i];
		char text[ADDR_TEXT_MAX];

		if (egress->name && !net->dns.enabled)
			return check_refuse(net, NULL, PATH("egress[%zu]", i), err, "mode-conflict",
					    "names are held to the answers of this network's own DNS, "
					    "which is off; remove dns: false, or give addresses");
		for (size_t k = 0; k < i; k++) {
			if (!is_twice(egress, &net->egress.v[k]))
				continue;
			return check_refuse(net, NULL, PATH("egress[%zu]", i), err, "duplicate",
					    "%s%s is covered already: egress[%zu], or covers it; leave "
					    "one of the two out",
					    egress->is_below ? "*." : "",
					    egress->name ? egress->name :
							   prefix_format(&egress->prefix, text), k);
		}
	}
	return 0;
}
