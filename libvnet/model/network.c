/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network.c - networks as values: read, written, copied, compared; effective values. */

#include "model/network.h"

#include "model/definitions.h"
#include "model/mac_name.h"
#include "model/names.h"
#include "model/network_schema.h"
#include "model/schema_wire.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <sys/socket.h>

_Static_assert(NETWORKS_TEXT_MAX == NODE_TEXT_MAX, "the parser enforces what the header says");

static void keys_free(key_source_vec *keys)
{
	vec_each(key, keys)
		free(key->path);
	vec_free(keys);
}

void network_free(struct network *net)
{
	if (!net)
		return;
	schema_clear(&network_schema, net);
	keys_free(&net->keys);
	free(net->source.file);
	free(net->name);
	free(net);
}

struct network *network_copy(const struct network *net)
{
	struct network *copy = mem_alloc(sizeof(*copy));

	*copy = *net;
	schema_copy(&network_schema, copy);
	copy->name = mem_strdup(net->name);
	copy->source.file = mem_strdup(net->source.file);
	copy->keys = (key_source_vec){ 0 };
	vec_each(key, &net->keys)
		*vec_add(&copy->keys) =
			(struct key_source){ mem_strdup(key->path), key->line, key->column };
	return copy;
}

bool network_equal(const struct network *a, const struct network *b)
{
	return strcmp(a->name, b->name) == 0 && schema_equal(&network_schema, a, b);
}

void network_vec_free(network_vec *nets)
{
	vec_each(net, nets)
		network_free(*net);
	vec_free(nets);
}

/* --- effective values --- */

const char *network_bridge(const struct network *net, char buf[16])
{
	if (net->mode == NETWORK_MACVTAP)
		return network_device(net, NETWORK_COMPANION_PREFIX, buf);
	if (!network_has_bridge(net))
		buf[0] = '\0';
	else if (net->bridge.name)
		snprintf(buf, 16, "%s", net->bridge.name);
	else
		snprintf(buf, 16, NETWORK_BRIDGE_PREFIX "%.12s", net->name);
	return buf;
}

bool network_has_bridge(const struct network *net)
{
	return net->mode != NETWORK_MACVTAP && net->mode != NETWORK_SRIOV;
}

bool network_owns_bridge(const struct network *net)
{
	return network_has_bridge(net) && (net->mode != NETWORK_BRIDGED || net->uplink);
}

bool network_takes_uplink(const struct network *net)
{
	return net->mode == NETWORK_BRIDGED && net->uplink && !net->vlan.id;
}

struct mac network_bridge_mac(const struct network *net)
{
	char salt[ADDR_TEXT_MAX] = "";

	if (net->bridge.has_mac)
		return net->bridge.mac;
	if (net->links.n)
		ip_format(&net->links.v[0].local, salt);
	return mac_from_names("bridge", net->name, salt, 0);
}

const char *network_device(const struct network *net, const char *prefix, char buf[16])
{
	int len = snprintf(buf, 16, "%s%s", prefix, net->name);

	if (len > 15)
		snprintf(buf, 16, "%.3s%012llx", prefix,
			 (unsigned long long)hash_of_names("device", prefix, net->name, 0) >> 16);
	return buf;
}

const char *network_link_device(const struct network *net, const struct network_link *link,
				const struct ip *peer, char buf[16])
{
	char text[ADDR_TEXT_MAX] = "";
	AUTO_FREE char *end = NULL;

	if (peer)
		ip_format(peer, text);
	end = mem_printf("%s %s", link->name, text); /* no name holds a blank */
	snprintf(buf, 16, "%s%08x", link->kind == LINK_VXLAN ? "vx" : "vg",
		 (unsigned)(hash_of_names("link", net->name, end, 0) & 0xffffffff));
	return buf;
}

unsigned network_link_overhead(const struct network_link *link)
{
	unsigned ip = link->local.family == AF_INET6 ? 40 : 20;

	if (link->kind == LINK_VXLAN)
		return ip + 8 + 8 + ETH_HLEN;                   /* UDP, VXLAN (RFC 7348) */
	return ip + 4 + (link->has_key ? 4 : 0) + ETH_HLEN;     /* GRE (RFC 2784, RFC 2890) */
}

unsigned network_native_vlan(const struct network *net)
{
	return net->bridge.has_native ? net->bridge.native : 1;
}

bool vlan_ranges_contain(const vlan_range_vec *ranges, unsigned id)
{
	vec_each(range, ranges)
		if (range->first <= id && id <= range->last)
			return true;
	return false;
}

uint16_t vlan_protocol_ethertype(enum vlan_protocol protocol)
{
	return protocol == VLAN_8021AD ? ETH_P_8021AD : ETH_P_8021Q;
}

