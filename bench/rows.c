// SPDX-License-Identifier: GPL-2.0
/*
 * rows OBJECT [N]: runs the BPF iterator of OBJECT over all dma-bufs and prints
 * its rows; with N, of which there are, prints how long a row took instead, in
 * the form of bench.
 */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

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

int main(int argc, char **argv)
{
	static char buf[65536];
	int n = argc > 2 ? atoi(argv[2]) : 0, fd, reads = 0, pass;
	struct bpf_program *prog;
	struct bpf_object *obj;
	struct bpf_link *link;
	size_t bytes = 0;
	long long t = 0;
	ssize_t got;

	if (argc < 2) {
		fprintf(stderr, "usage: rows OBJECT [N]\n");
		return 2;
	}
	obj = bpf_object__open_file(argv[1], NULL);
	if (!obj || bpf_object__load(obj))
		die(argv[1]);
	prog = bpf_object__find_program_by_name(obj, "rows");
	link = prog ? bpf_program__attach_iter(prog, NULL) : NULL;
	if (!link)
		die("attaching");

	/* The second pass is the one that counts */
	for (pass = n ? 0 : 1; pass < 2; pass++) {
		bytes = reads = 0;
		t = now();
		fd = bpf_iter_create(bpf_link__fd(link));
		if (fd < 0)
			die("iterator");
		while ((got = read(fd, buf, sizeof(buf))) > 0) {
			bytes += got;
			reads++;
			if (!n && write(1, buf, got) != got)
				die("writing");
		}
		close(fd);
		t = now() - t;
		if (got < 0)
			die("reading");
	}
	if (n)
		printf("list bpf %d %.1f %.1f %d\n", n, (double)t / n,
		       (double)bytes / n, reads);
	return 0;
}
