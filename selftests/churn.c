// SPDX-License-Identifier: GPL-2.0
/* The list while buffers come and go, and with many readers. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "common.h"

#define CHURNERS	3
#define RING		24
#define KEEPERS		150
#define SECONDS		3

static bool stopped;
static unsigned long nr_exports;

static bool stopping(void)
{
	return __atomic_load_n(&stopped, __ATOMIC_RELAXED);
}

/* Exports, names and releases at random; some stay pinned for a while */
static void *churner(void *arg)
{
	unsigned int seed = (unsigned long)arg, slot, i;
	enum exporter exporter = some_exporter(seed);
	void *failure = NULL;
	int fds[RING], fd;

	for (i = 0; i < RING; i++)
		fds[i] = -1;
	while (!stopping() && !failure) {
		slot = rand_r(&seed) % RING;
		close(fds[slot]);
		fd = buffer_new(exporter, (rand_r(&seed) % 3 + 1) * PAGE);
		if (fd < 0 || !buffer_set_name(fd, "churn\n"))
			failure = "export failed";
		__atomic_fetch_add(&nr_exports, 1, __ATOMIC_RELAXED);
		if (rand_r(&seed) % 4 == 0) {
			fds[slot] = open_path_only(fd);
			close(fd);
		} else {
			fds[slot] = fd;
		}
	}
	for (i = 0; i < RING; i++)
		close(fds[i]);
	return failure;
}

/* Churning threads, and buffers that stay all the time between theirs */
struct load {
	unsigned long long inos[KEEPERS];
	pthread_t threads[CHURNERS];
	int fds[KEEPERS];
};

static bool load_start(struct load *load)
{
	unsigned long i;
	int fd;

	for (i = 0; i < NR_EXPORTERS; i++)
		exporter_there(i);	/* opens it before threads start */
	stopped = false;
	nr_exports = 0;
	for (i = 0; i < CHURNERS; i++)
		if (pthread_create(&load->threads[i], NULL, churner, (void *)i))
			return false;
	for (i = 0; i < KEEPERS; i++) {
		fd = buffer_new(some_exporter(i), PAGE);
		if (fd < 0 || !buffer_set_name(fd, "keeper"))
			return false;
		load->fds[i] = fd;
		load->inos[i] = buffer_ino(fd);
		if (i % 10 == 0)
			usleep(2000);
	}
	return true;
}

static bool load_stop(struct load *load)
{
	void *failure;
	bool ok = nr_exports;
	int i;

	__atomic_store_n(&stopped, true, __ATOMIC_RELAXED);
	for (i = 0; i < CHURNERS; i++) {
		pthread_join(load->threads[i], &failure);
		ok &= !failure;
	}
	ksft_print_msg("%lu exports meanwhile\n", nr_exports);
	ok &= exact(KEEPERS, KEEPERS * PAGE);
	for (i = 0; i < KEEPERS; i++)
		close(load->fds[i]);
	return exact(0, 0) && ok;
}

FIXTURE(churn)
{
	struct load load;
};

FIXTURE_VARIANT(churn)
{
	size_t chunk;
};

FIXTURE_VARIANT_ADD(churn, single_bytes) { .chunk = 1 };
FIXTURE_VARIANT_ADD(churn, parts_of_fields) { .chunk = 7 };
FIXTURE_VARIANT_ADD(churn, about_a_row) { .chunk = 64 };
FIXTURE_VARIANT_ADD(churn, a_page) { .chunk = 4096 };
FIXTURE_VARIANT_ADD(churn, all_at_once) { .chunk = 65536 };

FIXTURE_SETUP(churn)
{
	ASSERT_TRUE(load_start(&self->load));
}

FIXTURE_TEARDOWN(churn)
{
	EXPECT_TRUE(load_stop(&self->load));
}

/*
 * Buffers that exist all the time appear once, those exported after the first
 * read do not appear, and the listing ends even if exporters are faster.
 */
