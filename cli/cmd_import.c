/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_import.c - import libvirt, export libvirt: networks of libvirt's as ours, and back */

#include "base/strbuf.h"
#include "cli/file.h"
#include "cli/import.h"
#include "import/libvirt.h"
#include "model/check.h"
#include "model/definitions.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

/*
 * --all reads libvirt's own files, not `virsh net-dumpxml`: they are there when
 * libvirt is stopped for the move, reading them starts nothing, and what starts
 * by itself is seen from the links in autostart/.
 */
#define LIBVIRT_NETWORKS "/etc/libvirt/qemu/networks"
#define LIBVIRT_RUNNING "/run/libvirt/network"

struct import_options {
	const char *name, *folder, *file;
	bool all, apply, partial;
};

/* What one run found. */
struct import_run {
	struct cli *cli;
	const struct import_options *options;
	network_vec networks;
	json_t *report;
	bool has_loss;
	int status;             /* of the first file that was refused */
};

/* --- import ------------------------------------------------------------------------------- */

static void refuse(struct import_run *run, int status)
{
	if (!run->status)
		run->status = status;
}

/* *ret: the network that was read, borrowed; NULL when it was refused. */
static void import_file(struct import_run *run, const char *path, struct network **ret)
{
	const char *file = strcmp(path, "-") ? path : "<stdin>";
	AUTO_IMPORT_REPORT struct import_report report = { 0 };
	AUTO(element_free) struct xml_element *root = NULL;
	AUTO_STRBUF struct strbuf text = { 0 };
	struct vnet_error err = { 0 };
	struct network *net;
	int status = import_read_xml(run->cli, path, &root, &text);

	*ret = NULL;
	if (status) {
		refuse(run, status);
		return;
	}
	if (libvirt_network_import(root, file, run->options->name, &net, &report, &err) < 0) {
		refuse(run, report_error_in(run->cli, &err, text.s, text.len));
		return;
	}
	*ret = *vec_push(&run->networks, net);
	run->has_loss |= import_report_has_loss(&report);
	if (output_format(run->cli) == FORMAT_TABLE)
		import_print_report(run->cli, file, &report);
	import_add_report(run->report, file, &report);
}

static int is_xml(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 4 && entry->d_name[0] != '.' && !strcmp(entry->d_name + n - 4, ".xml");
}

/* Networks that run without a definition are in no file of the folder. */
static void tell_transient(const struct import_run *run)
{
	struct dirent **entries = NULL;
	int n = scandir(LIBVIRT_RUNNING, &entries, is_xml, alphasort);

	for (int i = 0; i < n; i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", LIBVIRT_NETWORKS, entries[i]->d_name);
		size_t size = strlen(entries[i]->d_name) - 4;

		if (access(path, F_OK) < 0 && !run->cli->quiet) {
			fputs("note: network ", stderr);
			entries[i]->d_name[size] = '\0';
			print_safe(stderr, entries[i]->d_name);
			fputs(" runs in libvirt without a definition; `virsh net-dumpxml` shows it, "
			      "and what it shows can be imported\n", stderr);
		}
		free(entries[i]);
	}
	free(entries);
}

static void import_folder(struct import_run *run, const char *folder)
{
	struct dirent **entries = NULL;
	int n = scandir(folder, &entries, is_xml, alphasort);
	struct vnet_error err = { 0 };

	if (n < 0) {
		vnet_error_set(&err, -EIO, "file-unreadable", "cannot read %s: %s", folder,
			       strerror(errno));
		refuse(run, report_error(run->cli, &err));
	}
	for (int i = 0; i < n; i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", folder, entries[i]->d_name);
		AUTO_FREE char *link = mem_printf("%s/autostart/%s", folder, entries[i]->d_name);
		struct network *net;

		import_file(run, path, &net);
		if (net)
			net->autostart = access(link, F_OK) == 0;
		free(entries[i]);
	}
	free(entries);
	if (!run->options->folder)
		tell_transient(run);
}

