/* SPDX-License-Identifier: GPL-2.0-or-later */
/* doctor_files.c - files of other programs: what they say of forwarding, bridges and our devices */

#include "netd/doctor_files.h"

#include "kernel/privileged.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE_MAX (64 * 1024) /* what is behind is not looked at */
#define FILES_MAX 256             /* of one folder */

/* NULL: there is none, or it is no plain file. */
static char *read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = fd < 0 ? NULL : mem_alloc(FILE_SIZE_MAX + 1);
	struct stat st;
	ssize_t n = -1;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, text, FILE_SIZE_MAX);
	if (fd >= 0)
		close(fd);
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

static int has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && strcmp(name + n - m, suffix) == 0;
}

typedef void (*file_fn)(const char *path, const char *text, struct doctor_facts *facts);

static void each_file(const char *folder, const char *suffix, file_fn fn, struct doctor_facts *facts)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, NULL, alphasort), seen = 0;

	for (int i = 0; i < n; i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", folder, entries[i]->d_name);
		AUTO_FREE char *text = has_suffix(path, suffix) && seen++ < FILES_MAX ? read_file(path) : NULL;

		if (text)
			fn(path, text, facts);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static void one_file(const char *path, file_fn fn, struct doctor_facts *facts)
{
	AUTO_FREE char *text = read_file(path);

	if (text)
		fn(path, text, facts);
}

/* ---- who manages our devices ---- */

/* What of a manager's is read: its state of each device, and the folders that tell it what to leave alone. */
static const struct manager_files {
	enum manager manager;
	const char *running;    /* is there while it runs */
	const char *devices;    /* a file for each interface index */
	const char *managed[3]; /* lines that say that it has it */
	const char *suffix;     /* of configuration files */
	const char *folders[4];
} managers[] = {
	{ MANAGER_NETWORKMANAGER, "/run/NetworkManager", "/run/NetworkManager/devices", { "managed=true", "managed=1" },
	  ".conf", { "/etc/NetworkManager/conf.d", "/run/NetworkManager/conf.d", "/usr/lib/NetworkManager/conf.d" } },
	{ MANAGER_NETWORKD, "/run/systemd/netif/state", "/run/systemd/netif/links",
	  { "ADMIN_STATE=configured", "ADMIN_STATE=configuring", "ADMIN_STATE=degraded" }, ".network",
	  { "/etc/systemd/network", "/run/systemd/network", "/usr/lib/systemd/network" } },
};

static bool has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at += n)
		if ((at == text || at[-1] == '\n') && (at[n] == '\n' || !at[n]))
			return true;
	return false;
}

static bool manages(const struct manager_files *files, int ifindex)
{
	AUTO_FREE char *path = mem_printf("%s/%d", files->devices, ifindex);
	AUTO_FREE char *text = read_file(path);

	for (size_t i = 0; text && i < ARRAY_SIZE(files->managed); i++)
		if (files->managed[i] && has_line(text, files->managed[i]))
			return true;
	return false;
}

/* Any file that names our devices: a claim without a device is none then. */
static void drop_general_claim(const char *path, const char *text, struct doctor_facts *facts)
{
	struct doctor_claim *last = facts->claims.n ? &facts->claims.v[facts->claims.n - 1] : NULL;

	(void)path;
	if (last && !last->device[0] && doctor_names_our_devices(text))
		facts->claims.n--;
}

static void read_manager(const struct manager_files *files, const struct snapshot *snap, struct doctor_facts *facts)
{
	if (access(files->running, F_OK) < 0)
		return;
	vec_each(link, &snap->links) {
		struct doctor_claim claim = { .manager = files->manager };

		memcpy(claim.device, link->name, sizeof(claim.device));
		if (link_is_ours(link) && manages(files, link->ifindex))
			vec_push(&facts->claims, claim);
	}
	vec_push(&facts->claims, (struct doctor_claim){ .manager = files->manager });
	for (size_t i = 0; i < ARRAY_SIZE(files->folders) && files->folders[i]; i++)
		each_file(files->folders[i], files->suffix, drop_general_claim, facts);
}

/* ---- the rest ---- */

/* Without its setuid bit the helper does nothing for anybody but root. */
static bool has_setuid_helper(void)
{
	static const char *const places[] = { "/usr/lib/qemu/qemu-bridge-helper", "/usr/libexec/qemu-bridge-helper" };
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (stat(places[i], &st) == 0 && (st.st_mode & S_ISUID))
			return true;
	return false;
}

static void add_unread(const char *where, const char *what, struct doctor_facts *facts)
{
	vec_push(&facts->settings, (struct doctor_setting){
		.setting = SETTING_UNREAD_TABLES, .where = mem_strdup(where), .text = mem_strdup(what) });
}

/* Empty while none is in use. */
static void read_arp_names(struct doctor_facts *facts)
{
	int names, socket;
	char c;

	if (privileged_get()->legacy(AF_UNSPEC, &names, &socket) < 0)
		return;
	if (read(names, &c, 1) == 1)
		add_unread("/proc/net/arp_tables_names", "arptables without nftables", facts);
	close(names);
}

static void read_unread_tables(struct doctor_facts *facts)
{
	static const char module[] = "/sys/module/ebtable_filter";

	read_arp_names(facts);
	if (access(module, F_OK) == 0)
		add_unread(module, "ebtables without nftables", facts);
}

void doctor_read_files(const struct snapshot *snap, struct doctor_facts *facts)
{
	static const char *const sysctl_folders[] = { "/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d",
						      "/usr/lib/sysctl.d" };

	one_file("/etc/sysctl.conf", doctor_read_sysctl_conf, facts);
	for (size_t i = 0; i < ARRAY_SIZE(sysctl_folders); i++)
		each_file(sysctl_folders[i], ".conf", doctor_read_sysctl_conf, facts);
	if (has_setuid_helper())
		one_file("/etc/qemu/bridge.conf", doctor_read_bridge_conf, facts);
	read_unread_tables(facts);
	for (size_t i = 0; i < ARRAY_SIZE(managers); i++)
		read_manager(&managers[i], snap, facts);
}
