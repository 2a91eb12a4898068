// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the frequency of this machine's time stamp counter in kHz. An emulated
 * machine has the same counter, and may be too slow to measure it against the
 * timers that it has.
 */

#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

static long long nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void)
{
	long long ns = nanoseconds();
	unsigned long long tsc = __rdtsc();

	usleep(500000);
	tsc = __rdtsc() - tsc;
	ns = nanoseconds() - ns;
	printf("%.0f\n", tsc * 1e6 / ns);
	return 0;
}
