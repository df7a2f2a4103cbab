/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_BASE_STRBUF_H
#define VNET_BASE_STRBUF_H

/* strbuf.h - a growing string.  Zero-initialise; s is NULL until the first append. */

#include "base/mem.h"

#include <stdarg.h>

struct strbuf {
	char *s;     /* NUL-terminated, or NULL while empty */
	size_t len;  /* without the NUL */
	size_t cap;
};

void strbuf_append(struct strbuf *b, const char *s);
void strbuf_append_n(struct strbuf *b, const char *s, size_t n);
void strbuf_printf(struct strbuf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vprintf(struct strbuf *b, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
/* Hands the string over ("" if empty) and leaves b empty. */
char *strbuf_take(struct strbuf *b);
void strbuf_reset(struct strbuf *b); /* empties, keeps the memory */
void strbuf_free(struct strbuf *b);

#define AUTO_STRBUF __attribute__((cleanup(strbuf_free)))

#endif
