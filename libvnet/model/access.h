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

/*
 * QEMU's bridge.conf: `allow BR|all`, `deny BR|all`, `include FILE`, `#`
 * comments.  read_file gives the text of an include (QEMU's rule: the file's
 * owner is checked by the caller).  Meaning kept: deny wins over allow, what
 * is not allowed is denied; whoever may call may use it.  Adds to policy.
 */
typedef int (*access_read_file)(void *context, const char *path, char **ret_text, size_t *ret_size,
				struct vnet_error *err);
int access_policy_add_bridge_conf(struct access_policy *policy, const char *text, const char *file,
				  access_read_file read_file, void *context, struct vnet_error *err);
struct access_policy *access_policy_new(void); /* empty: root only */

struct access_request {
	const struct network *network;
	const struct port *port;     /* as requested, completed */
	bool mac_chosen;             /* the caller named the MAC, netd did not derive it */
	size_t n_ports_of_owner;     /* it holds already */
};

/* 0, or -EACCES with the reason and the remedy.  uid 0 always passes. */
int access_check_attach(const struct access_policy *policy, const struct peer *peer,
			const struct access_request *request, struct vnet_error *err);
/* Root or the owner of the port. */
int access_check_port(const struct peer *peer, const struct port *port, struct vnet_error *err);
/* Root only. */
int access_check_configure(const struct peer *peer, struct vnet_error *err);
/* May this peer see the port's or network's details (lists, leases, monitor)? */
bool access_may_see(const struct access_policy *policy, const struct peer *peer,
		    const struct network *net);

#endif
