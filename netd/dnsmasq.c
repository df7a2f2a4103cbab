/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dnsmasq.c - one dnsmasq for each network; see dnsmasq.h. */

#include "netd/dnsmasq.h"

#include "dhcp/conf.h"
#include "netd/broker.h"
#include "netd/dnsmasq_instance.h"
#include "netd/dnsmasq_process.h"
#include "netd/leases.h"
#include "netd/log.h"
#include "netd/loop.h"
#include "netd/release.h"
#include "netd/resolvers.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

/* --- the set --- */

static void on_lease(void *arg, const char *network, enum lease_change change,
		     const struct lease *lease)
{
	struct dnsmasq_set *set = arg;

	if (set->callbacks.lease)
		set->callbacks.lease(set->context, network, change, lease);
}

static void on_resolvers(void *arg)
{
	struct dnsmasq_set *set = arg;

	if (set->callbacks.resolvers_changed)
		set->callbacks.resolvers_changed(set->context);
}

/*
 * A signal alone is no reading: dnsmasq takes one event of its own a round and
 * answers packets in between.
 */
static void on_inotify(void *arg, uint32_t events)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct dnsmasq_set *set = arg;
	ssize_t n = read(set->inotify, buffer, sizeof(buffer));

	(void)events;
	for (char *p = buffer; n > 0 && p < buffer + n;) {
		const struct inotify_event *e = (const void *)p;

		vec_each(in, &set->instances)
			if ((*in)->hosts_watch == e->wd || e->mask & IN_Q_OVERFLOW)
				(*in)->hosts_watch = -1;
		p += sizeof(*e) + e->len;
	}
	dnsmasq_tell_later(set);
}

/* Without, what was signalled counts as read. */
static void watch_readings(struct dnsmasq_set *set)
{
	set->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (set->inotify >= 0 && loop_add(set->loop, set->inotify, EPOLLIN, on_inotify, set,
					  &set->inotify_source) < 0) {
		close(set->inotify);
		set->inotify = -1;
	}
}

int dnsmasq_set_new(struct loop *loop, const struct dnsmasq_options *options,
		    const struct dnsmasq_callbacks *callbacks, void *context,
		    struct dnsmasq_set **ret, struct vnet_error *err)
{
	struct dnsmasq_set *set = mem_alloc(sizeof(*set));
	int r;

	set->loop = loop;
	set->run_dir = mem_printf("%s/dnsmasq", options->run_dir);
	set->lease_dir = mem_printf("%s/dnsmasq", options->state_dir);
	set->program = mem_strdup(options->program);
	set->egress_hold = options->egress_hold;
	set->callbacks = *callbacks;
	set->context = context;
	set->has_group = options->has_group;
	set->group = options->group;
	watch_readings(set);
	r = instance_make_folder(set->run_dir, err);
	if (r == 0)
		r = instance_make_folder(set->lease_dir, err);
	if (r == 0)
		r = lease_watch_new(loop, set->lease_dir, on_lease, set, &set->leases, err);
	if (r == 0)
		r = resolvers_new(loop,
				  options->resolv_conf ? options->resolv_conf : "/etc/resolv.conf",
				  on_resolvers, set, &set->resolvers, err);
	if (r < 0) {
		dnsmasq_set_free(set);
		return r;
	}
	*ret = set;
	return 0;
}

struct dnsmasq_set *dnsmasq_set_free(struct dnsmasq_set *set)
{
	if (!set)
		return NULL;
	vec_each(in, &set->instances)
		instance_free(*in);
	vec_free(&set->instances);
	vec_each(in, &set->gone)
		instance_free(*in);
	vec_free(&set->gone);
	loop_remove(set->tell_timer);
	lease_watch_free(set->leases);
	resolvers_free(set->resolvers);
	loop_remove(set->inotify_source);
	if (set->inotify >= 0)
		close(set->inotify);
	free(set->run_dir);
	free(set->lease_dir);
	free(set->program);
	free(set);
	return NULL;
}

