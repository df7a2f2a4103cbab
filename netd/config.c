/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config.c - what the administrator wrote below /etc/vnet
 *
 * A file with an error changes nothing: at a reload its networks stay as they
 * are, and at a restart they come from the copy of what ran (STORE_NETWORKS),
 * so that a typing error never takes a running network down.
 */

#include "netd/netd.h"

#include "model/definitions.h"
#include "model/node.h"
#include "model/schema.h"
#include "netd/broker.h"
#include "netd/groups.h"
#include "netd/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_SIZE_MAX (4 * 1024 * 1024)
#define CONFIG_FILES_MAX 4096

/* ---- reading ---- */

/* fd is taken. */
static int read_descriptor(const char *path, int fd, char **ret_text, size_t *ret_size, struct stat *ret_stat,
			   struct vnet_error *err)
{
	struct stat st;
	size_t size = 0;
	char *text;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > CONFIG_SIZE_MAX) {
		close(fd);
		return vnet_error_set(err, -EINVAL, "config-read",
				      "%s must be a regular file of at most 4 MiB", path);
	}
	text = mem_alloc((size_t)st.st_size + 1);
	while (size < (size_t)st.st_size) {
		ssize_t n = read(fd, text + size, (size_t)st.st_size - size);

		if (n <= 0)
			break;
		size += (size_t)n;
	}
	close(fd);
	*ret_text = text;
	*ret_size = size;
	*ret_stat = st;
	return 0;
}

/* -ENOENT without an error: there is no such file. */
static int read_file_stat(const char *path, char **ret_text, size_t *ret_size, struct stat *ret_stat,
			  struct vnet_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return vnet_error_set(err, -errno, "config-read", "cannot read %s: %s%s", path,
				      strerror(errno), errno == EACCES ? "; netd's user (vnet) must be able to" : "");
	return read_descriptor(path, fd, ret_text, ret_size, ret_stat, err);
}

static int read_file(const char *path, char **ret_text, size_t *ret_size, struct vnet_error *err)
{
	struct stat st;

	return read_file_stat(path, ret_text, ret_size, &st, err);
}

/* ---- netd.yaml ---- */

static int read_pool(const struct node *root, const char *key, int family, struct prefix *ret_pool,
		     unsigned *ret_len, struct vnet_error *err)
{
	const struct node *node = node_get(root, key);
	unsigned bits = family == AF_INET ? 32 : 128;
	const char *comma;
	AUTO_FREE char *text = NULL;
	struct prefix pool;
	char *end;
	unsigned long len;

	if (!node)
		return 0;
	/* "192.168.64.0/18,24": the pool, and the length of one subnet */
	if (node->kind != NODE_SCALAR || !(comma = strchr(node->text, ',')))
		goto bad;
	text = mem_strndup(node->text, (size_t)(comma - node->text));
	len = strtoul(comma + 1, &end, 10);
	if (prefix_parse(text, &pool) < 0 || pool.addr.family != family || *end || end == comma + 1 ||
	    len < pool.len || len > bits - 2)
		goto bad;
	*ret_pool = prefix_network(&pool);
	*ret_len = (unsigned)len;
	return 0;
bad:
	return node_error(node, err, "bad-value",
			  "a pool is a prefix and the length of one subnet of it, such as %s",
			  family == AF_INET ? "192.168.64.0/18,24" : "fd5e:a1b2::/48,64");
}

static int read_hold(const struct node *root, unsigned *ret, struct vnet_error *err)
{
	static const struct schema_field field = { .key = "egress_hold", .min = 1, .max = EGRESS_HOLD_MAX };
	const struct node *node = node_get(root, field.key);
	struct decoder decoder = { .err = err };

	return node ? type_duration.decode(&decoder, &field, node, ret) : 0;
}

