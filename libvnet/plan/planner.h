/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_PLAN_PLANNER_H
#define VNET_PLAN_PLANNER_H

/*
 * planner.h - what the parts of the planner share; nobody else includes it
 *
 * Each operation is applied to a copy of the snapshot as it is added, so every
 * later decision sees the devices, addresses and routes as they will be then.
 * A part asks what is in `now`, adds what differs, and is done; that a second
 * plan finds nothing to do follows from op_apply().
 */

#include "plan/op_apply.h"
#include "plan/plan.h"

struct vlan_map;

struct planned_network {
	const struct network *net;
	/*
	 * A shallow copy of *net for the rules, with what only the host knows:
	 * the MAC that the bridge got from its uplink, and no device that is not
	 * there.
	 */
	struct network effective;
	char bridge[16];   /* or the companion; "" without either */
	bool is_ours;      /* we make the bridge */
	bool has_interface; /* our bridge, or a companion: the host has addresses on it */
	bool is_usable;    /* the network can be had; else a note said why */
	bool has_takeover; /* bridged, and the uplink is there to be taken or is ours already */
	bool has_vlan;     /* its VLAN can be had */
	bool is_shaped;    /* it has an IFB */
	uint32_t mtu;      /* of the bridge or the companion; 0: not looked at yet */
	VEC(struct network_link) links; /* effective.links: with the peers that can be had */
};

/* A device of ours other than a bridge or a guest's port, as it shall be. */
struct planned_device {
	struct op_link link;  /* as for OP_LINK_CREATE; as a bridge port: master and port.isolated */
	char network[16];     /* whose; "": of several */
	const struct network_link *peers; /* of a VXLAN device: whom it floods to */
};

/* What is found by its name, in alphabetical order. */
struct plan_name {
	const char *name;
	int value;
};
typedef VEC(struct plan_name) plan_names;

struct planner {
	const struct desired *d;
	const struct snapshot *snap; /* as it was observed */
	struct snapshot now;         /* as it is after the operations so far; without nft */
	struct link_names now_names; /* of now */
	struct nft_ruleset *rules;   /* as they are now where snap's are not any more, or NULL */
	struct plan *plan;
	struct vnet_error *err;
	int result;                  /* of the first operation that op_apply() refused */
	VEC(struct planned_network) nets;
	plan_names net_names, bridge_names; /* value: place in nets */
	plan_names port_names;       /* by ifname; value: place in d->ports */
	VEC(struct planned_device) devices; /* in the order in which they can be made */
	plan_names device_names;     /* value: place in devices */
	VEC(const struct link *) strangers; /* not ours, but of such kinds; while nothing is planned */
};

/* An operation filled in by the caller: added to the plan and applied to `now`. */
struct op plan_op(enum op_kind kind, const char *network);
void plan_emit(struct planner *p, const struct op *op);
void plan_emit_all(struct planner *p, op_vec *ops); /* and frees the list */
void plan_emit_sysctl(struct planner *p, const char *network, const char *path, int64_t value);
void plan_emit_addr(struct planner *p, enum op_kind kind, const char *network, const char *ifname,
		    const struct addr *addr);
void plan_emit_route(struct planner *p, enum op_kind kind, const char *network, const char *ifname,
		     const struct route *route);
