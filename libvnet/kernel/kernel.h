/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_KERNEL_H
#define VNET_KERNEL_KERNEL_H

/*
 * kernel.h - the seam between what vnet decides and what Linux does
 *
 * Two back ends: kernel_linux_new() (netlink, ioctl, /proc/sys of the calling
 * thread's network namespace) and kernel_fake_new() (values in memory).  The
 * suite tests/backend/ is compiled once and run on both.
 *
 * Life cycle: new → watch fds → snapshot/execute/dispatch in any order → free.
 * Not thread-safe; one caller.  Calls block for a netlink round trip at most,
 * with a named time-out (KERNEL_TIMEOUT_MS).
 *
 * Events: fd becomes readable; kernel_dispatch() reads what is there (bounded
 * per call) and calls the handler.  After KERNEL_EVENT_OVERRUN (ENOBUFS) the
 * caller takes a full snapshot.
 */

#include "doctor/doctor.h"
#include "plan/op.h"
#include "plan/snapshot.h"
#include "model/port.h"
#include "trace/flights.h"

#define KERNEL_TIMEOUT_MS 5000
#define KERNEL_EVENT_RCVBUF (32 * 1024 * 1024)
#define KERNEL_EVENTS_PER_DISPATCH 4096

enum kernel_event_kind {
	KERNEL_EVENT_LINK_NEW,   /* appeared or changed; link holds all that the message told */
	KERNEL_EVENT_LINK_GONE,  /* link.ifindex and link.name */
	KERNEL_EVENT_ADDR,       /* some address of link.ifindex changed */
	/*
	 * Routes changed, not by us; one event for all of a dispatch, but for routes of ours (by
	 * their protocol): of these link.ifindex and pid are told.
	 */
	KERNEL_EVENT_ROUTE,
	KERNEL_EVENT_NFT,        /* a transaction of another process; pid and name tell whose */
	/*
	 * A frame of a port that learns: link.ifindex, mac = source (zero on macvtap); one that asks
	 * whether an IPv6 address is free (RFC 4862) has it in ip.
	 */
	KERNEL_EVENT_FRAME,
	KERNEL_EVENT_DHCP_ACK,   /* a server's, on its way to link.ifindex: mac, ip, seconds (0: for ever) */
	KERNEL_EVENT_NEIGH,      /* neighbour on link.ifindex: ip, mac, is_reachable; from the first probe on */
	KERNEL_EVENT_OVERRUN,    /* messages were lost: resynchronise */
	KERNEL_EVENT_FDB,        /* a lasting forwarding entry of link.ifindex; see kernel_watch_fdb() */
	KERNEL_EVENT_TRACE,      /* a rule that a traced packet met: trace; see kernel_trace() */
	KERNEL_EVENT_SAMPLE,     /* a frame that the guard took from a traced port: sample */
	KERNEL_EVENT_FILTER,     /* another process changed the traffic control of link.ifindex */
	KERNEL_EVENT_FORWARDING, /* link.ifindex was told to forward, or not to; by us, too */
	KERNEL_EVENT_BRIDGE_PORT, /* of link only ifindex, name, master, flags, mac, mtu and port are told */
};

struct kernel_event {
	enum kernel_event_kind kind;
	struct link link;
	struct mac mac;
	struct ip ip;
	uint32_t seconds;
	bool is_reachable;
	/*
	 * Who caused it.  NFT: a process.  Links, addresses, FILTER: the netlink port of the request,
	 * which is its process's number as a rule; 0 where the kernel does not tell, as of links
	 * before 6.3 and of what ioctls and /proc did.  is_own: our own request.
	 */
	int pid;
	bool is_own;
	char process[16];
	bool touches_ours;      /* NFT: one of our tables was changed, or taken away */
	const struct trace_message *trace; /* borrowed for the time of the call, as is sample */
	const struct trace_sample *sample;
};

typedef void (*kernel_handler)(void *context, const struct kernel_event *event);

