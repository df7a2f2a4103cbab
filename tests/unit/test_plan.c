/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_plan.c - the planner against tests/golden/plan/NAME.case
 *
 * A case is a few texts, each headed by a line "--- WORD":
 *
 *   host NAME       the host before us: hosts/NAME.txt, then the lines here
 *   before          YAML that ran already: planned and applied first
 *   before-ports    its ports, one JSON object a line
 *   disturb         what happened since: "- PREFIX" deletes lines of the
 *                   snapshot's text, "+ LINE" adds one
 *   desired, ports  what is wanted now
 *   expected        the outcome, see outcome_text()
 *
 * Beyond the expected text every case is held to this:
 *   - plan_wanted_sysctls() names every switch that the planner looks at;
 *   - applying the plan and planning again gives nothing;
 *   - the same after any first part of the plan (the daemon was killed there);
 *     (a case may say why not: "(not restartable)" in its comment);
 *   - with nothing wanted any more the host is as it was, also from any such
 *     point (not for cases that disturb or have ports, which leave things);
 *   - the same from each case's wish to each other one's on the same host.
 *
 * UPDATE_GOLDEN=1 writes the outcome into the cases; read the diff.
 */

#include "base/strbuf.h"
#include "nft/ruleset.h"
#include "plan/plan.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_addr.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/plan_rounds.h"

#define GOLDEN_DIR "tests/golden/plan"

enum section { HOST, BEFORE, BEFORE_PORTS, DISTURB, DESIRED, PORTS, EXPECTED, SECTIONS };
static const char *const section_names[SECTIONS] = {
	"host", "before", "before-ports", "disturb", "desired", "ports", "expected",
};

struct golden {
	char *path;
	char *head; /* comments above the first section */
	char *argument; /* of host */
	struct strbuf text[SECTIONS];
	bool has[SECTIONS];
};

/* What is wanted, with what it points to. */
struct wish {
	struct desired desired;
	network_vec networks;
	VEC(struct port *) ports;
};

static char *read_file(const char *path)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	FILE *f = fopen(path, "re");
	char buf[4096];
	size_t n;

	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		strbuf_append_n(&text, buf, n);
	fclose(f);
	return strbuf_take(&text);
}

/* The next line without its newline, or NULL; *text moves on. */
static char *next_line(const char **text)
{
	size_t n = strcspn(*text, "\n");
	char *line;

	if (!**text)
		return NULL;
	line = mem_strndup(*text, n);
	*text += n + ((*text)[n] == '\n');
	return line;
}

/* Cases. */

static enum section find_section(const struct golden *g, const char *word)
{
	for (int i = 0; i < SECTIONS; i++)
		if (strcmp(section_names[i], word) == 0)
			return (enum section)i;
	fail_msg("%s: no section is called %s", g->path, word);
	return HOST; /* not reached */
}

static void read_case(const char *name, struct golden *g)
{
	AUTO_STRBUF struct strbuf head = { 0 };
	AUTO_FREE char *text = NULL;
	enum section at = SECTIONS;
	const char *rest;
	char *line;

	*g = (struct golden){ .path = mem_printf(GOLDEN_DIR "/%s", name) };
	rest = text = read_file(g->path);
	while ((line = next_line(&rest))) {
		char word[32] = "", argument[64] = "";

		if (sscanf(line, "--- %31s %63s", word, argument) >= 1) {
			at = find_section(g, word);
			g->has[at] = true;
			if (at == HOST)
				mem_replace(&g->argument, argument);
		} else {
			strbuf_printf(at == SECTIONS ? &head : &g->text[at], "%s\n", line);
		}
		free(line);
	}
	g->head = strbuf_take(&head);
	for (int i = 0; i < SECTIONS; i++)
		if (!g->text[i].s)
			strbuf_append(&g->text[i], "");
}

