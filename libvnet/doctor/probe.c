/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* probe.c - the packets that a network needs to pass */

#include "doctor/check.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

#define ELSEWHERE "other0"      /* an interface by which guests leave, where no route tells which */
#define OUTSIDE4 "9.9.9.9"      /* a public address that is in nobody's list of bad ones */
#define OUTSIDE6 "2620:fe::fe"
#define GUEST4 "192.168.100.2"  /* where a network has no address of its own */
#define GUEST6 "fd00:100::2"
#define PORT "vp0"              /* the device of a network's first port, and another one */
#define OTHER_PORT "vp1"
#define PORTS "vp*"
#define EPHEMERAL_PORT 50000

/* Where packets come from and go to, in the host's eyes. */
struct ends {
	const char *iif, *oif;  /* NULL: the host itself */
	struct ip from, to;
	uint8_t proto;
	uint16_t sport, dport;  /* or, of ICMPv6, dport is the type */
	uint32_t ct_state;
};

static struct ip ip_of(const char *text)
{
	struct ip ip = { 0 };

	ip_parse(text, &ip);
	return ip;
}

/* The host's own address on the network, or NULL. */
static const struct prefix *own_address(const struct network *net, int family)
{
	vec_each (p, &net->addresses)
		if (p->addr.family == family)
			return p;
	return NULL;
}

/* Some address of a guest. */
static struct ip guest_address(const struct network *net, int family)
{
	const struct prefix *own = own_address(net, family);
	struct prefix subnet;
	struct ip guest;

	if (!own)
		return ip_of(family == AF_INET ? GUEST4 : GUEST6);
	subnet = prefix_network(own);
	guest = ip_add(&subnet.addr, 2);
	return ip_cmp(&guest, &own->addr) == 0 ? ip_add(&guest, 1) : guest;
}

void doctor_ends(const struct network *net, int family, struct ip *ret_guest, struct ip *ret_outside)
{
	*ret_outside = ip_of(family == AF_INET ? OUTSIDE4 : OUTSIDE6);
	*ret_guest = own_address(net, family) ? guest_address(net, family) : (struct ip){ 0 };
}

static const char *exit_of(const struct doctor_network *network, int family)
{
	const char *name = family == AF_INET ? network->exit4 : network->exit6;

	return name[0] ? name : ELSEWHERE;
}

static void set_ethertype(struct packet *packet)
{
	packet_set_number(packet, FIELD_ETHERTYPE,
			  packet->family == AF_INET ? ETH_P_IP : packet->family ? ETH_P_IPV6 : ETH_P_ARP);
}

static uint32_t address_type(const struct ends *e)
{
	if (e->to.family == AF_INET && e->to.b[0] == 255)
		return RTN_BROADCAST;
	if (ip_is_multicast(&e->to))
		return RTN_MULTICAST;
	return e->oif ? RTN_UNICAST : RTN_LOCAL;
}

