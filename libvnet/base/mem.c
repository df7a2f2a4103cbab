/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mem.c - allocation that does not fail; see mem.h for why. */

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

static void *check(void *p)
{
	if (!p) {
		static const char message[] = "vnet: out of memory\n";
		fwrite(message, 1, sizeof(message) - 1, stderr);
		abort();
	}
	return p;
}

void *mem_alloc(size_t size)
{
	return check(calloc(1, size ? size : 1));
}

void *mem_resize(void *p, size_t n, size_t size)
{
	return check(reallocarray(p, n ? n : 1, size ? size : 1));
}

char *mem_strdup(const char *s)
{
	return s ? check(strdup(s)) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
	return check(strndup(s, n));
}

char *mem_printf(const char *format, ...)
{
	va_list args;
	char *s = NULL;

	va_start(args, format);
	if (vasprintf(&s, format, args) < 0)
		s = NULL;
	va_end(args);
	return check(s);
}

void mem_replace(char **s, const char *value)
{
	char *copy = mem_strdup(value);

	free(*s);
	*s = copy;
}

void mem_vec_grow(void **v, size_t *cap, size_t n, size_t size)
{
	size_t wanted = *cap ? *cap : 4;

	if (n <= *cap)
		return;
	while (wanted < n)
		wanted *= 2;
	*v = mem_resize(*v, wanted, size);
	*cap = wanted;
}

size_t mem_search(const void *items, size_t n, size_t size, const void *key,
		  int (*compare)(const void *key, const void *item), bool *ret_found)
{
	size_t low = 0, high = n;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(key, (const char *)items + middle * size);

		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}
