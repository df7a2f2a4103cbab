/* SPDX-License-Identifier: GPL-2.0-or-later */
/* confine.c - users and capabilities of netd's processes; see confine.h. */

#include "netd/confine.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_MAX 32
#define DEPTH_MAX 4 /* below run_dir there are run_dir/dnsmasq/NETWORK/run/FILE */

#define CAP(name) (1ull << CAP_##name)
#define DNSMASQ_CAPS (CAP(NET_ADMIN) | CAP(NET_RAW) | CAP(NET_BIND_SERVICE))

static const struct role_rights {
	const char *name;
	uint64_t caps;
	bool for_program; /* handed to the program that is executed next */
} roles[] = {
	[ROLE_NETD] = { "netd", CAP(NET_ADMIN), false },
	/* DNSMASQ_CAPS to hand them on; SETUID, SETGID and KILL for dnsmasq too; the rest: privileged.h. */
	[ROLE_BROKER] = { "the broker",
			  DNSMASQ_CAPS | CAP(SETUID) | CAP(SETGID) | CAP(KILL) | CAP(SYS_ADMIN) |
				  CAP(SYS_PTRACE) | CAP(DAC_READ_SEARCH) | CAP(MKNOD), false },
	[ROLE_DNSMASQ] = { "dnsmasq", DNSMASQ_CAPS, true },
};

/* ---- users ---- */

static int find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid, struct vnet_error *err)
{
	const struct passwd *user = getpwnam(name);

	if (!user)
		return vnet_error_set(err, -ENOENT, "no-user",
				      "there is no user %s: `systemd-sysusers vnet.conf` makes it, or useradd; or start netd with --user",
				      name);
	*ret_uid = user->pw_uid;
	*ret_gid = user->pw_gid;
	return 0;
}

static int find_dnsmasq_user(struct users *users, struct vnet_error *err)
{
	struct vnet_error missing = { 0 };

	if (find_user(DNSMASQ_USER, &users->dnsmasq_uid, &users->dnsmasq_gid, &missing) == 0)
		return 0;
	if (users->uid == 0)
		return find_user("nobody", &users->dnsmasq_uid, &users->dnsmasq_gid, err);
	if (err)
		*err = missing;
	return -ENOENT;
}

/* A user namespace in which root is the only one there is, as `unshare -Ur` makes it. */
static bool is_root_alone(void)
{
	FILE *map = fopen("/proc/self/uid_map", "re");
	unsigned first, outside, count, known = 0;

	while (map && known < 2 && fscanf(map, "%u %u %u", &first, &outside, &count) == 3)
		known = count > 1 ? 2 : known + count;
	if (map)
		fclose(map);
	return geteuid() == 0 && known == 1;
}

int users_find(const char *name, struct users *ret, struct vnet_error *err)
{
	struct users users = { .name = name, .uid = geteuid(), .gid = getegid() };
	int r;

	if (is_root_alone()) {
		*ret = (struct users){ .name = "root", .is_alone = true };
		return 0;
	}
	r = users.uid ? 0 : find_user(name, &users.uid, &users.gid, err);
	if (r == 0)
		r = find_dnsmasq_user(&users, err);
	if (r == 0)
		*ret = users;
	return r;
}

/* ---- what an earlier netd left ---- */

static bool is_to_take(const struct stat *st, const struct stat *top, const struct users *users)
{
	return st->st_dev == top->st_dev && st->st_uid != users->uid &&
	       (S_ISDIR(st->st_mode) || st->st_nlink == 1);
}

static int take_folder(int fd, const struct stat *top, const struct users *users, unsigned depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		close(fd);
		return -errno;
	}
	while (r == 0 && (entry = readdir(dir))) {
		const char *name = entry->d_name;
		struct stat st;
		int inner;

		if (!strcmp(name, ".") || !strcmp(name, "..") ||
		    fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (is_to_take(&st, top, users) &&
		    fchownat(dirfd(dir), name, users->uid, users->gid, AT_SYMLINK_NOFOLLOW) < 0)
			r = -errno;
		inner = r == 0 && S_ISDIR(st.st_mode) && st.st_dev == top->st_dev && depth < DEPTH_MAX
				? openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
		if (inner >= 0)
			r = take_folder(inner, top, users, depth + 1);
	}
	closedir(dir);
	return r;
}

