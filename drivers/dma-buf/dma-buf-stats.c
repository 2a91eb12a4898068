// SPDX-License-Identifier: GPL-2.0-only
/* Totals of all dma-bufs, in /sys/kernel/dmabuf/stats/ */

#include <linux/dma-buf-stats.h>
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/printk.h>
#include <linux/sysfs.h>

#include "dma-buf-index.h"

#define DMA_BUF_STAT_SHOW(_name)					\
static ssize_t _name##_show(struct kobject *kobj,			\
			    struct kobj_attribute *attr, char *buf)	\
{									\
	return sysfs_emit(buf, "%llu\n",				\
			  (u64)atomic64_read_acquire(&dma_buf_totals._name)); \
}

#define DMA_BUF_STAT_RO(_name)						\
DMA_BUF_STAT_SHOW(_name)						\
static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

DMA_BUF_STAT_RO(nr_buffers);
DMA_BUF_STAT_RO(bytes);
DMA_BUF_STAT_RO(nr_exported);
DMA_BUF_STAT_RO(bytes_exported);

DMA_BUF_STAT_SHOW(peak_bytes)

static ssize_t peak_bytes_store(struct kobject *kobj,
				struct kobj_attribute *attr,
				const char *buf, size_t count)
{
	u64 val;

	/* Accept only 0, which resets; reject anything else for future use */
	if (kstrtou64(buf, 10, &val) || val)
		return -EINVAL;

	dma_buf_index_reset_peak();
	return count;
}

static struct kobj_attribute peak_bytes_attr = __ATTR_RW(peak_bytes);

static struct attribute *dma_buf_stats_attrs[] = {
	&nr_buffers_attr.attr,
	&bytes_attr.attr,
	&peak_bytes_attr.attr,
	&nr_exported_attr.attr,
	&bytes_exported_attr.attr,
	NULL
};

static const struct attribute_group dma_buf_stats_group = {
	.name = "stats",
	.attrs = dma_buf_stats_attrs,
};

/**
 * dma_buf_show_mem - print the totals for show_mem()
 *
 * Context: As show_mem(). Takes no lock of dma-buf and does not allocate.
 */
void dma_buf_show_mem(void)
{
	pr_warn("%llu dma-bufs, %llu bytes, peak %llu bytes\n",
		(u64)atomic64_read(&dma_buf_totals.nr_buffers),
		(u64)atomic64_read(&dma_buf_totals.bytes),
		(u64)atomic64_read(&dma_buf_totals.peak_bytes));
}

/* A separate initcall, so that dma-buf works even without the files */
static int __init dma_buf_stats_init(void)
{
	struct kobject *kobj = kobject_create_and_add("dmabuf", kernel_kobj);

	if (!kobj || sysfs_create_group(kobj, &dma_buf_stats_group)) {
		pr_warn("dma-buf: no statistics in sysfs\n");
		kobject_put(kobj);
	}

	return 0;
}
subsys_initcall(dma_buf_stats_init);
