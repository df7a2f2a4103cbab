/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_PRIVILEGES_H
#define CLI_PRIVILEGES_H

/*
 * privileges.h - becoming an ordinary user for good
 */

#include "vnet/error.h"

#include <sys/types.h>

struct user {
	char name[64];
	char home[256];
	uid_t uid;
	gid_t gid;
};

/* A user's name or number.  -EINVAL with the reason. */
int user_find(const char *text, struct user *ret, struct vnet_error *err);

/*
 * Takes on the user's ids and groups, gives up every capability (bounding and
 * ambient sets too) and sets no_new_privs, so that neither the command nor what
 * it starts can get anything back.  Open descriptors stay usable.  HOME, USER
 * and LOGNAME follow.  On failure the process is in no defined state: exit.
 */
int privileges_drop(const struct user *user, struct vnet_error *err);

#endif
