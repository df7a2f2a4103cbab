/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_NETD_H
#define NETD_NETD_H

/*
 * netd.h - the daemon's state, and what its parts offer each other
 *
 *   main.c       options, start, signals
 *   confine.c    users, capabilities and (filter.c) system calls of its processes
 *   broker.c     what needs more than CAP_NET_ADMIN is asked of another process
 *   config.c     /etc/vnet: networks.d, access policy, settings
 *   apply.c      definitions take the place of former ones, or go back
 *   networks.c   start, stop, delete: the life of a network
 *   network_check.c  whether it may be
 *   devices.c    which network a device of some name matters to
 *   ports.c      attach and update: the life of a port (see port.h)
 *   owner.c      processes that ports end with
 *   held.c       addresses that strict ports are seen to have
 *   groups.c     security groups (groups.h)
 *   flows.c      what changes of them mean for open connections (flows.h)
 *   reconcile.c  desired → snapshot → plan → execute
 *   egress.c     addresses that names have led to
 *   events.c     what the kernel tells, and what follows
 *   drift.c      what others change again and again (drift.h)
 *   uplink.c     a NIC taken into a bridge under watch of its gateway
 *   doctor.c     what else on this host stops our traffic, and the fixes
 *   monitor.c    subscribers
 *   trace.c      those to what becomes of a port's frames
 *   api_*.c      the methods: JSON in, the functions above, JSON out
 */

#include "kernel/kernel.h"
#include "model/access.h"
#include "netd/confine.h"
#include "netd/dnsmasq.h"
#include "netd/journal.h"
#include "netd/loop.h"
#include "netd/registry.h"
#include "netd/server.h"
#include "netd/store.h"
#include "plan/plan.h"

struct settings {               /* /etc/vnet/netd.yaml */
	struct prefix pool4, pool6; /* where `subnet: auto` takes from */
	unsigned pool4_len, pool6_len; /* length of one subnet */
	unsigned egress_hold;   /* s; see model/egress.h */
};

struct monitor;
struct trace;
struct group_entry;
typedef VEC(struct group_entry) group_entry_vec; /* sorted by name */
struct flows;

struct dhcp_waiter {            /* see dhcp_when_told() */
	char *network;
	uint64_t until;
	void (*fn)(void *arg, bool was_told);
	void *arg;
};

#define NETWORKS_LOGGED_MAX 50 /* more that start or stop together are summed up in the log */

struct netd {
	const char *config_dir, *run_dir, *state_dir;
	const char *dnsmasq_program;    /* NULL: where it is installed */
	struct users users;             /* confine.h; none in tests */
	struct loop *loop;
	struct kernel *kernel;
	struct loop_source *kernel_sources[KERNEL_FDS_MAX];
	struct store *store;
	struct journal *port_journal;   /* ports, as they are: run_dir/ports */
	struct settings settings;
	struct access_policy *policy;
	struct registry registry;
	group_entry_vec groups;         /* groups.h */
	const group_vec *planned_groups; /* what a plan that is being made has beside them, or NULL */
	struct flows *flows;            /* flows.h; NULL until needed */
	struct desired host;            /* only saved and takeovers are kept here */
	bool host_is_unsaved;           /* they could not be written: again before anything else */
	struct dnsmasq_set *dnsmasq;
	struct server *server;
	struct drift rules_drift, host_drift; /* what belongs to no network */
	struct monitor *monitor;
	struct trace *trace;
	VEC(char *) notes;              /* what the kernel lacks: GetInfo */
	VEC(struct port_entry *) gone;  /* devices that vanished in this round of events */
	VEC(char *) stale_dhcp;         /* networks whose reserved addresses changed */
	struct loop_source *dhcp_timer;
	VEC(struct dhcp_waiter) dhcp_waiters; /* calls that are answered when dnsmasq knows */
	struct loop_source *dhcp_wait_timer;
	struct loop_source *namespace_timer; /* looks after ports that no event tells of */
	bool has_suspects;              /* some port's is_suspect was set in this round of events */
	bool watches_fdb;               /* kernel_watch_fdb() was called */
	VEC(int) strangers;             /* indexes of devices that were seen on our bridges: events.c */
	struct loop_source *stranger_timer;
	struct loop_source *check_timer; /* events do not fit: look when they have settled */
	uint64_t check_due;              /* loop_now() when check_timer fires */
	uint64_t last_check;             /* when it fired last */
	struct loop_source *retry_timer; /* a network failed: try again */
	unsigned retry_delay;           /* s */
	struct loop_source *egress_timer;
	unsigned egress_generation;     /* which sets are emptied next */
	struct uplink_watch *uplinks;
	bool keeps_fixes;               /* `vnetctl doctor --fix`: rules of ours in others' chains */
	struct loop_source *fix_timer;  /* others' rules changed, or our networks: look after them */
	int lock_fd, signal_fd;
	struct loop_source *broker_source;
	bool has_failed;                /* the exit status */
	struct loop_source *signal_source;
	struct loop_source *watchdog_timer;
	uint64_t watchdog_usec;
	uint64_t started;
};

