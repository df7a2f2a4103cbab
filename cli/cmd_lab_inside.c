/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_lab_inside.c - what is done in a lab that is up: commands, impairments, captures, tests */

#include "cli/lab/cable.h"
#include "cli/lab/lab_cli.h"
#include "cli/lab/sight.h"
#include "cli/lab/space.h"
#include "cli/lab/test.h"
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- a command --- */

struct execution {
	const char *machine;
	const char *const *argv;
};

static int execute(struct cli *cli, void *context)
{
	const struct execution *e = context;
	struct vnet_error err = { 0 };
	int number;

	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	if (space_become(e->machine, &err) < 0)
		return report_error(cli, &err);
	execvp(e->argv[0], (char *const *)e->argv);
	number = errno;
	fprintf(stderr, "vnetctl: cannot run %s: %s\n", e->argv[0], strerror(number));
	return number == ENOENT ? EXIT_NO_COMMAND : EXIT_NOT_EXECUTABLE;
}

/* MACHINE in a lab that is up. */
static int find_machine(struct cli *cli, const char *name, const char *machine, struct place *ret_place)
{
	AUTO(lab_free) struct lab *lab = NULL;
	struct vnet_error err = { 0 };
	int status = lab_open(cli, name, ret_place, &lab);

	if (status || lab_find_machine(lab, machine))
		return status;
	vnet_error_set(&err, -ENOENT, "unknown-machine",
		       "lab %s has no machine %s; `vnetctl lab status %s` names them", name, machine, name);
	return report_error(cli, &err);
}

static int run_exec(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	VEC(const char *) argv = { 0 };
	struct place place;
	int status;

	(void)options;
	if (!rest->n)
		return report_usage(cli, "exec needs a command: vnetctl lab exec %s %s -- COMMAND...", words->v[0],
				    words->v[1]);
	status = find_machine(cli, words->v[0], words->v[1], &place);
	if (status)
		return status;
	vec_each(word, rest)
		vec_push(&argv, *word);
	vec_push(&argv, NULL);
	status = lab_run_inside(cli, &place, execute, &(struct execution){ words->v[1], argv.v });
	vec_free(&argv);
	return status;
}

static int run_shell(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	const char *shell = getenv("SHELL");
	const char *argv[] = { shell ? shell : "/bin/sh", NULL };
	struct place place;
	int status = find_machine(cli, words->v[0], words->v[1], &place);

	(void)options;
	(void)rest;
	return status ? status : lab_run_inside(cli, &place, execute, &(struct execution){ words->v[1], argv });
}

/* --- wires --- */

struct impair_options {
	const char *delay, *jitter, *loss, *rate;
	bool clear;
};

struct impair_job {
	const struct lab *lab;
	const struct lab_wire *wire;
	struct lab_impairment impairment;
};

static int impair_inside(struct cli *cli, void *context)
{
	struct impair_job *job = context;
	struct vnet_error err = { 0 };

	return cable_impair(job->lab, job->wire, &job->impairment, &err) < 0 ? report_error(cli, &err) : EXIT_OK;
}

/* Options speak the file's language. */
static int read_impairment(const struct impair_options *o, struct lab_impairment *ret, struct vnet_error *err)
{
	const struct { const char *key, *value; } given[] = {
		{ "delay", o->delay }, { "jitter", o->jitter }, { "loss", o->loss }, { "rate", o->rate },
	};
	json_t *json = json_object();
	AUTO_FREE char *text = NULL;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(given); i++)
		if (given[i].value)
			json_object_set_new(json, given[i].key, json_string(given[i].value));
	text = json_dumps(json, JSON_COMPACT);
	r = lab_impairment_from_yaml(text, ret, err);
	json_decref(json);
	if (r < 0)
		vnet_error_at(err, NULL, 0, 0, NULL);
	return r;
}

static int run_impair(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	const struct impair_options *o = options;
	AUTO(lab_free) struct lab *lab = NULL;
	struct impair_job job = { 0 };
	struct vnet_error err = { 0 };
	struct place place;
	int status;

	(void)rest;
	if (o->clear == (o->delay || o->jitter || o->loss || o->rate))
		return report_usage(cli, "impair takes --clear, or some of --delay, --jitter, --loss and --rate");
	if (read_impairment(o, &job.impairment, &err) < 0)
		return report_error(cli, &err);
	status = lab_open(cli, words->v[0], &place, &lab);
	if (status)
		return status;
	job.lab = lab;
	job.wire = lab_find_wire(lab, words->v[1]);
	if (!job.wire) {
		vnet_error_set(&err, -ENOENT, "unknown-wire", "lab %s has no wire %s", words->v[0], words->v[1]);
		return report_error(cli, &err);
	}
	status = lab_run_inside(cli, &place, impair_inside, &job);
	if (!status && !cli->quiet && output_format(cli) == FORMAT_TABLE) {
		AUTO_FREE char *text = lab_impairment_text(&job.impairment);

		printf("wire %s: %s\n", words->v[1], *text ? text : "no impairment");
	}
	return status;
}

