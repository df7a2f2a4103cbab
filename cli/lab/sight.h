/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LAB_SIGHT_H
#define CLI_LAB_SIGHT_H

/* sight.h - frames as they are seen in a lab's machines: recorded, or followed on their way */

#include "cli/lab/probe.h"

/*
 * Does what an expectation says once more, with an eye on every interface of the lab,
 * and adds to the reason where its packets were seen last, and what a guard counted.
 */
void sight_explain(const struct lab *lab, const struct expectation *e, struct probe_result *result);

/* Until SIGINT, SIGTERM or so many frames (0: no limit). */
struct capture {
	const char *machine, *interface;
	unsigned count;
	int fd;                 /* where the pcap file goes */
};
/* In a process of the lab.  Writes libpcap's file format, Ethernet frames as the interface has them. */
int sight_capture(const struct capture *capture, struct vnet_error *err);

#endif
