/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xml_read.c - a process for xml_parse() that has nothing to lose; see xml.h
 *
 * Theory: the text is in our memory before the process is forked, so it needs no
 * file.  libxml2 gets its memory from one mapping, so the process needs neither
 * brk nor mmap, and the mapping's size is the limit.  What remains is write to a
 * pipe and exit, and a seccomp filter makes that all.  The parent trusts nothing
 * that comes through the pipe.
 */

#include "base/clock.h"
#include "base/strbuf.h"
#include "cli/xml.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libxml/parser.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARENA_SIZE (64UL * 1024 * 1024)
#define OUTPUT_MAX (48UL * 1024 * 1024)  /* XML_NODES_MAX elements and XML_TEXT_MAX bytes, all escaped */
#define CPU_SECONDS 4
#define WALL_SECONDS 60                  /* for a machine that is busy with something else */
#define NOBODY 65534

static void run_child(int fd, const char *text, size_t size) __attribute__((noreturn));
static int read_output(int fd, struct strbuf *ret, struct vnet_error *err);
static int reap(pid_t pid, struct vnet_error *err);

int xml_read(const char *text, size_t size, const char *file, struct xml_element **ret,
	     struct vnet_error *err)
{
	AUTO_STRBUF struct strbuf output = { 0 };
	int ends[2], r, status;
	json_t *probe;
	pid_t pid;

	if (size > XML_TEXT_MAX)
		return vnet_error_set(err, -EINVAL, "text-too-long", "more than %lu MiB of XML",
				      XML_TEXT_MAX / 1024 / 1024);
	/* libxml2 would guess another encoding from the first bytes. */
	probe = memchr(text, 0, size) ? NULL : json_stringn(text, size);
	if (!probe)
		return vnet_error_set(err, -EINVAL, "not-text", "%s is not UTF-8",
				      file ? file : "this");
	json_decref(probe);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return vnet_error_set(err, -errno, "xml-failed", "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		run_child(ends[1], text, size);
	close(ends[1]);
	if (pid < 0) {
		r = vnet_error_set(err, -errno, "xml-failed", "fork: %s", strerror(errno));
		close(ends[0]);
		return r;
	}
	r = read_output(ends[0], &output, err);
	close(ends[0]);
	if (r < 0)
		kill(pid, SIGKILL);
	status = reap(pid, r < 0 ? NULL : err);
	if (r < 0 || status < 0)
		return r < 0 ? r : status;
	return xml_decode(output.s ? output.s : "", output.len, file, ret, err);
}

/* --- the child -------------------------------------------------------------------- */

static struct { char *at, *end; } arena;

/* Each piece has its size before it; what was freed is not used again, for the process ends soon. */
static void *arena_alloc(size_t size)
{
	size_t whole = (size + 31) & ~(size_t)15;
	char *piece = arena.at;

	if (whole < size || whole > (size_t)(arena.end - arena.at))
		return NULL;
	arena.at += whole;
	*(size_t *)(void *)piece = size;
	return piece + 16;
}

static void arena_release(void *piece)
{
	(void)piece;
}

static void *arena_resize(void *piece, size_t size)
{
	size_t before = piece ? *(size_t *)(void *)((char *)piece - 16) : 0;
	void *other;

	if (size <= before)
		return piece;
	other = arena_alloc(size);
	if (other && piece)
		memcpy(other, piece, before);
	return other;
}

static char *arena_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = arena_alloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

static void put_to_pipe(void *context, const char *data, size_t size)
{
	int fd = *(const int *)context;

	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno != EINTR)
			syscall(SYS_exit_group, 1);
		data += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
}

static void put_nowhere(void *context, const char *data, size_t size)
{
	(void)context;
	(void)data;
	(void)size;
}

/* All that libxml2 makes once is made before the process can do nothing any more. */
static bool prepare_parser(void)
{
	static const char probe[] = "<a b=\"&lt;\">c</a>";

	arena.at = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arena.at == MAP_FAILED)
		return false;
	arena.end = arena.at + ARENA_SIZE;
	if (xmlMemSetup(arena_release, arena_alloc, arena_resize, arena_strdup) != 0)
		return false;
	xmlInitParser();
	xml_parse(probe, sizeof(probe) - 1, put_nowhere, NULL);
	return true;
}