static struct instance *find(const struct dnsmasq_set *set, const char *network, size_t *ret_at)
{
	size_t low = 0, high = set->instances.n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(network, set->instances.v[middle]->network);

		if (!order) {
			low = middle;
			break;
		}
		if (order > 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (ret_at)
		*ret_at = low;
	return low < high ? set->instances.v[low] : NULL;
}

static struct instance *instance_new(struct dnsmasq_set *set, const char *network)
{
	struct instance *in = mem_alloc(sizeof(*in));
	size_t at;

	in->set = set;
	in->network = mem_strdup(network);
	in->dir = mem_printf("%s/%s", set->run_dir, network);
	in->pidfd = -1;
	in->hosts_watch = -1;
	find(set, network, &at);
	vec_push(&set->instances, in);
	memmove(&set->instances.v[at + 1], &set->instances.v[at],
		(set->instances.n - 1 - at) * sizeof(in));
	set->instances.v[at] = in;
	lease_watch_add(set->leases, network);
	return in;
}

void instance_remove(struct instance *in)
{
	struct dnsmasq_set *set = in->set;
	size_t at;

	dnsmasq_files_remove(in->dir);
	if (in->forgets_leases) {
		AUTO_FREE char *path = mem_printf("%s/%s%s", set->lease_dir, in->network,
						  LEASE_FILE_SUFFIX);

		unlink(path);
	}
	lease_watch_remove(set->leases, in->network);
	if (find(set, in->network, &at))
		vec_remove(&set->instances, at);
	vec_push(&set->gone, in);
	dnsmasq_tell_later(set);
}

/* --- what is told, from the loop only --- */

static void tell(struct dnsmasq_set *set, struct instance *in, enum dnsmasq_state state)
{
	bool same_problem = !strcmp(in->told_problem, in->problem.message);

	if (in->told_state == state && same_problem)
		return;
	in->told_state = state;
	memcpy(in->told_problem, in->problem.message, sizeof(in->told_problem));
	if (set->callbacks.state)
		set->callbacks.state(set->context, in->network, state,
				     in->problem.number ? &in->problem : NULL);
}

/* A callback may apply and stop networks, which moves entries; the worst is that one is told in the next round. */
static void on_tell(void *arg)
{
	struct dnsmasq_set *set = arg;

	while (set->gone.n) {
		struct instance *in = set->gone.v[set->gone.n - 1];

		set->gone.n--;
		vnet_error_clear(&in->problem);
		if (!find(set, in->network, NULL))
			tell(set, in, DNSMASQ_STOPPED);
		instance_free(in);
	}
	for (size_t i = 0; i < set->instances.n; i++)
		tell(set, set->instances.v[i], instance_state(set->instances.v[i]));
	if (set->callbacks.moved)
		set->callbacks.moved(set->context);
}

void dnsmasq_tell_later(struct dnsmasq_set *set)
{
	if (!set->tell_timer && loop_timer_add(set->loop, 0, on_tell, set, &set->tell_timer) < 0)
		log_error("dnsmasq: cannot set a timer; a change of state is not told");
}

/* --- the verbs --- */

static int make_files(struct dnsmasq_set *set, const struct network *net,
		      const struct port *const *ports, size_t n_ports, struct dhcp_files *ret,
		      struct vnet_error *err)
{
	AUTO_FREE char *dir = mem_printf("%s/%s", set->run_dir, net->name);
	AUTO_FREE char *lease_file = mem_printf("%s/%s%s", set->lease_dir, net->name,
						LEASE_FILE_SUFFIX);
	char bridge[16];
	struct dhcp_params params = {
		.ifindex = (int)if_nametoindex(network_bridge(net, bridge)),
		.dir = dir,
		.lease_file = lease_file,
		.egress_hold = set->egress_hold ? *set->egress_hold : 0,
		.resolvers = resolvers_get(set->resolvers),
	};

