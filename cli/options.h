/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

/*
 * options.h - options as a table, which parses, explains and completes itself
 *
 * An option names the field of the caller's structure that it fills.  Long
 * options take their value as the next word or after '=', short ones as the
 * next word or the rest of the word.  Everything after "--" is positional.
 */

#include "base/mem.h"
#include "vnet/error.h"

#include <stdbool.h>
#include <stdio.h>

enum option_kind {
	OPTION_FLAG,    /* bool */
	OPTION_TEXT,    /* const char * */
	OPTION_TEXTS,   /* text_vec: may be repeated */
	OPTION_NUMBER,  /* unsigned; min..max */
	OPTION_CHOICE,  /* const char *, one of choices */
};

/* What a shell may offer for a value or a positional argument. */
enum completion {
	COMPLETE_NOTHING, COMPLETE_FILE, COMPLETE_NETWORK, COMPLETE_PORT, COMPLETE_USER,
	COMPLETE_NETNS, COMPLETE_GROUP,
};

typedef VEC(const char *) text_vec;

struct cli_option {
	const char *name;       /* without dashes; NULL ends a table */
	char letter;            /* or 0 */
	enum option_kind kind;
	size_t offset;          /* of its field */
	const char *value;      /* what usage calls the value: "FILE" */
	const char *help;
	const char *choices;    /* "on|off|auto" */
	unsigned min, max;
	enum completion completes;
	bool may_repeat;        /* the last one counts; else a repetition is an error */
};

/* A table and the structure it fills. */
struct option_set {
	const struct cli_option *options;
	void *values;
};

/*
 * Parses words until all are used, or until the first positional one when
 * stop_at_word.  Positional words are kept in *ret_words (borrowed from argv),
 * those after "--" in *ret_rest; *ret_has_rest tells "--" from nothing.
 * Returns the number of words read, or -EINVAL with the reason.
 */
int options_parse(const struct option_set *sets, size_t n_sets, int argc, char *const *argv,
		  bool stop_at_word, text_vec *ret_words, text_vec *ret_rest, bool *ret_has_rest,
		  struct vnet_error *err);

/* Finds the option a word names ("--file", "--file=x", "-f", "-fx"), or NULL; *ret_value: what follows it. */
const struct cli_option *option_find(const struct option_set *sets, size_t n_sets, const char *word,
				     const char **ret_value, size_t *ret_set);

/* Frees the vectors of OPTION_TEXTS. */
void options_free(const struct option_set *set);

/* "  -f, --file FILE   help" for each. */
void options_print(const struct cli_option *options, FILE *f);

#endif
