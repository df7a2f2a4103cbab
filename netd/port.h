/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_PORT_H
#define NETD_PORT_H

/*
 * port.h - what the files about ports share
 *
 *   ports.c       attach, open again, change
 *   port_kinds.c  the device: what differs between the kinds
 *   port_end.c    detach, and what follows when a device vanished or an owner ended
 *   port_state.c  ports in the journal, and back from it
 */

#include "netd/netd.h"

/*
 * What differs between the kinds. A device is made here, down and with no way for a
 * frame; rules, place and options are the planner's operations, and so is its end.
 */
struct device_kind {
	/*
	 * Makes the device, or with `exists` opens the one that is there once more.
	 * Sets ret's descriptors and the entry's ifindex, where it has one here.
	 */
	int (*open)(struct netd *d, struct port_entry *entry, bool exists, struct attachment *ret,
		    struct vnet_error *err);
	/* Takes away what open() made and a closed descriptor leaves behind: the attach failed. */
	int (*remove)(struct netd *d, struct port_entry *entry, struct vnet_error *err);
	/* After a restart: is the port's device there? link is that of the recorded index, or NULL. */
	bool (*is_there)(struct netd *d, struct port_entry *entry, const struct link *link,
			 const struct snapshot *snap);
	bool has_owner;   /* ends with the process that it is for */
	bool has_persistence; /* may outlive its user; a namespace's end is the end of what is in it */
	bool is_remade;   /* a persistent one that vanished is made again by the next plan */
};

const struct device_kind *device_kind(const struct port *port);
bool port_device_is_there(int ifindex);
void port_close_fds(struct attachment *a);
/* Does the namespace of a port's path still hold its interface? Only where no event would tell. */
void port_watch_namespaces(struct netd *d);

/* ---- port_state.c ---- */

/* `port` in the entry's place, for it may be what the entry's port becomes. */
int port_save(struct netd *d, const struct port_entry *entry, const struct port *port,
	      struct vnet_error *err);
/* Gives the port a slot if its traffic is shaped, or takes it away. */
int port_choose_slot(const struct registry *reg, const struct network_entry *network,
		     struct port *port, struct vnet_error *err);
/* From now on the port ends with its owner, if its kind has none other end. */
int port_watch_owner(struct netd *d, struct port_entry *entry, uint64_t started,
		     struct vnet_error *err);

/* ---- port_end.c ---- */

/* Takes the elements of a port away, whatever of its device is left. */
void port_remove_rules(struct netd *d, struct port_entry *entry);
/* Everything of an attachment that did not succeed, and the entry. */
void port_undo_attach(struct netd *d, struct port_entry *entry, struct attachment *a);

#endif
