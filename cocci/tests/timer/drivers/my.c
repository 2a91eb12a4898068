// SPDX-License-Identifier: GPL-2.0
struct buf {
	struct kobject kobj;
	struct timer_list timer;
};

static void my_timer(struct timer_list *t)
{
	device_del(t);
}

static void my_release(struct dma_buf *dmabuf)
{
	struct buf *buf = dmabuf->priv;

	timer_setup(&buf->timer, my_timer, 0);
	mod_timer(&buf->timer, 1);
}

static const struct dma_buf_ops my_ops = {
	.release = my_release,
};

struct dma_buf *my_export(struct dma_buf_export_info *info)
{
	info->ops = &my_ops;
	return dma_buf_export(info);
}
