/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_network.c - network list, show, start, stop, delete */

#include "cli/output.h"
#include "model/network.h"

#include <errno.h>
#include <fnmatch.h>

static const struct column network_columns[] = {
	{ "NAME", "name", COLUMN_TEXT, SHOW_ALWAYS },
	{ "MODE", "mode", COLUMN_TEXT, SHOW_ALWAYS },
	{ "STATE", "state", COLUMN_STATE, SHOW_ALWAYS },
	{ "BRIDGE", "bridge", COLUMN_TEXT, SHOW_ALWAYS },
	{ "UPLINK", "uplink", COLUMN_TEXT, SHOW_IF_ANY },
	{ "VLAN", "vlan", COLUMN_VLAN, SHOW_IF_ANY },
	{ "MTU", "mtu", COLUMN_NUMBER, SHOW_RECORD },
	{ "PORTS", "ports", COLUMN_NUMBER, SHOW_ALWAYS },
	{ "ADDRESSES", "addresses", COLUMN_TEXT, SHOW_ALWAYS },
	{ "AUTOSTART", "autostart", COLUMN_TEXT, SHOW_RECORD },
	{ "SOURCE", "source", COLUMN_TEXT, SHOW_RECORD },
	{ "PROBLEM", "problem", COLUMN_PROBLEM, SHOW_RECORD_IF_ANY },
	{ 0 },
};
/* Of the ports in `network show`. */
static const struct column port_columns[] = {
	{ "PORT", "name", COLUMN_TEXT, SHOW_ALWAYS },
	{ "INTERFACE", "ifname", COLUMN_TEXT, SHOW_ALWAYS },
	{ "STATE", "state", COLUMN_STATE, SHOW_ALWAYS },
	{ "KIND", "kind", COLUMN_TEXT, SHOW_ALWAYS },
	{ "MAC", "mac", COLUMN_TEXT, SHOW_ALWAYS },
	{ "VLAN", "vlan", COLUMN_VLAN, SHOW_IF_ANY },
	{ "PCI ADDRESS", "pciAddress", COLUMN_TEXT, SHOW_IF_ANY },
	{ "LEASES", "leases", COLUMN_TEXT, SHOW_ALWAYS },
	{ 0 },
};
/* Of its links to other hosts: a line for each peer. */
static const struct column link_columns[] = {
	{ "LINK", "link", COLUMN_TEXT, SHOW_ALWAYS },
	{ "KIND", "kind", COLUMN_TEXT, SHOW_ALWAYS },
	{ "KEY", "key", COLUMN_NUMBER, SHOW_IF_ANY },
	{ "LOCAL", "local", COLUMN_TEXT, SHOW_ALWAYS },
	{ "PEER", "peer", COLUMN_TEXT, SHOW_ALWAYS },
	{ "DEVICE", "device", COLUMN_TEXT, SHOW_ALWAYS },
	{ 0 },
};

struct network_options {
	bool force, definition;
};

static int run_list(struct cli *cli, const void *options, const text_vec *words,
		    const text_vec *rest)
{
	json_t *reply = NULL;
	int status = cli_call(cli, "ListNetworks", NULL, &reply);

	(void)options;
	(void)words;
	(void)rest;
	if (!status)
		output_list(cli, network_columns, json_object_get(reply, "networks"), "networks");
	json_decref(reply);
	return status;
}

static void add_peer(json_t *rows, const struct network *net, const struct network_link *link,
		     const struct ip *peer)
{
	char local[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX] = "", device[16];
	json_t *row;

	ip_format(&link->local, local);
	if (peer)
		ip_format(peer, to);
	/* All peers of a VXLAN are behind one device. */
	network_link_device(net, link, link->kind == LINK_VXLAN ? NULL : peer, device);
	row = json_pack("{s:s, s:s, s:s, s:s, s:s}", "link", link->name, "kind",
			link_kind_name(link->kind), "local", local, "peer", to, "device", device);
	if (link->has_key)
		json_object_set_new(row, "key", json_integer(link->key));
	json_array_append_new(rows, row);
}

