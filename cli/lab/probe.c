/* SPDX-License-Identifier: GPL-2.0-or-later */
/* probe.c - finds out whether an expectation holds; see probe.h. */

#include "cli/lab/probe.h"

#include "base/clock.h"
#include "cli/lab/host.h"
#include "cli/lab/probe_net.h"
#include "cli/lab/space.h"
#include "cli/safe.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RATE_MS 1500            /* measured, after RATE_START_MS */
#define BROADCAST_MS 500
/* An address may still be on its way: router advertisements and duplicate address detection take seconds. */
#define ADDRESS_LOOKS 50
#define ADDRESS_LOOK_MS 100

static void say(struct probe_result *ret, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct probe_result *ret, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ret->reason, sizeof(ret->reason), format, args);
	va_end(args);
}

void probe_enter(const char *machine)
{
	struct vnet_error err = { 0 };
	int fd = -1;

	if (space_open(machine, &fd, &err) < 0 || setns(fd, CLONE_NEWNET) < 0) {
		fprintf(stderr, "vnetctl: cannot enter %s\n", machine);
		_exit(70);
	}
	close(fd);
}

/* --- addresses --- */

typedef VEC(struct prefix) prefix_list;

static bool ip_of(const struct sockaddr *sa, struct ip *ret)
{
	*ret = (struct ip){ .family = 0 };
	if (!sa || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return false;
	ret->family = (uint8_t)sa->sa_family;
	if (sa->sa_family == AF_INET)
		memcpy(ret->b, &((const struct sockaddr_in *)sa)->sin_addr, 4);
	else
		memcpy(ret->b, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
	return true;
}

static uint8_t mask_length(const struct ip *mask)
{
	uint8_t len = 0;

	for (size_t i = 0; i < ip_size(mask); i++)
		len = (uint8_t)(len + __builtin_popcount(mask->b[i]));
	return len;
}

/* Of the network that the process is in: what others can speak to. */
static void list_addresses(prefix_list *ret)
{
	struct ifaddrs *list;

	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		struct prefix prefix = { .len = 0 };
		struct ip mask;

		if ((i->ifa_flags & IFF_LOOPBACK) || !ip_of(i->ifa_addr, &prefix.addr) ||
		    ip_is_link_local(&prefix.addr) || !ip_of(i->ifa_netmask, &mask))
			continue;
		prefix.len = mask_length(&mask);
		vec_push(ret, prefix);
	}
	freeifaddrs(list);
}

/* What DHCP gave a guest, in which nothing of ours runs. */
static void list_guest_addresses(const struct lab_machine *m, prefix_list *ret)
{
	vec_each(interface, &m->interfaces) {
		AUTO_FREE char *name = host_port_name(m, interface);
		json_t *parameters = json_pack("{s:s}", "name", name), *reply = NULL, *lease;
		struct vnet_client *client = NULL;
		size_t i;

		if (host_connect(interface->host, &client, NULL) == 0)
			client_call(client, "DescribePort", parameters, &reply, NULL);
		json_array_foreach(json_object_get(json_object_get(reply, "port"), "leases"), i, lease) {
			struct prefix prefix;

			if (ip_parse(json_string_value(lease), &prefix.addr) < 0)
				continue;
			prefix.len = (uint8_t)ip_bits(&prefix.addr);
			vec_push(ret, prefix);
		}
		json_decref(reply);
		json_decref(parameters);
		vnet_client_free(client);
	}
}

static const struct prefix *nearest(const prefix_list *theirs, const prefix_list *ours, int family)
{
	vec_each(address, theirs)
		vec_each(own, ours)
			if (address->addr.family == family && prefix_contains(own, &address->addr))
				return address;
	vec_each(address, theirs)
		if (address->addr.family == family)
			return address;
	return NULL;
}

bool probe_address(const struct lab *lab, const char *from, const char *to, int family, struct ip *ret)
{
	const struct lab_machine *m = lab_find_machine(lab, to);
	prefix_list theirs = { 0 }, ours = { 0 };
	const struct prefix *found = NULL;

	if (m && m->qemu.n) {
		list_guest_addresses(m, &theirs);
	} else if (m) {
		probe_enter(to);
		list_addresses(&theirs);
	}
	probe_enter(from);
	list_addresses(&ours);
	if (!m && ip_parse(to, ret) == 0 && (!family || ret->family == family))
		return true;
	if (m && family != AF_INET6)
		found = nearest(&theirs, &ours, AF_INET);
	if (m && !found && family != AF_INET)
		found = nearest(&theirs, &ours, AF_INET6);
	if (found)
		*ret = found->addr;
	vec_free(&theirs);
	vec_free(&ours);
	return found;
}

/* Where the other side is; without an address, what must not work does not. */
static bool find_target(const struct lab *lab, const struct expectation *e, struct probe_result *ret)
{
	for (int i = 0; i < ADDRESS_LOOKS; i++) {
		if (probe_address(lab, e->from, e->to, e->family, &ret->to))
			return true;
		clock_pause_ms(ADDRESS_LOOK_MS);
	}
	ret->holds = e->is_denied;
	say(ret, "%s has no %s", e->to, e->family == AF_INET6 ? "IPv6 address" : e->family ? "IPv4 address" : "address");
	return false;
}

/* --- one kind each --- */

static void judge(const struct expectation *e, bool works, struct probe_result *ret)
{
	ret->holds = works != e->is_denied;
	if (works && e->is_denied)
		say(ret, "it does");
}

static void probe_ping(const struct lab *lab, const struct expectation *e, struct probe_result *ret)
{
	if (!find_target(lab, e, ret))
		return;
	judge(e, net_ping(&ret->to, e->is_denied ? 2 : 8, ret->reason, sizeof(ret->reason)), ret);
}

static void probe_reach(const struct lab *lab, const struct expectation *e, struct probe_result *ret)
{
	if (!find_target(lab, e, ret))
		return;
	judge(e, e->is_udp ? net_ask_udp(&ret->to, e->port, ret->reason, sizeof(ret->reason)) :
			     net_connect(&ret->to, e->port, ret->reason, sizeof(ret->reason)), ret);
}

static void probe_http(const struct lab *lab, const struct expectation *e, struct probe_result *ret)
{
	AUTO_FREE char *body = NULL;
	bool works;

	if (!find_target(lab, e, ret))
		return;
	works = net_get(&ret->to, e->port, &body, ret->reason, sizeof(ret->reason));
	if (works && e->says && !strstr(body, e->says)) {
		body[strcspn(body, "\r\n")] = '\0';
		say(ret, "it says \"%.100s\"", body);
		return;
	}
	judge(e, works, ret);
}

static void judge_addresses(const struct lab *lab, const struct expectation *e, struct probe_result *ret)
{
	const struct lab_machine *m = lab_find_machine(lab, e->from);
	prefix_list addresses = { 0 };
	char buf[ADDR_TEXT_MAX];

	if (m->qemu.n)
		list_guest_addresses(m, &addresses);
	else
		list_addresses(&addresses);
	ret->holds = e->is_denied && !addresses.n;
	if (!addresses.n)
		say(ret, "it has none");
	vec_each(address, &addresses) {
		ret->holds |= !e->is_denied && prefix_contains(&e->prefix, &address->addr);
		say(ret, "it has %s", ip_format(&address->addr, buf));
	}
	vec_free(&addresses);
}

static void probe_lease(const struct lab *lab, const struct expectation *e, struct probe_result *ret)
{
	judge_addresses(lab, e, ret);
	for (int i = 0; i < ADDRESS_LOOKS && !ret->holds && !e->is_denied; i++) {
		clock_pause_ms(ADDRESS_LOOK_MS);
		judge_addresses(lab, e, ret);
	}
}

static void probe_resolve(const struct lab *lab, const struct expectation *e, struct probe_result *ret)
{
	char buf[ADDR_TEXT_MAX];
	struct ip found;
	bool works;

	(void)lab;
	works = net_resolve(e->from, e->to, e->address.family, &found, ret->reason, sizeof(ret->reason));
	if (works && e->address.family && ip_cmp(&found, &e->address) != 0)
		say(ret, "it is %s", ip_format(&found, buf));
	else
		judge(e, works, ret);
}

/* A sink at the other side, in a child; how much arrived there counts, not what left here. */
static void probe_rate(const struct lab *lab, const struct expectation *e, struct probe_result *ret)
{
	static const char *const bounds[] = { [RATE_ABOUT] = "about", [RATE_AT_LEAST] = "at least",
					      [RATE_AT_MOST] = "at most" };
	double rate, wanted = (double)e->rate, share = (double)e->tolerance / 100;
	int listener;

	if (!find_target(lab, e, ret))
		return;
	probe_enter(e->to);
	listener = net_listen(&ret->to);
	probe_enter(e->from);
	rate = listener < 0 ? -1 : net_measure(&ret->to, listener, RATE_MS, ret->reason, sizeof(ret->reason));
	if (rate < 0) {
		if (listener < 0)
			say(ret, "cannot listen there: %s", strerror(-listener));
		return;
	}
	ret->holds = e->bound == RATE_AT_LEAST ? rate >= wanted :
		     e->bound == RATE_AT_MOST ? rate <= wanted :
						rate >= wanted * (1 - share) && rate <= wanted * (1 + share);
	say(ret, "%.3g Mbit/s, wanted %s %.3g Mbit/s", rate / 1e6, bounds[e->bound], wanted / 1e6);
}

static bool is_named(const struct expectation *e, const char *machine)
{
	vec_each(name, &e->seen_by)
		if (strcmp(*name, machine) == 0)
			return true;
	return false;
}

/* Everybody listens first; a frame with a token of its own is what they look for. */
static void probe_broadcast(const struct lab *lab, const struct expectation *e, struct probe_result *ret)
{
	VEC(struct net_listener) listeners = { 0 };
	struct ip token = net_token();

	vec_each(m, &lab->machines) {
		/* A host that is not asked about hears what reaches its own ends of wires. */
		if ((*m)->qemu.n || strcmp((*m)->name, e->from) == 0 || ((*m)->is_host && !is_named(e, (*m)->name)))
			continue;
		probe_enter((*m)->name);
		vec_push(&listeners, (struct net_listener){ .name = (*m)->name, .fd = net_listen_raw() });
	}
	probe_enter(e->from);
	net_broadcast(&token);
	net_hear(listeners.v, listeners.n, &token, BROADCAST_MS);
	ret->holds = true;
	vec_each(listener, &listeners) {
		bool is_wanted = is_named(e, listener->name);

		if (is_wanted != listener->has_heard && ret->holds) {
			ret->holds = false;
			say(ret, "%s %s it", listener->name, is_wanted ? "does not see" : "sees");
		}
		close(listener->fd);
	}
	vec_free(&listeners);
}

/* What a server answered, or a resolver, may be in it. */
static void make_safe(struct probe_result *ret)
{
	AUTO_FREE char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	print_safe(f, ret->reason);
	fclose(f);
	say(ret, "%s", text);
}

void probe(const struct lab *lab, const struct expectation *e, struct probe_result *ret)
{
	static void (*const probes[])(const struct lab *, const struct expectation *, struct probe_result *) = {
		[EXPECT_PING] = probe_ping, [EXPECT_REACH] = probe_reach, [EXPECT_ADDRESS] = probe_lease,
		[EXPECT_RESOLVE] = probe_resolve, [EXPECT_HTTP] = probe_http, [EXPECT_RATE] = probe_rate,
		[EXPECT_BROADCAST] = probe_broadcast,
	};

	*ret = (struct probe_result){ .holds = false };
	probe_enter(e->from);
	probes[e->kind](lab, e, ret);
	if (ret->holds)
		ret->reason[0] = '\0';
	make_safe(ret);
}
