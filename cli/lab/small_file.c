/* SPDX-License-Identifier: GPL-2.0-or-later */
/* small_file.c - whole small files; see small_file.h. */

#include "cli/lab/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int small_file_read(int folder, const char *path, size_t max, char **ret_text, size_t *ret_size)
{
	int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *text = mem_alloc(max + 2);
	size_t size = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && size <= max) {
		n = read(fd, text + size, max + 1 - size);
		if (n > 0)
			size += (size_t)n;
	}
	n = n < 0 ? -errno : 0;
	close(fd);
	if (n < 0 || size > max)
		return n < 0 ? (int)n : -EFBIG;
	*ret_text = TAKE(text);
	*ret_size = size;
	return 0;
}

int small_file_write(int folder, const char *path, const char *text, size_t size)
{
	AUTO_FREE char *fresh = mem_printf("%s.new", path);
	int fd = openat(folder, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), r = 0;

	if (fd < 0)
		return -errno;
	while (size && r == 0) {
		ssize_t n = write(fd, text, size);

		if (n < 0) {
			r = -errno;
		} else {
			text += n;
			size -= (size_t)n;
		}
	}
	close(fd);
	if (r == 0 && renameat(folder, fresh, folder, path) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(folder, fresh, 0);
	return r;
}
