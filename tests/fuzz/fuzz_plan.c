/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_plan.c - the planner: from any wish to any other on any of a few hosts
 *
 * "host N" in the first line picks one of tests/golden/plan/hosts; then follow wishes
 * (wish.h), each begun by a line "--- then". A line "--- snapshot" ends them: what is
 * behind it is a snapshot's text, for its parser alone.
 *
 * A wish that passes the checks can be planned, its plan runs, and a second one is empty. With
 * nothing wanted any more nothing of ours is left.
 */

#include "tests/fuzz/must.h"
#include "tests/fuzz/wish.h"
#include "tests/support/plan_rounds.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define HOSTS_DIR "tests/golden/plan/hosts"
#define HOSTS_MAX 16
#define WISHES_MAX 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct snapshot hosts[HOSTS_MAX];
static size_t n_hosts;

static int is_text(const struct dirent *entry)
{
	return strstr(entry->d_name, ".txt") != NULL;
}

static void read_hosts(void)
{
	struct dirent **entries;
	int n = scandir(HOSTS_DIR, &entries, is_text, alphasort);

	if (n <= 0)
		fprintf(stderr, "fuzz_plan: no " HOSTS_DIR " (run from the top)\n");
	must(n > 0);
	for (int i = 0; i < n; i++) {
		AUTO_FREE char *path = mem_printf(HOSTS_DIR "/%s", entries[i]->d_name);
		static char text[65536];
		FILE *f = fopen(path, "re");

		must(f != NULL);
		text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
		fclose(f);
		if (n_hosts < HOSTS_MAX)
			must(snapshot_from_text(text, &hosts[n_hosts++], NULL) == 0);
		free(entries[i]);
	}
	free(entries);
}

static void run(struct desired *d, struct snapshot *host, bool must_be_empty)
{
	AUTO_SNAPSHOT struct snapshot seen = { 0 };
	AUTO_PLAN struct plan plan = { 0 };

	rounds_observe(d, host, &seen);
	must(plan_make(d, &seen, &plan, NULL) == 0);
	if (must_be_empty)
		must(!plan.ops.n && !plan.to_save.n && !plan.to_take_over.n && !plan.to_forget.n &&
		     !plan.given_back.n);
	rounds_before(d, &plan);
	vec_each (op, &plan.ops) {
		AUTO_FREE char *text = op_to_text(op);
		json_t *json = op_to_json(op);

		must(text[0] && json);
		json_decref(json);
		must(op_apply(op, host, NULL) == 0);
	}
	rounds_after(d, &plan);
}

static bool fits(const struct wish *wish, const struct snapshot *host)
{
	vec_each (net, &wish->definitions.networks) {
		struct vnet_error err = { 0 };
		int r = plan_check_host(*net, wish->definitions.networks.v, wish->definitions.networks.n, host, &err);

		must((r < 0) == vnet_error_is_set(&err));
		if (r < 0)
			return false;
	}
	return true;
}

/* TAPs and their like are there when netd plans for a port. */
static void add_devices(const struct wish *wish, struct snapshot *host)
{
	static const char *const kinds[] = {
		[PORT_TAP] = "tun", [PORT_MACVTAP] = "macvtap", [PORT_VETH] = "veth",
	};

	vec_each (port, &wish->ports) {
		struct link *link;

		if ((*port)->persistent || (size_t)(*port)->kind >= ARRAY_SIZE(kinds) ||
		    !kinds[(*port)->kind] || snapshot_link(host, (*port)->ifname))
			continue;
		link = vec_add(&host->links);
		*link = (struct link){ .ifindex = host->next_ifindex++, .mtu = 1500, .txqueuelen = 1000,
				       .tun.is_tap = true, .addr_gen_mode = 0 };
		memcpy(link->name, (*port)->ifname, sizeof(link->name));
		strcpy(link->kind, kinds[(*port)->kind]);
		snprintf(link->alias, sizeof(link->alias), "vnet:port:%s:%s", (*port)->network, (*port)->name);
		snapshot_sort(host);
	}
}

/* Their guests end, and their devices with them. */
static void end_ports(struct snapshot *host)
{
	for (size_t i = host->links.n; i-- > 0;) {
		struct op op = { .kind = OP_LINK_DELETE, .link.force = true };

		if (i >= host->links.n || strncmp(host->links.v[i].alias, "vnet:port:", 10) != 0)
			continue;
		memcpy(op.link.name, host->links.v[i].name, sizeof(op.link.name));
		must(op_apply(&op, host, NULL) == 0);
	}
}

/* Takes the records on. */
static void try_wish(const char *text, size_t size, struct desired *records, struct snapshot *host)
{
	AUTO_WISH struct wish wish;

	if (!wish_read(text, size, &wish) || !fits(&wish, host))
		return;
	add_devices(&wish, host);
	memcpy(&wish.desired.saved, &records->saved, sizeof(records->saved));
	memcpy(&wish.desired.takeovers, &records->takeovers, sizeof(records->takeovers));
	run(&wish.desired, host, false);
	run(&wish.desired, host, true);
	memcpy(&records->saved, &wish.desired.saved, sizeof(records->saved));
	memcpy(&records->takeovers, &wish.desired.takeovers, sizeof(records->takeovers));
	memset(&wish.desired.saved, 0, sizeof(wish.desired.saved));
	memset(&wish.desired.takeovers, 0, sizeof(wish.desired.takeovers));
	end_ports(host);
}

static void nothing_of_ours_is_left(const struct snapshot *host)
{
	vec_each (link, &host->links)
		must(!link_is_ours(link));
	must(!host->nft);
}

static void try_snapshot(const char *text, size_t size)
{
	AUTO_FREE char *copy = mem_strndup(text, size), *once = NULL, *again = NULL;
	AUTO_SNAPSHOT struct snapshot a = { 0 }, b = { 0 };

	if (snapshot_from_text(copy, &a, NULL) < 0)
		return;
	once = snapshot_to_text(&a);
	must(snapshot_from_text(once, &b, NULL) == 0);
	again = snapshot_to_text(&b);
	must(strcmp(once, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char then[] = "--- then\n", last[] = "--- snapshot\n";
	AUTO_SNAPSHOT struct snapshot host = { 0 };
	const char *text = (const char *)data, *end = text + size, *next;
	struct desired records = { 0 };
	size_t which;

	if (!n_hosts)
		read_hosts();
	if (size < 7 || memcmp(text, "host ", 5) != 0)
		return 0;
	which = (uint8_t)(text[5] - '0') % n_hosts;
	text += 7;
	snapshot_copy(&hosts[which], &host);
	next = memmem(text, (size_t)(end - text), last, strlen(last));
	if (next) {
		try_snapshot(next + strlen(last), (size_t)(end - next) - strlen(last));
		end = next;
	}
	for (int i = 0; i < WISHES_MAX && text < end; i++) {
		next = memmem(text, (size_t)(end - text), then, strlen(then));
		try_wish(text, (size_t)((next ? next : end) - text), &records, &host);
		text = next ? next + strlen(then) : end;
	}
	run(&records, &host, false);
	run(&records, &host, true);
	nothing_of_ours_is_left(&host);
	must(!records.saved.n && !records.takeovers.n);
	desired_free(&records);
	return 0;
}
