/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_JOURNAL_H
#define NETD_JOURNAL_H

/*
 * journal.h - state that changes often: one file, one line a change
 *
 * A line is {"put":{...},"name":NAME} or {"del":NAME}, appended by write(2).
 * Making a file for each port cost an attach as much as its nftables transaction,
 * and syncing one for each of 256 networks cost more than making the networks;
 * appending costs a fifth of the one, and one sync serves for all of the other. A
 * netd killed in the middle of a line leaves a line that does not parse: it is the
 * last, and says nothing that was answered. A file with other damage is kept as
 * NAME.bad, what can be read of it counts.
 */

#include "vnet/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_GARBAGE_MAX (256 * 1024) /* bytes of overwritten lines before it is written anew */

struct journal;

/* Opens DIR/NAME, made if need be, and reads it. Durable: what was answered survives a power cut. */
int journal_open(const char *dir, const char *name, bool is_durable, struct journal **ret,
		 struct vnet_error *err);
struct journal *journal_free(struct journal *j);

typedef void (*journal_fn)(void *arg, const char *name, json_t *object);
/* Calls fn with each object in force, by name; fn may delete that one. */
void journal_each(struct journal *j, journal_fn fn, void *arg);
/* The object, a new reference, or NULL. */
json_t *journal_get(const struct journal *j, const char *name);

/* Replaces what the name had. object stays the caller's. */
int journal_put(struct journal *j, const char *name, json_t *object, struct vnet_error *err);
int journal_del(struct journal *j, const char *name, struct vnet_error *err);

/*
 * What is put and deleted from begin to commit is written, and synced, at once. When
 * that fails the file is as it was, and what was put is put again by its caller, or
 * the old in its place: the next success brings the file up to it.
 */
void journal_begin(struct journal *j);
int journal_commit(struct journal *j, struct vnet_error *err);

#endif
