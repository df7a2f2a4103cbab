/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt_export.c - a network of ours as libvirt's XML
 *
 * It takes what it can say out of the definition's canonical form; what is left
 * in the end is what libvirt cannot say, and goes into the report.
 */

#include "import/libvirt.h"

#include "base/xml.h"
#include "dhcp/conf.h"

#include <limits.h>
#include <sys/socket.h>

#define BITS_OF_KILOBYTE 8000

struct export {
	const struct network *net;
	json_t *left;           /* of the canonical form */
	struct import_report *report;
	struct strbuf xml;
	struct strbuf options;  /* dnsmasq's */
};

static void export_forward(struct export *x);
static void export_bridge(struct export *x);
static void export_dns(struct export *x);
static void export_addresses(struct export *x);
static void export_ports(struct export *x);
static void export_rest(struct export *x);

/* --- XML -------------------------------------------------------------------------------- */

static void put_attribute(struct export *x, const char *name, const char *value)
{
	if (!value)
		return;
	strbuf_printf(&x->xml, " %s='", name);
	xml_append(&x->xml, value);
	strbuf_append(&x->xml, "'");
}

static void put_element(struct export *x, const char *name, const char *value)
{
	strbuf_printf(&x->xml, "  <%s>", name);
	xml_append(&x->xml, value);
	strbuf_printf(&x->xml, "</%s>\n", name);
}

static void put_ip(struct export *x, const char *name, const struct ip *ip)
{
	char text[ADDR_TEXT_MAX];

	put_attribute(x, name, ip_format(ip, text));
}

/* --- what was said ------------------------------------------------------------------------ */

/* Takes "dhcp.boot.file" out of the definition. */
static void said(struct export *x, const char *path)
{
	json_t *at = x->left;
	const char *key = path;

	for (const char *dot; at && (dot = strchr(key, '.')); key = dot + 1) {
		AUTO_FREE char *step = mem_strndup(key, (size_t)(dot - key));

		at = json_object_get(at, step);
	}
	json_object_del(at, key);
}

static void lost(struct export *x, const char *code, const char *path, const char *detail)
{
	AUTO_FREE char *what = mem_printf("%s.%s", x->net->name, path);

	import_report_add(x->report, code, x->net->source.line, what, detail ? "%s" : NULL, detail);
}

char *libvirt_network_export(const struct network *net, struct import_report *report)
{
	struct export x = { .net = net, .left = network_to_json(net), .report = report };
	bool has_options;

	export_forward(&x);
	export_bridge(&x);
	export_dns(&x);
	export_addresses(&x);
	export_ports(&x);
	has_options = x.options.len;
	if (has_options)
		strbuf_printf(&x.xml, "  <dnsmasq:options>\n%s  </dnsmasq:options>\n", x.options.s);
	export_rest(&x);
	json_decref(x.left);
	AUTO_FREE char *inside = strbuf_take(&x.xml);
	strbuf_printf(&x.xml, "<network%s%s%s>\n", has_options ? " xmlns:dnsmasq='" : "",
		      has_options ? LIBVIRT_DNSMASQ_NS : "", has_options ? "'" : "");
	put_element(&x, "name", net->name);
	strbuf_printf(&x.xml, "%s</network>\n", inside);
	strbuf_free(&x.options);
	return strbuf_take(&x.xml);
}

/* --- forward ------------------------------------------------------------------------------- */

