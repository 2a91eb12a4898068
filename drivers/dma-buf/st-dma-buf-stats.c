// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the index, the totals and the list of dma-bufs: what userspace
 * cannot reach
 *
 * Other buffers may exist, but none may come or go while the tests run.
 */

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/dcache.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/path.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#include "dma-buf-index.h"

#define STATS_NR_BUFS		160
#define STATS_NR_ROWS		60	/* some are released while they are listed */
#define STATS_NR_WORKERS	8
#define STATS_NR_CHURN		100	/* buffers that a worker releases at once */
#define STATS_NR_HELD		8	/* buffers that a worker holds */
#define STATS_TIMEOUT		(20 * HZ)
#define STATS_TEXT_SIZE		SZ_256K

struct stats_totals {
	u64 nr_buffers;
	u64 bytes;
	u64 peak_bytes;
	u64 nr_exported;
	u64 bytes_exported;
};

struct stats_buf {
	struct dma_buf *dmabuf;	/* NULL if the test has no reference */
	u64 ino;
	void (*on_release)(struct stats_buf *buf, struct dma_buf *dmabuf);
	struct completion released;
	void *data;		/* for @on_release */
};

struct stats_worker {
	struct work_struct work;
	struct stats_test *ctx;
	struct stats_buf churn;
	struct stats_buf held[STATS_NR_HELD];
	u64 numbers[STATS_NR_CHURN + STATS_NR_HELD];
	size_t size;
	struct completion ready;	/* setup is done */
	const char *error;
};

struct stats_test {
	struct stats_totals base;	/* when the test began */
	u64 last;			/* last number assigned before it */
	unsigned int nr;
	struct stats_buf bufs[STATS_NR_BUFS];
	struct workqueue_struct *wq;
	struct stats_worker workers[STATS_NR_WORKERS];
	struct completion entered;	/* a release callback is running */
	struct completion go;
	struct dma_buf_index_node cursor;	/* removed even if the test aborts */
	bool has_cursor;
	char text[STATS_TEXT_SIZE];
};

static void stats_get_totals(struct stats_totals *totals)
{
	totals->nr_buffers = atomic64_read(&dma_buf_totals.nr_buffers);
	totals->bytes = atomic64_read(&dma_buf_totals.bytes);
	totals->peak_bytes = atomic64_read(&dma_buf_totals.peak_bytes);
	totals->nr_exported = atomic64_read(&dma_buf_totals.nr_exported);
	totals->bytes_exported = atomic64_read(&dma_buf_totals.bytes_exported);
}

static void stats_new_cursor(struct dma_buf_index_node *cursor)
{
	cursor->ino = 0;
	INIT_LIST_HEAD(&cursor->list);
	dma_buf_index_rewind(cursor);
}

/* Like dma_buf_iter_begin() and dma_buf_iter_next(), not in all kernels */
static struct dma_buf *stats_iter_begin(void)
{
	return dma_buf_index_get_older(NULL);
}

static struct dma_buf *stats_iter_next(struct dma_buf *dmabuf)
{
	struct dma_buf *next = dma_buf_index_get_older(dmabuf);

	dma_buf_put(dmabuf);
	return next;
}

/* An exporter without memory */

static struct sg_table *stats_map(struct dma_buf_attachment *attach,
				  enum dma_data_direction dir)
{
	return ERR_PTR(-EIO);
}

static void stats_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			enum dma_data_direction dir)
{
}

static void stats_release(struct dma_buf *dmabuf)
{
	struct stats_buf *buf = dmabuf->priv;

	if (buf->on_release)
		buf->on_release(buf, dmabuf);
	complete_all(&buf->released);
}

static const struct dma_buf_ops stats_ops = {
	.map_dma_buf	= stats_map,
	.unmap_dma_buf	= stats_unmap,
	.release	= stats_release,
};

static int stats_buf_export(struct stats_buf *buf,
			    struct dma_buf_export_info *exp_info)
{
	struct dma_buf *dmabuf;

	init_completion(&buf->released);
	if (!exp_info->ops)
		exp_info->ops = &stats_ops;
	exp_info->flags = O_RDWR;
	exp_info->priv = buf;
	dmabuf = dma_buf_export(exp_info);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	buf->dmabuf = dmabuf;
	buf->ino = to_dma_buf_entry(dmabuf)->node.ino;
	return 0;
}

static int stats_buf_export_size(struct stats_buf *buf, size_t size)
{
	DEFINE_DMA_BUF_EXPORT_INFO(exp_info);

	exp_info.size = size;
	return stats_buf_export(buf, &exp_info);
}

/*
 * In a kernel thread, fput() defers the release to a worker. This does not, so
 * if the reference was the last one, the buffer is gone when this returns.
 */
static void stats_buf_put(struct stats_buf *buf)
{
	struct dma_buf *dmabuf = buf->dmabuf;

	buf->dmabuf = NULL;
	__fput_sync(dmabuf->file);
}

static bool stats_wait(struct completion *done)
{
	return completion_done(done) ||
	       wait_for_completion_timeout(done, STATS_TIMEOUT);
}

static struct stats_buf *stats_export(struct kunit *test,
				      struct dma_buf_export_info *exp_info)
{
	struct stats_test *ctx = test->priv;
	struct stats_buf *buf;

	KUNIT_ASSERT_LT(test, ctx->nr, STATS_NR_BUFS);
	buf = &ctx->bufs[ctx->nr++];
	KUNIT_ASSERT_EQ(test, stats_buf_export(buf, exp_info), 0);
	KUNIT_EXPECT_EQ(test, (unsigned long)buf->ino,
			(unsigned long)file_inode(buf->dmabuf->file)->i_ino);
	return buf;
}

static struct stats_buf *stats_export_size(struct kunit *test, size_t size)
{
	DEFINE_DMA_BUF_EXPORT_INFO(exp_info);

	exp_info.size = size;
	return stats_export(test, &exp_info);
}

static bool stats_find(struct dma_buf_index_node *cursor, u64 ino, u64 last,
		       struct dma_buf_row *row)
{
	bool found = dma_buf_index_find(cursor, ino, last, row);

	rcu_read_unlock();
	return found;
}

/* Not on the stack: a failed assertion ends the thread with the cursor added */
static struct dma_buf_index_node *stats_add_cursor(struct stats_test *ctx)
{
	stats_new_cursor(&ctx->cursor);
	ctx->has_cursor = true;
	return &ctx->cursor;
}

static void stats_del_cursor(struct stats_test *ctx)
{
	if (ctx->has_cursor)
		dma_buf_index_del_cursor(&ctx->cursor);
	ctx->has_cursor = false;
}

static bool stats_find_buf(struct stats_buf *buf, struct dma_buf_row *row)
{
	struct dma_buf_index_node cursor;
	bool found;

	stats_new_cursor(&cursor);
	found = stats_find(&cursor, buf->ino, buf->ino, row);
	dma_buf_index_del_cursor(&cursor);
	return found;
}

