/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network_schema.c - every key of a network's definition, as tables.
 *
 * What a single value may be is here; how values must fit each other is in
 * check.c.  docs/reference-network.md is the manual.
 */

#include "model/network_schema.h"

#include "base/strbuf.h"
#include "model/names.h"
#include "model/network.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>

#define LEASE_TIME_MIN 120 /* dnsmasq refuses less */
#define LEASE_TIME_MAX (10 * 365 * 86400)

/* --- bridge --- */

static const struct schema_field bridge_fields[] = {
#define B(member) offsetof(struct bridge_options, member)
	FIELD("name", type_string, B(name), .check = ifname_check),
	FIELD("mac", type_mac, B(mac), .has = HAS(struct bridge_options, has_mac)),
	FIELD("stp", type_bool, B(stp)),
	FIELD("forward_delay", type_duration, B(forward_delay), .min = 2, .max = 30),
	FIELD("hello_time", type_duration, B(hello_time), .min = 1, .max = 10),
	FIELD("max_age", type_duration, B(max_age), .min = 6, .max = 40),
	FIELD("priority", type_uint, B(priority), .max = 65535,
	      .has = HAS(struct bridge_options, has_priority)),
	FIELD("ageing", type_duration, B(ageing), .max = 1000000,
	      .has = HAS(struct bridge_options, has_ageing)),
	FIELD("mtu", type_uint, B(mtu), .min = 68, .max = 65535),
	FIELD("multicast_snooping", type_bool, B(multicast_snooping)),
	FIELD("group_fwd_mask", type_uint, B(group_fwd_mask), .max = 65535),
#undef B
};
static const struct schema bridge_schema = {
	.what = "bridge",
	.size = sizeof(struct bridge_options),
	SCHEMA_FIELDS(bridge_fields),
};

/* --- subnet: auto --- */

static int auto_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
		       void *value)
{
	const char *text = decode_text(d, n, "the word auto");
	char buf[TEXT_QUOTE_MAX];

	(void)f;
	if (!text)
		return -EINVAL;
	if (strcmp(text, "auto") != 0)
		return node_error(
			n, d->err, "bad-value",
			"%s is not the word auto; write a chosen subnet into addresses instead",
			text_quote(text, buf));
	*(bool *)value = true;
	return 0;
}

static json_t *auto_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)value;
	(void)root;
	return json_string("auto");
}

static const struct schema_type type_auto = {
	.size = sizeof(bool),
	.decode = auto_decode,
	.encode = auto_encode,
};

static const struct schema_field subnet_fields[] = {
	FIELD("ipv4", type_auto, offsetof(struct network, auto4)),
	FIELD("ipv6", type_auto, offsetof(struct network, auto6)),
};
static const struct schema subnet_schema = {
	.what = "subnet",
	.size = sizeof(struct network),
	SCHEMA_FIELDS(subnet_fields),
	.short_key = "ipv4",
};

/* --- DHCP --- */

static int dhcp_host_finish(struct decoder *d, const struct node *n, void *value)
{
	const struct dhcp_host *host = value;

	if (host->has_mac || host->name)
		return 0;
	return node_error(n, d->err, "missing-key",
			  "a DHCP host is known by its mac, its name or both; give one");
}

