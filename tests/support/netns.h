/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VNET_TESTS_NETNS_H
#define VNET_TESTS_NETNS_H

/* netns.h - fresh network namespaces for C tests */

/*
 * Moves the calling thread into a new network namespace with lo up.  What was
 * in the old one goes when its last descriptor is closed.  0, or a negative
 * errno where this machine does not allow it.
 */
int netns_enter(void);

/* What a test on the real kernel lacks here (root, namespaces, TAPs), or NULL. */
const char *netns_missing(void);

#endif
