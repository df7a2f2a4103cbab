/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_state.c - netd's start from files with anything in them
 *
 * The input is files, each headed by a line "=== NAME": the journals that netd
 * writes, and what an administrator writes below /etc/vnet.
 *
 * netd starts from whatever is there. What it read and wrote again it reads as the same, and
 * what it brought up needs no second time.
 */

#include "netd/api.h"
#include "netd/groups.h"
#include "tests/fuzz/must.h"
#include "tests/fuzz/talk.h"
#include "tests/netd/fake_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum place { RUN, VAR, ETC };
static const struct { const char *name; enum place place; } files[] = {
	{ "ports", RUN }, { "running", RUN }, { "host-before", RUN },
	{ "definitions", VAR }, { "security-groups", VAR }, { "chosen-subnets", VAR }, { "doctor", VAR },
	{ "networks.d/a.yaml", ETC }, { "netd.yaml", ETC }, { "access.yaml", ETC },
	{ "run/networks/old.json", ETC }, { "var/networks/old.json", ETC }, /* of former versions */
};

static void write_file(const struct host *host, const char *name, size_t name_size, const char *text, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const char *dirs[] = { host->run, host->var, host->dir };
		AUTO_FREE char *path = mem_printf("%s/%s", dirs[files[i].place], files[i].name);
		FILE *f;

		if (strlen(files[i].name) != name_size || memcmp(files[i].name, name, name_size) != 0)
			continue;
		f = fopen(path, "we");
		must(f && fwrite(text, 1, size, f) == size && fclose(f) == 0);
	}
}

static void write_files(const struct host *host, const char *text, size_t size)
{
	static const char mark[] = "=== ";
	const char *end = text + size;

	while (text < end) {
		const char *head = memmem(text, (size_t)(end - text), mark, strlen(mark));
		const char *body = head ? memchr(head, '\n', (size_t)(end - head)) : NULL;
		const char *next = body ? memmem(body, (size_t)(end - body), "\n=== ", 5) : NULL;

		if (!body)
			return;
		next = next ? next + 1 : end;
		body++;
		write_file(host, head + strlen(mark), (size_t)(body - 1 - head) - strlen(mark), body,
			   (size_t)(next - body));
		text = next;
	}
}

/* All that it knows, as it tells clients; times and descriptors are not in it. */
static char *describe(struct netd *d)
{
	json_t *all = json_array();
	char *text;

	vec_each(entry, &d->registry.networks)
		json_array_append_new(all, network_info(d, *entry));
	vec_each(entry, &d->registry.ports)
		json_array_append_new(all, port_info(d, *entry, true));
	vec_each(entry, &d->groups)
		json_array_append_new(all, group_to_json(entry->group));
	text = json_dumps(all, JSON_SORT_KEYS);
	must(text != NULL);
	json_decref(all);
	return text;
}

static bool waits(const struct netd *d)
{
	vec_each(entry, &d->registry.networks)
		if ((*entry)->state == NETWORK_FAILED || (*entry)->is_due)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const folders[] = { "networks.d", "run/networks", "var/networks" };
	AUTO_FREE char *first = NULL, *second = NULL;
	AUTO_PREPARATION struct preparation p = { 0 };
	size_t before = open_descriptors();
	struct host host;

	fake_host_make(&host, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", host.dir, folders[i]);

		must(mkdir(path, 0755) == 0);
	}
	write_files(&host, (const char *)data, size);
	/* Devices of ports that the files tell of are not there: only persistent ones come back. */
	fake_host_start(&host, NULL);
	for (int i = 0; i < 4; i++)
		loop_once(host.d.loop, 0);
	first = describe(&host.d);
	fake_host_stop(&host);

	must(fake_host_start(&host, NULL) == 0);
	second = describe(&host.d);
	if (!waits(&host.d)) {
		if (strcmp(first, second) != 0)
			fprintf(stderr, "before: %s\nafter:  %s\n", first, second);
		must(strcmp(first, second) == 0);
		must(kernel_snapshot(host.d.kernel, SNAPSHOT_ALL, &p.snap, NULL) == 0);
		must(reconcile_prepare(&host.d, NULL, 0, &p, NULL) == 0 && p.plan.ops.n == 0);
	}
	fake_host_end(&host);
	must(open_descriptors() <= before + 1); /* devices.c keeps one */
	return 0;
}
