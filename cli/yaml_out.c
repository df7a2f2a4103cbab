/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * yaml_out.c - JSON values as block YAML
 *
 * Strings go plain only where no YAML version could take them for anything
 * else; all others go in double quotes.
 */

#include "cli/output.h"

#include <ctype.h>
#include <strings.h>

static void print_node(FILE *f, const json_t *value, unsigned indent, bool after_key);
static void print_string(FILE *f, const json_t *string);

void yaml_print(FILE *f, const json_t *value)
{
	print_node(f, value, 0, false);
}

static void print_indent(FILE *f, unsigned indent)
{
	fprintf(f, "%*s", (int)indent * 2, "");
}

/* "- " before each item; an object's first key shares the line with the dash. */
static void print_array(FILE *f, const json_t *array, unsigned indent)
{
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)array, i, item) {
		print_indent(f, indent);
		fputs("- ", f);
		print_node(f, item, indent + 1, false);
	}
}

static void print_object(FILE *f, const json_t *object, unsigned indent)
{
	const json_t *value;
	const char *key;
	bool first = true;

	json_object_foreach((json_t *)object, key, value) {
		json_t *name = json_string(key);

		if (!first)
			print_indent(f, indent);
		first = false;
		print_string(f, name);
		json_decref(name);
		fputc(':', f);
		print_node(f, value, indent + 1, true);
	}
}

static void print_node(FILE *f, const json_t *value, unsigned indent, bool after_key)
{
	const char *gap = after_key ? " " : "";

	if (json_is_object(value) && json_object_size(value)) {
		if (after_key) {
			fputc('\n', f);
			print_indent(f, indent);
		}
		print_object(f, value, indent);
	} else if (json_is_array(value) && json_array_size(value)) {
		/* A list in a list, or at the top, needs its first dash on a line of its own. */
		if (after_key || indent)
			fputc('\n', f);
		print_array(f, value, indent);
	} else if (json_is_string(value)) {
		fputs(gap, f);
		print_string(f, value);
		fputc('\n', f);
	} else {
		fputs(gap, f);
		json_dumpf(value, f, JSON_ENCODE_ANY | JSON_COMPACT);
		fputc('\n', f);
	}
}

/* Words that some YAML version takes for a boolean, null or number. */
static bool is_reserved(const char *s)
{
	static const char *const words[] = {
		"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcasecmp(s, words[i]))
			return true;
	return false;
}

/* A letter or slash first, then nothing that has a meaning in YAML; so neither numbers nor times. */
static bool is_plain(const char *s)
{
	if (!isalpha((unsigned char)*s) && *s != '/')
		return false;
	for (const char *c = s; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_./@+", *c) &&
		    !(*c == ' ' && c[1] && c[1] != ' ' && c[1] != '#') &&
		    !(*c == ',' && c[1] == ' '))
			return false;
	return !is_reserved(s);
}

/* In double quotes, with every character escaped that YAML calls unprintable. */
static void print_quoted(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", f);
		else if (c == '\t')
			fputs("\\t", f);
		else if (c < 0x20 || c == 0x7F)
			fprintf(f, "\\x%02x", c);
		else if (c == 0xC2 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xA0)
			fprintf(f, "\\x%02x", (unsigned char)*++s);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

static void print_string(FILE *f, const json_t *string)
{
	const char *s = json_string_value(string);

	if (is_plain(s))
		fputs(s, f);
	else
		print_quoted(f, s);
}
