/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* graph_dot.c - a graph in Graphviz's language */

#include "lab/graph.h"

#include "base/strbuf.h"

static void put_quoted(struct strbuf *b, const char *text)
{
	strbuf_append(b, "\"");
	for (; *text; text++) {
		if (*text == '"' || *text == '\\' || *text == '\n')
			strbuf_append(b, "\\");
		strbuf_append_n(b, *text == '\n' ? "n" : text, 1);
	}
	strbuf_append(b, "\"");
}

static void put_item(struct strbuf *b, const struct graph_item *item, const char *margin)
{
	static const char *const shapes[] = {
		[GRAPH_WIRE] = "shape=underline", [GRAPH_INTERFACE] = "shape=component",
		[GRAPH_NETWORK] = "shape=box, style=\"rounded,filled\", fillcolor=\"#dbe9f6\"",
		[GRAPH_NODE] = "shape=box",
	};
	AUTO_FREE char *label = mem_printf("%s%s%s", item->name, *item->details ? "\n" : "", item->details);

	strbuf_append(b, margin);
	put_quoted(b, item->id);
	strbuf_append(b, " [label=");
	put_quoted(b, label);
	strbuf_printf(b, ", %s];\n", shapes[item->kind]);
}

static void put_host(struct strbuf *b, const struct graph *g, const char *host)
{
	AUTO_FREE char *cluster = mem_printf("cluster %s", host);

	strbuf_append(b, "\tsubgraph ");
	put_quoted(b, cluster);
	strbuf_append(b, " {\n\t\tlabel=");
	put_quoted(b, host);
	strbuf_append(b, ";\n");
	vec_each(item, &g->items)
		if (item->host && strcmp(item->host, host) == 0)
			put_item(b, item, "\t\t");
	strbuf_append(b, "\t}\n");
}

static void put_edge(struct strbuf *b, const struct graph *g, const struct graph_edge *edge)
{
	static const char *const lines[] = {
		[GRAPH_SOLID] = "", [GRAPH_DASHED] = ", style=dashed, dir=forward", [GRAPH_BOLD] = ", style=bold",
	};

	strbuf_append(b, "\t");
	put_quoted(b, g->items.v[edge->from].id);
	strbuf_append(b, " -- ");
	put_quoted(b, g->items.v[edge->to].id);
	strbuf_append(b, " [label=");
	put_quoted(b, edge->label);
	strbuf_printf(b, "%s];\n", lines[edge->line]);
}

char *graph_to_dot(const struct graph *g)
{
	struct strbuf b = { 0 };

	strbuf_append(&b, "graph lab {\n");
	if (g->lab->title) {
		strbuf_append(&b, "\tlabel=");
		put_quoted(&b, g->lab->title);
		strbuf_append(&b, ";\n");
	}
	strbuf_append(&b, "\tnode [fontname=\"sans-serif\", fontsize=11];\n"
			  "\tedge [fontname=\"sans-serif\", fontsize=9];\n");
	vec_each(item, &g->items)
		if (!item->host)
			put_item(&b, item, "\t");
	vec_each(m, &g->lab->machines)
		if ((*m)->is_host)
			put_host(&b, g, (*m)->name);
	vec_each(edge, &g->edges)
		put_edge(&b, g, edge);
	strbuf_append(&b, "}\n");
	return strbuf_take(&b);
}
