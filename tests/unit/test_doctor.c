/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_doctor.c - diagnose() against tests/golden/doctor/NAME.case
 *
 * A case is four texts, each headed by a line "--- WORD":
 *
 *   networks   YAML; all of them run
 *   host       facts, one a line; see host_line()
 *   rules      everybody else's packet filters: "table FAMILY NAME [legacy] [owned]",
 *              below it "chain NAME [HOOK PRIORITY accept|drop [DEVICE...]]", below that rules;
 *              see read_rule()
 *   expected   findings, and what --fix would do
 *
 * Beyond the expected text: with the fixes put in, nothing that can be fixed is left,
 * no further fix is wanted, and with nothing wanted all of them are taken away.
 *
 * UPDATE_GOLDEN=1 writes the outcome into the cases; read the diff.
 */

#include "base/strbuf.h"
#include "doctor/check.h"

#include <dirent.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define GOLDEN_DIR "tests/golden/doctor"
#define WORDS_MAX 64

enum section { NETWORKS, HOST, RULES, EXPECTED, SECTIONS };
static const char *const section_names[SECTIONS] = { "networks", "host", "rules", "expected" };

struct words { char *v[WORDS_MAX]; size_t n; };

static struct words split(char *line)
{
	struct words words = { .n = 0 };
	char *save = NULL;

