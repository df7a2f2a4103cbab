/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_trace.c - frames in words (tests/golden/trace/frames), and flights of packets
 *
 * UPDATE_GOLDEN=1 makes the golden file anew; read the difference before committing.
 */

#include "trace/flights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN "tests/golden/trace/frames"
#define BRIDGE 7                /* NFPROTO_BRIDGE */
#define IPV4 2

/* --- frames in words --- */

static void read_hex(const char *hex, struct frame_head *ret)
{
	unsigned byte;

	*ret = (struct frame_head){ .link_size = 14 };
	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		frame_put(ret, &(uint8_t){ (uint8_t)byte }, 1);
}

/* "# what", the frame in hexadecimal, its text; what follows "ip" has no link layer. */
static void test_frames_in_words(void **state)
{
	AUTO_FREE char *line = NULL, *before = NULL;
	AUTO_STRBUF struct strbuf new = { 0 };
	bool is_update = getenv("UPDATE_GOLDEN");
	struct frame_head frame;
	FILE *f = fopen(GOLDEN, "re");
	size_t size = 0;

	(void)state;
	assert_non_null(f);
	while (getline(&line, &size, f) > 0) {
		AUTO_STRBUF struct strbuf text = { 0 };

		line[strcspn(line, "\n")] = '\0';
		strbuf_printf(&new, "%s\n", line);
		if (line[0] == '#' || !line[0])
			continue;
		read_hex(line + (strncmp(line, "ip ", 3) == 0 ? 3 : 0), &frame);
		if (strncmp(line, "ip ", 3) == 0)
			frame.link_size = 0;
		frame_text(&frame, &text);
		strbuf_printf(&new, "%s\n", text.s);
		before = mem_strdup(line);
		assert_true(getline(&line, &size, f) > 0);
		line[strcspn(line, "\n")] = '\0';
		if (!is_update && strcmp(line, text.s) != 0)
			fail_msg("%s\nis\n%s\nand should be\n%s", before, text.s, line);
		free(before);
		before = NULL;
	}
	fclose(f);
	if (!is_update)
		return;
	f = fopen(GOLDEN, "we");
	assert_non_null(f);
	fputs(new.s, f);
	fclose(f);
}

/* Cut anywhere, a frame has a text, and no byte behind the cut is looked at. */
static void test_frames_that_are_cut(void **state)
{
	AUTO_FREE char *line = NULL;
	FILE *f = fopen(GOLDEN, "re");
	size_t size = 0;

	(void)state;
	assert_non_null(f);
	while (getline(&line, &size, f) > 0) {
		struct frame_head frame;

		if (line[0] == '#')
			continue;
		read_hex(line, &frame);
		for (uint16_t n = 0; n < frame.size; n++) {
			struct frame_head a = { .size = n, .link_size = 14 }, b = a;
			AUTO_STRBUF struct strbuf one = { 0 }, other = { 0 };

			memset(b.bytes, 0xff, sizeof(b.bytes));
			memcpy(a.bytes, frame.bytes, n);
			memcpy(b.bytes, frame.bytes, n);
			frame_text(&a, &one);
			frame_text(&b, &other);
			assert_string_equal(one.s, other.s);
		}
	}
	fclose(f);
}

/* --- flights --- */

struct told {
	unsigned n, dropped;
	char last[TRACE_NAME_MAX];
	unsigned n_steps;
	int ifindex, oif;
};

static void keep(void *context, const struct trace_packet *packet)
{
	struct told *told = context;

	told->n++;
	told->dropped += packet->is_dropped;
	told->ifindex = packet->ifindex;
	told->oif = packet->oif;
	told->n_steps = packet->n_steps;
	told->last[0] = '\0';
	if (packet->n_steps)
		memcpy(told->last, packet->steps[packet->n_steps - 1].chain, sizeof(told->last));
}

/* From 10.0.0.1, number n of its packets. */
static struct frame_head frame_of(uint8_t n)
{
	const uint8_t bytes[34] = { 0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 20,
				    0, n, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2 };
	struct frame_head frame = { .link_size = 14 };

	frame_put(&frame, bytes, sizeof(bytes));
	return frame;
}

static struct trace_message message(uint32_t id, uint8_t family, const char *chain,
				    enum trace_verdict verdict)
{
	struct trace_message m = { .id = id, .iif = 3 };

	m.step.family = family;
	m.step.verdict = verdict;
	strcpy(m.step.table, "t");
	strcpy(m.step.chain, chain);
	return m;
}

static struct trace_message first(uint32_t id, uint8_t n)
{
	struct trace_message m = message(id, BRIDGE, "guard/trace", TRACE_CONTINUE);

