/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_store.c - state: kept, replaced whole, damaged lines set aside, old folders taken over. */

#include "base/mem.h"
#include "netd/log.h"
#include "netd/registry.h"
#include "netd/store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct place {
	char dir[64], run[80], var[80];
};

static int make_place(void **state)
{
	struct place *p = mem_alloc(sizeof(*p));

	strcpy(p->dir, "/tmp/vnet-store-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->run, sizeof(p->run), "%s/run", p->dir);
	snprintf(p->var, sizeof(p->var), "%s/var", p->dir);
	assert_int_equal(mkdir(p->run, 0700) | mkdir(p->var, 0700), 0);
	*state = p;
	return 0;
}

static const char *const files[] = {
	"run/networks/a.json", "run/networks/b.json", "run/networks", "run/running",
	"run/running.bad", "run/host-before", "run", "var/networks/a.json", "var/networks",
	"var/subnets/a.json", "var/subnets", "var/definitions", "var/chosen-subnets", "var/doctor", "var/security-groups",
	"var", "",
};

static int remove_place(void **state)
{
	struct place *p = *state;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", p->dir, files[i]);

		remove(path);
	}
	assert_int_equal(access(p->dir, F_OK), -1);
	free(p);
	return 0;
}

struct found {
	int n;
	char names[8];
	json_int_t sum;
};

static void count(void *arg, const char *name, json_t *object)
{
	struct found *found = arg;

	found->names[found->n++] = name[0];
	found->sum += json_integer_value(json_object_get(object, "value"));
	assert_null(json_object_get(object, "version"));
}

static void put(struct store *store, enum store_area area, const char *name, int value)
{
	json_t *object = json_pack("{s:i}", "value", value);

	assert_int_equal(store_put(store, area, name, object, NULL), 0);
	json_decref(object);
}

static struct store *open_store(const struct place *p)
{
	struct vnet_error err = { 0 };
	struct store *store;

	assert_int_equal(store_new(p->run, p->var, &store, &err), 0);
	return store;
}

static void what_is_put_comes_back(void **state)
{
	struct store *store = open_store(*state);
	struct found found = { 0 };

	put(store, STORE_NETWORKS, "b", 1);
	put(store, STORE_NETWORKS, "a", 2);
	put(store, STORE_NETWORKS, "b", 40);
	put(store, STORE_DEFINITIONS, "a", 1000);
	store_free(store);

	store = open_store(*state);
	store_each(store, STORE_NETWORKS, count, &found);
	assert_string_equal(found.names, "ab");
	assert_int_equal(found.sum, 42);
	assert_int_equal(store_remove(store, STORE_NETWORKS, "a", NULL), 0);
	assert_int_equal(store_remove(store, STORE_NETWORKS, "a", NULL), 0);
	found = (struct found){ 0 };
	store_each(store, STORE_NETWORKS, count, &found);
	assert_string_equal(found.names, "b");
	store_free(store);
}

static void one_is_found_by_its_name(void **state)
{
	struct store *store = open_store(*state);
	json_t *object;

	put(store, STORE_SUBNETS, "a", 1);
	put(store, STORE_SUBNETS, "b", 2);
	object = store_get(store, STORE_SUBNETS, "b");
	assert_int_equal(json_integer_value(json_object_get(object, "value")), 2);
	assert_null(json_object_get(object, "version"));
	json_decref(object);
	assert_null(store_get(store, STORE_SUBNETS, "c"));
	assert_null(store_get(store, STORE_NETWORKS, "a"));
	store_free(store);
}

