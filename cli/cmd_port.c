/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_port.c - port list, show, attach, detach, update; cmd_wait.c has port wait */

#include "cli/attach.h"
#include "cli/output.h"
#include "cli/wait.h"

#include <limits.h>

static const struct column port_columns[] = {
	{ "NAME", "name", COLUMN_TEXT, SHOW_ALWAYS },
	{ "NETWORK", "network", COLUMN_TEXT, SHOW_ALWAYS },
	{ "INTERFACE", "ifname", COLUMN_TEXT, SHOW_ALWAYS },
	{ "STATE", "state", COLUMN_STATE, SHOW_ALWAYS },
	{ "KIND", "kind", COLUMN_TEXT, SHOW_ALWAYS },
	{ "MAC", "mac", COLUMN_TEXT, SHOW_ALWAYS },
	{ "LEARNS MAC", "learnsMac", COLUMN_TEXT, SHOW_RECORD },
	{ "VLAN", "vlan", COLUMN_VLAN, SHOW_IF_ANY },
	{ "VF", "vf", COLUMN_NUMBER, SHOW_IF_ANY },
	{ "PCI ADDRESS", "pciAddress", COLUMN_TEXT, SHOW_IF_ANY },
	{ "ADDRESSES", "addresses", COLUMN_TEXT, SHOW_RECORD },
	{ "LEASES", "leases", COLUMN_TEXT, SHOW_ALWAYS },
	{ "QUEUES", "queues", COLUMN_NUMBER, SHOW_RECORD },
	{ "MTU", "mtu", COLUMN_NUMBER, SHOW_RECORD },
	{ "TXQUEUELEN", "txqueuelen", COLUMN_NUMBER, SHOW_RECORD },
	{ "ISOLATED", "isolated", COLUMN_TEXT, SHOW_RECORD },
	{ "LEARNING", "learning", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "FLOOD", "flood", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "MCAST FLOOD", "multicastFlood", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "HAIRPIN", "hairpin", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "PROXY ARP", "proxyArp", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "OFFLOADS", "offloads", COLUMN_SWITCHES, SHOW_RECORD_IF_ANY },
	{ "IN", "bandwidth.in", COLUMN_LIMIT, SHOW_RECORD_IF_ANY },
	{ "OUT", "bandwidth.out", COLUMN_LIMIT, SHOW_RECORD_IF_ANY },
	{ "GUARD", "guard.policy", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "ALLOWED", "guard.allow", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "SOURCES", "guard.addresses", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "SOURCE MACS", "guard.macs", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "ETHERTYPES", "guard.ethertypes", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "STORM LIMITS", "guard.storm", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "LEARN", "guard.learn", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "HELD", "held", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "NETNS", "netns", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "INSIDE", "inside.ifname", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "INSIDE ADDR", "inside.addresses", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "ROUTES", "inside.routes", COLUMN_ROUTES, SHOW_RECORD_IF_ANY },
	{ "GROUPS", "groups", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "MACHINE", "machine", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "PERSISTENT", "persistent", COLUMN_TEXT, SHOW_RECORD },
	{ "ADOPTED", "adopted", COLUMN_TEXT, SHOW_RECORD },
	{ "PID", "ownerPid", COLUMN_NUMBER, SHOW_ALWAYS },
	{ "UID", "ownerUid", COLUMN_NUMBER, SHOW_RECORD },
	{ "CREATED", "created", COLUMN_TIME, SHOW_RECORD },
	{ "DROPPED", "dropped", COLUMN_NUMBER, SHOW_RECORD },
	{ "DROPS", "drops", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "PROBLEM", "problem", COLUMN_PROBLEM, SHOW_RECORD_IF_ANY },
	{ 0 },
};

struct port_attach_options {
	struct attach_options attach;
	const char *adopt;
	bool persistent;
};

struct port_update_options {
	const char *mac, *isolated, *link;
	text_vec addresses;
	bool no_addresses, disruptive;
	unsigned mtu, txqueuelen;
	struct setting_options settings;
};

static int run_list(struct cli *cli, const void *options, const text_vec *words,
		    const text_vec *rest)
{
	json_t *reply = NULL;
	int status;

	(void)options;
	(void)rest;
	status = cli_call(cli, "ListPorts",
			  cli_parameters("network", words->n ? words->v[0] : NULL), &reply);
	if (!status)
		output_list(cli, port_columns, json_object_get(reply, "ports"), "ports");
	json_decref(reply);
	return status;
}

