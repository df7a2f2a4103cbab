/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * access_bridge_conf.c - QEMU's bridge.conf, as qemu-bridge-helper.c reads it.
 *
 * Stricter in one thing: what QEMU would cut or skip in silence (a name of more
 * than 15 bytes, an unknown word) is an error here, and then nothing is allowed.
 */

#include "model/access_internal.h"

#include "model/node.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

struct reader {
	struct access_policy *policy;
	access_load_file load;
	void *context;
	struct vnet_error *err;
};

static int read_path(struct reader *r, const char *path, size_t parent, unsigned depth);

static int refuse(struct reader *r, size_t file, unsigned line, const char *code,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));

static int refuse(struct reader *r, size_t file, unsigned line, const char *code,
		  const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vnet_error_setv(r->err, -EINVAL, code, format, args);
	va_end(args);
	vnet_error_at(r->err, r->policy->conf_files.v[file].path, line, 1, NULL);
	return -EINVAL;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Cuts blanks off both ends, in place. */
static char *strip(char *text)
{
	size_t len;

	while (is_blank(*text))
		text++;
	len = strlen(text);
	while (len && is_blank(text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* Cuts the first word off and returns the rest. */
static char *split(char *text)
{
	while (*text && !is_blank(*text))
		text++;
	if (*text)
		*text++ = '\0';
	return strip(text);
}

static int add_rule(struct reader *r, size_t file, unsigned line, bool is_allow, const char *name)
{
	struct conf_rule rule = { .is_allow = is_allow, .file = file, .line = line };
	char buf[TEXT_QUOTE_MAX];

	if (r->policy->conf_rules.n >= ACCESS_RULES_MAX)
		return refuse(r, file, line, "too-many", "more than %d rules", ACCESS_RULES_MAX);
	if (!*name || strlen(name) >= sizeof(rule.name))
		return refuse(
			r, file, line, "bad-name",
			"%s is not the name of a bridge or network (1 to 15 bytes), nor \"all\"",
			text_quote(name, buf));
	rule.is_all = strcmp(name, "all") == 0;
	snprintf(rule.name, sizeof(rule.name), "%s", name);
	vec_push(&r->policy->conf_rules, rule);
	return 0;
}

static int include(struct reader *r, size_t file, unsigned line, const char *path, unsigned depth)
{
	char buf[TEXT_QUOTE_MAX];

	if (*path != '/')
		return refuse(r, file, line, "bad-path", "include %s: the path must be absolute",
			      text_quote(path, buf));
	if (depth >= ACCESS_INCLUDE_DEPTH_MAX)
		return refuse(r, file, line, "nested-too-deep",
			      "includes are nested deeper than %d levels, or in a circle",
			      ACCESS_INCLUDE_DEPTH_MAX);
	return read_path(r, path, file, depth + 1);
}

static int read_line(struct reader *r, size_t file, unsigned line, char *text, unsigned depth)
{
	char *word = strip(text), *rest, buf[TEXT_QUOTE_MAX];

	if (!*word || *word == '#')
		return 0;
	rest = split(word);
	if (strcmp(word, "allow") == 0 || strcmp(word, "deny") == 0)
		return add_rule(r, file, line, word[0] == 'a', rest);
	if (strcmp(word, "include") == 0)
		return include(r, file, line, rest, depth);
	return refuse(
		r, file, line, "unknown-key",
		"%s is not known here; accepted: allow NAME, deny NAME, include FILE, # comment",
		text_quote(word, buf));
}

/* text is changed: lines are cut in place. */
static int read_text(struct reader *r, size_t file, char *text, size_t size, unsigned depth)
{
	char *end = text + size;
	unsigned line = 0;

	if (size > ACCESS_TEXT_MAX)
		return refuse(r, file, 0, "text-too-long", "%zu bytes; at most %d are accepted",
			      size, ACCESS_TEXT_MAX);
	if (memchr(text, '\0', size))
		return refuse(r, file, 0, "control-character", "the file holds a NUL byte");
	while (text < end) {
		char *next = memchr(text, '\n', (size_t)(end - text));
		int result;

		if (next)
			*next = '\0';
		result = read_line(r, file, ++line, text, depth);
		if (result < 0)
			return result;
		if (!next)
			break;
		text = next + 1;
	}
	return 0;
}

static size_t add_file(struct access_policy *policy, const char *path, size_t parent)
{
	struct conf_file *file = vec_add(&policy->conf_files);

	file->path = mem_strdup(path);
	file->parent = parent;
	return policy->conf_files.n - 1;
}

/* What is not there is skipped, as by QEMU; what is there and wrong is not. */
static int read_path(struct reader *r, const char *path, size_t parent, unsigned depth)
{
	struct access_file loaded = { 0 };
	struct vnet_error err = { 0 };
	struct conf_file *file;
	size_t index;
	int result;

	if (r->policy->conf_files.n >= ACCESS_FILES_MAX)
		return refuse(r, parent, 0, "too-many", "more than %d files", ACCESS_FILES_MAX);
	result = r->load(r->context, path, &loaded, &err);
	if (result == -ENOENT && depth)
		return 0;
	if (result < 0) {
		if (!vnet_error_is_set(&err))
			vnet_error_set(&err, result, "unreadable", "%s cannot be read", path);
		if (r->err && !vnet_error_is_set(r->err))
			*r->err = err;
		return result;
	}
	index = add_file(r->policy, path, depth ? parent : r->policy->conf_files.n);
	file = &r->policy->conf_files.v[index];
	file->uid = loaded.uid;
	file->gid = loaded.gid;
	file->mode = loaded.mode;
	result = read_text(r, index, loaded.text, loaded.size, depth);
	free(loaded.text);
	return result;
}

/* A policy of which part was read is no policy: nothing of it stays. */
static int finish(struct reader *r, int result)
{
	if (result < 0)
		bridge_conf_clear(r->policy);
	return result;
}

int access_policy_load_bridge_conf(struct access_policy *policy, const char *path,
				   access_load_file load_file, void *context,
				   struct vnet_error *err)
{
	struct reader r = { policy, load_file, context, err };

	return finish(&r, read_path(&r, path, 0, 0));
}

/* --- files that everyone may read --- */

struct plain_reader {
	access_read_file read;
	void *context;
};

static int load_plain(void *context, const char *path, struct access_file *ret,
		      struct vnet_error *err)
{
	const struct plain_reader *plain = context;

	ret->mode = S_IRUSR | S_IRGRP | S_IROTH;
	return plain->read ? plain->read(plain->context, path, &ret->text, &ret->size, err)
			   : -ENOENT;
}

int access_policy_add_bridge_conf(struct access_policy *policy, const char *text, const char *file,
				  access_read_file read_file, void *context, struct vnet_error *err)
{
	struct plain_reader plain = { read_file, context };
	struct reader r = { policy, load_plain, &plain, err };
	AUTO_FREE char *copy = mem_strdup(text);
	size_t index = add_file(policy, file, policy->conf_files.n);

	policy->conf_files.v[index].mode = S_IRUSR | S_IRGRP | S_IROTH;
	return finish(&r, read_text(&r, index, copy, strlen(copy), 0));
}

void bridge_conf_clear(struct access_policy *policy)
{
	vec_each(file, &policy->conf_files)
		free(file->path);
	vec_free(&policy->conf_files);
	vec_free(&policy->conf_rules);
}

/* --- decisions --- */

/* As the kernel decides for a process with these ids; the helper drops its other groups. */
static bool may_read(const struct conf_file *file, const struct peer *peer)
{
	if (peer->uid == file->uid)
		return file->mode & S_IRUSR;
	if (peer->gid == file->gid)
		return file->mode & S_IRGRP;
	return file->mode & S_IROTH;
}

static bool speaks_to(const struct access_policy *policy, size_t index, const struct peer *peer)
{
	for (;;) {
		const struct conf_file *file = &policy->conf_files.v[index];

		if (!may_read(file, peer))
			return false;
		if (file->parent == index)
			return true;
		index = file->parent;
	}
}

static bool names(const struct conf_rule *rule, const struct network *net)
{
	char bridge[16];

	return rule->is_all || strcmp(rule->name, net->name) == 0 ||
	       strcmp(rule->name, network_bridge(net, bridge)) == 0;
}

enum conf_verdict bridge_conf_decide(const struct access_policy *policy, const struct peer *peer,
				     const struct network *net, const struct conf_rule **ret_rule)
{
	enum conf_verdict verdict = CONF_SILENT;

	vec_each(rule, &policy->conf_rules) {
		if (verdict == CONF_ALLOW && rule->is_allow)
			continue;
		if (!names(rule, net) || !speaks_to(policy, rule->file, peer))
			continue;
		verdict = rule->is_allow ? CONF_ALLOW : CONF_DENY;
		*ret_rule = rule;
		if (verdict == CONF_DENY)
			break;
	}
	return verdict;
}
