/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_NETD_FAKE_HOST_H
#define TESTS_NETD_FAKE_HOST_H

/*
 * fake_host.h - a host for tests and fuzzers: a fake kernel, two folders, and a netd on them
 *
 * The netd is whole but for its main(): no signals, no lock, a dnsmasq that is not
 * installed. A restart keeps the kernel and the folders, and gives the rest anew.
 */

#include "netd/netd.h"

struct host {
	char dir[64], run[80], var[80]; /* dir/networks.d and so on are the configuration */
	struct netd d;
};

/* parent: where the host's folder is made. Has eth0 (10) and pf0 (11) with four virtual functions. */
void fake_host_make(struct host *host, const char *parent);
/* Its netd must have been stopped. */
void fake_host_free(struct host *host);

/* As main() does it. An error leaves a netd that can only be stopped. */
int fake_host_start(struct host *host, struct vnet_error *err);
void fake_host_stop(struct host *host);
/* Stops it and takes the host away. */
void fake_host_end(struct host *host);

void fake_host_add_nic(struct host *host, int ifindex, const char *name, uint32_t mtu);
/* Takes away all that is in its folders, which stay. */
void fake_host_empty_folders(struct host *host);

#endif
