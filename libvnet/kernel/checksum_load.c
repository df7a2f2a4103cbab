/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checksum_load.c - the programs of checksum.bpf.c into the kernel, by libbpf */

#include "kernel/checksum.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

_Static_assert(sizeof(((struct checksum_program *)0)->tag) == BPF_TAG_SIZE, "the kernel's size");

const char *const checksum_names[] = {
	[CHECKSUM_IN] = "vnet_checksum_in", [CHECKSUM_OUT] = "vnet_checksum_out",
};

/* What libbpf has to say is for who writes programs. */
static int say_nothing(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static int keep(const struct bpf_object *object, const char *name, struct checksum_program *ret)
{
	const struct bpf_program *found = bpf_object__find_program_by_name(object, name);
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	if (!found)
		return -ENOENT;
	if (bpf_obj_get_info_by_fd(bpf_program__fd(found), &info, &size) < 0)
		return -errno;
	memcpy(ret->tag, info.tag, sizeof(ret->tag));
	/* The object's own descriptor goes with it. */
	ret->fd = fcntl(bpf_program__fd(found), F_DUPFD_CLOEXEC, 0);
	return ret->fd < 0 ? -errno : 0;
}

void checksum_close(struct checksum_program programs[CHECKSUM_PROGRAMS])
{
	for (size_t i = 0; i < CHECKSUM_PROGRAMS; i++)
		if (programs[i].fd >= 0)
			close(programs[i].fd);
}

int checksum_load(struct checksum_program ret[CHECKSUM_PROGRAMS])
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "vnet_checksum");
	struct checksum_program programs[CHECKSUM_PROGRAMS] = {{.fd = -1}, {.fd = -1}};
	struct bpf_object *object;
	int r;

	libbpf_set_print(say_nothing);
	object = bpf_object__open_mem(checksum_bytes, checksum_bytes_size, &options);
	r = object ? bpf_object__load(object) : -errno;
	for (size_t i = 0; i < CHECKSUM_PROGRAMS && r == 0; i++)
		r = keep(object, checksum_names[i], &programs[i]);
	bpf_object__close(object);
	if (r == 0)
		memcpy(ret, programs, sizeof(programs));
	else
		checksum_close(programs);
	return r;
}
