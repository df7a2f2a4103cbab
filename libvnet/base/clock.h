/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_BASE_CLOCK_H
#define VNET_BASE_CLOCK_H

/* clock.h - the monotonic clock, for deadlines and pauses */

#include <stdint.h>

/* ms since some moment of the past; the wall clock does not move it. */
int64_t clock_now_ms(void);
void clock_pause_ms(unsigned ms);

#endif
