/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check_host.c - switches, tables, sockets and programs of the host beside packet filters */

#include "doctor/check.h"

#include <errno.h>
#include <stdio.h>

#define BRIDGE_PORTS 1023       /* of a Linux bridge: BR_MAX_PORTS is 1024, number 0 is never given */
#define NEARLY_PERCENT 90       /* from there on something is called nearly full */

static bool is_forwarded(const struct doctor_network *network, int family)
{
	const struct network *net = network->net;

	return network->is_running && network_has_family(net, family) &&
	       (net->mode == NETWORK_NAT || net->mode == NETWORK_ROUTED || net->mode == NETWORK_OPEN);
}

/* A finding without traffic, about one network or (NULL) all of them. */
static struct finding *add(finding_vec *ret, const char *id, enum severity severity,
			   const struct doctor_network *network, const char *why, char *found)
{
	struct finding *f = finding_add(ret, id, severity);

	if (network)
		text_list_add(&f->networks, network->net->name);
	f->why = mem_strdup(why);
	f->found = found;
	return f;
}

/* The one about the same thing that is there already, with this network added. */
static bool is_found(finding_vec *ret, const char *id, const char *found,
		     const struct doctor_network *network)
{
	vec_each (f, ret) {
		if (strcmp(f->id, id) != 0 || strcmp(f->found, found) != 0)
			continue;
		text_list_add(&f->networks, network->net->name);
		return true;
	}
	return false;
}

/* ---- networks that do not run as they should ---- */

static void check_failed(const struct doctor_facts *facts, finding_vec *ret)
{
	vec_each (network, &facts->networks)
		if (network->problem)
			finding_remedy(add(ret, "network-failed",
					   network->is_running ? SEVERITY_MAY_STOP : SEVERITY_STOPS, network,
					   "netd tries again by itself; what it says here must be mended first.",
					   mem_strdup(network->problem)),
				       "vnetctl network show %s", network->net->name);
}

static void check_dnsmasq(const struct doctor_facts *facts, finding_vec *ret)
{
	static const char found[] = "there is no program dnsmasq";

	vec_each (network, &facts->networks)
		if (!facts->has_dnsmasq && network->is_running && network_wants_dnsmasq(network->net) &&
		    !is_found(ret, "dnsmasq-missing", found, network))
			finding_remedy(add(ret, "dnsmasq-missing", SEVERITY_STOPS, network,
					   "DHCP, DNS and router advertisements are its work.",
					   mem_strdup(found)),
				       "apt-get install dnsmasq-base");
}

static void check_lacking(const struct doctor_facts *facts, finding_vec *ret)
{
	vec_each (sentence, &facts->lacking)
		finding_remedy(add(ret, "kernel-lacks", SEVERITY_NOTE, NULL,
				   "netd does without; what follows is said there.",
				   mem_strdup(*sentence)),
			       "a kernel that has it (README, Dependencies)");
}

/* ---- switches ---- */

static void check_br_netfilter(const struct doctor_facts *facts, finding_vec *ret)
{
	static const char *const names[] = { "bridge-nf-call-iptables", "bridge-nf-call-ip6tables",
					     "bridge-nf-call-arptables" };
	AUTO_STRBUF struct strbuf on = { 0 };
	struct finding *f;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (doctor_sysctl(facts, 0, "net/bridge/%s", names[i]) > 0)
			strbuf_printf(&on, "%snet.bridge.%s=1", on.len ? ", " : "", names[i]);
	if (!on.len)
		return;
	f = add(ret, "br-netfilter", SEVERITY_NOTE, NULL,
		"Frames between guests of one bridge pass other programs' rules as if the host routed them, and a guest "
		"does not reach its own port forward. Docker and Kubernetes switch it on; vnet does not need it.",
		mem_strdup(on.s));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (doctor_sysctl(facts, 0, "net/bridge/%s", names[i]) > 0)
			finding_remedy(f, "sysctl -w net.bridge.%s=0", names[i]);
}

static void check_forwarding_of(const struct doctor_facts *facts, const struct doctor_network *network,
				const char *ifname, finding_vec *ret)
{
	AUTO_FREE char *found = mem_printf("net.ipv4.conf.%s.forwarding is 0", ifname);
	struct finding *f;

	if (!ifname[0] || doctor_sysctl(facts, 1, "net/ipv4/conf/%s/forwarding", ifname) ||
	    is_found(ret, "forwarding", found, network))
		return;
	f = add(ret, "forwarding", SEVERITY_STOPS, network,
		"What comes in by this interface is not forwarded. netd had switched it on; something switched it off since.",
		mem_strdup(found));
	finding_remedy(f, "sysctl -w net.ipv4.conf.%s.forwarding=1", ifname);
}

