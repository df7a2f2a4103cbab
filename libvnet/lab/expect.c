/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * expect.c - sentences about a lab, read by comparing them with a table of patterns
 *
 * A pattern's words in capitals are places for values, the others stand for
 * themselves.  The pattern whose own words all fit decides; a value that is
 * wrong in its place is then an error about that value, not about the sentence.
 */

#include "lab/expect.h"

#include "base/strbuf.h"
#include "model/names.h"
#include "model/network.h"
#include "model/node.h"
#include "model/schema.h"
#include "model/schema_wire.h"

#include <errno.h>
#include <strings.h>

struct pattern {
	const char *words;
	enum expectation_kind kind;
	bool is_denied;
	enum rate_bound bound;
};

static const struct pattern patterns[] = {
	{ "FROM can ping TO", EXPECT_PING, false, 0 },
	{ "FROM can ping TO over FAMILY", EXPECT_PING, false, 0 },
	{ "FROM cannot ping TO", EXPECT_PING, true, 0 },
	{ "FROM cannot ping TO over FAMILY", EXPECT_PING, true, 0 },
	{ "FROM can reach ENDPOINT", EXPECT_REACH, false, 0 },
	{ "FROM can reach ENDPOINT over PROTOCOL", EXPECT_REACH, false, 0 },
	{ "FROM cannot reach ENDPOINT", EXPECT_REACH, true, 0 },
	{ "FROM cannot reach ENDPOINT over PROTOCOL", EXPECT_REACH, true, 0 },
	{ "FROM gets an address in PREFIX", EXPECT_ADDRESS, false, 0 },
	{ "FROM gets no address", EXPECT_ADDRESS, true, 0 },
	{ "FROM resolves NAME", EXPECT_RESOLVE, false, 0 },
	{ "FROM resolves NAME to ADDRESS", EXPECT_RESOLVE, false, 0 },
	{ "FROM cannot resolve NAME", EXPECT_RESOLVE, true, 0 },
	{ "http from FROM to ENDPOINT", EXPECT_HTTP, false, 0 },
	{ "http from FROM to ENDPOINT says TEXT", EXPECT_HTTP, false, 0 },
	{ "no http from FROM to ENDPOINT", EXPECT_HTTP, true, 0 },
	{ "rate FROM -> TO about RATE", EXPECT_RATE, false, RATE_ABOUT },
	{ "rate FROM -> TO about RATE within PERCENT", EXPECT_RATE, false, RATE_ABOUT },
	{ "rate FROM -> TO at least RATE", EXPECT_RATE, false, RATE_AT_LEAST },
	{ "rate FROM -> TO at most RATE", EXPECT_RATE, false, RATE_AT_MOST },
	{ "broadcast of FROM seen by nobody", EXPECT_BROADCAST, false, 0 },
	{ "broadcast of FROM seen by NAMES only", EXPECT_BROADCAST, false, 0 },
};

#define WORDS_MAX 80
#define WORD_SIZE 128
#define TOLERANCE_DEFAULT 20 /* % */

struct sentence {
	char words[WORDS_MAX][WORD_SIZE];
	size_t n;
};

static int bad_value(struct vnet_error *err, const char *word, const char *wanted)
{
	char buf[TEXT_QUOTE_MAX];

	return vnet_error_set(err, -EINVAL, "bad-value", "%s is not %s", text_quote(word, buf), wanted);
}

/* --- words --- */

/* A number and what it counts are one word: "10 Mbit/s", "20 %". */
static bool joins(const char *word, const char *next)
{
	static const char *const units[] = { "%", "bit/s", "kbit/s", "Mbit/s", "Gbit/s" };

	if (word[strspn(word, "0123456789")])
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strcasecmp(next, units[i]) == 0)
			return true;
	return false;
}

static int split(const char *text, struct sentence *s, struct vnet_error *err)
{
	if (strlen(text) > EXPECTATION_TEXT_MAX)
		return vnet_error_set(err, -EINVAL, "too-long", "an expectation has at most %d bytes",
				      EXPECTATION_TEXT_MAX);
	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		size_t len = strcspn(text, " ");
		char word[WORD_SIZE];

		if (len >= WORD_SIZE / 2 || s->n == WORDS_MAX)
			return vnet_error_set(err, -EINVAL, "too-long",
					      "an expectation has at most %d words of %d bytes",
					      WORDS_MAX, WORD_SIZE / 2 - 1);
		memcpy(word, text, len);
		word[len] = '\0';
		text += len;
		if (s->n && joins(s->words[s->n - 1], word))
			strcat(s->words[s->n - 1], word);
		else
			strcpy(s->words[s->n++], strcmp(word, "→") == 0 ? "->" : word);
	}
	return 0;
}

