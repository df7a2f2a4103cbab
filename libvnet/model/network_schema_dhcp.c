/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network_schema_dhcp.c - the keys dhcp, dhcp6 and ra, as tables. */

#include "model/network_schema.h"

#include "base/strbuf.h"
#include "model/names.h"
#include "model/network.h"

#include <errno.h>
#include <sys/socket.h>

#define LEASE_TIME_MIN 120 /* dnsmasq refuses less */
#define LEASE_TIME_MAX (10 * 365 * 86400)

/* --- DHCP --- */

static int dhcp_host_finish(struct decoder *d, const struct node *n, void *value)
{
	const struct dhcp_host *host = value;

	if (host->duid && host->address.family)
		return node_error(n, d->err, "bad-value",
				  "a DUID names a client of DHCPv6; its IPv4 address goes by mac");
	if (host->has_mac || host->name || host->duid)
		return 0;
	return node_error(n, d->err, "missing-key",
			  "a DHCP host is known by its mac, its name or its duid; give one");
}

static const struct schema_field dhcp_host_fields[] = {
#define H(member) offsetof(struct dhcp_host, member)
	FIELD("mac", type_mac, H(mac), .has = HAS(struct dhcp_host, has_mac)),
	FIELD("name", type_string, H(name), .check = hostname_check),
	FIELD("duid", type_string, H(duid), .check = duid_check),
	FIELD("address", type_ip, H(address), .family = AF_INET),
	FIELD("address6", type_ip, H(address6), .family = AF_INET6),
	FIELD("lease_time", type_duration, H(lease_time), .min = LEASE_TIME_MIN,
	      .max = LEASE_TIME_MAX, .may_be_infinite = true),
#undef H
};
static const struct schema dhcp_host_schema = {
	.what = "a DHCP host",
	.size = sizeof(struct dhcp_host),
	SCHEMA_FIELDS(dhcp_host_fields),
	.source = HAS(struct dhcp_host, source),
	.finish = dhcp_host_finish,
};

/* A text, or a list of texts which dnsmasq wants joined by commas. */
static int option_value_decode(struct decoder *d, const struct schema_field *f,
			       const struct node *n, void *value)
{
	AUTO_STRBUF struct strbuf joined = { 0 };

	if (n->kind != NODE_SEQUENCE)
		return type_string.decode(d, f, n, value);
	for (size_t i = 0; i < n->items.n; i++) {
		AUTO_FREE char *text = NULL;
		int r = type_string.decode(d, f, n->items.v[i], &text);

		if (r < 0)
			return r;
		strbuf_printf(&joined, "%s%s", i ? "," : "", text);
	}
	if (joined.len > f->max)
		return node_error(n, d->err, "text-too-long",
				  "the values have %zu bytes together; at most %llu are accepted",
				  joined.len, f->max);
	mem_replace(value, joined.s ? joined.s : "");
	return 0;
}

static bool option_value_is_default(const struct schema_field *f, const void *value,
				    const void *root)
{
	const char *text = *(char *const *)value;

	(void)f;
	(void)root;
	return !text || !*text;
}

static const struct schema_type type_option_value = {
	.size = sizeof(char *),
	.decode = option_value_decode,
	.encode = string_encode,
	.is_default = option_value_is_default,
	.copy = string_copy,
	.clear = string_clear,
	.equal = string_equal,
};

/* What dnsmasq 2.90 knows by name (dnsmasq --help dhcp, dhcp6); it does not start with another. */
static const char *const option_names[] = {
	"netmask",
	"time-offset",
	"router",
	"dns-server",
	"log-server",
	"lpr-server",
	"boot-file-size",
	"domain-name",
	"swap-server",
	"root-path",
	"extension-path",
	"ip-forward-enable",
	"non-local-source-routing",
	"policy-filter",
	"max-datagram-reassembly",
	"default-ttl",
	"mtu",
	"all-subnets-local",
	"router-discovery",
	"router-solicitation",
	"static-route",
	"trailer-encapsulation",
	"arp-timeout",
	"ethernet-encap",
	"tcp-ttl",
	"tcp-keepalive",
	"nis-domain",
	"nis-server",
	"ntp-server",
	"netbios-ns",
	"netbios-dd",
	"netbios-nodetype",
	"netbios-scope",
	"x-windows-fs",
	"x-windows-dm",
	"T1",
	"T2",
	"vendor-class",
	"nis+-domain",
	"nis+-server",
	"tftp-server",
	"bootfile-name",
	"mobile-ip-home",
	"smtp-server",
	"pop3-server",
	"nntp-server",
	"irc-server",
	"user-class",
	"rapid-commit",
	"client-arch",
	"client-interface-id",
	"client-machine-id",
	"posix-timezone",
	"tzdb-timezone",
	"ipv6-only",
	"domain-search",
	"sip-server",
	"classless-static-route",
	"vendor-id-encap",
	"tftp-server-address",
	"server-ip-address",
};
static const char *const option6_names[] = {
	"sip-server-domain", "sip-server",
	"dns-server",	     "domain-search",
	"nis-server",	     "nis+-server",
	"nis-domain",	     "nis+-domain",
	"sntp-server",	     "information-refresh-time",
	"posix-timezone",    "tzdb-timezone",
	"ntp-server",	     "bootfile-url",
	"bootfile-param",
};

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

