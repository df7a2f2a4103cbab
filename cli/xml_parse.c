/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xml_parse.c - XML to JSON by libxml2's events; see xml.h
 *
 * It runs in a process that can do nothing but write, so it allocates nothing
 * itself: an element goes out when its tag was read.  An error in the middle
 * leaves half a document, and the verdict behind it says so.
 */

#include "cli/xml.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <stdio.h>

/*
 * A declared encoding is not looked at: all is UTF-8, which xml_read() has checked.
 * NOENT has &amp; in attributes replaced; on_entity() leaves no other entity to replace.
 */
#define PARSE_OPTIONS (XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_NOCDATA | XML_PARSE_IGNORE_ENC)

/* One document on its way. */
struct parse {
	xmlParserCtxtPtr ctxt;
	xml_put put;
	void *context;
	unsigned depth, n_nodes;
	bool needs_comma, has_failed;
	char buffer[16384];     /* towards put */
	size_t used;
	char code[32], message[256];
	unsigned line, column;
};

static void fail(struct parse *p, const char *code, const char *message);
static void on_start(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
		     int n_namespaces, const xmlChar **namespaces, int n_attributes,
		     int n_defaulted, const xmlChar **attributes);
static void on_end(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri);
static void on_text(void *context, const xmlChar *text, int size);
static void on_doctype(void *context, const xmlChar *name, const xmlChar *id, const xmlChar *uri);
static xmlEntityPtr on_entity(void *context, const xmlChar *name);
#if LIBXML_VERSION >= 21200
typedef const xmlError *error_ptr;
#else
typedef xmlErrorPtr error_ptr;
#endif
static void on_error(void *context, error_ptr error);

/* --- what goes out ------------------------------------------------------------ */

static void flush(struct parse *p)
{
	p->put(p->context, p->buffer, p->used);
	p->used = 0;
}

static void put(struct parse *p, const char *data, size_t size)
{
	while (size) {
		size_t n = sizeof(p->buffer) - p->used;

		n = n < size ? n : size;
		memcpy(p->buffer + p->used, data, n);
		p->used += n;
		data += n;
		size -= n;
		if (p->used == sizeof(p->buffer))
			flush(p);
	}
}

static void put_text(struct parse *p, const char *text)
{
	put(p, text, strlen(text));
}

static void put_number(struct parse *p, unsigned n)
{
	char digits[16];

	snprintf(digits, sizeof(digits), "%u", n);
	put_text(p, digits);
}

static void put_string(struct parse *p, const char *text, size_t size)
{
	put(p, "\"", 1);
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		char escape[8];

		if (c == '"' || c == '\\') {
			put(p, "\\", 1);
		} else if (c < 0x20) {
			snprintf(escape, sizeof(escape), "\\u%04x", c);
			put_text(p, escape);
			continue;
		}
		put(p, text + i, 1);
	}
	put(p, "\"", 1);
}

/* A string, or null. */
static void put_name(struct parse *p, const xmlChar *name)
{
	if (name)
		put_string(p, (const char *)name, strlen((const char *)name));
	else
		put_text(p, "null");
}

void xml_parse(const char *text, size_t size, xml_put put_out, void *context)
{
	struct parse p = { .put = put_out, .context = context };
	xmlSAXHandler handler = {
		.initialized = XML_SAX2_MAGIC,
		.internalSubset = on_doctype,
		.getEntity = on_entity,
		.startElementNs = on_start,
		.endElementNs = on_end,
		.characters = on_text,
		.cdataBlock = on_text,
		.ignorableWhitespace = on_text,
		.serror = on_error,
	};

	p.ctxt = xmlCreateMemoryParserCtxt(text, (int)size);
	if (p.ctxt) {
		*p.ctxt->sax = handler;
		p.ctxt->userData = &p;
		xmlCtxtUseOptions(p.ctxt, PARSE_OPTIONS);
		xmlParseDocument(p.ctxt);
	}
	if (!p.ctxt || (!p.ctxt->wellFormed && !p.has_failed))
		fail(&p, "xml-syntax", size ? "this is no XML" : "the file is empty");
	put(&p, "\n{", 2);
	if (p.has_failed) {
		put_text(&p, "\"code\":");
		put_string(&p, p.code, strlen(p.code));
		put_text(&p, ",\"message\":");
		put_string(&p, p.message, strlen(p.message));
		put_text(&p, ",\"line\":");
		put_number(&p, p.line);
		put_text(&p, ",\"column\":");
		put_number(&p, p.column);
	}
	put(&p, "}", 1);
	flush(&p);
	xmlFreeParserCtxt(p.ctxt);
}

/* The first one counts; nothing is read behind it. */
static void fail(struct parse *p, const char *code, const char *message)
{
	if (p->has_failed)
		return;
	p->has_failed = true;
	if (p->ctxt && p->ctxt->input) {
		p->line = (unsigned)p->ctxt->input->line;
		p->column = (unsigned)p->ctxt->input->col;
	}
	snprintf(p->code, sizeof(p->code), "%s", code);
	snprintf(p->message, sizeof(p->message), "%s", message);
	if (p->ctxt)
		xmlStopParser(p->ctxt);
}

