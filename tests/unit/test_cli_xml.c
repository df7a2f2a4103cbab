/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_cli_xml.c - foreign XML: what comes out, what is refused and where, and how the reader is locked up */

#include "base/strbuf.h"
#include "cli/xml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

static int read_text(const char *text, struct xml_element **ret, struct vnet_error *err)
{
	return xml_read(text, strlen(text), "x.xml", ret, err);
}

static void test_tree(void **state)
{
	static const char text[] = "<?xml version='1.0' encoding='ISO-8859-1'?>\n"
				   "<!-- a comment -->\n"
				   "<network ipv6='no'\n"
				   "         trustGuestRxFilters=\"y&amp;s\" xmlns:d='urn:d'\n"
				   "  >\n"
				   "  <name> bl&#x75;e<!-- --><![CDATA[<1>]]>\n"
				   "  </name><ip address='\xC3\xA4'/>\n"
				   "  <ip d:x='1'/><d:ip/>\n"
				   "</network>\n";
	AUTO(element_free) struct xml_element *root = NULL;
	struct vnet_error err = { 0 };
	struct xml_element *ip;

	(void)state;
	assert_int_equal(read_text(text, &root, &err), 0);
	assert_string_equal(root->name, "network");
	assert_int_equal(root->line, 3);
	assert_string_equal(element_attribute(root, "ipv6"), "no");
	assert_int_equal(element_find_attribute(root, "ipv6")->line, 3);
	assert_string_equal(element_attribute(root, "trustGuestRxFilters"), "y&s");
	assert_null(element_attribute(root, "d"));
	assert_string_equal(element_text(element_child(root, "name")), "blue<1>");
	assert_int_equal(element_child(root, "name")->line, 6);
	ip = element_child(root, "ip");
	assert_string_equal(element_attribute(ip, "address"), "\xC3\xA4");
	assert_int_equal(ip->line, 7);
	ip = element_next(root, "ip", ip);
	assert_int_equal(ip->line, 8);
	/* Of another namespace, it is another attribute or element. */
	assert_null(element_attribute(ip, "x"));
	assert_null(element_next(root, "ip", ip));
}

static void list_unread(void *context, const struct xml_element *e,
			const struct xml_attribute *attribute)
{
	char path[ELEMENT_PATH_MAX];

	strbuf_printf(context, "%u %s%s%s\n", attribute ? attribute->line : e->line,
		      element_path(e, path), attribute ? "@" : "",
		      attribute ? attribute->name : "");
}

static void test_unread(void **state)
{
	static const char text[] = "<a x='1' y='2'>\n<b>\n<c z='3'/></b>\n<b><d/>text</b>\n<e>t</e></a>";
	AUTO(element_free) struct xml_element *root = NULL;
	AUTO_STRBUF struct strbuf out = { 0 };
	struct vnet_error err = { 0 };
	struct xml_element *b;

	(void)state;
	assert_int_equal(read_text(text, &root, &err), 0);
	element_unread(root, list_unread, &out);
	assert_string_equal(out.s, "1 a\n");
	strbuf_reset(&out);
	root->is_read = true;
	element_attribute(root, "y");
	b = element_next(root, "b", element_child(root, "b"));
	element_child(b, "d");
	element_child(element_child(root, "b"), "c");
	element_unread(root, list_unread, &out);
	assert_string_equal(out.s, "1 a@x\n3 b/c@z\n4 b\n5 e\n");
	strbuf_reset(&out);
	element_ignore(root);
	element_unread(root, list_unread, &out);
	assert_string_equal(out.s, "");
}

static char *repeat(const char *before, const char *piece, unsigned n, const char *after)
{
	struct strbuf text = { 0 };

	strbuf_append(&text, before);
	while (n--)
		strbuf_append(&text, piece);
	strbuf_append(&text, after);
	return strbuf_take(&text);
}

