/* SPDX-License-Identifier: GPL-2.0-or-later */
/* safe.c - foreign text on a terminal; see safe.h. */

#include "cli/safe.h"

void print_safe(FILE *f, const char *text)
{
	for (const char *s = text; *s; s++) {
		unsigned char c = (unsigned char)*s;

		/* C1 controls are C2 80..9F in UTF-8. */
		if (c == 0xC2 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xA0) {
			fprintf(f, "\\x%02x", (unsigned char)*++s);
			continue;
		}
		if ((c < 0x20 && c != '\t') || c == 0x7F)
			fprintf(f, "\\x%02x", c);
		else
			fputc(c, f);
	}
}
