/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_NOTIFY_H
#define NETD_NOTIFY_H

/*
 * notify.h - systemd's documented environment protocols, without libsystemd
 *
 * sd_notify(3): NOTIFY_SOCKET; sd_listen_fds(3): LISTEN_PID, LISTEN_FDS;
 * sd_watchdog_enabled(3): WATCHDOG_USEC. Each does nothing where its variable
 * is not set.
 */

#include <stdint.h>

/* "READY=1\nSTATUS=..." */
void notify_send(const char *state);
/* Until the next READY=1, which Type=notify-reload (systemd 253) waits for. */
void notify_reloading(void);
/* The first passed socket, close-on-exec, or -1. */
int notify_listen_fd(void);
/* At start: closes whatever else somebody left open for us. */
void notify_close_others(void);
/* Waits for the first who connects to a passed socket; -1. */
int notify_accept(int fd);
/* The interval after which the service manager loses patience, 0: none. */
uint64_t notify_watchdog_usec(void);

#endif
