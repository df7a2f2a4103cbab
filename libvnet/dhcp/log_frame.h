/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_DHCP_LOG_FRAME_H
#define VNET_DHCP_LOG_FRAME_H

/*
 * log_frame.h - what a logged frame says about addresses
 *
 * Pure.  Guests write these frames: nothing in them is believed to be well
 * formed, and what is not recognised says nothing.
 */

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The address that a neighbour solicitation from :: asks for (RFC 4862, 5.4.2).
 * packet begins with its IPv6 header, or with the Ethernet header before that.
 */
bool log_frame_solicited(const uint8_t *packet, size_t size, struct ip *ret);

/*
 * What a DHCP server acknowledges (RFC 2131, 4.3.1): to whom, which address, for
 * how long (s; 0: for ever).  packet begins with its IPv4 header, which must be
 * whole and no fragment.
 */
bool log_frame_acknowledged(const uint8_t *packet, size_t size, struct mac *ret_mac,
			    struct ip *ret_address, uint32_t *ret_seconds);

#endif
