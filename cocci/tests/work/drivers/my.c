// SPDX-License-Identifier: GPL-2.0
struct buf {
	struct kobject kobj;
	struct work_struct work;
};

static void my_work(struct work_struct *work)
{
	kobject_del(work);
}

static void my_release(struct dma_buf *dmabuf)
{
	struct buf *buf = dmabuf->priv;

	INIT_WORK(&buf->work, my_work);
	schedule_work(&buf->work);
}

static const struct dma_buf_ops my_ops = {
	.release = my_release,
};

struct dma_buf *my_export(struct dma_buf_export_info *info)
{
	info->ops = &my_ops;
	return dma_buf_export(info);
}
