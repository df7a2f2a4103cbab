/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * detached.c - file systems that are mounted nowhere
 *
 * fsmount(2), Linux 5.2.  No path, so nothing to clean up after a crash, and no
 * mount namespace that could be the wrong one.
 */

#include "kernel/detached.h"
#include "kernel/backend.h"

#include <errno.h>
#include <sys/mount.h>
#include <unistd.h>

static int mount_detached(const char *type, unsigned attributes, int *fd, struct vnet_error *err)
{
	int context, mounted, r;

	if (*fd >= 0)
		return 0;
	context = fsopen(type, FSOPEN_CLOEXEC);
	if (context < 0)
		return kernel_error(err, -errno, NULL, "cannot open a %s", type);
	r = fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	mounted = r < 0 ? -1 : fsmount(context, FSMOUNT_CLOEXEC, attributes);
	r = mounted < 0 ? kernel_error(err, -errno, NULL, "cannot mount a %s", type) : 0;
	close(context);
	if (mounted >= 0)
		*fd = mounted;
	return r;
}

int detached_sysfs(int *fd, struct vnet_error *err)
{
	return mount_detached("sysfs", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			      MOUNT_ATTR_NOEXEC, fd, err);
}

int detached_tmpfs(int *fd, struct vnet_error *err)
{
	return mount_detached("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, fd, err);
}
