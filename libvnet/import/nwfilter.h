/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_IMPORT_NWFILTER_H
#define VNET_IMPORT_NWFILTER_H

/*
 * nwfilter.h - a filter of libvirt's as a guard and a security group
 *
 * libvirt's own filters are known by their names, and mean a guard.  Rules of
 * others become a group: a group lists what may pass, so rules that accept are
 * translated up to the one that drops the rest; what has no like is reported.
 */

#include "import/report.h"

struct nwfilter_import {
	json_t *guard;          /* for `ports.guard`, or NULL: none was asked for */
	json_t *groups;         /* {NAME: {ingress, egress}}, or NULL: nothing is filtered */
};
void nwfilter_import_free(struct nwfilter_import *filter);
#define AUTO_NWFILTER __attribute__((cleanup(nwfilter_import_free)))

/* root is <filter>.  -EINVAL with file and line. */
int nwfilter_import(struct xml_element *root, const char *file, struct nwfilter_import *ret,
		    struct import_report *report, struct vnet_error *err);

#endif
