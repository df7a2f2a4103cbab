/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conf.c - a network's definition as the files that its dnsmasq reads
 *
 * Everything that came from outside passes through put_name() or put_text():
 * dnsmasq's files are lines of comma-separated words, and a name or value that
 * could end its line or its word would be a way to write configuration.
 */

#include "dhcp/conf.h"

#include "base/strbuf.h"
#include "dhcp/hosts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <strings.h>

#define LEASE_TIME_DEFAULT 3600
/* RFC 4861 has 30 days; dnsmasq's own default for prefixes is a day, and a guest must outlive a night's outage of us. */
#define PREFIX_LIFETIME_DEFAULT 86400
/* Each lease costs dnsmasq memory and a line of the file that it rewrites whole at each change. */
#define LEASES_MAX 65536
#define DNS_CACHE_SIZE 1000
#define MTU_DEFAULT 1500

enum { OPTION_ROUTER = 3, OPTION_MTU = 26 };

/* The first error wins; appending goes on, the text is thrown away then. */
struct writer {
	const struct network *net;
	const struct dhcp_params *params;
	struct vnet_error *err;
	int result;
	bool serves_dhcp4, serves_dhcp6;
	enum ra_mode ra;
};

static void write_conf(struct writer *w, struct strbuf *b);
static void write_options(struct writer *w, struct strbuf *b);
static void write_servers(struct writer *w, struct strbuf *b);

const char *dhcp_file_name(enum dhcp_file file)
{
	static const char *const names[DHCP_N_FILES] = { "dnsmasq.conf", "hosts", "options",
							 "records", "servers" };

	return names[file];
}

void dhcp_files_free(struct dhcp_files *files)
{
	for (size_t i = 0; i < DHCP_N_FILES; i++) {
		free(files->text[i]);
		files->text[i] = NULL;
	}
}

enum dhcp_change dhcp_files_compare(const struct dhcp_files *before, const struct dhcp_files *after)
{
	enum dhcp_change change = DHCP_SAME;

	for (size_t i = 0; i < DHCP_N_FILES; i++) {
		const char *a = before->text[i], *b = after->text[i];

		if (a == b || (a && b && !strcmp(a, b)))
			continue;
		if (i == DHCP_FILE_CONF)
			return DHCP_RESTART;
		change = DHCP_RELOAD;
	}
	return change;
}

int dhcp_files_make(const struct network *net, const struct port *const *ports, size_t n_ports,
		    const struct dhcp_params *params, struct dhcp_files *ret,
		    struct vnet_error *err)
{
	struct writer w = { .net = net, .params = params, .err = err };
	struct strbuf texts[DHCP_N_FILES] = { 0 };
	struct dhcp_host_list hosts;

	w.serves_dhcp4 = net->dhcp.enabled && network_has_family(net, AF_INET);
	w.ra = network_has_family(net, AF_INET6) ? network_ra(net) : RA_OFF;
	w.serves_dhcp6 = (net->ipv6.dhcp6_enabled || w.ra == RA_MANAGED) &&
			 network_has_family(net, AF_INET6);

	w.result = dhcp_host_list_make(net, ports, n_ports, &hosts, err);
	if (w.result < 0)
		return w.result;
	write_conf(&w, &texts[DHCP_FILE_CONF]);
	if (w.serves_dhcp4 || w.serves_dhcp6)
		dhcp_host_list_write(&hosts, &texts[DHCP_FILE_HOSTS]);
	write_options(&w, &texts[DHCP_FILE_OPTIONS]);
	if (net->dns.enabled)
		dhcp_host_list_write_records(net, &hosts, &texts[DHCP_FILE_RECORDS]);
	write_servers(&w, &texts[DHCP_FILE_SERVERS]);
	dhcp_host_list_free(&hosts);

	for (size_t i = 0; i < DHCP_N_FILES; i++) {
		if (!w.result)
			ret->text[i] = strbuf_take(&texts[i]);
		else
			strbuf_free(&texts[i]);
	}
	return w.result;
}

