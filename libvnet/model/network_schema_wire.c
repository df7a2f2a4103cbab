/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network_schema_wire.c - the keys that say over which wire a network's frames
 * go, as tables: VLANs, links to other hosts, macvtap, SR-IOV; and how many.
 */

#include "model/network_schema.h"

#include "model/group_rule.h"
#include "model/names.h"
#include "model/network.h"
#include "model/schema_wire.h"

#include <errno.h>
#include <limits.h>

/* --- one VLAN of the uplink --- */

static const struct schema_field vlan_fields[] = {
#define V(member) offsetof(struct vlan_config, member)
	FIELD("id", type_vlan_id, V(id), .required = true, .min = 1),
	FIELD("protocol", type_enum, V(protocol), .names = vlan_protocol_names),
	FIELD("service", type_vlan_id, V(service), .min = 1),
#undef V
};
const struct schema vlan_schema = {
	.what = "vlan",
	.size = sizeof(struct vlan_config),
	SCHEMA_FIELDS(vlan_fields),
	.short_key = "id",
};

/* --- a network for each of many VLANs; network.c makes them, here the ids are only checked --- */

static int vlans_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			void *value)
{
	vlan_range_vec ranges = { 0 };
	int r = type_vlan_ranges.decode(d, f, n, &ranges);

	(void)value;
	if (r == 0 && !ranges.n)
		r = node_error(n, d->err, "bad-value", "the list is empty; give at least one id");
	vec_free(&ranges);
	return r;
}

const struct schema_type type_vlans = {
	.decode = vlans_decode,
};

/* --- links to other hosts --- */

static const char *const link_kinds[] = { [LINK_GRETAP] = "gretap", [LINK_VXLAN] = "vxlan", NULL };

const char *link_kind_name(enum link_kind kind)
{
	return link_kinds[kind];
}

static int link_name_check(const char *text, struct vnet_error *err)
{
	return name_check(text, NETWORK_NAME_MAX, err);
}

/* `key` and `vni` are one number in memory; which of the two it is, the kind tells. */
static int number_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			 void *value)
{
	struct network_link *link = value;
	unsigned number;
	int r = type_uint.decode(d, f, n, &number);

	if (r == 0) {
		link->key = number;
		link->has_key = true;
	}
	return r;
}

static json_t *number_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return json_integer(((const struct network_link *)value)->key);
}

static bool number_equal(const struct schema_field *f, const void *a, const void *b)
{
	const struct network_link *x = a, *y = b;

	(void)f;
	return x->has_key == y->has_key && x->key == y->key;
}

static bool key_is_default(const struct schema_field *f, const void *value, const void *root)
{
	const struct network_link *link = value;

	(void)f;
	(void)root;
	return link->kind == LINK_VXLAN || !link->has_key;
}

static bool vni_is_default(const struct schema_field *f, const void *value, const void *root)
{
	const struct network_link *link = value;

	(void)f;
	(void)root;
	return link->kind != LINK_VXLAN || !link->has_key;
}

static const struct schema_type type_link_key = {
	.decode = number_decode,
	.encode = number_encode,
	.is_default = key_is_default,
	.equal = number_equal,
};
static const struct schema_type type_link_vni = {
	.decode = number_decode,
	.encode = number_encode,
	.is_default = vni_is_default,
	.equal = number_equal,
};

/* 0 to 255, or the word inherit: what the frame inside has, which Linux writes as 1. */
static int tos_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
		      void *value)
{
	const char *text = decode_text(d, n, "a type of service, 0 to 255, or inherit");

	if (!text)
		return -EINVAL;
	if (strcmp(text, "inherit") != 0)
		return type_uint.decode(d, f, n, value);
	*(unsigned *)value = 1;
	return 0;
}

static json_t *tos_encode(const struct schema_field *f, const void *value, const void *root)
{
	return *(const unsigned *)value == 1 ? json_string("inherit")
					     : type_uint.encode(f, value, root);
}

static const struct schema_type type_tos = {
	.size = sizeof(unsigned),
	.decode = tos_decode,
	.encode = tos_encode,
};

/* Its default follows another key of the same item: see link_finish(). */
static int learning_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			   void *value)
{
	return type_bool.decode(d, f, n, &((struct network_link *)value)->learning);
}

static json_t *learning_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return json_boolean(((const struct network_link *)value)->learning);
}

static bool learning_is_default(const struct schema_field *f, const void *value, const void *root)
{
	const struct network_link *link = value;

	(void)f;
	(void)root;
	return link->learning != link->external;
}

