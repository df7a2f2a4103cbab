/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_node.c - node trees, the names' rules, and the tables' helpers. */

#include "model/names.h"
#include "model/network.h"
#include "model/node.h"
#include "model/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

static struct node *read_yaml(const char *text)
{
	struct node *root = NULL;
	struct vnet_error err = { 0 };
	char buf[1024];

	if (node_from_yaml(text, strlen(text), "t.yaml", &root, &err) < 0)
		fail_msg("%s", vnet_error_text(&err, buf, sizeof(buf)));
	return root;
}

static void test_positions(void **state)
{
	AUTO(node_free) struct node *root = read_yaml("a: 1\nbé:\n  - x\n  - {c: 'y'}\n");
	const struct node *list = node_get(root, "bé"), *map = list->items.v[1];
	const struct node *c = node_get(map, "c");
	char path[NODE_PATH_MAX];

	(void)state;
	assert_int_equal(root->kind, NODE_MAPPING);
	assert_int_equal(list->kind, NODE_SEQUENCE);
	assert_int_equal(list->key_line, 2);
	assert_int_equal(list->key_column, 1);
	assert_int_equal(c->line, 4);
	assert_int_equal(c->column, 9);
	assert_int_equal(c->key_column, 6);
	assert_true(c->quoted);
	assert_false(node_get(root, "a")->quoted);
	assert_string_equal(c->text, "y");
	assert_string_equal(c->file, "t.yaml");
	assert_string_equal(node_path(c, path, sizeof(path)), "b??[1].c");
	assert_string_equal(node_path(root, path, sizeof(path)), "");
	assert_null(node_get(root, "z"));
	assert_null(node_get(NULL, "z"));
	assert_null(node_get(list, "z"));
}

static void test_nulls(void **state)
{
	AUTO(node_free) struct node *root = read_yaml("a:\nb: ~\nc: null\nd: 'null'\ne: ''\n");
	AUTO(node_free) struct node *empty = read_yaml("# nothing\n");
	AUTO(node_free) struct node *nothing = read_yaml("");

	(void)state;
	assert_int_equal(root->items.n, 5);
	assert_null(node_get(root, "a"));
	assert_null(node_get(root, "b"));
	assert_null(node_get(root, "c"));
	assert_string_equal(node_get(root, "d")->text, "null");
	assert_string_equal(node_get(root, "e")->text, "");
	assert_int_equal(empty->kind, NODE_NULL);
	assert_int_equal(empty->line, 0);
	assert_int_equal(nothing->kind, NODE_NULL);
}

static void test_json(void **state)
{
	json_t *json = json_pack("{s:b,s:i,s:f,s:s,s:n,s:[i,i]}", "t", 1, "i", -5, "f", 1.5, "s",
				 "true", "n", "l", 1, 2);
	AUTO(node_free) struct node *root = NULL;
	char path[NODE_PATH_MAX];

	(void)state;
	assert_int_equal(node_from_json(json, &root, NULL), 0);
	json_decref(json);
	assert_string_equal(node_get(root, "t")->text, "true");
	assert_false(node_get(root, "t")->quoted);
	assert_string_equal(node_get(root, "i")->text, "-5");
	assert_string_equal(node_get(root, "f")->text, "1.5");
	assert_true(node_get(root, "s")->quoted);
	assert_null(node_get(root, "n"));
	assert_int_equal(node_get(root, "l")->items.v[1]->line, 0);
	assert_string_equal(node_path(node_get(root, "l")->items.v[1], path, sizeof(path)), "l[1]");
}

/* A node's limits hold for JSON too; an error there has a path only. */
static void test_json_limits(void **state)
{
	struct vnet_error err = { 0 };
	struct node *root = NULL;
	json_t *deep = json_string("bottom"), *text = json_pack("{s:s}", "k", "a\nb"),
	       *many = json_array();

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		deep = json_pack("[o]", deep);
	assert_int_equal(node_from_json(deep, &root, &err), -E2BIG);
	assert_string_equal(err.code, "nested-too-deep");
	vnet_error_clear(&err);
	assert_int_equal(node_from_json(text, &root, &err), -EINVAL);
	assert_string_equal(err.code, "control-character");
	assert_string_equal(err.path, "k");
	assert_int_equal(err.line, 0);
	vnet_error_clear(&err);
	for (unsigned i = 0; i <= NODE_COUNT_MAX; i++)
		json_array_append_new(many, json_null());
	assert_int_equal(node_from_json(many, &root, &err), -E2BIG);
	assert_string_equal(err.code, "too-many-values");
	assert_null(root);
	json_decref(deep);
	json_decref(text);
	json_decref(many);
}

/* Many keys, the last two equal: found, and in no quadratic time. */
static void test_many_keys(void **state)
{
	AUTO_FREE char *text = mem_alloc(4 * 1024 * 1024);
	struct vnet_error err = { 0 };
	struct node *root = NULL;
	size_t pos = 0;

	(void)state;
	for (unsigned i = 0; i < 200000; i++)
		pos += (size_t)sprintf(text + pos, "k%u: 1\n", i);
	pos += (size_t)sprintf(text + pos, "k199999: 1\n");
	assert_int_equal(node_from_yaml(text, pos, "t.yaml", &root, &err), -EINVAL);
	assert_string_equal(err.code, "duplicate-key");
	assert_int_equal(err.line, 200001);
	assert_non_null(strstr(err.message, "first in line 200000"));
}

