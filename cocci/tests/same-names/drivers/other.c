// SPDX-License-Identifier: GPL-2.0
static void helper(struct dma_buf *dmabuf)
{
	kobject_del(dmabuf->priv);
}
