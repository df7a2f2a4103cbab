/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options.c - options as a table; see options.h. */

#include "cli/options.h"

#include <errno.h>

static int store(const struct cli_option *o, void *values, const char *value,
		 struct vnet_error *err);
static bool is_given(const struct cli_option *o, const void *field);

int options_parse(const struct option_set *sets, size_t n_sets, int argc, char *const *argv,
		  bool stop_at_word, text_vec *ret_words, text_vec *ret_rest, bool *ret_has_rest,
		  struct vnet_error *err)
{
	int i;

	*ret_has_rest = false;
	for (i = 0; i < argc; i++) {
		const struct cli_option *o;
		const char *value;
		size_t set;
		int r;

		if (!strcmp(argv[i], "--")) {
			*ret_has_rest = true;
			while (++i < argc)
				vec_push(ret_rest, argv[i]);
			break;
		}
		if (argv[i][0] != '-' || !argv[i][1]) {
			if (stop_at_word)
				break;
			vec_push(ret_words, argv[i]);
			continue;
		}
		o = option_find(sets, n_sets, argv[i], &value, &set);
		if (!o)
			return vnet_error_set(err, -EINVAL, "usage", "there is no option %s",
					      argv[i]);
		if (o->kind == OPTION_FLAG && value)
			return vnet_error_set(err, -EINVAL, "usage", "--%s takes no value",
					      o->name);
		if (o->kind != OPTION_FLAG && !value) {
			if (++i >= argc)
				return vnet_error_set(err, -EINVAL, "usage", "--%s needs %s",
						      o->name, o->value);
			value = argv[i];
		}
		r = store(o, sets[set].values, value, err);
		if (r < 0)
			return r;
	}
	return i;
}

const struct cli_option *option_find(const struct option_set *sets, size_t n_sets, const char *word,
				     const char **ret_value, size_t *ret_set)
{
	bool is_long = word[0] == '-' && word[1] == '-';
	size_t size = is_long ? strcspn(word + 2, "=") : 0;

	for (size_t s = 0; s < n_sets; s++)
		for (const struct cli_option *o = sets[s].options; o && o->name; o++) {
			if (is_long) {
				if (strlen(o->name) != size || strncmp(word + 2, o->name, size))
					continue;
				*ret_value = word[2 + size] == '=' ? word + 3 + size : NULL;
			} else {
				if (!o->letter || word[1] != o->letter)
					continue;
				*ret_value = word[2] ? word + 2 : NULL;
			}
			*ret_set = s;
			return o;
		}
	return NULL;
}

void options_free(const struct option_set *set)
{
	for (const struct cli_option *o = set->options; o && o->name; o++)
		if (o->kind == OPTION_TEXTS)
			vec_free((text_vec *)((char *)set->values + o->offset));
}

void options_print(const struct cli_option *options, FILE *f)
{
	for (const struct cli_option *o = options; o && o->name; o++) {
		char left[64], letter[8] = "    ";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->value ? " " : "",
			 o->value ? o->value : "");
		fprintf(f, "  %-30s %s\n", left, o->help);
	}
}

static bool is_choice(const char *choices, const char *value)
{
	size_t size = strlen(value);

	for (const char *c = choices; *c; c += strcspn(c, "|"), c += *c == '|')
		if (strcspn(c, "|") == size && !strncmp(c, value, size))
			return true;
	return false;
}

static int store(const struct cli_option *o, void *values, const char *value,
		 struct vnet_error *err)
{
	void *field = (char *)values + o->offset;
	unsigned long number;
	char *end;

	if (!o->may_repeat && is_given(o, field))
		return vnet_error_set(err, -EINVAL, "usage", "--%s is given twice", o->name);
	switch (o->kind) {
	case OPTION_FLAG:
		*(bool *)field = true;
		break;
	case OPTION_CHOICE:
		if (!is_choice(o->choices, value))
			return vnet_error_set(err, -EINVAL, "usage", "--%s is one of %s, not '%s'",
					      o->name, o->choices, value);
		*(const char **)field = value;
		break;
	case OPTION_TEXT:
		*(const char **)field = value;
		break;
	case OPTION_TEXTS:
		vec_push((text_vec *)field, value);
		break;
	case OPTION_NUMBER:
		errno = 0;
		number = strtoul(value, &end, 10);
		if (errno || end == value || *end || value[0] == '-' || number < o->min ||
		    number > o->max)
			return vnet_error_set(err, -EINVAL, "usage",
					      "--%s is a number from %u to %u, not '%s'", o->name,
					      o->min, o->max, value);
		*(unsigned *)field = (unsigned)number;
		break;
	}
	return 0;
}

/* A number of 0 counts as not given: a repeated 0 changes nothing. */
static bool is_given(const struct cli_option *o, const void *field)
{
	switch (o->kind) {
	case OPTION_TEXT:
	case OPTION_CHOICE:
		return *(const char *const *)field != NULL;
	case OPTION_NUMBER:
		return *(const unsigned *)field != 0;
	case OPTION_FLAG:
	case OPTION_TEXTS:
		break;
	}
	return false;
}
