// SPDX-License-Identifier: GPL-2.0
/* /sys/kernel/dmabuf/stats: the counters, and the reset of the peak. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "common.h"

#define MANY	3000

FIXTURE(counters) {};

EXPORTER_VARIANTS(counters);

FIXTURE_SETUP(counters)
{
}

FIXTURE_TEARDOWN(counters)
{
}

TEST_EXPORTER_TIMEOUT(counters, exact_over_thousands, 180)
{
	unsigned long long bytes = 0, ever = 0;
	struct counters before, now;
	size_t i, size, nr = 0;
	int fds[MANY];

	ASSERT_TRUE(exact(0, 0));
	ASSERT_TRUE(counters_read(&before));

	for (i = 0; i < MANY; i++) {
		size = (i % 4 + 1) * PAGE;
		fds[i] = buffer_new(variant->exporter, size);
		ASSERT_LE(0, fds[i]);
		bytes += size;
		nr++;
	}
	ever = bytes;
	ASSERT_TRUE(exact(nr, bytes));
	ASSERT_TRUE(counters_read(&now));
	if (peak_there()) {
		EXPECT_LE(nr, now.nr_exported - before.nr_exported);
		EXPECT_LE(ever, now.bytes_exported - before.bytes_exported);
	}

	/* Every third one, to leave gaps everywhere */
	for (i = 0; i < MANY; i += 3) {
		close(fds[i]);
		bytes -= (i % 4 + 1) * PAGE;
		nr--;
	}
	ASSERT_TRUE(exact(nr, bytes));

	for (i = 0; i < MANY; i++)
		if (i % 3)
			close(fds[i]);
	ASSERT_TRUE(exact(0, 0));
}

/*
 * Other tasks may export and release at any time, and the counters do not
 * show which task did: retry until no other task interferes.
 */
TEST_EXPORTER(counters, one_buffer_is_counted_once)
{
	size_t size = 5 * PAGE;
	struct counters before, with, now;
	bool good = false;
	int i, fd;

	for (i = 0; i < 100 && !good; i++) {
		ASSERT_TRUE(counters_read(&before));
		fd = buffer_new(variant->exporter, size);
		ASSERT_LE(0, fd);
		ASSERT_TRUE(counters_read(&with));
		close(fd);
		ASSERT_TRUE(counters_read(&now));

		good = with.nr_buffers == before.nr_buffers + 1 &&
		       with.bytes == before.bytes + size &&
		       now.nr_buffers == before.nr_buffers &&
		       now.bytes == before.bytes &&
		       now.nr_exported == with.nr_exported &&
		       now.bytes_exported == with.bytes_exported;
		if (peak_there())
			good &= with.nr_exported == before.nr_exported + 1 &&
				with.bytes_exported ==
					before.bytes_exported + size;
	}
	EXPECT_TRUE(good);
}

/* The size counted is the one that the buffer reports */
TEST_EXPORTER(counters, size_is_the_buffers_own)
{
	struct row row;
	int fd;

	fd = buffer_new(variant->exporter, 3 * PAGE);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(row_of(fd, &row));
	EXPECT_EQ(3 * PAGE, buffer_size(fd));
	EXPECT_EQ(buffer_size(fd), row.size);
	close(fd);
}

TEST_EXPORTER(counters, peak_is_the_highest)
{
	size_t high = 64 * PAGE, low = 16 * PAGE;
	unsigned long long base, peak;
	struct counters before, now;
	bool good = false;
	int i, first, second;

	if (!peak_there())
		SKIP(return, "no peak on this kernel");
	for (i = 0; i < 100 && !good; i++) {
		ASSERT_EQ(1, peak_write("0", 1));
		ASSERT_TRUE(counters_read(&before));
		base = before.bytes;
		good = before.peak_bytes == base;

		/* Up, down, half way up again: the first peak stays */
		first = buffer_new(variant->exporter, high);
		ASSERT_LE(0, first);
		ASSERT_TRUE(counter_read("peak_bytes", &peak));
		good &= peak == base + high;
		close(first);
		second = buffer_new(variant->exporter, low);
		ASSERT_LE(0, second);
		ASSERT_TRUE(counter_read("peak_bytes", &peak));
		good &= peak == base + high;

		/* A reset is to the current bytes, not to 0 */
		ASSERT_EQ(1, peak_write("0", 1));
		ASSERT_TRUE(counter_read("peak_bytes", &peak));
		good &= peak == base + low;
		close(second);
		ASSERT_TRUE(counter_read("peak_bytes", &peak));
		good &= peak == base + low;

		ASSERT_EQ(1, peak_write("0", 1));
		ASSERT_TRUE(counters_read(&now));
		good &= now.peak_bytes == base && now.bytes == base &&
			now.nr_exported == before.nr_exported + 2;
	}
	EXPECT_TRUE(good);
}

