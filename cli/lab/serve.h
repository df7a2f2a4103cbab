/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LAB_SERVE_H
#define CLI_LAB_SERVE_H

/* serve.h - the small servers of a lab's nodes, which answer with the node's name */

#include "lab/lab.h"

/*
 * Listens on all that the services name; a child serves for ever.  context: struct
 * lab_machine.  0 as soon as it can be asked, or an exit status.
 */
int serve(const void *context);

#endif