	return dhcp_files_make(net, ports, n_ports, &params, ret, err);
}

/* 1 and *ret_action, or 0: what these files mean for the instance (which may be NULL). */
static int needed_action(const struct instance *in, struct dhcp_files *files,
			 enum service_action *ret_action)
{
	const struct dhcp_files *wanted = in && in->is_wanted ? instance_files(in) : NULL;

	if (!wanted) {
		*ret_action = SERVICE_START;
		return 1;
	}
	if (in && instance_has_refused(in, files))
		instance_replace_refused(in, files);
	switch (dhcp_files_compare(wanted, files)) {
	case DHCP_SAME:
		return 0;
	case DHCP_RELOAD:
		*ret_action = SERVICE_RELOAD;
		return 1;
	case DHCP_RESTART:
		*ret_action = SERVICE_RESTART;
		return 1;
	}
	return 0;
}

int dnsmasq_would(struct dnsmasq_set *set, const struct network *net,
		  const struct port *const *ports, size_t n_ports,
		  enum service_action *ret_action, struct vnet_error *err)
{
	AUTO_DHCP_FILES struct dhcp_files files = { 0 };
	const struct instance *in = find(set, net->name, NULL);
	int r;

	*ret_action = SERVICE_STOP;
	if (!network_wants_dnsmasq(net))
		return in && in->is_wanted;
	r = make_files(set, net, ports, n_ports, &files, err);
	return r < 0 ? r : needed_action(in, &files, ret_action);
}

static void remember_addresses(struct instance *in, const struct network *net)
{
	network_bridge(net, in->bridge);
	in->addresses.n = 0;
	vec_each(p, &net->addresses)
		vec_push(&in->addresses, *p);
}

int dnsmasq_apply(struct dnsmasq_set *set, const struct network *net,
		  const struct port *const *ports, size_t n_ports,
		  enum service_action *ret_action, struct vnet_error *err)
{
	AUTO_DHCP_FILES struct dhcp_files files = { 0 };
	struct instance *in = find(set, net->name, NULL);
	int r;

	*ret_action = SERVICE_STOP;
	if (!network_wants_dnsmasq(net)) {
		r = in && in->is_wanted;
		dnsmasq_stop(set, net->name);
		return r;
	}
	r = make_files(set, net, ports, n_ports, &files, err);
	if (r < 0)
		return r;
	if (in && in->has_refused && !instance_has_refused(in, &files)) {
		in->has_refused = false;
		instance_clear_problem(in);
	}
	r = needed_action(in, &files, ret_action);
	if (!in)
		in = instance_new(set, net->name);
	remember_addresses(in, net);
	in->is_wanted = true;
	in->is_claimed = true;
	in->forgets_leases = false;
	if (r) {
		dhcp_files_free(&in->next);
		in->next = files;
		in->has_next = true;
		in->next_is_tested = false;
		memset(&files, 0, sizeof(files));
		in->must_test_again = in->phase == PHASE_TESTING;
	}
	if (r || in->must_reload)
		instance_advance(in);
	if (in->problem.number == -ENOENT && err)
		*err = in->problem;
	return in->problem.number == -ENOENT ? -ENOENT : r;
}

void dnsmasq_refresh(struct dnsmasq_set *set, const char *network)
{
	struct instance *in = find(set, network, NULL);

	if (!in || !in->pid || in->phase == PHASE_STOPPING)
		return;
	in->must_reload = true;
	instance_advance(in);
}

void dnsmasq_look_after(struct dnsmasq_set *set,
			void (*told)(void *context, const char *network, const char *text),
			void *context)
{
	vec_each(entry, &set->instances) {
		char text[128];

		if (instance_look_after(*entry, text, sizeof(text)) && told)
			told(context, (*entry)->network, text);
	}
}

static void end(struct instance *in)
{
	in->is_claimed = true;
	if (!in->is_wanted)
		return;
	in->is_wanted = false;
	instance_advance(in);
}

void dnsmasq_stop(struct dnsmasq_set *set, const char *network)
{
	struct instance *in = find(set, network, NULL);

	if (in)
		end(in);
}

void dnsmasq_forget(struct dnsmasq_set *set, const char *network)
{
	struct instance *in = find(set, network, NULL);
	AUTO_FREE char *path = mem_printf("%s/%s%s", set->lease_dir, network, LEASE_FILE_SUFFIX);

	if (!in) {
		unlink(path);
		return;
	}
	in->forgets_leases = true;
	end(in);
}

int dnsmasq_adopt(struct dnsmasq_set *set, struct vnet_error *err)
{
	DIR *dir = opendir(set->run_dir);
	struct dirent *entry;

	if (!dir)
		return vnet_error_set(err, -errno, "dnsmasq-folder", "cannot read %s: %s",
				      set->run_dir, strerror(errno));
	while ((entry = readdir(dir))) {
		struct instance *in;

		if (name_check(entry->d_name, NETWORK_NAME_MAX, NULL) < 0 ||
		    find(set, entry->d_name, NULL))
			continue;
		in = instance_new(set, entry->d_name);
		in->is_wanted = true;
		if (!instance_hold_process(in)) {
			in->is_wanted = false;
			instance_remove(in);
			continue;
		}
		/* Without its texts there is nothing to compare with: then it is started anew. */
		in->has_current = dnsmasq_files_read(in->dir, &in->current) == 0;
		in->must_reload = true;
		log_info("network %s: dnsmasq (pid %d) taken over", in->network, in->pid);
	}
	closedir(dir);
	dnsmasq_tell_later(set);
	return 0;
}

void dnsmasq_stop_unclaimed(struct dnsmasq_set *set)
{
	for (size_t i = set->instances.n; i-- > 0;)
		if (!set->instances.v[i]->is_claimed)
			end(set->instances.v[i]);
}

enum dnsmasq_state dnsmasq_state(const struct dnsmasq_set *set, const char *network,
				 struct vnet_error *ret_problem)
{
	const struct instance *in = find(set, network, NULL);

