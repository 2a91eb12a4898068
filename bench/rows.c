// SPDX-License-Identifier: GPL-2.0
/*
 * rows OBJECT [N PASSES|forever]: runs the BPF iterator of OBJECT over all
 * dma-bufs and prints its rows; with N, of which there are, prints how long a
 * row took instead, in the form of bench; or reads until it is killed.
 */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define MAX_PASSES	16

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int compare(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	static char buf[65536];
	bool forever = argc > 2 && !strcmp(argv[2], "forever");
	int n = argc > 3 ? atoi(argv[2]) : 0, fd, reads = 0, pass;
	int passes = argc > 3 ? atoi(argv[3]) : 1;
	struct bpf_program *prog;
	struct bpf_object *obj;
	struct bpf_link *link;
	size_t bytes = 0;
	long long t[MAX_PASSES];
	ssize_t got;

	if (argc < 2 || passes < 1 || passes > MAX_PASSES) {
		fprintf(stderr,
			"usage: rows OBJECT [N PASSES|forever]\n");
		return 2;
	}
	obj = bpf_object__open_file(argv[1], NULL);
	if (!obj || bpf_object__load(obj))
		die(argv[1]);
	prog = bpf_object__find_program_by_name(obj, "rows");
	link = prog ? bpf_program__attach_iter(prog, NULL) : NULL;
	if (!link)
		die("attaching");

	for (pass = 0; pass < passes || forever; pass += !forever) {
		bytes = 0;
		reads = 0;
		t[pass] = now();
		fd = bpf_iter_create(bpf_link__fd(link));
		if (fd < 0)
			die("iterator");
		while ((got = read(fd, buf, sizeof(buf))) > 0) {
			bytes += got;
			reads++;
			if (argc == 2 && write(1, buf, got) != got)
				die("writing");
		}
		close(fd);
		t[pass] = now() - t[pass];
		if (got < 0)
			die("reading");
	}
	if (!n)
		return 0;
	/* The first pass warms up */
	qsort(t + 1, passes - 1, sizeof(*t), compare);
	printf("list bpf %d %.1f %.1f %d %.1f %.1f\n", n,
	       (double)t[passes / 2] / n, (double)bytes / n, reads,
	       (double)t[passes > 1] / n, (double)t[passes - 1] / n);
	return 0;
}
