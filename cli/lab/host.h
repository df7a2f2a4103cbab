/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LAB_HOST_H
#define CLI_LAB_HOST_H

/* host.h - the hosts of a lab: each a netd with the networks that the lab gives it */

#include "client/client.h"
#include "lab/lab.h"

#include <sys/types.h>

/* Writes what netd reads and starts it.  Returns its pid.  netd: the program. */
pid_t host_start(const struct lab_machine *host, const char *netd, struct vnet_error *err);
/*
 * Waits until it answers and its networks run, at most 30 s.  A network that cannot run
 * is an error with netd's reason; *ret_client is the caller's.
 */
int host_wait(const struct lab_machine *host, pid_t pid, struct vnet_client **ret_client, struct vnet_error *err);
/* Gives a node its interface on one of the host's networks. */
int host_attach(struct vnet_client *client, const struct lab_machine *host, const struct lab_machine *node,
		const struct lab_interface *interface, struct vnet_error *err);
/* The port of a node's interface: the node's name, and for all but the first "-INTERFACE" after it. */
char *host_port_name(const struct lab_machine *node, const struct lab_interface *interface);
/* Connects to a host's netd from within the lab. */
int host_connect(const char *host, struct vnet_client **ret, struct vnet_error *err);

#endif