/* --- frames --- */

struct capture_options {
	const char *file;
	unsigned count;
};

static int capture_inside(struct cli *cli, void *context)
{
	struct vnet_error err = { 0 };

	return sight_capture(context, &err) < 0 ? report_error(cli, &err) : EXIT_OK;
}

/* MACHINE:INTERFACE, or a wire: its first end. */
static int find_interface(const struct lab *lab, const char *word, struct capture *ret, struct vnet_error *err)
{
	const char *colon = strchr(word, ':');

	vec_each(m, &lab->machines)
		vec_each(interface, &(*m)->interfaces) {
			bool is_it = colon ? strlen((*m)->name) == (size_t)(colon - word) &&
						     !strncmp((*m)->name, word, (size_t)(colon - word)) :
					     interface->wire && !strcmp(interface->wire, word);

			if (is_it) {
				ret->machine = (*m)->name;
				ret->interface = colon ? colon + 1 : interface->name;
				return 0;
			}
		}
	return vnet_error_set(err, -ENOENT, "unknown-interface",
			      "%s is no wire of the lab, nor an interface of a machine like h1:vn-blue", word);
}

static int run_capture(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	const struct capture_options *o = options;
	bool is_stdout = !o->file || !strcmp(o->file, "-");
	struct capture capture = { .count = o->count, .fd = STDOUT_FILENO };
	AUTO(lab_free) struct lab *lab = NULL;
	struct vnet_error err = { 0 };
	struct place place;
	int status;

	(void)rest;
	status = lab_open(cli, words->v[0], &place, &lab);
	if (status)
		return status;
	if (find_interface(lab, words->v[1], &capture, &err) < 0)
		return report_error(cli, &err);
	if (is_stdout && isatty(STDOUT_FILENO))
		return report_usage(cli, "frames are not for a terminal: -w FILE, or | tcpdump -nr -");
	if (!is_stdout)
		capture.fd = open(o->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (capture.fd < 0) {
		vnet_error_set(&err, -errno, "unwritable", "cannot write %s: %s", o->file, strerror(errno));
		return report_error(cli, &err);
	}
	status = lab_run_inside(cli, &place, capture_inside, &capture);
	if (!is_stdout)
		close(capture.fd);
	return status;
}

/* --- expectations --- */

struct test_options {
	const char *junit;
};

struct test_job {
	const struct lab *lab;
	int fd;
};

static int test_inside(struct cli *cli, void *context)
{
	const struct test_job *job = context;
	size_t size = job->lab->expectations.n * sizeof(struct probe_result);
	AUTO_FREE struct probe_result *results = mem_alloc(size);

	(void)cli;
	test_run(job->lab, results);
	return pwrite(job->fd, results, size, 0) == (ssize_t)size ? EXIT_OK : EXIT_FAILED;
}

static json_t *results_to_json(const struct lab *lab, const struct probe_result *results)
{
	json_t *list = json_array();

	for (size_t i = 0; i < lab->expectations.n; i++)
		json_array_append_new(list, json_pack("{s:s, s:b, s:s*}", "expectation", lab->expectations.v[i].text,
						      "holds", results[i].holds, "reason",
						      results[i].reason[0] ? results[i].reason : NULL));
	return list;
}

static int print_results(struct cli *cli, const char *name, const struct test_options *o, const struct lab *lab,
			 const struct probe_result *results)
{
	FILE *f = o->junit ? fopen(o->junit, "we") : NULL;
	bool all_hold = true;

	if (o->junit && !f) {
		fprintf(stderr, "vnetctl: cannot write %s: %s\n", o->junit, strerror(errno));
		return EXIT_FAILED;
	}
	if (f) {
		test_print_junit(f, name, lab, results);
		fclose(f);
	}
	if (output_format(cli) == FORMAT_TABLE) {
		test_print_tap(stdout, lab, results);
	} else {
		json_t *list = results_to_json(lab, results);

		output_value(cli, list);
		json_decref(list);
	}
	for (size_t i = 0; i < lab->expectations.n; i++)
		all_hold &= results[i].holds;
	return all_hold ? EXIT_OK : EXIT_FAILED;
}

static int run_test(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	AUTO_FREE struct probe_result *results = NULL;
	AUTO(lab_free) struct lab *lab = NULL;
	struct test_job job = { 0 };
	struct place place;
	size_t size;
	int status;

	(void)rest;
	status = lab_open(cli, words->v[0], &place, &lab);
	if (status)
		return status;
	size = lab->expectations.n * sizeof(*results);
	results = mem_alloc(size + 1);
	job = (struct test_job){ lab, memfd_create("results", MFD_CLOEXEC) };
	status = lab_run_inside(cli, &place, test_inside, &job);
	if (!status && pread(job.fd, results, size, 0) != (ssize_t)size)
		status = EXIT_FAILED;
	close(job.fd);
	return status ? status : print_results(cli, words->v[0], options, lab, results);
}

#define IMPAIR(member) offsetof(struct impair_options, member)
static const struct cli_option impair_options[] = {
	{ .name = "delay", .kind = OPTION_TEXT, .offset = IMPAIR(delay), .value = "TIME",
	  .help = "of each frame, in each direction: 20ms" },
	{ .name = "jitter", .kind = OPTION_TEXT, .offset = IMPAIR(jitter), .value = "TIME",
	  .help = "by which the delay varies" },
	{ .name = "loss", .kind = OPTION_TEXT, .offset = IMPAIR(loss), .value = "SHARE", .help = "1%" },
	{ .name = "rate", .kind = OPTION_TEXT, .offset = IMPAIR(rate), .value = "RATE", .help = "10mbit" },
	{ .name = "clear", .kind = OPTION_FLAG, .offset = IMPAIR(clear), .help = "as good as new" },
	{ 0 },
};

#define CAPTURE(member) offsetof(struct capture_options, member)
static const struct cli_option capture_options[] = {
	{ .name = "write", .letter = 'w', .kind = OPTION_TEXT, .offset = CAPTURE(file), .value = "FILE",
	  .completes = COMPLETE_FILE, .help = "where to (the output, if that is no terminal)" },
	{ .name = "count", .letter = 'c', .kind = OPTION_NUMBER, .offset = CAPTURE(count), .value = "N", .min = 1,
	  .max = 1000000000, .help = "end after so many frames (else with ^C)" },
	{ 0 },
};

#define TEST(member) offsetof(struct test_options, member)
static const struct cli_option test_options[] = {
	{ .name = "junit", .kind = OPTION_TEXT, .offset = TEST(junit), .value = "FILE", .completes = COMPLETE_FILE,
	  .help = "write the results as JUnit's XML, too" },
	{ 0 },
};

const struct command lab_inside_commands[] = {
	{ .group = "lab", .name = "exec", .arguments = "LAB MACHINE -- COMMAND...", .min_words = 2, .max_words = 2,
	  .takes_rest = true, .run = run_exec, .summary = "Run a command in a machine of a lab",
	  .details = "On a host VNET_SOCKET names its netd: `vnetctl lab exec LAB HOST -- vnetctl port list`." },
	{ .group = "lab", .name = "shell", .arguments = "LAB MACHINE", .min_words = 2, .max_words = 2,
	  .run = run_shell, .summary = "A shell in a machine of a lab" },
	{ .group = "lab", .name = "impair", .arguments = "LAB WIRE", .min_words = 2, .max_words = 2,
	  .run = run_impair, .options = impair_options, .options_size = sizeof(struct impair_options),
	  .summary = "Make a wire slow, lossy or late, or good again" },
	{ .group = "lab", .name = "capture", .arguments = "LAB WIRE|MACHINE:INTERFACE", .min_words = 2,
	  .max_words = 2, .run = run_capture, .options = capture_options,
	  .options_size = sizeof(struct capture_options),
	  .summary = "Record the frames of a wire or an interface, as a pcap file" },
	{ .group = "lab", .name = "test", .arguments = "LAB", .min_words = 1, .max_words = 1,
	  .run = run_test, .options = test_options, .options_size = sizeof(struct test_options),
	  .summary = "Try what the lab file expects; TAP on the output",
	  .details = "Exit status 1 when an expectation does not hold; the reason is below it." },
	{ 0 },
};
