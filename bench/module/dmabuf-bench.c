// SPDX-License-Identifier: GPL-2.0
/*
 * What a benchmark of dma-bufs needs from within the kernel, as files in
 * debugfs:
 *
 * own, given	write N: N exports and releases of a buffer, with its own
 *		reservation object or with one of the exporter
 * show		write N: N times what sysfs does for any attribute: clear a
 *		page, and print a number into it, here one of 8 digits
 * first, second, nothing
 *		what each export (or clearing) took, and each release (or
 *		printing), in ns, as u32; and an empty measurement
 * churn	read: how many exports and releases the reader's CPU does in 1 s
 * kernfs	write: nobody gets the lock of sysfs for the next 100 ms
 * reserve	write the file descriptor of a buffer: the same for its
 *		reservation lock
 *
 * Both locks are held by the writer, who is back after that time.
 */

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/kobject.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "kernfs-internal.h"

#define BENCH_NR	4000
#define BENCH_WARM_UP	200
#define BENCH_HOLD_MS	100

static u32 bench_first[BENCH_NR];
static u32 bench_second[BENCH_NR];
static u32 bench_nothing[BENCH_NR];

static struct debugfs_blob_wrapper bench_blobs[] = {
	{ bench_first, sizeof(bench_first) },
	{ bench_second, sizeof(bench_second) },
	{ bench_nothing, sizeof(bench_nothing) },
};

static struct dma_resv bench_resv;

static struct sg_table *bench_map(struct dma_buf_attachment *attach,
				  enum dma_data_direction dir)
{
	return ERR_PTR(-EIO);
}

static void bench_unmap(struct dma_buf_attachment *attach,
			struct sg_table *sgt, enum dma_data_direction dir)
{
}

static void bench_released(struct dma_buf *dmabuf)
{
}

static const struct dma_buf_ops bench_ops = {
	.map_dma_buf	= bench_map,
	.unmap_dma_buf	= bench_unmap,
	.release	= bench_released,
};

static struct dma_buf *bench_new(struct dma_resv *resv)
{
	DEFINE_DMA_BUF_EXPORT_INFO(exp_info);

	exp_info.exp_name = "bench";
	exp_info.ops = &bench_ops;
	exp_info.size = PAGE_SIZE;
	exp_info.flags = O_RDWR;
	exp_info.priv = &bench_resv;
	exp_info.resv = resv;
	return dma_buf_export(&exp_info);
}

static void bench_note(int i, u64 before, u64 start, u64 middle, u64 end)
{
	if (i < 0)
		return;
	bench_nothing[i] = start - before;
	bench_first[i] = middle - start;
	bench_second[i] = end - middle;
}

static int bench_show(void *data, u64 nr)
{
	char *page = (char *)__get_free_page(GFP_KERNEL);
	int i, n = min_t(u64, nr, BENCH_NR);
	u64 before, start, cleared, printed;

	if (!page)
		return -ENOMEM;
	for (i = -BENCH_WARM_UP; i < n; i++) {
		before = ktime_get_ns();
		start = ktime_get_ns();
		memset(page, 0, PAGE_SIZE);
		cleared = ktime_get_ns();
		sysfs_emit(page, "%llu\n", 40960000ULL);
		printed = ktime_get_ns();
		bench_note(i, before, start, cleared, printed);
	}
	free_page((unsigned long)page);
	return 0;
}

static int bench_pairs(void *resv, u64 nr)
{
	u64 before, start, exported, released;
	struct dma_buf *dmabuf;
	int i, n = min_t(u64, nr, BENCH_NR);

	for (i = -BENCH_WARM_UP; i < n; i++) {
		before = ktime_get_ns();
		start = ktime_get_ns();
		dmabuf = bench_new(resv);
		exported = ktime_get_ns();
		if (IS_ERR(dmabuf))
			return PTR_ERR(dmabuf);
		/* Without delay, as a process that closes has it */
		__fput_sync(dmabuf->file);
		released = ktime_get_ns();
		bench_note(i, before, start, exported, released);
	}
	return 0;
}

static int bench_churn(void *resv, u64 *nr)
{
	u64 end = ktime_get_ns() + NSEC_PER_SEC;
	struct dma_buf *dmabuf;

	/* A clock may take as long as an export */
	for (*nr = 0; *nr % 64 || ktime_get_ns() < end; ++*nr) {
		dmabuf = bench_new(resv);
		if (IS_ERR(dmabuf))
			return PTR_ERR(dmabuf);
		__fput_sync(dmabuf->file);
		cond_resched();
	}
	return 0;
}

static int bench_kernfs(void *data, u64 unused)
{
	struct kernfs_root *root = kernfs_root(kernel_kobj->sd);

	down_write(&root->kernfs_rwsem);
	msleep(BENCH_HOLD_MS);
	up_write(&root->kernfs_rwsem);
	return 0;
}

static int bench_reserve(void *data, u64 fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = dma_resv_lock(dmabuf->resv, NULL);
	if (!ret) {
		msleep(BENCH_HOLD_MS);
		dma_resv_unlock(dmabuf->resv);
	}
	dma_buf_put(dmabuf);
	return ret;
}

DEFINE_DEBUGFS_ATTRIBUTE(bench_pairs_fops, NULL, bench_pairs, "%llu\n");
DEFINE_DEBUGFS_ATTRIBUTE(bench_show_fops, NULL, bench_show, "%llu\n");
DEFINE_DEBUGFS_ATTRIBUTE(bench_churn_fops, bench_churn, NULL, "%llu\n");
DEFINE_DEBUGFS_ATTRIBUTE(bench_kernfs_fops, NULL, bench_kernfs, "%llu\n");
DEFINE_DEBUGFS_ATTRIBUTE(bench_reserve_fops, NULL, bench_reserve, "%llu\n");

static struct dentry *bench_dir;

static int __init bench_init(void)
{
	dma_resv_init(&bench_resv);
	bench_dir = debugfs_create_dir("dmabuf-bench", NULL);
	debugfs_create_file("own", 0200, bench_dir, NULL, &bench_pairs_fops);
	debugfs_create_file("given", 0200, bench_dir, &bench_resv,
			    &bench_pairs_fops);
	debugfs_create_file("show", 0200, bench_dir, NULL, &bench_show_fops);
	debugfs_create_blob("first", 0400, bench_dir, &bench_blobs[0]);
	debugfs_create_blob("second", 0400, bench_dir, &bench_blobs[1]);
	debugfs_create_blob("nothing", 0400, bench_dir, &bench_blobs[2]);
	debugfs_create_file("churn", 0400, bench_dir, NULL, &bench_churn_fops);
	debugfs_create_file("kernfs", 0200, bench_dir, NULL,
			    &bench_kernfs_fops);
	debugfs_create_file("reserve", 0200, bench_dir, NULL,
			    &bench_reserve_fops);
	return 0;
}
module_init(bench_init);

static void __exit bench_exit(void)
{
	debugfs_remove(bench_dir);
	dma_resv_fini(&bench_resv);
}
module_exit(bench_exit);

MODULE_DESCRIPTION("Benchmark of dma-bufs, from within the kernel");
MODULE_LICENSE("GPL");
/* The macro for it takes a string on one kernel and a name on another */
MODULE_INFO(import_ns, "DMA_BUF");
