/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_lab.c - labs as values: read, checked, and drawn
 *
 * tests/golden/lab holds a lab file and its drawings with what is suspicious in it, or
 * the error, a case each.  UPDATE_GOLDEN=1 writes them anew.
 */

#include "base/strbuf.h"
#include "lab/graph.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/golden.h"

#define GOLDEN "tests/golden/lab/"

static char *run_case(const char *text, size_t size, const char *file)
{
	AUTO(lab_free) struct lab *lab = NULL;
	AUTO_FREE char *warnings = NULL, *drawing = NULL, *dot = NULL;
	AUTO(graph_free) struct graph *graph = NULL;
	struct vnet_error err = { 0 };
	char message[1024];

	if (lab_from_yaml(text, size, file, &lab, &warnings, &err) < 0) {
		assert_null(lab);
		return mem_printf("%s [%s]\n", vnet_error_text(&err, message, sizeof(message)), err.code);
	}
	graph = graph_new(lab);
	drawing = graph_to_text(graph);
	dot = graph_to_dot(graph);
	return mem_printf("%s---\n%s---\n%s", warnings ? warnings : "", drawing, dot);
}

static void test_golden(void **state)
{
	(void)state;
	golden_run(GOLDEN "*.yaml", run_case);
}

/* A file with this many nodes, and nothing else. */
static int read_nodes(unsigned n, struct vnet_error *err)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	AUTO(lab_free) struct lab *lab = NULL;
	AUTO_FREE char *warnings = NULL;

	strbuf_append(&text, "nodes:\n");
	for (unsigned i = 0; i < n; i++)
		strbuf_printf(&text, "  n%u:\n", i);
	return lab_from_yaml(text.s, text.len, "big.yaml", &lab, &warnings, err);
}

static void test_limit(void **state)
{
	struct vnet_error err = { 0 };

	(void)state;
	assert_int_equal(read_nodes(LAB_MACHINES_MAX, &err), 0);
	assert_int_equal(read_nodes(10000, &err), -EINVAL);
	assert_string_equal(err.code, "too-many");
	assert_non_null(strstr(err.message, "10000 nodes; at most 2048"));
}

static void test_impairment(void **state)
{
	static const struct { const char *yaml, *text; } cases[] = {
		{ "{delay: 20ms}", "delay 20ms" },
		{ "{delay: 1s, jitter: 1500us}", "delay 1000ms jitter 1.5ms" },
		{ "{loss: 0.125%, rate: 10mbit}", "loss 0.125% rate 10mbit" },
		{ "{loss: 100%}", "loss 100%" },
		{ "{delay: 61s}", NULL },
		{ "{loss: 5}", NULL },
		{ "{loss: 100.001%}", NULL },
		{ "{rate: -1}", NULL },
		{ "{speed: 1}", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lab_impairment impairment = { 0 };
		struct vnet_error err = { 0 };
		int r = lab_impairment_from_yaml(cases[i].yaml, &impairment, &err);
		AUTO_FREE char *text = lab_impairment_text(&impairment);

		assert_int_equal(r == 0, cases[i].text != NULL);
		assert_string_equal(text, r == 0 ? cases[i].text : "");
		assert_int_equal(lab_impairment_is_set(&impairment), r == 0);
	}
}

/* Leases and neighbours hang on it. */
static void test_mac(void **state)
{
	struct mac a = lab_mac("a", "eth0"), again = lab_mac("a", "eth0"), b = lab_mac("a", "eth1");

	(void)state;
	assert_int_equal(mac_cmp(&a, &again), 0);
	assert_int_not_equal(mac_cmp(&a, &b), 0);
	assert_false(mac_is_multicast(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_impairment),
		cmocka_unit_test(test_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
