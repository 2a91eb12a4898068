// SPDX-License-Identifier: GPL-2.0
/*
 * What dma-bufs cost, measured in the guest: "bench N PART..." makes N buffers
 * of the system heap and prints, for each PART, lines of
 *
 *	PART WHAT N VALUE...
 *
 * export	export and close: p50, mean, p1, p99
 * inside	dma_buf_export() and the release alone, in the kernel; and what
 *		sysfs does to show a number: the same
 * total	a counter: open to close, and one pread(); least and most of it;
 *		the same of another number in sysfs, of one digit
 * list[:L]	each list, or only L: time and bytes a row, reads; least and
 *		most time a row
 * memory:E	not with the N buffers, but with N of exporter E: bytes of slab
 *		that each takes, with all that belongs to it, before and after
 *		all that there is to read has been read; only in a machine that
 *		has made no others yet
 * hold		the longest hold of the index lock while WHAT is done
 * readers[:R]	export and close, while another process does what WHAT says:
 *		p50, p90, p99, p99.9, maximum; counters: as many unprivileged
 *		processes as there are CPUs read all counters; none-counters:
 *		they read other numbers in sysfs
 * held:L	the same while somebody holds lock L, kernfs or reserve, for
 *		100 ms of each 200
 *
 * Exporters are heap, udmabuf and prime. All times are nanoseconds of
 * CLOCK_MONOTONIC. On a machine whose clock is the number of instructions (vm
 * --icount) they are instructions.
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
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/udmabuf.h>

#include "common.h"

#define PAIRS		4000
/* RCU frees in batches: the mean of a tenth of these differs by 1 % */
#define EXPORTS		40000
/* What DRM frees makes the mean of 40,000 differ by 0.3 % between two runs */
#define PRIME_EXPORTS	160000
#define WARM_UP		200
#define PASSES		4
#define WINDOWS		10
#define WINDOW_NS	1000000000LL
#define HELD_NS		1000000000LL
#define MAX_PAIRS	400000
#define CURSORS		2000
#define BTF		"/sys/kernel/btf/vmlinux"
#define OTHER_NUMBER	"/sys/kernel/rcu_expedited"
#define BUFFERS_DIR	"/sys/kernel/dmabuf/buffers"
#define MODULE_DIR	DEBUG_DIR "dmabuf-bench/"
#define HOLD_MAX	"/sys/module/dma_buf_index/parameters/hold_max"

static const char * const exporters[] = { "heap", "udmabuf", "prime" };

static int memfd;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static long long nanoseconds(void)
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
	long long begin = nanoseconds();

	close(export(exporter));
	return nanoseconds() - begin;
}

static long long at(const long long *t, size_t nr, size_t per_mille)
{
	return t[nr * per_mille / 1000];
}

/* p50, mean, p1, p99 */
static void spread(const char *part, const char *what, int n, long long *t,
		   size_t nr)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < nr; i++)
		sum += t[i];
	qsort(t, nr, sizeof(*t), compare);
	printf("%s %s %d %lld %.1f %lld %lld\n", part, what, n, at(t, nr, 500),
	       sum / nr, at(t, nr, 10), at(t, nr, 990));
}

/* p50, p90, p99, p99.9, maximum */
static void tail(const char *part, const char *what, int n, long long *t,
		 size_t nr)
{
	qsort(t, nr, sizeof(*t), compare);
	printf("%s %s %d %lld %lld %lld %lld %lld\n", part, what, n,
	       at(t, nr, 500), at(t, nr, 900), at(t, nr, 990), at(t, nr, 999),
	       t[nr - 1]);
}

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return done;
}

static void bench_export(int n, const char *unused)
{
	static long long t[PRIME_EXPORTS];
	unsigned int e;
	int i, nr;

	for (e = 0; e < ARRAY_LEN(exporters); e++) {
		nr = strcmp(exporters[e], "prime") ? EXPORTS : PRIME_EXPORTS;
		for (i = 0; i < WARM_UP; i++)
			pair(e);
		for (i = 0; i < nr; i++)
			t[i] = pair(e);
		spread("export", exporters[e], n, t, nr);
	}
}

