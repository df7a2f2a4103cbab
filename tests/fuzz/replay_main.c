/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replay_main.c - runs a fuzzer's entry point over files: the corpus in the normal test run
 *
 * Folders are read one level deep; without arguments, VNET_CORPUS is the folder.
 */

#include "base/mem.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t n_replayed;

static void replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *data;

	if (!f || fstat(fileno(f), &st) < 0) {
		perror(path);
		exit(1);
	}
	/* Exactly as large as the input, so that ASan sees a read past it. */
	data = mem_alloc((size_t)st.st_size);
	if (fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
		perror(path);
		exit(1);
	}
	fclose(f);
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
	n_replayed++;
}

static void replay(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir) {
		replay_file(path);
		return;
	}
	while ((entry = readdir(dir))) {
		AUTO_FREE char *inner = mem_printf("%s/%s", path, entry->d_name);

		if (entry->d_name[0] != '.')
			replay_file(inner);
	}
	closedir(dir);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (argc == 1 && getenv("VNET_CORPUS"))
		replay(getenv("VNET_CORPUS"));
	if (!n_replayed) {
		fprintf(stderr, "%s: no input to replay\n", argv[0]);
		return 1;
	}
	/* As cmocka counts, for tests/support/run-c. */
	printf("[  PASSED  ] %zu test(s).\n", n_replayed);
	return 0;
}
