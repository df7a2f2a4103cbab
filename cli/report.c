/* SPDX-License-Identifier: GPL-2.0-or-later */
/* report.c - errors and notes for people, on stderr, and their exit status. */

#include "cli/command.h"
#include "cli/output.h"

#include <errno.h>

#define EXCERPT_MAX 200 /* bytes of a line that are worth showing */

static void print_excerpt(const struct cli *cli, const struct vnet_error *err, const char *text,
			  size_t size);

int error_status(const struct vnet_error *err)
{
	static const struct {
		int number, status;
	} table[] = {
		{ -ENOENT, EXIT_NOT_FOUND }, { -EACCES, EXIT_DENIED }, { -EPERM, EXIT_DENIED },
		{ -EBUSY, EXIT_IN_USE },     { -EINVAL, EXIT_INVALID }, { -EEXIST, EXIT_EXISTS },
		{ -EDQUOT, EXIT_LIMIT },     { -ETIMEDOUT, EXIT_TIMED_OUT },
	};

	if (!strcmp(err->code, "netd-unreachable"))
		return EXIT_UNREACHABLE;
	if (!strcmp(err->code, "usage"))
		return EXIT_USAGE;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (err->number == table[i].number)
			return table[i].status;
	return EXIT_FAILED;
}

int report_error(const struct cli *cli, const struct vnet_error *err)
{
	char text[1200];

	vnet_error_text(err, text, sizeof(text));
	fputs("vnetctl: ", stderr);
	if (cli->color_err)
		fputs(COLOR_ERROR, stderr);
	print_safe(stderr, text);
	if (cli->color_err)
		fputs(COLOR_RESET, stderr);
	fputc('\n', stderr);
	return error_status(err);
}

int report_error_in(const struct cli *cli, const struct vnet_error *err, const char *text,
		    size_t size)
{
	int status = report_error(cli, err);

	if (err->line && text)
		print_excerpt(cli, err, text, size);
	return status;
}

void report_problem(const struct cli *cli, const json_t *problem, const char *what)
{
	const char *message = json_string_value(json_object_get(problem, "message"));
	const char *kernel = json_string_value(json_object_get(problem, "kernel"));

	(void)cli;
	if (!message)
		return;
	fputs("vnetctl: ", stderr);
	print_safe(stderr, what);
	fputs(": ", stderr);
	print_safe(stderr, message);
	if (kernel && kernel[0]) {
		fputs(" (kernel: ", stderr);
		print_safe(stderr, kernel);
		fputc(')', stderr);
	}
	fputc('\n', stderr);
}

int report_usage(const struct cli *cli, const char *format, ...)
{
	struct vnet_error err = { 0 };
	va_list args;

	va_start(args, format);
	vnet_error_setv(&err, -EINVAL, "usage", format, args);
	va_end(args);
	return report_error(cli, &err);
}

void report_notes(const struct cli *cli, const json_t *notes)
{
	for (size_t i = 0; !cli->quiet && i < json_array_size(notes); i++) {
		const char *note = json_string_value(json_array_get(notes, i));

		if (!note)
			continue;
		fputs("note: ", stderr);
		print_safe(stderr, note);
		fputc('\n', stderr);
	}
}

/* "   4 |   to: 10.0.0.300" and a caret below the column, which counts characters. */
static void print_excerpt(const struct cli *cli, const struct vnet_error *err, const char *text,
			  size_t size)
{
	const char *line = text, *end = text + size;
	AUTO_FREE char *copy = NULL;
	size_t length, column = 1;

	for (unsigned n = 1; n < err->line; n++) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));

		if (!newline)
			return;
		line = newline + 1;
	}
	length = strcspn(line, "\r\n"); /* text ends with NUL */
	if (length > EXCERPT_MAX)
		length = EXCERPT_MAX;
	copy = mem_strndup(line, length);
	fprintf(stderr, "%5u | ", err->line);
	print_safe(stderr, copy);
	if (!err->column) {
		fputc('\n', stderr);
		return;
	}
	fputs("\n      | ", stderr);
	if (err->column > length + 1) {
		fputc('\n', stderr);
		return;
	}
	/* The bytes before the column are printed as blanks, tabs as themselves, UTF-8 tails as nothing. */
	for (const char *s = copy; column < err->column && *s; s++) {
		if ((*s & 0xC0) == 0x80)
			continue;
		fputc(*s == '\t' ? '\t' : ' ', stderr);
		column++;
	}
	fprintf(stderr, "%s^%s\n", cli->color_err ? COLOR_ERROR : "",
		cli->color_err ? COLOR_RESET : "");
}
