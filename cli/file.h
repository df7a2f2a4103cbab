/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_FILE_H
#define CLI_FILE_H

/* file.h - a file that somebody names, as text */

#include "base/strbuf.h"
#include "vnet/error.h"

/* The whole of it, at most 4 MiB; "-" is standard input.  -EIO, -EINVAL with the reason. */
int file_read(const char *path, struct strbuf *ret, struct vnet_error *err);
/* UTF-8 without NUL, or -EINVAL with the line. */
int file_check_text(const char *text, size_t size, const char *file, struct vnet_error *err);

#endif