static void put_nat(struct export *x)
{
	const struct nat_config *nat = &x->net->nat;
	const struct ip_range *source = nat->source.first.family ? &nat->source : &nat->source6;
	bool has_source = source->first.family;

	if (!nat->ipv6 && !has_source && !nat->ports.first) {
		strbuf_append(&x->xml, "/>\n");
		return;
	}
	strbuf_printf(&x->xml, ">\n    <nat%s>\n", nat->ipv6 ? " ipv6='yes'" : "");
	if (has_source && source == &nat->source) {
		strbuf_append(&x->xml, "      <address");
		put_ip(x, "start", &source->first);
		put_ip(x, "end", &source->last);
		strbuf_append(&x->xml, "/>\n");
		said(x, "nat.source");
	}
	if (nat->ports.first)
		strbuf_printf(&x->xml, "      <port start='%u' end='%u'/>\n", nat->ports.first,
			      nat->ports.last);
	strbuf_append(&x->xml, "    </nat>\n  </forward>\n");
	said(x, "nat.ipv6");
	said(x, "nat.ports");
}

static const char *macvtap_name(enum macvtap_mode mode)
{
	static const char *const names[] = { [MACVTAP_BRIDGE] = "bridge",
					     [MACVTAP_VEPA] = "vepa",
					     [MACVTAP_PRIVATE] = "private",
					     [MACVTAP_PASSTHRU] = "passthrough" };

	return names[mode];
}

static void put_uplink(struct export *x, const char *element, const char *mode)
{
	strbuf_printf(&x->xml, "  <forward mode='%s'%s>\n    <%s", mode,
		      x->net->mode == NETWORK_SRIOV ? " managed='yes'" : "", element);
	put_attribute(x, "dev", x->net->uplink);
	strbuf_append(&x->xml, "/>\n  </forward>\n");
	said(x, "uplink");
}

static void export_forward(struct export *x)
{
	const struct network *net = x->net;

	said(x, "mode");
	switch (net->mode) {
	case NETWORK_NAT:
		strbuf_append(&x->xml, "  <forward mode='nat'");
		put_attribute(x, "dev", net->nat.uplink);
		said(x, "nat.uplink");
		put_nat(x);
		break;
	case NETWORK_ROUTED:
		strbuf_append(&x->xml, "  <forward mode='route'/>\n");
		break;
	case NETWORK_OPEN:
		strbuf_append(&x->xml, "  <forward mode='open'/>\n");
		break;
	case NETWORK_BRIDGED:
		strbuf_append(&x->xml, "  <forward mode='bridge'/>\n");
		break;
	case NETWORK_MACVTAP:
		put_uplink(x, "interface", macvtap_name(net->macvtap.mode));
		said(x, "macvtap.mode");
		/* A mode alone may stand in place of the mapping. */
		if (json_is_string(json_object_get(x->left, "macvtap")))
			said(x, "macvtap");
		break;
	case NETWORK_SRIOV:
		put_uplink(x, "pf", "hostdev");
		break;
	case NETWORK_ISOLATED:
		break;
	}
}

/* --- bridge and ports ------------------------------------------------------------------------- */

static void export_bridge(struct export *x)
{
	const struct network *net = x->net;
	const struct bridge_options *b = &net->bridge;
	bool is_own = network_owns_bridge(net) && net->mode != NETWORK_BRIDGED;
	char name[16], text[ADDR_TEXT_MAX];

	if (!network_has_bridge(net))
		return;
	strbuf_append(&x->xml, "  <bridge");
	put_attribute(x, "name", network_bridge(net, name));
	said(x, "bridge.name");
	if (is_own) {
		strbuf_printf(&x->xml, " stp='%s' delay='%u'", b->stp ? "on" : "off",
			      b->stp ? b->forward_delay : 0);
		said(x, "bridge.stp");
		said(x, "bridge.forward_delay");
	}
	strbuf_append(&x->xml, "/>\n");
	if (is_own && b->has_mac) {
		strbuf_append(&x->xml, "  <mac");
		put_attribute(x, "address", mac_format(&b->mac, text));
		strbuf_append(&x->xml, "/>\n");
		said(x, "bridge.mac");
	}
	if (is_own && b->mtu) {
		strbuf_printf(&x->xml, "  <mtu size='%u'/>\n", b->mtu);
		said(x, "bridge.mtu");
	} else if (!is_own && net->port_defaults.mtu) {
		strbuf_printf(&x->xml, "  <mtu size='%u'/>\n", net->port_defaults.mtu);
		said(x, "ports.mtu");
	}
}

