/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_TRACE_FRAME_H
#define VNET_TRACE_FRAME_H

/*
 * frame.h - the head of a frame, and what it says in one line
 *
 * Pure.  The bytes are a guest's: nothing about them is sure, not even that
 * there are any.  What cannot be read is said as far as it can.
 */

#include "base/strbuf.h"

#include <stdint.h>

#define FRAME_HEAD_MAX 384

struct frame_head {
	uint8_t bytes[FRAME_HEAD_MAX]; /* the link layer's header, and what it carries */
	uint16_t size;
	uint16_t link_size;     /* 0: without; what it carries is IPv4 or IPv6 then */
};

/* Appends what fits. */
void frame_put(struct frame_head *frame, const void *bytes, size_t size);

/*
 * "52:54:00:00:00:09 > ff:ff:ff:ff:ff:ff ARP who-has 10.0.0.1 tell 10.0.0.9": no
 * byte of the frame is copied into it, it is ASCII without control characters.
 */
void frame_text(const struct frame_head *frame, struct strbuf *ret);

/*
 * What stays the same on a packet's way through the host while its forwarding and
 * the translation of its destination change the rest: who sent it, and which of
 * the sender's packets it is.  All zero: nothing to tell it by.
 */
struct frame_key { uint8_t b[48]; };
struct frame_key frame_key(const struct frame_head *frame);

#endif
