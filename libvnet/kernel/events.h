/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_EVENTS_H
#define VNET_KERNEL_EVENTS_H

/*
 * events.h - what the kernel tells by itself: rtnetlink, nftables, NFLOG
 *
 * Each source has a socket of its own, so that a flood of one delays no other
 * and never an answer to a request.
 */

#include "kernel/kernel.h"

struct events;

/*
 * The netlink ports of our own requests: what they do to routes and rules is
 * not told.  A kernel without nftables or NFLOG gives no such events;
 * events_note() says so.
 */
int events_open(uint32_t route_port, uint32_t nft_port, struct events **ret,
		struct vnet_error *err);
void events_close(struct events *ev);
size_t events_fds(struct events *ev, int ret_fds[KERNEL_FDS_MAX]);
int events_dispatch(struct events *ev, kernel_handler handler, void *context,
		    struct vnet_error *err);
/* From now on neighbours that become reachable or fail are told, too. */
int events_want_neighbours(struct events *ev, struct vnet_error *err);
/* From now on lasting forwarding entries that come and go are told, too. */
int events_want_fdb(struct events *ev, struct vnet_error *err);
/* From now on, or no more, traced packets are told. -EBUSY: another process reads the log's group. */
int events_trace(struct events *ev, bool is_on, struct vnet_error *err);
/* The ith thing that this kernel lacks, in a sentence, or NULL. */
const char *events_note(const struct events *ev, size_t i);

/* Reading one datagram of each source: the fuzzer's way in. */
struct events_sink {
	kernel_handler handler;
	void *context;
	uint32_t own_port;      /* of our own requests to rtnetlink */
	bool route_changed;     /* told once at the end, however many there were */
	bool touches_ours;      /* of the nftables transaction that is being told */
};
void events_read_route(const void *data, size_t size, struct events_sink *sink);
void events_read_nft(const void *data, size_t size, struct events_sink *sink);
void events_read_fdb(const void *data, size_t size, struct events_sink *sink);
void events_read_trace(const void *data, size_t size, struct events_sink *sink);
void events_read_log(const void *data, size_t size, struct events_sink *sink);

#endif
