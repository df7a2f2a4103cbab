/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.c - subscribers to what becomes of a port's frames
 *
 * A port is traced as long as somebody looks: its first subscriber puts its
 * elements into the rules and the last one's end takes them out.  Nothing of it is
 * saved, so that a netd that was killed leaves rules that the next one finds
 * unwanted.
 *
 * What the guard took comes by the log with its reason, in full; what becomes of
 * the rest by the kernel's tracing, rule by rule, put together by trace/flights.c.
 * A frame that the guard took comes both ways and is told once.
 */

#include "netd/netd.h"

#include "doctor/check.h"
#include "nft/ruleset.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <net/if.h>
#include <stdio.h>
#include <time.h>

#define TRACERS_MAX 64
#define TRACERS_PER_UID_MAX 8 /* of others than root */
#define PLACES_MAX 64
#define LOOK_USEC 50000       /* for flights that have ended */

struct tracer {
	struct netd *d;
	struct call *call;
	char *port;
	bool wants_passed;      /* frames that nothing took, too */
	bool has_lost;
};

/* What stands where a packet was decided about. */
struct place {
	struct trace_step step;
	char *owner, *text, *comment; /* as far as known, or NULL */
};

struct trace {
	VEC(struct tracer *) tracers;
	VEC(struct place) places;
	struct flights *flights; /* while there are tracers */
	struct loop_source *timer;
};

static void forget_places(struct trace *trace)
{
	vec_each(place, &trace->places) {
		free(place->owner);
		free(place->text);
		free(place->comment);
	}
	trace->places.n = 0;
}

void trace_rules_changed(struct netd *d)
{
	if (d->trace)
		forget_places(d->trace);
}

struct trace *trace_new(void)
{
	return mem_alloc(sizeof(struct trace));
}

struct trace *trace_free(struct trace *trace)
{
	if (!trace)
		return NULL;
	/* The server went first and took every subscriber with it. */
	vec_free(&trace->tracers);
	forget_places(trace);
	vec_free(&trace->places);
	flights_free(trace->flights);
	loop_remove(trace->timer);
	free(trace);
	return NULL;
}

/* ---- events ---- */

static void deliver(struct tracer *tracer, json_t *event)
{
	if (tracer->has_lost) {
		json_t *lost = json_pack("{s:s,s:s,s:s}", "verdict", "lost", "port", tracer->port, "message",
					 "frames were lost because you did not read them");

		if (!call_stream(tracer->call, json_pack("{s:[o]}", "events", lost)))
			return;
		tracer->has_lost = false;
	}
	if (!call_stream(tracer->call, json_pack("{s:[O]}", "events", event)))
		tracer->has_lost = true;
}

/* Takes event. */
static void tell(struct netd *d, const struct port_entry *entry, bool has_passed, json_t *event)
{
	vec_each(tracer, &d->trace->tracers)
		if (strcmp((*tracer)->port, entry->port->name) == 0 &&
		    (!has_passed || (*tracer)->wants_passed))
			deliver(*tracer, event);
	json_decref(event);
}