/* Measurements of the module: p50, mean, p1, p99 of each */
static void inside(const char *file, int n, const char * const what[3])
{
	static const char * const results[] = { "first", "second", "nothing" };
	static unsigned int raw[PAIRS];
	static long long t[PAIRS];
	char path[64];
	size_t i, k;
	FILE *f;

	snprintf(path, sizeof(path), MODULE_DIR "%s", file);
	if (!put(path, "1000000"))
		die(path);
	for (i = 0; i < ARRAY_LEN(results); i++) {
		snprintf(path, sizeof(path), MODULE_DIR "%s", results[i]);
		f = fopen(path, "r");
		if (!f || fread(raw, sizeof(*raw), PAIRS, f) != PAIRS)
			die(path);
		fclose(f);
		for (k = 0; k < PAIRS; k++)
			t[k] = raw[k];
		spread("inside", what[i], n, t, PAIRS);
	}
}

static void bench_inside(int n, const char *unused)
{
	static const char * const own[] = {
		"export-own", "release-own", "nothing-own"
	};
	static const char * const given[] = {
		"export-given", "release-given", "nothing-given"
	};
	static const char * const show[] = {
		"clear-page", "print-8-digits", "nothing-show"
	};

	inside("own", n, own);
	inside("given", n, given);
	inside("show", n, show);
}

/* The first pass warms up */
static void read_number(const char *file, const char *what, int n)
{
	long long begin, t[2][PASSES];
	int i, k, fd, open_fd;
	char buf[64];

	open_fd = open(file, O_RDONLY);
	for (i = 0; i < PASSES; i++) {
		begin = nanoseconds();
		fd = open(file, O_RDONLY);
		if (fd < 0 || read(fd, buf, sizeof(buf)) <= 0)
			die(file);
		close(fd);
		t[0][i] = nanoseconds() - begin;

		begin = nanoseconds();
		if (pread(open_fd, buf, sizeof(buf), 0) <= 0)
			die(file);
		t[1][i] = nanoseconds() - begin;
	}
	close(open_fd);
	for (k = 0; k < 2; k++) {
		qsort(t[k] + 1, PASSES - 1, sizeof(*t[k]), compare);
		printf("total %s%s %d %lld %lld %lld\n", what,
		       k ? "pread" : "open-read-close", n, t[k][PASSES / 2],
		       t[k][1], t[k][PASSES - 1]);
	}
}

/* And, for comparison, a number in sysfs that needs no looking for */
static void bench_total(int n, const char *unused)
{
	read_number(STATS_DIR "bytes", "", n);
	read_number(OTHER_NUMBER, "other-", n);
}

/* One pass over FILE, or -1 if there is none; *bytes and *reads are added to */
static long long read_all(const char *file, size_t *bytes, int *reads)
{
	static char buf[65536];
	long long begin = nanoseconds();
	int fd = open(file, O_RDONLY);
	ssize_t got;

	if (fd < 0)
		return -1;
	while ((got = read(fd, buf, sizeof(buf))) > 0) {
		*bytes += got;
		++*reads;
	}
	close(fd);
	return got < 0 ? -1 : nanoseconds() - begin;
}

