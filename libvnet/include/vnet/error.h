/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_ERROR_H
#define VNET_ERROR_H

/*
 * error.h - the one error object of vnet
 *
 * Functions that can fail return 0 or a negative errno and, where they take a
 * `struct vnet_error *`, fill it once, at the place that knows the cause.
 * Callers add context on the way up (vnet_error_prefix) and never overwrite:
 * the first error set wins until vnet_error_clear().  Every function here
 * accepts a NULL error and then only passes the number through.
 *
 * The object is plain data without ownership: copy it by assignment.
 */

#include <stdarg.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default) /* the library hides what no public header names */

struct vnet_error {
	int number;         /* negative errno, 0 when no error is set */
	char code[48];      /* stable, kebab-case: "name-conflict" */
	char file[128];     /* where the input came from, or "" */
	unsigned line;      /* 1-based, 0 when unknown */
	unsigned column;    /* 1-based, 0 when unknown */
	char path[160];     /* key path in the input: "blue.forwards[2].to", or "" */
	char message[512];  /* one sentence: what is wrong and what to do */
	char kernel[160];   /* the kernel's extended-ack text, or "" */
};

/* Sets number, code and message unless an error is set already.  Returns number. */
int vnet_error_set(struct vnet_error *err, int number, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int vnet_error_setv(struct vnet_error *err, int number, const char *code, const char *format,
		    va_list args) __attribute__((format(printf, 4, 0)));

/* Puts "context: " before the message.  Does nothing when no error is set. */
void vnet_error_prefix(struct vnet_error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds the position.  file and path may be NULL: that part stays as it is. */
void vnet_error_at(struct vnet_error *err, const char *file, unsigned line, unsigned column,
		   const char *path);

/* Forgets the error. */
void vnet_error_clear(struct vnet_error *err);

/* True when an error is set. */
bool vnet_error_is_set(const struct vnet_error *err);

/*
 * Writes "file:line:column: path: message (kernel: text)" with the parts that
 * are known; cuts at size.  Returns buf.
 */
char *vnet_error_text(const struct vnet_error *err, char *buf, unsigned long size);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
