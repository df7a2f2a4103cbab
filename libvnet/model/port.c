/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* port.c - ports as values; their keys are those of AttachPort in io.vnet.Netd.varlink. */

#include "model/port.h"

#include "model/group_rule.h"
#include "model/mac_name.h"
#include "model/names.h"
#include "model/network_schema.h"
#include "model/schema_wire.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>

const char *const port_kind_names[] = {
	[PORT_TAP] = "tap",   [PORT_MACVTAP] = "macvtap", [PORT_MACVLAN] = "macvlan",
	[PORT_VETH] = "veth", [PORT_VF] = "vf",		  NULL
};
static const char *const vhost_names[] = {
	[VHOST_AUTO] = "auto", [VHOST_ON] = "on", [VHOST_OFF] = "off", NULL
};

const char *port_kind_name(enum port_kind kind)
{
	return port_kind_names[kind];
}

static const struct schema_field address_item = ITEM("addresses", type_ip);

static const struct schema_field held_fields[] = {
	FIELD("address", type_ip, offsetof(struct held_address, ip), .required = true),
	FIELD("expires", type_uint64, offsetof(struct held_address, expires), .max = INT64_MAX),
};
static const struct schema held_schema = {
	.what = "a held address",
	.size = sizeof(struct held_address),
	SCHEMA_FIELDS(held_fields),
};
static const struct schema_field held_item = ITEM("held", type_struct, .schema = &held_schema);

/* --- inside a namespace --- */

/* A prefix, or the word default, whose family via tells; inside_route_finish() puts it in. */
static int route_to_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			   void *value)
{
	const char *text = decode_text(d, n, "a prefix, or default");

	if (!text)
		return -EINVAL;
	return strcmp(text, "default") == 0 ? 0 : type_prefix.decode(d, f, n, value);
}

static json_t *route_to_encode(const struct schema_field *f, const void *value, const void *root)
{
	return type_prefix.encode(f, value, root);
}

static const struct schema_type type_route_to = {
	.size = sizeof(struct prefix),
	.decode = route_to_decode,
	.encode = route_to_encode,
};

static int inside_route_finish(struct decoder *d, const struct node *n, void *value)
{
	struct static_route *route = value;
	struct prefix clean;

	if (!route->to.addr.family && !route->via.family)
		return node_error(n, d->err, "missing-key",
				  "a default route needs via, the router; or write 0.0.0.0/0 or ::/0");
	if (!route->to.addr.family)
		route->to.addr.family = route->via.family;
	clean = prefix_network(&route->to);
	if (prefix_cmp(&clean, &route->to) != 0)
		return node_error(node_get(n, "to"), d->err, "bad-address",
				  "the prefix has host bits set; clear what is behind its length");
	if (route->via.family && route->via.family != route->to.addr.family)
		return node_error(node_get(n, "via"), d->err, "family-mismatch",
				  "to and via must be of one address family");
	return 0;
}

static const struct schema_field inside_route_fields[] = {
#define R(member) offsetof(struct static_route, member)
	FIELD("to", type_route_to, R(to), .required = true),
	FIELD("via", type_ip, R(via)),
	FIELD("metric", type_uint, R(metric), .min = 1, .max = UINT_MAX),
#undef R
};
static const struct schema inside_route_schema = {
	.what = "a route inside",
	.size = sizeof(struct static_route),
	SCHEMA_FIELDS(inside_route_fields),
	.source = HAS(struct static_route, source),
	.finish = inside_route_finish,
};

static const struct schema_field inside_address_item = ITEM("addresses", type_prefix);
static const struct schema_field inside_route_item =
	ITEM("routes", type_struct, .schema = &inside_route_schema);
static const struct schema_field inside_fields[] = {
#define I(member) offsetof(struct port_inside, member)
	FIELD("ifname", type_ifname, I(ifname), .check = ifname_check),
	FIELD("addresses", type_list, I(addresses), .item = &inside_address_item,
	      .max = PORT_ADDRESSES_MAX),
	FIELD("routes", type_list, I(routes), .item = &inside_route_item,
	      .max = PORT_ADDRESSES_MAX),
#undef I
};
static const struct schema inside_schema = {
	.what = "inside",
	.size = sizeof(struct port_inside),
	SCHEMA_FIELDS(inside_fields),
};

/* --- the port --- */

