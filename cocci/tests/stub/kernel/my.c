// SPDX-License-Identifier: GPL-2.0
void my_free(struct dma_buf *dmabuf)
{
	kobject_del(dmabuf);
}