static void put_limit(struct export *x, const char *name, const struct bandwidth *b,
		      const char *path)
{
	AUTO_FREE char *rate = mem_printf("%s.rate", path), *burst = mem_printf("%s.burst", path);

	if (!b->rate)
		return;
	strbuf_printf(&x->xml, "    <%s average='%llu'", name,
		      (unsigned long long)((b->rate + BITS_OF_KILOBYTE / 2) / BITS_OF_KILOBYTE));
	if (b->rate % BITS_OF_KILOBYTE)
		lost(x, "rate-rounded", path, NULL);
	if (b->burst >= 1024)
		strbuf_printf(&x->xml, " burst='%u'", b->burst / 1024);
	strbuf_append(&x->xml, "/>\n");
	said(x, rate);
	said(x, burst);
	/* A rate alone may stand in place of the mapping. */
	if (!b->guaranteed)
		said(x, path);
}

static void put_bandwidth(struct export *x, const struct bandwidth *in, const struct bandwidth *out,
			  const char *path)
{
	AUTO_FREE char *path_in = mem_printf("%s.in", path), *path_out = mem_printf("%s.out", path);

	if (!in->rate && !out->rate)
		return;
	strbuf_append(&x->xml, "  <bandwidth>\n");
	put_limit(x, "inbound", in, path_in);
	put_limit(x, "outbound", out, path_out);
	strbuf_append(&x->xml, "  </bandwidth>\n");
}

static void export_ports(struct export *x)
{
	const struct network *net = x->net;
	const struct port_defaults *ports = &net->port_defaults;

	put_bandwidth(x, &net->in, &net->out, "bandwidth");
	if (ports->isolated) {
		strbuf_append(&x->xml, "  <port isolated='yes'/>\n");
		said(x, "ports.isolated");
	}
	if (net->mode == NETWORK_SRIOV && net->vlan.id && !net->vlan.protocol) {
		strbuf_printf(&x->xml, "  <vlan>\n    <tag id='%u'/>\n  </vlan>\n", net->vlan.id);
		said(x, "vlan");
	}
	if (ports->in.rate || ports->out.rate || net->sriov.trust) {
		strbuf_printf(&x->xml, "  <portgroup name='default' default='yes'%s>\n",
			      net->sriov.trust ? " trustGuestRxFilters='yes'" : "");
		put_bandwidth(x, &ports->in, &ports->out, "ports.bandwidth");
		strbuf_append(&x->xml, "  </portgroup>\n");
		said(x, "sriov.trust");
	}
}

/* --- DNS ---------------------------------------------------------------------------------------- */

static void put_option(struct export *x, const char *line)
{
	strbuf_append(&x->options, "    <dnsmasq:option value='");
	xml_append(&x->options, line);
	strbuf_append(&x->options, "'/>\n");
}

static void put_pair(struct export *x, const char *key, const char *a, const char *b)
{
	AUTO_FREE char *line = mem_printf("%s=%s,%s", key, a, b);

	put_option(x, line);
}

static void put_forwarders(struct export *x)
{
	vec_each(f, &x->net->dns.forwarders) {
		strbuf_append(&x->xml, "    <forwarder");
		put_attribute(x, "domain", f->domain);
		put_ip(x, "addr", &f->address);
		strbuf_append(&x->xml, "/>\n");
		if (f->port && f->port != 53)
			lost(x, "forwarder-port", "dns.forwarders", NULL);
	}
}

static void put_srv(struct export *x, const struct dns_srv *srv)
{
	strbuf_append(&x->xml, "    <srv");
	put_attribute(x, "service", srv->service);
	put_attribute(x, "protocol", srv->protocol);
	put_attribute(x, "domain", srv->domain);
	if (srv->target) {
		put_attribute(x, "target", srv->target);
		strbuf_printf(&x->xml, " port='%u' priority='%u' weight='%u'", srv->port,
			      srv->priority, srv->weight);
	}
	strbuf_append(&x->xml, "/>\n");
}

