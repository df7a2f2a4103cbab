/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check_wire.c - what must hold of one network's VLANs, links to other hosts
 * and limits.  Its neighbour check_uplinks.c compares those of several.
 */

#include "model/check_internal.h"

#include <errno.h>
#include <sys/socket.h>

/* --- VLANs --- */

/* Keys that only a VLAN-aware bridge knows. */
static int check_plain_bridge(const struct network *net, struct vnet_error *err)
{
	const struct bridge_options *b = &net->bridge;
	const char *key = b->vlan_protocol		   ? "bridge.vlan_protocol" :
			  b->has_native			   ? "bridge.native" :
			  b->uplink_vlans.n		   ? "bridge.uplink_vlans" :
			  net->port_defaults.vlan.is_given ? "ports.vlan" :
							     NULL;

	if (!key)
		return 0;
	return check_refuse(net, NULL, key, err, "mode-conflict",
			    "%s belongs to a VLAN-aware bridge; set bridge.vlan_filtering: true too",
			    key);
}

int check_vlans(const struct network *net, struct vnet_error *err)
{
	const struct bridge_options *b = &net->bridge;
	unsigned native = network_native_vlan(net);

	if (!b->vlan_filtering)
		return check_plain_bridge(net, err);
	if (net->vlan.id)
		return check_refuse(net, NULL, "vlan", err, "mode-conflict",
				    "the bridge is of one VLAN (vlan) or tells its ports apart by "
				    "them (bridge.vlan_filtering); keep one of the two");
	if (b->uplink_vlans.n && !network_takes_uplink(net))
		return check_refuse(net, NULL, "bridge.uplink_vlans", err, "mode-conflict",
				    "there is no uplink on this bridge; it needs mode: bridged and "
				    "uplink");
	if (native && vlan_ranges_contain(&b->uplink_vlans, native))
		return check_refuse(net, NULL, "bridge.uplink_vlans", err, "vlan-overlap",
				    "%u is the native id, whose frames leave the uplink without a "
				    "tag; take it out",
				    native);
	if (!native && (net->addresses.n || net->auto4 || net->auto6))
		return check_refuse(net, NULL, "bridge.native", err, "mode-conflict",
				    "with native 0 the host is in no VLAN of the bridge, and its "
				    "addresses reach nobody; give the id that the host is in");
	if (net->links.n)
		return check_refuse(net, &net->links.v[0].source, "links", err, "mode-conflict",
				    "a link carries one network's frames without tags; make each "
				    "VLAN a network with links of its own");
	return 0;
}

/* --- links --- */

static bool is_unusable(const struct ip *ip)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	return ip_is_any(ip) || ip_is_multicast(ip) || ip_is_loopback(ip) ||
	       (ip->family == AF_INET && memcmp(ip->b, broadcast, sizeof(broadcast)) == 0);
}

/* An end of a link: of one host, outside of what the link carries. */
static int check_end(const struct network *net, const struct network_link *link,
		     const struct ip *ip, const char *path, struct vnet_error *err)
{
	const struct prefix *subnet = network_subnet_of(net, ip);
	char text[ADDR_TEXT_MAX], text2[ADDR_TEXT_MAX];

	ip_format(ip, text);
	if (is_unusable(ip))
		return check_refuse(net, &link->source, path, err, "bad-address",
				    "%s is no address of a host that a link could end at", text);
	if (ip_is_link_local(ip) && !link->device)
		return check_refuse(net, &link->source, path, err, "bad-address",
				    "%s is known on one interface only; name it in device", text);
	if (subnet)
		return check_refuse(net, &link->source, path, err, "link-loop",
				    "%s lies in the network's own subnet %s: the link would have to "
				    "carry itself; use an address of the network between the hosts",
				    text, prefix_format(subnet, text2));
	return 0;
}

static int check_peer(const struct network *net, size_t i, size_t k, struct vnet_error *err)
{
	const struct network_link *link = &net->links.v[i];
	const struct ip *peer = &link->peers.v[k];
	const char *path = PATH("links[%zu].peers[%zu]", i, k);
	char text[ADDR_TEXT_MAX], text2[ADDR_TEXT_MAX];

	ip_format(peer, text);
	if (peer->family != link->local.family)
		return check_refuse(net, &link->source, path, err, "family-mismatch",
				    "%s is of another address family than local, %s; a link has "
				    "one, so make another link for this peer",
				    text, ip_format(&link->local, text2));
	if (ip_cmp(peer, &link->local) == 0)
		return check_refuse(net, &link->source, path, err, "link-loop",
				    "%s is local itself; a peer is another host", text);
	for (size_t m = 0; m < k; m++)
		if (ip_cmp(&link->peers.v[m], peer) == 0)
			return check_refuse(net, &link->source, path, err, "duplicate",
					    "%s is given twice", text);
	return check_end(net, link, peer, path, err);
}