/* Expect @nr buffers and @bytes more than when the test began */
static void stats_expect(struct kunit *test, u64 nr, u64 bytes)
{
	struct stats_test *ctx = test->priv;
	struct dma_buf_index_node cursor;
	struct stats_totals totals;
	u64 listed = 0, sum = 0, ino = 1, last;
	struct dma_buf_row row;

	stats_get_totals(&totals);
	KUNIT_EXPECT_EQ(test, totals.nr_buffers, ctx->base.nr_buffers + nr);
	KUNIT_EXPECT_EQ(test, totals.bytes, ctx->base.bytes + bytes);

	stats_new_cursor(&cursor);
	last = dma_buf_index_rewind(&cursor);
	while (stats_find(&cursor, ino, last, &row)) {
		listed++;
		sum += row.size;
		ino = row.ino + 1;
	}
	dma_buf_index_del_cursor(&cursor);
	KUNIT_EXPECT_EQ(test, totals.nr_buffers, listed);
	KUNIT_EXPECT_EQ(test, totals.bytes, sum);
}

/* Wait until others have released all but @nr of the test's buffers */
static void stats_settle(struct kunit *test, u64 nr)
{
	struct stats_test *ctx = test->priv;
	unsigned long end = jiffies + STATS_TIMEOUT;
	struct stats_totals totals;

	do {
		flush_delayed_fput();
		stats_get_totals(&totals);
		if (totals.nr_buffers == ctx->base.nr_buffers + nr)
			return;
		msleep(20);
	} while (time_before(jiffies, end));
	KUNIT_FAIL(test, "buffers were not released");
}

/* Read the list into ctx->text, @chunk bytes at a time */
static int stats_read_list(struct stats_test *ctx, size_t chunk)
{
	size_t len = 0, size = sizeof(ctx->text) - 1;
	struct file file = {};
	struct iov_iter iter;
	struct kiocb iocb;
	struct kvec vec;
	ssize_t ret;

	ret = dma_buf_list_fops.open(NULL, &file);
	if (ret)
		return ret;

	init_sync_kiocb(&iocb, &file);
	do {
		vec.iov_base = ctx->text + len;
		vec.iov_len = min(chunk, size - len);
		iov_iter_kvec(&iter, ITER_DEST, &vec, 1, vec.iov_len);
		ret = seq_read_iter(&iocb, &iter);
		if (ret > 0)
			len += ret;
	} while (ret > 0 && len < size);
	ctx->text[len] = '\0';
	dma_buf_list_fops.release(NULL, &file);

	return len < size ? ret : -E2BIG;
}

/*
 * Expect the columns of @buf in ctx->text from refs on, without the time, to be
 * @rest
 */
static void stats_expect_row(struct kunit *test, struct stats_buf *buf,
			     size_t size, const char *rest)
{
	struct stats_test *ctx = test->priv;
	char start[48], time[24], *row, *end, *at;
	struct dma_buf_row found;
	unsigned int i;

	snprintf(start, sizeof(start), "\n%llu %zu ", buf->ino, size);
	row = strstr(ctx->text, start);
	KUNIT_ASSERT_NOT_NULL_MSG(test, row, "no row of %s", start + 1);
	row += strlen(start);
	end = strchr(row, '\n');
	KUNIT_ASSERT_NOT_NULL(test, end);
	*end = '\0';
	KUNIT_EXPECT_TRUE(test, stats_find_buf(buf, &found));
	snprintf(time, sizeof(time), " %llu ",
		 div_u64(found.time, NSEC_PER_MSEC));
	for (i = 0, at = row; i < 3 && at; i++)
		at = strchr(at + 1, ' ');
	KUNIT_ASSERT_NOT_NULL(test, at);
	KUNIT_EXPECT_EQ(test, strncmp(at, time, strlen(time)), 0);
	KUNIT_EXPECT_EQ(test, strncmp(row, rest, at - row), 0);
	KUNIT_EXPECT_STREQ(test, at + strlen(time), rest + (at - row) + 1);
	*end = '\n';
}

static int stats_init(struct kunit *test)
{
	struct stats_test *ctx = kvzalloc(sizeof(*ctx), GFP_KERNEL);
	unsigned int i;

	if (!ctx)
		return -ENOMEM;
	ctx->wq = alloc_workqueue("dma-buf-stats-test", WQ_UNBOUND, 0);
	if (!ctx->wq) {
		kvfree(ctx);
		return -ENOMEM;
	}
	init_completion(&ctx->entered);
	init_completion(&ctx->go);
	for (i = 0; i < STATS_NR_WORKERS; i++) {
		ctx->workers[i].ctx = ctx;
		init_completion(&ctx->workers[i].ready);
	}
	test->priv = ctx;

	flush_delayed_fput();
	stats_get_totals(&ctx->base);
	stats_new_cursor(&ctx->cursor);
	ctx->last = dma_buf_index_rewind(&ctx->cursor);
	dma_buf_index_del_cursor(&ctx->cursor);
	return 0;
}

static void stats_exit(struct kunit *test)
{
	struct stats_test *ctx = test->priv;
	struct stats_totals totals;
	unsigned int i;

	if (!ctx)
		return;
	stats_del_cursor(ctx);
	complete_all(&ctx->go);
	destroy_workqueue(ctx->wq);
	for (i = 0; i < ctx->nr; i++) {
		if (ctx->bufs[i].dmabuf)
			dma_buf_put(ctx->bufs[i].dmabuf);
	}
	stats_settle(test, 0);
	/* The test frees names of exporters and modules after this */
	synchronize_rcu();

	/* No test may leave anything behind */
	stats_get_totals(&totals);
	KUNIT_EXPECT_EQ(test, totals.nr_buffers, ctx->base.nr_buffers);
	KUNIT_EXPECT_EQ(test, totals.bytes, ctx->base.bytes);

	dma_buf_index_reset_peak();

	/* Leak it rather than let a late release write to freed memory */
	if (totals.nr_buffers == ctx->base.nr_buffers)
		kvfree(ctx);
}

/* Expect this peak and these sums over all exports */
static void stats_expect_exported(struct kunit *test, u64 peak, u64 nr,
				  u64 bytes)
{
	struct stats_test *ctx = test->priv;
	struct stats_totals totals;

	stats_get_totals(&totals);
	KUNIT_EXPECT_EQ(test, totals.peak_bytes, peak);
	KUNIT_EXPECT_EQ(test, totals.nr_exported, ctx->base.nr_exported + nr);
	KUNIT_EXPECT_EQ(test, totals.bytes_exported,
			ctx->base.bytes_exported + bytes);
}

