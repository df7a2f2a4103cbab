/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_libvirt.c - libvirt publish, unpublish, sync, watch: in step with libvirt
 *
 * What is published is a libvirt network of the same name that does nothing but name
 * our bridge; metadata marks it as ours, and no other is ever touched.  What a running
 * domain's card has lost, or never got because libvirt calls no hook for a card that is
 * plugged, is found in libvirt's own records of running domains.
 */

#include "base/strbuf.h"
#include "cli/domain_ports.h"
#include "cli/libvirt.h"
#include "cli/output.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#define SETTLE_MS 300   /* what belongs together comes within this */
#define RETRY_MS 10000  /* netd or libvirtd is not there */

/* Where libvirt's drivers keep the records of their running domains. */
static const char *const record_dirs[] = { "/run/libvirt/qemu", "/run/libvirt/lxc" };

struct libvirt_options {
	const char *uri;
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void say(const struct cli *cli, const char *name, const char *what)
{
	if (cli->quiet)
		return;
	printf("network %s: %s\n", name, what);
	fflush(stdout);
}

/* ---- networks ---- */

/* A bridge that guests' TAPs can be put on. */
static bool is_publishable(const json_t *network)
{
	return *text_of(network, "bridge") && strcmp(text_of(network, "mode"), "macvtap") != 0 &&
	       strcmp(text_of(network, "mode"), "sriov") != 0;
}

static const struct libvirt_network *find(const libvirt_network_vec *list, const char *name)
{
	vec_each(network, list)
		if (!strcmp(network->name, name))
			return network;
	return NULL;
}

static bool is_wanted(const json_t *networks, const struct libvirt_network *published)
{
	const json_t *network;
	size_t i;

	json_array_foreach((json_t *)networks, i, network)
		if (is_publishable(network) && !strcmp(text_of(network, "name"), published->name) &&
		    !strcmp(text_of(network, "bridge"), published->bridge))
			return true;
	return false;
}

/* Those of ours that stand for nothing any more. */
static int remove_stale(const struct cli *cli, struct libvirt *libvirt, const json_t *networks,
			libvirt_network_vec *list, struct vnet_error *err)
{
	vec_each(published, list) {
		int r;

		if (!published->is_ours || is_wanted(networks, published))
			continue;
		r = libvirt_remove(libvirt, published->name, published->is_active, err);
		if (r < 0)
			return r;
		say(cli, published->name, "no longer published");
		/* So that one of that name with another bridge is not taken for it. */
		published->name[0] = '\0';
	}
	return 0;
}

static int publish_one(const struct cli *cli, struct libvirt *libvirt, const json_t *network,
		       const struct libvirt_network *published, struct vnet_error *err)
{
	const char *name = text_of(network, "name");
	bool is_running = !strcmp(text_of(network, "state"), "running");
	int r = 0;

	if (published && !published->is_ours) {
		say(cli, name, "not published, because libvirt has a network of its own by that name");
		return 0;
	}
	if (!published) {
		r = libvirt_publish(libvirt, name, text_of(network, "bridge"), err);
		if (r == 0)
			say(cli, name, "published");
	}
	if (r == 0 && is_running != (published && published->is_active)) {
		r = libvirt_set_active(libvirt, name, is_running, err);
		if (r == 0)
			say(cli, name, is_running ? "started" : "stopped");
	}
	return r;
}

/* networks: of ListNetworks; NULL: none is to be there. */
static int publish(const struct cli *cli, const char *uri, const json_t *networks,
		   struct vnet_error *err)
{
	struct libvirt *libvirt = NULL;
	libvirt_network_vec list = { 0 };
	const json_t *network;
	size_t i;
	int r = libvirt_connect(uri ? uri : LIBVIRT_URI_DEFAULT, &libvirt, err);

