// SPDX-License-Identifier: GPL-2.0
struct buf {
	struct kref ref;
};

static struct buf *buf;

static void last(struct kref *kref)
{
	stopped(kref);
}

static void my_release(struct dma_buf *dmabuf)
{
	kref_put(&buf->ref, last);
}

static const struct dma_buf_ops my_ops = {
	.release = my_release,
};

struct dma_buf *my_export(struct dma_buf_export_info *info)
{
	info->ops = &my_ops;
	return dma_buf_export(info);
}