void plan_note(struct planner *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The addresses of one device in `now`, which is sorted by device; NULL: none. */
const struct addr *plan_first_addr(const struct planner *p, int ifindex);
const struct addr *plan_next_addr(const struct planner *p, const struct addr *addr);
#define plan_each_addr(it, p, index) \
	for (const struct addr *it = plan_first_addr(p, index); it; it = plan_next_addr(p, it))
void plan_sort_names(plan_names *names);
const struct plan_name *plan_find_name(const plan_names *names, const char *name); /* or NULL */
const struct link *plan_link(const struct planner *p, const char *name);
bool plan_bridge_has_ports(const struct planner *p, const char *bridge);
const struct planned_network *plan_network(const struct planner *p, const char *name);
const struct port *plan_port(const struct planner *p, const char *ifname);
/* The one that makes it, or else one that uses it. */
const struct planned_network *plan_network_of_bridge(const struct planner *p, const char *bridge);
/* "net/ipv6/conf/eth0/accept_ra"; family AF_INET or AF_INET6. */
void plan_conf_path(char ret[96], int family, const char *ifname, const char *leaf);
/*
 * Emits the write unless the value is so already.  Where the snapshot does not
 * know the switch the kernel has none: a new device has what "default" has.
 */
void plan_want_conf(struct planner *p, const char *network, int family, const char *ifname,
		    const char *leaf, int64_t value);
/* The value now, or fallback. */
int64_t plan_conf(const struct planner *p, int family, const char *ifname, const char *leaf,
		  int64_t fallback);
/* Records the value that a foreign switch had, once; forgets it when the plan is done. */
void plan_save(struct planner *p, const char *path, int64_t was);
bool plan_saved(const struct planner *p, const char *path, int64_t *ret);
void plan_forget(struct planner *p, const char *path);
bool plan_has_path(const struct saved_sysctl *v, size_t n, const char *path);

/* plan_resolve.c */
void plan_resolve(struct planner *p);
bool plan_network_has_interface(const struct network *net);
/* The device that the network stands on is there, or will be: a bridge of another network of ours. */
bool plan_uplink_can_be(const struct planner *p, const char *name);

/* plan_delete.c */
/* Deletes the devices of ours that nobody wants, many in one go. */
void plan_delete(struct planner *p);
/* Bridges that their ports have left since; those that cannot go get a note. */
void plan_delete_left(struct planner *p);

/* plan.c: the rules' elements of devices that are deleted and made anew under their names */
void plan_rules_forget(struct planner *p, const char *const *names, size_t n);

/* plan_bridge.c */
/* A bridge that we made: by our mark, or (someone took that off) by the MAC that only we give. */
bool plan_bridge_is_ours(const struct link *link, const struct network *net);
void plan_bridges(struct planner *p);
/* Of the network's own interface. */
void plan_own_sysctls(struct planner *p, const struct planned_network *pn);
void plan_bridges_raise(struct planner *p);

/* plan_mtu.c */
/* The MTU of the network's bridge or companion: as declared, or what its way out leaves. */
uint32_t plan_mtu(struct planner *p, struct planned_network *pn);
/* Of the device by that name, as it will be; fallback where there is none. */
uint32_t plan_device_mtu(struct planner *p, const char *name, uint32_t fallback);
/* Of the VLAN that the network's uplink has for it. */
uint32_t plan_vlan_mtu(struct planner *p, const struct planned_network *pn);
/* It is new, and less than one would think. */
void plan_note_mtu(struct planner *p, const struct planned_network *pn);
/*
 * The interface by which the host reaches the peer, and the MTU that the route
 * has of its own (0: none); without a peer where the link's local address is.
 * NULL: none, or several.
 */
const struct link *plan_underlay(const struct snapshot *snap, const struct network_link *link,
				 const struct ip *peer, uint32_t *ret_route_mtu);

/* plan_device.c */
struct planned_device *plan_add_device(struct planner *p, const struct planned_network *pn,
				       const char *kind, const char *name, const char *alias);
/* Notes what makes it impossible: a foreign device by its name, or that is the same. */
bool plan_device_can_be(struct planner *p, const struct planned_device *device);
void plan_devices_index(struct planner *p);
/* A device of ours is as it should be, but for what can be changed. */
bool plan_device_is_wanted(const struct planner *p, const struct link *link);
/* There shall be a device of that name. */
bool plan_has_device(const struct planner *p, const char *name);
void plan_devices_make(struct planner *p);
void plan_devices_join(struct planner *p);

/* plan_vlan.c */
void plan_resolve_vlan(struct planner *p, struct planned_network *pn);
void plan_vlan_wants(struct planner *p, struct planned_network *pn);
void plan_services_want(struct planner *p);
void plan_vlan_note_down(struct planner *p, const struct planned_device *device);

/* plan_link.c */
void plan_resolve_links(struct planner *p, struct planned_network *pn);
void plan_links_want(struct planner *p, struct planned_network *pn);
void plan_peers(struct planner *p);

/* plan_macvtap.c */
void plan_resolve_macvtap(struct planner *p, struct planned_network *pn);
void plan_companion_wants(struct planner *p, struct planned_network *pn);
void plan_companions_sysctls(struct planner *p);

/* plan_shape.c */
void plan_shapes_resolve(struct planner *p);
void plan_ifb_wants(struct planner *p, struct planned_network *pn);
void plan_shape_roots(struct planner *p);
/* The port's own classes; takes them away where it has no limit any more. */
void plan_shape_port(struct planner *p, const struct planned_network *pn, const struct port *port);
/* Before its IFB goes: frames redirected to a device that is no more are lost. */
void plan_unshape(struct planner *p, int ifb);
bool shape_is_wanted(const struct network *net, const struct port *port);
struct op_shape shape_wanted(const struct network *net, const struct port *port);
/* On the hot path: the IFB as well, where the network itself declares no limit. */
void shape_ops_begin(const struct network *net, const struct port *port, op_vec *ret);
void shape_ops_end(const struct network *net, const struct port *port, op_vec *ret);

/* plan_checksum.c */
void plan_checksum(struct planner *p, const struct network *net, const struct port *port);
/* On the hot path: from before to after, either may be NULL. */
void checksum_ops(const struct network *net, const struct port *before, const struct port *after,
		  op_vec *ret);

/* plan_member.c: who is in which VLAN of a VLAN-aware bridge */
void member_port_map(const struct network *net, const struct port *port, struct vlan_map *ret);
/* The operations from one map to the other: never through more than either. */
void member_ops(const struct vlan_map *is, const struct vlan_map *wanted, const char *network,
		const char *ifname, bool is_bridge, op_vec *ret);
void plan_members_of_bridge(struct planner *p, const struct planned_network *pn);
void plan_members_of_trunk(struct planner *p, const struct planned_network *pn, const char *ifname);
void plan_members_of_port(struct planner *p, const struct planned_network *pn,
			  const struct port *port);
/* It no longer looks at VLANs: nothing of what it saw is left for the day when it does again. */
void plan_members_forget(struct planner *p, const struct planned_network *pn,
			 const struct snapshot *was, int bridge);

/* plan_vf.c */
void plan_vfs(struct planner *p);
struct op_vf vf_wanted(const struct network *net, const struct port *port);
struct op_vf vf_unused(const struct network *net, const struct port *port);

/* plan_hot.c */
/* dev_qdisc_change_tx_queue_len() takes a device that is up out of work for a moment. */
#define TXQUEUELEN_LOSES "Linux drops what is sent to the port while it makes the queue anew"
#define PORT_OPTIONS ((uint32_t)(LINK_SET_ISOLATED | LINK_SET_ROOT_GUARD | LINK_SET_LEARNING | \
				 LINK_SET_FLOOD | LINK_SET_MCAST_FLOOD | LINK_SET_HAIRPIN | \
				 LINK_SET_PROXY_ARP))
