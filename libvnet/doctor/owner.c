/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* owner.c - whose rules these are, by their names, and how that firewall is told itself */

#include "doctor/check.h"

#include <stdio.h>

struct owner_def {
	const char *name;
	const char *table;      /* names that tell: of a table, and beginnings of chains' */
	const char *chains[4];
	bool takes_fixes;
};

/*
 * firewalld takes none: its tables are made anew at each reload, and it has zones for
 * this.  Those of Kubernetes and its kin are checked and rewritten all the time.
 */
static const struct owner_def owners[OWNERS] = {
	[OWNER_NFT] = { .name = "nftables", .takes_fixes = true },
	[OWNER_IPTABLES] = { .name = "iptables", .takes_fixes = true },
	[OWNER_EBTABLES] = { .name = "ebtables" },
	[OWNER_DOCKER] = { .name = "Docker", .table = "docker-bridges", .chains = { "DOCKER" },
			   .takes_fixes = true },
	[OWNER_FIREWALLD] = { .name = "firewalld", .table = "firewalld" },
	[OWNER_UFW] = { .name = "ufw", .chains = { "ufw-", "ufw6-" }, .takes_fixes = true },
	[OWNER_LIBVIRT] = { .name = "libvirt", .table = "libvirt_network", .chains = { "LIBVIRT_" },
			    .takes_fixes = true },
	[OWNER_KUBE] = { .name = "kube-proxy", .table = "kube-proxy", .chains = { "KUBE-" } },
	[OWNER_CALICO] = { .name = "Calico", .table = "calico", .chains = { "cali-" } },
	[OWNER_CNI] = { .name = "a CNI plugin",
			.chains = { "CNI-", "FLANNEL", "CILIUM_", "WEAVE" } },
	[OWNER_PODMAN] = { .name = "Podman", .table = "netavark", .chains = { "NETAVARK" },
			   .takes_fixes = true },
	[OWNER_TAILSCALE] = { .name = "Tailscale", .chains = { "ts-" }, .takes_fixes = true },
	[OWNER_FAIL2BAN] = { .name = "fail2ban", .table = "f2b-table", .chains = { "f2b-" },
			     .takes_fixes = true },
};

/* Who sets policies of the chains that it shares with iptables; who else only adds rules. */
static const enum owner_kind policy_makers[] = { OWNER_UFW, OWNER_DOCKER };

const char *owner_name(enum owner_kind owner)
{
	return owners[owner].name;
}

bool owner_takes_fixes(enum owner_kind owner)
{
	return owners[owner].takes_fixes;
}

static bool is_chain_of(enum owner_kind owner, const char *chain)
{
	for (size_t i = 0; i < ARRAY_SIZE(owners[owner].chains); i++) {
		const char *start = owners[owner].chains[i];

		if (start && strncmp(chain, start, strlen(start)) == 0)
			return true;
	}
	return false;
}

static bool has_chains_of(enum owner_kind owner, const struct filter_table *table)
{
	vec_each (chain, &table->chains)
		if (is_chain_of(owner, chain->name))
			return true;
	return false;
}

static bool is_iptables_table(const struct filter_table *table)
{
	static const char *const names[] = { "filter", "mangle", "raw", "nat", "security" };

	if (table->is_legacy)
		return true;
	if (table->family != FILTER_IP && table->family != FILTER_IP6 && table->family != FILTER_BRIDGE)
		return false;
	/* nft's own examples write the hooks' names small. */
	vec_each (chain, &table->chains)
		for (size_t i = 0; chain->is_base && i < ARRAY_SIZE(names); i++)
			if (strcmp(table->name, names[i]) == 0 && chain->name[0] >= 'A' &&
			    chain->name[0] <= 'Z')
				return true;
	return false;
}

enum owner_kind filter_owner(const struct filter_table *table, const struct filter_chain *chain)
{
	for (int o = 0; o < OWNERS; o++)
		if (owners[o].table && strcmp(owners[o].table, table->name) == 0)
			return (enum owner_kind)o;
	for (int o = 0; chain && o < OWNERS; o++)
		if (is_chain_of((enum owner_kind)o, chain->name))
			return (enum owner_kind)o;
	if (!is_iptables_table(table))
		return OWNER_NFT;
	if (table->family == FILTER_BRIDGE)
		return OWNER_EBTABLES;
	for (size_t i = 0; (!chain || chain->is_base) && i < ARRAY_SIZE(policy_makers); i++)
		if (has_chains_of(policy_makers[i], table))
			return policy_makers[i];
	return OWNER_IPTABLES;
}

char *filter_owners_text(const struct filter_table *table, const struct filter_chain *chain)
{
	enum owner_kind owner = filter_owner(table, chain);
	AUTO_STRBUF struct strbuf text = { 0 };

	if (owner == OWNER_NFT)
		return NULL;
	strbuf_append(&text, owner_name(owner));
	for (size_t i = 0; chain && chain->is_base && i < ARRAY_SIZE(policy_makers); i++)
		if (policy_makers[i] != owner && has_chains_of(policy_makers[i], table))
			strbuf_printf(&text, ", %s", owner_name(policy_makers[i]));
	return strbuf_take(&text);
}

/* ---- remedies ---- */