static void test_refused(void **state)
{
	AUTO_FREE char *deep = repeat("", "<a>", XML_DEPTH_MAX + 1, "");
	AUTO_FREE char *many = repeat("<a>\n", "<b/>", XML_NODES_MAX, "</a>");
	AUTO_FREE char *wide = repeat("<a>\n<b ", "x", XML_TEXT_MAX, "='1'/></a>");
	static const char laughs[] = "<?xml version='1.0'?>\n<!DOCTYPE lolz [\n<!ENTITY lol 'lol'>\n"
				     "<!ENTITY lol1 '&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;'>\n]>\n"
				     "<network>&lol1;</network>";
	const struct { const char *text, *code; unsigned line; } cases[] = {
		{ "", "xml-syntax", 0 },
		{ "no xml", "xml-syntax", 1 },
		{ "<a>\n<b>\n</a>", "xml-syntax", 3 },
		{ "<a>\n<b x='1'\nx='2'/></a>", "xml-syntax", 3 },
		{ "<a/>\n<b/>", "xml-syntax", 2 },
		{ "<a>\n<p:b/></a>", "xml-syntax", 2 },
		{ "<a>\x01</a>", "xml-syntax", 1 },
		{ "<a>\n&#1;</a>", "xml-syntax", 2 },
		{ "<a>\xFF</a>", "not-text", 0 },
		{ "\xFE\xFF", "not-text", 0 },
		{ laughs, "xml-doctype", 2 },
		{ "<!DOCTYPE a SYSTEM 'http://192.0.2.1/a.dtd'>\n<a/>", "xml-doctype", 1 },
		{ "\n<!DOCTYPE a SYSTEM 'file:///etc/passwd' [<!ENTITY x SYSTEM 'file:///etc/shadow'>]>"
		  "<a>&x;</a>", "", 0 },
		{ "<!DOCTYPE a [<!ENTITY % x SYSTEM 'file:///etc/passwd'>%x;]><a/>", "xml-doctype", 1 },
		{ "<a>\n&x;</a>", "xml-entity", 2 },
		{ "<a>\n<b x='&x;'/></a>", "xml-entity", 2 },
		{ "<a>\n<b x='1&#10;2'/></a>", "control-character", 2 },
		{ "<a>\n<b x='\xC2\x9B'/></a>", "control-character", 2 },
		{ "<a>\n<b>x\ny</b></a>", "control-character", 2 },
		{ "<a>\n<description><b>x\ny</b></description></a>", "control-character", 2 },
		{ deep, "nested-too-deep", 1 },
		{ many, "too-many-values", 2 },
		{ wide, "text-too-long", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct xml_element *root = NULL;
		struct vnet_error err = { 0 };

		assert_int_equal(read_text(cases[i].text, &root, &err), -EINVAL);
		assert_null(root);
		if (!*cases[i].code) /* white space before it */
			continue;
		assert_string_equal(err.code, cases[i].code);
		assert_int_equal(err.line, cases[i].line);
		if (err.line)
			assert_string_equal(err.file, "x.xml");
	}
}

/* Sizes that are still read. */
static void test_limits(void **state)
{
	AUTO_FREE char *deep = repeat("<a>", "<a>", XML_DEPTH_MAX - 1, "");
	AUTO_FREE char *whole = repeat(deep, "</a>", XML_DEPTH_MAX, "");
	AUTO_FREE char *many = repeat("<a>", "<b c=''/>", XML_NODES_MAX / 2 - 1, "</a>");
	AUTO_FREE char *long_text = repeat("<a b='", "&lt;&gt;&#38;", XML_TEXT_MAX / 13 - 4, "'/>");
	const char *texts[] = { whole, many, long_text };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		AUTO(element_free) struct xml_element *root = NULL;
		struct vnet_error err = { 0 };

		assert_int_equal(read_text(texts[i], &root, &err), 0);
		assert_non_null(root);
	}
}

/* What the process could have said instead. */
static void test_nonsense(void **state)
{
	static const char *const outputs[] = {
		"", "\n", "\n{", "{}", "null\n{}", "[]\n{}", "{\"name\":\"a\"}\n{}",
		"{\"name\":\"a\",\"line\":\"1\"}\n{}",
		"{\"name\":\"a\",\"line\":1,\"attributes\":[1]}\n{}",
		"{\"name\":\"a\",\"line\":1,\"children\":[{}]}\n{}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
		struct xml_element *root = NULL;
		struct vnet_error err = { 0 };

		assert_int_equal(xml_decode(outputs[i], strlen(outputs[i]), NULL, &root, &err), -EINVAL);
		assert_string_equal(err.code, "xml-failed");
		assert_null(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),    cmocka_unit_test(test_unread),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests_name("cli_xml", tests, NULL, NULL);
}