static int check_setting_names(const struct node *root, struct vnet_error *err)
{
	static const char *const names[] = { "pool4", "pool6", "egress_hold" };

	if (!root || root->kind != NODE_MAPPING)
		return 0;
	vec_each(item, &root->items) {
		bool is_known = false;

		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			is_known |= strcmp((*item)->key, names[i]) == 0;
		if (!is_known)
			return node_key_error(*item, err, "unknown-key",
					      "unknown key; accepted are pool4, pool6 and egress_hold");
	}
	return 0;
}

int config_read_settings(struct netd *d, struct vnet_error *err)
{
	AUTO_FREE char *path = mem_printf("%s/netd.yaml", d->config_dir);
	AUTO_FREE char *text = NULL;
	AUTO(node_free) struct node *root = NULL;
	struct settings s = { .pool4_len = 24, .pool6_len = 64, .egress_hold = EGRESS_HOLD };
	size_t size;
	int r;

	prefix_parse("192.168.64.0/18", &s.pool4);
	prefix_parse("fd5e:a1b2:c3d4::/48", &s.pool6);
	r = read_file(path, &text, &size, err);
	if (r == 0)
		r = node_from_yaml(text, size, path, &root, err);
	else if (r == -ENOENT && !vnet_error_is_set(err))
		r = 0;
	if (r == 0)
		r = check_setting_names(root, err);
	if (r == 0)
		r = read_pool(root, "pool4", AF_INET, &s.pool4, &s.pool4_len, err);
	if (r == 0)
		r = read_pool(root, "pool6", AF_INET6, &s.pool6, &s.pool6_len, err);
	if (r == 0)
		r = read_hold(root, &s.egress_hold, err);
	if (r == 0)
		d->settings = s;
	return r;
}

/* ---- access.yaml ---- */

static int resolve_user(const char *name, uint32_t *ret_id)
{
	const struct passwd *user = getpwnam(name);

	if (!user)
		return -ENOENT;
	*ret_id = user->pw_uid;
	return 0;
}

static int resolve_group(const char *name, uint32_t *ret_id)
{
	const struct group *group = getgrnam(name);

	if (!group)
		return -ENOENT;
	*ret_id = group->gr_gid;
	return 0;
}

/* What others may write could give anyone a network: root's files only. */
static int check_owner(const char *path, const struct stat *st, struct vnet_error *err)
{
	if (st->st_uid == 0 && !(st->st_mode & 022))
		return 0;
	return vnet_error_set(err, -EPERM, "config-owner",
			      "%s must belong to root and be writable by root only", path);
}

static int load_root_file(void *context, const char *path, struct access_file *ret,
			  struct vnet_error *err)
{
	struct stat st;
	int fd, r;

	(void)context;
	/* One that some may read and netd may not: those are who it is for. */
	if (access(path, R_OK) < 0 && errno == EACCES && broker_open_policy(path, &fd) == 0)
		r = read_descriptor(path, fd, &ret->text, &ret->size, &st, err);
	else
		r = read_file_stat(path, &ret->text, &ret->size, &st, err);
	if (r == 0)
		r = check_owner(path, &st, err);
	if (r < 0) {
		free(TAKE(ret->text));
		return r;
	}
	ret->uid = st.st_uid;
	ret->gid = st.st_gid;
	ret->mode = st.st_mode;
	return 0;
}

static int add_bridge_conf(struct access_policy *policy, struct vnet_error *err)
{
	const char *path = access_policy_bridge_conf(policy);

	return path ? access_policy_load_bridge_conf(policy, path, load_root_file, NULL, err) : 0;
}

int config_read_policy(struct netd *d, struct vnet_error *err)
{
	static const struct access_resolver resolver = { resolve_user, resolve_group };
	AUTO_FREE char *path = mem_printf("%s/access.yaml", d->config_dir);
	AUTO(access_policy_free) struct access_policy *policy = NULL;
	AUTO_FREE char *text = NULL;
	struct stat st;
	size_t size;
	int r = read_file_stat(path, &text, &size, &st, err);

	if (r == 0)
		r = check_owner(path, &st, err);
	if (r == -ENOENT && !vnet_error_is_set(err)) {
		policy = access_policy_new();
		r = 0;
	} else if (r == 0) {
		r = access_policy_from_yaml(text, size, path, &resolver, &policy, err);
	}
	if (r == 0)
		r = add_bridge_conf(policy, err);
	if (r < 0)
		return r;
	access_policy_free(d->policy);
	d->policy = TAKE(policy);
	return 0;
}

