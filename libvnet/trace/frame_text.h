/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_TRACE_FRAME_TEXT_H
#define VNET_TRACE_FRAME_TEXT_H

/* frame_text.h - what frame.c and frame_l4.c share; private to trace/ */

#include "base/addr.h"
#include "trace/frame.h"

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_ICMP6 58
#define PROTOCOL_SCTP 132

struct cursor {
	const uint8_t *at;
	size_t left;
};
/* The next n bytes, or NULL: there are fewer, and none is taken. */
const uint8_t *take(struct cursor *c, size_t n);

static inline unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

struct packet_ends {
	int family;
	const uint8_t *source, *destination;
	bool has_ports;
	unsigned source_port, destination_port;
};

struct named { unsigned number; const char *name; };
/* Its name, or "WHAT NUMBER". */
void text_named(struct strbuf *b, const struct named *names, size_t n, const char *what, unsigned number);
void text_mac(struct strbuf *b, const uint8_t *bytes);
void text_ip(struct strbuf *b, int family, const uint8_t *bytes);
void text_cut(struct strbuf *b);

/* What follows the addresses. is_fragment: a later one, which has no header. */
void text_l4(struct strbuf *b, const struct packet_ends *ends, unsigned protocol, struct cursor c,
	     bool is_fragment);

#endif
