/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_UPLINK_H
#define NETD_UPLINK_H

/*
 * uplink.h - a NIC is taken into a bridge under watch of its gateway
 *
 * Bridging the host's only NIC can lock its administrator out. So the default
 * gateway is asked first (does it answer now?), the step is taken, the gateway
 * is asked again through the bridge, and if it was there before and does not
 * answer between UPLINK_SETTLE_SEC and UPLINK_WATCH_SEC after the step, the step
 * is undone. An answer before that proves little: a switch that objects (port
 * security, spanning tree guard) takes a moment to close the port. Runs in the loop; the
 * network's state tells how it ended.
 */

#include "netd/netd.h"

#define UPLINK_ASK_MSEC 1500   /* for the answer before the step */
#define UPLINK_SETTLE_SEC 2
#define UPLINK_WATCH_SEC 8     /* for the answer after it; a switch port may learn and block for a while */

/* The network takes a NIC that is not taken yet. */
bool uplink_must_watch(const struct netd *d, const struct network *net);
/* Starts the network, in steps. */
void uplink_begin(struct netd *d, struct network_entry *entry);
bool uplink_is_under_way(const struct netd *d, const struct network_entry *entry);
/* The network is stopped or replaced: no more steps. */
void uplink_cancel(struct netd *d, struct network_entry *entry);
/*
 * Calls back when no step is under way for the network (at once if so now), in the
 * order in which that was asked for. problem: why the NIC could not be taken, else
 * NULL; who undoes more because of that says so in it. The entry may be gone then.
 */
typedef void (*uplink_fn)(void *arg, struct vnet_error *problem);
void uplink_when_done(struct netd *d, struct network_entry *entry, uplink_fn fn, void *arg);
/* A neighbour event. */
void uplink_neighbour(struct netd *d, const struct kernel_event *event);
void uplink_free_all(struct netd *d);

#endif
