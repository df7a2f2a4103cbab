/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LAB_PLACE_H
#define CLI_LAB_PLACE_H

/*
 * place.h - where a running lab is found again: its folder, and the process that it hangs on
 *
 * A lab is one process tree in a PID namespace of its own, and every namespace, device
 * and socket of it is held by that tree and visible nowhere else.  When its first process
 * ends, in whatever way, the kernel ends the rest, and nothing is left but this folder:
 *
 *	/run/vnet-labs/NAME/pid        number and start time of the first process
 *	/run/vnet-labs/NAME/lab.yaml   what it was made from
 *	/run/vnet-labs/NAME/log        what its processes had to say
 *
 * Not root: below $XDG_RUNTIME_DIR/vnet-labs.
 */

#include "lab/lab.h"

#include <limits.h>
#include <sys/types.h>

struct place {
	char name[LAB_NAME_MAX + 1];
	char folder[PATH_MAX - 64];
	int lock;               /* of the folder; -1: not held */
	pid_t pid;              /* of the first process; 0: the lab is down, or died */
};

/* Looks NAME up.  *ret is filled also when there is no such lab: pid 0. */
int place_find(const char *name, struct place *ret, struct vnet_error *err);
/* The same, for a command that needs it up: -ENOENT with what to do. */
int place_find_up(const char *name, struct place *ret, struct vnet_error *err);
/* Makes the folder and holds it alone; -EEXIST: it is up.  What a dead one left is removed. */
int place_take(const char *name, const char *text, size_t size, struct place *ret, struct vnet_error *err);
/* Writes down on which process it hangs. */
int place_set_pid(struct place *place, pid_t pid, struct vnet_error *err);
/* Removes the folder. */
void place_remove(struct place *place);
/* Gives the lock back. */
void place_release(struct place *place);
/* Names of all labs, up or dead, sorted; free each. */
typedef VEC(char *) place_names;
void place_list(place_names *ret);
/* Reads what it was made from.  Free with free(). */
int place_read(const struct place *place, char **ret_text, size_t *ret_size, struct vnet_error *err);
/* Kills the first process and waits until all of the lab is gone, at most 30 s. */
int place_kill(struct place *place, struct vnet_error *err);

#endif
