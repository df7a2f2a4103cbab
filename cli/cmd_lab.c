/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_lab.c - labs come up and go; what they are made of is in cli/lab */

#include "base/clock.h"
#include "cli/lab/dhcp.h"
#include "cli/lab/holder.h"
#include "cli/lab/lab_cli.h"
#include "cli/output.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* --- up, down --- */

struct up_options {
	const char *name, *netd;
};

/* "labs/bridge-nat.yaml" is lab bridge-nat. */
static char *name_of_file(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');

	return dot && dot > base ? mem_strndup(base, (size_t)(dot - base)) : mem_strdup(base);
}

/* netd beside us, as it is installed and as it is built; else by PATH. */
static char *find_netd(const char *asked, const char *vnetctl)
{
	static const char *const places[] = { "netd", "../netd/netd", "../sbin/netd" };
	const char *slash = strrchr(vnetctl, '/');

	if (!asked)
		asked = getenv("VNET_NETD");
	for (size_t i = 0; !asked && slash && i < ARRAY_SIZE(places); i++) {
		AUTO_FREE char *path = mem_printf("%.*s/%s", (int)(slash - vnetctl), vnetctl, places[i]);

		if (access(path, X_OK) == 0)
			return realpath(path, NULL);
	}
	if (asked && strchr(asked, '/'))
		return realpath(asked, NULL);
	return mem_strdup(asked ? asked : "netd");
}

static void print_progress(void *context, const char *what)
{
	const struct cli *cli = context;

	if (cli->quiet)
		return;
	if (strncmp(what, "note: ", 6) != 0 && !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, strncmp(what, "note: ", 6) == 0 ? "%s\n" : "\r\033[K%s", what);
}

