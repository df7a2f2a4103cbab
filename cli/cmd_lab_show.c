/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_lab_show.c - labs looked at: the state of one that is up, a drawing of one that need not be */

#include "cli/lab/dhcp.h"
#include "cli/lab/host.h"
#include "cli/lab/lab_cli.h"
#include "cli/output.h"
#include "lab/graph.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- status --- */

static const struct column machine_columns[] = {
	{ "MACHINE", "name", COLUMN_TEXT, SHOW_ALWAYS },
	{ "KIND", "kind", COLUMN_TEXT, SHOW_ALWAYS },
	{ "STATE", "state", COLUMN_STATE, SHOW_ALWAYS },
	{ "INTERFACES", "interfaces", COLUMN_TEXT, SHOW_ALWAYS },
	{ "PROBLEM", "problem", COLUMN_TEXT, SHOW_IF_ANY },
	{ 0 },
};

struct status_job {
	const struct lab *lab;
	FILE *out;
};

/* "up", or what its netd has to say of its networks; "down" when it does not answer. */
static void describe_host(const struct lab_machine *m, json_t *ret)
{
	struct vnet_client *client = NULL;
	struct vnet_error err = { 0 };
	json_t *reply = NULL, *network;
	const char *state = "up";
	size_t i;

	if (host_connect(m->name, &client, &err) < 0 || client_call(client, "ListNetworks", NULL, &reply, &err) < 0)
		state = "down";
	json_array_foreach(json_object_get(reply, "networks"), i, network) {
		const char *message = json_string_value(json_object_get(json_object_get(network, "problem"), "message"));

		if (!message)
			continue;
		state = "degraded";
		json_object_set_new(ret, "problem", json_string(message));
	}
	json_object_set_new(ret, "state", json_string(state));
	json_decref(reply);
	vnet_client_free(client);
}

static bool has_port(const struct lab_machine *m, const struct lab_interface *interface)
{
	AUTO_FREE char *name = host_port_name(m, interface);
	json_t *parameters = json_pack("{s:s}", "name", name), *reply = NULL;
	struct vnet_client *client = NULL;
	bool is_there = host_connect(interface->host, &client, NULL) == 0 &&
			client_call(client, "DescribePort", parameters, &reply, NULL) == 0;

	json_decref(parameters);
	json_decref(reply);
	vnet_client_free(client);
	return is_there;
}

/* A guest that has ended has no ports any more; a node's interface on a network is one. */
static void describe_node(const struct lab_machine *m, json_t *ret)
{
	const char *state = "up";

	vec_each(interface, &m->interfaces)
		if (interface->host && !has_port(m, interface))
			state = "down";
	json_object_set_new(ret, "state", json_string(state));
}

static json_t *describe_interfaces(const struct lab_machine *m)
{
	json_t *list = json_array();
	char buf[ADDR_TEXT_MAX];

	vec_each(interface, &m->interfaces) {
		AUTO_FREE char *lease = interface->dhcp ? dhcp_lease(m->name, interface->name) : NULL;
		AUTO_FREE char *text = mem_printf("%s %s%s%s %s", interface->name,
						  interface->wire ? interface->wire : interface->host,
						  interface->wire ? "" : "/", interface->wire ? "" : interface->network,
						  lease ? lease : interface->addresses.n ?
						  prefix_format(interface->addresses.v, buf) : "-");

		json_array_append_new(list, json_string(text));
	}
	return list;
}

static int status_inside(struct cli *cli, void *context)
{
	const struct status_job *job = context;
	json_t *machines = json_array();

	(void)cli;
	vec_each(m, &job->lab->machines) {
		json_t *json = json_pack("{s:s, s:s}", "name", (*m)->name, "kind",
					 (*m)->is_host ? "host" : (*m)->qemu.n ? "guest" : "node");

		if ((*m)->is_host)
			describe_host(*m, json);
		else
			describe_node(*m, json);
		json_object_set_new(json, "interfaces", describe_interfaces(*m));
		json_array_append_new(machines, json);
	}
	json_dumpf(machines, job->out, JSON_COMPACT);
	json_decref(machines);
	return EXIT_OK;
}

static int run_status(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	AUTO(lab_free) struct lab *lab = NULL;
	struct status_job job = { 0 };
	json_t *machines = NULL;
	struct place place;
	int status = lab_open(cli, words->v[0], &place, &lab);

	(void)options;
	(void)rest;
	if (status)
		return status;
	job = (struct status_job){ lab, fdopen(memfd_create("status", MFD_CLOEXEC), "w+") };
	status = lab_run_inside(cli, &place, status_inside, &job);
	rewind(job.out);
	if (!status)
		machines = json_loadf(job.out, 0, NULL);
	fclose(job.out);
	if (machines)
		output_list(cli, machine_columns, machines, "machines");
	json_decref(machines);
	return status;
}

/* --- graph --- */

struct graph_options {
	const char *format;
};

/* By Graphviz, which knows how to lay out a graph. */
static int print_svg(const char *dot)
{
	FILE *f;
	int status;

	fflush(stdout);
	f = popen("dot -Tsvg", "we");
	if (!f)
		return EXIT_FAILED;
	fputs(dot, f);
	status = pclose(f);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		fprintf(stderr, "vnetctl: an SVG is drawn by Graphviz's dot, which is not installed; --format dot does without\n");
	return status ? EXIT_FAILED : EXIT_OK;
}

static int print_graph(const struct lab *lab, const char *format)
{
	AUTO(graph_free) struct graph *graph = graph_new(lab);
	bool is_text = !format || !strcmp(format, "text");
	AUTO_FREE char *text = is_text ? graph_to_text(graph) : graph_to_dot(graph);

	if (format && !strcmp(format, "svg"))
		return print_svg(text);
	fputs(text, stdout);
	return EXIT_OK;
}

static int run_graph(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	const struct graph_options *o = options;
	AUTO(lab_free) struct lab *lab = NULL;
	AUTO_STRBUF struct strbuf text = { 0 };
	bool is_file = strchr(words->v[0], '/') || strchr(words->v[0], '.');
	struct place place;
	int status = is_file ? lab_load(cli, words->v[0], &text, &lab) :
			       lab_open(cli, words->v[0], &place, &lab);

	(void)rest;
	return status ? status : print_graph(lab, o->format);
}

static const struct cli_option graph_options[] = {
	{ .name = "format", .kind = OPTION_CHOICE, .offset = offsetof(struct graph_options, format), .value = "FORMAT",
	  .choices = "text|dot|svg", .help = "text (default), Graphviz's dot, or svg" },
	{ 0 },
};

const struct command lab_show_commands[] = {
	{ .group = "lab", .name = "status", .arguments = "LAB", .min_words = 1, .max_words = 1, .run = run_status,
	  .summary = "The machines of a lab" },
	{ .group = "lab", .name = "graph", .arguments = "LAB|LAB.yaml", .min_words = 1, .max_words = 1,
	  .completes = COMPLETE_FILE, .run = run_graph, .options = graph_options,
	  .options_size = sizeof(struct graph_options), .summary = "Draw the topology of a lab" },
	{ 0 },
};
