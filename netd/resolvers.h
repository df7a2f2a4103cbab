/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_RESOLVERS_H
#define NETD_RESOLVERS_H

/*
 * resolvers.h - the host's resolvers, for all networks
 *
 * Each dnsmasq could follow resolv.conf itself, at one inotify instance each;
 * the kernel gives a user 128 by default.  So netd follows it once and writes
 * the addresses into the files that dnsmasq reads at SIGHUP.
 */

#include "dhcp/conf.h"

struct loop;
struct resolvers;

/* path: resolv.conf, which need not exist.  fn: the list differs from before. */
int resolvers_new(struct loop *loop, const char *path, void (*fn)(void *arg), void *arg,
		  struct resolvers **ret, struct vnet_error *err);
struct resolvers *resolvers_free(struct resolvers *resolvers);
const dhcp_resolver_vec *resolvers_get(const struct resolvers *resolvers);

#endif