uint32_t shaper_burst(const struct bandwidth *bandwidth)
{
	const uint32_t least = 10 * ETH_FRAME_LEN;
	uint64_t bytes = bandwidth->rate / (8 * 200);

	if (bandwidth->burst)
		return bandwidth->burst;
	return bytes < least ? least : bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}

unsigned network_mtu(const struct network *net)
{
	return net->bridge.mtu ? net->bridge.mtu : 1500;
}

uint16_t network_zone(const struct network *net)
{
	return (uint16_t)(hash_of_names("zone", net->name, "", 0) | 0x8000);
}

bool network_has_family(const struct network *net, int family)
{
	vec_each(address, &net->addresses)
		if (address->addr.family == family)
			return true;
	return false;
}

enum ra_mode network_ra(const struct network *net)
{
	if (net->ipv6.has_ra)
		return net->ipv6.ra;
	if (net->mode == NETWORK_BRIDGED || !network_has_bridge(net))
		return RA_OFF;
	if (net->ipv6.dhcp6_enabled)
		return RA_MANAGED;
	vec_each(address, &net->addresses)
		if (address->addr.family == AF_INET6 && !ip_is_link_local(&address->addr))
			return RA_SLAAC;
	return net->auto6 ? RA_SLAAC : RA_OFF;
}

bool network_wants_dnsmasq(const struct network *net)
{
	return net->dhcp.enabled || net->ipv6.dhcp6_enabled || net->dns.enabled ||
	       network_ra(net) != RA_OFF;
}

void network_locate(const struct network *net, const char *path, struct vnet_error *err)
{
	const struct key_source *found = NULL;
	AUTO_FREE char *full =
		mem_printf("%s%s%s", net->name, path && *path ? "." : "", path ? path : "");

	vec_each(key, &net->keys)
		if (path && strcmp(key->path, path) == 0)
			found = key;
	vnet_error_at(err, net->source.file, found ? found->line : net->source.line,
		      found ? found->column : net->source.column, full);
}

/* --- write --- */

/* Takes out the addresses that were chosen for `subnet: auto`; nothing else is of that family. */
static void drop_chosen_addresses(struct network *net)
{
	for (size_t i = net->addresses.n; i-- > 0;) {
		int family = net->addresses.v[i].addr.family;

		if ((family == AF_INET && net->auto4) || (family == AF_INET6 && net->auto6))
			vec_remove(&net->addresses, i);
	}
}

json_t *network_to_json(const struct network *net)
{
	AUTO(network_free) struct network *declared = NULL;

	if (net->auto4 || net->auto6) {
		declared = network_copy(net);
		drop_chosen_addresses(declared);
		net = declared;
	}
	return schema_encode(&network_schema, net, net);
}

json_t *networks_to_json(struct network *const *nets, size_t n)
{
	json_t *json = json_object();

	for (size_t i = 0; i < n; i++)
		json_object_set_new(json, nets[i]->name, network_to_json(nets[i]));
	return json_pack("{s:o}", "networks", json);
}

/* --- read --- */

static int check_auto(const struct network *net, const struct node *def, struct vnet_error *err)
{
	const struct node *n = node_get(def, "subnet");

	if (net->auto4 && network_has_family(net, AF_INET))
		return node_error(
			n, err, "subnet-conflict",
			"an IPv4 subnet is chosen and addresses has one too; keep one of them");
	if (net->auto6 && network_has_family(net, AF_INET6))
		return node_error(
			n, err, "subnet-conflict",
			"an IPv6 subnet is chosen and addresses has one too; keep one of them");
	return 0;
}

static int decode_network(const struct node *n, const char *name, struct network **ret,
			  struct vnet_error *err)
{
	AUTO(network_free) struct network *net = mem_alloc(sizeof(*net));
	struct decoder d = { .err = err, .keys = &net->keys, .base = n };
	int r;

	net->name = mem_strdup(name);
	net->source = (struct source){ mem_strdup(n->file), n->key_line, n->key_column };
	r = network_name_check(n->key, err);
	if (r < 0) {
		char path[NODE_PATH_MAX];

		vnet_error_at(err, n->file, n->key_line, n->key_column,
			      node_path(n, path, sizeof(path)));
		return r;
	}
	if (n->kind != NODE_MAPPING)
		return node_key_error(
			n, err, "bad-type",
			"the network's definition is missing: a mapping with at least mode");
	schema_init(&network_schema, net);
	r = schema_decode(&d, &network_schema, n, net);
	if (r == 0)
		r = check_auto(net, n, err);
	if (r < 0)
		return r;
	schema_defaults(&network_schema, n, net, net);
	*ret = TAKE(net);
	return 0;
}

