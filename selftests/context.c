// SPDX-License-Identifier: GPL-2.0
/*
 * Context: an export neither allocates nor sleeps for its statistics, and
 * certain things never happen under the index lock.
 *
 * Probes write into a separate trace instance. The spinlocks held at an event
 * are those taken but not yet released before it.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "common.h"

#define GROUP		"dmabuf_context"
#define INSTANCE	"instances/" GROUP "/"

/* Number of exports and releases; the one with the least noise counts */
#define RUNS		16

/* Number of readers whose cursors are in the way */
#define READERS		2000

struct event {
	char name[40];
	const char *text;
};

static bool missing;

/* Adds a probe; its name says what a hit means */
static void probe_add(const char *name, const char *kind, const char *function)
{
	char text[128];

	snprintf(text, sizeof(text), "%s:" GROUP "/%s %s", kind, name,
		 function);
	if (!trace_put("kprobe_events", text)) {
		ksft_print_msg("cannot probe %s\n", function);
		missing = true;
	}
}

static void trace_enable(const char *event)
{
	char path[128];

	snprintf(path, sizeof(path), INSTANCE "events/%s/enable", event);
	if (!trace_put(path, "1")) {
		ksft_print_msg("cannot trace %s\n", event);
		missing = true;
	}
}

static void trace_close(void)
{
	trace_put(INSTANCE "events/enable", "0");
	rmdir(TRACE_DIR INSTANCE);
	trace_put("kprobe_events", "-:" GROUP "/");
}

static void trace_open(void)
{
	char pid[16];

	missing = !mount_tracefs();
	trace_close();
	if (mkdir(TRACE_DIR INSTANCE, 0700))
		missing = true;
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (!trace_put(INSTANCE "tracing_on", "0") ||
	    !trace_put(INSTANCE "buffer_size_kb", "2048") ||
	    !trace_put(INSTANCE "set_event_pid", pid))
		missing = true;
}

static bool trace_start(void)
{
	trace_clear(INSTANCE);
	trace_enable(GROUP);
	return trace_put(INSTANCE "tracing_on", "1");
}

/* Stops tracing and reads the buffer; fails if any event was lost */
static bool trace_stop(struct text *text)
{
	unsigned long there, written;
	const char *header;

	if (!trace_put(INSTANCE "tracing_on", "0") ||
	    !text_read_path(TRACE_DIR INSTANCE "trace", text))
		return false;
	header = strstr(text->s, "entries-written: ");
	return header &&
	       sscanf(header, "entries-written: %lu/%lu", &there,
		      &written) == 2 && there == written;
}

/* The next event from *pos on: "task-pid [cpu] flags time: name: text" */
static bool event_next(const char **pos, struct event *event)
{
	const char *line, *next, *p;
	int len;

	for (line = *pos; *line; line = next) {
		next = strchrnul(line, '\n');
		next += !!*next;
		p = strchr(line, '[');
		if (*line == '#' || !p || p >= next ||
		    sscanf(p, "[%*u] %*s %*[0-9.]: %39[^:]:%n", event->name,
			   &len) != 1)
			continue;
		event->text = p + len;
		*pos = next;
		return true;
	}
	return false;
}

static bool is(const struct event *event, const char *name)
{
	return !strcmp(event->name, name);
}

/* Allocations for the file itself, and those of debugging options */
static bool allocates_file(const char *site)
{
	static const char * const known[] = {
		"alloc_inode", "__d_alloc", "__alloc_file",
		"alloc_empty_file", "security_",
		"lsm_", "__alloc_object", "mem_pool_alloc",
		"kmem_alloc_batch", "fill_pool",
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(known); i++)
		if (!strncmp(site, known[i], strlen(known[i])))
			return true;
	return false;
}

/* Returns the site of an allocation, "sleep" for a sleep, else NULL */
static const char *cost(const struct event *event)
{
	const char *site, *prev;

	if (is(event, "sched_switch")) {
		prev = strstr(event->text, "prev_pid=");
		if (!prev || atoi(prev + strlen("prev_pid=")) != getpid())
			return NULL;
		prev = strstr(event->text, "prev_state=");
		return prev && prev[strlen("prev_state=")] != 'R' ?
		       "sleep" : NULL;
	}
	site = strstr(event->text, "call_site=");
	return site ? site + strlen("call_site=") : NULL;
}

FIXTURE(context) {};

EXPORTER_VARIANTS(context);

FIXTURE_SETUP(context)
{
	trace_open();
	probe_add("export_in", "p", "dma_buf_export");
	probe_add("export_out", "r", "dma_buf_export");
	probe_add("release_in", "p", "dma_buf_file_release");
	probe_add("release_out", "r", "dma_buf_release");
	trace_enable("kmem/kmalloc");
	trace_enable("kmem/kmem_cache_alloc");
	trace_enable("sched/sched_switch");
}

FIXTURE_TEARDOWN(context)
{
	trace_close();
}

/*
 * A file with its inode and dentry, one allocation for the buffer, and nothing
 * else. A release allocates nothing in dma-buf; exporters may.
 */