/* "option:x" → "dhcp-option=option:x" */
static void append_lines(struct strbuf *b, const char *key, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		strbuf_append(b, key);
		strbuf_append_n(b, text, len);
		strbuf_append(b, "\n");
		text += len + (text[len] ? 1 : 0);
	}
}

char *dhcp_files_test_text(const struct dhcp_files *files)
{
	struct strbuf b = { 0 };

	strbuf_append(&b, files->text[DHCP_FILE_CONF]);
	append_lines(&b, "dhcp-host=", files->text[DHCP_FILE_HOSTS]);
	append_lines(&b, "dhcp-option=", files->text[DHCP_FILE_OPTIONS]);
	append_lines(&b, "", files->text[DHCP_FILE_SERVERS]);
	return strbuf_take(&b);
}

/* --- words and lines --- */

static void refuse(struct writer *w, const struct source *source, const char *code,
		   const char *format, ...) __attribute__((format(printf, 4, 5)));

static void refuse(struct writer *w, const struct source *source, const char *code,
		   const char *format, ...)
{
	va_list args;

	if (w->result)
		return;
	va_start(args, format);
	w->result = vnet_error_setv(w->err, -EINVAL, code, format, args);
	va_end(args);
	if (source && source->line)
		vnet_error_at(w->err, source->file, source->line, source->column, NULL);
	else
		network_locate(w->net, NULL, w->err);
}

/* A DNS name or another word without room for surprises. */
static void put_name(struct writer *w, struct strbuf *b, const struct source *source,
		     const char *name)
{
	if (!dhcp_name_is_plain(name))
		refuse(w, source, "dns-name",
		       "'%s' cannot be a DNS name: use letters, digits, '-', '_' and '.'", name);
	strbuf_append(b, name);
}

/* Any text as one word; dnsmasq takes what is between quotes as it is. */
static void put_text(struct writer *w, struct strbuf *b, const struct source *source,
		     const char *text)
{
	bool plain = *text != '\0';

	for (const char *s = text; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f) {
			refuse(w, source, "dns-text",
			       "a text for dnsmasq cannot hold control characters");
			return;
		}
		if (!strchr("/._-+@=", *s) && !(*s >= '0' && *s <= '9') &&
		    !(*s >= 'a' && *s <= 'z') && !(*s >= 'A' && *s <= 'Z'))
			plain = false;
	}
	if (plain) {
		strbuf_append(b, text);
		return;
	}
	strbuf_append(b, "\"");
	for (const char *s = text; *s; s++) {
		if (*s == '"' || *s == '\\')
			strbuf_append(b, "\\");
		strbuf_append_n(b, s, 1);
	}
	strbuf_append(b, "\"");
}

static void put_path_line(struct writer *w, struct strbuf *b, const char *key, const char *dir,
			  const char *name)
{
	AUTO_FREE char *path = dir ? mem_printf("%s/%s", dir, name) : mem_strdup(name);

	strbuf_printf(b, "%s=", key);
	put_text(w, b, NULL, path);
	strbuf_append(b, "\n");
}

static void put_time(struct strbuf *b, unsigned seconds, unsigned otherwise)
{
	if (seconds == UINT_MAX)
		strbuf_append(b, "infinite");
	else
		strbuf_printf(b, "%u", seconds ? seconds : otherwise);
}

/* --- ranges --- */

static const struct prefix *prefix_of(const struct network *net, const struct ip *ip)
{
	vec_each(p, &net->addresses)
		if (prefix_contains(p, ip))
			return p;
	return NULL;
}

static const struct prefix *first_prefix(const struct network *net, int family)
{
	vec_each(p, &net->addresses)
		if (p->addr.family == family && !ip_is_link_local(&p->addr))
			return p;
	return NULL;
}