/* ---- reconcile.c ---- */

struct outcome {                /* what a reconcile did or would do */
	op_vec ops;
	VEC(char *) notes;
};
void outcome_free(struct outcome *outcome);
#define AUTO_OUTCOME __attribute__((cleanup(outcome_free)))

/*
 * Brings the kernel and the services to what the registry wants. A network that
 * fails is marked so (its entry's state and problem), logged once and tried again
 * later; the others go on, and that is no error here. An error is what concerns
 * the host: no snapshot, no plan, the rules refused. outcome and err may be NULL.
 */
int reconcile(struct netd *d, struct outcome *outcome, struct vnet_error *err);
/* The same by a look that was taken just now, since when netd has changed nothing in the kernel. */
void reconcile_seen(struct netd *d, struct snapshot *snap);
/* The same where nothing new is wanted: what there is to do was changed by others (drift.h). */
int reconcile_repair(struct netd *d, struct outcome *outcome, struct vnet_error *err);
/* A look at the host, and what it takes to bring it to some definitions. */
struct preparation {
	struct snapshot snap;
	struct plan plan;
	op_vec services;
};
void preparation_free(struct preparation *p);
#define AUTO_PREPARATION __attribute__((cleanup(preparation_free)))
/* What networks_apply() of `nets` (may be empty) would do, by p's snapshot. Changes nothing. */
int reconcile_prepare(struct netd *d, struct network *const *nets, size_t n_nets,
		      struct preparation *p, struct vnet_error *err);
/* As reconcile(), by what was prepared just now: the registry wants by now what the plan is for. */
int reconcile_prepared(struct netd *d, struct preparation *p, struct vnet_error *err);
/* Hands the operations and notes over. */
void preparation_take(struct preparation *p, struct outcome *ret);
/* In the loop, usec from now, or earlier if that was asked for before. */
void reconcile_later(struct netd *d, uint64_t usec);

/* ---- hoststate.c ---- */

/* Sysctls and takeovers of an earlier netd. */
void host_load(struct netd *d);
/* Records what plan is about to change, durably, before its operations run. Takes to_take_over's items. */
int host_remember(struct netd *d, struct plan *plan, struct vnet_error *err);
void host_free(struct netd *d);
/* After a plan has run: drops what it put back. */
int host_forget(struct netd *d, const struct plan *plan, struct vnet_error *err);

/* ---- network_check.c ---- */

/* Checks nets against each other, those defined and the host; resolves `subnet: auto`. */
int networks_prepare(struct netd *d, network_vec *nets, const struct snapshot *snap,
		     struct vnet_error *err);
/* The same for what was read at start; one that fails runs as before, or waits until it can be. */
void networks_check_at_start(struct netd *d, const struct snapshot *snap);
/* Looks again at those that wait since: perhaps their NIC has come. Returns how many still do. */
size_t networks_retry_refused(struct netd *d, const struct snapshot *snap);
/* May one that does not run be started now? */
int network_check_to_start(struct netd *d, struct network_entry *entry, const struct snapshot *snap,
			   struct vnet_error *err);

/* ---- apply.c ---- */

struct network_outcome {
	char *name;
	bool is_undone;         /* it is as it was before, or not there, as it was not before */
	bool is_amiss;          /* or should be, but that failed, too: netd goes on trying */
	struct vnet_error problem;
};
typedef VEC(struct network_outcome) network_outcome_vec;
void network_outcomes_free(network_outcome_vec *outcomes);
#define AUTO_OUTCOMES __attribute__((cleanup(network_outcomes_free)))

/*
 * Defines and, where autostart or running, starts them. nets is taken. All or
 * nothing per network: one that cannot be brought up goes back to its former
 * definition, and the others stay; how it went with each is added to ret. An
 * error, the first, tells why and that. prepared: for these very nets, or NULL.
 */
int networks_apply(struct netd *d, network_vec *nets, bool is_from_file, struct preparation *prepared,
		   network_outcome_vec *ret, struct vnet_error *err);

