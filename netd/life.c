/* SPDX-License-Identifier: GPL-2.0-or-later */
/* life.c - what is known of former runs at the start, and all that is freed at the end */

#include "netd/netd.h"

#include "netd/flows.h"
#include "netd/groups.h"
#include "netd/held.h"
#include "netd/uplink.h"

int netd_restore(struct netd *d, struct snapshot *snap, bool *ret_is_seen, struct vnet_error *err)
{
	int r;

	host_load(d);
	doctor_load(d);
	config_read_networks(d);
	networks_check_at_start(d, snap);
	registry_avoid_ifnames(&d->registry, snap);
	r = ports_restore(d, snap, err);
	if (r < 0)
		return r;
	*ret_is_seen = !ports_end_unowned(d);
	networks_drop_orphans(d);
	groups_drop_orphans(d);
	held_restore(d);
	return 0;
}

void netd_forget(struct netd *d)
{
	dhcp_end_waiting(d);
	server_free(d->server);
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
	vec_each(note, &d->notes)
		free(*note);
	vec_free(&d->notes);
	vec_free(&d->gone);
	vec_free(&d->strangers);
	vec_each(name, &d->stale_dhcp)
		free(*name);
	vec_free(&d->stale_dhcp);
	loop_free(d->loop);
}
