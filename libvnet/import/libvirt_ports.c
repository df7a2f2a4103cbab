/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt_ports.c - bandwidth, VLANs, port groups, virtual ports, isolation: what ports have. */

#include "import/libvirt_internal.h"

#include "base/strbuf.h"

#include <stdint.h>

/* Kilobytes per second, as tc(8) counts them, to bits. */
#define BITS_OF_KILOBYTE 8000
#define RATE_MAX_KILOBYTES 125000000UL /* 1 tbit */

static void put_number(struct libvirt_import *im, unsigned line, const char *where,
		       const char *direction, const char *key, unsigned long n)
{
	AUTO_FREE char *path = mem_printf("%s.%s.%s", where, direction, key);

	import_put(im, line, path, json_integer((json_int_t)n));
}

/* where: "bandwidth" or "ports.bandwidth" */
static void import_limit(struct libvirt_import *im, struct xml_element *e, const char *where,
			 const char *direction)
{
	unsigned long average = 0, floor = 0, burst = 0;

	import_number(im, e, "average", 1, RATE_MAX_KILOBYTES, &average);
	import_number(im, e, "burst", 1, UINT32_MAX / 1024, &burst);
	if (import_number(im, e, "floor", 1, RATE_MAX_KILOBYTES, &floor))
		import_report_element(im->report, "bandwidth-floor", e, "floor", "%lu kB/s", floor);
	if (element_attribute(e, "peak"))
		import_report_element(im->report, "bandwidth-peak", e, "peak", NULL);
	if (average)
		put_number(im, e->line, where, direction, "rate", average * BITS_OF_KILOBYTE);
	if (average && burst)
		put_number(im, e->line, where, direction, "burst", burst * 1024);
}

static void import_bandwidth(struct libvirt_import *im, struct xml_element *e, const char *where)
{
	struct xml_element *in = element_child(e, "inbound");
	struct xml_element *out = element_child(e, "outbound");

	if (element_attribute(e, "classID"))
		import_report_element(im->report, "runtime-state", e, "classID", NULL);
	if (in)
		import_limit(im, in, where, "in");
	if (out)
		import_limit(im, out, where, "out");
}

/* --- VLANs ---------------------------------------------------------------------------- */

/* "vlan native=5 tagged=777 tagged=888" */
static void describe_vlan(const struct xml_element *vlan, struct strbuf *b)
{
	const struct xml_attribute *trunk = element_find_attribute(vlan, "trunk");
	bool is_trunk = trunk && !strcmp(trunk->value, "yes");

	strbuf_append(b, "vlan");
	vec_each(tag, &vlan->children) {
		const struct xml_attribute *id = element_find_attribute(*tag, "id");
		const struct xml_attribute *native = element_find_attribute(*tag, "nativeMode");

		strbuf_printf(b, " %s%.10s", !is_trunk ? "" : native ? "native=" : "tagged=",
			      id ? id->value : "?");
	}
}

/* A function of a card carries one VLAN; everything else has a VLAN by another key. */
static void import_vlan(struct libvirt_import *im, struct xml_element *vlan)
{
	struct xml_element *tag = element_child(vlan, "tag");
	AUTO_STRBUF struct strbuf text = { 0 };
	unsigned long id;

	if (!tag) {
		import_refuse(im, vlan, NULL, "missing-key", "<vlan> needs a <tag>");
		return;
	}
	describe_vlan(vlan, &text);
	if (im->mode == NETWORK_SRIOV && vlan->children.n == 1 && !element_find_attribute(vlan, "trunk")) {
		if (import_required(im, tag, "id") && import_number(im, tag, "id", 1, VLAN_ID_MAX, &id))
			import_put(im, vlan->line, "vlan", json_integer((json_int_t)id));
		return;
	}
	element_ignore(vlan);
	import_report_element(im->report, "vlan", vlan, NULL, "%s", text.s);
}

/* --- virtual ports and port groups -------------------------------------------------------- */

static void import_virtualport(struct libvirt_import *im, struct xml_element *e)
{
	const char *type = element_attribute(e, "type");

	element_ignore(e);
	import_report_element(im->report, "virtualport", e, NULL, "%.20s", type ? type : "no type");
}

static void describe_limits(const struct xml_element *bandwidth, struct strbuf *b)
{
	vec_each(child, &bandwidth->children) {
		const struct xml_attribute *average = element_find_attribute(*child, "average");

		if (average)
			strbuf_printf(b, ", bandwidth %s %.12s kB/s",
				      strcmp((*child)->name, "inbound") ? "out" : "in",
				      average->value);
	}
}

/* A group that nobody gets by default: what it says, for the ports that had it. */
static void report_portgroup(struct libvirt_import *im, struct xml_element *e, const char *name)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct xml_element *vlan = element_child(e, "vlan");
	struct xml_element *bandwidth = element_child(e, "bandwidth");

	strbuf_printf(&text, "%.40s", name);
	if (vlan) {
		strbuf_append(&text, ", ");
		describe_vlan(vlan, &text);
	}
	if (bandwidth)
		describe_limits(bandwidth, &text);
	element_ignore(e);
	import_report_element(im->report, "portgroup", e, NULL, "%s", text.s);
}

static void import_trust(struct libvirt_import *im, struct xml_element *e)
{
	bool yes;

	if (!import_yes_no(im, e, "trustGuestRxFilters", &yes) || !yes)
		return;
	if (im->mode == NETWORK_SRIOV)
		import_put(im, e->line, "sriov.trust", json_true());
	else
		import_report_element(im->report, "rx-filters", e, "trustGuestRxFilters", NULL);
}

static void import_portgroup(struct libvirt_import *im, struct xml_element *e)
{
	const char *name = import_required(im, e, "name");
	struct xml_element *part;
	bool is_default = false;

	import_yes_no(im, e, "default", &is_default);
	if (!name)
		return;
	if (!is_default) {
		report_portgroup(im, e, name);
		return;
	}
	import_report_element(im->report, "portgroup-default", e, NULL, "%.40s", name);
	import_trust(im, e);
	if ((part = element_child(e, "bandwidth")))
		import_bandwidth(im, part, "ports.bandwidth");
	if ((part = element_child(e, "vlan")))
		import_vlan(im, part);
	if ((part = element_child(e, "virtualport")))
		import_virtualport(im, part);
}

void import_ports(struct libvirt_import *im)
{
	struct xml_element *port = element_child(im->root, "port"), *part;
	bool yes;

	if (port && import_yes_no(im, port, "isolated", &yes) && yes)
		import_put(im, port->line, "ports.isolated", json_true());
	if ((part = element_child(im->root, "bandwidth")))
		import_bandwidth(im, part, "bandwidth");
	if ((part = element_child(im->root, "vlan")))
		import_vlan(im, part);
	if ((part = element_child(im->root, "virtualport")))
		import_virtualport(im, part);
	import_trust(im, im->root);
	for (part = NULL; (part = element_next(im->root, "portgroup", part));)
		import_portgroup(im, part);
}
