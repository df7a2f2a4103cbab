/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * graph_text.c - a graph as a tree for a terminal
 *
 *	wire internet  rate 100mbit
 *	├─ h1 eth0  203.0.113.2/24
 *	└─ web  eth0 203.0.113.1/24
 *	host h1
 *	└─ blue  nat 10.10.0.1/24 dhcp  ⇢ eth0 (nat)
 *	   ├─ a  eth0 dhcp
 *	   └─ b  eth0 dhcp
 */

#include "lab/graph.h"

#include "base/strbuf.h"


static const struct graph_item *item_at(const struct graph *g, size_t i)
{
	return &g->items.v[i];
}

/* What hangs below a wire or a network: what edges lead to it from. */
static bool hangs_below(const struct graph *g, const struct graph_edge *edge, size_t parent)
{
	enum graph_kind kind = item_at(g, edge->from)->kind;

	return edge->to == parent && (kind == GRAPH_NODE || item_at(g, parent)->kind == GRAPH_WIRE);
}

static void put_child(const struct graph *g, struct strbuf *b, const struct graph_edge *edge, const char *margin,
		      bool is_last)
{
	const struct graph_item *child = item_at(g, edge->from);

	strbuf_printf(b, "%s%s %s", margin, is_last ? "└─" : "├─", child->id);
	if (*edge->label)
		strbuf_printf(b, "  %s", edge->label);
	if (*child->details)
		strbuf_printf(b, "  %s", child->details);
	strbuf_append(b, "\n");
}

static void put_children(const struct graph *g, struct strbuf *b, size_t parent, const char *margin)
{
	size_t left = 0;

	vec_each(edge, &g->edges)
		left += hangs_below(g, edge, parent);
	vec_each(edge, &g->edges)
		if (hangs_below(g, edge, parent))
			put_child(g, b, edge, margin, --left == 0);
}

/* "⇢ eth0 (nat)", "═ h2/blue (gretap 7)" */
static void put_ways(const struct graph *g, struct strbuf *b, size_t network)
{
	vec_each(edge, &g->edges) {
		const struct graph_item *other = item_at(g, edge->from == network ? edge->to : edge->from);
		bool is_tunnel = edge->line == GRAPH_BOLD;

		if ((edge->from != network && !(is_tunnel && edge->to == network)) ||
		    (!is_tunnel && other->kind != GRAPH_INTERFACE))
			continue;
		strbuf_printf(b, "  %s %s", is_tunnel ? "═" : edge->line == GRAPH_DASHED ? "⇢" : "→",
			      is_tunnel ? other->id : other->name);
		if (*edge->label)
			strbuf_printf(b, " (%s)", edge->label);
	}
}

static bool is_of(const struct graph_item *item, const char *host)
{
	return item->kind == GRAPH_NETWORK && strcmp(item->host, host) == 0;
}

static void put_host(const struct graph *g, struct strbuf *b, const char *host)
{
	size_t left = 0;

	vec_each(item, &g->items)
		left += is_of(item, host);
	strbuf_printf(b, "host %s\n", host);
	for (size_t i = 0; i < g->items.n; i++) {
		const struct graph_item *item = item_at(g, i);

		if (!is_of(item, host))
			continue;
		left--;
		strbuf_printf(b, "%s %s  %s", left ? "├─" : "└─", item->name, item->details);
		put_ways(g, b, i);
		strbuf_append(b, "\n");
		put_children(g, b, i, left ? "│  " : "   ");
	}
}

static bool is_alone(const struct graph *g, size_t i)
{
	vec_each(edge, &g->edges)
		if (edge->from == i || edge->to == i)
			return false;
	return item_at(g, i)->kind == GRAPH_NODE;
}

char *graph_to_text(const struct graph *g)
{
	struct strbuf b = { 0 };

	if (g->lab->title)
		strbuf_printf(&b, "%s\n\n", g->lab->title);
	for (size_t i = 0; i < g->items.n; i++)
		if (item_at(g, i)->kind == GRAPH_WIRE) {
			const struct graph_item *wire = item_at(g, i);

			strbuf_printf(&b, "%s%s%s\n", wire->id, *wire->details ? "  " : "", wire->details);
			put_children(g, &b, i, "");
		}
	vec_each(m, &g->lab->machines)
		if ((*m)->is_host)
			put_host(g, &b, (*m)->name);
	for (size_t i = 0; i < g->items.n; i++)
		if (is_alone(g, i))
			strbuf_printf(&b, "%s  alone\n", item_at(g, i)->id);
	return strbuf_take(&b);
}