/* ---- networks.d ---- */

/* What is defined where, while the files are read. */
struct gathering {
	struct netd *d;
	network_vec nets;      /* of good files, and of the store */
	group_vec groups;      /* of good files */
	size_t n_from_files;
	VEC(char *) bad_files;
	bool is_bad_dir;       /* networks.d could not be read */
};

static bool has_network(const network_vec *nets, const char *name)
{
	vec_each(net, nets)
		if (strcmp((*net)->name, name) == 0)
			return true;
	return false;
}

static bool is_bad_file(const struct gathering *g, const char *file)
{
	vec_each(bad, &g->bad_files)
		if (strcmp(*bad, file) == 0)
			return true;
	return g->is_bad_dir;
}

static bool is_bad_definition_file(const void *context, const char *file)
{
	return is_bad_file(context, file);
}

static void log_problem(const struct vnet_error *err, const char *consequence)
{
	char text[1024];

	log_error("%s%s", vnet_error_text(err, text, sizeof(text)), consequence);
}

static int defined_twice(const char *what, const char *name, const struct source *source,
			 struct vnet_error *err)
{
	bool is_group = strcmp(what, "group") == 0;

	vnet_error_set(err, -EEXIST, is_group ? "group-conflict" : "network-conflict",
		       "%s %s is defined in another file already", what, name);
	vnet_error_at(err, source->file, source->line, source->column, name);
	return -EEXIST;
}

static int read_networks_file(struct gathering *g, const char *path, struct vnet_error *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_DEFINITIONS struct definitions defs = { 0 };
	size_t size;
	int r = read_file(path, &text, &size, err);

	if (r == 0)
		r = definitions_from_yaml(text, size, path, &defs, err);
	if (r < 0)
		return vnet_error_set(err, r, "config-read", "cannot read %s: %s", path, strerror(-r));
	vec_each(net, &defs.networks)
		if (has_network(&g->nets, (*net)->name))
			return defined_twice("network", (*net)->name, &(*net)->source, err);
	vec_each(group, &defs.groups)
		if (group_find(g->groups.v, g->groups.n, (*group)->name))
			return defined_twice("group", (*group)->name, &(*group)->source, err);
	vec_each(net, &defs.networks)
		vec_push(&g->nets, *net);
	vec_each(group, &defs.groups)
		vec_push(&g->groups, *group);
	defs.networks.n = defs.groups.n = 0;
	return 0;
}

static bool is_yaml(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && strcmp(name + len - 5, ".yaml") == 0;
}

/* Hidden files and editors' copies are nobody's definition; blue.yml may be meant as one. */
static int is_definition(const struct dirent *entry)
{
	const char *name = entry->d_name;
	size_t len = strlen(name);

	if (name[0] == '.' || !len || name[len - 1] == '~')
		return 0;
	if (!is_yaml(name))
		log_notice("networks.d/%s is not read: its name does not end in .yaml", name);
	return is_yaml(name);
}

char *config_networks_file(const struct netd *d, const char *file, const char *text, bool *ret_same)
{
	AUTO_FREE char *dir = mem_printf("%s/networks.d", d->config_dir);
	AUTO_FREE char *real_dir = realpath(dir, NULL);
	AUTO_FREE char *real = file[0] == '/' ? realpath(file, NULL) : NULL;
	char *slash = real ? strrchr(real, '/') : NULL;
	AUTO_FREE char *content = NULL, *path = NULL;
	struct vnet_error err = { 0 };
	size_t size;

	if (!slash || !real_dir || strlen(real_dir) != (size_t)(slash - real) ||
	    strncmp(real, real_dir, (size_t)(slash - real)) != 0)
		return NULL;
	if (slash[1] == '.' || !is_yaml(slash + 1))
		return NULL;
	path = mem_printf("%s/%s", dir, slash + 1);
	if (read_file(path, &content, &size, &err) < 0)
		return NULL;
	*ret_same = size == strlen(text) && memcmp(content, text, size) == 0;
	return TAKE(path);
}