/* Sizes up to the size of the address space; sums modulo 2^64 */
static void stats_test_sizes(struct kunit *test)
{
	static const size_t sizes[] = {
		SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX / 2, SIZE_MAX, 1, 0,
		SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1, PAGE_SIZE,
	};
	struct stats_buf *bufs[ARRAY_SIZE(sizes)];
	struct stats_test *ctx = test->priv;
	struct dma_buf_row row;
	char end[64];
	u64 sum = 0, all, peak;
	int i;

	dma_buf_index_reset_peak();
	peak = ctx->base.bytes;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		bufs[i] = stats_export_size(test, sizes[i]);
		sum += sizes[i];
		peak = max(peak, ctx->base.bytes + sum);
		stats_expect(test, i + 1, sum);
		stats_expect_exported(test, peak, i + 1, sum);
		KUNIT_ASSERT_TRUE(test, stats_find_buf(bufs[i], &row));
		KUNIT_EXPECT_EQ(test, row.size, sizes[i]);
	}

	KUNIT_ASSERT_EQ(test, stats_read_list(ctx, PAGE_SIZE), 0);
	snprintf(end, sizeof(end), "\n# end %llu %llu\n",
		 ctx->base.nr_buffers + i, ctx->base.bytes + sum);
	KUNIT_ASSERT_GE(test, strlen(ctx->text), strlen(end));
	KUNIT_EXPECT_STREQ(test,
			   ctx->text + strlen(ctx->text) - strlen(end), end);

	dma_buf_index_reset_peak();
	all = sum;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		stats_buf_put(bufs[i]);
		sum -= sizes[i];
		stats_expect(test, ARRAY_SIZE(sizes) - 1 - i, sum);
	}
	stats_expect_exported(test, ctx->base.bytes + all, i, all);
	dma_buf_index_reset_peak();
	stats_expect_exported(test, ctx->base.bytes, i, all);
}

static void stats_worker_number(struct stats_worker *worker, int i,
				struct stats_buf *buf)
{
	struct stats_totals totals;

	worker->numbers[i] = buf->ino;
	if (i && buf->ino <= worker->numbers[i - 1])
		worker->error = "numbers do not ascend";

	stats_get_totals(&totals);
	if (totals.nr_exported < buf->ino)
		worker->error = "fewer exported than the number of a buffer";
}

/* Exports and releases, then exports more, to be released on request */
static void stats_export_work(struct work_struct *work)
{
	struct stats_worker *worker =
		container_of(work, struct stats_worker, work);
	int i = 0, nr = 0;

	for (; i < STATS_NR_CHURN; i++) {
		if (stats_buf_export_size(&worker->churn, worker->size)) {
			worker->error = "no export";
			break;
		}
		stats_worker_number(worker, i, &worker->churn);
		stats_buf_put(&worker->churn);
	}
	for (; nr < STATS_NR_HELD; nr++, i++) {
		if (stats_buf_export_size(&worker->held[nr], worker->size)) {
			worker->error = "no export";
			break;
		}
		stats_worker_number(worker, i, &worker->held[nr]);
	}
	complete(&worker->ready);
	wait_for_completion(&worker->ctx->go);
	while (nr--)
		stats_buf_put(&worker->held[nr]);
}

/*
 * Many threads export and release at once: numbers are unique and ascend
 * without gaps, the list is in their order, and the peak is exact.
 */
static void stats_test_threads(struct kunit *test)
{
	const unsigned int nr = STATS_NR_WORKERS *
				ARRAY_SIZE(((struct stats_worker *)0)->numbers);
	struct stats_test *ctx = test->priv;
	struct dma_buf_index_node cursor;
	struct stats_totals totals;
	struct stats_worker *worker;
	unsigned long *seen;
	struct dma_buf_row row;
	u64 bytes = 0, ino, last, number;
	unsigned int i, j, rows = 0;

	seen = kunit_kcalloc(test, BITS_TO_LONGS(nr), sizeof(*seen),
			     GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, seen);

	dma_buf_index_reset_peak();
	for (i = 0; i < STATS_NR_WORKERS; i++) {
		worker = &ctx->workers[i];
		worker->size = (i + 1) * SZ_1M;
		bytes += STATS_NR_HELD * (u64)worker->size;
		INIT_WORK(&worker->work, stats_export_work);
		queue_work(ctx->wq, &worker->work);
	}
	for (i = 0; i < STATS_NR_WORKERS; i++)
		KUNIT_ASSERT_TRUE(test, stats_wait(&ctx->workers[i].ready));

	stats_expect(test, STATS_NR_WORKERS * STATS_NR_HELD, bytes);
	/* No worker ever had more than what it holds now */
	stats_get_totals(&totals);
	KUNIT_EXPECT_EQ(test, totals.peak_bytes, ctx->base.bytes + bytes);
	KUNIT_EXPECT_EQ(test, totals.nr_exported, ctx->base.nr_exported + nr);

	for (i = 0; i < STATS_NR_WORKERS; i++) {
		worker = &ctx->workers[i];
		if (worker->error)
			KUNIT_FAIL(test, "%s", worker->error);
		for (j = 0; j < ARRAY_SIZE(worker->numbers); j++) {
			number = worker->numbers[j] - ctx->last - 1;
			KUNIT_ASSERT_LT(test, number, (u64)nr);
			KUNIT_EXPECT_FALSE(test,
					   test_and_set_bit(number, seen));
		}
	}

	stats_new_cursor(&cursor);
	last = dma_buf_index_rewind(&cursor);
	ino = ctx->last + 1;
	while (stats_find(&cursor, ino, last, &row)) {
		KUNIT_EXPECT_GE(test, row.ino, ino);
		ino = row.ino + 1;
		rows++;
	}
	dma_buf_index_del_cursor(&cursor);
	KUNIT_EXPECT_EQ(test, rows, STATS_NR_WORKERS * STATS_NR_HELD);

	complete_all(&ctx->go);
	flush_workqueue(ctx->wq);
	stats_expect(test, 0, 0);
}

/* Runs until the readers of the test are done */
static void stats_churn_work(struct work_struct *work)
{
	struct stats_worker *worker =
		container_of(work, struct stats_worker, work);
	struct stats_test *ctx = worker->ctx;

	while (!completion_done(&ctx->go)) {
		if (stats_buf_export_size(&worker->churn, PAGE_SIZE)) {
			worker->error = "no export";
			return;
		}
		stats_buf_put(&worker->churn);
		/* A walk may hold a reference for a while */
		if (!stats_wait(&worker->churn.released)) {
			worker->error = "no release";
			return;
		}
		cond_resched();
	}
}

static void stats_list_work(struct work_struct *work)
{
	struct stats_worker *worker =
		container_of(work, struct stats_worker, work);
	struct stats_test *ctx = worker->ctx;
	struct dma_buf_index_node cursor;
	struct dma_buf_row row;
	unsigned int i, next;
	u64 ino, last;

	stats_new_cursor(&cursor);
	for (i = 0; i < 50; i++) {
		last = dma_buf_index_rewind(&cursor);
		next = 0;
		for (ino = 1; stats_find(&cursor, ino, last, &row);
		     ino = row.ino + 1) {
			if (row.ino < ino || row.ino > last)
				worker->error = "a row out of order";
			if (next < ctx->nr && row.ino == ctx->bufs[next].ino)
				next++;
		}
		if (next != ctx->nr)
			worker->error = "a buffer is not in the list";
	}
	dma_buf_index_del_cursor(&cursor);
	complete(&worker->ready);
}