/* All host addresses of a subnet; false when it has none. */
static bool whole_subnet(const struct prefix *p, struct ip_range *ret)
{
	struct prefix network = prefix_network(p);
	unsigned host_bits = ip_bits(&p->addr) - p->len;

	ret->first = network.addr;
	ret->last = prefix_last(p);
	if (host_bits == 0)
		return false;
	if (host_bits == 1) /* RFC 3021, RFC 6164: both are hosts */
		return true;
	ret->first = ip_add(&network.addr, 1); /* IPv4's network, IPv6's subnet-router anycast */
	if (p->addr.family == AF_INET) {
		ret->last = ip_add(&network.addr, (1ull << host_bits) - 2);
	} else if (host_bits > 32) {
		/*
		 * The low 4 G are plenty.  dnsmasq 2.90 divides by the count of
		 * the range, which is 0 for a whole /64 in its 64-bit arithmetic.
		 */
		ret->first = ip_add(&network.addr, 0x1000);
		ret->last = ip_add(&network.addr, 0xffffffff);
	}
	return true;
}

static struct ip ip_before(const struct ip *ip)
{
	struct ip before = *ip;

	for (size_t i = ip_size(ip); i-- > 0;)
		if (before.b[i]--)
			break;
	return before;
}

/* Adds range but our own addresses, which dnsmasq would otherwise give away. */
static void add_range(const struct network *net, struct ip_range range, ip_range_vec *ret)
{
	for (;;) {
		const struct ip *own = NULL;

		vec_each(p, &net->addresses)
			if (ip_range_contains(&range, &p->addr) &&
			    (!own || ip_cmp(&p->addr, own) < 0))
				own = &p->addr;
		if (!own) {
			vec_push(ret, range);
			return;
		}
		if (ip_cmp(&range.first, own) < 0)
			vec_push(ret, ((struct ip_range){ range.first, ip_before(own) }));
		if (!ip_cmp(&range.last, own))
			return;
		range.first = ip_add(own, 1);
	}
}

void dhcp_ranges(const struct network *net, int family, ip_range_vec *ret)
{
	const struct prefix *p = first_prefix(net, family);
	struct ip_range range;

	if (family == AF_INET ? net->dhcp.reserved_only : net->ipv6.reserved_only)
		return;
	if (family == AF_INET && net->dhcp.ranges.n) {
		vec_each(r, &net->dhcp.ranges)
			add_range(net, *r, ret);
	} else if (family == AF_INET6 && net->ipv6.ranges.n) {
		vec_each(r, &net->ipv6.ranges)
			add_range(net, *r, ret);
	} else if (p && whole_subnet(p, &range)) {
		add_range(net, range, ret);
	}
}

static void write_range4(struct writer *w, struct strbuf *b, const struct ip_range *range,
			 const struct prefix *p)
{
	char first[ADDR_TEXT_MAX], last[ADDR_TEXT_MAX], mask[ADDR_TEXT_MAX];
	struct prefix network = prefix_network(p);
	struct ip netmask = prefix_netmask(p);

	ip_format(&netmask, mask);
	if (range)
		strbuf_printf(b, "dhcp-range=%s,%s,%s,", ip_format(&range->first, first),
			      ip_format(&range->last, last), mask);
	else
		strbuf_printf(b, "dhcp-range=%s,static,%s,", ip_format(&network.addr, first), mask);
	put_time(b, w->net->dhcp.lease_time, LEASE_TIME_DEFAULT);
	strbuf_append(b, "\n");
}

/*
 * Each subnet gets a range; one without addresses to hand out is "static", so
 * that a reserved address in it works, and needs no restart when it comes.
 */
static void write_ranges4(struct writer *w, struct strbuf *b)
{
	ip_range_vec ranges = { 0 };

	dhcp_ranges(w->net, AF_INET, &ranges);
	vec_each(r, &ranges) {
		const struct prefix *p = prefix_of(w->net, &r->first);
		char text[ADDR_TEXT_MAX];

		if (p && prefix_contains(p, &r->last))
			write_range4(w, b, r, p);
		else
			refuse(w, NULL, "dhcp-range",
			       "the DHCP range %s is not within one subnet of the network",
			       ip_range_format(r, text));
	}
	vec_each(p, &w->net->addresses) {
		bool has_range = p->addr.family != AF_INET;

		vec_each(r, &ranges)
			has_range = has_range || prefix_contains(p, &r->first);
		if (!has_range)
			write_range4(w, b, NULL, p);
	}
	vec_free(&ranges);
}

