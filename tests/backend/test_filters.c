/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_filters.c - other people's packet filters: read as values, fixed and unfixed
 *
 * tests/golden/filters/NAME.sh loads rules into a namespace, NAME.txt is what is read
 * of them. What the fixes leave behind is compared by `nft -j list ruleset`.
 */

#include "base/strbuf.h"
#include "kernel/filters.h"
#include "tests/backend/harness.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#define GOLDEN "tests/golden/filters/"

static char *output_of(const char *line)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	FILE *out = popen(line, "re"); /* NOLINT(cert-env33-c) */
	char buf[4096];
	size_t n;

	assert_non_null(out);
	while ((n = fread(buf, 1, sizeof(buf), out)) > 0)
		strbuf_append_n(&text, buf, n);
	assert_int_equal(pclose(out), 0);
	return strbuf_take(&text);
}

static void load(const char *name)
{
	command("sh -e " GOLDEN "%s.sh 2>/dev/null", name);
}

static void chain_text(const struct filter_chain *chain, struct strbuf *ret)
{
	strbuf_printf(ret, "  chain %s", chain->name);
	if (chain->is_base)
		strbuf_printf(ret, " %s %d %s", filter_hook_name(chain->hook), chain->priority,
			      chain->drops ? "drop" : "accept");
	vec_each (device, &chain->devices)
		strbuf_printf(ret, " %s", device->s);
	strbuf_append(ret, "\n");
	vec_each (rule, &chain->rules) {
		strbuf_append(ret, "    ");
		filter_rule_text(rule, ret);
		vec_each (c, &rule->cases)
			strbuf_printf(ret, " [%d %s]", c->verdict, c->chain ? c->chain : "");
		if (rule->comment)
			strbuf_printf(ret, "  # %s", rule->comment);
		strbuf_append(ret, "\n");
	}
}

static int by_name(const void *a, const void *b)
{
	const struct filter_table *x = a, *y = b;
	int r = (int)x->family - (int)y->family;

	return r ? r : strcmp(x->name, y->name);
}

static char *read_text(void)
{
	AUTO_FILTER_TABLES filter_table_vec tables = { 0 };
	AUTO_STRBUF struct strbuf text = { 0 };

	ok(kernel_read_filters(f->k, &tables, &f->err));
	vec_sort(&tables, by_name);
	vec_each (table, &tables) {
		strbuf_printf(&text, "table %s %s%s\n", filter_family_name(table->family), table->name,
			      table->is_legacy ? " legacy" : "");
		vec_each (chain, &table->chains)
			chain_text(chain, &text);
	}
	return strbuf_take(&text);
}

static void check_golden(const char *name)
{
	AUTO_FREE char *path = mem_printf(GOLDEN "%s.txt", name);
	AUTO_FREE char *cat = mem_printf("cat %s", path), *want = NULL, *is = NULL;

	load(name);
	is = read_text();
	if (getenv("UPDATE_GOLDEN")) {
		FILE *out = fopen(path, "we");

		assert_non_null(out);
		fputs(is, out);
		fclose(out);
		return;
	}
	want = output_of(cat);
	assert_string_equal(is, want);
}

static void test_docker(void **state)
{
	(void)state;
	ONLY_LINUX();
	check_golden("docker");
}

static void test_iptables(void **state)
{
	(void)state;
	ONLY_LINUX();
	check_golden("iptables");
}

static void test_nft(void **state)
{
	(void)state;
	ONLY_LINUX();
	check_golden("nft");
}

static void test_firewalld(void **state)
{
	(void)state;
	ONLY_LINUX();
	check_golden("firewalld");
}

static void test_legacy(void **state)
{
	(void)state;
	ONLY_LINUX();
	NEEDS("iptables without nftables (ip_tables)", "true && iptables-legacy -L");
	check_golden("legacy");
}

/* ---- fixes ---- */

static void read_present(fix_present_vec *ret)
{
	AUTO_FILTER_TABLES filter_table_vec tables = { 0 };

	ok(kernel_read_filters(f->k, &tables, &f->err));
	doctor_fixes_present(&tables, ret);
}

static void add_fix(fix_rule_vec *ret, const char *chain, const char *iifname, const char *oifname, uint8_t l4proto,
		    uint16_t dport, uint64_t before)
{
	struct fix_rule *fix = vec_add(ret);

	fix->family = FILTER_IP;
	snprintf(fix->table, sizeof(fix->table), "filter");
	snprintf(fix->chain, sizeof(fix->chain), "%s", chain);
	snprintf(fix->iifname, sizeof(fix->iifname), "%s", iifname);
	snprintf(fix->oifname, sizeof(fix->oifname), "%s", oifname);
	fix->l4proto = l4proto;
	fix->dport = dport;
	fix->before = before;
}

static uint64_t last_handle(const char *chain_name)
{
	AUTO_FILTER_TABLES filter_table_vec tables = { 0 };

	ok(kernel_read_filters(f->k, &tables, &f->err));
	vec_each (table, &tables) {
		const struct filter_chain *chain = filter_chain_find(table, chain_name);

		if (table->family == FILTER_IP && strcmp(table->name, "filter") == 0 && chain)
			return chain->rules.v[chain->rules.n - 1].handle;
	}
	return 0;
}

