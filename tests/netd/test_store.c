/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_store.c - state files: kept, replaced whole, damaged ones set aside. */

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
	"run/networks/a.json", "run/networks/b.json", "run/networks/a.json.bad", "run/networks/b.json.bad",
	"run/networks/.a.tmp", "run/networks/c.json", "run/networks/c.json.bad", "run/networks",
	"run/host", "run", "var/networks/a.json", "var/networks", "var/subnets", "var", "",
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
	assert_int_equal(store_each(store, STORE_NETWORKS, count, &found, NULL), 0);
	assert_string_equal(found.names, "ab");
	assert_int_equal(found.sum, 42);
	assert_int_equal(store_remove(store, STORE_NETWORKS, "a", NULL), 0);
	assert_int_equal(store_remove(store, STORE_NETWORKS, "a", NULL), 0);
	found = (struct found){ 0 };
	store_each(store, STORE_NETWORKS, count, &found, NULL);
	assert_string_equal(found.names, "b");
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

static bool exists(const struct place *p, const char *file)
{
	AUTO_FREE char *path = mem_printf("%s/%s", p->dir, file);

	return access(path, F_OK) == 0;
}

static void damaged_files_are_set_aside(void **state)
{
	const struct place *p = *state;
	struct store *store = open_store(p);
	struct found found = { 0 };

	log_init(-1);
	put(store, STORE_NETWORKS, "c", 5);
	write_raw(p, "run/networks/a.json", "{\"value\":1,\"vers");
	write_raw(p, "run/networks/b.json", "{\"value\":2,\"version\":99}");
	write_raw(p, "run/networks/.a.tmp", "half a file");
	assert_int_equal(store_each(store, STORE_NETWORKS, count, &found, NULL), 0);
	assert_string_equal(found.names, "c");
	assert_true(exists(p, "run/networks/a.json.bad"));
	assert_true(exists(p, "run/networks/b.json.bad"));
	assert_false(exists(p, "run/networks/a.json"));
	store_free(store);
}

static void a_place_that_cannot_be_made_is_an_error(void **state)
{
	struct vnet_error err = { 0 };
	struct store *store;

	(void)state;
	assert_int_equal(store_new("/nonexistent/run", "/nonexistent/var", &store, &err), -ENOENT);
	assert_string_equal(err.code, "state-dir");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_put_comes_back, make_place, remove_place),
		cmocka_unit_test_setup_teardown(damaged_files_are_set_aside, make_place, remove_place),
		cmocka_unit_test(a_place_that_cannot_be_made_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