static const struct schema_field dhcp_host_fields[] = {
#define H(member) offsetof(struct dhcp_host, member)
	FIELD("mac", type_mac, H(mac), .has = HAS(struct dhcp_host, has_mac)),
	FIELD("name", type_string, H(name), .check = hostname_check),
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
	FIELD("hosts", type_list, D(hosts), .item = &dhcp_host_item, .max = NETWORK_HOSTS_MAX),
	FIELD("options", type_list, D(options), .item = &dhcp_option_item,
	      .max = NETWORK_OPTIONS_MAX),
	FIELD("boot", type_struct, D(boot), .schema = &boot_schema),
	FIELD("authoritative", type_bool, D(authoritative), .def = true),
#undef D
};
static const struct schema dhcp_schema = {
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

const char *ra_mode_name(enum ra_mode mode)
{
	return ra_names[mode];
}

#define I(member) offsetof(struct ipv6_config, member)
static const struct schema_field dhcp6_fields[] = {
	FIELD("ranges", type_list, I(ranges), .item = &range6_item, .max = NETWORK_RANGES_MAX),
	FIELD("lease_time", type_duration, I(lease_time), .min = LEASE_TIME_MIN,
	      .max = LEASE_TIME_MAX, .may_be_infinite = true),
};
static const struct schema dhcp6_schema = {
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
static const struct schema ra_schema = {
	.what = "ra",
	.size = sizeof(struct ipv6_config),
	SCHEMA_FIELDS(ra_fields),
	.short_key = "mode",
};
#undef I

/* --- endpoints: an address and ports in one text --- */

struct endpoint {
	struct ip ip;		 /* family 0: none given */
	struct port_range ports; /* 0,0: none given */
};

/* "[2001:db8::1]" and what follows. */
static int parse_bracketed(const char *text, struct endpoint *ret)
{
	const char *end = strchr(text, ']');
	AUTO_FREE char *address = end ? mem_strndup(text + 1, (size_t)(end - text - 1)) : NULL;

	if (!end || ip_parse(address, &ret->ip) < 0 || ret->ip.family != AF_INET6)
		return -EINVAL;
	if (!end[1])
		return 0;
	return end[1] == ':' ? port_range_parse(end + 2, &ret->ports) : -EINVAL;
}

/* PORTS, ADDRESS, ADDRESS:PORTS, [ADDRESS]:PORTS, *:PORTS; both parts may be missing, not at once.
 */
static int parse_endpoint(const char *text, struct endpoint *ret)
{
	const char *colon = strchr(text, ':');
	AUTO_FREE char *address = NULL;

	*ret = (struct endpoint){ 0 };
	if (*text == '[')
		return parse_bracketed(text, ret);
	if (!colon)
		return strchr(text, '.') ? ip_parse(text, &ret->ip)
					 : port_range_parse(text, &ret->ports);
	if (strchr(colon + 1, ':'))
		return ip_parse(text, &ret->ip);
	if (port_range_parse(colon + 1, &ret->ports) < 0)
		return -EINVAL;
	address = mem_strndup(text, (size_t)(colon - text));
	return strcmp(address, "*") == 0 ? 0 : ip_parse(address, &ret->ip);
}

static json_t *endpoint_to_json(const struct ip *ip, const struct port_range *ports)
{
	char a[ADDR_TEXT_MAX], p[ADDR_TEXT_MAX];
	AUTO_FREE char *text = NULL;

	if (!ip->family)
		return json_string(port_range_format(ports, p));
	ip_format(ip, a);
	if (!ports->first)
		return json_string(a);
	text = mem_printf(ip->family == AF_INET6 ? "[%s]:%s" : "%s:%s", a,
			  port_range_format(ports, p));
	return json_string(text);
}

/* --- DNS --- */

#define FORWARDER_WANTED "an address, or address:port, [v6 address]:port"

static int forwarder_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			    void *value)
{
	struct dns_forwarder *forwarder = value;
	const char *text = decode_text(d, n, FORWARDER_WANTED);
	char buf[TEXT_QUOTE_MAX];
	struct endpoint e;

	(void)f;
	if (!text)
		return -EINVAL;
	if (parse_endpoint(text, &e) < 0 || !e.ip.family || e.ports.first != e.ports.last)
		return node_error(n, d->err, "bad-value", "%s is not a DNS server: %s",
				  text_quote(text, buf), FORWARDER_WANTED);
	forwarder->address = e.ip;
	if (e.ports.first)
		forwarder->port = e.ports.first;
	return 0;
}

static json_t *forwarder_encode(const struct schema_field *f, const void *value, const void *root)
{
	const struct dns_forwarder *forwarder = value;
	uint16_t port = (uint16_t)forwarder->port;

	(void)f;
	(void)root;
	return endpoint_to_json(&forwarder->address, &(struct port_range){ port, port });
}

static bool forwarder_equal(const struct schema_field *f, const void *a, const void *b)
{
	const struct dns_forwarder *x = a, *y = b;

	(void)f;
	return ip_cmp(&x->address, &y->address) == 0 && x->port == y->port;
}

static const struct schema_type type_forwarder = {
	.decode = forwarder_decode,
	.encode = forwarder_encode,
	.equal = forwarder_equal,
};

static const struct schema_field forwarder_fields[] = {
	FIELD("address", type_forwarder, 0, .required = true),
	FIELD("port", type_uint, offsetof(struct dns_forwarder, port), .min = 1, .max = 65535,
	      .input_only = true),
	FIELD("domain", type_string, offsetof(struct dns_forwarder, domain), .check = domain_check),
};
static const struct schema forwarder_schema = {
	.what = "a DNS forwarder",
	.size = sizeof(struct dns_forwarder),
	SCHEMA_FIELDS(forwarder_fields),
	.source = HAS(struct dns_forwarder, source),
	.short_key = "address",
};

static const struct schema_field address_item = ITEM("addresses", type_ip);
static const struct schema_field alias_item = ITEM("aliases", type_string, .check = domain_check);
static const struct schema_field dns_host_fields[] = {
	FIELD("name", type_string, offsetof(struct dns_host, name), .required = true,
	      .check = domain_check),
	FIELD("addresses", type_list, offsetof(struct dns_host, addresses), .required = true,
	      .item = &address_item, .max = 64),
	FIELD("aliases", type_list, offsetof(struct dns_host, aliases), .item = &alias_item,
	      .max = 64),
};
static int dns_host_finish(struct decoder *d, const struct node *n, void *value)
{
	const struct dns_host *host = value;

	if (host->addresses.n)
		return 0;
	return node_error(n, d->err, "missing-key", "a DNS host needs at least one address");
}
static const struct schema dns_host_schema = {
	.what = "a DNS host",
	.size = sizeof(struct dns_host),
	SCHEMA_FIELDS(dns_host_fields),
	.source = HAS(struct dns_host, source),
	.finish = dns_host_finish,
};

/* Kept without the leading '_', which both ways of writing it mean. */
static int service_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			  void *value)
{
	char **text = value;
	int r = type_string.decode(d, f, n, value);

	if (r == 0 && **text == '_')
		memmove(*text, *text + 1, strlen(*text));
	return r;
}

