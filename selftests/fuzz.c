// SPDX-License-Identifier: GPL-2.0
/*
 * Random writes to the peak, random reads of the list, and thousands of buffers
 * that are closed but pinned. DMABUF_STATS_INPUTS sets the number of inputs,
 * DMABUF_STATS_SEED the seed. Random names are tested in names.c.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "common.h"

#define BUFFERS		150
#define FILES		4
#define HELD		2000

/* What kstrtou64() in base 10 reads as 0: a sign, digits, one newline */
static bool is_zero(const char *s)
{
	size_t digits;

	s += *s == '+';
	digits = strspn(s, "0");
	s += digits;
	s += *s == '\n';
	return digits && !*s;
}

/* Mostly bytes that matter, and an occasional NUL */
static size_t random_text(unsigned int *random, char *text, size_t room)
{
	static const char bytes[] = "000000++-\n\n 1x";
	size_t len = rand_r(random) % (room - 1) + 1, i;

	/* Short inputs have a chance of being accepted */
	if (rand_r(random) % 4)
		len = len % 5 + 1;
	for (i = 0; i < len; i++)
		text[i] = rand_r(random) % 16 ?
			  bytes[rand_r(random) % sizeof(bytes)] :
			  rand_r(random);
	text[len] = '\0';
	return len;
}

FIXTURE(fuzz)
{
	unsigned int random, nr;
	int fds[BUFFERS];
};

FIXTURE_SETUP(fuzz)
{
	enum exporter exporter = any_exporter();
	size_t i;

	self->random = seed();
	self->nr = inputs(2000);
	for (i = 0; i < BUFFERS; i++) {
		self->fds[i] = buffer_new(exporter, PAGE);
		ASSERT_LE(0, self->fds[i]);
	}
}

FIXTURE_TEARDOWN(fuzz)
{
	size_t i;

	for (i = 0; i < BUFFERS; i++)
		close(self->fds[i]);
	EXPECT_TRUE(exact(0, 0));
}

/* A write either resets the peak or is refused */
TEST_F_TIMEOUT(fuzz, peak_writes, 36000)
{
	unsigned int i, taken = 0;
	char text[80];
	size_t len;
	bool ok;

	if (!peak_there())
		SKIP(return, "no peak on this kernel");
	for (i = 0; i < self->nr; i++) {
		len = random_text(&self->random, text, sizeof(text));
		ok = peak_write(text, len) == (ssize_t)len;
		taken += ok;
		ASSERT_EQ(is_zero(text), ok) {
			TH_LOG("input %u, '%s'", i, text);
		}
	}
	ksft_print_msg("%u writes tried, %u of them taken\n", i, taken);
	EXPECT_LT(0, taken);
	EXPECT_GT(i, taken);
	EXPECT_TRUE(exact(BUFFERS, BUFFERS * PAGE));
}

/* A read must return the text at OFFSET, up to LEN bytes */
static bool as_it_is(const struct text *list, off_t offset, const char *got,
		     ssize_t len)
{
	if (offset >= (off_t)list->len)
		return !len;
	return len > 0 && len <= (ssize_t)(list->len - offset) &&
	       !memcmp(list->s + offset, got, len);
}

/*
 * Other tasks may export and release at any time. The list then differs, but
 * the rows of this process do not change.
 */
static bool changed_by_others(struct text *list)
{
	const char *line, *next;
	struct text now;
	bool is;
	int pid;

	if (!text_read_path(LIST_PROC, &now))
		return false;
	is = strcmp(now.s, list->s);
	for (line = list->s; *line; line = next) {
		next = strchrnul(line, '\n');
		next += !!*next;
		if (sscanf(line, "%*u %*u %*u %*u %*s %d", &pid) == 1 &&
		    pid == getpid() &&
		    !memmem(now.s, now.len, line, next - line))
			is = false;
	}
	text_free(list);
	*list = now;
	return is;
}

/*
 * While no buffer comes or goes, a read at an offset always returns the same,
 * no matter how the offset was reached.
 */
