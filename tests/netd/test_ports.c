/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ports.c - ports of every kind on the fake kernel: how they come, whom they
 * end with, what a restart of netd makes of them.
 *
 * A restart keeps the kernel and the folders, and gives the rest anew.
 */

#include "tests/netd/fake_host.h"

#include "base/strbuf.h"
#include "nft/ruleset.h"
#include "netd/owner.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define ROUNDS_MAX 400 /* of the loop, 10 ms each at most, for what must come */

static const char DEFINITIONS[] =
	"networks:\n"
	"  blue: {mode: isolated, dns: false}\n"
	"  green: {mode: isolated, dns: false}\n"
	"  tagged: {mode: isolated, dns: false, uplink: eth0, vlan: 100}\n"
	"  direct: {mode: macvtap, uplink: eth0}\n"
	"  fast: {mode: sriov, uplink: pf0, sriov: {vfs: 1-2}}\n";

static pid_t children[8];
static size_t n_children;
static struct peer root; /* this process */

/* ---- a netd ---- */

static void start(struct host *host)
{
	struct vnet_error err = { 0 };

	if (fake_host_start(host, &err) < 0)
		fail_msg("%s", err.message);
}

static void restart(struct host *host)
{
	fake_host_stop(host);
	start(host);
}

static void apply(struct host *host, const char *yaml)
{
	AUTO_OUTCOMES network_outcome_vec outcomes = { 0 };
	network_vec nets = { 0 };
	struct vnet_error err = { 0 };
	int r = networks_from_yaml(yaml, strlen(yaml), "test", &nets, &err);

	if (r == 0)
		r = networks_apply(&host->d, &nets, false, NULL, &outcomes, &err);
	if (r < 0)
		fail_msg("%s", err.message);
	network_vec_free(&nets);
}

static int make_host(void **state)
{
	struct host *host = mem_alloc(sizeof(*host));

	root.pid = getpid();
	fake_host_make(host, "/tmp");
	start(host);
	apply(host, DEFINITIONS);
	*state = host;
	return 0;
}

static int free_host(void **state)
{
	for (size_t i = 0; i < n_children; i++)
		if (children[i] > 0) {
			kill(children[i], SIGKILL);
			waitpid(children[i], NULL, 0);
		}
	n_children = 0;
	fake_host_end(*state);
	free(*state);
	return 0;
}

/* ---- helpers ---- */