/* The definition says which links there are, the model what their devices are called. */
static void print_links(const struct cli *cli, const char *name, const json_t *definition)
{
	json_t *definitions = json_pack("{s:O}", name, definition), *rows = json_array();
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };

	/* A newer netd's definition may have keys that this program does not know: then no links are told. */
	if (definitions && networks_from_json(definitions, &nets, &err) == 0)
		vec_each(link, &nets.v[0]->links) {
			if (!link->peers.n)
				add_peer(rows, nets.v[0], link, NULL);
			vec_each(peer, &link->peers)
				add_peer(rows, nets.v[0], link, peer);
		}
	if (json_array_size(rows)) {
		putchar('\n');
		output_list(cli, link_columns, rows, "links");
	}
	json_decref(rows);
	json_decref(definitions);
}

/* The canonical definition, in the shape that apply takes. */
static void print_definition(const struct cli *cli, const char *name, const json_t *reply)
{
	json_t *file = json_pack("{s:{s:O}}", "networks", name,
				 json_object_get(reply, "definition"));

	if (output_format(cli) == FORMAT_TABLE)
		yaml_print(stdout, file);
	else
		output_value(cli, file);
	json_decref(file);
}

static int run_show(struct cli *cli, const void *options, const text_vec *words,
		    const text_vec *rest)
{
	const struct network_options *o = options;
	json_t *reply = NULL;
	const json_t *ports;
	int status;

	(void)rest;
	status = cli_call(cli, "DescribeNetwork", cli_parameters("name", words->v[0]), &reply);
	if (status)
		return status;
	ports = json_object_get(reply, "ports");
	if (o->definition) {
		print_definition(cli, words->v[0], reply);
	} else if (output_format(cli) != FORMAT_TABLE) {
		output_value(cli, reply);
	} else {
		output_record(cli, network_columns, json_object_get(reply, "network"));
		if (json_array_size(ports)) {
			putchar('\n');
			output_list(cli, port_columns, ports, "ports");
		}
		print_links(cli, words->v[0], json_object_get(reply, "definition"));
	}
	json_decref(reply);
	return EXIT_OK;
}

static bool is_pattern(const char *word)
{
	return word[strcspn(word, "*?[")] != '\0';
}

static void add_once(text_vec *names, const char *name)
{
	vec_each(n, names)
		if (!strcmp(*n, name))
			return;
	vec_push(names, name);
}

static size_t add_matches(text_vec *names, const char *pattern, const json_t *networks)
{
	const json_t *network;
	size_t i, n = 0;

	json_array_foreach((json_t *)networks, i, network) {
		const char *name = json_string_value(json_object_get(network, "name"));

		if (name && !fnmatch(pattern, name, 0)) {
			add_once(names, name);
			n++;
		}
	}
	return n;
}

/*
 * Words with '*', '?' or '[' stand for the networks that they match, as in a
 * shell.  Names point into words and *ret_list.  A pattern that matches nothing
 * is reported; the other words still count.
 */
static int expand_names(struct cli *cli, const text_vec *words, json_t **ret_list, text_vec *ret)
{
	int first = EXIT_OK;

	vec_each(word, words) {
		struct vnet_error err = { 0 };

		if (!is_pattern(*word)) {
			add_once(ret, *word);
			continue;
		}
		if (!*ret_list) {
			int status = cli_call(cli, "ListNetworks", NULL, ret_list);

			if (status)
				return status;
		}
		if (add_matches(ret, *word, json_object_get(*ret_list, "networks")))
			continue;
		vnet_error_set(&err, -ENOENT, "no-such-network",
			       "no network that you may see matches '%s'", *word);
		first = report_error(cli, &err);
	}
	return first;
}

/* A verb: its method for one network, and for many at once where netd has that. */
struct verb {
	const char *method, *bulk_method, *done;
};

static void told(struct cli *cli, const struct verb *verb, const char *name, const json_t *reply)
{
	report_notes(cli, json_object_get(reply, "notes"));
	if (output_format(cli) != FORMAT_TABLE)
		output_value(cli, reply);
	else if (!cli->quiet)
		printf("network %s: %s\n", name, verb->done);
}

static int call_for_name(struct cli *cli, const struct verb *verb, bool force, const char *name)
{
	json_t *parameters = cli_parameters("name", name), *reply = NULL;
	int status;

	if (force)
		json_object_set_new(parameters, "force", json_true());
	status = cli_call(cli, verb->method, parameters, &reply);
	if (!status)
		told(cli, verb, name, reply);
	json_decref(reply);
	return status;
}

