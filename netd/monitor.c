/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor.c - subscribers to what happens
 *
 * A subscriber that does not read is told so by one event "lost" as soon as it
 * does, and lists again; nothing is queued for it beyond STREAM_BACKLOG_MAX.
 */

#include "netd/netd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define SUBSCRIBERS_MAX 256
#define SUBSCRIBERS_PER_UID_MAX 32 /* of others than root, so that none shuts out the rest */

struct subscriber {
	struct monitor *monitor;
	struct call *call;
	char *network; /* only this one's events, or NULL */
	bool has_lost;
};

struct monitor {
	struct netd *d;
	VEC(struct subscriber *) subscribers;
};

struct monitor *monitor_new(struct netd *d)
{
	struct monitor *monitor = mem_alloc(sizeof(*monitor));

	monitor->d = d;
	return monitor;
}

struct monitor *monitor_free(struct monitor *monitor)
{
	if (!monitor)
		return NULL;
	/* The server went first and took every subscriber with it. */
	vec_free(&monitor->subscribers);
	free(monitor);
	return NULL;
}

static void on_close(void *arg)
{
	struct subscriber *subscriber = arg;
	struct monitor *monitor = subscriber->monitor;

	for (size_t i = 0; i < monitor->subscribers.n; i++)
		if (monitor->subscribers.v[i] == subscriber) {
			vec_remove(&monitor->subscribers, i);
			break;
		}
	free(subscriber->network);
	free(subscriber);
}

int monitor_subscribe(struct monitor *monitor, struct call *call, const char *network)
{
	struct subscriber *subscriber;
	uint32_t uid = call_peer(call)->uid;
	size_t n_own = 0;

	vec_each(other, &monitor->subscribers)
		n_own += call_peer((*other)->call)->uid == uid;
	if (monitor->subscribers.n >= SUBSCRIBERS_MAX ||
	    (uid != 0 && n_own >= SUBSCRIBERS_PER_UID_MAX))
		return -EUSERS;
	subscriber = mem_alloc(sizeof(*subscriber));
	subscriber->monitor = monitor;
	subscriber->call = call;
	subscriber->network = mem_strdup(network);
	vec_push(&monitor->subscribers, subscriber);
	call_on_close(call, on_close, subscriber);
	call_stream(call, json_pack("{s:[]}", "events"));
	return 0;
}

static uint64_t wall_clock_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool wants(const struct subscriber *subscriber, const char *network)
{
	const struct netd *d = subscriber->monitor->d;
	const struct peer *peer = call_peer(subscriber->call);
	const struct network_entry *entry = network ? registry_network(&d->registry, network) : NULL;

	if (subscriber->network && (!network || strcmp(subscriber->network, network) != 0))
		return false;
	return peer->uid == 0 || (entry && access_may_see(d->policy, peer, entry->net));
}

static void deliver(struct subscriber *subscriber, json_t *event)
{
	if (subscriber->has_lost) {
		json_t *lost = json_pack("{s:s,s:I,s:s}", "event", "lost", "time",
					 (json_int_t)wall_clock_usec(), "message",
					 "events were lost because you did not read them; list again");

		if (!call_stream(subscriber->call, json_pack("{s:[o]}", "events", lost)))
			return;
		subscriber->has_lost = false;
	}
	if (!call_stream(subscriber->call, json_pack("{s:[O]}", "events", event)))
		subscriber->has_lost = true;
}

/* A text that was cut inside of a UTF-8 sequence is no JSON string: the sequence goes. */
static json_t *message_json(char *text)
{
	json_t *json;

	for (size_t len = strlen(text); !(json = json_string(text)) && len;)
		text[--len] = '\0';
	return json;
}

void monitor_emit(struct netd *d, const char *name, const char *network, const char *port,
		  json_t *details, const char *format, ...)
{
	char message[1024];
	json_t *event;
	va_list args;

	if (!d->monitor || !d->monitor->subscribers.n) {
		json_decref(details);
		return;
	}
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	event = json_pack("{s:s,s:I,s:s*,s:s*,s:o*,s:o*}", "event", name, "time",
			  (json_int_t)wall_clock_usec(), "network", network, "port", port, "message",
			  message_json(message), "details", details);
	vec_each(subscriber, &d->monitor->subscribers)
		if (wants(*subscriber, network))
			deliver(*subscriber, event);
	json_decref(event);
}
