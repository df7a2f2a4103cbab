/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_ACCESS_H
#define VNET_MODEL_ACCESS_H

/*
 * access.h - who may attach to what
 *
 * Pure: the caller resolves user and group names to numbers through the
 * resolver it passes in, and brings the peer's identity from the kernel
 * (SO_PEERCRED, SO_PEERGROUPS).  uid 0 may everything, and only uid 0 may
 * configure; the policy speaks of the others.  No policy: nobody else.
 */

#include "model/network.h"
#include "model/port.h"

struct peer {
	uint32_t uid, gid;
	int32_t pid;
	VEC(uint32_t) groups;
};

/* 0 and *ret_id, or -ENOENT. */
struct access_resolver {
	int (*user)(const char *name, uint32_t *ret_id);
	int (*group)(const char *name, uint32_t *ret_id);
};

struct access_policy; /* opaque */

void access_policy_free(struct access_policy *policy);
DEFINE_AUTO(struct access_policy, access_policy_free);

/* /etc/vnet/access.yaml: `rules: [...]`, first match decides; see docs/reference-access.md. */
int access_policy_from_yaml(const char *text, size_t size, const char *file,
			    const struct access_resolver *resolver, struct access_policy **ret,
			    struct vnet_error *err);

/* The path in its key `bridge_conf`, or NULL: the caller reads that file and adds it. */
const char *access_policy_bridge_conf(const struct access_policy *policy);

/*
 * QEMU's bridge.conf: `allow BR|all`, `deny BR|all`, `include FILE`, `#`
 * comments.  Meaning kept: deny wins over allow, what is not allowed is denied,
 * an include that does not exist is skipped (read_file says -ENOENT).  Names
 * are those of bridges or of networks.  Adds to policy; the rules of
 * access.yaml come first, these decide where none of them matches.
 *
 * QEMU's helper reads these files as its caller, so a file that only some may
 * read speaks of them alone (root:alice 0640 is how one grants alice a bridge).
 * access_policy_load_bridge_conf() keeps that, by what read_file says of the
 * owner and the mode (fstat(2) of the descriptor that was read).
 */
#define ACCESS_TEXT_MAX (64 * 1024) /* of one bridge.conf file */
#define ACCESS_FILES_MAX 64         /* includes together */
#define ACCESS_INCLUDE_DEPTH_MAX 8
#define ACCESS_RULES_MAX 1024       /* of each kind */

struct access_file {
	char *text;             /* allocated; NUL-terminated */
	size_t size;
	uint32_t uid, gid, mode; /* st_uid, st_gid, st_mode */
};
typedef int (*access_load_file)(void *context, const char *path, struct access_file *ret,
				struct vnet_error *err);
int access_policy_load_bridge_conf(struct access_policy *policy, const char *path,
				   access_load_file load_file, void *context,
				   struct vnet_error *err);

/* The same for files of which everyone may read each: no owner, no mode is asked for. */
typedef int (*access_read_file)(void *context, const char *path, char **ret_text, size_t *ret_size,
				struct vnet_error *err);
int access_policy_add_bridge_conf(struct access_policy *policy, const char *text, const char *file,
				  access_read_file read_file, void *context, struct vnet_error *err);
struct access_policy *access_policy_new(void); /* empty: root only */

/* What a rule that does not say otherwise allows. */
#define ACCESS_PORTS_DEFAULT 32  /* max_ports: of one owner, on all networks */
#define ACCESS_QUEUES_DEFAULT 8  /* max_queues: of one port; 1 by bridge.conf */

struct access_request {
	const struct network *network;
	const struct port *port;     /* as requested, completed; a name like vp7 is netd's choice */
	bool mac_chosen;             /* the caller named the MAC, netd did not derive it */
	size_t n_ports_of_owner;     /* it holds already */
};

/* 0, or -EACCES with the reason and the remedy.  uid 0 always passes. */
int access_check_attach(const struct access_policy *policy, const struct peer *peer,
			const struct access_request *request, struct vnet_error *err);
/* Root, or the owner within what the policy would let it attach: UpdatePort. */
int access_check_update(const struct access_policy *policy, const struct peer *peer,
			const struct network *net, const struct port *before,
			const struct port *after, struct vnet_error *err);
/* Root or the owner of the port. */
int access_check_port(const struct peer *peer, const struct port *port, struct vnet_error *err);
/* Root only. */
int access_check_configure(const struct peer *peer, struct vnet_error *err);
/* May this peer see the port's or network's details (lists, leases, monitor)? */
bool access_may_see(const struct access_policy *policy, const struct peer *peer,
		    const struct network *net);

#endif
