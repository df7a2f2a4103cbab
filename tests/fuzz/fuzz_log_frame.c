/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_log_frame.c - what netd takes from frames that guests and DHCP servers sent
 *
 * What was recognised lies in the frame.
 */

#include "dhcp/log_frame.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_hold(const uint8_t *data, size_t size, const void *bytes, size_t n)
{
	if (!memmem(data, size, bytes, n))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ip address = { 0 };
	struct mac mac = { 0 };
	uint32_t seconds;

	if (log_frame_solicited(data, size, &address)) {
		if (address.family != AF_INET6)
			abort();
		must_hold(data, size, address.b, 16);
	}
	if (log_frame_acknowledged(data, size, &mac, &address, &seconds)) {
		if (address.family != AF_INET)
			abort();
		must_hold(data, size, address.b, 4);
		must_hold(data, size, mac.b, sizeof(mac.b));
	}
	return 0;
}
