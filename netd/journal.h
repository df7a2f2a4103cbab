/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_JOURNAL_H
#define NETD_JOURNAL_H

/*
 * journal.h - runtime state that changes often: one file, one line a change
 *
 * A line is {"put":{...},"name":NAME} or {"del":NAME}, appended by one write(2).
 * Making a file for each port cost an attach as much as its nftables transaction;
 * appending costs a fifth of that. A netd killed in the middle of a line leaves a
 * line that does not parse: it is the last, and says nothing that was answered.
 * The file lives in the run folder: it need not survive a power cut.
 */

#include "vnet/error.h"

#include <jansson.h>
#include <stddef.h>

#define JOURNAL_GARBAGE_MAX (256 * 1024) /* bytes of overwritten lines before it is written anew */

struct journal;

/* Opens DIR/NAME, made if need be, and reads it. */
int journal_open(const char *dir, const char *name, struct journal **ret, struct vnet_error *err);
struct journal *journal_free(struct journal *j);

typedef void (*journal_fn)(void *arg, const char *name, json_t *object);
/* Calls fn with each object in force, by name; fn may delete that one. */
void journal_each(struct journal *j, journal_fn fn, void *arg);

/* Replaces what the name had. object stays the caller's. */
int journal_put(struct journal *j, const char *name, json_t *object, struct vnet_error *err);
int journal_del(struct journal *j, const char *name, struct vnet_error *err);

#endif
