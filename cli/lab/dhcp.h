/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LAB_DHCP_H
#define CLI_LAB_DHCP_H

/*
 * dhcp.h - addresses of a lab's nodes by DHCP
 *
 * The client is busybox's udhcpc; what it learns it tells a program by words and
 * environment variables, and that program is `vnetctl lab dhcp-event`.
 */

#include "lab/lab.h"

#include <sys/types.h>

/* Writes what udhcpc calls.  In the lab's first process; vnetctl: the program's path. */
int dhcp_prepare(const char *vnetctl, struct vnet_error *err);
pid_t dhcp_start(const struct lab_machine *machine, const struct lab_interface *interface, struct vnet_error *err);
/* The address that it got, "10.10.0.17/24", or NULL.  Free with free(). */
char *dhcp_lease(const char *machine, const char *interface);
/* What udhcpc tells: deconfig, bound, renew, nak, leasefail; the rest is in the environment. */
int dhcp_event(const char *event, struct vnet_error *err);

#endif
