/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stream.c - events of a method that goes on, printed as they come */

#include "cli/stream.h"

#include <errno.h>
#include <time.h>

static void print_event(const struct cli *cli, const json_t *event,
			void (*print)(const struct cli *cli, const json_t *event))
{
	switch (output_format(cli)) {
	case FORMAT_JSON:
		json_dumpf(event, stdout, JSON_COMPACT);
		putchar('\n');
		break;
	case FORMAT_YAML:
		puts("---");
		yaml_print(stdout, event);
		fflush(stdout);
		break;
	case FORMAT_TABLE:
		print(cli, event);
		break;
	}
}

int stream_run(struct cli *cli, const char *method, json_t *parameters, unsigned count,
	       void (*print)(const struct cli *cli, const json_t *event))
{
	struct vnet_error err = { 0 };
	unsigned printed = 0;
	int status, r;

	status = cli_connect(cli);
	if (status) {
		json_decref(parameters);
		return status;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = client_subscribe(cli->client, method, parameters, &err);
	json_decref(parameters);
	while (r == 0) {
		json_t *answer = NULL;
		const json_t *event;
		size_t i;

		r = client_next(cli->client, -1, &answer, &err);
		json_array_foreach(json_object_get(answer, "events"), i, event) {
			print_event(cli, event, print);
			if (++printed == count) {
				json_decref(answer);
				return EXIT_OK;
			}
		}
		json_decref(answer);
	}
	if (r > 0)
		vnet_error_set(&err, -ECONNRESET, "connection-closed", "netd ended the stream");
	return report_error(cli, &err);
}

void stream_print_time(json_int_t microseconds, bool with_date)
{
	time_t seconds = (time_t)(microseconds / 1000000);
	char text[64] = "?";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), with_date ? "%F %T" : "%T", &tm);
	printf("%s.%03d", text, (int)(microseconds / 1000 % 1000));
}