/* What a new TAP needs; descriptors come back, close-on-exec, non-blocking off. */
struct kernel_tap {
	char name[16];
	unsigned queues;        /* 1..PORT_QUEUES_MAX */
	bool multi_queue;       /* IFF_MULTI_QUEUE; true whenever queues > 1 */
	bool vnet_hdr, offload;
	bool persistent;
	char alias[LINK_ALIAS_MAX]; /* of a persistent one: whose it is, before it stays by itself */
	bool must_exist;        /* open the queues of an existing persistent TAP */
	int *ret_fds;           /* queues of them, or all -1 on error */
	int ret_ifindex;
};

/*
 * A macvtap device for a guest: made down on parent, its queues opened.  It does
 * not go with its descriptors: whoever made it deletes it.  /dev/tapN is not
 * needed: the node is made for the moment in a file system nobody else sees.
 */
struct kernel_macvtap {
	char name[16];
	char parent[16];
	uint32_t mode;          /* MACVLAN_MODE_* */
	struct mac mac;         /* the guest's: the kernel delivers by it */
	char alias[LINK_ALIAS_MAX];
	unsigned queues;        /* 1..PORT_QUEUES_MAX */
	bool vnet_hdr, offload;
	bool must_exist;        /* open the queues of an existing one of ours */
	int *ret_fds;           /* queues of them, or all -1 on error */
	int ret_ifindex;
};

/*
 * An interface in another network namespace: kind "veth" (its other end, name,
 * stays here, down) or "macvlan" on parent (nothing stays here).  Up, with its
 * addresses and routes, when the call succeeds; nothing is left when it fails.
 */
struct kernel_inside {
	char kind[16];
	char name[16];          /* veth: of the end that stays; macvlan: free here, for the moment of its making */
	char parent[16];        /* macvlan */
	uint32_t mode;          /* macvlan */
	char alias[LINK_ALIAS_MAX]; /* of both ends */
	const char *netns;      /* path */
	const struct port_inside *inside;
	struct mac mac;         /* of the end inside */
	uint32_t mtu;
	int ret_ifindex;        /* veth: of the end that stays; macvlan: inside */
};

/* A bridge's forwarding entry (ListFdb). */
struct fdb_entry {
	struct mac mac;
	int ifindex;            /* the bridge port, or the bridge itself */
	uint16_t vlan;
	bool is_local, is_static, is_extern_learn;
	uint32_t age_ms;        /* since last seen */
	struct ip dst;          /* VXLAN's remote, family 0: none */
};

/* A connection that the kernel tracks. */
struct kernel_flow {
	uint8_t protocol;
	uint16_t zone;          /* see network_zone(); 0: none */
	struct ip src, dst;     /* of what opened it */
	uint16_t sport, dport;  /* 0 where the protocol has none */
	uint8_t type;           /* of ICMP */
	struct ip reply_src, reply_dst; /* of what comes back: behind NAT others than dst and src */
	uint16_t reply_sport;
	bool is_expected;       /* another one announced it (FTP) */
	bool is_cut;            /* has NFT_CUT_LABEL */
	uint8_t tuple[96], tuple_size; /* the kernel's own name for it */
};
typedef VEC(struct kernel_flow) flow_vec;

struct drop_counter { char ifname[16]; unsigned reason; /* enum guard_reason */ uint64_t packets, bytes; };

struct kernel; /* opaque */
/* What this kernel lacks and what follows: the ith sentence, or NULL past the last. */
const char *kernel_note(struct kernel *k, size_t i);

/* Can frames on a bridge be told by the connection that they belong to? Tried when first asked. */
bool kernel_has_conntrack(struct kernel *k);

/*
 * Can ports be guarded against checksums that are written over what rules have
 * read?  Else OP_CHECKSUM_ADD does nothing, and *ret_why says why.  The programs
 * are loaded when this is first asked, or the first such operation runs, and only
 * for that CAP_BPF and CAP_PERFMON are needed.
 */
bool kernel_guards_checksums(struct kernel *k, const char **ret_why);

int kernel_linux_new(struct kernel **ret, struct vnet_error *err);
int kernel_fake_new(struct kernel **ret, struct vnet_error *err);
void kernel_free(struct kernel *k);
DEFINE_AUTO(struct kernel, kernel_free);

