/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * journal.c - state that changes often; see journal.h.
 *
 * The lines in force are kept in memory too (a few hundred bytes a port), so the
 * file can be written anew, beside the old one and renamed over it, without
 * asking anyone what is in it.
 */

#include "netd/journal.h"

#include "base/mem.h"
#include "base/strbuf.h"
#include "netd/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_SIZE_MAX (256 * 1024 * 1024)

struct entry {
	char *name;
	char *line; /* with its newline */
	json_t *read; /* the line as it was parsed at the start, until somebody asks for it; or NULL */
};

struct journal {
	char *dir, *path, *temporary;
	bool is_durable;
	int fd;
	struct strbuf batch;       /* lines that wait for journal_commit() */
	bool is_batch, is_stale;   /* the file lacks what could not be written */
	size_t size, live; /* bytes in the file, bytes of the lines in force */
	VEC(struct entry) entries; /* by name */
};

static int write_anew(struct journal *j, struct vnet_error *err);

static int compare(const void *name, const void *item)
{
	return strcmp(name, ((const struct entry *)item)->name);
}

static size_t position(const struct journal *j, const char *name, bool *ret_found)
{
	return vec_search(&j->entries, name, compare, ret_found);
}

static void drop(struct journal *j, size_t i)
{
	j->live -= strlen(j->entries.v[i].line);
	free(j->entries.v[i].name);
	free(j->entries.v[i].line);
	json_decref(j->entries.v[i].read);
	vec_remove(&j->entries, i);
}

/* line NULL: takes the name away. line is taken, and read, which is the same parsed, or NULL. */
static void set(struct journal *j, const char *name, char *line, json_t *read)
{
	bool found;
	size_t i = position(j, name, &found);

	if (found)
		drop(j, i);
	if (!line)
		return;
	vec_push(&j->entries, (struct entry){ 0 });
	memmove(&j->entries.v[i + 1], &j->entries.v[i],
		(j->entries.n - 1 - i) * sizeof(*j->entries.v));
	j->entries.v[i] = (struct entry){ .name = mem_strdup(name), .line = line, .read = read };
	j->live += strlen(line);
}

/* ---- reading ---- */

/* False: the line makes no sense. */
static bool replay_line(struct journal *j, const char *text, size_t size)
{
	json_t *line = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	const char *gone = json_string_value(json_object_get(line, "del"));
	const char *name = json_string_value(json_object_get(line, "name"));
	bool is_put = name && json_is_object(json_object_get(line, "put"));

	if (gone)
		set(j, gone, NULL, NULL);
	else if (is_put)
		set(j, name, mem_strndup(text, size + 1), json_incref(line));
	json_decref(line);
	return gone || is_put;
}

/* What cannot be read may be of a newer netd, or an operator may know what it was. */
static void set_aside(const struct journal *j)
{
	AUTO_FREE char *bad = mem_printf("%s.bad", j->path);

	unlink(bad);
	if (link(j->path, bad) < 0)
		log_error("cannot keep a copy of %s: %s", j->path, strerror(errno));
}

static void replay(struct journal *j, const char *text, size_t size)
{
	const char *end = text + size, *newline;
	size_t n_bad = 0;

	for (; text < end; text = newline + 1) {
		newline = memchr(text, '\n', (size_t)(end - text));
		if (!newline)
			break; /* cut off while it was written */
		n_bad += !replay_line(j, text, (size_t)(newline - text));
	}
	if (!n_bad)
		return;
	log_error("state %s: %zu damaged lines left out; the file is kept as %s.bad", j->path, n_bad,
		  j->path);
	set_aside(j);
}