static int run_show(struct cli *cli, const void *options, const text_vec *words,
		    const text_vec *rest)
{
	json_t *reply = NULL;
	int status;

	(void)options;
	(void)rest;
	status = cli_call(cli, "DescribePort", cli_parameters("name", words->v[0]), &reply);
	if (!status)
		output_record(cli, port_columns, json_object_get(reply, "port"));
	json_decref(reply);
	return status;
}

static int run_attach(struct cli *cli, const void *options, const text_vec *words,
		      const text_vec *rest)
{
	const struct port_attach_options *o = options;
	struct vnet_error err = { 0 };
	struct attach_request a;
	json_t *parameters, *reply = NULL;
	int status;

	(void)rest;
	if (!o->persistent && !o->adopt && !o->attach.netns && !o->attach.owner_pid)
		return report_usage(cli,
				    "a port lives as long as its descriptors or its process, and "
				    "vnetctl ends at once: use `vnetctl run %s -- COMMAND` to hand "
				    "it to a command, or --persistent, --netns or --owner-pid",
				    words->v[0]);
	if (attach_request_fill(&o->attach, words->v[0], &a, &err) < 0) {
		attach_request_free(&a);
		return report_error(cli, &err);
	}
	a.request.persistent = o->persistent;
	/* vnetctl keeps no descriptor, so one of vhost-net would serve nobody. */
	if (o->persistent && !o->attach.vhost)
		a.request.vhost = VNET_OFF;
	if (o->adopt) {
		a.request.adopt = true;
		a.request.ifname = o->adopt;
	}
	parameters = client_attach_parameters(&a.request);
	attach_request_free(&a);
	status = cli_call(cli, "AttachPort", parameters, &reply);
	if (status)
		return status;
	output_record(cli, port_columns, json_object_get(reply, "port"));
	report_notes(cli, json_object_get(reply, "notes"));
	json_decref(reply);
	return EXIT_OK;
}

static int run_detach(struct cli *cli, const void *options, const text_vec *words,
		      const text_vec *rest)
{
	(void)options;
	(void)rest;
	return cli_call_each(cli, "DetachPort", words, "port", "detached");
}

static json_t *update_parameters(const struct port_update_options *o, const char *name)
{
	json_t *p = cli_parameters("name", name);

	if (o->mac)
		json_object_set_new(p, "mac", json_string(o->mac));
	if (o->addresses.n || o->no_addresses) {
		json_t *addresses = json_array();

		vec_each(address, &o->addresses)
			json_array_append_new(addresses, json_string(*address));
		json_object_set_new(p, "addresses", addresses);
	}
	if (o->mtu)
		json_object_set_new(p, "mtu", json_integer(o->mtu));
	if (o->txqueuelen)
		json_object_set_new(p, "txqueuelen", json_integer(o->txqueuelen));
	if (o->isolated)
		json_object_set_new(p, "isolated", json_boolean(!strcmp(o->isolated, "on")));
	if (o->link)
		json_object_set_new(p, "linkDown", json_boolean(!strcmp(o->link, "down")));
	return p;
}

static int run_update(struct cli *cli, const void *options, const text_vec *words,
		      const text_vec *rest)
{
	const struct port_update_options *o = options;
	json_t *parameters, *reply = NULL;
	struct vnet_error err = { 0 };
	struct attach_request settings;
	int status;

	(void)rest;
	if (setting_request_fill(&o->settings, &settings, &err) < 0) {
		attach_request_free(&settings);
		return report_error(cli, &err);
	}
	parameters = update_parameters(o, words->v[0]);
	client_port_settings(&settings.request, parameters);
	attach_request_free(&settings);
	if (json_object_size(parameters) == 1) {
		json_decref(parameters);
		return report_usage(cli, "nothing to change: give an option, see "
					 "`vnetctl port update --help`");
	}
	if (o->disruptive)
		json_object_set_new(parameters, "disruptive", json_true());
	status = cli_call(cli, "UpdatePort", parameters, &reply);
	if (!status && (!cli->quiet || output_format(cli) != FORMAT_TABLE))
		output_record(cli, port_columns, json_object_get(reply, "port"));
	json_decref(reply);
	return status;
}

