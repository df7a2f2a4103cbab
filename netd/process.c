/* SPDX-License-Identifier: GPL-2.0-or-later */
/* process.c - what /proc says of a process; see process.h. */

#include "netd/process.h"

#include "kernel/started.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* "" when there is nothing to read. */
static void read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0) {
		n = read(fd, buf, size - 1);
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
}

int process_look(pid_t pid, uint32_t *ret_uid, uint64_t *ret_started)
{
	char path[64], text[2048];
	const char *line;
	uint64_t started = process_started(pid);
	uint32_t uid;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	read_text(path, text, sizeof(text));
	line = strstr(text, "\nUid:");
	if (!started || !line || sscanf(line, "\nUid: %" SCNu32, &uid) != 1)
		return -ESRCH;
	*ret_uid = uid;
	*ret_started = started;
	return 0;
}

int process_of_pidfd(int pidfd, pid_t *ret)
{
	char path[64], text[512];
	const char *line;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	read_text(path, text, sizeof(text));
	line = strstr(text, "\nPid:");
	if (!line || sscanf(line, "\nPid: %d", &pid) != 1 || pid <= 0)
		return -ESRCH;
	*ret = pid;
	return 0;
}
