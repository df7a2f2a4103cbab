/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_LOG_H
#define NETD_LOG_H

/*
 * log.h - one line a message on standard error
 *
 * Under systemd (JOURNAL_STREAM set) each line starts with its <priority>, as
 * sd-daemon(3) describes; elsewhere with a word. Control characters that a
 * guest or client may have put into a name are written as '?'.
 */

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

void log_init(int max_priority);
/* "error", "warning", "notice", "info", "debug"; -EINVAL. */
int log_level_parse(const char *name, int *ret_priority);
bool log_is_on(int priority); /* for what is dear to put in words */
void log_msg(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_msg(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_msg(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_msg(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)

/* For what an event can repeat: true at most burst times in each interval. */
struct log_limit {
	uint64_t interval_usec;
	unsigned burst;
	uint64_t since;
	unsigned count, suppressed;
};
#define LOG_LIMIT(seconds, n) { .interval_usec = (seconds) * 1000000ull, .burst = (n) }
bool log_limit_pass(struct log_limit *limit);

#endif
