/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_HELPER_H
#define CLI_HELPER_H

/*
 * helper.h - what the programs that QEMU calls share
 *
 * They have an interface of their own, QEMU's, and so neither vnetctl's global
 * options nor its exit statuses: 0, or 1 with one line on stderr.
 */

#include "cli/options.h"
#include "client/client.h"

/*
 * The network that name stands for: a network of that name, else the one whose
 * bridge is called so.  *ret is a copy.  -ENOENT when there is none.
 */
int helper_find_network(struct vnet_client *client, const char *name, char **ret,
			struct vnet_error *err);

/* Prints "PROGRAM: text of err" and returns 1. */
int helper_fail(const char *program, const struct vnet_error *err);

/*
 * qemu-bridge-helper's last step: the descriptor and one byte over the UNIX
 * socket, as recv_fd() in QEMU's net/tap.c wants it.
 */
int helper_send_fd(int socket, int fd, struct vnet_error *err);
/* That socket can carry a descriptor at all: asked before a port is made. */
int helper_check_socket(int socket, struct vnet_error *err);
/*
 * The process that made the socket: QEMU, whose own the port is to be (this
 * program ends at once, and its parent may be a shell).  0 where that is not known.
 */
pid_t helper_socket_owner(int socket);

/* --- vnet-qemu-ifup's configuration --- */

struct ifup_rule {
	char network[64];
	char mac[32];           /* "": the first that the guest sends from */
};

/*
 * Text of ifup.conf: lines "GLOB NETWORK [mac=MAC]", '#' comments.  1 and *ret
 * when a line fits ifname (the first counts), 0 when none does, -EINVAL with
 * file and line.  The whole text is checked, whichever line fits.
 */
int ifup_conf_match(const char *text, const char *file, const char *ifname, struct ifup_rule *ret,
		    struct vnet_error *err);

/*
 * Does ifname speak of network?  It does when it starts with it (after "tap-" or
 * "vnet-", if it has that) and then ends or goes on with a digit or one of "-._":
 * "blue0", "tap-blue.web1".  Of several networks the longest counts.
 */
bool ifup_name_fits(const char *ifname, const char *network);

#endif
