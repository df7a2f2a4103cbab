/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dnsmasqfiles - the files that netd would write for the dnsmasq of a network
 *
 * YAML with one network on standard input; "=== NAME" and the text of each file
 * on standard output, and as "=== test" all of it as one configuration.  The
 * host's resolver is 192.0.2.53.
 */

#include "dhcp/conf.h"

#include <stdio.h>

int main(void)
{
	AUTO_DHCP_FILES struct dhcp_files files = { 0 };
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO_FREE char *text = mem_alloc(NETWORKS_TEXT_MAX), *whole = NULL;
	dhcp_resolver_vec resolvers = { 0 };
	struct dhcp_params params = { .ifindex = 1, .dir = "/run/vnet/dnsmasq/x",
				      .lease_file = "/var/lib/vnet/dnsmasq/x.leases",
				      .resolvers = &resolvers };
	size_t size = fread(text, 1, NETWORKS_TEXT_MAX, stdin);
	struct vnet_error err = { 0 };
	int r = networks_from_yaml(text, size, "<stdin>", &nets, &err);

	vec_push(&resolvers, mem_strdup("192.0.2.53"));
	if (r == 0)
		r = dhcp_files_make(nets.v[0], NULL, 0, &params, &files, &err);
	dhcp_resolvers_free(&resolvers);
	if (r < 0) {
		fprintf(stderr, "dnsmasqfiles: %s\n", err.message);
		return 1;
	}
	for (size_t i = 0; i < DHCP_N_FILES; i++)
		printf("=== %s\n%s", dhcp_file_name(i), files.text[i]);
	whole = dhcp_files_test_text(&files);
	printf("=== test\n%s", whole);
	return 0;
}
