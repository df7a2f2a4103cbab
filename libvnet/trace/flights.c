/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * flights.c - messages of the kernel's tracing, put together packet by packet
 *
 * Live flights stand in the order in which they began; there are so few that
 * looking at each of them, the newest first, is as good as any index.
 *
 * A bridge that floods a frame makes copies, which all belong to one flight: each
 * copy that is dropped is told, and the flight passes only if none was.
 */

#include "trace/flights.h"

#include <string.h>

#define FLIGHT_IDS_MAX 16

struct flight {
	uint32_t ids[FLIGHT_IDS_MAX];
	unsigned n_ids;
	uint64_t last;
	struct frame_key key;
	struct trace_packet packet;
	struct frame_head head;
	struct trace_step steps[FLIGHT_STEPS_MAX];
};

struct flights {
	flight_handler handler;
	void *context;
	VEC(struct flight *) live;
};

const char *trace_verdict_name(enum trace_verdict verdict)
{
	static const char *const names[] = { "continue", "accept", "drop", "return", "jump", "goto", "taken" };

	return names[verdict];
}

struct flights *flights_new(flight_handler handler, void *context)
{
	struct flights *f = mem_alloc(sizeof(*f));

	f->handler = handler;
	f->context = context;
	return f;
}

struct flights *flights_free(struct flights *f)
{
	if (!f)
		return NULL;
	vec_each(flight, &f->live)
		free(*flight);
	vec_free(&f->live);
	free(f);
	return NULL;
}

bool flights_is_empty(const struct flights *f)
{
	return !f->live.n;
}

static void end(struct flights *f, size_t i)
{
	struct flight *flight = f->live.v[i];

	vec_remove(&f->live, i);
	if (!flight->packet.is_dropped)
		f->handler(f->context, &flight->packet);
	free(flight);
}

static bool has_id(const struct flight *flight, uint32_t id)
{
	for (unsigned i = 0; i < flight->n_ids; i++)
		if (flight->ids[i] == id)
			return true;
	return false;
}

static struct flight *find_id(const struct flights *f, uint32_t id, size_t *ret_index)
{
	for (size_t i = f->live.n; i-- > 0;) {
		if (!has_id(f->live.v[i], id))
			continue;
		*ret_index = i;
		return f->live.v[i];
	}
	return NULL;
}

static struct flight *find_key(const struct flights *f, const struct frame_key *key)
{
	static const struct frame_key none;

	if (memcmp(key, &none, sizeof(none)) == 0)
		return NULL;
	for (size_t i = f->live.n; i-- > 0;)
		if (memcmp(&f->live.v[i]->key, key, sizeof(*key)) == 0)
			return f->live.v[i];
	return NULL;
}

static struct flight *begin(struct flights *f, const struct trace_message *m)
{
	struct flight *flight;
	size_t i;

	/* The kernel's numbers come again: this is another packet. */
	if (find_id(f, m->id, &i))
		end(f, i);
	if (f->live.n >= FLIGHTS_MAX)
		end(f, 0);
	flight = mem_alloc(sizeof(*flight));
	flight->ids[flight->n_ids++] = m->id;
	flight->head = m->head;
	flight->key = frame_key(&m->head);
	flight->packet = (struct trace_packet){
		.ifindex = m->iif, .head = &flight->head, .steps = flight->steps,
	};
	vec_push(&f->live, flight);
	return flight;
}

/* The flight that the message is of; NULL: not of one that we follow. */
static struct flight *find(struct flights *f, const struct trace_message *m)
{
	struct frame_key key;
	struct flight *flight;
	size_t i;

	if (m->is_first)
		return begin(f, m);
	flight = find_id(f, m->id, &i);
	if (flight || !m->head.size)
		return flight;
	key = frame_key(&m->head);
	flight = find_key(f, &key);
	if (flight && flight->n_ids < FLIGHT_IDS_MAX)
		flight->ids[flight->n_ids++] = m->id;
	return flight;
}

/* The last place is the last step's, so that the one that decides is always there. */
static void add_step(struct flight *flight, const struct trace_step *step)
{
	if (flight->packet.n_steps == FLIGHT_STEPS_MAX)
		flight->packet.n_steps--;
	flight->steps[flight->packet.n_steps++] = *step;
}

void flights_add(struct flights *f, uint64_t now, const struct trace_message *m)
{
	struct flight *flight = find(f, m);

	if (!flight)
		return;
	flight->last = now;
	if (m->oif || m->head.size)
		flight->packet.oif = m->oif;
	if (m->step.verdict == TRACE_CONTINUE || m->step.verdict == TRACE_RETURN)
		return;
	add_step(flight, &m->step);
	if (m->step.verdict != TRACE_DROP)
		return;
	flight->packet.is_dropped = true;
	flight->packet.mark = m->mark;
	f->handler(f->context, &flight->packet);
}

void flights_expire(struct flights *f, uint64_t now)
{
	for (size_t i = 0; i < f->live.n;) {
		if (now - f->live.v[i]->last >= FLIGHT_SILENCE_USEC)
			end(f, i);
		else
			i++;
	}
}