/* What dnsmasq shall announce of a prefix; NULL: only its DHCPv6 part. */
static const char *ra_flag(enum ra_mode ra, bool has_range)
{
	if (ra == RA_SLAAC)
		return has_range ? "slaac" : "ra-only";
	if (ra == RA_STATELESS)
		return has_range ? "slaac" : "ra-stateless";
	return has_range ? NULL : "static";
}

static void write_range6(struct writer *w, struct strbuf *b, const struct ip_range *range,
			 const struct prefix *p)
{
	/* dnsmasq's smallest length is 64; of a shorter prefix it serves the /64 with our address. */
	struct prefix served = { .addr = range ? range->first : p->addr,
				 .len = p->len < 64 ? 64 : p->len };
	const char *flag = ra_flag(w->ra, range != NULL);
	char first[ADDR_TEXT_MAX], last[ADDR_TEXT_MAX];
	bool autonomous = w->ra == RA_SLAAC || w->ra == RA_STATELESS;

	if (autonomous && served.len != 64) {
		refuse(w, NULL, "ra-prefix",
		       "%s: guests form addresses of their own only in a /64 (RFC 4862); use ra: managed",
		       prefix_format(p, first));
		return;
	}
	if (!prefix_contains(&served, &p->addr) ||
	    (range && !prefix_contains(&served, &range->last))) {
		refuse(w, NULL, "dhcp-range",
		       "the DHCPv6 range %s must lie in the /64 of the network's address %s",
		       range ? ip_range_format(range, first) : "", prefix_format(p, last));
		return;
	}
	served = prefix_network(&served);
	strbuf_printf(b, "dhcp-range=%s,", ip_format(range ? &range->first : &served.addr, first));
	if (range)
		strbuf_printf(b, "%s,", ip_format(&range->last, last));
	if (flag)
		strbuf_printf(b, "%s,", flag);
	strbuf_printf(b, "%u,", served.len);
	put_time(b, w->net->ipv6.lease_time,
		 autonomous ? PREFIX_LIFETIME_DEFAULT : LEASE_TIME_DEFAULT);
	strbuf_append(b, "\n");
}

static void write_ranges6(struct writer *w, struct strbuf *b)
{
	ip_range_vec ranges = { 0 };

	if (w->serves_dhcp6)
		dhcp_ranges(w->net, AF_INET6, &ranges);
	vec_each(r, &ranges) {
		const struct prefix *p = prefix_of(w->net, &r->first);
		char text[ADDR_TEXT_MAX];

		if (p)
			write_range6(w, b, r, p);
		else
			refuse(w, NULL, "dhcp-range",
			       "the DHCPv6 range %s is in no subnet of the network",
			       ip_range_format(r, text));
	}
	vec_each(p, &w->net->addresses) {
		bool has_range = p->addr.family != AF_INET6 || ip_is_link_local(&p->addr);

		vec_each(r, &ranges)
			has_range = has_range || prefix_contains(p, &r->first);
		if (!has_range && (w->serves_dhcp6 || w->ra != RA_OFF))
			write_range6(w, b, NULL, p);
	}
	vec_free(&ranges);
}

/* By the size of the subnets: a static host more or less must not mean a restart. */
static unsigned lease_max(const struct writer *w)
{
	uint64_t max = 0;

	vec_each(p, &w->net->addresses) {
		unsigned host_bits = ip_bits(&p->addr) - p->len;
		bool served = p->addr.family == AF_INET ? w->serves_dhcp4 : w->serves_dhcp6;

		if (served)
			max += host_bits < 16 ? 1ull << host_bits : LEASES_MAX;
	}
	return max < LEASES_MAX ? (unsigned)max : LEASES_MAX;
}