/* Added, listed by iptables, found again, taken away without a trace. */
static void check_fixes(const char *name, const char *before_rule, const char *listed)
{
	AUTO_FREE char *before = NULL, *after = NULL, *list = NULL;
	fix_rule_vec add = { 0 }, none = { 0 };
	fix_present_vec present = { 0 }, nothing = { 0 };

	load(name);
	before = output_of("nft -j list ruleset 2>/dev/null");
	add_fix(&add, "FORWARD", "vn-blue", "", 0, 0, before_rule ? last_handle(before_rule) : 0);
	add_fix(&add, "FORWARD", "", "vn-blue", 0, 0, before_rule ? last_handle(before_rule) : 0);
	add_fix(&add, "INPUT", "vn-blue", "", IPPROTO_UDP, 67, 0);
	ok(kernel_fix_filters(f->k, &add, &nothing, &f->err));
	list = output_of("iptables-nft -S | grep vnet-doctor -B1 -A1");
	assert_string_equal(list, listed);
	read_present(&present);
	assert_int_equal(present.n, add.n);
	vec_each (p, &present) {
		bool found = false;

		vec_each (fix, &add)
			found |= fix_rule_cmp(fix, &p->rule) == 0;
		assert_true(found);
	}
	ok(kernel_fix_filters(f->k, &none, &present, &f->err));
	after = output_of("nft -j list ruleset 2>/dev/null");
	assert_string_equal(after, before);
	/* Nobody else's is taken for ours, and what is gone is told. */
	assert_int_equal(kernel_fix_filters(f->k, &none, &present, &f->err), -EAGAIN);
	vec_free(&add);
	vec_free(&present);
}

static void test_fix_policy(void **state)
{
	(void)state;
	ONLY_LINUX();
	check_fixes("docker", NULL,
		    "-N DOCKER-USER\n"
		    "-A INPUT -i vn-blue -p udp -m udp --dport 67 -m comment --comment vnet-doctor -j ACCEPT\n"
		    "-A FORWARD -j DOCKER-USER\n"
		    "-A FORWARD -j DOCKER-FORWARD\n"
		    "-A FORWARD -i vn-blue -m comment --comment vnet-doctor -j ACCEPT\n"
		    "-A FORWARD -o vn-blue -m comment --comment vnet-doctor -j ACCEPT\n"
		    "-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT\n");
}

static void test_fix_last_rule(void **state)
{
	(void)state;
	ONLY_LINUX();
	check_fixes("iptables", "FORWARD",
		    "-A INPUT -m limit --limit 3/min -j ACCEPT\n"
		    "-A INPUT -i vn-blue -p udp -m udp --dport 67 -m comment --comment vnet-doctor -j ACCEPT\n"
		    "-A FORWARD -m physdev --physdev-is-bridged -j ACCEPT\n"
		    "-A FORWARD -i vn-blue -m comment --comment vnet-doctor -j ACCEPT\n"
		    "-A FORWARD -o vn-blue -m comment --comment vnet-doctor -j ACCEPT\n"
		    "-A FORWARD -j REJECT --reject-with icmp-host-prohibited\n");
}

/* iptables itself can take such a rule away by what it lists. */
static void test_iptables_deletes(void **state)
{
	fix_rule_vec add = { 0 };
	fix_present_vec nothing = { 0 };

	(void)state;
	ONLY_LINUX();
	load("docker");
	add_fix(&add, "FORWARD", "vn-blue", "", 0, 0, 0);
	ok(kernel_fix_filters(f->k, &add, &nothing, &f->err));
	command("iptables-nft -D FORWARD -i vn-blue -m comment --comment vnet-doctor -j ACCEPT");
	read_present(&nothing);
	assert_int_equal(nothing.n, 0);
	vec_free(&add);
}

static void test_no_such_chain(void **state)
{
	fix_rule_vec add = { 0 };
	fix_present_vec nothing = { 0 };

	(void)state;
	add_fix(&add, "FORWARD", "vn-blue", "", 0, 0, 0);
	assert_int_equal(kernel_fix_filters(f->k, &add, &nothing, &f->err), -EAGAIN);
	vec_free(&add);
}

/* ---- listeners ---- */

static void test_listeners(void **state)
{
	doctor_socket_vec sockets = { 0 };
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(53) };
	int fd;

	(void)state;
	ONLY_LINUX();
	kernel_list_listeners(f->k, &sockets);
	assert_int_equal(sockets.n, 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	kernel_list_listeners(f->k, &sockets);
	close(fd);
	assert_int_equal(sockets.n, 1);
	assert_int_equal(sockets.v[0].protocol, IPPROTO_UDP);
	assert_int_equal(sockets.v[0].port, 53);
	assert_true(ip_is_any(&sockets.v[0].address));
	assert_int_equal(sockets.v[0].pid, getpid());
	assert_string_equal(sockets.v[0].process, "test_filters");
	vec_free(&sockets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_docker),	    TEST(test_iptables),    TEST(test_nft), TEST(test_firewalld),
		TEST(test_legacy),	    TEST(test_fix_policy),  TEST(test_fix_last_rule),
		TEST(test_iptables_deletes), TEST(test_no_such_chain), TEST(test_listeners),
	};

	return run_on_both(tests, ARRAY_SIZE(tests));
}
