/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fake_host.c - a netd on a fake kernel; see fake_host.h. */

#include "tests/netd/fake_host.h"

#include "netd/log.h"

#include <errno.h>
#include <ftw.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void fake_host_add_nic(struct host *host, int ifindex, const char *name, uint32_t mtu)
{
	struct snapshot *state = kernel_fake_state(host->d.kernel);
	struct link *link = vec_add(&state->links);

	*link = (struct link){ .ifindex = ifindex, .mtu = mtu, .flags = IFF_UP, .txqueuelen = 1000 };
	snprintf(link->name, sizeof(link->name), "%s", name);
	if (state->next_ifindex <= ifindex)
		state->next_ifindex = ifindex + 1;
	snapshot_sort(state);
}

static void add_vfs(struct host *host, int ifindex, unsigned n)
{
	struct snapshot *state = kernel_fake_state(host->d.kernel);

	for (unsigned i = 0; i < n; i++)
		vec_push(&state->vfs, (struct vf){ .ifindex = ifindex, .index = i, .spoofchk = true });
	snapshot_sort(state);
}

void fake_host_make(struct host *host, const char *parent)
{
	*host = (struct host){ 0 };
	log_init(-1);
	snprintf(host->dir, sizeof(host->dir), "%s/vnet-host-XXXXXX", parent);
	if (!mkdtemp(host->dir))
		abort();
	snprintf(host->run, sizeof(host->run), "%s/run", host->dir);
	snprintf(host->var, sizeof(host->var), "%s/var", host->dir);
	if (mkdir(host->run, 0755) < 0 || mkdir(host->var, 0755) < 0 ||
	    kernel_fake_new(&host->d.kernel, NULL) < 0)
		abort();
	fake_host_add_nic(host, 10, "eth0", 1500);
	fake_host_add_nic(host, 11, "pf0", 1500);
	add_vfs(host, 11, 4);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	return ftw->level ? remove(path) : 0;
}

static void empty(const char *dir)
{
	nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void fake_host_empty_folders(struct host *host)
{
	empty(host->run);
	empty(host->var);
}

void fake_host_free(struct host *host)
{
	kernel_free(host->d.kernel);
	empty(host->dir);
	rmdir(host->dir);
}

/* As main.c's bring_up(), but a failed plan is told. */
static int bring_up(struct netd *d, struct vnet_error *err)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	int r = kernel_snapshot(d->kernel, SNAPSHOT_ALL, &snap, err);
	bool is_seen;

	if (r == 0)
		r = netd_restore(d, &snap, &is_seen, err);
	return r < 0 ? r : reconcile(d, NULL, err);
}

int fake_host_start(struct host *host, struct vnet_error *err)
{
	struct netd *d = &host->d;
	struct kernel *kernel = d->kernel;
	int r;

	*d = (struct netd){ .config_dir = host->dir, .run_dir = host->run, .state_dir = host->var,
			    .dnsmasq_program = "/nonexistent/dnsmasq", .kernel = kernel,
			    .signal_fd = -1, .lock_fd = -1 };
	r = loop_new(&d->loop);
	if (r == 0)
		r = store_new(d->run_dir, d->state_dir, &d->store, err);
	if (r == 0) {
		d->policy = access_policy_new();
		d->monitor = monitor_new(d);
		d->trace = trace_new();
		config_read_settings(d, NULL);
		config_read_policy(d, NULL);
		r = dhcp_init(d, err);
	}
	if (r == 0)
		r = events_start(d, err);
	return r < 0 ? r : bring_up(d, err);
}

void fake_host_stop(struct host *host)
{
	for (size_t i = 0; i < ARRAY_SIZE(host->d.kernel_sources); i++)
		loop_remove(host->d.kernel_sources[i]);
	netd_forget(&host->d);
}

void fake_host_end(struct host *host)
{
	fake_host_stop(host);
	fake_host_free(host);
}
