/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_NETWORK_SCHEMA_H
#define VNET_MODEL_NETWORK_SCHEMA_H

/* network_schema.h - the tables of struct network and its parts; for network.c alone. */

#include "model/schema.h"

extern const struct schema network_schema;
extern const struct schema dhcp_schema;  /* struct dhcp_config */
extern const struct schema dhcp6_schema; /* struct ipv6_config: two keys share it */
extern const struct schema ra_schema;    /* struct ipv6_config */
extern const struct schema dns_schema;   /* struct dns_config */

#endif
