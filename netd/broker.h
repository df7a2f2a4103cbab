/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_BROKER_H
#define NETD_BROKER_H

/*
 * broker.h - the process that does what netd itself may not
 *
 * netd parses what clients, guests and the kernel send, with CAP_NET_ADMIN and
 * nothing else. What needs more is a closed list of small requests to another
 * process, which parses none of that: those of kernel/privileged.h and the
 * functions below. It checks each itself, for what asks may have been taken over.
 * A request is answered before the next one is read and takes no longer than a
 * netlink round trip.
 *
 * netd forks it before it drops root, or finds it behind a socket that systemd
 * listens on. It lives as long as the connection; and netd ends, to be started
 * again with a new one, when it is gone.
 *
 * Without a broker the functions below do what they say themselves (unit tests).
 */

#include "base/addr.h"
#include "netd/confine.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A child of this process, which is root still. */
int broker_fork(const char *run_dir, const struct users *users, struct vnet_error *err);
int broker_connect(const char *path, struct vnet_error *err);
/* Readable when the broker is gone; -1: there is none. */
int broker_fd(void);
void broker_close(void);

/* The broker itself: is confined, and answers on fd until its other end is closed. An exit status. */
int broker_serve(int fd, const char *run_dir, const struct users *users);

/* ---- processes of other users: CAP_SYS_PTRACE where /proc hides them ---- */

/* As process_look(). */
int broker_look(pid_t pid, uint32_t *ret_uid, uint64_t *ret_started);
/* As dnsmasq_process_is_ours(). */
bool broker_is_dnsmasq(pid_t pid, const char *dir);

/* ---- dnsmasq: CAP_SETUID, CAP_SETGID, CAP_KILL ---- */

/*
 * Starts it, confined, with the configuration in dir (or tests that); its standard
 * error goes to error_fd. The number is its own until broker_wait().
 */
int broker_run(const char *program, const char *dir, bool is_test, int error_fd, pid_t *ret_pid);
/* As child_fn has it; false: it runs. */
bool broker_wait(pid_t pid, int *ret_status);
/* SIGHUP, SIGCONT, SIGTERM or SIGKILL for a dnsmasq of ours, which pidfd is of. */
int broker_signal(int pidfd, int number);
/* As release_transmit(). An IP socket, of which netd has none. */
int broker_release(const char *bridge, const struct ip *server, const void *message, size_t size);

/* ---- files: CAP_DAC_READ_SEARCH ---- */

/*
 * A file in bridge.conf's syntax, which root may have closed to netd's user: those
 * who may read it are those it is for. Any other file's content is not given.
 */
int broker_open_policy(const char *path, int *ret_fd);

#endif