static void free_case(struct golden *g)
{
	free(g->path);
	free(g->head);
	free(g->argument);
	for (int i = 0; i < SECTIONS; i++)
		strbuf_free(&g->text[i]);
}

static void write_case(const struct golden *g, const char *outcome)
{
	FILE *f = fopen(g->path, "we");

	if (!f)
		fail_msg("%s: %s", g->path, strerror(errno));
	fputs(g->head, f);
	for (int i = 0; i < SECTIONS; i++) {
		if (!g->has[i] && i != EXPECTED)
			continue;
		fprintf(f, "--- %s%s%s\n", section_names[i], i == HOST ? " " : "",
			i == HOST ? g->argument : "");
		fputs(i == EXPECTED ? outcome : g->text[i].s, f);
	}
	fclose(f);
}

/* Wishes. */

static void check(const struct golden *g, int rc, const struct vnet_error *err)
{
	char buf[1024];

	if (rc < 0)
		fail_msg("%s: %s", g->path, vnet_error_text(err, buf, sizeof(buf)));
}

static void read_wish(const struct golden *g, const char *yaml, const char *ports, struct wish *wish)
{
	struct vnet_error err = { 0 };
	char *line;

	*wish = (struct wish){ .desired.guards_checksums = true };
	if (*yaml)
		check(g, networks_from_yaml(yaml, strlen(yaml), g->path, &wish->networks, &err), &err);
	vec_each(net, &wish->networks)
		vec_push(&wish->desired.networks, *net);
	while ((line = next_line(&ports))) {
		json_t *json = json_loads(line, 0, NULL);
		struct port *port;

		if (!json)
			fail_msg("%s: not JSON: %s", g->path, line);
		check(g, port_from_json(json, &port, &err), &err);
		vec_push(&wish->ports, port);
		vec_push(&wish->desired.ports, port);
		json_decref(json);
		free(line);
	}
}

static void free_wish(struct wish *wish)
{
	desired_free(&wish->desired);
	network_vec_free(&wish->networks);
	vec_each(port, &wish->ports)
		port_free(*port);
	vec_free(&wish->ports);
}

/* Snapshots. */

static void read_snapshot(const struct golden *g, const char *text, struct snapshot *ret)
{
	struct vnet_error err = { 0 };

	check(g, snapshot_from_text(text, ret, &err), &err);
}

static void read_host(const struct golden *g, struct snapshot *ret)
{
	AUTO_FREE char *path = mem_printf(GOLDEN_DIR "/hosts/%s.txt", g->argument);
	AUTO_FREE char *common = read_file(path);
	AUTO_FREE char *text = mem_printf("%s%s", common, g->text[HOST].s);

	read_snapshot(g, text, ret);
}

static bool starts_with(const char *line, const char *prefix)
{
	return strncmp(line, prefix, strlen(prefix)) == 0;
}

/* The lines of text that `disturb` does not delete; each deletion must meet something. */
static void keep_lines(const struct golden *g, const char *text, struct strbuf *ret)
{
	const char *edits = g->text[DISTURB].s;
	char *edit;

	strbuf_append(ret, text);
	while ((edit = next_line(&edits))) {
		AUTO_STRBUF struct strbuf kept = { 0 };
		const char *rest = ret->s;
		bool is_met = *edit != '-';
		char *line;

		while ((line = next_line(&rest))) {
			if (*edit == '-' && starts_with(line, edit + 2))
				is_met = true;
			else
				strbuf_printf(&kept, "%s\n", line);
			free(line);
		}
		if (!is_met)
			fail_msg("%s: nothing to disturb: %s", g->path, edit);
		strbuf_reset(ret);
		strbuf_append(ret, kept.s ? kept.s : "");
		free(edit);
	}
}