/* --- DHCP --- */

static bool network_routes(const struct network *net)
{
	return net->mode != NETWORK_ISOLATED;
}

static bool option_is_given(const struct network *net, unsigned number, const char *name)
{
	vec_each(o, &net->dhcp.options)
		if (!o->is_v6 && (o->number == number || (o->name && !strcmp(o->name, name))))
			return true;
	return false;
}

static void put_option(struct writer *w, struct strbuf *b, const struct dhcp_option *o)
{
	if (o->number)
		strbuf_printf(b, "%s%u", o->is_v6 ? "option6:" : "", o->number);
	else
		strbuf_printf(b, "%s%s", o->is_v6 ? "option6:" : "option:", o->name ? o->name : "");
	if (o->value && *o->value)
		strbuf_printf(b, ",%s", o->value);
	/* The value is dnsmasq's own syntax, commas and quotes too, but it is one line. */
	for (const char *s = o->value ? o->value : ""; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			refuse(w, &o->source, "dhcp-option",
			       "a DHCP option's value cannot hold control characters");
	strbuf_append(b, "\n");
}

static void write_options(struct writer *w, struct strbuf *b)
{
	const struct network *net = w->net;

	if (w->serves_dhcp4) {
		if (!network_routes(net) && !option_is_given(net, OPTION_ROUTER, "router"))
			strbuf_append(b, "option:router\n"); /* empty: not sent */
		if (network_mtu(net) != MTU_DEFAULT && !option_is_given(net, OPTION_MTU, "mtu"))
			strbuf_printf(b, "option:mtu,%u\n", network_mtu(net));
	}
	if (w->serves_dhcp4 || w->serves_dhcp6 || w->ra == RA_STATELESS)
		vec_each(o, &net->dhcp.options)
			if (!o->force)
				put_option(w, b, o);
}

static void write_boot(struct writer *w, struct strbuf *b)
{
	const struct dhcp_boot *boot = &w->net->dhcp.boot;
	char text[ADDR_TEXT_MAX];
	char bridge[16];

	if (boot->tftp_root) {
		strbuf_printf(b, "enable-tftp=%s\n", network_bridge(w->net, bridge));
		/* Answers from port 69 itself: from another one, host_access: false would drop them. */
		strbuf_append(b, "tftp-single-port\n");
		put_path_line(w, b, "tftp-root", NULL, boot->tftp_root);
	}
	if (!boot->file)
		return;
	strbuf_append(b, "dhcp-boot=");
	put_text(w, b, NULL, boot->file);
	if (boot->server_name || boot->server.family) {
		strbuf_append(b, ",");
		if (boot->server_name)
			put_name(w, b, NULL, boot->server_name);
	}
	if (boot->server.family)
		strbuf_printf(b, ",%s", ip_format(&boot->server, text));
	strbuf_append(b, "\n");
}

static void write_ra(struct writer *w, struct strbuf *b)
{
	const struct ipv6_config *c = &w->net->ipv6;
	bool has_lifetime = c->has_router_lifetime || !network_routes(w->net);
	char bridge[16];

	if (w->ra == RA_OFF)
		return;
	strbuf_append(b, "enable-ra\n");
	if (!c->ra_interval && !has_lifetime)
		return;
	/* Interval 0 is dnsmasq's default; lifetime 0 says that we are no router. */
	strbuf_printf(b, "ra-param=%s,%u", network_bridge(w->net, bridge), c->ra_interval);
	if (has_lifetime)
		strbuf_printf(b, ",%u", c->has_router_lifetime ? c->router_lifetime : 0);
	strbuf_append(b, "\n");
}

static void write_dhcp(struct writer *w, struct strbuf *b)
{
	if (w->serves_dhcp4)
		write_ranges4(w, b);
	if (w->serves_dhcp6 || w->ra != RA_OFF)
		write_ranges6(w, b);
	/* Without leases too: it holds the server's DUID, which stateless DHCPv6 sends. */
	if (w->serves_dhcp4 || w->serves_dhcp6 || w->ra != RA_OFF)
		put_path_line(w, b, "dhcp-leasefile", NULL, w->params->lease_file);
	if (w->serves_dhcp4 || w->serves_dhcp6) {
		put_path_line(w, b, "dhcp-hostsfile", w->params->dir,
			      dhcp_file_name(DHCP_FILE_HOSTS));
		strbuf_printf(b, "dhcp-lease-max=%u\n", lease_max(w));
		if (w->net->dhcp.authoritative)
			strbuf_append(b, "dhcp-authoritative\n");
		/* A guest that calls itself wpad would become everybody's proxy (CERT VU#598349). */
		strbuf_append(b, "dhcp-name-match=set:wpad-ignore,wpad\n"
				 "dhcp-ignore-names=tag:wpad-ignore\n");
	}
	if (w->serves_dhcp4) {
		/* no-ping: the probe holds the first offer back for 3 s; guests probe themselves (RFC 5227). */
		strbuf_append(b, "dhcp-no-override\nno-ping\n");
		/* Rules hold a guest to its MAC, but it may claim any client id, and with it a lease. */
		if (w->net->port_defaults.guard.policy == GUARD_STRICT)
			strbuf_append(b, "dhcp-ignore-clid\n");
		write_boot(w, b);
	}
	if (w->serves_dhcp4 || w->serves_dhcp6 || w->ra == RA_STATELESS) {
		put_path_line(w, b, "dhcp-optsfile", w->params->dir,
			      dhcp_file_name(DHCP_FILE_OPTIONS));
		vec_each(o, &w->net->dhcp.options) {
			if (o->force) {
				strbuf_append(b, "dhcp-option-force=");
				put_option(w, b, o);
			}
		}
	}
	write_ra(w, b);
}

/* --- DNS --- */

static void write_srv(struct writer *w, struct strbuf *b, const struct dns_srv *srv)
{
	const char *domain = srv->domain ? srv->domain : w->net->domain;

	strbuf_printf(b, "srv-host=%s", srv->service[0] == '_' ? "" : "_");
	put_name(w, b, &srv->source, srv->service);
	strbuf_printf(b, ".%s", srv->protocol[0] == '_' ? "" : "_");
	put_name(w, b, &srv->source, srv->protocol);
	if (domain) {
		strbuf_append(b, ".");
		put_name(w, b, &srv->source, domain);
	}
	if (srv->target) { /* without: the service is decidedly not available (RFC 2782) */
		strbuf_append(b, ",");
		put_name(w, b, &srv->source, srv->target);
		strbuf_printf(b, ",%u,%u,%u", srv->port, srv->priority, srv->weight);
	}
	strbuf_append(b, "\n");
}

static void write_records(struct writer *w, struct strbuf *b)
{
	const struct dns_config *dns = &w->net->dns;

	vec_each(srv, &dns->srv)
		write_srv(w, b, srv);
	vec_each(txt, &dns->txt) {
		strbuf_append(b, "txt-record=");
		put_name(w, b, &txt->source, txt->name);
		strbuf_append(b, ",");
		put_text(w, b, &txt->source, txt->value);
		strbuf_append(b, "\n");
	}
	vec_each(ptr, &dns->ptr) {
		strbuf_append(b, "ptr-record=");
		put_name(w, b, &ptr->source, ptr->name);
		strbuf_append(b, ",");
		put_name(w, b, &ptr->source, ptr->target);
		strbuf_append(b, "\n");
	}
	vec_each(cname, &dns->cname) {
		strbuf_append(b, "cname=");
		put_name(w, b, &cname->source, cname->name);
		strbuf_append(b, ",");
		put_name(w, b, &cname->source, cname->target);
		strbuf_append(b, "\n");
	}
}

/*
 * What is answered for a declared name goes into the network's sets (model/egress.h).
 * dnsmasq takes a name here with all below it; which of them are answered at all is
 * written into the servers file.
 */
static void write_egress(struct writer *w, struct strbuf *b)
{
	const struct network *net = w->net;
	unsigned hold = w->params->egress_hold ? w->params->egress_hold : EGRESS_HOLD;
	char set[EGRESS_SET_MAX];

	if (!network_has_egress_names(net))
		return;
	vec_each(egress, &net->egress) {
		const char *separator = "";

		if (!egress->name)
			continue;
		strbuf_append(b, "nftset=/");
		put_name(w, b, NULL, egress->name);
		strbuf_append(b, "/");
		for (unsigned generation = 0; generation < EGRESS_GENERATIONS; generation++) {
			strbuf_printf(b, "%s4#inet#vnet#%s", separator,
				      egress_set(net, AF_INET, generation, set));
			separator = ",";
			strbuf_printf(b, "%s6#inet#vnet#%s", separator,
				      egress_set(net, AF_INET6, generation, set));
		}
		strbuf_append(b, "\n");
	}
	/* An answer that is older than this may lead to an address that is let out no more. */
	strbuf_printf(b, "max-ttl=%u\nmax-cache-ttl=%u\n", hold, hold);
}

static void write_dns(struct writer *w, struct strbuf *b)
{
	const struct network *net = w->net;

	strbuf_append(b, "no-hosts\nno-resolv\n");
	if (!net->dns.enabled) {
		strbuf_append(b, "port=0\n");
		return;
	}
	put_path_line(w, b, "servers-file", w->params->dir, dhcp_file_name(DHCP_FILE_SERVERS));
	put_path_line(w, b, "addn-hosts", w->params->dir, dhcp_file_name(DHCP_FILE_RECORDS));
	if (!net->dns.forward_plain_names)
		strbuf_append(b, "domain-needed\n");
	strbuf_printf(b, "cache-size=%u\n", DNS_CACHE_SIZE);
	write_records(w, b);
	write_egress(w, b);
}

/* Reverse names of these are nobody's business outside: RFC 1918, RFC 4193, link-local. */
static bool prefix_is_private(const struct prefix *p)
{
	static const char *const ranges[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
					      "100.64.0.0/10", "fc00::/7" };

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		struct prefix range;

		if (!prefix_parse(ranges[i], &range) && prefix_overlaps(p, &range))
			return true;
	}
	return ip_is_link_local(&p->addr);
}