static void stats_iter_work(struct work_struct *work)
{
	struct stats_worker *worker =
		container_of(work, struct stats_worker, work);
	struct stats_test *ctx = worker->ctx;
	struct dma_buf *dmabuf;
	unsigned int i, left;
	u64 ino;

	for (i = 0; i < 50; i++) {
		left = ctx->nr;
		ino = U64_MAX;
		for (dmabuf = stats_iter_begin(); dmabuf;
		     dmabuf = stats_iter_next(dmabuf)) {
			if (to_dma_buf_entry(dmabuf)->node.ino >= ino)
				worker->error = "a walk out of order";
			ino = to_dma_buf_entry(dmabuf)->node.ino;
			if (left && ino == ctx->bufs[left - 1].ino)
				left--;
		}
		if (left)
			worker->error = "a walk has missed a buffer";
	}
	complete(&worker->ready);
}

/* Concurrent readers, each with a cursor, while others export and release */
static void stats_test_churn(struct kunit *test)
{
	static const work_func_t funcs[] = {
		stats_churn_work, stats_churn_work,
		stats_list_work, stats_list_work, stats_list_work,
		stats_iter_work, stats_iter_work,
	};
	struct stats_test *ctx = test->priv;
	struct stats_worker *worker;
	unsigned int i;

	static_assert(ARRAY_SIZE(funcs) <= STATS_NR_WORKERS);
	for (i = 0; i < 100; i++)
		stats_export_size(test, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(funcs); i++) {
		INIT_WORK(&ctx->workers[i].work, funcs[i]);
		queue_work(ctx->wq, &ctx->workers[i].work);
	}
	for (i = 0; i < ARRAY_SIZE(funcs); i++) {
		worker = &ctx->workers[i];
		if (funcs[i] != stats_churn_work)
			KUNIT_EXPECT_TRUE(test, stats_wait(&worker->ready));
	}
	complete_all(&ctx->go);
	flush_workqueue(ctx->wq);
	for (i = 0; i < ARRAY_SIZE(funcs); i++) {
		if (ctx->workers[i].error)
			KUNIT_FAIL(test, "%s", ctx->workers[i].error);
	}
	stats_settle(test, 100);
	stats_expect(test, 100, 100 * PAGE_SIZE);
}

/* What the release callback of a buffer sees */
struct stats_seen {
	struct stats_totals totals;
	struct dma_buf_row row;
	bool found;
	int module_refs;
};

static void stats_look(struct stats_buf *buf, struct dma_buf *dmabuf)
{
	struct stats_seen *seen = buf->data;

	stats_get_totals(&seen->totals);
	seen->found = stats_find_buf(buf, &seen->row);
#ifdef CONFIG_MODULE_UNLOAD
	if (dmabuf->owner)
		seen->module_refs = module_refcount(dmabuf->owner);
#endif
}

static void stats_expect_seen(struct kunit *test, struct stats_buf *buf,
			      size_t size)
{
	struct stats_test *ctx = test->priv;
	struct stats_seen *seen = buf->data;

	KUNIT_EXPECT_TRUE(test, completion_done(&buf->released));
	KUNIT_EXPECT_TRUE(test, seen->found);
	KUNIT_EXPECT_EQ(test, seen->row.ino, buf->ino);
	KUNIT_EXPECT_EQ(test, seen->row.size, size);
	KUNIT_EXPECT_EQ(test, seen->row.refs, 0UL);
	KUNIT_EXPECT_EQ(test, seen->totals.nr_buffers,
			ctx->base.nr_buffers + 1);
	KUNIT_EXPECT_EQ(test, seen->totals.bytes, ctx->base.bytes + size);
	KUNIT_EXPECT_FALSE(test, stats_find_buf(buf, &seen->row));
	stats_expect(test, 0, 0);
}

/* A buffer is counted and listed until the exporter has released it */
static void stats_test_release(struct kunit *test)
{
	struct stats_seen *seen;
	struct stats_buf *buf;

	seen = kunit_kzalloc(test, 2 * sizeof(*seen), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, seen);

	buf = stats_export_size(test, SZ_64K);
	buf->data = &seen[0];
	buf->on_release = stats_look;
	stats_buf_put(buf);
	stats_expect_seen(test, buf, SZ_64K);

	/* The way a kernel thread usually puts a file */
	buf = stats_export_size(test, SZ_128K);
	buf->data = &seen[1];
	buf->on_release = stats_look;
	dma_buf_put(buf->dmabuf);
	buf->dmabuf = NULL;
	KUNIT_ASSERT_TRUE(test, stats_wait(&buf->released));
	stats_settle(test, 0);
	stats_expect_seen(test, buf, SZ_128K);
}

/* A buffer whose file is closed but whose dentry is still pinned */
static void stats_test_closed(struct kunit *test)
{
	struct stats_buf *bufs[3];
	struct dentry *dentry;
	struct dma_buf *dmabuf;
	struct dma_buf_row row;
	int i;

	for (i = 0; i < ARRAY_SIZE(bufs); i++)
		bufs[i] = stats_export_size(test, SZ_64K);
	KUNIT_ASSERT_TRUE(test, stats_find_buf(bufs[1], &row));
	KUNIT_EXPECT_EQ(test, row.refs, 1UL);
	KUNIT_EXPECT_EQ(test, row.flags, bufs[1]->dmabuf->file->f_flags);

	dentry = dget(bufs[1]->dmabuf->file->f_path.dentry);
	stats_buf_put(bufs[1]);
	/* Let other buffers reuse the memory of its file */
	rcu_barrier();
	for (i = 0; i < 20; i++)
		stats_export_size(test, 0);
	KUNIT_EXPECT_FALSE(test, completion_done(&bufs[1]->released));
	stats_expect(test, 23, 3 * SZ_64K);
	KUNIT_EXPECT_TRUE(test, stats_find_buf(bufs[1], &row));
	KUNIT_EXPECT_EQ(test, row.refs, 0UL);
	KUNIT_EXPECT_EQ(test, row.size, (size_t)SZ_64K);
	for (dmabuf = stats_iter_begin(); dmabuf;
	     dmabuf = stats_iter_next(dmabuf))
		KUNIT_EXPECT_NE(test, to_dma_buf_entry(dmabuf)->node.ino, bufs[1]->ino);

	dput(dentry);
	KUNIT_EXPECT_TRUE(test, completion_done(&bufs[1]->released));
	KUNIT_EXPECT_FALSE(test, stats_find_buf(bufs[1], &row));
	stats_expect(test, 22, 2 * SZ_64K);
}

