/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_CHECK_H
#define VNET_MODEL_CHECK_H

/*
 * check.h - what must hold within one network and between several
 *
 * The parser checks the value of each key; here it is their combination:
 * overlapping subnets, ranges and hosts outside their subnet, two networks on
 * one bridge, colliding forwards, duplicate MACs and addresses, keys that the
 * mode does not know.  Errors carry the source of the offending item and name
 * the other party.
 */

#include "model/network.h"
#include "model/port.h"

int network_check(const struct network *net, struct vnet_error *err);
/* All networks that would be defined together; each already passed network_check(). */
int networks_check(struct network *const *nets, size_t n, struct vnet_error *err);
/* A new or changed port on its network beside those that exist (ports may hold port's older self by name). */
int port_check(const struct port *port, const struct network *net, struct port *const *ports,
	       size_t n_ports, struct vnet_error *err);

/*
 * `subnet: auto`: the first free subnet of the pool, which overlaps no prefix
 * in taken (routes and addresses of the host, other networks).  Returns the
 * first host address with its length.  -EADDRNOTAVAIL when the pool is full.
 */
int subnet_choose(const struct prefix *pool, unsigned subnet_len, const struct prefix *taken,
		  size_t n_taken, struct prefix *ret, struct vnet_error *err);

#endif