static void disturb(const struct golden *g, struct snapshot *host)
{
	AUTO_FREE char *text = snapshot_to_text(host);
	AUTO_STRBUF struct strbuf lines = { 0 };
	struct nft_ruleset *nft = host->nft;
	const char *edits = g->text[DISTURB].s;
	char *edit;

	keep_lines(g, text, &lines);
	while ((edit = next_line(&edits))) {
		if (*edit == '+')
			strbuf_printf(&lines, "%s\n", edit + 2);
		free(edit);
	}
	host->nft = NULL;
	snapshot_free(host);
	read_snapshot(g, lines.s, host);
	host->nft = nft;
	if (strstr(g->text[DISTURB].s, "= flush ruleset")) {
		nft_ruleset_free(host->nft);
		host->nft = NULL;
	}
}

/* Plans. */

static void make(const struct golden *g, const struct desired *d, const struct snapshot *host,
		 struct plan *ret)
{
	AUTO_SNAPSHOT struct snapshot seen = { 0 };
	struct vnet_error err = { 0 };

	rounds_observe(d, host, &seen);
	*ret = (struct plan){ 0 };
	check(g, plan_make(d, &seen, ret, &err), &err);
}

static void apply(const struct golden *g, const struct plan *plan, size_t n, struct snapshot *host)
{
	for (size_t i = 0; i < n; i++) {
		struct vnet_error err = { 0 };

		check(g, op_apply(&plan->ops.v[i], host, &err), &err);
	}
}

/* Plans, records, applies, records. */
static void settle(const struct golden *g, struct desired *d, struct snapshot *host)
{
	AUTO_PLAN struct plan plan = { 0 };

	make(g, d, host, &plan);
	rounds_before(d, &plan);
	apply(g, &plan, plan.ops.n, host);
	rounds_after(d, &plan);
}

static void assert_settled(const struct golden *g, const struct desired *d, const struct snapshot *host)
{
	AUTO_PLAN struct plan plan = { 0 };
	AUTO_FREE char *text = NULL;

	make(g, d, host, &plan);
	if (!plan.ops.n && !plan.to_save.n && !plan.to_take_over.n && !plan.to_forget.n &&
	    !plan.given_back.n)
		return;
	text = plan.ops.n ? op_to_text(&plan.ops.v[0]) : NULL;
	fail_msg("%s: planning again gives %zu operations (first: %s), %zu+%zu+%zu+%zu records",
		 g->path, plan.ops.n, text ? text : "none", plan.to_save.n, plan.to_take_over.n,
		 plan.to_forget.n, plan.given_back.n);
}

static void converge(const struct golden *g, struct desired *d, struct snapshot *host)
{
	settle(g, d, host);
	assert_settled(g, d, host);
}

/*
 * "NETWORK: words" for each operation ("host" where it is nobody's), with "!"
 * before those that guests notice; then the records and the notes.
 */
static char *outcome_text(const struct plan *plan)
{
	struct strbuf out = { 0 };
	char buf[ADDR_TEXT_MAX];

	vec_each(op, &plan->ops) {
		AUTO_FREE char *text = op_to_text(op);

		/* How many rules and elements is for the golden cases of the firewall. */
		strbuf_printf(&out, "%s%s: %s\n", op->loses_traffic ? "! " : "",
			      op->network[0] ? op->network : "host",
			      op->kind == OP_NFT ? "firewall" : text);
	}
	vec_each(saved, &plan->to_save)
		strbuf_printf(&out, "save %s %" PRId64 "\n", saved->sysctl.path, saved->sysctl.value);
	vec_each(t, &plan->to_take_over) {
		strbuf_printf(&out, "record %s of %s on %s, mac %s:", t->uplink, t->network, t->bridge,
			      mac_format(&t->mac, buf));
		vec_each(addr, &t->addrs)
			strbuf_printf(&out, " %s", prefix_format(&addr->prefix, buf));
		strbuf_append(&out, ";");
		vec_each(route, &t->routes)
			strbuf_printf(&out, " %s", prefix_format(&route->dst, buf));
		strbuf_append(&out, t->was_down ? "; was down\n" : "\n");
	}
	vec_each(saved, &plan->to_forget)
		strbuf_printf(&out, "forget %s\n", saved->sysctl.path);
	vec_each(key, &plan->given_back)
		strbuf_printf(&out, "forget uplink %s of %s\n", key->uplink, key->network);
	vec_each(note, &plan->notes)
		strbuf_printf(&out, "note %s\n", *note);
	return strbuf_take(&out);
}