static int check_option_name(struct decoder *d, const struct node *n,
			     const struct dhcp_option *option)
{
	const char *const *names = option->is_v6 ? option6_names : option_names;
	size_t count = option->is_v6 ? ARRAY_SIZE(option6_names) : ARRAY_SIZE(option_names);
	const char *near;

	if (!option->name || is_one_of(option->name, names, count))
		return 0;
	near = nearest_word(option->name, names, count);
	return node_error(
		n, d->err, "bad-value",
		"no DHCPv%d option is called \"%s\"%s%s%s; dnsmasq --help dhcp%s lists the "
		"names, any other option goes by its number",
		option->is_v6 ? 6 : 4, option->name, near ? " (did you mean \"" : "",
		near ? near : "", near ? "\"?)" : "", option->is_v6 ? "6" : "");
}

static int dhcp_option_finish(struct decoder *d, const struct node *n, void *value)
{
	struct dhcp_option *option = value;

	if (!option->name == !option->number)
		return node_error(
			n, d->err, "missing-key",
			"a DHCP option is known by its name or by its number; give one of them");
	if (!option->is_v6 && option->number > 254)
		return node_error(
			n, d->err, "out-of-range",
			"number is \"%u\"; DHCPv4 has options 1 to 254 (ipv6: true has more)",
			option->number);
	if (!option->value)
		option->value = mem_strdup("");
	return check_option_name(d, n, option);
}

static const struct schema_field dhcp_option_fields[] = {
#define O(member) offsetof(struct dhcp_option, member)
	FIELD("name", type_string, O(name), .max = 63, .check = word_check),
	FIELD("number", type_uint, O(number), .min = 1, .max = 65535),
	FIELD("value", type_option_value, O(value), .max = 1024, .check = option_value_check),
	FIELD("ipv6", type_bool, O(is_v6)),
	FIELD("force", type_bool, O(force)),
#undef O
};
static const struct schema dhcp_option_schema = {
	.what = "a DHCP option",
	.size = sizeof(struct dhcp_option),
	SCHEMA_FIELDS(dhcp_option_fields),
	.source = HAS(struct dhcp_option, source),
	.finish = dhcp_option_finish,
};

static const struct schema_field boot_fields[] = {
#define P(member) offsetof(struct dhcp_boot, member)
	FIELD("file", type_string, P(file), .max = 127,
	      .check = word_check), /* RFC 2131: 128 bytes */
	FIELD("server_name", type_string, P(server_name), .max = 63, .check = domain_check),
	FIELD("server", type_ip, P(server), .family = AF_INET),
	FIELD("tftp_root", type_string, P(tftp_root), .max = 1023, .check = path_check),
#undef P
};
static const struct schema boot_schema = {
	.what = "boot",
	.size = sizeof(struct dhcp_boot),
	SCHEMA_FIELDS(boot_fields),
};

static const struct schema_field range4_item = ITEM("ranges", type_ip_range, .family = AF_INET);
static const struct schema_field range6_item = ITEM("ranges", type_ip_range, .family = AF_INET6);
static const struct schema_field dhcp_host_item =
	ITEM("hosts", type_struct, .schema = &dhcp_host_schema);
static const struct schema_field dhcp_option_item =
	ITEM("options", type_struct, .schema = &dhcp_option_schema);

static const struct schema_field dhcp_fields[] = {
#define D(member) offsetof(struct dhcp_config, member)
	FIELD("ranges", type_list, D(ranges), .item = &range4_item, .max = NETWORK_RANGES_MAX),
	FIELD("lease_time", type_duration, D(lease_time), .min = LEASE_TIME_MIN,
	      .max = LEASE_TIME_MAX, .may_be_infinite = true),
	FIELD("reserved_only", type_bool, D(reserved_only)),
	FIELD("hosts", type_list, D(hosts), .item = &dhcp_host_item, .max = NETWORK_HOSTS_MAX),
	FIELD("options", type_list, D(options), .item = &dhcp_option_item,
	      .max = NETWORK_OPTIONS_MAX),
	FIELD("boot", type_struct, D(boot), .schema = &boot_schema),
	FIELD("authoritative", type_bool, D(authoritative), .def = true),
#undef D
};
const struct schema dhcp_schema = {
	.what = "dhcp",
	.size = sizeof(struct dhcp_config),
	SCHEMA_FIELDS(dhcp_fields),
	.enabled = HAS(struct dhcp_config, enabled),
};

/* --- DHCPv6 and router advertisements: two keys, one struct --- */

static const char *const ra_names[] = { [RA_OFF] = "off",
					[RA_SLAAC] = "slaac",
					[RA_STATELESS] = "stateless",
					[RA_MANAGED] = "managed",
					NULL };

#define I(member) offsetof(struct ipv6_config, member)
static const struct schema_field dhcp6_fields[] = {
	FIELD("ranges", type_list, I(ranges), .item = &range6_item, .max = NETWORK_RANGES_MAX),
	FIELD("lease_time", type_duration, I(lease_time), .min = LEASE_TIME_MIN,
	      .max = LEASE_TIME_MAX, .may_be_infinite = true),
	FIELD("reserved_only", type_bool, I(reserved_only)),
};
const struct schema dhcp6_schema = {
	.what = "dhcp6",
	.size = sizeof(struct ipv6_config),
	SCHEMA_FIELDS(dhcp6_fields),
	.enabled = HAS(struct ipv6_config, dhcp6_enabled),
};

static const struct schema_field ra_fields[] = {
	FIELD("mode", type_enum, I(ra), .names = ra_names, .has = HAS(struct ipv6_config, has_ra)),
	FIELD("interval", type_duration, I(ra_interval), .min = 4, .max = 1800),
	FIELD("router_lifetime", type_duration, I(router_lifetime), .max = 9000,
	      .has = HAS(struct ipv6_config, has_router_lifetime)),
};
const struct schema ra_schema = {
	.what = "ra",
	.size = sizeof(struct ipv6_config),
	SCHEMA_FIELDS(ra_fields),
	.short_key = "mode",
};
#undef I