static const char *listing(const char *path, size_t chunk,
			   const unsigned long long *inos)
{
	int fd = open(path, O_RDONLY), later;
	const char *fault = "not read";
	struct text text = { 0 };
	ssize_t got;

	got = text_append(fd, chunk, &text);
	later = buffer_new(some_exporter(0), PAGE);
	if (got > 0 && later >= 0 && text_rest(fd, chunk, &text))
		fault = keepers_fault(&text, inos, KEEPERS,
				      buffer_ino(later) - 1);
	close(later);
	close(fd);
	text_free(&text);
	return fault;
}

TEST_F_TIMEOUT(churn, exactly_once, 180)
{
	const char *fault = NULL;
	double begin = now();
	int listings = 0;

	while (!fault && (now() - begin < SECONDS || listings < 3)) {
		fault = listing(LIST_PROC, variant->chunk, self->load.inos);
		listings++;
	}
	ksft_print_msg("%d listings\n", listings);
	EXPECT_EQ(NULL, fault) {
		TH_LOG("%s", fault);
	}
}

struct reader {
	const unsigned long long *inos;
	const char *path, *fault;
	size_t chunk;
	int fd;
};

static void *read_again(void *arg)
{
	struct reader *reader = arg;
	double begin = now();

	while (!reader->fault && now() - begin < SECONDS)
		reader->fault = listing(reader->path, reader->chunk,
					reader->inos);
	return NULL;
}

FIXTURE(readers)
{
	struct load load;
};

FIXTURE_SETUP(readers)
{
	ASSERT_TRUE(load_start(&self->load));
}

FIXTURE_TEARDOWN(readers)
{
	EXPECT_TRUE(load_stop(&self->load));
}

TEST_F_TIMEOUT(readers, exactly_once_for_each_of_several, 180)
{
	static const size_t chunks[] = { 11, 300, 4096, 65536 };
	struct reader readers[ARRAY_LEN(chunks)];
	pthread_t threads[ARRAY_LEN(chunks)];
	size_t i;

	for (i = 0; i < ARRAY_LEN(chunks); i++) {
		readers[i] = (struct reader) {
			.inos = self->load.inos,
			.chunk = chunks[i],
			.path = i % 2 && mount_debugfs() ? LIST_DEBUG :
							   LIST_PROC,
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, read_again,
					    &readers[i]));
	}
	for (i = 0; i < ARRAY_LEN(chunks); i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(NULL, readers[i].fault) {
			TH_LOG("%s", readers[i].fault);
		}
	}
}

/* Each of them restarts the listing that the other one is reading */
static void *pread_again(void *arg)
{
	static const char head[] = LIST_HEAD_1 LIST_HEAD_2;
	struct reader *reader = arg;
	double begin = now();
	char buf[4096];

	while (!reader->fault && now() - begin < SECONDS) {
		if (pread(reader->fd, buf, reader->chunk, reader->chunk) < 0)
			reader->fault = "not read elsewhere";
		if (pread(reader->fd, buf, 100, 0) < (ssize_t)strlen(head) ||
		    memcmp(buf, head, strlen(head)))
			reader->fault = "no beginning at offset 0";
	}
	return NULL;
}

TEST_F_TIMEOUT(readers, several_of_one_open_file, 180)
{
	struct reader readers[3];
	pthread_t threads[3];
	struct text text;
	size_t i;
	int fd;

	fd = open(LIST_PROC, O_RDONLY);
	ASSERT_LE(0, fd);
	for (i = 0; i < 3; i++) {
		readers[i] = (struct reader) { .fd = fd, .chunk = 1000 * i };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, pread_again,
					    &readers[i]));
	}
	for (i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(NULL, readers[i].fault) {
			TH_LOG("%s", readers[i].fault);
		}
	}
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	ASSERT_TRUE(text_read(fd, 500, &text));
	EXPECT_EQ(NULL, keepers_fault(&text, self->load.inos, KEEPERS, ~0ULL));
	text_free(&text);
	close(fd);
}

