/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_IMPORT_LIBVIRT_H
#define VNET_IMPORT_LIBVIRT_H

/*
 * libvirt.h - a network of libvirt's as one of ours, and back
 *
 * Pure: a tree of values in, a network and a report out.  Every element and
 * attribute of the document is carried over or in the report; an unknown one is
 * in it as "unknown".
 */

#include "import/report.h"
#include "model/network.h"

#define LIBVIRT_DNSMASQ_NS "http://libvirt.org/schemas/network/dnsmasq/1.0"

/*
 * root is <network>; name: what to call it, or NULL for its own name.  An error
 * (-EINVAL, with file and line) is a document that libvirt would refuse too, or
 * a network that cannot be one of ours: the message says what to do instead.
 */
int libvirt_network_import(struct xml_element *root, const char *file, const char *name,
			   struct network **ret, struct import_report *report,
			   struct vnet_error *err);

/* XML that libvirt takes; what it cannot say is in the report. To be freed. */
char *libvirt_network_export(const struct network *net, struct import_report *report);

#endif
