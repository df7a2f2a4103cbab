/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_VNET_H
#define VNET_VNET_H

/*
 * vnet.h - talk to netd, the virtual network daemon
 *
 * WHAT IT IS FOR.  A program that starts virtual machines asks netd for a port
 * on one of the host's networks and gets open descriptors of a TAP device that
 * is attached, guarded and up; or of a macvtap device, or the PCI address of a
 * virtual function, or an interface in a container's namespace.  The program needs no privilege: netd looks at
 * who is calling (the kernel tells it) and decides by its access policy.
 *
 *	struct vnet_attach_request request = VNET_ATTACH_REQUEST_INIT;
 *	struct vnet_client *client = NULL;
 *	struct vnet_port *port = NULL;
 *	struct vnet_error error = { 0 };
 *
 *	request.network = "blue";
 *	request.name = "web1";
 *	if (vnet_client_connect(NULL, &client, &error) < 0 ||
 *	    vnet_client_attach(client, &request, &port, &error) < 0)
 *		errx(1, "%s", error.message);
 *
 * Compile and link with `pkg-config --cflags --libs vnet`.
 *
 * LIFE CYCLE.  vnet_client_connect() → any number of calls, one after the
 * other → vnet_client_free().  A port's device does not depend on the client:
 * it lives until the last of its TAP descriptors is closed, whichever process
 * holds it then, or, when it is persistent, until vnet_client_detach().  There
 * is no detach to be owed: kill the virtual machine and the port is gone.
 * Linux does not tie the other kinds to descriptors: a "macvtap" and a "vf" end
 * with the process owner_pid (the caller, unless it says otherwise), a "veth"
 * and a "macvlan" with the namespace that they are in.
 *
 * A client that failed with -ETIMEDOUT, -EPROTO, -ECONNRESET, -EMSGSIZE or
 * -EMFILE has lost step with netd; every later call on it fails with
 * -ENOTCONN.  Free it and connect again.  After every other error it goes on
 * being usable.
 *
 * ERRORS.  Functions return 0 (or what is said there) or a negative errno and
 * fill the `struct vnet_error`, if one is given, with a stable code and a
 * sentence for people; see vnet/error.h.  What netd refused comes unchanged:
 * its `problem` becomes the error.  Output arguments (`ret_…`) are untouched on
 * failure.  The error must be zeroed before its first use and cleared with
 * vnet_error_clear() before it is used again: the first error set wins.
 *
 *	-ENOENT      no such network or port       -EBUSY     in use, or guests would notice
 *	-EEXIST      the name is taken             -EDQUOT    a limit of netd is reached
 *	-EINVAL      a parameter or definition     -EIO       the kernel refused
 *	-EACCES      not allowed to this caller    -ENOSYS    this netd has no such method
 *
 * OWNERSHIP.  What comes through a `ret_` argument is the caller's: free a
 * client with vnet_client_free(), a port with vnet_port_free(), text with
 * free().  What a function returns as `const` is borrowed, until the next call
 * on the same object.  Free functions accept NULL.
 *
 * DESCRIPTORS are received close-on-exec.  A port owns its descriptors and
 * vnet_port_free() closes them, but for those that were taken out with
 * vnet_port_take_fd().  Descriptors that nobody asked for, or that do not match
 * what netd says about them, are closed by the library.
 *
 * THREADS AND PROCESSES.  The library has no global state.  Different clients
 * may be used by different threads at the same time; one client only by one
 * thread at a time.  After fork() only one of both processes may go on using
 * the client; the other may only free it.  No signal is raised or handled.
 *
 * BLOCKING.  A call waits for netd's answer, at most as long as
 * vnet_client_set_timeout() says.  vnet_client_dispatch() never waits.
 *
 * MEMORY.  A machine without memory is not an error that is reported: the
 * library then calls abort(), as do many that cannot go on without it.
 *
 * COMPATIBILITY.  Symbols carry versions (VNET_0).  Structures grow only at
 * their end; `size` tells the library which one the caller was compiled with.
 */

#include <vnet/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Where netd listens, if neither the caller nor VNET_SOCKET in the environment says otherwise. */
#define VNET_SOCKET_DEFAULT "/run/vnet/netd.sock"
/* Longest message in either direction, without the NUL byte that ends it. */
#define VNET_MESSAGE_MAX (8UL * 1024 * 1024)
/* How long a call waits unless vnet_client_set_timeout() says otherwise. */
#define VNET_TIMEOUT_DEFAULT_MS 60000