static bool set_limits(void)
{
	static const struct { int resource; rlim_t value; } limits[] = {
		{ RLIMIT_CPU, CPU_SECONDS }, { RLIMIT_FSIZE, 0 },  { RLIMIT_CORE, 0 },
		{ RLIMIT_NPROC, 0 },         { RLIMIT_NOFILE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit limit = { limits[i].value, limits[i].value };

		if (setrlimit((__rlimit_resource_t)limits[i].resource, &limit) < 0)
			return false;
	}
	return true;
}

/* Nobody, where root has such a user to become (in a namespace without it: root with no rights). */
static bool drop_rights(void)
{
	if (geteuid() == 0) {
		if (setgroups(0, NULL) < 0 && errno != EPERM)
			return false;
		if (setresgid(NOBODY, NOBODY, NOBODY) < 0 && errno != EINVAL)
			return false;
		if (setresuid(NOBODY, NOBODY, NOBODY) < 0 && errno != EINVAL)
			return false;
	}
	capng_clear(CAPNG_SELECT_BOTH);
	return capng_apply(CAPNG_SELECT_CAPS) == 0;
}

static bool lock_up(int fd)
{
	static const int calls[] = {
		SCMP_SYS(write), SCMP_SYS(exit), SCMP_SYS(exit_group),
#ifdef __SANITIZE_ADDRESS__
		SCMP_SYS(mmap), /* its allocator maps what it needs */
#endif
	};
	scmp_filter_ctx filter;

	if ((fd > 0 && close_range(0, (unsigned)fd - 1, 0) < 0) ||
	    close_range((unsigned)fd + 1, ~0U, 0) < 0)
		return false;
	if (prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0L, 0L, 0L) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) < 0)
		return false;
	if (!drop_rights() || !set_limits() || prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0)
		return false;
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	for (size_t i = 0; filter && i < ARRAY_SIZE(calls); i++)
		if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) < 0)
			return false;
	return filter && seccomp_load(filter) == 0;
}

static void run_child(int fd, const char *text, size_t size)
{
	static const char failed[] =
		"\n{\"code\":\"xml-failed\",\"line\":0,\"column\":0,"
		"\"message\":\"this machine does not let a process be confined for reading XML\"}";

	if (!prepare_parser() || !lock_up(fd))
		put_to_pipe(&fd, failed, sizeof(failed) - 1);
	else
		xml_parse(text, size, put_to_pipe, &fd);
	/* Not exit(): what the parent has registered there is not this process's to do. */
	syscall(SYS_exit_group, 0);
	__builtin_unreachable();
}

/* --- the parent --------------------------------------------------------------------- */

static int read_output(int fd, struct strbuf *ret, struct vnet_error *err)
{
	int64_t deadline = clock_now_ms() + WALL_SECONDS * 1000;
	char chunk[65536];

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = deadline - clock_now_ms();
		ssize_t n;

		if (left <= 0)
			return vnet_error_set(err, -ETIMEDOUT, "xml-failed",
					      "reading the XML took more than %d s", WALL_SECONDS);
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, chunk, sizeof(chunk));
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return vnet_error_set(err, -errno, "xml-failed", "pipe: %s",
					      strerror(errno));
		if (n > 0)
			strbuf_append_n(ret, chunk, (size_t)n);
		if (ret->len > OUTPUT_MAX)
			return vnet_error_set(err, -EINVAL, "xml-too-large",
					      "there is more in this XML than is read");
	}
}

static int reap(pid_t pid, struct vnet_error *err)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return vnet_error_set(err, -errno, "xml-failed", "waitpid: %s",
					      strerror(errno));
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
		return vnet_error_set(err, -EINVAL, "xml-too-large",
				      "reading this XML takes too long");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return vnet_error_set(err, -EINVAL, "xml-failed",
				      "the process that read the XML was stopped (signal %d)",
				      WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	return 0;
}

int xml_decode(const char *output, size_t size, const char *file, struct xml_element **ret,
	       struct vnet_error *err)
{
	const char *verdict = size ? memrchr(output, '\n', size) : NULL;
	const char *code, *message;
	struct xml_element *root = NULL;
	json_t *json;
	int r;

	json = verdict ? json_loadb(verdict, (size_t)(output + size - verdict), 0, NULL) : NULL;
	if (!json)
		return vnet_error_set(err, -EINVAL, "xml-failed",
				      "the process that read the XML did not end");
	code = json_string_value(json_object_get(json, "code"));
	message = json_string_value(json_object_get(json, "message"));
	if (code) {
		r = vnet_error_set(err, -EINVAL, code, "%s", message ? message : "");
		vnet_error_at(err, file,
			      (unsigned)json_integer_value(json_object_get(json, "line")),
			      (unsigned)json_integer_value(json_object_get(json, "column")), NULL);
		json_decref(json);
		return r;
	}
	json_decref(json);
	json = json_loadb(output, (size_t)(verdict - output), 0, NULL);
	r = element_from_json(json, &root, err);
	json_decref(json);
	if (r == 0)
		r = element_check(root, file, err);
	if (r < 0)
		element_free(root);
	else
		*ret = root;
	return r;
}
