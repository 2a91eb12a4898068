// SPDX-License-Identifier: GPL-2.0
#define FARTHER(buf)	farther((buf)->priv)

void far(struct dma_buf *dmabuf)
{
#ifdef CONFIG_SELDOM
	FARTHER(dmabuf);
#endif
}

void far_and_harmless(struct dma_buf *dmabuf)
{
	kobject_get(dmabuf->priv);
}
