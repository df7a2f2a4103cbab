/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_group.c - security groups as values: read, written, checked, and what they accept
 *
 * tests/golden/group holds a definition and its canonical form, or the error,
 * a case each.  UPDATE_GOLDEN=1 writes them anew.
 */

#include "model/definitions.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/golden.h"

#define GOLDEN "tests/golden/group/"

static json_t *to_json(const struct definitions *defs)
{
	json_t *groups = json_object();
	json_t *json = defs->networks.n ? networks_to_json(defs->networks.v, defs->networks.n) :
					  json_object();

	vec_each (group, &defs->groups)
		json_object_set_new(groups, (*group)->name, group_to_json(*group));
	json_object_set_new(json, "groups", groups);
	return json;
}

/* What was written reads back equal, and a copy is equal and independent. */
static void assert_round_trip(const struct definitions *defs, const json_t *json)
{
	AUTO_DEFINITIONS struct definitions again = { 0 };
	struct vnet_error err = { 0 };

	if (definitions_from_json(json, &again, &err) < 0)
		fail_msg("the canonical form is refused: %s", err.message);
	assert_int_equal(again.groups.n, defs->groups.n);
	for (size_t i = 0; i < defs->groups.n; i++) {
		AUTO(group_free) struct security_group *copy = group_copy(defs->groups.v[i]);

		assert_true(group_equal(defs->groups.v[i], again.groups.v[i]));
		assert_true(group_equal(defs->groups.v[i], copy));
		copy->log = !copy->log;
		assert_false(group_equal(defs->groups.v[i], copy));
	}
}

static char *run_case(const char *text, size_t size, const char *file)
{
	AUTO_DEFINITIONS struct definitions defs = { 0 };
	struct vnet_error err = { 0 };
	AUTO_FREE char *dump = NULL;
	char message[1024];
	json_t *json;
	int r = definitions_from_yaml(text, size, file, &defs, &err);

	if (r == 0)
		r = groups_check(defs.groups.v, defs.groups.n, &err);
	if (r < 0)
		return mem_printf("%s [%s]\n", vnet_error_text(&err, message, sizeof(message)),
				  err.code);
	json = to_json(&defs);
	assert_round_trip(&defs, json);
	dump = json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS);
	json_decref(json);
	return mem_printf("%s\n", dump);
}

static void test_golden(void **state)
{
	(void)state;
	golden_run(GOLDEN "*.yaml", run_case);
}

/* --- what rules accept --- */

static const char policy[] = "groups:\n"
			     "  web:\n"
			     "    ingress: [\"tcp 80,8000-8010\", \"tcp 22 from 10.0.0.0/8\",\n"
			     "              \"icmp echo-request\", \"udp from group:app\"]\n"
			     "    egress: [\"tcp 443\", \"any to 2001:db8::/32\"]\n"
			     "  app: {ingress: any}\n"
			     "  shut: {egress: []}\n";

static bool is_member(const void *context, const char *group, const struct ip *address)
{
	char text[ADDR_TEXT_MAX];

	return strcmp(group, "app") == 0 && strcmp(ip_format(address, text), context) == 0;
}

