/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_SAFE_H
#define CLI_SAFE_H

/* safe.h - foreign text (a guest's host name, say) on a terminal */

#include <stdio.h>

/*
 * Control characters, and bytes that are no UTF-8, become \xNN, so that no text can drive a
 * terminal.  Tabs stay.
 */
void print_safe(FILE *f, const char *text);

#endif