/* A domain between slashes, behind a star if there is one; "" for any. To be freed. */
static char *scope_of(struct writer *w, const struct source *source, const char *star,
		      const char *domain)
{
	struct strbuf b = { 0 };

	if (domain) {
		strbuf_printf(&b, "/%s", star);
		put_name(w, &b, source, domain);
		strbuf_append(&b, "/");
	}
	return strbuf_take(&b);
}

static void write_forwarder(struct strbuf *b, const char *scope, const struct dns_forwarder *f)
{
	char text[ADDR_TEXT_MAX];

	strbuf_printf(b, "server=%s%s", scope, ip_format(&f->address, text));
	if (f->port && f->port != 53)
		strbuf_printf(b, "#%u", f->port);
	strbuf_append(b, "\n");
}

static void write_host_resolvers(struct writer *w, struct strbuf *b, const char *scope)
{
	if (w->net->dns.use_host_resolvers && w->params->resolvers)
		vec_each(r, w->params->resolvers)
			strbuf_printf(b, "server=%s%s\n", scope, *r);
}

static void write_upstream(struct writer *w, struct strbuf *b)
{
	vec_each(f, &w->net->dns.forwarders) {
		AUTO_FREE char *scope = scope_of(w, &f->source, "", f->domain);

		write_forwarder(b, scope, f);
	}
	write_host_resolvers(w, b, "");
}

