/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_apply.c - apply and plan: definitions in, operations in words out */

#include "cli/file.h"
#include "cli/output.h"

#define APPLY_TIMEOUT_MS (5 * 60 * 1000)

struct apply_options {
	const char *file;
	bool dry_run, disruptive;
};

static int call_with_file(struct cli *cli, const char *method, const struct apply_options *o,
			  json_t **ret_reply);
static void print_operations(const struct cli *cli, FILE *f, const json_t *operations);
static int report_networks(const struct cli *cli, const json_t *networks);
static void print_outcomes(const json_t *networks);

static void print_reply(struct cli *cli, const json_t *reply, const char *nothing)
{
	const json_t *operations = json_object_get(reply, "operations");

	if (output_format(cli) != FORMAT_TABLE) {
		output_value(cli, reply);
		return;
	}
	if (cli->quiet)
		return;
	print_operations(cli, stdout, operations);
	if (!json_array_size(operations))
		puts(nothing);
	report_notes(cli, json_object_get(reply, "notes"));
}

static int run_plan(struct cli *cli, const void *options, const text_vec *words,
		    const text_vec *rest)
{
	json_t *reply = NULL;
	int status;

	(void)words;
	(void)rest;
	status = call_with_file(cli, "Plan", options, &reply);
	if (status)
		return status;
	print_reply(cli, reply, "nothing to do");
	json_decref(reply);
	return EXIT_OK;
}

static int run_repair(struct cli *cli, const void *options, const text_vec *words,
		      const text_vec *rest)
{
	json_t *reply = NULL;
	int status;

	(void)options;
	(void)rest;
	status = cli_call(cli, "Repair", cli_parameters("network", words->n ? words->v[0] : NULL),
			  &reply);
	if (!status)
		print_reply(cli, reply, "nothing was to be repaired");
	json_decref(reply);
	return status;
}

static int run_apply(struct cli *cli, const void *options, const text_vec *words,
		     const text_vec *rest)
{
	const struct apply_options *o = options;
	json_t *reply = NULL;
	int status;

	(void)rest;
	if (words->n)
		return report_usage(cli, "the file goes with -f: vnetctl apply -f %s", words->v[0]);
	if (!o->file)
		return report_usage(cli, "apply needs -f FILE (or -f - for standard input)");
	status = call_with_file(cli, o->dry_run ? "Plan" : "Apply", o, &reply);
	if (status)
		return status;
	print_reply(cli, reply, "nothing to do");
	status = report_networks(cli, json_object_get(reply, "networks"));
	json_decref(reply);
	return status;
}

int apply_networks(struct cli *cli, json_t *networks)
{
	json_t *parameters = json_object(), *reply = NULL;
	int status;

	json_object_set(parameters, "networks", networks);
	status = cli_connect(cli);
	if (status) {
		json_decref(parameters);
		return status;
	}
	vnet_client_set_timeout(cli->client, APPLY_TIMEOUT_MS);
	status = cli_call(cli, "Apply", parameters, &reply);
	if (status)
		return status;
	print_reply(cli, reply, "nothing to do");
	status = report_networks(cli, json_object_get(reply, "networks"));
	json_decref(reply);
	return status;
}

/*
 * The file as netd is told of it, by its whole path: netd remembers it as the
 * definition's source, and knows its own files below networks.d by it.
 */
static char *whole_path(const char *name, bool is_stdin)
{
	char *path = is_stdin ? NULL : realpath(name, NULL);

	return path ? path : mem_strdup(name);
}

/* Whether an error, which may hold only the beginning of a long path, points into the file. */
static bool points_into(const struct vnet_error *err, const char *path)
{
	return err->file[0] && !strncmp(err->file, path, sizeof(err->file) - 1);
}

/* Sends the file's text; an error that points into it is shown with its line. */
static int call_with_file(struct cli *cli, const char *method, const struct apply_options *o,
			  json_t **ret_reply)
{
	const char *name = o->file && !strcmp(o->file, "-") ? "<stdin>" : o->file;
	AUTO_FREE char *path = name ? whole_path(name, name != o->file) : NULL;
	AUTO_STRBUF struct strbuf text = { 0 };
	json_t *parameters = json_object();
	bool is_inside;
	struct vnet_error err = { 0 };
	int r = 0, status;

	if (name)
		r = file_read(o->file, &text, &err);
	if (r == 0 && name)
		r = file_check_text(text.s, text.len, name, &err);
	if (r < 0) {
		json_decref(parameters);
		return report_error_in(cli, &err, text.s, text.len);
	}
	if (name) {
		json_object_set_new(parameters, "yaml", json_stringn(text.s, text.len));
		json_object_set_new(parameters, "file", json_string(path));
	}
	if (o->disruptive && !o->dry_run)
		json_object_set_new(parameters, "disruptive", json_true());
	status = cli_connect(cli);
	if (status) {
		json_decref(parameters);
		return status;
	}
	vnet_client_set_timeout(cli->client, APPLY_TIMEOUT_MS);
	r = client_call(cli->client, method, parameters, ret_reply, &err);
	json_decref(parameters);
	if (r == 0)
		return EXIT_OK;
	is_inside = path && points_into(&err, path);
	if (is_inside)
		snprintf(err.file, sizeof(err.file), "%s", name);
	status = report_error_in(cli, &err, is_inside ? text.s : NULL, text.len);
	print_operations(cli, stderr,
			 json_object_get(client_error_parameters(cli->client), "operations"));
	print_outcomes(json_object_get(client_error_parameters(cli->client), "networks"));
	return status;
}

