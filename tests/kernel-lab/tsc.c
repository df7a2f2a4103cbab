/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tsc.c - how fast this processor's time stamp counter counts, in kHz
 *
 * An emulated machine has the host's counter for its clock.  Its kernel would
 * measure it against an emulated timer, and on a busy host finds half or a
 * quarter of it: then its clock runs two or four times too fast, and with it
 * every time-out and every rate.
 */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
	double began = seconds();
	unsigned long long count = __rdtsc();

	nanosleep(&pause, NULL);
	count = __rdtsc() - count;
	printf("%.0f\n", (double)count / (seconds() - began) / 1e3);
	return 0;
}
