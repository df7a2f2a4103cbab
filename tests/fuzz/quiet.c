/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * quiet.c - no notices of changed files
 *
 * Nobody changes a file while an input is tried, and closing such a descriptor
 * makes the kernel wait for some 20 ms: a netd has two. In place of libc's.
 */

#include <sys/eventfd.h>
#include <sys/inotify.h>

int inotify_init1(int flags)
{
	return eventfd(0, flags & IN_CLOEXEC ? EFD_CLOEXEC | EFD_NONBLOCK : EFD_NONBLOCK);
}

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	(void)fd;
	(void)path;
	(void)mask;
	return 1;
}

int inotify_rm_watch(int fd, int watch)
{
	(void)fd;
	(void)watch;
	return 0;
}
