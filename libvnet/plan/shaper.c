/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* shaper.c - limits as the kernel keeps them */

#include "plan/shaper.h"

#define TICK_NS 64 /* PSCHED_SHIFT 6, since Linux 2.6.31 */
#define SECOND_NS UINT64_C(1000000000)

struct bandwidth shaper_normal(const struct bandwidth *bandwidth)
{
	struct bandwidth b = *bandwidth;

	b.rate -= b.rate % 8;
	b.guaranteed -= b.guaranteed % 8;
	if (!b.rate)
		return (struct bandwidth){0};
	if (b.guaranteed > b.rate)
		b.guaranteed = b.rate;
	b.burst = shaper_bytes(shaper_ticks(shaper_burst(&b), b.rate), b.rate);
	return b;
}

/* Both round so that there and back, and there again, gives the same ticks. */
uint32_t shaper_ticks(uint32_t bytes, uint64_t rate)
{
	uint64_t step = rate / 8 * TICK_NS; /* at most 2e13, and the product below 5e18 */
	uint64_t ticks = step ? (bytes * SECOND_NS + step - 1) / step : 0;

	return ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks;
}

uint32_t shaper_bytes(uint32_t ticks, uint64_t rate)
{
	uint64_t step = rate / 8 * TICK_NS, bytes;

	if (step && ticks > UINT64_MAX / step)
		return UINT32_MAX;
	bytes = ticks * step / SECOND_NS;
	return bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}
