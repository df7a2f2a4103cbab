/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check_dhcp.c - DHCP, DHCPv6 and router advertisements against the network's subnets. */

#include "model/check_internal.h"

#include <errno.h>
#include <sys/socket.h>

static const char *service_key(int family)
{
	return family == AF_INET ? "dhcp" : "dhcp6";
}

static bool is_auto(const struct network *net, int family)
{
	return family == AF_INET ? net->auto4 : net->auto6;
}

/* --- ranges --- */

static bool range_holds_unusable(const struct prefix *subnet, const struct ip_range *range)
{
	return !subnet_host_is_usable(subnet, &range->first) ||
	       !subnet_host_is_usable(subnet, &range->last);
}

static int check_range(const struct network *net, int family, const struct ip_range *ranges,
		       size_t i, struct vnet_error *err)
{
	const struct ip_range *range = &ranges[i];
	const struct prefix *subnet = network_subnet_of(net, &range->first);
	char *path = PATH("%s.ranges[%zu]", service_key(family), i);
	char text[ADDR_TEXT_MAX], text2[ADDR_TEXT_MAX];

	ip_range_format(range, text);
	if (is_auto(net, family))
		return check_refuse(net, NULL, path, err, "subnet-unknown",
				    "the subnet is chosen automatically, so %s may lie outside it; "
				    "leave the ranges out or give a fixed subnet in addresses",
				    text);
	if (!subnet || !prefix_contains(subnet, &range->last))
		return check_refuse(net, NULL, path, err, "outside-subnet",
				    "%s does not lie within one of the network's subnets", text);
	if (range_holds_unusable(subnet, range))
		return check_refuse(
			net, NULL, path, err, "bad-address",
			"%s holds the first or the broadcast address of %s, which no guest "
			"can have",
			text, prefix_format(subnet, text2));
	vec_each(own, &net->addresses)
		if (ip_range_contains(range, &own->addr))
			return check_refuse(net, NULL, path, err, "address-conflict",
					    "%s holds the bridge's own address "
					    "%s; leave it out",
					    text, ip_format(&own->addr, text2));
	for (size_t k = 0; k < i; k++)
		if (ip_range_overlaps(range, &ranges[k]))
			return check_refuse(net, NULL, path, err, "range-overlap", "%s overlaps %s",
					    text, ip_range_format(&ranges[k], text2));
	return 0;
}