static void set_addresses(struct packet *packet, const struct ends *e)
{
	bool is_v4 = packet->family == AF_INET;

	packet_set(packet, is_v4 ? FIELD_SADDR4 : FIELD_SADDR6, e->from.b, ip_size(&e->from));
	packet_set(packet, is_v4 ? FIELD_DADDR4 : FIELD_DADDR6, e->to.b, ip_size(&e->to));
	packet_set_number(packet, FIELD_NFPROTO, is_v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	set_ethertype(packet);
	packet_set_number(packet, FIELD_DADDR_TYPE, address_type(e));
}

static struct probe *add(probe_vec *ret, enum probe_kind kind, const struct ends *e)
{
	struct probe *probe = vec_add(ret);
	struct packet *packet = &probe->packet;

	probe->kind = kind;
	packet->family = e->to.family;
	packet->hook = !e->oif ? HOOK_INPUT : !e->iif ? HOOK_OUTPUT : HOOK_FORWARD;
	set_addresses(packet, e);
	if (e->iif)
		packet_set_name(packet, FIELD_IIFNAME, e->iif);
	if (e->oif)
		packet_set_name(packet, FIELD_OIFNAME, e->oif);
	packet_set_number(packet, FIELD_L4PROTO, e->proto);
	if (e->proto == IPPROTO_ICMPV6) {
		packet_set_number(packet, FIELD_ICMP_TYPE, e->dport);
	} else if (e->proto != IPPROTO_GRE) {
		packet_set_number(packet, FIELD_SPORT, e->sport ? e->sport : EPHEMERAL_PORT);
		packet_set_number(packet, FIELD_DPORT, e->dport);
	}
	packet_set_number(packet, FIELD_CT_STATE, e->ct_state ? e->ct_state : CT_NEW);
	packet_set_number(packet, FIELD_CT_DIRECTION, e->ct_state == CT_ESTABLISHED);
	packet_set_number(packet, FIELD_CT_STATUS, kind == PROBE_FORWARD ? IPS_DST_NAT : 0);
	packet_set_number(packet, FIELD_MARK, 0);
	packet_set_number(packet, FIELD_CT_MARK, 0);
	packet_set_number(packet, FIELD_FIB_OIF, 1);
	return probe;
}

static void pass_in(struct probe *probe, const char *bridge)
{
	snprintf(probe->pass.iifname, sizeof(probe->pass.iifname), "%s", bridge);
}

static void pass_out(struct probe *probe, const char *bridge)
{
	snprintf(probe->pass.oifname, sizeof(probe->pass.oifname), "%s", bridge);
}

/* ---- through the host ---- */

static void add_forwarded(const struct doctor_network *network, int family, probe_vec *ret)
{
	const struct network *net = network->net;
	struct ip guest = guest_address(net, family);
	struct ip outside = ip_of(family == AF_INET ? OUTSIDE4 : OUTSIDE6);
	const char *exit = exit_of(network, family), *bridge = network->bridge;

	pass_in(add(ret, PROBE_OUT,
		    &(struct ends){ .iif = bridge, .oif = exit, .from = guest, .to = outside,
				    .proto = IPPROTO_TCP, .dport = 443 }), bridge);
	pass_out(add(ret, PROBE_ANSWER,
		     &(struct ends){ .iif = exit, .oif = bridge, .from = outside, .to = guest,
				     .proto = IPPROTO_TCP, .sport = 443, .dport = EPHEMERAL_PORT,
				     .ct_state = CT_ESTABLISHED }), bridge);
	if (net->mode != NETWORK_NAT)
		pass_out(add(ret, PROBE_IN,
			     &(struct ends){ .iif = exit, .oif = bridge, .from = outside,
					     .to = guest, .proto = IPPROTO_TCP, .dport = 22 }), bridge);
	vec_each (f, &net->forwards) {
		if (f->to.family != family)
			continue;
		pass_out(add(ret, PROBE_FORWARD,
			     &(struct ends){ .iif = exit, .oif = bridge, .from = outside,
					     .to = f->to, .proto = (uint8_t)f->protocol,
					     .dport = f->to_ports.first }), bridge);
		break;
	}
}

/* What the bridge passes on itself; br_netfilter shows it to IP's chains all the same. */
static void add_bridged(const struct doctor_network *network, int family, probe_vec *ret)
{
	struct ip from = guest_address(network->net, family), to = ip_add(&from, 1);

	pass_in(add(ret, PROBE_BRIDGED,
		    &(struct ends){ .iif = network->bridge, .oif = network->bridge, .from = from,
				    .to = to, .proto = IPPROTO_TCP, .dport = 22 }), network->bridge);
}

/* ---- to and from the host ---- */

static void add_service(probe_vec *ret, enum probe_kind kind, const struct ends *e)
{
	struct probe *probe = add(ret, kind, e);

	pass_in(probe, e->iif);
	probe->pass.l4proto = e->proto;
	if (e->proto != IPPROTO_ICMPV6)
		probe->pass.dport = e->dport;
}

static void add_dns(const struct doctor_network *network, int family, probe_vec *ret)
{
	const struct prefix *own = own_address(network->net, family);
	struct ends e = { .iif = network->bridge, .dport = 53 };

	if (!own || !network->net->dns.enabled)
		return;
	e.from = guest_address(network->net, family);
	e.to = own->addr;
	e.proto = IPPROTO_UDP;
	add_service(ret, PROBE_DNS, &e);
	e.proto = IPPROTO_TCP;
	add_service(ret, PROBE_DNS, &e);
}

static void add_services4(const struct doctor_network *network, probe_vec *ret)
{
	const struct network *net = network->net;

	add_dns(network, AF_INET, ret);
	if (!net->dhcp.enabled)
		return;
	add_service(ret, PROBE_DHCP,
		    &(struct ends){ .iif = network->bridge, .from = ip_of("0.0.0.0"),
				    .to = ip_of("255.255.255.255"), .proto = IPPROTO_UDP,
				    .sport = 68, .dport = 67 });
	if (own_address(net, AF_INET))
		pass_out(add(ret, PROBE_HOST,
			     &(struct ends){ .oif = network->bridge,
					     .from = own_address(net, AF_INET)->addr,
					     .to = guest_address(net, AF_INET),
					     .proto = IPPROTO_UDP, .sport = 67, .dport = 68 }),
			 network->bridge);
}

static void add_services6(const struct doctor_network *network, probe_vec *ret)
{
	const struct network *net = network->net;

	add_dns(network, AF_INET6, ret);
	if (net->ipv6.dhcp6_enabled || net->ipv6.ranges.n)
		add_service(ret, PROBE_DHCP6,
			    &(struct ends){ .iif = network->bridge, .from = ip_of("fe80::2"),
					    .to = ip_of("ff02::1:2"), .proto = IPPROTO_UDP,
					    .sport = 546, .dport = 547 });
	if (network_ra(net) == RA_OFF)
		return;
	add_service(ret, PROBE_ROUTER,
		    &(struct ends){ .iif = network->bridge, .from = ip_of("fe80::2"),
				    .to = ip_of("ff02::2"), .proto = IPPROTO_ICMPV6, .dport = 133 });
	pass_out(add(ret, PROBE_HOST,
		     &(struct ends){ .oif = network->bridge, .from = ip_of("fe80::1"),
				     .to = ip_of("ff02::1"), .proto = IPPROTO_ICMPV6, .dport = 134 }),
		 network->bridge);
}

static void add_link(const struct doctor_network *network, const struct network_link *link,
		     probe_vec *ret)
{
	bool is_vxlan = link->kind == LINK_VXLAN;
	struct ends e = { .iif = link->device ? link->device : exit_of(network, link->local.family),
			  .to = link->local, .proto = is_vxlan ? IPPROTO_UDP : IPPROTO_GRE };
	struct probe *probe;

	e.from = link->peers.n ? link->peers.v[0] : ip_add(&link->local, 1);
	if (is_vxlan)
		e.dport = (uint16_t)(link->port ? link->port : 4789);
	probe = add(ret, is_vxlan ? PROBE_VXLAN : PROBE_GRE, &e);
	probe->pass.l4proto = e.proto;
	probe->pass.dport = e.dport;
	if (link->device)
		pass_in(probe, link->device);
}

/* What bridges' own rules see; an ARP packet has nothing of IP. */
static void add_frame(probe_vec *ret, enum probe_kind kind, struct ends e, int family)
{
	struct probe *probe;

	e.from = ip_of(family == AF_INET6 ? GUEST6 : GUEST4);
	e.to = ip_add(&e.from, 1);
	e.proto = IPPROTO_TCP;
	e.dport = 22;
	probe = add(ret, kind, &e);
	probe->packet.is_frame = true;
	pass_in(probe, e.iif ? PORTS : "");
	pass_out(probe, e.iif ? "" : PORTS);
	if (family)
		return;
	probe->packet.family = 0;
	probe->packet.known = 1u << FIELD_IIFNAME | 1u << FIELD_OIFNAME;
	set_ethertype(&probe->packet);
}

static void add_frames(const struct doctor_network *network, probe_vec *ret)
{
	static const int families[] = { 0, AF_INET, AF_INET6 };
	const char *port = network->port[0] ? network->port : PORT;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		add_frame(ret, PROBE_FRAME, (struct ends){ .iif = port, .oif = OTHER_PORT }, families[i]);
		add_frame(ret, PROBE_FRAME_IN, (struct ends){ .iif = port }, families[i]);
		add_frame(ret, PROBE_FRAME_OUT, (struct ends){ .oif = port }, families[i]);
	}
}