#ifdef CONFIG_MODULE_UNLOAD
/* An exporter in a module: one that is going away, then one that is live */
static void stats_test_module(struct kunit *test)
{
	DEFINE_DMA_BUF_EXPORT_INFO(exp_info);
	struct stats_test *ctx = test->priv;
	struct stats_seen *seen;
	struct stats_buf *buf;
	struct module *module;
	char rest[64];
	int ret;

	module = kunit_kzalloc(test, sizeof(*module), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, module);
	seen = kunit_kzalloc(test, sizeof(*seen), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, seen);
	strscpy(module->name, "stats_test", sizeof(module->name));
	atomic_set(&module->refcnt, 1);
	KUNIT_ASSERT_EQ(test, module_refcount(module), 0);

	exp_info.owner = module;
	exp_info.size = PAGE_SIZE;
	module->state = MODULE_STATE_GOING;
	ret = stats_buf_export(&ctx->bufs[ctx->nr], &exp_info);
	KUNIT_ASSERT_EQ(test, ret, -ENOENT);
	KUNIT_EXPECT_EQ(test, module_refcount(module), 0);
	stats_expect(test, 0, 0);

	module->state = MODULE_STATE_LIVE;
	exp_info.exp_name = "exporter";
	buf = stats_export(test, &exp_info);
	buf->data = seen;
	buf->on_release = stats_look;
	KUNIT_EXPECT_EQ(test, module_refcount(module), 1);
	KUNIT_EXPECT_EQ(test, stats_read_list(ctx, PAGE_SIZE), 0);
	snprintf(rest, sizeof(rest), "1 0 0%o %d %s exporter stats_test -",
		 O_RDWR, task_tgid_nr(current), current->comm);
	stats_expect_row(test, buf, PAGE_SIZE, rest);

	/* The reference to the module is dropped last */
	stats_buf_put(buf);
	stats_expect_seen(test, buf, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, seen->module_refs, 1);
	KUNIT_EXPECT_EQ(test, module_refcount(module), 0);
}
#endif

/* Names that no exporter or ioctl sets, and how they are shown */
static void stats_test_names(struct kunit *test)
{
	static const char raw[] = "a \\\n\177\377";
	static const char escaped[] = "a\\040\\134\\012\\177\\377";
	static const struct {
		const char *exp_name, *name, *text;
	} names[] = {
		{ NULL, NULL, "- - -" },
		{ "", "", "- - -" },
		{ "-", "-", "\\055 - \\055" },
		{ "--", "-a", "-- - -a" },
		{ "a b", "\n", "a\\040b - \\012" },
		{ "#", "# end", "# - #\\040end" },
	};
	struct stats_buf *bufs[ARRAY_SIZE(names)], *buf;
	DEFINE_DMA_BUF_EXPORT_INFO(exp_info);
	struct stats_test *ctx = test->priv;
	const unsigned int repeat = 1000;
	char *exp_name, *rest, start[64];
	unsigned int i, len;

	len = snprintf(start, sizeof(start), "1 0 0%o %d %s ", O_RDWR,
		       task_tgid_nr(current), current->comm);
	exp_name = kunit_kzalloc(test, repeat * strlen(raw) + 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, exp_name);
	rest = kunit_kzalloc(test, len + repeat * strlen(escaped) + 32,
			     GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, rest);

	exp_info.size = PAGE_SIZE;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		exp_info.exp_name = names[i].exp_name;
		bufs[i] = stats_export(test, &exp_info);
		/* Nothing else uses the buffer, so name_lock is not needed */
		bufs[i]->dmabuf->name = kstrdup(names[i].name, GFP_KERNEL);
	}
	/* Longer than a page, and far longer than a name can be */
	for (i = 0; i < repeat; i++)
		memcpy(exp_name + i * strlen(raw), raw, strlen(raw));
	exp_info.exp_name = exp_name;
	buf = stats_export(test, &exp_info);

	KUNIT_ASSERT_EQ(test, stats_read_list(ctx, PAGE_SIZE), 0);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		sprintf(rest, "%s%s", start, names[i].text);
		stats_expect_row(test, bufs[i], PAGE_SIZE, rest);
	}
	memcpy(rest, start, len);
	for (i = 0; i < repeat; i++)
		memcpy(rest + len + i * strlen(escaped), escaped,
		       strlen(escaped));
	memcpy(rest + len + i * strlen(escaped), " - -", sizeof(" - -"));
	stats_expect_row(test, buf, PAGE_SIZE, rest);
}

/* The list is the same text however it is read */
static void stats_test_chunks(struct kunit *test)
{
	static const size_t chunks[] = { 1, 7, 64, STATS_TEXT_SIZE };
	struct stats_test *ctx = test->priv;
	unsigned int i;
	size_t len;
	char *text;

	for (i = 0; i < 100; i++)
		stats_export_size(test, i);
	KUNIT_ASSERT_EQ(test, stats_read_list(ctx, PAGE_SIZE), 0);
	len = strlen(ctx->text) + 1;
	text = kunit_kzalloc(test, len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, text);
	memcpy(text, ctx->text, len);
	for (i = 0; i < ARRAY_SIZE(chunks); i++) {
		KUNIT_ASSERT_EQ(test, stats_read_list(ctx, chunks[i]), 0);
		KUNIT_EXPECT_TRUE(test, !strcmp(text, ctx->text));
	}
}

static void stats_read_work(struct work_struct *work)
{
	struct stats_worker *worker =
		container_of(work, struct stats_worker, work);
	struct stats_test *ctx = worker->ctx;
	struct stats_totals totals;
	struct dma_buf_row row;
	unsigned int i;

	stats_get_totals(&totals);
	for (i = 0; i < ctx->nr; i++) {
		if (!stats_find_buf(&ctx->bufs[i], &row))
			worker->error = "no row";
	}
	if (stats_read_list(ctx, PAGE_SIZE))
		worker->error = "no list";
	complete(&worker->ready);
}

/* Readers do not wait for a holder of the reservation lock */
static void stats_test_resv(struct kunit *test)
{
	DEFINE_DMA_BUF_EXPORT_INFO(exp_info);
	struct stats_test *ctx = test->priv;
	struct stats_worker *worker = &ctx->workers[0];
	struct stats_buf *embedded, *own;
	struct dma_resv *resv;
	bool done;

	resv = kunit_kzalloc(test, sizeof(*resv), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, resv);
	dma_resv_init(resv);
	embedded = stats_export_size(test, PAGE_SIZE);
	exp_info.size = PAGE_SIZE;
	exp_info.resv = resv;
	own = stats_export(test, &exp_info);

	INIT_WORK(&worker->work, stats_read_work);
	dma_resv_lock(embedded->dmabuf->resv, NULL);
	queue_work(ctx->wq, &worker->work);
	done = stats_wait(&worker->ready);
	dma_resv_unlock(embedded->dmabuf->resv);
	KUNIT_EXPECT_TRUE(test, done);
	flush_workqueue(ctx->wq);

	reinit_completion(&worker->ready);
	dma_resv_lock(resv, NULL);
	queue_work(ctx->wq, &worker->work);
	done = stats_wait(&worker->ready);
	dma_resv_unlock(resv);
	KUNIT_EXPECT_TRUE(test, done);
	flush_workqueue(ctx->wq);

	KUNIT_EXPECT_NULL(test, worker->error);
	stats_buf_put(own);
	stats_expect(test, 1, PAGE_SIZE);
	dma_resv_fini(resv);
}