/* A string in all but how it is read. */
#define STRING_TYPE(decode_)                                                                       \
	{                                                                                          \
		.size = sizeof(char *), .decode = decode_, .encode = string_encode,                \
		.copy = string_copy, .clear = string_clear, .equal = string_equal                  \
	}

static const struct schema_type type_service = STRING_TYPE(service_decode);

static const struct schema_field srv_fields[] = {
#define S(member) offsetof(struct dns_srv, member)
	FIELD("service", type_service, S(service), .required = true, .check = service_check),
	FIELD("protocol", type_service, S(protocol), .required = true, .check = service_check),
	FIELD("domain", type_string, S(domain), .check = domain_check),
	FIELD("target", type_string, S(target), .check = domain_check),
	FIELD("port", type_uint, S(port), .min = 1, .max = 65535),
	FIELD("priority", type_uint, S(priority), .max = 65535),
	FIELD("weight", type_uint, S(weight), .max = 65535),
#undef S
};

static int srv_finish(struct decoder *d, const struct node *n, void *value)
{
	const struct dns_srv *srv = value;

	if (!srv->target == !srv->port)
		return 0; /* without both it says that the service is not offered (RFC 2782) */
	return node_error(n, d->err, "missing-key",
			  "an SRV record has target and port, or neither");
}

static const struct schema srv_schema = {
	.what = "an SRV record",
	.size = sizeof(struct dns_srv),
	SCHEMA_FIELDS(srv_fields),
	.source = HAS(struct dns_srv, source),
	.finish = srv_finish,
};