static const struct cli_option attach_options[] = {
	ATTACH_OPTIONS(struct port_attach_options, "tap|veth|macvtap|macvlan|vf"),
	ATTACH_OPTION(struct port_attach_options, netns, .name = "netns", .kind = OPTION_TEXT,
		      .value = "NAME|PATH", .completes = COMPLETE_NETNS,
		      .help = "veth, macvlan: the namespace of the interface"),
	ATTACH_OPTION(struct port_attach_options, inside, .name = "inside", .kind = OPTION_TEXT,
		      .value = "KEY=VALUE,...",
		      .help = "there: ifname=eth0,address=A,gateway=G,route=TO via G"),
	ATTACH_OPTION(struct port_attach_options, owner_pid, .name = "owner-pid",
		      .kind = OPTION_NUMBER, .value = "PID", .min = 1, .max = INT_MAX,
		      .help = "the process that it is for; a macvtap or vf ends with it"),
	{ .name = "persistent", .kind = OPTION_FLAG,
	  .offset = offsetof(struct port_attach_options, persistent),
	  .help = "the device stays until `port detach`" },
	{ .name = "adopt", .kind = OPTION_TEXT, .value = "IFNAME",
	  .offset = offsetof(struct port_attach_options, adopt),
	  .help = "take over an existing TAP device" },
	{ 0 },
};

#define FIELD(member) offsetof(struct port_update_options, member)
static const struct cli_option update_options[] = {
	{ .name = "mac", .kind = OPTION_TEXT, .offset = FIELD(mac), .value = "MAC",
	  .help = "the guest's MAC address" },
	{ .name = "address", .kind = OPTION_TEXTS, .offset = FIELD(addresses), .value = "ADDRESS",
	  .help = "reserve these instead; may be repeated" },
	{ .name = "no-addresses", .kind = OPTION_FLAG, .offset = FIELD(no_addresses),
	  .help = "reserve none" },
	{ .name = "mtu", .kind = OPTION_NUMBER, .offset = FIELD(mtu), .value = "BYTES",
	  .min = 68, .max = 65535, .help = "MTU" },
	{ .name = "txqueuelen", .kind = OPTION_NUMBER, .offset = FIELD(txqueuelen),
	  .value = "PACKETS", .min = 1, .max = 1000000, .help = "queue length towards the guest" },
	{ .name = "isolated", .kind = OPTION_CHOICE, .offset = FIELD(isolated), .value = "on|off",
	  .choices = "on|off", .help = "cannot talk to the network's other isolated ports" },
	SETTING_OPTIONS(struct port_update_options, settings),
	{ .name = "link", .kind = OPTION_CHOICE, .offset = FIELD(link), .value = "up|down",
	  .choices = "up|down", .help = "plug or pull the cable" },
	{ .name = "disruptive", .kind = OPTION_FLAG, .offset = FIELD(disruptive),
	  .help = "also what makes the guest lose packets (--txqueuelen)" },
	{ 0 },
};

#define PORT(verb, args, min, max, what, text, ...) \
	{ .group = "port", .name = verb, .arguments = args, .min_words = min, .max_words = max, \
	  .completes = what, .summary = text, __VA_ARGS__ }

const struct command port_commands[] = {
	PORT("list", "[NETWORK]", 0, 1, COMPLETE_NETWORK, "Ports that you may see",
	     .run = run_list),
	PORT("show", "NAME", 1, 1, COMPLETE_PORT, "One port with all that is known of it",
	     .run = run_show),
	PORT("attach", "NETWORK", 1, 1, COMPLETE_NETWORK,
	     "Make a port that stays, one for a container, or adopt a TAP",
	     .run = run_attach, .options = attach_options,
	     .options_size = sizeof(struct port_attach_options)),
	PORT("detach", "NAME...", 1, -1, COMPLETE_PORT, "Take a port off its network",
	     .run = run_detach),
	PORT("update", "NAME", 1, 1, COMPLETE_PORT, "Change a port while its guest runs",
	     .run = run_update, .options = update_options,
	     .options_size = sizeof(struct port_update_options)),
	/* What `ip link` calls it. */
	PORT("set", "NAME", 1, 1, COMPLETE_PORT, "port update", .run = run_update,
	     .options = update_options, .options_size = sizeof(struct port_update_options),
	     .is_hidden = true),
	PORT("wait", "NAME", 1, 1, COMPLETE_PORT, "Wait for the guest's address and print it",
	     .run = port_wait, .options = wait_option_table,
	     .options_size = sizeof(struct wait_options)),
	{ 0 },
};