TEST_F_TIMEOUT(fuzz, list_operations, 36000)
{
	static const char * const paths[] = { LIST_PROC, LIST_DEBUG };
	unsigned int i, j, op, done[7] = { 0 };
	int files[FILES], file, copy, status;
	off_t at[FILES], offset;
	struct text list;
	char buf[9000];
	ssize_t got;
	size_t len;
	pid_t pid;
	bool ok;

	/* A child would hold references to open files, too */
	for (i = 0; i < BUFFERS; i++) {
		copy = open_path_only(self->fds[i]);
		ASSERT_LE(0, copy);
		close(self->fds[i]);
		self->fds[i] = copy;
	}
	ASSERT_TRUE(text_read_path(LIST_PROC, &list));
	for (i = 0; i < FILES; i++) {
		files[i] = open(paths[i % 2 && !access(paths[1], F_OK)],
				O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, files[i]);
		at[i] = 0;
	}
	for (i = 0; i < self->nr; i++) {
		file = rand_r(&self->random) % FILES;
		op = rand_r(&self->random) % ARRAY_LEN(done);
		len = rand_r(&self->random) % 3 ?
		      rand_r(&self->random) % 200 + 1 :
		      rand_r(&self->random) % sizeof(buf) + 1;
		offset = rand_r(&self->random) % (list.len + 1000);
		/* Processes are expensive */
		if (op == 6 && rand_r(&self->random) % 20)
			op = 0;
		done[op]++;
		ok = true;
		switch (op) {
		case 0 ... 1:
			got = read(files[file], buf, len);
			ok = as_it_is(&list, at[file], buf, got);
			at[file] += got;
			break;
		case 2:
			got = pread(files[file], buf, len, offset);
			ok = as_it_is(&list, offset, buf, got);
			break;
		case 3:
			if (rand_r(&self->random) % 4 == 0)
				offset = 0;
			ASSERT_EQ(offset, lseek(files[file], offset, SEEK_SET));
			at[file] = offset;
			break;
		case 4:
			offset = at[file] + rand_r(&self->random) % 100;
			ASSERT_EQ(offset, lseek(files[file], offset - at[file],
						SEEK_CUR));
			at[file] = offset;
			break;
		case 5:
			copy = dup(files[file]);
			ASSERT_LE(0, copy);
			close(files[file]);
			files[file] = copy;
			break;
		default:
			pid = fork();
			if (!pid) {
				got = read(files[file], buf, len);
				_exit(!as_it_is(&list, at[file], buf, got));
			}
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
			ok = !status;
			/* They share the offset */
			at[file] = lseek(files[file], 0, SEEK_CUR);
			ASSERT_LE(0, at[file]);
		}
		if (ok)
			continue;
		ASSERT_TRUE(changed_by_others(&list)) {
			TH_LOG("input %u: a read by operation %u", i, op);
		}
		for (j = 0; j < FILES; j++) {
			ASSERT_EQ(0, lseek(files[j], 0, SEEK_SET));
			at[j] = 0;
		}
	}
	ksft_print_msg("%u operations tried\n", i);
	for (i = 0; i < ARRAY_LEN(done); i++)
		EXPECT_LT(0, done[i]);
	for (i = 0; i < FILES; i++)
		close(files[i]);
	text_free(&list);
}

static bool bufinfo_once(void)
{
	struct text text;

	if (!text_read_path(BUFINFO, &text))
		return false;
	text_free(&text);
	return true;
}

static bool export_once(void)
{
	int fd = buffer_new(any_exporter(), PAGE);

	return fd >= 0 && !close(fd);
}

/* CPU time of this thread in seconds, independent of other load */
static double ran(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Microseconds in the best of several stretches; the clock may be coarse */
static long microseconds(bool (*run)(void))
{
	double begin, took, best = 1e9;
	int i, nr;

	for (i = 0; i < 5; i++) {
		begin = ran();
		nr = 0;
		do {
			if (!run())
				return 0;
			nr++;
			took = ran() - begin;
		} while (took < 0.2);
		if (took / nr < best)
			best = took / nr;
	}
	return best * 1e6 + 1;
}

/*
 * Thousands of closed but pinned buffers slow down neither exports nor walks of
 * the open ones, as in bufinfo and the BPF iterator. A walk that visited them,
 * too, would take dozens of times as long.
 */
TEST_F_TIMEOUT(fuzz, closed_but_held_cost_nothing, 300)
{
	long before[2], after[2];
	int held[HELD], fd, i;

	if (access(BUFINFO, F_OK))
		SKIP(return, "no bufinfo here");
	before[0] = microseconds(export_once);
	before[1] = microseconds(bufinfo_once);
	for (i = 0; i < HELD; i++) {
		fd = buffer_new(any_exporter(), PAGE);
		ASSERT_LE(0, fd);
		held[i] = open_path_only(fd);
		ASSERT_LE(0, held[i]);
		close(fd);
	}
	after[0] = microseconds(export_once);
	after[1] = microseconds(bufinfo_once);
	ksft_print_msg("us for an export: %ld, then %ld; for bufinfo: %ld, then %ld\n",
		       before[0], after[0], before[1], after[1]);
	for (i = 0; i < 2; i++) {
		EXPECT_LT(0, before[i]);
		EXPECT_LT(0, after[i]);
		EXPECT_GT(5 * before[i], after[i]);
	}
	EXPECT_TRUE(exact(BUFFERS + HELD, (BUFFERS + HELD) * PAGE));
	for (i = 0; i < HELD; i++)
		close(held[i]);
}

TEST_HARNESS_MAIN