static const struct schema_field port_bandwidth_fields[] = {
	FIELD("in", type_struct, offsetof(struct port, in), .schema = &port_limit_schema,
	      .has = HAS(struct port, has_in)),
	FIELD("out", type_struct, offsetof(struct port, out), .schema = &port_limit_schema,
	      .has = HAS(struct port, has_out)),
};
static const struct schema port_bandwidth_schema = {
	.what = "bandwidth",
	.size = sizeof(struct port),
	SCHEMA_FIELDS(port_bandwidth_fields),
};

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
	FIELD("vlan", type_struct, P(vlan), .schema = &port_vlans_schema,
	      .has = HAS(struct port, vlan.is_given)),
	FIELD("learning", type_tristate, P(options.learning)),
	FIELD("flood", type_tristate, P(options.flood)),
	FIELD("multicastFlood", type_tristate, P(options.multicast_flood)),
	FIELD("hairpin", type_tristate, P(options.hairpin)),
	FIELD("proxyArp", type_tristate, P(options.proxy_arp)),
	FIELD("offloads", type_struct, P(options), .schema = &offloads_schema),
	FIELD("bandwidth", type_struct, 0, .schema = &port_bandwidth_schema),
	FIELD("guard", type_struct, P(guard), .schema = &guard_schema,
	      .has = HAS(struct port, has_guard)),
	FIELD("groups", type_group_names, P(groups), .has = HAS(struct port, has_groups)),
#define N_UPDATE_FIELDS 17
	FIELD("network", type_string, P(network), .required = true, .check = network_name_check),
	FIELD("ifname", type_ifname, P(ifname), .check = ifname_check),
	FIELD("kind", type_enum, P(kind), .names = port_kind_names,
	      .has = HAS(struct port, has_kind)),
	FIELD("learnMac", type_bool, P(learns_mac)),
	FIELD("queues", type_uint, P(queues), .min = 1, .max = PORT_QUEUES_MAX),
	FIELD("vhost", type_enum, P(vhost), .names = vhost_names),
	FIELD("vnetHdr", type_bool, P(vnet_hdr), .def = true),
	FIELD("offload", type_bool, P(offload), .def = true),
	FIELD("persistent", type_bool, P(persistent)),
	FIELD("adopt", type_bool, P(adopted)),
	FIELD("ownerPid", type_uint, P(owner_pid), .min = 1, .max = INT_MAX),
	FIELD("netns", type_string, P(netns), .max = 1023, .check = path_check),
	FIELD("inside", type_struct, P(inside), .schema = &inside_schema),
	FIELD("vf", type_uint, P(vf), .max = 65534, .has = HAS(struct port, has_vf)),
	FIELD("machine", type_string, P(machine), .check = port_name_check),
#define N_REQUEST_FIELDS (N_UPDATE_FIELDS + 15)
	FIELD("ownerUid", type_uint, P(owner_uid), .max = UINT_MAX),
	FIELD("ownerGid", type_uint, P(owner_gid), .max = UINT_MAX),
	FIELD("created", type_uint64, P(created), .max = INT64_MAX),
	FIELD("slot", type_uint, P(slot), .min = 1, .max = PORT_SLOT_MAX),
	FIELD("held", type_list, P(held), .item = &held_item, .max = GUARD_HELD_MAX),
#undef P
};
_Static_assert(ARRAY_SIZE(port_fields) == N_REQUEST_FIELDS + 5, "the views cut where they say");

