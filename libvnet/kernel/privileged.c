/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* privileged.c - what needs more than CAP_NET_ADMIN, done by this process; see privileged.h. */

#include "kernel/privileged.h"
#include "kernel/backend.h"
#include "kernel/checksum.h"
#include "kernel/detached.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

static const struct privileged *in_force = &privileged_self;

const struct privileged *privileged_get(void)
{
	return in_force;
}

void privileged_set(const struct privileged *p)
{
	in_force = p;
}

/* ---- other network namespaces ---- */

static int open_namespace(const char *path, int *ret_fd, struct vnet_error *err)
{
	/* A path may lead anywhere, even to a watchdog that opening it would start: it is looked at first. */
	int seen = open(path, O_PATH | O_CLOEXEC), fd = -1;
	char again[32];
	struct statfs fs;

	if (seen >= 0 && fstatfs(seen, &fs) == 0 && fs.f_type == NSFS_MAGIC) {
		snprintf(again, sizeof(again), "/proc/self/fd/%d", seen);
		fd = open(again, O_RDONLY | O_CLOEXEC);
		close(seen);
	} else if (seen >= 0) {
		close(seen);
		return vnet_error_set(err, -EINVAL, "not-a-namespace",
				      "%s is not a network namespace", path);
	}
	if (fd < 0 && (errno == ENOENT || errno == ESRCH))
		return vnet_error_set(err, -ENOENT, "no-namespace",
				      "there is no network namespace %s", path);
	if (fd < 0)
		return kernel_error(err, -errno, NULL, "namespace %s: cannot open it", path);
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
		close(fd);
		return vnet_error_set(err, -EINVAL, "not-a-namespace",
				      "%s is not a network namespace", path);
	}
	*ret_fd = fd;
	return 0;
}

/*
 * A socket stays in the namespace it was made in, so the thread is away for that
 * one moment only. A process that cannot come back would work in the wrong place
 * from then on: it must not go on.
 */
static int open_socket_inside(int netns, const char *path, int *ret_socket, struct vnet_error *err)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), r = 0;

	if (home < 0)
		return kernel_error(err, -errno, NULL, "cannot open our own network namespace");
	if (setns(netns, CLONE_NEWNET) < 0) {
		r = kernel_error(err, -errno, NULL, "namespace %s: cannot enter it", path);
	} else {
		*ret_socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
		if (*ret_socket < 0)
			r = kernel_error(err, -errno, NULL, "namespace %s: no netlink socket", path);
		if (setns(home, CLONE_NEWNET) < 0)
			abort();
	}
	close(home);
	return r;
}

static int enter(const char *path, int *ret_netns, int *ret_socket, struct vnet_error *err)
{
	int netns = -1, r = open_namespace(path, &netns, err);

	if (r < 0)
		return r;
	r = ret_socket ? open_socket_inside(netns, path, ret_socket, err) : 0;
	if (r < 0)
		close(netns);
	else
		*ret_netns = netns;
	return r;
}

/* ---- macvtap ---- */

/* The number of the device's node, "MAJOR:MINOR" in sysfs. */
static int read_number(int sysfs, const char *name, int ifindex, dev_t *ret)
{
	char path[64], text[32];
	unsigned major_, minor_;
	ssize_t n;
	int fd, r;

	snprintf(path, sizeof(path), "class/net/%.15s/macvtap/tap%d/dev", name, ifindex);
	fd = openat(sysfs, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	r = n < 0 ? -errno : 0;
	close(fd);
	if (r < 0)
		return r;
	text[n] = '\0';
	if (sscanf(text, "%u:%u", &major_, &minor_) != 2)
		return -EPROTO;
	*ret = makedev(major_, minor_);
	return 0;
}

/* The node is made in a file system that nobody else sees, and goes with it. */
static int open_node(dev_t number, unsigned n, int *ret_fds, const char *name, struct vnet_error *err)
{
	int nodes = -1, r = detached_tmpfs(&nodes, err);

	if (r < 0)
		return r;
	if (mknodat(nodes, "tap", S_IFCHR | 0600, number) < 0)
		r = kernel_error(err, -errno, NULL, "macvtap %s: cannot make its node", name);
	for (unsigned i = 0; i < n && r >= 0; i++) {
		ret_fds[i] = openat(nodes, "tap", O_RDWR | O_CLOEXEC);
		if (ret_fds[i] < 0)
			r = kernel_error(err, -errno, NULL, "macvtap %s: cannot open it", name);
	}
	close(nodes);
	return r;
}

static int macvtap(const char *name, int ifindex, unsigned n, int *ret_fds, struct vnet_error *err)
{
	int sysfs = -1, r;
	dev_t number = 0;

	for (unsigned i = 0; i < n; i++)
		ret_fds[i] = -1;
	if (!kernel_ifname_ok(name))
		return vnet_error_set(err, -EINVAL, "bad-name", "\"%.15s\" is not a device name", name);
	r = detached_sysfs(&sysfs, err);
	if (r < 0)
		return r;
	r = read_number(sysfs, name, ifindex, &number);
	close(sysfs);
	if (r < 0)
		return kernel_error(err, r, NULL, "macvtap %s: cannot find its node's number", name);
	r = open_node(number, n, ret_fds, name, err);
	for (unsigned i = 0; i < n && r < 0; i++) {
		if (ret_fds[i] >= 0)
			close(ret_fds[i]);
		ret_fds[i] = -1;
	}
	return r;
}

/* ---- what others have ---- */

static int legacy(int domain, int *ret_names, int *ret_socket)
{
	const char *path = domain == AF_INET  ? "/proc/net/ip_tables_names" :
			   domain == AF_INET6 ? "/proc/net/ip6_tables_names" :
						"/proc/net/arp_tables_names";
	int names = open(path, O_RDONLY | O_CLOEXEC);

	*ret_socket = -1;
	if (names < 0)
		return -errno;
	if (domain != AF_UNSPEC) {
		*ret_socket = socket(domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
		if (*ret_socket < 0) {
			int r = -errno;

			close(names);
			return r;
		}
	}
	*ret_names = names;
	return 0;
}

static void name_process(struct socket_owner *owner, int pid)
{
	char path[64];
	FILE *f;

	owner->pid = pid;
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(owner->name, sizeof(owner->name), f))
		owner->name[strcspn(owner->name, "\n")] = '\0';
	fclose(f);
}

static void match_descriptors(const uint32_t *inodes, size_t n, struct socket_owner *ret, int pid)
{
	char path[64], target[64];
	struct dirent *entry;
	unsigned inode;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t size = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (size <= 0)
			continue;
		target[size] = '\0';
		if (sscanf(target, "socket:[%u]", &inode) != 1)
			continue;
		for (size_t i = 0; i < n; i++)
			if (inodes[i] == inode && !ret[i].pid)
				name_process(&ret[i], pid);
	}
	if (dir)
		closedir(dir);
}

static void owners(const uint32_t *inodes, size_t n, struct socket_owner *ret)
{
	DIR *dir = n ? opendir("/proc") : NULL;
	struct dirent *entry;

	memset(ret, 0, n * sizeof(*ret));
	while (dir && (entry = readdir(dir))) {
		int pid = atoi(entry->d_name);

		if (pid > 0)
			match_descriptors(inodes, n, ret, pid);
	}
	if (dir)
		closedir(dir);
}

const struct privileged privileged_self = {
	.sysfs = detached_sysfs, .enter = enter, .macvtap = macvtap, .legacy = legacy,
	.checksum = checksum_load, .owners = owners
};