static const struct schema_field txt_fields[] = {
	FIELD("name", type_string, offsetof(struct dns_txt, name), .required = true,
	      .check = record_name_check),
	FIELD("value", type_string, offsetof(struct dns_txt, value), .required = true, .max = 255,
	      .check = printable_check),
};
static const struct schema txt_schema = {
	.what = "a TXT record",
	.size = sizeof(struct dns_txt),
	SCHEMA_FIELDS(txt_fields),
	.source = HAS(struct dns_txt, source),
};

/* "192.0.2.1" → "1.2.0.192.in-addr.arpa", IPv6 by nibbles (RFC 3596). */
static char *arpa_name(const struct ip *ip)
{
	AUTO_STRBUF struct strbuf b = { 0 };

	for (size_t i = ip_size(ip); i-- > 0;) {
		if (ip->family == AF_INET)
			strbuf_printf(&b, "%u.", ip->b[i]);
		else
			strbuf_printf(&b, "%x.%x.", ip->b[i] & 15, ip->b[i] >> 4);
	}
	strbuf_append(&b, ip->family == AF_INET ? "in-addr.arpa" : "ip6.arpa");
	return strbuf_take(&b);
}

static int ptr_name_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			   void *value)
{
	struct ip ip;

	if (n->kind == NODE_SCALAR && ip_parse(n->text, &ip) == 0) {
		free(*(char **)value);
		*(char **)value = arpa_name(&ip);
		return 0;
	}
	return type_string.decode(d, f, n, value);
}

static const struct schema_type type_ptr_name = STRING_TYPE(ptr_name_decode);

static const struct schema_field ptr_fields[] = {
	FIELD("name", type_ptr_name, offsetof(struct dns_ptr, name), .required = true,
	      .check = record_name_check),
	FIELD("target", type_string, offsetof(struct dns_ptr, target), .required = true,
	      .check = record_name_check),
};
static const struct schema ptr_schema = {
	.what = "a PTR record",
	.size = sizeof(struct dns_ptr),
	SCHEMA_FIELDS(ptr_fields),
	.source = HAS(struct dns_ptr, source),
};

static const struct schema_field cname_fields[] = {
	FIELD("name", type_string, offsetof(struct dns_cname, name), .required = true,
	      .check = record_name_check),
	FIELD("target", type_string, offsetof(struct dns_cname, target), .required = true,
	      .check = record_name_check),
};
static const struct schema cname_schema = {
	.what = "a CNAME record",
	.size = sizeof(struct dns_cname),
	SCHEMA_FIELDS(cname_fields),
	.source = HAS(struct dns_cname, source),
};

static const struct schema_field forwarder_item =
	ITEM("forwarders", type_struct, .schema = &forwarder_schema);
static const struct schema_field dns_host_item =
	ITEM("hosts", type_struct, .schema = &dns_host_schema);
static const struct schema_field srv_item = ITEM("srv", type_struct, .schema = &srv_schema);
static const struct schema_field txt_item = ITEM("txt", type_struct, .schema = &txt_schema);
static const struct schema_field ptr_item = ITEM("ptr", type_struct, .schema = &ptr_schema);
static const struct schema_field cname_item = ITEM("cname", type_struct, .schema = &cname_schema);

static unsigned long long dns_default(const void *root)
{
	const struct network *net = root;

	return net->mode != NETWORK_BRIDGED && (net->addresses.n || net->auto4 || net->auto6);
}

static unsigned long long local_only_default(const void *root)
{
	return ((const struct network *)root)->domain != NULL;
}

static unsigned long long host_resolvers_default(const void *root)
{
	return ((const struct network *)root)->dns.forwarders.n == 0;
}