/* Buffers at and around the cursor come and go while it moves on */
static void stats_test_cursor(struct kunit *test)
{
	struct stats_test *ctx = test->priv;
	unsigned int listed[STATS_NR_ROWS] = {};
	bool gone[STATS_NR_ROWS] = {};
	const unsigned int nr = STATS_NR_ROWS;
	struct dma_buf_index_node *cursor;
	struct dma_buf_row row;
	unsigned int i, j;
	u64 ino, last;

	for (i = 0; i < nr; i++)
		stats_export_size(test, i);
	cursor = stats_add_cursor(ctx);
	last = dma_buf_index_rewind(cursor);
	KUNIT_EXPECT_EQ(test, last, ctx->bufs[nr - 1].ino);
	for (ino = ctx->bufs[0].ino; stats_find(cursor, ino, last, &row);
	     ino = row.ino + 1) {
		i = row.ino - ctx->bufs[0].ino;
		KUNIT_ASSERT_LT(test, i, nr);
		KUNIT_EXPECT_EQ(test, row.size, (size_t)i);
		KUNIT_EXPECT_FALSE(test, gone[i]);
		listed[i]++;

		/* This one and the next two, or this one and the last */
		if (i % 5 == 0)
			for (j = i; j < i + 3; j++) {
				stats_buf_put(&ctx->bufs[j]);
				gone[j] = true;
			}
		if (i % 5 == 4)
			for (j = i - 1; j <= i; j++) {
				stats_buf_put(&ctx->bufs[j]);
				gone[j] = true;
			}
		stats_export_size(test, PAGE_SIZE);
		/* Looking for it again finds it if it is still there */
		if (gone[i])
			continue;
		KUNIT_ASSERT_TRUE(test,
				  stats_find(cursor, row.ino, last, &row));
		KUNIT_EXPECT_EQ(test, row.ino, ctx->bufs[i].ino);
	}
	stats_del_cursor(ctx);
	for (i = 0; i < nr; i++) {
		bool skipped = i % 5 == 1 || i % 5 == 2;

		KUNIT_EXPECT_EQ(test, listed[i], skipped ? 0U : 1U);
	}
}

/* A listing resumes by number if its current row is gone */
static void stats_test_resume(struct kunit *test)
{
	struct stats_test *ctx = test->priv;
	struct dma_buf_index_node *cursor;
	struct stats_buf *bufs[5];
	struct dma_buf_row row;
	u64 last;
	int i;

	for (i = 0; i < ARRAY_SIZE(bufs); i++)
		bufs[i] = stats_export_size(test, i);
	cursor = stats_add_cursor(ctx);
	last = dma_buf_index_rewind(cursor);
	KUNIT_EXPECT_TRUE(test, stats_find(cursor, bufs[1]->ino, last, &row));
	KUNIT_EXPECT_EQ(test, row.ino, bufs[1]->ino);
	stats_buf_put(bufs[1]);
	KUNIT_EXPECT_TRUE(test, stats_find(cursor, bufs[1]->ino, last, &row));
	KUNIT_EXPECT_EQ(test, row.ino, bufs[2]->ino);

	/* No further than requested */
	stats_buf_put(bufs[3]);
	KUNIT_EXPECT_FALSE(test, stats_find(cursor, bufs[3]->ino,
					    bufs[3]->ino, &row));
	KUNIT_EXPECT_TRUE(test, stats_find(cursor, bufs[3]->ino, last, &row));
	KUNIT_EXPECT_EQ(test, row.ino, bufs[4]->ino);
	stats_buf_put(bufs[4]);
	stats_export_size(test, PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, stats_find(cursor, bufs[4]->ino, last, &row));

	/* From the beginning, to a number that is gone */
	last = dma_buf_index_rewind(cursor);
	KUNIT_EXPECT_TRUE(test, stats_find(cursor, bufs[1]->ino, last, &row));
	KUNIT_EXPECT_EQ(test, row.ino, bufs[2]->ino);
	stats_del_cursor(ctx);
}

/* More other cursors than one hold of the index lock passes */
static void stats_test_cursors(struct kunit *test)
{
	struct dma_buf_index_node *others, cursor;
	struct stats_test *ctx = test->priv;
	const unsigned int nr = 200;
	struct stats_buf *bufs[3];
	struct dma_buf_row row;
	unsigned int i, rows = 0;
	u64 ino, last;

	others = kunit_kcalloc(test, nr, sizeof(*others), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, others);
	for (i = 0; i < ARRAY_SIZE(bufs); i++)
		bufs[i] = stats_export_size(test, i);

	/* Half of them at the beginning, and half before the second buffer */
	for (i = 0; i < nr; i++) {
		stats_new_cursor(&others[i]);
		last = dma_buf_index_rewind(&others[i]);
		if (i % 2)
			stats_find(&others[i], bufs[1]->ino, last, &row);
	}
	stats_expect(test, 3, 3);

	stats_new_cursor(&cursor);
	last = dma_buf_index_rewind(&cursor);
	for (ino = bufs[0]->ino; stats_find(&cursor, ino, last, &row);
	     ino = row.ino + 1) {
		KUNIT_EXPECT_EQ(test, row.ino, bufs[rows]->ino);
		if (++rows == ARRAY_SIZE(bufs))
			break;
	}
	KUNIT_EXPECT_EQ(test, rows, ARRAY_SIZE(bufs));
	KUNIT_EXPECT_FALSE(test, stats_find(&cursor, last + 1, last, &row));
	dma_buf_index_del_cursor(&cursor);

	/* The other cursors still work */
	stats_buf_put(bufs[1]);
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_TRUE(test, stats_find(&others[i], bufs[1]->ino,
						   last, &row));
		KUNIT_EXPECT_EQ(test, row.ino, bufs[2]->ino);
		dma_buf_index_del_cursor(&others[i]);
	}
	stats_expect(test, 2, 2);
	KUNIT_EXPECT_EQ(test, last, ctx->last + ARRAY_SIZE(bufs));
}

static struct dma_buf *stats_iter_ours(struct dma_buf *dmabuf)
{
	while (dmabuf && dmabuf->ops != &stats_ops)
		dmabuf = stats_iter_next(dmabuf);
	return dmabuf;
}

static u64 stats_iter_ino(struct dma_buf *dmabuf)
{
	return dmabuf ? to_dma_buf_entry(dmabuf)->node.ino : 0;
}

