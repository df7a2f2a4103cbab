/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_dhcp.c - a definition that passes the checks has files for dnsmasq, and no text breaks out of its line. */

#include "dhcp/conf.h"
#include "model/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_files(const struct network *net)
{
	static const struct dhcp_params params = { .dir = "/run/x", .lease_file = "/var/x.leases" };
	AUTO_DHCP_FILES struct dhcp_files files = { 0 };

	if (dhcp_files_make(net, NULL, 0, &params, &files, NULL) < 0)
		return;
	if (dhcp_files_compare(&files, &files) != DHCP_SAME)
		abort();
	for (size_t i = 0; i < DHCP_N_FILES; i++) {
		size_t len = strlen(files.text[i]);

		if (len && files.text[i][len - 1] != '\n')
			abort();
		/* A line that a value began would have its key from us. */
		if (strstr(files.text[i], "\nconf-file") || strstr(files.text[i], "\ndhcp-script"))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_NETWORKS network_vec nets = { 0 };

	if (networks_from_yaml((const char *)data, size, "fuzz", &nets, NULL) < 0)
		return 0;
	vec_each(net, &nets)
		if (network_check(*net, NULL) == 0 && network_wants_dnsmasq(*net))
			check_files(*net);
	return 0;
}