static int check_ranges(const struct network *net, int family, const struct ip_range *ranges,
			size_t n, struct vnet_error *err)
{
	for (size_t i = 0; i < n; i++) {
		int r = check_range(net, family, ranges, i, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* On every link there is one; nothing is leased from it. */
static bool is_link_local6(const struct ip *ip)
{
	return ip->family == AF_INET6 && ip_is_link_local(ip);
}

static const struct prefix *first_subnet(const struct network *net, int family)
{
	vec_each(address, &net->addresses)
		if (address->addr.family == family && !is_link_local6(&address->addr))
			return address;
	return NULL;
}

static int check_reserved_only(const struct network *net, int family, size_t n_ranges,
			       struct vnet_error *err)
{
	if (!n_ranges)
		return 0;
	return check_refuse(net, NULL, PATH("%s.reserved_only", service_key(family)), err,
			    "mode-conflict",
			    "reserved_only gives no address to strangers, ranges do; give one of them");
}

/* `dhcp` holds the hosts and options of DHCPv6, too: a network of IPv6 alone may have those. */
static bool serves_only_dhcp6(const struct network *net)
{
	const struct dhcp_config *dhcp = &net->dhcp;

	return net->ipv6.dhcp6_enabled && (dhcp->hosts.n || dhcp->options.n) && !dhcp->ranges.n &&
	       !dhcp->reserved_only && !dhcp->boot.file && !dhcp->boot.tftp_root;
}

static int check_service4(const struct network *net, struct vnet_error *err)
{
	const struct prefix *subnet = first_subnet(net, AF_INET);
	char text[ADDR_TEXT_MAX];

	if (!net->dhcp.enabled || (!subnet && !net->auto4 && serves_only_dhcp6(net)))
		return 0;
	if (!subnet && !net->auto4)
		return check_refuse(
			net, NULL, "dhcp", err, "no-address",
			"DHCP needs an IPv4 subnet; give an address like 192.168.10.1/24 "
			"in addresses, or subnet: auto");
	if (net->dhcp.reserved_only)
		return check_reserved_only(net, AF_INET, net->dhcp.ranges.n, err);
	if (subnet && !net->dhcp.ranges.n && subnet->len > 30)
		return check_refuse(net, NULL, "dhcp", err, "subnet-too-small",
				    "%s has no address left to lease", prefix_format(subnet, text));
	return check_ranges(net, AF_INET, net->dhcp.ranges.v, net->dhcp.ranges.n, err);
}

static bool leases6(const struct prefix *subnet)
{
	return subnet->len >= 64 && subnet->len <= 126;
}

static int check_service6(const struct network *net, struct vnet_error *err)
{
	const struct prefix *subnet = first_subnet(net, AF_INET6);
	char text[ADDR_TEXT_MAX];

	if (!net->ipv6.dhcp6_enabled)
		return 0;
	if (!subnet && !net->auto6)
		return check_refuse(
			net, NULL, "dhcp6", err, "no-address",
			"DHCPv6 needs an IPv6 subnet; give an address like fd00:10::1/64 "
			"in addresses");
	if (subnet && !net->ipv6.ranges.n && !leases6(subnet))
		return check_refuse(net, NULL, "dhcp6", err, "bad-prefix-length",
				    "dnsmasq leases from IPv6 subnets of /64 to /126, not from %s",
				    prefix_format(subnet, text));
	if (net->ipv6.reserved_only)
		return check_reserved_only(net, AF_INET6, net->ipv6.ranges.n, err);
	for (size_t i = 0; i < net->ipv6.ranges.n; i++) {
		subnet = network_subnet_of(net, &net->ipv6.ranges.v[i].first);
		if (subnet && !leases6(subnet))
			return check_refuse(
				net, NULL, PATH("dhcp6.ranges[%zu]", i), err, "bad-prefix-length",
				"dnsmasq leases from IPv6 subnets of /64 to /126, not from %s",
				prefix_format(subnet, text));
	}
	return check_ranges(net, AF_INET6, net->ipv6.ranges.v, net->ipv6.ranges.n, err);
}

/* Interface identifiers have 64 bits on Ethernet (RFC 4862, section 5.5.3; RFC 2464, section 4). */
static int check_ra(const struct network *net, struct vnet_error *err)
{
	enum ra_mode mode = network_ra(net);
	bool has_64 = net->auto6;

	if (mode == RA_OFF)
		return 0;
	if (!first_subnet(net, AF_INET6) && !net->auto6)
		return check_refuse(
			net, NULL, "ra", err, "no-address",
			"router advertisements need an IPv6 subnet; add one to addresses");
	vec_each(address, &net->addresses)
		has_64 = has_64 || (address->addr.family == AF_INET6 && address->len == 64 &&
				    !is_link_local6(&address->addr));
	if ((mode == RA_SLAAC || mode == RA_STATELESS) && !has_64)
		return check_refuse(
			net, NULL, "ra", err, "bad-prefix-length",
			"guests form addresses of their own in a /64 only; use a /64, or "
			"set ra: managed with dhcp6, or ra: off");
	if (mode == RA_MANAGED && !net->ipv6.dhcp6_enabled)
		return check_refuse(net, NULL, "ra", err, "missing-key",
				    "ra: managed sends guests to DHCPv6; add dhcp6: true");
	return 0;
}

/* --- static hosts --- */

static int check_host_address(const struct network *net, size_t i, const struct ip *ip,
			      const char *key, struct vnet_error *err)
{
	const struct dhcp_host *host = &net->dhcp.hosts.v[i];
	const struct prefix *subnet = network_subnet_of(net, ip);
	char *path = PATH("dhcp.hosts[%zu].%s", i, key);
	char text[ADDR_TEXT_MAX];

	if (!ip->family)
		return 0;
	ip_format(ip, text);
	if (is_auto(net, ip->family))
		return check_refuse(net, &host->source, path, err, "subnet-unknown",
				    "the subnet is chosen automatically, so %s may lie outside it; "
				    "give the network a fixed subnet in addresses",
				    text);
	if (!subnet || !subnet_host_is_usable(subnet, ip))
		return check_refuse(net, &host->source, path, err, "outside-subnet",
				    "%s is no host's address in this network's subnets", text);
	if (network_has_address(net, ip))
		return check_refuse(net, &host->source, path, err, "address-conflict",
				    "%s is the bridge's own address", text);
	if (ip->family == AF_INET6 && !net->ipv6.dhcp6_enabled)
		return check_refuse(net, &host->source, path, err, "missing-key",
				    "an IPv6 address is reserved, but DHCPv6 is not served; add "
				    "dhcp6: true");
	return 0;
}

static int mac_order(const struct dhcp_host *a, const struct dhcp_host *b)
{
	return a->has_mac && b->has_mac ? mac_cmp(&a->mac, &b->mac) : a->has_mac - b->has_mac;
}

static int address_order(const struct dhcp_host *a, const struct dhcp_host *b)
{
	return ip_cmp(&a->address, &b->address);
}

static int address6_order(const struct dhcp_host *a, const struct dhcp_host *b)
{
	return ip_cmp(&a->address6, &b->address6);
}

/* Names tell hosts apart only where there is no MAC. */
static int name_order(const struct dhcp_host *a, const struct dhcp_host *b)
{
	bool named_a = a->name && !a->has_mac, named_b = b->name && !b->has_mac;

	return named_a && named_b ? strcasecmp(a->name, b->name) : named_a - named_b;
}

static int duid_order(const struct dhcp_host *a, const struct dhcp_host *b)
{
	return a->duid && b->duid ? strcasecmp(a->duid, b->duid) : !!a->duid - !!b->duid;
}

static bool has_mac(const struct dhcp_host *h)
{
	return h->has_mac;
}

static bool has_address(const struct dhcp_host *h)
{
	return h->address.family;
}

static bool has_address6(const struct dhcp_host *h)
{
	return h->address6.family;
}

static bool has_name_only(const struct dhcp_host *h)
{
	return h->name && !h->has_mac;
}

static bool has_duid(const struct dhcp_host *h)
{
	return h->duid;
}

static const struct identity {
	const char *key;
	int (*order)(const struct dhcp_host *a, const struct dhcp_host *b);
	bool (*is_given)(const struct dhcp_host *host);
} identities[] = {
	{ "mac", mac_order, has_mac },
	{ "address", address_order, has_address },
	{ "address6", address6_order, has_address6 },
	{ "name", name_order, has_name_only },
	{ "duid", duid_order, has_duid },
};

/* qsort_r's context: the order in force.  Equal hosts keep their order of declaration. */
static int host_order(const void *a, const void *b, void *context)
{
	const struct dhcp_host *x = *(const struct dhcp_host *const *)a;
	const struct dhcp_host *y = *(const struct dhcp_host *const *)b;
	int r = ((const struct identity *)context)->order(x, y);

	return r ? r : (x > y) - (x < y);
}

/* Sorted, so that 8192 hosts cost no square. */
static int check_identity(const struct network *net, const struct dhcp_host **hosts,
			  const struct identity *id, struct vnet_error *err)
{
	size_t n = net->dhcp.hosts.n;

	for (size_t i = 0; i < n; i++)
		hosts[i] = &net->dhcp.hosts.v[i];
	qsort_r(hosts, n, sizeof(*hosts), host_order, (void *)id);
	for (size_t i = 1; i < n; i++) {
		const struct dhcp_host *first = hosts[i - 1], *again = hosts[i];

		if (!id->is_given(again) || id->order(first, again) != 0)
			continue;
		return check_refuse(
			net, &again->source,
			PATH("dhcp.hosts[%zu].%s", (size_t)(again - net->dhcp.hosts.v), id->key),
			err, "duplicate",
			"another DHCP host has the same %s: dhcp.hosts[%zu]%s; merge the two",
			id->key, (size_t)(first - net->dhcp.hosts.v),
			first->source.line ? PATH(" in line %u", first->source.line) : "");
	}
	return 0;
}

static int check_hosts(const struct network *net, struct vnet_error *err)
{
	AUTO_FREE const struct dhcp_host **hosts = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < net->dhcp.hosts.n; i++) {
		const struct dhcp_host *host = &net->dhcp.hosts.v[i];

		r = check_host_address(net, i, &host->address, "address", err);
		if (r == 0)
			r = check_host_address(net, i, &host->address6, "address6", err);
	}
	if (r < 0 || net->dhcp.hosts.n < 2)
		return r;
	hosts = mem_alloc(net->dhcp.hosts.n * sizeof(*hosts));
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(identities); i++)
		r = check_identity(net, hosts, &identities[i], err);
	return r;
}

/* --- options and boot --- */

static bool same_option(const struct dhcp_option *a, const struct dhcp_option *b)
{
	if (a->is_v6 != b->is_v6 || a->number != b->number)
		return false;
	return a->number || strcmp(a->name, b->name) == 0;
}

static int check_options(const struct network *net, struct vnet_error *err)
{
	for (size_t i = 0; i < net->dhcp.options.n; i++) {
		const struct dhcp_option *option = &net->dhcp.options.v[i];

		if (option->is_v6 && !net->ipv6.dhcp6_enabled && network_ra(net) != RA_STATELESS)
			return check_refuse(
				net, &option->source, PATH("dhcp.options[%zu].ipv6", i), err,
				"missing-key",
				"a DHCPv6 option, but DHCPv6 is not served; add dhcp6: true "
				"or ra: stateless");
		for (size_t k = 0; k < i; k++)
			if (same_option(option, &net->dhcp.options.v[k]))
				return check_refuse(
					net, &option->source, PATH("dhcp.options[%zu]", i), err,
					"duplicate",
					"the option is given twice, first as "
					"dhcp.options[%zu]; join the values in one list",
					k);
	}
	return 0;
}

static int check_boot(const struct network *net, struct vnet_error *err)
{
	const struct dhcp_boot *boot = &net->dhcp.boot;

	if (!boot->file && (boot->server_name || boot->server.family))
		return check_refuse(net, NULL, "dhcp.boot", err, "missing-key",
				    "a boot server without a file to load; add boot.file");
	return 0;
}

int check_dhcp(const struct network *net, struct vnet_error *err)
{
	static int (*const checks[])(const struct network *, struct vnet_error *) = {
		check_service4, check_service6, check_ra, check_hosts, check_options, check_boot,
	};

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		int r = checks[i](net, err);

		if (r < 0)
			return r;
	}
	return 0;
}