/* Descriptors to poll for reading; stable until kernel_free(). */
#define KERNEL_FDS_MAX 5
size_t kernel_fds(struct kernel *k, int ret_fds[KERNEL_FDS_MAX]);
int kernel_dispatch(struct kernel *k, kernel_handler handler, void *context, struct vnet_error *err);

/* Links, addresses, routes, nft; then the sysctls of wanted (paths; values are filled in). */
enum snapshot_part {
	SNAPSHOT_LINKS = 1,     /* with features of our ports */
	SNAPSHOT_ADDRS = 2, SNAPSHOT_ROUTES = 4, SNAPSHOT_NFT = 8,
	SNAPSHOT_VLANS = 16,    /* of VLAN-aware bridges; nothing is asked where there is none */
	SNAPSHOT_FDB = 32,      /* of VXLAN devices with our mark */
	SNAPSHOT_SHAPERS = 64,  /* of IFBs with our mark */
	SNAPSHOT_VFS = 128,     /* of devices that have any */
	SNAPSHOT_BY_LINK = SNAPSHOT_VLANS | SNAPSHOT_FDB | SNAPSHOT_SHAPERS | SNAPSHOT_VFS, /* bring LINKS */
	SNAPSHOT_ALL = 255
};
int kernel_snapshot(struct kernel *k, unsigned parts, struct snapshot *ret, struct vnet_error *err);
int kernel_read_sysctls(struct kernel *k, struct snapshot *snap, struct vnet_error *err); /* fills values of snap->sysctls, drops what does not exist */

/*
 * Runs operations in order and stops at the first failure.  *ret_done counts
 * those done.  Netlink requests that follow each other go in one send, at most
 * 64 at a time, so that acknowledgements fit.  The kernel does not stop inside
 * of a send: operations on devices, addresses and routes that directly follow
 * the failed one may have run as well, as after a lost answer.  Nothing passes
 * a failed OP_NFT, OP_SYSCTL, OP_TAP_CREATE, OP_LINK_DELETE, OP_GROUP_DELETE or
 * OP_CHECKSUM_ADD, and nothing that names a device passes its failed creation.
 */
int kernel_execute(struct kernel *k, const struct op *ops, size_t n, size_t *ret_done,
		   struct vnet_error *err);

int kernel_tap_open(struct kernel *k, struct kernel_tap *tap, struct vnet_error *err);
/*
 * The index of an existing TAP that somebody else made (qemu-ifup, libvirt).  -ENODEV;
 * -EINVAL when it is no TAP; -EBUSY when it sits in another bridge than that of the
 * index (0: in any).
 */
int kernel_find_tap(struct kernel *k, const char *name, int bridge_ifindex, int *ret_ifindex,
		    struct vnet_error *err);
int kernel_macvtap_open(struct kernel *k, struct kernel_macvtap *macvtap, struct vnet_error *err);
/* -ENOENT no such namespace; -EINVAL the path is no network namespace; -EEXIST the name inside is taken. */
int kernel_inside_create(struct kernel *k, struct kernel_inside *inside, struct vnet_error *err);
/* The name that the interface has inside now: whoever lives there may rename it. -ENOENT: it is gone. */
int kernel_inside_find(struct kernel *k, const char *netns, int ifindex, char ret_name[16], struct vnet_error *err);
/* Deletes the interface called ifname inside; one that is gone, or a namespace that is, is fine. */
int kernel_inside_delete(struct kernel *k, const char *netns, const char *ifname, struct vnet_error *err);
/* "0000:03:10.1", or "" where the function has no PCI address (netdevsim). */
int kernel_vf_address(struct kernel *k, const char *ifname, unsigned vf, char ret[32], struct vnet_error *err);
/* n vhost-net descriptors; -ENOENT when the host has no /dev/vhost-net (not an error to report as such). */
int kernel_vhost_open(struct kernel *k, unsigned n, int *ret_fds, struct vnet_error *err);