TEST(value_and_newline)
{
	static const char * const files[] = {
		"nr_buffers", "bytes", "peak_bytes", "nr_exported",
		"bytes_exported"
	};
	unsigned long long value;
	char byte, path[64];
	size_t i;
	int fd;

	for (i = 0; i < (peak_there() ? ARRAY_LEN(files) : 2); i++) {
		/* counter_read() refuses anything else */
		EXPECT_TRUE(counter_read(files[i], &value));

		snprintf(path, sizeof(path), STATS_DIR "%s", files[i]);
		fd = open(path, O_RDONLY);
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, pread(fd, &byte, 1, 32));
		close(fd);
	}
}

/* Raises the peak above the current bytes, so that a reset is visible */
static bool peak_above(struct counters *c)
{
	int fd;

	fd = buffer_new(any_exporter(), 32 * PAGE);
	if (fd < 0)
		return false;
	close(fd);
	return counters_read(c);
}

TEST(zero_resets)
{
	static const char * const zeros[] = {
		"0", "0\n", "+0", "+0\n", "000", "00000000\n",
		"0000000000000000000000000000000000000000",
	};
	struct counters c;
	bool good;
	size_t i;
	int j;

	if (!peak_there())
		SKIP(return, "no peak on this kernel");
	for (i = 0; i < ARRAY_LEN(zeros); i++) {
		good = false;
		for (j = 0; j < 100 && !good; j++) {
			ASSERT_TRUE(peak_above(&c));
			good = c.bytes < c.peak_bytes;
			ASSERT_EQ((ssize_t)strlen(zeros[i]),
				  peak_write(zeros[i], strlen(zeros[i])));
			ASSERT_TRUE(counters_read(&c));
			good &= c.bytes == c.peak_bytes;
		}
		EXPECT_TRUE(good) {
			TH_LOG("'%s' did not reset", zeros[i]);
		}
	}
}

TEST(other_text_is_refused)
{
	static const char * const texts[] = {
		"\n", "1", "1\n", "-0", "-1", "0x0", "0x", "00x0", "abc",
		" 0", "0 ", "0\n\n", "0\n ", "\t0", "++0", "+", "-", "+ 0",
		"0 0", "0,0", "0.0", "0a", "4096", "01", "0b0", "0o0",
		"18446744073709551615", "18446744073709551616",
		"18446744073709551616\n", "99999999999999999999999999999999",
		"reset", "none", "max",
	};
	unsigned long long peak;
	struct counters c;
	char digits[3000];
	size_t i;

	if (!peak_there())
		SKIP(return, "no peak on this kernel");
	ASSERT_TRUE(peak_above(&c));
	for (i = 0; i < ARRAY_LEN(texts); i++) {
		EXPECT_EQ(-1, peak_write(texts[i], strlen(texts[i]))) {
			TH_LOG("'%s' was taken", texts[i]);
		}
		EXPECT_EQ(EINVAL, errno);
	}
	memset(digits, '1', sizeof(digits));
	EXPECT_EQ(-1, peak_write(digits, sizeof(digits)));
	EXPECT_EQ(EINVAL, errno);

	/* The kernel may accept or refuse an empty write, but must not reset */
	EXPECT_GE(0, peak_write("", 0));

	ASSERT_TRUE(counter_read("peak_bytes", &peak));
	EXPECT_LE(c.peak_bytes, peak);
}

/* A reset is visible through files that were already open */
TEST(peak_is_shared)
{
	unsigned long long seen;
	struct counters c;
	bool good = false;
	char text[32];
	ssize_t len;
	int fd, i;

	if (!peak_there())
		SKIP(return, "no peak on this kernel");
	fd = open(STATS_DIR "peak_bytes", O_RDONLY);
	ASSERT_LE(0, fd);
	for (i = 0; i < 100 && !good; i++) {
		ASSERT_TRUE(peak_above(&c));
		ASSERT_LT(0, pread(fd, text, sizeof(text) - 1, 0));
		ASSERT_EQ(2, peak_write("0\n", 2));
		ASSERT_TRUE(counters_read(&c));
		len = pread(fd, text, sizeof(text) - 1, 0);
		ASSERT_LT(0, len);
		text[len] = '\0';
		seen = strtoull(text, NULL, 10);
		good = seen == c.peak_bytes && seen == c.bytes;
	}
	EXPECT_TRUE(good);
	close(fd);
}

/* On 32-bit, a DRM device has room for 4 GiB only, so use two, if possible */
static int big_buffer(int other, int i, size_t size)
{
	return other >= 0 && i % 2 ? drm_buffer_new(other, size) :
				     buffer_new(VGEM, size);
}