	m.is_first = true;
	m.head = frame_of(n);
	return m;
}

static void add(struct flights *f, uint64_t now, struct trace_message m)
{
	flights_add(f, now, &m);
}

static void test_a_drop_is_told_at_once(void **state)
{
	struct told told = { 0 };
	struct flights *f = flights_new(keep, &told);
	struct trace_message m;

	(void)state;
	add(f, 0, first(1, 1));
	add(f, 1, message(1, BRIDGE, "strict", TRACE_ACCEPT));
	m = message(2, IPV4, "FORWARD", TRACE_JUMP); /* routed: the kernel numbers it anew */
	m.head = frame_of(1);
	m.head.bytes[22]--; /* its time to live */
	add(f, 2, m);
	m = message(2, IPV4, "DOCKER-USER", TRACE_DROP);
	m.oif = 7;
	add(f, 3, m);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.dropped, 1);
	assert_int_equal(told.ifindex, 3);
	assert_int_equal(told.oif, 7);
	assert_int_equal(told.n_steps, 3);
	assert_string_equal(told.last, "DOCKER-USER");
	flights_expire(f, FLIGHT_SILENCE_USEC * 2);
	assert_int_equal(told.n, 1);
	assert_true(flights_is_empty(f));
	flights_free(f);
}

static void test_silence_ends_a_flight(void **state)
{
	struct told told = { 0 };
	struct flights *f = flights_new(keep, &told);

	(void)state;
	add(f, 0, first(1, 1));
	add(f, 1000, message(1, BRIDGE, "strict", TRACE_ACCEPT));
	add(f, 2000, message(1, BRIDGE, "forward", TRACE_RETURN));
	flights_expire(f, FLIGHT_SILENCE_USEC);
	assert_int_equal(told.n, 0);
	flights_expire(f, FLIGHT_SILENCE_USEC + 2000);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.dropped, 0);
	assert_int_equal(told.n_steps, 1);
	assert_true(flights_is_empty(f));
	flights_free(f);
}

/* A bridge's copies: each that is dropped is told, and that the frame passed is not. */
static void test_copies_are_one_flight(void **state)
{
	struct told told = { 0 };
	struct flights *f = flights_new(keep, &told);
	struct trace_message m;

	(void)state;
	add(f, 0, first(1, 1));
	for (uint32_t copy = 2; copy < 5; copy++) {
		m = message(copy, BRIDGE, "forward", copy == 3 ? TRACE_ACCEPT : TRACE_DROP);
		m.head = frame_of(1);
		add(f, 1, m);
	}
	flights_expire(f, FLIGHT_SILENCE_USEC * 2);
	assert_int_equal(told.n, 2);
	assert_int_equal(told.dropped, 2);
	flights_free(f);
}

/* Packets that somebody else traces, and numbers that come again. */
static void test_strangers_and_numbers(void **state)
{
	struct told told = { 0 };
	struct flights *f = flights_new(keep, &told);
	struct trace_message m = message(9, IPV4, "INPUT", TRACE_DROP);

	(void)state;
	m.head = frame_of(5);
	add(f, 0, m);
	add(f, 0, message(10, IPV4, "INPUT", TRACE_DROP));
	assert_true(flights_is_empty(f));
	assert_int_equal(told.n, 0);
	add(f, 1, first(1, 1));
	add(f, 2, first(1, 2));
	assert_int_equal(told.n, 1); /* the first passed */
	flights_free(f);
}

static void test_everything_is_bounded(void **state)
{
	struct told told = { 0 };
	struct flights *f = flights_new(keep, &told);

	(void)state;
	for (uint32_t i = 0; i < 10 * FLIGHTS_MAX; i++)
		add(f, i, first(i, (uint8_t)i));
	assert_int_equal(told.n, 9 * FLIGHTS_MAX);
	for (int i = 0; i < 1000; i++)
		add(f, 10000, message(10 * FLIGHTS_MAX - 1, IPV4, "x", TRACE_JUMP));
	add(f, 10001, message(10 * FLIGHTS_MAX - 1, IPV4, "end", TRACE_DROP));
	assert_int_equal(told.n_steps, FLIGHT_STEPS_MAX);
	assert_string_equal(told.last, "end");
	flights_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_in_words),
		cmocka_unit_test(test_frames_that_are_cut),
		cmocka_unit_test(test_a_drop_is_told_at_once),
		cmocka_unit_test(test_silence_ends_a_flight),
		cmocka_unit_test(test_copies_are_one_flight),
		cmocka_unit_test(test_strangers_and_numbers),
		cmocka_unit_test(test_everything_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