	for (char *w = strtok_r(line, " \t", &save); w && words.n < WORDS_MAX; w = strtok_r(NULL, " \t", &save))
		words.v[words.n++] = w;
	return words;
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

/* ---- rules ---- */

static void put_address(struct filter_rule *rule, bool is_source, const char *text, bool is_negated)
{
	AUTO_FREE char *full = strchr(text, '/') ? mem_strdup(text) :
			       mem_printf("%s/%u", text, strchr(text, ':') ? 128 : 32);
	struct rule_match *match;
	struct prefix prefix, mask;
	bool is_v4;

	if (prefix_parse(full, &prefix) < 0)
		fail_msg("bad address %s", text);
	is_v4 = prefix.addr.family == AF_INET;
	mask = (struct prefix){ .addr = prefix.addr, .len = prefix.len };
	match = filter_match_add(rule, is_v4 ? (is_source ? FIELD_SADDR4 : FIELD_DADDR4) :
					       (is_source ? FIELD_SADDR6 : FIELD_DADDR6));
	match->is_negated = is_negated;
	memcpy(match->mask, prefix_netmask(&mask).b, match->size);
	filter_match_value(match, prefix_network(&prefix).addr.b, 0);
}

static void put_states(struct filter_rule *rule, const char *text, bool is_negated)
{
	struct rule_match *match = filter_match_add(rule, FIELD_CT_STATE);
	uint8_t bits = 0;

	bits |= strstr(text, "established") ? CT_ESTABLISHED : 0;
	bits |= strstr(text, "related") ? CT_RELATED : 0;
	bits |= strstr(text, "new") ? CT_NEW : 0;
	bits |= strstr(text, "invalid") ? CT_INVALID : 0;
	match->is_negated = is_negated;
	match->is_bits = true;
	memset(match->mask, 0, sizeof(match->mask));
	match->mask[3] = bits;
}

static void put_name(struct filter_rule *rule, enum packet_field field, const char *name, bool is_negated)
{
	struct rule_match *match = filter_match_add(rule, field);
	size_t n = strlen(name);

	match->is_negated = is_negated;
	if (n && name[n - 1] == '*')
		match->size = (uint8_t)--n;
	filter_match_value(match, name, n);
}

static void put_number(struct filter_rule *rule, enum packet_field field, const char *text, bool is_negated)
{
	struct rule_match *match = filter_match_add(rule, field);
	char *end;
	unsigned long first = strtoul(text, &end, 0), last = *end == '-' ? strtoul(end + 1, NULL, 0) : first;
	struct value_range *range = vec_add(&match->ranges);

	match->is_negated = is_negated;
	for (unsigned i = 0; i < match->size; i++) {
		range->first[i] = (uint8_t)(first >> (8 * (match->size - 1u - i)));
		range->last[i] = (uint8_t)(last >> (8 * (match->size - 1u - i)));
	}
}

/* One "KEY VALUE" of a rule; a value that begins with "!" is negated. */
static bool put_match(struct filter_rule *rule, const char *key, const char *value)
{
	static const struct { const char *key; enum packet_field field; } numbers[] = {
		{ "proto", FIELD_L4PROTO }, { "sport", FIELD_SPORT }, { "dport", FIELD_DPORT },
		{ "mark", FIELD_MARK }, { "nfproto", FIELD_NFPROTO }, { "status", FIELD_CT_STATUS },
		{ "icmp", FIELD_ICMP_TYPE }, { "type", FIELD_ETHERTYPE }, { "fib", FIELD_FIB_OIF }, { "dtype", FIELD_DADDR_TYPE },
	};
	bool is_negated = value[0] == '!';

	value += is_negated;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (strcmp(numbers[i].key, key) == 0)
			return put_number(rule, numbers[i].field, value, is_negated), true;
	if (strcmp(key, "iif") == 0 || strcmp(key, "oif") == 0)
		return put_name(rule, key[0] == 'i' ? FIELD_IIFNAME : FIELD_OIFNAME, value, is_negated), true;
	if (strcmp(key, "saddr") == 0 || strcmp(key, "daddr") == 0)
		return put_address(rule, key[0] == 's', value, is_negated), true;
	if (strcmp(key, "ct") == 0)
		return put_states(rule, value, is_negated), true;
	return false;
}

static bool put_verdict(enum rule_verdict *ret, char **ret_chain, const char *word, const char *next)
{
	static const struct { const char *word; enum rule_verdict verdict; } verdicts[] = {
		{ "accept", RULE_ACCEPT }, { "drop", RULE_DROP }, { "reject", RULE_REJECT },
		{ "return", RULE_RETURN }, { "jump", RULE_JUMP }, { "goto", RULE_GOTO },
		{ "queue", RULE_OTHER }, { "count", RULE_CONTINUE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
		if (strcmp(verdicts[i].word, word) != 0)
			continue;
		*ret = verdicts[i].verdict;
		if (*ret == RULE_JUMP || *ret == RULE_GOTO)
			*ret_chain = mem_strdup(next);
		return true;
	}
	return false;
}

/* "IFNAME:VERDICT[=CHAIN]", of "vmap iif ..." or, where the key is not understood, "vmap other". */
static void put_case(struct filter_rule *rule, char *text)
{
	struct verdict_case *c = vec_add(&rule->cases);
	char *verdict = strchr(text, ':'), *chain = strchr(text, '=');

	assert_non_null(verdict);
	*verdict++ = '\0';
	if (chain)
		*chain++ = '\0';
	memcpy(c->range.first, text, strlen(text));
	c->range.last[0] = 0;
	c->range.last[0] = c->range.first[0];
	memcpy(c->range.last, c->range.first, sizeof(c->range.last));
	assert_true(put_verdict(&c->verdict, &c->chain, verdict, chain));
}

/*
 * "KEY VALUE ... VERDICT [tagged]": keys iif, oif, proto, saddr, daddr, sport, dport, ct,
 * mark, nfproto, status, icmp, fib, dtype, type; "other" for a match that is not understood.
 */
static void read_rule(struct filter_rule *rule, char *line)
{
	struct words words = split(line);

	for (size_t i = 0; i < words.n; i++) {
		const char *word = words.v[i], *next = i + 1 < words.n ? words.v[i + 1] : "";

		if (strcmp(word, "other") == 0) {
			filter_match_add(rule, FIELD_OTHER);
		} else if (strcmp(word, "tagged") == 0) {
			rule->is_tagged = true;
		} else if (strcmp(word, "vmap") == 0) {
			rule->has_map = true;
			rule->map_field = strcmp(next, "iif") == 0 ? FIELD_IIFNAME : FIELD_OTHER;
			for (i += 2; i < words.n; i++)
				put_case(rule, words.v[i]);
		} else if (put_verdict(&rule->verdict, &rule->chain, word, next)) {
			i += rule->chain != NULL;
		} else if (put_match(rule, word, next)) {
			i++;
		} else {
			fail_msg("rule: what is %s?", word);
		}
	}
}

static void read_chain(struct filter_chain *chain, const struct words *words)
{
	if (words->n < 5)
		return;
	chain->is_base = true;
	chain->priority = atoi(words->v[3]);
	chain->drops = strcmp(words->v[4], "drop") == 0;
	while (strcmp(filter_hook_name(chain->hook), words->v[2]) != 0)
		assert_true(++chain->hook < FILTER_HOOKS);
	for (size_t i = 5; i < words->n; i++)
		snprintf(vec_add(&chain->devices)->s, sizeof(chain->devices.v->s), "%s", words->v[i]);
}

static void read_table(struct filter_table *table, const struct words *words)
{
	assert_true(words->n >= 3);
	while (strcmp(filter_family_name(table->family), words->v[1]) != 0)
		assert_true(++table->family < FILTER_FAMILIES);
	table->name = mem_strdup(words->v[2]);
	for (size_t i = 3; i < words->n; i++) {
		table->is_legacy |= strcmp(words->v[i], "legacy") == 0;
		table->has_owner |= strcmp(words->v[i], "owned") == 0;
	}
}

static void read_rules(const char *text, filter_table_vec *ret)
{
	struct filter_table *table = NULL;
	char chain[FILTER_NAME_MAX + 1] = "";
	uint64_t handle = 0;
	char *line;

	while ((line = next_line(&text))) {
		AUTO_FREE char *copy = mem_strdup(line);
		struct words words = split(copy);

		if (words.n && strcmp(words.v[0], "table") == 0) {
			table = vec_add(ret);
			read_table(table, &words);
		} else if (words.n >= 2 && strcmp(words.v[0], "chain") == 0) {
			assert_non_null(table);
			snprintf(chain, sizeof(chain), "%s", words.v[1]);
			read_chain(filter_chain_add(table, chain), &words);
		} else if (words.n) {
			struct filter_rule *rule;

			assert_non_null(table);
			rule = vec_add(&filter_chain_add(table, chain)->rules);
			rule->handle = table->is_legacy ? 0 : ++handle;
			read_rule(rule, line);
		}
		free(line);
	}
}

/* ---- facts ---- */

static void set_exits(struct doctor_facts *facts, const char *name, bool is_v6)
{
	vec_each (network, &facts->networks)
		snprintf(is_v6 ? network->exit6 : network->exit4, sizeof(network->exit4), "%s", name);
}

static struct doctor_network *network_called(struct doctor_facts *facts, const char *name)
{
	vec_each (network, &facts->networks)
		if (strcmp(network->net->name, name) == 0)
			return network;
	fail_msg("no network %s", name);
	return NULL; /* not reached */
}

static void add_socket(struct doctor_facts *facts, const struct words *w)
{
	struct doctor_socket *socket = vec_add(&facts->sockets);

	assert_true(w->n >= 6);
	socket->protocol = strcmp(w->v[1], "udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP;
	assert_int_equal(ip_parse(w->v[2], &socket->address), 0);
	socket->port = (uint16_t)atoi(w->v[3]);
	snprintf(socket->process, sizeof(socket->process), "%s", w->v[4]);
	socket->pid = atoi(w->v[5]);
	if (w->n > 6)
		snprintf(socket->device, sizeof(socket->device), "%s", w->v[6]);
}

static void add_sysctl(struct doctor_facts *facts, const char *path, const char *value)
{
	struct sysctl *sysctl = vec_add(&facts->sysctls);

	snprintf(sysctl->path, sizeof(sysctl->path), "%s", path);
	sysctl->value = atoll(value);
}

/* What follows the nth word. */
static const char *rest_of(const char *line, size_t n)
{
	for (; n; n--) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
	}
	return line;
}

static void host_line(struct doctor_facts *facts, const char *line)
{
	AUTO_FREE char *copy = mem_strdup(line);
	struct words w = split(copy);
	const char *key = w.n ? w.v[0] : "";

	if (!w.n)
		return;
	if (strcmp(key, "exit4") == 0 || strcmp(key, "exit6") == 0)
		set_exits(facts, w.v[1], key[4] == '6');
	else if (strcmp(key, "sysctl") == 0)
		add_sysctl(facts, w.v[1], w.v[2]);
	else if (strcmp(key, "socket") == 0)
		add_socket(facts, &w);
	else if (strcmp(key, "claim") == 0)
		snprintf(vec_push(&facts->claims, (struct doctor_claim){
				.manager = strcmp(w.v[1], "networkd") == 0 ? MANAGER_NETWORKD :
									    MANAGER_NETWORKMANAGER })->device,
			 16, "%s", w.n > 2 ? w.v[2] : "");
	else if (strcmp(key, "setting") == 0)
		vec_push(&facts->settings, (struct doctor_setting){
			.setting = strcmp(w.v[1], "bridge-conf") == 0 ? SETTING_BRIDGE_CONF :
				   strcmp(w.v[1], "unread") == 0 ? SETTING_UNREAD_TABLES : SETTING_FORWARDING_OFF,
			.where = mem_strdup(w.v[2]), .text = mem_strdup(rest_of(line, 3)) });
	else if (strcmp(key, "stranger") == 0)
		vec_push(&facts->strangers, mem_strdup(rest_of(line, 1)));
	else if (strcmp(key, "lacking") == 0)
		vec_push(&facts->lacking, mem_strdup(rest_of(line, 1)));
	else if (strcmp(key, "no-dnsmasq") == 0)
		facts->has_dnsmasq = false;
	else if (strcmp(key, "default-devices4") == 0)
		facts->default_devices4 = (unsigned)atoi(w.v[1]);
	else if (strcmp(key, "failed") == 0) {
		network_called(facts, w.v[1])->is_running = false;
		network_called(facts, w.v[1])->problem = mem_strdup(rest_of(line, 2));
	} else if (strcmp(key, "answer") == 0) {
		struct doctor_network *network = network_called(facts, w.v[1]);
		int *answers[] = { &network->out4, &network->back4, &network->out6, &network->back6 };

		*answers[atoi(w.v[2])] = -atoi(w.v[3]);
	} else if (strcmp(key, "file") == 0) {
		/* Lines of a file: "file sysctl|bridge PATH LINE". */
		if (strcmp(w.v[1], "sysctl") == 0)
			doctor_read_sysctl_conf(w.v[2], rest_of(line, 3), facts);
		else
			doctor_read_bridge_conf(w.v[2], rest_of(line, 3), facts);
	} else if (strcmp(key, "bridge-ports") == 0)
		network_called(facts, w.v[1])->bridge_ports = (unsigned)atoi(w.v[2]);
	else
		fail_msg("host: what is %s?", key);
}

struct golden { char *path, *head; struct strbuf text[SECTIONS]; };

static void read_facts(const struct golden *g, network_vec *nets, struct doctor_facts *facts)
{
	struct vnet_error err = { 0 };
	const char *rest;
	char *line;

	*facts = (struct doctor_facts){ .has_dnsmasq = true, .default_devices4 = 1 };
	if (networks_from_yaml(g->text[NETWORKS].s, g->text[NETWORKS].len, g->path, nets, &err) < 0)
		fail_msg("%s: %s", g->path, err.message);
	vec_each (net, nets) {
		struct doctor_network *network = vec_add(&facts->networks);

		network->net = *net;
		network->is_running = true;
		if (network_has_bridge(*net))
			network_bridge(*net, network->bridge);
	}
	rest = g->text[HOST].s ? g->text[HOST].s : "";
	while ((line = next_line(&rest))) {
		host_line(facts, line);
		free(line);
	}
	vec_sort(&facts->sysctls, snapshot_cmp_sysctls);
	read_rules(g->text[RULES].s ? g->text[RULES].s : "", &facts->tables);
}

/* ---- outcome ---- */

static void list_text(const char *title, const text_list *list, struct strbuf *ret)
{
	const char *sep = "";

	if (!list->n)
		return;
	strbuf_printf(ret, "  %s: ", title);
	vec_each (text, list) {
		strbuf_printf(ret, "%s%s", sep, *text);
		sep = ", ";
	}
	strbuf_append(ret, "\n");
}

static void finding_text(const struct finding *f, struct strbuf *ret)
{
	strbuf_printf(ret, "%s %s%s%s%s\n", severity_name(f->severity), f->id, f->owner ? " of " : "",
		      f->owner ? f->owner : "", f->can_fix ? " (can be fixed)" : "");
	list_text("networks", &f->networks, ret);
	list_text("traffic", &f->traffic, ret);
	strbuf_printf(ret, "  found: %s\n  why: %s\n", f->found, f->why);
	vec_each (remedy, &f->remedies)
		strbuf_printf(ret, "  # %s\n", *remedy);
}

static struct filter_chain *chain_of(struct doctor_facts *facts, const struct fix_rule *fix)
{
	vec_each (table, &facts->tables)
		if (table->family == fix->family && strcmp(table->name, fix->table) == 0)
			return filter_chain_add(table, fix->chain);
	fail_msg("no table %s", fix->table);
	return NULL; /* not reached */
}

/* What the kernel would do with it. */
static void apply_fix(struct doctor_facts *facts, const struct fix_rule *fix)
{
	struct filter_chain *chain = chain_of(facts, fix);
	struct filter_rule rule = { .handle = 100000 + chain->rules.n, .verdict = RULE_ACCEPT, .is_tagged = true };
	size_t at = 0;
	char number[8];

	while (at < chain->rules.n && (!fix->before || chain->rules.v[at].handle != fix->before))
		at++;
	if (fix->iifname[0])
		put_name(&rule, FIELD_IIFNAME, fix->iifname, false);
	if (fix->oifname[0])
		put_name(&rule, FIELD_OIFNAME, fix->oifname, false);
	snprintf(number, sizeof(number), "%u", fix->l4proto);
	if (fix->l4proto)
		put_number(&rule, FIELD_L4PROTO, number, false);
	snprintf(number, sizeof(number), "%u", fix->dport);
	if (fix->dport)
		put_number(&rule, FIELD_DPORT, number, false);
	vec_add(&chain->rules);
	memmove(&chain->rules.v[at + 1], &chain->rules.v[at], (chain->rules.n - 1 - at) * sizeof(rule));
	chain->rules.v[at] = rule;
}

static void remove_fix(struct doctor_facts *facts, const struct fix_present *present)
{
	struct filter_chain *chain = chain_of(facts, &present->rule);

	for (size_t i = 0; i < chain->rules.n; i++) {
		if (chain->rules.v[i].handle != present->handle)
			continue;
		assert_true(chain->rules.v[i].is_tagged);
		filter_rule_free(&chain->rules.v[i]);
		vec_remove(&chain->rules, i);
		return;
	}
	fail_msg("no rule %llu", (unsigned long long)present->handle);
}

static void apply_diff(struct doctor_facts *facts, const fix_rule_vec *wanted, size_t *ret_changes)
{
	fix_rule_vec add = { 0 };
	fix_present_vec remove = { 0 };

	doctor_fixes_diff(facts, wanted, &add, &remove);
	*ret_changes = add.n + remove.n;
	vec_each (present, &remove)
		remove_fix(facts, present);
	vec_each (fix, &add)
		apply_fix(facts, fix);
	vec_free(&add);
	vec_free(&remove);
}

static void check_fixes(struct doctor_facts *facts, const char *path, struct strbuf *ret)
{
	fix_rule_vec wanted = { 0 }, again = { 0 }, none = { 0 };
	finding_vec findings = { 0 };
	fix_present_vec present = { 0 };
	size_t changes;

	doctor_fixes(facts, &wanted);
	vec_each (fix, &wanted) {
		AUTO_FREE char *text = fix_rule_text(fix);

		strbuf_printf(ret, "fix %s%s\n", text, fix->before ? " (before the rule)" : "");
	}
	apply_diff(facts, &wanted, &changes);
	diagnose(facts, &findings);
	vec_each (f, &findings)
		if (f->can_fix)
			fail_msg("%s: %s is still there with the fixes: %s", path, f->id, f->found);
	findings_free(&findings);
	doctor_fixes(facts, &again);
	assert_int_equal(again.n, wanted.n);
	apply_diff(facts, &again, &changes);
	assert_int_equal(changes, 0);
	apply_diff(facts, &none, &changes);
	doctor_fixes_present(&facts->tables, &present);
	assert_int_equal(present.n, 0);
	vec_free(&wanted);
	vec_free(&again);
	vec_free(&present);
}

static void outcome(const struct golden *g, struct strbuf *ret)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO_FACTS struct doctor_facts facts = { 0 };
	AUTO_FINDINGS finding_vec findings = { 0 };

	read_facts(g, &nets, &facts);
	diagnose(&facts, &findings);
	vec_each (f, &findings)
		finding_text(f, ret);
	check_fixes(&facts, g->path, ret);
	if (!ret->len)
		strbuf_append(ret, "nothing\n");
}

/* ---- cases ---- */

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

static void read_case(const char *name, struct golden *g)
{
	AUTO_STRBUF struct strbuf head = { 0 };
	AUTO_FREE char *text = NULL;
	int at = SECTIONS;
	const char *rest;
	char *line;

	*g = (struct golden){ .path = mem_printf(GOLDEN_DIR "/%s", name) };
	rest = text = read_file(g->path);
	while ((line = next_line(&rest))) {
		if (strncmp(line, "--- ", 4) == 0) {
			for (at = 0; at < SECTIONS && strcmp(section_names[at], line + 4) != 0;)
				at++;
			assert_true(at < SECTIONS);
		} else {
			strbuf_printf(at == SECTIONS ? &head : &g->text[at], "%s\n", line);
		}
		free(line);
	}
	g->head = strbuf_take(&head);
}

static void write_case(const struct golden *g, const char *expected)
{
	FILE *f = fopen(g->path, "we");

	assert_non_null(f);
	fputs(g->head, f);
	for (int i = 0; i < EXPECTED; i++)
		if (g->text[i].s)
			fprintf(f, "--- %s\n%s", section_names[i], g->text[i].s);
	fprintf(f, "--- %s\n%s", section_names[EXPECTED], expected);
	fclose(f);
}

static void free_case(struct golden *g)
{
	free(g->path);
	free(g->head);
	for (int i = 0; i < SECTIONS; i++)
		strbuf_free(&g->text[i]);
}

static int is_case(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && strcmp(dot, ".case") == 0;
}

static void test_golden(void **state)
{
	struct dirent **entries;
	int n = scandir(GOLDEN_DIR, &entries, is_case, alphasort), wrong = 0;

	(void)state;
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		AUTO_STRBUF struct strbuf is = { 0 };
		struct golden g;

		read_case(entries[i]->d_name, &g);
		outcome(&g, &is);
		if (strcmp(is.s, g.text[EXPECTED].s ? g.text[EXPECTED].s : "") != 0) {
			wrong++;
			if (getenv("UPDATE_GOLDEN"))
				write_case(&g, is.s);
			else
				print_error("%s: is\n%s", g.path, is.s);
		}
		free_case(&g);
		free(entries[i]);
	}
	free(entries);
	assert_true(!wrong || getenv("UPDATE_GOLDEN"));
}

