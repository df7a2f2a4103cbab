/* SPDX-License-Identifier: GPL-2.0-or-later */
/* api_doctor.c - Diagnose, Fix and Unfix */

#include "netd/api.h"

#include "netd/log.h"

#include <errno.h>

static const char *const no_keys[] = { NULL };

static json_t *texts_json(const text_list *list)
{
	json_t *array = json_array();

	vec_each(text, list)
		json_array_append_new(array, json_string(*text));
	return array;
}

static json_t *finding_json(const struct finding *f)
{
	json_t *object = json_pack("{s:s,s:s,s:o,s:o,s:s,s:s,s:o,s:b}", "id", f->id, "severity",
				   severity_name(f->severity), "networks", texts_json(&f->networks), "traffic",
				   texts_json(&f->traffic), "found", f->found, "why", f->why, "remedies",
				   texts_json(&f->remedies), "canFix", f->can_fix);

	if (f->owner)
		json_object_set_new(object, "owner", json_string(f->owner));
	return object;
}

/* What others than root may know: what concerns networks that they may see. */
static bool is_for(const struct peer *peer, const struct finding *f)
{
	return access_check_configure(peer, NULL) == 0 || f->networks.n;
}

static json_t *findings_json(struct netd *d, const struct peer *peer, struct vnet_error *err)
{
	AUTO_FACTS struct doctor_facts facts = { 0 };
	AUTO_FINDINGS finding_vec findings = { 0 };
	json_t *array;

	if (doctor_gather(d, peer, &facts, err) < 0)
		return NULL;
	diagnose(&facts, &findings);
	array = json_array();
	vec_each(f, &findings)
		if (is_for(peer, f))
			json_array_append_new(array, finding_json(f));
	return array;
}

/* A diagnosis reads every rule of the host: whoever may ask must not keep netd at that. */
static bool is_too_soon(const struct peer *peer)
{
	static struct log_limit limit = LOG_LIMIT(10, 10);

	return access_check_configure(peer, NULL) < 0 && !log_limit_pass(&limit);
}

void api_diagnose(void *context, struct call *call, const json_t *parameters)
{
	struct netd *d = context;
	struct vnet_error err = { 0 };
	json_t *findings;

	if (!api_only_keys(call, parameters, no_keys))
		return;
	if (is_too_soon(call_peer(call))) {
		vnet_error_set(&err, -EDQUOT, "too-many-diagnoses",
			       "others than root may have ten diagnoses in ten seconds, all together; try again in a moment");
		call_fail(call, &err, NULL);
		return;
	}
	findings = findings_json(d, call_peer(call), &err);
	if (findings)
		call_reply(call, json_pack("{s:o,s:b}", "findings", findings, "keepsFixes", d->keeps_fixes));
	else
		call_fail(call, &err, NULL);
}

static void set_fixes(struct netd *d, struct call *call, const json_t *parameters, bool keep)
{
	struct vnet_error err = { 0 };
	text_list changes = { 0 };
	json_t *findings = NULL;

	if (!api_only_keys(call, parameters, no_keys))
		return;
	if (doctor_keep_fixes(d, keep, &changes, &err) == 0)
		findings = findings_json(d, call_peer(call), &err);
	if (findings)
		call_reply(call, json_pack("{s:o,s:o}", "changes", texts_json(&changes), "findings", findings));
	else
		call_fail(call, &err, NULL);
	vec_each(text, &changes)
		free(*text);
	vec_free(&changes);
}

void api_fix(void *context, struct call *call, const json_t *parameters)
{
	set_fixes(context, call, parameters, true);
}

void api_unfix(void *context, struct call *call, const json_t *parameters)
{
	set_fixes(context, call, parameters, false);
}