extern const struct bridge_port_state port_options_fresh; /* of any new bridge port */
/* Appends the transaction, taking it over, and what must wait for it; network NULL: of the host. */
void plan_add_nft(op_vec *ops, const char *network, struct nft_txn *txn);
struct op_link port_wanted_link(const struct network *net, const struct port *port);
/* Of the port options those that differ. */
uint32_t port_differing_options(const struct bridge_port_state *is,
				const struct bridge_port_state *wanted);
bool port_has_features(const struct port *port);

/* plan_address.c */
void plan_addresses_remove(struct planner *p);
void plan_addresses_add(struct planner *p);
void plan_routes_remove(struct planner *p);
void plan_routes_add(struct planner *p);
uint8_t plan_addr_scope(const struct prefix *prefix);

/* plan_port.c */
void plan_taps_create(struct planner *p);
void plan_ports(struct planner *p);
/* A guest's device of ours that no port is known of, to be deleted. */
bool plan_is_orphan(struct planner *p, const struct link *link);
void plan_strays(struct planner *p);
/* The port's device is there, or will be after plan_taps_create(). */
bool plan_port_is_usable(const struct planner *p, const struct port *port);

/* plan_takeover.c */
void plan_give_back(struct planner *p);
void plan_take_over(struct planner *p);
struct mac plan_uplink_bridge_mac(const struct planner *p, const struct planned_network *pn);

/* plan_forwarding.c */
void plan_forwarding(struct planner *p);

#endif