/* What must hold at any time, given the order of the reads */
TEST_F_TIMEOUT(readers, counters_at_any_moment, 180)
{
	unsigned long long nr, bytes, peak, exported, exported_bytes;
	bool with_peak = peak_there();
	unsigned long long last = 0, last_bytes = 0;
	double begin = now();

	while (now() - begin < SECONDS) {
		ASSERT_TRUE(counter_read("nr_buffers", &nr));
		ASSERT_LE(KEEPERS, nr);
		if (with_peak) {
			ASSERT_TRUE(counter_read("nr_exported", &exported));
			ASSERT_LE(nr, exported);
			ASSERT_LE(last, exported);
			last = exported;
		}

		ASSERT_TRUE(counter_read("bytes", &bytes));
		ASSERT_LE(KEEPERS * PAGE, bytes);
		if (!with_peak)
			continue;
		ASSERT_TRUE(counter_read("peak_bytes", &peak));
		ASSERT_TRUE(counter_read("bytes_exported", &exported_bytes));
		ASSERT_LE(bytes, peak);
		ASSERT_LE(peak, exported_bytes);
		ASSERT_LE(last_bytes, exported_bytes);
		last_bytes = exported_bytes;
	}
}

/* bufinfo still shows each open buffer exactly once */
TEST_F_TIMEOUT(readers, bufinfo, 180)
{
	double begin = now();
	struct text text;
	char *line;
	int found;

	if (access(BUFINFO, F_OK))
		SKIP(return, "no bufinfo here");
	while (now() - begin < SECONDS) {
		ASSERT_TRUE(text_read_path(BUFINFO, &text));
		found = 0;
		line = text.s;
		while ((line = strstr(line, "\tkeeper\n"))) {
			found++;
			line++;
		}
		ASSERT_EQ(KEEPERS, found);
		text_free(&text);
	}
}

#define PARKED	200
#define PARKED_BUFFERS	300

/*
 * Readers paused anywhere in the list delay neither exports nor other readers,
 * and resume where they stopped.
 */
TEST(parked_readers)
{
	int old[PARKED_BUFFERS], new[PARKED_BUFFERS], fds[PARKED];
	unsigned long long inos[PARKED_BUFFERS], first_new;
	struct text texts[PARKED] = { 0 };
	struct list list;
	size_t i, j, len, nr;
	ssize_t got;

	for (i = 0; i < PARKED_BUFFERS; i++) {
		old[i] = buffer_new(some_exporter(i), PAGE);
		ASSERT_LE(0, old[i]);
		inos[i] = buffer_ino(old[i]);
	}
	for (i = 0; i < PARKED; i++) {
		fds[i] = open(i % 2 && mount_debugfs() ? LIST_DEBUG : LIST_PROC,
			      O_RDONLY);
		ASSERT_LE(0, fds[i]);
		for (len = i * 40 + 1; texts[i].len < len;) {
			got = text_append(fds[i], len - texts[i].len,
					  &texts[i]);
			ASSERT_LT(0, got);
		}
	}

	for (i = 0; i < PARKED_BUFFERS; i++) {
		new[i] = buffer_new(some_exporter(i), PAGE);
		ASSERT_LE(0, new[i]);
	}
	first_new = buffer_ino(new[0]);
	nr = 2 * PARKED_BUFFERS;
	EXPECT_TRUE(exact(nr, nr * PAGE));
	/* Release every other buffer, at which some of the readers are */
	for (i = 0; i < PARKED_BUFFERS; i += 2)
		close(old[i]);
	nr -= PARKED_BUFFERS / 2;
	EXPECT_TRUE(exact(nr, nr * PAGE));

	for (i = 0; i < PARKED; i++) {
		ASSERT_TRUE(text_rest(fds[i], 4096, &texts[i]));
		ASSERT_TRUE(list_parse(&texts[i], &list));
		for (j = 1; j < PARKED_BUFFERS; j += 2)
			ASSERT_NE(NULL, list_find(&list, inos[j]));
		ASSERT_GT(first_new, list.rows[list.nr - 1].ino);
		list_free(&list);
		text_free(&texts[i]);
		close(fds[i]);
	}
	for (i = 0; i < PARKED_BUFFERS; i++) {
		close(new[i]);
		if (i % 2)
			close(old[i]);
	}
	EXPECT_TRUE(exact(0, 0));
}

TEST_HARNESS_MAIN
