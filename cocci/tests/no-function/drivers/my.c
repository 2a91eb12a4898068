// SPDX-License-Identifier: GPL-2.0
struct buf {
	void (*done)(struct buf *buf);
};

static void my_release(struct dma_buf *dmabuf)
{
	struct buf *buf = dmabuf->priv;

	buf->done(buf);
}

static const struct dma_buf_ops my_ops = {
	.release = my_release,
};

struct dma_buf *my_export(struct dma_buf_export_info *info)
{
	info->ops = &my_ops;
	return dma_buf_export(info);
}