static bool is_place(const char *word)
{
	return *word >= 'A' && *word <= 'Z';
}

/* TEXT takes the rest, NAMES as many words as leave enough for those behind it. */
static bool fits(const struct sentence *pattern, const struct sentence *s)
{
	size_t k = 0;

	for (size_t i = 0; i < pattern->n; i++) {
		size_t behind = pattern->n - i - 1;

		if (k + behind >= s->n)
			return false;
		if (!is_place(pattern->words[i])) {
			if (strcmp(pattern->words[i], s->words[k++]) != 0)
				return false;
		} else if (strcmp(pattern->words[i], "TEXT") == 0 || strcmp(pattern->words[i], "NAMES") == 0) {
			k = s->n - behind;
		} else {
			k++;
		}
	}
	return k == s->n;
}

/* --- values --- */

static int take_machine(const char *word, char **ret, struct vnet_error *err)
{
	*ret = mem_strdup(word);
	return name_check(word, 63, err);
}

static int take_target(const char *word, char **ret, struct vnet_error *err)
{
	struct ip ip;

	*ret = mem_strdup(word);
	return ip_parse(word, &ip) == 0 ? 0 : name_check(word, 63, err);
}

/* NAME:PORT, ADDRESS:PORT, [V6]:PORT */
static int take_endpoint(const char *word, struct expectation *e, struct vnet_error *err)
{
	const char *colon = strrchr(word, ':');
	unsigned long long port;
	char host[WORD_SIZE];
	size_t len;

	if (!colon || number_parse(colon + 1, &port) < 0 || port < 1 || port > 65535)
		return bad_value(err, word, "a machine or an address with a port, like web:80 or [2001:db8::1]:80");
	e->port = (unsigned)port;
	len = (size_t)(colon - word);
	if (word[0] == '[' && len > 2 && word[len - 1] == ']') {
		word++;
		len -= 2;
	}
	memcpy(host, word, len);
	host[len] = '\0';
	return take_target(host, &e->to, err);
}

static int take_family(const char *word, struct expectation *e, struct vnet_error *err)
{
	e->family = strcmp(word, "ipv4") == 0 ? AF_INET : strcmp(word, "ipv6") == 0 ? AF_INET6 : 0;
	return e->family ? 0 : bad_value(err, word, "ipv4 or ipv6");
}

static int take_protocol(const char *word, struct expectation *e, struct vnet_error *err)
{
	e->is_udp = strcmp(word, "udp") == 0;
	return e->is_udp || strcmp(word, "tcp") == 0 ? 0 : bad_value(err, word, "tcp or udp");
}

static int take_prefix(const char *word, struct expectation *e, struct vnet_error *err)
{
	return prefix_parse(word, &e->prefix) == 0 ? 0 : bad_value(err, word, "a prefix like 10.10.0.0/24");
}

static int take_address(const char *word, struct expectation *e, struct vnet_error *err)
{
	return ip_parse(word, &e->address) == 0 ? 0 : bad_value(err, word, "an IPv4 or IPv6 address");
}

/* "10mbit", "10Mbit/s" */
static int take_rate(const char *word, struct expectation *e, struct vnet_error *err)
{
	char text[WORD_SIZE];
	unsigned long long rate;
	size_t len = 0;

	for (; word[len]; len++)
		text[len] = word[len] >= 'A' && word[len] <= 'Z' ? (char)(word[len] | 0x20) : word[len];
	text[len] = '\0';
	if (len > 2 && strcmp(text + len - 2, "/s") == 0)
		text[len - 2] = '\0';
	if (rate_parse(text, &rate) < 0 || !rate)
		return bad_value(err, word, "a rate like 10mbit or 10 Mbit/s");
	e->rate = rate;
	return 0;
}

static int take_percent(const char *word, struct expectation *e, struct vnet_error *err)
{
	AUTO_FREE char *digits = mem_strndup(word, strcspn(word, "%"));
	unsigned long long percent;

	if (strcmp(word + strlen(digits), "%") != 0 || number_parse(digits, &percent) < 0 || percent < 1 ||
	    percent > 100)
		return bad_value(err, word, "a share like 20%, 1 to 100");
	e->tolerance = (unsigned)percent;
	return 0;
}