/* name is domain or below it. */
static bool is_within(const char *name, const char *domain)
{
	size_t n = strlen(name), d = strlen(domain);

	return n >= d && !strcasecmp(name + n - d, domain) && (n == d || name[n - d - 1] == '.');
}

/* The longest forwarder's domain that holds the name; NULL: none does. */
static const char *domain_of(const struct network *net, const char *name)
{
	const char *best = NULL;

	vec_each(f, &net->dns.forwarders)
		if (f->domain && is_within(name, f->domain) &&
		    (!best || strlen(f->domain) > strlen(best)))
			best = f->domain;
	return best;
}

/* "*." before a domain stands for what is below it, for dnsmasq (2.86) as for us. */
static void write_egress_server(struct writer *w, struct strbuf *b, const struct egress *egress)
{
	const char *domain = domain_of(w->net, egress->name);
	AUTO_FREE char *scope = scope_of(w, NULL, egress->is_below ? "*." : "", egress->name);

	vec_each(f, &w->net->dns.forwarders)
		if (domain ? f->domain && !strcasecmp(f->domain, domain) : !f->domain)
			write_forwarder(b, scope, f);
	if (!domain)
		write_host_resolvers(w, b, scope);
}

static bool is_below_another(const struct network *net, const char *name)
{
	vec_each(egress, &net->egress)
		if (egress->name && egress->is_below && is_within(name, egress->name))
			return true;
	return false;
}

