/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VNET_TESTS_GOLDEN_H
#define VNET_TESTS_GOLDEN_H

/*
 * golden.h - files that hold what a pure function makes of a case
 *
 * UPDATE_GOLDEN=1 writes them anew; read the difference before committing.
 */

#include "base/strbuf.h"

#include <glob.h>
#include <stdio.h>

/* The whole of a file, or NULL when it is not there; ret_size may be NULL. */
static inline char *golden_read(const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "re");
	struct strbuf text = { 0 };
	char chunk[4096];
	size_t n;

	if (!file)
		return NULL;
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		strbuf_append_n(&text, chunk, n);
	fclose(file);
	if (ret_size)
		*ret_size = text.len;
	return strbuf_take(&text);
}

static inline void golden_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Is got what the file holds?  Prints both where it is not. */
static inline bool golden_holds(const char *path, const char *got)
{
	AUTO_FREE char *wanted = NULL;

	if (getenv("UPDATE_GOLDEN")) {
		golden_write(path, got);
		return true;
	}
	wanted = golden_read(path, NULL);
	if (wanted && strcmp(wanted, got) == 0)
		return true;
	print_error("%s: wanted:\n%sgot:\n%s", path, wanted ? wanted : "", got);
	return false;
}

/*
 * Each file that fits the pattern, DIR/NAME.EXT, is run; what that gives is to be in
 * DIR/NAME.out.  file: NAME.EXT, for messages.
 */
typedef char *(*golden_case)(const char *text, size_t size, const char *file);

static inline void golden_run(const char *pattern, golden_case run)
{
	glob_t found;
	size_t failed = 0;

	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *path = found.gl_pathv[i];
		AUTO_FREE char *golden = mem_printf("%.*s.out", (int)(strrchr(path, '.') - path), path);
		size_t size = 0;
		AUTO_FREE char *text = golden_read(path, &size);
		AUTO_FREE char *got = run(text, size, strrchr(path, '/') + 1);

		failed += !golden_holds(golden, got);
	}
	globfree(&found);
	assert_int_equal(failed, 0);
}

#endif
