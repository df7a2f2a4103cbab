/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_DNSMASQ_H
#define NETD_DNSMASQ_H

/*
 * dnsmasq.h - one dnsmasq for each network that serves DHCP, DNS or RA
 *
 * A dnsmasq makes itself a daemon and is never netd's child while it serves: one that
 * was started a moment ago and one that an earlier netd started are held by
 * the same pidfd and treated alike.  netd's end leaves them running.
 *
 * Everything here returns at once; what takes time goes on in the loop:
 *
 *   dnsmasq_apply() → write files → [--test] → [SIGTERM, wait] → start → running
 *   ended by itself, or did not start → wait 0.2 s … 30 s → start
 *
 * A new configuration is tried with `dnsmasq --test` before the running one is
 * stopped, so that a bad one costs nobody the service.
 *
 * Files: RUN/dnsmasq/NETWORK/{dnsmasq.conf,hosts,options,records,servers,run/pid} and
 * STATE/dnsmasq/NETWORK.leases.  The folders must be searchable by dnsmasq's
 * user, which reads four of the files again at SIGHUP.
 */

#include "dhcp/leases.h"
#include "model/network.h"
#include "model/port.h"
#include "plan/op.h"

#include <sys/types.h>

struct dnsmasq_set;
struct loop;

enum dnsmasq_state {
	DNSMASQ_STOPPED,
	DNSMASQ_STARTING,
	DNSMASQ_RUNNING,
	DNSMASQ_FAILED,  /* did not start or ended, and is tried again */
};

struct dnsmasq_options {
	const char *run_dir, *state_dir; /* exist; our folders are made in them */
	const char *program;     /* NULL: dnsmasq in /usr/sbin, /usr/bin, /usr/local/sbin */
	const char *resolv_conf; /* NULL: /etc/resolv.conf */
	bool has_group;          /* what dnsmasq writes is made for it: no user of its own gives it away */
	gid_t group;
	const unsigned *egress_hold; /* as it is when files are made; NULL: EGRESS_HOLD */
};

/* Called from the loop, never from within a function below.  Any may be NULL. */
struct dnsmasq_callbacks {
	void (*lease)(void *context, const char *network, enum lease_change change,
		      const struct lease *lease);
	/*
	 * problem is NULL unless something is wrong; RUNNING with a problem: the
	 * former configuration serves on, because the new one was refused.
	 */
	void (*state)(void *context, const char *network, enum dnsmasq_state state,
		      const struct vnet_error *problem);
	/* Something moved: dnsmasq_is_settled() may say something else now. */
	void (*moved)(void *context);
	/* The host's resolvers are others now: dnsmasq_apply() every network. */
	void (*resolvers_changed)(void *context);
};

/*
 * What somebody did to those that run and no event tells: one that was stopped (SIGSTOP)
 * goes on, files that were changed are as netd wrote them. told, which may be NULL, is
 * called for each, at once.
 */
void dnsmasq_look_after(struct dnsmasq_set *set,
			void (*told)(void *context, const char *network, const char *text),
			void *context);

int dnsmasq_set_new(struct loop *loop, const struct dnsmasq_options *options,
		    const struct dnsmasq_callbacks *callbacks, void *context,
		    struct dnsmasq_set **ret, struct vnet_error *err);
/* Lets go of all; they run on.  Returns NULL. */
struct dnsmasq_set *dnsmasq_set_free(struct dnsmasq_set *set);

/* At start: takes hold of those that an earlier netd left running. */
int dnsmasq_adopt(struct dnsmasq_set *set, struct vnet_error *err);
/* After the networks were applied: ends those adopted that nobody wants. */
void dnsmasq_stop_unclaimed(struct dnsmasq_set *set);

/*
 * Makes the network's dnsmasq serve this definition and these ports' reserved
 * addresses; ends it when the network wants none.  ports may hold other
 * networks' too.  Returns 1 with what it does, 0 when nothing was to be done.
 * -EINVAL: dnsmasq cannot serve it, the former goes on.  -ENOENT: dnsmasq is
 * not installed; it is started as soon as it is.
 */
int dnsmasq_apply(struct dnsmasq_set *set, const struct network *net,
		  const struct port *const *ports, size_t n_ports,
		  enum service_action *ret_action, struct vnet_error *err);
/* What dnsmasq_apply() would return and do.  Changes nothing. */
int dnsmasq_would(struct dnsmasq_set *set, const struct network *net,
		  const struct port *const *ports, size_t n_ports,
		  enum service_action *ret_action, struct vnet_error *err);

/* Forgets what it has been told by others' name servers, where it runs: asks them again. */
void dnsmasq_refresh(struct dnsmasq_set *set, const char *network);

/* SIGTERM, and SIGKILL when that does not help; the leases stay for the next start. */
void dnsmasq_stop(struct dnsmasq_set *set, const char *network);
/* The network is deleted: stop, and forget its leases. */
void dnsmasq_forget(struct dnsmasq_set *set, const char *network);

/* ret_problem (may be NULL) is cleared where nothing is wrong. */
enum dnsmasq_state dnsmasq_state(const struct dnsmasq_set *set, const char *network,
				 struct vnet_error *ret_problem);
/*
 * Nothing of what was applied is still on its way to dnsmasq: it has read it, or
 * it failed and is tried again.
 */
bool dnsmasq_is_settled(const struct dnsmasq_set *set, const char *network);
/* Is this process the dnsmasq of one of the networks, also while it is starting or ending? */
bool dnsmasq_is_ours(const struct dnsmasq_set *set, pid_t pid);
/* 0 when it does not run. */
pid_t dnsmasq_pid(const struct dnsmasq_set *set, const char *network);

/* Valid until the next round of the loop; NULL for a network without dnsmasq. */
const struct lease_file *dnsmasq_leases(const struct dnsmasq_set *set, const char *network);
/*
 * Gives back every lease of this MAC, as the guest would have (RFC 2131
 * DHCPRELEASE, RFC 8415 RELEASE); the callback tells when dnsmasq has done so.
 * The messages leave before it returns: the port's device may go afterwards.
 */
void dnsmasq_release(struct dnsmasq_set *set, const char *network, const struct mac *mac);

#endif
