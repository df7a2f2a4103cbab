/* SPDX-License-Identifier: GPL-2.0-or-later */
/* privileges.c - becoming an ordinary user for good; see privileges.h. */

#include "cli/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static int take_ids(const struct user *user, struct vnet_error *err);
static int verify(const struct user *user, struct vnet_error *err);

int user_find(const char *text, struct user *ret, struct vnet_error *err)
{
	struct passwd *pw = getpwnam(text);
	char *end;
	unsigned long uid;

	errno = 0;
	uid = strtoul(text, &end, 10);
	if (!pw && *text >= '0' && *text <= '9' && !*end && !errno && uid < (uid_t)-1)
		pw = getpwuid((uid_t)uid);
	if (!pw)
		return vnet_error_set(err, -EINVAL, "no-such-user", "there is no user '%s'", text);
	snprintf(ret->name, sizeof(ret->name), "%s", pw->pw_name);
	snprintf(ret->home, sizeof(ret->home), "%s", pw->pw_dir);
	ret->uid = pw->pw_uid;
	ret->gid = pw->pw_gid;
	return 0;
}

int privileges_drop(const struct user *user, struct vnet_error *err)
{
	int r;

	capng_clear(CAPNG_SELECT_ALL);
	/* The bounding set needs CAP_SETPCAP, so it goes first; without it there is little to lose. */
	if (geteuid() == 0 && capng_apply(CAPNG_SELECT_BOUNDS) < 0)
		return vnet_error_set(err, -EPERM, "privileges",
				      "cannot give up the capability bounding set: %s",
				      strerror(errno));
	r = take_ids(user, err);
	if (r < 0)
		return r;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L) < 0 && errno != EINVAL)
		return vnet_error_set(err, -errno, "privileges", "ambient capabilities: %s",
				      strerror(errno));
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return vnet_error_set(err, -EPERM, "privileges", "cannot give up capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0)
		return vnet_error_set(err, -errno, "privileges", "no_new_privs: %s",
				      strerror(errno));
	setenv("HOME", user->home, 1);
	setenv("USER", user->name, 1);
	setenv("LOGNAME", user->name, 1);
	return verify(user, err);
}

static int take_ids(const struct user *user, struct vnet_error *err)
{
	/* Whoever is the user already keeps his groups: only root may set them. */
	if (getuid() == user->uid && geteuid() == user->uid && user->uid != 0)
		return 0;
	if (initgroups(user->name, user->gid) < 0 ||
	    setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return vnet_error_set(err, -EPERM, "privileges", "cannot become user %s: %s",
				      user->name, strerror(errno));
	return 0;
}

/* Trust, then look. */
static int verify(const struct user *user, struct vnet_error *err)
{
	uid_t real, effective, saved;

	if (getresuid(&real, &effective, &saved) < 0 || real != user->uid ||
	    effective != user->uid || saved != user->uid)
		return vnet_error_set(err, -EPERM, "privileges", "the user ids are not %s's",
				      user->name);
	if (user->uid != 0 && setuid(0) == 0)
		return vnet_error_set(err, -EPERM, "privileges", "root can be had back");
	capng_get_caps_process();
	if (capng_have_capabilities(CAPNG_SELECT_CAPS) > CAPNG_NONE)
		return vnet_error_set(err, -EPERM, "privileges", "some capabilities are left");
	return 0;
}
