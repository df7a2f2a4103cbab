/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check_filter.c - sends each network's packets through everybody's chains */

#include "doctor/check.h"

#include <stdio.h>

/* Where a packet passes on its way, by the hook that decides. */
struct path { size_t n; enum filter_hook hooks[5]; };
static const struct path paths[FILTER_HOOKS] = {
	[HOOK_INPUT] = { 3, { HOOK_INGRESS, HOOK_PREROUTING, HOOK_INPUT } },
	[HOOK_FORWARD] = { 5, { HOOK_INGRESS, HOOK_PREROUTING, HOOK_FORWARD, HOOK_POSTROUTING, HOOK_EGRESS } },
	[HOOK_OUTPUT] = { 3, { HOOK_OUTPUT, HOOK_POSTROUTING, HOOK_EGRESS } },
};

/* One packet at one base chain that does not simply let it pass. */
struct obstacle {
	const struct doctor_network *network;
	const struct probe *probe;
	const struct filter_table *table;
	const struct filter_chain *base;
	struct judgement judgement;
};
typedef void (*obstacle_fn)(const struct obstacle *obstacle, void *context);

/* ---- finding obstacles ---- */

static void judge_hook(struct obstacle *at, const struct doctor_facts *facts, enum filter_hook hook,
		       bool without_tagged, obstacle_fn fn, void *context)
{
	struct packet packet = at->probe->packet;

	packet.hook = hook;
	if (hook == HOOK_PREROUTING || hook == HOOK_INGRESS) /* not routed yet */
		packet.known &= ~(1u << FIELD_OIFNAME);
	if (hook == HOOK_INGRESS) /* nor tracked */
		packet.known &= ~(1u << FIELD_CT_STATE | 1u << FIELD_CT_STATUS | 1u << FIELD_CT_DIRECTION |
				  1u << FIELD_CT_MARK);
	vec_each (table, &facts->tables) {
		vec_each (chain, &table->chains) {
			if (!filter_concerns(table, chain, &packet))
				continue;
			at->table = table;
			at->base = chain;
			at->judgement = filter_judge(table, chain, &packet, without_tagged);
			if (at->judgement.fate != FATE_PASSES)
				fn(at, context);
		}
	}
}

static void each_obstacle(const struct doctor_facts *facts, bool without_tagged, obstacle_fn fn,
			  void *context)
{
	vec_each (network, &facts->networks) {
		probe_vec probes = { 0 };

		if (network->is_running)
			network_probes(facts, network, &probes);
		vec_each (probe, &probes) {
			const struct path *path = &paths[probe->packet.hook];
			struct obstacle at = { .network = network, .probe = probe };

			for (size_t i = 0; i < path->n; i++)
				judge_hook(&at, facts, path->hooks[i], without_tagged, fn, context);
		}
		vec_free(&probes);
	}
}

/* ---- fixes ---- */

