/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LAB_SPACE_H
#define CLI_LAB_SPACE_H

/*
 * space.h - the machines of a lab as network namespaces, seen from inside the lab
 *
 * Inside, /run is the lab's own:
 *
 *	/run/lab/ns/MACHINE      its network namespace
 *	/run/lab/resolv/MACHINE  its /etc/resolv.conf
 *	/run/lab/lease/MACHINE.INTERFACE  what DHCP gave it
 *	/run/lab/host/HOST/      netd's directories: etc, run, state
 *	/run/lab/log/NAME        what a process says
 *
 * The namespace that the lab's first process is in holds the segments (cable.h).
 */

#include "vnet/error.h"

#include <stdbool.h>
#include <sys/types.h>

#define SPACE_RUN "/run/lab"

/* In the lab's first process: /proc, /run with its folders, nothing shared with outside. */
int space_prepare(struct vnet_error *err);
/* A namespace called name, lo up; where is_router, it forwards both families. */
int space_create(const char *name, bool is_router, struct vnet_error *err);
/* Opens it, close-on-exec. */
int space_open(const char *name, int *ret_fd, struct vnet_error *err);
/*
 * In a forked child: becomes a process of the machine, with its network, its name,
 * its resolv.conf and a /sys of its own; VNET_SOCKET names its netd, if it is a host.
 */
int space_become(const char *name, struct vnet_error *err);
/* From outside: enters the lab that hangs on this process, where its segments are; children are in its PID namespace. */
int space_visit(pid_t lab, struct vnet_error *err);
/* Writes a sysctl below /proc/sys of the calling process's network. */
int space_sysctl(const char *path, const char *value, struct vnet_error *err);

#endif