/* "0.1.0", of the library that is loaded. */
const char *vnet_version(void);

/* --- the connection --- */

struct vnet_client; /* opaque */

/*
 * Connects to netd.  path NULL: VNET_SOCKET from the environment (ignored in
 * setuid programs), else VNET_SOCKET_DEFAULT.  Errors have the code
 * "netd-unreachable".
 */
int vnet_client_connect(const char *path, struct vnet_client **ret_client, struct vnet_error *err);

/*
 * Makes a client of a connected UNIX stream socket, for callers that were
 * handed one.  Takes fd over on success and makes it non-blocking.
 */
int vnet_client_from_fd(int fd, struct vnet_client **ret_client, struct vnet_error *err);

void vnet_client_free(struct vnet_client *client);

/* The longest wait of one call, in ms; -1: for ever. */
void vnet_client_set_timeout(struct vnet_client *client, int timeout_ms);

/* --- ports --- */

enum vnet_switch {
	VNET_DEFAULT = 0, /* as the network, or netd, has it */
	VNET_ON = 1,
	VNET_OFF = 2,
};

/*
 * A limit in one direction.  Texts as in vnet.yaml(5), units included: "10mbit",
 * "64k"; a number alone is bit/s, or bytes.  NULL: not said; rate "0": no limit.
 */
struct vnet_limit {
	const char *rate;
	const char *guaranteed;   /* out of the network's own limit */
	const char *burst;        /* bytes at once */
};

/*
 * What a port is held to, in place of the network's guard; vnet.yaml(5) under
 * ports.guard has the words.  Lists are texts with commas: "router,dhcp-server".
 * NULL and 0: not said; with nothing said at all the network's guard holds.
 */
struct vnet_guard {
	const char *policy;       /* "mac", "strict", "off"; "default": the network's */
	const char *allow;        /* checks that are switched off */
	const char *addresses;    /* more sources: "10.7.0.9,10.8.0.0/24" */
	const char *macs;         /* more source MACs, of VRRP and CARP */
	const char *ethertypes;   /* beside IPv4, IPv6, ARP, RARP: "lldp,0x88b5" */
	unsigned broadcast, multicast; /* frames a second from the guest */
	enum vnet_switch learn;   /* addresses, from DHCP and duplicate address detection; default: on */
};

/*
 * What to ask for.  Start from VNET_ATTACH_REQUEST_INIT and set what matters;
 * zero means: not said.  Nothing is kept after the call.
 */
struct vnet_attach_request {
	size_t size;              /* set by VNET_ATTACH_REQUEST_INIT */
	const char *network;      /* required */
	const char *name;         /* unique in netd; default: the interface's name */
	const char *ifname;       /* default: netd chooses one */
	const char *mac;          /* "52:54:00:…"; default: derived from the name, so it stays */
	const char *const *addresses; /* to reserve for the guest: "10.0.0.5", "fd00::5" */
	size_t n_addresses;
	unsigned queues;          /* 1..64; each is one TAP descriptor */
	unsigned mtu;             /* bytes */
	unsigned txqueuelen;      /* packets */
	enum vnet_switch vhost;   /* default: descriptors of vhost-net if the host has it */
	enum vnet_switch vnet_hdr; /* default: on, which QEMU expects */
	enum vnet_switch offload; /* default: on */
	enum vnet_switch isolated; /* from the network's other isolated ports */
	bool learn_mac;           /* hold the first source address that the guest sends */
	bool persistent;          /* the device outlives its descriptors */
	bool adopt;               /* take over the existing TAP ifname; no descriptors come */
	bool link_down;           /* leave it down */
	pid_t owner_pid;          /* whom it is for; a process of the caller's own user, or he is root */
	/* Since 0.2. */
	const char *kind;         /* "tap", "veth", "macvtap", "macvlan", "vf"; default: as the network's mode */
	unsigned vlan;            /* on a VLAN-aware bridge: id of untagged frames, 1..4094 */
	const char *vlan_tagged;  /* ids that pass with their tag, "10,20-30": then the port is a trunk */
	struct vnet_limit in;     /* to the guest */
	struct vnet_limit out;    /* from the guest */
	/* Of the port in its bridge, by the names of bridge(8); default: the network's. */
	enum vnet_switch learning, flood, multicast_flood, hairpin, proxy_arp;
	/* Of the host's end, by the names of ethtool(8) -K; default: the network's. */
	enum vnet_switch rx, tx, sg, tso, gso, gro;
	const char *netns;        /* veth, macvlan: absolute path of the namespace; root only */
	const char *inside_ifname; /* the interface's name in there; default "eth0" */
	const char *const *inside_addresses; /* "10.0.0.5/24" */
	size_t n_inside_addresses;
	const char *const *inside_routes; /* "default via 10.0.0.1", "10.9.0.0/16 via 10.0.0.2 metric 5" */
	size_t n_inside_routes;
	bool has_vf;              /* vf is given; else netd takes a free one */
	unsigned vf;              /* number of the virtual function */
	struct vnet_guard guard;
	const char *groups;       /* security groups, "web,ssh", or "none"; default: the network's */
	const char *machine;      /* by which all ports of one machine are found and detached, like its UUID */
};
#define VNET_ATTACH_REQUEST_INIT { .size = sizeof(struct vnet_attach_request) }

