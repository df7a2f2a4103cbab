/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_access.c - the access policy: what is refused leaves none, what is accepted decides. */

#include "model/access.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Accounts that begin with x do not exist. */
static int resolve(const char *name, uint32_t *ret_id)
{
	*ret_id = (uint8_t)name[0];
	return name[0] == 'x' ? -ENOENT : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char definition[] = "networks: {blue: {mode: isolated}}";
	static const struct access_resolver resolver = { resolve, resolve };
	AUTO(access_policy_free) struct access_policy *policy = NULL;
	AUTO_NETWORKS network_vec nets = { 0 };
	struct port port = { .queues = 1, .has_mac = true, .ifname = "tap0" };
	struct peer peer = { .uid = 'a', .gid = 'g' };
	struct vnet_error err = { 0 };
	int r;

	r = access_policy_from_yaml((const char *)data, size, "fuzz.yaml", &resolver, &policy,
				    &err);
	if ((r < 0) != vnet_error_is_set(&err) || (r < 0) != !policy)
		abort();
	if (r < 0 || networks_from_yaml(definition, sizeof(definition) - 1, NULL, &nets, NULL) < 0)
		return 0;
	for (unsigned i = 0; i < 4; i++) {
		struct access_request request = { nets.v[0], &port, i & 1, i };

		r = access_check_attach(policy, &peer, &request, &err);
		if ((r < 0) != vnet_error_is_set(&err))
			abort();
		/* Who may attach may see. */
		if (r == 0 && !access_may_see(policy, &peer, nets.v[0]))
			abort();
		vnet_error_clear(&err);
		port.ifname[0] = '\0';
	}
	return 0;
}