static int check_link(const struct network *net, size_t i, struct vnet_error *err)
{
	const struct network_link *link = &net->links.v[i];
	char bridge[16];
	int r;

	for (size_t k = 0; k < i; k++)
		if (strcmp(net->links.v[k].name, link->name) == 0)
			return check_refuse(net, &link->source, PATH("links[%zu].name", i), err,
					    "duplicate", "two links are called %s", link->name);
	if (link->device && strcmp(link->device, network_bridge(net, bridge)) == 0)
		return check_refuse(net, &link->source, PATH("links[%zu].device", i), err,
				    "link-loop",
				    "%s is the bridge that the link belongs to; name an interface "
				    "of the network between the hosts",
				    link->device);
	/* ip6_fragment() cuts no packet of a tunnel. */
	if (!link->pmtudisc && link->local.family == AF_INET6)
		return check_refuse(net, &link->source, PATH("links[%zu].pmtudisc", i), err,
				    "mode-conflict",
				    "Linux does not fragment the packets of a tunnel over IPv6; leave "
				    "pmtudisc out, or link over IPv4");
	r = check_end(net, link, &link->local, PATH("links[%zu].local", i), err);
	for (size_t k = 0; r == 0 && k < link->peers.n; k++)
		r = check_peer(net, i, k, err);
	return r;
}

struct peer_ref {
	const struct network_link *link;
	const struct ip *peer;
	size_t index;
};

static int peer_order(const void *a, const void *b)
{
	const struct peer_ref *x = a, *y = b;
	int r = ip_cmp(x->peer, y->peer);

	return r ? r : (x->index > y->index) - (x->index < y->index);
}

/* Two ways to one host are a circle, in which a broadcast never ends. */
static int check_second_ways(const struct network *net, struct vnet_error *err)
{
	VEC(struct peer_ref) refs = { 0 };
	char text[ADDR_TEXT_MAX];
	int r = 0;

	for (size_t i = 0; i < net->links.n; i++)
		vec_each(peer, &net->links.v[i].peers)
			vec_push(&refs, (struct peer_ref){ &net->links.v[i], peer, i });
	vec_sort(&refs, peer_order);
	for (size_t i = 1; r == 0 && i < refs.n; i++)
		if (ip_cmp(refs.v[i - 1].peer, refs.v[i].peer) == 0)
			r = check_refuse(net, &refs.v[i].link->source,
					 PATH("links[%zu].peers", refs.v[i].index), err, "link-loop",
					 "%s is a peer of link %s already, and two ways to one host "
					 "make a loop; keep one, or set bridge.stp",
					 ip_format(refs.v[i].peer, text), refs.v[i - 1].link->name);
	vec_free(&refs);
	return r;
}

int check_links(const struct network *net, struct vnet_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < net->links.n; i++)
		r = check_link(net, i, err);
	if (r == 0 && !net->bridge.stp)
		r = check_second_ways(net, err);
	return r;
}

/* --- limits --- */

static int check_default_limit(const struct network *net, const struct bandwidth *all,
			       const struct bandwidth *each, const char *path,
			       struct vnet_error *err)
{
	if (!each->guaranteed)
		return 0;
	if (!all->rate && net->mode != NETWORK_SRIOV)
		return check_refuse(net, NULL, path, err, "bad-guarantee",
				    "a guarantee is a share of the network's own limit; give that "
				    "in bandwidth");
	if (all->rate && each->guaranteed > all->rate)
		return check_refuse(net, NULL, path, err, "bad-guarantee",
				    "more is guaranteed to one port than the network lets pass for "
				    "all of them");
	return 0;
}

/* A card counts in Mbit/s. */
static int check_function_limit(const struct network *net, struct vnet_error *err)
{
	const struct bandwidth *out = &net->port_defaults.out;

	if (net->mode != NETWORK_SRIOV ||
	    (out->rate % 1000000 == 0 && out->guaranteed % 1000000 == 0 && !out->burst))
		return 0;
	return check_refuse(net, NULL, "ports.bandwidth.out", err, "bad-value",
			    "a virtual function is limited in whole mbit and has no burst to set");
}

int check_bandwidth(const struct network *net, struct vnet_error *err)
{
	int r = check_default_limit(net, &net->in, &net->port_defaults.in, "ports.bandwidth.in",
				    err);

	if (r == 0)
		r = check_default_limit(net, &net->out, &net->port_defaults.out,
					"ports.bandwidth.out", err);
	return r < 0 ? r : check_function_limit(net, err);
}
