/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_leases.c - the lease file's parser, and that a file has no difference from itself. */

#include "dhcp/leases.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_LEASES struct lease_file file;
	AUTO_LEASES struct lease_file half;

	lease_file_parse((const char *)data, size, &file);
	lease_file_parse((const char *)data, size / 2, &half);
	if (leases_compare(&file, &file, NULL, NULL) != 0)
		abort();
	if (leases_compare(&half, &file, NULL, NULL) > half.leases.n)
		abort();
	vec_each(lease, &file.leases)
		if (lease_find(&file, &lease->address) != lease)
			abort();
	return 0;
}
