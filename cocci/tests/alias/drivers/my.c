// SPDX-License-Identifier: GPL-2.0
static void gone(struct dma_buf *dmabuf)
{
	kobject_del(dmabuf);
}

void other_name(struct dma_buf *dmabuf) __attribute__((alias("gone")));

static void my_release(struct dma_buf *dmabuf)
{
	other_name(dmabuf);
}

static const struct dma_buf_ops my_ops = {
	.release = my_release,
};

struct dma_buf *my_export(struct dma_buf_export_info *info)
{
	info->ops = &my_ops;
	return dma_buf_export(info);
}
