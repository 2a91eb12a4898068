// SPDX-License-Identifier: GPL-2.0
void half(struct dma_buf *dmabuf)
{
	if (dmabuf->priv) ) odd [
}