static void check_forwarding6(const struct doctor_facts *facts, const struct doctor_network *network,
			      finding_vec *ret)
{
	AUTO_FREE char *found = mem_printf("net.ipv6.conf.%s.force_forwarding is 0, and net.ipv6.conf.all.forwarding too",
					   network->bridge);

	if (doctor_sysctl(facts, 1, "net/ipv6/conf/all/forwarding") ||
	    doctor_sysctl(facts, 0, "net/ipv6/conf/%s/force_forwarding", network->bridge) ||
	    is_found(ret, "forwarding", found, network))
		return;
	finding_remedy(add(ret, "forwarding", SEVERITY_STOPS, network,
			   "IPv6 of guests is not forwarded. netd had switched it on; something switched it off since.",
			   mem_strdup(found)),
		       "vnetctl network start %s", network->net->name);
}

static void check_forwarding(const struct doctor_facts *facts, finding_vec *ret)
{
	vec_each (network, &facts->networks) {
		if (is_forwarded(network, AF_INET)) {
			check_forwarding_of(facts, network, network->bridge, ret);
			check_forwarding_of(facts, network, network->exit4, ret);
		}
		if (is_forwarded(network, AF_INET6))
			check_forwarding6(facts, network, ret);
	}
}

/* ---- what the kernel itself says ---- */

static bool has_finding(const finding_vec *findings, const char *id, const struct doctor_network *network)
{
	vec_each (f, findings)
		vec_each (name, &f->networks)
			if (strcmp(f->id, id) == 0 && strcmp(*name, network->net->name) == 0)
				return true;
	return false;
}

static void check_way(const struct doctor_network *network, const struct ip *from, const struct ip *to,
		      const char *iif, int answer, finding_vec *ret)
{
	char from_text[ADDR_TEXT_MAX], to_text[ADDR_TEXT_MAX];
	/* A host without a way to the outside may be meant so. */
	enum severity severity = answer == -ENETUNREACH ? SEVERITY_NOTE : SEVERITY_STOPS;
	struct finding *f;

	/* Forwarding that is off says the same. */
	if (!answer || !iif[0] || has_finding(ret, "forwarding", network))
		return;
	ip_format(from, from_text);
	ip_format(to, to_text);
	f = add(ret, "route", severity, network,
		answer == -EINVAL || answer == -EXDEV ?
			"The way back to its sender leads elsewhere (rp_filter), or its addresses are not allowed there." :
			"There is no such route, or a rule (ip rule) or route forbids it.",
		mem_printf("the kernel does not route a packet from %s to %s that comes in by %s: %s", from_text,
			   to_text, iif, strerror(-answer)));
	finding_remedy(f, "ip route get %s from %s iif %s", to_text, from_text, iif);
	finding_remedy(f, "ip rule; ip route show table all");
}

static void check_routes(const struct doctor_facts *facts, finding_vec *ret)
{
	vec_each (network, &facts->networks)
		for (int i = 0; i < 2; i++) {
			int family = i ? AF_INET6 : AF_INET;
			struct ip guest, outside;

			if (!is_forwarded(network, family))
				continue;
			doctor_ends(network->net, family, &guest, &outside);
			check_way(network, &guest, &outside, network->bridge,
				  i ? network->out6 : network->out4, ret);
			check_way(network, &outside, &guest, i ? network->exit6 : network->exit4,
				  i ? network->back6 : network->back4, ret);
		}
}

/* Strict where the kernel's way back to a guest's peer may be by another interface. */
static void check_rp_filter(const struct doctor_facts *facts, finding_vec *ret)
{
	int64_t all = doctor_sysctl(facts, 0, "net/ipv4/conf/all/rp_filter");

	vec_each (network, &facts->networks) {
		int64_t own = doctor_sysctl(facts, 0, "net/ipv4/conf/%s/rp_filter", network->exit4);
		AUTO_FREE char *found = NULL;

		if (!is_forwarded(network, AF_INET) || !network->exit4[0] || facts->default_devices4 < 2 ||
		    (own > all ? own : all) != 1)
			continue;
		found = mem_printf("rp_filter of %s is 1 (strict), and %u interfaces have a default route",
				   network->exit4, facts->default_devices4);
		if (!is_found(ret, "rp-filter", found, network))
			finding_remedy(add(ret, "rp-filter", SEVERITY_MAY_STOP, network,
					   "An answer that comes in by another interface than the kernel would use to its sender is dropped.",
					   mem_strdup(found)),
				       "sysctl -w net.ipv4.conf.all.rp_filter=2");
	}
}