static void put_records(struct export *x)
{
	const struct dns_config *dns = &x->net->dns;

	vec_each(txt, &dns->txt) {
		strbuf_append(&x->xml, "    <txt");
		put_attribute(x, "name", txt->name);
		put_attribute(x, "value", txt->value);
		strbuf_append(&x->xml, "/>\n");
	}
	vec_each(srv, &dns->srv)
		put_srv(x, srv);
	vec_each(host, &dns->hosts)
		vec_each(ip, &host->addresses) {
			strbuf_append(&x->xml, "    <host");
			put_ip(x, "ip", ip);
			strbuf_append(&x->xml, ">\n    ");
			put_element(x, "hostname", host->name);
			vec_each(alias, &host->aliases) {
				strbuf_append(&x->xml, "    ");
				put_element(x, "hostname", *alias);
			}
			strbuf_append(&x->xml, "    </host>\n");
		}
	vec_each(cname, &dns->cname)
		put_pair(x, "cname", cname->name, cname->target);
	vec_each(ptr, &dns->ptr)
		put_pair(x, "ptr-record", ptr->name, ptr->target);
}

/* libvirt's dnsmasq asks the host's resolvers unless there is a general forwarder, or no way out. */
static bool asks_host_resolvers(const struct network *net)
{
	vec_each(f, &net->dns.forwarders)
		if (!f->domain)
			return false;
	return net->mode != NETWORK_ISOLATED;
}

static void export_dns(struct export *x)
{
	static const char *const keys[] = { "local_only", "forward_plain_names", "forwarders",
					    "hosts", "srv", "txt", "ptr", "cname" };
	const struct network *net = x->net;
	const struct dns_config *dns = &net->dns;

	if (net->domain) {
		strbuf_append(&x->xml, "  <domain");
		put_attribute(x, "name", net->domain);
		put_attribute(x, "localOnly", dns->local_only ? "yes" : NULL);
		strbuf_append(&x->xml, "/>\n");
		said(x, "domain");
	}
	if (!dns->enabled) {
		if (net->addresses.n && network_has_bridge(net))
			strbuf_append(&x->xml, "  <dns enable='no'/>\n");
		said(x, "dns");
		return;
	}
	if (dns->use_host_resolvers != asks_host_resolvers(net))
		lost(x, "host-resolvers", "dns.use_host_resolvers", NULL);
	said(x, "dns.use_host_resolvers");
	strbuf_printf(&x->xml, "  <dns forwardPlainNames='%s'>\n",
		      dns->forward_plain_names ? "yes" : "no");
	put_forwarders(x);
	put_records(x);
	strbuf_append(&x->xml, "  </dns>\n");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		AUTO_FREE char *path = mem_printf("dns.%s", keys[i]);

		said(x, path);
	}
}

/* --- addresses and DHCP ----------------------------------------------------------------------------- */

static void put_lease(struct export *x, unsigned seconds)
{
	if (seconds == UINT_MAX)
		strbuf_append(&x->xml, ">\n        <lease expiry='0'/>\n      ");
	else
		strbuf_printf(&x->xml, ">\n        <lease expiry='%u' unit='seconds'/>\n      ",
			      seconds);
}

static void put_range(struct export *x, const struct ip_range *range, unsigned lease_time)
{
	strbuf_append(&x->xml, "      <range");
	put_ip(x, "start", &range->first);
	put_ip(x, "end", &range->last);
	if (lease_time) {
		put_lease(x, lease_time);
		strbuf_append(&x->xml, "</range>\n");
	} else {
		strbuf_append(&x->xml, "/>\n");
	}
}

