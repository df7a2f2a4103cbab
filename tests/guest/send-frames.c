/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * send-frames.c - sends frames from a file, as they are
 *
 * usage: send-frames DEVICE FILE RANGE...
 *
 * FILE holds frames one after the other, each behind its length (2 bytes, the
 * high one first); a RANGE is FIRST-LAST of them, counted from 0.  Linked
 * statically, for the test guest, which has no libraries.  Ends with 1 when the
 * kernel takes a frame not, after it has tried the others.
 */

#include <err.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define FRAMES_MAX 16384
#define FRAME_MAX 65535

struct frame {
	unsigned char *data;
	size_t size;
};

static struct frame frames[FRAMES_MAX];

static size_t load(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned char size[2];
	size_t n = 0;

	if (!f)
		err(2, "%s", path);
	while (n < FRAMES_MAX && fread(size, sizeof(size), 1, f) == 1) {
		struct frame *frame = &frames[n++];

		frame->size = (size_t)size[0] << 8 | size[1];
		frame->data = malloc(frame->size);
		if (!frame->data || fread(frame->data, frame->size, 1, f) != 1)
			errx(2, "%s: ends within a frame", path);
	}
	fclose(f);
	return n;
}

static int open_device(const char *name)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)if_nametoindex(name),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || !address.sll_ifindex ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)))
		err(2, "%s", name);
	return fd;
}

int main(int argc, char **argv)
{
	size_t n_frames;
	int fd, result = 0;

	if (argc < 4)
		errx(2, "usage: send-frames DEVICE FILE RANGE...");
	n_frames = load(argv[2]);
	fd = open_device(argv[1]);
	for (int i = 3; i < argc; i++) {
		size_t first, last;

		if (sscanf(argv[i], "%zu-%zu", &first, &last) != 2 || last >= n_frames)
			errx(2, "%s is no range of %zu frames", argv[i], n_frames);
		for (; first <= last; first++)
			if (send(fd, frames[first].data, frames[first].size, 0) < 0) {
				warn("frame %zu", first);
				result = 1;
			}
	}
	return result;
}