static void test_names_our_devices(void **state)
{
	(void)state;
	assert_true(doctor_names_our_devices("[keyfile]\nunmanaged-devices+=interface-name:vn-*\n"));
	assert_false(doctor_names_our_devices("# interface-name:vn-*\n  # vn-\n[main]\n"));
	assert_false(doctor_names_our_devices(""));
}

static void test_sysctl_conf(void **state)
{
	static const char text[] = "# net.ipv4.ip_forward=0\n\n; comment\n net/ipv4/ip_forward =\t0 \n"
				   "-net.ipv6.conf.all.forwarding=0\nnet.ipv4.ip_forward=1\n"
				   "net.ipv4.ip_forward 0\nnet.ipv4.ip_forward = 00\n"
				   "net.ipv4.conf.all.forwarding=0";
	AUTO_FACTS struct doctor_facts facts = { 0 };

	(void)state;
	doctor_read_sysctl_conf("/f", text, &facts);
	assert_int_equal(facts.settings.n, 3);
	assert_string_equal(facts.settings.v[0].where, "/f:4");
	assert_string_equal(facts.settings.v[0].text, "net/ipv4/ip_forward =\t0");
	assert_string_equal(facts.settings.v[1].where, "/f:5");
	assert_string_equal(facts.settings.v[2].where, "/f:9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_our_devices),
		cmocka_unit_test(test_sysctl_conf),
		cmocka_unit_test(test_golden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