/* Both files of each directory, with a count or a total in mind */
static long long read_directories(size_t *bytes, int *reads)
{
	static const char * const files[] = { "size", "exporter_name" };
	long long begin = nanoseconds();
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
	return nanoseconds() - begin;
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

static bool wanted(const char *what, const char *only)
{
	return !*only || !strcmp(what, only);
}

static void bench_list(int n, const char *only)
{
	/* The first pass warms up */
	int passes = n > 100000 ? 2 : PASSES, reads = 0, run;
	size_t bytes = 0, i;
	long long t[PASSES];

	for (i = 0; i < ARRAY_LEN(lists); i++) {
		if (!wanted(lists[i], only))
			continue;
		for (run = 0; run < passes; run++) {
			bytes = 0;
			reads = 0;
			t[run] = read_list(lists[i], &bytes, &reads);
		}
		if (t[0] < 0)
			continue;
		qsort(t + 1, passes - 1, sizeof(*t), compare);
		printf("list %s %d %.1f %.1f %d %.1f %.1f\n", lists[i], n,
		       (double)t[passes / 2] / n, (double)bytes / n, reads,
		       (double)t[1] / n, (double)t[passes - 1] / n);
	}

	/* The BPF iterator has a program of its own */
	if (!access(BTF, F_OK) && wanted("bpf", only)) {
		char command[64];

		snprintf(command, sizeof(command), "./rows rows.o %d %d", n,
			 passes);
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

static unsigned int exporter(const char *name)
{
	unsigned int e;

	for (e = 0; e < ARRAY_LEN(exporters); e++)
		if (!strcmp(name, exporters[e]))
			return e;
	fprintf(stderr, "bench: '%s' exports nothing\n", name);
	exit(2);
}

static void bench_memory(int n, const char *name)
{
	unsigned int e = exporter(name);
	long long before, made, read;
	size_t i, bytes = 0;
	int k, reads = 0;

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

/* Somewhere near the end of the list, which the kernel has to walk to */
static off_t near_end;

/* Reads numbers of sysfs as nobody, once in each file that it keeps open */
static bool read_numbers(const char * const *files, size_t nr)
{
	static int fds[5];
	static size_t open_fds;
	char text[32];
	size_t i;

	if (!open_fds && setuid(65534))
		die("setuid");
	for (; open_fds < nr; open_fds++) {
		fds[open_fds] = open(files[open_fds], O_RDONLY | O_CLOEXEC);
		if (fds[open_fds] < 0)
			die(files[open_fds]);
	}
	for (i = 0; i < nr; i++)
		if (pread(fds[i], text, sizeof(text), 0) <= 0)
			die(files[i]);
	return true;
}

static bool read_counters(const char *arg)
{
	static const char * const files[] = {
		STATS_DIR "nr_buffers", STATS_DIR "bytes",
		STATS_DIR "peak_bytes", STATS_DIR "nr_exported",
		STATS_DIR "bytes_exported"
	};

	(void)arg;
	return read_numbers(files, ARRAY_LEN(files));
}

static bool read_others(const char *arg)
{
	static const char * const files[] = {
		OTHER_NUMBER, OTHER_NUMBER, OTHER_NUMBER, OTHER_NUMBER,
		OTHER_NUMBER
	};

	(void)arg;
	return read_numbers(files, ARRAY_LEN(files));
}

/* What a reader does without pause; false if it cannot */
static bool reader(const char *what)
{
	static char buf[4096];
	int fd, reads = 0;
	size_t bytes = 0;

	if (!strcmp(what, "bpf")) {
		if (access(BTF, F_OK))
			return false;
		execl("./rows", "rows", "rows.o", "forever", NULL);
		die("rows");
	}
	if (strcmp(what, "seek") && strcmp(what, "pread"))
		return read_list(what, &bytes, &reads) >= 0;
	fd = open(LIST_PROC, O_RDONLY);
	if (fd < 0)
		return false;
	if (!strcmp(what, "seek"))
		lseek(fd, near_end, SEEK_SET);
	else if (pread(fd, buf, sizeof(buf), near_end) < 0)
		die("pread");
	close(fd);
	return true;
}

static void find_near_end(void)
{
	size_t bytes = 0;
	int reads;

	if (read_all(LIST_PROC, &bytes, &reads) >= 0)
		near_end = bytes - bytes / 20;
}

/* A process that runs FUNC with ARG until it is killed */
static pid_t start(bool (*func)(const char *arg), const char *arg)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	while (!pid)
		func(arg);
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static long long times[MAX_PAIRS];

/* All pairs for so long; their times go to times */
static size_t window(long long ns)
{
	long long end = nanoseconds() + ns;
	size_t nr = 0;

	while (nr < MAX_PAIRS && nanoseconds() < end)
		times[nr++] = pair(0);
	return nr;
}

/* As many readers as CPUs; without them, the CPUs are as busy */
static void bench_counter_readers(int n)
{
	static bool (* const readers[])(const char *arg) = {
		read_others, read_counters
	};
	static const char * const names[] = { "none-counters", "counters" };
	int nr = get_nprocs(), w, i, k;
	pid_t pids[nr];

	for (w = 0; w < WINDOWS; w++) {
		for (k = 0; k < 2; k++) {
			for (i = 0; i < nr; i++)
				pids[i] = start(readers[k], NULL);
			usleep(100000);
			tail("readers", names[k], n, times, window(WINDOW_NS));
			for (i = 0; i < nr; i++)
				stop(pids[i]);
		}
	}
}

static void bench_readers(int n, const char *only)
{
	static const char * const readers[] = {
		"dmabufs", "seek", "pread", "bufinfo", "directories", "bpf"
	};
	char name[64];
	size_t i;
	pid_t pid;
	int w;

	if (wanted("counters", only) && !access(STATS_DIR "peak_bytes", F_OK))
		bench_counter_readers(n);
	find_near_end();
	for (i = 0; i < ARRAY_LEN(readers); i++) {
		if (!wanted(readers[i], only) ||
		    (strcmp(readers[i], "bpf") ? !reader(readers[i]) :
						 access(BTF, F_OK)))
			continue;
		snprintf(name, sizeof(name), "none-%s", readers[i]);
		for (w = 0; w < WINDOWS; w++) {
			tail("readers", name, n, times, window(WINDOW_NS));
			pid = start(reader, readers[i]);
			usleep(100000);
			tail("readers", readers[i], n, times,
			     window(WINDOW_NS));
			stop(pid);
		}
	}
}

/* Holds a lock for a while */
static bool holder(const char *lock)
{
	static char fd[16];

	if (!fd[0])
		snprintf(fd, sizeof(fd), "%d", export(0));
	if (!put(lock, fd))
		die(lock);
	usleep(100000);
	return true;
}

static void bench_held(int n, const char *lock)
{
	static const char * const readers[] = { "dmabufs", "bufinfo" };
	size_t i, bytes = 0;
	pid_t pid, who;
	char name[64];
	int reads = 0;

	if (!strcmp(lock, "kernfs")) {
		tail("held", "no-kernfs", n, times, window(HELD_NS));
		who = start(holder, MODULE_DIR "kernfs");
		tail("held", "kernfs", n, times, window(HELD_NS));
		stop(who);
		return;
	}

	for (i = 0; i < ARRAY_LEN(readers); i++) {
		if (read_list(readers[i], &bytes, &reads) < 0)
			continue;
		pid = start(reader, readers[i]);
		usleep(100000);
		snprintf(name, sizeof(name), "no-reserve-%s", readers[i]);
		tail("held", name, n, times, window(HELD_NS));
		who = start(holder, MODULE_DIR "reserve");
		snprintf(name, sizeof(name), "reserve-%s", readers[i]);
		tail("held", name, n, times, window(HELD_NS));
		stop(who);
		stop(pid);
	}
}

static void held_longest(const char *what, int n)
{
	unsigned long most;
	FILE *f = fopen(HOLD_MAX, "r");

	if (!f || fscanf(f, "%lu", &most) != 1)
		die(HOLD_MAX);
	fclose(f);
	printf("hold %s %d %lu\n", what, n, most);
	put(HOLD_MAX, "0");
}

static void bench_hold(int n, const char *unused)
{
	static const char * const readers[] = {
		"dmabufs", "seek", "pread", "bufinfo"
	};
	static int fds[CURSORS];
	char buf[64];
	size_t i;
	int k, fd;

	find_near_end();
	put(HOLD_MAX, "0");
	for (k = 0; k < PAIRS; k++)
		pair(k % ARRAY_LEN(exporters));
	held_longest("export", n);
	fd = open(STATS_DIR "bytes", O_RDONLY);
	for (k = 0; k < PAIRS; k++)
		if (pread(fd, buf, sizeof(buf), 0) <= 0)
			die("bytes");
	close(fd);
	held_longest("total", n);
	for (i = 0; i < ARRAY_LEN(readers); i++) {
		reader(readers[i]);
		held_longest(readers[i], n);
	}

	/* Other readers, all at the end of the list, where the walk passes */
	for (k = 0; k < CURSORS; k++) {
		fds[k] = open(LIST_PROC, O_RDONLY);
		if (fds[k] < 0 || lseek(fds[k], near_end, SEEK_SET) < 0)
			die(LIST_PROC);
	}
	put(HOLD_MAX, "0");
	for (i = 0; i < ARRAY_LEN(readers); i++) {
		char name[64];

		reader(readers[i]);
		snprintf(name, sizeof(name), "%s-past-readers", readers[i]);
		held_longest(name, n);
	}
	for (k = 0; k < CURSORS; k++)
		close(fds[k]);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(int n, const char *arg);
	} parts[] = {
		{ "export", bench_export }, { "inside", bench_inside },
		{ "total", bench_total }, { "list", bench_list },
		{ "memory", bench_memory }, { "hold", bench_hold },
		{ "readers", bench_readers }, { "held", bench_held },
	};
	struct rlimit limit = { 1 << 20, 1 << 20 };
	int n = argc > 1 ? atoi(argv[1]) : 0, i;
	const char *arg;
	size_t k;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("RLIMIT_NOFILE");
	mount_debugfs();
	prepare();
	if (argc > 2 && strncmp(argv[2], "memory:", strlen("memory:")))
		populate(n);
	for (i = 2; i < argc; i++) {
		arg = strchrnul(argv[i], ':');
		for (k = 0; k < ARRAY_LEN(parts); k++)
			if (!strncmp(argv[i], parts[k].name, arg - argv[i]) &&
			    !parts[k].name[arg - argv[i]])
				break;
		if (k == ARRAY_LEN(parts)) {
			fprintf(stderr, "bench: no part '%s'\n", argv[i]);
			return 2;
		}
		parts[k].run(n, *arg ? arg + 1 : arg);
	}
	return 0;
}
