/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LIBVIRT_H
#define CLI_LIBVIRT_H

/*
 * libvirt.h - libvirt's list of networks
 *
 * libvirt's library is loaded when it is asked for: vnetctl needs it for this alone,
 * and does not on a host without it.
 */

#include "base/mem.h"
#include "vnet/error.h"

#include <stdbool.h>

struct libvirt; /* opaque */

struct libvirt_network {
	char *name;
	char *bridge;           /* "": it has none */
	bool is_ours;           /* its metadata says so */
	bool is_active;
};
typedef VEC(struct libvirt_network) libvirt_network_vec;

#define LIBVIRT_URI_DEFAULT "qemu:///system"

int libvirt_connect(const char *uri, struct libvirt **ret, struct vnet_error *err);
void libvirt_free(struct libvirt *libvirt);

int libvirt_list(struct libvirt *libvirt, libvirt_network_vec *ret, struct vnet_error *err);
void libvirt_list_free(libvirt_network_vec *networks);
/* A network of ours by that name, which starts with libvirtd. */
int libvirt_publish(struct libvirt *libvirt, const char *name, const char *bridge,
		    struct vnet_error *err);
/* Started or stopped; no domain notices. */
int libvirt_set_active(struct libvirt *libvirt, const char *name, bool active,
		       struct vnet_error *err);
int libvirt_remove(struct libvirt *libvirt, const char *name, bool is_active,
		   struct vnet_error *err);

#endif