static int build(struct cli *cli, struct place *place, const struct lab *lab, const struct up_options *o)
{
	AUTO_FREE char *self = realpath("/proc/self/exe", NULL), *netd = NULL;
	struct lab_programs programs = { 0 };
	struct vnet_error err = { 0 };
	int r;

	netd = self ? find_netd(o->netd, self) : NULL;
	if (!netd) {
		vnet_error_set(&err, -ENOENT, "no-netd", "there is no netd at %s", o->netd ? o->netd : "PATH");
		return report_error(cli, &err);
	}
	programs.vnetctl = self;
	programs.netd = netd;
	r = holder_start(place, lab, &programs, print_progress, cli, &err);
	if (!cli->quiet && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	return r < 0 ? report_error(cli, &err) : EXIT_OK;
}

static int run_up(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	const struct up_options *o = options;
	AUTO_FREE char *name = o->name ? mem_strdup(o->name) : name_of_file(words->v[0]);
	AUTO(lab_free) struct lab *lab = NULL;
	AUTO_STRBUF struct strbuf text = { 0 };
	struct vnet_error err = { 0 };
	int64_t start = clock_now_ms();
	struct place place;
	int status;

	(void)rest;
	status = lab_load(cli, words->v[0], &text, &lab);
	if (status)
		return status;
	if (place_take(name, text.s, text.len, &place, &err) < 0)
		return report_error(cli, &err);
	status = build(cli, &place, lab, o);
	if (status) {
		place_remove(&place);
		return status;
	}
	place_release(&place);
	if (!cli->quiet && output_format(cli) == FORMAT_TABLE)
		printf("lab %s: up in %.1f s, %zu machines, %zu wires\n", name, (double)(clock_now_ms() - start) / 1000,
		       lab->machines.n, lab->wires.n);
	return EXIT_OK;
}

static int take_down(struct cli *cli, const char *name)
{
	struct vnet_error err = { 0 };
	struct place place;
	bool is_there;
	int r = place_find(name, &place, &err);

	if (r < 0)
		return report_error(cli, &err);
	is_there = access(place.folder, F_OK) == 0;
	if (!is_there)
		vnet_error_set(&err, -ENOENT, "not-up", "there is no lab %s; `vnetctl lab list` names them", name);
	else if (place.pid)
		place_kill(&place, &err);
	if (vnet_error_is_set(&err))
		return report_error(cli, &err);
	place_remove(&place);
	if (!cli->quiet && output_format(cli) == FORMAT_TABLE)
		printf("lab %s: down\n", name);
	return EXIT_OK;
}

static int run_down(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	int first = EXIT_OK;

	(void)options;
	(void)rest;
	vec_each(name, words) {
		int status = take_down(cli, *name);

		first = first ? first : status;
	}
	return first;
}

/* --- what there is --- */

static const struct column lab_columns[] = {
	{ "LAB", "name", COLUMN_TEXT, SHOW_ALWAYS },
	{ "STATE", "state", COLUMN_STATE, SHOW_ALWAYS },
	{ "PID", "pid", COLUMN_NUMBER, SHOW_ALWAYS },
	{ "MACHINES", "machines", COLUMN_NUMBER, SHOW_ALWAYS },
	{ "TITLE", "title", COLUMN_TEXT, SHOW_ALWAYS },
	{ 0 },
};

static json_t *describe_place(const char *name)
{
	AUTO(lab_free) struct lab *lab = NULL;
	struct place place;
	json_t *json;

	if (place_find(name, &place, NULL) < 0)
		return NULL;
	lab = lab_at(&place, NULL);
	json = json_pack("{s:s, s:s}", "name", name, "state", place.pid ? "up" : "dead");
	json_object_set_new(json, "pid", place.pid ? json_integer(place.pid) : json_null());
	json_object_set_new(json, "machines", lab ? json_integer((json_int_t)lab->machines.n) : json_null());
	json_object_set_new(json, "title", lab && lab->title ? json_string(lab->title) : json_null());
	return json;
}

static int run_list(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	json_t *labs = json_array();
	place_names names = { 0 };

	(void)options;
	(void)words;
	(void)rest;
	place_list(&names);
	vec_each(name, &names) {
		json_t *lab = describe_place(*name);

		if (lab)
			json_array_append_new(labs, lab);
		free(*name);
	}
	vec_free(&names);
	output_list(cli, lab_columns, labs, "labs");
	json_decref(labs);
	return EXIT_OK;
}

/* --- for udhcpc --- */

static int run_dhcp_event(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	struct vnet_error err = { 0 };

	(void)options;
	(void)rest;
	return dhcp_event(words->v[0], &err) < 0 ? report_error(cli, &err) : EXIT_OK;
}

#define UP(member) offsetof(struct up_options, member)
static const struct cli_option up_options[] = {
	{ .name = "name", .kind = OPTION_TEXT, .offset = UP(name), .value = "NAME",
	  .help = "the lab's name (the file's, without its ending)" },
	{ .name = "netd", .kind = OPTION_TEXT, .offset = UP(netd), .value = "PATH", .completes = COMPLETE_FILE,
	  .help = "the netd of its hosts (else VNET_NETD, else the one beside vnetctl)" },
	{ 0 },
};

const struct command lab_commands[] = {
	{ .group = "lab", .name = "up", .arguments = "LAB.yaml", .min_words = 1, .max_words = 1,
	  .completes = COMPLETE_FILE, .run = run_up, .options = up_options,
	  .options_size = sizeof(struct up_options),
	  .summary = "Build a topology of hosts, nodes and wires in namespaces",
	  .details = "Everything in it hangs on one process and ends with it; nothing of the host is touched.\n"
		     "Without root it is built in a user namespace, as far as the kernel allows that." },
	{ .group = "lab", .name = "down", .arguments = "LAB...", .min_words = 1, .max_words = -1,
	  .run = run_down, .summary = "Take labs away" },
	{ .group = "lab", .name = "list", .arguments = "", .run = run_list, .summary = "The labs that there are" },
	{ .group = "lab", .name = "dhcp-event", .arguments = "EVENT", .min_words = 1, .max_words = 1,
	  .is_hidden = true, .run = run_dhcp_event, .summary = "What udhcpc calls in a lab's nodes" },
	{ 0 },
};
