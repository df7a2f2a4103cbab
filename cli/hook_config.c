/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hook_config.c - /etc/vnet/libvirt.yaml; see hook_config.h */

#include "cli/hook_config.h"

#include "base/strbuf.h"
#include "cli/privileges.h"
#include "model/schema.h"

#include <errno.h>
#include <stdio.h>

#define CONFIG_MAX (64UL * 1024)

struct hook_config {
	char *user;
};

static const struct schema_field fields[] = {
	FIELD("user", type_string, offsetof(struct hook_config, user), .max = 63),
};
static const struct schema schema = {
	.what = "libvirt.yaml",
	.size = sizeof(struct hook_config),
	SCHEMA_FIELDS(fields),
};

static int read_text(const char *path, struct strbuf *ret, struct vnet_error *err)
{
	char chunk[4096];
	FILE *f = fopen(path, "re");
	size_t n;

	strbuf_append(ret, "");
	if (!f)
		return -errno;
	while (ret->len <= CONFIG_MAX && (n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		strbuf_append_n(ret, chunk, n);
	n = (size_t)ferror(f);
	fclose(f);
	if (n || ret->len > CONFIG_MAX)
		return vnet_error_set(err, -EINVAL, "file-unreadable", "%s cannot be read", path);
	return 0;
}

static int become(const char *name, struct vnet_error *err)
{
	struct user user;
	int r = user_find(name, &user, err);

	return r < 0 ? r : privileges_drop(&user, err);
}

int hook_config_become_user(const char *given, struct vnet_error *err)
{
	const char *path = given ? given : HOOK_CONFIG_DEFAULT;
	AUTO(node_free) struct node *root = NULL;
	AUTO_STRBUF struct strbuf text = { 0 };
	struct hook_config config = { 0 };
	struct decoder d = { .err = err };
	int r = read_text(path, &text, err);

	if (r == -ENOENT && !given)
		return 0;
	if (r < 0)
		return vnet_error_set(err, -EINVAL, "file-unreadable", "cannot read %s: %s", path,
				      strerror(-r));
	r = node_from_yaml(text.s, text.len, path, &root, err);
	if (r == 0 && root)
		r = schema_decode(&d, &schema, root, &config);
	if (r == 0 && config.user)
		r = become(config.user, err);
	schema_clear(&schema, &config);
	/* Whatever it was, who may not read the settings does not go on without them. */
	return r < 0 ? -EINVAL : 0;
}
