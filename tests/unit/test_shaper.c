/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_shaper.c - limits as the kernel keeps them: what is read back is what is asked for next */

#include "plan/shaper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const uint64_t rates[] = {8000, 8007, 64000, 1000000, 123456789, 125000000, 15625000000,
				 34359738368, 999999999999, 1000000000000};
static const uint32_t bytes[] = {1, 63, 64, 1514, 15140, 65536, 1u << 20, 123456789, UINT32_MAX};

static void same_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
		for (size_t j = 0; j < ARRAY_SIZE(bytes); j++) {
			struct bandwidth b = {rates[i], rates[i] / 3, bytes[j]};
			struct bandwidth once = shaper_normal(&b), twice = shaper_normal(&once);

			assert_int_equal(once.rate, rates[i] / 8 * 8);
			assert_int_equal(once.guaranteed % 8, 0);
			assert_int_equal(once.rate, twice.rate);
			assert_int_equal(once.guaranteed, twice.guaranteed);
			assert_int_equal(once.burst, twice.burst);
			assert_int_equal(shaper_ticks(once.burst, once.rate),
					 shaper_ticks(twice.burst, twice.rate));
		}
}

/* Never less than asked for, and less than a tick more; but at most what 32 bits of ticks hold. */
static void close_to_what_was_asked(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
		for (size_t j = 0; j < ARRAY_SIZE(bytes); j++) {
			uint32_t ticks = shaper_ticks(bytes[j], rates[i]);
			uint32_t back = shaper_bytes(ticks, rates[i]);

			if (ticks == UINT32_MAX) {
				assert_true(back <= bytes[j]);
				continue;
			}
			assert_true(back >= bytes[j]);
			assert_true(back - bytes[j] <= rates[i] / 8 * 64 / 1000000000 + 1);
		}
	/* 5 ms at 100 Mbit/s. */
	assert_int_equal(shaper_ticks(62500, 100000000), 78125);
	assert_int_equal(shaper_bytes(78125, 100000000), 62500);
}

static void none_and_too_much(void **state)
{
	struct bandwidth none = {0, 5000, 7}, too_much = {1000000, 2000000, 0};

	(void)state;
	none = shaper_normal(&none);
	assert_int_equal(none.rate | none.guaranteed | none.burst, 0);
	too_much = shaper_normal(&too_much);
	assert_int_equal(too_much.guaranteed, 1000000);
	assert_int_equal(too_much.burst, 15140);
	assert_int_equal(shaper_ticks(1000, 0), 0);
	assert_int_equal(shaper_bytes(UINT32_MAX, 1000000000000), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_again),
		cmocka_unit_test(close_to_what_was_asked),
		cmocka_unit_test(none_and_too_much),
	};

	return cmocka_run_group_tests_name("shaper", tests, NULL, NULL);
}
