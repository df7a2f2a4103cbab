/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* error.c - the one error object of vnet; see vnet/error.h for the rules. */

#include "vnet/error.h"

#include <stdio.h>
#include <string.h>

int vnet_error_setv(struct vnet_error *err, int number, const char *code, const char *format,
		    va_list args)
{
	if (!err || err->number)
		return number;
	err->number = number;
	snprintf(err->code, sizeof(err->code), "%s", code);
	vsnprintf(err->message, sizeof(err->message), format, args);
	return number;
}

int vnet_error_set(struct vnet_error *err, int number, const char *code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vnet_error_setv(err, number, code, format, args);
	va_end(args);
	return number;
}

void vnet_error_prefix(struct vnet_error *err, const char *format, ...)
{
	char context[256], old[sizeof(err->message)];
	va_list args;

	if (!vnet_error_is_set(err))
		return;
	va_start(args, format);
	vsnprintf(context, sizeof(context), format, args);
	va_end(args);
	memcpy(old, err->message, sizeof(old));
	snprintf(err->message, sizeof(err->message), "%s: %.*s", context,
		 (int)(sizeof(old) - sizeof(context) - 3), old);
}

void vnet_error_at(struct vnet_error *err, const char *file, unsigned line, unsigned column,
		   const char *path)
{
	if (!vnet_error_is_set(err))
		return;
	if (file)
		snprintf(err->file, sizeof(err->file), "%s", file);
	if (line) {
		err->line = line;
		err->column = column;
	}
	if (path)
		snprintf(err->path, sizeof(err->path), "%s", path);
}

void vnet_error_clear(struct vnet_error *err)
{
	if (err)
		memset(err, 0, sizeof(*err));
}

bool vnet_error_is_set(const struct vnet_error *err)
{
	return err && err->number != 0;
}

/* snprintf() at *pos, which never passes size. */
static void append(char *buf, size_t size, size_t *pos, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void append(char *buf, size_t size, size_t *pos, const char *format, ...)
{
	va_list args;
	int n;

	if (*pos >= size)
		return;
	va_start(args, format);
	n = vsnprintf(buf + *pos, size - *pos, format, args);
	va_end(args);
	if (n > 0)
		*pos += (size_t)n;
}

char *vnet_error_text(const struct vnet_error *err, char *buf, unsigned long size)
{
	size_t pos = 0;

	if (size)
		buf[0] = '\0';
	if (!vnet_error_is_set(err))
		return buf;
	if (err->file[0])
		append(buf, size, &pos, "%s:", err->file);
	if (err->line)
		append(buf, size, &pos, "%u:", err->line);
	if (err->line && err->column)
		append(buf, size, &pos, "%u:", err->column);
	if (pos)
		append(buf, size, &pos, " ");
	if (err->path[0])
		append(buf, size, &pos, "%s: ", err->path);
	append(buf, size, &pos, "%s", err->message);
	if (err->kernel[0])
		append(buf, size, &pos, " (kernel: %s)", err->kernel);
	return buf;
}