static void check_accept_ra(const struct doctor_facts *facts, finding_vec *ret)
{
	vec_each (network, &facts->networks) {
		const char *exit = network->exit6;
		AUTO_FREE char *found = mem_printf("net.ipv6.conf.%s.accept_ra is 1 while forwarding is 1", exit);

		if (!is_forwarded(network, AF_INET6) || !exit[0] ||
		    doctor_sysctl(facts, 0, "net/ipv6/conf/%s/accept_ra", exit) != 1 ||
		    !doctor_sysctl(facts, 0, "net/ipv6/conf/%s/forwarding", exit) ||
		    is_found(ret, "accept-ra", found, network))
			continue;
		finding_remedy(add(ret, "accept-ra", SEVERITY_MAY_STOP, network,
				   "The kernel does not hear routers there any more: a default route learnt from them ends with its lifetime.",
				   mem_strdup(found)),
			       "sysctl -w net.ipv6.conf.%s.accept_ra=2", exit);
	}
}

static void check_settings(const struct doctor_facts *facts, finding_vec *ret)
{
	vec_each (setting, &facts->settings) {
		struct finding *f;

		switch (setting->setting) {
		case SETTING_FORWARDING_OFF:
			f = add(ret, "forwarding-config", SEVERITY_MAY_STOP, NULL,
				"At boot, or when sysctl is run again, it switches forwarding off under running networks.",
				mem_printf("%s: %s", setting->where, setting->text));
			finding_remedy(f, "take that line out of %s", setting->where);
			break;
		case SETTING_UNREAD_TABLES:
			f = add(ret, "unread-tables", SEVERITY_NOTE, NULL,
				"Rules of these tables are not followed; they may stop traffic.",
				mem_printf("%s (%s)", setting->text, setting->where));
			finding_remedy(f, "%s", strncmp(setting->text, "arp", 3) == 0 ? "arptables-legacy -L" : "ebtables-legacy -L");
			break;
		case SETTING_BRIDGE_CONF:
			f = add(ret, "bridge-conf", SEVERITY_NOTE, NULL,
				"QEMU's setuid qemu-bridge-helper puts devices onto that bridge without netd; they are no ports, and nothing is forwarded to or from them.",
				mem_printf("%s: %s", setting->where, setting->text));
			finding_remedy(f, "use /usr/libexec/vnet/vnet-qemu-helper, which reads the same file (access.yaml, bridge_conf)");
			break;
		}
	}
}

/* ---- what may run full ---- */

static void check_conntrack(const struct doctor_facts *facts, finding_vec *ret)
{
	int64_t count = doctor_sysctl(facts, 0, "net/netfilter/nf_conntrack_count");
	int64_t max = doctor_sysctl(facts, 0, "net/netfilter/nf_conntrack_max");
	struct finding *f;

	if (max <= 0 || count * 100 < max * NEARLY_PERCENT)
		return;
	f = add(ret, "conntrack-full", count >= max ? SEVERITY_STOPS : SEVERITY_MAY_STOP, NULL,
		"When the table is full, new connections of nat networks, and of every stateful filter, are dropped.",
		mem_printf("connection tracking holds %lld of at most %lld connections", (long long)count,
			   (long long)max));
	finding_remedy(f, "sysctl -w net.netfilter.nf_conntrack_max=%lld", (long long)max * 4);
}

static void check_budget(const struct doctor_facts *facts, finding_vec *ret)
{
	vec_each (network, &facts->networks) {
		unsigned n = network->bridge_ports;

		if (n * 100 < BRIDGE_PORTS * NEARLY_PERCENT)
			continue;
		finding_remedy(add(ret, "bridge-full", n >= BRIDGE_PORTS ? SEVERITY_STOPS : SEVERITY_MAY_STOP,
				   network, "No further port can be attached when it is full.",
				   mem_printf("bridge %s has %u of at most %u ports", network->bridge, n, BRIDGE_PORTS)),
			       "another network for further guests");
	}
}

/* ---- others who want the same ---- */

static bool takes_address(const struct doctor_socket *socket, const struct doctor_network *network)
{
	if (socket->device[0] && strcmp(socket->device, network->bridge) != 0)
		return false;
	if (ip_is_any(&socket->address)) /* of IPv6 it has IPv4's, too, unless told otherwise */
		return true;
	vec_each (p, &network->net->addresses)
		if (ip_cmp(&p->addr, &socket->address) == 0)
			return true;
	return false;
}