/* One descriptor of a port. */
struct vnet_fd {
	int fd;                   /* -1 when taken */
	const char *role;         /* "tap" or "vhost"; ignore what you do not know */
	unsigned queue;           /* from 0 */
};

/* A port, as netd made it.  Read it; only the library writes to it. */
struct vnet_port {
	const char *name;
	const char *network;
	const char *ifname;
	const char *mac;          /* "" while the port learns it */
	unsigned mtu;
	unsigned queues;
	size_t n_fds;
	struct vnet_fd *fds;      /* taps and vhosts, as netd sent them */
	/*
	 * Arguments for QEMU, ended by NULL: -netdev and -device, with the
	 * numbers that the descriptors have in this process.  They hold across
	 * exec() once close-on-exec is cleared on them.
	 */
	char **qemu_args;
	char **notes;             /* what the caller should know, ended by NULL: "no /dev/vhost-net" */
	/* Since 0.2. */
	const char *kind;         /* as in the request */
	const char *pci_address;  /* of a vf, for vfio-pci: "0000:03:10.1"; else "" */
};

/* AttachPort. */
int vnet_client_attach(struct vnet_client *client, const struct vnet_attach_request *request,
		       struct vnet_port **ret_port, struct vnet_error *err);
/* DetachPort: takes the port off its network; removes the device if it is persistent. */
int vnet_client_detach(struct vnet_client *client, const char *name, struct vnet_error *err);

/* Hands out descriptor i (the caller closes it then), or -1 if it was taken before. */
int vnet_port_take_fd(struct vnet_port *port, size_t i);
/* Clears close-on-exec on all descriptors: before the exec() of a virtual machine. */
int vnet_port_keep_on_exec(struct vnet_port *port, struct vnet_error *err);
/* Closes the descriptors that were not taken. */
void vnet_port_free(struct vnet_port *port);

/* --- everything else, as JSON --- */

/*
 * Calls a method: "ListNetworks", or with another interface's full name
 * "org.varlink.service.GetInfo".  parameters is the text of a JSON object or
 * NULL; *ret_reply (may be NULL) is the text of the reply's parameters.
 * Descriptors that come with the reply are closed: use vnet_client_attach().
 */
int vnet_client_call(struct vnet_client *client, const char *method, const char *parameters,
		     char **ret_reply, struct vnet_error *err);

/*
 * What netd's last error was: its full name "io.vnet.Netd.NotFound" and its
 * parameters as JSON text.  NULL when the last call did not end in an error
 * from netd.  Borrowed until the next call.
 */
const char *vnet_client_error_name(const struct vnet_client *client);
const char *vnet_client_error_parameters(const struct vnet_client *client);

/* --- streams --- */

/*
 * Starts a method that answers many times ("Monitor").  From then on the client
 * serves this stream alone; calls on it fail with -EBUSY.  Does not wait for
 * the first answer.
 */
int vnet_client_subscribe(struct vnet_client *client, const char *method, const char *parameters,
			  struct vnet_error *err);

/* To poll for reading (POLLIN) between dispatches. */
int vnet_client_fd(const struct vnet_client *client);

/* parameters: JSON text of one answer, borrowed.  Must not free or call the client. */
typedef void (*vnet_client_handler)(void *context, const char *parameters);

/*
 * Reads what has arrived and calls the handler for each whole answer.  Never
 * waits.  Returns 0 while the stream goes on, 1 after its last answer, or a
 * negative errno when it broke: netd's own error, or -ECONNRESET.
 */
int vnet_client_dispatch(struct vnet_client *client, vnet_client_handler handler, void *context,
			 struct vnet_error *err);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
