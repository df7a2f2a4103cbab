/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_import.c - XML as libvirt's network and filter, the network back as XML; behind a '#', QEMU's scripts */

#include "base/strbuf.h"
#include "cli/xml.h"
#include "import/libvirt.h"
#include "import/nwfilter.h"
#include "import/qemu.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(void *context, const char *data, size_t size)
{
	strbuf_append_n(context, data, size);
}

/* Without the process: libxml2 and what is behind it are what is tried. */
static struct xml_element *parse(const char *text, size_t size, struct vnet_error *err)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct xml_element *root = NULL;
	int r;

	xml_parse(text, size, put, &out);
	r = xml_decode(out.s, out.len, "input", &root, err);
	if ((r < 0) != vnet_error_is_set(err) || (r < 0) != !root)
		abort();
	return root;
}

/* What was exported is a network that can be imported, and exports as the same. */
static void export_again(const struct network *net)
{
	AUTO_IMPORT_REPORT struct import_report report = { 0 };
	AUTO(element_free) struct xml_element *root = NULL;
	AUTO(network_free) struct network *again = NULL;
	AUTO_FREE char *xml = libvirt_network_export(net, &report), *other = NULL;
	struct vnet_error err = { 0 };

	root = parse(xml, strlen(xml), &err);
	if (!root || libvirt_network_import(root, NULL, NULL, &again, &report, &err) < 0)
		abort();
	other = libvirt_network_export(again, &report);
	if (strcmp(xml, other) != 0)
		abort();
}

static void read_script(const uint8_t *data, size_t size)
{
	AUTO(qemu_import_free) struct qemu_import *q = qemu_import_new();
	AUTO_IMPORT_REPORT struct import_report report = { 0 };
	AUTO_FREE char *text = mem_strndup((const char *)data, size);
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };

	qemu_import_read(q, text, &report);
	if ((qemu_import_finish(q, &nets, &report, &err) < 0) != vnet_error_is_set(&err))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_IMPORT_REPORT struct import_report report = { 0 };
	AUTO_NWFILTER struct nwfilter_import filter = { 0 };
	AUTO(element_free) struct xml_element *root = NULL;
	AUTO(network_free) struct network *net = NULL;
	struct vnet_error err = { 0 };
	json_t *probe = memchr(data, 0, size) ? NULL : json_stringn((const char *)data, size);

	/* xml_read() lets nothing else through. */
	if (!probe || size > 65536) {
		json_decref(probe);
		return 0;
	}
	json_decref(probe);
	if (size && data[0] == '#') {
		read_script(data, size);
		return 0;
	}
	root = parse((const char *)data, size, &err);
	if (root && !strcmp(root->name, "filter"))
		nwfilter_import(root, "input", &filter, &report, &err);
	else if (root && libvirt_network_import(root, "input", NULL, &net, &report, &err) == 0)
		export_again(net);
	return 0;
}
