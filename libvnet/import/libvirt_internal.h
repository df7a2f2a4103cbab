/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_IMPORT_LIBVIRT_INTERNAL_H
#define VNET_IMPORT_LIBVIRT_INTERNAL_H

/*
 * libvirt_internal.h - what the parts of the import share
 *
 * Each part reads its elements and puts values into a definition in JSON, the
 * form that YAML has; its last reader is the model's own, with every check.
 * Where each value came from is kept, so that what the model refuses is
 * reported with the line of the XML.
 */

#include "import/libvirt.h"

struct import_place { char *path; unsigned line; };

struct libvirt_import {
	const char *file;
	struct import_report *report;
	struct vnet_error *err;
	int result;             /* of the first refusal; nothing is done after it */
	json_t *net;            /* what will be below the network's name */
	VEC(struct import_place) places;
	enum network_mode mode;
	bool has_address[2];    /* IPv4, IPv6 */
	bool has_own_bridge;    /* one that libvirt makes */
	char *domain;           /* borrowed from the tree */
	struct xml_element *root;
};

/* Refuses the document. */
void import_refuse(struct libvirt_import *im, const struct xml_element *e, const char *attribute,
		   const char *code, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/*
 * Puts value (its reference is taken over) at a path: "nat.source", "dhcp.hosts[]"
 * (appended), "dhcp.hosts[-1].name" (into the last one).
 */
void import_put(struct libvirt_import *im, unsigned line, const char *path, json_t *value);
void import_put_text(struct libvirt_import *im, unsigned line, const char *path, const char *text);
bool import_has(const struct libvirt_import *im, const char *path);

/* Attributes by type.  False when not given; a bad one is refused. */
bool import_yes_no(struct libvirt_import *im, struct xml_element *e, const char *name, bool *ret);
bool import_number(struct libvirt_import *im, struct xml_element *e, const char *name,
		   unsigned long min, unsigned long max, unsigned long *ret);
bool import_ip(struct libvirt_import *im, struct xml_element *e, const char *name, struct ip *ret);
/* The attribute, which has to be there. */
const char *import_required(struct libvirt_import *im, struct xml_element *e, const char *name);
/* family, address, netmask or prefix of <ip> and <route>. */
bool import_prefix(struct libvirt_import *im, struct xml_element *e, struct prefix *ret);

/* libvirt_forward.c: mode, uplink, NAT. */
void import_forward(struct libvirt_import *im);
/* libvirt_ports.c: bandwidth, VLANs, port groups, virtual ports. */
void import_ports(struct libvirt_import *im);
/* libvirt_dhcp.c: <ip>. */
void import_addresses(struct libvirt_import *im);
/* libvirt_dns.c: <domain>, <dns> and <dnsmasq:options>. */
void import_dns(struct libvirt_import *im);

#endif