static pid_t new_process(bool in_namespace)
{
	pid_t pid;
	int ready[2];
	char c = 0;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (in_namespace && unshare(CLONE_NEWNET) < 0)
			c = 1;
		if (write(ready[1], &c, 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	children[n_children++] = pid;
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	if (c)
		skip(); /* needs root for a namespace */
	return pid;
}

/* Its end, and that its number is free again. */
static void end_process(pid_t pid)
{
	for (size_t i = 0; i < n_children; i++)
		if (children[i] == pid)
			children[i] = 0;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int try_attach(struct host *host, const struct peer *peer, json_t *request,
		      struct attachment *ret, struct vnet_error *err)
{
	struct port *port = NULL;
	int r = port_from_request(request, &port, err);

	json_decref(request);
	*ret = (struct attachment){ 0 };
	return r < 0 ? r : port_attach(&host->d, port, port->has_mac, peer, ret, err);
}

static void close_fds(struct attachment *a)
{
	for (size_t i = 0; i < a->n_taps + a->n_vhosts; i++)
		close(a->fds[i]);
	a->n_taps = a->n_vhosts = 0;
}

/* Attaches and closes what came: the device's life is not that of its descriptors. */
static struct port_entry *attach(struct host *host, json_t *request)
{
	struct vnet_error err = { 0 };
	struct attachment a;

	if (try_attach(host, &root, request, &a, &err) < 0)
		fail_msg("%s", err.message);
	close_fds(&a);
	return a.entry;
}

static void assert_refused(struct host *host, const struct peer *peer, json_t *request, int number,
			   const char *code)
{
	size_t n = host->d.registry.ports.n;
	struct vnet_error err = { 0 };
	struct attachment a;

	if (try_attach(host, peer, request, &a, &err) != number)
		fail_msg("not refused so: %s", err.message);
	assert_string_equal(err.code, code);
	assert_int_equal(host->d.registry.ports.n, n);
}

static bool has_port(struct host *host, const char *name)
{
	return registry_port(&host->d.registry, name);
}

static const struct link *link_of(struct host *host, const char *ifname)
{
	return snapshot_link(kernel_fake_state(host->d.kernel), ifname);
}

/* Runs the loop until the port is gone, or all that is to come has come. */
static bool goes(struct host *host, const char *name)
{
	for (int i = 0; i < ROUNDS_MAX && has_port(host, name); i++)
		loop_once(host->d.loop, 10);
	return !has_port(host, name);
}

static void settle(struct host *host)
{
	for (int i = 0; i < 12; i++)
		loop_once(host->d.loop, 10);
}

static json_t *macvtap(const char *name, pid_t owner)
{
	return json_pack("{s:s,s:s,s:i,s:s}", "network", "direct", "name", name, "ownerPid", (int)owner,
			 "vhost", "off");
}

static json_t *shaped(const char *network, const char *name, const char *rate)
{
	json_t *request = json_pack("{s:s,s:s,s:s,s:b}", "network", network, "name", name, "vhost",
				    "off", "persistent", true);

	if (rate)
		json_object_set_new(request, "bandwidth", json_pack("{s:s}", "in", rate));
	return request;
}

/* ---- owners ---- */

static void an_owner_is_one_of_the_users_processes(void **state)
{
	pid_t pid = new_process(false);
	struct vnet_error err = { 0 };

	(void)state;
	assert_int_equal(owner_check(pid, getuid(), &err), 0);
	assert_int_equal(owner_check(pid, getuid() + 1, &err), -EPERM);
	assert_string_equal(err.code, "owner-foreign");
	end_process(pid);
	vnet_error_clear(&err);
	assert_int_equal(owner_check(pid, getuid(), &err), -ESRCH);
	assert_int_equal(owner_check(0, getuid(), NULL), -ESRCH);
	assert_int_equal(owner_check(-1, getuid(), NULL), -ESRCH);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void a_number_counts_with_the_time_of_its_start(void **state)
{
	struct host *host = *state;
	pid_t pid = new_process(false);
	struct owner *owner = NULL;
	uint64_t started;

	assert_int_equal(owner_watch(host->d.loop, pid, 0, nothing, NULL, &owner, NULL), 0);
	started = owner_started(owner);
	assert_true(started > 0);
	assert_false(owner_has_ended(owner));
	owner_free(owner);
	assert_int_equal(owner_watch(host->d.loop, pid, started, nothing, NULL, &owner, NULL), 0);
	owner_free(owner);
	/* Another process that came to have the number. */
	assert_int_equal(owner_watch(host->d.loop, pid, started + 1, nothing, NULL, &owner, NULL),
			 -ESRCH);
}

static void a_client_names_no_process_of_another_user(void **state)
{
	struct host *host = *state;
	struct peer alice = { .uid = getuid() + 1, .pid = getpid() };
	pid_t pid = new_process(false);

	assert_refused(host, &alice, macvtap("m", pid), -EPERM, "owner-foreign");
}

/* ---- macvtap ---- */

static void a_macvtap_port_ends_with_its_owner(void **state)
{
	struct host *host = *state;
	pid_t pid = new_process(false), other = new_process(false);
	struct port_entry *entry = attach(host, macvtap("m1", pid));
	char ifname[16];

	strcpy(ifname, entry->port->ifname);
	attach(host, macvtap("m2", other));
	settle(host);
	assert_true(has_port(host, "m1"));
	assert_string_equal(link_of(host, ifname)->kind, "macvtap");
	assert_true(link_of(host, ifname)->flags & IFF_UP);
	end_process(pid);
	assert_true(goes(host, "m1"));
	assert_null(link_of(host, ifname));
	assert_true(has_port(host, "m2"));
}

static void many_ports_end_with_one_owner(void **state)
{
	struct host *host = *state;
	size_t before = kernel_fake_state(host->d.kernel)->links.n;
	pid_t pid = new_process(false);
	char name[8];

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		attach(host, macvtap(name, pid));
	}
	end_process(pid);
	assert_true(goes(host, "m19"));
	assert_int_equal(host->d.registry.ports.n, 0);
	assert_int_equal(kernel_fake_state(host->d.kernel)->links.n, before);
}

static void descriptors_come_as_those_of_a_tap(void **state)
{
	struct host *host = *state;
	json_t *request = macvtap("m", getpid());
	struct vnet_error err = { 0 };
	struct attachment a;

	json_object_set_new(request, "queues", json_integer(4));
	assert_int_equal(try_attach(host, &root, request, &a, &err), 0);
	assert_int_equal(a.n_taps, 4);
	assert_int_equal(a.n_vhosts, 0);
	for (size_t i = 0; i < a.n_taps; i++)
		assert_true(a.fds[i] >= 0);
	close_fds(&a);
	assert_int_equal(port_detach(&host->d, a.entry, &err), 0);
	assert_int_equal(host->d.registry.ports.n, 0);
}

static void an_owner_is_watched_after_a_restart(void **state)
{
	struct host *host = *state;
	pid_t pid = new_process(false);
	char ifname[16];

	strcpy(ifname, attach(host, macvtap("m", pid))->port->ifname);
	restart(host);
	settle(host);
	assert_true(has_port(host, "m"));
	assert_non_null(link_of(host, ifname));
	end_process(pid);
	assert_true(goes(host, "m"));
	assert_null(link_of(host, ifname));
}

static void an_owner_that_ended_meanwhile_is_noticed_at_start(void **state)
{
	struct host *host = *state;
	pid_t pid = new_process(false);
	char ifname[16];

	strcpy(ifname, attach(host, macvtap("m", pid))->port->ifname);
	fake_host_stop(host);
	end_process(pid);
	start(host);
	assert_false(has_port(host, "m"));
	assert_null(link_of(host, ifname));
	restart(host);
	assert_false(has_port(host, "m"));
}

static void a_failed_attach_leaves_nothing(void **state)
{
	struct host *host = *state;
	size_t links = kernel_fake_state(host->d.kernel)->links.n;
	int failures = 0;

	for (size_t nth = 1; nth < 20; nth++) {
		struct vnet_error err = { 0 };
		struct attachment a;
		int r;

		kernel_fake_fail(host->d.kernel, nth, -EIO);
		r = try_attach(host, &root, macvtap("m", getpid()), &a, &err);
		kernel_fake_fail(host->d.kernel, 0, 0);
		if (r == 0) {
			close_fds(&a);
			break;
		}
		failures++;
		assert_int_equal(r, -EIO);
		settle(host);
		assert_int_equal(host->d.registry.ports.n, 0);
		assert_int_equal(kernel_fake_state(host->d.kernel)->links.n, links);
	}
	assert_true(failures >= 2);
	assert_true(has_port(host, "m"));
}

static json_t *persistent(const char *name)
{
	json_t *request = macvtap(name, getpid());

	json_object_set_new(request, "persistent", json_true());
	return request;
}

static void a_persistent_port_is_opened_again(void **state)
{
	struct host *host = *state;
	pid_t pid = new_process(false);
	struct port_entry *entry = attach(host, persistent("m"));
	int ifindex = entry->ifindex;

	end_process(pid);
	settle(host);
	assert_ptr_equal(attach(host, persistent("m")), entry);
	assert_int_equal(entry->ifindex, ifindex);
	restart(host);
	entry = attach(host, persistent("m"));
	assert_int_equal(entry->ifindex, ifindex);
}

static void a_nic_that_goes_takes_its_ports_and_comes_back(void **state)
{
	struct host *host = *state;
	struct port_entry *stays;

	attach(host, macvtap("m", getpid()));
	stays = attach(host, persistent("p"));
	kernel_fake_link_gone(host->d.kernel, "eth0");
	assert_true(goes(host, "m"));
	settle(host);
	assert_true(has_port(host, "p"));
	assert_int_equal(stays->state, PORT_BLOCKED);
	assert_string_equal(stays->problem.code, "device-gone");
	assert_string_equal(stays->network->missing, "eth0");
	/* No device, no port; and the network is not stopped for that. */
	assert_refused(host, &root, macvtap("n", getpid()), -ENODEV, "no-device");
	assert_true(stays->network->is_wanted);
	restart(host);
	stays = registry_port(&host->d.registry, "p");
	assert_non_null(stays);

	fake_host_add_nic(host, 50, "eth0", 1500);
	kernel_fake_event(host->d.kernel,
			  &(struct kernel_event){ .kind = KERNEL_EVENT_LINK_NEW,
						  .link = *link_of(host, "eth0") });
	settle(host);
	assert_string_equal(stays->network->missing, "");
	assert_ptr_equal(attach(host, persistent("p")), stays);
	assert_int_equal(stays->state, PORT_UP);
	assert_int_equal(link_of(host, stays->port->ifname)->parent, 50);
	attach(host, macvtap("n", getpid()));
}

static void a_vlan_uplink_that_goes_comes_back(void **state)
{
	struct host *host = *state;
	struct network_entry *entry = registry_network(&host->d.registry, "tagged");
	int bridge = link_of(host, "vn-tagged")->ifindex;

	assert_int_equal(link_of(host, "vl-tagged")->master, bridge);
	kernel_fake_link_gone(host->d.kernel, "eth0");
	settle(host);
	assert_null(link_of(host, "vl-tagged"));
	assert_int_equal(link_of(host, "vn-tagged")->ifindex, bridge);
	assert_string_equal(entry->missing, "eth0");
	fake_host_add_nic(host, 50, "eth0", 1400);
	kernel_fake_event(host->d.kernel,
			  &(struct kernel_event){ .kind = KERNEL_EVENT_LINK_NEW,
						  .link = *link_of(host, "eth0") });
	settle(host);
	assert_string_equal(entry->missing, "");
	assert_int_equal(link_of(host, "vl-tagged")->parent, 50);
	assert_int_equal(link_of(host, "vl-tagged")->master, bridge);
}

/* Others take an entry away: our own are told, too, so a look follows either. */
static void peers_that_others_take_away_come_back(void **state)
{
	struct host *host = *state;
	struct snapshot *kernel = kernel_fake_state(host->d.kernel);
	struct kernel_event event = { .kind = KERNEL_EVENT_FDB };

	apply(host, "networks: {far: {mode: isolated, dns: false, links: [{name: x, kind: vxlan, "
		    "vni: 7, local: 192.0.2.1, peers: [192.0.2.2, 192.0.2.3]}]}}\n");
	assert_int_equal(kernel->fdb.n, 2);
	settle(host);
	event.link.ifindex = kernel->fdb.v[0].ifindex;
	vec_remove(&kernel->fdb, 0);
	kernel_fake_event(host->d.kernel, &event);
	for (int i = 0; i < ROUNDS_MAX && kernel->fdb.n < 2; i++)
		loop_once(host->d.loop, 10);
	assert_int_equal(kernel->fdb.n, 2);
}

/* ---- in a namespace ---- */

static json_t *inside(const char *kind, const char *network, const char *name, const char *netns)
{
	return json_pack("{s:s,s:s,s:s,s:s}", "network", network, "kind", kind, "name", name, "netns",
			 netns);
}

static const char *netns_path(pid_t pid)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return path;
}

static void a_veth_joins_bridge_and_namespace(void **state)
{
	struct host *host = *state;
	struct port_entry *entry =
		attach(host, inside("veth", "blue", "v", netns_path(getpid())));
	struct vnet_error err = { 0 };
	char ifname[16];

	strcpy(ifname, entry->port->ifname);
	assert_int_equal(link_of(host, ifname)->master, link_of(host, "vn-blue")->ifindex);
	settle(host);
	restart(host);
	entry = registry_port(&host->d.registry, "v");
	assert_non_null(entry);
	assert_int_equal(entry->ifindex, link_of(host, ifname)->ifindex);
	assert_int_equal(port_detach(&host->d, entry, &err), 0);
	assert_null(link_of(host, ifname));
	/* Its place inside is free again. */
	attach(host, inside("veth", "blue", "v", netns_path(getpid())));
	kernel_fake_link_gone(host->d.kernel, registry_port(&host->d.registry, "v")->port->ifname);
	assert_true(goes(host, "v"));
}

static void a_macvlan_is_elsewhere_and_ends_with_its_namespace(void **state)
{
	struct host *host = *state;
	pid_t pid = new_process(true);
	struct port_entry *entry = attach(host, inside("macvlan", "direct", "v", netns_path(pid)));
	struct vnet_error err = { 0 };

	assert_true(entry->is_elsewhere);
	assert_int_equal(entry->ifindex, 0);
	restart(host);
	entry = registry_port(&host->d.registry, "v");
	assert_non_null(entry);
	assert_true(entry->is_elsewhere);
	assert_int_equal(port_detach(&host->d, entry, &err), 0);
	/* Deleted by whoever lives there. */
	attach(host, inside("macvlan", "direct", "v", netns_path(pid)));
	assert_int_equal(kernel_inside_delete(host->d.kernel, netns_path(pid), "eth0", &err), 0);
	assert_true(goes(host, "v"));
	attach(host, inside("macvlan", "direct", "v", netns_path(pid)));
	end_process(pid);
	assert_true(goes(host, "v"));
}

static void a_namespace_that_went_meanwhile_takes_its_port(void **state)
{
	struct host *host = *state;
	pid_t pid = new_process(true);

	attach(host, inside("macvlan", "direct", "v", netns_path(pid)));
	fake_host_stop(host);
	end_process(pid);
	start(host);
	assert_false(has_port(host, "v"));
}

static void namespaces_are_for_root(void **state)
{
	struct host *host = *state;
	struct peer alice = { .uid = 1000, .pid = getpid() };
	const char *everyone = "rules: [{allow: ['*'], everyone: true, kinds: [tap, macvtap, vf]}]\n";
	struct access_resolver nobody = { 0 };
	struct vnet_error err = { 0 };
	struct attachment a;

	access_policy_free(TAKE(host->d.policy));
	if (access_policy_from_yaml(everyone, strlen(everyone), "test", &nobody, &host->d.policy,
				    &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(try_attach(host, &alice, inside("veth", "blue", "v", netns_path(getpid())),
				    &a, &err), -EACCES);
	assert_int_equal(try_attach(host, &alice,
				    inside("macvlan", "direct", "v", netns_path(getpid())), &a,
				    NULL), -EACCES);
	assert_int_equal(host->d.registry.ports.n, 0);
}

static void a_port_in_a_namespace_cannot_be_persistent(void **state)
{
	json_t *request = inside("veth", "blue", "v", netns_path(getpid()));
	struct vnet_error err = { 0 };
	struct attachment a;

	json_object_set_new(request, "persistent", json_true());
	assert_int_equal(try_attach(*state, &root, request, &a, &err), -EINVAL);
}

/* ---- virtual functions ---- */

static json_t *vf(const char *name, int number)
{
	json_t *request = json_pack("{s:s,s:s,s:i,s:s}", "network", "fast", "name", name, "ownerPid",
				    (int)getpid(), "mac", number < 0 ? "52:54:00:00:00:01"
								      : "52:54:00:00:00:02");

	if (number >= 0)
		json_object_set_new(request, "vf", json_integer(number));
	return request;
}

static const struct vf *vf_state(struct host *host, unsigned index)
{
	vec_each(v, &kernel_fake_state(host->d.kernel)->vfs)
		if (v->index == index)
			return v;
	return NULL;
}

static void functions_are_given_out_and_taken_back(void **state)
{
	struct host *host = *state;
	struct port_entry *one = attach(host, vf("f1", -1)), *two;
	struct vnet_error err = { 0 };

	assert_int_equal(one->port->vf, 1);
	assert_string_equal(one->pci_address, "0000:03:10.1");
	assert_string_equal(port_interface(one), "pf0");
	assert_int_equal(vf_state(host, 1)->mac.b[5], 1);
	assert_refused(host, &root, vf("f2", 1), -EEXIST, "interface-conflict");
	assert_refused(host, &root, vf("f2", 3), -EINVAL, "out-of-range");
	/* Another network may stand on the same NIC. */
	apply(host, "networks: {faster: {mode: sriov, uplink: pf0}}\n");
	assert_refused(host, &root,
		       json_pack("{s:s,s:s,s:i}", "network", "faster", "name", "g", "vf", 1), -EBUSY,
		       "vf-in-use");
	assert_refused(host, &root,
		       json_pack("{s:s,s:s,s:i}", "network", "faster", "name", "g", "vf", 9), -ENOENT,
		       "vf-unknown");
	two = attach(host, vf("f2", 2));
	assert_int_equal(two->port->vf, 2);
	assert_refused(host, &root,
		       json_pack("{s:s,s:s}", "network", "fast", "name", "f3"), -EBUSY, "vf-in-use");
	assert_int_equal(port_detach(&host->d, one, &err), 0);
	assert_true(mac_is_zero(&vf_state(host, 1)->mac));
	assert_int_equal(attach(host, vf("f3", -1))->port->vf, 1);
}

static void functions_are_known_after_a_restart(void **state)
{
	struct host *host = *state;
	struct snapshot *kernel;

	attach(host, vf("f1", -1));
	restart(host);
	assert_true(has_port(host, "f1"));
	assert_string_equal(registry_port(&host->d.registry, "f1")->pci_address, "0000:03:10.1");
	assert_refused(host, &root, vf("f2", 1), -EEXIST, "interface-conflict");
	/* Somebody lowered sriov_numvfs while no netd was there. */
	fake_host_stop(host);
	kernel = kernel_fake_state(host->d.kernel);
	kernel->vfs.n = 1;
	start(host);
	assert_false(has_port(host, "f1"));
}

static void a_function_ends_with_its_owner(void **state)
{
	struct host *host = *state;
	pid_t pid = new_process(false);
	json_t *request = vf("f", -1);

	json_object_set_new(request, "ownerPid", json_integer(pid));
	attach(host, request);
	end_process(pid);
	assert_true(goes(host, "f"));
	assert_true(mac_is_zero(&vf_state(host, 1)->mac));
}

/* ---- UpdatePort: the guard ---- */

static void change(struct host *host, const char *name, json_t *changes)
{
	struct port_entry *entry = registry_port(&host->d.registry, name);
	struct port *after = port_copy(entry->port);
	struct vnet_error err = { 0 };

	if (port_update_from_json(after, changes, &err) < 0 ||
	    port_change(&host->d, entry, after, true, &err) < 0)
		fail_msg("%s", err.message);
	json_decref(changes);
}

static json_t *guarded(const char *policy, const char *address)
{
	return json_pack("{s:{s:s},s:[s]}", "guard", "policy", policy, "addresses", address);
}

/* The port's element of @guards, and whether it may use the address. */
static void assert_guard(struct host *host, const char *name, const char *verdict, const char *address,
			 bool has_address)
{
	const struct port *port = registry_port(&host->d.registry, name)->port;
	AUTO_FREE char *rules = nft_ruleset_to_text(kernel_fake_state(host->d.kernel)->nft);
	AUTO_FREE char *element = mem_printf("\"%s\" : %s", port->ifname, verdict);
	AUTO_FREE char *source = mem_printf("\"%s\" . 52:54:00:00:00:09 . %s", port->ifname, address);

	if (!strstr(rules, element))
		fail_msg("no element %s", element);
	assert_int_equal(strstr(rules, source) != NULL, has_address);
}

static void guarded_port(struct host *host)
{
	json_t *request = shaped("blue", "p", NULL);

	json_object_set_new(request, "mac", json_string("52:54:00:00:00:09"));
	attach(host, request);
}

static void a_running_ports_guard_changes(void **state)
{
	struct host *host = *state;

	guarded_port(host);
	assert_guard(host, "p", "goto guard/mac", "10.9.0.5", false);
	change(host, "p", guarded("strict", "10.9.0.5"));
	assert_guard(host, "p", "goto guard/strict", "10.9.0.5", true);
	change(host, "p", guarded("strict", "10.9.0.6"));
	assert_guard(host, "p", "goto guard/strict", "10.9.0.5", false);
	assert_guard(host, "p", "goto guard/strict", "10.9.0.6", true);
	restart(host);
	assert_guard(host, "p", "goto guard/strict", "10.9.0.6", true);
	change(host, "p", guarded("off", "10.9.0.6"));
	assert_guard(host, "p", "accept", "10.9.0.6", false);
	/* Null says nothing. */
	change(host, "p", json_pack("{s:n}", "guard"));
	assert_guard(host, "p", "accept", "10.9.0.6", false);
}

static int try_change(struct host *host, const char *name, json_t *changes)
{
	struct port_entry *entry = registry_port(&host->d.registry, name);
	struct port *after = port_copy(entry->port);
	int r = port_update_from_json(after, changes, NULL);

	json_decref(changes);
	if (r < 0)
		port_free(after);
	return r < 0 ? r : port_change(&host->d, entry, after, true, NULL);
}

static void a_change_of_the_guard_that_fails_leaves_the_old_one(void **state)
{
	struct host *host = *state;
	int failures = 0;

	guarded_port(host);
	change(host, "p", guarded("strict", "10.9.0.5"));
	for (size_t nth = 1; nth < 10; nth++) {
		int r;

		kernel_fake_fail(host->d.kernel, nth, -EIO);
		r = try_change(host, "p", guarded("off", "10.9.0.6"));
		kernel_fake_fail(host->d.kernel, 0, 0);
		if (r == 0)
			break;
		failures++;
		/* Half done, it is put back in the loop; and the next netd knows nothing of it. */
		settle(host);
		assert_guard(host, "p", "goto guard/strict", "10.9.0.5", true);
		restart(host);
		assert_guard(host, "p", "goto guard/strict", "10.9.0.5", true);
	}
	assert_true(failures >= 2);
	assert_guard(host, "p", "accept", "10.9.0.5", false);
}

static void what_is_no_guard_changes_nothing(void **state)
{
	struct host *host = *state;

	guarded_port(host);
	change(host, "p", guarded("strict", "10.9.0.5"));
	assert_int_equal(try_change(host, "p", guarded("lenient", "10.9.0.6")), -EINVAL);
	assert_int_equal(try_change(host, "p", guarded("strict", "10.9.0")), -EINVAL);
	assert_guard(host, "p", "goto guard/strict", "10.9.0.5", true);
}

/* Another port's address is not to be had by a change either. */
static void an_address_has_one_port(void **state)
{
	struct host *host = *state;

	guarded_port(host);
	attach(host, shaped("blue", "q", NULL));
	change(host, "q", json_pack("{s:[s]}", "addresses", "10.9.0.7"));
	assert_true(try_change(host, "p", guarded("strict", "10.9.0.7")) < 0);
	assert_guard(host, "p", "goto guard/mac", "10.9.0.7", false);
}

/* ---- slots ---- */

static unsigned slot_of(struct host *host, const char *name)
{
	return registry_port(&host->d.registry, name)->port->slot;
}

static void shaped_ports_have_slots(void **state)
{
	struct host *host = *state;
	struct vnet_error err = { 0 };

	attach(host, shaped("blue", "a", "10mbit"));
	attach(host, shaped("blue", "b", NULL));
	attach(host, shaped("blue", "c", "10mbit"));
	attach(host, shaped("green", "d", "10mbit"));
	assert_int_equal(slot_of(host, "a"), 1);
	assert_int_equal(slot_of(host, "b"), 0);
	assert_int_equal(slot_of(host, "c"), 2);
	assert_int_equal(slot_of(host, "d"), 1);
	/* The lowest that is free; and it stays. */
	assert_int_equal(port_detach(&host->d, registry_port(&host->d.registry, "a"), &err), 0);
	change(host, "b", json_pack("{s:{s:s}}", "bandwidth", "out", "5mbit"));
	assert_int_equal(slot_of(host, "b"), 1);
	change(host, "c", json_pack("{s:{s:s}}", "bandwidth", "in", "20mbit"));
	assert_int_equal(slot_of(host, "c"), 2);
	restart(host);
	assert_int_equal(slot_of(host, "b"), 1);
	assert_int_equal(slot_of(host, "c"), 2);
	change(host, "b", json_pack("{s:{s:i}}", "bandwidth", "out", 0));
	assert_int_equal(slot_of(host, "b"), 0);
}

static void a_networks_limit_gives_all_its_ports_slots(void **state)
{
	struct host *host = *state;

	attach(host, shaped("blue", "a", NULL));
	attach(host, shaped("blue", "b", NULL));
	assert_int_equal(slot_of(host, "a"), 0);
	apply(host, "networks: {blue: {mode: isolated, dns: false, bandwidth: {in: 100mbit}}}\n");
	assert_int_equal(slot_of(host, "a") + slot_of(host, "b"), 3);
	apply(host, "networks: {blue: {mode: isolated, dns: false}}\n");
	assert_int_equal(slot_of(host, "a"), 0);
}

/* ---- many ---- */

static network_entry_vec all_networks(struct host *host)
{
	network_entry_vec all = { 0 };

	vec_each(entry, &host->d.registry.networks)
		vec_push(&all, *entry);
	return all;
}

static void many_networks_end_at_once(void **state)
{
	struct host *host = *state;
	network_entry_vec all = all_networks(host);
	struct vnet_error err = { 0 };
	AUTO_STRBUF struct strbuf left = { 0 };

	attach(host, shaped("blue", "a", "10mbit"));
	attach(host, shaped("green", "b", NULL));
	attach(host, macvtap("m", getpid()));
	attach(host, vf("f", -1));
	assert_int_equal(networks_delete(&host->d, all.v, all.n, false, &err), -EBUSY);
	assert_string_equal(err.code, "network-in-use");
	assert_int_equal(host->d.registry.networks.n, 5);
	assert_int_equal(host->d.registry.ports.n, 4);
	vnet_error_clear(&err);
	assert_int_equal(networks_delete(&host->d, all.v, all.n, true, &err), 0);
	assert_int_equal(host->d.registry.networks.n, 0);
	assert_int_equal(host->d.registry.ports.n, 0);
	vec_each(link, &kernel_fake_state(host->d.kernel)->links)
		strbuf_printf(&left, "%s ", link->name);
	assert_string_equal(left.s, "lo eth0 pf0 ");
	vec_free(&all);
	restart(host);
	assert_int_equal(host->d.registry.networks.n, 0);
}

static void what_cannot_end_together_ends_one_by_one(void **state)
{
	struct host *host = *state;
	port_entry_vec ports = { 0 };
	struct vnet_error err = { 0 };

	vec_push(&ports, attach(host, shaped("blue", "a", NULL)));
	vec_push(&ports, attach(host, shaped("blue", "b", NULL)));
	vec_push(&ports, attach(host, shaped("green", "c", NULL)));
	kernel_fake_fail(host->d.kernel, 2, -EBUSY);
	assert_int_equal(ports_detach(&host->d, &ports, &err), 0);
	assert_int_equal(host->d.registry.ports.n, 0);
	vec_free(&ports);
	restart(host);
	assert_int_equal(host->d.registry.ports.n, 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_host, free_host)
	const struct CMUnitTest tests[] = {
		TEST(an_owner_is_one_of_the_users_processes),
		TEST(a_number_counts_with_the_time_of_its_start),
		TEST(a_client_names_no_process_of_another_user),
		TEST(a_macvtap_port_ends_with_its_owner),
		TEST(many_ports_end_with_one_owner),
		TEST(descriptors_come_as_those_of_a_tap),
		TEST(an_owner_is_watched_after_a_restart),
		TEST(an_owner_that_ended_meanwhile_is_noticed_at_start),
		TEST(a_failed_attach_leaves_nothing),
		TEST(a_persistent_port_is_opened_again),
		TEST(a_nic_that_goes_takes_its_ports_and_comes_back),
		TEST(a_vlan_uplink_that_goes_comes_back),
		TEST(peers_that_others_take_away_come_back),
		TEST(a_veth_joins_bridge_and_namespace),
		TEST(a_macvlan_is_elsewhere_and_ends_with_its_namespace),
		TEST(a_namespace_that_went_meanwhile_takes_its_port),
		TEST(namespaces_are_for_root),
		TEST(a_port_in_a_namespace_cannot_be_persistent),
		TEST(functions_are_given_out_and_taken_back),
		TEST(functions_are_known_after_a_restart),
		TEST(a_function_ends_with_its_owner),
		TEST(a_running_ports_guard_changes),
		TEST(a_change_of_the_guard_that_fails_leaves_the_old_one),
		TEST(what_is_no_guard_changes_nothing),
		TEST(an_address_has_one_port),
		TEST(shaped_ports_have_slots),
		TEST(a_networks_limit_gives_all_its_ports_slots),
		TEST(many_networks_end_at_once),
		TEST(what_cannot_end_together_ends_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
