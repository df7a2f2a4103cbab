/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_ENDPOINT_H
#define VNET_MODEL_ENDPOINT_H

/* endpoint.h - an address and ports in one text, as forwards and DNS forwarders have them. */

#include "base/addr.h"

#include <jansson.h>

struct endpoint {
	struct ip ip;            /* family 0: none given */
	struct port_range ports; /* 0,0: none given */
};

/*
 * PORTS, ADDRESS, ADDRESS:PORTS, [V6ADDRESS]:PORTS, *:PORTS.  0 with one part
 * or both, or -EINVAL.
 */
int endpoint_parse(const char *text, struct endpoint *ret);
json_t *endpoint_to_json(const struct ip *ip, const struct port_range *ports);

#endif
