/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_DRIFT_H
#define NETD_DRIFT_H

/*
 * drift.h - what others change of what is netd's, and how long netd puts up with it
 *
 * A thing is a port, a network (its devices, addresses, routes, switches), the rules, or the
 * host. Each is counted by itself: who fights over one delays the repair of no other.
 *
 * The first changes are put back at once. Then each repair waits twice as long as the one
 * before. Who still does not leave it alone gets it: the thing is held, netd says who it was,
 * and does no more to it until nobody has touched it for a while, or somebody asks for it
 * (Repair, Apply, UpdatePort). What must not stay open is closed first: a held
 * port is set down, and where a held network's bridge tells its guests or VLANs apart, or
 * the rules are what is held, all ports that rely on it are.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DRIFT_SETTLE_USEC 30000 /* events of one action come within this */
#define DRIFT_WINDOW_SECONDS 60 /* repairs are counted for so long */
#define DRIFT_AT_ONCE 5         /* of them wait for nothing */
#define DRIFT_REPAIRS_MAX 12    /* then the thing is held */
#define DRIFT_QUIET_SECONDS 60  /* a held thing is tried again after so long without a change; doubles each time */
#define DRIFT_QUIET_DOUBLINGS 4
/* Rules are not left alone between two repairs, for that would leave them open. */
#define DRIFT_RULES_WINDOW_SECONDS 20
#define DRIFT_RULES_MAX 20

struct culprit {
	int pid;                /* 0: the kernel did not tell */
	char process[16];       /* "": it has ended */
};

struct drift {
	uint64_t since;         /* the first repair that counts */
	unsigned repairs;
	uint64_t due;           /* loop_now() before which nothing of it is repaired */
	unsigned holds;         /* one after another */
	bool is_held;
	bool is_cut;            /* and set down, or the ports that rely on it */
	bool is_touched;        /* an event told so since the last repair */
	bool is_counted;        /* in the repair that runs */
	struct culprit by;      /* who was last seen to */
};

struct netd;
struct network_entry;
struct port_entry;
struct op;
struct vnet_error;

/* Whom an event names, by the netlink port of the request that caused it; process may be NULL. */
void drift_seen(struct drift *drift, int pid, const char *process);
/*
 * Events tell that the thing is not as netd left it: it is looked at when they have settled,
 * or when its time has come. entry NULL: the host.
 */
void drift_port(struct netd *d, struct port_entry *entry);
void drift_network(struct netd *d, struct network_entry *entry);
void drift_rules(struct netd *d);

/* Held things whose quiet time is over are looked after again. */
void drift_release_due(struct netd *d);
/*
 * Does what the operation is of, or what it relies on, wait?  *soonest becomes the earlier of
 * it and loop_now() when that ends.
 */
bool drift_waits(struct netd *d, const struct op *op, uint64_t *soonest);
/* The operations of a repair that has run, told and counted; what is too much is held. */
void drift_repaired(struct netd *d, const struct op *ops, size_t n);

/* After a look: who was seen to do something is of the past, but where it waits. */
void drift_looked(struct netd *d);

/* Somebody asked for it: whatever was counted is forgotten. */
void drift_forgive_port(struct netd *d, struct port_entry *entry);
/* The rules, and what is of no network: before anything new is brought up. */
void drift_forgive_host(struct netd *d);
/* With its ports, and the host. */
void drift_forgive_network(struct netd *d, struct network_entry *entry);
void drift_forgive_all(struct netd *d);

/* Why nothing is done to it, for those who ask; false and *ret untouched where that is not so. */
bool drift_problem(const struct drift *drift, const char *network, struct vnet_error *ret);
bool drift_rules_problem(struct netd *d, struct vnet_error *ret);
/* May a new port of the network be raised? */
int drift_check_attach(struct netd *d, const struct network_entry *network, struct vnet_error *err);

#endif