static void ufw_remedy(struct finding *f, const struct probe *probe)
{
	const struct fix_rule *pass = &probe->pass;

	if (probe->packet.hook == HOOK_FORWARD) {
		finding_remedy(f, "ufw route allow %s on %s", pass->iifname[0] ? "in" : "out",
			       pass->iifname[0] ? pass->iifname : pass->oifname);
	} else if (pass->dport && pass->iifname[0]) {
		finding_remedy(f, "ufw allow in on %s to any port %u proto %s", pass->iifname,
			       pass->dport, pass->l4proto == IPPROTO_UDP ? "udp" : "tcp");
	} else if (pass->dport) {
		finding_remedy(f, "ufw allow %u/%s", pass->dport,
			       pass->l4proto == IPPROTO_UDP ? "udp" : "tcp");
	} else if (pass->oifname[0]) {
		finding_remedy(f, "ufw allow out on %s", pass->oifname);
	}
}

/* Reloading comes last: owner_finish(). */
static void firewalld_remedy(struct finding *f, const struct probe *probe)
{
	const struct fix_rule *pass = &probe->pass;

	if (probe->kind == PROBE_GRE) {
		finding_remedy(f, "firewall-cmd --permanent --add-protocol=gre");
	} else if (probe->kind == PROBE_VXLAN) {
		finding_remedy(f, "firewall-cmd --permanent --add-port=%u/udp", pass->dport);
	} else {
		/* A zone that accepts: what guests may is then vnet's own rules' to say. */
		finding_remedy(f, "firewall-cmd --permanent --zone=trusted --add-interface=%s",
			       pass->iifname[0] ? pass->iifname : pass->oifname);
	}
	if (probe->kind == PROBE_IN) {
		finding_remedy(f, "firewall-cmd --permanent --new-policy=vnet");
		finding_remedy(f, "firewall-cmd --permanent --policy=vnet --set-target=ACCEPT --add-ingress-zone=ANY --add-egress-zone=trusted");
	}
}

/* "vp*" is "vp+" for iptables and its sisters. */
static void name_text(const char *option, const char *name, bool is_nft, struct strbuf *ret)
{
	size_t n = strcspn(name, "*");
	const char *quote = is_nft ? "\"" : "";

	if (name[0])
		strbuf_printf(ret, "%s %s%.*s%s%s ", option, quote, (int)n, name,
			      !name[n] ? "" : is_nft ? "*" : "+", quote);
}

/* "-i vn-blue -p udp --dport 53", or nft's words for it. */
static void pass_text(const struct fix_rule *pass, bool is_nft, struct strbuf *ret)
{
	name_text(is_nft ? "iifname" : "-i", pass->iifname, is_nft, ret);
	name_text(is_nft ? "oifname" : "-o", pass->oifname, is_nft, ret);
	if (pass->l4proto)
		strbuf_printf(ret, "%s %u ", is_nft ? "meta l4proto" : "-p", pass->l4proto);
	if (pass->dport)
		strbuf_printf(ret, "%s %u ", is_nft ? "th dport" : "--dport", pass->dport);
}

static void rule_remedy(struct finding *f, const struct filter_table *table, const char *chain,
			const struct fix_rule *pass)
{
	bool is_iptables = is_iptables_table(table);
	const char *tool = table->family == FILTER_IP6 ? "ip6tables" :
			   table->family == FILTER_BRIDGE ? "ebtables" : "iptables";
	AUTO_STRBUF struct strbuf text = { 0 };

	if (strcmp(f->id, "filter-ingress") == 0 || strcmp(f->id, "filter-egress") == 0) {
		/* Neither routed nor translated there: what the rule must say is its owner's to know. */
		finding_remedy(f, "nft list chain %s %s %s   # and put a rule before that accepts this traffic",
			       filter_family_name(table->family), table->name, chain);
		return;
	}
	pass_text(pass, !is_iptables, &text);
	if (is_iptables)
		finding_remedy(f, "%s%s -t %s -I %s %s-j ACCEPT", tool, table->is_legacy ? "-legacy" : "",
			       table->name, chain, text.s ? text.s : "");
	else
		finding_remedy(f, "nft insert rule %s %s %s %saccept", filter_family_name(table->family),
			       table->name, chain, text.s ? text.s : "");
}

void owner_remedy(struct finding *finding, enum owner_kind owner, const struct filter_table *table,
		  const struct filter_chain *chain, const struct probe *probe)
{
	const char *at = chain->name;

	if (finding->can_fix)
		finding_remedy(finding, "vnetctl doctor --fix");
	switch (owner) {
	case OWNER_UFW:
		ufw_remedy(finding, probe);
		return;
	case OWNER_FIREWALLD:
		firewalld_remedy(finding, probe);
		return;
	case OWNER_DOCKER:
		if (probe->packet.hook == HOOK_FORWARD && filter_chain_find(table, "DOCKER-USER"))
			at = "DOCKER-USER";
		break;
	default:
		break;
	}
	rule_remedy(finding, table, at, &probe->pass);
}

void owner_finish(struct finding *finding)
{
	if (finding->owner && strcmp(finding->owner, owners[OWNER_FIREWALLD].name) == 0)
		finding_remedy(finding, "firewall-cmd --reload");
}