/* What of our services the port is, or NULL. */
static const char *service_at(const struct doctor_socket *socket, const struct network *net)
{
	if (socket->port == 53 && net->dns.enabled)
		return "DNS";
	if (socket->protocol != IPPROTO_UDP)
		return NULL;
	if (socket->port == 67 && net->dhcp.enabled)
		return "DHCP";
	return socket->port == 547 && (net->ipv6.dhcp6_enabled || net->ipv6.ranges.n) ? "DHCPv6" : NULL;
}

static void check_socket(const struct doctor_socket *socket, const struct doctor_network *network,
			 finding_vec *ret)
{
	const char *service = service_at(socket, network->net);
	char address[ADDR_TEXT_MAX], who[64] = "a process that is not to be seen from here";
	AUTO_FREE char *found = NULL;
	struct finding *f;

	if (!service || !network_wants_dnsmasq(network->net) || !takes_address(socket, network))
		return;
	if (socket->pid)
		snprintf(who, sizeof(who), "process %d (%s)", socket->pid, socket->process[0] ? socket->process : "?");
	found = mem_printf("%s holds %s port %u on %s%s%s", who,
			   socket->protocol == IPPROTO_UDP ? "UDP" : "TCP", socket->port,
			   ip_is_any(&socket->address) ? "every address" : ip_format(&socket->address, address),
			   socket->device[0] ? " of " : "", socket->device);
	if (is_found(ret, "port-taken", found, network))
		return;
	f = add(ret, "port-taken", SEVERITY_MAY_STOP, network,
		"netd's dnsmasq can't serve there, or guests' requests go to that program.", mem_strdup(found));
	finding_remedy(f, "have it listen on its own addresses only (named: listen-on; dnsmasq: bind-dynamic and except-interface=%s; unbound: interface)",
		       network->bridge);
}

static void check_sockets(const struct doctor_facts *facts, finding_vec *ret)
{
	vec_each (network, &facts->networks)
		vec_each (socket, &facts->sockets)
			if (network->is_running)
				check_socket(socket, network, ret);
}

static void check_claims(const struct doctor_facts *facts, finding_vec *ret)
{
	static const struct { const char *name, *remedy; } managers[] = {
		[MANAGER_NETWORKMANAGER] = { "NetworkManager",
			"cp /usr/share/vnet/90-vnet-NetworkManager.conf /etc/NetworkManager/conf.d/90-vnet.conf && nmcli general reload" },
		[MANAGER_NETWORKD] = { "systemd-networkd",
			"cp /usr/share/vnet/10-vnet.network /etc/systemd/network/ && networkctl reload" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(managers); i++) {
		AUTO_STRBUF struct strbuf devices = { 0 };
		struct finding *f;

		bool is_there = false;

		vec_each (claim, &facts->claims) {
			is_there |= claim->manager == (enum manager)i;
			if (claim->manager == (enum manager)i && claim->device[0])
				strbuf_printf(&devices, " %s", claim->device);
		}
		if (!is_there)
			continue;
		f = add(ret, "device-claimed", devices.len ? SEVERITY_MAY_STOP : SEVERITY_NOTE, NULL,
			"It may change addresses, or take the device down, and netd puts it back each time.",
			devices.len ?
				mem_printf("%s manages devices of ours:%s", managers[i].name, devices.s) :
				mem_printf("%s runs, and none of its files tells it to leave our devices alone",
					   managers[i].name));
		f->owner = mem_strdup(managers[i].name);
		finding_remedy(f, "%s", managers[i].remedy);
	}
}

static void check_strangers(const struct doctor_facts *facts, finding_vec *ret)
{
	vec_each (stranger, &facts->strangers) {
		const char *space = strchr(*stranger, ' ');
		struct finding *f;

		if (!space)
			continue;
		f = add(ret, "stranger", SEVERITY_MAY_STOP, NULL,
			"Nothing is forwarded to or from a device that netd did not put there.",
			mem_printf("device %.*s is on bridge%s without being a port of its network",
				   (int)(space - *stranger), *stranger, space));
		finding_remedy(f, "ip link set %.*s nomaster", (int)(space - *stranger), *stranger);
		finding_remedy(f, "vnetctl port attach, or vnetctl run, makes a port of it (see vnetctl(8), --adopt)");
	}
}

void check_host(const struct doctor_facts *facts, finding_vec *ret)
{
	static void (*const checks[])(const struct doctor_facts *, finding_vec *) = {
		check_failed, check_dnsmasq, check_forwarding, check_routes, check_conntrack, check_budget,
		check_rp_filter, check_accept_ra, check_settings, check_sockets, check_claims,
		check_strangers, check_br_netfilter, check_lacking,
	};

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		checks[i](facts, ret);
}
