/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_SCHEMA_WIRE_H
#define VNET_MODEL_SCHEMA_WIRE_H

/* schema_wire.h - kinds of values that networks and ports share: VLANs, limits, switches. */

#include "model/network.h"
#include "model/schema.h"

extern const struct schema_type type_tristate;    /* enum tristate; left out: TRI_DEFAULT */
extern const struct schema_type type_vlan_id;     /* unsigned; f->min 0: no VLAN is a choice */
extern const struct schema_type type_vlan_ranges; /* vlan_range_vec; 10, 20-30, or a list of them */
extern const struct schema_type type_rate;        /* uint64_t, bit/s; "10mbit"; f->min 0: none is a choice */
extern const struct schema_type type_burst;       /* uint32_t, bytes; "64k" */

extern const struct schema limit_schema;         /* struct bandwidth */
extern const struct schema port_limit_schema;    /* the same; rate 0 takes a limit away */
extern const struct schema network_limit_schema; /* the same, without a guarantee */
extern const struct schema port_vlans_schema;    /* struct port_vlans */
extern const struct schema offloads_schema;      /* the offloads of struct port_options */

/* Words that more than one table has. */
extern const char *const vlan_protocol_names[];
extern const char *const port_kind_names[];

/* "3" or "0-7", first <= last, no leading zeros; 0 or -EINVAL. */
int uint_range_parse(const char *text, unsigned *ret_first, unsigned *ret_last);
/* "10mbit", or a whole number of bit/s, in no bounds; 0, -EINVAL or -ERANGE. */
int rate_parse(const char *text, unsigned long long *ret);
/* "20-30" or "20". */
char *vlan_range_format(const struct vlan_range *range, char buf[12]);

#endif
