/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VNET_TESTS_NFT_CASES_H
#define VNET_TESTS_NFT_CASES_H

/*
 * nft_cases.h - tests/golden/nft: networks (CASE.yaml), ports (CASE.ports, one
 * "NAME NETWORK IFNAME MAC|learn [KIND|trunk] [UPDATE] [traced]" a line, UPDATE as
 * UpdatePort takes it, without spaces) and the rules they want (CASE.nft)
 */

#include "model/definitions.h"
#include "model/network.h"
#include "model/port.h"
#include "nft/ruleset.h"

#include <stdio.h>
#include <string.h>

#define NFT_CASE_DIR "tests/golden/nft/"
static const char *const nft_cases[] = { "nat", "nat-options", "modes", "no-host", "forwards",
					 "isolated-ports", "vlan", "vlan-aware", "links", "macvtap", "guard",
					 "egress", "trace", "groups" };

/* What the rules of security groups may rely on. */
static bool nft_cases_have_conntrack = true;

struct nft_case {
	network_vec nets;
	group_vec groups;
	VEC(struct port *) ports;
};

/* NULL when there is no such file. */
static inline char *nft_case_read(const char *name, const char *suffix)
{
	AUTO_FREE char *path = mem_printf(NFT_CASE_DIR "%s%s", name, suffix);
	FILE *f = fopen(path, "re");
	char *text;
	size_t n;

	if (!f)
		return NULL;
	text = mem_alloc(1 << 20);
	n = fread(text, 1, (1 << 20) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static inline void nft_case_free(struct nft_case *c)
{
	network_vec_free(&c->nets);
	group_vec_free(&c->groups);
	vec_each (port, &c->ports)
		port_free(*port);
	vec_free(&c->ports);
}

static inline struct port *nft_case_port(const char *name, const char *network, const char *ifname,
					 const char *mac)
{
	struct port *port = mem_alloc(sizeof(*port));

	port->name = mem_strdup(name);
	port->network = mem_strdup(network);
	snprintf(port->ifname, sizeof(port->ifname), "%.15s", ifname);
	port->learns_mac = strcmp(mac, "learn") == 0;
	port->has_mac = mac_parse(mac, &port->mac) == 0;
	return port;
}

static inline void nft_case_port_is(struct port *port, const char *what)
{
	for (int kind = PORT_TAP; kind <= PORT_VF; kind++)
		if (strcmp(port_kind_name(kind), what) == 0)
			port->kind = kind;
	if (strcmp(what, "trunk") == 0)
		vec_push(&port->vlan.tagged, ((struct vlan_range){ 20, 30 }));
}

static inline int nft_case_update(struct port *port, const char *text)
{
	json_t *json = json_loads(text, 0, NULL);
	struct vnet_error err = { 0 };
	char buf[1024];
	int r = json ? port_update_from_json(port, json, &err) : -1;

	json_decref(json);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", text, vnet_error_text(&err, buf, sizeof(buf)));
	return r < 0 ? -1 : 0;
}

/* 0, or -1 with the reason on stderr. */
static inline int nft_case_load(const char *name, struct nft_case *ret)
{
	AUTO_FREE char *yaml = nft_case_read(name, ".yaml");
	AUTO_FREE char *ports = nft_case_read(name, ".ports");
	struct definitions defs = { 0 };
	struct vnet_error err = { 0 };
	char text[1024], *save = NULL;

	memset(ret, 0, sizeof(*ret));
	if (!yaml) {
		fprintf(stderr, "no " NFT_CASE_DIR "%s.yaml\n", name);
		return -1;
	}
	if (definitions_from_yaml(yaml, strlen(yaml), name, &defs, &err) < 0) {
		fprintf(stderr, "%s\n", vnet_error_text(&err, text, sizeof(text)));
		return -1;
	}
	ret->nets = defs.networks;
	ret->groups = defs.groups;
	for (char *line = ports ? strtok_r(ports, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		char port[64], network[64], ifname[64], mac[64], what[64] = "", update[512] = "",
		     traced[8] = "";

		if (sscanf(line, "%63s %63s %63s %63s %63s %511s %7s", port, network, ifname, mac,
			   what, update, traced) < 4)
			continue;
		vec_push(&ret->ports, nft_case_port(port, network, ifname, mac));
		nft_case_port_is(ret->ports.v[ret->ports.n - 1], what);
		if (update[0] && nft_case_update(ret->ports.v[ret->ports.n - 1], update) < 0)
			return -1;
		ret->ports.v[ret->ports.n - 1]->is_traced = strcmp(traced, "traced") == 0;
	}
	return 0;
}

static inline struct nft_ruleset *nft_case_compile(const struct nft_case *c)
{
	const struct nft_groups groups = { c->groups.v, c->groups.n,
					   nft_cases_have_conntrack };

	return nft_compile_grouped(&groups, (const struct network *const *)c->nets.v, c->nets.n,
				   (const struct port *const *)c->ports.v, c->ports.n);
}

#endif
