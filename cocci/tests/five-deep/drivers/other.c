// SPDX-License-Identifier: GPL-2.0
static void five_4(struct dma_buf *dmabuf)
{
	sysfs_create_group(dmabuf->priv);
}

static void five_3(struct dma_buf *dmabuf)
{
	five_4(dmabuf);
}

void five_2(struct dma_buf *dmabuf)
{
	five_3(dmabuf);
}
