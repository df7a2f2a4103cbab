/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* definitions.c - the top level of a definition: networks, and groups beside them. */

#include "model/definitions.h"

#include <errno.h>

void definitions_free(struct definitions *definitions)
{
	network_vec_free(&definitions->networks);
	group_vec_free(&definitions->groups);
}

static int find_keys(struct node *root, struct node **ret_networks, struct node **ret_groups,
		     struct vnet_error *err)
{
	char buf[TEXT_QUOTE_MAX];

	if (root->kind != NODE_MAPPING)
		return node_error(root, err, "bad-type",
				  "the text must be a mapping with the key networks");
	vec_each(item, &root->items) {
		bool is_groups = strcmp((*item)->key, "groups") == 0;

		if (!is_groups && strcmp((*item)->key, "networks") != 0)
			return node_key_error(
				*item, err, "unknown-key",
				"unknown key %s; the keys at this level are networks and groups, and "
				"networks are defined below the first",
				text_quote((*item)->key, buf));
		*(is_groups ? ret_groups : ret_networks) = *item;
		(*item)->is_path_root = true;
	}
	if (!*ret_networks && !*ret_groups)
		return node_error(root, err, "missing-key",
				  "the key networks is missing; networks are defined below it");
	return 0;
}

static int from_root(struct node *root, struct definitions *ret, struct vnet_error *err)
{
	AUTO_DEFINITIONS struct definitions found = { 0 };
	struct node *networks = NULL, *groups = NULL;
	int r = find_keys(root, &networks, &groups, err);

	if (r == 0 && groups)
		r = groups_from_node(groups, &found.groups, err);
	if (r == 0 && networks)
		r = networks_from_node(networks, &found.networks, err);
	if (r < 0)
		return r;
	*ret = found;
	found = (struct definitions){ 0 };
	return 0;
}

int definitions_from_yaml(const char *text, size_t size, const char *file, struct definitions *ret,
			  struct vnet_error *err)
{
	AUTO(node_free) struct node *root = NULL;
	int r = node_from_yaml(text, size, file, &root, err);

	if (r < 0)
		return r;
	if (root->kind == NODE_NULL && root->line == 0) {
		*ret = (struct definitions){ 0 }; /* only comments */
		return 0;
	}
	return from_root(root, ret, err);
}

int definitions_from_json(const json_t *json, struct definitions *ret, struct vnet_error *err)
{
	AUTO(node_free) struct node *root = NULL;
	struct definitions found = { 0 };
	int r = node_from_json(json, &root, err);

	if (r < 0)
		return r;
	if (node_get(root, "networks") || node_get(root, "groups"))
		return from_root(root, ret, err);
	root->is_path_root = true;
	r = networks_from_node(root, &found.networks, err);
	if (r == 0)
		*ret = found;
	return r;
}

static int take_networks(int r, struct definitions *found, network_vec *ret)
{
	if (r == 0)
		*ret = found->networks;
	group_vec_free(&found->groups);
	return r;
}

int networks_from_yaml(const char *text, size_t size, const char *file, network_vec *ret,
		       struct vnet_error *err)
{
	struct definitions found = { 0 };

	return take_networks(definitions_from_yaml(text, size, file, &found, err), &found, ret);
}

int networks_from_json(const json_t *json, network_vec *ret, struct vnet_error *err)
{
	struct definitions found = { 0 };

	return take_networks(definitions_from_json(json, &found, err), &found, ret);
}