static void read_networks_dir(struct gathering *g)
{
	AUTO_FREE char *dir = mem_printf("%s/networks.d", g->d->config_dir);
	struct dirent **files = NULL;
	int n = scandir(dir, &files, is_definition, alphasort);

	/* A folder that is not there defines nothing; one that cannot be read says nothing. */
	if (n < 0 && errno != ENOENT) {
		log_error("cannot read %s: %s; its networks stay as they are", dir, strerror(errno));
		g->is_bad_dir = true;
	}
	for (int i = 0; i < n; i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", dir, files[i]->d_name);
		struct vnet_error err = { 0 };

		if (i >= CONFIG_FILES_MAX)
			vnet_error_set(&err, -E2BIG, "too-many-files", "%s: more than %d files", dir,
				       CONFIG_FILES_MAX);
		if (vnet_error_is_set(&err) || read_networks_file(g, path, &err) < 0) {
			log_problem(&err, "; the networks of this file stay as they are");
			vec_push(&g->bad_files, mem_strdup(path));
		}
		free(files[i]);
	}
	free(files);
	g->n_from_files = g->nets.n;
}

static struct network *stored_network(json_t *object, const char *name, const char *file)
{
	json_t *definition = json_object_get(object, "definition");
	json_t *wrapped = json_pack("{s:{s:O}}", "networks", name, definition);
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };
	struct network *net = NULL;

	if (!wrapped || networks_from_json(wrapped, &nets, &err) < 0) {
		vnet_error_prefix(&err, "stored network %s", name);
		log_problem(&err, "; left out");
	} else if (nets.n == 1) {
		net = nets.v[0];
		nets.n = 0;
		mem_replace(&net->source.file, file && file[0] ? file : NULL);
	}
	json_decref(wrapped);
	return net;
}

/* A network applied over the API. */
static void add_definition(void *arg, const char *name, json_t *object)
{
	struct gathering *g = arg;
	struct network *net;

	if (has_network(&g->nets, name)) {
		log_notice("network %s: the definition below %s/networks.d is taken, not the one applied earlier",
			   name, g->d->config_dir);
		store_remove(g->d->store, STORE_DEFINITIONS, name, NULL);
		return;
	}
	net = stored_network(object, name, NULL);
	if (net)
		vec_push(&g->nets, net);
}

/* What ran when the last netd ended: stopped networks stay stopped, those of bad files run on. */
static void add_runtime(void *arg, const char *name, json_t *object)
{
	struct gathering *g = arg;
	const char *file = json_string_value(json_object_get(object, "file"));
	bool wanted = json_is_true(json_object_get(object, "wanted"));
	/* One that was refused, and waits, never had a place on this host: it is checked in full. */
	bool ran = wanted && !json_is_false(json_object_get(object, "ran"));
	struct network_entry *entry = registry_network(&g->d->registry, name);
	bool is_orphan = false;
	struct network *net;

	net = stored_network(object, name, file);
	if (entry) {
		entry->is_wanted = wanted;
		if (ran)
			entry->fallback = TAKE(net);
		network_free(net);
		return;
	}
	if (!net)
		return;
	if (file && file[0] && is_bad_file(g, file)) {
		log_notice("network %s runs on as it was before %s was changed", name, file);
	} else if (wanted) {
		/* Its file or definition went while no netd was there. Guests may still be on it. */
		log_notice("network %s is not defined any more; it stops when its last guest has left",
			   name);
		is_orphan = true;
	} else {
		store_remove(g->d->store, STORE_NETWORKS, name, NULL);
		network_free(net);
		return;
	}
	entry = registry_put_network(&g->d->registry, net);
	entry->is_from_file = true;
	entry->is_wanted = wanted;
	entry->is_orphan = is_orphan;
}