static const struct schema_field dns_fields[] = {
#define N(member) offsetof(struct dns_config, member)
	FIELD("local_only", type_bool, N(local_only), .default_of = local_only_default),
	FIELD("forward_plain_names", type_bool, N(forward_plain_names)),
	FIELD("use_host_resolvers", type_bool, N(use_host_resolvers),
	      .default_of = host_resolvers_default),
	FIELD("forwarders", type_list, N(forwarders), .item = &forwarder_item,
	      .max = NETWORK_FORWARDERS_MAX),
	FIELD("hosts", type_list, N(hosts), .item = &dns_host_item, .max = NETWORK_RECORDS_MAX),
	FIELD("srv", type_list, N(srv), .item = &srv_item, .max = NETWORK_RECORDS_MAX),
	FIELD("txt", type_list, N(txt), .item = &txt_item, .max = NETWORK_RECORDS_MAX),
	FIELD("ptr", type_list, N(ptr), .item = &ptr_item, .max = NETWORK_RECORDS_MAX),
	FIELD("cname", type_list, N(cname), .item = &cname_item, .max = NETWORK_RECORDS_MAX),
#undef N
};
static const struct schema dns_schema = {
	.what = "dns",
	.size = sizeof(struct dns_config),
	SCHEMA_FIELDS(dns_fields),
	.enabled = HAS(struct dns_config, enabled),
	.enabled_default = dns_default,
};

/* --- NAT, forwards, routes, ports --- */

static unsigned long long nat4_default(const void *root)
{
	return ((const struct network *)root)->mode == NETWORK_NAT;
}

static const struct schema_field nat_fields[] = {
#define N(member) offsetof(struct nat_config, member)
	FIELD("ipv4", type_bool, N(ipv4), .default_of = nat4_default),
	FIELD("ipv6", type_bool, N(ipv6)),
	FIELD("uplink", type_string, N(uplink), .check = ifname_check),
	FIELD("source", type_ip_range, N(source), .family = AF_INET),
	FIELD("source6", type_ip_range, N(source6), .family = AF_INET6),
	FIELD("ports", type_port_range, N(ports)),
#undef N
};
static const struct schema nat_schema = {
	.what = "nat",
	.size = sizeof(struct nat_config),
	SCHEMA_FIELDS(nat_fields),
};

#define LISTEN_WANTED "ports, or address:ports, like 8080, 192.0.2.1:8000-8010 or [2001:db8::1]:80"
#define TARGET_WANTED                                                                              \
	"a guest's address, with ports if they differ, like 192.168.10.5:80 or [fd00::5]:80"

static int listen_parse(struct decoder *d, const struct node *n, const char *text,
			struct forward *forward)
{
	char buf[TEXT_QUOTE_MAX];
	struct endpoint e;

	if (parse_endpoint(text, &e) < 0 || !e.ports.first)
		return node_error(n, d->err, "bad-value", "%s is not %s", text_quote(text, buf),
				  LISTEN_WANTED);
	forward->listen = e.ip;
	forward->ports = e.ports;
	return 0;
}

static int listen_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			 void *value)
{
	const char *text = decode_text(d, n, LISTEN_WANTED);

	(void)f;
	return text ? listen_parse(d, n, text, value) : -EINVAL;
}

static json_t *listen_encode(const struct schema_field *f, const void *value, const void *root)
{
	const struct forward *forward = value;

	(void)f;
	(void)root;
	return endpoint_to_json(&forward->listen, &forward->ports);
}

static bool listen_equal(const struct schema_field *f, const void *a, const void *b)
{
	const struct forward *x = a, *y = b;

	(void)f;
	return ip_cmp(&x->listen, &y->listen) == 0 &&
	       memcmp(&x->ports, &y->ports, sizeof(x->ports)) == 0;
}

static const struct schema_type type_listen = {
	.decode = listen_decode,
	.encode = listen_encode,
	.equal = listen_equal,
};

static int target_parse(struct decoder *d, const struct node *n, const char *text,
			struct forward *forward)
{
	char buf[TEXT_QUOTE_MAX];
	struct endpoint e;

	if (parse_endpoint(text, &e) < 0 || !e.ip.family)
		return node_error(n, d->err, "bad-value", "%s is not %s", text_quote(text, buf),
				  TARGET_WANTED);
	forward->to = e.ip;
	forward->to_ports = e.ports;
	return 0;
}