static void check_together(struct import_run *run)
{
	struct vnet_error err = { 0 };

	if (networks_check(run->networks.v, run->networks.n, &err) < 0)
		refuse(run, report_error(run->cli, &err));
}

static void print_networks(const struct import_run *run, json_t *definitions)
{
	if (output_format(run->cli) == FORMAT_TABLE) {
		if (run->networks.n)
			yaml_print(stdout, definitions);
		return;
	}
	json_object_set(definitions, "report", run->report);
	output_value(run->cli, definitions);
	json_object_del(definitions, "report");
}

static int finish_import(struct import_run *run)
{
	struct vnet_error err = { 0 };
	json_t *definitions = networks_to_json(run->networks.v, run->networks.n);
	int status = run->status;

	if (!run->options->apply) {
		print_networks(run, definitions);
	} else if (status) {
		vnet_error_set(&err, -EINVAL, "import-refused",
			       "nothing is applied, because not all could be imported");
		report_error(run->cli, &err);
	} else if (run->has_loss && !run->options->partial) {
		vnet_error_set(&err, -EINVAL, "import-incomplete",
			       "nothing is applied, because something would be lost (see above); "
			       "--partial applies the rest");
		status = report_error(run->cli, &err);
	} else {
		status = apply_networks(run->cli, json_object_get(definitions, "networks"));
	}
	json_decref(definitions);
	return status;
}

static int run_import_libvirt(struct cli *cli, const void *options, const text_vec *words,
			      const text_vec *rest)
{
	const struct import_options *o = options;
	struct import_run run = { .cli = cli, .options = o };
	struct network *net;
	int status;

	(void)rest;
	if (o->all ? words->n : !words->n)
		return report_usage(cli, "import libvirt takes files, or --all");
	if (o->name && (o->all || words->n > 1))
		return report_usage(cli, "--name is for one network");
	if (o->folder && !o->all)
		return report_usage(cli, "--folder says where --all looks");
	run.report = json_array();
	if (o->all)
		import_folder(&run, o->folder ? o->folder : LIBVIRT_NETWORKS);
	vec_each(word, words)
		import_file(&run, *word, &net);
	check_together(&run);
	status = finish_import(&run);
	json_decref(run.report);
	network_vec_free(&run.networks);
	return status;
}

/* --- export ------------------------------------------------------------------------------- */

/* The networks of a file, or netd's by their names. */
static int find_networks(struct cli *cli, const struct import_options *o, const text_vec *words,
			 network_vec *ret)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct vnet_error err = { 0 };

	if (o->file) {
		const char *file = strcmp(o->file, "-") ? o->file : "<stdin>";
		int r = file_read(o->file, &text, &err);

		if (r == 0)
			r = networks_from_yaml(text.s, text.len, file, ret, &err);
		return r < 0 ? report_error_in(cli, &err, text.s, text.len) : EXIT_OK;
	}
	vec_each(word, words) {
		json_t *reply = NULL, *definitions;
		network_vec found = { 0 };
		int r, status = cli_call(cli, "DescribeNetwork", cli_parameters("name", *word), &reply);

		if (status)
			return status;
		definitions = json_pack("{s:O}", *word, json_object_get(reply, "definition"));
		r = networks_from_json(definitions, &found, &err);
		json_decref(definitions);
		json_decref(reply);
		if (r < 0)
			return report_error(cli, &err);
		vec_push(ret, found.v[0]);
		vec_free(&found);
	}
	return EXIT_OK;
}

static bool is_wanted(const char *name, const text_vec *words)
{
	vec_each(word, words)
		if (!strcmp(name, *word))
			return true;
	return !words->n;
}