static const struct {
	const char *names[3];
	enum group_direction direction;
	uint8_t protocol;
	uint16_t port;
	uint8_t type;
	const char *remote;
	bool accepted;
} flows[] = {
	{ { "web" }, GROUP_INGRESS, IPPROTO_TCP, 80, 0, "192.0.2.1", true },
	{ { "web" }, GROUP_INGRESS, IPPROTO_TCP, 80, 0, "2001:db8::1", true },
	{ { "web" }, GROUP_INGRESS, IPPROTO_UDP, 80, 0, "192.0.2.1", false },
	{ { "web" }, GROUP_INGRESS, IPPROTO_TCP, 8010, 0, "192.0.2.1", true },
	{ { "web" }, GROUP_INGRESS, IPPROTO_TCP, 8011, 0, "192.0.2.1", false },
	{ { "web" }, GROUP_INGRESS, IPPROTO_TCP, 22, 0, "10.255.0.1", true },
	{ { "web" }, GROUP_INGRESS, IPPROTO_TCP, 22, 0, "11.0.0.1", false },
	{ { "web" }, GROUP_INGRESS, IPPROTO_TCP, 22, 0, "2001:db8::1", false },
	{ { "web" }, GROUP_INGRESS, IPPROTO_ICMP, 0, 8, "192.0.2.1", true },
	{ { "web" }, GROUP_INGRESS, IPPROTO_ICMP, 0, 13, "192.0.2.1", false },
	{ { "web" }, GROUP_INGRESS, IPPROTO_UDP, 9, 0, "192.0.2.9", true },
	{ { "web" }, GROUP_INGRESS, IPPROTO_UDP, 9, 0, "192.0.2.8", false },
	{ { "web" }, GROUP_EGRESS, IPPROTO_TCP, 443, 0, "192.0.2.8", true },
	{ { "web" }, GROUP_EGRESS, IPPROTO_TCP, 80, 0, "192.0.2.8", false },
	{ { "web" }, GROUP_EGRESS, IPPROTO_TCP, 80, 0, "2001:db8::8", true },
	{ { "app" }, GROUP_INGRESS, IPPROTO_GRE, 0, 0, "192.0.2.8", true },
	{ { "app" }, GROUP_EGRESS, IPPROTO_GRE, 0, 0, "192.0.2.8", true },
	{ { "shut" }, GROUP_EGRESS, IPPROTO_TCP, 443, 0, "192.0.2.8", false },
	{ { "shut", "web" }, GROUP_EGRESS, IPPROTO_TCP, 443, 0, "192.0.2.8", true },
	{ { "gone" }, GROUP_EGRESS, IPPROTO_TCP, 443, 0, "192.0.2.8", false },
};

static void test_accept(void **state)
{
	AUTO_DEFINITIONS struct definitions defs = { 0 };
	struct vnet_error err = { 0 };

	(void)state;
	assert_int_equal(definitions_from_yaml(policy, sizeof(policy) - 1, "p", &defs, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
		struct group_flow flow = { flows[i].direction, flows[i].protocol, flows[i].port,
					   flows[i].type, { 0 } };
		group_name_vec names = { 0 };

		assert_int_equal(ip_parse(flows[i].remote, &flow.remote), 0);
		for (size_t k = 0; flows[i].names[k]; k++)
			vec_push(&names, mem_strdup(flows[i].names[k]));
		if (groups_accept(defs.groups.v, defs.groups.n, &names, &flow, is_member, "192.0.2.9") !=
		    flows[i].accepted)
			fail_msg("flow %zu is %saccepted", i, flows[i].accepted ? "not " : "");
		group_names_free(&names);
	}
}

/* A number is what kernels and journals keep: it never changes. */
static void test_numbers(void **state)
{
	(void)state;
	assert_int_equal(group_number("web"), group_number("web"));
	assert_int_not_equal(group_number("web"), group_number("app"));
	assert_true(group_number("web") & 0x80000000u);
}

static void test_limits(void **state)
{
	AUTO_DEFINITIONS struct definitions defs = { 0 };
	struct vnet_error err = { 0 };
	json_t *groups = json_object(), *rules = json_array(), *json;

	(void)state;
	for (int i = 0; i <= GROUPS_MAX; i++) {
		AUTO_FREE char *name = mem_printf("g%d", i);

		json_object_set_new(groups, name, json_object());
	}
	json = json_pack("{s:o}", "groups", groups);
	assert_int_equal(definitions_from_json(json, &defs, &err), -EINVAL);
	assert_string_equal(err.code, "too-many");
	json_decref(json);
	for (int i = 0; i <= GROUP_RULES_MAX; i++)
		json_array_append_new(rules, json_string("tcp 80"));
	json = json_pack("{s:{s:{s:o}}}", "groups", "web", "ingress", rules);
	vnet_error_clear(&err);
	assert_int_equal(definitions_from_json(json, &defs, &err), -EINVAL);
	assert_string_equal(err.code, "too-many");
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