static void write_raw(const struct place *p, const char *file, const char *text)
{
	AUTO_FREE char *path = mem_printf("%s/%s", p->dir, file);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static bool file_has(const struct place *p, const char *file, const char *what)
{
	AUTO_FREE char *path = mem_printf("%s/%s", p->dir, file);
	char text[4096];
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return strstr(text, what);
}

static bool exists(const struct place *p, const char *file)
{
	AUTO_FREE char *path = mem_printf("%s/%s", p->dir, file);

	return access(path, F_OK) == 0;
}

static off_t size_of(const struct place *p, const char *file)
{
	AUTO_FREE char *path = mem_printf("%s/%s", p->dir, file);
	struct stat st;

	return stat(path, &st) < 0 ? -1 : st.st_size;
}

static void a_batch_is_written_at_its_end(void **state)
{
	struct store *store = open_store(*state);
	struct found found = { 0 };
	json_t *object;

	put(store, STORE_DEFINITIONS, "c", 100);
	off_t before = size_of(*state, "var/definitions");

	store_begin(store);
	put(store, STORE_DEFINITIONS, "a", 1);
	put(store, STORE_DEFINITIONS, "b", 2);
	store_remove(store, STORE_DEFINITIONS, "c", NULL);
	put(store, STORE_NETWORKS, "a", 7);
	assert_int_equal(size_of(*state, "var/definitions"), before);
	object = store_get(store, STORE_DEFINITIONS, "a");
	assert_non_null(object);
	json_decref(object);
	assert_int_equal(store_commit(store, NULL), 0);
	assert_true(size_of(*state, "var/definitions") > before);
	store_free(store);

	store = open_store(*state);
	store_each(store, STORE_DEFINITIONS, count, &found);
	assert_string_equal(found.names, "ab");
	store_free(store);
}

/* The power went while a batch was on its way: a part of its lines, and half of one. */
static void of_a_torn_batch_whole_lines_count(void **state)
{
	struct store *store = open_store(*state);
	const struct place *p = *state;
	AUTO_FREE char *path = mem_printf("%s/var/definitions", p->dir);
	struct found found = { 0 };

	store_begin(store);
	put(store, STORE_DEFINITIONS, "a", 1);
	put(store, STORE_DEFINITIONS, "b", 2);
	put(store, STORE_DEFINITIONS, "c", 4);
	assert_int_equal(store_commit(store, NULL), 0);
	store_free(store);
	assert_int_equal(truncate(path, size_of(p, "var/definitions") - 5), 0);

	store = open_store(p);
	store_each(store, STORE_DEFINITIONS, count, &found);
	assert_string_equal(found.names, "ab");
	assert_int_equal(size_of(p, "var/definitions.bad"), -1);
	put(store, STORE_DEFINITIONS, "d", 8);
	store_free(store);
	store = open_store(p);
	found = (struct found){ 0 };
	store_each(store, STORE_DEFINITIONS, count, &found);
	assert_string_equal(found.names, "abd");
	store_free(store);
}

static void damaged_lines_are_set_aside(void **state)
{
	const struct place *p = *state;
	struct found found = { 0 };
	struct store *store;

	log_init(-1);
	write_raw(p, "run/running",
		  "{\"name\":\"c\",\"put\":{\"value\":5,\"version\":1}}\n"
		  "{\"name\":\"a\",\"put\":{\"val\n"
		  "{\"name\":\"b\",\"put\":{\"value\":2,\"version\":99}}\n");
	store = open_store(p);
	store_each(store, STORE_NETWORKS, count, &found);
	assert_string_equal(found.names, "c");
	assert_int_equal(found.sum, 5);
	assert_true(exists(p, "run/running.bad"));
	store_free(store);
	/* One of a newer netd is not for us, and stays for that one. */
	store = open_store(p);
	assert_null(store_get(store, STORE_NETWORKS, "b"));
	put(store, STORE_NETWORKS, "d", 1);
	store_free(store);
	assert_true(file_has(p, "run/running", "99"));
}

static void folders_of_a_former_version_are_taken_over(void **state)
{
	const struct place *p = *state;
	AUTO_FREE char *dir = mem_printf("%s/networks", p->run);
	AUTO_FREE char *var = mem_printf("%s/networks", p->var);
	struct found found = { 0 };
	struct store *store;

	log_init(-1);
	assert_int_equal(mkdir(dir, 0700) | mkdir(var, 0700), 0);
	write_raw(p, "run/networks/a.json", "{\"value\":1,\"version\":1}");
	write_raw(p, "run/networks/b.json", "{\"value\":2,\"vers");
	write_raw(p, "var/networks/a.json", "{\"value\":40,\"version\":1}");
	for (int i = 0; i < 2; i++) {
		found = (struct found){ 0 };
		store = open_store(p);
		store_each(store, STORE_NETWORKS, count, &found);
		store_each(store, STORE_DEFINITIONS, count, &found);
		assert_string_equal(found.names, "aa");
		assert_int_equal(found.sum, 41);
		store_free(store);
	}
	assert_false(exists(p, "run/networks/a.json"));
	assert_true(exists(p, "run/networks/b.json"));
	assert_false(exists(p, "var/networks"));
}

static void a_place_that_cannot_be_made_is_an_error(void **state)
{
	struct vnet_error err = { 0 };
	struct store *store;

	(void)state;
	assert_int_equal(store_new("/nonexistent/run", "/nonexistent/var", &store, &err), -ENOENT);
	assert_string_equal(err.code, "state-write");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_put_comes_back, make_place, remove_place),
		cmocka_unit_test_setup_teardown(one_is_found_by_its_name, make_place, remove_place),
		cmocka_unit_test_setup_teardown(a_batch_is_written_at_its_end, make_place, remove_place),
		cmocka_unit_test_setup_teardown(of_a_torn_batch_whole_lines_count, make_place,
						remove_place),
		cmocka_unit_test_setup_teardown(damaged_lines_are_set_aside, make_place, remove_place),
		cmocka_unit_test_setup_teardown(folders_of_a_former_version_are_taken_over, make_place,
						remove_place),
		cmocka_unit_test(a_place_that_cannot_be_made_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
