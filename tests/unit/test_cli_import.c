/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_cli_import.c - libvirt's networks as ours and back.
 *
 * tests/golden/import/NAME.xml is imported; what comes out is NAME.expected: the
 * canonical form or the error, the report, and the XML that is exported again.
 * Those that begin with "filter" are filters; NAME.ifup are scripts of QEMU's.
 * UPDATE_GOLDEN=1 rewrites it: read the difference before committing.
 */

#include "base/strbuf.h"
#include "cli/xml.h"
#include "import/libvirt.h"
#include "import/nwfilter.h"
#include "import/qemu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/support/golden.h"

#include <glob.h>
#include <stdio.h>

#define GOLDEN "tests/golden/import/"

static void put_report(struct strbuf *b, const struct import_report *report)
{
	vec_each(item, &report->items)
		strbuf_printf(b, "%u: %s: %s%s%s%s [%s]\n", item->line,
			      import_loss_name(item->code->loss), item->what, item->detail ? " (" : "",
			      item->detail ? item->detail : "", item->detail ? ")" : "",
			      item->code->code);
}

static void put_network(struct strbuf *b, struct network *net)
{
	json_t *json = networks_to_json(&net, 1);
	AUTO_FREE char *text = json_dumps(json, JSON_INDENT(2));

	strbuf_printf(b, "%s\n", text);
	json_decref(json);
}

/* What was exported is imported again, and is the same. */
static void put_export(struct strbuf *b, const struct network *net)
{
	AUTO_IMPORT_REPORT struct import_report report = { 0 }, again = { 0 };
	AUTO(element_free) struct xml_element *root = NULL;
	AUTO_FREE char *xml = libvirt_network_export(net, &report);
	AUTO(network_free) struct network *back = NULL;
	struct vnet_error err = { 0 };

	strbuf_printf(b, "=== export\n%s", xml);
	put_report(b, &report);
	if (xml_read(xml, strlen(xml), "exported", &root, &err) < 0 ||
	    libvirt_network_import(root, "exported", NULL, &back, &again, &err) < 0)
		fail_msg("%s in\n%s", err.message, xml);
	strbuf_append(b, "=== imported again\n");
	if (network_equal(net, back))
		strbuf_append(b, "the same\n");
	else
		put_network(b, back);
	put_report(b, &again);
}

static int put_filter(struct strbuf *b, struct xml_element *root, const char *file,
		      struct import_report *report, struct vnet_error *err)
{
	AUTO_NWFILTER struct nwfilter_import filter = { 0 };
	int r = nwfilter_import(root, file, &filter, report, err);
	json_t *json = json_pack("{s:O*, s:O*}", "guard", filter.guard, "groups", filter.groups);
	AUTO_FREE char *text = json_dumps(json, JSON_INDENT(2));

	json_decref(json);
	if (r == 0)
		strbuf_printf(b, "%s\n", text);
	return r;
}

static void explain_script(struct strbuf *b, const char *path)
{
	AUTO(qemu_import_free) struct qemu_import *q = qemu_import_new();
	AUTO_IMPORT_REPORT struct import_report report = { 0 }, left = { 0 };
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO_FREE char *text = golden_read(path, NULL);
	struct vnet_error err = { 0 };

	qemu_import_read(q, text, &report);
	if (qemu_import_finish(q, &nets, &left, &err) < 0)
		strbuf_printf(b, "%s: %s [%s]\n", err.path, err.message, err.code);
	vec_each(net, &nets)
		put_network(b, *net);
	put_report(b, &report);
	put_report(b, &left);
}

static void import_into(struct strbuf *b, const char *path)
{
	const char *file = strrchr(path, '/') + 1;
	AUTO_IMPORT_REPORT struct import_report report = { 0 };
	AUTO(element_free) struct xml_element *root = NULL;
	AUTO(network_free) struct network *net = NULL;
	AUTO_FREE char *text = golden_read(path, NULL);
	struct vnet_error err = { 0 };
	char message[1024];

	bool is_filter = strncmp(file, "filter", 6) == 0;
	int r = xml_read(text, strlen(text), file, &root, &err);

	if (r == 0 && is_filter)
		r = put_filter(b, root, file, &report, &err);
	else if (r == 0)
		r = libvirt_network_import(root, file, NULL, &net, &report, &err);
	if (r < 0) {
		strbuf_printf(b, "%s [%s]\n", vnet_error_text(&err, message, sizeof(message)),
			      err.code);
		return;
	}
	if (is_filter) {
		put_report(b, &report);
		return;
	}
	put_network(b, net);
	put_report(b, &report);
	put_export(b, net);
}

static void test_goldens(void **state)
{
	size_t failed = 0;
	glob_t found;

	(void)state;
	assert_int_equal(glob(GOLDEN "*.xml", 0, NULL, &found), 0);
	assert_int_equal(glob(GOLDEN "*.ifup", GLOB_APPEND, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *path = found.gl_pathv[i];
		AUTO_FREE char *golden = mem_printf("%.*s.expected", (int)(strrchr(path, '.') - path), path);
		AUTO_STRBUF struct strbuf b = { 0 };

		if (strstr(path, ".ifup"))
			explain_script(&b, path);
		else
			import_into(&b, path);
		failed += !golden_holds(golden, b.s);
	}
	globfree(&found);
	assert_int_equal(failed, 0);
}

static void put(void *context, const char *data, size_t size)
{
	strbuf_append_n(context, data, size);
}

/* Every definition can be exported, and what comes out is XML of a network. */
static void test_export_of_all(void **state)
{
	unsigned n_networks = 0;
	glob_t found;

	(void)state;
	assert_int_equal(glob("tests/golden/model/*.yaml", 0, NULL, &found), 0);
	assert_int_equal(glob("configs/examples/*.yaml", GLOB_APPEND, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		AUTO_FREE char *text = golden_read(found.gl_pathv[i], NULL);
		AUTO_NETWORKS network_vec nets = { 0 };

		if (networks_from_yaml(text, strlen(text), NULL, &nets, NULL) < 0)
			continue;
		vec_each(net, &nets) {
			AUTO_IMPORT_REPORT struct import_report report = { 0 };
			AUTO(element_free) struct xml_element *root = NULL;
			AUTO_FREE char *xml = libvirt_network_export(*net, &report);
			AUTO_STRBUF struct strbuf out = { 0 };
			struct vnet_error err = { 0 };

			/* Not each in a process: they are hundreds. */
			xml_parse(xml, strlen(xml), put, &out);
			if (xml_decode(out.s, out.len, found.gl_pathv[i], &root, &err) < 0)
				fail_msg("%s: %s in\n%s", found.gl_pathv[i], err.message, xml);
			assert_string_equal(root->name, "network");
			n_networks++;
		}
	}
	globfree(&found);
	assert_true(n_networks > 50);
}

/* The manual has every code, and what becomes of it. */
static void test_codes_are_documented(void **state)
{
	AUTO_FREE char *manual = golden_read("docs/reference-import.md", NULL);

	(void)state;
	assert_non_null(manual);
	for (const struct import_code *c = import_codes; c->code; c++) {
		AUTO_FREE char *quoted = mem_printf("`%s`", c->code);

		if (!strstr(manual, quoted))
			fail_msg("docs/reference-import.md lacks %s", quoted);
		assert_non_null(c->reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goldens),
		cmocka_unit_test(test_export_of_all),
		cmocka_unit_test(test_codes_are_documented),
	};

	return cmocka_run_group_tests_name("cli_import", tests, NULL, NULL);
}
