/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test.c - all expectations of a lab; see test.h. */

#include "cli/lab/test.h"

#include "base/xml.h"
#include "cli/lab/sight.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE 16
#define PROBE_MS 60000
#define EXPLAINED_MAX 8         /* of those that failed: each takes as long as its probe */

/* One probe that runs. */
struct worker {
	pid_t pid;
	int fd;
	size_t expectation;
};

static void start(const struct lab *lab, size_t i, struct worker *ret)
{
	int ends[2];

	*ret = (struct worker){ .pid = -1, .fd = -1, .expectation = i };
	if (pipe(ends) < 0)
		return;
	fflush(NULL);
	ret->pid = fork();
	if (ret->pid == 0) {
		struct probe_result result;

		close(ends[0]);
		probe(lab, &lab->expectations.v[i], &result);
		_exit(write(ends[1], &result, sizeof(result)) != (ssize_t)sizeof(result));
	}
	close(ends[1]);
	ret->fd = ends[0];
}

static void finish(struct worker *w, struct probe_result *ret)
{
	struct pollfd pfd = { .fd = w->fd, .events = POLLIN };
	ssize_t n = w->fd >= 0 && poll(&pfd, 1, PROBE_MS) == 1 ? read(w->fd, ret, sizeof(*ret)) : -1;

	if (n != (ssize_t)sizeof(*ret)) {
		*ret = (struct probe_result){ .is_error = true };
		snprintf(ret->reason, sizeof(ret->reason), "the probe itself failed");
	}
	if (w->fd >= 0)
		close(w->fd);
	if (w->pid > 0) {
		kill(w->pid, SIGKILL);
		while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
}

static void run_some(const struct lab *lab, bool wants_rates, size_t at_once, struct probe_result *results)
{
	struct worker workers[AT_ONCE];
	size_t n = 0;

	for (size_t i = 0; i <= lab->expectations.n; i++) {
		bool is_last = i == lab->expectations.n;

		if (!is_last && (lab->expectations.v[i].kind == EXPECT_RATE) == wants_rates)
			start(lab, i, &workers[n++]);
		if (n < at_once && !is_last)
			continue;
		for (size_t k = 0; k < n; k++)
			finish(&workers[k], &results[workers[k].expectation]);
		n = 0;
	}
}

/* What should work, went somewhere and came to nothing. */
static bool can_be_followed(const struct expectation *e, const struct probe_result *result)
{
	return !result->holds && !e->is_denied && result->to.family &&
	       (e->kind == EXPECT_PING || e->kind == EXPECT_REACH || e->kind == EXPECT_HTTP);
}

void test_run(const struct lab *lab, struct probe_result *results)
{
	unsigned n = 0;

	run_some(lab, false, AT_ONCE, results);
	run_some(lab, true, 1, results);
	for (size_t i = 0; i < lab->expectations.n && n < EXPLAINED_MAX; i++)
		if (can_be_followed(&lab->expectations.v[i], &results[i])) {
			sight_explain(lab, &lab->expectations.v[i], &results[i]);
			n++;
		}
}

void test_print_tap(FILE *f, const struct lab *lab, const struct probe_result *results)
{
	fprintf(f, "TAP version 13\n1..%zu\n", lab->expectations.n);
	for (size_t i = 0; i < lab->expectations.n; i++) {
		fprintf(f, "%s %zu - %s\n", results[i].holds ? "ok" : "not ok", i + 1, lab->expectations.v[i].text);
		if (results[i].reason[0])
			fprintf(f, "# %s\n", results[i].reason);
	}
}

/* A test case without its end. */
static void put_case(struct strbuf *b, const char *lab, const char *text)
{
	strbuf_printf(b, "  <testcase classname='%s' name='", lab);
	xml_append(b, text);
	strbuf_append(b, "'");
}

static void put_failure(struct strbuf *b, const char *reason)
{
	strbuf_append(b, "><failure message='");
	xml_append(b, reason);
	strbuf_append(b, "'/></testcase>\n");
}

void test_print_junit(FILE *f, const char *name, const struct lab *lab, const struct probe_result *results)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	size_t n_failed = 0;

	for (size_t i = 0; i < lab->expectations.n; i++) {
		n_failed += !results[i].holds;
		put_case(&b, name, lab->expectations.v[i].text);
		if (results[i].holds)
			strbuf_append(&b, "/>\n");
		else
			put_failure(&b, results[i].reason);
	}
	fprintf(f, "<?xml version='1.0' encoding='UTF-8'?>\n<testsuite name='%s' tests='%zu' failures='%zu'>\n%s</testsuite>\n",
		name, lab->expectations.n, n_failed, b.s ? b.s : "");
}