static json_t *new_event(const struct port_entry *entry, const char *verdict, const struct frame_head *head)
{
	AUTO_STRBUF struct strbuf text = { 0 }, bytes = { 0 };
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	frame_text(head, &text);
	for (unsigned i = 0; i < head->size; i++)
		strbuf_printf(&bytes, "%02x", head->bytes[i]);
	return json_pack("{s:s,s:I,s:s,s:s,s:s,s:s}", "verdict", verdict, "time",
			 (json_int_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, "network",
			 entry->port->network, "port", entry->port->name, "frame", text.s, "bytes",
			 bytes.s ? bytes.s : "");
}

static void on_sample(struct netd *d, const struct trace_sample *sample)
{
	const struct port_entry *entry = registry_port_by_ifindex(&d->registry, sample->ifindex);
	const char *reason = guard_reason_name(sample->reason);
	json_t *event;

	if (!entry || !entry->port->is_traced)
		return;
	event = new_event(entry, "dropped", &sample->head);
	if (reason)
		json_object_set_new(event, "reason", json_string(reason));
	json_object_set_new(event, "message",
			    json_string(guard_reason_text(sample->reason)));
	tell(d, entry, false, event);
}

/* ---- packets that rules were met by ---- */

static bool is_ours(const struct trace_step *step)
{
	return strcmp(step->table, NFT_TABLE_NAME) == 0 &&
	       (step->family == NFPROTO_BRIDGE || step->family == NFPROTO_INET ||
		step->family == NFPROTO_NETDEV);
}

static bool is_guards_drop(const struct trace_step *step)
{
	return is_ours(step) && step->family != NFPROTO_INET &&
	       strcmp(step->chain, NFT_CHAIN_REFUSE) == 0;
}

static enum filter_family family_of(const struct trace_step *step)
{
	switch (step->family) {
	case NFPROTO_IPV4:
		return FILTER_IP;
	case NFPROTO_IPV6:
		return FILTER_IP6;
	case NFPROTO_ARP:
		return FILTER_ARP;
	case NFPROTO_BRIDGE:
		return FILTER_BRIDGE;
	case NFPROTO_NETDEV:
		return FILTER_NETDEV;
	default:
		return FILTER_INET;
	}
}

static json_t *step_json(const struct trace_step *step)
{
	json_t *json = json_pack("{s:s,s:s,s:s,s:s,s:s*}", "family", filter_family_name(family_of(step)),
				 "table", step->table, "chain", step->chain, "verdict",
				 trace_verdict_name(step->verdict), "to", step->to[0] ? step->to : NULL);

	if (step->is_policy)
		json_object_set_new(json, "isPolicy", json_true());
	else
		json_object_set_new(json, "rule", json_integer((json_int_t)step->handle));
	return json;
}

/* The first leads to the rule that lets the kernel trace. */
static bool is_of_interest(const struct trace_step *step)
{
	return !is_ours(step) || strcmp(step->to, NFT_CHAIN_TRACE) != 0;
}

static json_t *path_json(const struct trace_packet *packet)
{
	json_t *path = json_array();

	for (unsigned i = 0; i < packet->n_steps; i++)
		if (is_of_interest(&packet->steps[i]))
			json_array_append_new(path, step_json(&packet->steps[i]));
	return path;
}

static bool is_same_place(const struct trace_step *a, const struct trace_step *b)
{
	return a->family == b->family && a->is_policy == b->is_policy && a->handle == b->handle &&
	       strcmp(a->table, b->table) == 0 && strcmp(a->chain, b->chain) == 0;
}

/* A program's own texts: what does not fit a line of JSON or a terminal is left out. */
static char *plain(const char *text)
{
	char *copy = mem_strdup(text);

	for (char *c = copy; c && *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return copy;
}

static void read_place(struct netd *d, const struct trace_step *step, struct place *ret)
{
	const struct filter_place place = { family_of(step), step->table, step->chain,
					    step->is_policy ? 0 : step->handle };
	AUTO_FILTER_TABLES filter_table_vec tables = { 0 };
	AUTO_STRBUF struct strbuf text = { 0 };
	const struct filter_chain *chain;

	kernel_read_place(d->kernel, &place, &tables, NULL);
	chain = tables.n ? filter_chain_find(&tables.v[0], step->chain) : NULL;
	ret->owner = is_ours(step) ? mem_strdup("vnet") :
		     tables.n	   ? filter_owners_text(&tables.v[0], chain) :
				     NULL;
	if (!chain || !chain->rules.n)
		return;
	filter_rule_text(&chain->rules.v[0], &text);
	ret->text = plain(text.s ? text.s : "");
	if (chain->rules.v[0].comment)
		ret->comment = plain(chain->rules.v[0].comment);
}

/* What stands there, remembered until somebody changes rules. */
static const struct place *find_place(struct netd *d, const struct trace_step *step)
{
	struct trace *trace = d->trace;
	struct place *place;

	vec_each(known, &trace->places)
		if (is_same_place(&known->step, step))
			return known;
	if (trace->places.n >= PLACES_MAX)
		forget_places(trace);
	place = vec_add(&trace->places);
	place->step = *step;
	read_place(d, step, place);
	return place;
}

/* "table ip filter, chain FORWARD, its policy (Docker)"; of our rules the comment says it all. */
static char *message_of(const struct trace_step *step, const struct place *place)
{
	AUTO_STRBUF struct strbuf text = { 0 };

	strbuf_printf(&text, "table %s %s, chain %s", filter_family_name(family_of(step)), step->table,
		      step->chain);
	if (step->is_policy)
		strbuf_append(&text, ", its policy");
	else
		strbuf_printf(&text, ", rule %llu", (unsigned long long)step->handle);
	if (place->text && !is_ours(step))
		strbuf_printf(&text, ": %s", place->text);
	if (place->comment)
		strbuf_printf(&text, "%s \"%s\"", place->text && !is_ours(step) ? "" : ":", place->comment);
	if (place->owner)
		strbuf_printf(&text, " (%s)", place->owner);
	return strbuf_take(&text);
}

static json_t *place_json(const struct trace_step *step, const struct place *place)
{
	static const char *const keys[] = { "owner", "text", "comment" };
	const char *const values[] = { place->owner, place->text, place->comment };
	json_t *json = step_json(step);

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (values[i])
			json_object_set_new(json, keys[i], json_string(values[i]));
	return json;
}

/* The port that it was on its way to, or else the device. */
static void put_receiver(struct netd *d, int oif, json_t *event)
{
	const struct port_entry *entry = oif ? registry_port_by_ifindex(&d->registry, oif) : NULL;
	char name[IF_NAMESIZE];

	if (entry)
		json_object_set_new(event, "to", json_string(entry->port->name));
	else if (oif && if_indextoname((unsigned)oif, name))
		json_object_set_new(event, "to", json_string(name));
}

static void on_packet(void *context, const struct trace_packet *packet)
{
	struct netd *d = context;
	const struct port_entry *entry = registry_port_by_ifindex(&d->registry, packet->ifindex);
	const struct trace_step *last = packet->n_steps ? &packet->steps[packet->n_steps - 1] : NULL;
	const struct place *place;
	AUTO_FREE char *where = NULL;
	json_t *event;

	if (!entry || !entry->port->is_traced || !last || (packet->is_dropped && is_guards_drop(last)))
		return;
	place = find_place(d, last);
	where = message_of(last, place);
	event = new_event(entry, packet->is_dropped ? "dropped" : "passed", packet->head);
	json_object_set_new(event, "path", path_json(packet));
	if (packet->is_dropped) {
		const char *reason = is_ours(last) ? guard_reason_name(packet->mark) : NULL;

		/* Another port's groups took it. */
		if (reason && last->family == NFPROTO_BRIDGE)
			json_object_set_new(event, "reason", json_string(reason));
		put_receiver(d, packet->oif, event);
		json_object_set_new(event, "by", place_json(last, place));
		json_object_set_new(event, "message", json_string(where));
	} else {
		json_object_set_new(event, "message",
				    json_sprintf("no rule took it; the last was of %s", where));
	}
	tell(d, entry, !packet->is_dropped, event);
}

static void look(void *arg)
{
	struct netd *d = arg;
	struct trace *trace = d->trace;

	if (!trace->flights)
		return;
	flights_expire(trace->flights, loop_now());
	if (!flights_is_empty(trace->flights))
		loop_timer_add(d->loop, LOOK_USEC, look, d, &trace->timer);
}

void trace_event(struct netd *d, const struct kernel_event *event)
{
	struct trace *trace = d->trace;

	if (!trace || !trace->flights)
		return;
	if (event->kind == KERNEL_EVENT_SAMPLE) {
		on_sample(d, event->sample);
		return;
	}
	flights_add(trace->flights, loop_now(), event->trace);
	if (!trace->timer)
		loop_timer_add(d->loop, LOOK_USEC, look, d, &trace->timer);
}

/* ---- who looks ---- */

static bool is_on_bridge(const struct port *port)
{
	return port->kind == PORT_TAP || port->kind == PORT_VETH;
}

/* Some port on a bridge is traced: the kernel's tracing is wanted. */
static bool is_tracing(const struct netd *d)
{
	vec_each(entry, &d->registry.ports)
		if ((*entry)->port->is_traced && is_on_bridge((*entry)->port))
			return true;
	return false;
}

/* Runs txn, which it takes. */
static int commit(struct netd *d, struct nft_txn *txn, struct vnet_error *err)
{
	struct op op = { .kind = OP_NFT, .nft = txn };
	size_t done;
	int r = nft_txn_is_empty(txn) ? 0 : kernel_execute(d->kernel, &op, 1, &done, err);

	nft_txn_free(txn);
	return r;
}

static int set_traced(struct netd *d, struct port_entry *entry, bool is_traced, struct vnet_error *err)
{
	struct nft_txn *txn = nft_txn_new();
	bool was_tracing = is_tracing(d);
	struct port before = *entry->port;
	int r;

	entry->port->is_traced = is_traced;
	if (is_tracing(d) != was_tracing)
		nft_txn_add_tracing(txn, is_traced);
	/* One whose device is to come gets all its elements then. */
	if (entry->ifindex)
		nft_txn_add_port(txn, entry->network->net, &before, entry->port);
	r = commit(d, txn, err);
	if (r == -ENOENT && is_traced) {
		/* Somebody flushed our tables a moment ago. */
		vnet_error_clear(err);
		r = reconcile(d, NULL, err);
	}
	if (r < 0 && is_traced)
		entry->port->is_traced = false;
	return r;
}

static size_t count(const struct trace *trace, const char *port, int64_t uid)
{
	size_t n = 0;

	vec_each(tracer, &trace->tracers)
		n += (!port || strcmp((*tracer)->port, port) == 0) &&
		     (uid < 0 || call_peer((*tracer)->call)->uid == uid);
	return n;
}

static void remove_tracer(struct trace *trace, struct tracer *tracer)
{
	for (size_t i = 0; i < trace->tracers.n; i++) {
		if (trace->tracers.v[i] != tracer)
			continue;
		vec_remove(&trace->tracers, i);
		break;
	}
	free(tracer->port);
	free(tracer);
}

static void stop_if_unused(struct netd *d)
{
	if (d->trace->tracers.n)
		return;
	kernel_trace(d->kernel, false, NULL);
	d->trace->flights = flights_free(d->trace->flights);
	loop_remove(d->trace->timer);
	d->trace->timer = NULL;
}

static void on_close(void *arg)
{
	struct tracer *tracer = arg;
	struct netd *d = tracer->d;
	struct port_entry *entry = registry_port(&d->registry, tracer->port);

	remove_tracer(d->trace, tracer);
	if (entry && !count(d->trace, entry->port->name, -1) && set_traced(d, entry, false, NULL) < 0)
		reconcile_later(d, 0);
	stop_if_unused(d);
}

void trace_port_gone(struct netd *d, struct port_entry *entry)
{
	struct trace *trace = d->trace;
	struct vnet_error err = { 0 };
	bool was_tracing = is_tracing(d);

	if (!trace || !entry->port->is_traced)
		return;
	vnet_error_set(&err, -ENOENT, "port-removed", "port %s was removed", entry->port->name);
	entry->port->is_traced = false;
	for (size_t i = trace->tracers.n; i-- > 0;) {
		struct tracer *tracer = trace->tracers.v[i];
		struct call *call = tracer->call;

		if (strcmp(tracer->port, entry->port->name) != 0)
			continue;
		remove_tracer(trace, tracer);
		call_fail(call, &err, NULL);
	}
	if (was_tracing && !is_tracing(d)) {
		struct nft_txn *txn = nft_txn_new();

		nft_txn_add_tracing(txn, false);
		if (commit(d, txn, NULL) < 0)
			reconcile_later(d, 0);
	}
	stop_if_unused(d);
}

static int check_subscriber(struct netd *d, const struct call *call, const struct port_entry *entry,
			    struct vnet_error *err)
{
	uint32_t uid = call_peer(call)->uid;

	if (!is_on_bridge(entry->port) && entry->port->kind != PORT_MACVTAP)
		return vnet_error_set(err, -EINVAL, "not-traceable",
				      "frames of a %s port meet no rule of this host",
				      port_kind_name(entry->port->kind));
	if (d->trace->tracers.n >= TRACERS_MAX ||
	    (uid != 0 && count(d->trace, NULL, uid) >= TRACERS_PER_UID_MAX))
		return vnet_error_set(err, -EUSERS, "too-many-subscribers",
				      "there are too many who trace already");
	return 0;
}

static int start(struct netd *d, struct vnet_error *err)
{
	int r = d->trace->flights ? 0 : kernel_trace(d->kernel, true, err);

	if (r == 0 && !d->trace->flights)
		d->trace->flights = flights_new(on_packet, d);
	return r;
}

int trace_subscribe(struct netd *d, struct call *call, struct port_entry *entry, bool wants_passed,
		    struct vnet_error *err)
{
	struct tracer *tracer;
	int r = check_subscriber(d, call, entry, err);

	if (r == 0)
		r = start(d, err);
	if (r == 0 && !entry->port->is_traced)
		r = set_traced(d, entry, true, err);
	if (r < 0) {
		stop_if_unused(d);
		return r;
	}
	tracer = mem_alloc(sizeof(*tracer));
	tracer->d = d;
	tracer->call = call;
	tracer->port = mem_strdup(entry->port->name);
	tracer->wants_passed = wants_passed;
	vec_push(&d->trace->tracers, tracer);
	call_on_close(call, on_close, tracer);
	call_stream(call, json_pack("{s:[]}", "events"));
	return 0;
}
