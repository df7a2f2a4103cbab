/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_cli_pure.c - the parts of the programs that need no netd: options, YAML, QEMU's words, ifup.conf */

#include "cli/helper.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/qemu.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct values {
	bool flag;
	const char *text, *choice;
	text_vec texts;
	unsigned number;
};
#define FIELD(member) offsetof(struct values, member)
static const struct cli_option table[] = {
	{ .name = "flag", .letter = 'F', .kind = OPTION_FLAG, .offset = FIELD(flag), .help = "" },
	{ .name = "text", .letter = 't', .kind = OPTION_TEXT, .offset = FIELD(text),
	  .value = "TEXT", .help = "" },
	{ .name = "texts", .kind = OPTION_TEXTS, .offset = FIELD(texts), .value = "T", .help = "" },
	{ .name = "choice", .kind = OPTION_CHOICE, .offset = FIELD(choice), .value = "C",
	  .choices = "on|off|auto", .help = "" },
	{ .name = "number", .kind = OPTION_NUMBER, .offset = FIELD(number), .value = "N",
	  .min = 1, .max = 64, .help = "" },
	{ 0 },
};

/* Parses words, split at blanks; "''" is an empty word.  Values point into store until the next call. */
static int parse(const char *line, struct values *values, text_vec *words, text_vec *rest,
		 bool *has_rest, struct vnet_error *err)
{
	static char store[256];
	struct option_set set = { table, values };
	char *at = store, *word;
	char *argv[32];
	int argc = 0;

	snprintf(store, sizeof(store), "%s", line);
	while ((word = strsep(&at, " "))) {
		if (!*word)
			continue;
		if (!strcmp(word, "''"))
			*word = '\0';
		argv[argc++] = word;
	}
	return options_parse(&set, 1, argc, argv, false, words, rest, has_rest, err);
}

static void test_options(void **state)
{
	text_vec words = { 0 }, rest = { 0 };
	struct vnet_error err = { 0 };
	struct values v = { 0 };
	bool has_rest = false;

	(void)state;
	assert_true(parse("a --flag --text=x=y -  --texts 1 --texts=2 --choice auto --number 64 b "
			  "-- --flag c", &v, &words, &rest, &has_rest, &err) > 0);
	assert_true(v.flag);
	assert_string_equal(v.text, "x=y");
	assert_int_equal(v.texts.n, 2);
	assert_string_equal(v.texts.v[1], "2");
	assert_string_equal(v.choice, "auto");
	assert_int_equal(v.number, 64);
	assert_int_equal(words.n, 3);
	assert_string_equal(words.v[1], "-");
	assert_true(has_rest);
	assert_int_equal(rest.n, 2);
	assert_string_equal(rest.v[0], "--flag");
	vec_free(&v.texts);
	v = (struct values){ 0 };
	words.n = rest.n = 0;
	assert_true(parse("-F -tab", &v, &words, &rest, &has_rest, &err) > 0);
	assert_true(v.flag && !has_rest);
	assert_string_equal(v.text, "ab");
	vec_free(&words);
	vec_free(&rest);
}

static void test_wrong_options(void **state)
{
	static const char *const cases[][2] = {
		{ "--flags", "there is no option --flags" },
		{ "-x", "there is no option -x" },
		{ "--flag=1", "--flag takes no value" },
		{ "--text", "--text needs TEXT" },
		{ "--text a --text b", "--text is given twice" },
		{ "--choice maybe", "--choice is one of on|off|auto, not 'maybe'" },
		{ "--choice o", "--choice is one of on|off|auto, not 'o'" },
		{ "--choice ''", "--choice is one of on|off|auto, not ''" },
		{ "--number 0", "--number is a number from 1 to 64, not '0'" },
		{ "--number 65", "--number is a number from 1 to 64, not '65'" },
		{ "--number -1", "--number is a number from 1 to 64, not '-1'" },
		{ "--number 1x", "--number is a number from 1 to 64, not '1x'" },
		{ "--number 18446744073709551617",
		  "--number is a number from 1 to 64, not '18446744073709551617'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		text_vec words = { 0 }, rest = { 0 };
		struct vnet_error err = { 0 };
		struct values v = { 0 };
		bool has_rest;

		assert_int_equal(parse(cases[i][0], &v, &words, &rest, &has_rest, &err), -EINVAL);
		assert_string_equal(err.code, "usage");
		assert_string_equal(err.message, cases[i][1]);
	}
}

static char *yaml_of(const json_t *value)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	yaml_print(f, value);
	fclose(f);
	return text;
}

