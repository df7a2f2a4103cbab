/* SPDX-License-Identifier: GPL-2.0-or-later */
/* output.c - tables, records, JSON; see output.h. */

#include "cli/output.h"

#include <libsmartcols.h>
#include <time.h>
#include <unistd.h>

static char *value_text(const json_t *value);
static char *time_text(json_int_t seconds);
static char *vlan_text(const json_t *value);
static char *limit_text(const json_t *value);
static char *switches_text(const json_t *value);
static char *routes_text(const json_t *value);
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

typedef VEC(const struct column *) column_vec;

/* Does any of the objects have something to say here? */
static bool has_text(const struct column *column, const json_t *array)
{
	const json_t *object;
	size_t i;

	json_array_foreach((json_t *)array, i, object) {
		AUTO_FREE char *text = cell_text(column, object);

		if (strcmp(text, "-"))
			return true;
	}
	return false;
}

static struct libscols_table *new_table(const struct cli *cli, const column_vec *columns)
{
	struct libscols_table *table = scols_new_table();

	if (!table)
		abort();
	scols_table_enable_colors(table, cli->color_out);
	if (!isatty(STDOUT_FILENO))
		scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER);
	vec_each(c, columns)
		scols_table_new_column(table, (*c)->title, 0,
				       (*c)->kind == COLUMN_NUMBER ? SCOLS_FL_RIGHT :
				       (*c)->kind == COLUMN_TEXT ? SCOLS_FL_WRAP : 0);
	return table;
}

static void add_line(const struct cli *cli, struct libscols_table *table,
		     const column_vec *columns, const json_t *object)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);

	if (!line)
		abort();
	for (size_t i = 0; i < columns->n; i++) {
		AUTO_FREE char *text = cell_text(columns->v[i], object);
		const char *color = columns->v[i]->kind == COLUMN_STATE ? state_color(cli, text) :
									   NULL;

		scols_line_set_data(line, i, text);
		if (color)
			scols_cell_set_color(scols_line_get_cell(line, i), color);
	}
}

void output_list(const struct cli *cli, const struct column *columns, const json_t *array,
		 const char *what)
{
	struct libscols_table *table;
	column_vec shown = { 0 };
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
	for (const struct column *c = columns; c->title; c++)
		if (c->show == SHOW_ALWAYS || (c->show == SHOW_IF_ANY && has_text(c, array)))
			vec_push(&shown, c);
	table = new_table(cli, &shown);
	json_array_foreach((json_t *)array, i, object)
		add_line(cli, table, &shown, object);
	scols_print_table(table);
	scols_unref_table(table);
	vec_free(&shown);
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

		if ((c->show == SHOW_IF_ANY || c->show == SHOW_RECORD_IF_ANY) && !strcmp(text, "-"))
			continue;
		printf("%s%-12s%s ", cli->color_out ? COLOR_DIM : "", c->title,
		       cli->color_out ? COLOR_RESET : "");
		fputs(color ? color : "", stdout);
		print_safe(stdout, text);
		puts(color ? COLOR_RESET : "");
	}
}

/* What a path like "inside.ifname" leads to, or NULL. */
static const json_t *find(const json_t *object, const char *path)
{
	for (const char *dot; (dot = strchr(path, '.')); path = dot + 1) {
		AUTO_FREE char *key = mem_strndup(path, (size_t)(dot - path));

		object = json_object_get(object, key);
	}
	return json_object_get(object, path);
}

char *cell_text(const struct column *column, const json_t *object)
{
	const json_t *value = find(object, column->key);

	switch (column->kind) {
	case COLUMN_TIME:
		return json_is_integer(value) ? time_text(json_integer_value(value)) :
						mem_strdup("-");
	case COLUMN_VLAN:
		return vlan_text(value);
	case COLUMN_LIMIT:
		return limit_text(value);
	case COLUMN_SWITCHES:
		return switches_text(value);
	case COLUMN_ROUTES:
		return routes_text(value);
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

/* "10", "native 1, tagged 10,20-30", "tagged 10" */
static char *vlan_text(const json_t *value)
{
	const json_t *tagged = json_object_get(value, "tagged"), *item;
	json_int_t native = json_integer_value(json_object_get(value, "native"));
	struct strbuf b = { 0 };
	size_t i;

	if (!json_array_size(tagged) && native)
		return mem_printf("%lld", (long long)native);
	if (!json_array_size(tagged))
		return value_text(value);
	if (native)
		strbuf_printf(&b, "native %lld, ", (long long)native);
	strbuf_append(&b, "tagged ");
	json_array_foreach(tagged, i, item) {
		AUTO_FREE char *text = value_text(item);

		strbuf_printf(&b, "%s%s", i ? "," : "", text);
	}
	return strbuf_take(&b);
}

/* The largest unit that leaves a whole number: "10mbit". */
static void append_rate(struct strbuf *b, json_int_t rate)
{
	static const char *const units[] = { "bit", "kbit", "mbit", "gbit" };
	size_t unit = 0;

	while (unit + 1 < ARRAY_SIZE(units) && rate && rate % 1000 == 0) {
		rate /= 1000;
		unit++;
	}
	strbuf_printf(b, "%lld%s", (long long)rate, units[unit]);
}

/* "10mbit, guaranteed 2mbit, burst 65536" */
static char *limit_text(const json_t *value)
{
	json_int_t rate = json_integer_value(json_object_get(value, "rate"));
	json_int_t guaranteed = json_integer_value(json_object_get(value, "guaranteed"));
	json_int_t burst = json_integer_value(json_object_get(value, "burst"));
	struct strbuf b = { 0 };

	if (!rate && !guaranteed)
		return mem_strdup("-");
	if (rate)
		append_rate(&b, rate);
	if (guaranteed) {
		strbuf_append(&b, rate ? ", guaranteed " : "guaranteed ");
		append_rate(&b, guaranteed);
	}
	if (burst)
		strbuf_printf(&b, ", burst %lld", (long long)burst);
	return strbuf_take(&b);
}

/* "tso off, gso on" */
static char *switches_text(const json_t *object)
{
	struct strbuf b = { 0 };
	const json_t *value;
	const char *key;

	if (!json_object_size(object))
		return mem_strdup("-");
	json_object_foreach((json_t *)object, key, value)
		if (json_is_boolean(value))
			strbuf_printf(&b, "%s%s %s", b.len ? ", " : "", key,
				      json_is_true(value) ? "on" : "off");
	return b.len ? strbuf_take(&b) : mem_strdup("-");
}

/* "default via 10.0.0.1, 10.9.0.0/16 via 10.0.0.2 metric 5" */
static char *routes_text(const json_t *array)
{
	static const char *const keys[] = { "via", "metric" };
	struct strbuf b = { 0 };
	const json_t *route;
	size_t i;

	if (!json_array_size(array))
		return mem_strdup("-");
	json_array_foreach((json_t *)array, i, route) {
		AUTO_FREE char *to = value_text(json_object_get(route, "to"));

		strbuf_printf(&b, "%s%s", i ? ", " : "", to);
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
			AUTO_FREE char *text = value_text(json_object_get(route, keys[k]));

			if (strcmp(text, "-"))
				strbuf_printf(&b, " %s %s", keys[k], text);
		}
	}
	return strbuf_take(&b);
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
