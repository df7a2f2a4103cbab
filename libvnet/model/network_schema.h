/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_NETWORK_SCHEMA_H
#define VNET_MODEL_NETWORK_SCHEMA_H

/* network_schema.h - the table of struct network; for network.c alone. */

#include "model/schema.h"

extern const struct schema network_schema;

#endif