static void gathering_free(struct gathering *g)
{
	network_vec_free(&g->nets);
	group_vec_free(&g->groups);
	vec_each(file, &g->bad_files)
		free(*file);
	vec_free(&g->bad_files);
}

/* The first reading: nothing runs under this netd yet, reconcile() comes later. */
static void take_all(struct gathering *g)
{
	for (size_t i = 0; i < g->nets.n; i++) {
		struct network_entry *entry = registry_put_network(&g->d->registry, g->nets.v[i]);

		entry->is_from_file = i < g->n_from_files;
		entry->is_wanted = entry->net->autostart;
	}
	g->nets.n = 0;
}

void config_read_networks(struct netd *d)
{
	struct gathering g = { .d = d };

	read_networks_dir(&g);
	store_each(d->store, STORE_DEFINITIONS, add_definition, &g);
	groups_load(d, &g.groups, is_bad_definition_file, &g);
	take_all(&g);
	store_each(d->store, STORE_NETWORKS, add_runtime, &g);
	gathering_free(&g);
}

/* A network of a file that does not define it any more. */
static void mark_undefined(struct gathering *g)
{
	struct netd *d = g->d;

	for (size_t i = d->registry.networks.n; i-- > 0;) {
		struct network_entry *entry = d->registry.networks.v[i];

		if (!entry->is_from_file || has_network(&g->nets, entry->net->name) ||
		    (entry->net->source.file && is_bad_file(g, entry->net->source.file)))
			continue;
		entry->is_orphan = true;
		if (entry->n_ports)
			log_notice("network %s is not defined any more; it stops when its last guest has left",
				   entry->net->name);
	}
}

static void apply(struct netd *d, network_vec *nets)
{
	AUTO_OUTCOMES network_outcome_vec outcomes = { 0 };

	networks_apply(d, nets, true, NULL, &outcomes, NULL);
	vec_each(outcome, &outcomes)
		if (outcome->is_undone)
			log_problem(&outcome->problem, "");
}

/* One by one: a network that cannot be does not stop the others. */
static void apply_each(struct netd *d, network_vec *nets, const struct snapshot *snap)
{
	vec_each(net, nets) {
		network_vec one = { 0 };
		struct vnet_error err = { 0 };

		vec_push(&one, *net);
		if (networks_prepare(d, &one, snap, &err) < 0)
			log_problem(&err, "; the network stays as it was");
		else
			apply(d, &one);
		network_vec_free(&one);
	}
	nets->n = 0;
}

static void reload_networks(struct netd *d)
{
	struct gathering g = { .d = d };
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	struct vnet_error err = { 0 };

	read_networks_dir(&g);
	mark_undefined(&g);
	networks_drop_orphans(d);
	/* Networks may name them. */
	groups_reload(d, &g.groups, is_bad_definition_file, &g);
	if (kernel_snapshot(d->kernel, SNAPSHOT_ALL, &snap, &err) < 0)
		log_problem(&err, "");
	else if (networks_prepare(d, &g.nets, &snap, &err) == 0)
		apply(d, &g.nets);
	else
		apply_each(d, &g.nets, &snap);
	groups_drop_orphans(d);
	gathering_free(&g);
}

void config_reload(struct netd *d)
{
	struct vnet_error err = { 0 };

	log_info("reading %s again", d->config_dir);
	if (config_read_settings(d, &err) < 0)
		log_problem(&err, "; the settings stay as they are");
	else
		egress_start(d);
	vnet_error_clear(&err);
	if (config_read_policy(d, &err) < 0)
		log_problem(&err, "; the access policy stays as it is");
	reload_networks(d);
}
