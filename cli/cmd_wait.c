/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_wait.c - port wait: until a port is up, or its guest has an address
 *
 * Subscribes first and looks afterwards, so that nothing can happen unseen in
 * between; then looks again whenever an event speaks of the port.
 */

#include "cli/output.h"
#include "cli/wait.h"

#include <errno.h>

#define WAIT_DEFAULT_S 60

/* What a look at the port says. */
enum look { LOOK_DONE, LOOK_WAIT, LOOK_ABSENT, LOOK_FAILED };

static enum look look_at(struct cli *cli, const char *name, bool for_lease, int *ret_status);
static bool speaks_of(const json_t *parameters, const char *name);
static void print_lease(const struct cli *cli, const json_t *port);

static int give_up(struct cli *cli, const char *name, bool seen, bool for_lease, unsigned seconds)
{
	struct vnet_error err = { 0 };

	if (seen)
		vnet_error_set(&err, -ETIMEDOUT, "timeout", "port %s: %s within %u s", name,
			       for_lease ? "no lease" : "not up", seconds);
	else
		vnet_error_set(&err, -ENOENT, "no-such-port",
			       "there is no port %s, and none came within %u s", name, seconds);
	return report_error(cli, &err);
}

int port_wait(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	const struct wait_options *o = options;
	bool for_lease = !o->what || !strcmp(o->what, "lease"), seen = false, changed = true;
	unsigned seconds = o->timeout ? o->timeout : WAIT_DEFAULT_S;
	int64_t deadline = wire_deadline((int)seconds * 1000);
	struct vnet_client *events = NULL;
	struct vnet_error err = { 0 };
	const char *name = words->v[0];
	int r, status;

	(void)rest;
	status = cli_connect(cli);
	if (status)
		return status;
	r = vnet_client_connect(cli->socket, &events, &err);
	if (r == 0)
		r = client_subscribe(events, "Monitor", NULL, &err);
	while (r == 0) {
		int64_t left = deadline - wire_deadline(0);
		json_t *parameters = NULL;

		r = client_next(events, left > 0 ? (int)left : 0, &parameters, &err);
		changed |= r >= 0 && speaks_of(parameters, name);
		json_decref(parameters);
		if (r < 0)
			break;
		if (!changed)
			continue;
		changed = false;
		switch (look_at(cli, name, for_lease, &status)) {
		case LOOK_DONE:
		case LOOK_FAILED:
			vnet_client_free(events);
			return status;
		case LOOK_ABSENT:
			if (!seen)
				break;
			vnet_error_set(&err, -ENOENT, "no-such-port",
				       "port %s went away while it was waited for", name);
			r = -ENOENT;
			break;
		case LOOK_WAIT:
			seen = true;
			break;
		}
	}
	vnet_client_free(events);
	if (r == -ETIMEDOUT)
		return give_up(cli, name, seen, for_lease, seconds);
	if (r > 0)
		vnet_error_set(&err, -ECONNRESET, "connection-closed", "netd ended the stream");
	return report_error(cli, &err);
}

static enum look look_at(struct cli *cli, const char *name, bool for_lease, int *ret_status)
{
	json_t *parameters = cli_parameters("name", name), *reply = NULL;
	struct vnet_error err = { 0 };
	enum look look = LOOK_WAIT;
	const json_t *port;
	const char *state;
	int r;

	r = client_call(cli->client, "DescribePort", parameters, &reply, &err);
	json_decref(parameters);
	if (r == -ENOENT)
		return LOOK_ABSENT;
	if (r < 0) {
		*ret_status = report_error(cli, &err);
		return LOOK_FAILED;
	}
	port = json_object_get(reply, "port");
	state = json_string_value(json_object_get(port, "state"));
	if (state && !strcmp(state, "blocked")) {
		report_problem(cli, json_object_get(port, "problem"), name);
		*ret_status = EXIT_FAILED;
		look = LOOK_FAILED;
	} else if (for_lease ? json_array_size(json_object_get(port, "leases")) > 0 :
			       state && !strcmp(state, "up")) {
		if (for_lease)
			print_lease(cli, port);
		*ret_status = EXIT_OK;
		look = LOOK_DONE;
	}
	json_decref(reply);
	return look;
}

/* Its own events, and what concerns all: the first reply, and lost events. */
static bool speaks_of(const json_t *parameters, const char *name)
{
	const json_t *events = json_object_get(parameters, "events"), *event;
	size_t i;

	json_array_foreach((json_t *)events, i, event) {
		const char *port = json_string_value(json_object_get(event, "port"));
		const char *what = json_string_value(json_object_get(event, "event"));

		if ((port && !strcmp(port, name)) || (what && !strcmp(what, "lost")))
			return true;
	}
	return false;
}

/* The address alone, for $(vnetctl port wait web1): the IPv4 one if there is one. */
static void print_lease(const struct cli *cli, const json_t *port)
{
	const json_t *leases = json_object_get(port, "leases"), *lease;
	const char *text = json_string_value(json_array_get(leases, 0));
	size_t i;

	if (output_format(cli) != FORMAT_TABLE) {
		output_value(cli, port);
		return;
	}
	json_array_foreach((json_t *)leases, i, lease) {
		const char *s = json_string_value(lease);

		if (s && !strchr(s, ':')) {
			text = s;
			break;
		}
	}
	print_safe(stdout, text ? text : "");
	putchar('\n');
}

const struct cli_option wait_option_table[] = {
	{ .name = "timeout", .kind = OPTION_NUMBER, .offset = offsetof(struct wait_options, timeout),
	  .value = "SECONDS", .min = 1, .max = 86400, .help = "how long at most (60)" },
	{ .name = "for", .kind = OPTION_CHOICE, .offset = offsetof(struct wait_options, what),
	  .value = "lease|up", .choices = "lease|up", .help = "an address (default), or the link" },
	{ 0 },
};
