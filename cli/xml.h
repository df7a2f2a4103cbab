/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_XML_H
#define CLI_XML_H

/*
 * xml.h - XML of unknown origin, read where it can do no harm
 *
 * netd never sees XML: this is for the programs that turn libvirt's files into
 * values.  libxml2 runs in a process of its own which has no descriptor but a
 * pipe, no rights, a fixed piece of memory, some seconds of processor time, and
 * no system call but write and exit.  What comes through the pipe is JSON, which
 * is checked like any other input.
 *
 * Refused, with the line: document types (so entities, and files or addresses
 * that they name), what is not well-formed or not UTF-8, more than XML_TEXT_MAX
 * bytes, XML_DEPTH_MAX levels or XML_NODES_MAX elements and attributes.
 */

#include "import/element.h"

/* file: for messages, or NULL.  -EINVAL, or another error when the process failed. */
int xml_read(const char *text, size_t size, const char *file, struct xml_element **ret,
	     struct vnet_error *err);

/*
 * The inner half, without the confinement: text as JSON, piece by piece.  The
 * last line is a verdict: {} or {"code", "message", "line", "column"}.
 * It allocates through libxml2 alone.
 */
typedef void (*xml_put)(void *context, const char *data, size_t size);
void xml_parse(const char *text, size_t size, xml_put put, void *context);
/* The outer half: what xml_parse() put, as a tree. */
int xml_decode(const char *output, size_t size, const char *file, struct xml_element **ret,
	       struct vnet_error *err);

#endif
