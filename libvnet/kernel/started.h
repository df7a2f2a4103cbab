/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_STARTED_H
#define VNET_KERNEL_STARTED_H

/* started.h - when a process began: with its number, what tells it from every later one */

#include <stdint.h>
#include <sys/types.h>

/* Field 22 of /proc/PID/stat (proc(5)), in clock ticks since boot; 0: it cannot be seen. */
uint64_t process_started(pid_t pid);

#endif
