/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_REGISTRY_H
#define NETD_REGISTRY_H

/*
 * registry.h - the networks that are defined and the ports that exist
 *
 * Sorted tables with binary search; an insertion moves a few kilobytes at most.
 * The registry owns its entries; pointers stay valid until the entry is removed.
 */

#include "model/network.h"
#include "model/port.h"
#include "netd/drift.h"
#include "plan/link_look.h"
#include "plan/snapshot.h"
#include "vnet/error.h"

#define PORTS_MAX 16384           /* per daemon */
#define BRIDGE_PORTS_MAX 1023     /* BR_MAX_PORTS is 1024, number 0 is never given */

enum network_state {
	NETWORK_STOPPED,
	NETWORK_RUNNING,
	NETWORK_FAILED,  /* wanted, but the last attempt failed: see problem */
};
const char *network_state_name(enum network_state state);

struct network_entry {
	struct network *net;
	enum network_state state;
	bool is_wanted;           /* started, or to be started as soon as it can be */
	/*
	 * It would be wanted, but waits: its NIC is taken under watch (uplink.h), or
	 * what was read at start was refused and is looked at again by each reconcile.
	 */
	bool is_due;
	bool is_from_file;        /* below networks.d; else applied over the API */
	bool is_orphan;           /* not defined any more: goes with its last port */
	bool is_ending;           /* while networks_stop() gathers its ports */
	bool is_stopping;         /* stopped, but not all of it could be taken away yet */
	bool is_replaced;         /* by registry_mark_replaced(), until its next call */
	struct network *fallback; /* at start: the definition that ran before, or NULL */
	struct vnet_error problem;
	size_t n_ports;
	int bridge_ifindex;       /* of its bridge, or companion; 0: not there, as far as we know */
	unsigned bridge_mtu;      /* as the kernel last told; 0: not there */
	unsigned uplink_mtu;      /* the same of its uplink */
	char missing[16];         /* the uplink, or a link's device, that is not there; "": none */
	struct drift drift;       /* what others change of it, but of its ports */
};
/* None is declared, and the bridge's follows from its VLAN's uplink and what is between the hosts. */
bool network_entry_derives_mtu(const struct network_entry *entry);
/* The definition with the MTU that its guests can have then. Borrows all from the entry. */
struct network network_entry_in_force(const struct network_entry *entry);

typedef VEC(struct network_entry *) network_entry_vec;

enum port_state {
	PORT_UP,
	PORT_DOWN,      /* link_down */
	PORT_BLOCKED,   /* its rules or its place on the bridge could not be set: see problem */
};
const char *port_state_name(enum port_state state);

/* Which namespace it is, whatever path leads there. */
struct port_namespace { uint64_t device, inode; };

struct owner;

struct port_entry {
	struct port *port;
	struct network_entry *network;
	int ifindex;              /* 0: no device yet, or none in this namespace */
	bool is_elsewhere;        /* its device is in the namespace of port->netns alone */
	struct port_namespace namespace; /* of such a one */
	int inside_ifindex;       /* and its index there: the name is its owner's to change */
	char pci_address[32];     /* of a virtual function, or "" */
	struct owner *owner;      /* the process that it ends with, or NULL */
	bool has_no_owner;        /* it had ended when netd started */
	enum port_state state;
	struct link_look look;    /* of its device, as the last plan left it */
	struct link_look seen;    /* as the last event told */
	bool is_suspect;          /* the last event of its device did not fit */
	struct drift drift;       /* what others change of it */
	bool is_attaching;        /* port_attach() works on it: nobody else may forget it */
	bool is_gone;             /* its device is no more: it is in netd's list gone */
	struct vnet_error problem;
};

struct registry {
	VEC(struct network_entry *) networks; /* by name */
	VEC(struct port_entry *) ports;       /* by name */
	VEC(struct port_entry *) by_ifindex;  /* ports with a device */
	unsigned next_ifname;
	struct devices *devices;              /* devices.h; NULL: to be made when it is asked for */
};

void registry_free(struct registry *reg);

struct network_entry *registry_network(const struct registry *reg, const char *name);
struct network_entry *registry_network_by_ifindex(const struct registry *reg, int ifindex);
/* Takes net.  A definition by that name is replaced, entry and ports stay. */
struct network_entry *registry_put_network(struct registry *reg, struct network *net);
/* Sets is_replaced of each entry: one of nets has its name. */
void registry_mark_replaced(struct registry *reg, struct network *const *nets, size_t n);
/* The entry must have no ports. */
void registry_remove_network(struct registry *reg, struct network_entry *entry);

struct port_entry *registry_port(const struct registry *reg, const char *name);
struct port_entry *registry_port_by_ifindex(const struct registry *reg, int ifindex);
struct port_entry *registry_port_by_ifname(const struct registry *reg, const char *ifname);
/* Takes port; its name must be free. */
struct port_entry *registry_add_port(struct registry *reg, struct network_entry *network,
				     struct port *port);
void registry_set_ifindex(struct registry *reg, struct port_entry *entry, int ifindex);
/* Takes port in place of the entry's. The name stays. */
void registry_replace_port(struct port_entry *entry, struct port *port);
void registry_remove_port(struct registry *reg, struct port_entry *entry);
size_t registry_count_ports_of(const struct registry *reg, uint32_t uid);
/* Names of devices that are there, ours or not, are not given to new ports. */
void registry_avoid_ifnames(struct registry *reg, const struct snapshot *snap);
/* The next vpN that is free as an interface's and as a port's name. */
void registry_new_ifname(struct registry *reg, char ret[16]);
/* How the ports' devices are now is how they are to stay. */
void registry_note_looks(struct registry *reg, const struct snapshot *snap);
/* All ports as the model's checks want them. */
typedef VEC(struct port *) port_ptr_vec;
void registry_port_list(const struct registry *reg, port_ptr_vec *ret);

#endif
