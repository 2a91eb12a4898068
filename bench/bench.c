// SPDX-License-Identifier: GPL-2.0
/*
 * What dma-bufs cost, measured in the guest: "bench PART N [EXPORTER]" prints
 * lines of
 *
 *	PART WHAT N VALUE...
 *
 * export N	export and close with N other buffers there: p50, mean, p1, p99
 * total N	a counter with N buffers there: open to close, and one pread()
 * list N	each list of N buffers: ns and bytes a row, reads
 * memory N E	bytes of slab that each of N buffers of exporter E takes, with all
 *		that belongs to it, before and after all that there is to read
 *		has been read; only in a machine that has made no others yet
 * readers N	export and close with N other buffers there, while another
 *		process does what WHAT says: p50, p99.9, maximum
 * two 0 E	export and close, pairs a second, by one process and by two
 *
 * All times are nanoseconds of CLOCK_MONOTONIC. On a machine whose clock is the
 * number of instructions (vm --icount) they are instructions.
 */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/udmabuf.h>

#include "common.h"

#define PAIRS		4000
#define WARM_UP		200
#define WINDOWS		10
#define WINDOW_NS	1000000000LL
#define BUFFERS_DIR	"/sys/kernel/dmabuf/buffers"

static const char * const exporters[] = { "heap", "udmabuf", "prime" };

static int memfd;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return x < y ? -1 : x > y;
}