static bool learning_equal(const struct schema_field *f, const void *a, const void *b)
{
	const struct network_link *x = a, *y = b;

	(void)f;
	return x->learning == y->learning;
}

static const struct schema_type type_link_learning = {
	.decode = learning_decode,
	.encode = learning_encode,
	.is_default = learning_is_default,
	.equal = learning_equal,
};

/* Keys of one kind that the other does not know. */
static int check_kind_keys(struct decoder *d, const struct node *n, enum link_kind kind)
{
	static const struct {
		const char *key;
		enum link_kind kind;
		const char *why;
	} keys[] = {
		{ "key", LINK_GRETAP, "the number of a VXLAN is its vni" },
		{ "split_horizon", LINK_GRETAP,
		  "a VXLAN is one port of the bridge, which never sends from a peer to another" },
		{ "vni", LINK_VXLAN, "the number of a gretap link is its key" },
		{ "port", LINK_VXLAN, "GRE is a protocol of its own, without UDP ports" },
		{ "learning", LINK_VXLAN,
		  "each peer of a gretap link is a port of the bridge, which learns there" },
		{ "external", LINK_VXLAN, "a gretap link has no entries that others could set" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct node *at = node_get(n, keys[i].key);

		if (at && keys[i].kind != kind)
			return node_key_error(at, d->err, "kind-conflict",
					      "%s belongs to kind: %s: %s", keys[i].key,
					      link_kind_name(keys[i].kind), keys[i].why);
	}
	return 0;
}

static int link_finish(struct decoder *d, const struct node *n, void *value)
{
	struct network_link *link = value;
	int r = check_kind_keys(d, n, link->kind);

	if (r < 0)
		return r;
	if (link->kind == LINK_VXLAN && !link->has_key)
		return node_error(n, d->err, "missing-key",
				  "a VXLAN link needs its number: vni, 1 to 16777215");
	if (link->external && link->peers.n)
		return node_key_error(node_get(n, "peers"), d->err, "mode-conflict",
				      "with external, a control plane says who the peers are; "
				      "remove one of the two");
	/* Who is told where everybody is has nothing to learn. */
	if (!node_get(n, "learning"))
		link->learning = !link->external;
	return 0;
}

static const struct schema_field peer_item = ITEM("peers", type_ip);
static const struct schema_field link_fields[] = {
#define L(member) offsetof(struct network_link, member)
	FIELD("name", type_string, L(name), .required = true, .check = link_name_check),
	FIELD("kind", type_enum, L(kind), .required = true, .names = link_kinds),
	FIELD("local", type_ip, L(local), .required = true),
	FIELD("device", type_string, L(device), .check = ifname_check),
	FIELD("peers", type_list, L(peers), .item = &peer_item, .max = NETWORK_PEERS_MAX),
	FIELD("key", type_link_key, 0, .max = UINT_MAX),
	FIELD("vni", type_link_vni, 0, .min = 1, .max = (1 << 24) - 1),
	FIELD("ttl", type_uint, L(ttl), .min = 1, .max = 255),
	FIELD("tos", type_tos, L(tos), .max = 255),
	FIELD("pmtudisc", type_bool, L(pmtudisc), .def = true),
	FIELD("split_horizon", type_bool, L(split_horizon), .def = true),
	FIELD("port", type_uint, L(port), .min = 1, .max = 65535),
	FIELD("learning", type_link_learning, 0),
	FIELD("external", type_bool, L(external)),
#undef L
};
const struct schema link_schema = {
	.what = "a link",
	.size = sizeof(struct network_link),
	SCHEMA_FIELDS(link_fields),
	.source = HAS(struct network_link, source),
	.finish = link_finish,
};

/* --- macvtap --- */

static const char *const macvtap_modes[] = {
	[MACVTAP_BRIDGE] = "bridge",	 [MACVTAP_VEPA] = "vepa",
	[MACVTAP_PRIVATE] = "private",	 [MACVTAP_PASSTHRU] = "passthru",
	NULL
};

static const struct schema_field macvtap_fields[] = {
#define M(member) offsetof(struct macvtap_config, member)
	FIELD("mode", type_enum, M(mode), .names = macvtap_modes),
	FIELD("companion", type_bool, M(companion)),
#undef M
};
const struct schema macvtap_schema = {
	.what = "macvtap",
	.size = sizeof(struct macvtap_config),
	SCHEMA_FIELDS(macvtap_fields),
	.short_key = "mode",
};

/* --- SR-IOV --- */

#define VF_MAX 65534
#define VFS_WANTED "a virtual function or a range of them, like 3 or 0-7"

static int vfs_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
		      void *value)
{
	const char *text = decode_text(d, n, VFS_WANTED);
	struct sriov_config *sriov = value;
	char buf[TEXT_QUOTE_MAX];

	(void)f;
	if (!text)
		return -EINVAL;
	if (uint_range_parse(text, &sriov->first_vf, &sriov->last_vf) < 0)
		return node_error(n, d->err, "bad-value", "%s is not " VFS_WANTED,
				  text_quote(text, buf));
	sriov->has_vfs = true;
	if (sriov->last_vf > VF_MAX)
		return node_error(n, d->err, "out-of-range", "vfs is %s; accepted: 0 to %d",
				  text_quote(text, buf), VF_MAX);
	return 0;
}

