// SPDX-License-Identifier: GPL-2.0
struct buf {
	struct kobject kobj;
	struct kref ref;
};

static void last(struct kref *kref)
{
	kobject_del(kref);
}

static void my_release(struct dma_buf *dmabuf)
{
	struct buf *buf = dmabuf->priv;

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