TEST_EXPORTER(context, costs)
{
	int in_export = 0, in_release = 0, exports = 0, releases = 0;
	int least_export = 1000, least_release = 1000, own = 0, other = 0;
	const char *pos, *site;
	struct event event;
	struct text text;
	int i, fd;

	if (missing)
		SKIP(return, "cannot trace");

	ASSERT_TRUE(trace_start());
	for (i = 0; i < RUNS; i++) {
		fd = buffer_new(variant->exporter, PAGE);
		ASSERT_LE(0, fd);
		close(fd);
	}
	ASSERT_TRUE(trace_stop(&text));

	for (pos = text.s; event_next(&pos, &event);) {
		if (is(&event, "export_in") || is(&event, "release_in")) {
			in_export = is(&event, "export_in");
			in_release = !in_export;
			own = 0;
			other = 0;
		} else if (in_export && is(&event, "export_out")) {
			exports++;
			in_export = 0;
			/* Neither more nor less than the buffer itself */
			other += abs(own - 1);
			if (other < least_export)
				least_export = other;
		} else if (in_release && is(&event, "release_out")) {
			releases++;
			in_release = 0;
			if (own < least_release)
				least_release = own;
		}
		site = in_export || in_release ? cost(&event) : NULL;
		if (!site)
			continue;
		if (!strncmp(site, "dma_buf_", strlen("dma_buf_")) ||
		    (in_release && !strcmp(site, "sleep"))) {
			own++;
		} else if (in_export && !allocates_file(site)) {
			ksft_print_msg("%.40s\n", site);
			other++;
		}
	}
	text_free(&text);
	EXPECT_EQ(RUNS, exports);
	EXPECT_EQ(RUNS, releases);
	EXPECT_EQ(0, least_export);
	EXPECT_EQ(0, least_release);
}

FIXTURE(lock)
{
	int fd;
};

FIXTURE_SETUP(lock)
{
	struct utsname kernel;

	trace_open();
	probe_add("find_in", "p", "dma_buf_index_find");
	probe_add("find_out", "r", "dma_buf_index_find");
	if (!uname(&kernel) && strstr(kernel.version, "PREEMPT_RT")) {
		probe_add("lock", "p", "rt_spin_lock lock=$arg1");
		probe_add("unlock", "p", "rt_spin_unlock lock=$arg1");
	} else {
		probe_add("lock", "p", "_raw_spin_lock lock=$arg1");
		probe_add("unlock", "p", "_raw_spin_unlock lock=$arg1");
	}

	self->fd = buffer_new(any_exporter(), PAGE);
	ASSERT_LE(0, self->fd);
	/* With a space, which has to be escaped */
	ASSERT_TRUE(buffer_set_name(self->fd, "a name"));
}

FIXTURE_TEARDOWN(lock)
{
	trace_close();
	close(self->fd);
}

/*
 * Reads the list, whose first lock is the index lock, and then FILE. Returns
 * the number of NAME events, or -1 if one came while that lock was held.
 */
static int unlocked_once(const char *file, const char *name)
{
	unsigned long long index_lock = 0, lock;
	int held = 0, hits = 0, faults = 0;
	struct text text, trace;
	bool in_find = false;
	struct event event;
	const char *pos;

	if (!trace_start() || !text_read_path(LIST_PROC, &text))
		return 0;
	text_free(&text);
	if (!text_read_path(file, &text))
		return 0;
	text_free(&text);
	if (!trace_stop(&trace))
		return 0;

	for (pos = trace.s; event_next(&pos, &event);) {
		if (is(&event, "find_in"))
			in_find = true;
		if (is(&event, "lock") || is(&event, "unlock")) {
			if (sscanf(event.text, " (%*[^)]) lock=%llx",
				   &lock) != 1)
				continue;
			if (!index_lock && in_find)
				index_lock = lock;
			if (lock == index_lock)
				held += is(&event, "lock") ? 1 : -1;
		}
		if (!is(&event, name))
			continue;
		hits++;
		faults += held > 0;
	}
	text_free(&trace);
	if (!index_lock)
		return 0;
	if (faults)
		ksft_print_msg("%s: %d of %d under the lock\n", name, faults,
			       hits);
	return faults ? -1 : hits;
}

/*
 * A probe hit while another one is being handled is missed, so the best of
 * several runs counts. An event under the lock would occur in each of them.
 */
static int unlocked(const char *file, const char *name)
{
	int run, hits = 0;

	for (run = 0; run < 5 && hits <= 0; run++)
		hits = unlocked_once(file, name);
	return hits;
}

TEST_F(lock, not_while_a_row_is_formatted)
{
	probe_add("number", "p", "num_to_str");
	probe_add("escape", "p", "string_escape_mem");
	if (missing)
		SKIP(return, "cannot trace");
	EXPECT_LT(0, unlocked(LIST_PROC, "number"));
	EXPECT_LT(0, unlocked(LIST_PROC, "escape"));
}

