/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dnsmasq_process.c - the process behind a pid file; see dnsmasq_process.h. */

#include "netd/dnsmasq_process.h"

#include "netd/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

char *dnsmasq_find_program(void)
{
	static const char *const places[] = { "/usr/sbin/dnsmasq", "/usr/bin/dnsmasq",
					      "/usr/local/sbin/dnsmasq" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (!access(places[i], X_OK))
			return mem_strdup(places[i]);
	return NULL;
}

/* At most size bytes, zero-terminated; -EFBIG when there is more. */
static int read_file(const char *path, size_t max, char **ret_text, size_t *ret_size)
{
	AUTO_FREE char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	size_t size = 0, room = 4096;
	ssize_t n = 1;
	int r = 0;

	if (fd < 0)
		return -errno;
	text = mem_resize(NULL, room, 1);
	while (n > 0 && r == 0) {
		if (room - size < 2)
			text = mem_resize(text, room *= 2, 1);
		n = read(fd, text + size, room - size - 1);
		if (n < 0)
			r = -errno;
		else
			size += (size_t)n;
		if (size > max)
			r = -EFBIG;
	}
	close(fd);
	if (r < 0)
		return r;
	text[size] = '\0';
	*ret_text = TAKE(text);
	if (ret_size)
		*ret_size = size;
	return 0;
}

/* --- whose process is it? --- */

static bool same_network_namespace(pid_t pid)
{
	AUTO_FREE char *path = mem_printf("/proc/%d/ns/net", pid);
	struct stat its, ours;

	/* Without CAP_SYS_PTRACE it cannot be seen, and the command line has to do. */
	if (stat(path, &its) < 0)
		return errno == EACCES || errno == EPERM;
	return !stat("/proc/self/ns/net", &ours) && its.st_ino == ours.st_ino &&
	       its.st_dev == ours.st_dev;
}

char *dnsmasq_conf_argument(const char *dir, bool is_test)
{
	return mem_printf("--conf-file=%s/%s%s", dir, dhcp_file_name(DHCP_FILE_CONF), is_test ? ".new" : "");
}

/* The first argument of a process whose name is dnsmasq, as we start it; to free, or NULL. */
static char *first_argument(pid_t pid)
{
	AUTO_FREE char *path = mem_printf("/proc/%d/cmdline", pid);
	AUTO_FREE char *text = NULL;
	const char *slash, *argument;
	size_t size;

	if (read_file(path, PATH_MAX * 2, &text, &size) < 0)
		return NULL;
	slash = strrchr(text, '/');
	argument = text + strlen(text) + 1;
	return !strcmp(slash ? slash + 1 : text, "dnsmasq") && argument < text + size ? mem_strdup(argument) : NULL;
}

bool dnsmasq_process_is_ours(pid_t pid, const char *dir)
{
	AUTO_FREE char *argument = first_argument(pid);
	AUTO_FREE char *wanted = dnsmasq_conf_argument(dir, false);

	return argument && !strcmp(argument, wanted) && same_network_namespace(pid);
}

char *dnsmasq_process_dir(pid_t pid)
{
	AUTO_FREE char *argument = first_argument(pid);
	static const char option[] = "--conf-file=";
	char *slash = argument ? strrchr(argument, '/') : NULL;

	if (!slash || strncmp(argument, option, sizeof(option) - 1) != 0)
		return NULL;
	return mem_strndup(argument + sizeof(option) - 1, (size_t)(slash - argument) - (sizeof(option) - 1));
}

static bool is_alive(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

int dnsmasq_process_open(const char *dir, pid_t *ret_pid)
{
	/* A netd that ran as root had it beside the configuration. */
	AUTO_FREE char *path = mem_printf("%s/run/pid", dir), *former = mem_printf("%s/pid", dir);
	AUTO_FREE char *text = NULL;
	int pidfd, pid;

	if ((read_file(path, 64, &text, NULL) < 0 && read_file(former, 64, &text, NULL) < 0) || sscanf(text, "%d", &pid) != 1 || pid <= 1)
		return -ESRCH;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return errno == ESRCH ? -ESRCH : -errno;
	/*
	 * The number may have gone to another process since the file was written.
	 * What /proc says is about our pidfd's process if that is alive afterwards.
	 */
	if (!broker_is_dnsmasq(pid, dir) || !is_alive(pidfd)) {
		close(pidfd);
		return -ESRCH;
	}
	*ret_pid = pid;
	return pidfd;
}

bool dnsmasq_process_is_stopped(pid_t pid)
{
	AUTO_FREE char *path = mem_printf("/proc/%d/stat", pid);
	AUTO_FREE char *text = NULL;
	const char *end;

	/* "PID (NAME) STATE ...", and a name may have parentheses. */
	if (read_file(path, 4096, &text, NULL) < 0)
		return false;
	end = strrchr(text, ')');
	return end && end[1] == ' ' && end[2] == 'T';
}

int dnsmasq_process_signal(int pidfd, int number)
{
	return syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) < 0 ? -errno : 0;
}

/* --- files --- */

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	size_t size = strlen(text);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0644) < 0) /* whatever the umask: dnsmasq's user reads it */
		r = -errno;
	while (r == 0 && size) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno != EINTR)
			r = -errno;
		if (n > 0) {
			text += n;
			size -= (size_t)n;
		}
	}
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

int dnsmasq_file_write(const char *dir, const char *name, const char *text, struct vnet_error *err)
{
	AUTO_FREE char *path = mem_printf("%s/%s", dir, name);
	AUTO_FREE char *temporary = mem_printf("%s/.%s.tmp", dir, name);
	int r = write_text(temporary, text);

	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(temporary);
		vnet_error_set(err, r, "dnsmasq-file", "cannot write %s: %s", path, strerror(-r));
	}
	return r;
}

int dnsmasq_share(const char *path, mode_t mode, gid_t group, struct vnet_error *err)
{
	int fd = S_ISDIR(mode) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) :
				 open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0660);
	int r = fd < 0 || fchown(fd, (uid_t)-1, group) < 0 || fchmod(fd, mode & 07777) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return r < 0 ? vnet_error_set(err, r, "dnsmasq-file", "cannot share %s with dnsmasq's group: %s", path,
				      strerror(-r)) : 0;
}

int dnsmasq_files_read(const char *dir, struct dhcp_files *ret)
{
	AUTO_DHCP_FILES struct dhcp_files files = { 0 };

	for (size_t i = 0; i < DHCP_N_FILES; i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", dir, dhcp_file_name(i));
		int r = read_file(path, DNSMASQ_FILE_SIZE_MAX, &files.text[i], NULL);

		if (r < 0)
			return r;
	}
	*ret = files;
	memset(&files, 0, sizeof(files));
	return 0;
}

void dnsmasq_files_remove(const char *dir)
{
	AUTO_FREE char *run = mem_printf("%s/run", dir);
	static const char *const others[] = { "run/pid", "pid", "dnsmasq.conf.new" };

	for (size_t i = 0; i < DHCP_N_FILES + ARRAY_SIZE(others); i++) {
		const char *name = i < DHCP_N_FILES ? dhcp_file_name(i) : others[i - DHCP_N_FILES];
		AUTO_FREE char *path = mem_printf("%s/%s", dir, name);

		unlink(path);
	}
	rmdir(run);
	rmdir(dir);
}
