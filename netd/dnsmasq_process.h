/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_DNSMASQ_PROCESS_H
#define NETD_DNSMASQ_PROCESS_H

/*
 * dnsmasq_process.h - the process behind a pid file, and the files around it
 *
 * Nothing here knows states or waits.
 */

#include "dhcp/conf.h"

#include <sys/types.h>

#define DNSMASQ_FILE_SIZE_MAX (16 * 1024 * 1024)

/* The program's path to free, or NULL: not installed. */
char *dnsmasq_find_program(void);

/*
 * The dnsmasq that DIR/run/pid names and that runs with DIR/dnsmasq.conf in this network
 * namespace: its pidfd (to be closed) and *ret_pid.  -ESRCH: none does.
 */
int dnsmasq_process_open(const char *dir, pid_t *ret_pid);
/* It runs with DIR/dnsmasq.conf in this network namespace, whatever DIR/run/pid says yet. */
bool dnsmasq_process_is_ours(pid_t pid, const char *dir);
/* The DIR of a process that runs as dnsmasq, or tests a configuration; to free, or NULL. */
char *dnsmasq_process_dir(pid_t pid);
/* "--conf-file=DIR/dnsmasq.conf", or for a test dnsmasq.conf.new; to free. */
char *dnsmasq_conf_argument(const char *dir, bool is_test);
/* By SIGSTOP; not one that a debugger holds. */
bool dnsmasq_process_is_stopped(pid_t pid);
int dnsmasq_process_signal(int pidfd, int number);

/* Replaces DIR/NAME by rename; readable by all. */
int dnsmasq_file_write(const char *dir, const char *name, const char *text, struct vnet_error *err);
/* Gives group a share in a folder that is there, or a file that is made if need be. */
int dnsmasq_share(const char *path, mode_t mode, gid_t group, struct vnet_error *err);
/* Every file of DIR; -ENOENT when one is missing. */
int dnsmasq_files_read(const char *dir, struct dhcp_files *ret);
/* Takes DIR with our files away; what else is in it stays. */
void dnsmasq_files_remove(const char *dir);

#endif