static void test_yaml(void **state)
{
	static const char *const cases[][2] = {
		{ "{}", "{}\n" },
		{ "[]", "[]\n" },
		{ "{\"a\":1,\"b\":true,\"c\":null,\"d\":[],\"e\":{}}",
		  "a: 1\nb: true\nc: null\nd: []\ne: {}\n" },
		{ "{\"a\":{\"b\":{\"c\":\"x\"},\"d\":1}}", "a:\n  b:\n    c: x\n  d: 1\n" },
		{ "{\"a\":[{\"b\":1,\"c\":[2,3]},\"x\"]}",
		  "a:\n  - b: 1\n    c:\n      - 2\n      - 3\n  - x\n" },
		{ "[{\"a\":1},{\"b\":{\"c\":2}}]", "- a: 1\n- b:\n    c: 2\n" },
		/* what some YAML would take for something else */
		{ "[\"true\",\"No\",\"y\",\"null\",\"1\",\"1e3\",\"0x10\",\"1:20\",\"\",\"~\",\"-\"]",
		  "- \"true\"\n- \"No\"\n- \"y\"\n- \"null\"\n- \"1\"\n- \"1e3\"\n- \"0x10\"\n"
		  "- \"1:20\"\n- \"\"\n- \"~\"\n- \"-\"\n" },
		{ "[\"a: b\",\"a #b\",\"a \",\" a\",\"#a\",\"a\\\"b\\\\c\",\"*a\",\"!a\",\"a  b\"]",
		  "- \"a: b\"\n- \"a #b\"\n- \"a \"\n- \" a\"\n- \"#a\"\n- \"a\\\"b\\\\c\"\n"
		  "- \"*a\"\n- \"!a\"\n- \"a  b\"\n" },
		{ "[\"a b, c\",\"/etc/x.y\",\"web-1_a\"]", "- a b, c\n- /etc/x.y\n- web-1_a\n" },
		{ "[\"l\\n\\t\\u001b\\u007f\\u009b\",\"\\u00e9\"]",
		  "- \"l\\n\\t\\x1b\\x7f\\x9b\"\n- \"\xc3\xa9\"\n" },
		{ "{\"10.0.0.1\":1,\"on\":2}", "\"10.0.0.1\": 1\n\"on\": 2\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *value = json_loads(cases[i][0], 0, NULL);
		AUTO_FREE char *text = NULL;

		assert_non_null(value);
		text = yaml_of(value);
		assert_string_equal(text, cases[i][1]);
		json_decref(value);
	}
}

static void test_print_safe(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	print_safe(f, "a\x1b[2J\tb\nc\x7f \xc2\x9b \xc3\xa9 \xff\x9b \xc3");
	fclose(f);
	assert_string_equal(text, "a\\x1b[2J\tb\\x0ac\\x7f \\x9b \xc3\xa9 \\xff\\x9b \\xc3");
	free(text);
}

static void test_cells(void **state)
{
	json_t *o = json_pack("{s:s, s:i, s:b, s:n, s:[s,s], s:[], s:{s:s}, s:i, s:i}", "text", "x",
			      "number", 5, "yes", 1, "null", "list", "a", "b", "empty", "problem",
			      "message", "broken", "never", 0, "time", 86400);
	static const struct {
		const char *key;
		enum column_kind kind;
		const char *text;
	} cases[] = {
		{ "text", COLUMN_TEXT, "x" },	    { "number", COLUMN_NUMBER, "5" },
		{ "yes", COLUMN_TEXT, "yes" },	    { "null", COLUMN_TEXT, "-" },
		{ "absent", COLUMN_TEXT, "-" },	    { "list", COLUMN_TEXT, "a, b" },
		{ "empty", COLUMN_TEXT, "-" },	    { "problem", COLUMN_PROBLEM, "broken" },
		{ "text", COLUMN_PROBLEM, "-" },    { "never", COLUMN_TIME, "never" },
		{ "time", COLUMN_TIME, "1970-01-02 00:00:00" },
		{ "wire.access", COLUMN_VLAN, "10" },  { "wire.none", COLUMN_VLAN, "tagged 10" },
		{ "wire.trunk", COLUMN_VLAN, "native 1, tagged 10,20-30" },
		{ "number", COLUMN_VLAN, "5" },	       { "null", COLUMN_VLAN, "-" },
		{ "wire.in", COLUMN_LIMIT, "10mbit" }, { "wire.out", COLUMN_LIMIT, "1001bit, burst 9" },
		{ "wire.share", COLUMN_LIMIT, "guaranteed 2gbit" },
		{ "wire.free", COLUMN_LIMIT, "-" },    { "wire.absent.in", COLUMN_LIMIT, "-" },
		{ "wire.offloads", COLUMN_SWITCHES, "tso off, rx on" },
		{ "wire.empty", COLUMN_SWITCHES, "-" }, { "null", COLUMN_SWITCHES, "-" },
		{ "wire.routes", COLUMN_ROUTES, "default via 10.0.0.1, 10.9.0.0/16 metric 5" },
		{ "empty", COLUMN_ROUTES, "-" },
	};

	(void)state;
	assert_int_equal(json_object_set_new(o, "wire", json_loads(
		"{\"access\": {\"native\": 10, \"tagged\": []}, \"in\": {\"rate\": 10000000},"
		" \"none\": {\"native\": 0, \"tagged\": [\"10\"]}, \"share\": {\"guaranteed\": 2000000000},"
		" \"trunk\": {\"native\": 1, \"tagged\": [\"10\", \"20-30\"]}, \"free\": {\"rate\": 0},"
		" \"out\": {\"rate\": 1001, \"burst\": 9}, \"offloads\": {\"tso\": false, \"gso\": null,"
		" \"rx\": true}, \"empty\": {}, \"routes\": [{\"to\": \"default\", \"via\": \"10.0.0.1\"},"
		" {\"to\": \"10.9.0.0/16\", \"via\": null, \"metric\": 5}]}", 0, NULL)), 0);
	setenv("TZ", "UTC", 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct column column = { "T", cases[i].key, cases[i].kind, SHOW_ALWAYS };
		AUTO_FREE char *text = cell_text(&column, o);

		assert_string_equal(text, cases[i].text);
	}
	json_decref(o);
}

static void test_guest_name(void **state)
{
	static const struct {
		const char *value, *name;
	} cases[] = {
		{ "web1", "web1" },
		{ "web1,process=x", "web1" },
		{ "guest=web1", "web1" },
		{ "guest=web1,debug-threads=on", "web1" },
		{ "debug-threads=on,guest=web1", "web1" },
		{ "process=x", NULL },
		{ "", NULL },
		{ "guest=", NULL },
	};
	char program[] = "qemu", option[] = "-name";
	char *short_line[] = { program, option };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *value = mem_strdup(cases[i].value);
		char *words[] = { program, option, value };
		AUTO_FREE char *name = qemu_guest_name(words, 3);

		if (cases[i].name) {
			assert_non_null(name);
			assert_string_equal(name, cases[i].name);
		} else {
			assert_null(name);
		}
	}
	assert_null(qemu_guest_name(short_line, 2));
	assert_null(qemu_guest_name(short_line, 0));
}

