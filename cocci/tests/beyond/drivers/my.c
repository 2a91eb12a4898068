// SPDX-License-Identifier: GPL-2.0
static void my_release(struct dma_buf *dmabuf)
{
	far(dmabuf);
	far_and_harmless(dmabuf);
}

static const struct dma_buf_ops my_ops = {
	.release = my_release,
};

struct dma_buf *my_export(struct dma_buf_export_info *info)
{
	info->ops = &my_ops;
	return dma_buf_export(info);
}
