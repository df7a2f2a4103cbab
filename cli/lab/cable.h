/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LAB_CABLE_H
#define CLI_LAB_CABLE_H

/*
 * cable.h - the wires of a lab: veth pairs from machine to machine, and segments
 *
 * A wire with two ends is one veth pair.  A segment is a bridge in the namespace of the
 * lab's first process with a veth pair to each of its ends.
 */

#include "lab/lab.h"

/* Makes all wires of the lab, with their ends in the machines, still down.  In the lab's first process. */
int cables_make(const struct lab *lab, struct vnet_error *err);
/* Raises a machine's interfaces at wires and gives them addresses, gateways and routes. */
int cables_address(const struct lab_machine *machine, struct vnet_error *err);
/*
 * Gives each end of a wire this impairment in place of the one that it has; all zero:
 * none.  In a process that sees the lab.  -EOPNOTSUPP: the kernel lacks what it takes.
 */
int cable_impair(const struct lab *lab, const struct lab_wire *wire, const struct lab_impairment *impairment,
		 struct vnet_error *err);

#endif
