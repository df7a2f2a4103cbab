/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_live_changes.c - docs/live-changes.md has a row for every key there is
 *
 * What the rows claim is tried by tests/lab/test_live_changes.py, under traffic.
 */

#include "base/mem.h"
#include "base/strbuf.h"
#include "model/network_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define DOCUMENT "docs/live-changes.md"

static char *document;

static int read_document(void **state)
{
	FILE *f = fopen(DOCUMENT, "r");
	size_t size = 0;

	(void)state;
	assert_non_null(f);
	assert_true(getdelim(&document, &size, '\0', f) > 0);
	fclose(f);
	return 0;
}

static int free_document(void **state)
{
	(void)state;
	free(document);
	return 0;
}

/* A row of its own, or the row of the list whose items are changed as a whole. */
static bool has_row(const char *section, const char *end, const char *path)
{
	AUTO_FREE char *row = mem_printf("\n| `%s` |", path);
	const char *found = strstr(section, row);

	return found && found < end;
}

static void check_keys(const char *section, const char *end, const struct schema *s,
		       const char *above, struct strbuf *missing)
{
	for (size_t i = 0; i < s->n_fields; i++) {
		const struct schema_field *f = &s->fields[i];
		bool is_list = f->type == &type_list;
		const struct schema *below = f->schema ? f->schema :
					     is_list && f->item->schema ? f->item->schema : NULL;
		AUTO_FREE char *path = mem_printf("%s%s%s", above, f->key, is_list ? "[]" : "");
		AUTO_FREE char *next = mem_printf("%s.", path);

		if (has_row(section, end, path))
			continue;
		if (below)
			check_keys(section, end, below, next, missing);
		else
			strbuf_printf(missing, "%s\n", path);
	}
}

static void check_section(const char *title, const struct schema *s)
{
	AUTO_STRBUF struct strbuf missing = { 0 };
	const char *section = strstr(document, title), *end;

	assert_non_null(section);
	end = strstr(section + 1, "\n## ");
	strbuf_append(&missing, "");
	check_keys(section, end ? end : section + strlen(section), s, "", &missing);
	/* Say there what changing it costs, and try it in the lab. */
	if (missing.len)
		print_error("keys without a row:\n%s", missing.s);
	assert_int_equal(missing.len, 0);
}

static void every_key_of_a_network_has_a_row(void **state)
{
	(void)state;
	check_section("\n## Networks\n", &network_schema);
}

static void every_key_of_a_port_has_a_row(void **state)
{
	(void)state;
	check_section("\n## Ports\n", &port_request_schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_a_network_has_a_row),
		cmocka_unit_test(every_key_of_a_port_has_a_row),
	};

	return cmocka_run_group_tests(tests, read_document, free_document);
}