typedef VEC(struct fdb_entry) fdb_vec;
int kernel_list_fdb(struct kernel *k, int bridge_ifindex, fdb_vec *ret, struct vnet_error *err);
typedef VEC(struct drop_counter) drop_counter_vec;
/* ifname NULL: of every guarded port. */
int kernel_drop_counters(struct kernel *k, const char *ifname, drop_counter_vec *ret, struct vnet_error *err);
/* Those that start or end at one of these addresses (which are sorted by it), in whichever zone. */
int kernel_list_flows(struct kernel *k, ip_vec *addresses, flow_vec *ret, struct vnet_error *err);
enum flow_change {
	FLOW_CUT,               /* labelled, or forgotten where it has no room for a label */
	FLOW_RESTORE,
	FLOW_FORGET,
};
/* One that has ended meanwhile is fine. */
int kernel_change_flow(struct kernel *k, const struct kernel_flow *flow, enum flow_change change,
		       struct vnet_error *err);
/*
 * Other people's packet filters: nftables' tables but ours, and iptables' own.
 * Sorted for diagnose(); appended.
 */
int kernel_read_filters(struct kernel *k, filter_table_vec *ret, struct vnet_error *err);
/* The doctor's accept rules in others' chains, in one transaction.  -EAGAIN: read the filters again. */
int kernel_fix_filters(struct kernel *k, const fix_rule_vec *add, const fix_present_vec *remove,
		       struct vnet_error *err);
/*
 * What the kernel would do with a packet that comes in by iif: 0 and *ret_oif ("" where
 * it is for the host itself), or the negative errno that stands for why it would not
 * pass: -ENETUNREACH no route, -EHOSTUNREACH not forwarded, -EINVAL not allowed from there.
 */
int kernel_ask_route(struct kernel *k, const char *iif, const struct ip *from, const struct ip *to,
		     char ret_oif[16]);
/* Sockets that listen on UDP or TCP ports 53, 67 and 547; of what this kernel tells, no error. */
void kernel_list_listeners(struct kernel *k, doctor_socket_vec *ret);
/*
 * From now on lasting forwarding entries that come and go are told, ours too: where
 * there are none to look after, each port of a bridge would be one for nothing.
 */
int kernel_watch_fdb(struct kernel *k, struct vnet_error *err);
/*
 * From now on, or no more, what the kernel tells of traced ports comes as events. A
 * lost one is not told: they come in numbers that rules bound.  -EBUSY when another
 * process reads the log's group.
 */
int kernel_trace(struct kernel *k, bool is_on, struct vnet_error *err);
/*
 * What stands in one place of nftables' tables, ours too: one table with the names of its
 * chains and that rule, of whose sets only the names are read.  Appended, also on error.
 */
int kernel_read_place(struct kernel *k, const struct filter_place *place, filter_table_vec *ret,
		      struct vnet_error *err);
/* Asks the kernel to resolve the neighbour now; the answer comes as KERNEL_EVENT_NEIGH. */
int kernel_probe_neigh(struct kernel *k, const char *ifname, const struct ip *ip, struct vnet_error *err);

/*
 * Fake only.  It keeps Linux's habits where a caller could notice: own changes
 * of devices and addresses are told as events, own routes and rules are not,
 * and a TAP goes when the last of its descriptors is closed.
 */
/* Lets the nth operation from now (1: the next) fail; opening a TAP is one, too. */
void kernel_fake_fail(struct kernel *k, size_t nth, int number);
/* What the kernel has; to be changed at will, with kernel_fake_event() to tell of it. */
struct snapshot *kernel_fake_state(struct kernel *k);
void kernel_fake_event(struct kernel *k, const struct kernel_event *event);
/* Somebody deletes the device: it goes with all that is on it, and LINK_GONE comes. */
void kernel_fake_link_gone(struct kernel *k, const char *name);
/* Guarded ports' counters, for kernel_drop_counters(). */
void kernel_fake_count_drops(struct kernel *k, const char *ifname, unsigned reason, uint64_t packets, uint64_t bytes);
/* A forwarding entry, for kernel_list_fdb(); ifindex is the bridge port's. */
void kernel_fake_add_fdb(struct kernel *k, const struct fdb_entry *entry);

#endif
