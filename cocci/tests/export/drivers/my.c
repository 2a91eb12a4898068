// SPDX-License-Identifier: GPL-2.0
struct dma_buf *my_export(struct dma_buf_export_info *info)
{
	struct dma_buf *dmabuf = dma_buf_export(info);

	device_add(dmabuf->priv);
	return dmabuf;
}

static void my_release(struct dma_buf *dmabuf)
{
}

static const struct dma_buf_ops my_ops = {
	.release = my_release,
};

struct dma_buf *my_second_export(struct dma_buf_export_info *info)
{
	info->ops = &my_ops;
	return dma_buf_export(info);
}
