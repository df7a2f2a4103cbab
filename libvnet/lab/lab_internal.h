/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_LAB_LAB_INTERNAL_H
#define VNET_LAB_LAB_INTERNAL_H

/* lab_internal.h - between reading a lab and checking it */

#include "lab/lab.h"

/*
 * What must hold between the parts: names are unique, wires and networks that are spoken
 * of exist, no address is there twice on one wire, each host's definitions hold.  Counts
 * the ends of wires and fills definitions_json.
 */
int lab_check(struct lab *lab, char **ret_warnings, struct vnet_error *err);

#endif
