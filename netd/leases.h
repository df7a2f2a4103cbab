/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_LEASES_H
#define NETD_LEASES_H

/*
 * leases.h - follows the lease files of all networks
 *
 * One inotify instance for the folder, however many networks there are.
 * dnsmasq empties its file and writes it anew at each change, so a reader may
 * see it empty or cut: what seems to be gone is told when it has been missing
 * for a quarter of a second.
 */

#include "dhcp/leases.h"

struct lease_watch;
struct loop;
struct vnet_error;

#define LEASE_FILE_SUFFIX ".leases"

typedef void (*lease_watch_fn)(void *arg, const char *network, enum lease_change change,
			       const struct lease *lease);

/* dir exists.  Where the kernel gives no inotify instance, the files are read every 2 s. */
int lease_watch_new(struct loop *loop, const char *dir, lease_watch_fn fn, void *arg,
		    struct lease_watch **ret, struct vnet_error *err);
struct lease_watch *lease_watch_free(struct lease_watch *watch);

/* Reads DIR/NETWORK.leases now, without telling; from here on differences are told. */
void lease_watch_add(struct lease_watch *watch, const char *network);
void lease_watch_remove(struct lease_watch *watch, const char *network);
/* NULL when not added.  Valid until the next round of the loop. */
const struct lease_file *lease_watch_get(const struct lease_watch *watch, const char *network);

#endif
