/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wish.c - what is wanted, out of a fuzzer's input; see wish.h. */

#include "tests/fuzz/wish.h"

#include "model/check.h"

#include <stdio.h>

#define PORTS_MAX 12

static bool definitions_hold(const struct definitions *defs)
{
	vec_each (net, &defs->networks)
		if (network_check(*net, NULL) < 0 || (*net)->auto4 || (*net)->auto6)
			return false;
	return networks_check(defs->networks.v, defs->networks.n, NULL) == 0 &&
	       groups_check(defs->groups.v, defs->groups.n, NULL) == 0;
}

static const struct network *find_network(const struct wish *wish, const char *name)
{
	vec_each (net, &wish->definitions.networks)
		if (strcmp((*net)->name, name) == 0)
			return *net;
	return NULL;
}

static void add_port(struct wish *wish, const char *line, size_t size)
{
	json_t *json = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
	AUTO(port_free) struct port *port = NULL;
	const struct network *net;

	if (!json || wish->ports.n >= PORTS_MAX || port_from_request(json, &port, NULL) < 0) {
		json_decref(json);
		return;
	}
	json_decref(json);
	snprintf(port->ifname, sizeof(port->ifname), "vp%zu", wish->ports.n);
	if (!port->name)
		port->name = mem_strdup(port->ifname);
	net = port->network ? find_network(wish, port->network) : NULL;
	if (!net)
		return;
	port_complete(port, net);
	port->slot = (unsigned)wish->ports.n + 1;
	if (port_check(port, net, wish->ports.v, wish->ports.n, NULL) == 0)
		vec_push(&wish->ports, TAKE(port));
}

static void add_ports(struct wish *wish, const char *text, size_t size)
{
	while (size) {
		const char *newline = memchr(text, '\n', size);
		size_t n = newline ? (size_t)(newline - text) : size;

		add_port(wish, text, n);
		n += newline != NULL;
		text += n;
		size -= n;
	}
}

bool wish_read(const char *text, size_t size, struct wish *ret)
{
	static const char mark[] = "--- ports\n";
	const char *ports = memmem(text, size, mark, strlen(mark));
	size_t n = ports ? (size_t)(ports - text) : size;

	*ret = (struct wish){ 0 };
	if (definitions_from_yaml(text, n, "fuzz", &ret->definitions, NULL) < 0)
		return false;
	if (!definitions_hold(&ret->definitions))
		return false;
	if (ports)
		add_ports(ret, ports + strlen(mark), size - n - strlen(mark));
	vec_each (net, &ret->definitions.networks)
		vec_push(&ret->desired.networks, *net);
	vec_each (port, &ret->ports)
		vec_push(&ret->desired.ports, *port);
	vec_each (group, &ret->definitions.groups)
		vec_push(&ret->desired.groups, *group);
	ret->desired.has_conntrack = true;
	return true;
}

void wish_free(struct wish *wish)
{
	desired_free(&wish->desired);
	definitions_free(&wish->definitions);
	vec_each (port, &wish->ports)
		port_free(*port);
	vec_free(&wish->ports);
}

struct nft_groups wish_groups(const struct wish *wish)
{
	return (struct nft_groups){ wish->definitions.groups.v, wish->definitions.groups.n, true };
}

struct nft_ruleset *wish_compile(const struct wish *wish)
{
	struct nft_groups groups = wish_groups(wish);

	return nft_compile_grouped(&groups, wish->desired.networks.v, wish->desired.networks.n,
				   wish->desired.ports.v, wish->desired.ports.n);
}