static int read_all(struct journal *j, struct vnet_error *err)
{
	AUTO_FREE char *text = NULL;
	struct stat st;
	size_t size = 0;
	ssize_t n;

	if (fstat(j->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > JOURNAL_SIZE_MAX)
		return vnet_error_set(err, -EINVAL, "state-read",
				      "%s is no regular file, or too large; move it away", j->path);
	text = mem_alloc((size_t)st.st_size + 1);
	while ((n = read(j->fd, text + size, (size_t)st.st_size - size)) > 0)
		size += (size_t)n;
	if (n < 0)
		return vnet_error_set(err, -errno, "state-read", "cannot read %s: %s", j->path,
				      strerror(errno));
	replay(j, text, size);
	j->size = size;
	return 0;
}

int journal_open(const char *dir, const char *name, bool is_durable, struct journal **ret,
		 struct vnet_error *err)
{
	struct journal *j = mem_alloc(sizeof(*j));
	int r = 0;

	j->is_durable = is_durable;
	j->dir = mem_strdup(dir);
	j->path = mem_printf("%s/%s", dir, name);
	j->temporary = mem_printf("%s/.%s.tmp", dir, name);
	j->fd = open(j->path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	if (j->fd >= 0)
		r = read_all(j, err);
	else if (errno != ENOENT)
		r = vnet_error_set(err, -errno, "state-read", "cannot open %s: %s", j->path,
				   strerror(errno));
	unlink(j->temporary); /* of one that was killed while it wrote */
	/*
	 * The start is the time to tidy up, and a line cut off must not be appended to. A
	 * file of lines in force alone stays: two syncs of each took longer than the rest.
	 */
	if (r == 0 && (j->fd < 0 || j->size != j->live))
		r = write_anew(j, err);
	if (r < 0) {
		journal_free(j);
		return r;
	}
	*ret = j;
	return 0;
}

/* The whole line, a reference for the caller, who may change it. */
static json_t *parsed(struct entry *entry)
{
	return entry->read ? TAKE(entry->read) : json_loads(entry->line, 0, NULL);
}

void journal_each(struct journal *j, journal_fn fn, void *arg)
{
	for (size_t i = 0; i < j->entries.n;) {
		json_t *line = parsed(&j->entries.v[i]);
		AUTO_FREE char *name = mem_strdup(j->entries.v[i].name);

		fn(arg, name, json_object_get(line, "put"));
		json_decref(line);
		if (i < j->entries.n && strcmp(j->entries.v[i].name, name) == 0)
			i++;
	}
}

json_t *journal_get(const struct journal *j, const char *name)
{
	bool found;
	size_t i = position(j, name, &found);
	json_t *line = found ? parsed(&j->entries.v[i]) : NULL;
	json_t *object = json_incref(json_object_get(line, "put"));

	json_decref(line);
	return object;
}

struct journal *journal_free(struct journal *j)
{
	if (!j)
		return NULL;
	while (j->entries.n)
		drop(j, j->entries.n - 1);
	vec_free(&j->entries);
	if (j->fd >= 0)
		close(j->fd);
	strbuf_free(&j->batch);
	free(j->dir);
	free(j->path);
	free(j->temporary);
	free(j);
	return NULL;
}

/* ---- writing ---- */

static int write_error(const struct journal *j, int number, struct vnet_error *err)
{
	return vnet_error_set(err, number, "state-write", "cannot write state %s: %s", j->path,
			      strerror(-number));
}

/* All of text at the end of the file, or nothing of it. */
static int append(struct journal *j, const char *text, size_t size, struct vnet_error *err)
{
	ssize_t n = write(j->fd, text, size);

	if (n == (ssize_t)size) {
		j->size += size;
		return j->is_durable && fdatasync(j->fd) < 0 ? write_error(j, -errno, err) : 0;
	}
	/* A full disk may take a part: half a line must not stay before the next one. */
	if (n > 0 && ftruncate(j->fd, (off_t)j->size) < 0)
		return write_error(j, -errno, err);
	return write_error(j, n < 0 ? -errno : -ENOSPC, err);
}

/* The name of a new file is durable when its folder is synced. */
static int sync_dir(const struct journal *j)
{
	int fd = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

static int write_temporary(struct journal *j, int fd, const struct strbuf *text)
{
	if (text->len && write(fd, text->s, text->len) != (ssize_t)text->len)
		return -ENOSPC;
	if (j->is_durable && fdatasync(fd) < 0)
		return -errno;
	if (rename(j->temporary, j->path) < 0)
		return -errno;
	return j->is_durable ? sync_dir(j) : 0;
}

static int write_anew(struct journal *j, struct vnet_error *err)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	int old = j->fd, r;
	int fd = open(j->temporary, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
		      0600);

	if (fd < 0)
		return write_error(j, -errno, err);
	for (size_t i = 0; i < j->entries.n; i++)
		strbuf_append(&text, j->entries.v[i].line);
	r = write_temporary(j, fd, &text);
	if (r < 0) {
		unlink(j->temporary);
		close(fd);
		return write_error(j, r, err);
	}
	j->fd = fd;
	j->size = text.len;
	j->is_stale = false;
	if (old >= 0)
		close(old);
	return 0;
}

static int append_line(struct journal *j, const char *line, struct vnet_error *err)
{
	int r;

	if (j->is_batch) {
		strbuf_append(&j->batch, line);
		return 0;
	}
	r = append(j, line, strlen(line), err);
	/* The old file serves on where a new one cannot be made. */
	if (r == 0 && (j->size > j->live + JOURNAL_GARBAGE_MAX || j->is_stale))
		write_anew(j, NULL);
	return r;
}

void journal_begin(struct journal *j)
{
	j->is_batch = true;
}

int journal_commit(struct journal *j, struct vnet_error *err)
{
	int r;

	j->is_batch = false;
	if (!j->batch.len)
		return 0;
	r = append_line(j, j->batch.s, err);
	j->is_stale |= r < 0;
	strbuf_reset(&j->batch);
	return r;
}

int journal_put(struct journal *j, const char *name, json_t *object, struct vnet_error *err)
{
	json_t *wrapped = json_pack("{s:s,s:O}", "name", name, "put", object);
	AUTO_FREE char *text = wrapped ? json_dumps(wrapped, JSON_COMPACT) : NULL;
	AUTO_FREE char *line = NULL;
	int r;

	json_decref(wrapped);
	if (!text)
		return vnet_error_set(err, -EINVAL, "state-encoding",
				      "%s cannot be written as JSON", name);
	line = mem_printf("%s\n", text);
	r = append_line(j, line, err);
	if (r == 0)
		set(j, name, TAKE(line), NULL);
	return r;
}

int journal_del(struct journal *j, const char *name, struct vnet_error *err)
{
	AUTO_FREE char *line = NULL;
	bool found;
	int r;

	position(j, name, &found);
	if (!found)
		return 0;
	/* Names are checked by name_check(): nothing in them needs quoting in JSON. */
	line = mem_printf("{\"del\":\"%s\"}\n", name);
	r = append_line(j, line, err);
	if (r == 0)
		set(j, name, NULL, NULL);
	return r;
}
