/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* port.c - ports as values; their keys are those of AttachPort in io.vnet.Netd.varlink. */

#include "model/port.h"

#include "model/mac_name.h"
#include "model/names.h"
#include "model/schema.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

static const char *const kind_names[] = {
	[PORT_TAP] = "tap",   [PORT_MACVTAP] = "macvtap", [PORT_MACVLAN] = "macvlan",
	[PORT_VETH] = "veth", [PORT_VF] = "vf",		  NULL
};
static const char *const vhost_names[] = {
	[VHOST_AUTO] = "auto", [VHOST_ON] = "on", [VHOST_OFF] = "off", NULL
};

const char *port_kind_name(enum port_kind kind)
{
	return kind_names[kind];
}

static const struct schema_field address_item = ITEM("addresses", type_ip);

/*
 * One table, three views: UpdatePort takes the head, AttachPort the head and
 * the middle, a state file all of it.
 */
static const struct schema_field port_fields[] = {
#define P(member) offsetof(struct port, member)
	FIELD("name", type_string, P(name), .check = port_name_check),
	FIELD("mac", type_mac, P(mac), .has = HAS(struct port, has_mac)),
	FIELD("addresses", type_list, P(addresses), .item = &address_item,
	      .max = PORT_ADDRESSES_MAX),
	FIELD("mtu", type_uint, P(mtu), .min = 68, .max = 65535),
	FIELD("txqueuelen", type_uint, P(txqueuelen), .min = 1, .max = 1000000),
	FIELD("isolated", type_bool, P(isolated), .has = HAS(struct port, has_isolated)),
	FIELD("linkDown", type_bool, P(link_down)),
#define N_UPDATE_FIELDS 7
	FIELD("network", type_string, P(network), .required = true, .check = network_name_check),
	FIELD("ifname", type_ifname, P(ifname), .check = ifname_check),
	FIELD("kind", type_enum, P(kind), .names = kind_names, .has = HAS(struct port, has_kind)),
	FIELD("learnMac", type_bool, P(learns_mac)),
	FIELD("queues", type_uint, P(queues), .min = 1, .max = PORT_QUEUES_MAX),
	FIELD("vhost", type_enum, P(vhost), .names = vhost_names),
	FIELD("vnetHdr", type_bool, P(vnet_hdr), .def = true),
	FIELD("offload", type_bool, P(offload), .def = true),
	FIELD("persistent", type_bool, P(persistent)),
	FIELD("adopt", type_bool, P(adopted)),
	FIELD("ownerPid", type_uint, P(owner_pid), .min = 1, .max = INT_MAX),
#define N_REQUEST_FIELDS (N_UPDATE_FIELDS + 11)
	FIELD("ownerUid", type_uint, P(owner_uid), .max = UINT_MAX),
	FIELD("ownerGid", type_uint, P(owner_gid), .max = UINT_MAX),
	FIELD("created", type_uint64, P(created), .max = INT64_MAX),
#undef P
};
_Static_assert(ARRAY_SIZE(port_fields) == N_REQUEST_FIELDS + 3, "the views cut where they say");

static const struct schema update_schema = {
	.what = "UpdatePort",
	.size = sizeof(struct port),
	.fields = port_fields,
	.n_fields = N_UPDATE_FIELDS,
};
static const struct schema request_schema = {
	.what = "AttachPort",
	.size = sizeof(struct port),
	.fields = port_fields,
	.n_fields = N_REQUEST_FIELDS,
};
static const struct schema state_schema = {
	.what = "a port",
	.size = sizeof(struct port),
	SCHEMA_FIELDS(port_fields),
};

void port_free(struct port *port)
{
	if (!port)
		return;
	schema_clear(&state_schema, port);
	free(port);
}

struct port *port_copy(const struct port *port)
{
	struct port *copy = mem_alloc(sizeof(*copy));

	*copy = *port;
	schema_copy(&state_schema, copy);
	return copy;
}

bool port_equal(const struct port *a, const struct port *b)
{
	return schema_equal(&state_schema, a, b);
}

json_t *port_to_json(const struct port *port)
{
	return schema_encode(&state_schema, port, port);
}

static int decode_port(const json_t *json, const struct schema *schema, struct port *port,
		       struct vnet_error *err)
{
	AUTO(node_free) struct node *root = NULL;
	struct decoder d = { .err = err };
	int r = node_from_json(json, &root, err);

	return r < 0 ? r : schema_decode(&d, schema, root, port);
}

int port_from_json(const json_t *json, struct port **ret, struct vnet_error *err)
{
	AUTO(port_free) struct port *port = mem_alloc(sizeof(*port));
	int r;

	schema_init(&state_schema, port);
	r = decode_port(json, &state_schema, port, err);
	if (r == 0)
		*ret = TAKE(port);
	return r;
}

static int request_error(struct vnet_error *err, const char *path, const char *message)
{
	vnet_error_set(err, -EINVAL, "bad-request", "%s", message);
	vnet_error_at(err, NULL, 0, 0, path);
	return -EINVAL;
}

static int check_request(const struct port *port, struct vnet_error *err)
{
	if (port->has_mac && port->learns_mac)
		return request_error(err, "learnMac",
				     "a port has a mac or learns one; leave one of them out");
	if (port->adopted && !port->ifname[0])
		return request_error(err, "adopt",
				     "adopt takes over an existing device: name it in ifname");
	if (port->adopted && port->persistent)
		return request_error(err, "persistent",
				     "an adopted device lives as long as its maker wants; leave "
				     "persistent out");
	return 0;
}

int port_from_request(const json_t *json, struct port **ret, struct vnet_error *err)
{
	AUTO(port_free) struct port *port = mem_alloc(sizeof(*port));
	int r;

	schema_init(&request_schema, port);
	r = decode_port(json, &request_schema, port, err);
	if (r == 0)
		r = check_request(port, err);
	if (r == 0)
		*ret = TAKE(port);
	return r;
}

int port_update_from_json(struct port *port, const json_t *changes, struct vnet_error *err)
{
	AUTO(port_free) struct port *changed = port_copy(port);
	struct port old;
	int r = decode_port(changes, &update_schema, changed, err);

	if (r < 0)
		return r;
	if (port->name && strcmp(changed->name, port->name) != 0)
		return request_error(err, "name", "a port keeps its name; detach and attach again");
	if (json_object_get(changes, "mac") && !json_is_null(json_object_get(changes, "mac")))
		changed->learns_mac = false;
	old = *port;
	*port = *changed;
	*changed = old; /* freed with the scope */
	return 0;
}

struct mac port_mac_from_name(const char *network, const char *port, unsigned attempt)
{
	return mac_from_names("port", network, port, attempt);
}

static void default_number(unsigned *value, unsigned first, unsigned second)
{
	if (!*value)
		*value = first ? first : second;
}

void port_complete(struct port *port, const struct network *net)
{
	if (!port->name && port->ifname[0])
		port->name = mem_strdup(port->ifname);
	default_number(&port->queues, net->port_defaults.queues, 1);
	default_number(&port->mtu, net->port_defaults.mtu, network_mtu(net));
	default_number(&port->txqueuelen, net->port_defaults.txqueuelen, 1000);
	if (!port->has_isolated)
		port->isolated = net->port_defaults.isolated;
	if (!port->has_mac && !port->learns_mac && port->name) {
		port->mac = port_mac_from_name(net->name, port->name, 0);
		port->has_mac = true;
	}
}
