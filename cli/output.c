/* SPDX-License-Identifier: GPL-2.0-or-later */
/* output.c - tables, records, JSON; see output.h. */

#include "cli/output.h"

#include <libsmartcols.h>
#include <time.h>
#include <unistd.h>

static char *value_text(const json_t *value);
static char *time_text(json_int_t seconds);
static const char *state_color(const struct cli *cli, const char *state);

enum output_format output_format(const struct cli *cli)
{
	if (cli->format && !strcmp(cli->format, "json"))
		return FORMAT_JSON;
	if (cli->format && !strcmp(cli->format, "yaml"))
		return FORMAT_YAML;
	return FORMAT_TABLE;
}

void output_value(const struct cli *cli, const json_t *value)
{
	/* A terminal would obey C1 control characters, which JSON allows as they are. */
	size_t ascii = isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0;

	if (output_format(cli) == FORMAT_YAML) {
		yaml_print(stdout, value);
		return;
	}
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | ascii);
	fputc('\n', stdout);
}

static struct libscols_table *new_table(const struct cli *cli, const struct column *columns)
{
	struct libscols_table *table = scols_new_table();

	if (!table)
		abort();
	scols_table_enable_colors(table, cli->color_out);
	if (!isatty(STDOUT_FILENO))
		scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER);
	for (const struct column *c = columns; c->title; c++) {
		int flags = c->kind == COLUMN_NUMBER ? SCOLS_FL_RIGHT :
			    c->kind == COLUMN_TEXT ? SCOLS_FL_WRAP : 0;

		if (!c->only_record)
			scols_table_new_column(table, c->title, 0, flags);
	}
	return table;
}

void output_list(const struct cli *cli, const struct column *columns, const json_t *array,
		 const char *what)
{
	struct libscols_table *table;
	const json_t *object;
	size_t i;

	if (output_format(cli) != FORMAT_TABLE) {
		output_value(cli, array);
		return;
	}
	if (!json_array_size(array)) {
		if (!cli->quiet)
			fprintf(stderr, "no %s\n", what);
		return;
	}
	table = new_table(cli, columns);
	json_array_foreach((json_t *)array, i, object) {
		struct libscols_line *line = scols_table_new_line(table, NULL);
		size_t n = 0;

		if (!line)
			abort();
		for (const struct column *c = columns; c->title; c++) {
			AUTO_FREE char *text = NULL;

			if (c->only_record)
				continue;
			text = cell_text(c, object);
			scols_line_set_data(line, n, text);
			if (c->kind == COLUMN_STATE && state_color(cli, text))
				scols_cell_set_color(scols_line_get_cell(line, n),
						     state_color(cli, text));
			n++;
		}
	}
	scols_print_table(table);
	scols_unref_table(table);
}

void output_record(const struct cli *cli, const struct column *columns, const json_t *object)
{
	if (output_format(cli) != FORMAT_TABLE) {
		output_value(cli, object);
		return;
	}
	for (const struct column *c = columns; c->title; c++) {
		AUTO_FREE char *text = cell_text(c, object);
		const char *color = c->kind == COLUMN_STATE ? state_color(cli, text) : NULL;

		if (c->kind == COLUMN_PROBLEM && !strcmp(text, "-"))
			continue;
		printf("%s%-12s%s ", cli->color_out ? COLOR_DIM : "", c->title,
		       cli->color_out ? COLOR_RESET : "");
		fputs(color ? color : "", stdout);
		print_safe(stdout, text);
		puts(color ? COLOR_RESET : "");
	}
}

char *cell_text(const struct column *column, const json_t *object)
{
	const json_t *value = json_object_get(object, column->key);

	switch (column->kind) {
	case COLUMN_TIME:
		return json_is_integer(value) ? time_text(json_integer_value(value)) :
						mem_strdup("-");
	case COLUMN_PROBLEM:
		value = json_object_get(value, "message");
		break;
	case COLUMN_TEXT:
	case COLUMN_NUMBER:
	case COLUMN_STATE:
		break;
	}
	return value_text(value);
}

static char *list_text(const json_t *array)
{
	struct strbuf b = { 0 };
	const json_t *item;
	size_t i;

	if (!json_array_size(array))
		return mem_strdup("-");
	json_array_foreach((json_t *)array, i, item) {
		AUTO_FREE char *text = value_text(item);

		strbuf_printf(&b, "%s%s", i ? ", " : "", text);
	}
	return strbuf_take(&b);
}

/* "networks 4096, ports 16384" */
static char *object_text(const json_t *object)
{
	struct strbuf b = { 0 };
	const json_t *value;
	const char *key;

	if (!json_object_size(object))
		return mem_strdup("-");
	json_object_foreach((json_t *)object, key, value) {
		AUTO_FREE char *text = value_text(value);

		strbuf_printf(&b, "%s%s %s", b.len ? ", " : "", key, text);
	}
	return strbuf_take(&b);
}

static char *value_text(const json_t *value)
{
	if (json_is_string(value) && json_string_length(value))
		return mem_strdup(json_string_value(value));
	if (json_is_integer(value))
		return mem_printf("%lld", (long long)json_integer_value(value));
	if (json_is_boolean(value))
		return mem_strdup(json_is_true(value) ? "yes" : "no");
	if (json_is_array(value))
		return list_text(value);
	if (json_is_object(value))
		return object_text(value);
	if (json_is_real(value))
		return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	return mem_strdup("-");
}

static char *time_text(json_int_t seconds)
{
	time_t when = (time_t)seconds;
	char text[64];
	struct tm tm;

	if (!seconds)
		return mem_strdup("never");
	if (!localtime_r(&when, &tm))
		return mem_printf("%lld", (long long)seconds);
	strftime(text, sizeof(text), "%F %T", &tm);
	return mem_strdup(text);
}

static const char *state_color(const struct cli *cli, const char *state)
{
	if (!cli->color_out)
		return NULL;
	if (!strcmp(state, "running") || !strcmp(state, "up"))
		return COLOR_GOOD;
	if (!strcmp(state, "failed") || !strcmp(state, "blocked"))
		return COLOR_BAD;
	return NULL;
}
