/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_PLAN_SHAPER_H
#define VNET_PLAN_SHAPER_H

/*
 * shaper.h - limits as the kernel keeps them
 *
 * HTB counts bytes per second, and a bucket by the time that its bytes take at
 * the rate, in ticks of 64 ns.  What comes back is not quite what was asked
 * for, so the planner asks for, and compares with, what comes back.
 */

#include "model/network.h"

/* What the kernel makes of a limit: rates are whole bytes per second, the burst whole ticks. */
struct bandwidth shaper_normal(const struct bandwidth *bandwidth);

/* Bytes that take so many ticks at rate (bit/s), and back: shaper_bytes(shaper_ticks(b)) >= b. */
uint32_t shaper_ticks(uint32_t bytes, uint64_t rate);
uint32_t shaper_bytes(uint32_t ticks, uint64_t rate);

#endif