/* The lines of a that b lacks. */
static void put_missing(struct strbuf *out, const char *word, const char *a, const char *b)
{
	AUTO_FREE char *all = mem_printf("\n%s", b);
	char *line;

	while ((line = next_line(&a))) {
		AUTO_FREE char *whole = mem_printf("\n%s\n", line);

		if (!strstr(all, whole))
			strbuf_printf(out, "  %s: %s\n", word, line);
		free(line);
	}
}

/* Without the rules, whose text takes longer than all else. */
static char *text_without_rules(const struct snapshot *snap)
{
	struct snapshot bare = *snap;

	bare.nft = NULL;
	return snapshot_to_text(&bare);
}

static void assert_same_host(const struct golden *g, const struct snapshot *is,
			     const struct snapshot *wanted, const char *when)
{
	AUTO_FREE char *a = text_without_rules(is), *b = text_without_rules(wanted);
	AUTO_FREE char *all_a = NULL, *all_b = NULL;
	AUTO_STRBUF struct strbuf diff = { 0 };

	if (strcmp(a, b) == 0 && nft_ruleset_equal(is->nft, wanted->nft))
		return;
	all_a = snapshot_to_text(is);
	all_b = snapshot_to_text(wanted);
	put_missing(&diff, "should not have", all_a, all_b);
	put_missing(&diff, "should have", all_b, all_a);
	fail_msg("%s: %s, the host\n%s", g->path, when, diff.s);
}

/* What is on disk, in whatever order it came there. */
static bool has_same_records(const struct desired *a, const struct desired *b)
{
	size_t n = 0;

	vec_each(x, &a->saved)
		vec_each(y, &b->saved)
			n += strcmp(x->sysctl.path, y->sysctl.path) == 0 &&
			     x->sysctl.value == y->sysctl.value;
	return n == a->saved.n && n == b->saved.n && !a->takeovers.n && !b->takeovers.n;
}

/* What routers advertised to a NIC comes again from them, not from us. */
static void drop_advertised(struct snapshot *snap)
{
	for (size_t i = snap->addrs.n; i-- > 0;) {
		struct prefix subnet = prefix_network(&snap->addrs.v[i].prefix);

		if (!(snap->addrs.v[i].flags & IFA_F_MANAGETEMPADDR))
			continue;
		vec_remove(&snap->addrs, i);
		for (size_t r = snap->routes.n; r-- > 0;)
			if (prefix_cmp(&snap->routes.v[r].dst, &subnet) == 0)
				vec_remove(&snap->routes, r);
	}
	for (size_t i = snap->routes.n; i-- > 0;)
		if (snap->routes.v[i].expires)
			vec_remove(&snap->routes, i);
}

static void check_teardown(const struct golden *g, const struct desired *records,
			   const struct snapshot *end, struct snapshot *original)
{
	AUTO_SNAPSHOT struct snapshot host = { 0 };
	struct desired nothing = { 0 };

	rounds_copy(records, &nothing);
	snapshot_copy(end, &host);
	settle(g, &nothing, &host);
	if (strstr(g->text[BEFORE].s, "bridged") || strstr(g->text[DESIRED].s, "bridged")) {
		assert_settled(g, &nothing, &host);
		drop_advertised(original);
		drop_advertised(&host);
	}
	assert_same_host(g, &host, original, "with nothing wanted any more");
	assert_int_equal(nothing.saved.n, 0);
	assert_int_equal(nothing.takeovers.n, 0);
	desired_free(&nothing);
}