/* ---- networks.c ---- */

int network_start(struct netd *d, struct network_entry *entry, struct outcome *outcome,
		  struct vnet_error *err);
/*
 * All in one reconcile. Refused as a whole while guests are attached, unless force.
 * When one fails the others are stopped all the same.
 */
int networks_stop(struct netd *d, struct network_entry *const *v, size_t n, bool force,
		  struct vnet_error *err);
/* Stops them, and forgets those that are stopped. */
int networks_delete(struct netd *d, struct network_entry *const *v, size_t n, bool force,
		    struct vnet_error *err);
/* Networks that are not defined any more and have lost their last port. */
void networks_drop_orphans(struct netd *d);
struct network_entry *network_find(struct netd *d, const char *name, struct vnet_error *err);
/* Is something wrong with it that does not stop all of it? *ret is cleared where nothing is. */
bool network_problem(struct netd *d, const struct network_entry *entry, struct vnet_error *ret);
void network_unknown(const char *name, struct vnet_error *err);
/* Remembers what runs, for the next netd. */
int network_save_runtime(struct netd *d, const struct network_entry *entry, struct vnet_error *err);
/* The subnets that `subnet: auto` was given are the network's for ever. */
int network_save_subnets(struct netd *d, const struct network *net, struct vnet_error *err);
/* All that is kept of it, runtime and subnets too: a file's definition is not stored as applied. */
int network_persist(struct netd *d, const struct network_entry *entry, struct vnet_error *err);
/* Ends store_begin(); r is how it went until here. */
int networks_commit(struct netd *d, int r, struct vnet_error *err);
/* Every trace of a network that is stopped and has no ports. */
void network_forget(struct netd *d, struct network_entry *entry);
/* Set the state, saying so to log (at log_priority) and subscribers when it changed. */
void network_set_failed(struct netd *d, struct network_entry *entry, const struct vnet_error *err);
void network_set_running(struct netd *d, struct network_entry *entry, int log_priority);
/* Nothing of it is left in the kernel. */
void network_set_stopped(struct netd *d, struct network_entry *entry, int log_priority);

/* ---- life.c ---- */

/*
 * What former runs left: definitions, networks and ports. *ret_is_seen: the host is still
 * as snap has it, for no port had to go.
 */
int netd_restore(struct netd *d, struct snapshot *snap, bool *ret_is_seen, struct vnet_error *err);
/* Frees all but the kernel, which outlives a netd in tests, and what main() opened. */
void netd_forget(struct netd *d);

/* ---- ports.c ---- */

struct attachment {
	struct port_entry *entry;
	int fds[CALL_FDS_MAX];  /* n_taps, then n_vhosts; the receiver's */
	size_t n_taps, n_vhosts;
	bool no_vhost;          /* wanted if possible, and was not */
	bool no_header;         /* wanted, and kept back: what it allows cannot be guarded */
};
/* port is taken, also on failure. mac_chosen: the client named the MAC. */
int port_attach(struct netd *d, struct port *port, bool mac_chosen, const struct peer *peer,
		struct attachment *ret, struct vnet_error *err);
/*
 * Replaces the port's definition on the running device. after is taken. -EBUSY
 * "needs-disruption": its guest would lose packets, and may_disrupt is false.
 */
int port_change(struct netd *d, struct port_entry *entry, struct port *after, bool may_disrupt,
		struct vnet_error *err);
int port_detach(struct netd *d, struct port_entry *entry, struct vnet_error *err);
/* Many at once, for little more than the price of one. */
typedef VEC(struct port_entry *) port_entry_vec;
int ports_detach(struct netd *d, const port_entry_vec *entries, struct vnet_error *err);
/* The port's device is no more: ports_forget_gone() will see to it. */
void port_set_gone(struct netd *d, struct port_entry *entry);
/* Takes the rules, state and leases of d->gone away: their devices are no more. */
void ports_forget_gone(struct netd *d);
/* Detaches ports whose owners have ended, where that did not succeed at once. Were there any? */
bool ports_end_unowned(struct netd *d);
/* Gives and takes slots as the networks are now; those that changed are saved. */
void ports_choose_slots(struct netd *d);
struct port_entry *port_find(struct netd *d, const char *name, struct vnet_error *err);
/* Ports of an earlier netd: those whose device lives, or which are persistent, come back. */
int ports_restore(struct netd *d, const struct snapshot *snap, struct vnet_error *err);
void port_set_blocked(struct netd *d, struct port_entry *entry, const struct vnet_error *err);
/* By which interface it is known here: a virtual function by its NIC's. */
const char *port_interface(const struct port_entry *entry);
/* It is there as far as anybody knows, though not all have an index in this namespace. */
bool port_has_device(const struct port_entry *entry);

