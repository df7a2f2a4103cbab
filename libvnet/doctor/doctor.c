/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor.c - facts and findings as values; check_*.c find */

#include "doctor/check.h"

#include <stdarg.h>
#include <stdio.h>

#define FINDING_ITEMS_MAX 4096  /* networks, kinds of traffic, remedies of one */

const char *severity_name(enum severity severity)
{
	static const char *const names[] = { "note", "may-stop", "stops" };

	return names[severity];
}

static void text_list_free(text_list *list)
{
	vec_each (text, list)
		free(*text);
	vec_free(list);
}

void doctor_facts_free(struct doctor_facts *facts)
{
	vec_each (network, &facts->networks)
		free(network->problem);
	vec_free(&facts->networks);
	filter_tables_free(&facts->tables);
	vec_free(&facts->sysctls);
	vec_free(&facts->sockets);
	vec_free(&facts->claims);
	vec_each (setting, &facts->settings) {
		free(setting->where);
		free(setting->text);
	}
	vec_free(&facts->settings);
	vec_each (stranger, &facts->strangers)
		free(*stranger);
	vec_free(&facts->strangers);
	vec_each (sentence, &facts->lacking)
		free(*sentence);
	vec_free(&facts->lacking);
}

void findings_free(finding_vec *findings)
{
	vec_each (f, findings) {
		text_list_free(&f->networks);
		text_list_free(&f->traffic);
		text_list_free(&f->remedies);
		free(f->owner);
		free(f->found);
		free(f->why);
	}
	vec_free(findings);
}

struct finding *finding_add(finding_vec *ret, const char *id, enum severity severity)
{
	struct finding *f = vec_add(ret);

	f->id = id;
	f->severity = severity;
	return f;
}

void text_list_add(text_list *list, const char *text)
{
	vec_each (have, list)
		if (strcmp(*have, text) == 0)
			return;
	if (list->n < FINDING_ITEMS_MAX)
		vec_push(list, mem_strdup(text));
}

void finding_remedy(struct finding *finding, const char *format, ...)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	va_list args;

	va_start(args, format);
	strbuf_vprintf(&text, format, args);
	va_end(args);
	text_list_add(&finding->remedies, text.s);
}

/* ---- switches ---- */

static void want(struct doctor_facts *facts, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void want(struct doctor_facts *facts, const char *format, ...)
{
	struct sysctl *sysctl = vec_add(&facts->sysctls);
	va_list args;

	va_start(args, format);
	vsnprintf(sysctl->path, sizeof(sysctl->path), format, args);
	va_end(args);
}

static void want_conf(struct doctor_facts *facts, const char *ifname)
{
	if (!ifname[0])
		return;
	want(facts, "net/ipv4/conf/%s/forwarding", ifname);
	want(facts, "net/ipv4/conf/%s/rp_filter", ifname);
	want(facts, "net/ipv6/conf/%s/forwarding", ifname);
	want(facts, "net/ipv6/conf/%s/force_forwarding", ifname);
	want(facts, "net/ipv6/conf/%s/accept_ra", ifname);
}

void doctor_wanted_sysctls(struct doctor_facts *facts)
{
	size_t n = 0;

	want(facts, "net/bridge/bridge-nf-call-iptables");
	want(facts, "net/bridge/bridge-nf-call-ip6tables");
	want(facts, "net/bridge/bridge-nf-call-arptables");
	want(facts, "net/netfilter/nf_conntrack_count");
	want(facts, "net/netfilter/nf_conntrack_max");
	want_conf(facts, "all");
	vec_each (network, &facts->networks) {
		want_conf(facts, network->bridge);
		want_conf(facts, network->exit4);
		want_conf(facts, network->exit6);
	}
	vec_sort(&facts->sysctls, snapshot_cmp_sysctls);
	for (size_t i = 0; i < facts->sysctls.n; i++)
		if (!n || strcmp(facts->sysctls.v[i].path, facts->sysctls.v[n - 1].path) != 0)
			facts->sysctls.v[n++] = facts->sysctls.v[i];
	facts->sysctls.n = n;
}

static int compare_path(const void *key, const void *item)
{
	return strcmp(key, ((const struct sysctl *)item)->path);
}

int64_t doctor_sysctl(const struct doctor_facts *facts, int64_t otherwise, const char *format, ...)
{
	char path[96];
	va_list args;
	bool found;
	size_t i;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	i = vec_search(&facts->sysctls, path, compare_path, &found);
	return found ? facts->sysctls.v[i].value : otherwise;
}

/* ---- the whole ---- */

void diagnose(const struct doctor_facts *facts, finding_vec *ret)
{
	finding_vec all = { 0 };

	check_filters(facts, &all);
	check_host(facts, &all);
	/* Worst first, else in the order of the checks. */
	for (int severity = SEVERITY_STOPS; severity >= SEVERITY_NOTE; severity--)
		vec_each (f, &all)
			if ((int)f->severity == severity)
				vec_push(ret, *f);
	vec_free(&all);
}
