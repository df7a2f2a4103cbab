/* SPDX-License-Identifier: GPL-2.0-or-later */
/* space.c - the namespaces of a lab; see space.h. */

#include "cli/lab/space.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(struct vnet_error *err, const char *what, const char *name)
{
	return vnet_error_set(err, -errno, "no-namespace", "cannot %s %s: %s", what, name, strerror(errno));
}

int space_prepare(struct vnet_error *err)
{
	static const char *const folders[] = { SPACE_RUN, SPACE_RUN "/ns", SPACE_RUN "/resolv", SPACE_RUN "/lease",
					       SPACE_RUN "/host", SPACE_RUN "/log" };

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return failed(err, "take apart the mounts of", "/");
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return failed(err, "mount", "/proc");
	if (mount("vnet-lab", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0)
		return failed(err, "mount", "/run");
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (mkdir(folders[i], 0755) < 0)
			return failed(err, "make", folders[i]);
	/* Segments carry frames and have no addresses of their own. */
	return space_sysctl("net/ipv6/conf/default/disable_ipv6", "1", NULL) < 0 && errno != ENOENT ?
		       failed(err, "prepare", "the wires") : 0;
}

int space_sysctl(const char *path, const char *value, struct vnet_error *err)
{
	AUTO_FREE char *whole = mem_printf("/proc/sys/%s", path);
	int fd = open(whole, O_WRONLY | O_CLOEXEC), r = 0;

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		r = vnet_error_set(err, -errno, "no-sysctl", "cannot set %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return r;
}

static int raise_loopback(struct vnet_error *err)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		r = failed(err, "raise", "lo");
	if (fd >= 0)
		close(fd);
	return r;
}

/* The file of a new namespace is bound while we are in it: there is no other way to get hold of it. */
static int bind_own(const char *path, struct vnet_error *err)
{
	int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

	if (fd < 0)
		return failed(err, "make", path);
	close(fd);
	return mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) < 0 ? failed(err, "bind", path) : 0;
}

static int make_files(const char *name, struct vnet_error *err)
{
	AUTO_FREE char *resolv = mem_printf(SPACE_RUN "/resolv/%s", name);
	int fd = open(resolv, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return failed(err, "make", resolv);
	close(fd);
	return 0;
}

int space_create(const char *name, bool is_router, struct vnet_error *err)
{
	AUTO_FREE char *path = mem_printf(SPACE_RUN "/ns/%s", name);
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), r;

	if (home < 0)
		return failed(err, "open", "our network namespace");
	r = make_files(name, err);
	if (r == 0 && unshare(CLONE_NEWNET) < 0)
		r = failed(err, "make a network namespace for", name);
	if (r == 0)
		r = raise_loopback(err);
	if (r == 0 && is_router)
		r = space_sysctl("net/ipv4/ip_forward", "1", err);
	if (r == 0 && is_router)
		r = space_sysctl("net/ipv6/conf/all/forwarding", "1", err);
	if (r == 0)
		r = bind_own(path, err);
	if (setns(home, CLONE_NEWNET) < 0 && r == 0)
		r = failed(err, "return from", name);
	close(home);
	return r;
}

int space_open(const char *name, int *ret_fd, struct vnet_error *err)
{
	AUTO_FREE char *path = mem_printf(SPACE_RUN "/ns/%s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return failed(err, "open the namespace of", name);
	*ret_fd = fd;
	return 0;
}

/* What belongs to the network but is a file: its /sys and its resolv.conf, which the host may have as a link. */
static int mount_own(const char *name, struct vnet_error *err)
{
	AUTO_FREE char *resolv = mem_printf(SPACE_RUN "/resolv/%s", name);
	AUTO_FREE char *target = realpath("/etc/resolv.conf", NULL);

	if (unshare(CLONE_NEWNS | CLONE_NEWUTS) < 0)
		return failed(err, "make a mount namespace for", name);
	if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL) < 0)
		return failed(err, "mount /sys for", name);
	if (target && mount(resolv, target, NULL, MS_BIND, NULL) < 0)
		return failed(err, "bind /etc/resolv.conf for", name);
	return sethostname(name, strlen(name)) < 0 ? failed(err, "name", name) : 0;
}

int space_become(const char *name, struct vnet_error *err)
{
	AUTO_FREE char *socket = mem_printf(SPACE_RUN "/host/%s/run/netd.sock", name);
	int fd = -1, r = space_open(name, &fd, err);

	if (r < 0)
		return r;
	if (setns(fd, CLONE_NEWNET) < 0)
		r = failed(err, "enter", name);
	close(fd);
	if (r == 0)
		r = mount_own(name, err);
	if (r < 0)
		return r;
	unsetenv("NOTIFY_SOCKET");
	setenv("VNET_SOCKET", socket, true);
	setenv("LAB_MACHINE", name, true);
	return 0;
}

int space_visit(pid_t lab, struct vnet_error *err)
{
	static const struct { const char *name; int type; } parts[] = {
		{ "user", CLONE_NEWUSER }, { "mnt", CLONE_NEWNS }, { "pid", CLONE_NEWPID }, { "net", CLONE_NEWNET },
	};
	int fds[ARRAY_SIZE(parts)], r = 0;

	/* All are opened first: once inside, /proc is the lab's. */
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		AUTO_FREE char *path = mem_printf("/proc/%d/ns/%s", lab, parts[i].name);

		fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0 && r == 0)
			r = failed(err, "open", path);
	}
	for (size_t i = geteuid() == 0 ? 1 : 0; i < ARRAY_SIZE(parts) && r == 0; i++)
		if (setns(fds[i], parts[i].type) < 0)
			r = failed(err, "enter the lab's namespace of kind", parts[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (r == 0 && chdir("/") < 0)
		r = failed(err, "enter", "/");
	return r;
}