static void test_models(void **state)
{
	static const char full[] = "virtio-net-pci,netdev=n,mac=m,mq=on,vectors=6,host_mtu=9000";
	AUTO_FREE char *e1000 = qemu_device_with_model(full, "e1000");
	AUTO_FREE char *mmio = qemu_device_with_model(full, "virtio-net-device");
	AUTO_FREE char *pci = qemu_device_with_model(full, "virtio-net-pci-non-transitional");

	(void)state;
	assert_string_equal(e1000, "e1000,netdev=n,mac=m");
	assert_string_equal(mmio, "virtio-net-device,netdev=n,mac=m,mq=on,host_mtu=9000");
	assert_string_equal(pci, "virtio-net-pci-non-transitional,netdev=n,mac=m,mq=on,vectors=6,"
				 "host_mtu=9000");
	assert_true(qemu_model_is_virtio("virtio-net-device"));
	assert_false(qemu_model_is_virtio("rtl8139"));
}

static void test_ifup_conf(void **state)
{
	static const char conf[] = "# which tap is for which network\n\n"
				   "web*  blue mac=52:54:00:00:00:01 # pinned\r\n"
				   "\tdb?\tgreen\n"
				   "web1 never\n"
				   "*     lan";
	struct vnet_error err = { 0 };
	struct ifup_rule rule = { 0 };

	(void)state;
	assert_int_equal(ifup_conf_match(conf, "f", "web1", &rule, &err), 1);
	assert_string_equal(rule.network, "blue");
	assert_string_equal(rule.mac, "52:54:00:00:00:01");
	assert_int_equal(ifup_conf_match(conf, "f", "db1", &rule, &err), 1);
	assert_string_equal(rule.network, "green");
	assert_string_equal(rule.mac, "");
	assert_int_equal(ifup_conf_match(conf, "f", "db12", &rule, &err), 1);
	assert_string_equal(rule.network, "lan");
	assert_int_equal(ifup_conf_match("", "f", "db12", &rule, &err), 0);
	assert_int_equal(ifup_conf_match("a b", "f", "db12", &rule, &err), 0);
}

