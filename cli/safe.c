/* SPDX-License-Identifier: GPL-2.0-or-later */
/* safe.c - foreign text on a terminal; see safe.h. */

#include "cli/safe.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the UTF-8 character at s, or 0 when there is none. */
static size_t character_size(const unsigned char *s)
{
	size_t size = *s < 0x80 ? 1 : *s < 0xC2 ? 0 : *s < 0xE0 ? 2 : *s < 0xF0 ? 3 : *s < 0xF5 ? 4 : 0;

	for (size_t i = 1; i < size; i++)
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	return size;
}

/* C0, DEL, and C1, which is C2 80..9F. */
static bool is_control(const unsigned char *s)
{
	return (*s < 0x20 && *s != '\t') || *s == 0x7F || (*s == 0xC2 && s[1] < 0xA0);
}

void print_safe(FILE *f, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s) {
		size_t size = character_size(s);

		if (size == 0 || is_control(s)) {
			size += size == 0;
			fprintf(f, "\\x%02x", s[size - 1]);
		} else {
			fwrite(s, 1, size, f);
		}
		s += size;
	}
}