void network_probes(const struct doctor_facts *facts, const struct doctor_network *network,
		    probe_vec *ret)
{
	const struct network *net = network->net;
	bool is_forwarded = net->mode == NETWORK_NAT || net->mode == NETWORK_ROUTED ||
			    net->mode == NETWORK_OPEN;

	if (!network_has_bridge(net))
		return;
	for (int i = 0; i < 2; i++) {
		int family = i ? AF_INET6 : AF_INET;

		if (is_forwarded && network_has_family(net, family))
			add_forwarded(network, family, ret);
		if (doctor_sysctl(facts, 0, "net/bridge/bridge-nf-call-ip%stables", i ? "6" : "") > 0)
			add_bridged(network, family, ret);
	}
	add_services4(network, ret);
	add_services6(network, ret);
	vec_each (link, &net->links)
		add_link(network, link, ret);
	add_frames(network, ret);
}

char *probe_text(const struct probe *probe)
{
	static const char *const texts[PROBES] = {
		[PROBE_OUT] = "guests to the outside",
		[PROBE_ANSWER] = "answers from the outside to guests",
		[PROBE_IN] = "connections from the outside to guests",
		[PROBE_FORWARD] = "port forwards",
		[PROBE_BRIDGED] = "guests to each other",
		[PROBE_DHCP] = "DHCP requests of guests",
		[PROBE_DHCP6] = "DHCPv6 requests of guests",
		[PROBE_DNS] = "DNS queries of guests",
		[PROBE_ROUTER] = "router solicitations of guests",
		[PROBE_HOST] = "the host to guests",
		[PROBE_VXLAN] = "VXLAN from other hosts",
		[PROBE_GRE] = "GRE from other hosts",
		[PROBE_FRAME] = "frames of guests to each other",
		[PROBE_FRAME_IN] = "frames of guests to the host",
		[PROBE_FRAME_OUT] = "frames of the host to guests",
	};
	uint8_t family = probe->packet.family;

	if (probe->kind == PROBE_DHCP || probe->kind == PROBE_DHCP6 || probe->kind == PROBE_ROUTER)
		return mem_strdup(texts[probe->kind]);
	return mem_printf("%s (%s)", texts[probe->kind],
			  family == AF_INET ? "IPv4" : family == AF_INET6 ? "IPv6" : "ARP");
}