/* Guests that reach only these names learn of no others: a question can carry secrets, too. */
static void write_egress_servers(struct writer *w, struct strbuf *b)
{
	const struct network *net = w->net;

	vec_each(egress, &net->egress) {
		if (!egress->name)
			continue;
		write_egress_server(w, b, egress);
		/* Without a server it is answered with "no such name". */
		if (!egress->is_below && !is_below_another(net, egress->name))
			strbuf_printf(b, "server=/*.%s/\n", egress->name);
	}
}

static void write_servers(struct writer *w, struct strbuf *b)
{
	const struct network *net = w->net;
	char text[ADDR_TEXT_MAX];

	if (!net->dns.enabled)
		return;
	if (net->domain && net->dns.local_only) {
		strbuf_append(b, "server=/");
		put_name(w, b, NULL, net->domain);
		strbuf_append(b, "/\n");
	}
	vec_each(p, &net->addresses) {
		struct prefix network = prefix_network(p);
		bool is_known = false;

		for (const struct prefix *q = net->addresses.v; q < p; q++)
			is_known = is_known || (q->len == p->len && prefix_contains(q, &p->addr));
		if (prefix_is_private(p) && !is_known)
			strbuf_printf(b, "rev-server=%s\n", prefix_format(&network, text));
	}
	if (net->has_egress)
		write_egress_servers(w, b);
	else
		write_upstream(w, b);
}

/* --- the whole --- */

static void write_conf(struct writer *w, struct strbuf *b)
{
	const struct network *net = w->net;
	const struct dhcp_params *params = w->params;
	char bridge[16];

	strbuf_printf(b,
		      "# Network %s, interface %d: written by netd, which will write it again.\n"
		      "bind-dynamic\ninterface=%s\nexcept-interface=lo\n",
		      net->name, params->ifindex, network_bridge(net, bridge));
	/* A folder of its own: dnsmasq's user may write there, and not beside its configuration. */
	put_path_line(w, b, "pid-file", params->dir, "run/pid");
	if (params->log_file)
		put_path_line(w, b, "log-facility", NULL, params->log_file);
	/* Guests decide how often they ask: nothing routine is logged, and no log can block us. */
	strbuf_append(b, "log-async=20\nquiet-dhcp\nquiet-dhcp6\nquiet-ra\nquiet-tftp\n");
	if (net->domain) {
		strbuf_append(b, "domain=");
		put_name(w, b, NULL, net->domain);
		strbuf_append(b, "\nexpand-hosts\n");
	}
	write_dns(w, b);
	write_dhcp(w, b);
}
