/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_FLOWS_H
#define NETD_FLOWS_H

/*
 * flows.h - connections that are open when what security groups accept changes
 *
 * The rules judge what goes the way that a connection was opened, at once.  What
 * goes back, and what a guest goes on sending by itself, is told by the kernel's
 * table of connections: those that would not be accepted now get a label, which
 * the rules refuse, and lose it when they would be again.  Those of a port that
 * has left are forgotten, so that whoever has its address next inherits nothing.
 */

#include "netd/netd.h"

/* Something changed that may matter to open connections: they are looked at from the loop. */
void flows_changed(struct netd *d);
/* The port leaves its network, or loses what addresses it has. */
void flows_forget_port(struct netd *d, const struct port_entry *entry);
void flows_free(struct netd *d);

#endif