const struct schema port_update_schema = {
	.what = "UpdatePort",
	.size = sizeof(struct port),
	.fields = port_fields,
	.n_fields = N_UPDATE_FIELDS,
};
const struct schema port_request_schema = {
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

/* An empty `bandwidth` is not "no change" but "no more of my own": the network's limits again. */
static void reset_limits(struct port *port, const json_t *changes)
{
	const json_t *bandwidth = json_object_get(changes, "bandwidth");

	if (!json_is_object(bandwidth) || json_object_size(bandwidth))
		return;
	port->in = port->out = (struct bandwidth){ 0 };
	port->has_in = port->has_out = false;
}

/* A guard that says nothing is none: the network's again. */
static void reset_guard(struct port *port)
{
	port->has_guard = port->has_guard && !guard_is_default(&port->guard);
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

	schema_init(&port_request_schema, port);
	r = decode_port(json, &port_request_schema, port, err);
	reset_guard(port);
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
	int r = decode_port(changes, &port_update_schema, changed, err);

	if (r < 0)
		return r;
	if (port->name && strcmp(changed->name, port->name) != 0)
		return request_error(err, "name", "a port keeps its name; detach and attach again");
	if (json_object_get(changes, "mac") && !json_is_null(json_object_get(changes, "mac")))
		changed->learns_mac = false;
	reset_limits(changed, changes);
	reset_guard(changed);
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

static enum port_kind default_kind(const struct network *net)
{
	return net->mode == NETWORK_MACVTAP ? PORT_MACVTAP :
	       net->mode == NETWORK_SRIOV   ? PORT_VF :
					      PORT_TAP;
}

static bool has_descriptors(const struct port *port)
{
	return port->kind == PORT_TAP || port->kind == PORT_MACVTAP;
}

static void default_options(struct port_options *options, const struct port_options *defaults)
{
#define DEFAULT(member) \
	if (options->member == TRI_DEFAULT) \
		options->member = defaults->member
	DEFAULT(learning);
	DEFAULT(flood);
	DEFAULT(multicast_flood);
	DEFAULT(hairpin);
	DEFAULT(proxy_arp);
	DEFAULT(rx);
	DEFAULT(tx);
	DEFAULT(sg);
	DEFAULT(tso);
	DEFAULT(gso);
	DEFAULT(gro);
#undef DEFAULT
}

/* Without one, the port follows the bridge's native id, also when that changes. */
static void default_vlan(struct port *port, const struct network *net)
{
	const struct port_vlans *vlan = &net->port_defaults.vlan;

	if (port->vlan.is_given || !vlan->is_given)
		return;
	port->vlan.is_given = true;
	port->vlan.native = vlan->native;
	vec_each(range, &vlan->tagged)
		vec_push(&port->vlan.tagged, *range);
}

static void default_limit(struct bandwidth *limit, bool *has, const struct bandwidth *defaults)
{
	if (*has || (!defaults->rate && !defaults->guaranteed))
		return;
	*limit = *defaults;
	*has = true;
}

void port_complete(struct port *port, const struct network *net)
{
	if (!port->name && port->ifname[0])
		port->name = mem_strdup(port->ifname);
	if (!port->has_kind)
		port->kind = default_kind(net);
	port->has_kind = true;
	default_number(&port->queues, has_descriptors(port) ? net->port_defaults.queues : 1, 1);
	default_number(&port->mtu, net->port_defaults.mtu, network_mtu(net));
	default_number(&port->txqueuelen, net->port_defaults.txqueuelen, 1000);
	if (!port->has_isolated)
		port->isolated = net->port_defaults.isolated;
	default_vlan(port, net);
	default_options(&port->options, &net->port_defaults.options);
	default_limit(&port->in, &port->has_in, &net->port_defaults.in);
	default_limit(&port->out, &port->has_out, &net->port_defaults.out);
	if (!port->has_mac && !port->learns_mac && port->name) {
		port->mac = port_mac_from_name(net->name, port->name, 0);
		port->has_mac = true;
	}
}

/* --- for the kernel and for clients --- */

static struct bandwidth effective_limit(const struct bandwidth *own, const struct bandwidth *all)
{
	struct bandwidth limit = *own;

	if (!limit.rate)
		limit.rate = all->rate;
	if (limit.rate)
		limit.burst = shaper_burst(&limit);
	return limit;
}

const group_name_vec *port_groups(const struct port *port, const struct network *net)
{
	return port->has_groups ? &port->groups : &net->port_defaults.groups;
}

void port_limits(const struct port *port, const struct network *net, struct bandwidth *ret_in,
		 struct bandwidth *ret_out)
{
	*ret_in = effective_limit(&port->in, &net->in);
	*ret_out = effective_limit(&port->out, &net->out);
}

static json_t *describe_vlans(const struct port_vlans *vlan)
{
	json_t *tagged = json_array();
	char text[12];

	vec_each(range, &vlan->tagged)
		json_array_append_new(tagged, json_string(vlan_range_format(range, text)));
	return json_pack("{s:i,s:o}", "native", (int)vlan->native, "tagged", tagged);
}

static json_t *describe_limit(const struct bandwidth *limit)
{
	json_t *json = json_pack("{s:I}", "rate", (json_int_t)limit->rate);

	if (limit->guaranteed)
		json_object_set_new(json, "guaranteed", json_integer((json_int_t)limit->guaranteed));
	if (limit->burst)
		json_object_set_new(json, "burst", json_integer((json_int_t)limit->burst));
	return json;
}

static void describe_bandwidth(const struct port *port, json_t *info)
{
	json_t *bandwidth = json_object();

	if (port->in.rate || port->in.guaranteed)
		json_object_set_new(bandwidth, "in", describe_limit(&port->in));
	if (port->out.rate || port->out.guaranteed)
		json_object_set_new(bandwidth, "out", describe_limit(&port->out));
	if (json_object_size(bandwidth))
		json_object_set(info, "bandwidth", bandwidth);
	json_decref(bandwidth);
}

/* The bridge's view: what was left out is as Linux has it. */
static void describe_options(const struct port_options *options, json_t *info)
{
	json_object_set_new(info, "learning", json_boolean(options->learning != TRI_FALSE));
	json_object_set_new(info, "flood", json_boolean(options->flood != TRI_FALSE));
	json_object_set_new(info, "multicastFlood",
			    json_boolean(options->multicast_flood != TRI_FALSE));
	json_object_set_new(info, "hairpin", json_boolean(options->hairpin == TRI_TRUE));
	json_object_set_new(info, "proxyArp", json_boolean(options->proxy_arp == TRI_TRUE));
}

void port_describe(const struct port *port, json_t *info)
{
	json_t *state = port_to_json(port);
	static const char *const same[] = { "offloads", "netns", "inside", "vf" };

	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		if (json_object_get(state, same[i]))
			json_object_set(info, same[i], json_object_get(state, same[i]));
	json_decref(state);
	if (port->kind == PORT_TAP || port->kind == PORT_VETH)
		describe_options(&port->options, info);
	if (port->vlan.is_given)
		json_object_set_new(info, "vlan", describe_vlans(&port->vlan));
	describe_bandwidth(port, info);
}
