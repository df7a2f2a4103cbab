/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.c - one line a message on standard error; see log.h. */

#include "netd/log.h"

#include "base/mem.h"
#include "netd/loop.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static int max_priority = LOG_INFO;
static bool has_journal;

static const struct {
	const char *name;
	int priority;
} levels[] = {
	{ "error", LOG_ERR },	{ "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
	{ "info", LOG_INFO },	{ "debug", LOG_DEBUG },
};

void log_init(int priority)
{
	max_priority = priority;
	has_journal = getenv("JOURNAL_STREAM") != NULL;
}

int log_level_parse(const char *name, int *ret_priority)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (strcmp(levels[i].name, name) == 0) {
			*ret_priority = levels[i].priority;
			return 0;
		}
	return -EINVAL;
}

static const char *level_name(int priority)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (levels[i].priority == priority)
			return levels[i].name;
	return "error";
}

bool log_is_on(int priority)
{
	return priority <= max_priority;
}

void log_msg(int priority, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list args;
	int head, n;

	if (!log_is_on(priority))
		return;
	if (has_journal)
		head = snprintf(line, sizeof(line), "<%d>", priority);
	else
		head = snprintf(line, sizeof(line), "netd: %s: ", level_name(priority));
	va_start(args, format);
	n = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, format, args);
	va_end(args);
	if (n < 0)
		return;
	n += head;
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	for (int i = head; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[n++] = '\n';
	/* One write, so that lines of several writers do not mix; a full pipe must not stop us. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

bool log_limit_pass(struct log_limit *limit)
{
	uint64_t now = loop_now();

	if (now - limit->since > limit->interval_usec) {
		if (limit->suppressed)
			log_msg(LOG_NOTICE, "%u similar messages suppressed", limit->suppressed);
		limit->since = now;
		limit->count = limit->suppressed = 0;
	}
	if (limit->count < limit->burst) {
		limit->count++;
		return true;
	}
	limit->suppressed++;
	return false;
}