/* --- libxml2's events ----------------------------------------------------------- */

/* Lines between two places in the text. */
static unsigned count_lines(const xmlChar *from, const xmlChar *to)
{
	unsigned n = 0;

	for (; from < to; from++)
		n += *from == '\n';
	return n;
}

/*
 * libxml2 tells the line where a tag ends.  A tag holds no '<' but its first
 * byte, so where it begins can be seen, and where an attribute's value is too,
 * unless libxml2 had to make a copy of it.
 */
struct tag {
	const xmlChar *begin, *end;
	unsigned line;          /* of begin */
};

static struct tag find_tag(const struct parse *p)
{
	const xmlParserInput *in = p->ctxt->input;
	struct tag tag = { in->cur, in->cur, (unsigned)in->line };

	while (tag.begin > in->base && *tag.begin != '<')
		tag.begin--;
	tag.line -= count_lines(tag.begin, tag.end);
	return tag;
}

static unsigned line_of(const struct tag *tag, const xmlChar *value)
{
	bool is_inside = value >= tag->begin && value < tag->end;

	return tag->line + (is_inside ? count_lines(tag->begin, value) : 0);
}

static void put_attributes(struct parse *p, const struct tag *tag, int n, const xmlChar **v)
{
	/* Five each: name, prefix, namespace, begin and end of the value. */
	for (int i = 0; i < n; i++, v += 5) {
		put_text(p, i ? ",[" : "[");
		put_name(p, v[0]);
		put_text(p, ",");
		put_string(p, (const char *)v[3], (size_t)(v[4] - v[3]));
		put_text(p, ",");
		put_number(p, line_of(tag, v[3]));
		put_text(p, ",");
		put_name(p, v[2]);
		put_text(p, "]");
	}
}

static void on_start(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
		     int n_namespaces, const xmlChar **namespaces, int n_attributes,
		     int n_defaulted, const xmlChar **attributes)
{
	struct parse *p = context;
	struct tag tag = find_tag(p);

	(void)prefix;
	(void)n_namespaces;
	(void)namespaces;
	(void)n_defaulted;
	if (p->has_failed)
		return;
	p->n_nodes += 1 + (unsigned)n_attributes;
	if (p->n_nodes > XML_NODES_MAX) {
		fail(p, "too-many-values", "more elements and attributes than are read from a file");
		return;
	}
	if (++p->depth > XML_DEPTH_MAX) {
		fail(p, "nested-too-deep", "elements within elements, deeper than is read");
		return;
	}
	put_text(p, p->needs_comma ? ",{\"name\":" : "{\"name\":");
	put_name(p, name);
	put_text(p, ",\"ns\":");
	put_name(p, uri);
	put_text(p, ",\"line\":");
	put_number(p, tag.line);
	put_text(p, ",\"attributes\":[");
	put_attributes(p, &tag, n_attributes, attributes);
	put_text(p, "],\"children\":[");
	p->needs_comma = false;
}

static void on_end(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct parse *p = context;

	(void)name;
	(void)prefix;
	(void)uri;
	if (p->has_failed)
		return;
	p->depth--;
	put_text(p, "]}");
	p->needs_comma = true;
}

/* libxml2 cuts a long text in pieces, between characters. */
static void on_text(void *context, const xmlChar *text, int size)
{
	struct parse *p = context;

	if (p->has_failed || !p->depth)
		return;
	if (p->needs_comma)
		put_text(p, ",");
	put_string(p, (const char *)text, (size_t)size);
	p->needs_comma = true;
}

/* Told before anything within it is read. */
static void on_doctype(void *context, const xmlChar *name, const xmlChar *id, const xmlChar *uri)
{
	(void)name;
	(void)id;
	(void)uri;
	fail(context, "xml-doctype",
	     "a document type, which could name entities and other files, is not accepted");
}

static xmlEntityPtr on_entity(void *context, const xmlChar *name)
{
	xmlEntityPtr entity = xmlGetPredefinedEntity(name);

	if (!entity)
		fail(context, "xml-entity",
		     "an entity that is not one of XML's own five (&lt; &gt; &amp; &quot; &apos;)");
	return entity;
}

static void on_error(void *context, error_ptr error)
{
	struct parse *p = context;
	char message[sizeof(p->message)];

	if (p->has_failed || error->level == XML_ERR_WARNING)
		return;
	snprintf(message, sizeof(message), "this is no XML: %.*s",
		 error->message ? (int)strcspn(error->message, "\n") : 0,
		 error->message ? error->message : "");
	fail(p, error->code == XML_ERR_NO_MEMORY ? "xml-too-large" : "xml-syntax", message);
	if (error->line > 0)
		p->line = (unsigned)error->line;
}