/* Newest first, no later ones, and past those that are gone */
static void stats_test_iter(struct kunit *test)
{
	struct stats_buf *bufs[5];
	struct dma_buf *dmabuf;
	struct dma_buf_row row;
	int i;

	for (i = 0; i < ARRAY_SIZE(bufs); i++)
		bufs[i] = stats_export_size(test, i);
	dmabuf = stats_iter_ours(stats_iter_begin());
	KUNIT_ASSERT_EQ(test, stats_iter_ino(dmabuf), bufs[4]->ino);
	KUNIT_EXPECT_TRUE(test, stats_find_buf(bufs[4], &row));
	KUNIT_EXPECT_EQ(test, row.refs, 2UL);

	stats_export_size(test, PAGE_SIZE);
	dmabuf = stats_iter_ours(stats_iter_next(dmabuf));
	KUNIT_ASSERT_EQ(test, stats_iter_ino(dmabuf), bufs[3]->ino);
	KUNIT_EXPECT_TRUE(test, stats_find_buf(bufs[4], &row));
	KUNIT_EXPECT_EQ(test, row.refs, 1UL);

	stats_buf_put(bufs[2]);
	dmabuf = stats_iter_ours(stats_iter_next(dmabuf));
	KUNIT_ASSERT_EQ(test, stats_iter_ino(dmabuf), bufs[1]->ino);

	/* Now the walk has the only reference */
	stats_buf_put(bufs[1]);
	KUNIT_EXPECT_FALSE(test, completion_done(&bufs[1]->released));
	KUNIT_EXPECT_TRUE(test, stats_find_buf(bufs[1], &row));
	KUNIT_EXPECT_EQ(test, row.refs, 1UL);
	dmabuf = stats_iter_ours(stats_iter_next(dmabuf));
	KUNIT_ASSERT_EQ(test, stats_iter_ino(dmabuf), bufs[0]->ino);
	stats_settle(test, 4);
	KUNIT_EXPECT_TRUE(test, completion_done(&bufs[1]->released));

	dmabuf = stats_iter_ours(stats_iter_next(dmabuf));
	KUNIT_EXPECT_NULL(test, dmabuf);
}

static void stats_block(struct stats_buf *buf, struct dma_buf *dmabuf)
{
	struct stats_test *ctx = buf->data;

	complete(&ctx->entered);
	wait_for_completion(&ctx->go);
}

/*
 * A walk skips any number of buffers whose last reference is gone but which
 * have not been closed; the list shows them. Their release is left to a worker
 * that is stuck in the release of another buffer.
 */
static void stats_test_dying(struct kunit *test)
{
	struct stats_test *ctx = test->priv;
	const unsigned int nr = 100;
	struct stats_buf *blocker, *old[3];
	struct dma_buf *dmabuf;
	struct dma_buf_row row;
	unsigned int i, first;

	for (i = 0; i < ARRAY_SIZE(old); i++)
		old[i] = stats_export_size(test, 0);
	blocker = stats_export_size(test, 0);
	blocker->data = ctx;
	blocker->on_release = stats_block;
	first = ctx->nr;
	for (i = 0; i < nr; i++)
		stats_export_size(test, PAGE_SIZE);

	dma_buf_put(blocker->dmabuf);
	blocker->dmabuf = NULL;
	KUNIT_ASSERT_TRUE(test, stats_wait(&ctx->entered));
	for (i = first; i < first + nr; i++) {
		dma_buf_put(ctx->bufs[i].dmabuf);
		ctx->bufs[i].dmabuf = NULL;
	}

	/* If something else flushed the deferred releases, some are gone */
	for (i = first; i < first + nr; i++) {
		if (stats_find_buf(&ctx->bufs[i], &row))
			KUNIT_EXPECT_EQ(test, row.refs, 0UL);
		else
			KUNIT_EXPECT_TRUE(test, completion_done
					  (&ctx->bufs[i].released));
	}
	dmabuf = stats_iter_ours(stats_iter_begin());
	for (i = ARRAY_SIZE(old); i--; ) {
		KUNIT_EXPECT_EQ(test, stats_iter_ino(dmabuf), old[i]->ino);
		if (dmabuf)
			dmabuf = stats_iter_ours(stats_iter_next(dmabuf));
	}
	KUNIT_EXPECT_NULL(test, dmabuf);

	complete_all(&ctx->go);
	stats_settle(test, ARRAY_SIZE(old));
	stats_expect(test, ARRAY_SIZE(old), 0);
}

/* A row says when the buffer was exported */
static void stats_test_time(struct kunit *test)
{
	struct dma_buf_row row;
	struct stats_buf *buf;
	u64 before, after;

	before = ktime_get_boottime_ns();
	buf = stats_export_size(test, PAGE_SIZE);
	after = ktime_get_boottime_ns();
	msleep(20);
	KUNIT_ASSERT_TRUE(test, stats_find_buf(buf, &row));
	KUNIT_EXPECT_GE(test, row.time, before);
	KUNIT_EXPECT_LE(test, row.time, after);
}

/*
 * Walks skip any number of buffers and cursors, in particular one less and one
 * more than the maximum in one hold of the index lock
 */
static void stats_test_batches(struct kunit *test)
{
	struct dma_buf_index_node *cursors;
	const unsigned int nr = 100;
	struct stats_buf *old, *buf;
	struct dma_buf *dmabuf;
	struct dma_buf_row row;
	struct path *paths;
	unsigned int i;

	paths = kunit_kcalloc(test, nr, sizeof(*paths), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, paths);
	cursors = kunit_kcalloc(test, 2 * nr, sizeof(*cursors), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cursors);

	/* Closed buffers that are newer than an open one */
	old = stats_export_size(test, SZ_4K);
	for (i = 0; i < nr; i++) {
		dmabuf = stats_iter_ours(stats_iter_begin());
		KUNIT_EXPECT_EQ(test, stats_iter_ino(dmabuf), old->ino);
		if (dmabuf)
			dma_buf_put(dmabuf);

		buf = stats_export_size(test, 0);
		paths[i] = buf->dmabuf->file->f_path;
		path_get(&paths[i]);
		stats_buf_put(buf);
	}
	stats_expect(test, nr + 1, SZ_4K);
	while (i--)
		path_put(&paths[i]);
	stats_settle(test, 1);

	/* Cursors on both sides of an open buffer */
	buf = stats_export_size(test, 0);
	for (i = 0; i < 2 * nr; i++) {
		dmabuf = stats_iter_ours(stats_iter_begin());
		KUNIT_EXPECT_EQ(test, stats_iter_ino(dmabuf), buf->ino);
		if (dmabuf)
			dmabuf = stats_iter_ours(stats_iter_next(dmabuf));
		KUNIT_EXPECT_EQ(test, stats_iter_ino(dmabuf), old->ino);
		if (dmabuf)
			dma_buf_put(dmabuf);
		KUNIT_EXPECT_TRUE(test, stats_find_buf(old, &row));
		KUNIT_EXPECT_TRUE(test, stats_find_buf(buf, &row));

		stats_new_cursor(&cursors[i]);
		if (i % 2)
			stats_find(&cursors[i], buf->ino, buf->ino, &row);
	}
	while (i--)
		dma_buf_index_del_cursor(&cursors[i]);
}

