/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_list.c - lease list and fdb list */

#include "cli/output.h"

static const struct column lease_columns[] = {
	{ "NETWORK", "network", COLUMN_TEXT, SHOW_ALWAYS },
	{ "ADDRESS", "address", COLUMN_TEXT, SHOW_ALWAYS },
	{ "MAC", "mac", COLUMN_TEXT, SHOW_ALWAYS },
	{ "HOSTNAME", "hostname", COLUMN_TEXT, SHOW_ALWAYS },
	{ "PORT", "port", COLUMN_TEXT, SHOW_ALWAYS },
	{ "EXPIRES", "expires", COLUMN_TIME, SHOW_ALWAYS },
	{ 0 },
};

static const struct column fdb_columns[] = {
	{ "NETWORK", "network", COLUMN_TEXT, SHOW_ALWAYS },
	{ "MAC", "mac", COLUMN_TEXT, SHOW_ALWAYS },
	{ "INTERFACE", "ifname", COLUMN_TEXT, SHOW_ALWAYS },
	{ "PORT", "port", COLUMN_TEXT, SHOW_ALWAYS },
	{ "VLAN", "vlan", COLUMN_NUMBER, SHOW_ALWAYS },
	{ "LOCAL", "isLocal", COLUMN_TEXT, SHOW_ALWAYS },
	{ "STATIC", "isStatic", COLUMN_TEXT, SHOW_ALWAYS },
	{ "AGE (ms)", "ageMs", COLUMN_NUMBER, SHOW_ALWAYS },
	{ 0 },
};

static int list(struct cli *cli, const char *method, const char *key, const char *what,
		const struct column *columns, const text_vec *words)
{
	json_t *reply = NULL;
	int status;

	status = cli_call(cli, method,
			  cli_parameters("network", words->n ? words->v[0] : NULL), &reply);
	if (!status)
		output_list(cli, columns, json_object_get(reply, key), what);
	json_decref(reply);
	return status;
}

static int run_leases(struct cli *cli, const void *options, const text_vec *words,
		      const text_vec *rest)
{
	(void)options;
	(void)rest;
	return list(cli, "ListLeases", "leases", "leases", lease_columns, words);
}

static int run_fdb(struct cli *cli, const void *options, const text_vec *words,
		   const text_vec *rest)
{
	(void)options;
	(void)rest;
	return list(cli, "ListFdb", "entries", "addresses", fdb_columns, words);
}

const struct command list_commands[] = {
	{ .group = "lease", .name = "list", .arguments = "[NETWORK]", .max_words = 1,
	  .completes = COMPLETE_NETWORK, .run = run_leases,
	  .summary = "Addresses that DHCP gave out" },
	{ .group = "fdb", .name = "list", .arguments = "[NETWORK]", .max_words = 1,
	  .completes = COMPLETE_NETWORK, .run = run_fdb,
	  .summary = "MAC addresses that the bridges know (brctl showmacs)" },
	{ 0 },
};