/* Words from first on, joined: "b, c" or a text. */
static char *join(const struct sentence *s, size_t first, size_t end)
{
	struct strbuf b = { 0 };

	for (size_t i = first; i < end; i++)
		strbuf_printf(&b, "%s%s", i > first ? " " : "", s->words[i]);
	return strbuf_take(&b);
}

static int take_names(const char *text, struct expectation *e, struct vnet_error *err)
{
	for (text += strspn(text, " ,"); *text; text += strspn(text, " ,")) {
		size_t len = strcspn(text, " ,");
		AUTO_FREE char *name = mem_strndup(text, len);

		text += len;
		if (strcmp(name, "and") == 0)
			continue;
		if (e->seen_by.n == EXPECTATION_NAMES_MAX)
			return vnet_error_set(err, -EINVAL, "too-many", "at most %d machines",
					      EXPECTATION_NAMES_MAX);
		if (name_check(name, 63, err) < 0)
			return -EINVAL;
		vec_push(&e->seen_by, TAKE(name));
	}
	return 0;
}

static int take_name(const char *word, struct expectation *e, struct vnet_error *err)
{
	e->to = mem_strdup(word);
	return domain_check(word, err);
}

static int take(const char *place, const char *word, struct expectation *e, struct vnet_error *err)
{
	static const struct {
		const char *place;
		int (*take)(const char *word, struct expectation *e, struct vnet_error *err);
	} places[] = {
		{ "ENDPOINT", take_endpoint }, { "FAMILY", take_family },   { "PROTOCOL", take_protocol },
		{ "PREFIX", take_prefix },     { "ADDRESS", take_address }, { "RATE", take_rate },
		{ "PERCENT", take_percent },   { "NAMES", take_names },     { "NAME", take_name },
	};

	if (strcmp(place, "FROM") == 0)
		return take_machine(word, &e->from, err);
	if (strcmp(place, "TO") == 0)
		return take_target(word, &e->to, err);
	if (strcmp(place, "TEXT") == 0) {
		e->says = mem_strdup(word);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (strcmp(place, places[i].place) == 0)
			return places[i].take(word, e, err);
	return -EINVAL;
}

static int take_all(const struct sentence *pattern, const struct sentence *s, struct expectation *e,
		    struct vnet_error *err)
{
	size_t k = 0;
	int r = 0;

	for (size_t i = 0; i < pattern->n && r == 0; i++) {
		const char *place = pattern->words[i];
		bool is_long = strcmp(place, "TEXT") == 0 || strcmp(place, "NAMES") == 0;
		size_t end = is_long ? s->n - (pattern->n - i - 1) : k + 1;
		AUTO_FREE char *words = join(s, k, end);

		if (is_place(place))
			r = take(place, words, e, err);
		k = end;
	}
	return r;
}

/* --- the sentence --- */

static int no_pattern(const char *text, struct vnet_error *err)
{
	AUTO_STRBUF struct strbuf list = { 0 };
	char buf[TEXT_QUOTE_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
		if (!strstr(patterns[i].words, " over ") && !strstr(patterns[i].words, "within") &&
		    !strstr(patterns[i].words, "says"))
			strbuf_printf(&list, "%s%s", list.len ? "; " : "", patterns[i].words);
	return vnet_error_set(err, -EINVAL, "bad-expectation", "%s is no expectation; accepted: %s",
			      text_quote(text, buf), list.s);
}

int expectation_parse(const char *text, struct expectation *ret, struct vnet_error *err)
{
	struct sentence s = { .n = 0 };
	int r = split(text, &s, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(patterns); i++) {
		struct sentence pattern = { .n = 0 };
		struct expectation e = { .kind = patterns[i].kind,
					 .is_denied = patterns[i].is_denied,
					 .bound = patterns[i].bound,
					 .tolerance = TOLERANCE_DEFAULT };

		split(patterns[i].words, &pattern, NULL);
		if (!fits(&pattern, &s))
			continue;
		r = take_all(&pattern, &s, &e, err);
		if (r < 0) {
			expectation_clear(&e);
			return r;
		}
		e.text = mem_strdup(text);
		*ret = e;
		return 0;
	}
	return r < 0 ? r : no_pattern(text, err);
}

void expectation_clear(struct expectation *e)
{
	free(e->source.file);
	free(e->text);
	free(e->from);
	free(e->to);
	free(e->says);
	vec_each(name, &e->seen_by)
		free(*name);
	vec_free(&e->seen_by);
}