	if (ret_problem) {
		vnet_error_clear(ret_problem);
		if (in)
			*ret_problem = in->problem;
	}
	return in ? instance_state(in) : DNSMASQ_STOPPED;
}

bool dnsmasq_is_settled(const struct dnsmasq_set *set, const char *network)
{
	const struct instance *in = find(set, network, NULL);

	if (!in || !in->is_wanted || in->phase == PHASE_WAITING)
		return true;
	return in->phase == PHASE_RUNNING && !in->has_next && in->hosts_watch < 0;
}

bool dnsmasq_is_ours(const struct dnsmasq_set *set, pid_t pid)
{
	vec_each(in, &set->instances)
		if (broker_is_dnsmasq(pid, (*in)->dir))
			return true;
	return false;
}

pid_t dnsmasq_pid(const struct dnsmasq_set *set, const char *network)
{
	const struct instance *in = find(set, network, NULL);

	return in ? in->pid : 0;
}

const struct lease_file *dnsmasq_leases(const struct dnsmasq_set *set, const char *network)
{
	return lease_watch_get(set->leases, network);
}

void dnsmasq_release(struct dnsmasq_set *set, const char *network, const struct mac *mac)
{
	const struct instance *in = find(set, network, NULL);
	const struct lease_file *file = dnsmasq_leases(set, network);

	if (!in || !in->pid || !file)
		return;
	vec_each(lease, &file->leases) {
		const struct prefix *server = NULL;
		char text[ADDR_TEXT_MAX];
		int r;

		if (!lease->has_mac || mac_cmp(&lease->mac, mac))
			continue;
		vec_each(p, &in->addresses)
			if (!server && prefix_contains(p, &lease->address))
				server = p;
		if (!server)
			continue;
		r = release_send(in->bridge, lease, &server->addr, file->server_duid);
		if (r < 0)
			log_debug("network %s: the lease of %s cannot be released: %s", network,
				  ip_format(&lease->address, text), strerror(-r));
	}
}