static void test_path_is_cut(void **state)
{
	char text[2048] = "", path[32];
	struct node *n;
	AUTO(node_free) struct node *root = NULL;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		strcat(text, "{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			     "aaaaaaa: ");
	strcat(text, "[1]");
	for (unsigned i = 0; i < 10; i++)
		strcat(text, "}");
	root = read_yaml(text);
	for (n = root; n->items.n; n = n->items.v[0])
		;
	node_path(n, path, sizeof(path));
	assert_int_equal(strlen(path), sizeof(path) - 1);
}

static void test_quote(void **state)
{
	char buf[TEXT_QUOTE_MAX], longer[200];

	(void)state;
	assert_string_equal(text_quote("ab", buf), "\"ab\"");
	assert_string_equal(text_quote("\x1b[31m\n", buf), "\"?[31m?\"");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	text_quote(longer, buf);
	assert_true(strlen(buf) < TEXT_QUOTE_MAX);
	assert_string_equal(buf + strlen(buf) - 5, "x...\"");
}

static void test_nearest(void **state)
{
	static const char *const words[] = { "addresses", "autostart", "dns", "dhcp", "dhcp6" };
	static const struct {
		const char *word, *near;
	} cases[] = {
		{ "adresses", "addresses" },
		{ "address", "addresses" },
		{ "Autostart", "autostart" },
		{ "auto-start", "autostart" },
		{ "dsn", "dns" },
		{ "dhpc", "dhcp" },
		{ "dhcpv6", "dhcp6" },
		{ "zzzz", NULL },
		{ "", NULL },
		{ "x", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *near = nearest_word(cases[i].word, words, ARRAY_SIZE(words));

		if (!cases[i].near)
			assert_null(near);
		else
			assert_string_equal(near, cases[i].near);
	}
}

typedef int (*check_fn)(const char *text, struct vnet_error *err);

/* Every list of names: what each check takes (1) and refuses (0). */
static void test_names(void **state)
{
	static const struct {
		check_fn check;
		const char *text;
		bool ok;
	} cases[] = {
		{ network_name_check, "blue", true },
		{ network_name_check, "0", true },
		{ network_name_check, "a.b-c_d", true },
		{ network_name_check, "fifteen-bytes-x", true },
		{ network_name_check, "sixteen-bytes-xy", false },
		{ network_name_check, "", false },
		{ network_name_check, ".", false },
		{ network_name_check, "..", false },
		{ network_name_check, "a/b", false },
		{ network_name_check, "a b", false },
		{ network_name_check, "bl\xc3\xbc", false },
		{ network_name_check, "networks", false },
		{ ifname_check, "br0", true },
		{ ifname_check, "eth0.100", true },
		{ ifname_check, "a@b", true },
		{ ifname_check, "fifteen-bytes-x", true },
		{ ifname_check, "sixteen-bytes-xy", false },
		{ ifname_check, "", false },
		{ ifname_check, ".", false },
		{ ifname_check, "..", false },
		{ ifname_check, "a/b", false },
		{ ifname_check, "a:b", false },
		{ ifname_check, "a b", false },
		{ ifname_check, "tap%d", false },
		{ ifname_check, "a\"b", false },
		{ ifname_check, "a,b", false },
		{ ifname_check, "a\nb", false },
		{ ifname_check, "all", false },
		{ ifname_check, "default", false },
		{ hostname_check, "web-1", true },
		{ hostname_check, "1", true },
		{ hostname_check, "web.x", false },
		{ hostname_check, "-web", false },
		{ hostname_check, "web-", false },
		{ hostname_check, "a_b", false },
		{ hostname_check, "", false },
		{ hostname_check, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  true },
		{ hostname_check,
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
		{ domain_check, "example.org", true },
		{ domain_check, "example.org.", false },
		{ domain_check, ".org", false },
		{ domain_check, "a..b", false },
		{ domain_check, "a-.b", false },
		{ domain_check, "a/b", false },
		{ domain_check, "a,b", false },
		{ record_name_check, "_dmarc.example.org", true },
		{ record_name_check, "*.example.org", false },
		{ service_check, "ldap", true },
		{ service_check, "_ldap", true },
		{ service_check, "_", false },
		{ service_check, "__ldap", false },
		{ service_check, "sixteen-letters-", false },
		{ printable_check, "a, \"b\" \\ #", true },
		{ printable_check, "\t", false },
		{ printable_check, "\xc3\xa9", false },
		{ option_value_check, "10.0.0.1,10.0.0.2", true },
		{ option_value_check, "a#b", false },
		{ option_value_check, "a\"b", false },
		{ option_value_check, "a\\b", false },
		{ word_check, "http://x/y?a=b&c", true },
		{ word_check, "a b", false },
		{ word_check, "a,b", false },
		{ word_check, "", false },
		{ path_check, "/srv/tftp", true },
		{ path_check, "/srv/..tftp/...", true },
		{ path_check, "srv", false },
		{ path_check, "/srv/..", false },
		{ path_check, "/../srv", false },
		{ path_check, "/a b", false },
		{ path_check, "/a#b", false },
		{ glob_check, "lab-*", true },
		{ glob_check, "?", true },
		{ glob_check, "", false },
		{ glob_check, "[ab]", false },
		{ port_name_check, "web.example.org", true },
		{ port_name_check, "web:1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vnet_error err = { 0 };
		int r = cases[i].check(cases[i].text, &err);

		if ((r == 0) != cases[i].ok)
			fail_msg("case %zu: \"%s\"", i, cases[i].text);
		assert_int_equal(r < 0, vnet_error_is_set(&err) && err.code[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_positions), cmocka_unit_test(test_nulls),
		cmocka_unit_test(test_json),	  cmocka_unit_test(test_json_limits),
		cmocka_unit_test(test_many_keys), cmocka_unit_test(test_path_is_cut),
		cmocka_unit_test(test_quote),	  cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