/*
 * One call for all, which costs little more than one network does.  netd does
 * all or nothing then; where it does nothing, so does this, quietly: one by one
 * tells which of them cannot be done, and does the others.
 */
static bool call_for_all(struct cli *cli, const struct verb *verb, bool force,
			 const text_vec *names)
{
	json_t *list = json_array(), *reply = NULL, *parameters;
	struct vnet_error err = { 0 };
	bool is_done;

	vec_each(name, names)
		json_array_append_new(list, json_string(*name));
	parameters = json_pack("{s:o, s:b}", "names", list, "force", force);
	is_done = json_array_size(list) == names->n && !cli_connect(cli) &&
		  client_call(cli->client, verb->bulk_method, parameters, &reply, &err) == 0;
	for (size_t i = 0; is_done && i < names->n; i++) {
		const json_t *network = json_array_get(json_object_get(reply, "networks"), i);
		json_t *part = network ? json_pack("{s:O}", "network", network) : json_object();

		told(cli, verb, names->v[i], part);
		json_decref(part);
	}
	json_decref(parameters);
	json_decref(reply);
	return is_done;
}

/* Goes on after a failure and returns the first one's status. */
static int for_each_name(struct cli *cli, const struct verb *verb, bool force,
			 const text_vec *words)
{
	text_vec names = { 0 };
	json_t *list = NULL;
	int first = expand_names(cli, words, &list, &names);
	bool is_done = first != EXIT_UNREACHABLE && verb->bulk_method && names.n > 1 &&
		       call_for_all(cli, verb, force, &names);

	for (size_t i = 0; !is_done && i < names.n && first != EXIT_UNREACHABLE; i++) {
		int status = call_for_name(cli, verb, force, names.v[i]);

		if (!first || status == EXIT_UNREACHABLE)
			first = status;
	}
	vec_free(&names);
	json_decref(list);
	return first;
}

static int run_start(struct cli *cli, const void *options, const text_vec *words,
		     const text_vec *rest)
{
	static const struct verb start = { "StartNetwork", NULL, "started" };

	(void)options;
	(void)rest;
	return for_each_name(cli, &start, false, words);
}

static int run_stop(struct cli *cli, const void *options, const text_vec *words,
		    const text_vec *rest)
{
	static const struct verb stop = { "StopNetwork", "StopNetworks", "stopped" };

	(void)rest;
	return for_each_name(cli, &stop, ((const struct network_options *)options)->force, words);
}

static int run_delete(struct cli *cli, const void *options, const text_vec *words,
		      const text_vec *rest)
{
	static const struct verb delete = { "DeleteNetwork", "DeleteNetworks", "deleted" };

	(void)rest;
	return for_each_name(cli, &delete, ((const struct network_options *)options)->force, words);
}

#define FIELD(member) offsetof(struct network_options, member)
static const struct cli_option show_options[] = {
	{ .name = "definition", .letter = 'd', .kind = OPTION_FLAG, .offset = FIELD(definition),
	  .help = "print the definition as apply takes it" },
	{ 0 },
};
static const struct cli_option force_options[] = {
	{ .name = "force", .kind = OPTION_FLAG, .offset = FIELD(force),
	  .help = "although guests are attached" },
	{ 0 },
};

#define NETWORK(verb, args, min, max, opts, function, text) \
	{ .group = "network", .name = verb, .arguments = args, .min_words = min, \
	  .max_words = max, .options = opts, .options_size = sizeof(struct network_options), \
	  .completes = COMPLETE_NETWORK, .run = function, .summary = text }

const struct command network_commands[] = {
	NETWORK("list", "", 0, 0, NULL, run_list, "All networks that you may see"),
	NETWORK("show", "NAME", 1, 1, show_options, run_show, "One network, its state and ports"),
	NETWORK("start", "NAME...", 1, -1, NULL, run_start, "Build it"),
	NETWORK("stop", "NAME...", 1, -1, force_options, run_stop, "Take it down, keep its definition"),
	NETWORK("delete", "NAME...", 1, -1, force_options, run_delete, "Take it down and forget it"),
	{ 0 },
};
