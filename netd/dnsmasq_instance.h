/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_DNSMASQ_INSTANCE_H
#define NETD_DNSMASQ_INSTANCE_H

/* dnsmasq_instance.h - one network's dnsmasq; between dnsmasq.c and dnsmasq_instance.c only. */

#include "dhcp/conf.h"
#include "netd/dnsmasq.h"

#include <stdint.h>

struct child;
struct lease_watch;
struct loop_source;
struct resolvers;

enum phase {
	PHASE_IDLE,     /* no process */
	PHASE_STARTING, /* child is dnsmasq on its way to be a daemon */
	PHASE_RUNNING,
	PHASE_TESTING,  /* child is dnsmasq --test of next; a process may be running or not */
	PHASE_STOPPING, /* SIGTERM sent */
	PHASE_WAITING,  /* no process; the timer starts one */
};

#define DNSMASQ_N_TESTED 2

struct instance {
	struct dnsmasq_set *set;
	char *network, *dir;
	enum phase phase;
	bool is_wanted;
	bool is_claimed;        /* applied or stopped since it was adopted */
	bool must_reload;       /* adopted: its files may be newer than what it has read */
	bool forgets_leases;
	bool has_next, has_current;
	struct dhcp_files next, current;
	bool next_is_tested;
	bool must_test_again;   /* next changed while it was tested */
	int hosts_watch;        /* it has not read its reserved addresses yet; else -1 */
	bool has_refused;
	char *refused[DNSMASQ_N_TESTED]; /* what --test did not accept, in place of which current stays */
	pid_t pid;
	int pidfd;
	struct loop_source *pid_source, *timer;
	struct child *child;
	unsigned failures;
	uint64_t started, logged;
	struct vnet_error problem;
	/* For release: where the leases' server is. */
	char bridge[16];
	VEC(struct prefix) addresses;
	/* What subscribers were told last. */
	enum dnsmasq_state told_state;
	char told_problem[sizeof(((struct vnet_error *)0)->message)];
};

struct dnsmasq_set {
	struct loop *loop;
	char *run_dir, *lease_dir;
	char *program;          /* given, or NULL: looked for at each start */
	bool has_group;
	gid_t group;            /* dnsmasq's */
	const unsigned *egress_hold; /* not ours; or NULL */
	struct dnsmasq_callbacks callbacks;
	void *context;
	struct lease_watch *leases;
	struct resolvers *resolvers;
	int inotify;            /* tells who has read what; -1: none to be had */
	struct loop_source *inotify_source;
	VEC(struct instance *) instances; /* by network */
	VEC(struct instance *) gone; /* freed by the timer: somebody up the stack may hold one */
	struct loop_source *tell_timer;
};

/* ---- dnsmasq_instance.c ---- */

/* Takes the step that is due.  May end the instance: it is in set->gone then. */
void instance_advance(struct instance *in);
/* What dnsmasq_look_after() promises; true: in text is what was put back. */
bool instance_look_after(struct instance *in, char *text, size_t size);
void instance_free(struct instance *in);
enum dnsmasq_state instance_state(const struct instance *in);
/* Takes hold of the process that runs with its files; false when none does. */
bool instance_hold_process(struct instance *in);
/* The latest of its texts; NULL: none. */
const struct dhcp_files *instance_files(const struct instance *in);
/* Are these what `dnsmasq --test` did not accept? */
bool instance_has_refused(const struct instance *in, const struct dhcp_files *files);
/* In place of what was refused in files, what stays in force. */
void instance_replace_refused(const struct instance *in, struct dhcp_files *files);
void instance_clear_problem(struct instance *in);
/* A folder that dnsmasq's user can search, whatever our umask. */
int instance_make_folder(const char *path, struct vnet_error *err);

/* ---- dnsmasq.c ---- */

/* Its process has ended and nobody wants another. */
void instance_remove(struct instance *in);
/* In the next round of the loop. */
void dnsmasq_tell_later(struct dnsmasq_set *set);

#endif