static int target_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			 void *value)
{
	const char *text = decode_text(d, n, TARGET_WANTED);

	(void)f;
	return text ? target_parse(d, n, text, value) : -EINVAL;
}

static json_t *target_encode(const struct schema_field *f, const void *value, const void *root)
{
	const struct forward *forward = value;

	(void)f;
	(void)root;
	return endpoint_to_json(&forward->to, &forward->to_ports);
}

static bool target_equal(const struct schema_field *f, const void *a, const void *b)
{
	const struct forward *x = a, *y = b;

	(void)f;
	return ip_cmp(&x->to, &y->to) == 0 &&
	       memcmp(&x->to_ports, &y->to_ports, sizeof(x->to_ports)) == 0;
}

static const struct schema_type type_target = {
	.decode = target_decode,
	.encode = target_encode,
	.equal = target_equal,
};

/* The enum's values are protocol numbers; the table of names is short. */
static int protocol_parse(struct decoder *d, const struct node *n, const char *text,
			  enum forward_protocol *ret)
{
	char buf[TEXT_QUOTE_MAX];

	if (strcmp(text, "tcp") != 0 && strcmp(text, "udp") != 0)
		return node_error(n, d->err, "bad-value",
				  "%s is not a protocol that can be forwarded; accepted: tcp, udp",
				  text_quote(text, buf));
	*ret = text[0] == 't' ? FORWARD_TCP : FORWARD_UDP;
	return 0;
}

static int protocol_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			   void *value)
{
	const char *text = decode_text(d, n, "tcp or udp");

	(void)f;
	return text ? protocol_parse(d, n, text, value) : -EINVAL;
}

static json_t *protocol_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return json_string(*(const enum forward_protocol *)value == FORWARD_UDP ? "udp" : "tcp");
}

static const struct schema_type type_protocol = {
	.size = sizeof(enum forward_protocol),
	.decode = protocol_decode,
	.encode = protocol_encode,
};

/* Cuts the next word off *text in place; NULL at the end. */
static char *next_word(char **text)
{
	char *word = *text + strspn(*text, " ");
	size_t len = strcspn(word, " ");

	if (!len)
		return NULL;
	*text = word + len + (word[len] ? 1 : 0);
	word[len] = '\0';
	return word;
}

/* "tcp 8080 -> 192.168.10.5:80" */
static int forward_short_form(struct decoder *d, const struct node *n, void *value)
{
	AUTO_FREE char *copy = mem_strdup(n->text);
	struct forward *forward = value;
	char *rest = copy, *words[5] = { 0 };
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!(words[i] = next_word(&rest)))
			break;
	if (!words[3] || words[4] || strcmp(words[2], "->") != 0)
		return node_error(
			n, d->err, "bad-value",
			"a forward in one line is written \"tcp 8080 -> 192.168.10.5:80\"");
	r = protocol_parse(d, n, words[0], &forward->protocol);
	if (r == 0)
		r = listen_parse(d, n, words[1], forward);
	return r < 0 ? r : target_parse(d, n, words[3], forward);
}

/* Target ports follow the listening ones; any-address of the target's family is no address. */
static int forward_finish(struct decoder *d, const struct node *n, void *value)
{
	struct forward *forward = value;
	unsigned count = forward->ports.last - forward->ports.first;

	if (!forward->to_ports.first)
		forward->to_ports = forward->ports;
	if (forward->listen.family && ip_is_any(&forward->listen) &&
	    forward->listen.family == forward->to.family)
		forward->listen = (struct ip){ 0 };
	if ((unsigned)(forward->to_ports.last - forward->to_ports.first) == count)
		return 0;
	return node_error(
		n, d->err, "port-count",
		"%u ports are forwarded to %u; give ranges of the same size, or leave the "
		"target's ports out to keep the numbers",
		count + 1, forward->to_ports.last - forward->to_ports.first + 1u);
}

