/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* started.c - see started.h. */

#include "kernel/started.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

uint64_t process_started(pid_t pid)
{
	char path[64], text[1024];
	uint64_t started;
	ssize_t n = -1;
	char *after;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	/* The second field is the name in brackets, which may hold anything; the third follows. */
	after = strrchr(text, ')');
	if (!after || sscanf(after + 1,
			     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d"
			     " %*d %" SCNu64, &started) != 1)
		return 0;
	return started;
}