/* A row may end anywhere in the buffer of the seq_file */
static void stats_test_ends(struct kunit *test)
{
	DEFINE_DMA_BUF_EXPORT_INFO(exp_info);
	struct stats_test *ctx = test->priv;
	struct stats_buf *first, *buf;
	const unsigned int longest = 240;
	char *name, *filler, *rows = NULL, *at;
	char start[24];
	unsigned int i;

	filler = kunit_kzalloc(test, longest + 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, filler);
	memset(filler, 'x', longest);
	name = kunit_kzalloc(test, DMA_BUF_NAME_LEN, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, name);
	memset(name, '\377', DMA_BUF_NAME_LEN - 1);
	exp_info.exp_name = filler;
	first = stats_export(test, &exp_info);
	for (i = 0; i < 60; i++) {
		exp_info.exp_name = i % 2 ? name : "system";
		buf = stats_export(test, &exp_info);
		/* Nothing else uses the buffer, so name_lock is not needed */
		buf->dmabuf->name = kstrdup(i % 3 ? name : "-", GFP_KERNEL);
	}

	for (i = 0; i <= longest; i++) {
		first->dmabuf->exp_name = filler + i;
		KUNIT_ASSERT_EQ(test, stats_read_list(ctx, SZ_64K), 0);
		snprintf(start, sizeof(start), "\n%llu ", first->ino);
		at = strstr(ctx->text, start);
		KUNIT_ASSERT_NOT_NULL(test, at);
		at = strchr(at + 1, '\n');
		KUNIT_ASSERT_NOT_NULL(test, at);
		if (!rows) {
			rows = kunit_kzalloc(test, strlen(at) + 1, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, rows);
			memcpy(rows, at, strlen(at));
		}
		KUNIT_EXPECT_TRUE(test, !strcmp(rows, at));
	}
}

static void stats_name_work(struct work_struct *work)
{
	struct stats_worker *worker =
		container_of(work, struct stats_worker, work);

	if (stats_read_list(worker->ctx, PAGE_SIZE))
		worker->error = "no list";
	complete(&worker->ready);
}

/* Holds the name_lock of a buffer until the test goes on or gives up */
static void stats_hold_name(struct work_struct *work)
{
	struct stats_worker *worker =
		container_of(work, struct stats_worker, work);
	struct stats_test *ctx = worker->ctx;
	struct dma_buf *dmabuf = ctx->bufs[0].dmabuf;
	unsigned int ms;

	spin_lock(&dmabuf->name_lock);
	complete(&worker->ready);
	for (ms = 0; ms < 10000 && !completion_done(&ctx->go); ms++)
		mdelay(1);
	if (!completion_done(&ctx->go))
		worker->error = "the list waits for name_lock";
	spin_unlock(&dmabuf->name_lock);
}

/* The list does not wait for name_lock, which may be held for long */
static void stats_test_name_lock(struct kunit *test)
{
	struct stats_test *ctx = test->priv;
	struct stats_worker *holder = &ctx->workers[0];
	struct stats_worker *reader = &ctx->workers[1];

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");

	stats_export_size(test, PAGE_SIZE);
	ctx->bufs[0].dmabuf->name = kstrdup("locked", GFP_KERNEL);
	INIT_WORK(&holder->work, stats_hold_name);
	INIT_WORK(&reader->work, stats_name_work);
	queue_work(ctx->wq, &holder->work);
	KUNIT_ASSERT_TRUE(test, stats_wait(&holder->ready));
	queue_work(ctx->wq, &reader->work);
	KUNIT_EXPECT_TRUE(test, stats_wait(&reader->ready));
	complete_all(&ctx->go);
	flush_workqueue(ctx->wq);
	KUNIT_EXPECT_STREQ(test, holder->error ?: "", "");
	KUNIT_EXPECT_STREQ(test, reader->error ?: "", "");
	KUNIT_EXPECT_NOT_NULL(test, strstr(ctx->text, " locked\n"));
}

static int stats_fail_attach(struct dma_buf *dmabuf,
			     struct dma_buf_attachment *attach)
{
	return -EIO;
}

static int stats_fail_pin(struct dma_buf_attachment *attach)
{
	return -EIO;
}

static void stats_unpin(struct dma_buf_attachment *attach)
{
}

static const struct dma_buf_ops stats_ops_fail_attach = {
	.attach		= stats_fail_attach,
	.map_dma_buf	= stats_map,
	.unmap_dma_buf	= stats_unmap,
	.release	= stats_release,
};

static const struct dma_buf_ops stats_ops_fail_pin = {
	.pin		= stats_fail_pin,
	.unpin		= stats_unpin,
	.map_dma_buf	= stats_map,
	.unmap_dma_buf	= stats_unmap,
	.release	= stats_release,
};

static unsigned int stats_attached(struct stats_buf *buf)
{
	struct dma_buf_row row;

	return stats_find_buf(buf, &row) ? row.attached : UINT_MAX;
}

/* Attachments are counted, failed ones are not */
static void stats_test_attached(struct kunit *test)
{
	static const struct dma_buf_ops *fail[] = {
		&stats_ops_fail_attach, &stats_ops_fail_pin,
	};
	struct dma_buf_attachment *attach[3];
	DEFINE_DMA_BUF_EXPORT_INFO(exp_info);
	struct stats_buf *buf;
	struct device *dev;
	int i;

	dev = root_device_register("dma-buf-stats-test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	buf = stats_export_size(test, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(attach); i++) {
		attach[i] = dma_buf_attach(buf->dmabuf, dev);
		KUNIT_EXPECT_FALSE(test, IS_ERR(attach[i]));
		KUNIT_EXPECT_EQ(test, stats_attached(buf), i + 1U);
	}
	while (i--) {
		if (!IS_ERR(attach[i]))
			dma_buf_detach(buf->dmabuf, attach[i]);
		KUNIT_EXPECT_EQ(test, stats_attached(buf), (unsigned int)i);
	}

	exp_info.size = PAGE_SIZE;
	for (i = 0; i < ARRAY_SIZE(fail); i++) {
		exp_info.ops = fail[i];
		buf = stats_export(test, &exp_info);
		attach[0] = dma_buf_attach(buf->dmabuf, dev);
		/* Only some kernels pin an attachment at once */
		if (!IS_ERR(attach[0]))
			dma_buf_detach(buf->dmabuf, attach[0]);
		KUNIT_EXPECT_EQ(test, stats_attached(buf), 0U);
	}
	root_device_unregister(dev);
}

static struct kunit_case stats_test_cases[] = {
	KUNIT_CASE(stats_test_sizes),
	KUNIT_CASE(stats_test_threads),
	KUNIT_CASE(stats_test_churn),
	KUNIT_CASE(stats_test_release),
	KUNIT_CASE(stats_test_closed),
#ifdef CONFIG_MODULE_UNLOAD
	KUNIT_CASE(stats_test_module),
#endif
	KUNIT_CASE(stats_test_names),
	KUNIT_CASE(stats_test_chunks),
	KUNIT_CASE(stats_test_resv),
	KUNIT_CASE(stats_test_cursor),
	KUNIT_CASE(stats_test_resume),
	KUNIT_CASE(stats_test_cursors),
	KUNIT_CASE(stats_test_iter),
	KUNIT_CASE(stats_test_dying),
	KUNIT_CASE(stats_test_time),
	KUNIT_CASE(stats_test_batches),
	KUNIT_CASE(stats_test_ends),
	KUNIT_CASE(stats_test_name_lock),
	KUNIT_CASE(stats_test_attached),
	{}
};

static struct kunit_suite stats_test_suite = {
	.name = "dma-buf-stats",
	.init = stats_init,
	.exit = stats_exit,
	.test_cases = stats_test_cases,
};

kunit_test_suite(stats_test_suite);
