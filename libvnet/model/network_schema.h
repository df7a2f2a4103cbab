/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_NETWORK_SCHEMA_H
#define VNET_MODEL_NETWORK_SCHEMA_H

/*
 * network_schema.h - the tables of struct network and its parts, and of struct port
 *
 * For network.c and port.c, and for tests that go through every key.
 */

#include "model/schema.h"

extern const struct schema network_schema;
extern const struct schema dhcp_schema;  /* struct dhcp_config */
extern const struct schema dhcp6_schema; /* struct ipv6_config: two keys share it */
extern const struct schema ra_schema;    /* struct ipv6_config */
extern const struct schema dns_schema;   /* struct dns_config */
extern const struct schema vlan_schema;  /* struct vlan_config */
extern const struct schema link_schema;  /* struct network_link */
extern const struct schema macvtap_schema; /* struct macvtap_config */
extern const struct schema sriov_schema; /* struct sriov_config */
extern const struct schema bandwidth_schema; /* struct network: in, out */
extern const struct schema ports_schema; /* struct port_defaults */
extern const struct schema port_update_schema;  /* struct port: UpdatePort's keys */
extern const struct schema port_request_schema; /* struct port: AttachPort's, with those of UpdatePort */
extern const struct schema_type type_vlans; /* checked only: network.c makes a network of each id */

#endif