static void copy_desired(const struct desired *from, struct desired *to)
{
	*to = (struct desired){ .guards_checksums = from->guards_checksums };
	vec_each(net, &from->networks)
		vec_push(&to->networks, *net);
	vec_each(port, &from->ports)
		vec_push(&to->ports, *port);
	rounds_copy(from, to);
}

/* `end` and `last` are where the whole plan leads to, which is settled. */
static void check_resumed(const struct golden *g, const struct desired *d, const struct snapshot *host,
			  const struct snapshot *end, const struct desired *last, size_t n)
{
	AUTO_FREE char *when = mem_printf("after %zu operations and a restart", n);
	AUTO_SNAPSHOT struct snapshot again = { 0 };
	struct desired copy;

	copy_desired(d, &copy);
	snapshot_copy(host, &again);
	settle(g, &copy, &again);
	assert_same_host(g, &again, end, when);
	/* The same host, wish and records again give the same plan: none. */
	if (!has_same_records(&copy, last))
		assert_settled(g, &copy, &again);
	desired_free(&copy);
}

/* Killed after any operation, the daemon gets to the same end, or back. */
static void check_interrupted(const struct golden *g, const struct desired *d,
			      const struct snapshot *host, const struct plan *plan,
			      const struct snapshot *end, struct snapshot *original)
{
	AUTO_SNAPSHOT struct snapshot now = { 0 };
	struct desired started, last, nothing = { 0 };

	copy_desired(d, &started);
	rounds_before(&started, plan);
	copy_desired(&started, &last);
	rounds_after(&last, plan);
	assert_settled(g, &last, end);
	if (original)
		assert_settled(g, &nothing, original);
	snapshot_copy(host, &now);
	for (size_t n = 0; n < plan->ops.n; n++) {
		struct vnet_error err = { 0 };

		if (original)
			check_teardown(g, &started, &now, original);
		check_resumed(g, &started, &now, end, &last, n);
		check(g, op_apply(&plan->ops.v[n], &now, &err), &err);
	}
	desired_free(&started);
	desired_free(&last);
}

static void run_case(const char *name)
{
	AUTO_SNAPSHOT struct snapshot original = { 0 }, host = { 0 }, end = { 0 };
	AUTO_PLAN struct plan plan = { 0 };
	AUTO_FREE char *outcome = NULL;
	struct wish before, after;
	struct golden g;
	bool is_clean;

	read_case(name, &g);
	read_host(&g, &original);
	snapshot_copy(&original, &host);
	read_wish(&g, g.text[BEFORE].s, g.text[BEFORE_PORTS].s, &before);
	read_wish(&g, g.text[DESIRED].s, g.text[PORTS].s, &after);

	converge(&g, &before.desired, &host);
	if (g.has[DISTURB])
		disturb(&g, &host);
	rounds_copy(&before.desired, &after.desired);
	make(&g, &after.desired, &host, &plan);
	outcome = outcome_text(&plan);
	if (getenv("UPDATE_GOLDEN"))
		write_case(&g, outcome);
	else if (strcmp(outcome, g.text[EXPECTED].s) != 0)
		fail_msg("%s: expected\n%s\nbut the outcome is\n%s", g.path, g.text[EXPECTED].s, outcome);

	snapshot_copy(&host, &end);
	apply(&g, &plan, plan.ops.n, &end);
	is_clean = !g.has[DISTURB] && !g.has[BEFORE_PORTS] && !g.has[PORTS];
	if (!strstr(g.head, "(not restartable)"))
		check_interrupted(&g, &after.desired, &host, &plan, &end,
				  is_clean ? &original : NULL);
	rounds_before(&after.desired, &plan);
	apply(&g, &plan, plan.ops.n, &host);
	rounds_after(&after.desired, &plan);
	converge(&g, &after.desired, &host);
	assert_same_host(&g, &host, &end, "planning again");
	if (is_clean)
		check_teardown(&g, &after.desired, &end, &original);

	free_wish(&before);
	free_wish(&after);
	free_case(&g);
}

