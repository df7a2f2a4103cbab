/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* strbuf.c - a growing string. */

#include "base/strbuf.h"

#include <stdio.h>

static void reserve(struct strbuf *b, size_t more)
{
	mem_vec_grow((void **)&b->s, &b->cap, b->len + more + 1, 1);
}

void strbuf_append_n(struct strbuf *b, const char *s, size_t n)
{
	reserve(b, n);
	memcpy(b->s + b->len, s, n);
	b->len += n;
	b->s[b->len] = '\0';
}

void strbuf_append(struct strbuf *b, const char *s)
{
	strbuf_append_n(b, s, strlen(s));
}

void strbuf_vprintf(struct strbuf *b, const char *format, va_list args)
{
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	if (n > 0) {
		reserve(b, (size_t)n);
		vsnprintf(b->s + b->len, (size_t)n + 1, format, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void strbuf_printf(struct strbuf *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	strbuf_vprintf(b, format, args);
	va_end(args);
}

char *strbuf_take(struct strbuf *b)
{
	char *s = b->s ? b->s : mem_strdup("");

	*b = (struct strbuf){ 0 };
	return s;
}

void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	if (b->s)
		b->s[0] = '\0';
}

void strbuf_free(struct strbuf *b)
{
	free(b->s);
	*b = (struct strbuf){ 0 };
}