static void prepare(void)
{
	memfd = memfd_create("bench", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (memfd < 0 || ftruncate(memfd, PAGE) ||
	    fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		die("memfd");
}

/*
 * The memory of a udmabuf is there before. A PRIME buffer is made with its GEM
 * object, which has the same buffer as long as it has a handle.
 */
static int export(unsigned int exporter)
{
	static int udmabuf = -1;
	struct udmabuf_create create = {
		.memfd = memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = PAGE,
	};
	int fd;

	if (exporter == 1 && udmabuf < 0)
		udmabuf = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	fd = exporter == 0 ? buffer_new(SYSTEM, PAGE) :
	     exporter == 1 ? ioctl(udmabuf, UDMABUF_CREATE, &create) :
			     buffer_new(VGEM, PAGE);
	if (fd < 0)
		die(exporters[exporter]);
	return fd;
}

static void populate(int n)
{
	while (n--)
		export(0);
}

static long long pair(unsigned int exporter)
{
	long long begin = now();

	close(export(exporter));
	return now() - begin;
}

static void bench_export(int n, unsigned int unused)
{
	static long long t[PAIRS];
	unsigned int e;
	double sum;
	int i;

	populate(n);
	for (e = 0; e < ARRAY_LEN(exporters); e++) {
		for (i = 0; i < WARM_UP; i++)
			pair(e);
		for (i = 0, sum = 0; i < PAIRS; i++)
			sum += t[i] = pair(e);
		qsort(t, PAIRS, sizeof(*t), compare);
		printf("export %s %d %lld %.1f %lld %lld\n", exporters[e], n,
		       t[PAIRS / 2], sum / PAIRS, t[PAIRS / 100],
		       t[PAIRS * 99 / 100]);
	}
}

static void bench_total(int n, unsigned int unused)
{
	long long begin, whole = 0, once = 0;
	char buf[64];
	int i, fd;

	populate(n);
	for (i = 0; i < 5; i++) {
		begin = now();
		fd = open(STATS_DIR "bytes", O_RDONLY);
		if (fd < 0 || read(fd, buf, sizeof(buf)) <= 0)
			die("bytes");
		close(fd);
		whole = now() - begin;
	}
	fd = open(STATS_DIR "bytes", O_RDONLY);
	for (i = 0; i < 5; i++) {
		begin = now();
		if (pread(fd, buf, sizeof(buf), 0) <= 0)
			die("bytes");
		once = now() - begin;
	}
	close(fd);
	printf("total open-read-close %d %lld\n", n, whole);
	printf("total pread %d %lld\n", n, once);
}

/* One pass over FILE, or -1 if there is none; *bytes and *reads are added to */
static long long read_all(const char *file, size_t *bytes, int *reads)
{
	static char buf[65536];
	long long begin = now();
	int fd = open(file, O_RDONLY);
	ssize_t got;

	if (fd < 0)
		return -1;
	while ((got = read(fd, buf, sizeof(buf))) > 0) {
		*bytes += got;
		++*reads;
	}
	close(fd);
	return got < 0 ? -1 : now() - begin;
}

/* Both files of each directory, with a count or a total in mind */
static long long read_directories(size_t *bytes, int *reads)
{
	static const char * const files[] = { "size", "exporter_name" };
	long long begin = now();
	DIR *dir = opendir(BUFFERS_DIR);
	struct dirent *entry;
	char path[320];
	size_t i;

	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		for (i = 0; i < ARRAY_LEN(files); i++) {
			snprintf(path, sizeof(path), BUFFERS_DIR "/%s/%s",
				 entry->d_name, files[i]);
			read_all(path, bytes, reads);
		}
	}
	closedir(dir);
	return now() - begin;
}

static long long read_list(const char *what, size_t *bytes, int *reads)
{
	if (!strcmp(what, "dmabufs"))
		return read_all(LIST_PROC, bytes, reads);
	if (!strcmp(what, "bufinfo"))
		return read_all(BUFINFO, bytes, reads);
	return read_directories(bytes, reads);
}

static const char * const lists[] = { "dmabufs", "bufinfo", "directories" };

static void bench_list(int n, unsigned int unused)
{
	size_t bytes = 0, i;
	int reads = 0, run;
	long long t = 0;

	populate(n);
	for (i = 0; i < ARRAY_LEN(lists); i++) {
		/* The second time counts */
		for (run = 0; run < 2; run++) {
			bytes = reads = 0;
			t = read_list(lists[i], &bytes, &reads);
		}
		if (t >= 0)
			printf("list %s %d %.1f %.1f %d\n", lists[i], n,
			       (double)t / n, (double)bytes / n, reads);
	}

	/* The BPF iterator has a program of its own */
	if (!access("/sys/kernel/btf/vmlinux", F_OK)) {
		char command[64];

		snprintf(command, sizeof(command), "./rows rows.o %d", n);
		if (system(command))
			die(command);
	}
}

static long long slab(void)
{
	char line[128];
	long long kib = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %lld", &kib) == 1)
			break;
	if (kib < 0)
		die("/proc/meminfo");
	fclose(f);
	return kib * 1024;
}

static void bench_memory(int n, unsigned int e)
{
	long long before, made, read;
	size_t i, bytes;
	int k, reads;

	before = slab();
	for (k = 0; k < n; k++)
		export(e);
	made = slab();
	for (i = 0; i < ARRAY_LEN(lists); i++)
		read_list(lists[i], &bytes, &reads);
	read = slab();
	printf("memory %s %d %.1f %.1f\n", exporters[e], n,
	       (double)(made - before) / n, (double)(read - before) / n);
}

/* What a reader does without pause; false if it cannot */
static bool reader(const char *what)
{
	static char buf[4096];
	size_t bytes;
	int fd, reads;

	if (strcmp(what, "seek"))
		return read_list(what, &bytes, &reads) >= 0;
	fd = open(LIST_PROC, O_RDONLY);
	if (fd < 0)
		return false;
	/* Near its end, which the kernel has to walk to */
	bytes = pread(fd, buf, sizeof(buf), 40LL * 45000);
	close(fd);
	return true;
}

/* All pairs in a window; the times go to t, of which there are max */
static size_t window(long long *t, size_t max)
{
	long long end = now() + WINDOW_NS;
	size_t n = 0;

	while (n < max && now() < end)
		t[n++] = pair(0);
	return n;
}

static void spread(const char *what, int n, long long *t, size_t nr)
{
	qsort(t, nr, sizeof(*t), compare);
	printf("readers %s %d %lld %lld %lld\n", what, n, t[nr / 2],
	       t[nr * 999 / 1000], t[nr - 1]);
}

static void bench_readers(int n, unsigned int unused)
{
	static const char * const readers[] = {
		"dmabufs", "seek", "bufinfo", "directories"
	};
	const size_t max = 200000;
	long long *t = calloc(max, sizeof(*t));
	char name[64];
	size_t i, nr;
	pid_t pid;
	int w;

	if (!t)
		die("readers");
	populate(n);
	for (i = 0; i < ARRAY_LEN(readers); i++) {
		if (!reader(readers[i]))
			continue;
		for (w = 0; w < WINDOWS; w++) {
			nr = window(t, max);
			snprintf(name, sizeof(name), "none-%s", readers[i]);
			spread(name, n, t, nr);

			pid = fork();
			if (!pid)
				for (;;)
					reader(readers[i]);
			nr = window(t, max);
			spread(readers[i], n, t, nr);
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
	}
}

static void bench_two(int n, unsigned int e)
{
	long long end, done[2];
	int i, k, pipes[2];
	long pairs;

	for (k = 0; k < WINDOWS * 2; k++) {
		int processes = 1 + k % 2;

		if (pipe(pipes))
			die("pipe");
		end = now() + WINDOW_NS;
		for (i = 0; i < processes; i++) {
			if (fork())
				continue;
			for (pairs = 0; now() < end; pairs++)
				pair(e);
			if (write(pipes[1], &pairs, sizeof(pairs)) < 0)
				die("pipe");
			_exit(0);
		}
		for (i = 0; i < processes; i++) {
			if (read(pipes[0], &pairs, sizeof(pairs)) < 0)
				die("pipe");
			done[i] = pairs;
			wait(NULL);
		}
		close(pipes[0]);
		close(pipes[1]);
		printf("two %s %d %lld\n", exporters[e], processes,
		       done[0] + (processes == 2 ? done[1] : 0));
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(int n, unsigned int exporter);
	} parts[] = {
		{ "export", bench_export }, { "total", bench_total },
		{ "list", bench_list }, { "memory", bench_memory },
		{ "readers", bench_readers }, { "two", bench_two },
	};
	int n = argc > 2 ? atoi(argv[2]) : 0;
	unsigned int e = 0;
	struct rlimit limit = { 1 << 20, 1 << 20 };
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("RLIMIT_NOFILE");
	mount_debugfs();
	prepare();
	while (argc > 3 && e < ARRAY_LEN(exporters) &&
	       strcmp(argv[3], exporters[e]))
		e++;
	for (i = 0; argc > 1 && e < ARRAY_LEN(exporters) &&
	     i < ARRAY_LEN(parts); i++) {
		if (strcmp(argv[1], parts[i].name))
			continue;
		parts[i].run(n, e);
		return 0;
	}
	fprintf(stderr,
		"usage: bench export|total|list|memory|readers|two N [EXPORTER]\n");
	return 2;
}
