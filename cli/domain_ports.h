/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_DOMAIN_PORTS_H
#define CLI_DOMAIN_PORTS_H

/*
 * domain_ports.h - asks netd for the ports of a domain, and gives them back
 *
 * A domain's ports are those whose machine is its UUID. In a domain's life:
 * make (the devices that libvirt will open) → libvirt makes its own → adopt those
 * → … → release.  ensure is for one that runs already, whatever became of its ports.
 */

#include "cli/domain.h"
#include "client/client.h"

/* Is there anything that netd would have to know of this domain? Without asking it. */
bool domain_concerns_us(const struct domain *domain);

/*
 * Persistent devices for the interfaces that say so; what an earlier run of the domain
 * left is taken away before. All or none.
 */
int domain_make_ports(struct vnet_client *client, const struct domain *domain,
		      struct vnet_error *err);
/* Ports for the devices that libvirt has put on bridges of ours. All or none. */
int domain_adopt_ports(struct vnet_client *client, const struct domain *domain,
		       struct vnet_error *err);
/* Those of both kinds that have no port; goes on after an error. *ret_made, if not NULL, counts. */
int domain_ensure_ports(struct vnet_client *client, const struct domain *domain,
			unsigned *ret_made, struct vnet_error *err);
int domain_release_ports(struct vnet_client *client, const struct domain *domain,
			 struct vnet_error *err);

#endif
