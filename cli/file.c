/* SPDX-License-Identifier: GPL-2.0-or-later */
/* file.c - a file that somebody names, as text; see file.h. */

#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

/* netd takes 4 MiB of YAML; a little more shows that there is more. */
#define FILE_LIMIT (4UL * 1024 * 1024)

int file_read(const char *path, struct strbuf *ret, struct vnet_error *err)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
	char chunk[65536];
	ssize_t n = 0;

	strbuf_append(ret, "");
	while (fd >= 0 && ret->len <= FILE_LIMIT) {
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		strbuf_append_n(ret, chunk, (size_t)n);
	}
	if (fd < 0 || n < 0) {
		int number = errno;

		if (fd >= 0)
			close(fd);
		/* Not -number: exit statuses 3 and 4 speak of netd's answers, not of a file. */
		return vnet_error_set(err, -EIO, "file-unreadable", "cannot read %s: %s", path,
				      strerror(number));
	}
	close(fd);
	if (ret->len > FILE_LIMIT)
		return vnet_error_set(err, -EINVAL, "file-too-large",
				      "%s is larger than the %lu MiB that netd takes", path,
				      FILE_LIMIT / 1024 / 1024);
	return 0;
}

/* JSON can only carry UTF-8 without NUL: find the place here, where it still can be told. */
int file_check_text(const char *text, size_t size, const char *file, struct vnet_error *err)
{
	unsigned line = 1, column = 1;

	for (size_t i = 0; i < size;) {
		unsigned char c = (unsigned char)text[i];
		size_t n = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
		json_t *probe = c && n <= size - i ? json_stringn(text + i, n) : NULL;

		if (!probe) {
			vnet_error_set(err, -EINVAL, "not-text",
				       c ? "this is not UTF-8; save the file in that encoding" :
					   "a NUL byte; definitions are text");
			vnet_error_at(err, file, line, column, NULL);
			return -EINVAL;
		}
		json_decref(probe);
		column = c == '\n' ? 1 : column + 1;
		line += c == '\n';
		i += n;
	}
	return 0;
}
