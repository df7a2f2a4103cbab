/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_IMPORT_ELEMENT_H
#define VNET_IMPORT_ELEMENT_H

/*
 * element.h - a foreign XML document as a tree of plain values that knows what was read
 *
 * The tree comes from cli/xml.h, which has the XML parsed in a confined process,
 * or in tests from JSON.  Whatever a reader asks for is marked; what is not marked
 * at the end, element_unread() tells: so nothing in a document is lost in silence.
 *
 * The root owns the tree.  Values that a reader gets are UTF-8 without control
 * characters: element_check() is asked first, and says where there are some.
 */

#include "base/mem.h"
#include "vnet/error.h"

#include <jansson.h>

#define XML_TEXT_MAX (4UL * 1024 * 1024) /* bytes of a document */
#define XML_DEPTH_MAX 32
#define XML_NODES_MAX 100000             /* elements and attributes */

struct xml_attribute {
	char *name;             /* without prefix */
	char *ns;               /* its namespace, or NULL */
	char *value;
	unsigned line;
	bool is_read;
};

struct xml_element {
	char *name;             /* without prefix */
	char *ns;               /* its namespace, or NULL */
	char *text;             /* its own, pieces joined, blanks at both ends cut; "" when none */
	unsigned line;          /* of its '<' */
	bool is_read, text_is_read;
	const struct xml_element *parent;
	VEC(struct xml_attribute) attributes;
	VEC(struct xml_element *) children;
};

void element_free(struct xml_element *root);
DEFINE_AUTO(struct xml_element, element_free);

/*
 * {"name", "ns", "line", "attributes": [[name, value, line, ns]], "children": [element or text]};
 * ns is null where there is none.  -EINVAL for anything else.
 */
int element_from_json(const json_t *json, struct xml_element **ret, struct vnet_error *err);

/*
 * Refuses control characters in values below root (line ends and tabs in texts that are blank but for them pass).
 * Not looked at: the text of <title> and <description>, and what is in <metadata>, which is other programs' own;
 * whoever reads his part of it asks again for that element.
 */
int element_check(const struct xml_element *root, const char *file, struct vnet_error *err);

/* --- reading marks; e may be NULL --- */

/* The value of an attribute without namespace, or NULL. */
const char *element_attribute(struct xml_element *e, const char *name);
/* The same, not marked, with its line. */
const struct xml_attribute *element_find_attribute(const struct xml_element *e, const char *name);
/* The first child of that name in e's own namespace, or NULL. */
struct xml_element *element_child(struct xml_element *e, const char *name);
/* The next of that name after one (NULL: the first). */
struct xml_element *element_next(struct xml_element *e, const char *name,
				 const struct xml_element *after);
const char *element_text(struct xml_element *e);
/* Marks all that e holds, itself included. */
void element_ignore(struct xml_element *e);

/* "forward/nat/port", from below the root; the root's own name for itself.  Returns buf. */
#define ELEMENT_PATH_MAX 128
char *element_path(const struct xml_element *e, char buf[ELEMENT_PATH_MAX]);

/*
 * What nobody read, in the document's order: an element (attribute NULL, and
 * nothing of what it holds is told again), an attribute, or a text (attribute
 * NULL, e->is_read).
 */
typedef void (*element_unread_fn)(void *context, const struct xml_element *e,
				  const struct xml_attribute *attribute);
void element_unread(const struct xml_element *root, element_unread_fn tell, void *context);

#endif