/* What only one of the networks that `vlans` makes could have. */
static int check_vlans_keys(const struct node *n, struct vnet_error *err)
{
	const struct node *const unique[] = { node_get(n, "vlan"), node_get(n, "addresses"),
					      node_get(node_get(n, "bridge"), "name"),
					      node_get(node_get(n, "bridge"), "mac") };

	for (size_t i = 0; i < ARRAY_SIZE(unique); i++)
		if (unique[i])
			return node_key_error(unique[i], err, "mode-conflict",
					      "%s cannot be the same for all networks that vlans "
					      "makes; %s", unique[i]->key,
					      i == 1 ? "use subnet: auto" : "leave it out");
	return 0;
}

/* The definition's network once more, for another id. */
static int make_vlan(const struct node *n, const struct network *first, unsigned id,
		     network_vec *ret, struct vnet_error *err)
{
	const size_t max = 15 - strlen(NETWORK_BRIDGE_PREFIX);
	AUTO_FREE char *name = mem_printf("%s.%u", n->key, id);
	struct network *net;

	if (strlen(name) > max)
		return node_key_error(n, err, "bad-name",
				      "vlans makes network %s, whose name has %zu bytes; with the "
				      "bridge's prefix " NETWORK_BRIDGE_PREFIX " at most %zu fit, so "
				      "shorten %s by %zu",
				      name, strlen(name), max, n->key, strlen(name) - max);
	if (ret->n >= NETWORKS_MAX)
		return node_error(node_get(n, "vlans"), err, "too-many",
				  "more than %d networks; at most as many are accepted", NETWORKS_MAX);
	net = network_copy(first);
	net->vlan.id = id;
	mem_replace(&net->name, name);
	vec_push(ret, net);
	return 0;
}

/* One definition with `vlans`: a network of its own for each id, called NAME.ID. */
static int decode_vlans(const struct node *n, network_vec *ret, struct vnet_error *err)
{
	static const struct schema_field field = { .key = "vlans" };
	AUTO(network_free) struct network *first = NULL;
	const struct node *ids = node_get(n, "vlans");
	struct decoder d = { .err = err };
	vlan_range_vec ranges = { 0 };
	int r = check_vlans_keys(n, err);

	if (r == 0)
		r = decode_network(n, n->key, &first, err);
	if (r == 0)
		r = type_vlan_ranges.decode(&d, &field, ids, &ranges);
	if (r == 0) /* what is wrong with the id is to be looked for there */
		*vec_add(&first->keys) =
			(struct key_source){ mem_strdup("vlan"), ids->key_line, ids->key_column };
	vec_each(range, &ranges)
		for (unsigned id = range->first; r == 0 && id <= range->last; id++)
			r = make_vlan(n, first, id, ret, err);
	vec_free(&ranges);
	return r;
}

static int name_order(const void *a, const void *b)
{
	const struct network *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* A mapping's keys differ; what vlans made of them may not. */
static int check_made_names(const network_vec *nets, struct vnet_error *err)
{
	VEC(const struct network *) sorted = { 0 };
	int r = 0;

	vec_each(net, nets)
		vec_push(&sorted, *net);
	vec_sort(&sorted, name_order);
	for (size_t i = 1; r == 0 && i < sorted.n; i++) {
		const struct network *a = sorted.v[i - 1], *b = sorted.v[i];

		if (strcmp(a->name, b->name) != 0)
			continue;
		r = vnet_error_set(err, -EINVAL, "name-conflict",
				   "network %s is defined twice, for vlans makes one of this name; "
				   "rename one of them",
				   b->name);
		network_locate(b, "", err);
	}
	vec_free(&sorted);
	return r;
}

int networks_from_node(const struct node *map, network_vec *ret, struct vnet_error *err)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	bool has_vlans = false;
	int r = 0;

	if (map->kind != NODE_MAPPING)
		return node_error(
			map, err, "bad-type",
			"networks must be a mapping from names to definitions; {} for none");
	if (map->items.n > NETWORKS_MAX)
		return node_error(map, err, "too-many", "%zu networks; at most %d are accepted",
				  map->items.n, NETWORKS_MAX);
	for (size_t i = 0; r == 0 && i < map->items.n; i++) {
		const struct node *n = map->items.v[i];

		has_vlans = has_vlans || node_get(n, "vlans");
		r = node_get(n, "vlans") ? decode_vlans(n, &nets, err) :
					   decode_network(n, n->key, vec_add(&nets), err);
	}
	if (r == 0 && has_vlans)
		r = check_made_names(&nets, err);
	if (r < 0)
		return r;
	*ret = nets;
	nets = (network_vec){ 0 };
	return 0;
}