static void put_host(struct export *x, const struct dhcp_host *host, int family)
{
	const struct ip *ip = family == AF_INET ? &host->address : &host->address6;
	char text[ADDR_TEXT_MAX];

	if (!ip->family)
		return;
	strbuf_append(&x->xml, "      <host");
	if (family == AF_INET && host->has_mac)
		put_attribute(x, "mac", mac_format(&host->mac, text));
	if (family == AF_INET6)
		put_attribute(x, "id", host->duid);
	put_attribute(x, "name", host->name);
	put_ip(x, "ip", ip);
	if (host->lease_time) {
		put_lease(x, host->lease_time);
		strbuf_append(&x->xml, "</host>\n");
	} else {
		strbuf_append(&x->xml, "/>\n");
	}
	if (family == AF_INET6 && host->has_mac)
		lost(x, "host-by-mac", "dhcp.hosts", host->name);
}

static void put_boot(struct export *x)
{
	const struct dhcp_boot *boot = &x->net->dhcp.boot;

	if (!boot->file)
		return;
	strbuf_append(&x->xml, "      <bootp");
	put_attribute(x, "file", boot->file);
	if (boot->server.family)
		put_ip(x, "server", &boot->server);
	strbuf_append(&x->xml, "/>\n");
	said(x, "dhcp.boot.file");
	said(x, "dhcp.boot.server");
}

/* All of a family is served from one <ip>; ranges in other subnets cannot be told. */
static void put_dhcp(struct export *x, const struct prefix *p)
{
	const struct network *net = x->net;
	int family = p->addr.family;
	bool is4 = family == AF_INET;
	ip_range_vec ranges = { 0 };

	strbuf_append(&x->xml, "    <dhcp>\n");
	dhcp_ranges(net, family, &ranges);
	vec_each(range, &ranges) {
		if (prefix_contains(p, &range->first))
			put_range(x, range, is4 ? net->dhcp.lease_time : net->ipv6.lease_time);
		else
			lost(x, "range-elsewhere", is4 ? "dhcp.ranges" : "dhcp6.ranges", NULL);
	}
	vec_free(&ranges);
	vec_each(host, &net->dhcp.hosts)
		put_host(x, host, family);
	if (is4)
		put_boot(x);
	strbuf_append(&x->xml, "    </dhcp>\n");
}

static bool is_served(const struct network *net, const struct prefix *p)
{
	return p->addr.family == AF_INET ? net->dhcp.enabled : net->ipv6.dhcp6_enabled;
}

static void put_address(struct export *x, const struct prefix *p, bool is_first)
{
	const char *root = x->net->dhcp.boot.tftp_root;
	bool has_dhcp = is_first && is_served(x->net, p);
	bool has_tftp = is_first && p->addr.family == AF_INET && root;

	strbuf_printf(&x->xml, "  <ip family='%s'", p->addr.family == AF_INET6 ? "ipv6" : "ipv4");
	put_ip(x, "address", &p->addr);
	strbuf_printf(&x->xml, " prefix='%u'", p->len);
	if (!has_dhcp && !has_tftp) {
		strbuf_append(&x->xml, "/>\n");
		return;
	}
	strbuf_append(&x->xml, ">\n");
	if (has_tftp) {
		strbuf_append(&x->xml, "    <tftp");
		put_attribute(x, "root", root);
		strbuf_append(&x->xml, "/>\n");
	}
	if (has_dhcp)
		put_dhcp(x, p);
	strbuf_append(&x->xml, "  </ip>\n");
}

/* Where DHCP is told: the subnet of the first range, else the first one. */
static const struct prefix *serving(const struct network *net, int family)
{
	const struct prefix *first = NULL, *found = NULL;
	ip_range_vec ranges = { 0 };

	dhcp_ranges(net, family, &ranges);
	vec_each(p, &net->addresses) {
		if (p->addr.family != family || ip_is_link_local(&p->addr))
			continue;
		first = first ? first : p;
		if (ranges.n && !found && prefix_contains(p, &ranges.v[0].first))
			found = p;
	}
	vec_free(&ranges);
	return found ? found : first;
}

