/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_DMA_BUF_STATS_H
#define _LINUX_DMA_BUF_STATS_H

#ifdef CONFIG_DMABUF_STATS
void dma_buf_show_mem(void);
#else
static inline void dma_buf_show_mem(void) {}
#endif

#endif /* _LINUX_DMA_BUF_STATS_H */