/* ---- dhcp.c ---- */

/* The network's reserved addresses changed: dnsmasq's files follow soon, once for many ports. */
void dhcp_changed(struct netd *d, const struct network_entry *entry);
/*
 * Calls fn, now or from the loop, when the network's dnsmasq has been told of the
 * addresses reserved by now: a guest that asks at once gets its own.  was_told is
 * false when that took too long, or netd ends.
 */
void dhcp_when_told(struct netd *d, const struct network_entry *entry,
		    void (*fn)(void *arg, bool was_told), void *arg);
/* At the end, while calls can still be answered. */
void dhcp_end_waiting(struct netd *d);
/* Writes dnsmasq's files and starts, reloads, restarts or stops it as needed. */
int dhcp_apply(struct netd *d, struct network_entry *entry, struct vnet_error *err);
/* What was done to dnsmasq or its files and no event tells. */
void dhcp_look_after(struct netd *d);
void dhcp_release_leases(struct netd *d, const struct port_entry *entry);
/* Adds to ops what dhcp_apply() would do if nets were defined. */
void dhcp_plan(struct netd *d, struct network *const *nets, size_t n_nets, op_vec *ops);
int dhcp_init(struct netd *d, struct vnet_error *err);
/* What the network's dnsmasq has leased, or NULL. */
const struct lease_file *dhcp_leases(struct netd *d, const struct network_entry *entry);
/* The leased addresses of the port's MAC. */
void dhcp_port_addresses(struct netd *d, const struct port_entry *entry, ip_vec *ret);

/* ---- egress.c ---- */

/* From now on, addresses that were not answered for long are let out no more. */
void egress_start(struct netd *d);
/* After these have run: dnsmasq forgets what it answered before the sets were there. */
void egress_refresh(struct netd *d, const op_vec *ops);

/* ---- events.c ---- */

int events_start(struct netd *d, struct vnet_error *err);
/* Takes in what the kernel has told by now. Ports may be forgotten in it. */
void events_catch_up(struct netd *d);

/* ---- doctor.c ---- */

/* Facts about networks that `peer` may see (NULL: all), and the host; see doctor/doctor.h. */
int doctor_gather(struct netd *d, const struct peer *peer, struct doctor_facts *ret, struct vnet_error *err);
/* The fixes are kept in force from now on, or no more; what was changed is told, a sentence each. */
int doctor_keep_fixes(struct netd *d, bool keep, text_list *ret_changes, struct vnet_error *err);
/* Were they kept by an earlier netd? */
void doctor_load(struct netd *d);
/* Others' rules changed, or our networks: what is kept is looked after, in the loop. */
void doctor_look_soon(struct netd *d);

/* ---- monitor.c ---- */

struct monitor *monitor_new(struct netd *d);
struct monitor *monitor_free(struct monitor *monitor);
int monitor_subscribe(struct monitor *monitor, struct call *call, const char *network);
/* details is taken, or NULL. */
void monitor_emit(struct netd *d, const char *event, const char *network, const char *port,
		  json_t *details, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* ---- trace.c ---- */

struct trace *trace_new(void);
struct trace *trace_free(struct trace *trace);
/* The port is traced as long as the call lives. */
int trace_subscribe(struct netd *d, struct call *call, struct port_entry *entry, bool wants_passed,
		    struct vnet_error *err);
/* KERNEL_EVENT_NFT: what was read of others' rules does not hold any more. */
void trace_rules_changed(struct netd *d);
/* KERNEL_EVENT_TRACE, KERNEL_EVENT_SAMPLE. */
void trace_event(struct netd *d, const struct kernel_event *event);
/* Before the entry goes: whoever traces it is told. */
void trace_port_gone(struct netd *d, struct port_entry *entry);

/* ---- config.c ---- */

int config_read_settings(struct netd *d, struct vnet_error *err);
int config_read_policy(struct netd *d, struct vnet_error *err);
/* Every file below networks.d; a bad one is logged and leaves its networks as they run. */
void config_read_networks(struct netd *d);
/*
 * Is file one of those that config_read_networks() reads? Returns its name as that
 * gives it, or NULL; *ret_same tells whether it holds just this text.
 */
char *config_networks_file(const struct netd *d, const char *file, const char *text, bool *ret_same);
/* At SIGHUP: all three. */
void config_reload(struct netd *d);

#endif
