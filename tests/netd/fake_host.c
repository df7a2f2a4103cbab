/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fake_host.c - a netd on a fake kernel; see fake_host.h. */

#include "tests/netd/fake_host.h"

#include "netd/flows.h"
#include "netd/groups.h"
#include "netd/held.h"
#include "netd/log.h"
#include "netd/uplink.h"

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

/* main.c's bring_up(). */
static int bring_up(struct netd *d, struct vnet_error *err)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	int r = kernel_snapshot(d->kernel, SNAPSHOT_ALL, &snap, err);

	if (r < 0)
		return r;
	host_load(d);
	doctor_load(d);
	config_read_networks(d);
	networks_check_at_start(d, &snap);
	registry_avoid_ifnames(&d->registry, &snap);
	r = ports_restore(d, &snap, err);
	if (r < 0)
		return r;
	ports_end_unowned(d);
	networks_drop_orphans(d);
	groups_drop_orphans(d);
	held_restore(d);
	return reconcile(d, NULL, err);
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
	struct netd *d = &host->d;

	dhcp_end_waiting(d);
	server_free(d->server);
	for (size_t i = 0; i < ARRAY_SIZE(d->kernel_sources); i++)
		loop_remove(d->kernel_sources[i]);
	monitor_free(d->monitor);
	trace_free(d->trace);
	uplink_free_all(d);
	dnsmasq_set_free(d->dnsmasq);
	flows_free(d);
	groups_free(d);
	registry_free(&d->registry);
	host_free(d);
	access_policy_free(d->policy);
	journal_free(d->port_journal);
	store_free(d->store);
	vec_free(&d->gone);
	vec_each(name, &d->stale_dhcp)
		free(*name);
	vec_free(&d->stale_dhcp);
	loop_free(d->loop);
}