static const struct schema_field forward_fields[] = {
	FIELD("protocol", type_protocol, offsetof(struct forward, protocol), .required = true),
	FIELD("listen", type_listen, 0, .required = true),
	FIELD("to", type_target, 0, .required = true),
};
static const struct schema forward_schema = {
	.what = "a forward",
	.size = sizeof(struct forward),
	SCHEMA_FIELDS(forward_fields),
	.source = HAS(struct forward, source),
	.short_form = forward_short_form,
	.finish = forward_finish,
};

static const struct schema_field route_fields[] = {
#define R(member) offsetof(struct static_route, member)
	FIELD("to", type_prefix, R(to), .required = true),
	FIELD("via", type_ip, R(via)),
	FIELD("metric", type_uint, R(metric), .min = 1, .max = UINT_MAX),
#undef R
};
static const struct schema route_schema = {
	.what = "a route",
	.size = sizeof(struct static_route),
	SCHEMA_FIELDS(route_fields),
	.source = HAS(struct static_route, source),
};

static const struct schema_field ports_fields[] = {
#define P(member) offsetof(struct port_defaults, member)
	FIELD("mtu", type_uint, P(mtu), .min = 68, .max = 65535),
	FIELD("isolated", type_bool, P(isolated)),
	FIELD("queues", type_uint, P(queues), .min = 1, .max = 64),
	FIELD("txqueuelen", type_uint, P(txqueuelen), .min = 1, .max = 1000000),
#undef P
};
static const struct schema ports_schema = {
	.what = "ports",
	.size = sizeof(struct port_defaults),
	SCHEMA_FIELDS(ports_fields),
};

/* --- the network --- */

static const char *const mode_names[] = {
	[NETWORK_NAT] = "nat",		 [NETWORK_ROUTED] = "routed",	[NETWORK_OPEN] = "open",
	[NETWORK_ISOLATED] = "isolated", [NETWORK_BRIDGED] = "bridged", NULL
};

const char *network_mode_name(enum network_mode mode)
{
	return mode_names[mode];
}

static const struct schema_field bridge_address_item = ITEM("addresses", type_prefix);
static const struct schema_field forward_item =
	ITEM("forwards", type_struct, .schema = &forward_schema);
static const struct schema_field route_item = ITEM("routes", type_struct, .schema = &route_schema);

static const struct schema_field network_fields[] = {
#define N(member) offsetof(struct network, member)
	FIELD("mode", type_enum, N(mode), .required = true, .names = mode_names),
	FIELD("autostart", type_bool, N(autostart), .def = true),
	FIELD("host_access", type_bool, N(host_access), .def = true),
	FIELD("domain", type_string, N(domain), .check = domain_check),
	FIELD("uplink", type_string, N(uplink), .check = ifname_check),
	FIELD("bridge", type_struct, N(bridge), .schema = &bridge_schema),
	FIELD("addresses", type_list, N(addresses), .item = &bridge_address_item,
	      .max = NETWORK_ADDRESSES_MAX),
	FIELD("subnet", type_struct, 0, .schema = &subnet_schema),
	FIELD("dhcp", type_struct, N(dhcp), .schema = &dhcp_schema),
	FIELD("dhcp6", type_struct, N(ipv6), .schema = &dhcp6_schema),
	FIELD("ra", type_struct, N(ipv6), .schema = &ra_schema),
	FIELD("dns", type_struct, N(dns), .schema = &dns_schema),
	FIELD("nat", type_struct, N(nat), .schema = &nat_schema),
	FIELD("forwards", type_list, N(forwards), .item = &forward_item,
	      .max = NETWORK_FORWARDS_MAX),
	FIELD("routes", type_list, N(routes), .item = &route_item, .max = NETWORK_ROUTES_MAX),
	FIELD("ports", type_struct, N(port_defaults), .schema = &ports_schema),
#undef N
};

const struct schema network_schema = {
	.what = "a network",
	.size = sizeof(struct network),
	SCHEMA_FIELDS(network_fields),
};
