/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu.c - reading and making QEMU's command line; see qemu.h. */

#include "cli/qemu.h"

#include "base/strbuf.h"

static char *name_of_value(const char *value);

char *qemu_guest_name(char *const *words, unsigned long n)
{
	for (unsigned long i = 1; i + 1 < n; i++)
		if (!strcmp(words[i], "-name") || !strcmp(words[i], "--name"))
			return name_of_value(words[i + 1]);
	return NULL;
}

bool qemu_model_is_virtio(const char *model)
{
	return !strncmp(model, "virtio-", strlen("virtio-"));
}

char *qemu_device_with_model(const char *device, const char *model)
{
	bool is_virtio = qemu_model_is_virtio(model);
	struct strbuf b = { 0 };

	strbuf_append(&b, model);
	for (const char *s = device + strcspn(device, ","); *s;) {
		size_t size = 1 + strcspn(s + 1, ",");
		bool is_pci = !strncmp(s, ",vectors=", 9);
		bool is_common = !strncmp(s, ",netdev=", 8) || !strncmp(s, ",mac=", 5);

		if (is_common || (is_virtio && (!is_pci || strstr(model, "-pci"))))
			strbuf_append_n(&b, s, size);
		s += size;
	}
	return strbuf_take(&b);
}

/* "NAME", "NAME,key=…", "key=…,guest=NAME"; ",," stands for a comma, which no port name has. */
static char *name_of_value(const char *value)
{
	for (const char *s = value; *s; s += strcspn(s, ","), s += *s == ',') {
		size_t size = strcspn(s, ",=");

		if (s[size] != '=' && s == value)
			return size ? mem_strndup(s, size) : NULL;
		if (s[size] == '=' && size == 5 && !strncmp(s, "guest", 5)) {
			s += size + 1;
			size = strcspn(s, ",");
			return size ? mem_strndup(s, size) : NULL;
		}
	}
	return NULL;
}