	if (r == 0)
		r = libvirt_list(libvirt, &list, err);
	if (r == 0)
		r = remove_stale(cli, libvirt, networks, &list, err);
	json_array_foreach((json_t *)networks, i, network)
		if (r == 0 && is_publishable(network))
			r = publish_one(cli, libvirt, network, find(&list, text_of(network, "name")), err);
	libvirt_list_free(&list);
	libvirt_free(libvirt);
	return r;
}

static int publish_all(struct cli *cli, const char *uri, struct vnet_error *err)
{
	json_t *reply = NULL;
	int r = client_call(cli->client, "ListNetworks", NULL, &reply, err);

	if (r == 0)
		r = publish(cli, uri, json_object_get(reply, "networks"), err);
	json_decref(reply);
	return r;
}

/* ---- domains ---- */

static int read_record(const char *path, struct strbuf *ret)
{
	char chunk[65536];
	FILE *f = fopen(path, "re");
	size_t n;

	strbuf_append(ret, "");
	if (!f)
		return -errno;
	while (ret->len <= XML_TEXT_MAX && (n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		strbuf_append_n(ret, chunk, n);
	fclose(f);
	return 0;
}

static int sync_domain(struct cli *cli, const char *path, struct vnet_error *err)
{
	AUTO(domain_free) struct domain *domain = NULL;
	AUTO_STRBUF struct strbuf text = { 0 };
	unsigned made = 0;
	int r;

	/* It has just ended. */
	if (read_record(path, &text) < 0)
		return 0;
	r = domain_read(text.s, text.len, path, &domain, err);
	if (r < 0)
		return r;
	r = domain_ensure_ports(cli->client, domain, &made, err);
	if (r < 0)
		vnet_error_prefix(err, "domain %s", domain->name);
	if (made && !cli->quiet) {
		fputs("domain ", stdout);
		print_safe(stdout, domain->name);
		printf(": %u port%s\n", made, made == 1 ? "" : "s");
		fflush(stdout);
	}
	return r;
}

/* One domain that cannot have its ports does not keep the others from theirs. */
static int sync_dir(struct cli *cli, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int status = 0;

	while (d && (entry = readdir(d))) {
		AUTO_FREE char *path = mem_printf("%s/%s", dir, entry->d_name);
		const char *end = strrchr(entry->d_name, '.');
		struct vnet_error err = { 0 };

		if (end && !strcmp(end, ".xml") && sync_domain(cli, path, &err) < 0)
			status = report_error(cli, &err);
	}
	if (d)
		closedir(d);
	return status;
}

static int sync_all(struct cli *cli)
{
	int status = 0;

	for (size_t i = 0; i < ARRAY_SIZE(record_dirs); i++) {
		int its = sync_dir(cli, record_dirs[i]);

		status = status ? status : its;
	}
	return status;
}

/* ---- the commands ---- */

static int run_publish(struct cli *cli, const void *options, const text_vec *words,
		       const text_vec *rest)
{
	const struct libvirt_options *o = options;
	struct vnet_error err = { 0 };
	int status = cli_connect(cli);

	(void)words;
	(void)rest;
	return status ? status : publish_all(cli, o->uri, &err) < 0 ? report_error(cli, &err) : EXIT_OK;
}

static int run_unpublish(struct cli *cli, const void *options, const text_vec *words,
			 const text_vec *rest)
{
	const struct libvirt_options *o = options;
	struct vnet_error err = { 0 };

	(void)words;
	(void)rest;
	return publish(cli, o->uri, NULL, &err) < 0 ? report_error(cli, &err) : EXIT_OK;
}

static int run_sync(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	int status = cli_connect(cli);

	(void)options;
	(void)words;
	(void)rest;
	return status ? status : sync_all(cli);
}

/* ---- watch ---- */

struct watch {
	struct cli *cli;
	const char *uri;
	struct vnet_client *events; /* NULL: netd is not there */
	int inotify;
	bool has_failed;        /* at the last try: said once, and tried again */
};

/* Of netd's events those of networks count; ports come and go. */
static void look_at_event(void *context, const char *parameters)
{
	bool *is_news = context;

	*is_news |= strstr(parameters, "\"network-") != NULL;
}

static void watch_dirs(struct watch *w)
{
	/* Again each time: libvirtd makes them, and a watch that is there stays. */
	for (size_t i = 0; i < ARRAY_SIZE(record_dirs); i++)
		inotify_add_watch(w->inotify, record_dirs[i], IN_MOVED_TO | IN_ONLYDIR);
}

/* A fresh pair of connections to netd: for calls, and for what happens. */
static int connect_both(struct watch *w, struct vnet_error *err)
{
	int r;

	if (w->events)
		return 0;
	vnet_client_free(w->cli->client);
	w->cli->client = NULL;
	r = vnet_client_connect(w->cli->socket, &w->events, err);
	if (r == 0)
		r = vnet_client_subscribe(w->events, "Monitor", NULL, err);
	if (r == 0)
		r = vnet_client_connect(w->cli->socket, &w->cli->client, err);
	return r;
}

static void disconnect(struct watch *w)
{
	vnet_client_free(w->events);
	w->events = NULL;
}

/* All of it, which costs little; how long until it is to be tried again, or -1. */
static int bring_in_step(struct watch *w)
{
	struct vnet_error err = { 0 };
	int r = connect_both(w, &err);

	watch_dirs(w);
	if (r == 0)
		r = publish_all(w->cli, w->uri, &err);
	if (r == 0)
		sync_all(w->cli);
	if (r < 0 && !w->has_failed)
		report_error(w->cli, &err);
	/* Whatever it was, the connections may have lost step. */
	if (r < 0)
		disconnect(w);
	w->has_failed = r < 0;
	return r < 0 ? RETRY_MS : -1;
}

/* Something happened, or the time is over; what else happens now belongs to it. */
static void wait_for_news(struct watch *w, int timeout_ms)
{
	struct pollfd fds[2] = { { .fd = w->inotify, .events = POLLIN },
				 { .fd = w->events ? vnet_client_fd(w->events) : -1, .events = POLLIN } };
	bool is_news = false;
	char buffer[4096];

	while (poll(fds, ARRAY_SIZE(fds), is_news ? SETTLE_MS : timeout_ms) > 0) {
		while (fds[0].revents && read(w->inotify, buffer, sizeof(buffer)) > 0)
			is_news = true;
		if (fds[1].revents && vnet_client_dispatch(w->events, look_at_event, &is_news, NULL) != 0) {
			disconnect(w);
			fds[1].fd = -1;
			is_news = true;
		}
	}
}

static int run_watch(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	const struct libvirt_options *o = options;
	struct watch w = { .cli = cli, .uri = o->uri, .inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC) };

	(void)words;
	(void)rest;
	if (w.inotify < 0)
		return report_usage(cli, "inotify: %s", strerror(errno));
	for (;;)
		wait_for_news(&w, bring_in_step(&w));
}

static const struct cli_option libvirt_options[] = {
	{ .name = "connect", .letter = 'c', .kind = OPTION_TEXT, .value = "URI",
	  .offset = offsetof(struct libvirt_options, uri),
	  .help = "which libvirt (" LIBVIRT_URI_DEFAULT ")" },
	{ 0 },
};

#define WITH_OPTIONS .options = libvirt_options, .options_size = sizeof(struct libvirt_options)

const struct command libvirt_commands[] = {
	{ .group = "libvirt", .name = "publish", .arguments = "", .run = run_publish, WITH_OPTIONS,
	  .summary = "Let libvirt list our networks, as they are now",
	  .details = "Each becomes a libvirt network of the same name that stands for its bridge.\n"
		     "Networks that libvirt has of its own are never touched." },
	{ .group = "libvirt", .name = "unpublish", .arguments = "", .run = run_unpublish, WITH_OPTIONS,
	  .summary = "Take them out of libvirt's list" },
	{ .group = "libvirt", .name = "sync", .arguments = "", .run = run_sync,
	  .summary = "Give running domains the ports that their cards lack",
	  .details = "libvirt calls no hook for a card that is plugged into a running domain." },
	{ .group = "libvirt", .name = "watch", .arguments = "", .run = run_watch, WITH_OPTIONS,
	  .summary = "Publish and sync, and again whenever something changes" },
	{ 0 },
};