int confine_take_over(const char *path, const struct users *users, struct vnet_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	struct stat top;

	if (fd < 0 || fstat(fd, &top) < 0 || fchown(fd, users->uid, users->gid) < 0)
		r = -errno;
	if (r == 0)
		r = take_folder(fd, &top, users, 0);
	else if (fd >= 0)
		close(fd);
	return r < 0 ? vnet_error_set(err, r, "state-dir", "cannot give %s to the user %s: %s", path,
				      users->name, strerror(-r)) : 0;
}

/* ---- becoming ---- */

static int failed(const char *what, enum role role, struct vnet_error *err)
{
	return vnet_error_set(err, -errno, "confine", "cannot confine %s: %s: %s", roles[role].name, what,
			      strerror(errno));
}

/* The user's own groups (kvm's for vhost-net), and dnsmasq's: its files are made for it. */
static int set_groups(const struct users *users)
{
	gid_t groups[GROUPS_MAX];
	int n = GROUPS_MAX - 1;

	if (getgrouplist(users->name, users->gid, groups, &n) < 0)
		n = GROUPS_MAX - 1;
	groups[n++] = users->dnsmasq_gid;
	return setgroups((size_t)n, groups);
}

static int become(enum role role, const struct users *users, struct vnet_error *err)
{
	bool is_dnsmasq = role == ROLE_DNSMASQ;
	uid_t uid = is_dnsmasq ? users->dnsmasq_uid : users->uid;
	gid_t gid = is_dnsmasq ? users->dnsmasq_gid : users->gid;

	if (users->is_alone || (!is_dnsmasq && geteuid() != 0))
		return 0;
	if ((is_dnsmasq ? setgroups(0, NULL) : set_groups(users)) < 0 || setresgid(gid, gid, gid) < 0)
		return failed("groups", role, err);
	prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (setresuid(uid, uid, uid) < 0)
		return failed("user", role, err);
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	return 0;
}

/* Needs CAP_SETPCAP, which only root gave us; where systemd did the work there is nothing left to do. */
static void drop_bounding_set(uint64_t caps)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!(caps & 1ull << cap))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static uint64_t permitted(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

static int set_capabilities(enum role role, struct vnet_error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	uint64_t caps = roles[role].caps, missing = caps & ~permitted();
	struct __user_cap_data_struct data[2] = { 0 };

	if (missing)
		return vnet_error_set(err, -EPERM, "capabilities",
				      "%s lacks the capabilities %#llx of %#llx (capabilities(7) numbers the bits): start it as root or by its systemd unit",
				      roles[role].name, (unsigned long long)missing, (unsigned long long)caps);
	for (int i = 0; i < 2; i++) {
		data[i].permitted = data[i].effective = (uint32_t)(caps >> (32 * i));
		data[i].inheritable = roles[role].for_program ? data[i].permitted : 0;
	}
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, data) < 0)
		return failed("capabilities", role, err);
	for (int cap = 0; roles[role].for_program && cap < 64; cap++)
		if (caps & 1ull << cap && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return failed("ambient capabilities", role, err);
	return 0;
}

int confine(enum role role, const struct users *users, struct vnet_error *err)
{
	int r;

	/* dnsmasq's are dropped by the broker, which has no more than these itself. */
	if (role != ROLE_DNSMASQ)
		drop_bounding_set(roles[role].caps);
	r = become(role, users, err);
	if (r == 0)
		r = set_capabilities(role, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed("no_new_privs", role, err);
	/* No core with others' secrets in it, and nobody of the same user looks into it. */
#if defined(__SANITIZE_ADDRESS__)
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* the leak sanitizer stops its own threads by ptrace(2) */
#else
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	return filter_load(role, users, err);
}
