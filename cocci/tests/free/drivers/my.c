// SPDX-License-Identifier: GPL-2.0
struct buf {
	struct mutex lock;
};

static void drop(struct buf *buf)
{
	kobject_del(buf);
}

DEFINE_FREE(drop, struct buf *, drop(t))

static void my_release(struct dma_buf *dmabuf)
{
	struct buf *buf __free(drop) = dmabuf->priv;

	my_lock(&buf->lock);
}

static const struct dma_buf_ops my_ops = {
	.release = my_release,
};

struct dma_buf *my_export(struct dma_buf_export_info *info)
{
	info->ops = &my_ops;
	return dma_buf_export(info);
}
