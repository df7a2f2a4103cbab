/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_LAB_GRAPH_H
#define VNET_LAB_GRAPH_H

/*
 * graph.h - a lab, or a host, as a drawing: hosts, bridges, VLANs, ports, tunnels, NAT, addresses
 *
 * graph_new() says what is joined to what; the writers only say how that looks.  Pure.
 */

#include "lab/lab.h"

enum graph_kind {
	GRAPH_WIRE,
	GRAPH_INTERFACE,        /* of a host */
	GRAPH_NETWORK,
	GRAPH_NODE,
};

struct graph_item {
	enum graph_kind kind;
	char *id;               /* "wire internet", "h1 eth0", "h1/blue", "a" */
	const char *host;       /* of an interface or a network; the lab's string */
	char *name;             /* "blue" */
	char *details;          /* "nat 10.10.0.1/24 dhcp", or "" */
};

enum graph_line { GRAPH_SOLID, GRAPH_DASHED /* routed, not bridged */, GRAPH_BOLD /* a tunnel */ };

struct graph_edge {
	size_t from, to;        /* items */
	enum graph_line line;
	char *label;            /* or "" */
};

struct graph {
	const struct lab *lab;  /* borrowed: the graph must not outlive it */
	VEC(struct graph_item) items;
	VEC(struct graph_edge) edges;
};

struct graph *graph_new(const struct lab *lab);
void graph_free(struct graph *graph);
DEFINE_AUTO(struct graph, graph_free);

/* A tree for a terminal, in UTF-8; Graphviz's language.  Free with free(). */
char *graph_to_text(const struct graph *graph);
char *graph_to_dot(const struct graph *graph);

#endif