static json_t *vfs_encode(const struct schema_field *f, const void *value, const void *root)
{
	const struct sriov_config *sriov = value;
	AUTO_FREE char *text = mem_printf("%u-%u", sriov->first_vf, sriov->last_vf);

	(void)f;
	(void)root;
	return sriov->first_vf == sriov->last_vf ? json_integer(sriov->first_vf)
						 : json_string(text);
}

static bool vfs_is_default(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return !((const struct sriov_config *)value)->has_vfs;
}

static bool vfs_equal(const struct schema_field *f, const void *a, const void *b)
{
	const struct sriov_config *x = a, *y = b;

	(void)f;
	return x->has_vfs == y->has_vfs && x->first_vf == y->first_vf && x->last_vf == y->last_vf;
}

static const struct schema_type type_vfs = {
	.decode = vfs_decode,
	.encode = vfs_encode,
	.is_default = vfs_is_default,
	.equal = vfs_equal,
};

static const struct schema_field sriov_fields[] = {
#define S(member) offsetof(struct sriov_config, member)
	FIELD("vfs", type_vfs, 0),
	FIELD("spoofchk", type_bool, S(spoofchk), .def = true),
	FIELD("trust", type_bool, S(trust)),
#undef S
};
const struct schema sriov_schema = {
	.what = "sriov",
	.size = sizeof(struct sriov_config),
	SCHEMA_FIELDS(sriov_fields),
};

/* --- how much: of all ports together, and of each --- */

static const struct schema_field bandwidth_fields[] = {
	FIELD("in", type_struct, offsetof(struct network, in), .schema = &network_limit_schema),
	FIELD("out", type_struct, offsetof(struct network, out), .schema = &network_limit_schema),
};
const struct schema bandwidth_schema = {
	.what = "bandwidth",
	.size = sizeof(struct network),
	SCHEMA_FIELDS(bandwidth_fields),
};

/* --- what a port has when its request says nothing --- */

#define P(member) offsetof(struct port_defaults, member)
static const struct schema_field ports_bandwidth_fields[] = {
	FIELD("in", type_struct, P(in), .schema = &limit_schema),
	FIELD("out", type_struct, P(out), .schema = &limit_schema),
};
static const struct schema ports_bandwidth_schema = {
	.what = "bandwidth",
	.size = sizeof(struct port_defaults),
	SCHEMA_FIELDS(ports_bandwidth_fields),
};

static const struct schema_field ports_fields[] = {
	FIELD("mtu", type_uint, P(mtu), .min = 68, .max = 65535),
	FIELD("isolated", type_bool, P(isolated)),
	FIELD("queues", type_uint, P(queues), .min = 1, .max = 64),
	FIELD("txqueuelen", type_uint, P(txqueuelen), .min = 1, .max = 1000000),
	FIELD("vlan", type_struct, P(vlan), .schema = &port_vlans_schema,
	      .has = HAS(struct port_defaults, vlan.is_given)),
	FIELD("learning", type_tristate, P(options.learning)),
	FIELD("flood", type_tristate, P(options.flood)),
	FIELD("multicast_flood", type_tristate, P(options.multicast_flood)),
	FIELD("hairpin", type_tristate, P(options.hairpin)),
	FIELD("proxy_arp", type_tristate, P(options.proxy_arp)),
	FIELD("offloads", type_struct, P(options), .schema = &offloads_schema),
	FIELD("bandwidth", type_struct, 0, .schema = &ports_bandwidth_schema),
	FIELD("guard", type_struct, P(guard), .schema = &guard_schema),
	FIELD("groups", type_group_names, P(groups)),
};
#undef P
const struct schema ports_schema = {
	.what = "ports",
	.size = sizeof(struct port_defaults),
	SCHEMA_FIELDS(ports_fields),
};
