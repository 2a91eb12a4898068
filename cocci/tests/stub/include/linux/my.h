/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MY_H
#define MY_H

#ifdef CONFIG_MY
void my_free(struct dma_buf *dmabuf);
#else
static inline void my_free(struct dma_buf *dmabuf)
{
}
#endif

static inline void my_put(struct dma_buf *dmabuf)
{
	my_free(dmabuf);
}

#endif