/* Not while taking a reservation lock or dropping a reference either */
TEST_F(lock, not_while_bufinfo_waits)
{
	probe_add("reserved", "p", "dma_resv_describe");
	/* called by dma_buf_put(), which may be inlined */
	probe_add("put", "p", "fput");
	if (!mount_debugfs())
		SKIP(return, "no debugfs");
	if (missing)
		SKIP(return, "cannot trace");
	EXPECT_LT(0, unlocked(BUFINFO, "reserved"));
	EXPECT_LT(0, unlocked(BUFINFO, "put"));
}

/* The index lock is the first that a reader of the list takes */
TEST_F(lock, not_taken_to_read_a_counter)
{
	unsigned long long index_lock = 0, lock;
	int counters = 0, taken = 0;
	struct text text, trace;
	bool in_find = false;
	struct event event;
	const char *pos;
	struct counters c;

	probe_add("counter", "p", "sysfs_kf_seq_show");
	if (missing)
		SKIP(return, "cannot trace");

	ASSERT_TRUE(trace_start());
	ASSERT_TRUE(text_read_path(LIST_PROC, &text));
	text_free(&text);
	ASSERT_TRUE(counters_read(&c));
	ASSERT_TRUE(trace_stop(&trace));

	for (pos = trace.s; event_next(&pos, &event);) {
		if (is(&event, "find_in"))
			in_find = true;
		if (is(&event, "counter"))
			counters++;
		if (!is(&event, "lock") ||
		    sscanf(event.text, " (%*[^)]) lock=%llx", &lock) != 1)
			continue;
		if (!index_lock && in_find)
			index_lock = lock;
		taken += counters && lock == index_lock;
	}
	text_free(&trace);
	EXPECT_NE(0ULL, index_lock);
	EXPECT_LE(5, counters);
	EXPECT_EQ(0, taken);
}

/*
 * The entries of other readers, all at the end of the list, are passed a few
 * at a time, in both directions. In between the lock is let go.
 */
TEST_F(lock, for_a_few_entries_at_a_time)
{
	int fds[READERS], holds = 0, most = 0, back = 0, nr;
	unsigned long long index_lock = 0, lock;
	struct text text, trace, walk;
	bool in_find = false;
	struct event event;
	const char *pos;

	if (!mount_debugfs())
		SKIP(return, "no debugfs");
	if (missing)
		SKIP(return, "cannot trace");

	for (nr = 0; nr < READERS; nr++) {
		fds[nr] = open(LIST_PROC, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fds[nr]);
		ASSERT_TRUE(text_read(fds[nr], 65536, &text));
		text_free(&text);
	}
	ASSERT_TRUE(trace_start());
	ASSERT_TRUE(text_read_path(LIST_PROC, &text));
	text_free(&text);
	ASSERT_TRUE(trace_stop(&trace));
	ASSERT_TRUE(trace_start());
	ASSERT_TRUE(text_read_path(BUFINFO, &text));
	text_free(&text);
	ASSERT_TRUE(trace_stop(&walk));
	while (nr--)
		close(fds[nr]);

	for (pos = trace.s; event_next(&pos, &event);) {
		if (is(&event, "find_in")) {
			in_find = true;
			holds = 0;
		} else if (is(&event, "lock")) {
			if (in_find && !index_lock)
				sscanf(event.text, " (%*[^)]) lock=%llx",
				       &index_lock);
		} else if (is(&event, "unlock")) {
			holds++;
		} else if (is(&event, "find_out") && holds > most) {
			most = holds;
		}
	}
	for (pos = walk.s; event_next(&pos, &event);)
		if (is(&event, "unlock") &&
		    sscanf(event.text, " (%*[^)]) lock=%llx", &lock) == 1 &&
		    lock == index_lock)
			back++;
	text_free(&trace);
	text_free(&walk);
	ksft_print_msg("%d and %d holds of the lock for %d entries\n", most,
		       back, READERS);
	EXPECT_LE(READERS / 64, most);
	EXPECT_LE(READERS / 64, back);
}

/* The tracepoint of an export, where there is one, has the number and the size */
TEST(tracepoint_of_an_export)
{
	char want[64], *line = NULL;
	struct text text;
	int fd;

	trace_open();
	if (!missing &&
	    access(TRACE_DIR INSTANCE "events/dma_buf", F_OK)) {
		trace_close();
		SKIP(return, "no tracepoints of dma-buf here");
	}
	if (!missing)
		trace_enable("dma_buf/dma_buf_export");
	if (missing) {
		trace_close();
		SKIP(return, "cannot trace");
	}
	trace_put(INSTANCE "tracing_on", "1");
	fd = buffer_new(any_exporter(), PAGE);
	EXPECT_TRUE(trace_stop(&text));
	ASSERT_LE(0, fd);
	snprintf(want, sizeof(want), " size=%lu ino=%llu\n",
		 (unsigned long)PAGE, buffer_ino(fd));
	line = strstr(text.s, "dma_buf_export: ");
	ASSERT_NE(NULL, line);
	EXPECT_NE(NULL, strstr(line, want));
	text_free(&text);
	close(fd);
	trace_close();
}

TEST_HARNESS_MAIN