/* Sums have 64 bits on all machines; testing that takes no pages */
TEST(sums_exceed_32_bits)
{
	const unsigned long long size = 1ULL << 28, all = 24 * size;
	struct counters before, now;
	struct list list;
	bool good = false;
	int i, j, fds[24], other;

	if (!exporter_there(VGEM))
		SKIP(return, "no such exporter here");
	other = drm_open("vkms");
	for (j = 0; j < 100 && !good; j++) {
		if (peak_there())
			ASSERT_EQ(1, peak_write("0", 1));
		ASSERT_TRUE(counters_read(&before));
		for (i = 0; i < 24; i++) {
			fds[i] = big_buffer(other, i, size);
			ASSERT_LE(0, fds[i]);
		}
		ASSERT_TRUE(snapshot(&now, &list));
		good = now.bytes - before.bytes == all;
		if (peak_there())
			good &= now.peak_bytes - before.peak_bytes == all &&
				now.bytes_exported - before.bytes_exported ==
					all;
		EXPECT_EQ(now.bytes, list.bytes);
		list_free(&list);
		for (i = 0; i < 24; i++)
			close(fds[i]);
		ASSERT_TRUE(counters_read(&now));
		good &= now.bytes == before.bytes;
		if (peak_there())
			good &= now.peak_bytes - before.peak_bytes == all;
	}
	EXPECT_TRUE(good);
	if (other >= 0)
		close(other);
}

struct reader {
	pthread_t thread;
	unsigned long long low, high, other;
	bool *stop;
	unsigned long long seen[2];
};

static void *read_bytes(void *arg)
{
	struct reader *reader = arg;
	unsigned long long value;
	char text[32];
	ssize_t len;
	int fd;

	fd = open(STATS_DIR "bytes", O_RDONLY);
	while (fd >= 0 && !__atomic_load_n(reader->stop, __ATOMIC_RELAXED)) {
		len = pread(fd, text, sizeof(text) - 1, 0);
		if (len <= 0)
			break;
		text[len] = '\0';
		value = strtoull(text, NULL, 10);
		if (value == reader->low)
			reader->seen[0]++;
		else if (value == reader->high)
			reader->seen[1]++;
		else
			reader->other = value;
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* A sum that crosses 2^32 back and forth is never torn */
TEST(never_torn)
{
	const unsigned long long limit = 1ULL << 32, part = 1ULL << 28;
	struct reader readers[2] = {};
	bool stop = false;
	struct counters c;
	int fds[17], nr = 0, other, fd, i;
	double end;

	if (!exporter_there(VGEM))
		SKIP(return, "no such exporter here");
	other = drm_open("vkms");
	ASSERT_TRUE(counters_read(&c));
	while (c.bytes < limit - PAGE && nr < 17) {
		unsigned long long size = limit - PAGE - c.bytes;

		size = size < part ? size : part;
		fds[nr] = big_buffer(other, nr, size);
		ASSERT_LE(0, fds[nr]);
		nr++;
		c.bytes += size;
	}
	ASSERT_EQ(limit - PAGE, c.bytes);
	for (i = 0; i < 2; i++) {
		readers[i].low = c.bytes;
		readers[i].high = c.bytes + 2 * PAGE;
		readers[i].stop = &stop;
		ASSERT_EQ(0, pthread_create(&readers[i].thread, NULL,
					    read_bytes, &readers[i]));
	}
	/* Debug kernels are slow */
	end = now() + 10;
	for (i = 0; i < 3000 && now() < end; i++) {
		fd = buffer_new(VGEM, 2 * PAGE);
		EXPECT_LE(0, fd);
		close(fd);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++) {
		pthread_join(readers[i].thread, NULL);
		EXPECT_EQ(0, readers[i].other);
		EXPECT_LT(0, readers[i].seen[0]);
		EXPECT_LT(0, readers[i].seen[1]);
	}
	while (nr--)
		close(fds[nr]);
	if (other >= 0)
		close(other);
}

/* The line in show_mem(), triggered by SysRq */
TEST(show_mem)
{
	char line[1024], want[128];
	struct counters c;
	bool good = false;
	ssize_t len;
	int fd, i;

	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (fd < 0 || access("/proc/sysrq-trigger", W_OK))
		SKIP(return, "no SysRq or no /dev/kmsg here");
	for (i = 0; i < 100 && !good; i++) {
		lseek(fd, 0, SEEK_END);
		ASSERT_TRUE(counters_read(&c));
		snprintf(want, sizeof(want), "%llu dma-bufs, %llu bytes",
			 c.nr_buffers, c.bytes);
		ASSERT_TRUE(text_put("/proc/sysrq-trigger", "m"));
		while ((len = read(fd, line, sizeof(line) - 1)) > 0) {
			line[len] = '\0';
			good |= !!strstr(line, want);
		}
	}
	EXPECT_TRUE(good);
	close(fd);
}

TEST_HARNESS_MAIN