struct cases {
	struct dirent **entries;
	int n;
};

/*
 * From any case's wish to any other's on the same host, without their guests
 * and disturbances: converges, also when cut off, and can be undone.
 */
static void run_pair(const struct golden *from, const struct golden *to)
{
	AUTO_SNAPSHOT struct snapshot original = { 0 }, host = { 0 }, end = { 0 };
	struct golden both = { .path = mem_printf("%s, then %s", from->path, to->path) };
	AUTO_PLAN struct plan plan = { 0 };
	struct wish before, after;

	strbuf_append(&both.text[BEFORE], from->text[DESIRED].s);
	strbuf_append(&both.text[DESIRED], to->text[DESIRED].s);
	read_host(to, &original);
	snapshot_copy(&original, &host);
	read_wish(&both, from->text[DESIRED].s, "", &before);
	read_wish(&both, to->text[DESIRED].s, "", &after);

	converge(&both, &before.desired, &host);
	rounds_copy(&before.desired, &after.desired);
	make(&both, &after.desired, &host, &plan);
	snapshot_copy(&host, &end);
	apply(&both, &plan, plan.ops.n, &end);
	check_interrupted(&both, &after.desired, &host, &plan, &end, &original);

	free_wish(&before);
	free_wish(&after);
	free_case(&both);
}

typedef VEC(struct golden) golden_vec;

static bool is_same_host(const struct golden *a, const struct golden *b)
{
	return strcmp(a->argument, b->argument) == 0 &&
	       strcmp(a->text[HOST].s, b->text[HOST].s) == 0;
}

static bool has_wish(const golden_vec *cases, const struct golden *wanted)
{
	vec_each(g, cases)
		if (is_same_host(g, wanted) &&
		    strcmp(g->text[DESIRED].s, wanted->text[DESIRED].s) == 0)
			return true;
	return false;
}

static void test_pairs(void **state)
{
	const struct cases *all = *state;
	golden_vec cases = { 0 };
	unsigned n_pairs = 0;

	for (int i = 0; i < all->n; i++) {
		struct golden g;

		read_case(all->entries[i]->d_name, &g);
		if (has_wish(&cases, &g))
			free_case(&g);
		else
			vec_push(&cases, g);
	}
	vec_each(from, &cases)
		vec_each(to, &cases)
			if (from != to && is_same_host(from, to)) {
				run_pair(from, to);
				n_pairs++;
			}
	print_message("%u pairs\n", n_pairs);
	assert_int_not_equal(n_pairs, 0);
	vec_each(g, &cases)
		free_case(g);
	vec_free(&cases);
}

static int is_case(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 5 && strcmp(entry->d_name + n - 5, ".case") == 0;
}

static void test_case(void **state)
{
	run_case(*state);
}

int main(void)
{
	VEC(struct CMUnitTest) tests = { 0 };
	struct cases all = { 0 };
	int failed;

	all.n = scandir(GOLDEN_DIR, &all.entries, is_case, alphasort);
	if (all.n <= 0) {
		fprintf(stderr, "test_plan: no cases in " GOLDEN_DIR " (run from the top)\n");
		return 1;
	}
	for (int i = 0; i < all.n; i++) {
		char *name = all.entries[i]->d_name;

		vec_push(&tests, (struct CMUnitTest){ .name = name, .test_func = test_case,
						      .initial_state = name });
	}
	vec_push(&tests, (struct CMUnitTest){ .name = "from each case to each other",
					      .test_func = test_pairs, .initial_state = &all });
	failed = _cmocka_run_group_tests("plan", tests.v, tests.n, NULL, NULL);
	for (int i = 0; i < all.n; i++)
		free(all.entries[i]);
	free(all.entries);
	vec_free(&tests);
	return failed;
}