static void export_options(struct export *x)
{
	vec_each(o, &x->net->dhcp.options) {
		AUTO_STRBUF struct strbuf line = { 0 };

		strbuf_printf(&line, "dhcp-option%s=%s", o->force ? "-force" : "",
			      o->is_v6 ? "option6:" : o->name ? "option:" : "");
		if (o->name)
			strbuf_append(&line, o->name);
		else
			strbuf_printf(&line, "%u", o->number);
		if (o->value && *o->value)
			strbuf_printf(&line, ",%s", o->value);
		put_option(x, line.s);
	}
}

static void export_routes(struct export *x)
{
	vec_each(route, &x->net->routes) {
		struct prefix network = prefix_network(&route->to);

		if (!route->via.family) {
			lost(x, "route-on-link", "routes", NULL);
			continue;
		}
		strbuf_printf(&x->xml, "  <route family='%s'",
			      network.addr.family == AF_INET6 ? "ipv6" : "ipv4");
		put_ip(x, "address", &network.addr);
		strbuf_printf(&x->xml, " prefix='%u'", network.len);
		put_ip(x, "gateway", &route->via);
		if (route->metric)
			strbuf_printf(&x->xml, " metric='%u'", route->metric);
		strbuf_append(&x->xml, "/>\n");
	}
	said(x, "routes");
}

static void tell_hosts(struct export *x)
{
	vec_each(host, &x->net->dhcp.hosts)
		if (!host->address.family && !host->address6.family)
			lost(x, "host-without-address", "dhcp.hosts", host->name);
}

/* TFTP alone: what import makes of it. */
static void said_dhcp(struct export *x)
{
	static const char *const keys[] = { "ranges", "lease_time", "hosts", "options",
					    "reserved_only" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		AUTO_FREE char *path = mem_printf("dhcp.%s", keys[i]);
		AUTO_FREE char *path6 = mem_printf("dhcp6.%s", keys[i]);

		said(x, path);
		said(x, path6);
	}
	said(x, "dhcp.boot.tftp_root");
	if (x->net->dhcp.boot.tftp_root && x->net->dhcp.reserved_only && !x->net->dhcp.hosts.n)
		said(x, "dhcp.authoritative");
	if (json_is_true(json_object_get(x->left, "dhcp")))
		said(x, "dhcp");
	if (json_is_true(json_object_get(x->left, "dhcp6")))
		said(x, "dhcp6");
}

static void export_addresses(struct export *x)
{
	const struct network *net = x->net;
	const struct prefix *dhcp4, *dhcp6;

	if (!network_has_bridge(net))
		return;
	dhcp4 = serving(net, AF_INET);
	dhcp6 = serving(net, AF_INET6);
	vec_each(p, &net->addresses)
		put_address(x, p, p == dhcp4 || p == dhcp6);
	said(x, "addresses");
	export_options(x);
	export_routes(x);
	tell_hosts(x);
	said_dhcp(x);
}

/* --- what libvirt cannot say -------------------------------------------------------------------------- */

static void tell_rest(struct export *x, const json_t *value, const char *path)
{
	AUTO_FREE char *text = NULL;
	const char *key;
	json_t *item;

	if (json_is_object(value)) {
		json_object_foreach((json_t *)value, key, item) {
			AUTO_FREE char *inner = mem_printf("%s%s%s", path, *path ? "." : "", key);

			tell_rest(x, item, inner);
		}
		return;
	}
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	lost(x, !strncmp(path, "ports.guard", 11) ? "guard-in-domain" : "not-in-libvirt", path, text);
}

static void export_rest(struct export *x)
{
	/* libvirt keeps it beside the definition: virsh net-autostart. */
	if (!x->net->autostart)
		said(x, "autostart");
	tell_rest(x, x->left, "");
}
