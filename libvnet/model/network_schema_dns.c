/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network_schema_dns.c - the key dns, as tables. */

#include "model/network_schema.h"

#include "base/strbuf.h"
#include "model/endpoint.h"
#include "model/names.h"
#include "model/network.h"

#include <errno.h>
#include <sys/socket.h>

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
	if (endpoint_parse(text, &e) < 0 || !e.ip.family || e.ports.first != e.ports.last)
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

	return net->mode != NETWORK_BRIDGED && network_has_bridge(net) &&
	       (net->addresses.n || net->auto4 || net->auto6);
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
const struct schema dns_schema = {
	.what = "dns",
	.size = sizeof(struct dns_config),
	SCHEMA_FIELDS(dns_fields),
	.enabled = HAS(struct dns_config, enabled),
	.enabled_default = dns_default,
};