static void test_ifup_conf_errors(void **state)
{
	static const char *const cases[] = {
		"tap0\n", "tap0 a b\n", "tap0 a mac=1\n", "tap0 a mac=52:54:00:00:00:01 x\n",
		"tap0 a mac=52:54:00:00:00:01x\n",
		"tap0 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *text = mem_printf("x* good\n%s", cases[i]);
		struct vnet_error err = { 0 };
		struct ifup_rule rule = { 0 };

		/* Even a line before it that fits does not hide a wrong one. */
		assert_int_equal(ifup_conf_match(text, "f", "x1", &rule, &err), -EINVAL);
		assert_string_equal(err.file, "f");
		assert_int_equal(err.line, 2);
	}
}

static void test_ifup_names(void **state)
{
	static const struct {
		const char *ifname, *network;
		bool fits;
	} cases[] = {
		{ "blue", "blue", true },	{ "blue0", "blue", true },
		{ "blue-web", "blue", true },	{ "blue.1", "blue", true },
		{ "blue_x", "blue", true },	{ "bluer", "blue", false },
		{ "blu", "blue", false },	{ "tap-blue", "blue", true },
		{ "vnet-blue7", "blue", true }, { "tapblue", "blue", false },
		{ "tap-0", "tap", true },	{ "xblue", "blue", false },
		{ "blue", "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (ifup_name_fits(cases[i].ifname, cases[i].network) != cases[i].fits)
			fail_msg("%s for %s", cases[i].ifname, cases[i].network);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),	      cmocka_unit_test(test_wrong_options),
		cmocka_unit_test(test_yaml),	      cmocka_unit_test(test_print_safe),
		cmocka_unit_test(test_cells),	      cmocka_unit_test(test_guest_name),
		cmocka_unit_test(test_models),	      cmocka_unit_test(test_ifup_conf),
		cmocka_unit_test(test_ifup_conf_errors), cmocka_unit_test(test_ifup_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