/* Of several networks, when one has failed: the error tells of the first only. */
static void print_outcomes(const json_t *networks)
{
	const json_t *network;
	size_t i;

	if (json_array_size(networks) < 2)
		return;
	json_array_foreach((json_t *)networks, i, network) {
		const char *name = json_string_value(json_object_get(network, "name"));
		const char *outcome = json_string_value(json_object_get(network, "outcome"));

		fputs("network ", stderr);
		print_safe(stderr, name ? name : "");
		fputs(": ", stderr);
		print_safe(stderr, outcome ? outcome : "");
		fputc('\n', stderr);
	}
}

/* " (guests may still send larger packets; ports web, db and 7 more)" */
static void print_disturbed(FILE *f, const json_t *op)
{
	const char *why = json_string_value(json_object_get(op, "why"));
	const json_t *ports = json_object_get(op, "ports"), *port;
	json_int_t more = json_integer_value(json_object_get(op, "portCount"));
	size_t i;

	if (!why)
		return;
	fputs(" (", f);
	print_safe(f, why);
	json_array_foreach((json_t *)ports, i, port) {
		fputs(i ? ", " : "; ports ", f);
		print_safe(f, json_string_value(port));
		more--;
	}
	if (more > 0)
		fprintf(f, " and %lld more", (long long)more);
	fputc(')', f);
}

/* "! blue: set vn-blue mtu 1400 (…)": the mark says that running guests notice. */
static void print_operations(const struct cli *cli, FILE *f, const json_t *operations)
{
	const json_t *op;
	size_t i;

	json_array_foreach((json_t *)operations, i, op) {
		const char *network = json_string_value(json_object_get(op, "network"));
		const char *text = json_string_value(json_object_get(op, "text"));
		bool loses = json_is_true(json_object_get(op, "losesTraffic"));
		bool color = f == stdout ? cli->color_out : cli->color_err;

		fputs(!loses ? "  " : color ? COLOR_BAD "! " COLOR_RESET : "! ", f);
		if (network && *network) {
			print_safe(f, network);
			fputs(": ", f);
		}
		print_safe(f, text ? text : "");
		if (loses)
			print_disturbed(f, op);
		fputc('\n', f);
	}
}

/* What apply did not bring up: because it could not, or because nobody wants it up. */
static int report_networks(const struct cli *cli, const json_t *networks)
{
	int status = EXIT_OK;
	const json_t *network;
	size_t i;

	json_array_foreach((json_t *)networks, i, network) {
		const char *name = json_string_value(json_object_get(network, "name"));
		const char *state = json_string_value(json_object_get(network, "state"));

		if (name && state && !strcmp(state, "stopped") && !cli->quiet &&
		    output_format(cli) == FORMAT_TABLE) {
			fputs("note: network ", stderr);
			print_safe(stderr, name);
			fputs(" is stopped; `vnetctl network start ", stderr);
			print_safe(stderr, name);
			fputs("` starts it\n", stderr);
		}
		if (!name || !state || strcmp(state, "failed"))
			continue;
		report_problem(cli, json_object_get(network, "problem"), name);
		status = EXIT_FAILED;
	}
	return status;
}

#define FIELD(member) offsetof(struct apply_options, member)
#define FILE_OPTION \
	{ .name = "file", .letter = 'f', .kind = OPTION_TEXT, .offset = FIELD(file), \
	  .value = "FILE", .completes = COMPLETE_FILE, \
	  .help = "definitions in YAML; - is standard input" }

static const struct cli_option apply_options[] = {
	FILE_OPTION,
	{ .name = "dry-run", .kind = OPTION_FLAG, .offset = FIELD(dry_run),
	  .help = "only print what would be done" },
	{ .name = "disruptive", .kind = OPTION_FLAG, .offset = FIELD(disruptive),
	  .help = "also make changes that running guests notice" },
	{ 0 },
};
static const struct cli_option plan_options[] = { FILE_OPTION, { 0 } };

const struct command apply_commands[] = {
	{ .name = "apply", .arguments = "-f FILE", .max_words = 1, .options = apply_options,
	  .options_size = sizeof(struct apply_options), .run = run_apply,
	  .summary = "Define or change networks, and start them",
	  .details = "All definitions are checked before anything is done.  A change that running\n"
		     "guests would notice is refused, marked with !, unless --disruptive is given." },
	{ .name = "plan", .arguments = "[-f FILE]", .options = plan_options,
	  .options_size = sizeof(struct apply_options), .run = run_plan,
	  .summary = "Print what apply would do; without FILE, what a repair would do" },
	{ .name = "repair", .arguments = "[NETWORK]", .max_words = 1, .completes = COMPLETE_NETWORK,
	  .run = run_repair, .summary = "Put back now what others changed, also what netd holds",
	  .details = "netd does so by itself.  What somebody changes again and again it leaves as it is\n"
		     "(state blocked, or a problem of code interference) until nobody has touched it\n"
		     "for a while, or this command." },
	{ 0 },
};
