/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sysctl.c - numbers in /proc/sys
 *
 * Which namespace's values they are is decided by the thread that opens the
 * file, not by when /proc was mounted.
 */

#include "kernel/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_path(int root, const char *path, int flags)
{
	int fd;

	/* Device names in it cannot be "..", but all is checked where it counts. */
	if (strncmp(path, "net/", 4) != 0 || strstr(path, "/../") || strstr(path, "//"))
		return -EINVAL;
	fd = openat(root, path, flags | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(int root, const char *path, int64_t *ret)
{
	char text[32], *end;
	int fd = open_path(root, path, O_RDONLY);
	ssize_t n;
	int64_t value;

	if (fd < 0)
		return fd;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0) {
		n = -errno;
		close(fd);
		return (int)n;
	}
	close(fd);
	text[n] = '\0';
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || end == text || (*end && *end != '\n'))
		return -EINVAL;
	*ret = value;
	return 0;
}

int sysctl_write(int root, const char *path, int64_t value)
{
	char text[32];
	int fd = open_path(root, path, O_WRONLY);
	int n = snprintf(text, sizeof(text), "%" PRId64 "\n", value);
	int r = 0;

	if (fd < 0)
		return fd;
	if (write(fd, text, (size_t)n) < 0)
		r = -errno;
	close(fd);
	return r;
}
