/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check_dns.c - DNS records and forwarders; among them what dnsmasq refuses to start with. */

#include "model/check_internal.h"

#include <errno.h>
#include <strings.h>

#define CNAME_CHAIN_MAX 10

static int check_forwarders(const struct network *net, struct vnet_error *err)
{
	for (size_t i = 0; i < net->dns.forwarders.n; i++) {
		const struct dns_forwarder *f = &net->dns.forwarders.v[i];
		char text[ADDR_TEXT_MAX];

		if (ip_is_any(&f->address) || ip_is_multicast(&f->address))
			return check_refuse(net, &f->source, PATH("dns.forwarders[%zu]", i), err,
					    "bad-address", "%s is no address of a DNS server",
					    ip_format(&f->address, text));
		if (network_has_address(net, &f->address) && (!f->port || f->port == 53))
			return check_refuse(
				net, &f->source, PATH("dns.forwarders[%zu]", i), err,
				"address-conflict",
				"%s is this network's own DNS server; queries would go in a "
				"circle",
				ip_format(&f->address, text));
	}
	return 0;
}

static int cname_order(const void *a, const void *b)
{
	const struct dns_cname *x = *(const struct dns_cname *const *)a;
	const struct dns_cname *y = *(const struct dns_cname *const *)b;
	int r = strcasecmp(x->name, y->name);

	return r ? r : (x > y) - (x < y);
}

/* Finds by name alone. */
static int cname_find_order(const void *name, const void *item)
{
	return strcasecmp(name, (*(const struct dns_cname *const *)item)->name);
}

static bool cname_chain_ends(const struct dns_cname *cname, const struct dns_cname **sorted,
			     size_t n)
{
	for (unsigned steps = 0; steps < CNAME_CHAIN_MAX; steps++) {
		const struct dns_cname **next =
			bsearch(cname->target, sorted, n, sizeof(*sorted), cname_find_order);

		if (!next)
			return true;
		cname = *next;
	}
	return false;
}

static int check_cnames(const struct network *net, struct vnet_error *err)
{
	size_t n = net->dns.cname.n;
	AUTO_FREE const struct dns_cname **sorted = mem_alloc(n * sizeof(*sorted));

	for (size_t i = 0; i < n; i++)
		sorted[i] = &net->dns.cname.v[i];
	qsort(sorted, n, sizeof(*sorted), cname_order);
	for (size_t i = 1; i < n; i++)
		if (strcasecmp(sorted[i - 1]->name, sorted[i]->name) == 0)
			return check_refuse(
				net, &sorted[i]->source,
				PATH("dns.cname[%zu].name", (size_t)(sorted[i] - net->dns.cname.v)),
				err, "duplicate",
				"%s is a CNAME already: dns.cname[%zu]; a name has one",
				sorted[i]->name, (size_t)(sorted[i - 1] - net->dns.cname.v));
	for (size_t i = 0; i < n; i++)
		if (!cname_chain_ends(&net->dns.cname.v[i], sorted, n))
			return check_refuse(net, &net->dns.cname.v[i].source,
					    PATH("dns.cname[%zu]", i), err, "cname-loop",
					    "%s leads in a circle, or over more than %d CNAMEs",
					    net->dns.cname.v[i].name, CNAME_CHAIN_MAX);
	return 0;
}

static int check_srv(const struct network *net, struct vnet_error *err)
{
	for (size_t i = 0; i < net->dns.srv.n; i++)
		if (!net->dns.srv.v[i].domain && !net->domain)
			return check_refuse(
				net, &net->dns.srv.v[i].source, PATH("dns.srv[%zu]", i), err,
				"missing-key",
				"an SRV record needs a domain: its own, or the network's");
	return 0;
}

int check_dns(const struct network *net, struct vnet_error *err)
{
	const struct dns_config *dns = &net->dns;
	size_t n_records = dns->hosts.n + dns->srv.n + dns->txt.n + dns->ptr.n + dns->cname.n;
	int r;

	if (!dns->enabled)
		return 0;
	if (!net->addresses.n && !net->auto4 && !net->auto6)
		return check_refuse(
			net, NULL, "dns", err, "no-address",
			"DNS needs an address to answer on; give addresses or subnet: auto");
	if (dns->local_only && !net->domain)
		return check_refuse(net, NULL, "dns.local_only", err, "missing-key",
				    "local_only speaks of the network's domain; set domain too");
	if (n_records > NETWORK_RECORDS_MAX)
		return check_refuse(net, NULL, "dns", err, "too-many",
				    "%zu DNS records; at most %d are accepted", n_records,
				    NETWORK_RECORDS_MAX);
	r = check_forwarders(net, err);
	if (r == 0)
		r = check_srv(net, err);
	return r < 0 ? r : check_cnames(net, err);
}
