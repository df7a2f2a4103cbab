/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_resolv.c - resolv.conf: what is taken from it stands in a line of dnsmasq's servers file. */

#include "dhcp/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dhcp_resolver_vec resolvers = { 0 };

	dhcp_resolvers_parse((const char *)data, size, &resolvers);
	if (resolvers.n > DHCP_RESOLVERS_MAX)
		abort();
	vec_each(r, &resolvers)
		for (const char *s = *r; *s; s++)
			if (*s <= ' ' || strchr(",#@/\"\\", *s))
				abort();
	dhcp_resolvers_free(&resolvers);
	return 0;
}