/* Chains of ufw's that stand for its default policies. */
static bool is_policy_chain(const char *name)
{
	static const char *const starts[] = { "ufw-skip-to-policy-", "ufw6-skip-to-policy-", "ufw-reject-",
					      "ufw6-reject-" };

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		if (strncmp(name, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

/* A rule for all that is left over, as good as a policy; in other chains it is for whom the jump is. */
static bool is_last_word(const struct judgement *j)
{
	return !j->rule->matches.n && j->rule->handle && (j->chain->is_base || is_policy_chain(j->chain->name));
}

/*
 * Only where nobody has spoken about this traffic: by a policy, or by a rule without
 * conditions.  Who wrote a rule about our bridge means it.
 */
static bool can_fix(const struct obstacle *at)
{
	const struct judgement *j = &at->judgement;

	if (at->table->is_legacy || at->table->has_owner || at->probe->packet.is_frame ||
	    !owner_takes_fixes(filter_owner(at->table, j->chain)))
		return false;
	if (at->base->hook != HOOK_INPUT && at->base->hook != HOOK_FORWARD && at->base->hook != HOOK_OUTPUT)
		return false;
	return !j->rule || is_last_word(j);
}

static struct fix_rule fix_of(const struct obstacle *at)
{
	struct fix_rule fix = at->probe->pass;

	fix.family = at->table->family;
	snprintf(fix.table, sizeof(fix.table), "%s", at->table->name);
	snprintf(fix.chain, sizeof(fix.chain), "%s", at->judgement.chain->name);
	if (at->judgement.rule)
		fix.before = at->judgement.rule->handle;
	return fix;
}

int fix_rule_cmp(const void *a, const void *b)
{
	const struct fix_rule *x = a, *y = b;
	int r = (int)x->family - (int)y->family;

	if (!r)
		r = strcmp(x->table, y->table);
	if (!r)
		r = strcmp(x->chain, y->chain);
	if (!r)
		r = strcmp(x->iifname, y->iifname);
	if (!r)
		r = strcmp(x->oifname, y->oifname);
	if (!r)
		r = (int)x->l4proto - (int)y->l4proto;
	return r ? r : (int)x->dport - (int)y->dport;
}

static struct fix_rule *find_fix(const fix_rule_vec *fixes, const struct fix_rule *wanted)
{
	vec_each (fix, fixes)
		if (fix_rule_cmp(fix, wanted) == 0)
			return fix;
	return NULL;
}

static void collect_fix(const struct obstacle *at, void *context)
{
	fix_rule_vec *ret = context;
	struct fix_rule fix;

	if (!can_fix(at))
		return;
	fix = fix_of(at);
	if (!find_fix(ret, &fix))
		vec_push(ret, fix);
}

void doctor_fixes(const struct doctor_facts *facts, fix_rule_vec *ret)
{
	each_obstacle(facts, true, collect_fix, ret);
	vec_sort(ret, fix_rule_cmp);
}

static void read_tagged(const struct filter_rule *rule, struct fix_rule *ret)
{
	vec_each (match, &rule->matches) {
		const uint8_t *value = match->ranges.n ? match->ranges.v[0].first : NULL;

		if (!value)
			continue;
		if (match->field == FIELD_IIFNAME)
			memcpy(ret->iifname, value, sizeof(ret->iifname) - 1);
		if (match->field == FIELD_OIFNAME)
			memcpy(ret->oifname, value, sizeof(ret->oifname) - 1);
		if (match->field == FIELD_L4PROTO)
			ret->l4proto = value[0];
		if (match->field == FIELD_DPORT)
			ret->dport = (uint16_t)(value[0] << 8 | value[1]);
	}
}

void doctor_fixes_present(const filter_table_vec *tables, fix_present_vec *ret)
{
	vec_each (table, tables)
		vec_each (chain, &table->chains)
			vec_each (rule, &chain->rules) {
				struct fix_present *present;

				if (!rule->is_tagged)
					continue;
				present = vec_add(ret);
				present->handle = rule->handle;
				present->rule.family = table->family;
				snprintf(present->rule.table, sizeof(present->rule.table), "%s", table->name);
				snprintf(present->rule.chain, sizeof(present->rule.chain), "%s", chain->name);
				read_tagged(rule, &present->rule);
			}
}

void doctor_fixes_diff(const struct doctor_facts *facts, const fix_rule_vec *wanted,
		       fix_rule_vec *ret_add, fix_present_vec *ret_remove)
{
	fix_present_vec present = { 0 };
	fix_rule_vec useless = { 0 }, kept = { 0 };

	/* Those that are needed with all that is there: one stands behind what stops us. */
	each_obstacle(facts, false, collect_fix, &useless);
	doctor_fixes_present(&facts->tables, &present);
	vec_each (p, &present) {
		if (find_fix(wanted, &p->rule) && !find_fix(&useless, &p->rule) && !find_fix(&kept, &p->rule))
			vec_push(&kept, p->rule);
		else
			vec_push(ret_remove, *p);
	}
	vec_each (fix, wanted)
		if (!find_fix(&kept, fix))
			vec_push(ret_add, *fix);
	vec_free(&present);
	vec_free(&useless);
	vec_free(&kept);
}

char *fix_rule_text(const struct fix_rule *rule)
{
	AUTO_STRBUF struct strbuf text = { 0 };

	strbuf_printf(&text, "%s %s %s:", filter_family_name(rule->family), rule->table, rule->chain);
	if (rule->iifname[0])
		strbuf_printf(&text, " iifname \"%s\"", rule->iifname);
	if (rule->oifname[0])
		strbuf_printf(&text, " oifname \"%s\"", rule->oifname);
	if (rule->l4proto)
		strbuf_printf(&text, " meta l4proto %u", rule->l4proto);
	if (rule->dport)
		strbuf_printf(&text, " th dport %u", rule->dport);
	strbuf_append(&text, " accept");
	return strbuf_take(&text);
}

/* ---- findings ---- */

/* What of the obstacles so far is one finding: the same place in the rules. */
struct place { const struct filter_chain *base, *chain; const struct filter_rule *rule; size_t finding; };
struct gathering { finding_vec *findings; VEC(struct place) places; };

static const char *const hook_ids[FILTER_HOOKS] = {
	[HOOK_PREROUTING] = "filter-prerouting", [HOOK_INPUT] = "filter-input",
	[HOOK_FORWARD] = "filter-forward", [HOOK_OUTPUT] = "filter-output",
	[HOOK_POSTROUTING] = "filter-postrouting", [HOOK_INGRESS] = "filter-ingress",
	[HOOK_EGRESS] = "filter-egress",
};

static char *found_text(const struct obstacle *at)
{
	const struct judgement *j = &at->judgement;
	AUTO_STRBUF struct strbuf text = { 0 };

	strbuf_printf(&text, "%stable %s %s, ", at->table->is_legacy ? "iptables-legacy " : "",
		      filter_family_name(at->table->family), at->table->name);
	if (!j->rule) {
		strbuf_printf(&text, "chain %s: policy drop", j->chain->name);
	} else {
		strbuf_printf(&text, "chain %s: rule \"", j->chain->name);
		filter_rule_text(j->rule, &text);
		strbuf_append(&text, "\"");
		if (j->rule->handle)
			strbuf_printf(&text, " (handle %llu)", (unsigned long long)j->rule->handle);
	}
	strbuf_printf(&text, "; hook %s, priority %d", filter_hook_name(at->base->hook),
		      at->base->priority);
	return strbuf_take(&text);
}

static const char *why_text(const struct obstacle *at)
{
	if (at->judgement.fate == FATE_UNSURE)
		return "It stands in the way on conditions that vnet can't judge, so it may stop this traffic.";
	if (!at->judgement.rule)
		return "No rule there accepts this traffic, so the policy drops it; an accept of vnet's own table does not undo that.";
	return "It drops this traffic; an accept of vnet's own table does not undo that.";
}

static struct finding *finding_at(struct gathering *g, const struct obstacle *at)
{
	const struct judgement *j = &at->judgement;
	struct finding *f;

	vec_each (place, &g->places)
		if (place->base == at->base && place->chain == j->chain && place->rule == j->rule)
			return &g->findings->v[place->finding];
	f = finding_add(g->findings, hook_ids[at->base->hook], SEVERITY_NOTE);
	f->owner = filter_owners_text(at->table, j->chain);
	f->found = found_text(at);
	f->can_fix = can_fix(at);
	vec_push(&g->places, (struct place){ at->base, j->chain, j->rule, g->findings->n - 1 });
	return f;
}

static void gather(const struct obstacle *at, void *context)
{
	struct gathering *g = context;
	struct finding *f = finding_at(g, at);
	enum severity severity = at->judgement.fate == FATE_STOPS ? SEVERITY_STOPS : SEVERITY_MAY_STOP;
	AUTO_FREE char *traffic = probe_text(at->probe);

	if (f->severity < severity) {
		f->severity = severity;
		mem_replace(&f->why, why_text(at));
	}
	text_list_add(&f->networks, at->network->net->name);
	text_list_add(&f->traffic, traffic);
	owner_remedy(f, filter_owner(at->table, at->judgement.chain), at->table, at->judgement.chain, at->probe);
}

static void note_fixes(const struct doctor_facts *facts, finding_vec *ret)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	fix_present_vec present = { 0 };
	struct finding *f;

	doctor_fixes_present(&facts->tables, &present);
	if (present.n) {
		f = finding_add(ret, "fixes", SEVERITY_NOTE);
		vec_each (p, &present) {
			AUTO_FREE char *rule = fix_rule_text(&p->rule);

			strbuf_printf(&text, "%s%s", text.len ? "; " : "", rule);
		}
		f->found = mem_printf("%zu rules of \"vnetctl doctor --fix\": %s", present.n, text.s);
		f->why = mem_strdup("They let vnet's networks pass in others' chains, where a policy would drop them.");
		finding_remedy(f, "vnetctl doctor --unfix");
	}
	vec_free(&present);
}

void check_filters(const struct doctor_facts *facts, finding_vec *ret)
{
	struct gathering g = { .findings = ret };

	each_obstacle(facts, false, gather, &g);
	vec_free(&g.places);
	vec_each (f, ret)
		owner_finish(f);
	note_fixes(facts, ret);
}
