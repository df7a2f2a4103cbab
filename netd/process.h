/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_PROCESS_H
#define NETD_PROCESS_H

/* process.h - what /proc says of a process; true of one that is known to live */

#include <stdint.h>
#include <sys/types.h>

/* Its real user, and when it began (kernel/started.h). -ESRCH: it cannot be seen. */
int process_look(pid_t pid, uint32_t *ret_uid, uint64_t *ret_started);
/* The process that a pidfd is of; -ESRCH: it has ended. */
int process_of_pidfd(int pidfd, pid_t *ret);

#endif