static int run_export_libvirt(struct cli *cli, const void *options, const text_vec *words,
			      const text_vec *rest)
{
	const struct import_options *o = options;
	AUTO_NETWORKS network_vec nets = { 0 };
	json_t *list = json_array();
	int status;

	(void)rest;
	if (!o->file && !words->n)
		status = report_usage(cli, "export libvirt takes names of networks, or -f FILE");
	else
		status = find_networks(cli, o, words, &nets);
	vec_each(net, &nets) {
		AUTO_IMPORT_REPORT struct import_report report = { 0 };
		AUTO_FREE char *xml = NULL;
		json_t *items = json_array();

		if (status || !is_wanted((*net)->name, words))
			continue;
		xml = libvirt_network_export(*net, &report);
		import_add_report(items, o->file ? o->file : (*net)->name, &report);
		json_array_append_new(list, json_pack("{s:s, s:s, s:O}", "name", (*net)->name, "xml", xml,
						      "report", items));
		json_decref(items);
		if (output_format(cli) != FORMAT_TABLE)
			continue;
		fputs(xml, stdout);
		import_print_report(cli, o->file ? o->file : (*net)->name, &report);
	}
	if (!status && output_format(cli) != FORMAT_TABLE)
		output_value(cli, list);
	json_decref(list);
	return status;
}

#define FIELD(member) offsetof(struct import_options, member)
static const struct cli_option export_options[] = {
	{ .name = "file", .letter = 'f', .kind = OPTION_TEXT, .offset = FIELD(file),
	  .value = "FILE", .completes = COMPLETE_FILE,
	  .help = "definitions in YAML, in place of netd's" },
	{ 0 },
};
static const struct cli_option import_options[] = {
	{ .name = "all", .kind = OPTION_FLAG, .offset = FIELD(all),
	  .help = "all networks that libvirt has defined, from its files" },
	{ .name = "folder", .kind = OPTION_TEXT, .offset = FIELD(folder), .value = "FOLDER",
	  .completes = COMPLETE_FILE,
	  .help = "where --all looks (else " LIBVIRT_NETWORKS ")" },
	{ .name = "apply", .kind = OPTION_FLAG, .offset = FIELD(apply),
	  .help = "define and start the networks, in place of printing them" },
	{ .name = "partial", .kind = OPTION_FLAG, .offset = FIELD(partial),
	  .help = "apply even though something is lost" },
	{ .name = "name", .kind = OPTION_TEXT, .offset = FIELD(name), .value = "NAME",
	  .help = "what to call the network" },
	{ 0 },
};

const struct command import_commands[] = {
	{ .group = "import", .name = "libvirt", .arguments = "FILE.xml...|--all", .max_words = -1,
	  .completes = COMPLETE_FILE, .options = import_options,
	  .options_size = sizeof(struct import_options), .run = run_import_libvirt,
	  .summary = "Print networks of libvirt as YAML, and what that leaves out",
	  .details = "What is not carried over, or works otherwise, is told on standard error with its\n"
		     "line, reason and remedy; docs/reference-import.md explains the codes.  A file that\n"
		     "cannot be imported does not stop the others." },
	{ .group = "import", .name = "nwfilter", .arguments = "FILE.xml...", .min_words = 1,
	  .max_words = -1, .completes = COMPLETE_FILE, .run = run_import_nwfilter,
	  .summary = "Print filters of libvirt as guard and security group, and what that leaves out" },
	{ .group = "import", .name = "qemu", .arguments = "FILE...", .min_words = 1, .max_words = -1,
	  .completes = COMPLETE_FILE, .run = run_import_qemu,
	  .summary = "Explain qemu-ifup scripts and bridge.conf, and print what replaces them",
	  .details = "Nothing is run.  Each line is told as found, done by netd anyway, or not understood." },
	{ .group = "export", .name = "libvirt", .arguments = "NETWORK...", .max_words = -1,
	  .completes = COMPLETE_NETWORK, .options = export_options,
	  .options_size = sizeof(struct import_options), .run = run_export_libvirt,
	  .summary = "Print networks as libvirt's XML, and what that leaves out",
	  .details = "Each document is one for `virsh net-define`." },
	{ 0 },
};
