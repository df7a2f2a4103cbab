/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LAB_SMALL_FILE_H
#define CLI_LAB_SMALL_FILE_H

/* small_file.h - whole small files; 0 or negative errno */

#include "base/mem.h"

/* At most max bytes: -EFBIG.  NUL-terminated; free with free(). */
int small_file_read(int folder, const char *path, size_t max, char **ret_text, size_t *ret_size);
/* Replaced as a whole, by renaming. */
int small_file_write(int folder, const char *path, const char *text, size_t size);

#endif
