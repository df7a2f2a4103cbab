/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_NODE_H
#define VNET_MODEL_NODE_H

/*
 * node.h - a definition as a tree of nodes, from YAML text or from JSON
 *
 * One decoder (schema.h) serves both.  The YAML is a strict subset: no anchors,
 * aliases, tags, directives, merge keys or second documents; keys are unique;
 * no scalar holds a control character, so nothing read here can end a line in
 * a file that is generated from it.  Scalars are typed by whoever reads them
 * (`ra: off` is a word, `stp: off` an error), never by their look.
 *
 * The root owns the tree.  Every node knows its position and its parent, so an
 * error can say where; nodes from JSON have line 0 and only their key path.
 */

#include "base/mem.h"
#include "vnet/error.h"

#include <jansson.h>

#define NODE_TEXT_MAX (4 * 1024 * 1024) /* bytes of YAML */
#define NODE_DEPTH_MAX 16
#define NODE_COUNT_MAX 500000
#define NODE_KEY_MAX 128
#define NODE_SCALAR_MAX 4096
#define NODE_PATH_MAX 160

enum node_kind { NODE_NULL, NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING };

struct node {
	enum node_kind kind;
	bool quoted;                      /* a quoted YAML scalar, a JSON string */
	bool is_path_root;                /* node_path() starts below it */
	unsigned line, column;            /* 1-based; 0: from JSON */
	unsigned key_line, key_column;    /* of its key, within a mapping */
	const char *file;                 /* or NULL */
	const struct node *parent;
	size_t index;                     /* within parent's items */
	char *key;                        /* within a mapping, else NULL */
	char *text;                       /* of a scalar, else NULL */
	VEC(struct node *) items;         /* of a sequence or mapping */
};

/* An empty text gives a NODE_NULL root.  -EINVAL, -E2BIG (a limit). */
int node_from_yaml(const char *text, size_t size, const char *file, struct node **ret,
		   struct vnet_error *err);
int node_from_json(const json_t *json, struct node **ret, struct vnet_error *err);
void node_free(struct node *root);
DEFINE_AUTO(struct node, node_free);

/* The value of key, or NULL; a null counts as not given.  n may be NULL or no mapping. */
const struct node *node_get(const struct node *n, const char *key);
/* "blue.forwards[2].to" */
char *node_path(const struct node *n, char *buf, size_t size);

/* Sets the error with n's position and path; returns -EINVAL. */
int node_error(const struct node *n, struct vnet_error *err, const char *code, const char *format,
	       ...) __attribute__((format(printf, 4, 5)));
/* The same, pointing at the node's key. */
int node_key_error(const struct node *n, struct vnet_error *err, const char *code,
		   const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Adds n's position to an error that has none yet. */
void node_locate(const struct node *n, struct vnet_error *err);

/* Text of unknown origin in quotes, fit for a message: printable, cut.  Returns buf. */
#define TEXT_QUOTE_MAX 64
const char *text_quote(const char *text, char buf[TEXT_QUOTE_MAX]);

#endif
