/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_api.c - calls of netd's own methods, one after the other, on the fake kernel
 *
 * A line is a call: "METHOD {PARAMETERS}"; a first character '!' makes it one of a
 * user who is not root, '+' one that wants more.
 *
 * After the last one netd is started again, and held to its word: an unprivileged
 * user has changed no network and no group, what is desired and what the kernel has are the same,
 * and no descriptor stayed behind.
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

#define CALLS_MAX 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char policy[] =
	"rules:\n"
	"  - {allow: ['*'], users: [65534], kinds: [tap, macvtap, vf], macs: ['52:54:00:aa'], max_ports: 3}\n";

/* Named by numbers alone: accounts differ from machine to machine. */
static void write_file(const char *dir, const char *name, const char *text)
{
	AUTO_FREE char *path = mem_printf("%s/%s", dir, name);
	FILE *f = fopen(path, "we");

	must(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void turn(struct netd *d)
{
	for (int i = 0; i < 6; i++)
		loop_once(d->loop, 0);
}

/* All that is defined, as one text. */
static char *definitions(const struct netd *d)
{
	json_t *all = json_array();
	char *text;

	vec_each(entry, &d->registry.networks)
		json_array_append_new(all, network_to_json((*entry)->net));
	vec_each(entry, &d->groups)
		json_array_append_new(all, group_to_json(entry->group));
	text = json_dumps(all, JSON_SORT_KEYS);
	json_decref(all);
	return text;
}

static void call(struct host *host, const char *socket, const char *line, size_t size)
{
	bool is_root = *line != '!', wants_more = *line == '+';
	size_t start = !is_root || wants_more, name = strcspn(line + start, " ");
	AUTO_FREE char *before = definitions(&host->d), *after = NULL;
	AUTO_STRBUF struct strbuf text = { 0 };
	struct talk t;

	strbuf_printf(&text, "{\"method\":\"io.vnet.Netd.%.*s\"%s", (int)name, line + start,
		      wants_more ? ",\"more\":true" : "");
	if (start + name < size)
		strbuf_printf(&text, ",\"parameters\":%s", line + start + name);
	strbuf_append(&text, "}");
	talk_dial(&t, socket, is_root);
	if (talk_send(&t, (const uint8_t *)text.s, text.len + 1, 0)) {
		turn(&host->d);
		while (talk_receive(&t, SIZE_MAX) && t.in.len)
			turn(&host->d);
	}
	must(t.n_answers <= 1);
	talk_close(&t);
	turn(&host->d);
	after = definitions(&host->d);
	must(is_root || strcmp(before, after) == 0);
}

/* Nothing is left to do: neither for what is, nor after a restart. */
static void must_have_converged(struct host *host)
{
	AUTO_PREPARATION struct preparation p = { 0 };
	struct netd *d = &host->d;

	vec_each(entry, &d->registry.networks)
		if ((*entry)->state == NETWORK_FAILED || (*entry)->is_due)
			return; /* it waits for something */
	must(kernel_snapshot(d->kernel, SNAPSHOT_ALL, &p.snap, NULL) == 0);
	must(reconcile_prepare(d, NULL, 0, &p, NULL) == 0);
	must(p.plan.ops.n == 0);
}

static void run(struct host *host, const uint8_t *data, size_t size)
{
	AUTO_FREE char *socket = mem_printf("%s/sock", host->run), *text = mem_strndup((const char *)data, size);
	char *rest = text, *line;

	must(host->d.server == NULL);
	must(server_new(host->d.loop, talk_listen(socket), api_init(&host->d), &host->d.server, NULL) == 0);
	for (size_t i = 0; i < CALLS_MAX && (line = strsep(&rest, "\n")); i++)
		call(host, socket, line, strlen(line));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t before = open_descriptors();
	struct host host;

	fake_host_make(&host, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	must(chmod(host.dir, 0755) == 0); /* for who is not root */
	write_file(host.dir, "access.yaml", policy);
	must(fake_host_start(&host, NULL) == 0);
	run(&host, data, size);
	fake_host_stop(&host);
	must(fake_host_start(&host, NULL) == 0);
	must_have_converged(&host);
	fake_host_end(&host);
	must(open_descriptors() <= before + 1); /* devices.c keeps one */
	return 0;
}
