/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_journal.c - one line a change: replayed, cut off, written anew. */

#include "base/mem.h"
#include "base/strbuf.h"
#include "netd/journal.h"
#include "netd/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64], path[96];

static int make_dir(void **state)
{
	(void)state;
	log_init(-1);
	strcpy(dir, "/tmp/vnet-journal-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ports", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	AUTO_FREE char *bad = mem_printf("%s.bad", path);

	unlink(path);
	unlink(bad);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

static void list(void *arg, const char *name, json_t *object)
{
	strbuf_printf(arg, "%s=%lld ", name,
		      (long long)json_integer_value(json_object_get(object, "value")));
}

/* Opens it; what it holds goes to text. */
static struct journal *open_journal(struct strbuf *text)
{
	struct vnet_error err = { 0 };
	struct journal *j = NULL;

	strbuf_reset(text);
	strbuf_append(text, "");
	assert_int_equal(journal_open(dir, "ports", false, &j, &err), 0);
	journal_each(j, list, text);
	return j;
}

static void put(struct journal *j, const char *name, int value)
{
	json_t *object = json_pack("{s:i}", "value", value);

	assert_int_equal(journal_put(j, name, object, NULL), 0);
	json_decref(object);
}

static void changes_come_back(void **state)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct journal *j = open_journal(&text);

	(void)state;
	assert_string_equal(text.s, "");
	put(j, "b", 1);
	put(j, "a", 2);
	put(j, "c", 3);
	put(j, "b", 4);
	assert_int_equal(journal_del(j, "c", NULL), 0);
	assert_int_equal(journal_del(j, "never", NULL), 0);
	journal_free(j);
	j = open_journal(&text);
	assert_string_equal(text.s, "a=2 b=4 ");
	journal_free(j);
}

static void a_line_cut_off_anywhere_is_the_only_loss(void **state)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct journal *j = open_journal(&text);
	struct stat before, after;

	(void)state;
	put(j, "a", 1);
	assert_int_equal(stat(path, &before), 0);
	put(j, "b", 2);
	assert_int_equal(stat(path, &after), 0);
	journal_free(j);
	for (off_t size = after.st_size - 1; size >= before.st_size; size--) {
		assert_int_equal(truncate(path, size), 0);
		j = open_journal(&text);
		assert_string_equal(text.s, "a=1 ");
		put(j, "b", 2);
		journal_free(j);
	}
	j = open_journal(&text);
	assert_string_equal(text.s, "a=1 b=2 ");
	journal_free(j);
}

static void damage_in_the_middle_costs_its_line(void **state)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	FILE *f = fopen(path, "w");

	(void)state;
	fputs("{\"name\":\"a\",\"put\":{\"value\":1}}\nnot json\n{\"name\":\"b\"}\n"
	      "{\"name\":\"c\",\"put\":{\"value\":3}}\n", f);
	fclose(f);
	journal_free(open_journal(&text));
	assert_string_equal(text.s, "a=1 c=3 ");
}

static void garbage_does_not_pile_up(void **state)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct journal *j = open_journal(&text);
	struct stat st;

	(void)state;
	put(j, "stays", 7);
	for (int i = 0; i < 20000; i++) {
		put(j, "comes", i);
		assert_int_equal(journal_del(j, "comes", NULL), 0);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size < 2 * JOURNAL_GARBAGE_MAX);
	journal_free(j);
	j = open_journal(&text);
	assert_string_equal(text.s, "stays=7 ");
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size < 100);
	journal_free(j);
}

static void drop_odd(void *arg, const char *name, json_t *object)
{
	if (json_integer_value(json_object_get(object, "value")) % 2)
		assert_int_equal(journal_del(arg, name, NULL), 0);
}

static void one_may_go_while_all_are_seen(void **state)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct journal *j = open_journal(&text);

	(void)state;
	for (int i = 0; i < 7; i++)
		put(j, (char[]){ (char)('a' + i), '\0' }, i);
	journal_each(j, drop_odd, j);
	journal_free(j);
	journal_free(open_journal(&text));
	assert_string_equal(text.s, "a=0 c=2 e=4 g=6 ");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		TEST(changes_come_back),
		TEST(a_line_cut_off_anywhere_is_the_only_loss),
		TEST(damage_in_the_middle_costs_its_line),
		TEST(garbage_does_not_pile_up),
		TEST(one_may_go_while_all_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
