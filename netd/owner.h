/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_OWNER_H
#define NETD_OWNER_H

/*
 * owner.h - the process that a port is for
 *
 * A TAP goes with its last descriptor; other devices have no such end, and go
 * with the process that was named when they were attached. A descriptor of the
 * process (pidfd_open(2)) becomes readable when it ends and is never another
 * process's, which a number may be: so a number from before a restart of netd
 * counts only together with the time at which that process began.
 */

#include "netd/loop.h"
#include "vnet/error.h"

#include <stdint.h>
#include <sys/types.h>

struct owner;

/* -EPERM, unless the process is one of the user's. -ESRCH: there is none. */
int owner_check(pid_t pid, uint32_t uid, struct vnet_error *err);
/*
 * Calls fn(arg) once, from the loop, when the process has ended. started: when
 * the process began, as owner_started() told, or 0. -ESRCH: it has ended.
 */
int owner_watch(struct loop *loop, pid_t pid, uint64_t started, void (*fn)(void *arg), void *arg,
		struct owner **ret, struct vnet_error *err);
struct owner *owner_free(struct owner *owner);
bool owner_has_ended(const struct owner *owner);
/* In clock ticks since the boot: field 22 of /proc/PID/stat (proc(5)). */
uint64_t owner_started(const struct owner *owner);

#endif
